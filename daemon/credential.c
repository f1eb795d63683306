#include "daemon/credential.h"

#include "common/duration.h"
#include "daemon/backoff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void grant_done(struct grant *grant)
{
        secret_free(grant->refresh_token);
        secret_free(grant->access_token);
        free(grant->token_type);
        *grant = (struct grant){ 0 };
}

void grant_move(struct grant *to, struct grant *from)
{
        grant_done(to);
        *to = *from;
        *from = (struct grant){ 0 };
}

void test_result_done(struct test_result *test)
{
        free(test->api_version);
        free(test->served_version);
        free(test->version_warning);
        free(test->message);
        *test = (struct test_result){ 0 };
}

int credential_new(struct credential **ret, const char *name)
{
        _cleanup_(credential_freep) struct credential *credential = calloc(1, sizeof(*credential));

        if (!credential)
                return fault(-ENOMEM);

        credential->refusal = REFUSAL_NEVER_AUTHORIZED;
        credential->next_refresh_usec = USEC_INFINITY;
        credential->refresh_timer.node.index = HEAP_NOT_IN;
        credential->test_timer.node.index = HEAP_NOT_IN;
        credential->name = strdup(name);
        credential->description = strdup("");
        credential->client_name = strdup("");
        if (!credential->name || !credential->description || !credential->client_name)
                return fault(-ENOMEM);

        *ret = take_ptr(credential);
        return 0;
}

struct credential *credential_free(struct credential *credential)
{
        if (!credential)
                return NULL;

        credential_free(credential->pending);
        grant_done(&credential->grant);
        test_result_done(&credential->test);
        free(credential->name);
        free(credential->description);
        free(credential->client_name);
        free(credential->account_id);
        free(credential->account_name);
        free(credential->refusal_reason);
        free(credential->notice);
        free(credential->last_failure);
        free(credential->save_problem);
        free(credential);
        return NULL;
}

uint64_t credential_remaining_usec(const struct credential *credential, uint64_t boot_now)
{
        const struct grant *grant = &credential->grant;
        int64_t elapsed;

        if (!grant->access_token)
                return 0;

        elapsed = (int64_t)boot_now - grant->received_boot_usec;
        if (elapsed < 0)
                elapsed = 0;

        return (uint64_t)elapsed >= grant->lifetime_usec ? 0 : grant->lifetime_usec - (uint64_t)elapsed;
}

int64_t credential_expires_at(const struct credential *credential, uint64_t boot_now, int64_t wall_now)
{
        const struct grant *grant = &credential->grant;
        int64_t elapsed = (int64_t)boot_now - grant->received_boot_usec;

        return (wall_now - elapsed + (int64_t)grant->lifetime_usec) / (int64_t)USEC_PER_SEC;
}

const char *credential_api_version(const struct credential *credential)
{
        if (credential->config && credential->config->api_version)
                return credential->config->api_version;

        return credential->client ? credential->client->api_version : NULL;
}

/* The configuration may have moved the credential to another client than the one that its grant was given to. */
static bool belongs_to_another_client(const struct credential *credential)
{
        return credential->config && *credential->client_name &&
               strcmp(credential->config->client, credential->client_name) != 0;
}

bool credential_may_serve(const struct credential *credential, uint64_t boot_now)
{
        if (credential->is_pending || belongs_to_another_client(credential) || !credential->client)
                return false;
        if (credential->refusal == REFUSAL_CUT || credential->refusal == REFUSAL_NEVER_AUTHORIZED)
                return false;

        return credential_remaining_usec(credential, boot_now) > 0;
}

/* Whether the access token's end is the end of the grant. */
static bool cannot_refresh(const struct credential *credential)
{
        return credential->refusal == REFUSAL_NONE && !credential->grant.refresh_token;
}

enum credential_state credential_state(const struct credential *credential, uint64_t boot_now)
{
        bool valid = credential_remaining_usec(credential, boot_now) > 0;

        if (credential->unreadable)
                return CREDENTIAL_UNAVAILABLE;
        if (credential->refusal == REFUSAL_NEVER_AUTHORIZED && credential->pending)
                return CREDENTIAL_PENDING;
        if (credential->refusal != REFUSAL_NONE)
                return CREDENTIAL_AUTHORIZATION_REQUIRED;
        if (belongs_to_another_client(credential) || (cannot_refresh(credential) && !valid))
                return CREDENTIAL_AUTHORIZATION_REQUIRED;
        if (!credential->client)
                return CREDENTIAL_UNAVAILABLE;
        if (credential->outcome_unknown)
                return CREDENTIAL_OUTCOME_UNKNOWN;
        if (credential->rejected_generation &&
            credential->rejected_generation == credential->grant.generation)
                return credential->failures ? CREDENTIAL_UNAVAILABLE : CREDENTIAL_RETRYING;
        if (!valid)
                return CREDENTIAL_UNAVAILABLE;

