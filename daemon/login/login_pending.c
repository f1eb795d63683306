/* The pending grant of a login: made beside the one in force, found again after a restart. What becomes of it is login_grant.c's. */
#include "daemon/login/login_internal.h"

#include "daemon/base/log.h"

#include <stdlib.h>
#include <string.h>

void login_replace_text(char **text, const char *value)
{
        char *copy = value ? strdup(value) : NULL;

        if (value && !copy)
                return;
        free(*text);
        *text = copy;
}

static void on_pending_saved(int result, void *userdata)
{
        struct login_op *op = userdata;
        struct credential *credential = vault_find(op->logins->context->vault, op->credential);

        (void)result; /* the vault tells it, and retries; the grant is in memory either way */
        op->write = NULL;
        if (!credential || !credential->pending) {
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL, "The credential was forgotten meanwhile.", 0);
                return;
        }
        refresher_plan(op->logins->refresher, credential->pending);
        login_op_ensure_token(op, credential->pending);
}

static void supersede(struct login_op *op)
{
        struct login_op *other = op->logins->ops;

        while (other) {
                struct login_op *next = other->next;

                if (other != op && other->holds_pending && strcmp(other->credential, op->credential) == 0) {
                        login_op_fail(other, LOGIN_UNAVAILABLE, NULL,
                                      "Another login of this credential took its place.", 0);
                        next = op->logins->ops; /* its caller may have done anything */
                }
                other = next;
        }
}

static void reset_pending(struct login_op *op, const struct credential *credential,
                          struct credential *pending)
{
        free(pending->client_name);
        pending->client_name = take_ptr(op->pending_client);
        login_replace_text(&pending->description,
                           op->description ? op->description : credential->description);
        login_replace_text(&pending->account_id, NULL);
        login_replace_text(&pending->account_name, NULL);
        login_replace_text(&pending->refusal_reason, NULL);
        login_replace_text(&pending->notice, NULL);
        login_replace_text(&pending->last_failure, NULL);
        test_result_done(&pending->test);
        pending->refusal = REFUSAL_NONE;
        pending->authorized_wall_usec = clock_wall_usec(op->logins->context->clock);
        pending->switch_account = op->switch_account;
        pending->foreign_refresher = false;
        pending->failures = pending->replays = pending->test_failures = 0;
        pending->retry_at_usec = 0;
        pending->retry_is_ordered = pending->replays_spent = pending->outcome_unknown =
                pending->client_refused = false;
        pending->rejected_generation = 0;
        pending->rejections = 0;
        pending->unreadable = false;
}

/* The grant is saved beside the one in force before anything else is done with it. */
void login_op_save_pending(struct login_op *op, struct grant *grant)
{
        struct logins *logins = op->logins;
        struct vault *vault = logins->context->vault;
        struct credential *credential, *pending;
        int r;

        supersede(op);
        r = vault_require(vault, op->credential, &credential);
        if (r == 0)
                r = vault_require_pending(vault, credential, &pending);
        if (r < 0) {
                login_op_fail(op, LOGIN_NOT_SAVED, NULL, "Out of memory: the login must be done again.", 0);
                return;
        }

        op->holds_pending = true;
        prober_release(logins->prober, pending);
        refresher_release(logins->refresher, pending);
        reset_pending(op, credential, pending);
        vault_rebind(vault, credential);
        r = vault_save_grant(vault, pending, grant, on_pending_saved, op, &op->write);
        if (r < 0)
                on_pending_saved(r, op);
}

/* ---- the beginning ---- */

static void resume(struct login_op *op)
{
        struct credential *credential = vault_find(op->logins->context->vault, op->credential);

        for (struct login_op *other = op->logins->ops; other; other = other->next) {
                if (other != op && other->holds_pending && strcmp(other->credential, op->credential) == 0) {
                        login_op_fail(op, LOGIN_UNAVAILABLE, NULL, "Its login is being tested already.", 0);
                        return;
                }
        }
        if (!credential || !credential->pending) {
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL, "No login of this credential waits for its test.",
                              0);
                return;
        }
        if (credential->pending->unreadable) {
                login_op_fail(
                        op, LOGIN_UNAVAILABLE, NULL,
                        "The record of its login in the store does not open, and is kept as it is: log in "
                        "again.",
                        0);
                return;
        }
        op->holds_pending = true;
        login_op_ensure_token(op, credential->pending);
}

void login_op_on_begin(void *userdata)
{
        struct login_op *op = userdata;
        _cleanup_(grant_done) struct grant grant = { 0 };

        switch (op->start) {
        case OP_BEGIN_LOGIN:
        case OP_BEGIN_DEVICE:
        case OP_EXCHANGE:
        case OP_POLL_DEVICE:
                login_op_find_endpoints(op);
                break;
        case OP_IMPORT:
                grant.refresh_token = take_ptr(op->code);
                login_op_save_pending(op, &grant);
                break;
        case OP_RESUME:
                resume(op);
                break;
        }
}

int login_test_pending(struct logins *logins, const struct credential *credential, login_done_fn *on_done,
                       void *userdata, struct login_call **ret)
{
        struct login_op *op;

        return login_op_new(logins, OP_RESUME, credential->name,
                            credential->pending ? credential->pending->client_name : "", on_done, userdata,
                            ret, &op);
}

int logins_resume_one(struct logins *logins, const struct credential *credential)
{
        struct login_op *op;

        return login_op_new(logins, OP_RESUME, credential->name, credential->pending->client_name, NULL, NULL,
                            NULL, &op);
}

static int resume_one(struct credential *credential, void *userdata)
{
        return credential->pending ? logins_resume_one(userdata, credential) : 0;
}

void logins_resume(struct logins *logins)
{
        if (vault_each_loaded(logins->context->vault, resume_one, logins) < 0)
                log_error("Out of memory: pending logins could not be resumed.");
}
