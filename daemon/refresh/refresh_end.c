/* How one refresh ends - in a fresh token, for now, or for good -, and what is told of it. */
#include "daemon/refresh/refresh_internal.h"

#include "daemon/base/backoff.h"
#include "daemon/base/events.h"

#include <stdlib.h>
#include <string.h>

static const struct backoff passing_backoff = { .base_usec = 2 * USEC_PER_SEC,
                                                .max_usec = 300 * USEC_PER_SEC };
/* While the provider answers with errors of its own, so that no try is used up. */
static const struct backoff trouble_backoff = { .base_usec = 4 * USEC_PER_SEC,
                                                .max_usec = 900 * USEC_PER_SEC };
/* Before each try with a token that may be spent: the first comes soon, and five of them outlast an outage of hours in which nothing answers. */
#define REPLAY_PAUSE(seconds)                                                                                \
        {                                                                                                    \
                .base_usec = (seconds)*USEC_PER_SEC, .max_usec = (seconds)*USEC_PER_SEC                      \
        }
static const struct backoff replay_backoffs[] = { REPLAY_PAUSE(4), REPLAY_PAUSE(30), REPLAY_PAUSE(240),
                                                  REPLAY_PAUSE(1800), REPLAY_PAUSE(10800) };
enum { N_REPLAY_BACKOFFS = sizeof(replay_backoffs) / sizeof(replay_backoffs[0]) };
/* A wrong client secret does not mend itself. */
static const struct backoff client_backoff = { .base_usec = 60 * USEC_PER_SEC,
                                               .max_usec = 3600 * USEC_PER_SEC };

const struct provider *refresh_provider_of(const struct credential *credential)
{
        static const struct provider unknown = { .name = (char *)"", .max_replays = 5 };

        return credential->client ? credential->client->provider : &unknown;
}

static const struct backoff *pace_of(const struct refresh_job *job)
{
        const struct credential *credential = job->credential;
        size_t pause = credential->replays > 0 ? credential->replays - 1 : 0;

        if (credential->client_refused)
                return &client_backoff;
        if (job->unanswered)
                return &replay_backoffs[pause < N_REPLAY_BACKOFFS ? pause : N_REPLAY_BACKOFFS - 1];

        return credential->outcome_unknown ? &trouble_backoff : &passing_backoff;
}

void refresh_set_text(char **text, const char *value)
{
        free(*text);
        *text = value && *value ? strdup(value) : NULL;
}

