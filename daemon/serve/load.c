/* Accepting, sending, and seeing who hangs up. */
#include "daemon/serve/load.h"

#include "common/fault.h"
#include "common/secret.h"
#include "daemon/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-event.h>

enum { PAUSE_MSEC = 100, UNSENT_MAX = 1024 * 1024 };

struct entry {
        struct load load; /* the first member: one is the other */
        struct loads *loads;
        int fd;
        sd_event_source *io;
        struct secret_buf unsent;
        struct timer stalled;
        LIST_ENTRY(entry) link;
};

struct door {
        struct loads *loads;
        int fd;
        sd_event_source *io;
        LIST_ENTRY(door) link;
};

struct loads {
        sd_event *event;
        struct clock *clock;
        struct timers *timers;
        struct load_handler handler;
        unsigned n;
        bool stopped;
        void (*on_idle)(void *userdata);
        void *on_idle_userdata;
        struct timer resume;
        LIST_HEAD(, entry) entries;
        LIST_HEAD(, door) doors;
};

/* ---- one connection ---- */

static void open_doors(struct loads *loads, bool open)
{
        struct door *door;

        LIST_FOREACH (door, &loads->doors, link)
                sd_event_source_set_enabled(door->io, open ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void on_resume(void *userdata)
{
        struct loads *loads = userdata;

        if (!loads->stopped && loads->n < LOADS_MOST)
                open_doors(loads, true);
}

static void entry_free(struct entry *entry)
{
        struct loads *loads = entry->loads;

        sd_event_source_disable_unref(entry->io);
        timer_stop(loads->timers, &entry->stalled);
        secret_buf_done(&entry->unsent);
        close(entry->fd);
        peer_free(entry->load.peer);
        LIST_REMOVE(entry, link);
        free(entry);
        if (loads->n-- == LOADS_MOST)
                on_resume(loads);
        if (loads->n == 0 && loads->on_idle)
                loads->on_idle(loads->on_idle_userdata);
}

static void drop(struct entry *entry)
{
        if (entry->load.on_dropped)
                entry->load.on_dropped(entry->load.pending);
        entry_free(entry);
}

static void on_stalled(void *userdata)
{
        struct entry *entry = userdata;

        log_warning("Unit '%s': its service manager does not read the credential '%s'; given up.",
                    entry->load.request.unit, entry->load.request.id);
        entry_free(entry);
}

/* How much the kernel took, or -1 when there is nobody who reads. */
static ssize_t send_some(int fd, const char *bytes, size_t n)
{
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        return sent < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : sent;
}

static int on_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct entry *entry = userdata;
        ssize_t n;

        (void)source;
        if (entry->unsent.n == 0 || (revents & (EPOLLERR | EPOLLHUP))) {
                drop(entry);
                return 0;
        }
        n = send_some(fd, entry->unsent.data, entry->unsent.n);
        if (n > 0)
                secret_buf_consume(&entry->unsent, (size_t)n);
        if (n < 0 || entry->unsent.n == 0)
                entry_free(entry);
        return 0;
}

void load_end(struct load *load)
{
        entry_free((struct entry *)(void *)load);
}

/* It is small next to what the kernel holds for a socket, so that this is for the peer that asks for its own trouble. */
static int wait_for_room(struct entry *entry, const char *bytes, size_t n)
{
        struct loads *loads = entry->loads;
        int r;

        r = secret_buf_append(&entry->unsent, bytes, n);
        if (r == 0)
                r = timer_set(loads->timers, &entry->stalled,
                              usec_add(clock_boot_usec(loads->clock), LOADS_STALLED_SEC * USEC_PER_SEC));
        if (r == 0)
                r = sd_event_source_set_io_events(entry->io, EPOLLOUT);
        return r;
}

void load_give(struct load *load, const char *bytes, size_t n)
{
        struct entry *entry = (struct entry *)(void *)load;
        ssize_t sent = send_some(entry->fd, bytes, n);

        load->pending = NULL;
        load->on_dropped = NULL;
        if (sent >= 0 && (size_t)sent < n && wait_for_room(entry, bytes + sent, n - (size_t)sent) == 0)
                return;
        entry_free(entry);
}

/* ---- accepting ---- */

static void read_address(struct entry *entry, const struct sockaddr_un *address, socklen_t size)
{
        size_t offset = offsetof(struct sockaddr_un, sun_path);

        entry->load.is_named =
                size > offset && load_address_parse(address->sun_path, size - offset, &entry->load.request);
}

/* Takes fd in any case. */
static int welcome(struct loads *loads, int fd, const struct sockaddr_un *address, socklen_t size)
{
        _cleanup_(closep) int owned = fd;
        _cleanup_(peer_freep) struct peer *peer = NULL;
        struct entry *entry;
        int r;

        r = peer_from_socket(&peer, fd);
        if (r < 0)
                return r;
        entry = calloc(1, sizeof(*entry));
        if (!entry)
                return fault(-ENOMEM);
        *entry = (struct entry){ .loads = loads, .fd = fd, .unsent = SECRET_BUF_INIT(UNSENT_MAX) };
        timer_init(&entry->stalled, on_stalled, entry);
        /* The manager has shut its sending half down: only a hang-up of both is one. */
        r = sd_event_add_io(loads->event, &entry->io, fd, 0, on_ready, entry);
        if (r < 0) {
                free(entry);
                return fault(r);
        }

        (void)take_fd(&owned);
        entry->load.peer = take_ptr(peer);
        read_address(entry, address, size);
        LIST_INSERT_HEAD(&loads->entries, entry, link);
        if (++loads->n == LOADS_MOST)
                open_doors(loads, false);
        loads->handler.on_load(&entry->load, loads->handler.userdata);
        return 0;
}

/* Without descriptors or memory the socket would stay ready and spin the loop. */
static void pause_accepting(struct loads *loads)
{
        if (timer_set(loads->timers, &loads->resume,
                      usec_add(clock_boot_usec(loads->clock), PAUSE_MSEC * USEC_PER_MSEC)) == 0)
                open_doors(loads, false);
}

static int on_knock(sd_event_source *source, int door_fd, uint32_t revents, void *userdata)
{
        struct loads *loads = userdata;
        struct sockaddr_un address;
        socklen_t size = sizeof(address);
        int fd, r;

        (void)source;
        (void)revents;
        fd = accept4(door_fd, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
                if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED && errno != EPERM) {
                        log_warning("Cannot take a service manager's connection: %m; trying again.");
                        pause_accepting(loads);
                }
                return 0;
        }
        r = welcome(loads, fd, &address, size);
        if (r < 0)
                log_error("A service manager's connection is dropped, and its service gets an empty "
                          "credential: %s (%s).",
                          strerror(-r), fault_origin());
        return 0;
}

