// links: common/
// ldflags: -Wl,--wrap=recv -Wl,--wrap=send -Wl,--wrap=secret_buf_consume
#include "tests/beds/conn_pair.h"

#include "common/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

/* ---- reading ---- */

static void test_reading_does_not_wait_even_where_the_descriptor_would(void **state)
{
        assert_false(fcntl(conn_fd(conn), F_GETFL) & O_NONBLOCK);
        assert_int_equal(conn_read(conn), CONN_E_AGAIN);
        assert_int_equal(next(), CONN_E_AGAIN);
}

static void test_freeing_closes_the_descriptor(void **state)
{
        char c;

        conn = conn_free(conn);
        assert_null(conn);
        assert_int_equal(read(peer, &c, 1), 0);
        assert_null(conn_free(NULL));
}

static void test_messages_are_taken_one_by_one(void **state)
{
        peer_writes("one\0two\0\0three", 14);
        assert_int_equal(conn_read(conn), 0);
        assert_next("one");
        assert_next("two");
        assert_next("");
        assert_int_equal(next(), CONN_E_AGAIN);
        assert_true(conn_has_partial(conn));
        peer_writes("", 1);
        assert_int_equal(conn_read(conn), 0);
        assert_false(conn_has_partial(conn));
        assert_next("three");
        assert_int_equal(next(), CONN_E_AGAIN);
}

static void test_a_message_may_come_byte_by_byte(void **state)
{
        static const char text[] = "{\"method\":\"a.B\"}";

        for (size_t i = 0; i < sizeof(text); i++) {
                assert_int_equal(next(), CONN_E_AGAIN);
                assert_int_equal(conn_has_partial(conn), i > 0);
                peer_writes(text + i, 1);
                assert_int_equal(conn_read(conn), 0);
                assert_int_equal(conn_held(conn), i + 1);
        }
        assert_next(text);
        assert_int_equal(next(), CONN_E_AGAIN);
        assert_int_equal(conn_held(conn), 0);
}

static void test_a_lent_message_counts_as_held_until_the_next_call(void **state)
{
        peer_writes("abc", 4);
        assert_int_equal(conn_read(conn), 0);
        assert_next("abc");
        assert_int_equal(conn_held(conn), 4);
        assert_false(conn_has_partial(conn));
        assert_int_equal(conn_read(conn), CONN_E_AGAIN);
        assert_int_equal(conn_held(conn), 0);
}

static void test_a_message_is_wiped_when_the_next_is_asked_for(void **state)
{
        const char *bytes;
        size_t n;

        peer_writes("hunter2\0a longer one", 21);
        assert_int_equal(conn_read(conn), 0);
        assert_int_equal(conn_next(conn, &bytes, &n), 0);
        assert_string_equal(bytes, "hunter2");
        assert_next("a longer one");
        for (size_t i = 0; i < n; i++)
                assert_int_equal(bytes[i], 0);
}

static void test_an_idle_connection_holds_no_secret_memory(void **state)
{
        assert_int_equal(in_use(), 0);
        peer_writes("abc", 4);
        assert_int_equal(conn_read(conn), 0);
        assert_in_range(in_use(), 1, 1024);
        assert_next("abc");
        assert_int_equal(next(), CONN_E_AGAIN);
        assert_int_equal(in_use(), 0);

        assert_int_equal(conn_put(conn, "abc", 3), 0);
        assert_int_equal(conn_flush(conn), 0);
        assert_int_equal(in_use(), 0);
        assert_int_equal(conn_read(conn), CONN_E_AGAIN);
        assert_int_equal(in_use(), 0);
}

static void test_messages_read_before_the_end_can_still_be_taken(void **state)
{
        peer_writes("one\0two\0part", 12);
        peer_closes();
        assert_int_equal(conn_read(conn), 0);
        assert_int_equal(conn_read(conn), CONN_E_CLOSED);
        assert_next("one");
        assert_next("two");
        assert_int_equal(next(), CONN_E_AGAIN);
        assert_true(conn_has_partial(conn));
        assert_int_equal(conn_read(conn), CONN_E_CLOSED);
}

static void test_a_reset_is_an_end(void **state)
{
        /* A peer that closes with our bytes unread resets the connection. */
        assert_int_equal(conn_put(conn, "unread", 6), 0);
        assert_int_equal(conn_flush(conn), 0);
        peer_closes();
        assert_int_equal(conn_read(conn), CONN_E_CLOSED);
}

