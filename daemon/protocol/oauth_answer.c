/*
 * Token answers and revocation answers. Owns the order in which an answer is judged: tokens that it holds count before anything
 * else, since losing them loses the grant; then the provider's rules, the standard's error codes, and the status.
 */
#include "daemon/protocol/oauth.h"

#include "common/clock.h"
#include "daemon/protocol/answer.h"
#include "daemon/base/json_text.h"
#include "daemon/protocol/lifetime.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { CLOCK_TOLERANCE_SEC = 30 };

/* What goes in, and what is being filled in. */
struct reading {
        const struct provider *provider;
        bool of_client; /* it asked for itself: there is no grant */
        int64_t wall_sec; /* 0: not told */
        struct answer answer;
        struct oauth_answer *result;
};

/* RFC 6749 section 5.2, and the codes of OpenID Connect Core section 3.1.2.6 that some token endpoints send. */
static const struct {
        const char *error;
        enum oauth_verdict verdict;
        const char *sentence;
} standard_errors[] = {
        { "invalid_grant", OAUTH_GRANT_REFUSED, "The provider refuses this grant for good: log in again" },
        { "interaction_required", OAUTH_GRANT_REFUSED, "The provider wants a person to log in again" },
        { "login_required", OAUTH_GRANT_REFUSED, "The provider wants a person to log in again" },
        { "consent_required", OAUTH_GRANT_REFUSED, "The provider wants a person's consent: log in again" },
        { "invalid_client", OAUTH_CLIENT_REFUSED,
          "The provider refuses the client: check client_id, client_secret and token_endpoint_auth_method" },
        { "unauthorized_client", OAUTH_CLIENT_REFUSED,
          "The provider does not allow this client this kind of grant: check the app's settings at the "
          "provider" },
        { "unsupported_grant_type", OAUTH_CLIENT_REFUSED,
          "The token endpoint does not know this kind of grant: check token_endpoint in the provider file" },
        { "invalid_scope", OAUTH_CLIENT_REFUSED,
          "The provider refuses the scopes: check the client's scopes here and at the provider" },
        { "invalid_request", OAUTH_TRY_AGAIN,
          "The provider does not understand the request: check client and provider file if it goes on" },
};

bool token_is_usable(const char *token, size_t n)
{
        if (n == 0 || n > OAUTH_TOKEN_MAX)
                return false;
        for (size_t i = 0; i < n; i++)
                if (token[i] < 0x21 || token[i] > 0x7e)
                        return false;
        return true;
}

/* RFC 6749 appendix A.17 allows blanks, too; it is only ever sent in a form, where they do no harm. */
static bool refresh_token_is_usable(const char *token, size_t n)
{
        if (n == 0 || n > OAUTH_TOKEN_MAX)
                return false;
        for (size_t i = 0; i < n; i++)
                if (token[i] < 0x20 || token[i] > 0x7e)
                        return false;
        return true;
}

void oauth_answer_done(struct oauth_answer *answer)
{
        answer->access_token = secret_free(answer->access_token);
        answer->refresh_token = secret_free(answer->refresh_token);
}

static void reading_done(struct reading *reading)
{
        answer_done(&reading->answer);
}

static const struct answer_rule *find_rule(const struct reading *reading, unsigned meanings)
{
        return answer_find_rule(&reading->answer, reading->provider->token_rules,
                                reading->provider->n_token_rules, meanings);
}

static void refuse(const struct reading *reading, enum oauth_verdict verdict, const char *sentence)
{
        struct oauth_answer *result = reading->result;

        if (reading->of_client && verdict == OAUTH_GRANT_REFUSED) {
                verdict = OAUTH_CLIENT_REFUSED;
                sentence = "The provider gives this client no token: check client_id, its secret and the "
                           "app's settings at the provider";
        }
        result->verdict = verdict;
        result->retry_after_usec = answer_retry_after_usec(&reading->answer);
        answer_explain(&reading->answer, sentence, NULL, result->reason, sizeof result->reason);
}

/* How much this clock is ahead of the provider's; 0 where that is not known. */
static int64_t clock_difference(const struct reading *reading)
{
        int64_t date_sec = reading->answer.response->date_sec;

        return date_sec > 0 && reading->wall_sec > 0 ? reading->wall_sec - date_sec : 0;
}

