/* io.purser.Admin: giving grants. No answer holds a code, a verifier or a refresh token. */
#include "daemon/method/method_internal.h"

#include "daemon/protocol/oauth.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static const enum outcome outcomes[] = {
        [LOGIN_NO_SUCH_CLIENT] = OUTCOME_NO_SUCH_CLIENT,
        [LOGIN_CLIENT_REQUIRED] = OUTCOME_CLIENT_REQUIRED,
        [LOGIN_NO_SUCH_LOGIN] = OUTCOME_NO_SUCH_LOGIN,
        [LOGIN_INVALID] = OUTCOME_INVALID_PARAMETER,
        [LOGIN_REDIRECT_MISMATCH] = OUTCOME_REDIRECT_MISMATCH,
        [LOGIN_DENIED] = OUTCOME_AUTHORIZATION_DENIED,
        [LOGIN_GRANT_REFUSED] = OUTCOME_GRANT_REFUSED,
        [LOGIN_CLIENT_REFUSED] = OUTCOME_CLIENT_REFUSED,
        [LOGIN_ACCOUNT_MISMATCH] = OUTCOME_ACCOUNT_MISMATCH,
        [LOGIN_UNAVAILABLE] = OUTCOME_PROVIDER_UNAVAILABLE,
        [LOGIN_NOT_SAVED] = OUTCOME_NOT_SAVED,
};

static int client_names(const struct config *config, const char ***ret)
{
        const char **names = calloc(config->n_clients + 1, sizeof(*names));

        if (!names)
                return fault(-ENOMEM);
        for (size_t i = 0; i < config->n_clients; i++)
                names[i] = config->clients[i]->name;
        *ret = names;
        return 0;
}

static int answer_login_error(struct service *service, struct call *call, const struct login_answer *answer)
{
        const struct config *config = service->parts.context->config;
        _cleanup_(freep) const char **clients = NULL;
        struct error_facts facts = {
                .name = answer->name,
                .reason = answer->reason,
                .retry_after_usec = answer->retry_after_usec,
                .expected_id = answer->expected_id,
                .expected_name = answer->expected_name,
                .found_id = answer->found_id,
                .found_name = answer->found_name,
        };
        int r;

        if (answer->verdict == LOGIN_CLIENT_REQUIRED) {
                r = client_names(config, &clients);
                if (r < 0)
                        return r;
                facts.list = clients;
                facts.n_list = config->n_clients;
        }
        return reply_error(call, outcomes[answer->verdict], &facts);
}

static bool is_given(const struct login_answer *answer)
{
        return answer->verdict == LOGIN_ACTIVE || answer->verdict == LOGIN_PENDING;
}

/* A pending grant's test is its own. */
static json_t *describe_test(const struct login_answer *answer)
{
        const struct credential *credential = answer->credential;

        return status_test(answer->verdict == LOGIN_PENDING && credential->pending ? credential->pending
                                                                                   : credential);
}

static void finish(struct pending *pending, int r)
{
        if (r < 0)
                call_fail(pending->call, r);
        pending_end(pending);
}

static void on_given(const struct login_answer *answer, void *userdata)
{
        struct pending *pending = userdata;

        if (!is_given(answer))
                finish(pending, answer_login_error(pending->service, pending->call, answer));
        else
                finish(pending,
                       reply_values(pending->call,
                                    json_pack("{s:s, s:s, s:o}", "credential", answer->credential->name,
                                              "state", answer->verdict == LOGIN_ACTIVE ? "active" : "pending",
                                              "test", describe_test(answer))));
}

void login_on_tested(const struct login_answer *answer, void *userdata)
{
        struct pending *pending = userdata;

        if (!is_given(answer))
                finish(pending, answer_login_error(pending->service, pending->call, answer));
        else
                finish(pending,
                       reply_values(pending->call, json_pack("{s:o}", "test", describe_test(answer))));
}

