/*
 * The test query and the mutation that revokes. Owns what an answer of the API says of token, account and version; what follows for the
 * credential is not decided here.
 */
#include "daemon/protocol/api_reading.h"

#include "daemon/base/json_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_SIZE = 256 };

void api_answer_done(struct api_answer *answer)
{
        free(answer->account_id);
        free(answer->account_name);
        answer->account_id = answer->account_name = NULL;
}

static void reading_done(struct api_reading *reading)
{
        answer_done(&reading->answer);
}

/* said NULL: the answer's own words. */
static void conclude(const struct api_reading *reading, enum api_verdict verdict, const char *sentence,
                     const char *said)
{
        struct api_answer *result = reading->result;

        result->verdict = verdict;
        result->retry_after_usec = answer_retry_after_usec(&reading->answer);
        answer_explain(&reading->answer, sentence, said, result->message, sizeof result->message);
}

static void read_unanswered(const struct http_response *response, struct api_answer *answer)
{
        answer->verdict = API_TRY_AGAIN;
        words_sentence(answer->message, sizeof answer->message, "The API could not be asked",
                       response->problem);
}

/* Words about a version lie in good answers, too, where they change the version's state and nothing else. */
static bool rule_judges(const struct api_reading *reading, const struct answer_rule *rule)
{
        if (rule->meaning != MEANING_VERSION_UNSUPPORTED || !answer_is_success(&reading->answer))
                return true;
        return rule->member && !api_rule_is_about_version(reading, rule);
}

static bool judge_by_rule(const struct api_reading *reading)
{
        static const struct {
                enum meaning meaning;
                enum api_verdict verdict;
                const char *sentence;
        } verdicts[] = {
                { MEANING_AUTHORIZATION_REQUIRED, API_AUTHORIZATION_REQUIRED,
                  "The grant has ended: log in again" },
                { MEANING_TOKEN_REJECTED, API_TOKEN_REJECTED, "The API rejects this access token" },
                { MEANING_VERSION_UNSUPPORTED, API_VERSION_UNSUPPORTED,
                  "The API does not have the pinned version: set another api_version" },
                { MEANING_CLIENT_REFUSED, API_TRY_AGAIN, "The API refuses the client" },
                { MEANING_TRY_AGAIN, API_TRY_AGAIN, "The API cannot answer now" },
        };
        unsigned meanings = 0;

        for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++)
                meanings |= MEANING_BIT(verdicts[i].meaning);
        const struct answer_rule *rule = api_find_rule(reading, meanings);
        if (rule && !rule_judges(reading, rule))
                rule = api_find_rule(reading, meanings & ~MEANING_BIT(MEANING_VERSION_UNSUPPORTED));
        for (size_t i = 0; rule && i < sizeof verdicts / sizeof verdicts[0]; i++)
                if (verdicts[i].meaning == rule->meaning) {
                        conclude(reading, verdicts[i].verdict, rule->say ? rule->say : verdicts[i].sentence,
                                 NULL);
                        return true;
                }
        return false;
}

static void judge_by_status(const struct api_reading *reading)
{
        long status = reading->answer.status;

        if (status == 401)
                conclude(reading, API_TOKEN_REJECTED, "The API rejects this access token", NULL);
        else if (status == 429)
                conclude(reading, API_TRY_AGAIN, "The API wants fewer requests", NULL);
        else if (status >= 500)
                conclude(reading, API_TRY_AGAIN, "The API has trouble of its own", NULL);
        else if (answer_is_success(&reading->answer) && reading->answer.n_body == 0)
                conclude(reading, API_TRY_AGAIN, "The API sent an empty answer", NULL);
        else if (answer_is_success(&reading->answer) && !reading->answer.root)
                conclude(reading, API_TRY_AGAIN, "The API sent a page or a broken answer", NULL);
        else if (answer_is_success(&reading->answer))
                conclude(reading, API_TRY_AGAIN, "The API's answer holds no data", NULL);
        else
                conclude(reading, API_TRY_AGAIN, "The API refuses the request", NULL);
}

