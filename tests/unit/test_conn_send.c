// links: common/
// ldflags: -Wl,--wrap=recv -Wl,--wrap=send -Wl,--wrap=secret_buf_consume
/* What is sent over a connection: queued, at once, or to nobody. */
#include "tests/beds/conn_pair.h"

#include "common/conn.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* ---- sending ---- */

static void assert_peer_reads(const char *expected, size_t n)
{
        char bytes[256];

        assert_int_equal(read(peer, bytes, sizeof(bytes)), n);
        assert_memory_equal(bytes, expected, n);
}

static void test_what_is_put_is_sent_with_its_end(void **state)
{
        assert_int_equal(conn_flush(conn), 0);
        assert_int_equal(conn_put(conn, "one", 3), 0);
        assert_int_equal(conn_put(conn, "two", 3), 0);
        assert_int_equal(conn_put(conn, NULL, 0), 0);
        assert_int_equal(conn_queued(conn), 9);
        assert_int_equal(conn_flush(conn), 0);
        assert_int_equal(conn_queued(conn), 0);
        assert_peer_reads("one\0two\0\0", 9);
}

static void test_a_nul_inside_would_be_two_messages_and_is_refused(void **state)
{
        assert_int_equal(conn_put(conn, "a\0b", 3), -EINVAL);
        assert_int_equal(conn_queued(conn), 0);
}

static void test_no_more_is_queued_than_the_limit(void **state)
{
        static char text[MAX_OUT];

        memset(text, 'x', sizeof(text));
        assert_int_equal(conn_put(conn, text, MAX_OUT), CONN_E_TOO_LARGE);
        assert_int_equal(conn_put(conn, text, SIZE_MAX), CONN_E_TOO_LARGE);
        assert_int_equal(conn_queued(conn), 0);
        assert_int_equal(conn_put(conn, text, MAX_OUT - 1), 0);
        assert_int_equal(conn_queued(conn), MAX_OUT);
        assert_int_equal(conn_put(conn, "", 0), CONN_E_TOO_LARGE);
        assert_int_equal(conn_queued(conn), MAX_OUT);
}

/* The peer reads a little at a time; all bytes arrive in order, and what was sent makes room for new messages. */
static void test_a_slow_reader_gets_everything(void **state)
{
        static char text[100000], bytes[7001];
        size_t n_put = 0, n_received = 0;
        bool waited = false;

        for (size_t i = 0; i < sizeof(text); i++)
                text[i] = (char)('a' + i % 26);
        while (n_put < 50 || conn_queued(conn) > 0 || n_received < 50 * (sizeof(text) + 1)) {
                ssize_t n;
                int r;

                while (n_put < 50 && (r = conn_put(conn, text, sizeof(text))) == 0)
                        n_put++;
                assert_true(n_put == 50 || r == CONN_E_TOO_LARGE);
                r = conn_flush(conn);
                assert_true(r == 0 || r == CONN_E_AGAIN);
                waited = waited || r == CONN_E_AGAIN;
                assert_true(in_use() <= 2 * (size_t)MAX_OUT + 8192);

                n = read(peer, bytes, sizeof(bytes));
                assert_true(n > 0);
                for (ssize_t i = 0; i < n; i++) {
                        size_t at = (n_received + (size_t)i) % (sizeof(text) + 1);

                        if (bytes[i] != (at < sizeof(text) ? text[at] : '\0'))
                                fail_msg("byte %zu is wrong", n_received + (size_t)i);
                }
                n_received += (size_t)n;
        }
        assert_true(waited);
        assert_int_equal(n_received, 50 * (sizeof(text) + 1));
        assert_true(n_moved <= n_received);
}

/* SIGPIPE would end this test. */
static void test_sending_to_nobody_is_an_end_and_no_signal(void **state)
{
        assert_ptr_equal(signal(SIGPIPE, SIG_DFL), SIG_DFL);
        assert_int_equal(conn_put(conn, "x", 1), 0);
        peer_closes();
        assert_int_equal(conn_flush(conn), CONN_E_CLOSED);
        assert_int_equal(conn_flush(conn), CONN_E_CLOSED);
        send_errno = ECONNRESET;
        assert_int_equal(conn_flush(conn), CONN_E_CLOSED);
}

