// links: daemon/protocol/
// libs: libsodium jansson
/* Answers that bring no token: useless ones, refusals, warnings, and the reasons that are told for them. */
#include "tests/beds/oauth_answers.h"

#include "common/clock.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------- useless answers */

/* An assertion that is too old or too young already when it is made, by the provider's clock. */
static void expect_key_refused(int64_t date_sec, const char *words)
{
        struct provider keyed = sample_plain;
        struct http_response response = sample_answer(401, NULL, "{\"error\":\"invalid_client\"}");
        struct oauth_answer answer;

        keyed.auth_method = AUTH_METHOD_PRIVATE_KEY_JWT;
        response.date_sec = date_sec;
        answer = read_response(&keyed, &response);
        assert_int_equal(answer.verdict, OAUTH_CLIENT_REFUSED);
        if (!strstr(answer.reason, words))
                fail_msg("\"%s\" does not say \"%s\"", answer.reason, words);
        assert_null(strstr(answer.reason, "secret"));
        oauth_answer_done(&answer);
}

static void test_a_refused_key_is_told_with_the_clock_where_that_is_wrong(void **state)
{
        expect_key_refused(-1, "has the public half of this key");
        expect_key_refused(NOW + 30, "has the public half of this key");
        expect_key_refused(NOW + 75,
                           "whose clock is 75 s behind the provider's: set this machine's clock right");
        expect_key_refused(NOW - 31, "whose clock is 31 s ahead of the provider's");
}

static void test_a_good_status_without_tokens_leaves_the_outcome_unknown(void **state)
{
        static const struct {
                const char *type, *body, *words;
        } cases[] = {
                { "text/html", "<!DOCTYPE html><title>Down for maintenance</title>",
                  "a page or a broken answer" },
                { "", "", "empty answer" },
                { "application/json", "", "empty answer" },
                { "application/json", "{\"access_token\":\"" NEW_TOKEN "\",\"refresh_tok", "broken answer" },
                { "application/json", "{}", "no token" },
                { "application/json", "[]", "no token" },
                { "application/json", "null", "broken answer" },
                { "application/json", "\"" NEW_TOKEN "\"", "broken answer" },
                { "application/json", "{\"access_token\":\"\"}", "no usable token" },
                { "application/json", "{\"access_token\":\"a\"}{\"access_token\":\"b\"}", "broken answer" },
                { "application/json", "{\"error\":null}", "no token" },
                { "application/json", "{\"error\":\"\"}", "no token" },
                { "text/plain", "OK", "\"OK\"" },
        };

        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct http_response response = sample_answer(200, cases[i].type, cases[i].body);
                _cleanup_(oauth_answer_done) struct oauth_answer answer =
                        read_response(&sample_plain, &response);
                assert_int_equal(answer.verdict, OAUTH_TRY_AGAIN);
                assert_true(answer.outcome_unknown);
                assert_non_null(strstr(answer.reason, cases[i].words));
                assert_null(strstr(answer.reason, NEW_TOKEN));
        }
}

static void test_a_body_of_nothing_but_brackets_ends_nothing(void **state)
{
        static char body[200001];

        memset(body, '[', sizeof body - 1);
        expect_refused(&sample_jobber, 200, body, OAUTH_TRY_AGAIN, true, "broken answer");
        memset(body, '"', sizeof body - 1);
        expect_refused(&sample_jobber, 401, body, OAUTH_TRY_AGAIN, false, "HTTP 401");
}

