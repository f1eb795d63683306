/*
 * The test query and the mutation that revokes. Owns what an answer of the API says of token, account and version; what follows for the
 * credential is not decided here.
 */
#include "daemon/api.h"

#include "common/clock.h"
#include "daemon/answer_rule.h"
#include "daemon/json_text.h"
#include "daemon/plain_words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { RETRY_AFTER_MAX_SEC = 3600, AUTHORIZATION_MAX = 32 * 1024, NAME_MAX_SIZE = 256 };

struct reading {
        const struct provider *provider;
        const struct http_response *response;
        struct ruled_answer ruled;
        json_t *root; /* NULL: no JSON */
        struct hidden_values hidden;
        bool graphql;
        struct api_answer *answer;
};

void api_answer_done(struct api_answer *answer)
{
        free(answer->account_id);
        free(answer->account_name);
        answer->account_id = answer->account_name = NULL;
}

bool api_has_test(const struct provider *provider)
{
        return (provider->api.test_query && provider->api.url) || provider->api.test_url;
}

static int add_authorization(struct http_request *request, const char *token_type,
                             const struct secret *access_token)
{
        _cleanup_(secret_buf_done) struct secret_buf value = SECRET_BUF_INIT(AUTHORIZATION_MAX);

        int r = secret_buf_append_string(&value, token_type && *token_type ? token_type : "Bearer");
        if (r == 0)
                r = secret_buf_append(&value, " ", 1);
        if (r == 0)
                r = secret_buf_append(&value, secret_expose(access_token), secret_size(access_token));
        return r < 0 ? r : http_request_add_header(request, "Authorization", value.data, value.n);
}

static int add_header(struct http_request *request, const char *name, const char *value)
{
        return http_request_add_header(request, name, value, strlen(value));
}

/* GraphQL over HTTP: {"query": ...} */
static int set_query(struct http_request *request, const char *query)
{
        _cleanup_(json_text_freep) json_t *root = json_pack("{s:s}", "query", query);
        _cleanup_(freep) char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;

        if (!text)
                return fault(-ENOMEM);
        int r = add_header(request, "Content-Type", "application/json");
        return r < 0 ? r : secret_new_string(&request->body, text);
}

/* query NULL: GET. */
static int api_request(const struct provider *provider, const char *url, const char *query,
                       const char *api_version, const char *token_type, const struct secret *access_token,
                       struct http_request **ret)
{
        _cleanup_(http_request_freep) struct http_request *request = NULL;

        if (!url)
                return fault(-EINVAL);
        int r = http_request_new(&request, query, url);
        if (r == 0)
                r = add_header(request, "Accept", "application/json");
        if (r == 0)
                r = add_authorization(request, token_type, access_token);
        if (r == 0 && provider->api.version_header && api_version)
                r = add_header(request, provider->api.version_header, api_version);
        if (r == 0 && query)
                r = set_query(request, query);
        if (r < 0)
                return r;
        if (provider->ca_file) {
                request->ca_file = strdup(provider->ca_file);
                if (!request->ca_file)
                        return fault(-ENOMEM);
        }
        *ret = take_ptr(request);
        return 0;
}

int api_test_request(const struct provider *provider, const char *api_version, const char *token_type,
                     const struct secret *access_token, struct http_request **ret)
{
        bool graphql = provider->api.test_query;

        return api_request(provider, graphql ? provider->api.url : provider->api.test_url,
                           provider->api.test_query, api_version, token_type, access_token, ret);
}

int api_revocation_request(const struct provider *provider, const char *api_version, const char *token_type,
                           const struct secret *access_token, struct http_request **ret)
{
        if (!provider->revocation_mutation)
                return fault(-EINVAL);
        return api_request(provider, provider->api.url, provider->revocation_mutation, api_version,
                           token_type, access_token, ret);
}

static int reading_begin(struct reading *ret, const struct provider *provider,
                         const struct http_response *response, bool graphql, struct api_answer *answer)
{
        *ret = (struct reading){
                .provider = provider, .response = response, .graphql = graphql, .answer = answer
        };
        ret->ruled.status = response->status;
        ret->ruled.body = response->body.data ? response->body.data : "";
        ret->ruled.n_body = response->body.n;
        int r = json_text_parse(ret->ruled.body, ret->ruled.n_body, &ret->root);
        if (r < 0)
                return r;
        ret->ruled.root = ret->root;
        hidden_values_collect(&ret->hidden, ret->root);
        return 0;
}

