/* How a provider is asked to end a grant: its revocation endpoint (RFC 7009), or a mutation of its API. */
#include "daemon/login/login_revoke_internal.h"

#include "daemon/protocol/api.h"
#include "daemon/protocol/oauth.h"

#include <errno.h>

static const char no_memory[] = "The request could not be made for want of memory.";

/* True where nothing is left to ask about, or to ask with: the op has gone on. */
static bool has_gone(struct revoke_op *op, const struct credential *target)
{
        if (!target)
                revoke_has_vanished(op);
        else if (!target->client)
                revoke_failed(op, "Its client is not in the configuration.", 0);
        else
                return false;
        return true;
}

/* ---- RFC 7009 ---- */

static void on_revocation_answer(const struct http_response *response, void *userdata)
{
        _cleanup_(oauth_answer_done) struct oauth_answer answer = { 0 };
        struct revoke_op *op = userdata;
        struct credential *target = revoke_target(op);

        op->transfer = http_transfer_free(op->transfer);
        if (has_gone(op, target))
                return;
        if (oauth_read_revocation_answer(target->client->provider, response, &answer) < 0)
                revoke_failed(op, "Out of memory while the provider's answer was read.", 0);
        else if (answer.verdict == OAUTH_GRANTED)
                revoke_succeeded(op);
        else
                revoke_failed(op, answer.reason, answer.retry_after_usec);
}

static void ask_endpoint(struct revoke_op *op, const struct credential *target,
                         const struct oauth_endpoints *endpoints)
{
        _cleanup_(identity_done) struct identity identity = { 0 };
        struct context *context = op->logins->context;
        const struct client *client = target->client;
        const struct grant *grant = &target->grant;
        struct http_request *request;
        struct diag diag = DIAG_INIT;
        int r;

        r = vault_identify(context->vault, client, endpoints, &identity, &diag);
        if (r > 0) {
                revoke_failed(op, diag.text, 0);
                return;
        }
        if (r == 0)
                r = grant->refresh_token ? oauth_revoke_request(&identity.client, grant->refresh_token,
                                                                "refresh_token", &request)
                                         : oauth_revoke_request(&identity.client, grant->access_token,
                                                                "access_token", &request);
        if (r == 0)
                r = http_start(context->http, request, NULL, context->config->refresh.timeout_usec,
                               on_revocation_answer, op, &op->transfer);
        if (r < 0)
                revoke_failed(op, no_memory, 0);
}

static void with_endpoints(struct revoke_op *op, const struct oauth_endpoints *endpoints)
{
        struct credential *target = revoke_target(op);

        if (has_gone(op, target))
                return;
        if (endpoints->revocation)
                ask_endpoint(op, target, endpoints);
        else
                revoke_has_no_way(op);
}

static void on_endpoints(const struct oauth_endpoints *endpoints, const char *reason, void *userdata)
{
        struct revoke_op *op = userdata;

        op->endpoints_request = endpoints_request_free(op->endpoints_request);
        if (endpoints)
                with_endpoints(op, endpoints);
        else
                revoke_failed(op, reason, 0);
}

static void find_endpoints(struct revoke_op *op)
{
        const struct credential *target = revoke_target(op);
        struct oauth_endpoints endpoints;
        int r;

        if (has_gone(op, target))
                return;
        r = discovery_find(refresher_discovery(op->logins->refresher), target->client->provider, on_endpoints,
                           op, &endpoints, &op->endpoints_request);
        if (r == 0)
                with_endpoints(op, &endpoints);
        else if (r < 0)
                revoke_failed(op, no_memory, 0);
}

/* ---- a request of the provider's own kind ---- */

static void ask_for_token(struct revoke_op *op);

static void on_ending_answer(const struct http_response *response, void *userdata)
{
        struct revoke_op *op = userdata;
        struct credential *target = revoke_target(op);

        if (response->result == HTTP_ANSWERED && response->status == 401 && !op->again && target &&
            target->client && provider_revokes_by_access_token(target->client->provider)) {
                op->transfer = http_transfer_free(op->transfer);
                op->again = true;
                if (op->generation == target->grant.generation)
                        refresher_reject(op->logins->refresher, target);
                ask_for_token(op);
                return;
        }
        on_revocation_answer(response, op);
}

static void send_ending(struct revoke_op *op, const struct credential *target)
{
        _cleanup_(identity_done) struct identity identity = { 0 };
        struct context *context = op->logins->context;
        const struct client *client = target->client;
        const char *missing = "";
        struct http_request *request;
        struct diag diag = DIAG_INIT;
        int r;

        op->generation = target->grant.generation;
        r = vault_identify(context->vault, client, NULL, &identity, &diag);
        if (r == 0) {
                struct oauth_ending ending = { target->grant.access_token, target->grant.refresh_token,
                                               target->grant.token_type, target->account_id };
                r = oauth_ending_request(&identity.client, &ending, &request, &missing);
                if (r > 0)
                        diag_set(&diag, "The provider wants its %s to revoke it, and there is none.",
                                 missing);
        }
        if (r > 0) {
                revoke_failed(op, diag.text, 0);
                return;
        }
        if (r == 0)
                r = http_start(context->http, request, NULL, context->config->refresh.timeout_usec,
                               on_ending_answer, op, &op->transfer);
        if (r < 0)
                revoke_failed(op, no_memory, 0);
}

