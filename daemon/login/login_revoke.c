/* Ending a grant: at the provider first, then on disk. What cannot be revoked is not forgotten, unless it is forced. */
#include "daemon/login/login_revoke_internal.h"

#include "daemon/base/events.h"
#include "daemon/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void revoke_op_free(struct revoke_op *op)
{
        struct revoke_op **at = &op->logins->revocations;

        while (*at && *at != op)
                at = &(*at)->next;
        if (*at)
                *at = op->next;

        if (op->call)
                op->call->op = NULL;
        timer_stop(op->logins->context->timers, &op->begin);
        endpoints_request_free(op->endpoints_request);
        waiter_free(op->waiter);
        http_transfer_free(op->transfer);
        vault_write_free(op->write);
        for (size_t i = 0; i < op->n_also_ended; i++)
                free(op->also_ended[i]);
        free(op->also_ended);
        free(op->credential);
        free(op);
}

void revocations_free(struct logins *logins)
{
        while (logins->revocations)
                revoke_op_free(logins->revocations);
}

struct revoke_call *revoke_call_free(struct revoke_call *call)
{
        if (!call)
                return NULL;

        if (call->op)
                call->op->call = NULL;
        free(call);
        return NULL;
}

static void finish(struct revoke_op *op, enum revoke_verdict verdict, const char *message,
                   uint64_t retry_after_usec)
{
        struct revoke_answer answer = { .verdict = verdict,
                                        .message = message,
                                        .retry_after_usec = retry_after_usec,
                                        .also_ended = (const char *const *)op->also_ended,
                                        .n_also_ended = op->n_also_ended };
        struct revoke_call *call = take_ptr(op->call);

        if (call) {
                call->op = NULL;
                call->on_done(&answer, call->userdata);
        }
        revoke_op_free(op);
}

static struct credential *credential_of(const struct revoke_op *op)
{
        return vault_find(op->logins->context->vault, op->credential);
}

struct credential *revoke_target(const struct revoke_op *op)
{
        struct credential *credential = credential_of(op);

        return credential && op->of_pending ? credential->pending : credential;
}

/* ---- forgetting ---- */

/* It stays after all: what was held up for it goes on. */
static void let_go_on(struct revoke_op *op)
{
        struct logins *logins = op->logins;
        struct credential *credential = credential_of(op);

        if (!credential)
                return;
        refresher_plan(logins->refresher, credential);
        if (credential->pending) {
                refresher_plan(logins->refresher, credential->pending);
                (void)logins_resume_one(logins, credential);
        }
}

static void on_forgotten(int result, void *userdata)
{
        struct revoke_op *op = userdata;

        op->write = NULL;
        if (result < 0) {
                let_go_on(op);
                finish(op, REVOKE_NOT_SAVED,
                       op->revoked ? "The grant is revoked at the provider, but the disk refuses to forget "
                                     "it; try again."
                                   : "The disk refuses to forget it; nothing was changed.",
                       0);
                return;
        }

        log_event(&(struct log_event){ .message_id = EVENT_FORGOTTEN,
                                       .level = LOG_LEVEL_NOTICE,
                                       .credential = op->credential },
                  "Credential '%s' was %s.", op->credential,
                  op->revoked ? "revoked at the provider and forgotten" : "forgotten");
        finish(op, op->revoked ? REVOKE_DONE : REVOKE_FORGOTTEN, op->note, 0);
}

static void forget(struct revoke_op *op)
{
        struct logins *logins = op->logins;
        struct credential *credential = credential_of(op);
        int r;

        if (!credential) {
                finish(op, op->revoked ? REVOKE_DONE : REVOKE_FORGOTTEN, "It was forgotten already.", 0);
                return;
        }

        if (op->revoked && op->main_done)
                refresher_end(logins->refresher, credential, "The grant was revoked.");
        if (credential->pending)
                refresher_hold(logins->refresher, credential->pending);
        refresher_hold(logins->refresher, credential);
        r = vault_forget(logins->context->vault, credential, on_forgotten, op, &op->write);
        if (r < 0)
                on_forgotten(r, op);
}

/* ---- one grant after the other ---- */

static bool is_alive(const struct credential *credential)
{
        /* One that was moved is another machine's, whose grant revoking would end. */
        return !credential->moved && (credential->grant.refresh_token || credential->grant.access_token) &&
               (credential->refusal == REFUSAL_NONE || credential->refusal == REFUSAL_REFUSED);
}

