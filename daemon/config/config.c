/* The order of reading, the top of the schema, and looking things up in what was read. */
#include "daemon/config/config.h"

#include "common/clock.h"
#include "daemon/config/config_internal.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define DEFAULT_BEFORE_SHARE 25
#define DEFAULT_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define DEFAULT_PARALLEL 8
#define DEFAULT_TEST_EVERY_USEC (86400 * USEC_PER_SEC)

bool name_is_valid(const char *name)
{
        size_t n = strlen(name);

        if (n == 0 || n > 64)
                return false;
        for (size_t i = 0; i < n; i++)
                if ((unsigned char)name[i] >= 0x80 ||
                    (!isalnum((unsigned char)name[i]) && (i == 0 || !strchr("._-", name[i]))))
                        return false;
        return true;
}

/* ---- the schema ---- */

#define BEFORE_MUST "must be 1% to 99%, or a duration from 1s to 7d"

static const struct yaml_range befores = { 1, 7 * 86400, BEFORE_MUST };
static const struct yaml_range timeouts = { 1, 600, "must be a duration from 1s to 10m" };
static const struct yaml_range parallels = { 1, 256, "must be a number from 1 to 256" };
static const struct yaml_range rates = { 1, 10000,
                                         "must be a number from 1 to 10000, of refreshes in a second" };
static const struct yaml_range tests = { 1, 365 * 86400, "must be off, or a duration from 1s to 365d" };

/* True when it is digits and a percent sign; *ret is 0 when there are too many of them. */
static bool parse_share(const char *text, unsigned *ret)
{
        size_t n = strspn(text, "0123456789");

        if (n == 0 || strcmp(text + n, "%") != 0)
                return false;
        *ret = n > 2 ? 0 : (unsigned)strtoul(text, NULL, 10);
        return true;
}

static int read_before(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                       void *field)
{
        struct refresh_config *refresh = field;
        unsigned share;
        int r;

        if (!yaml_check_text(at, node, false, &r))
                return r;
        refresh->before_is_share = parse_share(node->scalar, &share);
        if (!refresh->before_is_share)
                return yaml_read_duration(at, node, key, &refresh->before_usec);
        if (share == 0)
                return yaml_mistake(at, node, "%s", BEFORE_MUST);
        refresh->before_share = share;
        return 0;
}

static int read_test(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                     void *field)
{
        uint64_t *every_usec = field;

        if (node->kind != YAML_SCALAR || strcmp(node->scalar, "off") != 0)
                return yaml_read_duration(at, node, key, field);
        *every_usec = 0;
        return 0;
}

static const struct yaml_key refresh_keys[] = {
        { "before", read_before, 0, &befores, false },
        { "timeout", yaml_read_duration, offsetof(struct refresh_config, timeout_usec), &timeouts, false },
        { "parallel", yaml_read_number, offsetof(struct refresh_config, parallel), &parallels, false },
        { "rate", yaml_read_number, offsetof(struct refresh_config, rate), &rates, false },
        { "test", read_test, offsetof(struct refresh_config, test_every_usec), &tests, false },
        { 0 },
};

/* The three sections of names are walked by for_each_named(), in the order of their references. */
static const struct yaml_key config_keys[] = {
        { "clients", yaml_read_nothing, 0, NULL, false },
        { "credentials", yaml_read_nothing, 0, NULL, false },
        { "refresh", yaml_read_section, offsetof(struct config, refresh), refresh_keys, false },
        { "admins", read_allow, offsetof(struct config, admins), NULL, false },
        { "on_event", read_hooks, 0, NULL, false },
        { "providers", yaml_read_nothing, 0, NULL, false },
        { 0 },
};

/* ---- walking ---- */

struct yaml_place document_place(struct loader *loader, const char *file)
{
        return (struct yaml_place){
                .file = file, .problems = loader->problems, .context = loader, .key = ""
        };
}

static int read_named(struct loader *loader, const struct yaml_place *at, const struct yaml_node *name,
                      const struct yaml_node *node, named_reader *read)
{
        struct yaml_place here = yaml_place_key(at, name->scalar);

        if (!name_is_valid(name->scalar))
                return yaml_mistake(&here, name, "is no valid name: " NAME_MUST);
        return read(loader, &here, name, node);
}

static int walk_section(struct loader *loader, const struct document *document, const char *section,
                        named_reader *read)
{
        const struct yaml_node *node = yaml_node_get(document->root, section);
        struct yaml_place root = document_place(loader, document->file), at = yaml_place_key(&root, section);
        int r = 0;

        if (!node || !yaml_check_kind(&at, node, YAML_MAPPING, &r))
                return r;
        for (size_t i = 0; i < node->n_items && r == 0; i++)
                r = read_named(loader, &at, node->keys[i], node->items[i], read);
        return r;
}

int for_each_named(struct loader *loader, const char *section, named_reader *read)
{
        int r = 0;

        for (size_t i = 0; i < loader->config_files.n && r == 0; i++)
                r = walk_section(loader, &loader->config_files.items[i], section, read);
        return r;
}

