/* Logins that wait for a person at the provider's page, and which client a login is for. */
#include "daemon/login/login_internal.h"

#include "daemon/protocol/oauth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void pending_login_free(struct pending_login *login)
{
        struct pending_login **at = &login->logins->waiting;

        while (*at && *at != login)
                at = &(*at)->next;
        if (*at) {
                *at = login->next;
                login->logins->n_waiting--;
        }
        timer_stop(login->logins->context->timers, &login->expiry);
        secret_free(login->verifier);
        secret_free(login->device_code);
        free(login->credential);
        free(login->client);
        free(login->description);
        free(login->redirect_uri);
        free(login->issuer);
        explicit_bzero(login->state, sizeof(login->state));
        free(login);
}

static void on_expired(void *userdata)
{
        pending_login_free(userdata);
}

int logins_new(struct logins **ret, struct context *context, struct refresher *refresher,
               struct prober *prober)
{
        struct logins *logins = calloc(1, sizeof(*logins));

        if (!logins)
                return fault(-ENOMEM);

        logins->context = context;
        logins->refresher = refresher;
        logins->prober = prober;
        *ret = logins;
        return 0;
}

struct logins *logins_free(struct logins *logins)
{
        if (!logins)
                return NULL;

        while (logins->waiting)
                pending_login_free(logins->waiting);
        while (logins->ops)
                login_op_free(logins->ops);
        revocations_free(logins);
        free(logins);
        return NULL;
}

/* ---- which client ---- */

void login_refuse(login_done_fn *on_done, void *userdata, enum login_verdict verdict, const char *name,
                  const char *reason)
{
        on_done(&(struct login_answer){ .verdict = verdict, .name = name, .reason = reason }, userdata);
}

/* The one that was named, else the credential's own, else the only one there is. NULL: on_done was told. */
const struct client *login_choose_client(struct logins *logins, const char *name, const char *client_name,
                                         login_done_fn *on_done, void *userdata)
{
        const struct config *config = logins->context->config;
        const struct credential_config *configured = config_find_credential(config, name);
        const struct credential *credential = vault_find(logins->context->vault, name);
        const struct client *client;

        if (!name_is_valid(name)) {
                login_refuse(
                        on_done, userdata, LOGIN_INVALID, "credential",
                        "A credential's name is 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter or "
                        "digit.");
                return NULL;
        }
        if (configured && client_name && strcmp(configured->client, client_name) != 0) {
                login_refuse(on_done, userdata, LOGIN_INVALID, "client",
                             "The configuration says another client for this credential.");
                return NULL;
        }
        if (!client_name && configured)
                client_name = configured->client;
        if (!client_name && credential && *credential->client_name)
                client_name = credential->client_name;
        if (!client_name && credential && credential->pending && *credential->pending->client_name)
                client_name = credential->pending->client_name;
        if (!client_name && config->n_clients == 1)
                client_name = config->clients[0]->name;
        if (!client_name) {
                login_refuse(on_done, userdata, LOGIN_CLIENT_REQUIRED, NULL,
                             config->n_clients ? "More than one client is configured; name one."
                                               : "No client is configured yet.");
                return NULL;
        }

        client = config_find_client(config, client_name);
        if (!client) {
                login_refuse(on_done, userdata, LOGIN_NO_SUCH_CLIENT, client_name,
                             "The configuration has no such client.");
        } else if (client->grant_type == GRANT_CLIENT_CREDENTIALS) {
                login_refuse(
                        on_done, userdata, LOGIN_INVALID, "client",
                        "This client asks for itself (grant_type: client_credentials), so that nobody logs "
                        "in: name it under credentials in the configuration, and ask for its token.");
                client = NULL;
        }
        return client;
}

/* ---- begin ---- */

static int copy_optional(char **ret, const char *string)
{
        *ret = string ? strdup(string) : NULL;
        return string && !*ret ? fault(-ENOMEM) : 0;
}

int login_begin(struct logins *logins, const char *credential, const char *client_name,
                const char *description, const char *redirect_uri, login_done_fn *on_done, void *userdata,
                struct login_call **ret)
{
        const struct client *client = login_choose_client(logins, credential, client_name, on_done, userdata);
        struct login_op *op;
        int r;

        *ret = NULL;
        if (!client)
                return 0;
        if (!redirect_uri)
                redirect_uri = client->redirect_uri;
        if (!redirect_uri) {
                login_refuse(
                        on_done, userdata, LOGIN_INVALID, "redirect_uri",
                        "The client has no redirect_uri in the configuration; name one that is registered at "
                        "the provider.");
                return 0;
        }
        if (logins->n_waiting >= LOGIN_MOST) {
                login_refuse(on_done, userdata, LOGIN_UNAVAILABLE, NULL,
                             "Too many logins are waiting for a person; try again in ten minutes.");
                return 0;
        }