static void test_trouble_of_the_server_leaves_the_outcome_unknown(void **state)
{
        expect_refused(&sample_plain, 500, "", OAUTH_TRY_AGAIN, true, "trouble of its own (HTTP 500)");
        expect_refused(&sample_plain, 502, "<html>", OAUTH_TRY_AGAIN, true, "HTTP 502");
        expect_refused(&sample_plain, 503, "{\"message\":\"Down\"}", OAUTH_TRY_AGAIN, true, "\"Down\"");
        /* A server in trouble is in no state to judge. */
        expect_refused(&sample_plain, 500, "{\"error\":\"invalid_grant\"}", OAUTH_TRY_AGAIN, true,
                       "invalid_grant");
        expect_refused(&sample_plain, 503, "{\"error\":\"invalid_client\"}", OAUTH_TRY_AGAIN, true,
                       "invalid_client");
        expect_refused(&sample_plain, 500, "{\"access_token\":\"t\"}", OAUTH_TRY_AGAIN, true, "HTTP 500");
}

static void test_a_request_that_was_not_sent_has_a_known_outcome(void **state)
{
        struct http_response response = sample_failure(HTTP_NOT_SENT, "the host name is not known");
        _cleanup_(oauth_answer_done) struct oauth_answer answer = read_response(&sample_plain, &response);

        assert_int_equal(answer.verdict, OAUTH_TRY_AGAIN);
        assert_false(answer.outcome_unknown);
        assert_string_equal(answer.reason, "The provider could not be reached (the host name is not known).");
}

static void test_a_lost_answer_has_an_unknown_outcome(void **state)
{
        struct http_response response = sample_failure(HTTP_OUTCOME_UNKNOWN, "the connection was closed");
        _cleanup_(oauth_answer_done) struct oauth_answer answer = read_response(&sample_plain, &response);

        assert_int_equal(answer.verdict, OAUTH_TRY_AGAIN);
        assert_true(answer.outcome_unknown);
        assert_string_equal(answer.reason, "The provider's answer was lost (the connection was closed).");
}

static void test_retry_after_counts_for_at_most_an_hour(void **state)
{
        static const struct {
                int64_t told;
                uint64_t counted;
        } cases[] = { { -1, 0 },      { 0, 0 },       { 1, 1 },       { 120, 120 },
                      { 3600, 3600 }, { 3601, 3600 }, { 86400, 3600 } };

        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct http_response response = sample_answer(i % 2 ? 429 : 503, NULL, "{}");
                response.retry_after_sec = cases[i].told;
                _cleanup_(oauth_answer_done) struct oauth_answer answer =
                        read_response(&sample_plain, &response);
                assert_int_equal(answer.verdict, OAUTH_TRY_AGAIN);
                assert_int_equal(answer.retry_after_usec, cases[i].counted * USEC_PER_SEC);
                assert_int_equal(answer.outcome_unknown, i % 2 == 0);
        }
}

/* -------------------------------------------------------------------------------------------------------------- refusals */

static void test_the_standards_error_codes_are_told_apart(void **state)
{
        static const struct {
                const char *code;
                enum oauth_verdict verdict;
                const char *words;
        } cases[] = {
                { "invalid_grant", OAUTH_GRANT_REFUSED, "log in again" },
                { "interaction_required", OAUTH_GRANT_REFUSED, "log in again" },
                { "login_required", OAUTH_GRANT_REFUSED, "log in again" },
                { "consent_required", OAUTH_GRANT_REFUSED, "consent" },
                { "invalid_client", OAUTH_CLIENT_REFUSED, "client_secret" },
                { "unauthorized_client", OAUTH_CLIENT_REFUSED, "settings at the provider" },
                { "unsupported_grant_type", OAUTH_CLIENT_REFUSED, "token_endpoint" },
                { "invalid_scope", OAUTH_CLIENT_REFUSED, "scopes" },
                { "invalid_request", OAUTH_TRY_AGAIN, "does not understand" },
                { "temporarily_unavailable", OAUTH_TRY_AGAIN, "temporarily_unavailable" },
                { "Invalid_Grant", OAUTH_TRY_AGAIN, "without saying that the grant is dead" },
                { "invalid_grant ", OAUTH_TRY_AGAIN, "without saying" },
                { "something_new", OAUTH_TRY_AGAIN, "something_new" },
        };
        static const long statuses[] = { 400, 401, 403, 200 }; /* 200: as GitHub answers */
        char body[128];

        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                for (size_t j = 0; j < sizeof statuses / sizeof statuses[0]; j++) {
                        snprintf(body, sizeof body, "{\"error\":\"%s\"}", cases[i].code);
                        expect_refused(&sample_plain, statuses[j], body, cases[i].verdict, false,
                                       cases[i].words);
                }
}

