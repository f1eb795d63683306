/* Owns the words of the mistakes that every key can have: unknown, missing, wrong type, out of range. */
#include "daemon/config/yaml_read.h"

#include "common/clock.h"
#include "common/duration.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
        TEXT_MAX = 4096,
        LONG_TEXT_MAX = 65536,
        WORD_MAX = 64, /* longer ones are compared no further */
        KEYS_MAX = 64, /* of a table, so that `seen` has a bit for each */
};

/* ---- nearest words ---- */

static int fold(char c)
{
        return c == '-' || c == ' ' ? '_' : tolower((unsigned char)c);
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
        unsigned ab = a < b ? a : b;

        return ab < c ? ab : c;
}

/*
 * Insertions, deletions, substitutions and swaps of neighbours that turn a into b (optimal string alignment).
 */
static unsigned edit_distance(const char *a, const char *b)
{
        size_t n_a = strnlen(a, WORD_MAX), n_b = strnlen(b, WORD_MAX);
        unsigned d[WORD_MAX + 1][WORD_MAX + 1];

        for (size_t j = 0; j <= n_b; j++)
                d[0][j] = (unsigned)j;
        for (size_t i = 1; i <= n_a; i++) {
                d[i][0] = (unsigned)i;
                for (size_t j = 1; j <= n_b; j++) {
                        unsigned differ = fold(a[i - 1]) != fold(b[j - 1]);

                        d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + differ);
                        if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                            fold(a[i - 2]) == fold(b[j - 1]))
                                d[i][j] = min3(d[i][j], d[i - 2][j - 2] + 1, d[i][j]);
                }
        }
        return d[n_a][n_b];
}

static bool is_near(const char *word, const char *known, unsigned distance)
{
        size_t n = strlen(known) > strlen(word) ? strlen(known) : strlen(word);

        return distance <= 1 + n / 4 && distance < n;
}

static const char *nearest(const char *word, const char *const *known, size_t n)
{
        unsigned least = WORD_MAX;
        const char *found = NULL;

        for (size_t i = 0; i < n; i++) {
                unsigned distance = edit_distance(word, known[i]);

                if (distance < least && is_near(word, known[i], distance)) {
                        least = distance;
                        found = known[i];
                }
        }
        return found;
}

const char *yaml_hint(const char *word, const char *const *known, size_t n, char *buffer, size_t size)
{
        const char *near = nearest(word, known, n);

        buffer[0] = '\0';
        if (near)
                snprintf(buffer, size, "; did you mean '%s'?", near);
        return buffer;
}

/* "a, b and c" is for prose; a list to choose from is "a, b, c". */
static void join(const char *const *words, size_t n, char *buffer, size_t size)
{
        size_t used = 0;

        buffer[0] = '\0';
        for (size_t i = 0; i < n && used < size; i++) {
                int more = snprintf(buffer + used, size - used, "%s%s", i > 0 ? ", " : "", words[i]);

                used += more > 0 ? (size_t)more : 0;
        }
}

/* ---- mappings ---- */

static size_t key_names(const struct yaml_key *keys, const char **names)
{
        size_t n = 0;

        for (; keys[n].name; n++) {
                assert(n < KEYS_MAX);
                names[n] = keys[n].name;
        }
        return n;
}

/* The path ends in the key, so that the message need not name it. */
static int unknown_key(const struct yaml_place *at, const struct yaml_node *key, const struct yaml_key *keys)
{
        char hint[128], list[384];
        const char *names[KEYS_MAX];
        size_t n = key_names(keys, names);

        if (*yaml_hint(key->scalar, names, n, hint, sizeof(hint)))
                return yaml_mistake(at, key, "unknown key%s", hint);
        join(names, n, list, sizeof(list));
        return yaml_mistake(at, key, "unknown key; known here: %s", list);
}

static const struct yaml_key *find_key(const struct yaml_key *keys, const char *name)
{
        for (const struct yaml_key *key = keys; key->name; key++)
                if (strcmp(key->name, name) == 0)
                        return key;
        return NULL;
}

static int read_pair(const struct yaml_place *at, const struct yaml_node *name, const struct yaml_node *value,
                     const struct yaml_key *keys, void *object, uint64_t *seen)
{
        struct yaml_place here = yaml_place_key(at, name->scalar);
        const struct yaml_key *key = find_key(keys, name->scalar);

        if (!key)
                return unknown_key(&here, name, keys);
        *seen |= UINT64_C(1) << (key - keys);
        return key->read(&here, value, key, (char *)object + key->offset);
}

int yaml_read_mapping(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *keys,
                      void *object, uint64_t *seen)
{
        uint64_t seen_here = 0;
        int r = 0;

        if (!yaml_check_kind(at, node, YAML_MAPPING, &r))
                return r;
        for (size_t i = 0; i < node->n_items; i++) {
                r = read_pair(at, node->keys[i], node->items[i], keys, object, seen ? seen : &seen_here);
                if (r < 0)
                        return r;
        }
        return 0;
}