        r = login_op_new(logins, OP_BEGIN_LOGIN, credential, client->name, on_done, userdata, ret, &op);
        if (r < 0)
                return r;
        if (copy_optional(&op->description, description) < 0 ||
            copy_optional(&op->redirect_uri, redirect_uri) < 0) {
                login_call_free(take_ptr(*ret));
                login_op_free(op);
                return -ENOMEM;
        }
        return 0;
}

static int make_secrets(struct pending_login *login, bool pkce)
{
        void (*random_bytes)(void *bytes, size_t n) = login->logins->context->random_bytes;
        uint8_t random[3][PKCE_RANDOM_SIZE];
        int r = 0;

        random_bytes(random, sizeof(random));
        pkce_text(random[0], login->id);
        pkce_text(random[1], login->state);
        if (pkce)
                r = pkce_verifier(random[2], &login->verifier);
        explicit_bzero(random, sizeof(random));
        return r;
}

void pending_login_describe(const struct pending_login *login, const struct client *client,
                            char challenge[PKCE_TEXT_SIZE + 1], struct oauth_authorization *ret)
{
        if (login->verifier)
                pkce_challenge(login->verifier, challenge);
        *ret = (struct oauth_authorization){
                .redirect_uri = login->redirect_uri,
                .state = login->state,
                .challenge = login->verifier ? challenge : NULL,
                .scopes = (const char *const *)client->scopes,
                .n_scopes = client->n_scopes,
        };
}

int pending_login_new(struct login_op *op, const struct client *client, const char *issuer, bool pkce,
                      uint64_t expires_usec, struct pending_login **ret)
{
        struct logins *logins = op->logins;
        struct pending_login *login = calloc(1, sizeof(*login));
        int r;

        if (!login)
                return fault(-ENOMEM);

        login->logins = logins;
        login->expiry.node.index = HEAP_NOT_IN;
        login->credential = take_ptr(op->credential);
        login->description = take_ptr(op->description);
        login->redirect_uri = take_ptr(op->redirect_uri);
        timer_init(&login->expiry, on_expired, login);
        if ((r = copy_optional(&login->client, client->name)) < 0 ||
            (r = copy_optional(&login->issuer, issuer)) < 0 || (r = make_secrets(login, pkce)) < 0 ||
            (r = timer_set(logins->context->timers, &login->expiry,
                           context_now(logins->context) + expires_usec)) < 0) {
                pending_login_free(login);
                return r;
        }

        login->next = logins->waiting;
        logins->waiting = login;
        logins->n_waiting++;
        *ret = login;
        return 0;
}

void login_op_tell_url(struct login_op *op, const struct pending_login *login, const char *url,
                       unsigned expires_sec)
{
        struct login_answer answer = { .verdict = LOGIN_ACTIVE,
                                       .login = login->id,
                                       .authorization_url = url,
                                       .redirect_uri = login->redirect_uri,
                                       .url_expires_sec = expires_sec };

        op->login[0] = '\0';
        login_op_finish(op, &answer);
}

/* All of it in the address. */
static void tell_whole_url(struct login_op *op, const struct client *client,
                           const struct pending_login *login, const struct oauth_endpoints *endpoints)
{
        struct oauth_client asking = { .provider = client->provider,
                                       .endpoints = *endpoints,
                                       .client_id = client->client_id };
        struct oauth_authorization authorization;
        _cleanup_(freep) char *url = NULL;
        char challenge[PKCE_TEXT_SIZE + 1];

        pending_login_describe(login, client, challenge, &authorization);
        if (oauth_authorization_url(&asking, &authorization, &url) < 0)
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL, "Out of memory.", 0);
        else
                login_op_tell_url(op, login, url, 0);
}

/* NULL: there is what a login needs. */
static const char *find_lack(const struct oauth_endpoints *endpoints)
{
        if (!endpoints->authorization)
                return "The provider names no authorization endpoint.";
        if (endpoints->must_push && !endpoints->pushed)
                return "The provider wants authorization requests to be pushed, and names no "
                       "pushed_authorization_request_endpoint.";
        return NULL;
}

void login_op_begin_login(struct login_op *op, const struct oauth_endpoints *endpoints)
{
        const struct client *client = config_find_client(op->logins->context->config, op->client);
        const char *lack = find_lack(endpoints);
        struct pending_login *login;

        if (!client) {
                login_op_fail(op, LOGIN_NO_SUCH_CLIENT, op->client,
                              "The configuration no longer has this client.", 0);
                return;
        }
        if (lack || pending_login_new(op, client, endpoints->issuer, client->provider->pkce,
                                      LOGIN_EXPIRES_SEC * USEC_PER_SEC, &login) < 0) {
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL, lack ? lack : "Out of memory.", 0);
                return;
        }
        login->sends_issuer = endpoints->sends_issuer;
        strcpy(op->login, login->id);
        if (endpoints->pushed)
                login_op_push(op, endpoints);
        else
                tell_whole_url(op, client, login, endpoints);
}