/* Nothing of it is on the wire. */
static void ask_in_quiet(struct revoke_op *op)
{
        struct credential *target = revoke_target(op);

        if (has_gone(op, target))
                return;
        if (target->client->provider->revocation == REVOCATION_REQUEST)
                send_ending(op, target);
        else
                find_endpoints(op);
}

static void on_quiet(const struct token_answer *answer, void *userdata)
{
        struct revoke_op *op = userdata;

        (void)answer; /* however it ended, the newest token there is will be revoked */
        op->waiter = waiter_free(op->waiter);
        ask_in_quiet(op);
}

/* ---- a mutation of the API ---- */

static void on_mutation_answer(const struct http_response *response, void *userdata)
{
        _cleanup_(api_answer_done) struct api_answer answer = { 0 };
        struct revoke_op *op = userdata;
        struct credential *target = revoke_target(op);

        op->transfer = http_transfer_free(op->transfer);
        if (has_gone(op, target))
                return;
        if (api_read_revocation_answer(target->client->provider, response, &answer) < 0) {
                revoke_failed(op, "Out of memory while the provider's answer was read.", 0);
        } else if (answer.verdict == API_TOKEN_REJECTED && !op->again) {
                op->again = true;
                if (op->generation == target->grant.generation)
                        refresher_reject(op->logins->refresher, target);
                ask_for_token(op);
        } else if (answer.verdict == API_OK) {
                revoke_succeeded(op);
        } else {
                revoke_failed(op, answer.message, answer.retry_after_usec);
        }
}

static void send_mutation(struct revoke_op *op, const struct credential *target)
{
        struct context *context = op->logins->context;
        struct http_request *request;
        int r;

        op->generation = target->grant.generation;
        r = api_revocation_request(target->client->provider, credential_api_version(target),
                                   target->grant.token_type, target->grant.access_token, &request);
        if (r == 0)
                r = http_start(context->http, request, NULL, context->config->refresh.timeout_usec,
                               on_mutation_answer, op, &op->transfer);
        if (r < 0)
                revoke_failed(op, no_memory, 0);
}

static void send_with_token(struct revoke_op *op, const struct credential *target)
{
        if (target->client->provider->revocation == REVOCATION_REQUEST)
                send_ending(op, target);
        else
                send_mutation(op, target);
}

/* Whether that there is no token means that there is no grant any more, and not merely that a person must look. */
static bool has_ended(const struct credential *target)
{
        return target->refusal != REFUSAL_NONE || !target->grant.refresh_token;
}

static void on_token(const struct token_answer *answer, void *userdata)
{
        struct revoke_op *op = userdata;
        struct credential *target = revoke_target(op);

        op->waiter = waiter_free(op->waiter);
        if (has_gone(op, target))
                return;
        if (answer->verdict == TOKEN_READY)
                send_with_token(op, target);
        else if (answer->verdict == TOKEN_AUTHORIZATION_REQUIRED && has_ended(target))
                revoke_was_ended(op);
        else
                revoke_failed(op, answer->reason, answer->retry_after_usec);
}

static void ask_for_token(struct revoke_op *op)
{
        struct credential *target = revoke_target(op);
        struct token_demand demand = { .min_valid_given = true, .min_valid_sec = 1 };
        struct token_answer answer;
        int r;

        if (credential_is_rejected(target) && target->grant.access_token) {
                demand.rejected = secret_expose(target->grant.access_token);
        } else if (credential_remaining_usec(target, context_now(op->logins->context))) {
                send_with_token(op, target);
                return;
        }

        r = refresher_ask(op->logins->refresher, target, &demand, on_token, op, &answer, &op->waiter);
        if (r == 0)
                on_token(&answer, op);
        else if (r < 0)
                revoke_failed(op, no_memory, 0);
}

void revoke_ask(struct revoke_op *op, struct credential *target)
{
        int r;

        switch (target->client->provider->revocation) {
        case REVOCATION_GRAPHQL:
                ask_for_token(op);
                break;
        case REVOCATION_REQUEST:
                if (provider_revokes_by_access_token(target->client->provider)) {
                        ask_for_token(op);
                        break;
                }
                /* fall through */
        case REVOCATION_RFC7009:
                /* A refresh on the wire would make a token that nobody revokes. */
                r = refresher_quiesce(op->logins->refresher, target, on_quiet, op, &op->waiter);
                if (r == 0)
                        ask_in_quiet(op);
                else if (r < 0)
                        revoke_failed(op, no_memory, 0);
                break;
        case REVOCATION_NONE:
                revoke_has_no_way(op);
                break;
        }
}
