/* Who gets which answer, and the ends of a grant and of the refresher. */
#include "daemon/refresh/refresh_internal.h"

#include "daemon/base/events.h"
#include "daemon/http/http.h"
#include "daemon/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_REJECTIONS = 3 };
#define REJECTIONS_WINDOW_USEC (60 * USEC_PER_SEC)

static void on_stop_due(void *userdata)
{
        struct refresher *refresher = userdata;

        /* Who waited for the last refresh is told of it before the end. */
        waiters_on_tell(refresher);
        if (refresher->on_stopped)
                refresher->on_stopped(refresher->on_stopped_userdata);
}

static void on_gone(struct credential *credential, void *userdata)
{
        refresher_release(userdata, credential);
}

int refresher_new(struct refresher **ret, struct context *context)
{
        struct refresher *refresher = calloc(1, sizeof(*refresher));
        int r;

        if (!refresher)
                return fault(-ENOMEM);

        refresher->context = context;
        timer_init(&refresher->stop_timer, on_stop_due, refresher);
        timer_init(&refresher->tell_timer, waiters_on_tell, refresher);
        r = discovery_new(&refresher->discovery, context);
        if (r < 0) {
                free(refresher);
                return r;
        }

        refresher->listener = (struct vault_listener){ .on_gone = on_gone, .userdata = refresher };
        vault_listen(context->vault, &refresher->listener);
        *ret = refresher;
        return 0;
}

static int release_one(struct credential *credential, void *userdata)
{
        struct refresher *refresher = userdata;

        if (credential->pending)
                release_one(credential->pending, refresher);
        if (credential->job)
                refresh_job_free(credential->job);
        timer_stop(refresher->context->timers, &credential->refresh_timer);
        while (credential->waiters)
                waiter_free(credential->waiters);
        return 0;
}

struct refresher *refresher_free(struct refresher *refresher)
{
        if (!refresher)
                return NULL;

        refresher->stopping = true;
        refresher->on_stopped = NULL;
        vault_unlisten(refresher->context->vault, &refresher->listener);
        (void)vault_each_loaded(refresher->context->vault, release_one, refresher);
        while (refresher->telling)
                waiter_free(refresher->telling);
        timer_stop(refresher->context->timers, &refresher->tell_timer);
        timer_stop(refresher->context->timers, &refresher->stop_timer);
        lanes_free(refresher);
        discovery_free(refresher->discovery);
        free(refresher);
        return NULL;
}

struct discovery *refresher_discovery(struct refresher *refresher)
{
        return refresher->discovery;
}

void refresher_get_stats(const struct refresher *refresher, struct refresh_stats *ret)
{
        *ret = refresher->stats;
        ret->in_flight = refresher->n_begun;
        ret->queued = refresher->n_jobs - refresher->n_begun;
}

/* True when the caller reports the token that is current, and no longer one of the past. */
static bool reports_current(const struct credential *credential, const struct token_demand *demand)
{
        return demand->rejected && credential->grant.access_token &&
               secret_equal_bytes(credential->grant.access_token, demand->rejected, strlen(demand->rejected));
}

/* Marks the current token as rejected. False when tokens are rejected so often that one more refresh would not help. */
static bool note_rejection(struct refresher *refresher, struct credential *credential)
{
        uint64_t now = context_now(refresher->context);

        if (credential_is_rejected(credential))
                return true;
        if (credential->rejections && now - credential->rejected_at_usec < REJECTIONS_WINDOW_USEC) {
                if (credential->rejections >= MOST_REJECTIONS)
                        return false;
        } else {
                credential->rejections = 0;
                credential->rejected_at_usec = now;
        }

        credential->rejections++;
        credential->rejected_generation = credential->grant.generation;
        if (credential->refusal == REFUSAL_REFUSED) {
                credential->refusal = REFUSAL_CUT;
                vault_save_facts(refresher->context->vault, credential);
        }
        log_event(&(struct log_event){ .level = LOG_LEVEL_NOTICE,
                                       .credential = credential->name,
                                       .generation = credential->grant.generation },
                  "The API rejected access token %llu of '%s'.",
                  (unsigned long long)credential->grant.generation, credential->name);
        context_changed(refresher->context, credential, false);
        return true;
}