static void test_too_many_requests_never_refuse_a_grant(void **state)
{
        expect_refused(&sample_plain, 429, "{\"error\":\"invalid_grant\"}", OAUTH_TRY_AGAIN, false,
                       "fewer requests");
}

static void test_an_answer_without_a_known_word_is_passing(void **state)
{
        static const long statuses[] = { 400, 401, 402, 403, 406, 408, 410, 418, 451, 499 };
        static const char *const bodies[] = { "",
                                              "<html>403 Forbidden: blocked by the firewall</html>",
                                              "{\"message\":\"nope\"}",
                                              "{\"error\":{\"code\":401}}",
                                              "{\"error\":5}",
                                              "[\"invalid_grant\"]",
                                              "invalid_grant",
                                              "{\"nested\":{\"error\":\"invalid_grant\"}}",
                                              "{\"error\":\"invalid_grant\"" };

        for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
                for (size_t j = 0; j < sizeof bodies / sizeof bodies[0]; j++)
                        expect_refused(&sample_plain, statuses[i], bodies[j], OAUTH_TRY_AGAIN, false,
                                       "without saying that the grant is dead");
}

static void test_an_address_without_a_token_endpoint_says_so(void **state)
{
        static const long statuses[] = { 301, 302, 307, 404, 405 };

        for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
                expect_refused(&sample_plain, statuses[i], "<html>", OAUTH_TRY_AGAIN, false,
                               "check token_endpoint");
}

static void test_jobbers_words_are_read_by_its_rules(void **state)
{
        const struct provider *jobber = &sample_jobber;

        expect_refused(jobber, 401, "{\"message\":\"The provided refresh token is not valid.\"}",
                       OAUTH_GRANT_REFUSED, false,
                       "Jobber no longer accepts this refresh token: log in again (HTTP 401, \"The provided");
        expect_refused(jobber, 401, "the provided REFRESH token is not valid", OAUTH_GRANT_REFUSED, false,
                       "log in");
        expect_refused(
                jobber, 401,
                "{\"message\":\"The provided refresh token does not match the authenticated client.\"}",
                OAUTH_GRANT_REFUSED, false, "log in again");
        expect_refused(jobber, 400,
                       "{\"message\":\"User has disconnected this app from their account. Please delete this "
                       "token\"}",
                       OAUTH_GRANT_REFUSED, false, "disconnected this app");
        expect_refused(jobber, 403, "{\"error\":{\"message\":\"This account is not active\"}}",
                       OAUTH_GRANT_REFUSED, false, "not active");
        expect_refused(jobber, 503, "{\"message\":\"Service temporarily unavailable\"}", OAUTH_TRY_AGAIN,
                       true, "temporarily unavailable");
        expect_refused(jobber, 403, "{\"message\":\"Service temporarily unavailable\"}", OAUTH_TRY_AGAIN,
                       false, "temporarily unavailable");
        expect_refused(jobber, 403, "{\"error\":\"app_suspended\"}", OAUTH_CLIENT_REFUSED, false,
                       "app is suspended");
        /* Another status than the rule's. */
        expect_refused(jobber, 400, "{\"message\":\"The provided refresh token is not valid.\"}",
                       OAUTH_TRY_AGAIN, false, "without saying");
        expect_refused(jobber, 401, "{\"error\":\"app_suspended\"}", OAUTH_TRY_AGAIN, false, "app_suspended");
        /* The standard's codes hold for Jobber, too. */
        expect_refused(jobber, 400, "{\"error\":\"invalid_grant\"}", OAUTH_GRANT_REFUSED, false,
                       "log in again");
}

