// links: daemon/loop.c daemon/serve/
// libs: libsodium jansson libsystemd yaml-0.1
/* The loop that waits on the connections: who is answered at once, and all else that the daemon waits for, keep nobody waiting. */
#include "daemon/serve/server.h"

#include "common/wire_brief.h"
#include "daemon/serve/audit.h"
#include "daemon/serve/server_internal.h"
#include "daemon/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>

enum { ENOUGH = 200, GAVE_UP = 99, PATIENCE_SEC = 30, LENGTH = 1024 * 1024 };

#define BRIEF "{\"method\":\"t.Brief\"}"
#define SLOW "{\"method\":\"t.Slow\",\"more\":false}"
#define LONG "{\"method\":\"t.Long\",\"more\":true}"

static struct timers timers;
static struct timer timer;
static struct audit audit;
static sd_event *event;
static struct loop *loop;
static struct server *server;
static char directory[] = "/tmp/purser-loop-XXXXXX";
static struct sockaddr_un address;
static struct secret_buf answer = SECRET_BUF_INIT(1024);
static sd_event_source *defer;
static size_t n_expected, most_expected;
static unsigned n_in_round; /* calls that took long */
static unsigned n_to_refuse; /* of what was taken for brief */
static unsigned n_brief, n_slow;
static void (*on_call_do)(void);
static int client;
static const char *says;

static bool on_message(struct brief *message, void *userdata)
{
        struct wire_brief brief;

        return wire_read_brief(message->bytes, message->n, &brief) && wire_slice_is(&brief.method, "t.Brief");
}

static void on_expected(const struct brief *const *briefs, size_t n, void *userdata)
{
        n_expected += n;
        if (n > most_expected)
                most_expected = n;
}

static bool on_brief(struct call *call, const struct brief *message, void *userdata,
                     const struct secret_buf **ret_answer)
{
        if (n_to_refuse > 0) {
                n_to_refuse--;
                return false;
        }
        n_brief++;
        if (on_call_do)
                on_call_do();
        *ret_answer = &answer;
        return true;
}

static void on_call_drained(void *pending)
{
        on_call_do();
}

/* More than the kernel takes at once, and more to come. */
static void answer_at_length(struct call *call)
{
        char *text = calloc(1, LENGTH + 1);
        json_t *parameters;

        memset(text, 'x', LENGTH);
        parameters = json_pack("{s:s}", "text", text);
        call->on_drained = on_call_drained;
        call_reply_continues(call, parameters);
        json_decref(parameters);
        free(text);
}

static int on_call(struct call *call, void *userdata)
{
        if (strcmp(call->wire.method, "t.Long") == 0) {
                answer_at_length(call);
                return 0;
        }
        n_slow++;
        if (on_call_do)
                on_call_do();
        call_reply(call, NULL);
        return 0;
}

static void on_crowded(struct call *call, void *userdata)
{
}

static void on_jump(void *userdata)
{
}

static int give_up(sd_event_source *source, uint64_t usec, void *userdata)
{
        return sd_event_exit(event, GAVE_UP);
}

static void end_loop(void *userdata)
{
        (void)sd_event_exit(event, 43);
}

static int setup(void **state)
{
        static const struct server_handler handler = { .on_call = on_call,
                                                       .on_message = on_message,
                                                       .on_expected = on_expected,
                                                       .on_brief = on_brief,
                                                       .on_crowded = on_crowded };
        struct server_limits limits = server_limits_for(1024);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        n_brief = n_slow = 0;
        n_expected = most_expected = 0;
        n_to_refuse = 0;
        on_call_do = NULL;
        timers = (struct timers)TIMERS_INIT;
        timer_init(&timer, end_loop, NULL);
        audit_init(&audit, &clock_system, &timers);
        strcpy(directory + sizeof(directory) - 7, "XXXXXX");
        assert_non_null(mkdtemp(directory));
        address = (struct sockaddr_un){ .sun_family = AF_UNIX };
        snprintf(address.sun_path, sizeof(address.sun_path), "%.40s/s", directory);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 128), 0);
        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(loop_new(&loop, event, &timers, &clock_system, on_jump, NULL), 0);
        assert_int_equal(server_new(&server, event, &clock_system, &timers, &audit, &limits, &handler), 0);
        assert_int_equal(server_listen(server, fd), 0);
        assert_int_equal(secret_buf_append_string(&answer, "{\"parameters\":{}}"), 0);
        assert_true(sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, PATIENCE_SEC * USEC_PER_SEC, 0,
                                               give_up, NULL) >= 0);
        return 0;
}

