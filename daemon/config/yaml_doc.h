/*
 * YAML bytes to a tree that remembers lines and columns; the only user of libyaml. No anchors, aliases, tags
 * or several documents: a configuration needs none of them. Duplicate keys are mistakes. Sizes and depth are
 * limited.
 */
#pragma once

#include "common/cleanup.h"
#include "daemon/config/problems.h"

#include <stdbool.h>
#include <stddef.h>

enum {
        YAML_DOC_MAX = 1024 * 1024, /* bytes of a document */
        YAML_DEPTH_MAX = 32,
        YAML_NODES_MAX = 50000,
        YAML_ITEMS_MAX = 5000, /* of one sequence or mapping */
};

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
        enum yaml_kind kind;
        unsigned line, column; /* from 1 */
        char *scalar; /* YAML_SCALAR: its text, NUL-terminated */
        bool plain; /* YAML_SCALAR: written without quotes, so that null, true and numbers may be meant */
        struct yaml_node **items; /* YAML_SEQUENCE: the items; YAML_MAPPING: the values */
        struct yaml_node **keys; /* YAML_MAPPING: scalar nodes */
        size_t n_items;
};

enum {
        YAML_E_MISTAKES = 1, /* added to problems */
};

/*
 * file is for messages alone. *ret is NULL for a document without content. With YAML_E_MISTAKES *ret is what
 * could be read all the same, so that further mistakes can be looked for in it, or NULL where the text is no
 * YAML.
 */
int yaml_doc_parse(struct yaml_node **ret, const char *file, const char *bytes, size_t n,
                   struct problems *problems);
struct yaml_node *yaml_node_free(struct yaml_node *node);
DEFINE_FREEP(struct yaml_node *, yaml_node_free)

/* The value of a mapping's key, or NULL. */
const struct yaml_node *yaml_node_get(const struct yaml_node *mapping, const char *key);

/*
 * Where in which file a reader is: a chain up to the root, so that a path costs nothing until a mistake is
 * told.
 */
struct yaml_place {
        const char *file;
        struct problems *problems;
        void *context; /* of whoever made the root; handed down */
        const struct yaml_place *parent;
        const char *key; /* of the root: the path so far; NULL: index counts */
        size_t index;
};

struct yaml_place yaml_place_key(const struct yaml_place *parent, const char *key);
struct yaml_place yaml_place_index(const struct yaml_place *parent, size_t index);

/*
 * "clients.jobber-app.allow[1].user", cut to size. What lies below a client_secret or client_key is left out: it may be the
 * secret itself.
 */
const char *yaml_place_format(const struct yaml_place *place, char *buffer, size_t size);

/* Adds a mistake at the node's line and column. 0 or a fault. */
int yaml_mistake(const struct yaml_place *place, const struct yaml_node *node, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
