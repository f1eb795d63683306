/* Which of a provider's rules an answer meets. Pure. */
#pragma once

#include "daemon/provider.h"

#include <jansson.h>
#include <stddef.h>

#define MEANING_BIT(meaning) (1u << (meaning))

/* An answer as rules look at it. */
struct ruled_answer {
        long status;
        const char *body; /* not NULL */
        size_t n_body;
        const json_t *root; /* NULL: no JSON */
};

/* The first rule that matches, among those whose meaning is in the set; NULL: none. */
const struct answer_rule *answer_rule_find(const struct answer_rule *rules, size_t n_rules, unsigned meanings,
                                           const struct ruled_answer *answer);