static bool has_error_code(const json_t *errors, const char *code)
{
        const json_t *error;
        size_t i;

        json_array_foreach (errors, i, error) {
                const char *found = json_text_string_at(error, "/extensions/code");
                if (found && strcmp(found, code) == 0)
                        return true;
        }
        return false;
}

/* Codes that GraphQL servers share by custom. An error of one field says nothing of the token. */
static bool judge_by_graphql_code(const struct api_reading *reading)
{
        const json_t *errors = json_object_get(reading->answer.root, "errors");

        if (!reading->graphql || !answer_is_success(&reading->answer))
                return false;
        if (has_error_code(errors, "UNAUTHENTICATED")) {
                conclude(reading, API_TOKEN_REJECTED, "The API rejects this access token", NULL);
                return true;
        }
        if (has_error_code(errors, "THROTTLED")) {
                conclude(reading, API_TRY_AGAIN, "The API wants fewer requests", NULL);
                return true;
        }
        return false;
}

static bool holds_something(const json_t *data)
{
        const char *name;
        json_t *value;

        json_object_foreach ((json_t *)data, name, value)
                if (!json_is_null(value))
                        return true;
        return false;
}

static bool has_errors(const struct api_reading *reading)
{
        return json_array_size(json_object_get(reading->answer.root, "errors")) > 0;
}

/* A usable answer: data of a GraphQL query, any JSON of a REST call. */
static bool is_answer(const struct api_reading *reading)
{
        if (!answer_is_success(&reading->answer) || !reading->answer.root)
                return false;
        return !reading->graphql || holds_something(json_object_get(reading->answer.root, "data"));
}

static int read_account(const struct api_reading *reading)
{
        char name[NAME_MAX_SIZE];
        struct api_answer *result = reading->result;
        const char *said = json_text_string_at(reading->answer.root, reading->provider->api.account_name);

        int r = json_text_identifier(json_text_at(reading->answer.root, reading->provider->api.account_id),
                                     &result->account_id);
        if (r < 0 || !result->account_id || !said)
                return r;
        words_clean(name, sizeof name, said, strlen(said));
        result->account_name = strdup(name);
        return result->account_name ? 0 : fault(-ENOMEM);
}

/*
 * Where the answer should tell whose account it is and does not, it is no test: another company's grant could pass. A GraphQL query that
 * somebody else wrote may leave the account out, and then gets answers without it.
 */
static bool lacks_account(const struct api_reading *reading)
{
        const char *pointer = reading->provider->api.account_id;

        if (!pointer || reading->result->account_id)
                return false;
        return !reading->graphql || has_errors(reading) || json_text_at(reading->answer.root, pointer);
}

/* A rule that only wants its words read knows an error better than any sentence here. */
static const char *error_sentence(const struct api_reading *reading, const char *otherwise)
{
        const struct answer_rule *rule = api_find_rule(reading, MEANING_BIT(MEANING_NOTICE));

        return rule && rule->say && !api_rule_is_about_version(reading, rule) ? rule->say : otherwise;
}

static void judge_unusable_test(const struct api_reading *reading)
{
        static const char unknown_account[] = "The API answered without telling whose account this is";

        if (judge_by_rule(reading) || judge_by_graphql_code(reading))
                return;
        if (is_answer(reading))
                conclude(reading, API_TRY_AGAIN,
                         has_errors(reading) ? error_sentence(reading, unknown_account) : unknown_account,
                         NULL);
        else if (answer_is_success(&reading->answer) && has_errors(reading))
                conclude(reading, API_TRY_AGAIN,
                         error_sentence(reading, "The API answered the test with an error"), NULL);
        else
                judge_by_status(reading);
}

static int judge_test(const struct api_reading *reading)
{
        if (is_answer(reading)) {
                int r = read_account(reading);
                if (r < 0)
                        return r;
                if (!lacks_account(reading)) {
                        if (has_errors(reading))
                                conclude(reading, API_OK,
                                         error_sentence(reading,
                                                        "The API answered, with an error beside the answer"),
                                         NULL);
                        return 0;
                }
        }
        judge_unusable_test(reading);
        return 0;
}

