// links: daemon/base/
// libs: jansson
#include "daemon/base/json_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static json_t *parse(const char *text)
{
        json_t *root = (json_t *)1;

        assert_int_equal(json_text_parse(text, strlen(text), &root), 0);
        return root;
}

static void test_objects_and_arrays_are_parsed(void **state)
{
        static const char *const texts[] = { "{}", "[]", " {\"a\":1}\n", "\xef\xbb\xbf[1]" };

        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                _cleanup_(json_text_freep) json_t *root = parse(texts[i]);
                assert_non_null(root);
        }
}

/* Each beside jansson's own reading. */
static void test_what_is_read_in_short_is_what_would_be_read_at_length(void **state)
{
        static const char *const texts[] = {
                "{\"access_token\":\"at-1\",\"expires_in\":3600,\"token_type\":\"Bearer\"}",
                " { \"a\" : \"b\" ,\n\t\"c\" : 0 }\r\n",
                "{\"a\":\"\",\"\":\"x\"}",
                "{\"a\":1,\"a\":2,\"b\":\"x\",\"a\":\"3\"}",
                "{\"a\":999999999999999999}",
                "{\"a\":9223372036854775807}",
                "{\"a\":-1}",
                "{\"a\":-0}",
                "{\"a\":1.5,\"b\":1e3}",
                "{\"a\":true,\"b\":false,\"c\":null}",
                "{\"a\":{\"b\":[1,\"c\"]}}",
                "{\"a\":\"b\\u0041\\n\\\"\"}",
                "{\"\\u0061\":\"b\"}",
                "{\"a\":\"gr\xc3\xbc\xc3\x9f\"}",
                "{\"a\":\"\x7f\"}",
                "{\"a name of more than sixty-four characters, as nobody would ever give to a member\":1}",
                "{}",
        };

        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                _cleanup_(json_text_freep) json_t *root = parse(texts[i]);
                _cleanup_(json_text_freep) json_t *expected = json_loads(texts[i], JSON_ALLOW_NUL, NULL);
                _cleanup_(freep) char *got = root ? json_dumps(root, JSON_ENCODE_ANY) : NULL;
                _cleanup_(freep) char *wanted = json_dumps(expected, JSON_ENCODE_ANY);

                assert_non_null(got);
                assert_string_equal(got, wanted);
        }
}

static void test_what_only_begins_in_the_usual_form_is_none(void **state)
{
        static const char *const texts[] = {
                "{\"a\":\"b\"", "{\"a\":\"b\",}", "{\"a\":\"b\"}x", "{\"a\":\"b\"}{}",
                "{\"a\":01}",   "{\"a\":1 2}",    "{\"a\" \"b\"}",  "{\"a\":\"b\" \"c\"}",
                "{\"a\":\"b",   "{\"a",           "{\"a\":\"b\\",   "{\"a\":1234567",
                "{,\"a\":1}",   "{\"a\":\"\n\"}", "{\"a\":}",       "{\"a\":\"b\",\"c\"",
                "{\"a\":+1}",
        };

        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
                assert_null(parse(texts[i]));
}

static void test_anything_else_is_none(void **state)
{
        static const char *const texts[] = {
                "",         " ",     "null",   "1",       "\"text\"",        "{",
                "{\"a\":1", "{}{}",  "<html>", "{'a':1}", "{\"a\":01}",      "\xef\xbb\xbf",
                "{\"a\"}",  "[1,]",  "\xff",   "{\xff}",  "{\"\\ud800\":1}", "{\"a\":\"\x01\"}",
                "[\"\xff",  "[1e999"
        };

        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
                assert_null(parse(texts[i]));
        json_t *root;
        assert_int_equal(json_text_parse("{}\0", 3, &root), 0);
        assert_null(root);
}

static void test_numbers_that_no_type_holds_become_null(void **state)
{
        static const char *const texts[] = { "1e999", "-1e999", "1.5E+400", "99999999999999999999",
                                             "-9223372036854775809" };
        char text[128];

        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                snprintf(text, sizeof text, "{\"a\":%s,\"b\":-1.5e2,\"c\":\"1e999 \\\" 1e999\",\"d\":7}",
                         texts[i]);
                _cleanup_(json_text_freep) json_t *root = parse(text);
                assert_non_null(root);
                assert_true(json_is_null(json_object_get(root, "a")));
                assert_true(json_real_value(json_object_get(root, "b")) == -150);
                assert_string_equal(json_string_value(json_object_get(root, "c")), "1e999 \" 1e999");
                assert_int_equal(json_integer_value(json_object_get(root, "d")), 7);
        }
}

