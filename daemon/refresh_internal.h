/* What refresh.c (planning and asking), refresh_wait.c (who waits), refresh_lane.c (places) and refresh_job.c (the steps of one refresh) share; nobody else includes it. */
#pragma once

#include "daemon/discovery.h"
#include "daemon/refresh.h"
#include "daemon/vault.h"

#include <sys/queue.h>
#include <uthash.h>

struct refresh_job;
TAILQ_HEAD(job_queue, refresh_job);

/* The requests to one provider. */
struct lane {
        struct refresher *refresher;
        char *provider;
        unsigned in_flight;
        struct job_queue queue;
        UT_hash_handle hh; /* by provider */
};

struct refresher {
        struct context *context;
        struct discovery *discovery;
        struct lane *lanes;
        unsigned n_jobs; /* all of them */
        unsigned n_begun; /* those that hold a place in a lane, or are being saved */
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

enum job_phase { JOB_QUEUED, JOB_DISCOVERY, JOB_INTENT, JOB_REQUEST, JOB_SAVE };

struct refresh_job {
        struct refresher *refresher;
        struct credential *credential;
        struct lane *lane;
        enum job_phase phase;
        bool incomplete; /* the answer held a new refresh token and no usable access token: once more, when it is saved */
        char incomplete_reason[320];
        struct endpoints_request *endpoints_request;
        char *token_endpoint;
        struct vault_write *write;
        struct http_transfer *transfer;
        uint64_t sent_usec;
        TAILQ_ENTRY(refresh_job) queued;
};

/* Begins a refresh, or moves one that waits for a place to the front when somebody waits for it. */
void refresh_job_require(struct refresher *refresher, struct credential *credential);
/* Ends it wherever it is; its credential has none afterwards. */
void refresh_job_free(struct refresh_job *job);
/* The request is over; the next one may be sent while this one's answer is saved. */
void refresh_job_give_up_place(struct refresh_job *job);
/* It has a place: the first of its steps. */
void refresh_job_begin(struct refresh_job *job);
void lanes_free(struct refresher *refresher);
/* Cancels what was not begun, and tells on_stopped when nothing is left. */
void refresher_check_stopped(struct refresher *refresher);

bool refresh_is_possible(const struct credential *credential);

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
/* What the waiters get after the credential's refresh ended. failed: it failed for a passing reason; final_for_now: waiting does not help. */
void waiters_tell_success(struct credential *credential);
void waiters_tell_failure(struct refresher *refresher, struct credential *credential, bool final_for_now);
void waiters_tell_refusal(struct refresher *refresher, struct credential *credential);
