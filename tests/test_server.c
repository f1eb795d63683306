// links: daemon/server*.c daemon/connection.c daemon/accounts.c daemon/audit.c daemon/rate.c daemon/peer.c daemon/log.c
// links: daemon/timers.c daemon/heap.c daemon/config*.c daemon/provider*.c daemon/problems.c daemon/yaml_*.c
// links: common/conn.c common/wire*.c common/secret*.c common/fault.c common/wipe.c common/clock.c common/duration.c
// links: tests/fake_clock.c
// libs: libsodium jansson libsystemd yaml-0.1
#include "daemon/server.h"

#include "daemon/audit.h"
#include "tests/fake_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-event.h>

enum { CLIENTS = 64, WAITING = 64 };

static struct fake_clock clock_;
static struct timers timers;
static struct audit audit;
static sd_event *event;
static struct server *server;
static struct server_limits limits;
static char directory[] = "/tmp/purser-server-XXXXXX";
static struct sockaddr_un address;

static int clients[CLIENTS];
static size_t n_clients;

/* What the handler left waiting, in order; NULL: answered or dropped. */
static struct call *waiting[WAITING];
static size_t n_waiting, n_dropped, n_drained, n_crowded;
static bool answer_crowded;
static bool (*who_may_send_much)(struct call *call, void *userdata);
static uid_t friend_uid;
static unsigned n_asked;
static uint64_t calls_before_wait; /* how many calls had begun when the last t.Wait did */

static void on_dropped(void *pending)
{
        *(struct call **)pending = NULL;
        n_dropped++;
}

static void on_drained(void *pending)
{
        (void)pending;
        n_drained++;
}

static void wait_for_test(struct call *call)
{
        struct server_stats stats;

        server_get_stats(server, &stats);
        calls_before_wait = stats.calls;
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

static void start_server(void)
{
        struct server_handler handler = { .on_call = on_call,
                                          .on_crowded = on_crowded,
                                          .may_send_much = who_may_send_much };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 128), 0);
        assert_int_equal(server_new(&server, event, &clock_.clock, &timers, &audit, &limits, &handler), 0);
        assert_int_equal(server_listen(server, fd), 0);
}

static int setup(void **state)
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
        n_asked = 0;
        return 0;
}

static int teardown(void **state)
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

/* Until nothing is left to do. */
static void pump(void)
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

static void advance(uint64_t usec)
{
        fake_clock_advance(&clock_, usec);
        timers_run(&timers, clock_.boot_usec);
        pump();
}

static int connect_client(void)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_true(fd >= 0 && n_clients < CLIENTS);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        clients[n_clients++] = fd;
        return fd;
}

static void hang_up(int fd)
{
        for (size_t i = 0; i < n_clients; i++)
                if (clients[i] == fd)
                        clients[i] = -1;
        close(fd);
        pump();
}

static void send_bytes(int fd, const char *bytes, size_t n)
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

/* With its NUL. */
static void say(int fd, const char *message)
{
        send_bytes(fd, message, strlen(message) + 1);
}

static void call_method(int fd, const char *method, int n)
{
        char message[128];

        snprintf(message, sizeof(message), "{\"method\":\"%s\",\"parameters\":{\"n\":%d}}", method, n);
        say(fd, message);
}

/* All that has come, NULs shown as newlines; "EOF" at the end when the server has hung up. */
static const char *hear(int fd)
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

static void test_a_call_is_answered(void **state)
{
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        call_method(fd, "t.Echo", 7);
        assert_string_equal(hear(fd), "{\"parameters\":{\"n\":7}}\n");
        call_method(fd, "t.Error", 8);
        assert_string_equal(hear(fd), "{\"error\":\"t.Wrong\",\"parameters\":{\"n\":8}}\n");
}