int yaml_require(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *keys,
                 uint64_t seen)
{
        for (size_t i = 0; keys[i].name; i++) {
                struct yaml_place here = yaml_place_key(at, keys[i].name);
                int r;

                if (!keys[i].required || (seen & UINT64_C(1) << i))
                        continue;
                r = yaml_mistake(&here, node, "is missing");
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- values ---- */

static bool is_plain(const struct yaml_node *node, const char *text)
{
        return node->kind == YAML_SCALAR && node->plain && strcmp(node->scalar, text) == 0;
}

bool yaml_is_null(const struct yaml_node *node)
{
        return is_plain(node, "null") || is_plain(node, "~");
}

bool yaml_is_nothing(const struct yaml_node *node)
{
        return is_plain(node, "");
}

static bool has_control_character(const char *text, bool several_lines)
{
        for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
                bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;

                if (several_lines && (*p == '\n' || *p == '\t'))
                        continue;
                if (*p < 0x20 || *p == 0x7f || c1)
                        return true;
        }
        return false;
}

/* What is wrong with a scalar as text, or NULL. */
static const char *text_mistake(const struct yaml_node *node, bool several_lines)
{
        if (yaml_is_nothing(node))
                return "has no value";
        if (!*node->scalar)
                return "must not be empty";
        if (!several_lines && strchr(node->scalar, '\n'))
                return "must be one line";
        if (has_control_character(node->scalar, several_lines))
                return "holds a control character";
        if (strlen(node->scalar) > (several_lines ? LONG_TEXT_MAX : TEXT_MAX))
                return "is too long";
        return NULL;
}

bool yaml_check_text(const struct yaml_place *at, const struct yaml_node *node, bool several_lines,
                     int *ret_r)
{
        const char *mistake = node->kind == YAML_SCALAR ? text_mistake(node, several_lines) : "must be text";

        *ret_r = mistake ? yaml_mistake(at, node, "%s", mistake) : 0;
        return !mistake;
}

bool yaml_check_kind(const struct yaml_place *at, const struct yaml_node *node, enum yaml_kind kind,
                     int *ret_r)
{
        *ret_r = 0;
        if (node->kind == kind)
                return true;
        if (!yaml_is_nothing(node))
                *ret_r = yaml_mistake(at, node, "must be a %s",
                                      kind == YAML_MAPPING ? "mapping (key: value)" : "list (- item)");
        return false;
}

static int set_text(char **field, const char *text)
{
        char *copy = NULL;

        if (text) {
                copy = strdup(text);
                if (!copy)
                        return fault(-ENOMEM);
        }
        free(*field);
        *field = copy;
        return 0;
}

static int read_text(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                     char **field, bool several_lines)
{
        const struct yaml_text_rule *rule = key->more;
        int r;

        if (yaml_is_null(node))
                return key->required ? yaml_mistake(at, node, "has no value") : set_text(field, NULL);
        if (!yaml_check_text(at, node, several_lines, &r))
                return r;
        if (rule && !rule->holds(node->scalar))
                return yaml_mistake(at, node, "%s", rule->must);
        return set_text(field, node->scalar);
}

int yaml_read_text(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                   void *field)
{
        return read_text(at, node, key, field, false);
}

int yaml_read_long_text(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                        void *field)
{
        return read_text(at, node, key, field, true);
}

static int unknown_word(const struct yaml_place *at, const struct yaml_node *node,
                        const struct yaml_word *words)
{
        const char *names[KEYS_MAX];
        char list[384];
        size_t n = 0;

        for (; words[n].name; n++) {
                assert(n < KEYS_MAX);
                names[n] = words[n].name;
        }
        join(names, n, list, sizeof(list));
        return yaml_mistake(at, node, "must be one of: %s", list);
}

int yaml_read_word(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                   void *field)
{
        int r;

        if (!yaml_check_text(at, node, false, &r))
                return r;
        for (const struct yaml_word *word = key->more; word->name; word++)
                if (strcmp(word->name, node->scalar) == 0) {
                        memcpy(field, &word->value, sizeof(word->value));
                        return 0;
                }
        return unknown_word(at, node, key->more);
}

int yaml_read_bool(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                   void *field)
{
        bool yes = is_plain(node, "true");

        if (!yes && !is_plain(node, "false"))
                return yaml_mistake(at, node, "must be true or false");
        *(bool *)field = yes;
        return 0;
}

/* Digits alone, at most nine of them, so that nothing overflows. */
static bool parse_number(const char *text, unsigned *ret)
{
        size_t n = strlen(text);

        if (n == 0 || n > 9 || strspn(text, "0123456789") != n)
                return false;
        *ret = (unsigned)strtoul(text, NULL, 10);
        return true;
}

int yaml_read_number(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                     void *field)
{
        const struct yaml_range *range = key->more;
        unsigned value;

        if (node->kind != YAML_SCALAR || !parse_number(node->scalar, &value) || value < range->min ||
            value > range->max)
                return yaml_mistake(at, node, "%s", range->must);
        *(unsigned *)field = value;
        return 0;
}

int yaml_read_duration(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                       void *field)
{
        const struct yaml_range *range = key->more;
        struct diag diag = DIAG_INIT;
        uint64_t usec;
        int r;

        if (!yaml_check_text(at, node, false, &r))
                return r;
        r = duration_parse(node->scalar, &usec, &diag);
        if (r < 0)
                return r;
        if (r > 0 || usec < range->min * USEC_PER_SEC || usec > range->max * USEC_PER_SEC)
                return yaml_mistake(at, node, "%s", range->must);
        *(uint64_t *)field = usec;
        return 0;
}

int yaml_read_section(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                      void *field)
{
        return yaml_read_mapping(at, node, key->more, field, NULL);
}

int yaml_read_nothing(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                      void *field)
{
        return 0;
}