static void on_begun(const struct login_answer *answer, void *userdata)
{
        struct pending *pending = userdata;

        if (answer->authorization_url)
                finish(pending,
                       reply_values(pending->call,
                                    json_pack("{s:s, s:s, s:s, s:i, s:o*}", "login", answer->login,
                                              "authorization_url", answer->authorization_url, "redirect_uri",
                                              answer->redirect_uri, "expires_in", (int)LOGIN_EXPIRES_SEC,
                                              "authorization_url_expires_in",
                                              answer->url_expires_sec ? json_integer(answer->url_expires_sec)
                                                                      : NULL)));
        else
                finish(pending, answer_login_error(pending->service, pending->call, answer));
}

static void on_device_begun(const struct login_answer *answer, void *userdata)
{
        struct pending *pending = userdata;
        const struct oauth_device *device = answer->device;
        const char *complete =
                device && *device->verification_uri_complete ? device->verification_uri_complete : NULL;

        if (device)
                finish(pending,
                       reply_values(pending->call,
                                    json_pack("{s:s, s:s, s:s, s:s*, s:i, s:i}", "login", answer->login,
                                              "user_code", device->user_code, "verification_uri",
                                              device->verification_uri, "verification_uri_complete", complete,
                                              "expires_in", (int)device->expires_sec, "interval",
                                              (int)device->interval_sec)));
        else
                finish(pending, answer_login_error(pending->service, pending->call, answer));
}

/* The call that waits for a login, and the login's own call, which is there only when it has not been answered from within. */
static int keep(struct pending *pending, int r, struct login_call *login_call)
{
        if (r == 0)
                pending->login_call = login_call;
        return pending_started(pending, r);
}

int method_begin_authorization(struct service *service, struct call *call)
{
        struct {
                const char *credential, *client, *description, *redirect_uri;
        } args;
        static const struct argument arguments[] = {
                { "credential", ARGUMENT_STRING, true, offsetof(__typeof__(args), credential) },
                { "client", ARGUMENT_STRING, false, offsetof(__typeof__(args), client) },
                { "description", ARGUMENT_STRING, false, offsetof(__typeof__(args), description) },
                { "redirect_uri", ARGUMENT_STRING, false, offsetof(__typeof__(args), redirect_uri) },
        };
        struct login_call *login_call = NULL;
        struct pending *pending;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r != 0)
                return r < 0 ? r : 0;
        r = pending_begin(service, call, PENDING_OTHER, NULL, NULL, &pending);
        if (r < 0)
                return r;
        r = login_begin(service->parts.logins, args.credential, args.client, args.description,
                        args.redirect_uri, on_begun, pending, &login_call);
        return keep(pending, r, login_call);
}

int method_complete_authorization(struct service *service, struct call *call)
{
        struct {
                const char *login, *redirect;
                bool switch_account;
        } args;
        static const struct argument arguments[] = {
                { "login", ARGUMENT_STRING, true, offsetof(__typeof__(args), login) },
                { "redirect", ARGUMENT_STRING, true, offsetof(__typeof__(args), redirect) },
                { "switch_account", ARGUMENT_BOOL, false, offsetof(__typeof__(args), switch_account) },
        };
        struct login_call *login_call = NULL;
        struct pending *pending;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r != 0)
                return r < 0 ? r : 0;
        r = pending_begin(service, call, PENDING_OTHER, NULL, NULL, &pending);
        if (r < 0)
                return r;
        r = login_complete(service->parts.logins, args.login, args.redirect, args.switch_account, on_given,
                           pending, &login_call);
        return keep(pending, r, login_call);
}

int method_begin_device_authorization(struct service *service, struct call *call)
{
        struct {
                const char *credential, *client, *description;
        } args;
        static const struct argument arguments[] = {
                { "credential", ARGUMENT_STRING, true, offsetof(__typeof__(args), credential) },
                { "client", ARGUMENT_STRING, false, offsetof(__typeof__(args), client) },
                { "description", ARGUMENT_STRING, false, offsetof(__typeof__(args), description) },
        };
        struct login_call *login_call = NULL;
        struct pending *pending;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r != 0)
                return r < 0 ? r : 0;
        r = pending_begin(service, call, PENDING_OTHER, NULL, NULL, &pending);
        if (r < 0)
                return r;
        r = login_begin_device(service->parts.logins, args.credential, args.client, args.description,
                               on_device_begun, pending, &login_call);
        return keep(pending, r, login_call);
}

