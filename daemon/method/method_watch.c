/*
 * Calls that are answered again and again: WatchToken, and Status with `more`. What happens while a peer does not read becomes one answer, so
 * that a slow one costs no memory.
 */
#include "daemon/method/method_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- WatchToken ---- */

static void end_with_error(struct pending *pending, const struct token_answer *answer)
{
        int r;

        r = reply_no_token(pending->service, pending->call, pending->credential->name, answer);
        if (r < 0)
                call_fail(pending->call, r);
        pending_end(pending);
}

static bool has_news(const struct pending *pending)
{
        const char *version = credential_api_version(pending->credential);

        return pending->sent_generation != pending->credential->grant.generation ||
               strcmp(pending->sent_version, version ? version : "") != 0;
}

static void end_refused(struct pending *pending)
{
        uint64_t now = context_now(pending->service->parts.context);
        struct token_answer answer = { .verdict = TOKEN_AUTHORIZATION_REQUIRED };
        struct diag message, next_step;

        credential_explain(pending->credential, now, &message, &next_step);
        snprintf(answer.reason, sizeof(answer.reason), "%s", message.text);
        end_with_error(pending, &answer);
}

/* A token that is served to its end is told once, and then that it is the last. */
static bool is_refused(const struct pending *pending)
{
        uint64_t now = context_now(pending->service->parts.context);

        return credential_state(pending->credential, now) == CREDENTIAL_AUTHORIZATION_REQUIRED;
}

static void send_token(struct pending *pending, bool short_lived)
{
        struct credential *credential = pending->credential;
        const char *version = credential_api_version(credential);
        bool more = pending->call->wire.more && !pending->call->wire.oneway;
        int r;

        pending->sent_generation = credential->grant.generation;
        snprintf(pending->sent_version, sizeof(pending->sent_version), "%s", version ? version : "");
        r = reply_bundle(pending->service, pending->call, credential,
                         context_now(pending->service->parts.context), short_lived, more);
        if (r < 0)
                call_fail(pending->call, r);
        if (r < 0 || !more)
                pending_end(pending);
        else if (is_refused(pending))
                end_refused(pending);
}

void watch_on_token(const struct token_answer *answer, void *userdata)
{
        struct pending *pending = userdata;

        if (!pending->starting)
                pending->waiter = waiter_free(pending->waiter);
        if (answer->verdict == TOKEN_READY)
                send_token(pending, answer->short_lived);
        else
                end_with_error(pending, answer);
}

static void end_denied(struct pending *pending)
{
        int r;

        r = reply_denied(pending->service, pending->call, pending->credential->name);
        if (r < 0)
                call_fail(pending->call, r);
        pending_end(pending);
}

/* Whatever has become of the credential, the peer is told what it must know. */
static void look_again(struct pending *pending)
{
        struct service *service = pending->service;
        struct credential *credential = pending->credential;
        uint64_t now = context_now(service->parts.context);

        if (pending->waiter)
                return;
        if (!call_may_use(service, pending->call, credential)) {
                end_denied(pending);
                return;
        }
        if (is_refused(pending)) {
                end_refused(pending);
                return;
        }
        if (!credential_may_serve(credential, now) || !has_news(pending))
                return;
        if (call_queued(pending->call) > 0)
                pending->dirty = true;
        else
                send_token(pending, false);
}

static void on_token_drained(void *userdata)
{
        struct pending *pending = userdata;

        if (!pending->dirty)
                return;
        pending->dirty = false;
        look_again(pending);
}

void watch_tell_tokens(void *userdata)
{
        struct service *service = userdata;
        struct pending *pending, *next;
        struct serve *serve;

        while ((serve = TAILQ_FIRST(&service->changed))) {
                TAILQ_REMOVE(&service->changed, serve, changed_link);
                serve->is_changed = false;
                for (pending = LIST_FIRST(&serve->pendings); pending; pending = next) {
                        next = LIST_NEXT(pending, serve_link);
                        if (pending->kind == PENDING_WATCH)
                                look_again(pending);
                }
        }
}

int method_watch_token(struct service *service, struct call *call)
{
        struct {
                const char *credential;
        } args;
        static const struct argument arguments[] = {
                { "credential", ARGUMENT_STRING, true, offsetof(__typeof__(args), credential) },
        };
        static const struct token_demand demand;
        struct credential *credential;
        struct token_answer answer;
        struct pending *pending;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r == 0)
                r = find_for_caller(service, call, args.credential, &credential);
        if (r != 0)
                return r < 0 ? r : 0;

        r = pending_begin(service, call, PENDING_WATCH, credential, NULL, &pending);
        if (r < 0)
                return r;
        call->on_drained = on_token_drained;
        r = refresher_ask(service->parts.refresher, credential, &demand, watch_on_token, pending, &answer,
                          &pending->waiter);
        if (r == 0)
                watch_on_token(&answer, pending);
        return pending_started(pending, r);
}

/* ---- Status ---- */