static void test_a_rule_comes_before_the_standards_codes(void **state)
{
        struct answer_rule rules[] = {
                { .status = 400,
                  .error = TEXT("invalid_grant"),
                  .meaning = MEANING_TRY_AGAIN,
                  .say = TEXT("It says that often.") },
        };
        struct provider provider = sample_plain;

        provider.token_rules = rules;
        provider.n_token_rules = 1;
        expect_refused(&provider, 400, "{\"error\":\"invalid_grant\"}", OAUTH_TRY_AGAIN, false,
                       "It says that often (");
        expect_refused(&provider, 401, "{\"error\":\"invalid_grant\"}", OAUTH_GRANT_REFUSED, false,
                       "log in again");
}

static void test_codes_of_one_provider_are_read_by_its_rules_in_a_200(void **state)
{
        struct answer_rule rules[] = {
                { .error = TEXT("bad_refresh_token"), .meaning = MEANING_AUTHORIZATION_REQUIRED },
                { .error = TEXT("incorrect_client_credentials"), .meaning = MEANING_CLIENT_REFUSED },
        };
        struct provider github = sample_plain;

        github.token_rules = rules;
        github.n_token_rules = 2;
        expect_refused(&github, 200,
                       "{\"error\":\"bad_refresh_token\",\"error_description\":\"The refresh token passed is "
                       "incorrect or "
                       "expired.\"}",
                       OAUTH_GRANT_REFUSED, false, "incorrect or expired");
        expect_refused(&github, 200, "{\"error\":\"incorrect_client_credentials\"}", OAUTH_CLIENT_REFUSED,
                       false, "check client_id");
}

/* -------------------------------------------------------------------------------------------------------------- warnings */

static void test_the_warning_of_a_newer_token_raises_the_alarm(void **state)
{
        _cleanup_(oauth_answer_done) struct oauth_answer answer =
                read_answer(&sample_jobber, 200,
                            "{\"access_token\":\"" ACCESS_JWT "\",\"refresh_token\":\"" NEW_TOKEN
                            "\",\"warning\":\"Unexpected Refresh Token Redemption: A newer refresh token "
                            "exists than the one that was used "
                            "for token redemption on this request.\"}");

        expect_tokens(&answer, ACCESS_JWT, NEW_TOKEN);
        assert_true(answer.foreign_refresher);
        assert_non_null(strstr(answer.notice, "Unexpected Refresh Token Redemption"));
        assert_string_equal(answer.reason, "Somebody else refreshes this grant, or an answer was lost.");
}

static void test_a_warning_is_kept_whether_a_rule_knows_it_or_not(void **state)
{
        static const char *const warnings[] = { "Refresh token rotation is off. This setting is required.",
                                                "Something that nobody wrote a rule for." };
        char body[256];

        for (size_t i = 0; i < sizeof warnings / sizeof warnings[0]; i++) {
                snprintf(body, sizeof body,
                         "{\"access_token\":\"t\",\"refresh_token\":\"r\",\"warning\":\"%s\"}", warnings[i]);
                _cleanup_(oauth_answer_done) struct oauth_answer answer =
                        read_answer(&sample_jobber, 200, body);
                expect_tokens(&answer, "t", "r");
                assert_false(answer.foreign_refresher);
                assert_string_equal(answer.notice, warnings[i]);
        }
}

static void test_a_refusal_can_tell_of_a_foreign_refresher_too(void **state)
{
        struct answer_rule rules[] = {
                { .member = TEXT("/error_description"),
                  .contains = TEXT("reuse detected"),
                  .meaning = MEANING_FOREIGN_REFRESHER },
        };
        struct provider provider = sample_plain;

        provider.token_rules = rules;
        provider.n_token_rules = 1;
        _cleanup_(oauth_answer_done) struct oauth_answer answer = read_answer(
                &provider, 400, "{\"error\":\"invalid_grant\",\"error_description\":\"Reuse detected\"}");
        assert_int_equal(answer.verdict, OAUTH_GRANT_REFUSED);
        assert_true(answer.foreign_refresher);
}

