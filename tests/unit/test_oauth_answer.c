// links: daemon/protocol/
// libs: libsodium jansson
#include "tests/beds/oauth_answers.h"

#include "common/clock.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------- good answers */

static void test_jobbers_answer_needs_neither_expires_in_nor_token_type(void **state)
{
        _cleanup_(oauth_answer_done) struct oauth_answer answer =
                read_answer(&sample_jobber, 200,
                            "{\"access_token\":\"" ACCESS_JWT "\",\"refresh_token\":\"" NEW_TOKEN "\"}");

        expect_tokens(&answer, ACCESS_JWT, NEW_TOKEN);
        assert_string_equal(answer.token_type, "Bearer");
        assert_int_equal(answer.lifetime_usec, 3599 * USEC_PER_SEC);
        assert_string_equal(answer.notice, "");
        assert_string_equal(answer.reason, "");
        assert_false(answer.foreign_refresher);
}

static void test_jobbers_documented_answer_tells_expires_at(void **state)
{
        struct http_response response =
                sample_answer(200, NULL,
                              "{\"access_token\":\"opaque\",\"refresh_token\":\"" NEW_TOKEN
                              "\",\"expires_at\":\"2024-04-09 21:04:31 UTC\"}");

        response.date_sec = NOW + 600;
        _cleanup_(oauth_answer_done) struct oauth_answer answer = read_response(&sample_jobber, &response);
        expect_tokens(&answer, "opaque", NEW_TOKEN);
        assert_int_equal(answer.lifetime_usec, 2999 * USEC_PER_SEC);
}

static void test_the_example_of_rfc_6749_is_read(void **state)
{
        _cleanup_(oauth_answer_done) struct oauth_answer answer = read_answer(
                &sample_plain, 200,
                "{\n  \"access_token\":\"2YotnFZFEjr1zCsicMWpAA\",\n  \"token_type\":\"example\",\n"
                "  \"expires_in\":3600,\n  \"refresh_token\":\"tGzv3JOkF0XG5Qx2TlKWIA\",\n"
                "  \"example_parameter\":\"example_value\"\n}");

        expect_tokens(&answer, "2YotnFZFEjr1zCsicMWpAA", "tGzv3JOkF0XG5Qx2TlKWIA");
        assert_string_equal(answer.token_type, "example");
        assert_int_equal(answer.lifetime_usec, 3600 * USEC_PER_SEC);
}

static void test_a_refresh_without_a_new_refresh_token_leaves_the_old_one(void **state)
{
        static const char *const bodies[] = {
                "{\"access_token\":\"a.b\",\"token_type\":\"Bearer\",\"expires_in\":60}",
                "{\"access_token\":\"a.b\",\"expires_in\":60,\"refresh_token\":null}",
        };

        for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
                _cleanup_(oauth_answer_done) struct oauth_answer answer =
                        read_answer(&sample_plain, 200, bodies[i]);
                expect_tokens(&answer, "a.b", NULL);
                assert_string_equal(answer.reason, "");
        }
}

static void test_expires_in_is_read_in_every_form(void **state)
{
        static const struct {
                const char *text;
                uint64_t seconds;
        } cases[] = {
                { "60", 60 },
                { "\"60\"", 60 },
                { "60.9", 60 },
                { "\"60.5\"", 60 },
                { "6e1", 60 },
                { "1", 1 },
                { "0", 7200 },
                { "-60", 7200 },
                { "\"-60\"", 7200 },
                { "1e308", 7200 },
                { "-1e308", 7200 },
                { "1e999", 7200 },
                { "null", 7200 },
                { "\"\"", 7200 },
                { "\"soon\"", 7200 },
                { "true", 7200 },
                { "[60]", 7200 },
                { "{\"a\":60}", 7200 },
                { "\"60s\"", 7200 },
                { "\"0x3c\"", 7200 },
                { "99999999999999999999999", 7200 },
                { "9223372036854775807", 7200 },
                { "\"9223372036854775808\"", 7200 },
                { "31536000", 31536000 },
                { "31536001", 31536000 },
                { "2147483647", 31536000 },
        };
        struct provider provider = sample_plain;
        char body[256];

        provider.default_token_lifetime_usec = 7200 * USEC_PER_SEC;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                snprintf(body, sizeof body,
                         "{\"access_token\":\"t\",\"expires_in\":%s,\"refresh_token\":\"r\"}", cases[i].text);
                _cleanup_(oauth_answer_done) struct oauth_answer answer = read_answer(&provider, 200, body);
                expect_tokens(&answer, "t", "r");
                if (answer.lifetime_usec != cases[i].seconds * USEC_PER_SEC)
                        fail_msg("expires_in %s: %llu", cases[i].text,
                                 (unsigned long long)answer.lifetime_usec);
        }
}

