/* io.purser.Admin, but for logins and metrics: refresh, test, revoke, client secrets and reload. */
#include "daemon/method/method_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The call's outcome, told; a want of memory drops the connection. */
static void finish(struct pending *pending, int r)
{
        if (r < 0)
                call_fail(pending->call, r);
        pending_end(pending);
}

/* ---- Refresh ---- */

static int answer_refreshed(struct service *service, struct call *call, const struct credential *credential)
{
        struct now now = service_now(service);

        return reply_values(
                call,
                json_pack("{s:I, s:I}", "generation", (json_int_t)credential->grant.generation, "expires_at",
                          (json_int_t)credential_expires_at(credential, now.boot_usec, now.wall_usec)));
}

static void on_refreshed(const struct token_answer *answer, void *userdata)
{
        struct pending *pending = userdata;

        if (answer->verdict == TOKEN_READY)
                finish(pending, answer_refreshed(pending->service, pending->call, pending->credential));
        else
                finish(pending,
                       reply_no_token(pending->service, pending->call, pending->credential->name, answer));
}

struct named {
        const char *credential;
};

static const struct argument named_arguments[] = {
        { "credential", ARGUMENT_STRING, true, offsetof(struct named, credential) },
};

static int read_named(struct service *service, struct call *call, struct credential **ret)
{
        struct named args;
        int r;

        r = READ_ARGUMENTS(call, named_arguments, &args);
        return r != 0 ? r : find_for_admin(service, call, args.credential, ret);
}

int method_refresh(struct service *service, struct call *call)
{
        struct credential *credential;
        struct token_answer answer;
        struct pending *pending;
        int r;

        r = read_named(service, call, &credential);
        if (r != 0)
                return r < 0 ? r : 0;
        r = pending_begin(service, call, PENDING_OTHER, credential, NULL, &pending);
        if (r < 0)
                return r;
        r = refresher_force(service->parts.refresher, credential, on_refreshed, pending, &answer,
                            &pending->waiter);
        if (r == 0)
                on_refreshed(&answer, pending);
        return pending_started(pending, r);
}

/* ---- Test ---- */

static void on_tested(void *userdata)
{
        static const struct token_answer ended = {
                .verdict = TOKEN_UNAVAILABLE,
                .reason = "The test ended without a result, because the grant is being revoked.",
        };
        struct pending *pending = userdata;
        struct credential *credential = pending->credential;

        if (credential->test.tested_wall_usec == pending->tested_before_usec)
                finish(pending, reply_no_token(pending->service, pending->call, credential->name, &ended));
        else
                finish(pending,
                       reply_values(pending->call, json_pack("{s:o}", "test", status_test(credential))));
}

/* A login that waits for its test is what wants one. */
static int test_pending(struct service *service, struct call *call, const struct credential *credential)
{
        struct login_call *login_call = NULL;
        struct pending *pending;
        int r;

        r = pending_begin(service, call, PENDING_OTHER, NULL, NULL, &pending);
        if (r < 0)
                return r;
        r = login_test_pending(service->parts.logins, credential, login_on_tested, pending, &login_call);
        if (r == 0)
                pending->login_call = login_call;
        return pending_started(pending, r);
}

int method_test(struct service *service, struct call *call)
{
        struct credential *credential;
        struct pending *pending;
        int r;

        r = read_named(service, call, &credential);
        if (r != 0)
                return r < 0 ? r : 0;
        if (credential->pending)
                return test_pending(service, call, credential);
        r = pending_begin(service, call, PENDING_OTHER, credential, NULL, &pending);
        if (r < 0)
                return r;
        pending->tested_before_usec = credential->test.tested_wall_usec;
        r = prober_run(service->parts.prober, credential, on_tested, pending, &pending->probe_wait);
        return pending_started(pending, r);
}

/* ---- Revoke ---- */

static json_t *string_array(const char *const *strings, size_t n)
{
        json_t *array = json_array();

        for (size_t i = 0; array && i < n; i++)
                if (json_array_append_new(array, json_string(strings[i])) < 0) {
                        json_decref(array);
                        return NULL;
                }
        return array;
}

static int answer_revoked(struct call *call, const struct revoke_answer *answer)
{
        struct error_facts facts = { .reason = answer->message,
                                     .retry_after_usec = answer->retry_after_usec };

        switch (answer->verdict) {
        case REVOKE_UNAVAILABLE:
                return reply_error(call, OUTCOME_PROVIDER_UNAVAILABLE, &facts);
        case REVOKE_NOT_SAVED:
                return reply_error(call, OUTCOME_NOT_SAVED, &facts);
        case REVOKE_DONE:
        case REVOKE_FORGOTTEN:
                break;
        }
        return reply_values(call,
                            json_pack("{s:b, s:o, s:s}", "revoked", answer->verdict == REVOKE_DONE,
                                      "also_ended", string_array(answer->also_ended, answer->n_also_ended),
                                      "message", answer->message ? answer->message : ""));
}

static void on_revoked(const struct revoke_answer *answer, void *userdata)
{
        struct pending *pending = userdata;

        finish(pending, answer_revoked(pending->call, answer));
}