static void test_replies_keep_the_order_of_calls(void **state)
{
        int fd, other;

        (void)state;
        start_server();
        fd = connect_client();
        other = connect_client();
        call_method(fd, "t.Wait", 1);
        call_method(fd, "t.Echo", 2);
        call_method(fd, "t.Echo", 3);
        assert_string_equal(hear(fd), "");
        assert_int_equal(n_waiting, 1);

        /* Others do not wait for it. */
        call_method(other, "t.Echo", 4);
        assert_string_equal(hear(other), "{\"parameters\":{\"n\":4}}\n");

        call_reply(waiting[0], waiting[0]->wire.parameters);
        assert_string_equal(
                hear(fd),
                "{\"parameters\":{\"n\":1}}\n{\"parameters\":{\"n\":2}}\n{\"parameters\":{\"n\":3}}\n");
}

static void test_oneway_calls_are_made_and_not_answered(void **state)
{
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        say(fd, "{\"method\":\"t.Wait\",\"oneway\":true}");
        call_method(fd, "t.Echo", 2);
        assert_string_equal(hear(fd), "");
        call_reply(waiting[0], NULL);
        assert_string_equal(hear(fd), "{\"parameters\":{\"n\":2}}\n");
}

static void test_one_of_several_answers_leaves_the_call_open(void **state)
{
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        say(fd, "{\"method\":\"t.Watch\",\"more\":true}");
        pump();
        waiting[0]->on_drained = on_drained;
        call_reply_continues(waiting[0], NULL);
        assert_string_equal(hear(fd), "{\"parameters\":{},\"continues\":true}\n");
        assert_int_equal(n_drained, 1);
        assert_int_equal(call_queued(waiting[0]), 0);
        call_send(waiting[0], "{\"parameters\":{\"last\":1}}", 25, false);
        call_method(fd, "t.Echo", 2);
        assert_string_equal(hear(fd), "{\"parameters\":{\"last\":1}}\n{\"parameters\":{\"n\":2}}\n");
}

static void test_what_waits_goes_when_its_peer_hangs_up(void **state)
{
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        call_method(fd, "t.Wait", 1);
        pump();
        assert_int_equal(n_waiting, 1);
        hang_up(fd);
        assert_int_equal(n_dropped, 1);
        assert_null(waiting[0]);
}

static void test_a_peer_that_has_only_ended_its_own_side_is_answered(void **state)
{
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        call_method(fd, "t.Wait", 1);
        call_method(fd, "t.Echo", 2);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        assert_string_equal(hear(fd), "");
        call_reply(waiting[0], NULL);
        assert_string_equal(hear(fd), "{\"parameters\":{}}\n{\"parameters\":{\"n\":2}}\nEOF");
}

static void test_a_message_that_is_no_call_is_told_and_ends_the_connection(void **state)
{
        static const char *const messages[] = {
                "", "{", "[]", "{\"method\":7}", "{}", "hello", "{\"method\":\"t.Echo\"}}"
        };
        struct server_stats stats;
        int good;

        (void)state;
        start_server();
        good = connect_client();
        for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
                int fd = connect_client();
                const char *heard;

                say(fd, messages[i]);
                call_method(fd, "t.Echo", 1);
                heard = hear(fd);
                assert_int_equal(strncmp(heard, "{\"error\":\"org.varlink.service.InvalidParameter\"", 47),
                                 0);
                assert_non_null(strstr(heard, "\nEOF"));
                assert_null(strstr(heard, "\"n\":1"));
        }
        server_get_stats(server, &stats);
        assert_int_equal(stats.malformed, sizeof(messages) / sizeof(messages[0]));
        assert_int_equal(stats.connections, 1);
        call_method(good, "t.Echo", 5);
        assert_string_equal(hear(good), "{\"parameters\":{\"n\":5}}\n");
}

static void test_a_message_beyond_the_limit_is_told_and_ends_the_connection(void **state)
{
        char block[4096];
        const char *heard;
        int fd;

        (void)state;
        limits.max_message = 10000;
        start_server();
        fd = connect_client();
        memset(block, 'a', sizeof(block));
        for (int i = 0; i < 40; i++)
                send_bytes(fd, block, sizeof(block));
        heard = hear(fd);
        assert_non_null(strstr(heard, "too long"));
        assert_non_null(strstr(heard, "EOF"));
}

