// links: common/
// libs: jansson libsodium
/* The quick reader against the one that decides: what it takes, it must take for the same thing. */
#include "common/wire.h"
#include "common/wire_brief.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MUTATIONS = 300000 };

static const char *const brief_calls[] = {
        "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"acme\"}}",
        "{\"method\": \"io.purser.Tokens.GetToken\", \"parameters\": {\"credential\": \"acme\", "
        "\"min_valid_seconds\": 300}}",
        "{\"parameters\":{\"min_valid_seconds\":-7,\"rejected\":\"eyJ.a~b\",\"credential\":\"a "
        "b\"},\"method\":\"m\"}",
        "{\"method\":\"m\"}",
        "{\"method\":\"m\",\"parameters\":{}}",
        " \t\r\n{ \"method\" : \"\" , \"parameters\" : { } } \n",
        "{\"method\":\"m\",\"parameters\":{\"a\":0,\"b\":-0,\"c\":999999999999999999,\"d\":\"\"}}",
};

static const char *const other_messages[] = {
        "",
        "{}",
        "[]",
        "{\"method\":\"m\"",
        "{\"method\":\"m\"}}",
        "{\"method\":\"m\"} x",
        "{\"method\":\"m\",}",
        "{\"method\":1}",
        "{\"method\":\"m\" \"parameters\":{}}",
        "{\"parameters\":{}}",
        "{\"method\":\"m\",\"method\":\"m\"}",
        "{\"method\":\"m\",\"more\":true}",
        "{\"method\":\"m\",\"oneway\":true}",
        "{\"method\":\"m\",\"upgrade\":false}",
        "{\"method\":\"m\",\"x\":1}",
        "{\"method\":\"m\\n\"}",
        "{\"method\":\"\\u006d\"}",
        "{\"method\":\"\xc3\xa4\"}",
        "{\"method\":\"\x7f\"}",
        "{\"method\":\"m\",\"parameters\":null}",
        "{\"method\":\"m\",\"parameters\":{\"a\":null}}",
        "{\"method\":\"m\",\"parameters\":{\"a\":true}}",
        "{\"method\":\"m\",\"parameters\":{\"a\":{}}}",
        "{\"method\":\"m\",\"parameters\":{\"a\":1.0}}",
        "{\"method\":\"m\",\"parameters\":{\"a\":1e3}}",
        "{\"method\":\"m\",\"parameters\":{\"a\":01}}",
        "{\"method\":\"m\",\"parameters\":{\"a\":-}}",
        "{\"method\":\"m\",\"parameters\":{\"a\":1000000000000000000}}",
        "{\"method\":\"m\",\"parameters\":{\"a\":1,\"a\":1}}",
        "{\"method\":\"m\",\"parameters\":{\"a\":1,}}",
        "{\"method\":\"m\",\"parameters\":{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5}}",
        "{\"method\":\"m\",\"parameters\":{\"a\":\"no end}}",
};

static bool parameter_agrees(const struct wire_brief_parameter *parameter, const json_t *parameters)
{
        const json_t *value = json_object_getn(parameters, parameter->name.bytes, parameter->name.n);

        if (!parameter->is_string)
                return json_is_integer(value) && json_integer_value(value) == parameter->integer;
        return json_is_string(value) && json_string_length(value) == parameter->string.n &&
               memcmp(json_string_value(value), parameter->string.bytes, parameter->string.n) == 0;
}

static bool agrees(const struct wire_brief *brief, const struct wire_call *call)
{
        if (call->more || call->oneway || call->upgrade || !wire_slice_is(&brief->method, call->method) ||
            json_object_size(call->parameters) != brief->n_parameters)
                return false;
        for (size_t i = 0; i < brief->n_parameters; i++)
                if (!parameter_agrees(&brief->parameters[i], call->parameters))
                        return false;
        return true;
}

/* Whether the quick reader took it. */
static bool compare(const char *bytes, size_t n)
{
        struct wire_call call = { 0 };
        struct diag diag = DIAG_INIT;
        struct wire_brief brief;

        if (!wire_read_brief(bytes, n, &brief))
                return false;
        if (wire_parse_call(bytes, n, &call, &diag) != 0)
                fail_msg("taken, but no call (%s): %.*s", diag.text, (int)n, bytes);
        if (!agrees(&brief, &call))
                fail_msg("taken for something else: %.*s", (int)n, bytes);
        wire_call_done(&call);
        return true;
}

