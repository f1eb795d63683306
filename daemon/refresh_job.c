/*
 * The steps of one refresh: a place among the requests to the provider, its endpoints, a durable intent, the request, the answer, and a durable
 * grant before anybody sees it.
 */
#include "daemon/refresh_internal.h"

#include "daemon/backoff.h"
#include "daemon/events.h"
#include "daemon/http.h"
#include "daemon/log.h"
#include "daemon/oauth.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct backoff passing_backoff = { .base_usec = 2 * USEC_PER_SEC,
                                                .max_usec = 300 * USEC_PER_SEC };
/* An unknown outcome is tried again more slowly: each try sends a token that may be spent. */
static const struct backoff replay_backoff = { .base_usec = 4 * USEC_PER_SEC,
                                               .max_usec = 900 * USEC_PER_SEC };
/* A wrong client secret does not mend itself. */
static const struct backoff client_backoff = { .base_usec = 60 * USEC_PER_SEC,
                                               .max_usec = 3600 * USEC_PER_SEC };

/* A reload may take the client away while a refresh is on the wire; a good answer is read and kept all the same. */
static const struct provider *provider_of(const struct credential *credential)
{
        static const struct provider unknown = { .name = (char *)"", .max_replays = 5 };

        return credential->client ? credential->client->provider : &unknown;
}

/* ---- how it ends ---- */

static void set_text(char **text, const char *value)
{
        free(*text);
        *text = value && *value ? strdup(value) : NULL;
}

static struct log_event event_of(const struct credential *credential, const char *message_id,
                                 enum log_level level)
{
        return (struct log_event){ .message_id = message_id,
                                   .level = level,
                                   .credential = credential->name,
                                   .client = credential->client_name,
                                   .provider = credential->client ? credential->client->provider->name : NULL,
                                   .generation = credential->grant.generation };
}

/* Told at growing intervals: the first failure, the second, the fourth, the eighth. */
static bool is_worth_telling(unsigned failures)
{
        return (failures & (failures - 1)) == 0;
}

static void tell_failure(const struct credential *credential, const char *reason, uint64_t pause_usec)
{
        struct log_event event = event_of(credential, EVENT_REFRESH_FAILED, LOG_LEVEL_WARNING);

        event.reason = reason;
        if (credential->client_refused) {
                event.message_id = EVENT_CLIENT_REFUSED;
                event.level = LOG_LEVEL_ERROR;
        } else if (credential->outcome_unknown) {
                event.message_id = EVENT_OUTCOME_UNKNOWN;
        }
        if (is_worth_telling(credential->failures))
                log_event(&event, "Refreshing '%s' failed (%u in a row): %s Next try in %llu s.",
                          credential->name, credential->failures, reason,
                          (unsigned long long)((pause_usec + USEC_PER_SEC - 1) / USEC_PER_SEC));
}

/* For a passing reason: nothing is thrown away, and it is tried again. */
static void end_in_failure(struct refresh_job *job, const char *reason, const struct backoff *backoff,
                           uint64_t retry_after_usec)
{
        struct refresher *refresher = job->refresher;
        struct credential *credential = job->credential;
        struct context *context = refresher->context;
        bool final_for_now = credential->client_refused || credential->replays_spent;
        uint64_t pause;

        credential->failures++;
        refresher->stats.failed++;
        pause = retry_after_usec ? retry_after_usec
                                 : backoff_pause_usec(backoff, credential->failures, context_random(context));
        credential->retry_at_usec = usec_add(context_now(context), pause);
        credential->retry_is_ordered = retry_after_usec > 0;
        set_text(&credential->last_failure, reason);
        tell_failure(credential, reason, pause);

        refresh_job_free(job);
        refresher_plan(refresher, credential);
        context_changed(context, credential, false);
        waiters_tell_failure(refresher, credential, final_for_now || refresher->stopping);
}