static void test_a_fault_of_the_socket_is_passed_up(void **state)
{
        recv_errno = ENOTCONN;
        assert_int_equal(conn_read(conn), -ENOTCONN);
        assert_int_equal(conn_put(conn, "x", 1), 0);
        send_errno = ENOBUFS;
        assert_int_equal(conn_flush(conn), -ENOBUFS);
        assert_int_equal(conn_queued(conn), 2);
}

static void test_interrupted_calls_are_repeated(void **state)
{
        peer_writes("abc", 4);
        n_interrupts = 3;
        assert_int_equal(conn_read(conn), 0);
        assert_int_equal(n_interrupts, 0);
        assert_next("abc");

        assert_int_equal(conn_put(conn, "abc", 3), 0);
        n_interrupts = 3;
        assert_int_equal(conn_flush(conn), 0);
        assert_int_equal(n_interrupts, 0);
}

static void test_the_longest_message_passes_and_one_byte_more_does_not(void **state)
{
        static char text[MAX_IN + 2];
        const char *bytes;
        size_t n;

        memset(text, 'x', MAX_IN);
        text[MAX_IN] = '\0';
        peer_writes_until_full(text, MAX_IN + 1);
        assert_int_equal(conn_next(conn, &bytes, &n), 0);
        assert_int_equal(n, MAX_IN);
        assert_memory_equal(bytes, text, MAX_IN + 1);
        assert_int_equal(next(), CONN_E_AGAIN);

        text[MAX_IN] = 'x';
        peer_writes_until_full(text, MAX_IN + 2);
        assert_int_equal(next(), CONN_E_TOO_LARGE);
        assert_int_equal(next(), CONN_E_TOO_LARGE);
}

static void test_a_message_that_has_no_end_is_refused_before_it_has_one(void **state)
{
        static char text[MAX_IN + 1];

        memset(text, 'x', sizeof(text));
        peer_writes_until_full(text, MAX_IN);
        assert_int_equal(next(), CONN_E_AGAIN);
        peer_writes("x", 1);
        assert_int_equal(conn_read(conn), 0);
        assert_int_equal(next(), CONN_E_TOO_LARGE);
}

static void test_a_flood_is_read_no_further_than_the_limit(void **state)
{
        static char text[4096];
        size_t held_max = MAX_IN + 65536;
        int r = 0;

        memset(text, 'x', sizeof(text));
        for (int i = 0; i < 1000; i++) {
                (void)!__real_send(peer, text, sizeof(text), MSG_DONTWAIT);
                r = conn_read(conn);
        }
        assert_int_equal(r, CONN_E_AGAIN);
        assert_in_range(conn_held(conn), MAX_IN, held_max);
        assert_in_range(in_use(), MAX_IN, 2 * held_max);
        assert_int_equal(next(), CONN_E_TOO_LARGE);
}

static void test_one_call_takes_no_more_than_its_share(void **state)
{
        static char text[150000];

        memset(text, 'x', sizeof(text));
        assert_true(__real_send(peer, text, sizeof(text), MSG_DONTWAIT) > 70000);
        assert_int_equal(conn_read(conn), 0);
        assert_int_equal(conn_held(conn), 16384);
}

static void test_one_call_takes_no_more_than_one_message_may_have(void **state)
{
        _cleanup_(conn_freep) struct conn *strict = NULL;
        static char text[150000];
        const char *bytes;
        size_t n;

        memset(text, 'x', sizeof(text));
        assert_true(__real_send(peer, text, sizeof(text), MSG_DONTWAIT) > 70000);
        assert_int_equal(conn_new(&strict, dup(conn_fd(conn)), 1000, 1000), 0);
        assert_int_equal(conn_read(strict), 0);
        assert_int_equal(conn_held(strict), 1001);
        assert_int_equal(conn_next(strict, &bytes, &n), CONN_E_TOO_LARGE);
}

static void test_a_socket_is_drained_when_a_read_got_less_than_it_would_take(void **state)
{
        static char text[MAX_IN];
        int r;

        assert_true(__real_send(peer, "ab", 3, MSG_DONTWAIT) == 3);
        assert_int_equal(conn_read(conn), 0);
        assert_true(conn_is_drained(conn));

        memset(text, 'x', sizeof(text));
        assert_true(__real_send(peer, text, sizeof(text), MSG_DONTWAIT) > 70000);
        assert_int_equal(conn_read(conn), 0);
        assert_false(conn_is_drained(conn));
        while (!conn_is_drained(conn))
                assert_true((r = conn_read(conn)) == 0 || r == CONN_E_AGAIN);

        /* What is not even looked for may be there. */
        while (conn_held(conn) <= MAX_IN) {
                assert_true(__real_send(peer, text, 10000, MSG_DONTWAIT) == 10000);
                assert_int_equal(conn_read(conn), 0);
                assert_true(conn_is_drained(conn));
        }
        assert_true(__real_send(peer, text, 10000, MSG_DONTWAIT) == 10000);
        assert_int_equal(conn_read(conn), CONN_E_AGAIN);
        assert_false(conn_is_drained(conn));
}