static int teardown(void **state)
{
        timer_stop(&timers, &timer);
        defer = sd_event_source_unref(defer);
        server = server_free(server);
        loop = loop_free(loop);
        audit_done(&audit);
        timers_done(&timers);
        event = sd_event_unref(event);
        secret_buf_done(&answer);
        unlink(address.sun_path);
        return rmdir(directory);
}

static int connect_client(void)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                abort();
        return fd;
}

static void say(int fd, const char *message)
{
        assert_int_equal(send(fd, message, strlen(message) + 1, MSG_NOSIGNAL), strlen(message) + 1);
}

static int on_answer(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        static unsigned n_heard;
        char heard[64];
        ssize_t n = recv(fd, heard, sizeof(heard), MSG_DONTWAIT);

        if (n <= 0)
                return sd_event_exit(event, 1);
        assert_string_equal(heard, "{\"parameters\":{}}");
        if (++n_heard % ENOUGH == 0)
                return sd_event_exit(event, 42);
        say(fd, says);
        return 0;
}

/* A client that is a source of the same loop, and asks again with each answer. */
static void converse(const char *message)
{
        client = connect_client();
        says = message;
        assert_true(sd_event_add_io(event, NULL, client, EPOLLIN, on_answer, NULL) >= 0);
        say(client, message);
        assert_int_equal(server_loop(server), 42);
        close(client);
}

static void test_calls_that_are_answered_at_once_leave_room_for_other_sources(void **state)
{
        converse(BRIEF);
        assert_int_equal(n_brief, ENOUGH);
        assert_int_equal(n_slow, 0);
}

static void test_calls_that_are_not_leave_room_for_them_too(void **state)
{
        converse(SLOW);
        assert_int_equal(n_brief, 0);
        assert_int_equal(n_slow, ENOUGH);
}

static void arm_timer(void (*on_due)(void *userdata), uint64_t usec)
{
        timer_init(&timer, on_due, NULL);
        assert_int_equal(timer_set(&timers, &timer, clock_boot_usec(&clock_system) + usec), 0);
}

static void arm_for_the_end(void)
{
        arm_timer(end_loop, 5000);
}

static void test_a_timer_that_a_call_arms_wakes_the_loop(void **state)
{
        client = connect_client();
        on_call_do = arm_for_the_end;
        say(client, BRIEF);
        assert_int_equal(server_loop(server), 43);
        close(client);
}

static int on_defer(sd_event_source *source, void *userdata)
{
        return sd_event_exit(event, 44);
}

static void enable_defer(void)
{
        assert_true(sd_event_source_set_enabled(defer, SD_EVENT_ONESHOT) >= 0);
}

static void test_a_source_that_a_call_enables_is_dispatched(void **state)
{
        assert_true(sd_event_add_defer(event, &defer, on_defer, NULL) >= 0);
        assert_true(sd_event_source_set_enabled(defer, SD_EVENT_OFF) >= 0);
        client = connect_client();
        on_call_do = enable_defer;
        say(client, SLOW);
        assert_int_equal(server_loop(server), 44);
        close(client);
}

static int reader_waits[2];

static void let_read(void *userdata)
{
        assert_int_equal(write(reader_waits[1], "", 1), 1);
}

/* Never returns: reads what it has asked for once it may. */
static void ask_at_length(void)
{
        char heard[65536];
        int fd = connect_client();

        if (send(fd, LONG, sizeof(LONG), MSG_NOSIGNAL) < 0 || read(reader_waits[0], heard, 1) != 1)
                _exit(1);
        while (recv(fd, heard, sizeof(heard), 0) > 0)
                ;
        _exit(0);
}

