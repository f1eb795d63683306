/* The table of methods, what every method needs, and what is kept of credentials between calls. */
#include "daemon/method.h"

#include "daemon/log.h"
#include "daemon/method_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        BUNDLE_FRESH_SEC = 5, /* warnings speak of times to come */
        STATUS_DELAY_USEC = 20000,
        STATUS_DELAY_EACH_USEC = 100, /* for each credential, about ten times what describing it takes */
};

struct method {
        const char *name;
        bool admin;
        method_fn *run;
};

static const struct method methods[] = {
        { "io.purser.Tokens.GetToken", false, method_get_token },
        { "io.purser.Tokens.WatchToken", false, method_watch_token },
        { "io.purser.Tokens.ListCredentials", false, method_list_credentials },
        { "io.purser.Tokens.VerifyWebhook", false, method_verify_webhook },
        { "io.purser.Admin.BeginAuthorization", true, method_begin_authorization },
        { "io.purser.Admin.CompleteAuthorization", true, method_complete_authorization },
        { "io.purser.Admin.CancelAuthorization", true, method_cancel_authorization },
        { "io.purser.Admin.AdoptAuthorizationCode", true, method_adopt_authorization_code },
        { "io.purser.Admin.ImportGrant", true, method_import_grant },
        { "io.purser.Admin.Refresh", true, method_refresh },
        { "io.purser.Admin.Test", true, method_test },
        { "io.purser.Admin.Revoke", true, method_revoke },
        { "io.purser.Admin.SetClientSecret", true, method_set_client_secret },
        { "io.purser.Admin.ListClients", true, method_list_clients },
        { "io.purser.Admin.Status", true, method_status },
        { "io.purser.Admin.Reload", true, method_reload },
        { "io.purser.Admin.Metrics", true, method_metrics },
        { "io.purser.Admin.ChangeSealingKey", true, method_change_sealing_key },
        { "org.varlink.service.GetInfo", false, method_get_info },
        { "org.varlink.service.GetInterfaceDescription", false, method_get_interface_description },
};

/* ---- answers ---- */

int reply_values(struct call *call, json_t *parameters)
{
        if (!parameters)
                return fault(-ENOMEM);
        call_reply(call, parameters);
        json_decref(parameters);
        return 0;
}

int reply_error(struct call *call, enum outcome outcome, const struct error_facts *facts)
{
        static const struct error_facts none;
        _cleanup_(json_decrefp) json_t *parameters = outcome_parameters(outcome, facts ? facts : &none);

        if (!parameters)
                return fault(-ENOMEM);
        call_error(call, outcome_error(outcome), parameters);
        return 0;
}

int reply_denied(struct service *service, struct call *call, const char *name)
{
        service->metrics.denied++;
        audit_denied(service->parts.audit, call->peer, call->wire.method, name);
        return reply_error(call, OUTCOME_PERMISSION_DENIED, NULL);
}

int reply_invalid(struct call *call, const char *parameter, const char *reason)
{
        return reply_error(call, OUTCOME_INVALID_PARAMETER,
                           &(struct error_facts){ .name = parameter, .reason = reason });
}

int read_arguments(struct call *call, const struct argument *arguments, size_t n, void *ret)
{
        const char *name;
        int r;

        r = arguments_read(call->wire.parameters, arguments, n, ret, &name);
        if (r != ARGUMENTS_E_INVALID)
                return r;
        r = reply_invalid(call, name, NULL);
        return r < 0 ? r : METHOD_E_ANSWERED;
}

int reply_no_token(struct service *service, struct call *call, const char *name,
                   const struct token_answer *answer)
{
        struct error_facts facts = { .name = name,
                                     .reason = answer->reason,
                                     .retry_after_usec = answer->retry_after_usec };

        if (answer->verdict == TOKEN_AUTHORIZATION_REQUIRED) {
                service->metrics.authorization_required++;
                return reply_error(call, OUTCOME_AUTHORIZATION_REQUIRED, &facts);
        }
        service->metrics.unavailable++;
        return reply_error(call, OUTCOME_TOKEN_UNAVAILABLE, &facts);
}

/* ---- access ---- */

/* The facts of a connection do not change, so that a list needs to be held against them once. */
bool call_is_allowed(struct service *service, struct call *call, const struct allow_list *allow)
{
        struct verdict *verdict;
        enum access access;

        for (unsigned i = 0; i < CALL_VERDICTS; i++)
                if (call->verdicts[i].allow == allow && call->verdicts[i].epoch == service->epoch)
                        return call->verdicts[i].granted;

        access = access_check(allow, call->peer, &service->parts.self);
        if (access == ACCESS_UNIT_NEEDED) {
                peer_find_unit(call->peer);
                access = access_check(allow, call->peer, &service->parts.self);
        }

        verdict = &call->verdicts[call->n_verdicts++ % CALL_VERDICTS];
        *verdict = (struct verdict){ .allow = allow,
                                     .epoch = service->epoch,
                                     .granted = access == ACCESS_GRANTED };
        return verdict->granted;
}