/* The sentence of a good test: what a person wants to know of it. */
static void tell_good_test(struct api_answer *result, const char *api_version, const struct answer_rule *rule)
{
        static const char *const sentences[] = {
                [VERSION_NONE] = "The API answered",
                [VERSION_OK] = "The API answered",
                [VERSION_TO_BE_REMOVED] =
                        "The API answered, and warns that the pinned version is about to go",
                [VERSION_UNSUPPORTED] = "The API answered, but does not support the pinned version any more",
                [VERSION_SERVED_AS_ANOTHER] = "The API answered with another version than the pinned one",
                [VERSION_UNKNOWN] = "The API answered, but does not tell which version did",
        };
        char detail[160] = "";

        if (result->version_state == VERSION_SERVED_AS_ANOTHER)
                snprintf(detail, sizeof detail, "asked for %.60s, served by %s", api_version,
                         result->served_version);
        words_sentence(result->message, sizeof result->message,
                       rule && rule->say ? rule->say : sentences[result->version_state], detail);
}

int api_read_test_answer(const struct provider *provider, const char *api_version,
                         const struct http_response *response, struct api_answer *ret)
{
        _cleanup_(api_answer_done) struct api_answer result = { .verdict = API_OK };
        _cleanup_(reading_done) struct api_reading reading = { .provider = provider,
                                                               .graphql = provider->api.test_query,
                                                               .result = &result };

        if (response->result != HTTP_ANSWERED) {
                read_unanswered(response, &result);
                result.version_state =
                        provider->api.version_header && api_version ? VERSION_UNKNOWN : VERSION_NONE;
        } else {
                int r = answer_read(&reading.answer, response);
                if (r == 0)
                        r = judge_test(&reading);
                if (r < 0)
                        return r;
                const struct answer_rule *rule = api_read_version(&reading, api_version);
                if (!*result.message)
                        tell_good_test(&result, api_version, rule);
        }
        *ret = result;
        result.account_id = result.account_name = NULL;
        return 0;
}

/* What the mutation says against itself: NULL: nothing; "" where it is no sentence. */
static const char *revocation_complaint(const struct api_reading *reading)
{
        const json_t *complaint = json_text_at(reading->answer.root, reading->provider->revocation_error);

        if (json_is_string(complaint))
                return json_string_length(complaint) > 0 ? json_string_value(complaint) : NULL;
        if (json_array_size(complaint) == 0)
                return NULL;
        const json_t *first = json_array_get(complaint, 0);
        const char *words =
                json_is_string(first) ? json_string_value(first) : json_text_string_at(first, "/message");
        return words ? words : "";
}

static void judge_revocation(const struct api_reading *reading)
{
        const char *complaint = revocation_complaint(reading);

        if (complaint)
                conclude(reading, API_TRY_AGAIN, "The provider did not revoke the grant", complaint);
        else if (is_answer(reading) && !has_errors(reading))
                words_sentence(reading->result->message, sizeof reading->result->message,
                               "The provider has revoked the grant", "");
        else if (judge_by_rule(reading)) {
                if (reading->result->verdict == API_AUTHORIZATION_REQUIRED)
                        conclude(reading, API_OK, "The grant had ended already", NULL);
        } else if (judge_by_graphql_code(reading))
                return;
        else if (answer_is_success(&reading->answer) && has_errors(reading))
                conclude(reading, API_TRY_AGAIN, "The provider did not revoke the grant", NULL);
        else
                judge_by_status(reading);
}

int api_read_revocation_answer(const struct provider *provider, const struct http_response *response,
                               struct api_answer *ret)
{
        struct api_answer result = { .verdict = API_OK };
        _cleanup_(reading_done) struct api_reading reading = { .provider = provider,
                                                               .graphql = true,
                                                               .result = &result };

        if (response->result != HTTP_ANSWERED)
                read_unanswered(response, &result);
        else {
                int r = answer_read(&reading.answer, response);
                if (r < 0)
                        return r;
                judge_revocation(&reading);
        }
        *ret = result;
        return 0;
}
