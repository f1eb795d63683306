// links: common/
#include "common/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const TOKEN = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0";

static size_t in_use(void)
{
        struct secret_stats stats;

        secret_get_stats(&stats);
        return stats.bytes_in_use;
}

/* Looks at memory that is freed, and forbidden to the sanitizer. */
__attribute__((no_sanitize("address"))) static bool is_zero(const volatile char *p, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (p[i] != 0)
                        return false;
        return true;
}

static void test_a_secret_holds_its_bytes(void **state)
{
        _cleanup_(secret_freep) struct secret *text = NULL, *bytes = NULL, *empty = NULL;

        assert_int_equal(secret_new_string(&text, TOKEN), 0);
        assert_int_equal(secret_size(text), strlen(TOKEN));
        assert_string_equal(secret_expose(text), TOKEN);

        assert_int_equal(secret_new(&bytes, "a\0b", 3), 0);
        assert_int_equal(secret_size(bytes), 3);
        assert_memory_equal(secret_expose(bytes), "a\0b", 4);

        assert_int_equal(secret_new(&empty, NULL, 0), 0);
        assert_int_equal(secret_size(empty), 0);
        assert_string_equal(secret_expose(empty), "");
}

/* In every class and above: the byte behind the last is NUL, also where a longer secret was before. */
static void test_a_secret_of_any_size_ends_with_nul(void **state)
{
        static char bytes[300000];

        memset(bytes, 'x', sizeof(bytes));
        for (int round = 0; round < 2; round++)
                for (size_t n = 0; n < sizeof(bytes); n = n < 5000 ? n + 1 : n + 4093) {
                        _cleanup_(secret_freep) struct secret *secret = NULL;

                        assert_int_equal(secret_new(&secret, bytes, n), 0);
                        assert_int_equal(secret_size(secret), n);
                        assert_memory_equal(secret_expose(secret), bytes, n);
                        assert_int_equal(secret_expose(secret)[n], '\0');
                }
}

static void test_a_copy_is_equal_and_independent(void **state)
{
        struct secret *secret = NULL;
        _cleanup_(secret_freep) struct secret *copy = NULL;

        assert_int_equal(secret_new_string(&secret, TOKEN), 0);
        assert_int_equal(secret_copy(&copy, secret), 0);
        assert_true(secret_equal(secret, copy));
        secret_free(secret);
        assert_string_equal(secret_expose(copy), TOKEN);
}

static void test_freeing_accepts_and_returns_null(void **state)
{
        struct secret *secret;

        assert_null(secret_free(NULL));
        assert_int_equal(secret_new_string(&secret, TOKEN), 0);
        assert_null(secret_free(secret));
}

static void test_a_size_that_cannot_be_is_out_of_memory(void **state)
{
        struct secret *secret = NULL;

        assert_int_equal(secret_new(&secret, TOKEN, SIZE_MAX), -ENOMEM);
        assert_int_equal(secret_new(&secret, TOKEN, SIZE_MAX - 16), -ENOMEM);
        assert_int_equal(secret_new(&secret, TOKEN, PTRDIFF_MAX), -ENOMEM);
        assert_int_equal(secret_new(&secret, TOKEN, PTRDIFF_MAX - 100), -ENOMEM);
        assert_int_equal(secret_new(&secret, TOKEN, PTRDIFF_MAX / 2), -ENOMEM);
        assert_null(secret);
}

static void test_equality_compares_every_byte_and_the_size(void **state)
{
        _cleanup_(secret_freep) struct secret *a = NULL, *b = NULL, *first = NULL, *last = NULL,
                                              *shorter = NULL;

        assert_int_equal(secret_new(&a, "secret\0one", 10), 0);
        assert_int_equal(secret_new(&b, "secret\0one", 10), 0);
        assert_int_equal(secret_new(&first, "Secret\0one", 10), 0);
        assert_int_equal(secret_new(&last, "secret\0onE", 10), 0);
        assert_int_equal(secret_new(&shorter, "secret\0one", 9), 0);

        assert_true(secret_equal(a, a));
        assert_true(secret_equal(a, b));
        assert_false(secret_equal(a, first));
        assert_false(secret_equal(a, last));
        assert_false(secret_equal(a, shorter));
        assert_false(secret_equal(shorter, a));
        assert_true(secret_equal_bytes(a, "secret\0one", 10));
        assert_false(secret_equal_bytes(a, "secret\0onE", 10));
        assert_false(secret_equal_bytes(a, "secret", 6));
}

