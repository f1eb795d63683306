/* What the reading of an answer and of its version both ask of the provider's rules. */
#include "daemon/protocol/api_reading.h"

#include <string.h>

const struct answer_rule *api_find_rule(const struct api_reading *reading, unsigned meanings)
{
        return answer_find_rule(&reading->answer, reading->provider->api_rules,
                                reading->provider->n_api_rules, meanings);
}

bool api_rule_is_about_version(const struct api_reading *reading, const struct answer_rule *rule)
{
        const char *warning = reading->provider->api.version_warning;

        return rule->member && warning && strcmp(rule->member, warning) == 0;
}
