/* Those who wait for a refresh, and what they are told when it ends or their patience does. */
#include "daemon/refresh/refresh_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAVING_USEC USEC_PER_SEC /* more than an intent takes to be saved, by a disk that is well */

/* The list that it is on: its credential's, or that of those who are told next. */
static struct waiter **list_of(struct waiter *waiter)
{
        return waiter->credential ? &waiter->credential->waiters : &waiter->refresher->telling;
}

static void waiter_unlink(struct waiter *waiter)
{
        struct waiter **at = list_of(waiter);

        while (*at && *at != waiter)
                at = &(*at)->next;
        if (*at)
                *at = waiter->next;
}

struct waiter *waiter_free(struct waiter *waiter)
{
        if (!waiter)
                return NULL;

        waiter_unlink(waiter);
        timer_stop(waiter->refresher->context->timers, &waiter->patience);
        free(waiter);
        return NULL;
}

/*
 * Its answer is fixed now, and told at the next turn of the loop: what it does when it is told may free credentials and other
 * waiters, which nobody on the stack above could bear.
 */
static void waiter_tell(struct waiter *waiter, const struct token_answer *answer)
{
        struct refresher *refresher = waiter->refresher;
        struct context *context = refresher->context;

        waiter_unlink(waiter);
        timer_stop(context->timers, &waiter->patience);
        waiter->credential = NULL;
        waiter->answer = *answer;
        waiter->next = refresher->telling;
        refresher->telling = waiter;
        if (!timer_is_armed(&refresher->tell_timer))
                (void)timer_set(context->timers, &refresher->tell_timer, context_now(context));
}

void waiters_on_tell(void *userdata)
{
        struct refresher *refresher = userdata;

        while (refresher->telling) {
                struct waiter *waiter = refresher->telling;
                struct token_answer answer = waiter->answer;

                refresher->telling = waiter->next;
                waiter->next = NULL;
                waiter->on_answer(&answer, waiter->userdata);
        }
}

static void answer_refused(const struct credential *credential, uint64_t now, struct token_answer *answer)
{
        struct diag message, next_step;

        /* A login that waits for its test mends it; there is nothing for a person to do. */
        if (credential_state(credential, now) == CREDENTIAL_PENDING) {
                waiter_answer_unavailable(credential, now, answer);
                return;
        }
        credential_explain(credential, now, &message, &next_step);
        *answer = (struct token_answer){ .verdict = TOKEN_AUTHORIZATION_REQUIRED };
        snprintf(answer->reason, sizeof(answer->reason), "%s", message.text);
}

void waiter_answer_unavailable(const struct credential *credential, uint64_t now, struct token_answer *answer)
{
        struct diag message, next_step;

        credential_explain(credential, now, &message, &next_step);
        *answer = (struct token_answer){ .verdict = TOKEN_UNAVAILABLE };
        if (credential->retry_at_usec > now)
                answer->retry_after_usec = credential->retry_at_usec - now;
        snprintf(answer->reason, sizeof(answer->reason), "%s",
                 credential->last_failure ? credential->last_failure : message.text);
}

/* What is served when waiting ends without a fresh token: the one that lives, with a word about its short life, or nothing. */
void waiter_answer_with_what_there_is(const struct waiter *waiter, uint64_t now, struct token_answer *answer)
{
        const struct credential *credential = waiter->credential;

        if (!waiter->fail_fast && credential_may_serve(credential, now))
                *answer = (struct token_answer){ .verdict = TOKEN_READY, .short_lived = true };
        else if (credential_state(credential, now) == CREDENTIAL_AUTHORIZATION_REQUIRED)
                answer_refused(credential, now, answer);
        else if (waiter->refresher->stopping)
                *answer =
                        (struct token_answer){ .verdict = TOKEN_UNAVAILABLE,
                                               .retry_after_usec = USEC_PER_SEC,
                                               .reason = "purserd is stopping; ask again when it is back." };
        else
                waiter_answer_unavailable(credential, now, answer);
}

static void on_patience_over(void *userdata)
{
        struct waiter *waiter = userdata;
        struct token_answer answer;

        waiter_answer_with_what_there_is(waiter, context_now(waiter->refresher->context), &answer);
        waiter_tell(waiter, &answer);
}

