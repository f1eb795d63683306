/* Words and colours of states, the same for list, status and its screen. */
#include "client/cmd_state.h"

#include <string.h>

const char *state_words(const char *state)
{
        if (!state)
                return "?";
        return strcmp(state, "authorization-required") == 0 ? "needs login" : state;
}

enum output_style state_style(const char *state)
{
        static const struct {
                const char *state;
                enum output_style style;
        } styles[] = {
                { "active", STYLE_GOOD },
                { "retrying", STYLE_CAUTION },
                { "outcome-unknown", STYLE_CAUTION },
                { "pending", STYLE_CAUTION },
        };

        for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++)
                if (strcmp(state, styles[i].state) == 0)
                        return styles[i].style;
        return STYLE_BAD;
}

enum output_style life_style(const char *version_state)
{
        if (!version_state || strcmp(version_state, "none") == 0)
                return STYLE_PLAIN;
        if (strcmp(version_state, "ok") == 0)
                return STYLE_GOOD;
        return strcmp(version_state, "unsupported") == 0 ? STYLE_BAD : STYLE_CAUTION;
}