static void end_in_refusal(struct refresh_job *job, const char *reason)
{
        struct refresher *refresher = job->refresher;
        struct credential *credential = job->credential;
        struct log_event event = event_of(credential, EVENT_AUTHORIZATION_REQUIRED, LOG_LEVEL_ERROR);
        bool rejected = credential->rejected_generation == credential->grant.generation &&
                        credential->grant.generation;
        struct diag text = DIAG_INIT;

        if (credential->outcome_unknown)
                diag_set(&text,
                         "The answer to an earlier refresh was lost, and the provider no longer takes the "
                         "old refresh token: %s",
                         reason);
        else
                diag_set(&text, "%s", reason);

        credential->refusal = rejected ? REFUSAL_CUT : REFUSAL_REFUSED;
        credential->outcome_unknown = false;
        credential->client_refused = false;
        set_text(&credential->refusal_reason, text.text);
        refresher->stats.refused++;
        event.reason = text.text;
        if (!credential->is_pending)
                log_event(&event, "Credential '%s' needs an authorization: %s To mend it: purser login %s",
                          credential->name, text.text, credential->name);

        vault_save_facts(refresher->context->vault, credential);
        vault_clear_intent(refresher->context->vault, credential);
        refresh_job_free(job);
        credential->next_refresh_usec = USEC_INFINITY;
        context_changed(refresher->context, credential, false);
        waiters_tell_refusal(refresher, credential);
}

static void tell_success(struct credential *credential, bool recovered)
{
        struct log_event event = event_of(credential, EVENT_REFRESHED, LOG_LEVEL_INFO);

        if (recovered) {
                event.message_id = EVENT_RECOVERED;
                event.level = LOG_LEVEL_NOTICE;
        }
        log_event(&event,
                  recovered ? "Credential '%s' has recovered: it has access token %llu."
                            : "Credential '%s' has access token %llu.",
                  credential->name, (unsigned long long)credential->grant.generation);
}

static void end_in_success(struct refresh_job *job)
{
        struct refresher *refresher = job->refresher;
        struct credential *credential = job->credential;
        bool recovered = credential->failures || credential->outcome_unknown;

        credential->failures = 0;
        credential->retry_at_usec = 0;
        credential->retry_is_ordered = false;
        credential->outcome_unknown = false;
        credential->replays = 0;
        credential->replays_spent = false;
        credential->client_refused = false;
        set_text(&credential->last_failure, NULL);
        refresher->stats.refreshed++;
        tell_success(credential, recovered);

        refresh_job_free(job);
        refresher_plan(refresher, credential);
        context_changed(refresher->context, credential, false);
        waiters_tell_success(credential);
}

static void on_grant_saved(int result, void *userdata)
{
        struct refresh_job *job = userdata;

        (void)result; /* the vault tells it, and retries; the grant is in force either way */
        job->write = NULL;
        if (job->incomplete) {
                char reason[sizeof(job->incomplete_reason)];
                memcpy(reason, job->incomplete_reason, sizeof(reason));
                job->credential->outcome_unknown = false;
                job->credential->replays = 0;
                end_in_failure(job, reason, &passing_backoff, 0);
        } else {
                end_in_success(job);
        }
}

/* ---- the answer ---- */

/* The new grant: what the answer brought, and what stays as it was where it brought nothing. */
static int make_grant(const struct refresh_job *job, struct oauth_answer *answer, struct grant *ret)
{
        const struct grant *old = &job->credential->grant;
        struct context *context = job->refresher->context;
        _cleanup_(grant_done) struct grant grant = { 0 };
        int r;

        if (answer->refresh_token)
                grant.refresh_token = take_ptr(answer->refresh_token);
        else if ((r = secret_copy(&grant.refresh_token, old->refresh_token)) < 0)
                return r;

        if (answer->access_token) {
                grant.access_token = take_ptr(answer->access_token);
                grant.token_type = strdup(answer->token_type);
                grant.generation = old->generation + 1;
                grant.lifetime_usec = answer->lifetime_usec;
                grant.received_boot_usec = (int64_t)context_now(context);
                grant.received_wall_usec = clock_wall_usec(context->clock);
        } else {
                if (old->access_token && (r = secret_copy(&grant.access_token, old->access_token)) < 0)
                        return r;
                grant.token_type = strdup(old->token_type ? old->token_type : "Bearer");
                grant.generation = old->generation;
                grant.lifetime_usec = old->lifetime_usec;
                grant.received_boot_usec = old->received_boot_usec;
                grant.received_wall_usec = old->received_wall_usec;
        }
        if (!grant.token_type)
                return fault(-ENOMEM);

        grant_move(ret, &grant);
        return 0;
}

