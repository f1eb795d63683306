// links: daemon/base/
// libs: libsodium
#include "daemon/base/form.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static void test_the_example_of_rfc_6749_comes_out(void **state)
{
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(1000);
        static const char text[] = " %&+\xc2\xa3\xe2\x82\xac"; /* appendix B */

        assert_int_equal(form_append_encoded(&buf, text, sizeof text - 1), 0);
        assert_string_equal(buf.data, "+%25%26%2B%C2%A3%E2%82%AC");
}

static void test_every_byte_survives_both_ways(void **state)
{
        _cleanup_(secret_buf_done) struct secret_buf encoded = SECRET_BUF_INIT(1000),
                                                     decoded = SECRET_BUF_INIT(1000);
        char bytes[256];

        for (int i = 0; i < 256; i++)
                bytes[i] = (char)i;
        assert_int_equal(form_append_encoded(&encoded, bytes, sizeof bytes), 0);
        for (size_t i = 0; i < encoded.n; i++)
                assert_true(encoded.data[i] > ' ' && encoded.data[i] < 0x7f &&
                            !strchr("&=?#\"'<>", encoded.data[i]));
        assert_int_equal(form_append_decoded(&decoded, encoded.data, encoded.n), 0);
        assert_int_equal(decoded.n, sizeof bytes);
        assert_memory_equal(decoded.data, bytes, sizeof bytes);
}

static void test_pairs_are_separated_where_something_comes_before(void **state)
{
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(1000);
        _cleanup_(secret_freep) struct secret *secret = NULL;

        assert_int_equal(secret_new_string(&secret, "s=1&"), 0);
        assert_int_equal(secret_buf_append_string(&buf, "https://x/?"), 0);
        assert_int_equal(form_append(&buf, "a b", ""), 0);
        assert_int_equal(form_append_secret(&buf, "c", secret), 0);
        assert_string_equal(buf.data, "https://x/?a+b=&c=s%3D1%26");
}

static void test_a_buffer_that_is_full_is_told(void **state)
{
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(10);

        assert_int_equal(form_append(&buf, "name", "longer value"), -EMSGSIZE);
        assert_true(buf.n <= 10);
}

static void test_pairs_are_read_one_by_one(void **state)
{
        static const char text[] = "&a=1&&b&=c&d=x=y&";
        struct form_reader reader = { .at = text, .end = text + sizeof text - 1 };
        static const char *const expected[][2] = { { "a", "1" }, { "b", "" }, { "", "c" }, { "d", "x=y" } };
        struct form_pair pair;

        for (size_t i = 0; i < 4; i++) {
                assert_int_equal(form_next(&reader, &pair), 0);
                assert_int_equal(pair.n_name, strlen(expected[i][0]));
                assert_memory_equal(pair.name, expected[i][0], pair.n_name);
                assert_int_equal(pair.n_value, strlen(expected[i][1]));
                assert_memory_equal(pair.value, expected[i][1], pair.n_value);
        }
        assert_int_equal(form_next(&reader, &pair), FORM_E_END);
        assert_int_equal(form_next(&reader, &pair), FORM_E_END);
}

static void test_a_name_is_found_however_it_is_written(void **state)
{
        static const struct {
                const char *text;
                bool is;
        } cases[] = { { "code", true },   { "c%6fde", true },   { "%63%6F%64%65", true },
                      { "code%", false }, { "code%00", false }, { "cod", false },
                      { "codes", false }, { "Code", false },    { "c%6gde", false },
                      { "", false },      { "+code", false },   { "%63%6F%64%6", false } };

        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct form_pair pair = { .name = cases[i].text, .n_name = strlen(cases[i].text) };
                assert_int_equal(form_pair_is(&pair, "code"), cases[i].is);
        }
}

static void test_a_broken_escape_is_malformed(void **state)
{
        static const char *const texts[] = { "%", "%4", "a%", "%zz", "%4z", "% 41", "%%41" };

        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(100);
                assert_int_equal(form_append_decoded(&buf, texts[i], strlen(texts[i])), FORM_E_MALFORMED);
        }
        /* A digit behind the end does not complete it. */
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(100);
        assert_int_equal(form_append_decoded(&buf, "%41", 2), FORM_E_MALFORMED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_example_of_rfc_6749_comes_out),
                cmocka_unit_test(test_every_byte_survives_both_ways),
                cmocka_unit_test(test_pairs_are_separated_where_something_comes_before),
                cmocka_unit_test(test_a_buffer_that_is_full_is_told),
                cmocka_unit_test(test_pairs_are_read_one_by_one),
                cmocka_unit_test(test_a_name_is_found_however_it_is_written),
                cmocka_unit_test(test_a_broken_escape_is_malformed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
