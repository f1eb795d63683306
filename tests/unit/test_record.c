// links: daemon/base/
// libs: libsodium
#include "daemon/base/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct secret_buf started(void)
{
        struct secret_buf buf = SECRET_BUF_INIT(4096);

        assert_int_equal(record_begin(&buf), 0);
        return buf;
}

static struct record_field only_field(const struct secret_buf *buf)
{
        struct record_reader reader;
        struct record_field field, none;

        assert_int_equal(record_open(&reader, buf->data, buf->n), 0);
        assert_int_equal(record_next(&reader, &field), 0);
        assert_int_equal(record_next(&reader, &none), RECORD_E_END);
        return field;
}

static void test_the_layout_is_magic_then_tag_length_and_bytes(void **state)
{
        static const char expected[] = "PRr1"
                                       "\x02\x01\x03\x00\x00\x00"
                                       "abc"
                                       "\x07\x00\x08\x00\x00\x00"
                                       "\x08\x07\x06\x05\x04\x03\x02\x01";
        struct secret_buf buf = started();

        assert_int_equal(record_put_string(&buf, 0x0102, "abc"), 0);
        assert_int_equal(record_put_u64(&buf, 7, UINT64_C(0x0102030405060708)), 0);
        assert_int_equal(buf.n, sizeof(expected) - 1);
        assert_memory_equal(buf.data, expected, buf.n);
        secret_buf_done(&buf);
}

static void test_strings_secrets_and_bytes_come_back(void **state)
{
        _cleanup_(secret_freep) struct secret *secret = NULL, *back = NULL;
        _cleanup_(freep) char *text = NULL;
        struct secret_buf buf = started();
        struct record_reader reader;
        struct record_field field;

        assert_int_equal(secret_new_string(&secret, "r3fresh"), 0);
        assert_int_equal(record_put_string(&buf, 1, "Acme Landscaping"), 0);
        assert_int_equal(record_put_secret(&buf, 2, secret), 0);
        assert_int_equal(record_put_bytes(&buf, 3, "\0\xff", 2), 0);
        assert_int_equal(record_put_bytes(&buf, 4, NULL, 0), 0);

        assert_int_equal(record_open(&reader, buf.data, buf.n), 0);
        assert_int_equal(record_next(&reader, &field), 0);
        assert_int_equal(field.tag, 1);
        assert_int_equal(record_get_string(&field, &text), 0);
        assert_string_equal(text, "Acme Landscaping");
        assert_int_equal(record_next(&reader, &field), 0);
        assert_int_equal(field.tag, 2);
        assert_int_equal(record_get_secret(&field, &back), 0);
        assert_true(secret_equal(secret, back));
        assert_int_equal(record_next(&reader, &field), 0);
        assert_int_equal(field.n, 2);
        assert_memory_equal(field.bytes, "\0\xff", 2);
        assert_int_equal(record_next(&reader, &field), 0);
        assert_int_equal(field.tag, 4);
        assert_int_equal(field.n, 0);
        assert_int_equal(record_next(&reader, &field), RECORD_E_END);
        secret_buf_done(&buf);
}

static void test_numbers_come_back(void **state)
{
        static const int64_t numbers[] = { 0, 1, -1, INT64_MAX, INT64_MIN };

        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
                struct secret_buf buf = started();
                struct record_field field;
                int64_t signed_back = 42;
                uint64_t back = 42;

                assert_int_equal(record_put_i64(&buf, 9, numbers[i]), 0);
                field = only_field(&buf);
                assert_int_equal(record_get_i64(&field, &signed_back), 0);
                assert_int_equal(signed_back, numbers[i]);
                assert_int_equal(record_get_u64(&field, &back), 0);
                assert_int_equal(back, (uint64_t)numbers[i]);
                secret_buf_done(&buf);
        }
}