static void note_provider_words(struct credential *credential, const struct oauth_answer *answer)
{
        /* After an answer of ours was lost it is we who redeem an old token: that is no alarm, and mended by this very answer. */
        bool ours = answer->foreign_refresher && credential->outcome_unknown;
        bool foreign = answer->foreign_refresher && !ours;

        if (foreign && !credential->foreign_refresher) {
                struct log_event event = event_of(credential, EVENT_FOREIGN_REFRESHER, LOG_LEVEL_ERROR);
                event.reason = answer->notice;
                log_event(&event,
                          "Somebody else refreshes the grant of '%s' too: find and stop the other program. "
                          "The provider says: %s",
                          credential->name, answer->notice);
        }
        credential->foreign_refresher = foreign;
        set_text(&credential->notice, ours ? NULL : answer->notice);
}

static void save_granted(struct refresh_job *job, struct oauth_answer *answer)
{
        struct credential *credential = job->credential;
        _cleanup_(grant_done) struct grant grant = { 0 };
        int r;

        job->phase = JOB_SAVE;
        job->incomplete = !answer->access_token;
        snprintf(job->incomplete_reason, sizeof(job->incomplete_reason), "%s",
                 *answer->reason
                         ? answer->reason
                         : "The answer held no usable access token; its new refresh token was saved.");
        note_provider_words(credential, answer);

        r = make_grant(job, answer, &grant);
        if (r < 0) {
                credential->outcome_unknown = true;
                end_in_failure(job, "Out of memory while an answer was read.", &passing_backoff, 0);
                return;
        }

        /* The place goes after the write is queued, so that the next refresh never delays this save. */
        r = vault_save_grant(job->refresher->context->vault, credential, &grant, on_grant_saved, job,
                             &job->write);
        if (r < 0)
                on_grant_saved(r, job);
        else
                refresh_job_give_up_place(job);
}

static void note_unknown_outcome(struct refresh_job *job, const struct http_response *response)
{
        struct credential *credential = job->credential;
        unsigned most = provider_of(credential)->max_replays;
        bool answered =
                response->result == HTTP_ANSWERED && (response->status < 200 || response->status > 299);

        credential->outcome_unknown = true;
        /* An error that the provider took the time to send does not use the old token up; silence and broken good answers may have. */
        if (!answered)
                credential->replays++;
        credential->replays_spent = credential->replays > most;
}

static void fail_for_now(struct refresh_job *job, const struct http_response *response,
                         const struct oauth_answer *answer)
{
        struct credential *credential = job->credential;
        struct vault *vault = job->refresher->context->vault;

        if (answer->outcome_unknown)
                note_unknown_outcome(job, response);
        else if (!credential->outcome_unknown)
                vault_clear_intent(vault, credential);

        if (credential->replays_spent) {
                struct diag text = DIAG_INIT;
                diag_set(&text,
                         "%s The old refresh token was tried %u times after an answer was lost; purserd does "
                         "not try it again by itself: "
                         "purser refresh %s, or purser login %s.",
                         answer->reason, credential->replays - 1, credential->name, credential->name);
                end_in_failure(job, text.text, &replay_backoff, 0);
                return;
        }
        end_in_failure(job, answer->reason, credential->outcome_unknown ? &replay_backoff : &passing_backoff,
                       answer->retry_after_usec);
}

static void on_answer(const struct http_response *response, void *userdata)
{
        _cleanup_(oauth_answer_done) struct oauth_answer answer = { 0 };
        struct refresh_job *job = userdata;
        struct context *context = job->refresher->context;
        struct credential *credential = job->credential;
        int64_t wall_sec = clock_wall_usec(context->clock) / (int64_t)USEC_PER_SEC;
        int r;

        job->transfer = http_transfer_free(job->transfer);

        r = oauth_read_token_answer(provider_of(credential), response, wall_sec, &answer);
        if (r < 0) {
                credential->outcome_unknown = true;
                end_in_failure(job, "Out of memory while an answer was read.", &passing_backoff, 0);
                return;
        }

        credential->client_refused = answer.verdict == OAUTH_CLIENT_REFUSED;
        switch (answer.verdict) {
        case OAUTH_GRANTED:
                save_granted(job, &answer);
                break;
        case OAUTH_GRANT_REFUSED:
                end_in_refusal(job, answer.reason);
                break;
        case OAUTH_CLIENT_REFUSED:
                if (!credential->outcome_unknown)
                        vault_clear_intent(context->vault, credential);
                end_in_failure(job, answer.reason, &client_backoff, answer.retry_after_usec);
                break;
        case OAUTH_TRY_AGAIN:
                fail_for_now(job, response, &answer);
                break;
        }
}