/* ---- life ---- */

int loads_new(struct loads **ret, void *event, struct clock *clock, struct timers *timers,
              const struct load_handler *handler)
{
        struct loads *loads = calloc(1, sizeof(*loads));

        if (!loads)
                return fault(-ENOMEM);
        *loads = (struct loads){ .clock = clock, .timers = timers, .handler = *handler };
        loads->event = sd_event_ref(event);
        LIST_INIT(&loads->entries);
        LIST_INIT(&loads->doors);
        timer_init(&loads->resume, on_resume, loads);
        *ret = loads;
        return 0;
}

int loads_listen(struct loads *loads, int fd)
{
        _cleanup_(closep) int owned = fd;
        struct door *door;
        int flags, r;

        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
                return fault(-errno);
        door = calloc(1, sizeof(*door));
        if (!door)
                return fault(-ENOMEM);
        *door = (struct door){ .loads = loads, .fd = fd };
        r = sd_event_add_io(loads->event, &door->io, fd, EPOLLIN, on_knock, loads);
        if (r < 0) {
                free(door);
                return fault(r);
        }
        (void)take_fd(&owned);
        LIST_INSERT_HEAD(&loads->doors, door, link);
        return 0;
}

static void stop_accepting(struct loads *loads)
{
        struct door *door;

        loads->stopped = true;
        timer_stop(loads->timers, &loads->resume);
        while ((door = LIST_FIRST(&loads->doors))) {
                LIST_REMOVE(door, link);
                sd_event_source_disable_unref(door->io);
                close(door->fd);
                free(door);
        }
}

void loads_drain(struct loads *loads, void (*on_idle)(void *userdata), void *userdata)
{
        stop_accepting(loads);
        loads->on_idle = on_idle;
        loads->on_idle_userdata = userdata;
}

bool loads_is_idle(const struct loads *loads)
{
        return loads->n == 0;
}

struct loads *loads_free(struct loads *loads)
{
        struct entry *entry;

        if (!loads)
                return NULL;
        loads->on_idle = NULL;
        stop_accepting(loads);
        while ((entry = LIST_FIRST(&loads->entries)))
                drop(entry);
        sd_event_unref(loads->event);
        free(loads);
        return NULL;
}