static bool may_send_much(struct call *call, void *userdata)
{
        (void)userdata;
        n_asked++;
        return call->peer->uid == friend_uid;
}

static void send_long_call(int fd, size_t n)
{
        char *message = malloc(n + 32);

        assert_non_null(message);
        memset(message, ' ', n + 32);
        memcpy(message, "{\"method\":\"t.Echo\"", 18);
        memcpy(message + n, "}", 2);
        send_bytes(fd, message, n + 2);
        free(message);
}

static void test_only_those_who_may_send_long_messages(void **state)
{
        int fd;

        (void)state;
        limits.max_short_message = 20000;
        limits.max_message = 50000;
        who_may_send_much = may_send_much;
        friend_uid = getuid() + 1;
        start_server();
        fd = connect_client();
        send_long_call(fd, 10000);
        assert_string_equal(hear(fd), "{\"parameters\":{}}\n");
        assert_int_equal(n_asked, 0);
        send_long_call(fd, 30000);
        assert_non_null(strstr(hear(fd), "too long"));
        assert_int_equal(n_asked, 1);

        friend_uid = getuid();
        fd = connect_client();
        for (int i = 0; i < 2; i++) {
                send_long_call(fd, 40000);
                assert_string_equal(hear(fd), "{\"parameters\":{}}\n");
        }
        assert_int_equal(n_asked, 2);
        send_long_call(fd, 120000);
        assert_non_null(strstr(hear(fd), "too long"));
}

static void test_a_fault_ends_its_connection_alone(void **state)
{
        int fd, other;

        (void)state;
        start_server();
        fd = connect_client();
        other = connect_client();
        call_method(fd, "t.Fault", 1);
        assert_string_equal(hear(fd), "EOF");
        call_method(other, "t.Echo", 1);
        assert_string_equal(hear(other), "{\"parameters\":{\"n\":1}}\n");
}

static void test_a_message_that_is_not_ended_in_time_ends_the_connection(void **state)
{
        int slow, idle;

        (void)state;
        start_server();
        slow = connect_client();
        idle = connect_client();
        send_bytes(slow, "{\"method\":\"t.", 13);
        pump();
        advance(limits.partial_usec - 1);
        send_bytes(slow, "E", 1);
        assert_string_equal(hear(slow), "");
        advance(1);
        assert_string_equal(hear(slow), "EOF");

        /* Who says nothing at all may stay. */
        advance(100 * limits.partial_usec);
        assert_string_equal(hear(idle), "");
}

static void test_a_message_that_was_ended_in_time_gives_the_next_one_all_of_it(void **state)
{
        static const char call[] = "{\"method\":\"t.Echo\"}";
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        for (int i = 0; i < 5; i++) {
                send_bytes(fd, call, 10);
                pump();
                advance(limits.partial_usec * 2 / 3);
                send_bytes(fd, call + 10, sizeof(call) - 10);
                send_bytes(fd, call, 10);
                pump();
                advance(limits.partial_usec * 2 / 3);
                send_bytes(fd, call + 10, sizeof(call) - 10);
                assert_string_equal(hear(fd), "{\"parameters\":{}}\n{\"parameters\":{}}\n");
        }
}

static void test_a_peer_that_does_not_read_is_given_up(void **state)
{
        struct server_stats stats;
        int fd, other;

        (void)state;
        start_server();
        fd = connect_client();
        other = connect_client();
        for (int i = 0; i < 100; i++)
                call_method(fd, "t.Bytes", 100000);
        pump();
        server_get_stats(server, &stats);
        /* Calls beyond what is queued are not even made. */
        assert_in_range(stats.calls, 1, 20);

        advance(limits.stalled_usec);
        server_get_stats(server, &stats);
        assert_int_equal(stats.stalled, 1);
        assert_int_equal(stats.connections, 1);
        call_method(other, "t.Echo", 1);
        assert_string_equal(hear(other), "{\"parameters\":{\"n\":1}}\n");
}

