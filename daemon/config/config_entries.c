/*
 * Puts each client and each credential together from its parts in several files, then checks the whole: only
 * then is it known what is missing, and which version holds.
 */
#include "daemon/config/config_internal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Beside each client or credential while it is put together. */
struct entry {
        char *path; /* "clients.jobber-app" */
        const char *file;
        const struct yaml_node *node; /* the last part */
        const char *defined_in; /* the file that says what it is; NULL: none yet */
        unsigned defined_line;
        uint64_t seen;
};

static int entry_add_part(struct entry *entry, const struct yaml_place *at, const struct yaml_node *node)
{
        char path[256];

        entry->file = at->file;
        entry->node = node;
        if (entry->path)
                return 0;
        entry->path = strdup(yaml_place_format(at, path, sizeof(path)));
        return entry->path ? 0 : fault(-ENOMEM);
}

/*
 * Files may add to what another one defines, or change it. Two that both say of a name what it is mean two
 * things by it, and mixing them would send one registration's secret under another's id.
 */
static int define_once(struct entry *entry, const struct yaml_place *at, const struct yaml_node *node,
                       const char *key)
{
        struct yaml_place here = yaml_place_key(at, key);
        const struct yaml_node *definition = yaml_node_get(node, key);

        if (!definition)
                return 0;
        if (entry->defined_in)
                return yaml_mistake(&here, definition,
                                    "'%s' is already defined in %s:%u; to change it here, leave out %s",
                                    at->key, entry->defined_in, entry->defined_line, key);
        entry->defined_in = at->file;
        entry->defined_line = definition->line;
        return 0;
}

static struct yaml_place entry_place(struct loader *loader, const struct entry *entry)
{
        struct yaml_place place = document_place(loader, entry->file);

        place.key = entry->path;
        return place;
}

static void entries_done(struct loader *loader, size_t n)
{
        for (size_t i = 0; i < n; i++)
                free(loader->entries[i].path);
        free(loader->entries);
        loader->entries = NULL;
}

/* At least as many as there are different names, so that no array has to grow. */
static size_t count_parts(const struct loader *loader, const char *section)
{
        size_t n = 0;

        for (size_t i = 0; i < loader->config_files.n; i++) {
                const struct yaml_node *node = yaml_node_get(loader->config_files.items[i].root, section);

                n += node ? node->n_items : 0;
        }
        return n;
}

/* The version of a provider without a version header would be sent nowhere. */
static int check_version(const struct yaml_place *at, const struct entry *entry,
                         const struct provider *provider)
{
        struct yaml_place here = yaml_place_key(at, "api_version");
        const struct yaml_node *node = yaml_node_get(entry->node, "api_version");

        if (provider->api.version_header || provider->has_mistakes)
                return 0;
        return yaml_mistake(&here, node ? node : entry->node,
                            "the provider '%s' has no api.version_header to send it in", provider->name);
}

/* ---- clients ---- */

static int client_new(struct config *config, const char *name)
{
        struct client *client = calloc(1, sizeof(*client));

        if (!client)
                return fault(-ENOMEM);
        config->clients[config->n_clients++] = client;
        client->secret.source = SECRET_NONE;
        client->key.source = SECRET_NONE;
        client->name = strdup(name);
        return client->name ? 0 : fault(-ENOMEM);
}

static int read_client(struct loader *loader, const struct yaml_place *at, const struct yaml_node *name,
                       const struct yaml_node *node)
{
        struct config *config = loader->config;
        size_t i = 0;
        int r = 0;

        while (i < config->n_clients && strcmp(config->clients[i]->name, name->scalar) != 0)
                i++;
        if (i == config->n_clients)
                r = client_new(config, name->scalar);
        if (r == 0)
                r = entry_add_part(&loader->entries[i], at, node);
        if (r == 0)
                r = define_once(&loader->entries[i], at, node, "provider");
        if (r == 0)
                r = read_client_part(at, node, config->clients[i], &loader->entries[i].seen);
        return r;
}

/* The key with which it says who it is. That a client secret is there, too, is for the provider's webhooks. */
static int check_key_source(const struct yaml_place *at, const struct entry *entry,
                            const struct client *client)
{
        struct yaml_place here = yaml_place_key(at, "client_key");
        const struct yaml_node *node = yaml_node_get(entry->node, "client_key");
        bool wanted = client->provider->auth_method == AUTH_METHOD_PRIVATE_KEY_JWT;

        if (wanted && !node && client->key.source == SECRET_NONE)
                return yaml_mistake(
                        &here, entry->node,
                        "is missing, but the provider's token_endpoint_auth_method is private_key_jwt: it "
                        "needs one of " THREE_WAYS);
        if (!wanted && client->key.source != SECRET_NONE)
                return yaml_mistake(&here, node ? node : entry->node,
                                    "is of no use: the provider's token_endpoint_auth_method is %s, and not "
                                    "private_key_jwt",
                                    auth_method_name(client->provider->auth_method));
        if (client->key.source != SECRET_FROM_STORE || client->secret.source != SECRET_FROM_STORE)
                return 0;
        return yaml_mistake(&here, node ? node : entry->node,
                            "is in the store, as client_secret is: only one of the two can be");
}