static void test_null_equals_null_alone(void **state)
{
        _cleanup_(secret_freep) struct secret *empty = NULL;

        assert_int_equal(secret_new(&empty, "", 0), 0);
        assert_true(secret_equal(NULL, NULL));
        assert_false(secret_equal(empty, NULL));
        assert_false(secret_equal(NULL, empty));
        assert_true(secret_equal_bytes(NULL, NULL, 0));
        assert_false(secret_equal_bytes(NULL, "", 0));
        assert_false(secret_equal_bytes(empty, NULL, 0));
        assert_true(secret_equal_bytes(empty, "", 0));
}

static void test_a_freed_secret_is_wiped(void **state)
{
        static char bytes[60000];
        static const size_t sizes[] = { 1, 30, 100, 1000, 3000, 5000, 30000 };
        _cleanup_(secret_freep) struct secret *neighbour = NULL;

        assert_int_equal(secret_new_string(&neighbour, "keeps the chunk"), 0);
        memset(bytes, 's', sizeof(bytes));
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                struct secret *secret;
                const char *exposed;

                assert_int_equal(secret_new(&secret, bytes, sizes[i]), 0);
                exposed = secret_expose(secret);
                assert_false(is_zero(exposed, sizes[i]));
                secret_free(secret);
                assert_true(is_zero(exposed, sizes[i]));
        }
        assert_string_equal(secret_expose(neighbour), "keeps the chunk");
}

static void test_a_buffer_grows_and_stays_a_string(void **state)
{
        struct secret_buf buf = SECRET_BUF_INIT(1 << 20);
        char expected[3001] = "";

        for (size_t i = 0; i < 300; i++) {
                assert_int_equal(secret_buf_append_string(&buf, "0123456789"), 0);
                memcpy(expected + 10 * i, "0123456789", 11);
                assert_int_equal(buf.n, 10 * (i + 1));
                assert_string_equal(buf.data, expected);
                assert_true(buf.allocated > buf.n);
        }
        secret_buf_done(&buf);
        assert_null(buf.data);
        assert_int_equal(buf.n, 0);
        assert_int_equal(buf.max, 1 << 20);
}

static void test_an_empty_append_still_makes_a_string(void **state)
{
        struct secret_buf buf = SECRET_BUF_INIT(0);

        assert_int_equal(secret_buf_append(&buf, NULL, 0), 0);
        assert_string_equal(buf.data, "");
        secret_buf_done(&buf);
}

static void test_a_buffer_never_grows_beyond_its_limit(void **state)
{
        static const size_t limits[] = { 1, 63, 64, 100, 4095, 4096, 100000, 131072, 300000 };
        static char bytes[300001];

        memset(bytes, 's', sizeof(bytes));
        for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
                struct secret_buf buf = SECRET_BUF_INIT(limits[i]);

                assert_int_equal(secret_buf_append(&buf, bytes, limits[i] + 1), -EMSGSIZE);
                assert_null(buf.data);
                assert_int_equal(secret_buf_append(&buf, bytes, limits[i] - 1), 0);
                assert_int_equal(secret_buf_append(&buf, bytes, 2), -EMSGSIZE);
                assert_int_equal(buf.n, limits[i] - 1);
                assert_int_equal(secret_buf_append(&buf, "z", 1), 0);
                assert_int_equal(secret_buf_append(&buf, "z", 1), -EMSGSIZE);
                assert_int_equal(secret_buf_reserve(&buf, SIZE_MAX), -EMSGSIZE);
                assert_int_equal(buf.n, limits[i]);
                assert_int_equal(buf.data[limits[i] - 1], 'z');
                assert_int_equal(buf.data[limits[i]], '\0');
                secret_buf_done(&buf);
        }
}

static void test_an_unlimited_buffer_runs_out_of_memory_not_of_numbers(void **state)
{
        struct secret_buf buf = SECRET_BUF_INIT(SIZE_MAX);

        assert_int_equal(secret_buf_append_string(&buf, "x"), 0);
        assert_int_equal(secret_buf_reserve(&buf, SIZE_MAX - 1), -ENOMEM);
        assert_int_equal(secret_buf_reserve(&buf, SIZE_MAX - 2), -ENOMEM);
        assert_int_equal(secret_buf_reserve(&buf, PTRDIFF_MAX), -ENOMEM);
        assert_string_equal(buf.data, "x");
        secret_buf_done(&buf);
}

static void test_a_reserve_can_be_written_to_in_full(void **state)
{
        struct secret_buf buf = SECRET_BUF_INIT(1 << 20);

        for (size_t more = 1; more < 200000; more = more * 2 + 1) {
                assert_int_equal(secret_buf_reserve(&buf, more), 0);
                assert_true(buf.allocated - buf.n > more);
                memset(buf.data + buf.n, 's', buf.allocated - buf.n);
                secret_buf_clear(&buf);
        }
        secret_buf_done(&buf);
}