/* ---- the way there ---- */

static int send_request(struct refresh_job *job, const struct secret *client_secret)
{
        struct credential *credential = job->credential;
        struct context *context = job->refresher->context;
        struct oauth_client client = { .provider = credential->client->provider,
                                       .endpoints = { .token = job->token_endpoint },
                                       .client_id = credential->client->client_id,
                                       .secret = client_secret };
        struct http_request *request;
        int r;

        r = oauth_refresh_request(&client, credential->grant.refresh_token, &request);
        if (r < 0)
                return r;

        job->phase = JOB_REQUEST;
        job->sent_usec = context_now(context);
        return http_start(context->http, request, NULL, context->config->refresh.timeout_usec, on_answer, job,
                          &job->transfer);
}

static void prepare_and_send(struct refresh_job *job)
{
        _cleanup_(secret_freep) struct secret *client_secret = NULL;
        struct credential *credential = job->credential;
        struct context *context = job->refresher->context;
        struct diag diag = DIAG_INIT;
        int r;

        if (!credential->client) {
                vault_clear_intent(context->vault, credential);
                end_in_failure(job, "The configuration lost its client while a refresh was being prepared.",
                               &passing_backoff, 0);
                return;
        }

        r = vault_client_secret(context->vault, credential->client, &client_secret, &diag);
        if (r == 0)
                r = send_request(job, client_secret);
        if (r == 0)
                return;

        if (!credential->outcome_unknown)
                vault_clear_intent(context->vault, credential);
        credential->client_refused = r == VAULT_E_NO_SECRET;
        end_in_failure(
                job, r == VAULT_E_NO_SECRET ? diag.text : "The request could not be made for want of memory.",
                r == VAULT_E_NO_SECRET ? &client_backoff : &passing_backoff, 0);
}

static void on_intent_saved(int result, void *userdata)
{
        struct refresh_job *job = userdata;
        struct credential *credential = job->credential;
        const struct context *context = job->refresher->context;

        job->write = NULL;
        if (result < 0) {
                /* While the token lives there is time for the disk to mend; after that a refresh is worth the risk. */
                if (credential_may_serve(credential, context_now(context)) &&
                    credential->rejected_generation != credential->grant.generation) {
                        end_in_failure(
                                job,
                                "The disk refuses to save, so no refresh is sent while the token is valid.",
                                &passing_backoff, 0);
                        return;
                }
                log_error("Refreshing '%s' without a durable intent, since the disk refuses to save and its "
                          "token has ended.",
                          credential->name);
        }
        prepare_and_send(job);
}

static void save_intent(struct refresh_job *job, const struct oauth_endpoints *endpoints)
{
        int r;

        job->token_endpoint = strdup(endpoints->token);
        if (!job->token_endpoint) {
                end_in_failure(job, "The refresh could not be begun for want of memory.", &passing_backoff,
                               0);
                return;
        }

        job->phase = JOB_INTENT;
        r = vault_save_intent(job->refresher->context->vault, job->credential, on_intent_saved, job,
                              &job->write);
        if (r < 0)
                on_intent_saved(r, job);
}

static void on_endpoints(const struct oauth_endpoints *endpoints, const char *reason, void *userdata)
{
        struct refresh_job *job = userdata;

        job->endpoints_request = endpoints_request_free(job->endpoints_request);
        if (endpoints)
                save_intent(job, endpoints);
        else
                end_in_failure(job, reason, &passing_backoff, 0);
}

void refresh_job_begin(struct refresh_job *job)
{
        struct credential *credential = job->credential;
        struct oauth_endpoints endpoints;
        int r = -ENOENT;

        if (credential->client)
                r = discovery_find(job->refresher->discovery, credential->client->provider, on_endpoints, job,
                                   &endpoints, &job->endpoints_request);
        if (r == 0)
                save_intent(job, &endpoints);
        else if (r < 0)
                end_in_failure(job, "The refresh could not be begun for want of memory.", &passing_backoff,
                               0);
}
