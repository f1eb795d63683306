// links: client/libpurser_slice.c common/
#include "client/libpurser_slice.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct slice parse(const char *text)
{
        struct slice value;

        assert_int_equal(slice_parse(text, strlen(text), &value), 0);
        return value;
}

/* The last member of that name. */
static struct slice get(struct slice object, const char *name)
{
        struct slice found = { NULL, 0 }, member, value;
        const char *position = NULL;

        while (slice_next_member(object, &position, &member, &value))
                if (slice_equals(member, name))
                        found = value;
        return found;
}

static void assert_text(struct slice value, const char *text)
{
        assert_int_equal(value.n, strlen(text));
        assert_memory_equal(value.p, text, value.n);
}

static void test_well_formed_text_is_taken(void **state)
{
        static const char *const texts[] = {
                "{}",
                "[]",
                "\"\"",
                "0",
                "-0",
                "-12.5e+3",
                "1E9",
                "true",
                "null",
                " \t\r\n{ } ",
                "[1,2]",
                "[ [ ] , 1 ]",
                "{\"a\":{}}",
                "{ \"a\" : [ ] , \"b\" : 1 }",
                "\"\\u00e4\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
                "\"\\ud83d\\ude00\"",
                "\"\xf0\x9f\x98\x80\"",
                "\"\x7f\"",
        };
        struct slice value;

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                assert_int_equal(slice_parse(texts[i], strlen(texts[i]), &value), 0);
}

static void test_text_that_breaks_the_grammar_is_refused(void **state)
{
        static const char *const texts[] = {
                "",
                " ",
                "{",
                "}",
                "[",
                "[1",
                "[1,",
                "[1,]",
                "[,1]",
                "{\"a\"}",
                "{\"a\":}",
                "{\"a\":1",
                "{\"a\":1,}",
                "{a:1}",
                "{1:1}",
                "{\"a\" 1}",
                "[1 2]",
                "[1}",
                "{\"a\":1]",
                "\"",
                "\"\\\"",
                "\"\\x\"",
                "\"\\u12\"",
                "\"\\u12g4\"",
                "\"\n\"",
                "\"\x01\"",
                "\"\xff\"",
                "\"\xc3\"",
                "\"\xc0\x80\"",
                "\"\xed\xa0\x80\"",
                "\"\\ud800\"",
                "\"\\ud800x\"",
                "\"\\ud800\\u0041\"",
                "\"\\udc00\"",
                "01",
                "-",
                "+1",
                "1.",
                ".5",
                "1e",
                "1e+",
                "0x1",
                "tru",
                "truee",
                "nul",
                "True",
                "{} {}",
                "{}x",
                "'a'",
                "[1]]",
                "\"a\"\"b\"",
                "\xef\xbb\xbf{}",
        };
        struct slice value;

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                if (slice_parse(texts[i], strlen(texts[i]), &value) == 0)
                        fail_msg("taken: %s", texts[i]);
}

static void test_only_the_bytes_given_are_looked_at(void **state)
{
        static const char text[] = "{\"a\":\"\\u00e4\xc3\xa4\",\"b\":[true,1.5e3]}";
        struct slice value;

        /* Copies of the exact size, so that the sanitizer sees one byte too many. */
        for (size_t n = 0; n < sizeof(text) - 1; n++) {
                char *copy = malloc(n + 1);

                memcpy(copy, text, n);
                copy[n] = '}';
                assert_int_equal(slice_parse(copy, n, &value), SLICE_E_MALFORMED);
                free(copy);
        }
}

static void test_nesting_has_a_limit(void **state)
{
        char text[2 * (SLICE_DEPTH_MAX + 1) + 1];
        struct slice value;

        memset(text, '[', SLICE_DEPTH_MAX);
        memset(text + SLICE_DEPTH_MAX, ']', SLICE_DEPTH_MAX);
        assert_int_equal(slice_parse(text, 2 * (size_t)SLICE_DEPTH_MAX, &value), 0);
        memset(text, '[', SLICE_DEPTH_MAX + 1);
        memset(text + SLICE_DEPTH_MAX + 1, ']', SLICE_DEPTH_MAX + 1);
        assert_int_equal(slice_parse(text, 2 * (size_t)(SLICE_DEPTH_MAX + 1), &value), SLICE_E_MALFORMED);
}

static uint32_t lcg(uint32_t *state)
{
        *state = *state * 1664525 + 1013904223;
        return *state >> 8;
}