static void revoke_next(struct revoke_op *op)
{
        struct credential *credential = credential_of(op), *target;

        if (!credential) {
                forget(op);
                return;
        }

        op->of_pending = !op->pending_done && credential->pending && is_alive(credential->pending);
        target = op->of_pending ? credential->pending : credential;
        op->again = false;
        if (!op->of_pending && !op->main_done && credential->unreadable && !is_alive(credential)) {
                revoke_failed(op, "Its record does not open, so that there is no token to revoke it with.",
                              0);
        } else if (!op->of_pending && (op->main_done || !is_alive(credential))) {
                if (!op->revoked)
                        snprintf(op->note, sizeof(op->note), "%s",
                                 credential->moved ? "Its grant was moved to another machine, where it lives "
                                                     "on; it was forgotten here."
                                                   : "There was no living grant to revoke; it was "
                                                     "forgotten.");
                forget(op);
        } else if (!target->client) {
                revoke_failed(op, "Its client is not in the configuration.", 0);
        } else {
                revoke_ask(op, target);
        }
}

static void note_done(struct revoke_op *op, bool revoked)
{
        op->revoked |= revoked;
        if (op->of_pending)
                op->pending_done = true;
        else
                op->main_done = true;
}

void revoke_failed(struct revoke_op *op, const char *reason, uint64_t retry_after_usec)
{
        char text[512];

        /* The reason may lie in what goes on. */
        snprintf(text, sizeof(text), "%s", reason);
        if (!op->force) {
                let_go_on(op);
                finish(op, REVOKE_UNAVAILABLE, text, retry_after_usec);
                return;
        }

        snprintf(op->note, sizeof(op->note),
                 "It was forgotten here, but could not be revoked at the provider: %.400s", text);
        op->revoked = false;
        forget(op);
}

void revoke_has_no_way(struct revoke_op *op)
{
        snprintf(op->note, sizeof(op->note),
                 "It was forgotten here; the provider has no way to revoke a grant, so end the app's access "
                 "on the provider's own pages.");
        forget(op);
}

void revoke_has_vanished(struct revoke_op *op)
{
        note_done(op, false);
        revoke_next(op);
}

void revoke_was_ended(struct revoke_op *op)
{
        note_done(op, true);
        snprintf(op->note, sizeof(op->note), "The provider had ended the grant already; it was forgotten.");
        revoke_next(op);
}

/* ---- what else it ended ---- */

struct ending {
        struct revoke_op *op;
        const struct credential *self;
        const struct client *client;
};

static int end_sibling(struct credential *credential, void *userdata)
{
        struct ending *ending = userdata;
        struct revoke_op *op = ending->op;
        char **names;

        if (credential == ending->self || credential->client != ending->client ||
            credential->refusal == REFUSAL_CUT)
                return 0;

        names = reallocarray(op->also_ended, op->n_also_ended + 1, sizeof(*names));
        if (names) {
                op->also_ended = names;
                op->also_ended[op->n_also_ended] = strdup(credential->name);
                op->n_also_ended += op->also_ended[op->n_also_ended] != NULL;
        }
        refresher_cut(op->logins->refresher, credential,
                      "The app was disconnected from this account by logging out of another credential.");
        return 0;
}

static void end_account(struct revoke_op *op, const struct credential *target)
{
        const struct credential *credential = credential_of(op);
        struct ending ending = { op, credential, target->client };

        if (!target->account_id || !target->client || !target->client->provider->revocation_ends_account)
                return;

        if (credential->client == target->client && credential->account_id &&
            strcmp(credential->account_id, target->account_id) == 0)
                op->main_done = true;
        (void)vault_each_of_account(op->logins->context->vault, target->account_id, end_sibling, &ending);
}

void revoke_succeeded(struct revoke_op *op)
{
        const struct credential *target = revoke_target(op);

        note_done(op, true);
        snprintf(op->note, sizeof(op->note), "The grant was revoked at the provider and forgotten.");
        if (target)
                end_account(op, target);
        revoke_next(op);
}

/* ---- the beginning ---- */

static void on_begin(void *userdata)
{
        revoke_next(userdata);
}

int login_revoke(struct logins *logins, struct credential *credential, bool force, revoke_done_fn *on_done,
                 void *userdata, struct revoke_call **ret)
{
        struct revoke_op *op = calloc(1, sizeof(*op));
        struct revoke_call *call = calloc(1, sizeof(*call));
        int r;

        if (op)
                op->credential = strdup(credential->name);
        if (!op || !call || !op->credential) {
                if (op)
                        free(op->credential);
                free(op);
                free(call);
                return fault(-ENOMEM);
        }

        op->logins = logins;
        op->force = force;
        op->next = logins->revocations;
        logins->revocations = op;
        timer_init(&op->begin, on_begin, op);
        *call = (struct revoke_call){ op, on_done, userdata };
        op->call = call;
        r = timer_set(logins->context->timers, &op->begin, context_now(logins->context));
        if (r < 0) {
                free(take_ptr(op->call));
                revoke_op_free(op);
                return r;
        }

        *ret = call;
        return 0;
}
