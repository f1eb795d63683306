// links: daemon/protocol/
// libs: yaml-0.1 libsodium
/* etc/providers/jobber.yaml against the answers that Jobber is known to give. */
#include "common/clock.h"
#include "daemon/protocol/api.h"
#include "daemon/config/config.h"
#include "daemon/protocol/oauth.h"
#include "daemon/protocol/webhook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define VERSION "2023-08-18"

static struct config *config;
static const struct provider *jobber;

static int load(void **state)
{
        static const char *const directories[] = { "etc/providers" };
        struct problems problems = PROBLEMS_INIT;

        if (config_load(&config, "etc/purser.yaml", directories, 1, &problems) != 0)
                return -1;
        jobber = config_find_provider(config, "jobber");
        return jobber ? 0 : -1;
}

static int unload(void **state)
{
        config = config_free(config);
        return 0;
}

static struct http_response answer(long status, const char *type, const char *body)
{
        struct http_response response = {
                .result = HTTP_ANSWERED,
                .status = status,
                .body = SECRET_BUF_INIT(HTTP_BODY_MAX),
                .date_sec = -1,
                .retry_after_sec = -1,
        };

        snprintf(response.content_type, sizeof(response.content_type), "%s", type);
        assert_int_equal(secret_buf_append_string(&response.body, body), 0);
        return response;
}

/* What people read must hold these words. */
static void expect_words(const char *text, const char *words)
{
        if (!strstr(text, words))
                fail_msg("\"%s\" does not say \"%s\"", text, words);
}

static void test_every_refusal_of_the_token_endpoint_is_understood(void **state)
{
        static const struct {
                long status;
                const char *type, *body;
                enum oauth_verdict verdict;
                const char *words;
        } cases[] = {
                { 401, "text/plain",
                  "{\"message\":\"The provided refresh token does not match the authenticated client.\"}",
                  OAUTH_GRANT_REFUSED, "does not belong to this client" },
                { 401, "application/json", "The provided refresh token is not valid.", OAUTH_GRANT_REFUSED,
                  "Log in again" },
                { 400, "application/json", "{\"error\":\"invalid_grant\"}", OAUTH_GRANT_REFUSED,
                  "log in again" },
                { 401, "application/json", "{\"error\":\"invalid_client\"}", OAUTH_CLIENT_REFUSED,
                  "client_secret" },
                { 401, "application/json",
                  "{\"message\":\"User has disconnected this app from their account. Please delete this "
                  "token\"}",
                  OAUTH_GRANT_REFUSED, "disconnected the app" },
                { 403, "application/json", "{\"error\":{\"message\":\"This account is not active\"}}",
                  OAUTH_GRANT_REFUSED, "reactivate" },
                { 401, "application/json", "{\"message\":\"Service temporarily unavailable\"}",
                  OAUTH_TRY_AGAIN, "temporarily unavailable" },
                { 503, "application/json", "{\"message\":\"Service temporarily unavailable\"}",
                  OAUTH_TRY_AGAIN, "temporarily unavailable" },
                { 429, "text/plain", "", OAUTH_TRY_AGAIN, "too many requests" },
                { 200, "text/html", "<!DOCTYPE html><html><body>Back soon</body></html>", OAUTH_TRY_AGAIN,
                  "" },
                { 200, "application/json", "", OAUTH_TRY_AGAIN, "" },
                { 400, "application/json", "{\"message\":\"code_verifier is missing\"}", OAUTH_TRY_AGAIN,
                  "" },
        };

        for (size_t i = 0; i < N(cases); i++) {
                _cleanup_(http_response_done) struct http_response response =
                        answer(cases[i].status, cases[i].type, cases[i].body);
                _cleanup_(oauth_answer_done) struct oauth_answer result;

                assert_int_equal(oauth_read_token_answer(jobber, &response, 1800000000, &result), 0);
                if (result.verdict != cases[i].verdict)
                        fail_msg("%s: \"%s\"", cases[i].body, result.reason);
                expect_words(result.reason, cases[i].words);
                assert_true(*result.reason);
        }
}

#define TOKENS "\"access_token\":\"aaaa.bbbb.cccc\",\"refresh_token\":\"0123456789abcdef0123456789abcdef\""

static void expect_grant(const char *body, bool foreign, const char *notice, const char *reason)
{
        _cleanup_(http_response_done) struct http_response response = answer(200, "application/json", body);
        _cleanup_(oauth_answer_done) struct oauth_answer result;

        assert_int_equal(oauth_read_token_answer(jobber, &response, 1800000000, &result), 0);
        assert_int_equal(result.verdict, OAUTH_GRANTED);
        assert_non_null(result.access_token);
        assert_non_null(result.refresh_token);
        assert_string_equal(result.token_type, "Bearer");
        assert_int_equal(result.foreign_refresher, foreign);
        if (notice)
                expect_words(result.notice, notice);
        else
                assert_string_equal(result.notice, "");
        if (reason)
                expect_words(result.reason, reason);
        assert_int_equal(result.lifetime_usec, 3600 * USEC_PER_SEC);
}

