/* Ending a grant: at the provider first, then on disk. What cannot be revoked is not forgotten, unless it is forced. */
#include "daemon/login_internal.h"

#include "daemon/api.h"
#include "daemon/events.h"
#include "daemon/log.h"
#include "daemon/oauth.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct revoke_call {
        struct revoke_op *op;
        revoke_done_fn *on_done;
        void *userdata;
};

struct revoke_op {
        struct logins *logins;
        char *credential; /* by name: it may go meanwhile */
        bool force;
        bool revoked;
        char note[512]; /* what the provider had to say, for the answer */
        char **also_ended;
        size_t n_also_ended;
        struct timer begin;
        struct endpoints_request *endpoints_request;
        struct waiter *waiter;
        struct http_transfer *transfer;
        struct vault_write *write;
        struct revoke_call *call;
        struct revoke_op *next;
};

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

/* ---- forgetting ---- */

static void on_forgotten(int result, void *userdata)
{
        struct revoke_op *op = userdata;

        op->write = NULL;
        if (result < 0) {
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
                finish(op, REVOKE_FORGOTTEN, "It was forgotten already.", 0);
                return;
        }

        if (credential->pending) {
                prober_release(logins->prober, credential->pending);
                refresher_release(logins->refresher, credential->pending);
        }
        prober_release(logins->prober, credential);
        if (op->revoked)
                refresher_cut(logins->refresher, credential, "The grant was revoked.");
        refresher_release(logins->refresher, credential);
        r = vault_forget(logins->context->vault, credential, on_forgotten, op, &op->write);
        if (r < 0)
                on_forgotten(r, op);
}

static void give_up(struct revoke_op *op, const char *reason, uint64_t retry_after_usec)
{
        if (!op->force) {
                finish(op, REVOKE_UNAVAILABLE, reason, retry_after_usec);
                return;
        }

        snprintf(op->note, sizeof(op->note),
                 "It was forgotten here, but could not be revoked at the provider: %s", reason);
        forget(op);
}

/* ---- what else it ended ---- */

struct ending {
        struct revoke_op *op;
        const struct credential *revoked;
};

