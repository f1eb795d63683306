/*
 * YAML bytes to a tree that remembers lines and columns; the only user of libyaml. No anchors, aliases, tags or several
 * documents: a configuration needs none of them. Duplicate keys are mistakes. Sizes and depth are limited.
 */
#pragma once

#include "common/cleanup.h"
#include "daemon/problems.h"

#include <stdbool.h>
#include <stddef.h>

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
        enum yaml_kind kind;
        unsigned line, column;   /* from 1 */
        char *scalar;            /* YAML_SCALAR: its text, NUL-terminated */
        bool plain;              /* YAML_SCALAR: written without quotes, so that null, true and numbers may be meant */
        struct yaml_node **items; /* YAML_SEQUENCE: the items; YAML_MAPPING: the values */
        struct yaml_node **keys;  /* YAML_MAPPING: scalar nodes */
        size_t n_items;
};

enum {
        YAML_E_MISTAKES = 1, /* added to problems */
};

/* file is for messages alone. *ret is NULL for a document without content. */
int yaml_doc_parse(struct yaml_node **ret, const char *file, const char *bytes, size_t n, struct problems *problems);
struct yaml_node *yaml_node_free(struct yaml_node *node);
DEFINE_FREEP(struct yaml_node *, yaml_node_free)

/* The value of a mapping's key, or NULL. */
const struct yaml_node *yaml_node_get(const struct yaml_node *mapping, const char *key);