static void test_a_number_of_a_thousand_digits_becomes_null(void **state)
{
        char text[1100] = "[";

        memset(text + 1, '7', 1000);
        strcpy(text + 1001, "]");
        _cleanup_(json_text_freep) json_t *root = parse(text);
        assert_true(json_is_null(json_array_get(root, 0)));
}

static void test_bytes_that_are_no_utf8_are_replaced(void **state)
{
        _cleanup_(json_text_freep) json_t *root =
                parse("{\"a\":\"caf\xe9 \xc3\xa9\",\"b\":\"\xed\xa0\x80\",\"t\":\"ok\"}");

        assert_non_null(root);
        assert_string_equal(json_string_value(json_object_get(root, "a")), "caf\xef\xbf\xbd \xc3\xa9");
        assert_string_equal(json_string_value(json_object_get(root, "b")),
                            "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
        assert_string_equal(json_string_value(json_object_get(root, "t")), "ok");
}

static void test_a_member_is_ambiguous_when_it_has_two_values(void **state)
{
        static const struct {
                const char *text;
                bool ambiguous;
        } cases[] = {
                { "{\"a\":1}", false },
                { "{\"a\":1,\"a\":2}", true },
                { "{\"a\":1,\"a\":12}", true },
                { "{\"a\":1,\"b\":{\"a\":2},\"c\":[{\"a\":3}]}", false },
                { "{\"b\":{\"a\":2,\"a\":3},\"a\":1}", false },
                { "{\"a\":1 ,\"b\":2,\"a\":1\n}", false },
                { "{\"a\":1,\"b\":2,\"a\": 1}", false },
                { "{\"a\":\"x\",\"a\":\"x\"}", false },
                { "{\"a\":\"x,\\\"a\\\":\",\"b\":1}", false },
                { "{\"a\":\"x\",\"\\u0061\":\"y\"}", true },
                { "{\"a\":\"x\",\"\\u0062\":\"y\"}", false },
                { "{\"a\":[1,{\"b\":\"}\"}],\"a\":[1,{\"b\":\"]\"}]}", true },
                { " { \"a\" : null , \"a\" : \"t\" } ", true },
                { "{}", false },
                { "[]", false },
                { "[{\"a\":1}]", false },
        };

        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                if (json_text_is_ambiguous(cases[i].text, strlen(cases[i].text), "a") != cases[i].ambiguous)
                        fail_msg("%s", cases[i].text);
}

static void test_the_examples_of_rfc_6901_lead_where_they_should(void **state)
{
        _cleanup_(json_text_freep) json_t *root =
                parse("{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/"
                      "b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,\"i\\\\j\":5,\"k\\\"l\":6,"
                      "\" \":7,\"m~n\":8}");
        static const struct {
                const char *pointer;
                int value;
        } cases[] = { { "/", 0 },     { "/a~1b", 1 }, { "/c%d", 2 }, { "/e^f", 3 }, { "/g|h", 4 },
                      { "/i\\j", 5 }, { "/k\"l", 6 }, { "/ ", 7 },   { "/m~0n", 8 } };

        assert_ptr_equal(json_text_at(root, ""), root);
        assert_true(json_is_array(json_text_at(root, "/foo")));
        assert_string_equal(json_text_string_at(root, "/foo/0"), "bar");
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                assert_int_equal(json_integer_value(json_text_at(root, cases[i].pointer)), cases[i].value);
}

static void test_a_pointer_may_lead_nowhere(void **state)
{
        _cleanup_(json_text_freep) json_t *root =
                parse("{\"a\":[1,2],\"s\":\"x\",\"e\":\"\",\"z\":\"a\\u0000b\"}");
        static const char *const pointers[] = { "a",     "/b",    "/a/2",  "/a/-", "/a/00",
                                                "/a/01", "/a/x",  "/a/1x", "/a/",  "/s/0",
                                                "/s/",   "/a/-1", "/a/+1", "//a",  "/a/9999999999999999999" };
        char deep[400] = "/";

        for (size_t i = 0; i < sizeof pointers / sizeof pointers[0]; i++)
                assert_null(json_text_at(root, pointers[i]));
        memset(deep + 1, 'a', sizeof deep - 2);
        assert_null(json_text_at(root, deep));
        assert_null(json_text_at(root, NULL));
        assert_null(json_text_at(NULL, "/a"));
        assert_null(json_text_string_at(root, "/e"));
        assert_null(json_text_string_at(root, "/z"));
        assert_null(json_text_string_at(root, "/a"));
}

static void test_numbers_are_read_from_numbers_and_texts(void **state)
{
        static const struct {
                const char *text;
                int64_t value;
        } cases[] = {
                { "7", 7 },
                { "-7", -7 },
                { "7.9", 7 },
                { "-7.9", -7 },
                { "\"7\"", 7 },
                { "\" 7.5 \"", 7 },
                { "\"-7\"", -7 },
                { "1e15", INT64_C(1000000000000000) },
                { "1e16", INT64_MIN },
                { "-1e300", INT64_MIN },
                { "\"\"", INT64_MIN },
                { "\"x\"", INT64_MIN },
                { "\"7x\"", INT64_MIN },
                { "\"7\\u0000\"", INT64_MIN },
                { "null", INT64_MIN },
                { "true", INT64_MIN },
                { "[7]", INT64_MIN },
                { "\"999999999999999999\"", INT64_C(999999999999999999) },
                { "\"9999999999999999999\"", INT64_MIN },
                { "9223372036854775807", INT64_MAX },
                { "\"7.\"", 7 },
        };
        char text[64];

        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                snprintf(text, sizeof text, "[%s]", cases[i].text);
                _cleanup_(json_text_freep) json_t *root = parse(text);
                assert_true(json_text_number(json_array_get(root, 0)) == cases[i].value);
        }
        assert_true(json_text_number(NULL) == INT64_MIN);
}

