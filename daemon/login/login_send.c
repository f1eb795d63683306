/* What the requests of a login have in common: who asks, and what is told when nobody can. */
#include "daemon/login/login_internal.h"

#include "daemon/protocol/oauth.h"

#include <errno.h>

bool login_op_send(struct login_op *op, const struct oauth_endpoints *endpoints, login_make_request *make,
                   void (*on_answer)(const struct http_response *response, void *userdata))
{
        _cleanup_(identity_done) struct identity identity = { 0 };
        struct context *context = op->logins->context;
        const struct client *client = config_find_client(context->config, op->client);
        struct http_request *request;
        struct diag diag = DIAG_INIT;
        int r;

        if (!client) {
                login_op_fail(op, LOGIN_NO_SUCH_CLIENT, op->client,
                              "The configuration no longer has this client.", 0);
                return false;
        }
        r = vault_identify(context->vault, client, endpoints, &identity, &diag);
        if (r > 0) {
                login_op_fail(op, LOGIN_CLIENT_REFUSED, op->client, diag.text, 0);
                return false;
        }
        if (r == 0)
                r = make(op, &identity.client, client, &request);
        if (r == 0)
                r = http_start(context->http, request, NULL, context->config->refresh.timeout_usec, on_answer,
                               op, &op->transfer);
        if (r < 0)
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL,
                              "The request could not be made for want of memory; log in again.", 0);
        return r == 0;
}

bool login_op_read_answer(struct login_op *op, const struct http_response *response, struct oauth_answer *ret)
{
        struct context *context = op->logins->context;
        const struct client *client = config_find_client(context->config, op->client);
        int64_t wall_sec = clock_wall_usec(context->clock) / (int64_t)USEC_PER_SEC;

        if (!client)
                login_op_fail(op, LOGIN_NO_SUCH_CLIENT, op->client,
                              "The configuration no longer has this client.", 0);
        else if (oauth_read_token_answer(client->provider, response, wall_sec, ret) < 0)
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL,
                              "Out of memory while the provider's answer was read; log in again.", 0);
        else
                return true;
        return false;
}

bool login_is_refusal(const struct http_response *response)
{
        return response->result == HTTP_ANSWERED && response->status >= 400 && response->status < 500 &&
               response->status != 408 && response->status != 429;
}
