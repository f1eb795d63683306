/*
 * The steps of one refresh: a place among the requests to the provider, its endpoints, a durable intent, the request, the answer, and a durable
 * grant before anybody sees it.
 */
#include "daemon/refresh/refresh_internal.h"

#include "daemon/base/events.h"
#include "daemon/http/http.h"
#include "daemon/base/log.h"
#include "daemon/protocol/oauth.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
                refresh_end_in_failure(job, reason, 0);
        } else {
                refresh_end_in_success(job);
        }
}

/* ---- the answer ---- */

/*
 * The new grant: what the answer brought, and what stays as it was where it brought nothing. A new refresh token is not lost for want of memory
 * for something lesser.
 */
static int make_grant(const struct refresh_job *job, struct oauth_answer *answer, struct grant *ret)
{
        const struct grant *old = &job->credential->grant;
        struct context *context = job->refresher->context;
        _cleanup_(grant_done) struct grant grant = { 0 };
        const char *token_type = old->token_type;
        int r;

        if (answer->refresh_token)
                grant.refresh_token = take_ptr(answer->refresh_token);
        else if (old->refresh_token && (r = secret_copy(&grant.refresh_token, old->refresh_token)) < 0)
                return r;

        if (answer->access_token) {
                grant.access_token = take_ptr(answer->access_token);
                token_type = answer->token_type;
                grant.generation = old->generation + 1;
                grant.lifetime_usec = answer->lifetime_usec;
                grant.received_boot_usec = (int64_t)context_now(context);
                grant.received_wall_usec = clock_wall_usec(context->clock);
        } else {
                if (old->access_token && secret_copy(&grant.access_token, old->access_token) < 0)
                        grant.access_token = NULL;
                grant.generation = old->generation;
                grant.lifetime_usec = old->lifetime_usec;
                grant.received_boot_usec = old->received_boot_usec;
                grant.received_wall_usec = old->received_wall_usec;
        }
        /* None is Bearer. */
        grant.token_type = token_type ? strdup(token_type) : NULL;

        grant_move(ret, &grant);
        return 0;
}

static void tell_foreign_refresher(const struct credential *credential, const char *words)
{
        struct log_event event = refresh_event_of(credential, EVENT_FOREIGN_REFRESHER, LOG_LEVEL_ERROR);

        event.reason = words;
        log_event(&event,
                  "Somebody else refreshes the grant of '%s' too: find and stop the other program. "
                  "The provider says: %s",
                  credential->name, words);
}

static void note_provider_words(struct credential *credential, const struct oauth_answer *answer)
{
        /* After an answer of ours was lost it is we who redeem an old token: that is no alarm, and mended by this very answer. */
        bool ours = answer->foreign_refresher && credential->outcome_unknown;
        bool foreign = answer->foreign_refresher && !ours;

        if (foreign && !credential->foreign_refresher)
                tell_foreign_refresher(credential, answer->notice);
        credential->foreign_refresher = foreign;
        refresh_set_text(&credential->notice, ours ? NULL : answer->notice);
}

/* A token that has ended before it came is as unusable as none; asking again at once would be a storm. */
static void drop_ended_token(struct oauth_answer *answer)
{
        if (!answer->access_token || answer->lifetime_usec)
                return;

        answer->access_token = secret_free(answer->access_token);
        snprintf(answer->reason, sizeof(answer->reason),
                 "The access token that came had ended already: check this host's clock and the provider's.");
}

/* Nobody has logged in for a client that asks for itself: its first token makes the credential's record. */
static int name_client(struct credential *credential, int64_t wall_usec)
{
        char *name;

        if (*credential->client_name || !credential->client)
                return 0;
        name = strdup(credential->client->name);
        if (!name)
                return fault(-ENOMEM);
        free(credential->client_name);
        credential->client_name = name;
        credential->authorized_wall_usec = wall_usec;
        return 0;
}

