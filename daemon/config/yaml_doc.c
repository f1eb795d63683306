/*
 * libyaml's events to a tree. Owns the limits of a document and the refusal of what a configuration does not
 * need; refuses to know what any key means.
 */
#include "daemon/config/yaml_doc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

struct doc {
        yaml_parser_t parser;
        const char *bytes;
        size_t n;
        unsigned depth;
        size_t n_nodes;
        bool mistakes;
        bool unusable; /* a value is missing from the tree: looking on would find mistakes that are none */
};

static void doc_done(struct doc *doc)
{
        yaml_parser_delete(&doc->parser);
}

/* Adds a mistake at a mark of libyaml's, which counts from 0. */
static int __attribute__((format(printf, 4, 5)))
doc_mistake(struct doc *doc, const struct yaml_place *at, yaml_mark_t mark, const char *format, ...)
{
        struct yaml_node node = { .line = (unsigned)mark.line + 1, .column = (unsigned)mark.column + 1 };
        struct diag message = DIAG_INIT;
        va_list ap;

        va_start(ap, format);
        diag_vset(&message, format, ap);
        va_end(ap);
        doc->mistakes = true;
        return yaml_mistake(at, &node, "%s", message.text);
}

/* As doc_mistake(), for what ends the reading of this file. */
#define doc_stop(doc, at, mark, ...)                                                                         \
        ({                                                                                                   \
                int stop_ = doc_mistake((doc), (at), (mark), __VA_ARGS__);                                   \
                (doc)->unusable = true;                                                                      \
                stop_ < 0 ? stop_ : YAML_E_MISTAKES;                                                         \
        })

/* libyaml's reader tells a byte offset alone. Columns count characters, as its marks do. */
static yaml_mark_t mark_of_offset(const struct doc *doc, size_t offset)
{
        yaml_mark_t mark = { 0 };

        for (size_t i = 0; i < offset && i < doc->n; i++) {
                if (doc->bytes[i] == '\n') {
                        mark.line++;
                        mark.column = 0;
                } else if ((doc->bytes[i] & 0xc0) != 0x80) {
                        mark.column++;
                }
        }
        return mark;
}

/*
 * libyaml's words hold no text of the document. It reads ahead, so that the path so far would often be a
 * wrong one.
 */
static int parser_mistake(struct doc *doc, const struct yaml_place *at)
{
        const yaml_parser_t *parser = &doc->parser;
        yaml_mark_t mark = parser->problem_mark;

        while (at->parent)
                at = at->parent;
        if (parser->error == YAML_MEMORY_ERROR)
                return fault(-ENOMEM);
        if (parser->error == YAML_READER_ERROR)
                return doc_stop(doc, at, mark_of_offset(doc, parser->problem_offset), "not valid YAML: %s",
                                parser->problem);
        if (mark.index < doc->n && doc->bytes[mark.index] == '\t')
                return doc_stop(doc, at, mark, "not valid YAML: a tab; indent with blanks");
        if (parser->context)
                return doc_stop(doc, at, mark, "not valid YAML: %s %s (line %zu)", parser->problem,
                                parser->context, parser->context_mark.line + 1);
        return doc_stop(doc, at, mark, "not valid YAML: %s", parser->problem);
}

static int next_event(struct doc *doc, const struct yaml_place *at, yaml_event_t *ret)
{
        return yaml_parser_parse(&doc->parser, ret) ? 0 : parser_mistake(doc, at);
}

static int node_new(struct doc *doc, const struct yaml_place *at, const yaml_event_t *event,
                    enum yaml_kind kind, struct yaml_node **ret)
{
        struct yaml_node *node;

        if (++doc->n_nodes > YAML_NODES_MAX)
                return doc_stop(doc, at, event->start_mark, "too large: more than %d values", YAML_NODES_MAX);
        node = calloc(1, sizeof(*node));
        if (!node)
                return fault(-ENOMEM);
        node->kind = kind;
        node->line = (unsigned)event->start_mark.line + 1;
        node->column = (unsigned)event->start_mark.column + 1;
        *ret = node;
        return 0;
}

