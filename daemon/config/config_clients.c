/* The keys of a client and of a credential, and what their values must be. */
#include "daemon/config/config_internal.h"

#include <errno.h>
#include <string.h>

enum { SCOPES_MAX = 256 };

/* ---- references ---- */

static int read_provider_reference(const struct yaml_place *at, const struct yaml_node *node,
                                   const struct yaml_key *key, void *field)
{
        const struct config *config = ((struct loader *)at->context)->config;
        _cleanup_(freep) const char **names = NULL;
        const struct provider *provider;
        char variable[64];
        int r;

        if (!yaml_check_text(at, node, false, &r))
                return r;
        provider = config_find_provider(config, node->scalar);
        if (provider && provider_find_missing_variable(provider, variable, sizeof(variable)))
                return yaml_mistake(at, node,
                                    "the addresses of '%s' need a value for {%s}: under providers, write one "
                                    "with `extends: %s` and `variables: {%s: ...}`",
                                    provider->name, variable, provider->name, variable);
        if (provider) {
                *(const struct provider **)field = provider;
                return 0;
        }
        names = calloc(config->n_providers + 1, sizeof(*names));
        if (!names)
                return fault(-ENOMEM);
        for (size_t i = 0; i < config->n_providers; i++)
                names[i] = config->providers[i]->name;
        return no_such(at->context, at, node, "provider", names, config->n_providers);
}

static int read_client_reference(const struct yaml_place *at, const struct yaml_node *node,
                                 const struct yaml_key *key, void *field)
{
        const struct config *config = ((struct loader *)at->context)->config;
        _cleanup_(freep) const char **names = NULL;
        int r;

        if (!yaml_check_text(at, node, false, &r))
                return r;
        if (config_find_client(config, node->scalar))
                return yaml_read_text(at, node, key, field);
        names = calloc(config->n_clients + 1, sizeof(*names));
        if (!names)
                return fault(-ENOMEM);
        for (size_t i = 0; i < config->n_clients; i++)
                names[i] = config->clients[i]->name;
        return no_such(at->context, at, node, "client", names, config->n_clients);
}

/* ---- where the secret comes from ---- */

struct secret_draft {
        char *credential, *file;
        bool store;
};

static void secret_draft_done(struct secret_draft *draft)
{
        free(draft->credential);
        free(draft->file);
}

/* systemd.exec(5): the name of a file, and of a descriptor. */
static bool is_credential_name(const char *text)
{
        if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0 || strlen(text) > 255)
                return false;
        for (const char *p = text; *p; p++)
                if (*p <= 0x20 || *p >= 0x7f || *p == '/' || *p == ':')
                        return false;
        return true;
}

static bool is_absolute_path(const char *text)
{
        return text[0] == '/';
}

static const struct yaml_text_rule credential_name = { is_credential_name,
                                                       "must be the name of a systemd credential" };
static const struct yaml_text_rule absolute_path = { is_absolute_path, "must be an absolute path" };
static const struct yaml_word only_true[] = { { "true", true }, { NULL, 0 } };

static int read_store(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                      void *field)
{
        int value = 0, r;

        r = yaml_read_word(at, node, key, &value);
        *(bool *)field = value;
        return r;
}

static const struct yaml_key secret_keys[] = {
        { "credential", yaml_read_text, offsetof(struct secret_draft, credential), &credential_name, true },
        { "file", yaml_read_text, offsetof(struct secret_draft, file), &absolute_path, true },
        { "store", read_store, offsetof(struct secret_draft, store), only_true, true },
        { 0 },
};

static void set_secret_source(struct secret_config *secret, struct secret_draft *draft,
                              struct config_place place)
{
        free(secret->name);
        secret->name = draft->credential ? take_ptr(draft->credential) : take_ptr(draft->file);
        secret->place = place;
}

static int read_secret_mapping(const struct yaml_place *at, const struct yaml_node *node,
                               struct secret_config *secret)
{
        _cleanup_(secret_draft_done) struct secret_draft draft = { 0 };
        size_t n_before = problems_count(at->problems);
        uint64_t seen = 0;
        int r;

        r = yaml_read_mapping(at, node, secret_keys, &draft, &seen);
        if (r < 0 || problems_count(at->problems) > n_before)
                return r;
        if (node->n_items != 1)
                return yaml_mistake(at, node, "needs exactly one of " THREE_WAYS);
        secret->source = draft.credential ? SECRET_FROM_CREDENTIAL
                         : draft.file     ? SECRET_FROM_FILE
                                          : SECRET_FROM_STORE;
        set_secret_source(secret, &draft, (struct config_place){ at->file, node->line, node->column });
        return 0;
}

/* Whatever stands here inline may be the secret: no word of it is repeated. */
static int read_client_secret(const struct yaml_place *at, const struct yaml_node *node,
                              const struct yaml_key *key, void *field)
{
        if (node->kind == YAML_MAPPING)
                return read_secret_mapping(at, node, field);
        if (yaml_is_nothing(node) || yaml_is_null(node))
                return yaml_mistake(at, node, "needs exactly one of " THREE_WAYS);
        return yaml_mistake(at, node, "a client %s is not written inline; say where it is kept: " THREE_WAYS,
                            strcmp(at->key, "client_key") == 0 ? "key" : "secret");
}

/* ---- the other keys ---- */

/* RFC 6749 appendix A.1. */
static bool is_client_id(const char *text)
{
        for (const char *p = text; *p; p++)
                if (*p < 0x20 || *p > 0x7e)
                        return false;
        return true;
}

static bool is_key_id(const char *text)
{
        return strlen(text) <= 255 && is_client_id(text);
}

