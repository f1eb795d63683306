// links: common/
#include "common/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static int parse_call(const char *text, struct wire_call *ret, struct diag *diag)
{
        return wire_parse_call(text, strlen(text), ret, diag);
}

static int parse_reply(const char *text, struct wire_reply *ret, struct diag *diag)
{
        return wire_parse_reply(text, strlen(text), ret, diag);
}

/* ---- calls ---- */

static void test_a_call_gives_method_parameters_and_flags(void **state)
{
        struct wire_call call = { 0 };

        assert_int_equal(
                parse_call(
                        "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"acme\"},"
                        "\"more\":true,\"oneway\":false,\"upgrade\":true}",
                        &call, NULL),
                0);
        assert_string_equal(call.method, "io.purser.Tokens.GetToken");
        assert_string_equal(json_string_value(json_object_get(call.parameters, "credential")), "acme");
        assert_true(call.more);
        assert_false(call.oneway);
        assert_true(call.upgrade);
        wire_call_done(&call);
        assert_null(call.root);
        wire_call_done(&call);
}

static void test_absent_null_and_empty_parameters_are_alike(void **state)
{
        static const char *const texts[] = {
                "{\"method\":\"a.B\"}",
                "{\"method\":\"a.B\",\"parameters\":null}",
                "{\"method\":\"a.B\",\"parameters\":{}}",
                " \t\r\n{ \"parameters\" : { } , \"method\" : \"a.B\" } \n",
        };

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                struct wire_call call = { 0 };

                assert_int_equal(parse_call(texts[i], &call, NULL), 0);
                assert_true(json_is_object(call.parameters));
                assert_int_equal(json_object_size(call.parameters), 0);
                wire_call_done(&call);
        }
}

static void test_null_flags_are_false_and_unknown_members_ignored(void **state)
{
        struct wire_call call = { 0 };

        assert_int_equal(parse_call("{\"method\":\"a.B\",\"more\":null,\"oneway\":null,\"upgrade\":null,"
                                    "\"trace\":{\"id\":[1,2.5,\"x\"]}}",
                                    &call, NULL),
                         0);
        assert_false(call.more || call.oneway || call.upgrade);
        wire_call_done(&call);
}