int method_complete_device_authorization(struct service *service, struct call *call)
{
        struct {
                const char *login;
                bool switch_account;
        } args;
        static const struct argument arguments[] = {
                { "login", ARGUMENT_STRING, true, offsetof(__typeof__(args), login) },
                { "switch_account", ARGUMENT_BOOL, false, offsetof(__typeof__(args), switch_account) },
        };
        struct login_call *login_call = NULL;
        struct pending *pending;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r != 0)
                return r < 0 ? r : 0;
        r = pending_begin(service, call, PENDING_OTHER, NULL, NULL, &pending);
        if (r < 0)
                return r;
        r = login_complete_device(service->parts.logins, args.login, args.switch_account, on_given, pending,
                                  &login_call);
        return keep(pending, r, login_call);
}

int method_cancel_authorization(struct service *service, struct call *call)
{
        struct {
                const char *login;
        } args;
        static const struct argument arguments[] = {
                { "login", ARGUMENT_STRING, true, offsetof(__typeof__(args), login) },
        };
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r != 0)
                return r < 0 ? r : 0;
        if (!login_cancel(service->parts.logins, args.login))
                return reply_error(call, OUTCOME_NO_SUCH_LOGIN, &(struct error_facts){ .name = args.login });
        call_reply(call, NULL);
        return 0;
}

int method_adopt_authorization_code(struct service *service, struct call *call)
{
        struct {
                const char *credential, *client, *code, *description, *redirect_uri;
                bool switch_account;
        } args;
        static const struct argument arguments[] = {
                { "credential", ARGUMENT_STRING, true, offsetof(__typeof__(args), credential) },
                { "client", ARGUMENT_STRING, true, offsetof(__typeof__(args), client) },
                { "code", ARGUMENT_STRING, true, offsetof(__typeof__(args), code) },
                { "description", ARGUMENT_STRING, false, offsetof(__typeof__(args), description) },
                { "redirect_uri", ARGUMENT_STRING, false, offsetof(__typeof__(args), redirect_uri) },
                { "switch_account", ARGUMENT_BOOL, false, offsetof(__typeof__(args), switch_account) },
        };
        _cleanup_(secret_freep) struct secret *code = NULL;
        struct login_call *login_call = NULL;
        struct pending *pending;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r == 0)
                r = secret_new_string(&code, args.code);
        if (r != 0)
                return r < 0 ? r : 0;
        r = pending_begin(service, call, PENDING_OTHER, NULL, NULL, &pending);
        if (r < 0)
                return r;
        r = login_adopt_code(service->parts.logins, args.credential, args.client, code, args.description,
                             args.redirect_uri, args.switch_account, on_given, pending, &login_call);
        return keep(pending, r, login_call);
}

int method_import_grant(struct service *service, struct call *call)
{
        struct {
                const char *credential, *client, *description, *refresh_token;
                bool switch_account;
        } args;
        static const struct argument arguments[] = {
                { "credential", ARGUMENT_STRING, true, offsetof(__typeof__(args), credential) },
                { "client", ARGUMENT_STRING, false, offsetof(__typeof__(args), client) },
                { "description", ARGUMENT_STRING, false, offsetof(__typeof__(args), description) },
                { "refresh_token", ARGUMENT_STRING, true, offsetof(__typeof__(args), refresh_token) },
                { "switch_account", ARGUMENT_BOOL, false, offsetof(__typeof__(args), switch_account) },
        };
        _cleanup_(secret_freep) struct secret *refresh_token = NULL;
        struct login_call *login_call = NULL;
        struct pending *pending;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r == 0)
                r = secret_new_string(&refresh_token, args.refresh_token);
        if (r != 0)
                return r < 0 ? r : 0;
        r = pending_begin(service, call, PENDING_OTHER, NULL, NULL, &pending);
        if (r < 0)
                return r;
        r = login_import(service->parts.logins, args.credential, args.client, args.description, refresh_token,
                         args.switch_account, on_given, pending, &login_call);
        return keep(pending, r, login_call);
}