void refresher_reject(struct refresher *refresher, struct credential *credential)
{
        if (note_rejection(refresher, credential) && refresh_is_possible(credential) &&
            credential->retry_at_usec <= context_now(refresher->context))
                refresh_job_require(refresher, credential);
}

/* Begins or joins a refresh, unless a pause, the end of the grant, or a stop says no; then 0 and an answer. */
static int ask_refresh(struct refresher *refresher, struct credential *credential, uint64_t min_valid_usec,
                       bool fail_fast, void (*on_answer)(const struct token_answer *answer, void *userdata),
                       void *userdata, struct token_answer *ret_answer, struct waiter **ret_waiter)
{
        uint64_t now = context_now(refresher->context);
        uint64_t patience_end = usec_add(now, refresher->context->config->refresh.timeout_usec);
        struct waiter probe = { .credential = credential, .refresher = refresher, .fail_fast = fail_fast };
        bool pausing = !credential->job && !credential->held && credential->retry_at_usec > now;

        if (!refresh_is_possible(credential) || credential->replays_spent ||
            (refresher->stopping && !credential->job) ||
            (pausing &&
             (fail_fast || credential->client_refused || credential->retry_at_usec >= patience_end ||
              credential_may_serve(credential, now)))) {
                waiter_answer_with_what_there_is(&probe, now, ret_answer);
                return 0;
        }

        int r = waiter_new(refresher, credential, min_valid_usec, fail_fast, on_answer, userdata, ret_waiter);
        if (r == REFRESH_E_WAITING && !pausing)
                refresh_job_require(refresher, credential);
        return r;
}

int refresher_ask(struct refresher *refresher, struct credential *credential,
                  const struct token_demand *demand,
                  void (*on_answer)(const struct token_answer *answer, void *userdata), void *userdata,
                  struct token_answer *ret_answer, struct waiter **ret_waiter)
{
        uint64_t now = context_now(refresher->context), min_valid,
                 remaining = credential_remaining_usec(credential, now);
        bool serves = credential_may_serve(credential, now) || (credential->is_pending && remaining);
        bool unmeetable;

        if (demand->min_valid_given && demand->min_valid_sec > CREDENTIAL_MOST_MIN_VALID_SEC) {
                *ret_answer = (struct token_answer){ .verdict = TOKEN_UNAVAILABLE };
                snprintf(ret_answer->reason, sizeof(ret_answer->reason),
                         "No access token lives as long as min_valid_seconds asks for; ask for a day at "
                         "most.");
                return 0;
        }
        if (credential->unreadable && !serves) {
                waiter_answer_unavailable(credential, now, ret_answer);
                return 0;
        }

        if (serves && reports_current(credential, demand)) {
                if (!note_rejection(refresher, credential)) {
                        *ret_answer = (struct token_answer){ .verdict = TOKEN_UNAVAILABLE,
                                                             .retry_after_usec = REJECTIONS_WINDOW_USEC };
                        snprintf(ret_answer->reason, sizeof(ret_answer->reason),
                                 "The API keeps rejecting fresh access tokens: look at the API's own words, "
                                 "or: purser test %s",
                                 credential->name);
                        return 0;
                }
                return ask_refresh(refresher, credential, 0, true, on_answer, userdata, ret_answer,
                                   ret_waiter);
        }

        min_valid = credential_min_valid_usec(credential, demand, &unmeetable);
        if (serves && remaining >= min_valid) {
                *ret_answer = (struct token_answer){ .verdict = TOKEN_READY, .short_lived = unmeetable };
                return 0;
        }
        /* Whether a fresh token meets it after all is seen when it is there. */
        if (unmeetable)
                min_valid = (uint64_t)demand->min_valid_sec * USEC_PER_SEC;