static void test_what_is_no_call_is_refused_with_a_reason(void **state)
{
        static const struct {
                const char *text, *reason;
        } cases[] = {
                { "", "ends too early" },
                { " ", "ends too early" },
                { "{", "ends too early" },
                { "{\"method\":\"a.B\"", "ends too early" },
                { "{\"method\":\"a.B", "ends too early" },
                { "[]", "no JSON object" },
                { "[{\"method\":\"a.B\"}]", "no JSON object" },
                { "null", "no JSON" },
                { "\"method\"", "no JSON" },
                { "17", "no JSON" },
                { "hello", "no JSON" },
                { "GET / HTTP/1.1\r\n\r\n", "no JSON" },
                { "\xef\xbb\xbf{\"method\":\"a.B\"}", "no JSON" },
                { "{}", "'method' is missing" },
                { "{\"method\":null}", "'method' is missing" },
                { "{\"method\":1}", "'method' is no string" },
                { "{\"method\":[\"a.B\"]}", "'method' is no string" },
                { "{\"method\":\"a.B\",\"parameters\":[]}", "'parameters' is no object" },
                { "{\"method\":\"a.B\",\"parameters\":\"x\"}", "'parameters' is no object" },
                { "{\"method\":\"a.B\",\"parameters\":false}", "'parameters' is no object" },
                { "{\"method\":\"a.B\",\"more\":1}", "'more' is neither" },
                { "{\"method\":\"a.B\",\"oneway\":\"true\"}", "'oneway' is neither" },
                { "{\"method\":\"a.B\",\"upgrade\":{}}", "'upgrade' is neither" },
                { "{\"method\":\"a.B\"}x", "something follows" },
                { "{\"method\":\"a.B\"}{\"method\":\"a.C\"}", "something follows" },
                { "{\"method\":\"a.B\"},", "something follows" },
                { "{\"method\":\"a.B\",\"method\":\"a.C\"}", "occurs twice" },
                { "{\"method\":\"a.B\",\"parameters\":{\"x\":1,\"x\":2}}", "occurs twice" },
                { "{\"method\":\"a.B\",}", "syntax" },
                { "{'method':'a.B'}", "syntax" },
                { "{method:\"a.B\"}", "syntax" },
                { "{\"method\":\"a.B\" /* x */}", "syntax" },
                { "{\"method\":\"a\nB\"}", "syntax" },
                { "{\"method\":\"a\\xB\"}", "syntax" },
                { "{\"method\":\"\\ud800\"}", "syntax" },
                { "{\"method\":\"a\\u0000B\"}", "U+0000" },
                { "{\"a\\u0000\":1,\"method\":\"a.B\"}", "U+0000" },
                { "{\"method\":\"\xff\"}", "UTF-8" },
                { "{\"method\":\"\xc0\xaf\"}", "UTF-8" },
                { "{\"method\":\"\xed\xa0\x80\"}", "UTF-8" },
                { "{\"method\":\"a.B\",\"parameters\":{\"x\":NaN}}", "syntax" },
                { "{\"method\":\"a.B\",\"parameters\":{\"x\":01}}", "syntax" },
                { "{\"method\":\"a.B\",\"parameters\":{\"x\":99999999999999999999}}", "number is too large" },
                { "{\"method\":\"a.B\",\"parameters\":{\"x\":1e999}}", "number is too large" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct wire_call call = { .method = "untouched" };
                struct diag diag = DIAG_INIT;

                assert_int_equal(parse_call(cases[i].text, &call, &diag), WIRE_E_MALFORMED);
                if (!strstr(diag.text, cases[i].reason))
                        fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].text, diag.text, cases[i].reason);
                assert_string_equal(call.method, "untouched");
                assert_null(call.root);
                assert_int_equal(parse_call(cases[i].text, &call, NULL), WIRE_E_MALFORMED);
        }
}

static void test_a_nul_byte_inside_is_refused(void **state)
{
        static const char inside[] = "{\"method\":\"a\0B\"}", behind[] = "{\"method\":\"a.B\"}\0";
        struct wire_call call = { 0 };

        assert_int_equal(wire_parse_call(inside, sizeof(inside) - 1, &call, NULL), WIRE_E_MALFORMED);
        assert_int_equal(wire_parse_call(behind, sizeof(behind) - 1, &call, NULL), WIRE_E_MALFORMED);
        assert_int_equal(wire_parse_call(behind, sizeof(behind) - 2, &call, NULL), 0);
        wire_call_done(&call);
}

/* Whatever stands in a message may be a secret: reasons quote nothing of it. */
static void test_reasons_never_quote_the_message(void **state)
{
        static const char *const texts[] = {
                "{\"method\":\"a.B\",\"parameters\":{\"refresh_token\":\"hunter2\"",
                "{\"method\":\"a.B\",\"parameters\":{\"refresh_token\":\"hunter2\\q\"}}",
                "{\"method\":\"a.B\",\"parameters\":{\"hunter2\":1,\"hunter2\":2}}",
                "{\"method\":\"a.B\",\"parameters\":hunter2}",
                "{\"method\":\"a.B\",\"parameters\":\"hunter2\"}",
                "{\"method\":\"a.B\"}hunter2",
                "hunter2",
        };

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                struct wire_call call = { 0 };
                struct diag diag = DIAG_INIT;

                assert_int_equal(parse_call(texts[i], &call, &diag), WIRE_E_MALFORMED);
                assert_string_not_equal(diag.text, "");
                assert_null(strstr(diag.text, "hunter"));
        }
}