/* Nobody asked for descriptors: those that a peer sends along are dropped by the kernel. */
static void test_descriptors_that_a_peer_sends_along_are_not_kept(void **state)
{
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        struct iovec iov = { .iov_base = (char[]){ "abc" }, .iov_len = 4 };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        int pipes[2], lowest;
        char c;

        assert_int_equal(pipe(pipes), 0);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &pipes[1], sizeof(int));
        assert_int_equal(sendmsg(peer, &message, 0), 4);
        close(pipes[1]);

        assert_int_equal(conn_read(conn), 0);
        assert_next("abc");
        lowest = dup(0);
        assert_int_equal(lowest, pipes[1]);
        close(lowest);
        /* The write end is gone everywhere. */
        assert_int_equal(read(pipes[0], &c, 1), 0);
        close(pipes[0]);
}

/* ---- sending at once ---- */

static void test_what_is_sent_at_once_is_copied_nowhere(void **state)
{
        char text[8];

        assert_int_equal(conn_send(conn, "answer", 6), 0);
        assert_int_equal(conn_queued(conn), 0);
        assert_int_equal(in_use(), 0);
        assert_int_equal(read(peer, text, sizeof(text)), 7);
        assert_string_equal(text, "answer");
}

static void test_what_is_sent_at_once_goes_behind_what_is_queued(void **state)
{
        char text[16];

        for (int known = 0; known < 2; known++) {
                assert_int_equal(conn_put(conn, "first", 5), 0);
                assert_int_equal(known ? conn_send_text(conn, "second", 6) : conn_send(conn, "second", 6), 0);
                assert_int_equal(conn_queued(conn), 0);
                assert_int_equal(read(peer, text, sizeof(text)), 13);
                assert_memory_equal(text, "first\0second", 13);
        }
}

static void test_what_the_socket_does_not_take_at_once_is_queued(void **state)
{
        static char text[10001], heard[sizeof(text)];
        size_t n_sent = 0, n_heard = 0;

        memset(text, 'x', sizeof(text) - 1);
        while (conn_queued(conn) == 0) {
                assert_int_equal(conn_send(conn, text, sizeof(text) - 1), 0);
                n_sent++;
        }
        while (n_heard < n_sent * sizeof(text)) {
                size_t at = n_heard % sizeof(text);
                ssize_t n = read(peer, heard + at, sizeof(text) - at);
                int r = conn_flush(conn);

                assert_true(n > 0 && (r == 0 || r == CONN_E_AGAIN));
                n_heard += (size_t)n;
                if (n_heard % sizeof(text) == 0)
                        assert_string_equal(heard, text);
        }
        assert_int_equal(conn_queued(conn), 0);
}

static void test_sending_at_once_fails_as_queueing_does(void **state)
{
        static char text[MAX_OUT + 1];

        assert_int_equal(conn_send(conn, "a\0b", 3), -EINVAL);
        memset(text, 'x', MAX_OUT);
        assert_int_equal(conn_send(conn, text, MAX_OUT), CONN_E_TOO_LARGE);
        assert_int_equal(conn_send_text(conn, text, MAX_OUT), CONN_E_TOO_LARGE);
        send_errno = ENOBUFS;
        assert_int_equal(conn_send(conn, "x", 1), -ENOBUFS);
        send_errno = 0;
        peer_closes();
        assert_int_equal(conn_send(conn, "x", 1), CONN_E_CLOSED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_what_is_put_is_sent_with_its_end),
                TEST(test_a_nul_inside_would_be_two_messages_and_is_refused),
                TEST(test_no_more_is_queued_than_the_limit),
                TEST(test_a_slow_reader_gets_everything),
                TEST(test_sending_to_nobody_is_an_end_and_no_signal),
                TEST(test_descriptors_that_a_peer_sends_along_are_not_kept),
                TEST(test_what_is_sent_at_once_is_copied_nowhere),
                TEST(test_what_is_sent_at_once_goes_behind_what_is_queued),
                TEST(test_what_the_socket_does_not_take_at_once_is_queued),
                TEST(test_sending_at_once_fails_as_queueing_does),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