bool call_is_admin(struct service *service, struct call *call)
{
        return call_is_allowed(service, call, &service->parts.context->config->admins);
}

bool call_may_use(struct service *service, struct call *call, const struct credential *credential)
{
        return call_is_allowed(service, call, access_list(credential->config, credential->client));
}

int find_for_caller(struct service *service, struct call *call, const char *name, struct credential **ret)
{
        struct credential *credential = vault_find(service->parts.context->vault, name);
        int r;

        if (credential && call_may_use(service, call, credential)) {
                *ret = credential;
                return 0;
        }

        if (!credential && call_is_admin(service, call))
                r = reply_error(call, OUTCOME_NO_SUCH_CREDENTIAL, &(struct error_facts){ .name = name });
        else
                r = reply_denied(service, call, name);
        return r < 0 ? r : METHOD_E_ANSWERED;
}

int find_for_admin(struct service *service, struct call *call, const char *name, struct credential **ret)
{
        struct credential *credential = vault_find(service->parts.context->vault, name);
        int r;

        if (credential) {
                *ret = credential;
                return 0;
        }
        r = reply_error(call, OUTCOME_NO_SUCH_CREDENTIAL, &(struct error_facts){ .name = name });
        return r < 0 ? r : METHOD_E_ANSWERED;
}

/* ---- what waits ---- */

static void pending_free(struct pending *pending)
{
        waiter_free(pending->waiter);
        probe_wait_free(pending->probe_wait);
        login_call_free(pending->login_call);
        revoke_call_free(pending->revoke_call);
        vault_write_free(pending->write);
        if (pending->credential)
                LIST_REMOVE(pending, serve_link);
        if (pending->kind == PENDING_STATUS_WATCH)
                LIST_REMOVE(pending, watch_link);
        free(pending->name);
        free(pending);
}

static void on_dropped(void *userdata)
{
        pending_free(userdata);
}

int pending_begin(struct service *service, struct call *call, enum pending_kind kind,
                  struct credential *credential, const char *name, struct pending **ret)
{
        struct pending *pending;
        struct serve *serve;
        int r;

        pending = calloc(1, sizeof(*pending));
        if (!pending)
                return fault(-ENOMEM);
        *pending =
                (struct pending){ .service = service, .call = call, .kind = PENDING_OTHER, .starting = true };
        if (name && !(pending->name = strdup(name))) {
                pending_free(pending);
                return fault(-ENOMEM);
        }
        if (credential) {
                r = serve_require(service, credential, &serve);
                if (r < 0) {
                        pending_free(pending);
                        return r;
                }
                pending->credential = credential;
                LIST_INSERT_HEAD(&serve->pendings, pending, serve_link);
        }
        pending->kind = kind;
        if (kind == PENDING_STATUS_WATCH)
                LIST_INSERT_HEAD(&service->status_watches, pending, watch_link);

        call->pending = pending;
        call->on_dropped = on_dropped;
        *ret = pending;
        return 0;
}

int pending_started(struct pending *pending, int result)
{
        pending->starting = false;
        if (result < 0 && !pending->answered) {
                pending->call->pending = NULL;
                pending->call->on_dropped = NULL;
        }
        if (result < 0 || pending->answered)
                pending_free(pending);
        return result < 0 ? result : 0;
}

void pending_end(struct pending *pending)
{
        if (pending->starting)
                pending->answered = true;
        else
                pending_free(pending);
}

/* ---- what is kept of a credential ---- */

struct now service_now(const struct service *service)
{
        struct clock *clock = service->parts.context->clock;

        return (struct now){ clock_boot_usec(clock), clock_wall_usec(clock) };
}

int serve_require(struct service *service, struct credential *credential, struct serve **ret)
{
        struct serve *serve = credential->serve;

        if (!serve) {
                serve = calloc(1, sizeof(*serve));
                if (!serve)
                        return fault(-ENOMEM);
                *serve =
                        (struct serve){ .service = service, .credential = credential, .bundle = BUNDLE_INIT };
                LIST_INIT(&serve->pendings);
                credential->serve = serve;
        }
        *ret = serve;
        return 0;
}

static void serve_free(struct serve *serve)
{
        assert(LIST_EMPTY(&serve->pendings));

        if (serve->is_changed)
                TAILQ_REMOVE(&serve->service->changed, serve, changed_link);
        serve->credential->serve = NULL;
        bundle_done(&serve->bundle);
        free(serve);
}