static void test_null_puts_nothing(void **state)
{
        struct secret_buf buf = started();

        assert_int_equal(record_put_string(&buf, 1, NULL), 0);
        assert_int_equal(record_put_secret(&buf, 1, NULL), 0);
        assert_int_equal(buf.n, 4);
        secret_buf_done(&buf);
}

static void test_a_record_cut_anywhere_but_between_fields_is_malformed(void **state)
{
        struct secret_buf buf = started();

        record_put_string(&buf, 1, "one");
        record_put_string(&buf, 2, "");
        for (size_t n = 0; n <= buf.n; n++) {
                /* A copy of its own, so that a read beyond it is seen. */
                char *cut = malloc(n + 1);
                struct record_reader reader;
                struct record_field field;
                int r;

                assert_non_null(cut);
                memcpy(cut, buf.data, n);
                r = record_open(&reader, cut, n);
                while (r == 0)
                        r = record_next(&reader, &field);
                assert_int_equal(r, n == 4 || n == 13 || n == 19 ? RECORD_E_END : RECORD_E_MALFORMED);
                free(cut);
        }
        secret_buf_done(&buf);
}

static void test_a_length_beyond_the_record_is_malformed(void **state)
{
        static const char record[] = "PRr1\x01\x00\xff\xff\xff\xff"
                                     "abc";
        struct record_reader reader;
        struct record_field field = { .tag = 99 };

        assert_int_equal(record_open(&reader, record, sizeof(record) - 1), 0);
        assert_int_equal(record_next(&reader, &field), RECORD_E_MALFORMED);
        assert_int_equal(field.tag, 99);
        assert_int_equal(record_next(&reader, &field), RECORD_E_MALFORMED);
}

static void test_another_magic_is_malformed(void **state)
{
        struct record_reader reader;

        assert_int_equal(record_open(&reader, "PRr2", 4), RECORD_E_MALFORMED);
        assert_int_equal(record_open(&reader, "", 0), RECORD_E_MALFORMED);
        assert_int_equal(record_open(&reader, "{\"access\":1}", 12), RECORD_E_MALFORMED);
}

static void test_a_string_with_a_nul_and_a_number_of_seven_bytes_are_malformed(void **state)
{
        struct record_field nul = { .bytes = "a\0b", .n = 3 }, seven = { .bytes = "1234567", .n = 7 };
        uint64_t number = 5;
        char *text = NULL;

        assert_int_equal(record_get_string(&nul, &text), RECORD_E_MALFORMED);
        assert_null(text);
        assert_int_equal(record_get_u64(&seven, &number), RECORD_E_MALFORMED);
        assert_int_equal(record_get_i64(&seven, (int64_t *)&number), RECORD_E_MALFORMED);
        assert_int_equal(number, 5);
}

static void test_a_field_that_does_not_fit_leaves_the_record_as_it_was(void **state)
{
        struct secret_buf buf = SECRET_BUF_INIT(20);
        char big[64] = { 0 };

        record_begin(&buf);
        assert_int_equal(record_put_string(&buf, 1, "ab"), 0);
        assert_int_equal(record_put_bytes(&buf, 2, big, 9), -EMSGSIZE);
        assert_int_equal(buf.n, 12);
        assert_int_equal(only_field(&buf).n, 2);
        secret_buf_done(&buf);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_layout_is_magic_then_tag_length_and_bytes),
                cmocka_unit_test(test_strings_secrets_and_bytes_come_back),
                cmocka_unit_test(test_numbers_come_back),
                cmocka_unit_test(test_null_puts_nothing),
                cmocka_unit_test(test_a_record_cut_anywhere_but_between_fields_is_malformed),
                cmocka_unit_test(test_a_length_beyond_the_record_is_malformed),
                cmocka_unit_test(test_another_magic_is_malformed),
                cmocka_unit_test(test_a_string_with_a_nul_and_a_number_of_seven_bytes_are_malformed),
                cmocka_unit_test(test_a_field_that_does_not_fit_leaves_the_record_as_it_was),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
