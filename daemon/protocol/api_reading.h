/* An answer of the API while it is read: api_answer.c, api_version.c and nobody else. */
#pragma once

#include "daemon/protocol/answer.h"
#include "daemon/protocol/api.h"

struct api_reading {
        const struct provider *provider;
        bool graphql; /* else REST */
        struct answer answer;
        struct api_answer *result;
};

/* The first of the provider's rules that matches, among those whose meaning is in the set; NULL: none. */
const struct answer_rule *api_find_rule(const struct api_reading *reading, unsigned meanings);

/* True when it looks at the version's warning, and so speaks of nothing else. */
bool api_rule_is_about_version(const struct api_reading *reading, const struct answer_rule *rule);

/*
 * Fills in served_version, version_warning and version_state; the verdict must be there. api_version NULL: none is pinned. Returns the
 * rule that the state comes from; NULL: none.
 */
const struct answer_rule *api_read_version(const struct api_reading *reading, const char *api_version);
