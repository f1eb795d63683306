/* When a credential is tested by itself. */
#include "daemon/refresh/probe_internal.h"

#include "daemon/base/backoff.h"

static const struct backoff probe_backoff = { .base_usec = 60 * USEC_PER_SEC,
                                              .max_usec = 3600 * USEC_PER_SEC };

static bool is_testable(const struct credential *credential)
{
        return credential->client && credential->refusal == REFUSAL_NONE && !credential->is_pending &&
               !credential->unreadable && !credential_is_elsewhere(credential) &&
               (credential->grant.access_token || credential->grant.refresh_token) &&
               api_has_test(credential->client->provider);
}

static void on_test_due(void *userdata)
{
        struct credential *credential = userdata;

        if (is_testable(credential))
                (void)prober_run(credential->prober, credential, NULL, NULL, NULL);
}

static uint64_t plan_usec(const struct context *context, const struct credential *credential)
{
        uint64_t every = context->config->refresh.test_every_usec, now = context_now(context);
        int64_t since = clock_wall_usec(context->clock) - credential->test.tested_wall_usec;
        uint64_t pause, left;

        if (!every || !is_testable(credential))
                return USEC_INFINITY;
        if (credential->test_failures) {
                pause = backoff_pause_usec(&probe_backoff, credential->test_failures,
                                           context_random(context));
                return now + (pause > credential->test_retry_after_usec ? pause
                                                                        : credential->test_retry_after_usec);
        }
        if (!credential->test.tested_wall_usec || since < 0 || (uint64_t)since >= every)
                return now + context_random(context) % (every / 24 + 1);

        left = every - (uint64_t)since;
        return now + left - context_random(context) % (left / 10 + 1);
}

void prober_plan(struct prober *prober, struct credential *credential)
{
        struct timers *timers = prober->context->timers;

        if (credential->is_pending)
                return; /* login.c tests those */

        credential->prober = prober;
        credential->test_timer.on_due = on_test_due;
        credential->test_timer.userdata = credential;
        (void)timer_set(timers, &credential->test_timer, plan_usec(prober->context, credential));
}

static int plan_one(struct credential *credential, void *userdata)
{
        prober_plan(userdata, credential);
        return 0;
}

void prober_plan_all(struct prober *prober)
{
        (void)vault_each_loaded(prober->context->vault, plan_one, prober);
}
