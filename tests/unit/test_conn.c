// links: tests/beds/conn_pair.c common/
// ldflags: -Wl,--wrap=recv -Wl,--wrap=send -Wl,--wrap=secret_buf_consume
#include "tests/beds/conn_pair.h"

#include "common/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

/* ---- a connection and the other end of it ---- */

static void peer_writes(const void *bytes, size_t n)
{
        assert_int_equal(write(peer, bytes, n), n);
}

static int next(void)
{
        const char *bytes = "untouched";
        size_t n = 17;
        int r = conn_next(conn, &bytes, &n);

        assert_true(r == 0 || (n == 17 && strcmp(bytes, "untouched") == 0));
        return r;
}

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

static void peer_writes_until_full(const char *bytes, size_t n)
{
        size_t done = 0;
        int r;

        while (done < n) {
                ssize_t written =
                        __real_send(peer, bytes + done, n - done < 30000 ? n - done : 30000, MSG_DONTWAIT);

                if (written > 0)
                        done += (size_t)written;
                else
                        assert_int_equal(errno, EAGAIN);
                r = conn_read(conn);
                assert_true(r == 0 || r == CONN_E_AGAIN);
        }
        while ((r = conn_read(conn)) == 0)
                ;
        assert_int_equal(r, CONN_E_AGAIN);
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

/* ---- a buffer for many ---- */

static struct secret_buf spare = SECRET_BUF_INIT(1 << 20);

static bool spare_is_blank(void)
{
        for (size_t i = 0; i < spare.allocated; i++)
                if (spare.data[i] != '\0')
                        return false;
        return spare.n == 0;
}

static void test_a_lent_buffer_comes_back_wiped_and_the_connection_keeps_none(void **state)
{
        const char *first;
        size_t with_spare;

        conn_lend(conn, &spare);
        assert_int_equal(conn_read(conn), CONN_E_AGAIN);
        assert_int_equal(conn_take_back(conn, &spare), 0);
        first = spare.data;
        with_spare = in_use();
        for (int i = 0; i < 3; i++) {
                peer_writes("hunter2\0correct horse", 22);
                conn_lend(conn, &spare);
                assert_null(spare.data);
                assert_int_equal(conn_read(conn), 0);
                assert_next("hunter2");
                assert_true(conn_has_next(conn));
                assert_next("correct horse");
                assert_false(conn_has_next(conn));
                assert_int_equal(conn_take_back(conn, &spare), 0);
                assert_ptr_equal(spare.data, first);
                assert_true(spare_is_blank());
                assert_int_equal(in_use(), with_spare);
                assert_int_equal(next(), CONN_E_AGAIN);
        }
        secret_buf_done(&spare);
}

static void test_what_is_left_over_moves_to_memory_of_its_own(void **state)
{
        peer_writes("one\0two\0thr", 11);
        conn_lend(conn, &spare);
        assert_int_equal(conn_read(conn), 0);
        assert_next("one");
        assert_int_equal(conn_take_back(conn, &spare), 0);
        assert_true(spare_is_blank());
        assert_int_equal(conn_held(conn), 7);
        assert_next("two");
        assert_int_equal(next(), CONN_E_AGAIN);
        assert_true(conn_has_partial(conn));

        peer_writes("ee", 3);
        conn_lend(conn, &spare);
        assert_non_null(spare.data);
        assert_int_equal(conn_read(conn), 0);
        assert_int_equal(conn_take_back(conn, &spare), 0);
        assert_next("three");
        assert_int_equal(next(), CONN_E_AGAIN);
        secret_buf_done(&spare);
        assert_int_equal(in_use(), 0);
}

static void test_a_buffer_that_grew_stays_with_whom_it_grew_for(void **state)
{
        static char text[100001];

        memset(text, 'x', sizeof(text) - 1);
        conn_lend(conn, &spare);
        peer_writes_until_full(text, sizeof(text));
        assert_int_equal(conn_take_back(conn, &spare), 0);
        assert_null(spare.data);
        assert_next(text);
        assert_int_equal(next(), CONN_E_AGAIN);
        assert_int_equal(in_use(), 0);
}

/* ---- one that rests, and one message ---- */

static void test_a_message_that_comes_alone_is_looked_at_where_it_was_read(void **state)
{
        assert_int_equal(secret_buf_reserve(&spare, 100), 0);
        assert_true(conn_is_at_rest(conn));
        assert_int_equal(conn_receive(conn, &spare), CONN_E_AGAIN);
        assert_true(conn_is_drained(conn));
        assert_false(conn_is_alone(conn, &spare));

        peer_writes("hunter2", 8);
        assert_int_equal(conn_receive(conn, &spare), 0);
        assert_true(conn_is_drained(conn));
        assert_true(conn_is_alone(conn, &spare));
        assert_int_equal(spare.n, 8);
        assert_string_equal(spare.data, "hunter2");
        secret_buf_forget(&spare);
        assert_true(spare_is_blank());
        assert_true(conn_is_at_rest(conn));
        assert_int_equal(conn_held(conn), 0);

        shutdown(peer, SHUT_WR);
        assert_int_equal(conn_receive(conn, &spare), CONN_E_CLOSED);
        secret_buf_done(&spare);
}

static void test_what_does_not_come_alone_goes_on_as_if_it_had_been_lent(void **state)
{
        assert_int_equal(secret_buf_reserve(&spare, 100), 0);
        peer_writes("one\0two\0thr", 11);
        assert_int_equal(conn_receive(conn, &spare), 0);
        assert_false(conn_is_alone(conn, &spare));
        conn_adopt(conn, &spare);
        assert_null(spare.data);
        assert_false(conn_is_at_rest(conn));
        assert_next("one");
        assert_next("two");
        assert_int_equal(next(), CONN_E_AGAIN);
        assert_int_equal(conn_take_back(conn, &spare), 0);
        assert_true(spare_is_blank());
        assert_int_equal(conn_held(conn), 3);
        peer_writes("ee", 3);
        assert_int_equal(conn_read(conn), 0);
        assert_next("three");
        assert_int_equal(next(), CONN_E_AGAIN);
        assert_true(conn_is_at_rest(conn));
        secret_buf_done(&spare);
}

static void test_a_message_that_is_too_long_or_not_whole_is_not_alone(void **state)
{
        struct conn *strict;
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(conn_new(&strict, fds[0], 8, 8), 0);
        assert_int_equal(secret_buf_reserve(&spare, 100), 0);
        assert_int_equal(write(fds[1], "12345678", 8), 8);
        assert_int_equal(conn_receive(strict, &spare), 0);
        assert_false(conn_is_alone(strict, &spare));
        secret_buf_forget(&spare);

        assert_int_equal(write(fds[1], "12345678", 9), 9);
        assert_int_equal(conn_receive(strict, &spare), 0);
        assert_true(conn_is_alone(strict, &spare));
        secret_buf_forget(&spare);

        assert_int_equal(write(fds[1], "123456789", 10), 10);
        assert_int_equal(conn_receive(strict, &spare), 0);
        assert_false(conn_is_alone(strict, &spare));
        secret_buf_done(&spare);
        conn_free(strict);
        close(fds[1]);
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
                TEST(test_a_lent_buffer_comes_back_wiped_and_the_connection_keeps_none),
                TEST(test_what_is_left_over_moves_to_memory_of_its_own),
                TEST(test_a_buffer_that_grew_stays_with_whom_it_grew_for),
                TEST(test_a_message_that_comes_alone_is_looked_at_where_it_was_read),
                TEST(test_what_does_not_come_alone_goes_on_as_if_it_had_been_lent),
                TEST(test_a_message_that_is_too_long_or_not_whole_is_not_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
