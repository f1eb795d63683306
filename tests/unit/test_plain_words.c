// links: daemon/base/
// libs: jansson
#include "daemon/base/plain_words.h"

#include "daemon/base/json_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static void expect_clean(const char *text, const char *expected)
{
        char clean[128];

        assert_int_equal(words_clean(clean, sizeof clean, text, strlen(text)), strlen(expected));
        assert_string_equal(clean, expected);
}

static void test_words_become_one_clean_line(void **state)
{
        expect_clean("plain words", "plain words");
        expect_clean("", "");
        expect_clean("  two \t\r\n  lines\n", "two lines");
        expect_clean("a\x1b[31mred\x07", "a?[31mred?");
        expect_clean("nbsp\xc2\xa0here", "nbsp here");
        expect_clean("\xc3\x89mile \xf0\x9f\x98\x80 \xe6\x97\xa5",
                     "\xc3\x89mile \xf0\x9f\x98\x80 \xe6\x97\xa5");
        expect_clean("bad \xff\xc3 utf8 \xed\xa0\x80", "bad ?? utf8 ???");
        expect_clean("rtl \xe2\x80\xae zero\xe2\x80\x8bwidth \xef\xbb\xbf c1 \xc2\x9b",
                     "rtl ? zero?width ? c1 ?");
        expect_clean("line\xe2\x80\xa8sep soft\xc2\xadhyphen tag\xf3\xa0\x81\x81",
                     "line?sep soft?hyphen tag?");
        char clean[16];
        assert_int_equal(words_clean(clean, sizeof clean, "a\0b", 3), 3);
        assert_string_equal(clean, "a?b");
}

static void test_words_that_do_not_fit_are_cut_at_a_character(void **state)
{
        char clean[12];

        assert_int_equal(words_clean(clean, sizeof clean, "12345678", 8), 8);
        assert_string_equal(clean, "12345678");
        assert_int_equal(words_clean(clean, sizeof clean, "123456789", 9), 11);
        assert_string_equal(clean, "12345678...");
        words_clean(clean, sizeof clean, "1234567\xc3\xa9\xc3\xa9", 11);
        assert_string_equal(clean, "1234567...");
        words_clean(clean, sizeof clean, "1234567 9012", 12);
        assert_string_equal(clean, "1234567...");
        for (size_t size = 0; size < 6; size++) {
                memset(clean, 'x', sizeof clean);
                words_clean(clean, size, "words", 5);
                assert_int_equal(clean[size], 'x');
                if (size > 0)
                        assert_true(strlen(clean) < size);
        }
}

static void expect_scrubbed(const char *text, const char *expected)
{
        char scrubbed[512];

        words_scrub(scrubbed, sizeof scrubbed, text, strlen(text), NULL);
        assert_string_equal(scrubbed, expected);
}

static void test_what_looks_like_a_token_is_hidden(void **state)
{
        expect_scrubbed("token 0123456789abcdef0123456789abcdef is unknown", "token [hidden] is unknown");
        expect_scrubbed("0123456789abcdef", "[hidden]");
        expect_scrubbed("'2YotnFZFEjr1zCsicMWpAA'", "'[hidden]'");
        expect_scrubbed("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOjF9.c2lnbmF0dXJl!", "[hidden]");
        expect_scrubbed("refresh_token=tGzv3JOkF0XG5Qx2TlKWIA&x", "[hidden]&x");
        expect_scrubbed("1//0gYt-abc_DEFGHIJKLMNOPqrst", "[hidden]");
        expect_scrubbed("ya29.a0AfH6SMBx/y+z==", "[hidden]");
        expect_scrubbed("Basic NWMzYzZhNWU6c2VjcmV0", "Basic [hidden]");
        expect_scrubbed("4%2F0AX4XfWh0123456789", "[hidden]");
        expect_scrubbed("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrs",
                        "[hidden]"); /* no word is that long */
        expect_scrubbed("AbcDefGhiJklMnoPqr", "[hidden]");
        expect_scrubbed("v2:0123456789abcdef:x", "v2:[hidden]:x");
}

static void test_ordinary_words_are_not_hidden(void **state)
{
        static const char *const texts[] = {
                "The provided refresh token does not match the authenticated client.",
                "authorization_required, invalid_grant: internationalization",
                "Support for API version 2022-04-29 is scheduled to stop on May 13, 2023.",
                "AADSTS700082: The refresh token has expired due to inactivity at 2024-04-09T21:04:31Z.",
                "https://developer.getjobber.com/docs/using_jobbers_api/api_versioning",
                "GraphQL API version 'X' does not exist",
                "X-JOBBER-GRAPHQL-VERSION",
                "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t",
        };

        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
                expect_scrubbed(texts[i], texts[i]);
}