static void test_usual_calls_are_read_as_the_parser_reads_them(void **state)
{
        for (size_t i = 0; i < sizeof(brief_calls) / sizeof(brief_calls[0]); i++)
                if (!compare(brief_calls[i], strlen(brief_calls[i])))
                        fail_msg("not taken: %s", brief_calls[i]);
}

/* Strings are looked at eight bytes at a time: each byte at each place, and a second one behind it that is not plain either. */
static void test_each_byte_is_plain_or_not_wherever_it_stands(void **state)
{
        char call[64];

        for (size_t at = 0; at < 20; at++)
                for (unsigned c = 0; c < 256; c++) {
                        size_t n = (size_t)snprintf(call, sizeof(call),
                                                    "{\"method\":\"aaaaaaaaaaaaaaaaaaaaaaaa\"}");
                        bool is_plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\';

                        call[11 + at] = (char)c;
                        assert_int_equal(compare(call, n), is_plain);
                        call[12 + at] = (char)(c ^ 1);
                        (void)compare(call, n);
                        call[12 + at] = '\x7f';
                        assert_false(compare(call, n));
                }
}

static void test_whatever_is_unusual_is_left_to_the_parser(void **state)
{
        struct wire_brief brief;

        for (size_t i = 0; i < sizeof(other_messages) / sizeof(other_messages[0]); i++)
                if (wire_read_brief(other_messages[i], strlen(other_messages[i]), &brief))
                        fail_msg("taken: %s", other_messages[i]);
}

static void test_no_beginning_of_a_call_is_taken(void **state)
{
        struct wire_brief brief;

        for (size_t i = 0; i < sizeof(brief_calls) / sizeof(brief_calls[0]); i++) {
                const char *end = strrchr(brief_calls[i], '}');

                for (const char *cut = brief_calls[i]; cut <= end; cut++)
                        assert_false(wire_read_brief(brief_calls[i], (size_t)(cut - brief_calls[i]), &brief));
        }
}

static void test_the_method_is_found_in_any_form(void **state)
{
        static const char *const found[] = {
                "{\"method\":\"m\"}",
                " {\n\t\"method\" : \"m\" , \"more\":true}",
                "{\"parameters\":{\"method\":\"x\",\"a\":[{\"b\":\"]}\\\"}\"},-2e5,null]},\"method\":\"m\"}",
                "{\"a\":\"\\\\\",\"b\":\"\\u0022\xc3\xa4\",\"method\":\"m\"",
                "{\"method\":\"m\",\"parameters\":{\"unfinished",
        };
        static const char *const other[] = {
                "",
                "{",
                "{}",
                "[\"method\",\"m\"]",
                "{\"method\":1}",
                "{\"method\":\"m",
                "{\"method\"",
                "{\"method\":\"\\u006d\"}",
                "{\"a\":{\"method\":\"m\"}}",
                "{\"a\":\"b,\\",
                "{\"a\":]}",
                "{\"a\":[[[",
                "{\"a\" \"method\":\"m\"}",
                "\"method\":\"m\"",
                "{\"a\":1,}",
        };
        struct wire_slice method;

        for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++)
                if (!wire_find_method(found[i], strlen(found[i]), &method) || !wire_slice_is(&method, "m"))
                        fail_msg("not found: %s", found[i]);
        for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
                if (wire_find_method(other[i], strlen(other[i]), &method))
                        fail_msg("found: %s", other[i]);
        /* Nothing behind a beginning is looked at. */
        for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++)
                for (size_t n = 0; n <= strlen(found[i]); n++) {
                        char *copy = malloc(n ? n : 1);

                        assert_non_null(copy);
                        memcpy(copy, found[i], n);
                        if (wire_find_method(copy, n, &method))
                                assert_true(wire_slice_is(&method, "m"));
                        free(copy);
                }
}

static const struct wire_form form = WIRE_FORM("{\"method\":\"m\",\"parameters\":{\"a\":\"", "\"}}");

