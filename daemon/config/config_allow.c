/*
 * Reads `allow` and `admins`. Names of users and groups become numbers here, once; asking who a caller is, is
 * for others.
 */
#include "daemon/config/config_internal.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <string.h>

enum {
        RULES_MAX = 256,
        LOOKUP_BUFFER_MAX = 1024 * 1024, /* a group with very many members */
};

static void rule_done(struct allow_rule *rule)
{
        free(rule->name);
}

void allow_list_done(struct allow_list *list)
{
        for (size_t i = 0; i < list->n; i++)
                rule_done(&list->rules[i]);
        free(list->rules);
        *list = (struct allow_list){ 0 };
}

/* 1: it is a number, which *ret then is; the largest one means "nobody" to the kernel. */
static bool parse_id(const char *text, unsigned *ret)
{
        size_t n = strlen(text);
        unsigned long long value;

        if (n == 0 || n > 10 || strspn(text, "0123456789") != n)
                return false;
        value = strtoull(text, NULL, 10);
        if (value >= UINT32_MAX)
                return false;
        *ret = (unsigned)value;
        return true;
}

/* What getpwnam_r(3) and getgrnam_r(3) share: 0 and found or not, or the error. */
static int lookup_user(const char *name, char *buffer, size_t size, bool *ret_found, unsigned *ret_id)
{
        struct passwd entry, *found = NULL;
        int error = getpwnam_r(name, &entry, buffer, size, &found);

        *ret_found = found;
        *ret_id = found ? found->pw_uid : 0;
        return error;
}

static int lookup_group(const char *name, char *buffer, size_t size, bool *ret_found, unsigned *ret_id)
{
        struct group entry, *found = NULL;
        int error = getgrnam_r(name, &entry, buffer, size, &found);

        *ret_found = found;
        *ret_id = found ? found->gr_gid : 0;
        return error;
}

/* The errors that getpwnam(3) lists for "not found". */
static bool means_not_found(int error)
{
        return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
}

/* *ret_error: 0 with *ret_found as it is, else why nobody can say. */
static int lookup(enum allow_kind kind, const char *name, bool *ret_found, unsigned *ret_id, int *ret_error)
{
        for (size_t size = 4096;; size *= 4) {
                _cleanup_(freep) char *buffer = malloc(size);
                int error;

                if (!buffer)
                        return fault(-ENOMEM);
                error = kind == ALLOW_USER ? lookup_user(name, buffer, size, ret_found, ret_id)
                                           : lookup_group(name, buffer, size, ret_found, ret_id);
                if (error == EINTR || (error == ERANGE && size < LOOKUP_BUFFER_MAX))
                        continue;
                *ret_error = means_not_found(error) ? 0 : error;
                return 0;
        }
}

static int read_id(const struct yaml_place *at, const struct yaml_node *node, enum allow_kind kind,
                   unsigned *ret)
{
        const char *what = kind == ALLOW_USER ? "user" : "group";
        int r, error = 0;
        bool found = false;

        if (parse_id(node->scalar, ret))
                return 0;
        r = lookup(kind, node->scalar, &found, ret, &error);
        if (r < 0)
                return r;
        if (error != 0)
                return yaml_mistake(at, node, "this %s could not be looked up: %s", what,
                                    strerrordesc_np(error));
        return found ? 0
                     : yaml_mistake(at, node, "there is no %s '%.64s' on this system", what, node->scalar);
}

/* systemd.unit(5). Processes live in services and scopes, and never in a template. */
static bool is_unit(const char *name)
{
        static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\@";
        const char *suffix = strrchr(name, '.');

        if (!suffix || (strcmp(suffix, ".service") != 0 && strcmp(suffix, ".scope") != 0))
                return false;
        return suffix > name && suffix[-1] != '@' && strlen(name) < 256 &&
               strspn(name, allowed) == strlen(name);
}

static int read_rule(const struct yaml_place *at, const struct yaml_node *node, enum allow_kind kind,
                     struct allow_rule *rule)
{
        int r;

        if (!yaml_check_text(at, node, false, &r))
                return r;
        rule->kind = kind;
        rule->name = strdup(node->scalar);
        if (!rule->name)
                return fault(-ENOMEM);
        if (kind != ALLOW_UNIT)
                return read_id(at, node, kind, &rule->id);
        return is_unit(node->scalar)
                       ? 0
                       : yaml_mistake(at, node, "must be the name of a unit, like sync.service");
}

#define ITEM_MUST "must name exactly one of user, group, unit"

static int read_user(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                     void *field)
{
        return read_rule(at, node, ALLOW_USER, field);
}

static int read_group(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                      void *field)
{
        return read_rule(at, node, ALLOW_GROUP, field);
}

static int read_unit(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                     void *field)
{
        return read_rule(at, node, ALLOW_UNIT, field);
}

static const struct yaml_key item_keys[] = {
        { "user", read_user, 0, NULL, false },
        { "group", read_group, 0, NULL, false },
        { "unit", read_unit, 0, NULL, false },
        { 0 },
};

static int read_item(const struct yaml_place *at, const struct yaml_node *node, struct allow_rule *rule)
{
        if (node->kind != YAML_MAPPING || node->n_items != 1)
                return yaml_mistake(at, node, ITEM_MUST);
        return yaml_read_mapping(at, node, item_keys, rule, NULL);
}

int read_allow(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
               void *field)
{
        struct allow_list *list = field;
        _cleanup_(allow_list_done) struct allow_list fresh = { .given = true };
        int r = 0;

        if (!yaml_check_kind(at, node, YAML_SEQUENCE, &r))
                return r;
        if (node->n_items > RULES_MAX)
                return yaml_mistake(at, node, "has too many rules: at most %d", RULES_MAX);
        if (node->n_items > 0) {
                fresh.rules = calloc(node->n_items, sizeof(*fresh.rules));
                if (!fresh.rules)
                        return fault(-ENOMEM);
        }
        for (; fresh.n < node->n_items && r == 0; fresh.n++) {
                struct yaml_place here = yaml_place_index(at, fresh.n);

                r = read_item(&here, node->items[fresh.n], &fresh.rules[fresh.n]);
        }
        if (r < 0)
                return r;
        allow_list_done(list);
        *list = fresh;
        fresh = (struct allow_list){ 0 };
        return 0;
}
