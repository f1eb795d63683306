/* io.purser.Tokens.VerifyWebhook: the signature is held against the client secret here, so that nobody else need have it. */
#include "daemon/base/log.h"
#include "daemon/method/method_internal.h"
#include "daemon/protocol/webhook.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
        FAILURES_BURST = 30, /* webhooks of one user that are not valid, in short order */
        FAILURES_EVERY_SEC = 2, /* one more */
        LINES_BURST = 3,
        LINES_EVERY_SEC = 600,
};

struct webhook_call {
        const char *client, *body, *signature;
};

/* The client, for whoever its `allow` names. */
static int find_client(struct service *service, struct call *call, const char *name,
                       const struct client **ret)
{
        const struct client *client = config_find_client(service->parts.context->config, name);
        int r;

        if (client && call_is_allowed(service, call, &client->allow)) {
                *ret = client;
                return 0;
        }
        /* As long as for a client whose list turns on the caller's unit. */
        peer_find_unit(call->peer);
        if (!client && call_is_admin(service, call))
                r = reply_error(call, OUTCOME_NO_SUCH_CLIENT, &(struct error_facts){ .name = name });
        else
                r = reply_denied(service, call, name);
        return r < 0 ? r : METHOD_E_ANSWERED;
}

static int find_key(struct service *service, struct call *call, const struct client *client,
                    struct secret **ret)
{
        struct diag diag = DIAG_INIT;
        int r;

        if (!webhook_is_signed(client->provider)) {
                r = reply_invalid(call, "client", "Its provider file does not say how webhooks are signed.");
                return r < 0 ? r : METHOD_E_ANSWERED;
        }
        r = vault_client_secret(service->parts.context->vault, client, ret, &diag);
        if (r == 0 && *ret)
                return 0;
        if (r >= 0)
                r = reply_error(call, OUTCOME_CLIENT_REFUSED,
                                &(struct error_facts){
                                        .name = client->name,
                                        .reason = diag.text[0] ? diag.text : "It has no client secret.",
                                });
        return r < 0 ? r : METHOD_E_ANSWERED;
}

/* RFC 4648 section 4. The bytes are the caller's to free. */
static int decode_body(struct call *call, const char *text, unsigned char **ret, size_t *ret_n)
{
        size_t n_text = strlen(text), n_most = n_text / 4 * 3 + 1;
        _cleanup_(freep) unsigned char *bytes = malloc(n_most);
        const char *end;
        int r;

        if (!bytes)
                return fault(-ENOMEM);
        if (sodium_base642bin(bytes, n_most, text, n_text, NULL, ret_n, &end,
                              sodium_base64_VARIANT_ORIGINAL) < 0 ||
            end != text + n_text) {
                r = reply_invalid(call, "body", "It is no base64.");
                return r < 0 ? r : METHOD_E_ANSWERED;
        }
        *ret = take_ptr(bytes);
        return 0;
}

struct match {
        struct service *service;
        struct call *call;
        const struct client *client;
        const struct webhook_notice *notice;
        const char *name; /* the first, in their order, that the caller may use */
};

/* Whether the notice may be about the grant before this one: delivered late, or sent again by somebody else. */
static bool is_outlived(const struct webhook_notice *notice, const struct credential *credential)
{
        return notice->occurred_sec >= 0 &&
               notice->occurred_sec < credential->authorized_wall_usec / (int64_t)USEC_PER_SEC;
}

/* The provider knows whether the grant that there is now is alive. Where it cannot be asked, the next refresh shows it. */
static void doubt(struct service *service, struct credential *credential)
{
        const struct provider *provider = credential->client->provider;

        log_notice("%s: a genuine notice says that the account had disconnected this app, but before the "
                   "present login; the credential is tested.",
                   credential->name);
        if ((provider->api.test_query || provider->api.test_url) &&
            prober_run(service->parts.prober, credential, NULL, NULL, NULL) < 0)
                log_error("%s: the test could not be begun (%s).", credential->name, fault_origin());
}

static int match_one(struct credential *credential, void *userdata)
{
        struct match *match = userdata;

        if (credential->client != match->client)
                return 0;
        if (match->notice->disconnected && is_outlived(match->notice, credential))
                doubt(match->service, credential);
        else if (match->notice->disconnected)
                refresher_cut(match->service->parts.refresher, credential,
                              "The account has disconnected this app.");
        if (!match->name && call_may_use(match->service, match->call, credential))
                match->name = credential->name;
        return 0;
}

/* client NULL: the configuration does not have it any more. */
static int answer_matched(struct service *service, struct call *call, const struct client *client,
                          const struct webhook_notice *notice)
{
        struct match match = { .service = service, .call = call, .client = client, .notice = notice };
        int r;

        if (client && notice->account_id) {
                r = vault_each_of_account(service->parts.context->vault, notice->account_id, match_one,
                                          &match);
                if (r < 0)
                        return r;
        }
        return reply_values(call, json_pack("{s:b, s:s*}", "valid", 1, "credential", match.name));
}