/* An assertion lives for a minute, by the clock of this machine. */
static void refuse_key(const struct reading *reading)
{
        int64_t ahead = clock_difference(reading);
        char sentence[200];

        snprintf(sentence, sizeof sentence,
                 "The provider refuses the client, whose clock is %" PRIi64
                 " s %s the provider's: set this machine's "
                 "clock right",
                 ahead > 0 ? ahead : -ahead, ahead > 0 ? "ahead of" : "behind");
        if (ahead >= -CLOCK_TOLERANCE_SEC && ahead <= CLOCK_TOLERANCE_SEC)
                snprintf(sentence, sizeof sentence,
                         "The provider refuses the client: check client_id, client_key and client_key_id, "
                         "and that the "
                         "provider has the public half of this key");
        refuse(reading, OAUTH_CLIENT_REFUSED, sentence);
}

static void refuse_client(const struct reading *reading, const char *sentence)
{
        if (reading->provider->auth_method == AUTH_METHOD_PRIVATE_KEY_JWT)
                refuse_key(reading);
        else
                refuse(reading, OAUTH_CLIENT_REFUSED, sentence);
}

/* A request that did not come to an answer. */
static void read_unanswered(const struct http_response *response, struct oauth_answer *answer)
{
        answer->verdict = OAUTH_TRY_AGAIN;
        answer->outcome_unknown = response->result == HTTP_OUTCOME_UNKNOWN;
        words_sentence(answer->reason, sizeof answer->reason,
                       answer->outcome_unknown ? "The provider's answer was lost"
                                               : "The provider could not be reached",
                       response->problem);
}

/* Takes a string member as a secret when it passes; NULL where it is absent or unusable. */
static int take_token(const struct reading *reading, const char *name, bool (*usable)(const char *, size_t),
                      struct secret **ret)
{
        const json_t *value = json_object_get(reading->answer.root, name);

        *ret = NULL;
        if (!json_is_string(value) || !usable(json_string_value(value), json_string_length(value)) ||
            json_text_is_ambiguous(reading->answer.body, reading->answer.n_body, name))
                return 0;
        return secret_new(ret, json_string_value(value), json_string_length(value));
}

static bool is_http_token(const char *text)
{
        return *text &&
               text[strspn(
                       text,
                       "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")] ==
                       '\0';
}

/* It becomes the scheme of an Authorization header: what cannot be one is as good as absent. RFC 6749 section 7.1: any case. */
static void read_token_type(const struct reading *reading)
{
        const char *type = json_text_string_at(reading->answer.root, "/token_type");
        struct oauth_answer *result = reading->result;

        if (!type || strcasecmp(type, "bearer") == 0 || strlen(type) >= sizeof result->token_type ||
            !is_http_token(type))
                type = "Bearer";
        snprintf(result->token_type, sizeof result->token_type, "%s", type);
}

static int64_t read_expires_at(const json_t *root)
{
        const json_t *value = json_object_get(root, "expires_at");

        if (json_is_string(value))
                return lifetime_parse_time(json_string_value(value));
        int64_t number = json_text_number(value);
        return number == INT64_MIN ? -1 : lifetime_absolute(number);
}

static void read_lifetime(const struct reading *reading, int64_t wall_sec)
{
        struct lifetime_facts facts = {
                .expires_in = json_text_number(json_object_get(reading->answer.root, "expires_in")),
                .expires_at = read_expires_at(reading->answer.root),
                .date = reading->answer.response->date_sec,
                .wall = wall_sec,
                .default_usec = reading->provider->default_token_lifetime_usec,
        };
        enum lifetime_source source;

        reading->result->lifetime_usec = lifetime_usec(&facts, reading->result->access_token, &source);
}

/* The rule's own member, or `warning`, or the words of whatever error is told beside the tokens. */
static void read_notice(const struct reading *reading, const struct answer_rule *rule)
{
        const char *words = rule ? json_text_string_at(reading->answer.root, rule->member) : NULL;

        if (!words)
                words = json_text_string_at(reading->answer.root, "/warning");
        if (!words && (rule || answer_error(&reading->answer)))
                words = words_of_error(reading->answer.root);
        if (words)
                words_scrub(reading->result->notice, sizeof reading->result->notice, words, strlen(words),
                            &reading->answer.hidden);
}

static const char *granted_sentence(const struct reading *reading, const struct answer_rule *rule)
{
        const json_t *refresh_token = json_object_get(reading->answer.root, "refresh_token");

        if (!reading->result->access_token)
                return "The answer holds a new refresh token, but no usable access token: it is refreshed "
                       "again";
        if (!reading->result->refresh_token && refresh_token && !json_is_null(refresh_token))
                return "The answer's refresh token cannot be used; the old one stays";
        return rule ? rule->say : NULL;
}

