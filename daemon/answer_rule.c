/* Matching answers with rules. Owns what "contains" means; what follows from a match is the caller's. */
#include "daemon/answer_rule.h"

#include "daemon/json_text.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* memmem(3) without regard to the case of ASCII letters; the body may hold NULs. */
static bool contains(const char *text, size_t n, const char *words)
{
        size_t n_words = strlen(words);

        for (size_t i = 0; n_words <= n && i <= n - n_words; i++)
                if (strncasecmp(text + i, words, n_words) == 0)
                        return true;
        return false;
}

static bool member_matches(const struct answer_rule *rule, const json_t *root)
{
        const char *text = json_text_string_at(root, rule->member);

        return text && (!rule->contains || contains(text, strlen(text), rule->contains));
}

static bool rule_matches(const struct answer_rule *rule, const struct ruled_answer *answer)
{
        if (rule->status != 0 && rule->status != answer->status)
                return false;
        if (rule->error) {
                const char *error = json_text_string_at(answer->root, "/error");
                if (!error || strcmp(error, rule->error) != 0)
                        return false;
        }
        if (rule->member)
                return member_matches(rule, answer->root);
        return !rule->contains || contains(answer->body, answer->n_body, rule->contains);
}

const struct answer_rule *answer_rule_find(const struct answer_rule *rules, size_t n_rules, unsigned meanings,
                                           const struct ruled_answer *answer)
{
        for (size_t i = 0; i < n_rules; i++)
                if ((meanings & MEANING_BIT(rules[i].meaning)) && rule_matches(&rules[i], answer))
                        return &rules[i];
        return NULL;
}