static void test_expires_at_may_be_a_number_too(void **state)
{
        static const char *const forms[] = { "1712696671", "1712696671.5", "\"1712696671\"", "1712696671000",
                                             "\"2024-04-09T21:04:31Z\"" };
        char body[128];

        for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
                snprintf(body, sizeof body, "{\"access_token\":\"t\",\"expires_at\":%s}", forms[i]);
                _cleanup_(oauth_answer_done) struct oauth_answer answer =
                        read_answer(&sample_plain, 200, body);
                assert_int_equal(answer.lifetime_usec, 3599 * USEC_PER_SEC);
        }
}

static void test_the_token_type_is_bearer_unless_it_can_stand_in_a_header(void **state)
{
        static const struct {
                const char *text, *type;
        } cases[] = {
                { "\"bearer\"", "Bearer" },
                { "\"BEARER\"", "Bearer" },
                { "\"Bearer\"", "Bearer" },
                { "\"\"", "Bearer" },
                { "null", "Bearer" },
                { "7", "Bearer" },
                { "\"DPoP\"", "DPoP" },
                { "\"mac\"", "mac" },
                { "\"a\\r\\nX-Evil: 1\"", "Bearer" },
                { "\"two words\"", "Bearer" },
                { "\"mac\\u0000\"", "Bearer" },
                { "\"0123456789012345678901234567890\"", "0123456789012345678901234567890" },
                { "\"01234567890123456789012345678901\"", "Bearer" },
        };
        char body[128];

        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                snprintf(body, sizeof body, "{\"access_token\":\"t\",\"token_type\":%s}", cases[i].text);
                _cleanup_(oauth_answer_done) struct oauth_answer answer =
                        read_answer(&sample_plain, 200, body);
                assert_string_equal(answer.token_type, cases[i].type);
        }
}

static void test_the_body_counts_whatever_its_content_type(void **state)
{
        struct http_response response =
                sample_answer(200, "text/html", "\xef\xbb\xbf {\"access_token\":\"t\"}\r\n");
        _cleanup_(oauth_answer_done) struct oauth_answer answer = read_response(&sample_plain, &response);

        expect_tokens(&answer, "t", NULL);
}

static void test_tokens_count_even_beside_an_error(void **state)
{
        _cleanup_(oauth_answer_done) struct oauth_answer answer =
                read_answer(&sample_plain, 200,
                            "{\"access_token\":\"t\",\"refresh_token\":\"r\",\"error\":\"invalid_grant\","
                            "\"error_description\":\"odd\"}");

        expect_tokens(&answer, "t", "r");
        assert_string_equal(answer.notice, "odd");
}

static void test_words_of_refusal_in_a_good_answer_refuse_nothing(void **state)
{
        _cleanup_(oauth_answer_done) struct oauth_answer answer =
                read_answer(&sample_jobber, 200,
                            "{\"access_token\":\"t\",\"refresh_token\":\"r\","
                            "\"scope\":\"User has disconnected this app\"}");

        expect_tokens(&answer, "t", "r");
}

/* ------------------------------------------------------------------------------------------------- damaged good answers */

static void test_a_new_refresh_token_beside_an_unusable_access_token_is_kept(void **state)
{
        static const char *const values[] = {
                "\"with blank\"", "\"line\\nend\"", "\"caf\xc3\xa9\"", "\"nul\\u0000\"",
                "\"\"",           "null",           "12345",           "{\"token\":\"t\"}",
                "[\"t\"]",        "\"bad\xff\"",    "\"del\\u007f\""
        };
        char body[128];

        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
                snprintf(body, sizeof body, "{\"access_token\":%s,\"refresh_token\":\"" NEW_TOKEN "\"}",
                         values[i]);
                _cleanup_(oauth_answer_done) struct oauth_answer answer =
                        read_answer(&sample_plain, 200, body);
                expect_tokens(&answer, NULL, NEW_TOKEN);
                assert_non_null(strstr(answer.reason, "no usable access token"));
        }
}

static void test_a_missing_access_token_beside_a_new_refresh_token_is_no_loss(void **state)
{
        _cleanup_(oauth_answer_done) struct oauth_answer answer =
                read_answer(&sample_plain, 200, "{\"refresh_token\":\"" NEW_TOKEN "\"}");

        expect_tokens(&answer, NULL, NEW_TOKEN);
}

static void test_an_unusable_refresh_token_leaves_the_old_one_and_says_so(void **state)
{
        static const char *const values[] = { "\"line\\nend\"", "\"\"", "7", "\"nul\\u0000\"",
                                              "\"bad\xff\"" };
        char body[128];

        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
                snprintf(body, sizeof body, "{\"access_token\":\"t\",\"refresh_token\":%s}", values[i]);
                _cleanup_(oauth_answer_done) struct oauth_answer answer =
                        read_answer(&sample_plain, 200, body);
                expect_tokens(&answer, "t", NULL);
                assert_non_null(strstr(answer.reason, "old one stays"));
        }
}

static void test_a_refresh_token_may_hold_blanks(void **state)
{
        _cleanup_(oauth_answer_done) struct oauth_answer answer =
                read_answer(&sample_plain, 200, "{\"access_token\":\"t\",\"refresh_token\":\"a b+c/d=\"}");

        expect_tokens(&answer, "t", "a b+c/d=");
}