/* --------------------------------------------------------------------------------------------------------------- reasons */

static void test_no_reason_ever_shows_a_token(void **state)
{
        static const char *const bodies[] = {
                "{\"error\":\"invalid_grant\",\"error_description\":\"unknown token " OLD_TOKEN "\"}",
                "{\"error\":\"invalid_grant\",\"error_description\":\"refresh_token=" OLD_TOKEN
                " is unknown\"}",
                "{\"error\":\"" OLD_TOKEN "\"}",
                "{\"message\":\"" OLD_TOKEN "\"}",
                "{\"message\":\"<" OLD_TOKEN ">\"}",
                "{\"message\":\"'" OLD_TOKEN "'\",\"refresh_token\":\"" OLD_TOKEN "\"}",
                "{\"error\":{\"message\":\"token:" OLD_TOKEN ";\"}}",
                "{\"message\":\"a/b/" OLD_TOKEN "/c\"}",
        };
        static const char *const types[] = { "application/json", "text/plain" };
        static const long statuses[] = { 200, 400, 401, 500 };

        for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
                for (size_t j = 0; j < 8; j++) {
                        struct http_response response =
                                sample_answer(statuses[j % 4], types[j / 4], bodies[i]);
                        _cleanup_(oauth_answer_done) struct oauth_answer answer =
                                read_response(&sample_jobber, &response);
                        if (strstr(answer.reason, OLD_TOKEN) || strstr(answer.notice, OLD_TOKEN))
                                fail_msg("%s: %s", bodies[i], answer.reason);
                }
}

static void test_a_short_token_of_the_answer_is_hidden_by_its_name(void **state)
{
        static const struct {
                const char *name, *value;
        } members[] = { { "refresh_token", "sesame" },    { "access_token", "open it" },
                        { "client_secret", "hush-hush" }, { "code", "abc123" },
                        { "id_token", "hello" },          { "Refresh_Token", "sesame" } };
        char body[256];

        for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
                snprintf(body, sizeof body,
                         "{\"error\":\"invalid_grant\",\"error_description\":\"you sent %s, which is wrong\","
                         "\"request\":{\"%s\":\"%s\"}}",
                         members[i].value, members[i].name, members[i].value);
                _cleanup_(oauth_answer_done) struct oauth_answer answer =
                        read_answer(&sample_plain, 400, body);
                assert_null(strstr(answer.reason, members[i].value));
                assert_non_null(strstr(answer.reason, "you sent [hidden], which is wrong"));
        }
}

static void test_reasons_are_one_clean_bounded_line(void **state)
{
        static char body[100000], words[90000];

        expect_refused(&sample_plain, 400,
                       "{\"error\":\"invalid_grant\",\"error_description\":\" two\\r\\n lines "
                       "\\u001b[31mred\\u0007 \"}",
                       OAUTH_GRANT_REFUSED, false,
                       "log in again (HTTP 400, invalid_grant, \"two lines ?[31mred?\").");
        for (size_t i = 0; i < sizeof words - 1; i++)
                words[i] = i % 7 == 6 ? ' ' : 'w';
        snprintf(body, sizeof body, "{\"error\":\"invalid_grant\",\"error_description\":\"%s\"}", words);
        _cleanup_(oauth_answer_done) struct oauth_answer answer = read_answer(&sample_plain, 400, body);
        assert_true(strlen(answer.reason) < sizeof answer.reason);
        assert_non_null(strstr(answer.reason, "..."));
        assert_non_null(strstr(answer.reason, "log in again"));
}

static void test_a_page_is_never_quoted(void **state)
{
        struct http_response response = sample_answer(
                403, "text/html", "<html><script>alert(1)</script><h1>Request blocked</h1></html>");
        _cleanup_(oauth_answer_done) struct oauth_answer answer = read_response(&sample_plain, &response);

        assert_null(strstr(answer.reason, "alert"));
        assert_null(strstr(answer.reason, "blocked"));
        assert_non_null(strstr(answer.reason, "(HTTP 403)"));
}

