/*
 * Which definition of a provider holds, and what it extends. Definitions lie in the order of their files,
 * each covering the former one of its name; one that extends its own name means the one it covers.
 */
#include "daemon/config/config_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum reading { READING_NOT_BEGUN, READING_BEGUN, READING_DONE };

struct definition {
        char *name;
        const char *file;
        char *path; /* of the mapping in its file */
        const struct yaml_node *node;
        struct document *document; /* NULL: the configuration's */
        enum reading reading;
        struct provider *provider; /* READING_DONE: its own, until the topmost ones go to the config */
};

void definitions_done(struct loader *loader)
{
        for (size_t i = 0; i < loader->n_definitions; i++) {
                free(loader->definitions[i].name);
                free(loader->definitions[i].path);
                provider_free(loader->definitions[i].provider);
        }
        free(loader->definitions);
        loader->definitions = NULL;
        loader->n_definitions = 0;
}

static int add_definition(struct loader *loader, const char *name, size_t n_name, const char *file,
                          const char *path, const struct yaml_node *node)
{
        struct definition *definitions =
                reallocarray(loader->definitions, loader->n_definitions + 1, sizeof(*definitions));
        struct definition *definition;

        if (!definitions)
                return fault(-ENOMEM);
        loader->definitions = definitions;
        definition = &definitions[loader->n_definitions];
        *definition = (struct definition){ .file = file, .node = node };
        definition->name = strndup(name, n_name);
        definition->path = strdup(path);
        loader->n_definitions++;
        return definition->name && definition->path ? 0 : fault(-ENOMEM);
}

/* ---- collecting ---- */

static const struct yaml_node *root_of(const struct document *document)
{
        static const struct yaml_node nowhere = { .kind = YAML_MAPPING, .line = 1, .column = 1 };

        return document->root ? document->root : &nowhere;
}

/* jobber.yaml defines the provider jobber. */
static int define_by_file(struct loader *loader, struct document *document)
{
        const char *base = strrchr(document->file, '/');
        char name[65];
        size_t n;
        int r;

        base = base ? base + 1 : document->file;
        n = strlen(base) - strlen(".yaml");
        snprintf(name, sizeof(name), "%.*s", (int)n, base);
        if (n >= sizeof(name) || !name_is_valid(name))
                return problems_add(loader->problems, document->file, 0, 0, "",
                                    "the file's name is the provider's, and no valid one: " NAME_MUST);
        r = add_definition(loader, name, n, document->file, "", root_of(document));
        if (r == 0)
                loader->definitions[loader->n_definitions - 1].document = document;
        return r;
}

static int define_by_key(struct loader *loader, const struct yaml_place *at, const struct yaml_node *name,
                         const struct yaml_node *node)
{
        char path[256];

        return add_definition(loader, name->scalar, strlen(name->scalar), at->file,
                              yaml_place_format(at, path, sizeof(path)), node);
}

/* ---- resolving ---- */

/* The topmost definition of that name among the first n. */
static struct definition *find_definition(struct loader *loader, const char *name, size_t n)
{
        while (n-- > 0)
                if (strcmp(loader->definitions[n].name, name) == 0)
                        return &loader->definitions[n];
        return NULL;
}

static int no_such_provider(struct loader *loader, const struct yaml_place *at, const struct yaml_node *node)
{
        _cleanup_(freep) const char **names = calloc(loader->n_definitions + 1, sizeof(*names));

        if (!names)
                return fault(-ENOMEM);
        for (size_t i = 0; i < loader->n_definitions; i++)
                names[i] = loader->definitions[i].name;
        return no_such(loader, at, node, "provider", names, loader->n_definitions);
}

static int find_base(struct loader *loader, const struct yaml_place *at, const struct definition *definition,
                     const struct yaml_node *extends, struct definition **ret)
{
        bool own_name = strcmp(extends->scalar, definition->name) == 0;
        size_t below = own_name ? (size_t)(definition - loader->definitions) : loader->n_definitions;

        *ret = find_definition(loader, extends->scalar, below);
        if (*ret)
                return 0;
        if (own_name && !loader->incomplete)
                return yaml_mistake(at, extends, "extends itself: there is no earlier provider of this name");
        return own_name ? 0 : no_such_provider(loader, at, extends);
}

static int read_definition(struct loader *loader, struct definition *definition);