static int match_late(struct pending *pending)
{
        struct service *service = pending->service;
        int r;

        r = answer_matched(service, pending->call,
                           config_find_client(service->parts.context->config, pending->name),
                           &pending->notice);
        if (r == 0)
                pending_end(pending);
        return r;
}

/* Whose account it is cannot be said yet. That it is genuine was seen, and nothing is kept but what it says. */
static int match_later(struct service *service, struct call *call, const struct client *client,
                       struct webhook_notice *notice)
{
        struct pending *pending;
        int r;

        r = pending_begin(service, call, PENDING_OTHER, NULL, client->name, &pending);
        if (r < 0)
                return r;
        pending->notice = *notice;
        *notice = (struct webhook_notice){ 0 };
        (void)json_object_clear(call->wire.parameters);
        work_begin_late(pending, match_late);
        return pending_started(pending, 0);
}

static int answer_valid(struct service *service, struct call *call, const struct client *client,
                        const unsigned char *body, size_t n)
{
        _cleanup_(webhook_notice_done) struct webhook_notice notice = { 0 };
        int r;

        r = webhook_read_notice(client->provider, (const char *)body, n, &notice);
        if (r < 0)
                return r;
        if (notice.account_id && service->is_loading)
                return match_later(service, call, client, &notice);
        return answer_matched(service, call, client, &notice);
}

static struct webhook_caller *find_caller(struct service *service, uid_t uid, uint64_t now_usec)
{
        struct webhook_caller *oldest = &service->webhook_callers[0];

        for (size_t i = 0; i < WEBHOOK_CALLERS; i++) {
                struct webhook_caller *caller = &service->webhook_callers[i];

                if (caller->used_usec > 0 && caller->uid == uid) {
                        caller->used_usec = now_usec;
                        return caller;
                }
                if (caller->used_usec < oldest->used_usec)
                        oldest = caller;
        }
        *oldest = (struct webhook_caller){ .uid = uid, .used_usec = now_usec };
        return oldest;
}

/*
 * Whoever can reach the caller can make it bring rubbish. The limit therefore never stands before the check: it would turn away the
 * genuine ones that come in between, and a check costs less than reading the message did.
 */
static int answer_invalid(struct service *service, struct call *call, const struct client *client,
                          enum webhook_verdict verdict)
{
        uint64_t now_usec = context_now(service->parts.context);
        struct webhook_caller *caller = find_caller(service, call->peer->uid, now_usec > 0 ? now_usec : 1);

        if (rate_take(&caller->lines, now_usec, LINES_BURST, LINES_EVERY_SEC * USEC_PER_SEC))
                audit_webhook(call->peer, client->name,
                              verdict == WEBHOOK_STALE
                                      ? "it is signed, but for another time: sent again, or a clock is wrong"
                                      : "its signature does not hold",
                              rate_take_suppressed(&caller->lines));
        if (rate_take(&caller->answers, now_usec, FAILURES_BURST, FAILURES_EVERY_SEC * USEC_PER_SEC))
                return reply_values(call, json_pack("{s:b}", "valid", 0));
        return reply_error(call, OUTCOME_TOO_MANY_FAILURES,
                           &(struct error_facts){
                                   .name = client->name,
                                   .retry_after_usec = FAILURES_EVERY_SEC * USEC_PER_SEC,
                           });
}

int method_verify_webhook(struct service *service, struct call *call)
{
        struct webhook_call args;
        static const struct argument arguments[] = {
                { "client", ARGUMENT_STRING, true, offsetof(struct webhook_call, client) },
                { "body", ARGUMENT_STRING, true, offsetof(struct webhook_call, body) },
                { "signature", ARGUMENT_STRING, true, offsetof(struct webhook_call, signature) },
        };
        _cleanup_(secret_freep) struct secret *key = NULL;
        _cleanup_(freep) unsigned char *body = NULL;
        const struct client *client;
        enum webhook_verdict verdict;
        size_t n;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r == 0)
                r = find_client(service, call, args.client, &client);
        if (r == 0)
                r = decode_body(call, args.body, &body, &n);
        if (r == 0)
                r = find_key(service, call, client, &key);
        if (r != 0)
                return r < 0 ? r : 0;

        verdict = webhook_verify(client->provider, key, body, n, args.signature,
                                 clock_wall_usec(service->parts.context->clock));
        if (verdict != WEBHOOK_GENUINE)
                return answer_invalid(service, call, client, verdict);
        return answer_valid(service, call, client, body, n);
}
