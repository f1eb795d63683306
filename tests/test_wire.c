// links: common/wire.c common/secret.c common/fault.c
#include "common/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 1 << 20 };

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

/* ---- formatting ---- */

static void assert_formatted(struct secret_buf *buf, int r, const char *expected)
{
        assert_int_equal(r, 0);
        assert_string_equal(buf->data, expected);
        assert_int_equal(buf->n, strlen(expected));
        secret_buf_clear(buf);
}

static void test_calls_are_written_compactly(void **state)
{
        _cleanup_(json_decrefp) json_t *parameters =
                json_pack("{s:s, s:[i, b], s:n}", "credential", "acme", "x", 1, 1, "y");
        struct secret_buf buf = SECRET_BUF_INIT(LIMIT);

        assert_formatted(&buf, wire_format_call(&buf, "a.B", NULL, false, false),
                         "{\"method\":\"a.B\",\"parameters\":{}}");
        assert_formatted(&buf, wire_format_call(&buf, "a.B", NULL, true, false),
                         "{\"method\":\"a.B\",\"parameters\":{},\"more\":true}");
        assert_formatted(&buf, wire_format_call(&buf, "a.B", NULL, false, true),
                         "{\"method\":\"a.B\",\"parameters\":{},\"oneway\":true}");
        assert_formatted(
                &buf, wire_format_call(&buf, "a.B", parameters, false, false),
                "{\"method\":\"a.B\",\"parameters\":{\"credential\":\"acme\",\"x\":[1,true],\"y\":null}}");
        secret_buf_done(&buf);
}

static void test_replies_are_written_compactly(void **state)
{
        _cleanup_(json_decrefp) json_t *parameters = json_pack("{s:s}", "method", "a.C");
        struct secret_buf buf = SECRET_BUF_INIT(LIMIT);

        assert_formatted(&buf, wire_format_reply(&buf, NULL, NULL, false), "{\"parameters\":{}}");
        assert_formatted(&buf, wire_format_reply(&buf, NULL, parameters, true),
                         "{\"parameters\":{\"method\":\"a.C\"},\"continues\":true}");
        assert_formatted(
                &buf, wire_format_reply(&buf, "org.varlink.service.MethodNotFound", parameters, false),
                "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":\"a.C\"}}");
        secret_buf_done(&buf);
}

static void test_a_message_is_appended_to_what_is_there(void **state)
{
        struct secret_buf buf = SECRET_BUF_INIT(LIMIT);

        assert_int_equal(secret_buf_append_string(&buf, "before|"), 0);
        assert_int_equal(wire_format_reply(&buf, NULL, NULL, false), 0);
        assert_string_equal(buf.data, "before|{\"parameters\":{}}");
        secret_buf_done(&buf);
}

/* At every limit too small by one byte or more: nothing is there afterwards that was not before, and nothing is left behind n. */
static void test_a_message_that_does_not_fit_leaves_no_trace(void **state)
{
        _cleanup_(json_decrefp) json_t *parameters =
                json_pack("{s:s, s:i}", "token", "hunter2\n\xc3\xbc", "n", 5);
        static const char expected[] = "{\"error\":\"a.\\\"B\",\"parameters\":{\"token\":"
                                       "\"hunter2\\n\xc3\xbc\",\"n\":5},\"continues\":true}";

        for (size_t limit = 0; limit <= strlen(expected); limit++) {
                struct secret_buf buf = SECRET_BUF_INIT(1 + limit);
                int r;

                assert_int_equal(secret_buf_append_string(&buf, "x"), 0);
                r = wire_format_reply(&buf, "a.\"B", parameters, true);
                if (limit == strlen(expected)) {
                        assert_int_equal(r, 0);
                        assert_string_equal(buf.data + 1, expected);
                } else {
                        assert_int_equal(r, -EMSGSIZE);
                        assert_int_equal(buf.n, 1);
                        for (size_t i = 1; i < buf.allocated; i++)
                                assert_int_equal(buf.data[i], 0);
                }
                secret_buf_done(&buf);
        }
}

