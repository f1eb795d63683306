/* Pushed authorization requests (RFC 9126): the provider keeps what is asked for, and the browser brings it a name for that. */
#include "daemon/login/login_internal.h"

#include "daemon/protocol/oauth.h"

#include <errno.h>
#include <string.h>

static void tell_url(struct login_op *op, const struct pending_login *login,
                     const struct oauth_pushed *pushed)
{
        const struct client *client = config_find_client(op->logins->context->config, op->client);
        struct oauth_client asking = { .endpoints = { .authorization = op->authorization_endpoint } };
        _cleanup_(freep) char *url = NULL;

        if (!client) {
                login_op_fail(op, LOGIN_NO_SUCH_CLIENT, op->client,
                              "The configuration no longer has this client.", 0);
                return;
        }
        asking.provider = client->provider;
        asking.client_id = client->client_id;
        if (oauth_pushed_url(&asking, pushed, &url) < 0)
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL, "Out of memory; log in again.", 0);
        else
                login_op_tell_url(op, login, url, pushed->expires_sec);
}

/* No answer that anybody could take for one of this endpoint's. */
static bool is_elsewhere(const struct http_response *response)
{
        return response->result == HTTP_ANSWERED && ((response->status >= 300 && response->status < 400) ||
                                                     response->status == 404 || response->status == 405);
}

/* The request is refused as a whole, whatever it is: what mends it is in the configuration, or at the provider. */
static void tell_refusal(struct login_op *op, const struct http_response *response)
{
        _cleanup_(oauth_answer_done) struct oauth_answer answer = { 0 };

        if (is_elsewhere(response)) {
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL,
                              "Nothing takes pushed authorization requests at this address: check "
                              "pushed_authorization_request_endpoint.",
                              0);
                return;
        }
        if (!login_op_read_answer(op, response, &answer))
                return;
        if (answer.verdict == OAUTH_CLIENT_REFUSED || login_is_refusal(response))
                login_op_fail(op, LOGIN_CLIENT_REFUSED, op->client, answer.reason, 0);
        else if (response->result == HTTP_ANSWERED && response->status >= 200 && response->status <= 299)
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL,
                              "The provider's answer to the pushed authorization request holds no usable "
                              "request_uri.",
                              0);
        else
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL, answer.reason, answer.retry_after_usec);
}

static void on_pushed_answer(const struct http_response *response, void *userdata)
{
        struct login_op *op = userdata;
        const struct pending_login *login = login_find(op->logins, op->login);
        struct oauth_pushed pushed;
        int r;

        op->transfer = http_transfer_free(op->transfer);
        /* Whoever wanted to log in has gone, or was let wait too long. */
        if (!op->call || !login) {
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL, "The login has ended meanwhile; log in again.", 0);
                return;
        }
        r = oauth_read_pushed_answer(response, &pushed);
        if (r == 0)
                tell_url(op, login, &pushed);
        else if (r < 0)
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL, "Out of memory; log in again.", 0);
        else
                tell_refusal(op, response);
}

static int make_pushed_request(struct login_op *op, const struct oauth_client *client,
                               const struct client *registration, struct http_request **ret)
{
        const struct pending_login *login = login_find(op->logins, op->login);
        struct oauth_authorization authorization;
        char challenge[PKCE_TEXT_SIZE + 1];

        pending_login_describe(login, registration, challenge, &authorization);
        return oauth_pushed_request(client, &authorization, ret);
}

void login_op_push(struct login_op *op, const struct oauth_endpoints *endpoints)
{
        op->authorization_endpoint = strdup(endpoints->authorization);
        if (!op->authorization_endpoint)
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL, "Out of memory; log in again.", 0);
        else
                (void)login_op_send(op, endpoints, make_pushed_request, on_pushed_answer);
}