static void test_known_secrets_are_hidden_whatever_they_look_like(void **state)
{
        _cleanup_(json_text_freep) json_t *root =
                json_loads("{\"refresh_token\":\"open "
                           "sesame\",\"a\":[{\"b\":{\"client_secret\":\"hush\"}}],\"code\":\"invalid_grant\","
                           "\"x\":{\"code\":\"4/abc\"},\"token\":\"abc\",\"password\":\"hush hush\"}",
                           0, NULL);
        struct hidden_values hidden = { .n = 0 };
        static const char text[] = "open sesame, hush; hush hush; invalid_grant 4/abcd abc unhushed";
        char scrubbed[256];

        assert_non_null(root);
        hidden_values_collect(&hidden, root);
        assert_int_equal(hidden.n, 4);
        words_scrub(scrubbed, sizeof scrubbed, text, sizeof text - 1, &hidden);
        assert_string_equal(scrubbed,
                            "[hidden], [hidden]; [hidden]; invalid_grant [hidden]d abc un[hidden]ed");
}

static void test_too_many_secrets_hide_everything(void **state)
{
        _cleanup_(json_text_freep) json_t *root = json_array();
        struct hidden_values hidden = { .n = 0 };
        char scrubbed[64];

        for (int i = 0; i < 33; i++)
                assert_int_equal(json_array_append_new(root, json_pack("{s:s}", "token", "secret")), 0);
        hidden_values_collect(&hidden, root);
        assert_true(hidden.overflow);
        assert_int_equal(words_scrub(scrubbed, sizeof scrubbed, "harmless", 8, &hidden), 0);
        assert_string_equal(scrubbed, "");
}

static void test_secrets_too_deep_to_be_found_hide_everything(void **state)
{
        char text[400];
        struct hidden_values hidden = { .n = 0 };

        memset(text, '[', 100);
        memset(text + 100, ']', 100);
        _cleanup_(json_text_freep) json_t *root = json_loadb(text, 200, 0, NULL);
        assert_non_null(root);
        hidden_values_collect(&hidden, root);
        assert_true(hidden.overflow);
}

static void test_a_sentence_has_its_detail_in_brackets_and_one_full_stop(void **state)
{
        char sentence[64];

        words_sentence(sentence, sizeof sentence, "It failed", "HTTP 500");
        assert_string_equal(sentence, "It failed (HTTP 500).");
        words_sentence(sentence, sizeof sentence, "It failed.", "");
        assert_string_equal(sentence, "It failed.");
        words_sentence(sentence, sizeof sentence, "It failed. Log in.", "a\nb");
        assert_string_equal(sentence, "It failed. Log in (a b).");
        words_sentence(sentence, sizeof sentence, "It goes on...", "");
        assert_string_equal(sentence, "It goes on....");
}

static void test_a_sentence_fits_whatever_it_is_made_of(void **state)
{
        char text[600], sentence[80];

        memset(text, 'a', sizeof text);
        for (size_t i = 4; i < sizeof text; i += 5)
                text[i] = ' ';
        text[sizeof text - 1] = '\0';
        for (size_t n = 0; n < 120; n++) {
                words_sentence(sentence, sizeof sentence, text + sizeof text - 1 - n, text);
                assert_true(strlen(sentence) < sizeof sentence);
                assert_int_equal(sentence[strlen(sentence) - 1], '.');
                words_sentence(sentence, sizeof sentence, "Short", text + sizeof text - 1 - n);
                assert_true(strlen(sentence) < sizeof sentence);
                assert_int_equal(sentence[strlen(sentence) - 1], '.');
        }
}

static void test_words_for_people_are_found_in_every_kind_of_body(void **state)
{
        static const struct {
                const char *body, *words;
        } cases[] = {
                { "{\"error\":\"invalid_grant\",\"error_description\":\"w\"}", "w" },
                { "{\"message\":\"w\"}", "w" },
                { "{\"error\":{\"message\":\"w\"}}", "w" },
                { "{\"errors\":[{\"message\":\"w\"},{\"message\":\"x\"}]}", "w" },
                { "{\"title\":\"t\",\"detail\":\"w\"}", "w" },
                { "{\"error_description\":\"\",\"message\":\"w\"}", "w" },
                { "{\"error\":\"invalid_grant\"}", NULL },
                { "{\"message\":7}", NULL },
                { "[]", NULL },
        };

        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                _cleanup_(json_text_freep) json_t *root = json_loads(cases[i].body, 0, NULL);
                const char *words = words_of_error(root);
                if (cases[i].words)
                        assert_string_equal(words, cases[i].words);
                else
                        assert_null(words);
        }
        assert_null(words_of_error(NULL));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_words_become_one_clean_line),
                cmocka_unit_test(test_words_that_do_not_fit_are_cut_at_a_character),
                cmocka_unit_test(test_what_looks_like_a_token_is_hidden),
                cmocka_unit_test(test_ordinary_words_are_not_hidden),
                cmocka_unit_test(test_known_secrets_are_hidden_whatever_they_look_like),
                cmocka_unit_test(test_too_many_secrets_hide_everything),
                cmocka_unit_test(test_secrets_too_deep_to_be_found_hide_everything),
                cmocka_unit_test(test_a_sentence_has_its_detail_in_brackets_and_one_full_stop),
                cmocka_unit_test(test_a_sentence_fits_whatever_it_is_made_of),
                cmocka_unit_test(test_words_for_people_are_found_in_every_kind_of_body),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