/* ---- complete ---- */

struct pending_login *login_find(struct logins *logins, const char *id)
{
        struct pending_login *login = logins->waiting;

        while (login && strcmp(login->id, id) != 0)
                login = login->next;
        return login;
}

bool login_cancel(struct logins *logins, const char *id)
{
        struct pending_login *login = login_find(logins, id);

        if (login)
                pending_login_free(login);
        return login;
}

/* What the redirect says decides whether the login is over; only a code goes on. */
static bool goes_on(struct pending_login *login, const struct redirect *redirect, login_done_fn *on_done,
                    void *userdata)
{
        switch (redirect->verdict) {
        case REDIRECT_CODE:
                return true;
        case REDIRECT_DENIED:
                pending_login_free(login);
                login_refuse(on_done, userdata, LOGIN_DENIED, NULL, redirect->reason);
                return false;
        case REDIRECT_MISMATCH:
                login_refuse(on_done, userdata, LOGIN_REDIRECT_MISMATCH, NULL, redirect->reason);
                return false;
        default:
                login_refuse(on_done, userdata, LOGIN_INVALID, "redirect", redirect->reason);
                return false;
        }
}

int login_complete(struct logins *logins, const char *id, const char *redirect_text, bool switch_account,
                   login_done_fn *on_done, void *userdata, struct login_call **ret)
{
        _cleanup_(redirect_done) struct redirect redirect = { 0 };
        struct pending_login *login = login_find(logins, id);
        struct login_op *op;
        int r;

        *ret = NULL;
        if (!login) {
                login_refuse(on_done, userdata, LOGIN_NO_SUCH_LOGIN, id,
                             "No such login is waiting: it was completed, cancelled, or has expired.");
                return 0;
        }

        if (login->device_code) {
                login_refuse(on_done, userdata, LOGIN_INVALID, "login",
                             "This login has no redirect: the person answers at another device.");
                return 0;
        }
        r = oauth_read_redirect(redirect_text, login->state, login->issuer, login->sends_issuer, &redirect);
        if (r < 0)
                return r;
        if (!goes_on(login, &redirect, on_done, userdata))
                return 0;

        r = login_op_new(logins, OP_EXCHANGE, login->credential, login->client, on_done, userdata, ret, &op);
        if (r < 0)
                return r;

        op->code = take_ptr(redirect.code);
        op->verifier = take_ptr(login->verifier);
        op->description = take_ptr(login->description);
        op->redirect_uri = take_ptr(login->redirect_uri);
        op->switch_account = switch_account;
        pending_login_free(login);
        return 0;
}

/* ---- grants that did not begin here ---- */

static int begin_op(struct logins *logins, enum op_start start, const char *credential,
                    const struct client *client, const struct secret *secret, const char *description,
                    const char *redirect_uri, bool switch_account, login_done_fn *on_done, void *userdata,
                    struct login_call **ret)
{
        struct login_op *op;
        int r;

        r = login_op_new(logins, start, credential, client->name, on_done, userdata, ret, &op);
        if (r < 0)
                return r;

        op->switch_account = switch_account;
        if (secret_copy(&op->code, secret) < 0 || copy_optional(&op->description, description) < 0 ||
            copy_optional(&op->redirect_uri, redirect_uri) < 0) {
                login_call_free(take_ptr(*ret));
                login_op_free(op);
                return -ENOMEM;
        }
        return 0;
}

int login_adopt_code(struct logins *logins, const char *credential, const char *client_name,
                     const struct secret *code, const char *description, const char *redirect_uri,
                     bool switch_account, login_done_fn *on_done, void *userdata, struct login_call **ret)
{
        const struct client *client = login_choose_client(logins, credential, client_name, on_done, userdata);

        *ret = NULL;
        if (!client)
                return 0;
        return begin_op(logins, OP_EXCHANGE, credential, client, code, description,
                        redirect_uri ? redirect_uri : client->redirect_uri, switch_account, on_done, userdata,
                        ret);
}

int login_import(struct logins *logins, const char *credential, const char *client_name,
                 const char *description, const struct secret *refresh_token, bool switch_account,
                 login_done_fn *on_done, void *userdata, struct login_call **ret)
{
        const struct client *client = login_choose_client(logins, credential, client_name, on_done, userdata);

        *ret = NULL;
        if (!client)
                return 0;
        if (!token_is_usable(secret_expose(refresh_token), secret_size(refresh_token))) {
                login_refuse(on_done, userdata, LOGIN_INVALID, "refresh_token",
                             "A refresh token is visible ASCII, without blanks or line ends.");
                return 0;
        }
        return begin_op(logins, OP_IMPORT, credential, client, refresh_token, description, NULL,
                        switch_account, on_done, userdata, ret);
}
