/*
 * The device flow (RFC 8628): a code for a person to take to any device, and asking for the answer as often as the provider lets. Nothing is
 * asked any more when nobody waits.
 */
#include "daemon/login/login_internal.h"

#include "daemon/protocol/oauth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOWER_USEC (5 * USEC_PER_SEC) /* section 3.5 */
#define SLOWEST_USEC (120 * USEC_PER_SEC)

/* ---- a code for the person ---- */

static void tell_person(struct login_op *op, struct oauth_device *device)
{
        struct logins *logins = op->logins;
        const struct client *client = config_find_client(logins->context->config, op->client);
        struct login_answer answer = { .verdict = LOGIN_ACTIVE, .device = device };
        uint64_t lasts = device->expires_sec * USEC_PER_SEC;
        struct pending_login *login;

        if (!client || pending_login_new(op, client, NULL, false, lasts, &login) < 0) {
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL,
                              client ? "Out of memory." : "The configuration no longer has this client.", 0);
                return;
        }
        login->device_code = take_ptr(device->device_code);
        login->interval_usec = device->interval_sec * USEC_PER_SEC;
        login->ends_usec = context_now(logins->context) + lasts;
        answer.login = login->id;
        login_op_finish(op, &answer);
}

static void on_device_answer(const struct http_response *response, void *userdata)
{
        _cleanup_(oauth_device_done) struct oauth_device device = { 0 };
        _cleanup_(oauth_answer_done) struct oauth_answer answer = { 0 };
        struct login_op *op = userdata;
        int r;

        op->transfer = http_transfer_free(op->transfer);
        r = oauth_read_device_answer(response, &device);
        if (r == 0) {
                tell_person(op, &device);
                return;
        }
        if (r < 0) {
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL, "Out of memory; log in again.", 0);
                return;
        }
        if (!login_op_read_answer(op, response, &answer))
                return;
        if (answer.verdict == OAUTH_CLIENT_REFUSED || answer.verdict == OAUTH_GRANT_REFUSED)
                login_op_fail(op, LOGIN_CLIENT_REFUSED, op->client, answer.reason, 0);
        else
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL,
                              answer.verdict == OAUTH_TRY_AGAIN
                                      ? answer.reason
                                      : "The provider sent no code for a person to enter.",
                              answer.retry_after_usec);
}

static int make_device_request(struct login_op *op, const struct oauth_client *client,
                               const struct client *registration, struct http_request **ret)
{
        (void)op;
        return oauth_device_request(client, (const char *const *)registration->scopes, registration->n_scopes,
                                    ret);
}

void login_op_begin_device(struct login_op *op, const struct oauth_endpoints *endpoints)
{
        if (!endpoints->device)
                login_op_fail(op, LOGIN_INVALID, "client",
                              "The client's provider has no device_authorization_endpoint: log in without "
                              "--device.",
                              0);
        else
                (void)login_op_send(op, endpoints, make_device_request, on_device_answer);
}

int login_begin_device(struct logins *logins, const char *credential, const char *client_name,
                       const char *description, login_done_fn *on_done, void *userdata,
                       struct login_call **ret)
{
        const struct client *client = login_choose_client(logins, credential, client_name, on_done, userdata);
        struct login_op *op;
        int r;

        *ret = NULL;
        if (!client)
                return 0;
        if (logins->n_waiting >= LOGIN_MOST) {
                login_refuse(on_done, userdata, LOGIN_UNAVAILABLE, NULL,
                             "Too many logins are waiting for a person; try again in ten minutes.");
                return 0;
        }
        r = login_op_new(logins, OP_BEGIN_DEVICE, credential, client->name, on_done, userdata, ret, &op);
        if (r == 0 && description && !(op->description = strdup(description))) {
                login_call_free(take_ptr(*ret));
                login_op_free(op);
                return fault(-ENOMEM);
        }
        return r;
}

/* ---- asking for the person's answer ---- */