/* {"method":"a.B","parameters":{"a":[[...]]}} with `depth` levels in all. */
static char *nested(size_t depth)
{
        static const char head[] = "{\"method\":\"a.B\",\"parameters\":{\"a\":";
        char *text = calloc(1, sizeof(head) + 2 * depth + 2), *p = text + sizeof(head) - 1;

        assert_non_null(text);
        memcpy(text, head, sizeof(head));
        memset(p, '[', depth - 2);
        memset(p + depth - 2, ']', depth - 2);
        memcpy(p + 2 * (depth - 2), "}}", 3);
        return text;
}

static void test_nesting_ends_at_the_limit(void **state)
{
        _cleanup_(freep) char *deepest = nested(WIRE_DEPTH_MAX), *deeper = nested(WIRE_DEPTH_MAX + 1);
        struct wire_call call = { 0 };
        struct diag diag = DIAG_INIT;

        assert_int_equal(parse_call(deepest, &call, &diag), 0);
        wire_call_done(&call);
        assert_int_equal(parse_call(deeper, &call, &diag), WIRE_E_MALFORMED);
        assert_non_null(strstr(diag.text, "too deeply"));
}

static void test_a_million_open_brackets_are_refused(void **state)
{
        static char text[1000000];
        struct wire_call call = { 0 };
        struct wire_reply reply = { 0 };

        memset(text, '[', sizeof(text));
        assert_int_equal(wire_parse_call(text, sizeof(text), &call, NULL), WIRE_E_MALFORMED);
        assert_int_equal(wire_parse_reply(text, sizeof(text), &reply, NULL), WIRE_E_MALFORMED);
        for (size_t i = 0; i + 5 <= sizeof(text); i += 5)
                memcpy(text + i, "{\"\":[", 5);
        assert_int_equal(wire_parse_call(text, sizeof(text), &call, NULL), WIRE_E_MALFORMED);
}

static void test_brackets_in_strings_are_no_nesting(void **state)
{
        char text[400] = "{\"method\":\"a.B\",\"parameters\":{\"a\":\"\\\"\\\\";
        struct wire_call call = { 0 };

        for (int i = 0; i < 100; i++)
                strcat(text, "[{");
        strcat(text, "\\\\\"}}");
        assert_int_equal(parse_call(text, &call, NULL), 0);
        wire_call_done(&call);
}

static char *with_values(size_t n)
{
        char *text = calloc(1, 2 * n + 100), *p = text;

        assert_non_null(text);
        p = stpcpy(p, "{\"method\":\"a.B\",\"parameters\":{\"a\":[1");
        for (size_t i = 1; i < n; i++)
                p = stpcpy(p, ",1");
        strcpy(p, "]}}");
        return text;
}

static void test_a_call_of_many_values_is_refused_and_a_reply_is_not(void **state)
{
        _cleanup_(freep) char *few = with_values(4000), *many = with_values(5000);
        struct wire_call call = { 0 };
        struct wire_reply reply = { 0 };
        struct diag diag = DIAG_INIT;

        assert_int_equal(parse_call(few, &call, &diag), 0);
        wire_call_done(&call);
        assert_int_equal(parse_call(many, &call, &diag), WIRE_E_MALFORMED);
        assert_non_null(strstr(diag.text, "too many"));
        assert_int_equal(parse_reply(many, &reply, &diag), 0);
        wire_reply_done(&reply);
}

static void test_a_message_longer_than_the_limit_is_refused(void **state)
{
        size_t n = WIRE_MESSAGE_MAX;
        _cleanup_(freep) char *text = malloc(n + 1);
        struct wire_call call = { 0 };

        assert_non_null(text);
        memset(text, ' ', n + 1);
        memcpy(text, "{\"method\":\"a.B\"}", 16);
        assert_int_equal(wire_parse_call(text, n, &call, NULL), 0);
        wire_call_done(&call);
        assert_int_equal(wire_parse_call(text, n + 1, &call, NULL), WIRE_E_MALFORMED);
}

/* ---- replies ---- */

