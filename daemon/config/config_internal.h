/* What the parts of the configuration's reader share. For config*.c alone. */
#pragma once

#include "daemon/config/config.h"
#include "daemon/config/yaml_read.h"

/* One file's tree. */
struct document {
        const char *file; /* of config->files */
        struct yaml_node *root; /* NULL: nothing in it */
        bool unread; /* only its name is known yet */
};

struct documents {
        struct document *items;
        size_t n;
};

struct definition;

/* The state of one config_load(). */
struct loader {
        struct config *config; /* being made */
        struct problems *problems;
        struct documents provider_files, config_files;
        bool only_used; /* a provider file is read when something refers to it */
        bool incomplete; /* a file could not be read or parsed: what seems to be missing may be in it */
        struct definition *definitions;
        size_t n_definitions;
        struct entry *entries; /* while clients, then credentials are put together */
};

/* config_files.c */

int load_file(struct loader *loader, const char *file, struct documents *documents);
/* *.yaml, in the order of their bytes. A missing directory is an empty one. */
int load_directory(struct loader *loader, const char *directory, struct documents *documents);
int load_config_files(struct loader *loader, const char *file);
int load_unread(struct loader *loader, struct document *document);
void documents_done(struct documents *documents);

/* config_providers.c */

/* All definitions (only_used: all that clients need), resolved and read; the topmost of each name goes to config->providers. */
int read_providers(struct loader *loader);
void definitions_done(struct loader *loader);

/* config_clients.c: one file's part of a client or credential, added to what there is of it. */

#define THREE_WAYS                                                                                           \
        "credential: NAME (a systemd credential), file: PATH, or store: true (typed into `purser secret "    \
        "set`)"

int read_client_part(const struct yaml_place *at, const struct yaml_node *node, struct client *client,
                     uint64_t *seen);
int read_credential_part(const struct yaml_place *at, const struct yaml_node *node,
                         struct credential_config *credential, uint64_t *seen);
int require_client_keys(const struct yaml_place *at, const struct yaml_node *node, uint64_t seen);
int require_credential_keys(const struct yaml_place *at, const struct yaml_node *node, uint64_t seen);
void client_free(struct client *client);
void credential_config_free(struct credential_config *credential);

/* config_entries.c: all of them, from all files; sorted by name. */

int read_clients(struct loader *loader);
int read_credentials(struct loader *loader);

/* config_allow.c: a struct allow_list, which it replaces. */
int read_allow(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
               void *field);
void allow_list_done(struct allow_list *list);

/* config_hooks.c: a file's items are added to those of the files before it. field: the struct config. */
int read_hooks(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
               void *field);
void hooks_config_done(struct config *config);

/* config.c */

/* The root of a document's places; loader is their context. */
struct yaml_place document_place(struct loader *loader, const char *file);

/* Called for each item of a mapping of names, whose place ends in the name. */
typedef int named_reader(struct loader *loader, const struct yaml_place *at, const struct yaml_node *name,
                         const struct yaml_node *node);

/* Walks a section of the configuration through all files; what has no valid name is told and left out. */
int for_each_named(struct loader *loader, const char *section, named_reader *read);

/* Tells of a reference to nothing, unless what it means may be in a file that could not be read. */
int no_such(struct loader *loader, const struct yaml_place *at, const struct yaml_node *node,
            const char *what, const char *const *names, size_t n);
