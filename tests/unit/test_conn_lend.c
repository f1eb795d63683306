// links: common/
// ldflags: -Wl,--wrap=recv -Wl,--wrap=send -Wl,--wrap=secret_buf_consume
/* Memory that is lent to a connection while it reads, or read into on its behalf. */
#include "tests/beds/conn_pair.h"

#include "common/conn.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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
                TEST(test_a_lent_buffer_comes_back_wiped_and_the_connection_keeps_none),
                TEST(test_what_is_left_over_moves_to_memory_of_its_own),
                TEST(test_a_buffer_that_grew_stays_with_whom_it_grew_for),
                TEST(test_a_message_that_comes_alone_is_looked_at_where_it_was_read),
                TEST(test_what_does_not_come_alone_goes_on_as_if_it_had_been_lent),
                TEST(test_a_message_that_is_too_long_or_not_whole_is_not_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