static void test_the_checker_agrees_with_jansson_on_mutated_texts(void **state)
{
        static const char seed[] =
                "{\"error\":null,\"parameters\":{\"a\":[1,-2.5e3,true,\"x\\u00e4\\n\xc3\xa4\"],\"b\":{}}}";
        static const char alphabet[] = "{}[]\",:\\u0123e+-. tn\xc3\xa4\x01";
        uint32_t random = 1;
        unsigned n_taken = 0;

        for (int i = 0; i < 20000; i++) {
                char text[sizeof(seed)];
                struct slice value;
                json_t *json;
                bool taken;

                memcpy(text, seed, sizeof(seed));
                for (uint32_t n = lcg(&random) % 3; n > 0; n--)
                        text[lcg(&random) % (sizeof(seed) - 1)] =
                                alphabet[lcg(&random) % (sizeof(alphabet) - 1)];

                json = json_loadb(text, sizeof(seed) - 1, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
                taken = slice_parse(text, sizeof(seed) - 1, &value) == 0;
                if (taken != !!json)
                        fail_msg("%s by jansson alone or by the checker alone: %s", "taken", text);
                n_taken += taken;
                json_decref(json);
        }
        assert_in_range(n_taken, 1000, 19000);
}

static void test_members_are_found_whole(void **state)
{
        struct slice object = parse(" {\"a\" : {\"x\":\"}]\\\"\"} ,\"b\":[1, [2], \"]\"],\"c\":null,\"d\":-7 "
                                    ", \"e\":\"\" } "),
                     value;

        assert_true(slice_is_object(object));
        value = get(object, "a");
        assert_text(value, "{\"x\":\"}]\\\"\"}");
        assert_text(get(value, "x"), "\"}]\\\"\"");
        assert_text(get(object, "b"), "[1, [2], \"]\"]");
        assert_true(slice_is_array(get(object, "b")));
        assert_true(slice_is_null(get(object, "c")));
        assert_text(get(object, "d"), "-7");
        assert_text(get(object, "e"), "\"\"");
        assert_true(slice_is_string(get(object, "e")));
        assert_null(get(object, "x").p);
        assert_null(get(parse("{ }"), "x").p);
}

static void test_elements_are_found_whole(void **state)
{
        static const char *const elements[] = { "1", "[2,[3]]", "\"a,b\"", "{\"x\":[]}", "false" };
        struct slice array = parse("[1 , [2,[3]],\"a,b\", {\"x\":[]},false ]"), element;
        const char *position = NULL;

        for (size_t i = 0; i < 5; i++) {
                assert_true(slice_next(array, &position, &element));
                assert_text(element, elements[i]);
        }
        assert_false(slice_next(array, &position, &element));
        assert_int_equal(slice_count(array), 5);
        assert_int_equal(slice_count(parse("[ ]")), 0);
}

static void test_names_are_compared_as_they_are_meant(void **state)
{
        assert_true(slice_equals(parse("\"access_token\""), "access_token"));
        assert_true(slice_equals(parse("\"\\u0061ccess\\u005ftoken\""), "access_token"));
        assert_true(slice_equals(parse("\"\\u00e4\\ud83d\\ude00\""), "\xc3\xa4\xf0\x9f\x98\x80"));
        assert_true(slice_equals(parse("\"\""), ""));
        assert_false(slice_equals(parse("\"access_token\""), "access_toke"));
        assert_false(slice_equals(parse("\"access_toke\""), "access_token"));
        assert_false(slice_equals(parse("\"a\\u0000\""), "a"));
        assert_false(slice_equals(parse("1"), "1"));
}

static void test_numbers_are_integers_of_64_bits(void **state)
{
        int64_t number = 5;

        assert_true(slice_to_int(parse("0"), &number));
        assert_int_equal(number, 0);
        assert_true(slice_to_int(parse("-9223372036854775808"), &number));
        assert_true(number == INT64_MIN);
        assert_true(slice_to_int(parse("9223372036854775807"), &number));
        assert_true(number == INT64_MAX);
        assert_false(slice_to_int(parse("9223372036854775808"), &number));
        assert_false(slice_to_int(parse("1.0"), &number));
        assert_false(slice_to_int(parse("1e3"), &number));
        assert_false(slice_to_int(parse("\"1\""), &number));
        assert_false(slice_to_int(parse("null"), &number));
        assert_false(slice_to_int(parse("100000000000000000000000000000"), &number));
        assert_true(number == INT64_MAX);
}

static void test_strings_are_decoded_into_the_buffer(void **state)
{
        struct secret_buf strings = SECRET_BUF_INIT(4096);
        size_t first, second;

        assert_int_equal(slice_decode(parse("\"plain\""), &strings, &first), 0);
        assert_int_equal(slice_decode(parse("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\u20AC\\ud83d\\uDE00.\""),
                                      &strings, &second),
                         0);
        assert_string_equal(strings.data + first, "plain");
        assert_string_equal(strings.data + second, "\"\\/\b\f\n\r\t\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80.");

        assert_int_equal(slice_decode(parse("\"a\\u0000b\""), &strings, &first), SLICE_E_MALFORMED);
        assert_int_equal(slice_decode(parse("7"), &strings, &first), SLICE_E_MALFORMED);
        assert_int_equal(slice_decode((struct slice){ NULL, 0 }, &strings, &first), SLICE_E_MALFORMED);
        secret_buf_done(&strings);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_well_formed_text_is_taken),
                cmocka_unit_test(test_text_that_breaks_the_grammar_is_refused),
                cmocka_unit_test(test_only_the_bytes_given_are_looked_at),
                cmocka_unit_test(test_nesting_has_a_limit),
                cmocka_unit_test(test_the_checker_agrees_with_jansson_on_mutated_texts),
                cmocka_unit_test(test_members_are_found_whole),
                cmocka_unit_test(test_elements_are_found_whole),
                cmocka_unit_test(test_names_are_compared_as_they_are_meant),
                cmocka_unit_test(test_numbers_are_integers_of_64_bits),
                cmocka_unit_test(test_strings_are_decoded_into_the_buffer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