static json_t *describe_daemon(struct service *service)
{
        const struct context *context = service->parts.context;
        struct server_stats server = { 0 };
        struct refresh_stats refresh;
        struct daemon_state state;

        if (service->server)
                server_get_stats(service->server, &server);
        refresher_get_stats(service->parts.refresher, &refresh);
        state = (struct daemon_state){
                .configuration = context->config->file,
                .store_problem = vault_store_problem(context->vault),
                .unsaved = vault_unsaved(context->vault),
                .connections = server.connections,
                .refreshes_in_flight = refresh.in_flight,
        };
        secret_get_stats(&state.secrets);
        return status_daemon(&service->parts.facts, &state);
}

/* Of one credential that is there. */
static int describe_one(struct service *service, const struct credential *credential, json_t **ret)
{
        _cleanup_(json_decrefp) json_t *array = json_array();
        struct now now = service_now(service);

        if (!array || json_array_append_new(array, status_credential_details(credential, &now)) < 0)
                return fault(-ENOMEM);
        *ret = json_pack("{s:o, s:O}", "daemon", describe_daemon(service), "credentials", array);
        return *ret ? 0 : fault(-ENOMEM);
}

static int list_all(struct service *service, struct call *call, const struct page *page, struct paging **ret)
{
        _cleanup_(json_decrefp) json_t *daemon = describe_daemon(service);

        if (!daemon)
                return fault(-ENOMEM);
        return paging_new(ret, service, call, page, daemon, status_credential_details);
}

static int all_step(struct pending *pending)
{
        bool watches = pending->kind == PENDING_STATUS_WATCH;
        int r = paging_step(pending->paging);

        if (r == 0)
                r = paging_send(pending->paging, watches);
        if (r < 0 || r == METHOD_E_MORE)
                return r;
        pending->paging = paging_free(pending->paging);
        if (!watches || r != 0)
                pending_end(pending);
        else if (pending->dirty)
                watch_status_later(pending->service);
        return 0;
}

/* Answers, or begins to. METHOD_E_ANSWERED: that was the last answer. */
static int tell_status(struct pending *pending)
{
        static const struct page whole;
        struct service *service = pending->service;
        _cleanup_(json_decrefp) json_t *parameters = NULL;
        const struct credential *credential;
        int r;

        if (!pending->name) {
                r = list_all(service, pending->call, &whole, &pending->paging);
                if (r == 0)
                        work_queue(pending, all_step);
                return r;
        }
        credential = vault_find(service->parts.context->vault, pending->name);
        if (!credential) {
                r = reply_not_found(service, pending->call, pending->name);
                return r == 0 ? METHOD_E_ANSWERED : r;
        }
        r = describe_one(service, credential, &parameters);
        if (r == 0)
                call_reply_continues(pending->call, parameters);
        return r;
}

static void look_at_status(struct pending *pending)
{
        int r;

        /* Of what is being made, the end looks again. */
        if (!pending->dirty || pending->paging || call_queued(pending->call) > 0)
                return;
        pending->dirty = false;

        if (call_is_admin(pending->service, pending->call))
                r = tell_status(pending);
        else if ((r = reply_denied(pending->service, pending->call, pending->name)) == 0)
                r = METHOD_E_ANSWERED;
        if (r < 0)
                call_fail(pending->call, r);
        if (r != 0)
                pending_end(pending);
}

static void on_status_drained(void *userdata)
{
        look_at_status(userdata);
}

void watch_tell_status(void *userdata)
{
        struct service *service = userdata;
        struct pending *pending, *next;

        for (pending = LIST_FIRST(&service->status_watches); pending; pending = next) {
                next = LIST_NEXT(pending, watch_link);
                look_at_status(pending);
        }
}

int method_status(struct service *service, struct call *call)
{
        struct {
                const char *credential;
                struct page page;
        } args;
        static const struct argument arguments[] = {
                { "credential", ARGUMENT_STRING, false, offsetof(__typeof__(args), credential) },
                PAGE_ARGUMENTS(__typeof__(args), page),
        };
        bool more = call->wire.more && !call->wire.oneway;
        _cleanup_(json_decrefp) json_t *parameters = NULL;
        _cleanup_(paging_freep) struct paging *paging = NULL;
        struct credential *credential;
        struct pending *pending;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r == 0 && args.credential)
                r = find_for_admin(service, call, args.credential, &credential);
        if (r == 0 && more && (args.page.after || args.page.most.given))
                return reply_invalid(call, args.page.after ? "after" : "most",
                                     "What is watched has no pages.");
        if (r == 0 && !args.credential)
                r = await_all(service, call);
        if (r == 0)
                r = args.credential ? describe_one(service, credential, &parameters)
                                    : list_all(service, call, &args.page, &paging);
        if (r != 0)
                return r < 0 ? r : 0;

        if (!more && parameters) {
                call_reply(call, parameters);
                return 0;
        }
        r = pending_begin(service, call, more ? PENDING_STATUS_WATCH : PENDING_OTHER, NULL, args.credential,
                          &pending);
        if (r < 0)
                return r;
        if (more)
                call->on_drained = on_status_drained;
        pending->paging = take_ptr(paging);
        if (pending->paging)
                return work_start(pending, all_step);
        call_reply_continues(call, parameters);
        return pending_started(pending, 0);
}