/* RFC 6749 section 3.3. */
static bool is_scope(const char *text)
{
        for (const char *p = text; *p; p++)
                if (*p <= 0x20 || *p > 0x7e || *p == '"' || *p == '\\')
                        return false;
        return *text;
}

static void free_scopes(char **scopes, size_t n)
{
        for (size_t i = 0; i < n; i++)
                free(scopes[i]);
        free(scopes);
}

static int read_scope(const struct yaml_place *at, const struct yaml_node *node, char **ret)
{
        static const struct yaml_text_rule scope = {
                is_scope, "must be one scope (RFC 6749 section 3.3); list several as items"
        };
        static const struct yaml_key key = { "scope", NULL, 0, &scope, true };

        return yaml_read_text(at, node, &key, ret);
}

static int read_scopes(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                       void *field)
{
        struct client *client = field;
        char **scopes;
        int r = 0;

        if (!yaml_check_kind(at, node, YAML_SEQUENCE, &r))
                return r;
        if (node->n_items > SCOPES_MAX)
                return yaml_mistake(at, node, "has too many scopes: at most %d", SCOPES_MAX);
        scopes = calloc(node->n_items + 1, sizeof(*scopes));
        if (!scopes)
                return fault(-ENOMEM);
        for (size_t i = 0; i < node->n_items && r == 0; i++) {
                struct yaml_place here = yaml_place_index(at, i);

                r = read_scope(&here, node->items[i], &scopes[i]);
        }
        free_scopes(client->scopes, client->n_scopes);
        client->scopes = scopes;
        client->n_scopes = node->n_items;
        return r;
}

/* Programs that write configurations write "" for none. */
static int read_description(const struct yaml_place *at, const struct yaml_node *node,
                            const struct yaml_key *key, void *field)
{
        char **description = field;

        if (node->kind != YAML_SCALAR || node->plain || *node->scalar)
                return yaml_read_text(at, node, key, field);
        free(*description);
        *description = NULL;
        return 0;
}

static const struct yaml_word grant_types[] = { { "authorization_code", GRANT_AUTHORIZATION_CODE },
                                                { "client_credentials", GRANT_CLIENT_CREDENTIALS },
                                                { NULL, 0 } };
static const struct yaml_text_rule client_id = { is_client_id,
                                                 "must be visible ASCII (RFC 6749 appendix A.1)" };
static const struct yaml_word key_algorithms[] = { { "RS256", JWS_RS256 },
                                                   { "PS256", JWS_PS256 },
                                                   { "ES256", JWS_ES256 },
                                                   { "EdDSA", JWS_EDDSA },
                                                   { NULL, 0 } };
static const struct yaml_text_rule key_id = { is_key_id, "must be visible ASCII, at most 255 characters" };
static const struct yaml_text_rule redirect = {
        url_is_redirect,
        "must be an absolute URI without fragment (RFC 6749 section 3.1.2); http only to a loopback address"
};
static const struct yaml_text_rule version = { api_version_is_valid, API_VERSION_MUST };

#define CLIENT(name) offsetof(struct client, name)

static const struct yaml_key client_keys[] = {
        { "provider", read_provider_reference, CLIENT(provider), NULL, true },
        { "client_id", yaml_read_text, CLIENT(client_id), &client_id, true },
        { "client_secret", read_client_secret, CLIENT(secret), NULL, false },
        { "client_key", read_client_secret, CLIENT(key), NULL, false },
        { "client_key_id", yaml_read_text, CLIENT(key_id), &key_id, false },
        { "token_endpoint_auth_signing_alg", yaml_read_word, CLIENT(key_algorithm), key_algorithms, false },
        { "grant_type", yaml_read_word, CLIENT(grant_type), grant_types, false },
        { "redirect_uri", yaml_read_text, CLIENT(redirect_uri), &redirect, false },
        { "api_version", yaml_read_text, CLIENT(api_version), &version, false },
        { "scopes", read_scopes, 0, NULL, false },
        { "allow", read_allow, CLIENT(allow), NULL, false },
        { 0 },
};

#define CREDENTIAL(name) offsetof(struct credential_config, name)

static const struct yaml_key credential_keys[] = {
        { "client", read_client_reference, CREDENTIAL(client), NULL, true },
        { "description", read_description, CREDENTIAL(description), NULL, false },
        { "api_version", yaml_read_text, CREDENTIAL(api_version), &version, false },
        { "allow", read_allow, CREDENTIAL(allow), NULL, false },
        { 0 },
};

int read_client_part(const struct yaml_place *at, const struct yaml_node *node, struct client *client,
                     uint64_t *seen)
{
        return yaml_read_mapping(at, node, client_keys, client, seen);
}

int read_credential_part(const struct yaml_place *at, const struct yaml_node *node,
                         struct credential_config *credential, uint64_t *seen)
{
        return yaml_read_mapping(at, node, credential_keys, credential, seen);
}

int require_client_keys(const struct yaml_place *at, const struct yaml_node *node, uint64_t seen)
{
        return yaml_require(at, node, client_keys, seen);
}

int require_credential_keys(const struct yaml_place *at, const struct yaml_node *node, uint64_t seen)
{
        return yaml_require(at, node, credential_keys, seen);
}

void client_free(struct client *client)
{
        if (!client)
                return;
        free(client->name);
        free(client->client_id);
        free(client->secret.name);
        free(client->key.name);
        free(client->key_id);
        free(client->redirect_uri);
        free(client->api_version);
        free_scopes(client->scopes, client->n_scopes);
        allow_list_done(&client->allow);
        free(client);
}

void credential_config_free(struct credential_config *credential)
{
        if (!credential)
                return;
        free(credential->name);
        free(credential->client);
        free(credential->description);
        free(credential->api_version);
        allow_list_done(&credential->allow);
        free(credential);
}