static int refuse_anchor_and_tag(struct doc *doc, const struct yaml_place *at, const yaml_event_t *event,
                                 const void *anchor, const void *tag)
{
        if (anchor)
                return doc_mistake(doc, at, event->start_mark,
                                   "anchors (&) are not supported: write the value out");
        if (tag)
                return doc_mistake(doc, at, event->start_mark,
                                   "tags (!) are not supported: write the value alone");
        return 0;
}

static int parse_scalar(struct doc *doc, const struct yaml_place *at, const yaml_event_t *event,
                        struct yaml_node **ret)
{
        _cleanup_(yaml_node_freep) struct yaml_node *node = NULL;
        const char *text = (const char *)event->data.scalar.value;
        int r;

        r = node_new(doc, at, event, YAML_SCALAR, &node);
        if (r != 0)
                return r;
        r = refuse_anchor_and_tag(doc, at, event, event->data.scalar.anchor, event->data.scalar.tag);
        if (r == 0 && strlen(text) != event->data.scalar.length)
                r = doc_mistake(doc, at, event->start_mark, "holds a control character");
        if (r < 0)
                return r;
        node->scalar = strdup(text);
        if (!node->scalar)
                return fault(-ENOMEM);
        node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        *ret = take_ptr(node);
        return 0;
}

/* Doubles the room when it is used up. */
static int grow(struct yaml_node ***array, size_t n)
{
        struct yaml_node **larger;

        if ((n & (n - 1)) != 0 && n != 0)
                return 0;
        larger = reallocarray(*array, n == 0 ? 1 : 2 * n, sizeof(**array));
        if (!larger)
                return fault(-ENOMEM);
        *array = larger;
        return 0;
}

static int check_room(struct doc *doc, const struct yaml_place *at, const struct yaml_node *node,
                      const yaml_event_t *event)
{
        if (node->n_items < YAML_ITEMS_MAX)
                return 0;
        return doc_stop(doc, at, event->start_mark, "too large: more than %d items", YAML_ITEMS_MAX);
}

static int parse_node(struct doc *doc, const struct yaml_place *at, const yaml_event_t *event,
                      struct yaml_node **ret);

static int parse_sequence(struct doc *doc, const struct yaml_place *at, struct yaml_node *node)
{
        for (;;) {
                _cleanup_(yaml_event_delete) yaml_event_t event = { 0 };
                struct yaml_place here = yaml_place_index(at, node->n_items);
                struct yaml_node *item = NULL;
                int r;

                r = next_event(doc, at, &event);
                if (r != 0 || event.type == YAML_SEQUENCE_END_EVENT)
                        return r;
                r = check_room(doc, at, node, &event);
                if (r == 0)
                        r = grow(&node->items, node->n_items);
                if (r == 0)
                        r = parse_node(doc, &here, &event, &item);
                if (r != 0)
                        return r;
                if (item)
                        node->items[node->n_items++] = item;
        }
}

static size_t find_key(const struct yaml_node *mapping, const char *key)
{
        size_t i = 0;

        while (i < mapping->n_items && strcmp(mapping->keys[i]->scalar, key) != 0)
                i++;
        return i;
}

static int add_pair(struct doc *doc, const struct yaml_place *at, struct yaml_node *mapping,
                    struct yaml_node **key, struct yaml_node **value)
{
        struct yaml_place here = yaml_place_key(at, (*key)->scalar);
        size_t same = find_key(mapping, (*key)->scalar);
        int r;

        if (same < mapping->n_items) {
                doc->mistakes = true;
                return yaml_mistake(&here, *key, "duplicate key; it is already in line %u",
                                    mapping->keys[same]->line);
        }
        r = grow(&mapping->keys, mapping->n_items);
        if (r == 0)
                r = grow(&mapping->items, mapping->n_items);
        if (r < 0)
                return r;
        mapping->keys[mapping->n_items] = take_ptr(*key);
        mapping->items[mapping->n_items++] = take_ptr(*value);
        return 0;
}

static int parse_value(struct doc *doc, const struct yaml_place *at, const char *key, struct yaml_node **ret)
{
        _cleanup_(yaml_event_delete) yaml_event_t event = { 0 };
        struct yaml_place here = yaml_place_key(at, key);
        int r;

        r = next_event(doc, &here, &event);
        return r != 0 ? r : parse_node(doc, &here, &event, ret);
}