static void reading_done(struct reading *reading)
{
        json_decref(reading->root);
        reading->root = NULL;
}

static bool is_success(const struct reading *reading)
{
        return reading->ruled.status >= 200 && reading->ruled.status < 300;
}

static const struct answer_rule *find_rule(const struct reading *reading, unsigned meanings)
{
        return answer_rule_find(reading->provider->api_rules, reading->provider->n_api_rules, meanings,
                                &reading->ruled);
}

/* SENTENCE (HTTP 401, "the API's words"). */
static void conclude(const struct reading *reading, enum api_verdict verdict, const char *sentence,
                     const char *said)
{
        char detail[320], words[256];
        const char *found = said ? said : words_of_error(reading->root);
        size_t n = found ? strlen(found) : 0;

        if (!found && !reading->root && strcmp(reading->response->content_type, "text/plain") == 0) {
                found = reading->ruled.body;
                n = reading->ruled.n_body;
        }
        n = words_scrub(words, sizeof words, found ? found : "", n, &reading->hidden);
        snprintf(detail, sizeof detail, "HTTP %ld%s%s%s", reading->ruled.status, n > 0 ? ", \"" : "", words,
                 n > 0 ? "\"" : "");
        reading->answer->verdict = verdict;
        words_sentence(reading->answer->message, sizeof reading->answer->message, sentence, detail);
}

static void read_unanswered(const struct http_response *response, struct api_answer *answer)
{
        answer->verdict = API_TRY_AGAIN;
        words_sentence(answer->message, sizeof answer->message, "The API could not be asked",
                       response->problem);
}

static void read_retry_after(const struct reading *reading)
{
        int64_t seconds = reading->response->retry_after_sec;

        if (seconds > RETRY_AFTER_MAX_SEC)
                seconds = RETRY_AFTER_MAX_SEC;
        reading->answer->retry_after_usec = seconds > 0 ? (uint64_t)seconds * USEC_PER_SEC : 0;
}

/* Words about a version lie in good answers, too, where they change the version's state and nothing else. */
static bool rule_judges(const struct reading *reading, const struct answer_rule *rule)
{
        const char *warning = reading->provider->api.version_warning;

        if (rule->meaning != MEANING_VERSION_UNSUPPORTED || !is_success(reading))
                return true;
        return rule->member && (!warning || strcmp(rule->member, warning) != 0);
}

static bool judge_by_rule(const struct reading *reading)
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
        const struct answer_rule *rule = find_rule(reading, meanings);
        if (rule && !rule_judges(reading, rule))
                rule = find_rule(reading, meanings & ~MEANING_BIT(MEANING_VERSION_UNSUPPORTED));
        for (size_t i = 0; rule && i < sizeof verdicts / sizeof verdicts[0]; i++)
                if (verdicts[i].meaning == rule->meaning) {
                        conclude(reading, verdicts[i].verdict, rule->say ? rule->say : verdicts[i].sentence,
                                 NULL);
                        return true;
                }
        return false;
}