int serve_bundle(struct service *service, struct credential *credential, const struct bundle **ret)
{
        struct now now = service_now(service);
        struct serve *serve = NULL;
        int r;

        r = serve_require(service, credential, &serve);
        if (r < 0)
                return r;
        if (serve->rendered_usec == 0 ||
            now.boot_usec - serve->rendered_usec > BUNDLE_FRESH_SEC * USEC_PER_SEC) {
                serve->rendered_usec = 0;
                r = bundle_render(&serve->bundle, credential, now.boot_usec, now.wall_usec);
                if (r < 0)
                        return r;
                serve->rendered_usec = now.boot_usec;
        }
        *ret = &serve->bundle;
        return 0;
}

/* The first use by each connection is told, as far as it is remembered. */
static void tell_use(struct service *service, struct call *call, const struct credential *credential)
{
        for (unsigned i = 0; i < CALL_VERDICTS; i++)
                if (call->told[i] == credential)
                        return;
        call->told[call->n_told++ % CALL_VERDICTS] = credential;
        audit_granted(service->parts.audit, call->peer, credential);
}

int reply_bundle(struct service *service, struct call *call, struct credential *credential, bool short_lived,
                 bool continues)
{
        static const char warning[] =
                "No access token lives as long as this call asked for; this is the newest one.";
        struct secret_buf message = SECRET_BUF_INIT(WIRE_MESSAGE_MAX);
        const struct bundle *bundle;
        int r;

        r = serve_bundle(service, credential, &bundle);
        if (r < 0)
                return r;
        tell_use(service, call, credential);
        if (!short_lived && !continues) {
                call_send(call, bundle->message.data, bundle->message.n, false);
                return 0;
        }

        r = bundle_render_variant(bundle, short_lived ? warning : NULL, continues, &message);
        if (r == 0)
                call_send(call, message.data, message.n, continues);
        secret_buf_done(&message);
        return r;
}

/* ---- changes ---- */

static void arm(struct service *service, struct timer *timer, uint64_t delay_usec)
{
        const struct context *context = service->parts.context;

        if (!timer_is_armed(timer) &&
            timer_set(context->timers, timer, usec_add(context_now(context), delay_usec)) < 0)
                log_error("Out of memory: watchers are told with the next change.");
}

/* A change may come from the middle of anything, so that what follows from it waits for the loop. */
static void note_status_change(struct service *service)
{
        struct pending *watch;

        LIST_FOREACH (watch, &service->status_watches, watch_link)
                watch->dirty = true;
        /* Many changes in short order are one answer, and one that is long comes less often. */
        if (!LIST_EMPTY(&service->status_watches))
                arm(service, &service->status_timer,
                    STATUS_DELAY_USEC + vault_count(service->parts.context->vault) * STATUS_DELAY_EACH_USEC);
}

static void note_change(struct service *service, struct credential *credential)
{
        struct serve *serve = credential->serve;

        if (!serve)
                return;
        serve->rendered_usec = 0;
        if (LIST_EMPTY(&serve->pendings) || serve->is_changed)
                return;
        serve->is_changed = true;
        TAILQ_INSERT_TAIL(&service->changed, serve, changed_link);
        arm(service, &service->changed_timer, 0);
}

static void end_removed(struct pending *pending)
{
        struct token_answer answer = { .verdict = TOKEN_AUTHORIZATION_REQUIRED,
                                       .reason = "The credential was removed while this call waited." };
        int r;

        r = reply_no_token(pending->service, pending->call, pending->credential->name, &answer);
        if (r < 0)
                call_fail(pending->call, r);
        pending_end(pending);
}

static void forget(struct credential *credential)
{
        struct serve *serve = credential->serve;
        struct pending *pending, *next;

        if (!serve)
                return;
        for (pending = LIST_FIRST(&serve->pendings); pending; pending = next) {
                next = LIST_NEXT(pending, serve_link);
                if (pending->starting) {
                        /* Its starter sees to it. */
                        LIST_REMOVE(pending, serve_link);
                        pending->credential = NULL;
                } else {
                        end_removed(pending);
                }
        }
        serve_free(serve);
}

void service_on_change(struct credential *credential, bool gone, void *userdata)
{
        struct service *service = userdata;

        if (gone)
                forget(credential);
        /* What is seen of a later login's grant is part of the credential that it waits for. */
        if (credential->is_pending)
                credential = vault_find(service->parts.context->vault, credential->name);
        else if (gone)
                credential = NULL;
        if (credential)
                note_change(service, credential);
        note_status_change(service);
}