static void test_a_peer_that_reads_slowly_is_kept(void **state)
{
        struct server_stats stats;
        char block[65536];
        size_t n = 0;
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        for (int i = 0; i < 10; i++)
                call_method(fd, "t.Bytes", 100000);
        pump();
        for (int i = 0; i < 10; i++) {
                ssize_t r = recv(fd, block, sizeof(block), 0);

                assert_true(r > 0);
                n += (size_t)r;
                pump();
                advance(limits.stalled_usec);
        }
        server_get_stats(server, &stats);
        assert_int_equal(stats.connections, 1);
        for (ssize_t r; (r = recv(fd, block, sizeof(block), 0)) > 0; pump())
                n += (size_t)r;
        assert_in_range(n, 1000000, 1001000);
        server_get_stats(server, &stats);
        assert_int_equal(stats.calls, 10);
}

static void test_an_answer_beyond_the_send_limit_ends_the_connection(void **state)
{
        struct server_stats stats;
        int fd;

        (void)state;
        limits.max_queued = 50000;
        start_server();
        fd = connect_client();
        call_method(fd, "t.Bytes", 60000);
        assert_string_equal(hear(fd), "EOF");
        server_get_stats(server, &stats);
        assert_int_equal(stats.stalled, 1);
}

static void test_a_user_with_too_many_connections_loses_the_idlest(void **state)
{
        struct server_stats stats;
        int first, busy, third, fourth;

        (void)state;
        limits.connections_per_user = 3;
        start_server();
        first = connect_client();
        busy = connect_client();
        third = connect_client();
        call_method(busy, "t.Wait", 1);
        pump();
        call_method(first, "t.Echo", 1);
        assert_string_equal(hear(first), "{\"parameters\":{\"n\":1}}\n");

        fourth = connect_client();
        call_method(fourth, "t.Echo", 4);
        assert_string_equal(hear(fourth), "{\"parameters\":{\"n\":4}}\n");
        assert_string_equal(hear(third), "EOF");
        assert_string_equal(hear(first), "");
        assert_non_null(waiting[0]);
        server_get_stats(server, &stats);
        assert_int_equal(stats.evicted, 1);
        assert_int_equal(stats.connections, 3);
}

static void test_nobody_who_waits_is_closed_for_a_newcomer(void **state)
{
        struct server_stats stats;
        int fds[3], newcomer;

        (void)state;
        limits.connections = 3;
        limits.connections_per_user = 100;
        start_server();
        for (int i = 0; i < 3; i++) {
                fds[i] = connect_client();
                call_method(fds[i], "t.Wait", i);
        }
        pump();
        newcomer = connect_client();
        assert_string_equal(hear(newcomer), "EOF");
        server_get_stats(server, &stats);
        assert_int_equal(stats.refused, 1);
        for (int i = 0; i < 3; i++) {
                call_reply(waiting[i], NULL);
                assert_string_equal(hear(fds[i]), "{\"parameters\":{}}\n");
        }
        newcomer = connect_client();
        call_method(newcomer, "t.Echo", 1);
        assert_string_equal(hear(newcomer), "{\"parameters\":{\"n\":1}}\n");
}

static void test_a_user_with_too_many_waiting_calls_is_told_so(void **state)
{
        int fds[3];

        (void)state;
        limits.waiting_per_user = 2;
        start_server();
        for (int i = 0; i < 3; i++) {
                fds[i] = connect_client();
                call_method(fds[i], "t.Wait", i);
                pump();
        }
        assert_int_equal(n_crowded, 1);
        assert_string_equal(hear(fds[2]), "{\"error\":\"t.Crowded\",\"parameters\":{}}\n");

        /* A place that was given back counts. */
        call_reply(waiting[0], NULL);
        pump();
        call_method(fds[2], "t.Wait", 3);
        assert_string_equal(hear(fds[2]), "");
        assert_int_equal(n_crowded, 1);
}