static void test_both_warnings_beside_tokens_are_told_apart(void **state)
{
        expect_grant("{" TOKENS "}", false, NULL, NULL);
        expect_grant("{" TOKENS ",\"warning\":\"Unexpected Refresh Token Redemption: A newer refresh token "
                     "exists than the one "
                     "that was used for token redemption on this request. Ask.\"}",
                     true, "Unexpected Refresh Token Redemption", "another program refreshes it");
        expect_grant("{" TOKENS
                     ",\"warning\":\"Refresh token rotation is off. This setting is required for apps to be "
                     "published in the marketplace.\"}",
                     false, "rotation is off", "Developer Center");
        expect_grant("{" TOKENS ",\"warning\":\"Something new.\"}", false, "Something new", NULL);
}

#define ACCOUNT "\"data\":{\"account\":{\"id\":\"QWNjb3VudA==\",\"name\":\"Acme\"}}"
#define VERSIONING(version, warning)                                                                         \
        "\"extensions\":{\"versioning\":{\"version\":\"" version "\",\"warning\":" warning "}}"

static void test_every_answer_of_the_api_is_understood(void **state)
{
        static const struct {
                long status;
                const char *type, *body;
                enum api_verdict verdict;
                enum version_state version;
                const char *words;
        } cases[] = {
                { 200, "application/json", "{" ACCOUNT "," VERSIONING(VERSION, "null") "}", API_OK,
                  VERSION_OK, "" },
                { 200, "application/json", "{" ACCOUNT "," VERSIONING(VERSION, "\"\"") "}", API_OK,
                  VERSION_OK, "" },
                { 200, "application/json",
                  "{" ACCOUNT
                  "," VERSIONING(VERSION,
                                 "\"Support for API version 2023-08-18 is scheduled to stop on May 13, 2027. "
                                 "Upgrade to the latest version 2026-09-25.\"") "}",
                  API_OK, VERSION_TO_BE_REMOVED, "" },
                { 200, "application/json",
                  "{" ACCOUNT "," VERSIONING(
                          VERSION,
                          "\"API Version 2023-08-18 is no longer supported, and will be removed at any "
                          "time.\"") "}",
                  API_OK, VERSION_UNSUPPORTED, "" },
                { 200, "application/json",
                  "{" ACCOUNT "," VERSIONING(VERSION, "\"Words of another year.\"") "}", API_OK,
                  VERSION_TO_BE_REMOVED, "" },
                { 200, "application/json", "{" ACCOUNT "," VERSIONING("2025-01-20", "null") "}", API_OK,
                  VERSION_SERVED_AS_ANOTHER, "2025-01-20" },
                { 200, "application/json", "{" ACCOUNT "}", API_OK, VERSION_UNKNOWN, "" },
                { 404, "application/json",
                  "{\"message\":\"GraphQL API version '2023-08-18' does not exist\"}",
                  API_VERSION_UNSUPPORTED, VERSION_UNSUPPORTED, "changelog" },
                { 401, "text/plain", "{\"message\":\"Access token expired\"}", API_TOKEN_REJECTED,
                  VERSION_UNKNOWN, "expired" },
                { 401, "application/json", "{\"message\":\"Token not recognized\"}", API_TOKEN_REJECTED,
                  VERSION_UNKNOWN, "does not recognize" },
                { 200, "application/json",
                  "{\"errors\":[{\"message\":\"x\",\"extensions\":{\"code\":\"UNAUTHENTICATED\"}}]}",
                  API_TOKEN_REJECTED, VERSION_UNKNOWN, "no access token" },
                { 401, "application/json",
                  "{\"message\":\"User has disconnected this app from their account. Please delete this "
                  "token\"}",
                  API_AUTHORIZATION_REQUIRED, VERSION_UNKNOWN, "disconnected the app" },
                { 403, "application/json", "{\"error\":{\"message\":\"This account is not active\"}}",
                  API_AUTHORIZATION_REQUIRED, VERSION_UNKNOWN, "not active" },
                { 401, "application/json", "{\"message\":\"Service temporarily unavailable\"}", API_TRY_AGAIN,
                  VERSION_UNKNOWN, "temporarily unavailable" },
                { 429, "text/plain", "", API_TRY_AGAIN, VERSION_UNKNOWN, "too many requests" },
                { 200, "application/json",
                  "{\"errors\":[{\"message\":\"Throttled\",\"extensions\":{\"code\":\"THROTTLED\"}}],"
                  "\"extensions\":{\"cost\":"
                  "{\"throttleStatus\":{\"maximumAvailable\":10000,\"currentlyAvailable\":1,\"restoreRate\":"
                  "500}}}}",
                  API_TRY_AGAIN, VERSION_UNKNOWN, "budget" },
                { 200, "text/html", "<html>maintenance</html>", API_TRY_AGAIN, VERSION_UNKNOWN, "" },
        };

        for (size_t i = 0; i < N(cases); i++) {
                _cleanup_(http_response_done) struct http_response response =
                        answer(cases[i].status, cases[i].type, cases[i].body);
                _cleanup_(api_answer_done) struct api_answer result = { 0 };

                assert_int_equal(api_read_test_answer(jobber, VERSION, &response, &result), 0);
                if (result.verdict != cases[i].verdict || result.version_state != cases[i].version)
                        fail_msg("%s: verdict %d, version %s: %s", cases[i].body, result.verdict,
                                 version_state_name(result.version_state), result.message);
                expect_words(result.message, cases[i].words);
                if (result.verdict == API_OK)
                        assert_string_equal(result.account_id, "QWNjb3VudA==");
        }
}

