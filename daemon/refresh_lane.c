/* Places among the requests to one provider: how many are in flight, and who comes next. */
#include "daemon/refresh_internal.h"

#include "daemon/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int require_lane(struct refresher *refresher, const char *provider, struct lane **ret)
{
        struct lane *lane;

        HASH_FIND_STR(refresher->lanes, provider, lane);
        if (!lane) {
                lane = calloc(1, sizeof(*lane));
                if (lane)
                        lane->provider = strdup(provider);
                if (!lane || !lane->provider) {
                        free(lane);
                        return fault(-ENOMEM);
                }
                lane->refresher = refresher;
                TAILQ_INIT(&lane->queue);
                HASH_ADD_KEYPTR(hh, refresher->lanes, lane->provider, strlen(lane->provider), lane);
        }

        *ret = lane;
        return 0;
}

void lanes_free(struct refresher *refresher)
{
        struct lane *lane, *next;

        HASH_ITER (hh, refresher->lanes, lane, next) {
                HASH_DEL(refresher->lanes, lane);
                free(lane->provider);
                free(lane);
        }
}

static void lane_pump(struct lane *lane)
{
        const struct context *context = lane->refresher->context;

        while (lane->in_flight < context->config->refresh.parallel && !TAILQ_EMPTY(&lane->queue)) {
                struct refresh_job *job = TAILQ_FIRST(&lane->queue);

                TAILQ_REMOVE(&lane->queue, job, queued);
                job->phase = JOB_DISCOVERY;
                lane->in_flight++;
                lane->refresher->n_begun++;
                refresh_job_begin(job);
        }
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
                TAILQ_REMOVE(&job->lane->queue, job, queued);
        } else {
                refresher->n_begun--;
                refresh_job_give_up_place(job);
        }
        free(job);
        refresher_check_stopped(refresher);
}

void refresh_job_require(struct refresher *refresher, struct credential *credential)
{
        struct refresh_job *job = credential->job;
        struct lane *lane;

        if (job) {
                if (job->phase == JOB_QUEUED && credential->waiters &&
                    TAILQ_FIRST(&job->lane->queue) != job) {
                        TAILQ_REMOVE(&job->lane->queue, job, queued);
                        TAILQ_INSERT_HEAD(&job->lane->queue, job, queued);
                }
                return;
        }
        if (refresher->stopping || !refresh_is_possible(credential))
                return;

        job = calloc(1, sizeof(*job));
        if (!job || require_lane(refresher, credential->client->provider->name, &lane) < 0) {
                free(job);
                credential->retry_at_usec = context_now(refresher->context) + USEC_PER_SEC;
                refresher_plan(refresher, credential);
                return;
        }

        job->refresher = refresher;
        job->credential = credential;
        job->lane = lane;
        credential->job = job;
        credential->refresher = refresher;
        timer_stop(refresher->context->timers, &credential->refresh_timer);
        refresher->n_jobs++;
        if (credential->waiters)
                TAILQ_INSERT_HEAD(&lane->queue, job, queued);
        else
                TAILQ_INSERT_TAIL(&lane->queue, job, queued);
        lane_pump(lane);
}