static void read_granted(const struct reading *reading, int64_t wall_sec)
{
        const struct answer_rule *rule =
                find_rule(reading, MEANING_BIT(MEANING_FOREIGN_REFRESHER) | MEANING_BIT(MEANING_NOTICE));
        const char *sentence = granted_sentence(reading, rule);

        reading->result->verdict = OAUTH_GRANTED;
        reading->result->foreign_refresher = rule && rule->meaning == MEANING_FOREIGN_REFRESHER;
        read_token_type(reading);
        read_lifetime(reading, wall_sec);
        read_notice(reading, rule);
        if (sentence)
                words_sentence(reading->result->reason, sizeof reading->result->reason, sentence, "");
}

static bool refuse_by_rule(const struct reading *reading)
{
        const struct answer_rule *rule = find_rule(
                reading, MEANING_BIT(MEANING_AUTHORIZATION_REQUIRED) | MEANING_BIT(MEANING_DISCONNECTED) |
                                 MEANING_BIT(MEANING_TRY_AGAIN) | MEANING_BIT(MEANING_CLIENT_REFUSED));

        if (!rule)
                return false;
        switch (rule->meaning) {
        case MEANING_DISCONNECTED:
                reading->result->disconnected = true;
                refuse(reading, OAUTH_GRANT_REFUSED,
                       rule->say ? rule->say : "The account ended this app's access: log in again");
                break;
        case MEANING_AUTHORIZATION_REQUIRED:
                refuse(reading, OAUTH_GRANT_REFUSED,
                       rule->say ? rule->say : "The provider refuses this grant for good: log in again");
                break;
        case MEANING_CLIENT_REFUSED:
                if (rule->say)
                        refuse(reading, OAUTH_CLIENT_REFUSED, rule->say);
                else
                        refuse_client(reading,
                                      "The provider refuses the client: check client_id and client_secret");
                break;
        default:
                refuse(reading, OAUTH_TRY_AGAIN, rule->say ? rule->say : "The provider cannot answer now");
                reading->result->outcome_unknown =
                        answer_is_success(&reading->answer) || answer_is_server_trouble(&reading->answer);
        }
        return true;
}

/* A code counts unless the status says that the server was in no state to judge. */
static bool refuse_by_code(const struct reading *reading)
{
        const char *error = answer_error(&reading->answer);

        if (!error || answer_is_server_trouble(&reading->answer) || reading->answer.status == 429)
                return false;
        for (size_t i = 0; i < sizeof standard_errors / sizeof standard_errors[0]; i++)
                if (strcmp(error, standard_errors[i].error) == 0) {
                        if (strcmp(error, "invalid_client") == 0)
                                refuse_client(reading, standard_errors[i].sentence);
                        else
                                refuse(reading, standard_errors[i].verdict, standard_errors[i].sentence);
                        return true;
                }
        return false;
}

static const char *success_trouble(const struct reading *reading)
{
        if (reading->answer.n_body == 0)
                return "The provider sent an empty answer";
        if (!reading->answer.root)
                return "The provider sent a page or a broken answer instead of tokens";
        if (json_object_get(reading->answer.root, "access_token") ||
            json_object_get(reading->answer.root, "refresh_token"))
                return "The provider's answer holds no usable token";
        return "The provider's answer holds no token";
}

static bool is_elsewhere(long status)
{
        return (status >= 300 && status < 400) || status == 404 || status == 405;
}

static void refuse_by_status(const struct reading *reading)
{
        bool told = answer_error(&reading->answer);

        if (answer_is_server_trouble(&reading->answer)) {
                refuse(reading, OAUTH_TRY_AGAIN, "The provider has trouble of its own");
                reading->result->outcome_unknown = true;
        } else if (reading->answer.status == 429)
                refuse(reading, OAUTH_TRY_AGAIN, "The provider wants fewer requests");
        else if (answer_is_success(&reading->answer) && !told) {
                refuse(reading, OAUTH_TRY_AGAIN, success_trouble(reading));
                reading->result->outcome_unknown = true;
        } else if (is_elsewhere(reading->answer.status))
                refuse(reading, OAUTH_TRY_AGAIN,
                       "There is no token endpoint at this address: check token_endpoint");
        else
                refuse(reading, OAUTH_TRY_AGAIN,
                       "The provider refuses the request without saying that the grant is dead");
}