static void test_what_there_is_of_a_message_can_be_looked_at(void **state)
{
        const char *bytes;
        size_t n;

        conn_peek(conn, &bytes, &n);
        assert_int_equal(n, 0);
        assert_true(__real_send(peer, "whole\0pa", 8, MSG_DONTWAIT) == 8);
        assert_int_equal(conn_read(conn), 0);
        assert_int_equal(next(), 0);
        assert_int_equal(next(), CONN_E_AGAIN);
        conn_peek(conn, &bytes, &n);
        assert_int_equal(n, 2);
        assert_memory_equal(bytes, "pa", 2);
}

static void test_many_pipelined_messages_are_not_moved_for_each(void **state)
{
        enum { N = 20000 };
        static char text[N * 3];
        size_t n_sent = 0, n_taken = 0;

        for (size_t i = 0; i < N; i++)
                memcpy(text + 3 * i, "ab", 3);
        while (n_taken < N) {
                ssize_t n = __real_send(peer, text + n_sent, sizeof(text) - n_sent, MSG_DONTWAIT);

                if (n > 0)
                        n_sent += (size_t)n;
                /* One message for each read: the slowest caller there is. */
                assert_in_range(conn_read(conn), 0, CONN_E_AGAIN);
                assert_next("ab");
                n_taken++;
        }
        assert_int_equal(next(), CONN_E_AGAIN);
        assert_true(n_moved <= sizeof(text));
}

static uint32_t next_random(uint32_t *seed)
{
        *seed = *seed * 1664525 + 1013904223;
        return *seed >> 8;
}

/* However the bytes are cut on their way, and however many messages are taken at a time, they are the messages that were sent. */
static void test_any_cut_gives_the_same_messages(void **state)
{
        static char text[300000];
        size_t n_sent = 0, n_taken = 0;
        uint32_t seed = 1;

        for (size_t i = 0, n; i < sizeof(text); i += n + 1) {
                n = next_random(&seed) % (next_random(&seed) % 8 == 0 ? 9000 : 60);
                if (n > sizeof(text) - i - 1)
                        n = sizeof(text) - i - 1;
                memset(text + i, (int)('a' + n % 26), n);
        }
        while (n_taken < sizeof(text)) {
                size_t n = next_random(&seed) % 4000;
                unsigned n_wanted = next_random(&seed) % 90;
                const char *bytes;

                n = n < sizeof(text) - n_sent ? n : sizeof(text) - n_sent;
                if (n > 0)
                        peer_writes(text + n_sent, n);
                n_sent += n;
                assert_in_range(conn_read(conn), 0, CONN_E_AGAIN);
                while (n_wanted-- > 0 && conn_next(conn, &bytes, &n) == 0) {
                        assert_string_equal(bytes, text + n_taken);
                        assert_int_equal(n, strlen(bytes));
                        n_taken += n + 1;
                }
        }
        assert_int_equal(n_taken, sizeof(text));
        assert_int_equal(next(), CONN_E_AGAIN);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_reading_does_not_wait_even_where_the_descriptor_would),
                TEST(test_freeing_closes_the_descriptor),
                TEST(test_messages_are_taken_one_by_one),
                TEST(test_a_message_may_come_byte_by_byte),
                TEST(test_a_lent_message_counts_as_held_until_the_next_call),
                TEST(test_a_message_is_wiped_when_the_next_is_asked_for),
                TEST(test_an_idle_connection_holds_no_secret_memory),
                TEST(test_messages_read_before_the_end_can_still_be_taken),
                TEST(test_a_reset_is_an_end),
                TEST(test_a_fault_of_the_socket_is_passed_up),
                TEST(test_interrupted_calls_are_repeated),
                TEST(test_the_longest_message_passes_and_one_byte_more_does_not),
                TEST(test_a_message_that_has_no_end_is_refused_before_it_has_one),
                TEST(test_a_flood_is_read_no_further_than_the_limit),
                TEST(test_one_call_takes_no_more_than_its_share),
                TEST(test_one_call_takes_no_more_than_one_message_may_have),
                TEST(test_what_there_is_of_a_message_can_be_looked_at),
                TEST(test_a_socket_is_drained_when_a_read_got_less_than_it_would_take),
                TEST(test_many_pipelined_messages_are_not_moved_for_each),
                TEST(test_any_cut_gives_the_same_messages),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