static void test_strings_are_escaped(void **state)
{
        static const struct {
                const char *bytes;
                size_t n;
                const char *expected;
        } cases[] = {
                { "", 0, "\"\"" },
                { "plain", 5, "\"plain\"" },
                { "a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"" },
                { "\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"" },
                { "\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\x7f\"" },
                { "\"", 1, "\"\\\"\"" },
                { "\n\n", 2, "\"\\n\\n\"" },
                { "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\"" },
                { "\xc3\xbc\n\xc3\xbc", 5, "\"\xc3\xbc\\n\xc3\xbc\"" },
        };
        struct secret_buf buf = SECRET_BUF_INIT(LIMIT);

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_formatted(&buf, wire_append_string(&buf, cases[i].bytes, cases[i].n),
                                 cases[i].expected);
        secret_buf_done(&buf);
}

static void test_bytes_that_are_not_utf8_are_refused_without_a_trace(void **state)
{
        static const char *const texts[] = { "\xff",     "ab\xc3",       "ab\n\xe2\x82",
                                             "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80" };
        struct secret_buf buf = SECRET_BUF_INIT(LIMIT);

        assert_int_equal(secret_buf_append_string(&buf, "x"), 0);
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                assert_int_equal(wire_append_string(&buf, texts[i], strlen(texts[i])), -EILSEQ);
                assert_string_equal(buf.data, "x");
                assert_int_equal(buf.n, 1);
        }
        assert_int_equal(wire_format_call(&buf, "a.\xff", NULL, false, false), -EILSEQ);
        assert_string_equal(buf.data, "x");
        secret_buf_done(&buf);
}

/* All of Unicode but NUL goes through the writer and the parser unchanged. */
static void test_what_is_written_is_read_back(void **state)
{
        struct secret_buf text = SECRET_BUF_INIT(8 << 20), message = SECRET_BUF_INIT(8 << 20);
        _cleanup_(json_decrefp) json_t *parameters = NULL;
        struct wire_reply reply = { 0 };

        for (uint32_t c = 1; c < 0x3000; c++) {
                char bytes[3] = { (char)(0xe0 | c >> 12), (char)(0x80 | (c >> 6 & 0x3f)),
                                  (char)(0x80 | (c & 0x3f)) };
                char two[2] = { (char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f)) }, one = (char)c;

                assert_int_equal(c < 0x80    ? secret_buf_append(&text, &one, 1)
                                 : c < 0x800 ? secret_buf_append(&text, two, 2)
                                             : secret_buf_append(&text, bytes, 3),
                                 0);
        }
        parameters = json_pack("{s:s}", "text", text.data);
        assert_non_null(parameters);
        assert_int_equal(wire_format_reply(&message, text.data, parameters, false), 0);
        assert_int_equal(wire_parse_reply(message.data, message.n, &reply, NULL), 0);
        assert_string_equal(reply.error, text.data);
        assert_true(json_equal(reply.parameters, parameters));

        wire_reply_done(&reply);
        secret_buf_done(&text);
        secret_buf_done(&message);
}

/* ---- without memory ---- */

static size_t n_allocations, fail_at;

static void *failing_malloc(size_t size)
{
        return n_allocations++ == fail_at ? NULL : malloc(size);
}

static int forget_failures(void **state)
{
        json_set_alloc_funcs(malloc, free);
        return 0;
}

/*
 * The first allocation fails, then the second, until it works: no crash and no leak. jansson takes a string that it has no room
 * for as a syntax error; everything else is told as what it is.
 */
static void test_a_parser_without_memory_fails_cleanly(void **state)
{
        static const char text[] = "{\"method\":\"a.B\",\"more\":true}";
        size_t n_told = 0;
        int r = -ENOMEM;

        json_object_seed(1);
        json_set_alloc_funcs(failing_malloc, free);
        for (fail_at = 0; r != 0; fail_at++) {
                struct wire_call call = { 0 };

                n_allocations = 0;
                r = wire_parse_call(text, strlen(text), &call, NULL);
                if (r != 0) {
                        assert_true(r == -ENOMEM || r == WIRE_E_MALFORMED);
                        assert_null(call.root);
                        n_told += r == -ENOMEM;
                }
                wire_call_done(&call);
        }
        assert_true(fail_at > 5);
        assert_true(n_told >= 5);
}

