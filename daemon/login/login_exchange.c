/* From a code to a grant: endpoints, the client secret, the exchange (RFC 6749 section 4.1.3). */
#include "daemon/login/login_internal.h"

#include "daemon/protocol/oauth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int make_grant(struct login_op *op, struct oauth_answer *answer, struct grant *ret)
{
        struct context *context = op->logins->context;

        *ret = (struct grant){ .refresh_token = take_ptr(answer->refresh_token),
                               .access_token = take_ptr(answer->access_token),
                               .token_type = strdup(answer->token_type),
                               .lifetime_usec = answer->lifetime_usec,
                               .received_boot_usec = (int64_t)context_now(context),
                               .received_wall_usec = clock_wall_usec(context->clock) };
        ret->generation = ret->access_token ? 1 : 0;
        return ret->token_type ? 0 : fault(-ENOMEM);
}

void login_op_take_answer(struct login_op *op, struct oauth_answer *answer)
{
        _cleanup_(grant_done) struct grant grant = { 0 };

        switch (answer->verdict) {
        case OAUTH_GRANTED:
                if (make_grant(op, answer, &grant) < 0)
                        login_op_fail(op, LOGIN_UNAVAILABLE, NULL,
                                      "Out of memory while the provider's answer was read; log in again.", 0);
                else
                        login_op_save_pending(op, &grant);
                break;
        case OAUTH_GRANT_REFUSED:
                login_op_fail(op, LOGIN_GRANT_REFUSED, NULL, answer->reason, 0);
                break;
        case OAUTH_CLIENT_REFUSED:
                login_op_fail(op, LOGIN_CLIENT_REFUSED, op->client, answer->reason, 0);
                break;
        case OAUTH_TRY_AGAIN:
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL, answer->reason, answer->retry_after_usec);
                break;
        }
}

static void on_exchanged(const struct http_response *response, void *userdata)
{
        _cleanup_(oauth_answer_done) struct oauth_answer answer = { 0 };
        struct login_op *op = userdata;

        op->transfer = http_transfer_free(op->transfer);
        if (!login_op_read_answer(op, response, &answer))
                return;

        /* A code is good for one try (RFC 6749 section 4.1.2): what a refresh would try again, only a new login mends. */
        if (answer.verdict == OAUTH_TRY_AGAIN && login_is_refusal(response))
                answer.verdict = OAUTH_GRANT_REFUSED;

        login_op_take_answer(op, &answer);
}

static int make_exchange_request(struct login_op *op, const struct oauth_client *client,
                                 const struct client *registration, struct http_request **ret)
{
        int r = oauth_exchange_request(client, op->code, op->redirect_uri, op->verifier, ret);

        (void)registration;
        op->code = secret_free(op->code);
        op->verifier = secret_free(op->verifier);
        return r;
}

static void with_endpoints(struct login_op *op, const struct oauth_endpoints *endpoints)
{
        switch (op->start) {
        case OP_BEGIN_LOGIN:
                login_op_begin_login(op, endpoints);
                break;
        case OP_BEGIN_DEVICE:
                login_op_begin_device(op, endpoints);
                break;
        case OP_POLL_DEVICE:
                login_op_poll_device(op, endpoints);
                break;
        default:
                (void)login_op_send(op, endpoints, make_exchange_request, on_exchanged);
        }
}

static void on_endpoints(const struct oauth_endpoints *endpoints, const char *reason, void *userdata)
{
        struct login_op *op = userdata;

        op->endpoints_request = endpoints_request_free(op->endpoints_request);
        if (endpoints)
                with_endpoints(op, endpoints);
        else
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL, reason, 0);
}

void login_op_find_endpoints(struct login_op *op)
{
        const struct client *client = config_find_client(op->logins->context->config, op->client);
        struct oauth_endpoints endpoints;
        int r;

        if (!client) {
                login_op_fail(op, LOGIN_NO_SUCH_CLIENT, op->client,
                              "The configuration no longer has this client.", 0);
                return;
        }
        r = discovery_find(refresher_discovery(op->logins->refresher), client->provider, on_endpoints, op,
                           &endpoints, &op->endpoints_request);
        if (r == 0)
                with_endpoints(op, &endpoints);
        else if (r < 0)
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL, "Out of memory.", 0);
}
