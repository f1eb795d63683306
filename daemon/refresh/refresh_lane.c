/* Places among the requests to one provider: how many are in flight, and who comes next. */
#include "daemon/refresh/refresh_internal.h"

#include "daemon/http/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void lane_pump(struct lane *lane);

static void on_rate(void *userdata)
{
        lane_pump(userdata);
}

static int require_lane(struct refresher *refresher, const char *provider, struct lane **ret)
{
        struct lane *lane = refresher->lanes;

        while (lane && strcmp(lane->provider, provider) != 0)
                lane = lane->next;
        if (!lane) {
                lane = calloc(1, sizeof(*lane));
                if (lane)
                        lane->provider = strdup(provider);
                if (!lane || !lane->provider) {
                        free(lane);
                        return fault(-ENOMEM);
                }
                lane->refresher = refresher;
                timer_init(&lane->rate_timer, on_rate, lane);
                TAILQ_INIT(&lane->waited_for);
                TAILQ_INIT(&lane->queue);
                lane->next = refresher->lanes;
                refresher->lanes = lane;
        }

        *ret = lane;
        return 0;
}

void lanes_free(struct refresher *refresher)
{
        while (refresher->lanes) {
                struct lane *lane = refresher->lanes;

                refresher->lanes = lane->next;
                timer_stop(refresher->context->timers, &lane->rate_timer);
                free(lane->provider);
                free(lane);
        }
}

/* First come, first served; those that somebody waits for before those that nobody does. */
static void enqueue(struct refresh_job *job)
{
        job->waited_for = job->credential->waiters;
        TAILQ_INSERT_TAIL(job->waited_for ? &job->lane->waited_for : &job->lane->queue, job, queued);
}

static void dequeue(struct refresh_job *job)
{
        TAILQ_REMOVE(job->waited_for ? &job->lane->waited_for : &job->lane->queue, job, queued);
}

/* As many as `refresh.rate` allows, the next of them after a while. A hundredth of a second's worth may come at once, since timers are no finer. */
static bool rate_allows(struct lane *lane)
{
        const struct context *context = lane->refresher->context;
        unsigned rate = context->config->refresh.rate;
        uint64_t every_usec, now = context_now(context);

        if (rate == 0)
                return true;
        every_usec = USEC_PER_SEC / rate;
        if (rate_take(&lane->rate, now, 1 + rate / 100, every_usec))
                return true;
        /* Without memory for the timer, the next refresh that ends or falls due looks again. */
        (void)timer_set(context->timers, &lane->rate_timer, lane->rate.refilled_usec + every_usec);
        return false;
}

static void lane_pump(struct lane *lane)
{
        struct refresher *refresher = lane->refresher;
        struct refresh_job *job;

        /* A job that fails at once gives its place back from within. */
        if (lane->is_pumping)
                return;

        lane->is_pumping = true;
        while (!refresher->stopping && lane->in_flight < refresher->context->config->refresh.parallel) {
                job = TAILQ_FIRST(&lane->waited_for);
                if (!job)
                        job = TAILQ_FIRST(&lane->queue);
                if (!job || !rate_allows(lane))
                        break;
                dequeue(job);
                job->phase = JOB_DISCOVERY;
                lane->in_flight++;
                refresher->n_begun++;
                refresh_job_begin(job);
        }
        lane->is_pumping = false;
}

void refresh_job_give_up_place(struct refresh_job *job)
{
        if (!job->lane)
                return;

        struct lane *lane = take_ptr(job->lane);
        lane->in_flight--;
        lane_pump(lane);
}

void refresh_job_free(struct refresh_job *job)
{
        struct refresher *refresher = job->refresher;

        job->credential->job = NULL;
        endpoints_request_free(job->endpoints_request);
        http_transfer_free(job->transfer);
        vault_write_free(job->write);
        free(job->token_endpoint);
        refresher->n_jobs--;
        if (job->phase == JOB_QUEUED) {
                dequeue(job);
        } else {
                refresher->n_begun--;
                refresh_job_give_up_place(job);
        }
        free(job);
        refresher_check_stopped(refresher);
}

static int job_new(struct refresher *refresher, struct credential *credential)
{
        struct refresh_job *job = calloc(1, sizeof(*job));
        int r;

        if (!job)
                return fault(-ENOMEM);
        r = require_lane(refresher, credential->client->provider->name, &job->lane);
        if (r < 0) {
                free(job);
                return r;
        }

        job->refresher = refresher;
        job->credential = credential;
        credential->job = job;
        credential->refresher = refresher;
        timer_stop(refresher->context->timers, &credential->refresh_timer);
        refresher->n_jobs++;
        enqueue(job);
        return 0;
}

void refresh_job_require(struct refresher *refresher, struct credential *credential)
{
        struct refresh_job *job = credential->job;

        if (job) {
                if (job->phase == JOB_QUEUED && credential->waiters && !job->waited_for) {
                        dequeue(job);
                        enqueue(job);
                }
                return;
        }
        if (refresher->stopping || credential->held || !refresh_is_possible(credential))
                return;

        if (job_new(refresher, credential) < 0) {
                credential->failures++;
                credential->retry_at_usec = context_now(refresher->context) + USEC_PER_SEC;
                refresh_set_text(&credential->last_failure,
                                 "The refresh could not be begun for want of memory.");
                refresh_plan(refresher, credential);
                waiters_tell_failure(refresher, credential, false);
                return;
        }
        lane_pump(credential->job->lane);
}
