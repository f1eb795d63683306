/* on_event: commands, what each wants to be told, and whether its program may be run at all. */
#include "daemon/config/config_internal.h"

#include "common/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HOOKS_MAX = 16, WORDS_MAX = 32, DEFAULT_TIMEOUT_SEC = 30 };

static const struct yaml_word events[] = {
        { "authorization-required", HOOK_AUTHORIZATION_REQUIRED },
        { "unavailable", HOOK_UNAVAILABLE },
        { "foreign-refresher", HOOK_FOREIGN_REFRESHER },
        { "version-to-be-removed", HOOK_VERSION_TO_BE_REMOVED },
        { "version-gone", HOOK_VERSION_GONE },
        { "saving-fails", HOOK_SAVING_FAILS },
        { "recovered", HOOK_RECOVERED },
        { 0 },
};

const char *hook_event_name(enum hook_event event)
{
        return events[event].name;
}

/* ---- reading ---- */

static bool is_absolute(const char *path)
{
        return path[0] == '/';
}

static int read_word(const struct yaml_place *at, const struct yaml_node *node, bool first, char **ret)
{
        static const struct yaml_text_rule absolute = { is_absolute, "must be an absolute path" };
        const struct yaml_key key = { "command", NULL, 0, first ? &absolute : NULL, true };

        return yaml_read_text(at, node, &key, ret);
}

static int read_words(const struct yaml_place *at, const struct yaml_node *node, struct hook_config *hook)
{
        int r = 0;

        if (node->n_items == 0 || node->n_items > WORDS_MAX)
                return yaml_mistake(at, node, "must be a program and at most %d arguments", WORDS_MAX - 1);
        for (size_t i = 0; i < node->n_items && r == 0; i++) {
                struct yaml_place here = yaml_place_index(at, i);

                r = read_word(&here, node->items[i], i == 0, &hook->command[i]);
        }
        hook->n_command = node->n_items;
        return r;
}

static int read_command(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                        void *field)
{
        struct hook_config *hook = field;
        int r = 0;

        if (hook->command) /* given twice, which was told */
                return 0;
        hook->command = calloc(WORDS_MAX + 1, sizeof(*hook->command));
        if (!hook->command)
                return fault(-ENOMEM);
        if (node->kind == YAML_SCALAR) {
                hook->n_command = 1;
                return read_word(at, node, true, &hook->command[0]);
        }
        return yaml_check_kind(at, node, YAML_SEQUENCE, &r) ? read_words(at, node, hook) : r;
}

static int read_events(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                       void *field)
{
        static const struct yaml_key one = { "event", NULL, 0, events, true };
        unsigned *bits = field;
        int r = 0;

        if (!yaml_check_kind(at, node, YAML_SEQUENCE, &r))
                return r;
        if (node->n_items == 0)
                return yaml_mistake(at, node, "names none; leave it out for all");
        *bits = 0;
        for (size_t i = 0; i < node->n_items && r == 0; i++) {
                struct yaml_place here = yaml_place_index(at, i);
                int event = -1;

                r = yaml_read_word(&here, node->items[i], &one, &event);
                if (event >= 0)
                        *bits |= 1u << event;
        }
        if (r == 0 && *bits == 1u << HOOK_RECOVERED)
                r = yaml_mistake(at, node, "must name what there is to recover from, too");
        return r;
}

static const struct yaml_range timeouts = { 1, 600, "must be a duration from 1s to 10m" };

static const struct yaml_key hook_keys[] = {
        { "command", read_command, 0, NULL, true },
        { "events", read_events, offsetof(struct hook_config, events), NULL, false },
        { "timeout", yaml_read_duration, offsetof(struct hook_config, timeout_usec), &timeouts, false },
        { 0 },
};

static int read_hook(const struct yaml_place *at, const struct yaml_node *node, struct hook_config *hook)
{
        uint64_t seen = 0;
        int r = 0;

        *hook = (struct hook_config){
                .events = (1u << N_HOOK_EVENTS) - 1,
                .timeout_usec = DEFAULT_TIMEOUT_SEC * USEC_PER_SEC,
                .place = { at->file, node->line, node->column },
        };
        if (!yaml_check_kind(at, node, YAML_MAPPING, &r))
                return r != 0 || !yaml_is_nothing(node) ? r : yaml_mistake(at, node, "must have a command");
        r = yaml_read_mapping(at, node, hook_keys, hook, &seen);
        return r == 0 ? yaml_require(at, node, hook_keys, seen) : r;
}

int read_hooks(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
               void *field)
{
        struct config *config = field;
        struct hook_config *hooks;
        int r = 0;

        if (!yaml_check_kind(at, node, YAML_SEQUENCE, &r))
                return r;
        if (config->n_hooks + node->n_items > HOOKS_MAX)
                return yaml_mistake(at, node, "has too many commands: at most %d in all files", HOOKS_MAX);
        if (node->n_items == 0)
                return 0;
        hooks = reallocarray(config->hooks, config->n_hooks + node->n_items, sizeof(*hooks));
        if (!hooks)
                return fault(-ENOMEM);
        config->hooks = hooks;
        for (size_t i = 0; i < node->n_items && r == 0; i++) {
                struct yaml_place here = yaml_place_index(at, i);

                r = read_hook(&here, node->items[i], &config->hooks[config->n_hooks++]);
        }
        return r;
}

void hooks_config_done(struct config *config)
{
        for (size_t i = 0; i < config->n_hooks; i++) {
                for (char **word = config->hooks[i].command;
                     word && word - config->hooks[i].command < WORDS_MAX; word++)
                        free(*word);
                free(config->hooks[i].command);
        }
        free(config->hooks);
}

/* ---- the programs ---- */

int hook_check(const struct hook_config *hook, unsigned own_uid, struct diag *diag)
{
        const char *path = hook->command[0];
        struct stat st;

        if (stat(path, &st) < 0)
                diag_set(diag, "the program %s cannot be used: %s", path, strerrordesc_np(errno));
        else if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
                diag_set(diag, "the program %s is no file that may be executed (chmod +x)", path);
        else if ((st.st_uid != 0 && st.st_uid != own_uid) || (st.st_mode & 0002) ||
                 ((st.st_mode & 0020) && st.st_gid != 0))
                diag_set(diag,
                         "the program %s may be changed by others; it must belong to root or to purserd's "
                         "user, "
                         "and nobody else may write it (chown, chmod go-w)",
                         path);
        else
                return 0;
        return HOOK_E_UNUSABLE;
}

int config_check_hooks(const struct config *config, unsigned own_uid, struct problems *problems)
{
        size_t n_before = problems_count(problems);

        for (size_t i = 0; i < config->n_hooks; i++) {
                const struct config_place *place = &config->hooks[i].place;
                struct diag diag = DIAG_INIT;
                int r;

                if (hook_check(&config->hooks[i], own_uid, &diag) == 0)
                        continue;
                r = problems_add(problems, place->file, place->line, place->column, "on_event", "%s",
                                 diag.text);
                if (r < 0)
                        return r;
        }
        return problems_count(problems) > n_before ? CONFIG_E_MISTAKES : 0;
}