/* "{{ name }}", an unfilled template, is the usual way to come by a key that is no text. */
static int refuse_key(struct doc *doc, const struct yaml_place *at, const yaml_event_t *event)
{
        return doc_mistake(doc, at, event->start_mark,
                           "a key must be text; quote a value that begins with a brace or bracket");
}

static int parse_pair(struct doc *doc, const struct yaml_place *at, const yaml_event_t *event,
                      struct yaml_node *mapping)
{
        _cleanup_(yaml_node_freep) struct yaml_node *key = NULL, *value = NULL;
        int r;

        r = check_room(doc, at, mapping, event);
        if (r == 0)
                r = parse_node(doc, at, event, &key);
        if (r != 0)
                return r;
        if (!key || key->kind != YAML_SCALAR) {
                r = key ? refuse_key(doc, at, event) : 0;
                return r != 0 ? r : parse_value(doc, at, "", &value);
        }
        r = parse_value(doc, at, key->scalar, &value);
        if (r != 0 || !value)
                return r;
        return add_pair(doc, at, mapping, &key, &value);
}

static int parse_mapping(struct doc *doc, const struct yaml_place *at, struct yaml_node *node)
{
        for (;;) {
                _cleanup_(yaml_event_delete) yaml_event_t event = { 0 };
                int r;

                r = next_event(doc, at, &event);
                if (r != 0 || event.type == YAML_MAPPING_END_EVENT)
                        return r;
                r = parse_pair(doc, at, &event, node);
                if (r != 0)
                        return r;
        }
}

static int parse_collection(struct doc *doc, const struct yaml_place *at, const yaml_event_t *event,
                            struct yaml_node **ret)
{
        bool sequence = event->type == YAML_SEQUENCE_START_EVENT;
        _cleanup_(yaml_node_freep) struct yaml_node *node = NULL;
        int r;

        if (doc->depth >= YAML_DEPTH_MAX)
                return doc_stop(doc, at, event->start_mark, "nested too deeply: more than %d levels",
                                YAML_DEPTH_MAX);
        r = node_new(doc, at, event, sequence ? YAML_SEQUENCE : YAML_MAPPING, &node);
        if (r != 0)
                return r;
        r = sequence ? refuse_anchor_and_tag(doc, at, event, event->data.sequence_start.anchor,
                                             event->data.sequence_start.tag)
                     : refuse_anchor_and_tag(doc, at, event, event->data.mapping_start.anchor,
                                             event->data.mapping_start.tag);
        if (r < 0)
                return r;
        doc->depth++;
        r = sequence ? parse_sequence(doc, at, node) : parse_mapping(doc, at, node);
        doc->depth--;
        if (r == 0)
                *ret = take_ptr(node);
        return r;
}

/* *ret stays NULL for an alias. */
static int parse_node(struct doc *doc, const struct yaml_place *at, const yaml_event_t *event,
                      struct yaml_node **ret)
{
        switch (event->type) {
        case YAML_SCALAR_EVENT:
                return parse_scalar(doc, at, event, ret);
        case YAML_SEQUENCE_START_EVENT:
        case YAML_MAPPING_START_EVENT:
                return parse_collection(doc, at, event, ret);
        default:
                doc->unusable = true;
                return doc_mistake(doc, at, event->start_mark,
                                   "aliases (*) are not supported: write the value out");
        }
}

/* Up to the end, or to the beginning of a second document, which is one too many. */
static int parse_stream(struct doc *doc, const struct yaml_place *at, struct yaml_node **ret)
{
        unsigned n_documents = 0;

        for (;;) {
                _cleanup_(yaml_event_delete) yaml_event_t event = { 0 };
                int r = next_event(doc, at, &event);

                if (r != 0 || event.type == YAML_STREAM_END_EVENT)
                        return r;
                if (event.type == YAML_STREAM_START_EVENT || event.type == YAML_DOCUMENT_END_EVENT)
                        continue;
                if (event.type == YAML_DOCUMENT_START_EVENT) {
                        if (++n_documents == 1)
                                continue;
                        return doc_mistake(doc, at, event.start_mark,
                                           "a second document: one file holds one");
                }
                r = parse_node(doc, at, &event, ret);
                if (r != 0)
                        return r;
        }
}

