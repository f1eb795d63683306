/* The table of methods, and what every method needs. */
#include "daemon/method/method.h"

#include "common/wire_brief.h"
#include "daemon/method/method_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct method {
        const char *name;
        bool admin;
        method_fn *run;
};

static const struct method methods[] = {
        { "io.purser.Tokens.GetToken", false, method_get_token },
        { "io.purser.Tokens.WatchToken", false, method_watch_token },
        { "io.purser.Tokens.ListCredentials", false, method_list_credentials },
        { "io.purser.Tokens.ListProviders", false, method_list_providers },
        { "io.purser.Tokens.VerifyWebhook", false, method_verify_webhook },
        { "io.purser.Admin.BeginAuthorization", true, method_begin_authorization },
        { "io.purser.Admin.CompleteAuthorization", true, method_complete_authorization },
        { "io.purser.Admin.BeginDeviceAuthorization", true, method_begin_device_authorization },
        { "io.purser.Admin.CompleteDeviceAuthorization", true, method_complete_device_authorization },
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
        { "io.purser.Admin.Export", true, method_export },
        { "io.purser.Admin.KeepGrants", true, method_keep_grants },
        { "io.purser.Admin.BeginRestore", true, method_begin_restore },
        { "io.purser.Admin.PutRestoreData", true, method_put_restore_data },
        { "io.purser.Admin.CompleteRestore", true, method_complete_restore },
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
        if (access == ACCESS_GROUPS_NEEDED) {
                peer_find_groups(call->peer);
                access = access_check(allow, call->peer, &service->parts.self);
        }
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

/* Every denial asks, and to look a unit up takes longer than all else of it. */
static bool units_matter(struct service *service)
{
        if (service->units_epoch != service->epoch) {
                service->units_epoch = service->epoch;
                service->turns_on_units = access_turns_on_units(service->parts.context->config);
        }
        return service->turns_on_units;
}

int reply_not_found(const struct service *service, struct call *call, const char *name)
{
        if (!vault_is_unsure(service->parts.context->vault))
                return reply_error(call, OUTCOME_NO_SUCH_CREDENTIAL, &(struct error_facts){ .name = name });
        return reply_error(
                call, OUTCOME_TOKEN_UNAVAILABLE,
                &(struct error_facts){
                        .name = name,
                        .reason =
                                "Not all of the store could be read, and so it is not known whether there is "
                                "such a credential; the journal says why." });
}

int find_for_caller(struct service *service, struct call *call, const char *name, struct credential **ret)
{
        struct credential *credential = vault_find(service->parts.context->vault, name);
        int r;

        if (credential && call_may_use(service, call, credential)) {
                *ret = credential;
                return 0;
        }

        /* A denial takes as long whether or not there is such a credential, whose list may turn on the caller's unit. */
        if (units_matter(service))
                peer_find_unit(call->peer);
        if (!credential && (vault_is_unsure(service->parts.context->vault) || call_is_admin(service, call)))
                r = reply_not_found(service, call, name);
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
        r = reply_not_found(service, call, name);
        return r < 0 ? r : METHOD_E_ANSWERED;
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

        (void)vault_each_loaded(context->vault, tally_one, &tally);
        n = snprintf(buffer, size, "Serving %u credential%s%s", tally.n, tally.n == 1 ? "" : "s",
                     vault_is_loading(context->vault) ? ", and reading more" : "");
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

int call_run(struct service *service, struct call *call)
{
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

static int on_call(struct call *call, void *userdata)
{
        return call_run(userdata, call);
}

static bool on_message(struct brief *brief, void *userdata)
{
        return brief_read(userdata, brief);
}

static void on_expected(const struct brief *const *briefs, size_t n, void *userdata)
{
        brief_expect(userdata, briefs, n);
}

static bool on_brief(struct call *call, const struct brief *brief, void *userdata,
                     const struct secret_buf **ret_answer)
{
        return brief_get_token(userdata, call, brief, ret_answer);
}

/* The others carry names, tokens and addresses, which have limits of their own far below. */
static bool takes_much(const struct wire_slice *method, void *userdata)
{
        return wire_slice_is(method, "io.purser.Tokens.VerifyWebhook") ||
               wire_slice_is(method, "io.purser.Admin.PutRestoreData");
}

/* Those who may use anything at all, since bodies of webhooks are long. */
static bool may_send_much(struct call *call, void *userdata)
{
        struct service *service = userdata;
        const struct config *config = service->parts.context->config;

        if (call_is_admin(service, call))
                return true;
        for (size_t i = 0; i < config->n_clients; i++)
                if (call_is_allowed(service, call, &config->clients[i]->allow))
                        return true;
        for (size_t i = 0; i < config->n_credentials; i++)
                if (config->credentials[i]->allow.given &&
                    call_is_allowed(service, call, &config->credentials[i]->allow))
                        return true;
        return false;
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
        return (struct server_handler){ .on_call = on_call,
                                        .on_message = on_message,
                                        .on_expected = on_expected,
                                        .on_brief = on_brief,
                                        .on_crowded = on_crowded,
                                        .takes_much = takes_much,
                                        .may_send_much = may_send_much,
                                        .userdata = service };
}

/* ---- life ---- */

int service_new(struct service **ret, const struct service_parts *parts)
{
        struct service *service = calloc(1, sizeof(*service));

        if (!service)
                return fault(-ENOMEM);
        *service = (struct service){ .parts = *parts, .epoch = 1, .bundle = BUNDLE_INIT };
        LIST_INIT(&service->status_watches);
        TAILQ_INIT(&service->works);
        TAILQ_INIT(&service->late_works);
        TAILQ_INIT(&service->changed);
        timer_init(&service->changed_timer, watch_tell_tokens, service);
        timer_init(&service->status_timer, watch_tell_status, service);
        transfer_init(service);
        *ret = service;
        return 0;
}

void service_set_server(struct service *service, struct server *server)
{
        service->server = server;
}

struct service *service_free(struct service *service)
{
        if (!service)
                return NULL;
        transfer_done(service);
        serve_free_all(service);
        bundle_done(&service->bundle);
        timer_stop(service->parts.context->timers, &service->changed_timer);
        timer_stop(service->parts.context->timers, &service->status_timer);
        free(service);
        return NULL;
}