int no_such(struct loader *loader, const struct yaml_place *at, const struct yaml_node *node,
            const char *what, const char *const *names, size_t n)
{
        char hint[128];

        if (loader->incomplete)
                return 0;
        return yaml_mistake(at, node, "there is no %s '%.64s'%s", what, node->scalar,
                            yaml_hint(node->scalar, names, n, hint, sizeof(hint)));
}

/* ---- the order of reading ---- */

static int read_top(struct loader *loader)
{
        int r = 0;

        for (size_t i = 0; i < loader->config_files.n && r == 0; i++) {
                const struct document *document = &loader->config_files.items[i];
                struct yaml_place root = document_place(loader, document->file);

                if (document->root)
                        r = yaml_read_mapping(&root, document->root, config_keys, loader->config, NULL);
        }
        return r;
}

static int load(struct loader *loader, const char *file, const char *const *provider_dirs,
                size_t n_provider_dirs)
{
        int r = 0;

        for (size_t i = 0; i < n_provider_dirs && r == 0; i++)
                r = load_directory(loader, provider_dirs[i], &loader->provider_files);
        if (r == 0)
                r = load_config_files(loader, file);
        if (r == 0)
                r = read_top(loader);
        if (r == 0)
                r = read_providers(loader);
        if (r == 0)
                r = read_clients(loader);
        if (r == 0)
                r = read_credentials(loader);
        return r;
}

static void loader_done(struct loader *loader)
{
        definitions_done(loader);
        documents_done(&loader->provider_files);
        documents_done(&loader->config_files);
}

static int config_new(struct config **ret, const char *file)
{
        _cleanup_(config_freep) struct config *config = calloc(1, sizeof(*config));

        if (!config)
                return fault(-ENOMEM);
        config->file = strdup(file);
        if (!config->file)
                return fault(-ENOMEM);
        config->refresh = (struct refresh_config){
                .before_is_share = true,
                .before_share = DEFAULT_BEFORE_SHARE,
                .timeout_usec = DEFAULT_TIMEOUT_USEC,
                .parallel = DEFAULT_PARALLEL,
                .test_every_usec = DEFAULT_TEST_EVERY_USEC,
        };
        *ret = take_ptr(config);
        return 0;
}

static int load_config(struct config **ret, const char *file, const char *const *provider_dirs,
                       size_t n_provider_dirs, bool only_used, struct problems *problems)
{
        _cleanup_(config_freep) struct config *config = NULL;
        _cleanup_(loader_done) struct loader loader = { .problems = problems, .only_used = only_used };
        size_t n_before = problems_count(problems);
        int r;

        r = config_new(&config, file);
        if (r < 0)
                return r;
        loader.config = config;
        r = load(&loader, file, provider_dirs, n_provider_dirs);
        if (r < 0)
                return r;
        if (problems_count(problems) > n_before)
                return CONFIG_E_MISTAKES;
        *ret = take_ptr(config);
        return 0;
}

int config_load(struct config **ret, const char *file, const char *const *provider_dirs,
                size_t n_provider_dirs, struct problems *problems)
{
        return load_config(ret, file, provider_dirs, n_provider_dirs, false, problems);
}

int config_load_used(struct config **ret, const char *file, const char *const *provider_dirs,
                     size_t n_provider_dirs, struct problems *problems)
{
        _cleanup_(problems_done) struct problems untold = PROBLEMS_INIT;
        int r = load_config(ret, file, provider_dirs, n_provider_dirs, true, &untold);

        return r == CONFIG_E_MISTAKES ? config_load(ret, file, provider_dirs, n_provider_dirs, problems) : r;
}

struct config *config_free(struct config *config)
{
        if (!config)
                return NULL;
        for (size_t i = 0; i < config->n_providers; i++)
                provider_free(config->providers[i]);
        for (size_t i = 0; i < config->n_clients; i++)
                client_free(config->clients[i]);
        for (size_t i = 0; i < config->n_credentials; i++)
                credential_config_free(config->credentials[i]);
        for (size_t i = 0; i < config->n_files; i++)
                free(config->files[i]);
        allow_list_done(&config->admins);
        hooks_config_done(config);
        free(config->providers);
        free(config->clients);
        free(config->credentials);
        free(config->files);
        free(config->file);
        free(config);
        return NULL;
}

/* ---- looking up ---- */

static int compare_client(const void *name, const void *client)
{
        return strcmp(name, (*(struct client *const *)client)->name);
}

const struct client *config_find_client(const struct config *config, const char *name)
{
        struct client **found =
                bsearch(name, config->clients, config->n_clients, sizeof(*found), compare_client);

        return found ? *found : NULL;
}

static int compare_provider(const void *name, const void *provider)
{
        return strcmp(name, (*(struct provider *const *)provider)->name);
}

const struct provider *config_find_provider(const struct config *config, const char *name)
{
        struct provider **found =
                bsearch(name, config->providers, config->n_providers, sizeof(*found), compare_provider);

        return found ? *found : NULL;
}

static int compare_credential(const void *name, const void *credential)
{
        return strcmp(name, (*(struct credential_config *const *)credential)->name);
}

const struct credential_config *config_find_credential(const struct config *config, const char *name)
{
        struct credential_config **found =
                bsearch(name, config->credentials, config->n_credentials, sizeof(*found), compare_credential);

        return found ? *found : NULL;
}
