/* When a credential is refreshed by itself, and what holds that up. */
#include "daemon/refresh/refresh_internal.h"

#include <stdlib.h>
#include <string.h>

bool refresh_is_possible(const struct credential *credential)
{
        return credential->client && credential_is_renewable(credential) &&
               credential->refusal == REFUSAL_NONE && !credential->unreadable &&
               !credential_is_elsewhere(credential);
}

static void on_refresh_due(void *userdata)
{
        struct credential *credential = userdata;

        refresh_job_require(credential->refresher, credential);
}

static uint64_t plan_usec(const struct refresher *refresher, const struct credential *credential)
{
        const struct context *context = refresher->context;
        const struct grant *grant = &credential->grant;
        uint64_t now = context_now(context), remaining, after, spread;
        int64_t due;

        if (!refresh_is_possible(credential) || credential->replays_spent)
                return USEC_INFINITY;
        if (credential->retry_at_usec > now)
                return credential->retry_at_usec;

        remaining = credential_remaining_usec(credential, now);
        if (!remaining || credential->outcome_unknown || credential->failures ||
            credential_is_rejected(credential))
                return now;

        after = credential_refresh_after_usec(grant->lifetime_usec, &context->config->refresh,
                                              context_random(context));
        due = grant->received_boot_usec + (int64_t)after;
        if (due > (int64_t)now)
                return (uint64_t)due;

        /* What fell due while nobody was looking (a restart) is spread over what is left of its life. */
        spread = grant->lifetime_usec / 10 < remaining / 2 ? grant->lifetime_usec / 10 : remaining / 2;
        return now + (spread ? context_random(context) % spread : 0);
}

void refresh_plan(struct refresher *refresher, struct credential *credential)
{
        /* A pending grant is refreshed when its test needs it. */
        if (credential->is_pending || credential->job || credential->held)
                return;

        credential->refresher = refresher;
        credential->next_refresh_usec =
                refresher->stopping ? USEC_INFINITY : plan_usec(refresher, credential);
        credential->refresh_timer.on_due = on_refresh_due;
        credential->refresh_timer.userdata = credential;
        if (timer_set(refresher->context->timers, &credential->refresh_timer, credential->next_refresh_usec) <
            0)
                log_error("Out of memory: the next refresh of '%s' could not be planned; it is refreshed "
                          "when asked for.",
                          credential->name);
}

/* Somebody waits for what was held up or cancelled. */
static void resume_waited_for(struct refresher *refresher, struct credential *credential)
{
        if (!credential->waiters || credential->job)
                return;
        if (!refresh_is_possible(credential) || credential->replays_spent)
                waiters_tell_failure(refresher, credential, true);
        else if (credential->retry_at_usec <= context_now(refresher->context))
                refresh_job_require(refresher, credential);
}

void refresher_plan(struct refresher *refresher, struct credential *credential)
{
        credential->held = false;
        refresh_plan(refresher, credential);
        resume_waited_for(refresher, credential);
}

void refresh_job_cancel(struct refresher *refresher, struct credential *credential)
{
        enum job_phase phase = credential->job->phase;
        bool may_have_intent = phase == JOB_INTENT || phase == JOB_READY;

        refresh_job_free(credential->job);
        if (phase == JOB_REQUEST && !credential_is_of_client(credential)) {
                credential->outcome_unknown = true;
                credential->replays++;
                credential->replays_spent = refresh_has_spent_replays(credential);
        } else if (may_have_intent && credential->outcome_unknown) {
                vault_keep_intent(refresher->context->vault, credential);
        } else if (may_have_intent) {
                vault_clear_intent(refresher->context->vault, credential);
        }
}

static int plan_one(struct credential *credential, void *userdata)
{
        struct refresher *refresher = userdata;

        if (credential->pending)
                plan_one(credential->pending, refresher);
        if (credential->held)
                return 0;

        /* What was begun with the old configuration and costs no grant to ask again begins anew. */
        if (credential->job &&
            (!refresh_job_is_sent(credential->job) ||
             (credential_is_of_client(credential) && credential->job->phase == JOB_REQUEST)))
                refresh_job_cancel(refresher, credential);
        if (credential->client_refused)
                credential->retry_at_usec = 0;
        refresher_plan(refresher, credential);
        return 0;
}

void refresher_plan_all(struct refresher *refresher)
{
        discovery_forget(refresher->discovery);
        (void)vault_each_loaded(refresher->context->vault, plan_one, refresher);
}

struct client_change {
        struct refresher *refresher;
        const char *client;
};

static int plan_client(struct credential *credential, void *userdata)
{
        struct client_change *change = userdata;

        if (credential->pending)
                plan_client(credential->pending, change);
        if (!credential->client || strcmp(credential->client->name, change->client) != 0 ||
            !credential->client_refused || credential->held)
                return 0;

        credential->retry_at_usec = 0;
        refresher_plan(change->refresher, credential);
        return 0;
}

void refresher_client_changed(struct refresher *refresher, const char *client)
{
        struct client_change change = { refresher, client };

        (void)vault_each_loaded(refresher->context->vault, plan_client, &change);
}

void refresher_hold(struct refresher *refresher, struct credential *credential)
{
        if (credential->job)
                refresh_job_cancel(refresher, credential);
        timer_stop(refresher->context->timers, &credential->refresh_timer);
        credential->next_refresh_usec = USEC_INFINITY;
        credential->held = true;
}

int refresher_quiesce(struct refresher *refresher, struct credential *credential,
                      void (*on_answer)(const struct token_answer *answer, void *userdata), void *userdata,
                      struct waiter **ret_waiter)
{
        int r;

        if (!credential->job || !refresh_job_is_sent(credential->job)) {
                refresher_hold(refresher, credential);
                return 0;
        }

        r = waiter_new(refresher, credential, 0, true, on_answer, userdata, ret_waiter);
        if (r == REFRESH_E_WAITING)
                credential->held = true;
        return r;
}

void refresher_replaced(struct refresher *refresher, struct credential *credential)
{
        waiters_tell_success(credential);
        refresher_plan(refresher, credential);
}

void refresher_release(struct refresher *refresher, struct credential *credential)
{
        refresher_hold(refresher, credential);
        waiters_tell_gone(credential);
}