void waiters_tell_success(struct credential *credential)
{
        while (credential->waiters) {
                struct waiter *waiter = credential->waiters;
                uint64_t now = context_now(waiter->refresher->context);
                uint64_t remaining = credential_remaining_usec(credential, now);
                struct token_answer answer = { .verdict = TOKEN_READY,
                                               .short_lived = remaining < waiter->min_valid_usec };

                if (!(credential->is_pending ? remaining > 0 : credential_may_serve(credential, now))) {
                        /* It has ended while it was being saved: the next one is on its way. */
                        if (refresh_is_possible(credential))
                                return;
                        waiter_answer_with_what_there_is(waiter, now, &answer);
                }
                waiter_tell(waiter, &answer);
        }
}

/* The first waiter for whom waiting is over now that a refresh has failed. */
static struct waiter *find_disappointed(const struct credential *credential, uint64_t now, bool final_for_now)
{
        bool served = credential_may_serve(credential, now);

        for (struct waiter *waiter = credential->waiters; waiter; waiter = waiter->next)
                if (waiter->fail_fast || final_for_now || served ||
                    waiter->patience.node.due_usec <= credential->retry_at_usec)
                        return waiter;

        return NULL;
}

void waiters_tell_failure(struct refresher *refresher, struct credential *credential, bool final_for_now)
{
        uint64_t now = context_now(refresher->context);
        struct waiter *waiter;

        while ((waiter = find_disappointed(credential, now, final_for_now))) {
                struct token_answer answer;

                waiter_answer_with_what_there_is(waiter, now, &answer);
                waiter_tell(waiter, &answer);
        }
}

void waiters_tell_refusal(struct refresher *refresher, struct credential *credential)
{
        while (credential->waiters) {
                uint64_t now = context_now(refresher->context);
                struct waiter *waiter = credential->waiters;
                struct token_answer answer;

                if (!waiter->fail_fast && credential_may_serve(credential, now))
                        answer = (struct token_answer){ .verdict = TOKEN_READY, .short_lived = true };
                else
                        answer_refused(credential, now, &answer);
                waiter_tell(waiter, &answer);
        }
}

void waiters_tell_gone(struct credential *credential)
{
        static const struct token_answer gone = { .verdict = TOKEN_UNAVAILABLE,
                                                  .reason = "The credential was removed while this waited." };

        while (credential->waiters)
                waiter_tell(credential->waiters, &gone);
}

/*
 * A token that lives is not withheld until it has ended, only because a fresh one would be better. Who wants to hear of the very refresh waits
 * longer than its request may take, which leaves when the intent is saved.
 */
static uint64_t patience_usec(const struct refresher *refresher, const struct credential *credential,
                              bool fail_fast)
{
        uint64_t now = context_now(refresher->context),
                 patience = refresher->context->config->refresh.timeout_usec;
        uint64_t half = credential_remaining_usec(credential, now) / 2;

        if (fail_fast)
                return usec_add(patience, SAVING_USEC);
        return credential_may_serve(credential, now) && half < patience ? half : patience;
}

int waiter_new(struct refresher *refresher, struct credential *credential, uint64_t min_valid_usec,
               bool fail_fast, void (*on_answer)(const struct token_answer *answer, void *userdata),
               void *userdata, struct waiter **ret_waiter)
{
        struct context *context = refresher->context;
        struct waiter *waiter = calloc(1, sizeof(*waiter));
        int r;

        if (!waiter)
                return fault(-ENOMEM);

        *waiter = (struct waiter){ .refresher = refresher,
                                   .on_answer = on_answer,
                                   .userdata = userdata,
                                   .min_valid_usec = min_valid_usec,
                                   .fail_fast = fail_fast };
        timer_init(&waiter->patience, on_patience_over, waiter);
        r = timer_set(context->timers, &waiter->patience,
                      usec_add(context_now(context), patience_usec(refresher, credential, fail_fast)));
        if (r < 0) {
                free(waiter);
                return r;
        }

        waiter->credential = credential;
        waiter->next = credential->waiters;
        credential->waiters = waiter;
        *ret_waiter = waiter;
        return REFRESH_E_WAITING;
}
