/* What a test shows, kept with the credential and told where it is news. */
#include "daemon/refresh/probe_internal.h"

#include "daemon/base/events.h"
#include "daemon/base/log.h"

#include <stdlib.h>
#include <string.h>

void probe_set_text(char **text, const char *value)
{
        free(*text);
        *text = value && *value ? strdup(value) : NULL;
}

static void tell_version(const struct credential *credential, enum version_state before)
{
        const struct test_result *test = &credential->test;
        struct log_event event = { .message_id = EVENT_VERSION,
                                   .level = LOG_LEVEL_WARNING,
                                   .credential = credential->name,
                                   .client = credential->client_name,
                                   .reason = test->version_warning };

        if (test->version_state == before)
                return;
        if (test->version_state == VERSION_OK || test->version_state == VERSION_NONE)
                event.level = LOG_LEVEL_NOTICE;
        log_event(&event, "The API version of '%s' is now '%s': %s%s%s", credential->name,
                  version_state_name(test->version_state), test->message ? test->message : "",
                  test->version_warning ? " The provider says: " : "",
                  test->version_warning ? test->version_warning : "");
}

/* The account is shown once and then remembered; another one later on is told, and changes nothing. */
static void note_account(struct credential *credential, const struct api_answer *answer)
{
        if (!answer->account_id)
                return;
        if (credential->account_id && strcmp(credential->account_id, answer->account_id) != 0 &&
            !credential->is_pending) {
                log_event(&(struct log_event){ .message_id = EVENT_ACCOUNT_MISMATCH,
                                               .level = LOG_LEVEL_ERROR,
                                               .credential = credential->name,
                                               .client = credential->client_name },
                          "The test of '%s' shows account '%s', but its grant was given for account '%s'.",
                          credential->name, answer->account_id, credential->account_id);
                return;
        }

        probe_set_text(&credential->account_id, answer->account_id);
        probe_set_text(&credential->account_name, answer->account_name);
}

void probe_store_result(struct probe *probe, const struct api_answer *answer)
{
        struct credential *credential = probe->credential;
        struct test_result *test = &credential->test;
        enum version_state before = test->version_state;

        test->tested_wall_usec = clock_wall_usec(probe->prober->context->clock);
        test->verdict = answer->verdict;
        probe_set_text(&test->message, answer->message);
        probe_set_text(&test->api_version, probe->api_version);

        /* What could not be asked says nothing about the version. */
        if (answer->verdict == API_OK || answer->verdict == API_VERSION_UNSUPPORTED) {
                test->version_state = answer->version_state;
                probe_set_text(&test->served_version, answer->served_version);
                probe_set_text(&test->version_warning, answer->version_warning);
                tell_version(credential, before);
                note_account(credential, answer);
        }
}