static void test_a_crowded_call_that_is_not_answered_is_dropped(void **state)
{
        int fd, other;

        (void)state;
        answer_crowded = false;
        limits.waiting_per_user = 1;
        start_server();
        fd = connect_client();
        other = connect_client();
        call_method(fd, "t.Wait", 1);
        pump();
        call_method(other, "t.Wait", 2);
        assert_string_equal(hear(other), "EOF");
        assert_int_equal(n_dropped, 1);
        assert_non_null(waiting[0]);
}

static void test_buffers_of_a_user_have_a_limit_that_spares_small_ones(void **state)
{
        char block[30000];
        int large[4], small;

        (void)state;
        limits.held_per_user = 100000;
        start_server();
        small = connect_client();
        send_bytes(small, "{\"method\":\"t.Echo\"", 18);
        pump();
        memset(block, ' ', sizeof(block));
        for (int i = 0; i < 4; i++) {
                large[i] = connect_client();
                send_bytes(large[i], block, sizeof(block));
                pump();
        }
        for (int i = 0; i < 3; i++)
                assert_string_equal(hear(large[i]), "");
        assert_string_equal(hear(large[3]), "EOF");
        send_bytes(small, "}", 2);
        assert_string_equal(hear(small), "{\"parameters\":{}}\n");
}

static void test_many_small_buffers_of_a_user_have_a_limit_too(void **state)
{
        char block[1200];
        int fds[30], n_cut = 0;

        (void)state;
        limits.held_per_user = 10000;
        start_server();
        memset(block, ' ', sizeof(block));
        for (int i = 0; i < 30; i++) {
                fds[i] = connect_client();
                send_bytes(fds[i], block, sizeof(block));
                pump();
        }
        for (int i = 0; i < 30; i++)
                n_cut += strcmp(hear(fds[i]), "EOF") == 0;
        assert_in_range(n_cut, 5, 25);
        assert_string_equal(hear(fds[0]), "");
        assert_string_equal(hear(fds[29]), "EOF");
}

static void test_a_flood_of_calls_leaves_room_for_others(void **state)
{
        struct server_stats stats;
        int flood, other;

        (void)state;
        start_server();
        flood = connect_client();
        other = connect_client();
        pump();
        for (int i = 0; i < 150; i++)
                call_method(flood, "t.Echo", i);
        call_method(other, "t.Wait", 1);
        pump();

        /* Though it came behind the flood, it began long before that was worked off. */
        assert_int_equal(n_waiting, 1);
        assert_in_range(calls_before_wait, 2, 40);
        server_get_stats(server, &stats);
        assert_int_equal(stats.calls, 151);
}

/* Long answers and long messages are as much work as many short calls. */
static void test_a_flood_of_large_answers_leaves_room_for_others(void **state)
{
        int flood, other;

        (void)state;
        start_server();
        flood = connect_client();
        other = connect_client();
        pump();
        for (int i = 0; i < 8; i++)
                call_method(flood, "t.Bytes", 30000);
        call_method(other, "t.Wait", 1);
        pump();
        assert_int_equal(n_waiting, 1);
        assert_in_range(calls_before_wait, 2, 4);
}

static void test_without_descriptors_nothing_spins_and_nobody_is_forgotten(void **state)
{
        struct rlimit saved, tight;
        struct server_stats stats;
        int fds[8], probe;

        (void)state;
        start_server();
        pump();
        for (int i = 0; i < 8; i++) {
                fds[i] = connect_client();
                call_method(fds[i], "t.Wait", i);
        }
        probe = dup(0);
        close(probe);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
        tight = saved;
        tight.rlim_cur = (rlim_t)probe + 5;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
        pump();
        server_get_stats(server, &stats);
        assert_in_range(stats.connections, 1, 5);
        assert_true(stats.refused >= 1);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);

        /* The pause is over, and those that still knock are let in. */
        advance(USEC_PER_SEC);
        server_get_stats(server, &stats);
        assert_int_equal(stats.connections + stats.refused, 8);
        assert_int_equal(n_waiting, stats.connections);
}