/* jansson's allocator, failing once after so many calls. */
static size_t calls_left;

static void *failing_malloc(size_t size)
{
        return calls_left-- == 0 ? NULL : malloc(size);
}

static void test_want_of_memory_is_a_fault_or_an_unknown_outcome(void **state)
{
        static const char body[] = "{\"access_token\":\"" ACCESS_JWT "\",\"refresh_token\":\"" NEW_TOKEN
                                   "\",\"expires_in\":3600,\"scope\":\"a\\u0062c\"}";
        bool granted = false;

        json_set_alloc_funcs(failing_malloc, free);
        for (size_t n = 0; !granted; n++) {
                struct http_response response = sample_answer(200, NULL, body);
                struct oauth_answer answer = { 0 };
                assert_true(n < 1000);
                calls_left = n;
                int r = oauth_read_token_answer(&sample_jobber, &response, NOW, &answer);
                http_response_done(&response);
                assert_true(r == 0 || r == -ENOMEM);
                granted = r == 0 && answer.verdict == OAUTH_GRANTED && answer.access_token &&
                          answer.refresh_token;
                if (r == 0 && !granted) {
                        assert_int_equal(answer.verdict, OAUTH_TRY_AGAIN);
                        assert_true(answer.outcome_unknown);
                }
                oauth_answer_done(&answer);
        }
        json_set_alloc_funcs(malloc, free);
}

static void test_an_answer_can_be_done_twice(void **state)
{
        struct oauth_answer answer =
                read_answer(&sample_plain, 200, "{\"access_token\":\"t\",\"refresh_token\":\"r\"}");

        oauth_answer_done(&answer);
        oauth_answer_done(&answer);
        assert_null(answer.access_token);
        assert_null(answer.refresh_token);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_refused_key_is_told_with_the_clock_where_that_is_wrong),
                cmocka_unit_test(test_a_good_status_without_tokens_leaves_the_outcome_unknown),
                cmocka_unit_test(test_a_body_of_nothing_but_brackets_ends_nothing),
                cmocka_unit_test(test_trouble_of_the_server_leaves_the_outcome_unknown),
                cmocka_unit_test(test_a_request_that_was_not_sent_has_a_known_outcome),
                cmocka_unit_test(test_a_lost_answer_has_an_unknown_outcome),
                cmocka_unit_test(test_retry_after_counts_for_at_most_an_hour),
                cmocka_unit_test(test_the_standards_error_codes_are_told_apart),
                cmocka_unit_test(test_too_many_requests_never_refuse_a_grant),
                cmocka_unit_test(test_an_answer_without_a_known_word_is_passing),
                cmocka_unit_test(test_an_address_without_a_token_endpoint_says_so),
                cmocka_unit_test(test_jobbers_words_are_read_by_its_rules),
                cmocka_unit_test(test_a_rule_comes_before_the_standards_codes),
                cmocka_unit_test(test_codes_of_one_provider_are_read_by_its_rules_in_a_200),
                cmocka_unit_test(test_the_warning_of_a_newer_token_raises_the_alarm),
                cmocka_unit_test(test_a_warning_is_kept_whether_a_rule_knows_it_or_not),
                cmocka_unit_test(test_a_refusal_can_tell_of_a_foreign_refresher_too),
                cmocka_unit_test(test_no_reason_ever_shows_a_token),
                cmocka_unit_test(test_a_short_token_of_the_answer_is_hidden_by_its_name),
                cmocka_unit_test(test_reasons_are_one_clean_bounded_line),
                cmocka_unit_test(test_a_page_is_never_quoted),
                cmocka_unit_test(test_want_of_memory_is_a_fault_or_an_unknown_outcome),
                cmocka_unit_test(test_an_answer_can_be_done_twice),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