static int end_sibling(struct credential *credential, void *userdata)
{
        struct ending *ending = userdata;
        struct revoke_op *op = ending->op;
        const struct credential *revoked = ending->revoked;
        char **names;

        if (credential == revoked || !credential->account_id || credential->client != revoked->client ||
            strcmp(credential->account_id, revoked->account_id) != 0 || credential->refusal == REFUSAL_CUT)
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

static void revoked_at_provider(struct revoke_op *op)
{
        struct credential *credential = credential_of(op);
        struct ending ending = { op, credential };

        op->revoked = true;
        snprintf(op->note, sizeof(op->note), "The grant was revoked at the provider and forgotten.");
        if (credential && credential->client && credential->client->provider->revocation_ends_account &&
            credential->account_id)
                (void)vault_each(op->logins->context->vault, true, end_sibling, &ending);
        forget(op);
}

/* ---- RFC 7009 ---- */

static void on_revocation_answer(const struct http_response *response, void *userdata)
{
        _cleanup_(oauth_answer_done) struct oauth_answer answer = { 0 };
        struct revoke_op *op = userdata;
        struct credential *credential = credential_of(op);

        op->transfer = http_transfer_free(op->transfer);
        if (!credential || !credential->client)
                give_up(op, "The configuration lost its client meanwhile.", 0);
        else if (oauth_read_revocation_answer(credential->client->provider, response, &answer) < 0)
                give_up(op, "Out of memory while the provider's answer was read.", 0);
        else if (answer.verdict == OAUTH_GRANTED)
                revoked_at_provider(op);
        else
                give_up(op, answer.reason, answer.retry_after_usec);
}

static void revoke_by_endpoint(struct revoke_op *op, struct credential *credential,
                               const struct oauth_endpoints *endpoints)
{
        _cleanup_(secret_freep) struct secret *client_secret = NULL;
        struct context *context = op->logins->context;
        const struct client *client = credential->client;
        const struct secret *token = credential->grant.refresh_token ? credential->grant.refresh_token
                                                                     : credential->grant.access_token;
        struct http_request *request;
        struct diag diag = DIAG_INIT;
        int r;

        r = vault_client_secret(context->vault, client, &client_secret, &diag);
        if (r > 0) {
                give_up(op, diag.text, 0);
                return;
        }
        if (r == 0) {
                struct oauth_client asking = { .provider = client->provider,
                                               .endpoints = *endpoints,
                                               .client_id = client->client_id,
                                               .secret = client_secret };
                r = oauth_revoke_request(&asking, token, &request);
        }
        if (r == 0)
                r = http_start(context->http, request, NULL, context->config->refresh.timeout_usec,
                               on_revocation_answer, op, &op->transfer);
        if (r < 0)
                give_up(op, "The request could not be made for want of memory.", 0);
}

static void with_endpoints(struct revoke_op *op, const struct oauth_endpoints *endpoints)
{
        struct credential *credential = credential_of(op);

        if (!credential || !credential->client) {
                give_up(op, "The configuration lost its client meanwhile.", 0);
        } else if (endpoints->revocation && credential->client->provider->revocation != REVOCATION_NONE) {
                /* A refresh on the wire would make a token that nobody revokes. */
                refresher_hold(op->logins->refresher, credential);
                revoke_by_endpoint(op, credential, endpoints);
        } else {
                snprintf(op->note, sizeof(op->note),
                         "It was forgotten here; the provider has no way to revoke a grant, so end the app's "
                         "access on the provider's own pages.");
                forget(op);
        }
}

static void on_endpoints(const struct oauth_endpoints *endpoints, const char *reason, void *userdata)
{
        struct revoke_op *op = userdata;

        op->endpoints_request = endpoints_request_free(op->endpoints_request);
        if (endpoints)
                with_endpoints(op, endpoints);
        else
                give_up(op, reason, 0);
}

static void find_endpoints(struct revoke_op *op, struct credential *credential)
{
        struct oauth_endpoints endpoints;
        int r;

        r = discovery_find(refresher_discovery(op->logins->refresher), credential->client->provider,
                           on_endpoints, op, &endpoints, &op->endpoints_request);
        if (r == 0)
                with_endpoints(op, &endpoints);
        else if (r < 0)
                give_up(op, "Out of memory.", 0);
}

/* ---- a mutation of the API ---- */

static void on_mutation_answer(const struct http_response *response, void *userdata)
{
        _cleanup_(api_answer_done) struct api_answer answer = { 0 };
        struct revoke_op *op = userdata;
        struct credential *credential = credential_of(op);

        op->transfer = http_transfer_free(op->transfer);
        if (!credential || !credential->client)
                give_up(op, "The configuration lost its client meanwhile.", 0);
        else if (api_read_revocation_answer(credential->client->provider, response, &answer) < 0)
                give_up(op, "Out of memory while the provider's answer was read.", 0);
        else if (answer.verdict == API_OK || answer.verdict == API_AUTHORIZATION_REQUIRED)
                revoked_at_provider(op);
        else
                give_up(op, answer.message, answer.retry_after_usec);
}

static void on_token(const struct token_answer *answer, void *userdata)
{
        struct revoke_op *op = userdata;
        struct credential *credential = credential_of(op);
        struct context *context = op->logins->context;
        struct http_request *request;
        int r;

        op->waiter = waiter_free(op->waiter);
        if (!credential || !credential->client) {
                give_up(op, "The configuration lost its client meanwhile.", 0);
                return;
        }
        if (answer->verdict == TOKEN_AUTHORIZATION_REQUIRED) {
                snprintf(op->note, sizeof(op->note),
                         "The provider had ended the grant already; it was forgotten.");
                op->revoked = true;
                forget(op);
                return;
        }
        if (answer->verdict != TOKEN_READY) {
                give_up(op, answer->reason, answer->retry_after_usec);
                return;
        }

        r = api_revocation_request(credential->client->provider, credential_api_version(credential),
                                   credential->grant.token_type, credential->grant.access_token, &request);
        if (r == 0)
                r = http_start(context->http, request, NULL, context->config->refresh.timeout_usec,
                               on_mutation_answer, op, &op->transfer);
        if (r < 0)
                give_up(op, "The request could not be made for want of memory.", 0);
}

static void ask_for_token(struct revoke_op *op, struct credential *credential)
{
        struct token_demand demand = { .min_valid_given = true, .min_valid_sec = 1 };
        struct token_answer answer;
        int r;

        r = refresher_ask(op->logins->refresher, credential, &demand, on_token, op, &answer, &op->waiter);
        if (r == 0)
                on_token(&answer, op);
        else if (r < 0)
                give_up(op, "Out of memory.", 0);
}

/* ---- the beginning ---- */

static void on_begin(void *userdata)
{
        struct revoke_op *op = userdata;
        struct credential *credential = credential_of(op);

        if (!credential) {
                finish(op, REVOKE_FORGOTTEN, "It was forgotten already.", 0);
        } else if (credential->refusal == REFUSAL_NEVER_AUTHORIZED || credential->refusal == REFUSAL_CUT) {
                snprintf(op->note, sizeof(op->note),
                         "There was no living grant to revoke; it was forgotten.");
                forget(op);
        } else if (!credential->client) {
                give_up(op, "Its client is not in the configuration.", 0);
        } else if (credential->client->provider->revocation == REVOCATION_GRAPHQL) {
                ask_for_token(op, credential);
        } else {
                find_endpoints(op, credential);
        }
}

int login_revoke(struct logins *logins, struct credential *credential, bool force, revoke_done_fn *on_done,
                 void *userdata, struct revoke_call **ret)
{
        struct revoke_op *op = calloc(1, sizeof(*op));
        struct revoke_call *call = calloc(1, sizeof(*call));
        int r = 0;

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