/* *ret stays NULL when there is nothing to copy, a mistake or not. */
static int resolve_base(struct loader *loader, struct definition *definition, const struct provider **ret,
                        bool *ret_lost)
{
        struct yaml_place root = document_place(loader, definition->file);
        struct yaml_place mapping = root, at = yaml_place_key(&mapping, "extends");
        const struct yaml_node *extends = yaml_node_get(definition->node, "extends");
        struct definition *base = NULL;
        int r;

        mapping.key = definition->path;
        if (!extends || !yaml_check_text(&at, extends, false, &r)) {
                *ret_lost = extends;
                return extends ? r : 0;
        }
        r = find_base(loader, &at, definition, extends, &base);
        if (r == 0 && base && base->reading == READING_BEGUN) {
                r = yaml_mistake(&at, extends, "extends itself, by way of '%s'", base->name);
                base = NULL;
        }
        if (r == 0 && base)
                r = read_definition(loader, base);
        *ret = base ? base->provider : NULL;
        *ret_lost = !base;
        return r;
}

/* Without what it extends, a definition can be checked only as far as it goes by itself. */
static const struct provider lost_base = { .has_mistakes = true, .max_replays = 5 };

static int read_definition(struct loader *loader, struct definition *definition)
{
        const struct provider *base = NULL;
        bool lost = false;
        int r;

        if (definition->reading == READING_DONE)
                return 0;
        assert(definition->reading == READING_NOT_BEGUN);
        definition->reading = READING_BEGUN;
        if (definition->document && definition->document->unread) {
                r = load_unread(loader, definition->document);
                if (r < 0)
                        return r;
                definition->node = root_of(definition->document);
        }
        r = resolve_base(loader, definition, &base, &lost);
        if (r < 0)
                return r;
        r = provider_read(&definition->provider, definition->name, lost ? &lost_base : base, definition->file,
                          definition->path, definition->node, loader->problems);
        definition->reading = READING_DONE;
        return r < 0 ? r : 0;
}

/* A client that names none, or one that there is not, is a mistake that others tell. */
static int read_for_client(struct loader *loader, const struct yaml_place *at, const struct yaml_node *name,
                           const struct yaml_node *node)
{
        const struct yaml_node *provider = yaml_node_get(node, "provider");
        struct definition *definition = NULL;

        if (provider && provider->kind == YAML_SCALAR)
                definition = find_definition(loader, provider->scalar, loader->n_definitions);
        return definition ? read_definition(loader, definition) : 0;
}

static int read_all(struct loader *loader)
{
        int r = 0;

        for (size_t i = 0; i < loader->n_definitions && r == 0; i++)
                if (!loader->only_used || !loader->definitions[i].document)
                        r = read_definition(loader, &loader->definitions[i]);
        return r == 0 && loader->only_used ? for_each_named(loader, "clients", read_for_client) : r;
}

/* ---- handing over ---- */

static bool is_topmost(struct loader *loader, size_t i)
{
        return find_definition(loader, loader->definitions[i].name, loader->n_definitions) ==
               &loader->definitions[i];
}

static int compare_providers(const void *a, const void *b)
{
        return strcmp((*(struct provider *const *)a)->name, (*(struct provider *const *)b)->name);
}

static int hand_over(struct loader *loader)
{
        struct config *config = loader->config;
        int r = 0;

        config->providers = calloc(loader->n_definitions + 1, sizeof(struct provider *));
        if (!config->providers)
                return fault(-ENOMEM);
        for (size_t i = 0; i < loader->n_definitions; i++)
                if (loader->definitions[i].reading != READING_DONE)
                        config->is_partial = true;
                else if (is_topmost(loader, i))
                        config->providers[config->n_providers++] = take_ptr(loader->definitions[i].provider);
        qsort(config->providers, config->n_providers, sizeof(struct provider *), compare_providers);
        for (size_t i = 0; i < config->n_providers && r == 0; i++)
                if (config->providers[i])
                        r = provider_fill_in_variables(config->providers[i]);
        return r;
}

int read_providers(struct loader *loader)
{
        int r = 0;

        for (size_t i = 0; i < loader->provider_files.n && r == 0; i++)
                r = define_by_file(loader, &loader->provider_files.items[i]);
        if (r == 0)
                r = for_each_named(loader, "providers", define_by_key);
        if (r == 0)
                r = read_all(loader);
        return r < 0 ? r : hand_over(loader);
}

int config_add_rest(struct config *config, struct config *whole)
{
        struct provider **providers = reallocarray(
                config->providers, config->n_providers + whole->n_providers + 1, sizeof(*providers));
        size_t n = config->n_providers;

        if (!providers)
                return fault(-ENOMEM);
        config->providers = providers;
        for (size_t i = 0; i < whole->n_providers; i++)
                if (!config_find_provider(config, whole->providers[i]->name))
                        providers[n++] = take_ptr(whole->providers[i]);
        config->n_providers = n;
        qsort(providers, n, sizeof(*providers), compare_providers);
        config->is_partial = false;
        return 0;
}
