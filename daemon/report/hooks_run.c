/* The commands: a queue each, one run at a time, and what is told when they fail. */
#include "daemon/report/hooks_internal.h"

#include "common/duration.h"
#include "daemon/base/events.h"
#include "daemon/base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void run_next(struct hook *hook);

/* ---- the journal ---- */

/* The first failure, the second, the fourth, the eighth. */
static void tell_failure(struct hook *hook, const char *reason)
{
        hook->failures++;
        if (hook->failures & (hook->failures - 1))
                return;
        log_event(&(struct log_event){ .message_id = EVENT_HOOK_FAILED,
                                       .level = LOG_LEVEL_WARNING,
                                       .hook = hook->command[0],
                                       .reason = reason },
                  "The command %s of on_event failed (%u in a row): %s.", hook->command[0], hook->failures,
                  reason);
}

static void tell_success(struct hook *hook)
{
        if (!hook->failures)
                return;
        hook->failures = 0;
        log_event(&(struct log_event){ .message_id = EVENT_HOOK_WORKS,
                                       .level = LOG_LEVEL_NOTICE,
                                       .hook = hook->command[0] },
                  "The command %s of on_event works again.", hook->command[0]);
}

static void on_end(const struct child_end *end, void *userdata)
{
        struct hook *hook = userdata;
        struct diag reason = DIAG_INIT;
        const char *colon = *end->words ? ": " : "";
        char time[32];

        if (end->outcome == CHILD_TIMED_OUT)
                diag_set(&reason, "it did not end within %s, and was killed%s%s",
                         duration_format(hook->timeout_usec, time, sizeof(time)), colon, end->words);
        else if (end->outcome == CHILD_SIGNALLED)
                diag_set(&reason, "it was ended by signal %d%s%s", end->number, colon, end->words);
        else if (end->number != 0)
                diag_set(&reason, "exit status %d%s%s", end->number, colon, end->words);

        hook->child = child_free(hook->child);
        if (reason.text[0])
                tell_failure(hook, reason.text);
        else
                tell_success(hook);
        run_next(hook);
}

/* ---- running ---- */

static void job_free(struct hook_job *job)
{
        free(job->text);
        free(job);
}

static struct hook_job *take_job(struct hook *hook)
{
        struct hook_job *job = STAILQ_FIRST(&hook->jobs);

        if (job) {
                STAILQ_REMOVE_HEAD(&hook->jobs, link);
                hook->n_jobs--;
        }
        return job;
}

static int run(struct hook *hook, const struct hook_job *job)
{
        struct context *context = hook->hooks->context;
        struct hook_config config = { .command = hook->command };
        struct child_order order = { .argv = hook->command,
                                     .input = job->text,
                                     .n_input = strlen(job->text),
                                     .timeout_usec = hook->timeout_usec,
                                     .on_end = on_end,
                                     .userdata = hook };
        struct diag diag = DIAG_INIT;
        int r;

        if (hook_check(&config, context->own_uid, &diag) != 0) {
                tell_failure(hook, diag.text);
                return 0;
        }
        r = child_start(&hook->child, hook->hooks->event, context->clock, context->timers, &order);
        if (r < 0) {
                diag_set(&diag, "it could not be started: %s", strerrordesc_np(-r));
                tell_failure(hook, diag.text);
        }
        return r;
}

static void run_next(struct hook *hook)
{
        while (!hook->child) {
                struct hook_job *job = take_job(hook);

                if (!job)
                        return;
                (void)run(hook, job);
                job_free(job);
        }
}

static void enqueue(struct hook *hook, const char *text)
{
        struct hook_job *job = hook->n_jobs < HOOKS_QUEUE_MAX ? calloc(1, sizeof(*job)) : NULL;

        if (job)
                job->text = strdup(text);
        if (!job || !job->text) {
                free(job);
                tell_failure(hook, "it is too slow, and an event was left out");
                return;
        }
        STAILQ_INSERT_TAIL(&hook->jobs, job, link);
        hook->n_jobs++;
        run_next(hook);
}

/* A recovery is for those who were told of the trouble. */
static bool wants(const struct hook *hook, enum hook_event event, enum hook_event after)
{
        return (hook->events & (1u << event)) && (after == N_HOOK_EVENTS || (hook->events & (1u << after)));
}

bool hooks_want(const struct hooks *hooks, enum hook_event event, enum hook_event after)
{
        const struct hook *hook;

        LIST_FOREACH (hook, &hooks->list, link)
                if (wants(hook, event, after))
                        return true;
        return false;
}

void hooks_tell(struct hooks *hooks, enum hook_event event, enum hook_event after, const char *text)
{
        struct hook *hook;

        LIST_FOREACH (hook, &hooks->list, link)
                if (wants(hook, event, after))
                        enqueue(hook, text);
}

/* ---- making ---- */

int hook_new(struct hook **ret, struct hooks *hooks, const struct hook_config *config)
{
        struct hook *hook = calloc(1, sizeof(*hook));

        if (!hook)
                return fault(-ENOMEM);
        hook->hooks = hooks;
        STAILQ_INIT(&hook->jobs);
        hook->command = calloc(config->n_command + 1, sizeof(*hook->command));
        for (size_t i = 0; i < config->n_command; i++)
                if (!hook->command || !(hook->command[i] = strdup(config->command[i]))) {
                        hook_free(hook);
                        return fault(-ENOMEM);
                }
        *ret = hook;
        return 0;
}

void hook_free(struct hook *hook)
{
        struct hook_job *job;

        child_free(hook->child);
        while ((job = take_job(hook)))
                job_free(job);
        for (char **word = hook->command; word && *word; word++)
                free(*word);
        free(hook->command);
        free(hook);
}

bool hook_is_of(const struct hook *hook, const struct hook_config *config)
{
        size_t i = 0;

        while (i < config->n_command && hook->command[i] && strcmp(hook->command[i], config->command[i]) == 0)
                i++;
        return i == config->n_command && !hook->command[i];
}
