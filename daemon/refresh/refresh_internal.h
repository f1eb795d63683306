/*
 * What refresh.c (asking), refresh_plan.c (when), refresh_wait.c (who waits), refresh_lane.c (places), refresh_job.c (the steps of one refresh) and
 * refresh_end.c (how it ends) share; nobody else includes it.
 */
#pragma once

#include "daemon/refresh/discovery.h"
#include "daemon/base/log.h"
#include "daemon/base/rate.h"
#include "daemon/refresh/refresh.h"
#include "daemon/vault/vault.h"

#include <sys/queue.h>

struct refresh_job;
TAILQ_HEAD(job_queue, refresh_job);

struct line {
        struct job_queue queue; /* not begun */
        struct job_queue ready; /* begun: all that they need yet is a place */
        unsigned n_ahead; /* begun, and not sent */
};

/* The requests to one provider. */
struct lane {
        struct refresher *refresher;
        char *provider;
        unsigned in_flight; /* places that are taken */
        struct rate rate; /* what `refresh.rate` leaves for now */
        struct timer rate_timer;
        bool is_pumping;
        struct line waited_for; /* comes first */
        struct line others;
        struct lane *next;
};

struct refresher {
        struct context *context;
        struct discovery *discovery;
        struct vault_listener listener;
        struct lane *lanes; /* few, one for each provider */
        unsigned n_jobs; /* all of them */
        unsigned n_begun; /* those that are being made: begun, and not waiting for a place in a lane */
        bool stopping;
        void (*on_stopped)(void *userdata);
        void *on_stopped_userdata;
        struct timer stop_timer; /* tells on_stopped from the loop */
        struct waiter *telling; /* whose wait is over, and who are told at the next turn of the loop */
        struct timer tell_timer;
        struct refresh_stats stats;
};

struct waiter {
        struct refresher *refresher;
        struct credential *credential;
        void (*on_answer)(const struct token_answer *answer, void *userdata);
        void *userdata;
        struct timer patience;
        uint64_t min_valid_usec;
        struct token_answer answer; /* of one who is told at the next turn */
        bool fail_fast; /* told of a passing failure at once: it reported a rejection, or ordered a refresh */
        struct waiter *next;
};

enum job_phase { JOB_QUEUED, JOB_DISCOVERY, JOB_INTENT, JOB_READY, JOB_REQUEST, JOB_SAVE };

struct refresh_job {
        struct refresher *refresher;
        struct credential *credential;
        struct lane *lane;
        enum job_phase phase;
        bool waited_for; /* in which of the lane's lines it is */
        bool incomplete; /* the answer held a new refresh token and no usable access token: once more, when it is saved */
        char incomplete_reason[320];
        struct endpoints_request *endpoints_request;
        char *token_endpoint;
        uint64_t begun_usec; /* later by what it waited for a place */
        uint64_t ready_usec;
        struct vault_write *write;
        struct http_transfer *transfer;
        bool unanswered; /* its request was sent, and what came back does not show that it was not acted on */
        uint64_t retry_within_usec; /* the most that it pauses should it fail; 0: as long as it likes */
        TAILQ_ENTRY(refresh_job) queued; /* or ready */
};

static inline bool refresh_job_is_sent(const struct refresh_job *job)
{
        return job->phase >= JOB_REQUEST;
}

/* Plans the next refresh of a credential that is not held. */
void refresh_plan(struct refresher *refresher, struct credential *credential);

/* Begins a refresh, or moves one that waits for a place before those that nobody waits for. Nothing while the credential is held. */
void refresh_job_require(struct refresher *refresher, struct credential *credential);
/* Ends it wherever it is; its credential has none afterwards. */
void refresh_job_free(struct refresh_job *job);
/* The same of the credential's: the outcome of one that was sent stays unknown; the intent of one that was not is taken back. */
void refresh_job_cancel(struct refresher *refresher, struct credential *credential);
/* The request is over; the next one is sent while this one's answer is saved. */
void refresh_job_give_up_place(struct refresh_job *job);
/* The first of its steps; the last of those before its request is refresh_job_ready(). */
void refresh_job_begin(struct refresh_job *job);
/* It may be sent as soon as there is a place. */
void refresh_job_ready(struct refresh_job *job);
/* It has one. */
void refresh_job_send(struct refresh_job *job);
void lanes_free(struct refresher *refresher);
/* Cancels what was not begun, and tells on_stopped when nothing is left. */
void refresher_check_stopped(struct refresher *refresher);

bool refresh_is_possible(const struct credential *credential);

/* Each ends the job; reason may lie in what the job does not own. retry_after_usec 0: not said. */
void refresh_end_in_failure(struct refresh_job *job, const char *reason, uint64_t retry_after_usec);
/* cut: nothing is served any more; else the last access token is, to its end, unless the API has rejected it. */
void refresh_end_in_refusal(struct refresh_job *job, const char *reason, bool cut);
void refresh_end_in_success(struct refresh_job *job);
/* The request was not sent, or not acted on; an outcome that was unknown before stays so. */
void refresh_take_intent_back(const struct refresh_job *job);
bool refresh_has_spent_replays(const struct credential *credential);
/* A reload may take the client away while a refresh is on the wire; a good answer is read and kept all the same. Never NULL. */
const struct provider *refresh_provider_of(const struct credential *credential);
struct log_event refresh_event_of(const struct credential *credential, const char *message_id,
                                  enum log_level level);
void refresh_set_text(char **text, const char *value);

/* REFRESH_E_WAITING, or a fault. */
int waiter_new(struct refresher *refresher, struct credential *credential, uint64_t min_valid_usec,
               bool fail_fast, void (*on_answer)(const struct token_answer *answer, void *userdata),
               void *userdata, struct waiter **ret_waiter);
/* What is served when there is no waiting for a fresh token: the one that lives, with a word about its short life, or nothing. */
void waiter_answer_with_what_there_is(const struct waiter *waiter, uint64_t now, struct token_answer *answer);
void waiter_answer_unavailable(const struct credential *credential, uint64_t now,
                               struct token_answer *answer);
/* Tells those on refresher->telling. */
void waiters_on_tell(void *userdata);
/* What the waiters get after the credential's refresh ended. Of success: those whom the grant that is there now can serve. */
void waiters_tell_success(struct credential *credential);
/* For a passing reason; final_for_now: waiting does not help. */
void waiters_tell_failure(struct refresher *refresher, struct credential *credential, bool final_for_now);
void waiters_tell_refusal(struct refresher *refresher, struct credential *credential);
/* The credential goes. */
void waiters_tell_gone(struct credential *credential);
