// links: daemon/loop.c daemon/serve/
// libs: libsodium jansson libsystemd yaml-0.1
/* Calls that have come are read together, and answered one after the other. */
#include "tests/beds/loop_bed.h"

#include "daemon/serve/server_internal.h"

#include <sys/socket.h>
#include <unistd.h>

static unsigned n_in_round; /* calls that took long */

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

int main(void)
{
        const struct CMUnitTest tests[] = {
                LOOP_TEST(test_calls_that_have_come_are_expected_together),
                LOOP_TEST(test_whoever_is_dropped_after_its_call_was_read_is_left_in_peace),
                LOOP_TEST(test_what_is_no_brief_call_at_second_sight_is_called_as_any_other),
                LOOP_TEST(test_calls_that_take_long_are_not_taken_together),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