static int note_one(struct credential *credential, void *userdata)
{
        note_change(userdata, credential);
        return 0;
}

void service_refresh_all(struct service *service)
{
        service->epoch++;
        (void)vault_each(service->parts.context->vault, false, note_one, service);
        note_status_change(service);
}

struct tally {
        uint64_t boot_now;
        unsigned n, n_required, n_troubled;
};

static int tally_one(struct credential *credential, void *userdata)
{
        struct tally *tally = userdata;
        enum credential_state state = credential_state(credential, tally->boot_now);

        tally->n++;
        if (state == CREDENTIAL_AUTHORIZATION_REQUIRED || state == CREDENTIAL_PENDING)
                tally->n_required++;
        else if (state != CREDENTIAL_ACTIVE)
                tally->n_troubled++;
        return 0;
}

void service_summary(struct service *service, char *buffer, size_t size)
{
        const struct context *context = service->parts.context;
        struct tally tally = { .boot_now = context_now(context) };
        const char *problem = vault_store_problem(context->vault);
        int n;

        (void)vault_each(context->vault, false, tally_one, &tally);
        n = snprintf(buffer, size, "Serving %u credential%s", tally.n, tally.n == 1 ? "" : "s");
        if (tally.n_required > 0)
                n += snprintf(buffer + n, size - (size_t)n, "; %u need%s a login", tally.n_required,
                              tally.n_required == 1 ? "s" : "");
        if (tally.n_troubled > 0)
                n += snprintf(buffer + n, size - (size_t)n, "; %u in trouble", tally.n_troubled);
        snprintf(buffer + n, size - (size_t)n, "%s", problem ? "; the store takes no writes" : ".");
}

/* ---- dispatch ---- */

static int answer_unknown(struct call *call)
{
        const char *dot = strrchr(call->wire.method, '.');
        _cleanup_(freep) char *interface =
                strndup(call->wire.method, dot ? (size_t)(dot - call->wire.method) : 0);

        if (!interface)
                return fault(-ENOMEM);
        if (interface_is_known(interface))
                return reply_error(call, OUTCOME_METHOD_NOT_FOUND,
                                   &(struct error_facts){ .name = call->wire.method });
        return reply_error(call, OUTCOME_INTERFACE_NOT_FOUND, &(struct error_facts){ .name = interface });
}

static int on_call(struct call *call, void *userdata)
{
        struct service *service = userdata;

        if (call->wire.upgrade)
                return reply_invalid(call, "upgrade", "No method here changes the protocol.");
        for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
                if (strcmp(methods[i].name, call->wire.method) != 0)
                        continue;
                if (methods[i].admin && !call_is_admin(service, call))
                        return reply_denied(service, call, NULL);
                return methods[i].run(service, call);
        }
        return answer_unknown(call);
}

/* Too many calls of one user wait: those that ask for a token can be told to come back. */
static void on_crowded(struct call *call, void *userdata)
{
        struct service *service = userdata;
        struct pending *pending = call->pending;
        struct token_answer answer = { .verdict = TOKEN_UNAVAILABLE,
                                       .reason = "Too many calls of this user wait already.",
                                       .retry_after_usec = USEC_PER_SEC };

        if (!pending || (pending->kind != PENDING_TOKEN && pending->kind != PENDING_WATCH))
                return;
        if (reply_no_token(service, call, pending->credential->name, &answer) == 0)
                pending_end(pending);
}

struct server_handler service_handler(struct service *service)
{
        return (struct server_handler){ .on_call = on_call, .on_crowded = on_crowded, .userdata = service };
}

/* ---- life ---- */

int service_new(struct service **ret, const struct service_parts *parts)
{
        struct service *service = calloc(1, sizeof(*service));

        if (!service)
                return fault(-ENOMEM);
        *service = (struct service){ .parts = *parts, .epoch = 1 };
        LIST_INIT(&service->status_watches);
        TAILQ_INIT(&service->changed);
        timer_init(&service->changed_timer, watch_tell_tokens, service);
        timer_init(&service->status_timer, watch_tell_status, service);
        *ret = service;
        return 0;
}

void service_set_server(struct service *service, struct server *server)
{
        service->server = server;
}

static int free_serve(struct credential *credential, void *userdata)
{
        if (credential->serve)
                serve_free(credential->serve);
        return 0;
}

struct service *service_free(struct service *service)
{
        if (!service)
                return NULL;
        (void)vault_each(service->parts.context->vault, false, free_serve, NULL);
        timer_stop(service->parts.context->timers, &service->changed_timer);
        timer_stop(service->parts.context->timers, &service->status_timer);
        free(service);
        return NULL;
}
