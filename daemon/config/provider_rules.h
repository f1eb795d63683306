/* The lists of rules in a provider file: how answers are to be read. */
#pragma once

#include "daemon/config/provider.h"
#include "daemon/config/yaml_read.h"

/*
 * A list of rules to the token_rules or api_rules, which it replaces, of the struct provider that field is.
 */
int provider_read_token_rules(const struct yaml_place *at, const struct yaml_node *node,
                              const struct yaml_key *key, void *field);
int provider_read_api_rules(const struct yaml_place *at, const struct yaml_node *node,
                            const struct yaml_key *key, void *field);

int answer_rules_copy(struct answer_rule **ret, size_t *ret_n, const struct answer_rule *rules, size_t n);
void answer_rules_free(struct answer_rule *rules, size_t n);

/* "" or reference tokens, each after a slash (RFC 6901 section 3). */
bool json_pointer_is_valid(const char *text);