/* A customer of Jobber chooses the account's name. */
static void test_an_account_cannot_name_itself_into_a_refusal(void **state)
{
        _cleanup_(http_response_done) struct http_response response =
                answer(200, "application/json",
                       "{\"data\":{\"account\":{\"id\":\"1\",\"name\":\"User has disconnected this app from "
                       "their account. Access token "
                       "expired. This account is not active\"}}," VERSIONING(VERSION, "null") "}");
        _cleanup_(api_answer_done) struct api_answer result = { 0 };

        assert_int_equal(api_read_test_answer(jobber, VERSION, &response, &result), 0);
        assert_int_equal(result.verdict, API_OK);
        assert_int_equal(result.version_state, VERSION_OK);
}

static void test_a_revocation_is_read(void **state)
{
        static const struct {
                const char *body;
                enum api_verdict verdict;
        } cases[] = {
                { "{\"data\":{\"appDisconnect\":{\"app\":{\"name\":\"a\",\"author\":\"b\"},\"userErrors\":[]}"
                  "}}",
                  API_OK },
                { "{\"data\":{\"appDisconnect\":{\"app\":null,\"userErrors\":[{\"message\":\"No.\"}]}}}",
                  API_TRY_AGAIN },
                { "{\"message\":\"User has disconnected this app from their account. Please delete this "
                  "token\"}",
                  API_OK },
        };

        for (size_t i = 0; i < N(cases); i++) {
                _cleanup_(http_response_done) struct http_response response =
                        answer(200, "application/json", cases[i].body);
                _cleanup_(api_answer_done) struct api_answer result = { 0 };

                assert_int_equal(api_read_revocation_answer(jobber, &response, &result), 0);
                assert_int_equal(result.verdict, cases[i].verdict);
        }
}

static void test_a_notice_of_disconnection_names_the_account(void **state)
{
        static const char body[] = "{\"data\":{\"webHookEvent\":{\"topic\":\"APP_DISCONNECT\",\"appId\":"
                                   "\"a\",\"accountId\":\"MQ==\","
                                   "\"itemId\":\"MQ==\",\"occurredAt\":\"2026-01-01T00:00:00Z\"}}}";
        static const char other[] =
                "{\"data\":{\"webHookEvent\":{\"topic\":\"CLIENT_CREATE\",\"accountId\":\"MQ==\"}}}";
        struct webhook_notice notice = { 0 };

        assert_true(webhook_is_signed(jobber));
        assert_int_equal(webhook_read_notice(jobber, body, strlen(body), &notice), 0);
        assert_true(notice.disconnected);
        assert_string_equal(notice.account_id, "MQ==");
        assert_int_equal(notice.occurred_sec, 1767225600);
        webhook_notice_done(&notice);
        assert_int_equal(webhook_read_notice(jobber, other, strlen(other), &notice), 0);
        assert_false(notice.disconnected);
        webhook_notice_done(&notice);
}

/* One line of a status, with room for what the provider said. */
static void test_every_sentence_is_one_that_people_can_act_on(void **state)
{
        for (size_t i = 0; i < jobber->n_token_rules + jobber->n_api_rules; i++) {
                const struct answer_rule *rule = i < jobber->n_token_rules
                                                         ? &jobber->token_rules[i]
                                                         : &jobber->api_rules[i - jobber->n_token_rules];

                assert_non_null(rule->say);
                assert_int_equal(rule->say[strlen(rule->say) - 1], '.');
                assert_true(strlen(rule->say) <= 230);
                if (rule->meaning == MEANING_AUTHORIZATION_REQUIRED || rule->meaning == MEANING_DISCONNECTED)
                        assert_non_null(strcasestr(rule->say, "log in again"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_refusal_of_the_token_endpoint_is_understood),
                cmocka_unit_test(test_both_warnings_beside_tokens_are_told_apart),
                cmocka_unit_test(test_every_answer_of_the_api_is_understood),
                cmocka_unit_test(test_an_account_cannot_name_itself_into_a_refusal),
                cmocka_unit_test(test_a_revocation_is_read),
                cmocka_unit_test(test_a_notice_of_disconnection_names_the_account),
                cmocka_unit_test(test_every_sentence_is_one_that_people_can_act_on),
        };

        return cmocka_run_group_tests(tests, load, unload);
}