static void judge_by_status(const struct reading *reading)
{
        long status = reading->ruled.status;

        if (status == 401)
                conclude(reading, API_TOKEN_REJECTED, "The API rejects this access token", NULL);
        else if (status == 429)
                conclude(reading, API_TRY_AGAIN, "The API wants fewer requests", NULL);
        else if (status >= 500)
                conclude(reading, API_TRY_AGAIN, "The API has trouble of its own", NULL);
        else if (is_success(reading) && reading->ruled.n_body == 0)
                conclude(reading, API_TRY_AGAIN, "The API sent an empty answer", NULL);
        else if (is_success(reading) && !reading->root)
                conclude(reading, API_TRY_AGAIN, "The API sent a page or a broken answer", NULL);
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
static bool judge_by_graphql_code(const struct reading *reading)
{
        const json_t *errors = json_object_get(reading->root, "errors");

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

static bool has_errors(const struct reading *reading)
{
        return json_array_size(json_object_get(reading->root, "errors")) > 0;
}

/* A usable answer: data of a GraphQL query, any JSON of a REST call. */
static bool is_answer(const struct reading *reading)
{
        if (!is_success(reading) || !reading->root)
                return false;
        return !reading->graphql || holds_something(json_object_get(reading->root, "data"));
}

static int read_account(const struct reading *reading)
{
        char name[NAME_MAX_SIZE];
        struct api_answer *answer = reading->answer;
        const char *said = json_text_string_at(reading->root, reading->provider->api.account_name);

        int r = json_text_identifier(json_text_at(reading->root, reading->provider->api.account_id),
                                     &answer->account_id);
        if (r < 0 || !answer->account_id || !said)
                return r;
        words_clean(name, sizeof name, said, strlen(said));
        answer->account_name = strdup(name);
        return answer->account_name ? 0 : fault(-ENOMEM);
}

/*
 * Where the answer should tell whose account it is and does not, it is no test: another company's grant could pass. A GraphQL query that
 * somebody else wrote may leave the account out, and then gets answers without it.
 */
static bool lacks_account(const struct reading *reading)
{
        const char *pointer = reading->provider->api.account_id;

        if (!pointer || reading->answer->account_id)
                return false;
        return !reading->graphql || has_errors(reading) || json_text_at(reading->root, pointer);
}

static int judge_test(const struct reading *reading)
{
        bool usable = is_answer(reading);

        if (usable) {
                int r = read_account(reading);
                if (r < 0)
                        return r;
                usable = !lacks_account(reading);
        }
        if (usable && !(reading->graphql && judge_by_graphql_code(reading))) {
                reading->answer->verdict = API_OK;
                if (has_errors(reading))
                        conclude(reading, API_OK, "The API answered, with an error beside the answer", NULL);
                return 0;
        }
        if (usable || judge_by_rule(reading) ||
            (reading->graphql && is_success(reading) && judge_by_graphql_code(reading)))
                return 0;
        if (is_answer(reading))
                conclude(reading, API_TRY_AGAIN, "The API answered without telling whose account this is",
                         NULL);
        else if (is_success(reading) && has_errors(reading))
                conclude(reading, API_TRY_AGAIN, "The API answered the test with an error", NULL);
        else
                judge_by_status(reading);
        return 0;
}

static void read_served_version(const struct reading *reading)
{
        const struct provider *provider = reading->provider;
        struct api_answer *answer = reading->answer;
        const char *served = provider->api.served_version_header
                                     ? reading->response->served_version
                                     : json_text_string_at(reading->root, provider->api.served_version);

        if (served && strlen(served) < sizeof answer->served_version)
                words_clean(answer->served_version, sizeof answer->served_version, served, strlen(served));
}

static void read_version_warning(const struct reading *reading)
{
        const char *warning = json_text_string_at(reading->root, reading->provider->api.version_warning);

        if (warning)
                words_scrub(reading->answer->version_warning, sizeof reading->answer->version_warning,
                            warning, strlen(warning), &reading->hidden);
}

/* The wording of warnings changes over the years: one that no rule knows announces the end, to be read whole. */
static enum version_state warned_state(const struct reading *reading)
{
        const struct answer_rule *rule = find_rule(
                reading, MEANING_BIT(MEANING_VERSION_UNSUPPORTED) |
                                 MEANING_BIT(MEANING_VERSION_TO_BE_REMOVED) | MEANING_BIT(MEANING_NOTICE));

        if (rule)
                return rule->meaning == MEANING_VERSION_UNSUPPORTED     ? VERSION_UNSUPPORTED
                       : rule->meaning == MEANING_VERSION_TO_BE_REMOVED ? VERSION_TO_BE_REMOVED
                                                                        : VERSION_OK;
        return *reading->answer->version_warning ? VERSION_TO_BE_REMOVED : VERSION_OK;
}

static enum version_state version_state(const struct reading *reading, const char *api_version)
{
        const struct provider *provider = reading->provider;
        const struct api_answer *answer = reading->answer;

        if (!provider->api.version_header || !api_version)
                return VERSION_NONE;
        if (answer->verdict == API_VERSION_UNSUPPORTED)
                return VERSION_UNSUPPORTED;
        if (*answer->served_version && strcmp(answer->served_version, api_version) != 0)
                return VERSION_SERVED_AS_ANOTHER;
        bool can_tell = provider->api.served_version || provider->api.served_version_header;
        if (!*answer->served_version && !*answer->version_warning && (can_tell || answer->verdict != API_OK))
                return VERSION_UNKNOWN;
        return warned_state(reading);
}

static void read_version(const struct reading *reading, const char *api_version)
{
        struct api_answer *answer = reading->answer;

        read_served_version(reading);
        read_version_warning(reading);
        answer->version_state = version_state(reading, api_version);
}

/* The sentence of a good test: what a person wants to know of it. */
static void tell_good_test(struct api_answer *answer, const char *api_version)
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

        if (answer->version_state == VERSION_SERVED_AS_ANOTHER)
                snprintf(detail, sizeof detail, "asked for %.60s, served by %s", api_version,
                         answer->served_version);
        words_sentence(answer->message, sizeof answer->message, sentences[answer->version_state], detail);
}

int api_read_test_answer(const struct provider *provider, const char *api_version,
                         const struct http_response *response, struct api_answer *ret)
{
        _cleanup_(api_answer_done) struct api_answer answer = { 0 };
        _cleanup_(reading_done) struct reading reading = { 0 };

        if (response->result != HTTP_ANSWERED) {
                read_unanswered(response, &answer);
                answer.version_state =
                        provider->api.version_header && api_version ? VERSION_UNKNOWN : VERSION_NONE;
                *ret = answer;
                return 0;
        }
        int r = reading_begin(&reading, provider, response, provider->api.test_query, &answer);
        if (r == 0)
                r = judge_test(&reading);
        if (r < 0)
                return r;
        read_retry_after(&reading);
        read_version(&reading, api_version);
        if (answer.verdict == API_OK && !*answer.message)
                tell_good_test(&answer, api_version);
        *ret = answer;
        answer.account_id = answer.account_name = NULL;
        return 0;
}

/* What the mutation says against itself: NULL: nothing; "" where it is no sentence. */
static const char *revocation_complaint(const struct reading *reading)
{
        const json_t *complaint = json_text_at(reading->root, reading->provider->revocation_error);

        if (json_is_string(complaint))
                return json_string_length(complaint) > 0 ? json_string_value(complaint) : NULL;
        if (json_array_size(complaint) == 0)
                return NULL;
        const json_t *first = json_array_get(complaint, 0);
        const char *words =
                json_is_string(first) ? json_string_value(first) : json_text_string_at(first, "/message");
        return words ? words : "";
}

static void judge_revocation(const struct reading *reading)
{
        const char *complaint = revocation_complaint(reading);

        if (judge_by_rule(reading)) {
                if (reading->answer->verdict == API_AUTHORIZATION_REQUIRED)
                        conclude(reading, API_OK, "The grant had ended already", NULL);
        } else if (is_success(reading) && judge_by_graphql_code(reading))
                return;
        else if (complaint)
                conclude(reading, API_TRY_AGAIN, "The provider did not revoke the grant", complaint);
        else if (is_answer(reading) && !has_errors(reading))
                conclude(reading, API_OK, "The provider has revoked the grant", NULL);
        else if (is_success(reading) && has_errors(reading))
                conclude(reading, API_TRY_AGAIN, "The provider did not revoke the grant", NULL);
        else
                judge_by_status(reading);
}

int api_read_revocation_answer(const struct provider *provider, const struct http_response *response,
                               struct api_answer *ret)
{
        struct api_answer answer = { 0 };
        _cleanup_(reading_done) struct reading reading = { 0 };

        if (response->result != HTTP_ANSWERED)
                read_unanswered(response, &answer);
        else {
                int r = reading_begin(&reading, provider, response, true, &answer);
                if (r < 0)
                        return r;
                judge_revocation(&reading);
                read_retry_after(&reading);
        }
        *ret = answer;
        return 0;
}

const char *version_state_name(enum version_state state)
{
        static const char *const names[] = {
                [VERSION_NONE] = "none",
                [VERSION_OK] = "ok",
                [VERSION_TO_BE_REMOVED] = "to-be-removed",
                [VERSION_UNSUPPORTED] = "unsupported",
                [VERSION_SERVED_AS_ANOTHER] = "served-as-another",
                [VERSION_UNKNOWN] = "unknown",
        };

        return names[state];
}