        return ask_refresh(refresher, credential, min_valid, false, on_answer, userdata, ret_answer,
                           ret_waiter);
}

int refresher_try(struct refresher *refresher, struct credential *credential,
                  void (*on_answer)(const struct token_answer *answer, void *userdata), void *userdata,
                  struct token_answer *ret_answer, struct waiter **ret_waiter)
{
        credential->refresher = refresher;
        return ask_refresh(refresher, credential, 0, true, on_answer, userdata, ret_answer, ret_waiter);
}

int refresher_force(struct refresher *refresher, struct credential *credential,
                    void (*on_answer)(const struct token_answer *answer, void *userdata), void *userdata,
                    struct token_answer *ret_answer, struct waiter **ret_waiter)
{
        if (!credential->retry_is_ordered || credential->retry_at_usec <= context_now(refresher->context)) {
                credential->retry_at_usec = 0;
                credential->replays_spent = false;
        }

        return refresher_try(refresher, credential, on_answer, userdata, ret_answer, ret_waiter);
}

void refresher_end(struct refresher *refresher, struct credential *credential, const char *reason)
{
        struct vault *vault = refresher->context->vault;
        char *copy;

        if (credential->refusal == REFUSAL_CUT)
                return;
        if (credential_is_of_client(credential)) {
                (void)note_rejection(refresher, credential);
                refresh_plan(refresher, credential);
                return;
        }

        copy = strdup(reason);
        refresher_hold(refresher, credential);
        credential->held = false;
        credential->outcome_unknown = false;
        credential->refusal = REFUSAL_CUT;
        free(credential->refusal_reason);
        credential->refusal_reason = copy;
        vault_clear_intent(vault, credential);
        vault_save_facts(vault, credential);
        context_changed(refresher->context, credential, false);
        waiters_tell_refusal(refresher, credential);
}

void refresher_cut(struct refresher *refresher, struct credential *credential, const char *reason)
{
        /* Nobody could log in for it: whether the app may have a token again is asked. */
        if (credential_is_of_client(credential)) {
                refresher_reject(refresher, credential);
                return;
        }
        if (credential->refusal != REFUSAL_CUT)
                log_event(&(struct log_event){ .message_id = EVENT_AUTHORIZATION_REQUIRED,
                                               .level = LOG_LEVEL_ERROR,
                                               .credential = credential->name,
                                               .client = credential->client_name,
                                               .reason = reason },
                          "Credential '%s' needs an authorization: %s To mend it: purser login %s",
                          credential->name, reason, credential->name);
        refresher_end(refresher, credential, reason);
}

/* ---- stopping ---- */

static int cancel_unsent(struct credential *credential, void *userdata)
{
        struct refresher *refresher = userdata;

        if (credential->pending)
                cancel_unsent(credential->pending, userdata);
        timer_stop(refresher->context->timers, &credential->refresh_timer);
        if (credential->job && !refresh_job_is_sent(credential->job))
                refresh_job_cancel(refresher, credential);
        if (!credential->job)
                waiters_tell_failure(refresher, credential, true);
        return 0;
}

void refresher_check_stopped(struct refresher *refresher)
{
        if (refresher->stopping && !refresher->n_jobs && refresher->on_stopped)
                (void)timer_set(refresher->context->timers, &refresher->stop_timer,
                                context_now(refresher->context));
}

void refresher_stop(struct refresher *refresher, void (*on_stopped)(void *userdata), void *userdata)
{
        refresher->stopping = true;
        refresher->on_stopped = on_stopped;
        refresher->on_stopped_userdata = userdata;
        (void)vault_each_loaded(refresher->context->vault, cancel_unsent, refresher);
        refresher_check_stopped(refresher);
}