static int take_tokens(const struct reading *reading)
{
        if (!answer_is_success(&reading->answer))
                return 0;
        int r = take_token(reading, "access_token", token_is_usable, &reading->result->access_token);
        if (r < 0 || reading->of_client)
                return r;
        return take_token(reading, "refresh_token", refresh_token_is_usable, &reading->result->refresh_token);
}

static void judge(const struct reading *reading, int64_t wall_sec)
{
        struct oauth_answer *result = reading->result;

        if (result->access_token || result->refresh_token) {
                read_granted(reading, wall_sec);
                return;
        }
        result->foreign_refresher = find_rule(reading, MEANING_BIT(MEANING_FOREIGN_REFRESHER));
        if (!refuse_by_rule(reading) && !refuse_by_code(reading))
                refuse_by_status(reading);
}

static int read_token_answer(const struct provider *provider, bool of_client,
                             const struct http_response *response, int64_t wall_sec, struct oauth_answer *ret)
{
        _cleanup_(oauth_answer_done) struct oauth_answer result = { 0 };
        _cleanup_(reading_done) struct reading reading = {
                .provider = provider, .of_client = of_client, .wall_sec = wall_sec, .result = &result
        };

        if (response->result != HTTP_ANSWERED)
                read_unanswered(response, &result);
        else {
                int r = answer_read(&reading.answer, response);
                if (r == 0)
                        r = take_tokens(&reading);
                if (r < 0)
                        return r;
                judge(&reading, wall_sec);
        }
        *ret = result;
        result.access_token = result.refresh_token = NULL;
        return 0;
}

int oauth_read_token_answer(const struct provider *provider, const struct http_response *response,
                            int64_t wall_sec, struct oauth_answer *ret)
{
        return read_token_answer(provider, false, response, wall_sec, ret);
}

int oauth_read_client_credentials_answer(const struct provider *provider,
                                         const struct http_response *response, int64_t wall_sec,
                                         struct oauth_answer *ret)
{
        int r = read_token_answer(provider, true, response, wall_sec, ret);

        if (r == 0)
                ret->outcome_unknown = ret->disconnected = ret->foreign_refresher = false;
        return r;
}

/* RFC 7009 section 2.2: the body of a good answer says nothing; but a page where none belongs comes from somebody else. */
static bool is_page(const struct reading *reading)
{
        size_t blanks = strspn(reading->answer.body, " \t\r\n");

        return reading->answer.body[blanks] == '<' ||
               strcmp(reading->answer.response->content_type, "text/html") == 0;
}

/* A good status beside words that say otherwise. */
static bool is_complaint(const struct reading *reading)
{
        const json_t *complaint = json_text_at(reading->answer.root, reading->provider->revocation_error);

        return (json_is_string(complaint) && json_string_length(complaint) > 0) ||
               json_array_size(complaint) > 0;
}

static void read_revocation(const struct reading *reading)
{
        static const char dead[] = "The grant had ended already";
        const char *error = answer_error(&reading->answer);
        bool judged =
                refuse_by_rule(reading) || (!answer_is_success(&reading->answer) && refuse_by_code(reading));

        if (judged && reading->result->verdict == OAUTH_GRANT_REFUSED)
                refuse(reading, OAUTH_GRANTED, dead);
        else if (!judged && !answer_is_server_trouble(&reading->answer) && error &&
                 strcmp(error, "invalid_token") == 0)
                refuse(reading, OAUTH_GRANTED, dead);
        else if (!judged && answer_is_success(&reading->answer) && reading->answer.n_body > 0 &&
                 is_page(reading))
                refuse(reading, OAUTH_TRY_AGAIN, "The provider sent a page instead of an answer");
        else if (!judged && answer_is_success(&reading->answer) && !is_complaint(reading))
                reading->result->verdict = OAUTH_GRANTED;
        else if (!judged)
                refuse(reading, OAUTH_TRY_AGAIN, "The provider did not revoke the grant");
}

int oauth_read_revocation_answer(const struct provider *provider, const struct http_response *response,
                                 struct oauth_answer *ret)
{
        struct oauth_answer result = { 0 };
        _cleanup_(reading_done) struct reading reading = { .provider = provider, .result = &result };

        if (response->result != HTTP_ANSWERED)
                read_unanswered(response, &result);
        else {
                int r = answer_read(&reading.answer, response);
                if (r < 0)
                        return r;
                read_revocation(&reading);
        }
        *ret = result;
        return 0;
}
