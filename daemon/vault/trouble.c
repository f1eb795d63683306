#include "daemon/vault/trouble.h"

#define BIT(event) (1u << (event))

static unsigned bit_if(bool holds, enum hook_event event)
{
        return holds ? BIT(event) : 0;
}

/* Nobody has logged in yet, or somebody has moved it: that is no news. */
static unsigned what_holds(const struct credential *credential, enum credential_state state)
{
        enum version_state version = credential->test.version_state;

        return bit_if(state == CREDENTIAL_AUTHORIZATION_REQUIRED &&
                              credential->refusal != REFUSAL_NEVER_AUTHORIZED && !credential->moved,
                      HOOK_AUTHORIZATION_REQUIRED) |
               bit_if(state == CREDENTIAL_UNAVAILABLE && credential->failures >= TROUBLE_FAILURES,
                      HOOK_UNAVAILABLE) |
               bit_if(credential->foreign_refresher, HOOK_FOREIGN_REFRESHER) |
               bit_if(version == VERSION_TO_BE_REMOVED, HOOK_VERSION_TO_BE_REMOVED) |
               bit_if(version == VERSION_UNSUPPORTED || version == VERSION_SERVED_AS_ANOTHER,
                      HOOK_VERSION_GONE);
}

/* A login that waits for its test, or an outcome that is unknown, ends nothing; nor does a test that could not be run. */
static unsigned what_is_over(const struct credential *credential, enum credential_state state)
{
        enum version_state version = credential->test.version_state;
        bool works = state == CREDENTIAL_ACTIVE || state == CREDENTIAL_RETRYING;
        bool serves = version == VERSION_OK || version == VERSION_NONE;

        return bit_if(works, HOOK_AUTHORIZATION_REQUIRED) |
               bit_if(state == CREDENTIAL_ACTIVE, HOOK_UNAVAILABLE) |
               bit_if(serves, HOOK_VERSION_TO_BE_REMOVED) |
               bit_if(serves || version == VERSION_TO_BE_REMOVED, HOOK_VERSION_GONE);
}

/* What is followed by something worse is not told as over; a refresher that was not seen once may be there all the same. */
static unsigned what_is_dropped(const struct credential *credential, unsigned holds)
{
        return bit_if(holds & BIT(HOOK_AUTHORIZATION_REQUIRED), HOOK_UNAVAILABLE) |
               bit_if(holds & BIT(HOOK_VERSION_GONE), HOOK_VERSION_TO_BE_REMOVED) |
               bit_if(!credential->foreign_refresher, HOOK_FOREIGN_REFRESHER);
}

struct trouble_change trouble_look(const struct credential *credential, uint64_t boot_now, unsigned told)
{
        enum credential_state state = credential_state(credential, boot_now);
        unsigned holds = what_holds(credential, state), over = what_is_over(credential, state);
        unsigned dropped = what_is_dropped(credential, holds);

        return (struct trouble_change){
                .now = holds | (told & ~over & ~dropped),
                .begun = holds & ~told,
                .recovered = told & over & ~holds & ~dropped,
        };
}

/* ---- words ---- */

static void explain_recovery(const struct credential *credential, enum hook_event trouble,
                             struct diag *message)
{
        const char *version = credential->test.api_version ? credential->test.api_version : "(none)";

        if (trouble == HOOK_VERSION_TO_BE_REMOVED || trouble == HOOK_VERSION_GONE)
                diag_set(message, "Its API version %s serves.", version);
        else
                diag_set(message, "It has a valid token again.");
}

static void explain_version(const struct credential *credential, enum hook_event trouble,
                            struct diag *message, struct diag *next_step)
{
        const struct test_result *test = &credential->test;
        const char *version = test->api_version ? test->api_version : "(none)";
        const char *said = test->version_warning ? " The provider says: " : "",
                   *words = test->version_warning ? test->version_warning : "";

        if (trouble == HOOK_VERSION_TO_BE_REMOVED)
                diag_set(message, "API version %s is to be removed.%s%s", version, said, words);
        else if (test->version_state == VERSION_UNSUPPORTED)
                diag_set(message, "API version %s is not supported any more.%s%s", version, said, words);
        else
                diag_set(message, "API version %s was asked for, but %s served.%s%s", version,
                         test->served_version ? test->served_version : "another", said, words);
        diag_set(next_step, "pin a version that is supported (api_version), then: purser reload");
}

void trouble_explain(const struct credential *credential, uint64_t boot_now, enum hook_event trouble,
                     bool recovered, struct diag *ret_message, struct diag *ret_next_step)
{
        *ret_message = (struct diag)DIAG_INIT;
        *ret_next_step = (struct diag)DIAG_INIT;

        if (recovered)
                explain_recovery(credential, trouble, ret_message);
        else if (trouble == HOOK_VERSION_TO_BE_REMOVED || trouble == HOOK_VERSION_GONE)
                explain_version(credential, trouble, ret_message, ret_next_step);
        else if (trouble == HOOK_FOREIGN_REFRESHER) {
                diag_set(ret_message, "Somebody else refreshes this grant too. The provider says: %s",
                         credential->notice ? credential->notice : "nothing");
                diag_set(ret_next_step, "find and stop the other program that refreshes this grant");
        } else
                credential_explain(credential, boot_now, ret_message, ret_next_step);
}