static void test_without_descriptors_the_idlest_makes_room(void **state)
{
        struct rlimit saved, tight;
        struct server_stats stats;
        int idle, newcomer, probe;

        (void)state;
        start_server();
        idle = connect_client();
        pump();
        newcomer = connect_client();
        call_method(newcomer, "t.Echo", 1);
        probe = dup(0);
        close(probe);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
        tight = saved;
        tight.rlim_cur = (rlim_t)probe;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
        assert_string_equal(hear(newcomer), "{\"parameters\":{\"n\":1}}\n");
        assert_string_equal(hear(idle), "EOF");
        server_get_stats(server, &stats);
        assert_int_equal(stats.evicted, 1);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
}

static void test_who_is_connected_goes_on_when_nobody_is_accepted_any_more(void **state)
{
        int fd, late;

        (void)state;
        start_server();
        fd = connect_client();
        pump();
        server_stop_accepting(server);
        call_method(fd, "t.Echo", 1);
        assert_string_equal(hear(fd), "{\"parameters\":{\"n\":1}}\n");
        late = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(late, (struct sockaddr *)&address, sizeof(address)), -1);
        close(late);
}

/* ---- draining ---- */

static size_t n_ends;

static void on_end(void *userdata)
{
        (void)userdata;
        n_ends++;
}

static void drain(void)
{
        n_ends = 0;
        server_drain(server, on_end, NULL);
}

static void test_what_was_sent_before_the_end_is_answered_and_what_comes_after_is_not_taken(void **state)
{
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        call_method(fd, "t.Echo", 1);
        assert_string_equal(hear(fd), "{\"parameters\":{\"n\":1}}\n");
        call_method(fd, "t.Echo", 2);
        call_method(fd, "t.Echo", 3);
        drain();
        assert_false(server_is_drained(server));
        assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
        assert_int_equal(errno, EPIPE);
        assert_string_equal(hear(fd), "{\"parameters\":{\"n\":2}}\n{\"parameters\":{\"n\":3}}\nEOF");
        assert_true(server_is_drained(server) && n_ends > 0);
}

static void test_who_has_just_connected_may_still_call_once(void **state)
{
        int early, silent;

        (void)state;
        start_server();
        early = connect_client();
        silent = connect_client();
        pump();
        drain();
        pump();
        assert_int_equal(n_ends, 0);
        call_method(early, "t.Echo", 1);
        assert_string_equal(hear(early), "{\"parameters\":{\"n\":1}}\nEOF");
        assert_int_equal(n_ends, 0);
        advance(2 * USEC_PER_SEC);
        assert_string_equal(hear(silent), "EOF");
        assert_true(server_is_drained(server) && n_ends > 0);
}

static void test_calls_that_wait_are_for_others_to_end(void **state)
{
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        call_method(fd, "t.Wait", 1);
        pump();
        drain();
        pump();
        assert_true(n_ends > 0);
        call_reply(waiting[0], NULL);
        assert_false(server_is_drained(server));
        assert_string_equal(hear(fd), "{\"parameters\":{}}\nEOF");
        assert_true(server_is_drained(server));
}

static void test_who_does_not_read_its_answers_is_not_waited_for_long(void **state)
{
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        for (int i = 0; i < 4; i++)
                call_method(fd, "t.Bytes", 1000000);
        pump();
        drain();
        pump();
        assert_false(server_is_drained(server));
        advance(2 * USEC_PER_SEC);
        assert_false(server_is_drained(server));
        advance(2 * USEC_PER_SEC);
        assert_true(server_is_drained(server) && n_ends > 0);
}

static void test_what_waits_goes_with_the_server(void **state)
{
        (void)state;
        start_server();
        for (int i = 0; i < 5; i++)
                call_method(connect_client(), "t.Wait", i);
        pump();
        assert_int_equal(n_waiting, 5);
        server = server_free(server);
        assert_int_equal(n_dropped, 5);
}

