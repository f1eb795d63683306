/*
 * Mappings to structs by tables: key, reader, field. A mistake is added to the place's problems and leaves
 * the field as it was; what readers return is 0 or a fault. Knows no key by itself.
 */
#pragma once

#include "daemon/config/yaml_doc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct yaml_key;

/* field: the object that the table is for, moved on by the key's offset. */
typedef int yaml_reader(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                        void *field);

struct yaml_key {
        const char *name; /* NULL ends a table */
        yaml_reader *read;
        size_t offset;
        const void *more; /* as the reader says */
        bool required;
};

/*
 * Reads what the table names; every other key is a mistake. seen: bit i is set when key i was there; NULL:
 * nobody asks.
 */
int yaml_read_mapping(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *keys,
                      void *object, uint64_t *seen);
/* Adds a mistake for each required key that was not seen; node says where. */
int yaml_require(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *keys,
                 uint64_t seen);

/* char *: one line, not empty. null (without quotes): none. more: a struct yaml_text_rule, or NULL. */
int yaml_read_text(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                   void *field);
/* The same, of several lines. */
int yaml_read_long_text(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                        void *field);
/* An enum or int. more: struct yaml_word [] that ends with a name NULL. */
int yaml_read_word(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                   void *field);
int yaml_read_bool(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                   void *field);
/* unsigned. more: struct yaml_range. */
int yaml_read_number(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                     void *field);
/* uint64_t, microseconds. more: struct yaml_range, in seconds. */
int yaml_read_duration(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                       void *field);
/* more: a table for the mapping below this key, of the same object: offset is 0. */
int yaml_read_section(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                      void *field);
/* Somebody else reads this key. */
int yaml_read_nothing(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                      void *field);

struct yaml_text_rule {
        bool (*holds)(const char *text);
        const char *must; /* "must be an absolute path" */
};

struct yaml_word {
        const char *name;
        int value;
};

struct yaml_range {
        unsigned min, max;
        const char *must; /* "must be 1s to 10m" */
};

bool yaml_is_null(const struct yaml_node *node); /* null or ~, without quotes */
bool yaml_is_nothing(const struct yaml_node *node); /* nothing at all behind the colon */

/*
 * True and *ret when the node is a line or several of text; else false, the mistake added, *ret_r 0 or a
 * fault.
 */
bool yaml_check_text(const struct yaml_place *at, const struct yaml_node *node, bool several_lines,
                     int *ret_r);
/* The same for a mapping or sequence. One without anything behind its colon is false, too, and no mistake. */
bool yaml_check_kind(const struct yaml_place *at, const struct yaml_node *node, enum yaml_kind kind,
                     int *ret_r);

/* "; did you mean 'x'?", or "" when nothing is near. Returns buffer. */
const char *yaml_hint(const char *word, const char *const *known, size_t n, char *buffer, size_t size);
