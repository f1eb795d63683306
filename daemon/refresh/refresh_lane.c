/* Places among the requests to one provider: how many are in flight, who comes next, and how far ahead the next ones are prepared. */
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

static void line_init(struct line *line)
{
        TAILQ_INIT(&line->queue);
        TAILQ_INIT(&line->ready);
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
                line_init(&lane->waited_for);
                line_init(&lane->others);
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

static struct line *line_of(const struct refresh_job *job)
{
        return job->waited_for ? &job->lane->waited_for : &job->lane->others;
}

static bool is_ahead(const struct refresh_job *job)
{
        return job->phase > JOB_QUEUED && job->phase < JOB_REQUEST;
}

/* First come, first served; those that somebody waits for before those that nobody does. */
static void line_join(struct refresh_job *job)
{
        struct line *line;

        job->waited_for = job->credential->waiters;
        line = line_of(job);
        line->n_ahead += is_ahead(job);
        if (job->phase == JOB_QUEUED)
                TAILQ_INSERT_TAIL(&line->queue, job, queued);
        else if (job->phase == JOB_READY)
                TAILQ_INSERT_TAIL(&line->ready, job, queued);
}

static void line_leave(struct refresh_job *job)
{
        struct line *line = line_of(job);

        line->n_ahead -= is_ahead(job);
        if (job->phase == JOB_QUEUED)
                TAILQ_REMOVE(&line->queue, job, queued);
        else if (job->phase == JOB_READY)
                TAILQ_REMOVE(&line->ready, job, queued);
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

/*
 * While requests are on the wire, the intents of those that come next are saved, as many again as there are places, so that a place never
 * waits for the disk; of those that somebody waits for as many, too, whatever else is ahead. Where a rate bounds the requests, each that
 * is begun has its place already: sent later than it was counted, it could come together with others.
 */
static bool may_begin(const struct lane *lane, const struct line *line)
{
        const struct config *config = lane->refresher->context->config;

        if (config->refresh.rate > 0)
                return lane->in_flight + lane->waited_for.n_ahead + lane->others.n_ahead <
                       config->refresh.parallel;
        return line->n_ahead < config->refresh.parallel;
}

static bool begin_first(struct lane *lane, struct line *line)
{
        struct refresh_job *job = TAILQ_FIRST(&line->queue);

        if (!job || !may_begin(lane, line) || !rate_allows(lane))
                return false;

        line_leave(job);
        job->phase = JOB_DISCOVERY;
        line_join(job);
        lane->refresher->n_begun++;
        refresh_job_begin(job);
        return true;
}

static bool send_first(struct lane *lane)
{
        struct refresher *refresher = lane->refresher;
        struct refresh_job *job = TAILQ_FIRST(&lane->waited_for.ready);

        if (!job)
                job = TAILQ_FIRST(&lane->others.ready);
        if (!job || lane->in_flight >= refresher->context->config->refresh.parallel)
                return false;

        line_leave(job);
        job->phase = JOB_REQUEST;
        job->begun_usec += context_now(refresher->context) - job->ready_usec;
        lane->in_flight++;
        refresher->n_begun++;
        refresh_job_send(job);
        return true;
}

static void lane_pump(struct lane *lane)
{
        /* A job that fails at once gives its place back from within. */
        if (lane->is_pumping)
                return;

        lane->is_pumping = true;
        while (!lane->refresher->stopping &&
               (send_first(lane) || begin_first(lane, &lane->waited_for) || begin_first(lane, &lane->others)))
                ;
        lane->is_pumping = false;
}

void refresh_job_ready(struct refresh_job *job)
{
        line_leave(job);
        job->phase = JOB_READY;
        line_join(job);
        job->refresher->n_begun--;
        job->ready_usec = context_now(job->refresher->context);
        lane_pump(job->lane);
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
        if (job->phase != JOB_QUEUED && job->phase != JOB_READY)
                refresher->n_begun--;
        if (refresh_job_is_sent(job)) {
                refresh_job_give_up_place(job);
        } else {
                line_leave(job);
                lane_pump(job->lane);
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
        line_join(job);
        return 0;
}

void refresh_job_require(struct refresher *refresher, struct credential *credential)
{
        struct refresh_job *job = credential->job;

        if (job) {
                if (!refresh_job_is_sent(job) && credential->waiters && !job->waited_for) {
                        line_leave(job);
                        line_join(job);
                        lane_pump(job->lane);
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