static void save_granted(struct refresh_job *job, struct oauth_answer *answer)
{
        struct credential *credential = job->credential;
        _cleanup_(grant_done) struct grant grant = { 0 };
        int r;

        job->phase = JOB_SAVE;
        drop_ended_token(answer);
        job->incomplete = !answer->access_token;
        snprintf(job->incomplete_reason, sizeof(job->incomplete_reason), "%s",
                 *answer->reason
                         ? answer->reason
                         : "The answer held no usable access token; its new refresh token was saved.");
        note_provider_words(credential, answer);

        r = name_client(credential, clock_wall_usec(job->refresher->context->clock));
        if (r == 0)
                r = make_grant(job, answer, &grant);
        if (r < 0) {
                refresh_take_intent_back(job);
                refresh_end_in_failure(job, "Out of memory while an answer was read.", 0);
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

/* A page where an answer of JSON belongs: somebody before the token endpoint is speaking, as they do for maintenance. */
static bool is_page(const struct http_response *response)
{
        const char *body = response->body.n > 0 ? response->body.data : "";

        return strncmp(response->content_type, "text/html", strlen("text/html")) == 0 ||
               body[strspn(body, " \t\r\n")] == '<';
}

static void note_unknown_outcome(struct refresh_job *job, const struct http_response *response)
{
        struct credential *credential = job->credential;
        bool is_good = response->status >= 200 && response->status <= 299;

        credential->outcome_unknown = true;
        /* An error that the provider took the time to send does not use the old token up; silence and broken good answers may have. */
        job->unanswered = response->result != HTTP_ANSWERED || (is_good && !is_page(response));
        credential->replays += job->unanswered;
}

static void fail_for_now(struct refresh_job *job, const struct http_response *response,
                         const struct oauth_answer *answer)
{
        struct credential *credential = job->credential;

        if (answer->outcome_unknown)
                note_unknown_outcome(job, response);
        else
                refresh_take_intent_back(job);

        if (refresh_has_spent_replays(credential)) {
                struct diag text = DIAG_INIT;
                diag_set(&text,
                         "%s The old refresh token was tried as often as it may be after an answer was lost; "
                         "purserd does not try it again by itself: purser refresh %s, or purser login %s.",
                         answer->reason, credential->name, credential->name);
                refresh_end_in_failure(job, text.text, answer->retry_after_usec);
                return;
        }
        refresh_end_in_failure(job, answer->reason, answer->retry_after_usec);
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

        r = (credential_is_of_client(credential)
                     ? oauth_read_client_credentials_answer
                     : oauth_read_token_answer)(refresh_provider_of(credential), response, wall_sec, &answer);
        if (r < 0) {
                credential->outcome_unknown = job->unanswered = true;
                credential->replays++;
                refresh_end_in_failure(job, "Out of memory while an answer was read.", 0);
                return;
        }

        credential->client_refused = answer.verdict == OAUTH_CLIENT_REFUSED;
        if (answer.foreign_refresher && answer.verdict != OAUTH_GRANTED && !credential->outcome_unknown)
                tell_foreign_refresher(credential, answer.reason);
        switch (answer.verdict) {
        case OAUTH_GRANTED:
                save_granted(job, &answer);
                break;
        case OAUTH_GRANT_REFUSED:
                refresh_end_in_refusal(job, answer.reason, answer.disconnected);
                break;
        case OAUTH_CLIENT_REFUSED:
                refresh_take_intent_back(job);
                refresh_end_in_failure(job, answer.reason, answer.retry_after_usec);
                break;
        case OAUTH_TRY_AGAIN:
                fail_for_now(job, response, &answer);
                break;
        }
}

/* ---- the way there ---- */

static int send_request(struct refresh_job *job, const struct oauth_client *client)
{
        struct credential *credential = job->credential;
        struct context *context = job->refresher->context;
        struct http_request *request;
        int r;

        if (credential_is_of_client(credential))
                r = oauth_client_credentials_request(client, (const char *const *)credential->client->scopes,
                                                     credential->client->n_scopes, &request);
        else
                r = oauth_refresh_request(client, credential->grant.refresh_token, &request);
        if (r < 0)
                return r;

        return http_start(context->http, request, NULL, context->config->refresh.timeout_usec, on_answer, job,
                          &job->transfer);
}

void refresh_job_send(struct refresh_job *job)
{
        _cleanup_(identity_done) struct identity identity = { 0 };
        struct oauth_endpoints endpoints = { .token = job->token_endpoint };
        struct credential *credential = job->credential;
        struct context *context = job->refresher->context;
        struct diag diag = DIAG_INIT;
        int r;

        if (!credential->client) {
                refresh_take_intent_back(job);
                refresh_end_in_failure(
                        job, "The configuration lost its client while a refresh was being prepared.", 0);
                return;
        }

        r = vault_identify(context->vault, credential->client, &endpoints, &identity, &diag);
        if (r == 0)
                r = send_request(job, &identity.client);
        if (r == 0)
                return;

        refresh_take_intent_back(job);
        credential->client_refused = r == VAULT_E_NO_SECRET;
        refresh_end_in_failure(
                job, r == VAULT_E_NO_SECRET ? diag.text : "The request could not be made for want of memory.",
                0);
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
                    !credential_is_rejected(credential)) {
                        refresh_take_intent_back(job);
                        job->retry_within_usec = credential_remaining_usec(credential, context_now(context));
                        refresh_end_in_failure(
                                job,
                                "The disk refuses to save, so no refresh is sent while the token is valid.",
                                0);
                        return;
                }
                log_error("Refreshing '%s' without a durable intent, since the disk refuses to save and its "
                          "token has ended.",
                          credential->name);
        }
        refresh_job_ready(job);
}

static void save_intent(struct refresh_job *job, const struct oauth_endpoints *endpoints)
{
        int r;

        job->token_endpoint = strdup(endpoints->token);
        if (!job->token_endpoint) {
                refresh_end_in_failure(job, "The refresh could not be begun for want of memory.", 0);
                return;
        }

        /* Where there is no grant to lose, nothing need be known of the request after a crash. */
        if (credential_is_of_client(job->credential)) {
                refresh_job_ready(job);
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
                refresh_end_in_failure(job, reason, 0);
}

/*
 * What came of its refresh token is being saved, and not in force yet. Sent twice, that would be an attack in the provider's eyes; and an
 * intent would speak of the grant before, so that nobody would heed it after a crash.
 */
static bool is_being_saved(const struct credential *credential)
{
        return credential->saves_in_flight && !credential_is_of_client(credential);
}

void refresh_job_begin(struct refresh_job *job)
{
        struct credential *credential = job->credential;
        struct oauth_endpoints endpoints;
        int r = -ENOENT;

        job->begun_usec = context_now(job->refresher->context);
        if (is_being_saved(credential)) {
                refresh_end_in_failure(job, "The tokens that came last are still being saved.", 0);
                return;
        }
        if (credential->client)
                r = discovery_find(job->refresher->discovery, credential->client->provider, on_endpoints, job,
                                   &endpoints, &job->endpoints_request);
        if (r == 0)
                save_intent(job, &endpoints);
        else if (r < 0)
                refresh_end_in_failure(job, "The refresh could not be begun for want of memory.", 0);
}