struct log_event refresh_event_of(const struct credential *credential, const char *message_id,
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

static const char *failure_event(const struct credential *credential)
{
        if (credential->replays_spent)
                return EVENT_AUTHORIZATION_REQUIRED;
        if (credential->client_refused)
                return EVENT_CLIENT_REFUSED;

        return credential->outcome_unknown ? EVENT_OUTCOME_UNKNOWN : EVENT_REFRESH_FAILED;
}

/* A later login's grant that waits for its test has the name of the credential whose place it is to take. */
static const char *of_what(const struct credential *credential)
{
        return credential->is_pending ? "the waiting login of " : "";
}

static void tell_failure(struct credential *credential, const char *reason, uint64_t pause_usec)
{
        struct log_event event = refresh_event_of(credential, failure_event(credential), LOG_LEVEL_WARNING);
        bool is_news = !credential->told_failure || strcmp(credential->told_failure, event.message_id) != 0;

        if (!is_news && !is_worth_telling(credential->failures))
                return;

        credential->told_failure = event.message_id;
        event.reason = reason;
        if (credential->client_refused || credential->replays_spent)
                event.level = LOG_LEVEL_ERROR;
        if (credential->replays_spent)
                log_event(&event, "Refreshing %s'%s' failed (%u in a row), and is not tried again: %s",
                          of_what(credential), credential->name, credential->failures, reason);
        else
                log_event(&event, "Refreshing %s'%s' failed (%u in a row): %s Next try in %llu s.",
                          of_what(credential), credential->name, credential->failures, reason,
                          (unsigned long long)((pause_usec + USEC_PER_SEC - 1) / USEC_PER_SEC));
}

/* Whatever comes of it. */
static void note_duration(const struct refresh_job *job)
{
        struct refresher *refresher = job->refresher;

        histogram_add(&refresher->stats.duration, context_now(refresher->context) - job->begun_usec);
}

bool refresh_has_spent_replays(const struct credential *credential)
{
        return credential->outcome_unknown &&
               credential->replays > refresh_provider_of(credential)->max_replays;
}

/* For a passing reason: nothing is thrown away, and it is tried again. */
void refresh_end_in_failure(struct refresh_job *job, const char *reason, uint64_t retry_after_usec)
{
        struct refresher *refresher = job->refresher;
        struct credential *credential = job->credential;
        struct context *context = refresher->context;
        uint64_t now = context_now(context), pause;

        credential->failures++;
        refresher->stats.failed++;
        note_duration(job);
        pause = retry_after_usec
                        ? retry_after_usec
                        : backoff_pause_usec(pace_of(job), credential->failures, context_random(context));
        if (job->retry_within_usec && pause > job->retry_within_usec)
                pause = job->retry_within_usec;
        credential->retry_at_usec = usec_add(now, pause);
        credential->retry_is_ordered = retry_after_usec > 0;
        credential->replays_spent = refresh_has_spent_replays(credential);
        refresh_set_text(&credential->last_failure, reason);
        tell_failure(credential, reason, pause);

        refresh_job_free(job);
        if (credential->outcome_unknown)
                vault_keep_intent(context->vault, credential);
        refresh_plan(refresher, credential);
        context_changed(context, credential, false);
        waiters_tell_failure(refresher, credential,
                             credential->client_refused || credential->replays_spent || refresher->stopping);
}

void refresh_take_intent_back(const struct refresh_job *job)
{
        if (!job->credential->outcome_unknown)
                vault_clear_intent(job->refresher->context->vault, job->credential);
}

void refresh_end_in_refusal(struct refresh_job *job, const char *reason, bool cut)
{
        struct refresher *refresher = job->refresher;
        struct credential *credential = job->credential;
        struct log_event event = refresh_event_of(credential, EVENT_AUTHORIZATION_REQUIRED, LOG_LEVEL_ERROR);
        struct diag text = DIAG_INIT;

        if (credential->outcome_unknown)
                diag_set(&text,
                         "The answer to an earlier refresh was lost, and the provider no longer takes the "
                         "old refresh token: %s",
                         reason);
        else
                diag_set(&text, "%s", reason);

        credential->refusal = cut || credential_is_rejected(credential) ? REFUSAL_CUT : REFUSAL_REFUSED;
        credential->outcome_unknown = false;
        credential->client_refused = false;
        refresh_set_text(&credential->refusal_reason, text.text);
        refresher->stats.refused++;
        note_duration(job);
        event.reason = text.text;
        if (!credential->is_pending)
                log_event(&event, "Credential '%s' needs an authorization: %s To mend it: purser login %s",
                          credential->name, text.text, credential->name);

        vault_clear_intent(refresher->context->vault, credential);
        vault_save_facts(refresher->context->vault, credential);
        refresh_job_free(job);
        credential->next_refresh_usec = USEC_INFINITY;
        context_changed(refresher->context, credential, false);
        waiters_tell_refusal(refresher, credential);
}

/* That a waiting login has recovered says nothing of the credential, whose own grant may need that login. */
static void tell_success(struct credential *credential, bool recovered)
{
        struct log_event event = refresh_event_of(credential, EVENT_REFRESHED, LOG_LEVEL_INFO);

        if (credential->is_pending) {
                log_event(&event, "The waiting login of '%s' has access token %llu.", credential->name,
                          (unsigned long long)credential->grant.generation);
                return;
        }
        if (recovered) {
                event.message_id = EVENT_RECOVERED;
                event.level = LOG_LEVEL_NOTICE;
        }
        log_event(&event,
                  recovered ? "Credential '%s' has recovered: it has access token %llu."
                            : "Credential '%s' has access token %llu.",
                  credential->name, (unsigned long long)credential->grant.generation);
}

void refresh_end_in_success(struct refresh_job *job)
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
        credential->told_failure = NULL;
        refresh_set_text(&credential->last_failure, NULL);
        refresher->stats.refreshed++;
        note_duration(job);
        tell_success(credential, recovered);

        refresh_job_free(job);
        refresh_plan(refresher, credential);
        context_changed(refresher->context, credential, false);
        waiters_tell_success(credential);
}
