// links: common/
/* Calls, replies and strings as they are written. */
#include "common/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

enum { LIMIT = 1 << 20 };

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

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char text[64];

                assert_formatted(&buf, wire_append_string(&buf, cases[i].bytes, cases[i].n),
                                 cases[i].expected);
                snprintf(text, sizeof(text), "%.*s", (int)strlen(cases[i].expected) - 2,
                         cases[i].expected + 1);
                assert_formatted(&buf, wire_append_text(&buf, cases[i].bytes, cases[i].n), text);
        }
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
                assert_int_equal(wire_append_text(&buf, texts[i], strlen(texts[i])), -EILSEQ);
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
                cmocka_unit_test(test_calls_are_written_compactly),
                cmocka_unit_test(test_replies_are_written_compactly),
                cmocka_unit_test(test_a_message_is_appended_to_what_is_there),
                cmocka_unit_test(test_a_message_that_does_not_fit_leaves_no_trace),
                cmocka_unit_test(test_strings_are_escaped),
                cmocka_unit_test(test_bytes_that_are_not_utf8_are_refused_without_a_trace),
                cmocka_unit_test(test_what_is_written_is_read_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