static void test_an_identifier_is_a_clean_text_or_an_integer(void **state)
{
        char long_text[300];
        static const struct {
                const char *text, *id;
        } cases[] = { { "\"MQ==\"", "MQ==" },   { "7", "7" },     { "-7", "-7" },
                      { "\"a b\"", "a b" },     { "\"\"", NULL }, { "\"a\\nb\"", NULL },
                      { "\"a\\u0000\"", NULL }, { "1.5", NULL },  { "null", NULL },
                      { "[1]", NULL } };
        char text[64];

        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                snprintf(text, sizeof text, "[%s]", cases[i].text);
                _cleanup_(json_text_freep) json_t *root = parse(text);
                _cleanup_(freep) char *id = NULL;
                assert_int_equal(json_text_identifier(json_array_get(root, 0), &id), 0);
                if (cases[i].id)
                        assert_string_equal(id, cases[i].id);
                else
                        assert_null(id);
        }
        memset(long_text, 'x', sizeof long_text);
        for (size_t n = 255; n <= 256; n++) {
                _cleanup_(json_text_freep) json_t *value = json_stringn(long_text, n);
                _cleanup_(freep) char *id = NULL;
                assert_int_equal(json_text_identifier(value, &id), 0);
                assert_int_equal(id != NULL, n == 255);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_objects_and_arrays_are_parsed),
                cmocka_unit_test(test_what_is_read_in_short_is_what_would_be_read_at_length),
                cmocka_unit_test(test_what_only_begins_in_the_usual_form_is_none),
                cmocka_unit_test(test_anything_else_is_none),
                cmocka_unit_test(test_numbers_that_no_type_holds_become_null),
                cmocka_unit_test(test_a_number_of_a_thousand_digits_becomes_null),
                cmocka_unit_test(test_bytes_that_are_no_utf8_are_replaced),
                cmocka_unit_test(test_a_member_is_ambiguous_when_it_has_two_values),
                cmocka_unit_test(test_the_examples_of_rfc_6901_lead_where_they_should),
                cmocka_unit_test(test_a_pointer_may_lead_nowhere),
                cmocka_unit_test(test_numbers_are_read_from_numbers_and_texts),
                cmocka_unit_test(test_an_identifier_is_a_clean_text_or_an_integer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