/* A plain empty scalar is what libyaml makes of "---" with nothing after it. */
static bool is_without_content(const struct yaml_node *node)
{
        return node && node->kind == YAML_SCALAR && node->plain && !*node->scalar;
}

int yaml_doc_parse(struct yaml_node **ret, const char *file, const char *bytes, size_t n,
                   struct problems *problems)
{
        struct yaml_place root = { .file = file, .problems = problems, .key = "" };
        _cleanup_(yaml_node_freep) struct yaml_node *node = NULL;
        _cleanup_(doc_done) struct doc doc = { .bytes = bytes, .n = n };
        int r;

        if (!yaml_parser_initialize(&doc.parser))
                return fault(-ENOMEM);
        if (n > YAML_DOC_MAX) {
                r = doc_stop(&doc, &root, (yaml_mark_t){ 0 }, "too large: more than %d bytes", YAML_DOC_MAX);
        } else {
                yaml_parser_set_input_string(&doc.parser, (const unsigned char *)bytes, n);
                yaml_parser_set_encoding(&doc.parser, YAML_UTF8_ENCODING);
                r = parse_stream(&doc, &root, &node);
        }
        if (r < 0)
                return r;
        *ret = doc.unusable || is_without_content(node) ? NULL : take_ptr(node);
        return doc.mistakes ? YAML_E_MISTAKES : 0;
}

struct yaml_node *yaml_node_free(struct yaml_node *node)
{
        if (!node)
                return NULL;
        for (size_t i = 0; i < node->n_items; i++) {
                yaml_node_free(node->items[i]);
                if (node->keys)
                        yaml_node_free(node->keys[i]);
        }
        free(node->items);
        free(node->keys);
        free(node->scalar);
        free(node);
        return NULL;
}

const struct yaml_node *yaml_node_get(const struct yaml_node *mapping, const char *key)
{
        size_t i;

        if (!mapping || mapping->kind != YAML_MAPPING)
                return NULL;
        i = find_key(mapping, key);
        return i < mapping->n_items ? mapping->items[i] : NULL;
}

struct yaml_place yaml_place_key(const struct yaml_place *parent, const char *key)
{
        struct yaml_place place = *parent;

        place.parent = parent;
        place.key = key;
        return place;
}

struct yaml_place yaml_place_index(const struct yaml_place *parent, size_t index)
{
        struct yaml_place place = *parent;

        place.parent = parent;
        place.key = NULL;
        place.index = index;
        return place;
}

/* Appends to the path; the end says that something was cut off. */
static void path_append(char *buffer, size_t size, const char *key, size_t index)
{
        size_t n = strlen(buffer);
        const char *dot = n > 0 ? "." : "";
        int more = key ? snprintf(buffer + n, size - n, "%s%.60s%s", dot, key, strlen(key) > 60 ? "..." : "")
                       : snprintf(buffer + n, size - n, "[%zu]", index);

        if (more >= 0 && (size_t)more >= size - n && size > 4)
                memcpy(buffer + size - 4, "...", 4);
}

/* False when nothing further may be shown. */
static bool path_format(const struct yaml_place *place, char *buffer, size_t size)
{
        if (place->parent && !path_format(place->parent, buffer, size))
                return false;
        path_append(buffer, size, place->parent && place->key && !*place->key ? "''" : place->key,
                    place->index);
        return !place->key ||
               (strcmp(place->key, "client_secret") != 0 && strcmp(place->key, "client_key") != 0);
}

const char *yaml_place_format(const struct yaml_place *place, char *buffer, size_t size)
{
        buffer[0] = '\0';
        path_format(place, buffer, size);
        return buffer;
}

int yaml_mistake(const struct yaml_place *place, const struct yaml_node *node, const char *format, ...)
{
        char path[256];
        va_list ap;
        int r;

        va_start(ap, format);
        r = problems_vadd(place->problems, place->file, node->line, node->column,
                          yaml_place_format(place, path, sizeof(path)), format, ap);
        va_end(ap);
        return r;
}