/* A neighbour in the same chunk keeps the old places mapped. */
static void test_growing_leaves_nothing_behind(void **state)
{
        _cleanup_(secret_freep) struct secret *neighbour = NULL;
        struct secret_buf buf = SECRET_BUF_INIT(100000);
        size_t n_moves = 0;

        assert_int_equal(secret_new_string(&neighbour, "keeps the chunk"), 0);
        while (buf.n < 60000) {
                const char *old = buf.data;
                size_t n = buf.n;

                assert_int_equal(secret_buf_append_string(&buf, TOKEN), 0);
                if (old && old != buf.data) {
                        assert_true(is_zero(old, n));
                        n_moves++;
                }
        }
        assert_in_range(n_moves, 8, 16);
        secret_buf_done(&buf);
}

static void test_consuming_moves_the_rest_and_wipes_its_old_end(void **state)
{
        struct secret_buf buf = SECRET_BUF_INIT(1000);

        assert_int_equal(secret_buf_append_string(&buf, "firstsecond"), 0);
        secret_buf_consume(&buf, 0);
        assert_string_equal(buf.data, "firstsecond");
        secret_buf_consume(&buf, 5);
        assert_string_equal(buf.data, "second");
        assert_int_equal(buf.n, 6);
        assert_true(is_zero(buf.data + 6, buf.allocated - 6));
        secret_buf_consume(&buf, 6);
        assert_int_equal(buf.n, 0);
        assert_true(is_zero(buf.data, buf.allocated));
        secret_buf_done(&buf);
}

static void test_clearing_wipes_what_was_written_behind_n_too(void **state)
{
        struct secret_buf buf = SECRET_BUF_INIT(1000);
        const char *data;

        assert_int_equal(secret_buf_reserve(&buf, 200), 0);
        memset(buf.data, 's', 200);
        buf.n = 100;
        data = buf.data;
        secret_buf_clear(&buf);
        assert_ptr_equal(buf.data, data);
        assert_int_equal(buf.n, 0);
        assert_true(is_zero(buf.data, buf.allocated));
        secret_buf_done(&buf);
}

static void test_done_wipes_and_may_be_repeated(void **state)
{
        _cleanup_(secret_freep) struct secret *neighbour = NULL;
        struct secret_buf buf = { 0 }, used = SECRET_BUF_INIT(1000);
        const char *data;

        secret_buf_done(&buf);
        secret_buf_clear(&buf);
        assert_int_equal(secret_new_string(&neighbour, "keeps the chunk"), 0);
        assert_int_equal(secret_buf_append_string(&used, TOKEN), 0);
        data = used.data;
        secret_buf_done(&used);
        assert_true(is_zero(data, strlen(TOKEN)));
        secret_buf_done(&used);
}

static void test_taking_a_buffer_makes_a_secret_of_it(void **state)
{
        _cleanup_(secret_freep) struct secret *secret = NULL, *empty = NULL;
        struct secret_buf buf = SECRET_BUF_INIT(1000);

        assert_int_equal(secret_buf_take(&buf, &empty), 0);
        assert_int_equal(secret_size(empty), 0);
        assert_int_equal(secret_buf_append_string(&buf, TOKEN), 0);
        assert_int_equal(secret_buf_take(&buf, &secret), 0);
        assert_string_equal(secret_expose(secret), TOKEN);
        assert_null(buf.data);
        assert_int_equal(buf.n, 0);
}

static void test_everything_was_returned(void **state)
{
        assert_int_equal(in_use(), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_secret_holds_its_bytes),
                cmocka_unit_test(test_a_secret_of_any_size_ends_with_nul),
                cmocka_unit_test(test_a_copy_is_equal_and_independent),
                cmocka_unit_test(test_freeing_accepts_and_returns_null),
                cmocka_unit_test(test_a_size_that_cannot_be_is_out_of_memory),
                cmocka_unit_test(test_equality_compares_every_byte_and_the_size),
                cmocka_unit_test(test_null_equals_null_alone),
                cmocka_unit_test(test_a_freed_secret_is_wiped),
                cmocka_unit_test(test_a_buffer_grows_and_stays_a_string),
                cmocka_unit_test(test_an_empty_append_still_makes_a_string),
                cmocka_unit_test(test_a_buffer_never_grows_beyond_its_limit),
                cmocka_unit_test(test_an_unlimited_buffer_runs_out_of_memory_not_of_numbers),
                cmocka_unit_test(test_a_reserve_can_be_written_to_in_full),
                cmocka_unit_test(test_growing_leaves_nothing_behind),
                cmocka_unit_test(test_consuming_moves_the_rest_and_wipes_its_old_end),
                cmocka_unit_test(test_clearing_wipes_what_was_written_behind_n_too),
                cmocka_unit_test(test_done_wipes_and_may_be_repeated),
                cmocka_unit_test(test_taking_a_buffer_makes_a_secret_of_it),
                cmocka_unit_test(test_everything_was_returned),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