/* What the form takes, the quick reader takes too, and for the same. */
static bool compare_form(const char *bytes, size_t n)
{
        struct wire_brief brief;
        struct wire_slice value;

        if (!wire_read_form(bytes, n, &form, &value))
                return false;
        if (!wire_read_brief(bytes, n, &brief) || !wire_slice_is(&brief.method, "m") ||
            brief.n_parameters != 1 || !wire_slice_is(&brief.parameters[0].name, "a") ||
            !brief.parameters[0].is_string || brief.parameters[0].string.bytes != value.bytes ||
            brief.parameters[0].string.n != value.n)
                fail_msg("the form takes it for something else: %.*s", (int)n, bytes);
        return true;
}

static void test_the_form_of_most_calls_is_told_by_comparing(void **state)
{
        static const char call[] = "{\"method\":\"m\",\"parameters\":{\"a\":\"some tenant-17\"}}";
        char other[sizeof(call)];

        assert_true(compare_form(call, strlen(call)));
        assert_true(compare_form("{\"method\":\"m\",\"parameters\":{\"a\":\"\"}}", 36));
        assert_false(compare_form("{\"method\":\"m\",\"parameters\":{\"a\":\"x\",\"b\":\"y\"}}", 45));
        for (size_t n = 0; n < strlen(call); n++)
                assert_false(compare_form(call, n));
        for (size_t at = 0; at < strlen(call); at++)
                for (unsigned c = 0; c < 256; c++) {
                        memcpy(other, call, sizeof(call));
                        other[at] = (char)c;
                        if (other[at] != call[at] && !strchr("some tenant-17", call[at]))
                                assert_false(compare_form(other, strlen(call)));
                        else
                                (void)compare_form(other, strlen(call));
                }
}

static uint64_t state_;

/* xorshift64: the same sequence in each run. */
static size_t random_below(size_t n)
{
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return (size_t)(state_ % n);
}

/* Changes, drops, doubles or moves a few bytes, mostly those that JSON is made of. */
static size_t mutate(char *bytes, size_t n, size_t size)
{
        static const char alphabet[] = "{}[]\":,\\ \t\n0123456789-+.eE\"nulltrue\x01\x7f\xc3\xa4/ab";

        for (size_t k = 1 + random_below(4); k > 0; k--) {
                size_t at = random_below(n);

                switch (random_below(4)) {
                case 0:
                        bytes[at] = alphabet[random_below(sizeof(alphabet) - 1)];
                        break;
                case 1:
                        memmove(bytes + at, bytes + at + 1, n - at - 1);
                        n -= n > 1;
                        break;
                case 2:
                        if (n + 1 > size)
                                break;
                        memmove(bytes + at + 1, bytes + at, n - at);
                        bytes[at] = alphabet[random_below(sizeof(alphabet) - 1)];
                        n++;
                        break;
                default:
                        bytes[at] = bytes[random_below(n)];
                }
        }
        return n;
}

static void test_both_readers_agree_on_calls_with_mistakes(void **state)
{
        size_t n_taken = 0;

        state_ = 88172645463325252u;
        for (size_t i = 0; i < MUTATIONS; i++) {
                const char *call = brief_calls[random_below(sizeof(brief_calls) / sizeof(brief_calls[0]))];
                char bytes[512];
                size_t n = strlen(call);

                memcpy(bytes, call, n);
                n = mutate(bytes, n, sizeof(bytes));
                n_taken += compare(bytes, n);
        }
        /* Neither all nor none of them. */
        assert_true(n_taken > MUTATIONS / 20 && n_taken < MUTATIONS / 10 * 9);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_usual_calls_are_read_as_the_parser_reads_them),
                cmocka_unit_test(test_the_form_of_most_calls_is_told_by_comparing),
                cmocka_unit_test(test_each_byte_is_plain_or_not_wherever_it_stands),
                cmocka_unit_test(test_whatever_is_unusual_is_left_to_the_parser),
                cmocka_unit_test(test_the_method_is_found_in_any_form),
                cmocka_unit_test(test_no_beginning_of_a_call_is_taken),
                cmocka_unit_test(test_both_readers_agree_on_calls_with_mistakes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