/* The next piece of a long answer is made when the last one has been read, by whoever's turn it is. */
static void test_a_source_that_is_enabled_when_an_answer_was_read_is_dispatched(void **state)
{
        uint64_t began;
        pid_t child;

        assert_true(sd_event_add_defer(event, &defer, on_defer, NULL) >= 0);
        assert_true(sd_event_source_set_enabled(defer, SD_EVENT_OFF) >= 0);
        on_call_do = enable_defer;
        assert_int_equal(pipe(reader_waits), 0);
        child = fork();
        if (child == 0)
                ask_at_length();
        assert_true(child > 0);
        arm_timer(let_read, 100000);
        began = clock_boot_usec(&clock_system);
        assert_int_equal(server_loop(server), 44);
        /* Not by the timer that gives up. */
        assert_true(clock_boot_usec(&clock_system) - began < PATIENCE_SEC * USEC_PER_SEC / 2);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        close(reader_waits[0]);
        close(reader_waits[1]);
}

/* Never returns: asks as fast as it can, on several connections. */
static void flood(void)
{
        int fds[8];
        char heard[65536];

        for (size_t i = 0; i < 8; i++)
                fds[i] = connect_client();
        for (;;)
                for (size_t i = 0; i < 8; i++) {
                        for (int k = 0; k < 16; k++)
                                if (send(fds[i], BRIEF, sizeof(BRIEF), MSG_NOSIGNAL | MSG_DONTWAIT) <
                                    (ssize_t)sizeof(BRIEF))
                                        break;
                        if (recv(fds[i], heard, sizeof(heard), MSG_DONTWAIT) == 0)
                                _exit(0);
                }
}

static void test_a_flood_of_brief_calls_holds_no_timer_up(void **state)
{
        pid_t child = fork();

        if (child == 0)
                flood();
        assert_true(child > 0);
        arm_timer(end_loop, 100000);
        assert_int_equal(server_loop(server), 43);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_true(n_brief > 0);
}

static void hear_answer(int fd)
{
        char heard[64];

        assert_int_equal(recv(fd, heard, sizeof(heard), 0), 18);
        assert_string_equal(heard, "{\"parameters\":{}}");
}

static void hear_twice(int fd)
{
        static const char twice[] = "{\"parameters\":{}}\0{\"parameters\":{}}";
        char heard[64];

        assert_int_equal(recv(fd, heard, sizeof(heard), 0), sizeof(twice));
        assert_memory_equal(heard, twice, sizeof(twice));
}

static void turn(void)
{
        do
                (void)server_round(server, 0);
        while (server_is_busy(server));
}

/* What each needs is fetched while the others are read; one that is not brief is the last of those that are read together. */
static void test_calls_that_have_come_are_expected_together(void **state)
{
        int fds[5];

        for (int i = 0; i < 5; i++) {
                fds[i] = connect_client();
                say(fds[i], BRIEF);
        }
        turn();
        for (int i = 0; i < 5; i++)
                hear_answer(fds[i]);

        most_expected = 0;
        for (int i = 0; i < 5; i++)
                say(fds[i], i == 3 ? SLOW : BRIEF);
        turn();
        for (int i = 0; i < 5; i++)
                hear_answer(fds[i]);
        assert_int_equal(most_expected, 3);
        assert_int_equal(n_expected, 9);
        assert_int_equal(n_brief, 9);
        assert_int_equal(n_slow, 1);
        for (int i = 0; i < 5; i++)
                close(fds[i]);
}

/* The second of three; the newest is at the head of the list. */
static void drop_the_second(void)
{
        connection_drop(LIST_NEXT(LIST_FIRST(&server->connections), link), NULL);
        on_call_do = NULL;
}

