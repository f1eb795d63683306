/*
 * What an answer tells of the pinned version. Owns the order of its states: served as another says most, since that is what a removed
 * version looks like; warnings come after it.
 */
#include "daemon/protocol/api_reading.h"

#include "daemon/base/json_text.h"

#include <string.h>

static void read_served_version(const struct api_reading *reading)
{
        const struct provider *provider = reading->provider;
        struct api_answer *result = reading->result;
        const char *served =
                provider->api.served_version_header
                        ? reading->answer.response->served_version
                        : json_text_string_at(reading->answer.root, provider->api.served_version);

        if (served && strlen(served) < sizeof result->served_version)
                words_clean(result->served_version, sizeof result->served_version, served, strlen(served));
}

static void read_version_warning(const struct api_reading *reading)
{
        const char *warning =
                json_text_string_at(reading->answer.root, reading->provider->api.version_warning);

        if (warning)
                words_scrub(reading->result->version_warning, sizeof reading->result->version_warning,
                            warning, strlen(warning), &reading->answer.hidden);
}

/* A rule that only wants to be read (MEANING_NOTICE) takes a warning's sting where it is about the warning itself. */
static const struct answer_rule *find_version_rule(const struct api_reading *reading)
{
        const unsigned meanings =
                MEANING_BIT(MEANING_VERSION_UNSUPPORTED) | MEANING_BIT(MEANING_VERSION_TO_BE_REMOVED);
        const struct answer_rule *rule = api_find_rule(reading, meanings | MEANING_BIT(MEANING_NOTICE));

        if (rule && rule->meaning == MEANING_NOTICE && !api_rule_is_about_version(reading, rule))
                return api_find_rule(reading, meanings);
        return rule;
}

/* The wording of warnings changes over the years: one that no rule knows announces the end, to be read whole. */
static enum version_state warned_state(const struct api_reading *reading, const struct answer_rule *rule)
{
        if (rule && rule->meaning == MEANING_VERSION_UNSUPPORTED)
                return VERSION_UNSUPPORTED;
        if (rule && rule->meaning == MEANING_NOTICE)
                return VERSION_OK;
        return rule || *reading->result->version_warning ? VERSION_TO_BE_REMOVED : VERSION_OK;
}

/* What is plain without any words; VERSION_OK where the words decide. */
static enum version_state plain_state(const struct api_reading *reading, const char *api_version)
{
        const struct provider *provider = reading->provider;
        const struct api_answer *result = reading->result;

        if (!provider->api.version_header || !api_version)
                return VERSION_NONE;
        if (result->verdict == API_VERSION_UNSUPPORTED)
                return VERSION_UNSUPPORTED;
        if (*result->served_version)
                return strcmp(result->served_version, api_version) == 0 ? VERSION_OK
                                                                        : VERSION_SERVED_AS_ANOTHER;
        bool can_tell = provider->api.served_version || provider->api.served_version_header;
        return !*result->version_warning && (can_tell || result->verdict != API_OK) ? VERSION_UNKNOWN
                                                                                    : VERSION_OK;
}

const struct answer_rule *api_read_version(const struct api_reading *reading, const char *api_version)
{
        struct api_answer *result = reading->result;

        read_served_version(reading);
        read_version_warning(reading);
        result->version_state = plain_state(reading, api_version);
        if (result->version_state != VERSION_OK)
                return NULL;
        const struct answer_rule *rule = find_version_rule(reading);
        result->version_state = warned_state(reading, rule);
        return rule;
}

const char *version_state_name(enum version_state state)
{
        static const char *const names[] = {
                [VERSION_NONE] = "none",
                [VERSION_OK] = "ok",
                [VERSION_TO_BE_REMOVED] = "to-be-removed",
                [VERSION_UNSUPPORTED] = "unsupported",
                [VERSION_SERVED_AS_ANOTHER] = "served-as-another",
                [VERSION_UNKNOWN] = "unknown",
        };

        return names[state];
}
