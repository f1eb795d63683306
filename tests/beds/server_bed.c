#include "tests/beds/server_bed.h"

#include "daemon/serve/audit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static struct fake_clock clock_;
static struct timers timers;
static struct audit audit;
static sd_event *event;
struct server *server;
struct server_limits limits;
static char directory[] = "/tmp/purser-server-XXXXXX";
struct sockaddr_un address;

int clients[CLIENTS];
size_t n_clients;

struct call *waiting[WAITING];
size_t n_waiting, n_dropped, n_drained, n_crowded;
bool answer_crowded;
bool (*which_takes_much)(const struct wire_slice *method, void *userdata);
bool (*who_may_send_much)(struct call *call, void *userdata);
uid_t friend_uid;
unsigned n_asked;
uint64_t calls_before_wait, accepted_before_wait;

static void on_dropped(void *pending)
{
        *(struct call **)pending = NULL;
        n_dropped++;
}

static void wait_for_test(struct call *call)
{
        struct server_stats stats;

        server_get_stats(server, &stats);
        calls_before_wait = stats.calls;
        accepted_before_wait = stats.accepted;
        waiting[n_waiting] = call;
        call->pending = &waiting[n_waiting];
        call->on_dropped = on_dropped;
        n_waiting++;
}

static void reply_with_bytes(struct call *call)
{
        size_t n = (size_t)json_integer_value(json_object_get(call->wire.parameters, "n"));
        char *text = calloc(1, n + 1);
        json_t *parameters;

        assert_non_null(text);
        memset(text, 'x', n);
        parameters = json_pack("{s:s}", "bytes", text);
        call_reply(call, parameters);
        json_decref(parameters);
        free(text);
}

/* So many microseconds of the daemon's own time. */
static void reply_after(struct call *call)
{
        fake_clock_advance(&clock_,
                           (uint64_t)json_integer_value(json_object_get(call->wire.parameters, "n")));
        call_reply(call, NULL);
}

static int on_call(struct call *call, void *userdata)
{
        const char *method = call->wire.method;

        (void)userdata;
        if (strcmp(method, "t.Echo") == 0)
                call_reply(call, call->wire.parameters);
        else if (strcmp(method, "t.Error") == 0)
                call_error(call, "t.Wrong", call->wire.parameters);
        else if (strcmp(method, "t.Bytes") == 0)
                reply_with_bytes(call);
        else if (strcmp(method, "t.Takes") == 0)
                reply_after(call);
        else if (strcmp(method, "t.Fault") == 0)
                return fault(-EIO);
        else
                wait_for_test(call);
        return 0;
}

static void on_crowded(struct call *call, void *userdata)
{
        (void)userdata;
        n_crowded++;
        if (!answer_crowded)
                return;
        *(struct call **)call->pending = NULL;
        call_error(call, "t.Crowded", NULL);
}

void start_server(void)
{
        struct server_handler handler = { .on_call = on_call,
                                          .on_crowded = on_crowded,
                                          .takes_much = which_takes_much,
                                          .may_send_much = who_may_send_much };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 128), 0);
        assert_int_equal(server_new(&server, event, &clock_.clock, &timers, &audit, &limits, &handler), 0);
        assert_int_equal(server_listen(server, fd), 0);
}

int setup(void **state)
{
        (void)state;
        fake_clock_init(&clock_);
        timers = (struct timers)TIMERS_INIT;
        audit_init(&audit, &clock_.clock, &timers);
        limits = server_limits_for(1024);
        strcpy(directory + sizeof(directory) - 7, "XXXXXX");
        assert_non_null(mkdtemp(directory));
        address = (struct sockaddr_un){ .sun_family = AF_UNIX };
        snprintf(address.sun_path, sizeof(address.sun_path), "%.40s/s", directory);
        assert_int_equal(sd_event_new(&event), 0);
        n_clients = n_waiting = n_dropped = n_drained = n_crowded = 0;
        answer_crowded = true;
        who_may_send_much = NULL;
        which_takes_much = NULL;
        n_asked = 0;
        return 0;
}

int teardown(void **state)
{
        (void)state;
        for (size_t i = 0; i < n_clients; i++)
                if (clients[i] >= 0)
                        close(clients[i]);
        server = server_free(server);
        event = sd_event_unref(event);
        audit_done(&audit);
        assert_int_equal(timers_next(&timers), USEC_INFINITY);
        timers_done(&timers);
        unlink(address.sun_path);
        assert_int_equal(rmdir(directory), 0);
        return 0;
}

void pump(void)
{
        int r;

        for (int i = 0; i < 10000; i++) {
                r = sd_event_run(event, 0);
                assert_true(r >= 0);
                if (r == 0)
                        return;
        }
        fail_msg("the loop spins");
}

void advance(uint64_t usec)
{
        fake_clock_advance(&clock_, usec);
        timers_run(&timers, clock_.boot_usec);
        pump();
}

void let_everybody_connect(void)
{
        assert_int_equal(chmod(directory, 0711), 0);
        assert_int_equal(chmod(address.sun_path, 0666), 0);
}

int connect_client(void)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_true(fd >= 0 && n_clients < CLIENTS);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        clients[n_clients++] = fd;
        return fd;
}

void send_bytes(int fd, const char *bytes, size_t n)
{
        while (n > 0) {
                ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

                if (sent < 0 && errno == EAGAIN) {
                        pump();
                        continue;
                }
                if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
                        return;
                assert_true(sent > 0);
                bytes += sent;
                n -= (size_t)sent;
        }
}

void say(int fd, const char *message)
{
        send_bytes(fd, message, strlen(message) + 1);
}

void call_method(int fd, const char *method, int n)
{
        char message[128];

        snprintf(message, sizeof(message), "{\"method\":\"%s\",\"parameters\":{\"n\":%d}}", method, n);
        say(fd, message);
}

const char *hear(int fd)
{
        static char heard[65536];
        size_t n = 0;
        ssize_t r;

        pump();
        while ((r = recv(fd, heard + n, sizeof(heard) - n - 8, 0)) > 0) {
                n += (size_t)r;
                assert_true(n < sizeof(heard) - 8);
                pump();
        }
        for (size_t i = 0; i < n; i++)
                if (heard[i] == '\0')
                        heard[i] = '\n';
        strcpy(heard + n, r == 0 || errno == ECONNRESET ? "EOF" : "");
        return heard;
}

bool may_send_much(struct call *call, void *userdata)
{
        (void)userdata;
        n_asked++;
        return call->peer->uid == friend_uid;
}
