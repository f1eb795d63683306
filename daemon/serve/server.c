/*
 * Listening, accepting and dispatching. Many ready connections are one source of the event loop, which would otherwise make a system call
 * for each: they are in an epoll set of their own.
 */
#include "daemon/serve/server.h"

#include "daemon/serve/audit.h"
#include "daemon/base/log.h"
#include "daemon/serve/server_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

enum {
        EVENTS_PER_LOOK = 64,
        ACCEPTS_PER_LOOK = 8,
        LOOKS_PER_ROUND = 16,
        PAUSE_MSEC = 100,

        CONNECTIONS_MOST = 16384,
        DESCRIPTORS_RESERVED = 256, /* for the store, the providers' connections, configuration files */
};

struct server_limits server_limits_for(uint64_t n_descriptors)
{
        uint64_t reserved =
                n_descriptors / 4 < DESCRIPTORS_RESERVED ? n_descriptors / 4 : DESCRIPTORS_RESERVED;
        uint64_t n = n_descriptors - reserved;

        if (n > CONNECTIONS_MOST)
                n = CONNECTIONS_MOST;
        return (struct server_limits){
                .connections = (unsigned)n,
                .connections_per_user = (unsigned)(n / 2),
                .waiting_per_user = (unsigned)(n * 3 / 8),
                .held_per_user = 16 * 1024 * 1024,
                .held = 64 * 1024 * 1024,
                .max_message = WIRE_MESSAGE_MAX,
                .max_call = 128 * 1024,
                .max_short_message = 8 * 1024,
                .max_queued = 2 * WIRE_MESSAGE_MAX,
                .partial_usec = 20 * USEC_PER_SEC,
                .stalled_usec = 60 * USEC_PER_SEC,
        };
}

/* ---- accepting ---- */

static void set_listening(struct server *server, uint32_t events)
{
        struct listener *listener;

        LIST_FOREACH (listener, &server->listeners, link) {
                struct epoll_event event = { .events = events, .data.ptr = &listener->source };

                epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, listener->source.fd, &event);
        }
}

static void on_resume(void *userdata)
{
        struct server *server = userdata;

        server->paused = false;
        set_listening(server, EPOLLIN);
}

/* A listening socket that stays ready, with nothing to take it, would spin the loop. */
static void pause_accepting(struct server *server)
{
        if (server->paused ||
            timer_set(server->timers, &server->resume,
                      usec_add(clock_boot_usec(server->clock), PAUSE_MSEC * USEC_PER_MSEC)) < 0)
                return;
        server->paused = true;
        set_listening(server, 0);
}

static bool evict(struct server *server, struct account_entry *entry, const char *why)
{
        if (!entry)
                return false;
        server->stats.evicted++;
        connection_drop(connection_of_entry(entry), why);
        return true;
}

static bool evict_idlest(struct server *server, struct account *account)
{
        return account &&
               evict(server, account_idlest(account), "has too many connections; the idlest is closed");
}

/* Of whoever has most, the connection that rested longest goes; or else, for somebody else, the last that came. */
static bool evict_for(struct server *server, const struct account *newcomer)
{
        struct account *account = accounts_greediest(&server->accounts);

        return evict_idlest(server, account) ||
               (account && account != newcomer &&
                evict(server, account_newest(account),
                      "has too many connections; the last is closed unread"));
}