int method_revoke(struct service *service, struct call *call)
{
        struct {
                const char *credential;
                bool force;
        } args;
        static const struct argument arguments[] = {
                { "credential", ARGUMENT_STRING, true, offsetof(__typeof__(args), credential) },
                { "force", ARGUMENT_BOOL, false, offsetof(__typeof__(args), force) },
        };
        struct revoke_call *revoke_call = NULL;
        struct credential *credential;
        struct pending *pending;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r == 0)
                r = find_for_admin(service, call, args.credential, &credential);
        /* Others of its account may end with it. */
        if (r == 0)
                r = await_all(service, call);
        if (r != 0)
                return r < 0 ? r : 0;
        /* The credential goes while this waits for it to be gone. */
        r = pending_begin(service, call, PENDING_OTHER, NULL, NULL, &pending);
        if (r < 0)
                return r;
        r = login_revoke(service->parts.logins, credential, args.force, on_revoked, pending, &revoke_call);
        if (r == 0)
                pending->revoke_call = revoke_call;
        return pending_started(pending, r);
}

/* ---- client secrets and clients ---- */

static void on_secret_saved(int result, void *userdata)
{
        struct pending *pending = userdata;
        struct service *service = pending->service;
        const char *problem;

        if (result == 0) {
                refresher_client_changed(service->parts.refresher, pending->name);
                call_reply(pending->call, NULL);
                finish(pending, 0);
                return;
        }
        problem = vault_store_problem(service->parts.context->vault);
        finish(pending,
               reply_error(pending->call, OUTCOME_NOT_SAVED,
                           &(struct error_facts){ .reason = problem ? problem : strerror(-result) }));
}

static const char *as_sentence(struct diag *words)
{
        struct diag copy = *words;

        diag_set(words, "%c%s.", toupper((unsigned char)copy.text[0]), copy.text + 1);
        return words->text;
}

/* Before it replaces one that can be used. */
static int check_client_secret(struct service *service, struct call *call, const char *name,
                               const struct secret *secret)
{
        const struct client *client = config_find_client(service->parts.context->config, name);
        enum secret_kind kind =
                client && client->key.source == SECRET_FROM_STORE ? CLIENT_KEY : CLIENT_SECRET;
        struct diag diag = DIAG_INIT;
        int r;

        if (!client)
                r = reply_error(call, OUTCOME_NO_SUCH_CLIENT, &(struct error_facts){ .name = name });
        else if (client_secret_config(client, kind)->source != SECRET_FROM_STORE)
                r = reply_invalid(
                        call, "client",
                        "The configuration does not say `client_secret: {store: true}`, or `client_key`, of "
                        "this client.");
        else if (secret_size(secret) == 0)
                r = reply_invalid(call, "client_secret", "It is empty.");
        else if ((r = client_secret_check(client, kind, secret, &diag)) > 0)
                r = reply_invalid(call, "client_secret", as_sentence(&diag));
        else
                return r;
        return r < 0 ? r : METHOD_E_ANSWERED;
}

int method_set_client_secret(struct service *service, struct call *call)
{
        struct {
                const char *client, *client_secret;
        } args;
        static const struct argument arguments[] = {
                { "client", ARGUMENT_STRING, true, offsetof(__typeof__(args), client) },
                { "client_secret", ARGUMENT_STRING, true, offsetof(__typeof__(args), client_secret) },
        };
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct pending *pending;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r == 0)
                r = secret_new_string(&secret, args.client_secret);
        if (r == 0)
                r = check_client_secret(service, call, args.client, secret);
        if (r != 0)
                return r < 0 ? r : 0;
        r = pending_begin(service, call, PENDING_OTHER, NULL, args.client, &pending);
        if (r < 0)
                return r;
        r = vault_set_client_secret(service->parts.context->vault, args.client, secret, on_secret_saved,
                                    pending, &pending->write);
        return pending_started(pending, r);
}

int method_list_clients(struct service *service, struct call *call)
{
        const struct context *context = service->parts.context;
        _cleanup_(json_decrefp) json_t *array = json_array();

        for (size_t i = 0; array && i < context->config->n_clients; i++) {
                const struct client *client = context->config->clients[i];

                if (json_array_append_new(array, status_client(client, vault_client_secret_state(
                                                                               context->vault, client))) < 0)
                        return fault(-ENOMEM);
        }
        return reply_values(call, json_pack("{s:O}", "clients", array));
}

/* ---- Reload ---- */

int method_reload(struct service *service, struct call *call)
{
        struct problems problems = PROBLEMS_INIT;
        int r;

        r = service->parts.reload(&problems, service->parts.reload_userdata);
        if (r == 0)
                call_reply(call, NULL);
        else if (r == SERVICE_E_PROBLEMS)
                r = reply_error(call, OUTCOME_CONFIGURATION_INVALID,
                                &(struct error_facts){ .list = (const char *const *)problems.lines,
                                                       .n_list = problems.n });
        problems_done(&problems);
        return r;
}

/* ---- ChangeSealingKey ---- */

int method_change_sealing_key(struct service *service, struct call *call)
{
        struct diag diag = DIAG_INIT;
        struct key_change change;
        int r;

        r = service->parts.change_key(&change, &diag, service->parts.change_key_userdata);
        if (r < 0)
                return r;
        if (r > 0)
                return reply_error(call, OUTCOME_NOT_SAVED, &(struct error_facts){ .reason = diag.text });
        return reply_values(call, json_pack("{s:I, s:s}", "records", (json_int_t)change.n_records, "source",
                                            change.source));
}