static void test_a_writer_without_memory_says_so(void **state)
{
        _cleanup_(json_decrefp) json_t *parameters = json_pack("{s:{s:[s]}}", "a", "b", "c");
        struct secret_buf buf = SECRET_BUF_INIT(LIMIT);
        int r = -ENOMEM;

        json_set_alloc_funcs(failing_malloc, free);
        for (fail_at = 0; r != 0; fail_at++) {
                n_allocations = 0;
                r = wire_format_reply(&buf, NULL, parameters, false);
                if (r != 0) {
                        assert_int_equal(r, -ENOMEM);
                        assert_int_equal(buf.n, 0);
                }
        }
        assert_string_equal(buf.data, "{\"parameters\":{\"a\":{\"b\":[\"c\"]}}}");
        secret_buf_done(&buf);
}

/* Wherever it stands: the writer looks at many bytes in one go. */
static void test_a_special_character_is_written_at_any_place(void **state)
{
        static const char *const specials[] = { "\"",  "\\", "\n", "\x01", "\xc3\xa4", "\xf0\x9f\x98\x80",
                                                "\x7f" };

        for (size_t k = 0; k < sizeof(specials) / sizeof(specials[0]); k++)
                for (size_t n = 0; n < 70; n++)
                        for (size_t at = 0; at <= n; at++) {
                                struct secret_buf buf = SECRET_BUF_INIT(1024);
                                char text[128];
                                json_t *read;

                                memset(text, 'x', n);
                                memcpy(text + at, specials[k], strlen(specials[k]));
                                text[n > at + strlen(specials[k]) ? n : at + strlen(specials[k])] = '\0';
                                assert_int_equal(wire_append_string(&buf, text, strlen(text)), 0);
                                read = json_loads(buf.data, JSON_DECODE_ANY, NULL);
                                assert_string_equal(json_string_value(read), text);
                                json_decref(read);
                                secret_buf_done(&buf);
                        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_special_character_is_written_at_any_place),
                cmocka_unit_test(test_a_call_gives_method_parameters_and_flags),
                cmocka_unit_test(test_absent_null_and_empty_parameters_are_alike),
                cmocka_unit_test(test_null_flags_are_false_and_unknown_members_ignored),
                cmocka_unit_test(test_what_is_no_call_is_refused_with_a_reason),
                cmocka_unit_test(test_a_nul_byte_inside_is_refused),
                cmocka_unit_test(test_reasons_never_quote_the_message),
                cmocka_unit_test(test_nesting_ends_at_the_limit),
                cmocka_unit_test(test_a_million_open_brackets_are_refused),
                cmocka_unit_test(test_brackets_in_strings_are_no_nesting),
                cmocka_unit_test(test_a_call_of_many_values_is_refused_and_a_reply_is_not),
                cmocka_unit_test(test_a_message_longer_than_the_limit_is_refused),
                cmocka_unit_test(test_a_reply_gives_error_parameters_and_continues),
                cmocka_unit_test(test_what_is_no_reply_is_refused),
                cmocka_unit_test(test_calls_are_written_compactly),
                cmocka_unit_test(test_replies_are_written_compactly),
                cmocka_unit_test(test_a_message_is_appended_to_what_is_there),
                cmocka_unit_test(test_a_message_that_does_not_fit_leaves_no_trace),
                cmocka_unit_test(test_strings_are_escaped),
                cmocka_unit_test(test_bytes_that_are_not_utf8_are_refused_without_a_trace),
                cmocka_unit_test(test_what_is_written_is_read_back),
                cmocka_unit_test_teardown(test_a_parser_without_memory_fails_cleanly, forget_failures),
                cmocka_unit_test_teardown(test_a_writer_without_memory_says_so, forget_failures),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