/* Out of descriptors: the peer is told by a closed connection rather than left to wait. */
static void refuse_one(struct server *server, int listener_fd)
{
        int fd;

        server->stats.refused++;
        if (server->reserve_fd < 0)
                return;
        close(server->reserve_fd);
        fd = accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
                close(fd);
        server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

bool server_make_room(struct server *server, uid_t uid)
{
        struct account *account = accounts_find(&server->accounts, uid);

        if (account && account->n_connections >= server->limits.connections_per_user)
                return evict_idlest(server, account);
        if (server->accounts.n_connections >= server->limits.connections)
                return evict_for(server, account);
        return true;
}

static void welcome(struct server *server, int fd)
{
        struct connection *connection;

        if (connection_new(&connection, server, fd) != 0) {
                server->stats.refused++;
                return;
        }
        server->stats.accepted++;
        /* Who connects has mostly sent the call already. */
        connection->events = EPOLLIN;
        account_charge(&connection->entry, SERVER_WORK_ACCEPT);
        account_set_due(&server->accounts, &connection->entry);
}

/* The kernel looks for a descriptor before it looks whether anybody knocks. What is evicted gives its own back when this round is over. */
static void on_no_descriptor(struct server *server, int listener_fd)
{
        struct pollfd knock = { .fd = listener_fd, .events = POLLIN };

        if (poll(&knock, 1, 0) <= 0 || evict_idlest(server, accounts_greediest(&server->accounts)))
                return;
        refuse_one(server, listener_fd);
        pause_accepting(server);
}

/* accept(2): what can go wrong with one peer is passed over; without descriptors or memory, all of them wait a moment. False: no more. */
static bool accept_one(struct server *server, int listener_fd)
{
        int fd = accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
                server->work += SERVER_WORK_ACCEPT;
                welcome(server, fd);
                return true;
        }
        switch (errno) {
        case EAGAIN:
                return false;
        case EINTR:
        case ECONNABORTED:
        case EPERM:
                return true;
        case EMFILE:
        case ENFILE:
                on_no_descriptor(server, listener_fd);
                return false;
        default:
                log_warning("Cannot accept a connection: %m; trying again.");
                pause_accepting(server);
                return false;
        }
}

static void on_connections(struct server *server, int listener_fd)
{
        for (unsigned i = 0; i < ACCEPTS_PER_LOOK; i++)
                if (server->paused || !accept_one(server, listener_fd))
                        return;
        server->is_crowded = true;
}

/*
 * The kernel's queue knows no users: whoever is at its end waits for all before. So it goes before most else, and is not looked for among
 * thousands of connections that have something.
 */
static bool accept_crowd(struct server *server)
{
        struct listener *listener;

        if (!server->is_crowded)
                return false;
        server->is_crowded = false;
        LIST_FOREACH (listener, &server->listeners, link)
                on_connections(server, listener->source.fd);
        return true;
}

/* ---- the loop ---- */

/* Frees what is dead, now that nobody is on the stack who uses it. */
static void reap(struct server *server)
{
        while (!STAILQ_EMPTY(&server->dead)) {
                struct connection *connection = STAILQ_FIRST(&server->dead);

                STAILQ_REMOVE_HEAD(&server->dead, dead_link);
                connection_free(connection);
        }
}

/* Nobody is served here but taken note of, so that whoever came first of a user is served first, and users in turn. */
static bool look(struct server *server, int timeout_msec)
{
        struct epoll_event events[EVENTS_PER_LOOK];
        bool loop_is_ready = false;
        int n;

        server->work = 0;
        /* Whoever is accepted here has mostly called already, and nothing else may come. */
        if (accept_crowd(server))
                timeout_msec = 0;
        n = epoll_wait(server->epoll_fd, events, EVENTS_PER_LOOK, timeout_msec);
        server->looked_usec = clock_boot_usec(server->clock);
        for (int i = 0; i < n; i++) {
                struct source *ready = events[i].data.ptr;
                struct connection *connection = (struct connection *)(void *)ready;

                if (ready->kind == SOURCE_LISTENER) {
                        if (!server->is_crowded)
                                on_connections(server, ready->fd);
                } else if (ready->kind == SOURCE_LOOP) {
                        loop_is_ready = true;
                } else if (!connection->dead) {
                        connection->events |= events[i].events;
                        account_set_due(&server->accounts, &connection->entry);
                }
        }
        return loop_is_ready;
}

bool server_round(struct server *server, int timeout_msec)
{
        bool loop_is_ready = look(server, timeout_msec);

        (void)server_work(server);
        reap(server);
        drain_check(server);
        return loop_is_ready;
}

bool server_is_busy(const struct server *server)
{
        return accounts_any_due(&server->accounts) || !STAILQ_EMPTY(&server->dead);
}

/* The loop's other sources have their turn, too, after a while; what is left then is `later`. */
static void serve(struct server *server)
{
        for (unsigned i = 0; i < LOOKS_PER_ROUND; i++) {
                (void)look(server, 0);
                if (!server_work(server))
                        break;
                reap(server);
        }
        reap(server);
        if (accounts_any_due(&server->accounts))
                sd_event_source_set_enabled(server->later, SD_EVENT_ONESHOT);
        drain_check(server);
}

