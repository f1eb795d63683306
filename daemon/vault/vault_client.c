/* The secrets of clients, and clients as they ask their providers: fetched, and signed with, for one request. */
#include "daemon/vault/context.h"
#include "daemon/protocol/oauth.h"
#include "daemon/protocol/pkce.h"
#include "daemon/vault/vault_internal.h"
#include "daemon/vault/vault_transfer.h"

#include <errno.h>
#include <string.h>

/* Since it was put there the configuration may have become another one. */
static int from_store(struct vault *vault, const struct client *client, enum secret_kind kind,
                      struct secret **ret, struct diag *diag)
{
        const struct secret *stored = vault_find_client_secret(vault, client->name);
        struct diag wrong = DIAG_INIT;
        int r;

        if (!stored) {
                diag_set(diag, "client '%s' has no %s yet; %s: purser secret set %s%s", client->name,
                         secret_kind_words(kind), kind == CLIENT_KEY ? "put it in" : "type it in",
                         client->name, kind == CLIENT_KEY ? " < FILE" : "");
                return VAULT_E_NO_SECRET;
        }
        r = kind == CLIENT_SECRET ? client_secret_check(client, kind, stored, &wrong) : 0;
        if (r > 0)
                diag_set(diag,
                         "what the store has for client '%s' cannot be used: %s; type it in: purser secret "
                         "set %s",
                         client->name, wrong.text, client->name);
        if (r != 0)
                return r < 0 ? r : VAULT_E_NO_SECRET;
        return secret_copy(ret, stored);
}

static int find_secret(struct vault *vault, const struct client *client, enum secret_kind kind,
                       struct secret **ret, struct diag *diag)
{
        int r;

        switch (client_secret_config(client, kind)->source) {
        case SECRET_NONE:
                *ret = NULL;
                return 0;
        case SECRET_FROM_STORE:
                return from_store(vault, client, kind, ret, diag);
        default:
                r = client_secret_read(ret, client, kind, vault->context->credentials_directory,
                                       vault->context->own_uid, diag);
                return r > 0 ? VAULT_E_NO_SECRET : r;
        }
}

int vault_client_secret(struct vault *vault, const struct client *client, struct secret **ret,
                        struct diag *diag)
{
        return find_secret(vault, client, CLIENT_SECRET, ret, diag);
}

static enum secret_kind proof_of(const struct client *client)
{
        return client->provider->auth_method == AUTH_METHOD_PRIVATE_KEY_JWT ? CLIENT_KEY : CLIENT_SECRET;
}

const char *vault_client_secret_state(struct vault *vault, const struct client *client)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        static const char *const names[] = {
                [SECRET_FROM_CREDENTIAL] = "credential",
                [SECRET_FROM_FILE] = "file",
                [SECRET_FROM_STORE] = "store",
                [SECRET_NONE] = "none",
        };
        struct diag unused = DIAG_INIT;

        if (find_secret(vault, client, proof_of(client), &secret, &unused) != 0)
                return "missing";

        return names[client_secret_config(client, proof_of(client))->source];
}

/* ---- a client that asks ---- */

/* NULL: nobody knows it yet. */
static const char *audience_of(const struct provider *provider, const struct oauth_endpoints *endpoints)
{
        const char *token = endpoints && endpoints->token ? endpoints->token : provider->token_endpoint;

        return provider->issuer && provider->assertion_audience != AUDIENCE_TOKEN_ENDPOINT ? provider->issuer
                                                                                           : token;
}

static int sign(struct vault *vault, const struct client *client, const char *audience,
                const struct secret *pem, struct secret **ret, struct diag *diag)
{
        _cleanup_(jws_key_freep) struct jws_key *key = NULL;
        const struct context *context = vault->context;
        struct diag wrong = DIAG_INIT;
        uint8_t random[PKCE_RANDOM_SIZE];
        char id[PKCE_TEXT_SIZE + 1];
        struct oauth_assertion what = { .client_id = client->client_id,
                                        .key_id = client->key_id,
                                        .audience = audience,
                                        .id = id,
                                        .now_sec = clock_wall_usec(context->clock) / (int64_t)USEC_PER_SEC };

        int r = jws_key_new(&key, pem, client->key_algorithm, &wrong);
        if (r > 0) {
                diag_set(diag, "the key of client '%s' %s", client->name, wrong.text);
                return VAULT_E_NO_SECRET;
        }
        if (r < 0)
                return r;
        context->random_bytes(random, sizeof(random));
        pkce_text(random, id);
        return oauth_make_assertion(&what, key, ret);
}

static int make_assertion(struct vault *vault, const struct client *client,
                          const struct oauth_endpoints *endpoints, struct secret **ret, struct diag *diag)
{
        const char *audience = audience_of(client->provider, endpoints);
        _cleanup_(secret_freep) struct secret *pem = NULL;
        int r = find_secret(vault, client, CLIENT_KEY, &pem, diag);

        if (r != 0)
                return r;
        if (pem && audience)
                return sign(vault, client, audience, pem, ret, diag);
        diag_set(diag, "client '%s' cannot say who it is, since its provider's %s is not known", client->name,
                 pem ? "token_endpoint" : "client_key");
        return VAULT_E_NO_SECRET;
}

int vault_identify(struct vault *vault, const struct client *client, const struct oauth_endpoints *endpoints,
                   struct identity *ret, struct diag *diag)
{
        _cleanup_(identity_done) struct identity identity = { 0 };
        int r = proof_of(client) == CLIENT_KEY
                        ? make_assertion(vault, client, endpoints, &identity.assertion, diag)
                        : vault_client_secret(vault, client, &identity.secret, diag);

        if (r != 0)
                return r;
        identity.client = (struct oauth_client){ .provider = client->provider,
                                                 .client_id = client->client_id,
                                                 .secret = identity.secret,
                                                 .assertion = identity.assertion };
        if (endpoints)
                identity.client.endpoints = *endpoints;
        *ret = identity;
        identity = (struct identity){ 0 };
        return 0;
}

void identity_done(struct identity *identity)
{
        identity->secret = secret_free(identity->secret);
        identity->assertion = secret_free(identity->assertion);
}