static void ask_again(struct login_op *op)
{
        struct context *context = op->logins->context;
        uint64_t next = context_now(context) + op->interval_usec;

        if (!op->call)
                login_op_free(op);
        else if (next >= op->ends_usec)
                login_op_fail(op, LOGIN_NO_SUCH_LOGIN, op->credential,
                              "The code has ended before anybody entered it.", 0);
        else if (timer_set(context->timers, &op->begin, next) < 0)
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL, "Out of memory; log in again.", 0);
}

static void slow_down(struct login_op *op, uint64_t by_usec)
{
        op->interval_usec += by_usec;
        if (op->interval_usec > SLOWEST_USEC)
                op->interval_usec = SLOWEST_USEC;
}

static void on_poll_answer(const struct http_response *response, void *userdata)
{
        _cleanup_(oauth_answer_done) struct oauth_answer answer = { 0 };
        enum oauth_device_state state = OAUTH_DEVICE_UNANSWERED;
        struct login_op *op = userdata;

        op->transfer = http_transfer_free(op->transfer);
        if (oauth_read_device_state(response, &state) < 0)
                state = OAUTH_DEVICE_UNANSWERED;
        switch (state) {
        case OAUTH_DEVICE_SLOW_DOWN:
                slow_down(op, SLOWER_USEC);
                ask_again(op);
                return;
        case OAUTH_DEVICE_UNANSWERED:
                slow_down(op, op->interval_usec);
                ask_again(op);
                return;
        case OAUTH_DEVICE_PENDING:
                ask_again(op);
                return;
        case OAUTH_DEVICE_DENIED:
                login_op_fail(op, LOGIN_DENIED, NULL, "The person said no (access_denied).", 0);
                return;
        case OAUTH_DEVICE_EXPIRED:
                login_op_fail(op, LOGIN_NO_SUCH_LOGIN, op->credential,
                              "The code has ended before anybody entered it.", 0);
                return;
        case OAUTH_DEVICE_ANSWERED:
                break;
        }
        if (!login_op_read_answer(op, response, &answer))
                return;
        if (answer.verdict == OAUTH_TRY_AGAIN) {
                slow_down(op, answer.retry_after_usec > SLOWER_USEC ? answer.retry_after_usec : SLOWER_USEC);
                ask_again(op);
                return;
        }
        login_op_take_answer(op, &answer);
}

static int make_poll_request(struct login_op *op, const struct oauth_client *client,
                             const struct client *registration, struct http_request **ret)
{
        (void)registration;
        return oauth_device_token_request(client, op->code, ret);
}

void login_op_poll_device(struct login_op *op, const struct oauth_endpoints *endpoints)
{
        if (!op->call)
                login_op_free(op);
        else
                (void)login_op_send(op, endpoints, make_poll_request, on_poll_answer);
}

int login_complete_device(struct logins *logins, const char *id, bool switch_account, login_done_fn *on_done,
                          void *userdata, struct login_call **ret)
{
        struct pending_login *login = login_find(logins, id);
        struct login_op *op;
        int r;

        *ret = NULL;
        if (!login || !login->device_code) {
                login_refuse(on_done, userdata, LOGIN_NO_SUCH_LOGIN, id,
                             "No such login of a device is waiting: it was completed, cancelled, or has "
                             "expired.");
                return 0;
        }
        r = login_op_new(logins, OP_POLL_DEVICE, login->credential, login->client, on_done, userdata, ret,
                         &op);
        if (r < 0)
                return r;

        op->code = take_ptr(login->device_code);
        op->description = take_ptr(login->description);
        op->interval_usec = login->interval_usec;
        op->ends_usec = login->ends_usec;
        op->switch_account = switch_account;
        pending_login_free(login);
        /* Not before the person can have read the code. */
        timer_stop(logins->context->timers, &op->begin);
        r = timer_set(logins->context->timers, &op->begin, context_now(logins->context) + op->interval_usec);
        if (r < 0) {
                login_call_free(take_ptr(*ret));
                login_op_free(op);
        }
        return r;
}