        return credential->failures ? CREDENTIAL_RETRYING : CREDENTIAL_ACTIVE;
}

const char *credential_state_name(enum credential_state state)
{
        static const char *const names[] = {
                [CREDENTIAL_ACTIVE] = "active",
                [CREDENTIAL_RETRYING] = "retrying",
                [CREDENTIAL_OUTCOME_UNKNOWN] = "outcome-unknown",
                [CREDENTIAL_AUTHORIZATION_REQUIRED] = "authorization-required",
                [CREDENTIAL_UNAVAILABLE] = "unavailable",
                [CREDENTIAL_PENDING] = "pending",
        };

        return names[state];
}

const char *credential_last_error(const struct credential *credential)
{
        if (credential->unreadable)
                return "Its record in the store does not open with this sealing key.";
        if (credential->refusal == REFUSAL_NEVER_AUTHORIZED)
                return credential->pending ? credential->pending->test.message : NULL;
        if (credential->refusal != REFUSAL_NONE)
                return credential->refusal_reason;
        if (credential->save_problem)
                return credential->save_problem;

        return credential->last_failure;
}

static void explain_refusal(const struct credential *credential, uint64_t boot_now, struct diag *message)
{
        char left[64];

        if (credential->refusal == REFUSAL_NEVER_AUTHORIZED)
                diag_set(message, "Nobody has logged in for it yet.");
        else if (belongs_to_another_client(credential))
                diag_set(message, "Its grant belongs to client '%s', but the configuration says client '%s'.",
                         credential->client_name, credential->config->client);
        else if (credential->refusal == REFUSAL_NONE)
                diag_set(message, "Its access token has ended, and the provider gave no refresh token.");
        else if (credential_may_serve(credential, boot_now))
                diag_set(
                        message,
                        "The provider refuses to refresh it: %s Its last access token is served for another "
                        "%s.",
                        credential->refusal_reason ? credential->refusal_reason : "no reason was given.",
                        duration_format(credential_remaining_usec(credential, boot_now), left, sizeof(left)));
        else
                diag_set(message, "%s",
                         credential->refusal_reason ? credential->refusal_reason : "The grant has ended.");
}

static void explain_unavailable(const struct credential *credential, struct diag *message,
                                struct diag *next_step)
{
        if (credential->unreadable) {
                diag_set(message, "Its record in the store does not open: it was changed, or sealed with "
                                  "another key. It is kept as it is.");
                diag_set(next_step, "restore the store from a backup, or: purser login %s", credential->name);
        } else if (!credential->client) {
                diag_set(message, "Its client '%s' is not in the configuration.", credential->client_name);
                diag_set(next_step, "add the client to the configuration, then: purser reload");
        } else if (credential->client_refused) {
                diag_set(message, "Its token has ended, and the provider refuses the client: %s",
                         credential->last_failure ? credential->last_failure : "no reason was given.");
                diag_set(next_step, "correct client_id or client secret of '%s', then: purser refresh %s",
                         credential->client_name, credential->name);
        } else {
                diag_set(message, "It has no valid token now; purserd keeps trying. %s",
                         credential->last_failure ? credential->last_failure : "");
                diag_set(next_step, "purser refresh %s", credential->name);
        }
}

static void explain_retrying(const struct credential *credential, uint64_t boot_now, struct diag *message,
                             struct diag *next_step)
{
        char left[64];

        if (credential->rejected_generation &&
            credential->rejected_generation == credential->grant.generation) {
                diag_set(message, "The API rejected its access token; it is being refreshed.");
                return;
        }

        diag_set(message,
                 "The last refresh failed (%s); its token is still valid for %s, and purserd keeps trying.",
                 credential->last_failure ? credential->last_failure : "no reason was given",
                 duration_format(credential_remaining_usec(credential, boot_now), left, sizeof(left)));
        if (credential->client_refused)
                diag_set(next_step, "correct client_id or client secret of '%s', then: purser refresh %s",
                         credential->client_name, credential->name);
}

void credential_explain(const struct credential *credential, uint64_t boot_now, struct diag *ret_message,
                        struct diag *ret_next_step)
{
        *ret_message = (struct diag)DIAG_INIT;
        *ret_next_step = (struct diag)DIAG_INIT;