static void test_tokens_survive_what_is_broken_beside_them(void **state)
{
        static const char *const extras[] = {
                "\"expires_in\":1e999",
                "\"id\":123456789012345678901234567890",
                "\"scope\":\"caf\xe9\"",
                "\"\xff\":1",
                "\"scope\":\"\\u0000\"",
                "\"scope\":\"a\",\"scope\":\"b\"",
                "\"nested\":{\"refresh_token\":\"other\",\"access_token\":\"other\"}",
                "\"escaped\":\"\\\\\\\"}{\",\"n\":-1e999"
        };
        char body[256];

        for (size_t i = 0; i < sizeof extras / sizeof extras[0]; i++) {
                snprintf(body, sizeof body, "{\"access_token\":\"t\",%s,\"refresh_token\":\"" NEW_TOKEN "\"}",
                         extras[i]);
                _cleanup_(oauth_answer_done) struct oauth_answer answer =
                        read_answer(&sample_plain, 200, body);
                expect_tokens(&answer, "t", NEW_TOKEN);
        }
}

static void test_a_token_told_twice_with_two_values_is_not_believed(void **state)
{
        _cleanup_(oauth_answer_done) struct oauth_answer one =
                read_answer(&sample_plain, 200,
                            "{\"access_token\":\"t\",\"refresh_token\":\"a\",\"refresh_token\":\"b\"}");
        expect_tokens(&one, "t", NULL);
        _cleanup_(oauth_answer_done) struct oauth_answer other =
                read_answer(&sample_plain, 200,
                            "{\"access_token\":\"a\",\"acc\\u0065ss_token\":\"b\",\"refresh_token\":\"r\"}");
        expect_tokens(&other, NULL, "r");
        _cleanup_(oauth_answer_done) struct oauth_answer same =
                read_answer(&sample_plain, 200,
                            "{\"access_token\":\"t\",\"access_token\" : \"t\",\"refresh_token\":\"r\"}");
        expect_tokens(&same, "t", "r");
        expect_refused(&sample_plain, 200, "{\"access_token\":\"a\",\"access_token\":\"b\"}", OAUTH_TRY_AGAIN,
                       true, "no usable token");
}

static void test_tokens_have_a_limit(void **state)
{
        static char token[OAUTH_TOKEN_MAX + 2], body[2 * OAUTH_TOKEN_MAX];

        memset(token, 'x', OAUTH_TOKEN_MAX);
        snprintf(body, sizeof body, "{\"access_token\":\"%s\"}", token);
        _cleanup_(oauth_answer_done) struct oauth_answer answer = read_answer(&sample_plain, 200, body);
        expect_tokens(&answer, token, NULL);
        assert_true(token_is_usable(token, OAUTH_TOKEN_MAX));

        token[OAUTH_TOKEN_MAX] = 'x';
        assert_false(token_is_usable(token, OAUTH_TOKEN_MAX + 1));
        snprintf(body, sizeof body, "{\"access_token\":\"%s\"}", token);
        expect_refused(&sample_plain, 200, body, OAUTH_TRY_AGAIN, true, "no usable token");
}

static void test_only_visible_ascii_is_a_usable_token(void **state)
{
        for (int c = 0; c < 256; c++) {
                char token[] = { 'a', (char)c, 'b' };
                assert_int_equal(token_is_usable(token, sizeof token), c >= 0x21 && c <= 0x7e);
        }
        assert_false(token_is_usable("", 0));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_jobbers_answer_needs_neither_expires_in_nor_token_type),
                cmocka_unit_test(test_jobbers_documented_answer_tells_expires_at),
                cmocka_unit_test(test_the_example_of_rfc_6749_is_read),
                cmocka_unit_test(test_a_refresh_without_a_new_refresh_token_leaves_the_old_one),
                cmocka_unit_test(test_expires_in_is_read_in_every_form),
                cmocka_unit_test(test_expires_at_may_be_a_number_too),
                cmocka_unit_test(test_the_token_type_is_bearer_unless_it_can_stand_in_a_header),
                cmocka_unit_test(test_the_body_counts_whatever_its_content_type),
                cmocka_unit_test(test_tokens_count_even_beside_an_error),
                cmocka_unit_test(test_words_of_refusal_in_a_good_answer_refuse_nothing),
                cmocka_unit_test(test_a_new_refresh_token_beside_an_unusable_access_token_is_kept),
                cmocka_unit_test(test_a_missing_access_token_beside_a_new_refresh_token_is_no_loss),
                cmocka_unit_test(test_an_unusable_refresh_token_leaves_the_old_one_and_says_so),
                cmocka_unit_test(test_a_refresh_token_may_hold_blanks),
                cmocka_unit_test(test_tokens_survive_what_is_broken_beside_them),
                cmocka_unit_test(test_a_token_told_twice_with_two_values_is_not_believed),
                cmocka_unit_test(test_tokens_have_a_limit),
                cmocka_unit_test(test_only_visible_ascii_is_a_usable_token),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
