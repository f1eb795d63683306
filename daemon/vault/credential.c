#include "daemon/vault/credential.h"

#include "common/plain_text.h"
#include "daemon/base/backoff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void grant_done(struct grant *grant)
{
        secret_free(grant->refresh_token);
        secret_free(grant->access_token);
        free(grant->token_type);
        *grant = (struct grant){ 0 };
}

const char GRANT_BEARER[] = "Bearer";

static bool is_bearer(const char *token_type)
{
        return !token_type || strcasecmp(token_type, "bearer") == 0;
}

void grant_look(struct grant *grant)
{
        const struct secret *token = grant->access_token;
        size_t n = token ? secret_size(token) : 0;

        grant->is_bearer = is_bearer(grant->token_type);
        /* It stands for itself in JSON. */
        grant->token_is_plain = token && plain_text((const unsigned char *)secret_expose(token), n) == n;
}

const char *grant_scheme(const struct grant *grant)
{
        return grant->is_bearer || is_bearer(grant->token_type) ? GRANT_BEARER : grant->token_type;
}

void grant_move(struct grant *to, struct grant *from)
{
        grant_done(to);
        *to = *from;
        grant_look(to);
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

/* All that it holds but names. */
static void contents_done(struct credential *credential)
{
        grant_done(&credential->grant);
        test_result_done(&credential->test);
        free(credential->account_id);
        free(credential->account_name);
        free(credential->refusal_reason);
        free(credential->notice);
        free(credential->last_failure);
        free(credential->save_problem);
}

struct credential *credential_free(struct credential *credential)
{
        if (!credential)
                return NULL;

        credential_free(credential->pending);
        contents_done(credential);
        free(credential->name);
        free(credential->description);
        free(credential->client_name);
        free(credential);
        return NULL;
}

void credential_reset(struct credential *credential)
{
        contents_done(credential);
        *credential = (struct credential){
                .name = credential->name,
                .entry = credential->entry,
                .is_pending = credential->is_pending,
                .description = credential->description,
                .client_name = credential->client_name,
                .refusal = REFUSAL_NEVER_AUTHORIZED,
                .pending = credential->pending,
                .next_refresh_usec = USEC_INFINITY,
                .saves_in_flight = credential->saves_in_flight,
                .promotions = credential->promotions,
                .n_grants = credential->n_grants,
                .newest = credential->newest,
                .refresh_timer.node.index = HEAP_NOT_IN,
                .test_timer.node.index = HEAP_NOT_IN,
        };
        credential->description[0] = credential->client_name[0] = '\0';
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

bool credential_is_of_client(const struct credential *credential)
{
        return credential->client && credential->client->grant_type == GRANT_CLIENT_CREDENTIALS;
}

bool credential_is_renewable(const struct credential *credential)
{
        return credential->grant.refresh_token || credential_is_of_client(credential);
}

bool credential_is_elsewhere(const struct credential *credential)
{
        return credential->config && *credential->client_name &&
               strcmp(credential->config->client, credential->client_name) != 0;
}

void credential_mark_exported(struct credential *credential, int64_t wall_usec, bool move)
{
        credential->exported_wall_usec = wall_usec;
        if (!move || credential->refusal != REFUSAL_NONE)
                return;
        credential->moved = true;
        credential->refusal = REFUSAL_REFUSED;
        free(credential->refusal_reason);
        /* Its words are made of the mark. */
        credential->refusal_reason = NULL;
}

void credential_unmark_exported(struct credential *credential)
{
        credential->exported_wall_usec = 0;
        if (!credential->moved)
                return;
        credential->moved = false;
        /* What ended it since has its reason; a rejected access token of one that was moved has none. */
        if (!credential->refusal_reason)
                credential->refusal = REFUSAL_NONE;
}

bool credential_is_rejected(const struct credential *credential)
{
        return credential->rejected_generation &&
               credential->rejected_generation == credential->grant.generation;
}

bool credential_may_serve(const struct credential *credential, uint64_t boot_now)
{
        if (credential->is_pending || credential_is_elsewhere(credential) || !credential->client)
                return false;
        if (credential->refusal == REFUSAL_CUT || credential->refusal == REFUSAL_NEVER_AUTHORIZED)
                return false;
        /* A rejected token is replaced; where that cannot be, it was the last one. */
        if (!credential_is_renewable(credential) && credential_is_rejected(credential))
                return false;

        return credential_remaining_usec(credential, boot_now) > 0;
}

/* Whether only a person can mend it. */
static bool needs_person(const struct credential *credential, uint64_t boot_now)
{
        if (credential->refusal != REFUSAL_NONE || credential_is_elsewhere(credential) ||
            credential->replays_spent)
                return true;

        /* Without a refresh token the access token's end is the end of the grant. */
        return !credential_is_renewable(credential) &&
               (!credential_remaining_usec(credential, boot_now) || credential_is_rejected(credential));
}

bool credential_has_pending(const struct credential *credential)
{
        return credential->pending || credential->promotions > 0;
}

/* Is it only the pending one that a person waits for? */
static bool pending_will_do(const struct credential *credential)
{
        return credential->promotions > 0 || (credential->pending && !credential->pending->unreadable);
}

enum credential_state credential_state(const struct credential *credential, uint64_t boot_now)
{
        bool valid = credential_remaining_usec(credential, boot_now) > 0;

        if (credential->unreadable)
                return CREDENTIAL_UNAVAILABLE;
        if (needs_person(credential, boot_now))
                return pending_will_do(credential) ? CREDENTIAL_PENDING : CREDENTIAL_AUTHORIZATION_REQUIRED;
        if (!credential->client)
                return CREDENTIAL_UNAVAILABLE;
        if (credential->outcome_unknown)
                return CREDENTIAL_OUTCOME_UNKNOWN;
        if (credential_is_rejected(credential))
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

        wanted = demand->min_valid_sec > INT64_MAX / (int64_t)USEC_PER_SEC
                         ? INT64_MAX
                         : (uint64_t)demand->min_valid_sec * USEC_PER_SEC;

        /* A demand for nearly the whole life would cost a refresh for each call. */
        if (credential->grant.access_token && wanted > lifetime - lifetime / 10) {
                *ret_unmeetable = true;
                return default_min_valid_usec(lifetime);
        }

        return wanted;
}

bool credential_satisfies(const struct credential *credential, const struct token_demand *demand,
                          uint64_t boot_now)
{
        bool unmeetable;
        uint64_t min_valid = credential_min_valid_usec(credential, demand, &unmeetable);

        return !unmeetable && credential_may_serve(credential, boot_now) &&
               credential_remaining_usec(credential, boot_now) >= min_valid;
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