static int check_secret_source(const struct yaml_place *at, const struct entry *entry,
                               const struct client *client)
{
        struct yaml_place here = yaml_place_key(at, "client_secret");

        if (client->provider->has_mistakes)
                return 0;
        if (client->provider->auth_method == AUTH_METHOD_NONE ||
            client->provider->auth_method == AUTH_METHOD_PRIVATE_KEY_JWT ||
            client->secret.source != SECRET_NONE || yaml_node_get(entry->node, "client_secret"))
                return check_key_source(at, entry, client);
        return yaml_mistake(&here, entry->node, "is missing: it needs one of " THREE_WAYS);
}

/* RFC 6749 section 4.4: only of a client that can say who it is. */
static int check_grant_type(const struct yaml_place *at, const struct entry *entry,
                            const struct client *client)
{
        struct yaml_place here = yaml_place_key(at, "grant_type");
        const struct yaml_node *node = yaml_node_get(entry->node, "grant_type");

        if (client->grant_type != GRANT_CLIENT_CREDENTIALS || client->provider->has_mistakes)
                return 0;
        if (client->provider->grant_types && !(client->provider->grant_types & GRANT_TYPE_CLIENT_CREDENTIALS))
                return yaml_mistake(&here, node ? node : entry->node,
                                    "is none of the provider's grant_types_supported");
        if (client->provider->auth_method != AUTH_METHOD_NONE)
                return 0;
        return yaml_mistake(&here, node ? node : entry->node,
                            "is not for a public client: the provider's token_endpoint_auth_method is none");
}

static int finish_client(struct loader *loader, const struct entry *entry, struct client *client)
{
        struct yaml_place at = entry_place(loader, entry);
        int r;

        assert(client);
        r = require_client_keys(&at, entry->node, entry->seen);
        if (r < 0 || !client->provider)
                return r;
        r = check_secret_source(&at, entry, client);
        if (r == 0)
                r = check_grant_type(&at, entry, client);
        if (r < 0 || client->api_version)
                return r < 0 ? r : check_version(&at, entry, client->provider);
        if (client->provider->api.default_version) {
                client->api_version = strdup(client->provider->api.default_version);
                return client->api_version ? 0 : fault(-ENOMEM);
        }
        return 0;
}

static int compare_clients(const void *a, const void *b)
{
        return strcmp((*(struct client *const *)a)->name, (*(struct client *const *)b)->name);
}

int read_clients(struct loader *loader)
{
        struct config *config = loader->config;
        size_t n = count_parts(loader, "clients");
        int r;

        config->clients = calloc(n + 1, sizeof(*config->clients));
        loader->entries = calloc(n + 1, sizeof(*loader->entries));
        r = config->clients && loader->entries ? 0 : fault(-ENOMEM);
        if (r == 0)
                r = for_each_named(loader, "clients", read_client);
        for (size_t i = 0; i < config->n_clients && r == 0; i++)
                r = finish_client(loader, &loader->entries[i], config->clients[i]);
        entries_done(loader, config->n_clients);
        if (r == 0)
                qsort(config->clients, config->n_clients, sizeof(struct client *), compare_clients);
        return r;
}

/* ---- credentials ---- */

static int credential_new(struct config *config, const char *name)
{
        struct credential_config *credential = calloc(1, sizeof(*credential));

        if (!credential)
                return fault(-ENOMEM);
        config->credentials[config->n_credentials++] = credential;
        credential->name = strdup(name);
        return credential->name ? 0 : fault(-ENOMEM);
}

static int read_credential(struct loader *loader, const struct yaml_place *at, const struct yaml_node *name,
                           const struct yaml_node *node)
{
        struct config *config = loader->config;
        size_t i = 0;
        int r = 0;

        while (i < config->n_credentials && strcmp(config->credentials[i]->name, name->scalar) != 0)
                i++;
        if (i == config->n_credentials)
                r = credential_new(config, name->scalar);
        if (r == 0)
                r = entry_add_part(&loader->entries[i], at, node);
        if (r == 0)
                r = define_once(&loader->entries[i], at, node, "client");
        if (r == 0)
                r = read_credential_part(at, node, config->credentials[i], &loader->entries[i].seen);
        return r;
}

static int finish_credential(struct loader *loader, const struct entry *entry,
                             const struct credential_config *credential)
{
        struct yaml_place at = entry_place(loader, entry);
        const struct client *client;
        int r;

        assert(credential);
        r = require_credential_keys(&at, entry->node, entry->seen);
        if (r < 0 || !credential->client || !credential->api_version)
                return r;
        client = config_find_client(loader->config, credential->client);
        return client && client->provider ? check_version(&at, entry, client->provider) : 0;
}

static int compare_credentials(const void *a, const void *b)
{
        return strcmp((*(struct credential_config *const *)a)->name,
                      (*(struct credential_config *const *)b)->name);
}

int read_credentials(struct loader *loader)
{
        struct config *config = loader->config;
        size_t n = count_parts(loader, "credentials");
        int r;

        config->credentials = calloc(n + 1, sizeof(*config->credentials));
        loader->entries = calloc(n + 1, sizeof(*loader->entries));
        r = config->credentials && loader->entries ? 0 : fault(-ENOMEM);
        if (r == 0)
                r = for_each_named(loader, "credentials", read_credential);
        for (size_t i = 0; i < config->n_credentials && r == 0; i++)
                r = finish_credential(loader, &loader->entries[i], config->credentials[i]);
        entries_done(loader, config->n_credentials);
        if (r == 0)
                qsort(config->credentials, config->n_credentials, sizeof(struct credential_config *),
                      compare_credentials);
        return r;
}