static void test_whoever_is_dropped_after_its_call_was_read_is_left_in_peace(void **state)
{
        int fds[3];
        char heard[64];

        for (int i = 0; i < 3; i++)
                fds[i] = connect_client();
        turn();
        for (int i = 0; i < 3; i++)
                say(fds[i], BRIEF);
        on_call_do = drop_the_second;
        turn();
        assert_int_equal(n_brief, 2);
        hear_answer(fds[0]);
        assert_int_equal(recv(fds[1], heard, sizeof(heard), 0), 0);
        hear_answer(fds[2]);
        assert_int_equal(server->accounts.n_connections, 2);
        /* What was read of theirs is nowhere. */
        for (size_t i = 0; i < SERVER_LANES; i++)
                assert_int_equal(server->lanes[i].buf.n, 0);
        for (int i = 0; i < 3; i++)
                close(fds[i]);
}

/* One that is refused at second sight, and one with another behind it, go the way of all calls. */
static void test_what_is_no_brief_call_at_second_sight_is_called_as_any_other(void **state)
{
        int fd = connect_client();

        n_to_refuse = 1;
        say(fd, BRIEF);
        turn();
        hear_answer(fd);
        assert_int_equal(n_slow, 1);
        assert_int_equal(n_brief, 0);
        assert_int_equal(n_expected, 1);

        assert_int_equal(send(fd, BRIEF "\0" BRIEF, 2 * sizeof(BRIEF), MSG_NOSIGNAL), 2 * sizeof(BRIEF));
        turn();
        hear_twice(fd);
        assert_int_equal(n_brief, 2);
        close(fd);
}

static void take_long(void)
{
        uint64_t until = clock_boot_usec(&clock_system) + 200;

        /* Of those that came with it, the ready answer is out, and no other call has begun. */
        if (n_slow == 1)
                assert_int_equal(n_brief, 1);
        n_in_round++;
        while (clock_boot_usec(&clock_system) < until)
                ;
}

static void on_call_take_long(void)
{
        if (n_slow > 0)
                take_long();
}

/* In a batch there is room for eight calls, but no more time than for one that takes long. */
static void test_calls_that_take_long_are_not_taken_together(void **state)
{
        int fds[5];

        for (int i = 0; i < 5; i++)
                fds[i] = connect_client();
        turn();
        for (int i = 0; i < 5; i++)
                say(fds[i], BRIEF);
        n_to_refuse = 4;
        on_call_do = on_call_take_long;
        do {
                n_in_round = 0;
                (void)server_round(server, 0);
                assert_true(n_in_round <= 1);
        } while (server_is_busy(server));
        assert_int_equal(n_slow, 4);
        assert_int_equal(n_brief, 1);
        for (int i = 0; i < 5; i++) {
                hear_answer(fds[i]);
                close(fds[i]);
        }
}

static void on_drained(void *userdata)
{
        if (server_is_drained(server))
                (void)sd_event_exit(event, 45);
}

static void drain(void *userdata)
{
        server_drain(server, on_drained, NULL);
}

/* The connection is let go in a turn of its own, after the timer's. */
static void test_the_end_of_the_last_connection_ends_the_loop(void **state)
{
        char heard[64];

        client = connect_client();
        say(client, BRIEF);
        arm_timer(drain, 5000);
        assert_int_equal(server_loop(server), 45);
        assert_int_equal(recv(client, heard, sizeof(heard), 0), 18);
        close(client);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                LOOP_TEST(test_calls_that_are_answered_at_once_leave_room_for_other_sources),
                LOOP_TEST(test_calls_that_are_not_leave_room_for_them_too),
                LOOP_TEST(test_a_timer_that_a_call_arms_wakes_the_loop),
                LOOP_TEST(test_a_source_that_a_call_enables_is_dispatched),
                LOOP_TEST(test_a_source_that_is_enabled_when_an_answer_was_read_is_dispatched),
                LOOP_TEST(test_a_flood_of_brief_calls_holds_no_timer_up),
                LOOP_TEST(test_calls_that_have_come_are_expected_together),
                LOOP_TEST(test_whoever_is_dropped_after_its_call_was_read_is_left_in_peace),
                LOOP_TEST(test_what_is_no_brief_call_at_second_sight_is_called_as_any_other),
                LOOP_TEST(test_calls_that_take_long_are_not_taken_together),
                LOOP_TEST(test_the_end_of_the_last_connection_ends_the_loop),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