        switch (credential_state(credential, boot_now)) {
        case CREDENTIAL_ACTIVE:
                if (credential->unsaved) {
                        diag_set(ret_message, "Its token is valid, but could not be saved: a crash now would "
                                              "lose the grant.");
                        diag_set(ret_next_step, "make room or mend the disk under the state directory");
                } else if (credential->foreign_refresher) {
                        diag_set(ret_message, "Its token is valid, but somebody else refreshes this grant "
                                              "too, or an answer was lost.");
                        diag_set(ret_next_step, "find and stop the other program that refreshes this grant");
                } else {
                        diag_set(ret_message, "Its token is valid and is refreshed before it ends.");
                }
                break;
        case CREDENTIAL_RETRYING:
                explain_retrying(credential, boot_now, ret_message, ret_next_step);
                break;
        case CREDENTIAL_OUTCOME_UNKNOWN:
                diag_set(ret_message,
                         "A refresh was sent and no usable answer came back, so the provider may have "
                         "rotated the grant; the old "
                         "refresh token is tried again (%u times so far). %s",
                         credential->replays, credential->last_failure ? credential->last_failure : "");
                break;
        case CREDENTIAL_AUTHORIZATION_REQUIRED:
                explain_refusal(credential, boot_now, ret_message);
                diag_set(ret_next_step, "purser login %s", credential->name);
                break;
        case CREDENTIAL_UNAVAILABLE:
                explain_unavailable(credential, ret_message, ret_next_step);
                break;
        case CREDENTIAL_PENDING:
                diag_set(ret_message,
                         "The login is saved, but its test could not run yet; it is tried again.");
                diag_set(ret_next_step, "purser test %s", credential->name);
                break;
        }
}

static uint64_t default_min_valid_usec(uint64_t lifetime_usec)
{
        uint64_t half = lifetime_usec / 2, minute = CREDENTIAL_DEFAULT_MIN_VALID_SEC * USEC_PER_SEC;

        return half < minute ? half : minute;
}

uint64_t credential_min_valid_usec(const struct credential *credential, const struct token_demand *demand,
                                   bool *ret_unmeetable)
{
        uint64_t lifetime = credential->grant.lifetime_usec, wanted;

        *ret_unmeetable = false;
        if (!demand->min_valid_given)
                return default_min_valid_usec(lifetime);
        if (demand->min_valid_sec <= 0)
                return 1;

        wanted = (uint64_t)demand->min_valid_sec * USEC_PER_SEC;

        /* A demand for nearly the whole life would cost a refresh for each call. */
        if (credential->grant.access_token && wanted > lifetime - lifetime / 10) {
                *ret_unmeetable = true;
                return default_min_valid_usec(lifetime);
        }

        return wanted;
}

uint64_t credential_refresh_after_usec(uint64_t lifetime_usec, const struct refresh_config *config,
                                       uint64_t random)
{
        uint64_t before, slack = lifetime_usec / 10, least;

        before = config->before_is_share ? lifetime_usec / 100 * config->before_share : config->before_usec;
        if (slack > 10 * USEC_PER_SEC)
                slack = 10 * USEC_PER_SEC;

        least = default_min_valid_usec(lifetime_usec) + slack;
        return refresh_after_usec(lifetime_usec, before > least ? before : least, random);
}

void credential_warnings(const struct credential *credential, uint64_t boot_now,
                         void (*on_warning)(const char *sentence, void *userdata), void *userdata)
{
        const struct test_result *test = &credential->test;
        struct diag text = DIAG_INIT, unused;

        if (credential->refusal == REFUSAL_REFUSED || credential->outcome_unknown) {
                credential_explain(credential, boot_now, &text, &unused);
                on_warning(text.text, userdata);
        }
        if (credential->unsaved)
                on_warning("The newest tokens of this credential could not be saved: a crash now would lose "
                           "the grant.",
                           userdata);
        if (credential->foreign_refresher)
                on_warning("Somebody else refreshes this grant too, or an answer of the provider was lost: "
                           "find the other program, before "
                           "the grant is lost.",
                           userdata);
        if (credential->notice) {
                diag_set(&text, "The provider says: %s", credential->notice);
                on_warning(text.text, userdata);
        }
        if (test->version_state == VERSION_TO_BE_REMOVED || test->version_state == VERSION_UNSUPPORTED) {
                diag_set(&text, "API version %s %s. %s", test->api_version ? test->api_version : "(none)",
                         test->version_state == VERSION_UNSUPPORTED ? "is not supported any more"
                                                                    : "is to be removed",
                         test->version_warning ? test->version_warning : "");
                on_warning(text.text, userdata);
        }
        if (test->version_state == VERSION_SERVED_AS_ANOTHER) {
                diag_set(&text,
                         "API version %s was asked for, but %s served: pin a version that is supported. %s",
                         test->api_version ? test->api_version : "(none)",
                         test->served_version ? test->served_version : "another",
                         test->version_warning ? test->version_warning : "");
                on_warning(text.text, userdata);
        }
}