/* An answer may come from any callback: nobody is freed under the feet of who gives it. */
static void test_an_answer_to_a_peer_that_is_gone_is_harmless(void **state)
{
        struct call *call;
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        call_method(fd, "t.Wait", 1);
        pump();
        call = waiting[0];
        for (size_t i = 0; i < n_clients; i++)
                clients[i] = -1;
        close(fd);
        call_reply_continues(call, NULL);
        call_reply(call, NULL);
        pump();
        assert_int_equal(n_dropped, 0);
}

static void test_limits_fit_the_descriptors(void **state)
{
        static const uint64_t descriptors[] = { 16, 256, 1024, 65536, 524288, UINT64_MAX };

        (void)state;
        for (size_t i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++) {
                struct server_limits fitting = server_limits_for(descriptors[i]);

                assert_true(fitting.connections > 0 && fitting.connections_per_user > 0 &&
                            fitting.waiting_per_user > 0);
                assert_true(fitting.connections < descriptors[i]);
                assert_true(fitting.waiting_per_user < fitting.connections_per_user);
                assert_true(fitting.connections_per_user < fitting.connections);
        }
}

#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                SERVER_TEST(test_a_call_is_answered),
                SERVER_TEST(test_replies_keep_the_order_of_calls),
                SERVER_TEST(test_oneway_calls_are_made_and_not_answered),
                SERVER_TEST(test_one_of_several_answers_leaves_the_call_open),
                SERVER_TEST(test_what_waits_goes_when_its_peer_hangs_up),
                SERVER_TEST(test_a_peer_that_has_only_ended_its_own_side_is_answered),
                SERVER_TEST(test_a_message_that_is_no_call_is_told_and_ends_the_connection),
                SERVER_TEST(test_a_message_beyond_the_limit_is_told_and_ends_the_connection),
                SERVER_TEST(test_only_those_who_may_send_long_messages),
                SERVER_TEST(test_a_fault_ends_its_connection_alone),
                SERVER_TEST(test_a_message_that_is_not_ended_in_time_ends_the_connection),
                SERVER_TEST(test_a_message_that_was_ended_in_time_gives_the_next_one_all_of_it),
                SERVER_TEST(test_a_peer_that_does_not_read_is_given_up),
                SERVER_TEST(test_a_peer_that_reads_slowly_is_kept),
                SERVER_TEST(test_an_answer_beyond_the_send_limit_ends_the_connection),
                SERVER_TEST(test_a_user_with_too_many_connections_loses_the_idlest),
                SERVER_TEST(test_nobody_who_waits_is_closed_for_a_newcomer),
                SERVER_TEST(test_a_user_with_too_many_waiting_calls_is_told_so),
                SERVER_TEST(test_a_crowded_call_that_is_not_answered_is_dropped),
                SERVER_TEST(test_buffers_of_a_user_have_a_limit_that_spares_small_ones),
                SERVER_TEST(test_many_small_buffers_of_a_user_have_a_limit_too),
                SERVER_TEST(test_a_flood_of_calls_leaves_room_for_others),
                SERVER_TEST(test_a_flood_of_large_answers_leaves_room_for_others),
                SERVER_TEST(test_without_descriptors_nothing_spins_and_nobody_is_forgotten),
                SERVER_TEST(test_without_descriptors_the_idlest_makes_room),
                SERVER_TEST(test_who_is_connected_goes_on_when_nobody_is_accepted_any_more),
                SERVER_TEST(test_what_was_sent_before_the_end_is_answered_and_what_comes_after_is_not_taken),
                SERVER_TEST(test_who_has_just_connected_may_still_call_once),
                SERVER_TEST(test_calls_that_wait_are_for_others_to_end),
                SERVER_TEST(test_who_does_not_read_its_answers_is_not_waited_for_long),
                SERVER_TEST(test_what_waits_goes_with_the_server),
                SERVER_TEST(test_an_answer_to_a_peer_that_is_gone_is_harmless),
                cmocka_unit_test(test_limits_fit_the_descriptors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