static int on_later(sd_event_source *source, void *userdata)
{
        serve(userdata);
        return 0;
}

static int on_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        serve(userdata);
        return 0;
}

void connection_schedule(struct connection *connection)
{
        struct server *server = connection->server;

        if (!connection->dead) {
                account_set_due(&server->accounts, &connection->entry);
        } else if (!connection->reaped) {
                connection->reaped = true;
                STAILQ_INSERT_TAIL(&server->dead, connection, dead_link);
        }
        if (!server->looping)
                sd_event_source_set_enabled(server->later, SD_EVENT_ONESHOT);
}

/* ---- life ---- */

int server_new(struct server **ret, void *event, struct clock *clock, struct timers *timers,
               struct audit *audit, const struct server_limits *limits, const struct server_handler *handler)
{
        _cleanup_(server_freep) struct server *server = NULL;
        sd_event_source *source;
        int r;

        server = calloc(1, sizeof(*server));
        if (!server)
                return fault(-ENOMEM);
        *server = (struct server){
                .clock = clock,
                .timers = timers,
                .audit = audit,
                .limits = *limits,
                .handler = *handler,
                .epoll_fd = -1,
                .reserve_fd = -1,
                .spare = SECRET_BUF_INIT(SIZE_MAX / 2),
        };
        for (size_t i = 0; i < SERVER_LANES; i++)
                server->lanes[i].buf = (struct secret_buf)SECRET_BUF_INIT(SIZE_MAX / 2);
        server->event = sd_event_ref(event);
        accounts_init(&server->accounts);
        LIST_INIT(&server->listeners);
        LIST_INIT(&server->connections);
        STAILQ_INIT(&server->dead);
        timer_init(&server->resume, on_resume, server);
        drain_init(server);

        server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (server->reserve_fd < 0 || server->epoll_fd < 0)
                return fault(-errno);

        r = sd_event_add_io(event, &source, server->epoll_fd, EPOLLIN, on_ready, server);
        if (r < 0)
                return fault(r);
        server->io = source;
        r = sd_event_add_defer(event, &source, on_later, server);
        if (r < 0)
                return fault(r);
        server->later = source;
        r = sd_event_source_set_enabled(source, SD_EVENT_OFF);
        if (r < 0)
                return fault(r);

        *ret = take_ptr(server);
        return 0;
}

struct server *server_free(struct server *server)
{
        if (!server)
                return NULL;

        server_stop_accepting(server);
        server->on_drained = NULL;
        timer_stop(server->timers, &server->drain_timer);
        STAILQ_INIT(&server->dead);
        while (!LIST_EMPTY(&server->connections))
                connection_free(LIST_FIRST(&server->connections));
        sd_event_source_disable_unref(server->io);
        sd_event_source_disable_unref(server->later);
        sd_event_unref(server->event);
        if (server->epoll_fd >= 0)
                close(server->epoll_fd);
        if (server->reserve_fd >= 0)
                close(server->reserve_fd);
        secret_buf_done(&server->spare);
        for (size_t i = 0; i < SERVER_LANES; i++)
                secret_buf_done(&server->lanes[i].buf);
        free(server);
        return NULL;
}

int server_listen(struct server *server, int fd)
{
        struct listener *listener;
        struct epoll_event event = { .events = EPOLLIN };
        int flags;

        listener = calloc(1, sizeof(*listener));
        if (!listener) {
                close(fd);
                return fault(-ENOMEM);
        }
        *listener = (struct listener){ .source = { .kind = SOURCE_LISTENER, .fd = fd } };
        event.data.ptr = &listener->source;

        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
            epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
                int r = -errno;

                close(fd);
                free(listener);
                return fault(r);
        }

        LIST_INSERT_HEAD(&server->listeners, listener, link);
        return 0;
}

void server_stop_accepting(struct server *server)
{
        while (!LIST_EMPTY(&server->listeners)) {
                struct listener *listener = LIST_FIRST(&server->listeners);

                LIST_REMOVE(listener, link);
                epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, listener->source.fd, NULL);
                close(listener->source.fd);
                free(listener);
        }
        timer_stop(server->timers, &server->resume);
}

void server_get_stats(const struct server *server, struct server_stats *ret)
{
        *ret = server->stats;
        ret->connections = server->accounts.n_connections;
        ret->waiting = server->n_waiting;
}