static void test_a_reply_gives_error_parameters_and_continues(void **state)
{
        struct wire_reply reply = { 0 };

        assert_int_equal(
                parse_reply("{\"parameters\":{\"access_token\":\"x\"},\"continues\":true}", &reply, NULL), 0);
        assert_null(reply.error);
        assert_true(reply.continues);
        assert_string_equal(json_string_value(json_object_get(reply.parameters, "access_token")), "x");
        wire_reply_done(&reply);

        assert_int_equal(parse_reply("{\"error\":\"org.varlink.service.MethodNotFound\"}", &reply, NULL), 0);
        assert_string_equal(reply.error, "org.varlink.service.MethodNotFound");
        assert_false(reply.continues);
        assert_int_equal(json_object_size(reply.parameters), 0);
        wire_reply_done(&reply);
        wire_reply_done(&reply);

        assert_int_equal(parse_reply("{}", &reply, NULL), 0);
        assert_null(reply.error);
        wire_reply_done(&reply);
}

static void test_what_is_no_reply_is_refused(void **state)
{
        static const char *const texts[] = {
                "",
                "[]",
                "{\"error\":1}",
                "{\"error\":{}}",
                "{\"parameters\":[]}",
                "{\"continues\":1}",
                "{\"continues\":true,\"continues\":true}",
                "{} {}",
                "{\"parameters\":{\"x\":\"\xfe\"}}",
        };

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                struct wire_reply reply = { .error = "untouched" };
                struct diag diag = DIAG_INIT;

                assert_int_equal(parse_reply(texts[i], &reply, &diag), WIRE_E_MALFORMED);
                assert_string_not_equal(diag.text, "");
                assert_string_equal(reply.error, "untouched");
        }
}

static void test_a_message_is_refused_as_soon_as_it_is_too_much(void **state)
{
        struct wire_shape shape = { 0 };
        struct diag diag = DIAG_INIT;

        (void)state;
        assert_int_equal(wire_shape_add(&shape, "{\"a\":[1,\"[[[,,\\", 15, 4, &diag), 0);
        assert_int_equal(shape.n, 15);
        assert_int_equal(shape.depth, 2);
        assert_int_equal(shape.n_values, 3);
        /* The piece ended behind a backslash. */
        assert_int_equal(wire_shape_add(&shape, "\",[\"", 4, 4, &diag), 0);
        assert_int_equal(shape.depth, 2);
        assert_int_equal(wire_shape_add(&shape, ",,", 2, 4, &diag), WIRE_E_MALFORMED);
        assert_non_null(strstr(diag.text, "too many"));
        assert_int_equal(shape.n, 19);

        shape = (struct wire_shape){ 0 };
        for (size_t i = 0; i < WIRE_DEPTH_MAX; i++)
                assert_int_equal(wire_shape_add(&shape, "[", 1, SIZE_MAX, &diag), 0);
        assert_int_equal(wire_shape_add(&shape, "{", 1, SIZE_MAX, &diag), WIRE_E_MALFORMED);
        assert_non_null(strstr(diag.text, "too deeply"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_call_gives_method_parameters_and_flags),
                cmocka_unit_test(test_absent_null_and_empty_parameters_are_alike),
                cmocka_unit_test(test_null_flags_are_false_and_unknown_members_ignored),
                cmocka_unit_test(test_what_is_no_call_is_refused_with_a_reason),
                cmocka_unit_test(test_a_nul_byte_inside_is_refused),
                cmocka_unit_test(test_a_message_is_refused_as_soon_as_it_is_too_much),
                cmocka_unit_test(test_reasons_never_quote_the_message),
                cmocka_unit_test(test_nesting_ends_at_the_limit),
                cmocka_unit_test(test_a_million_open_brackets_are_refused),
                cmocka_unit_test(test_brackets_in_strings_are_no_nesting),
                cmocka_unit_test(test_a_call_of_many_values_is_refused_and_a_reply_is_not),
                cmocka_unit_test(test_a_message_longer_than_the_limit_is_refused),
                cmocka_unit_test(test_a_reply_gives_error_parameters_and_continues),
                cmocka_unit_test(test_what_is_no_reply_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
