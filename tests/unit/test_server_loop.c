// links: daemon/loop.c daemon/serve/
// libs: libsodium jansson libsystemd yaml-0.1
/* The loop that waits on the connections: who is answered at once, and all else that the daemon waits for, keep nobody waiting. */
#include "tests/beds/loop_bed.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENOUGH = 200 };

static int client;
static const char *says;

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

int main(void)
{
        const struct CMUnitTest tests[] = {
                LOOP_TEST(test_calls_that_are_answered_at_once_leave_room_for_other_sources),
                LOOP_TEST(test_calls_that_are_not_leave_room_for_them_too),
                LOOP_TEST(test_a_timer_that_a_call_arms_wakes_the_loop),
                LOOP_TEST(test_a_source_that_a_call_enables_is_dispatched),
                LOOP_TEST(test_a_source_that_is_enabled_when_an_answer_was_read_is_dispatched),
                LOOP_TEST(test_a_flood_of_brief_calls_holds_no_timer_up),
                LOOP_TEST(test_the_end_of_the_last_connection_ends_the_loop),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
