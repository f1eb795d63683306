/* Reads rules. Applying them to an answer is for whoever holds the answer. */
#include "daemon/config/provider_rules.h"

#include <errno.h>
#include <string.h>

enum {
        RULES_MAX = 200,
        SAY_MAX = 300, /* bytes; it ends up in one line of a status */
};

#define GRANT_MEANINGS                                                                                       \
        { "authorization_required", MEANING_AUTHORIZATION_REQUIRED }, { "try_again", MEANING_TRY_AGAIN },    \
        {                                                                                                    \
                "notice", MEANING_NOTICE                                                                     \
        }
#define TOKEN_MEANINGS                                                                                       \
        { "disconnected", MEANING_DISCONNECTED }, { "client_refused", MEANING_CLIENT_REFUSED },              \
        {                                                                                                    \
                "foreign_refresher", MEANING_FOREIGN_REFRESHER                                               \
        }
#define API_MEANINGS                                                                                         \
        { "token_rejected", MEANING_TOKEN_REJECTED },                                                        \
                { "version_unsupported", MEANING_VERSION_UNSUPPORTED },                                      \
        {                                                                                                    \
                "version_to_be_removed", MEANING_VERSION_TO_BE_REMOVED                                       \
        }

static const struct yaml_word meanings[] = { GRANT_MEANINGS, TOKEN_MEANINGS, API_MEANINGS, { NULL, 0 } };
static const struct yaml_word token_meanings[] = { GRANT_MEANINGS, TOKEN_MEANINGS, { NULL, 0 } };
static const struct yaml_word api_meanings[] = { GRANT_MEANINGS, API_MEANINGS, { NULL, 0 } };

const char *meaning_name(enum meaning meaning)
{
        for (const struct yaml_word *word = meanings; word->name; word++)
                if (word->value == (int)meaning)
                        return word->name;
        return "none";
}

bool json_pointer_is_valid(const char *text)
{
        if (*text && *text != '/')
                return false;
        for (const char *p = strchr(text, '~'); p; p = strchr(p + 1, '~'))
                if (p[1] != '0' && p[1] != '1')
                        return false;
        return true;
}

static bool is_short(const char *text)
{
        return strlen(text) <= SAY_MAX;
}

static const struct yaml_range statuses = { 100, 599, "must be an HTTP status, 100 to 599" };
static const struct yaml_text_rule pointer = { json_pointer_is_valid,
                                               "must be a JSON pointer, like /errors/0/message (RFC 6901)" };
static const struct yaml_text_rule short_text = { is_short, "is too long: at most 300 bytes" };

#define FIELD(name) offsetof(struct answer_rule, name)
#define RULE_KEYS(words)                                                                                     \
        { "status", yaml_read_number, FIELD(status), &statuses, false },                                     \
                { "error", yaml_read_text, FIELD(error), NULL, false },                                      \
                { "member", yaml_read_text, FIELD(member), &pointer, false },                                \
                { "contains", yaml_read_text, FIELD(contains), NULL, false },                                \
                { "means", yaml_read_word, FIELD(meaning), words, true },                                    \
        {                                                                                                    \
                "say", yaml_read_text, FIELD(say), &short_text, false                                        \
        }

static const struct yaml_key token_rule_keys[] = { RULE_KEYS(token_meanings), { 0 } };
static const struct yaml_key api_rule_keys[] = { RULE_KEYS(api_meanings), { 0 } };

static void rule_done(struct answer_rule *rule)
{
        free(rule->error);
        free(rule->member);
        free(rule->contains);
        free(rule->say);
}

void answer_rules_free(struct answer_rule *rules, size_t n)
{
        for (size_t i = 0; i < n; i++)
                rule_done(&rules[i]);
        free(rules);
}

static int copy_text(char **ret, const char *text)
{
        *ret = text ? strdup(text) : NULL;
        return text && !*ret ? fault(-ENOMEM) : 0;
}

static int rule_copy(struct answer_rule *ret, const struct answer_rule *rule)
{
        int r;

        ret->status = rule->status;
        ret->meaning = rule->meaning;
        r = copy_text(&ret->error, rule->error);
        if (r == 0)
                r = copy_text(&ret->member, rule->member);
        if (r == 0)
                r = copy_text(&ret->contains, rule->contains);
        if (r == 0)
                r = copy_text(&ret->say, rule->say);
        return r;
}

int answer_rules_copy(struct answer_rule **ret, size_t *ret_n, const struct answer_rule *rules, size_t n)
{
        struct answer_rule *copy;

        if (n == 0) {
                *ret = NULL;
                *ret_n = 0;
                return 0;
        }
        copy = calloc(n, sizeof(*copy));
        if (!copy)
                return fault(-ENOMEM);
        for (size_t i = 0; i < n; i++) {
                int r = rule_copy(&copy[i], &rules[i]);

                if (r < 0) {
                        answer_rules_free(copy, n);
                        return r;
                }
        }
        *ret = copy;
        *ret_n = n;
        return 0;
}

/* A rule that names nothing would match every answer. */
static int check_names_something(const struct yaml_place *at, const struct yaml_node *node)
{
        static const char *const matchers[] = { "status", "error", "member", "contains" };

        for (size_t i = 0; i < sizeof(matchers) / sizeof(matchers[0]); i++)
                if (yaml_node_get(node, matchers[i]))
                        return 0;
        return yaml_mistake(at, node, "must name at least one of status, error, member, contains");
}

static int read_rule(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *keys,
                     struct answer_rule *rule)
{
        uint64_t seen = 0;
        int r;

        if (node->kind != YAML_MAPPING)
                return yaml_mistake(at, node, "must be a mapping (key: value)");
        r = yaml_read_mapping(at, node, keys, rule, &seen);
        if (r == 0)
                r = yaml_require(at, node, keys, seen);
        if (r == 0)
                r = check_names_something(at, node);
        return r;
}

static int read_rules(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *keys,
                      struct answer_rule **rules, size_t *n_rules)
{
        struct answer_rule *fresh = NULL;
        int r = 0;

        if (!yaml_is_null(node) && !yaml_check_kind(at, node, YAML_SEQUENCE, &r))
                return r;
        if (node->n_items > RULES_MAX)
                return yaml_mistake(at, node, "has too many rules: at most %d", RULES_MAX);
        if (node->n_items > 0) {
                fresh = calloc(node->n_items, sizeof(*fresh));
                if (!fresh)
                        return fault(-ENOMEM);
        }
        for (size_t i = 0; i < node->n_items && r == 0; i++) {
                struct yaml_place here = yaml_place_index(at, i);

                r = read_rule(&here, node->items[i], keys, &fresh[i]);
        }
        answer_rules_free(*rules, *n_rules);
        *rules = fresh;
        *n_rules = node->n_items;
        return r;
}

int provider_read_token_rules(const struct yaml_place *at, const struct yaml_node *node,
                              const struct yaml_key *key, void *field)
{
        struct provider *provider = field;

        return read_rules(at, node, token_rule_keys, &provider->token_rules, &provider->n_token_rules);
}

int provider_read_api_rules(const struct yaml_place *at, const struct yaml_node *node,
                            const struct yaml_key *key, void *field)
{
        struct provider *provider = field;

        return read_rules(at, node, api_rule_keys, &provider->api_rules, &provider->n_api_rules);
}
