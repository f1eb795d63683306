/* A login on its way, as an object: made, answered, freed. */
#include "daemon/login/login_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int login_op_new(struct logins *logins, enum op_start start, const char *credential, const char *client,
                 login_done_fn *on_done, void *userdata, struct login_call **ret_call, struct login_op **ret)
{
        struct login_op *op = calloc(1, sizeof(*op));
        int r = 0;

        if (!op)
                return fault(-ENOMEM);

        op->logins = logins;
        op->start = start;
        timer_init(&op->begin, login_op_on_begin, op);
        op->next = logins->ops;
        logins->ops = op;
        op->credential = strdup(credential);
        op->client = strdup(client);
        op->pending_client = strdup(client);
        if (on_done) {
                op->call = calloc(1, sizeof(*op->call));
                if (op->call)
                        *op->call = (struct login_call){ op, on_done, userdata };
        }
        if (!op->credential || !op->client || !op->pending_client || (on_done && !op->call))
                r = fault(-ENOMEM);
        if (r == 0)
                r = timer_set(logins->context->timers, &op->begin, context_now(logins->context));
        if (r < 0) {
                free(take_ptr(op->call));
                login_op_free(op);
                return r;
        }

        if (ret_call)
                *ret_call = op->call;
        *ret = op;
        return 0;
}

void login_op_free(struct login_op *op)
{
        struct login_op **at = &op->logins->ops;

        while (*at && *at != op)
                at = &(*at)->next;
        if (*at)
                *at = op->next;

        if (op->call)
                op->call->op = NULL;
        if (*op->login)
                (void)login_cancel(op->logins, op->login);
        timer_stop(op->logins->context->timers, &op->begin);
        endpoints_request_free(op->endpoints_request);
        http_transfer_free(op->transfer);
        vault_write_free(op->write);
        waiter_free(op->waiter);
        probe_wait_free(op->probe_wait);
        secret_free(op->code);
        secret_free(op->verifier);
        free(op->credential);
        free(op->client);
        free(op->pending_client);
        free(op->description);
        free(op->redirect_uri);
        free(op->authorization_endpoint);
        free(op->refused);
        free(op);
}

struct login_call *login_call_free(struct login_call *call)
{
        if (!call)
                return NULL;

        if (call->op)
                call->op->call = NULL;
        free(call);
        return NULL;
}

void login_op_finish(struct login_op *op, const struct login_answer *answer)
{
        struct login_call *call = take_ptr(op->call);

        if (call) {
                call->op = NULL;
                call->on_done(answer, call->userdata);
        }
        login_op_free(op);
}

void login_op_fail(struct login_op *op, enum login_verdict verdict, const char *name, const char *reason,
                   uint64_t retry_after_usec)
{
        struct login_answer answer = {
                .verdict = verdict, .name = name, .reason = reason, .retry_after_usec = retry_after_usec
        };

        login_op_finish(op, &answer);
}
