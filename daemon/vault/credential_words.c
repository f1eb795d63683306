/* What the state of a credential means to people: its trouble, what to do next, and what comes as warnings with its tokens. */
#include "daemon/vault/credential.h"

#include "common/duration.h"

#include <time.h>

#define MOVED "Its grant was moved to another machine by an export."

/* What has ended it since, wherever it is, has a reason of its own. */
static bool is_away(const struct credential *credential)
{
        return credential->moved && !credential->refusal_reason;
}

static const char *words_or(const char *words, const char *otherwise)
{
        return words && *words ? words : otherwise;
}

/* Of one that nobody has logged in for, or whose login waits for its test. */
static const char *login_error(const struct credential *credential)
{
        const struct credential *pending = credential->pending;

        if (!pending)
                return NULL;
        if (pending->unreadable)
                return "The record of its login in the store does not open with this sealing key.";

        return words_or(pending->last_failure, pending->test.message);
}

const char *credential_last_error(const struct credential *credential)
{
        if (credential->unreadable)
                return "Its record in the store does not open with this sealing key.";
        if (credential->refusal == REFUSAL_NEVER_AUTHORIZED)
                return login_error(credential);
        if (is_away(credential))
                return MOVED;
        if (credential->refusal != REFUSAL_NONE)
                return words_or(credential->refusal_reason, "The grant has ended.");
        if (credential_is_elsewhere(credential))
                return "Its grant belongs to another client than the configuration says.";
        if (!credential->client)
                return "Its client is not in the configuration.";
        if (credential->save_problem)
                return credential->save_problem;
        if (credential->outcome_unknown && !credential->last_failure)
                return "The answer to an earlier refresh was lost.";

        return credential->last_failure;
}

static void explain_refused(const struct credential *credential, uint64_t boot_now, struct diag *message)
{
        bool away = is_away(credential);
        struct diag reason = DIAG_INIT;
        char left[64];

        if (away)
                diag_set(&reason, MOVED " To have it here after all: `purser keep %s`.", credential->name);
        else
                diag_set(&reason, "%s", words_or(credential->refusal_reason, "The grant has ended."));
        if (credential_may_serve(credential, boot_now))
                diag_set(
                        message, "%s%s Its last access token is served for another %s.",
                        away ? "" : "The provider refuses to refresh it: ", reason.text,
                        duration_format(credential_remaining_usec(credential, boot_now), left, sizeof(left)));
        else
                diag_set(message, "%s", reason.text);
}

static void explain_need(const struct credential *credential, uint64_t boot_now, struct diag *message,
                         struct diag *next_step)
{
        if (is_away(credential))
                diag_set(next_step,
                         "use it on the other machine; or, to have it here after all: purser keep %s",
                         credential->name);
        else
                diag_set(next_step, "purser login %s", credential->name);

        if (credential->refusal == REFUSAL_NEVER_AUTHORIZED)
                diag_set(message, "%s",
                         credential->pending ? "A login for it was saved, but its record does not open; it "
                                               "is kept as it is."
                                             : "Nobody has logged in for it yet.");
        else if (credential->refusal != REFUSAL_NONE)
                explain_refused(credential, boot_now, message);
        else if (credential_is_elsewhere(credential))
                diag_set(message, "Its grant belongs to client '%s', but the configuration says client '%s'.",
                         credential->client_name, credential->config->client);
        else if (!credential_is_renewable(credential))
                diag_set(message, "Its access token %s, and the provider gave no refresh token.",
                         credential_is_rejected(credential) ? "was rejected by the API" : "has ended");
        else {
                diag_set(message,
                         "The answer to a refresh was lost, and none of the tries with the old refresh token "
                         "since has mended it; purserd does not try again by itself. %s",
                         words_or(credential->last_failure, ""));
                diag_set(next_step, "purser refresh %s, or: purser login %s", credential->name,
                         credential->name);
        }
}

static void explain_unavailable(const struct credential *credential, struct diag *message,
                                struct diag *next_step)
{
        if (credential->unreadable) {
                diag_set(message, "Its record in the store does not open: it was changed, or sealed with "
                                  "another key. It is kept as it is.");
                diag_set(next_step, "stop purserd and restore the store from a backup, or: purser login %s",
                         credential->name);
        } else if (!credential->client) {
                diag_set(message, "Its client '%s' is not in the configuration.", credential->client_name);
                diag_set(next_step, "add the client to the configuration, then: purser reload");
        } else if (credential->client_refused) {
                diag_set(message, "It has no valid token now, and the provider refuses the client: %s",
                         words_or(credential->last_failure, "no reason was given."));
                diag_set(next_step, "correct client_id or client secret of '%s', then: purser refresh %s",
                         credential->client_name, credential->name);
        } else if (credential_is_of_client(credential) && !credential->last_failure) {
                diag_set(message, "Its client asks the provider for a token.");
        } else {
                diag_set(message, "It has no valid token now; purserd keeps trying. %s",
                         words_or(credential->last_failure, ""));
                diag_set(next_step, "purser refresh %s", credential->name);
        }
}

static void explain_retrying(const struct credential *credential, uint64_t boot_now, struct diag *message,
                             struct diag *next_step)
{
        char left[64];

        if (credential_is_rejected(credential)) {
                diag_set(message, "The API rejected its access token; it is being refreshed.");
                return;
        }

        diag_set(message,
                 "Its token is still valid for %s, but the last refresh failed; purserd keeps trying. %s",
                 duration_format(credential_remaining_usec(credential, boot_now), left, sizeof(left)),
                 words_or(credential->last_failure, ""));
        if (credential->client_refused)
                diag_set(next_step, "correct client_id or client secret of '%s', then: purser refresh %s",
                         credential->client_name, credential->name);
}

static void explain_active(const struct credential *credential, struct diag *message, struct diag *next_step)
{
        if (credential->unsaved) {
                diag_set(message, "Its token is valid, but could not be saved: a crash now would lose the "
                                  "grant.");
                diag_set(next_step, "make room or mend the disk under the state directory");
        } else if (credential->foreign_refresher) {
                diag_set(message, "Its token is valid, but somebody else refreshes this grant too, or an "
                                  "answer was lost.");
                diag_set(next_step, "find and stop the other program that refreshes this grant");
        } else {
                diag_set(message, "Its token is valid and is refreshed before it ends.");
        }
}

void credential_explain(const struct credential *credential, uint64_t boot_now, struct diag *ret_message,
                        struct diag *ret_next_step)
{
        *ret_message = (struct diag)DIAG_INIT;
        *ret_next_step = (struct diag)DIAG_INIT;

        switch (credential_state(credential, boot_now)) {
        case CREDENTIAL_ACTIVE:
                explain_active(credential, ret_message, ret_next_step);
                break;
        case CREDENTIAL_RETRYING:
                explain_retrying(credential, boot_now, ret_message, ret_next_step);
                break;
        case CREDENTIAL_OUTCOME_UNKNOWN:
                diag_set(ret_message,
                         "The outcome of a refresh is unknown: no usable answer came back, so the provider "
                         "may "
                         "have rotated the grant; the old refresh token is tried again. %s",
                         words_or(credential->last_failure, ""));
                break;
        case CREDENTIAL_AUTHORIZATION_REQUIRED:
                explain_need(credential, boot_now, ret_message, ret_next_step);
                break;
        case CREDENTIAL_UNAVAILABLE:
                explain_unavailable(credential, ret_message, ret_next_step);
                break;
        case CREDENTIAL_PENDING:
                diag_set(ret_message,
                         "%sThe login is saved, but its test could not run yet; it is tried again.",
                         credential->pending && credential->pending->outcome_unknown
                                 ? "The outcome of a refresh is unknown. "
                                 : "");
                diag_set(ret_next_step, "purser test %s", credential->name);
                break;
        }
}

static void warn_of_version(const struct test_result *test, struct diag *text)
{
        const char *version = words_or(test->api_version, "(none)");
        const char *said = test->version_warning ? " The provider says: " : "",
                   *words = test->version_warning ? test->version_warning : "";

        switch (test->version_state) {
        case VERSION_TO_BE_REMOVED:
                diag_set(text, "API version %s is to be removed.%s%s", version, said, words);
                break;
        case VERSION_UNSUPPORTED:
                /* It never existed, or does no longer, and nothing was served; the sentence has the provider's words. */
                if (test->verdict == API_VERSION_UNSUPPORTED && test->message) {
                        diag_set(text, "The API refuses version %s: %s", version, test->message);
                        break;
                }
                diag_set(text, "API version %s is not supported any more.%s%s", version, said, words);
                break;
        case VERSION_SERVED_AS_ANOTHER:
                diag_set(text,
                         "API version %s was asked for, but %s served: pin a version that is supported.%s%s",
                         version, words_or(test->served_version, "another"), said, words);
                break;
        case VERSION_UNKNOWN:
                diag_set(text, "API version %s was asked for, but the API does not tell which one serves.",
                         version);
                break;
        case VERSION_NONE:
        case VERSION_OK:
                break;
        }
}

static void warn_of_refreshes(const struct credential *credential, uint64_t boot_now, struct diag *text)
{
        struct diag unused;

        if (credential->refusal == REFUSAL_REFUSED)
                explain_refused(credential, boot_now, text);
        else if (credential->outcome_unknown)
                credential_explain(credential, boot_now, text, &unused);
        else if (credential->client_refused)
                diag_set(text, "The provider refuses the client '%s': %s", credential->client_name,
                         words_or(credential->last_failure, "no reason was given."));
}

static void warn_of_notice(const struct credential *credential, struct diag *text)
{
        if (credential->notice)
                diag_set(text, "The provider says: %s", credential->notice);
}

/* Of one that was moved the refusal says it. */
static void warn_of_export(const struct credential *credential, struct diag *text)
{
        time_t when = (time_t)(credential->exported_wall_usec / (int64_t)USEC_PER_SEC);
        char date[32] = "";
        struct tm tm;

        if (credential->exported_wall_usec == 0 || credential->moved)
                return;
        if (gmtime_r(&when, &tm))
                strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", &tm);
        diag_set(text,
                 "Its grant left in a backup at %s: whoever restores that and refreshes it breaks it here. "
                 "When nobody will: purser keep %s",
                 date, credential->name);
}

/* Its text is empty again. */
static void tell(struct diag *text, void (*on_warning)(const char *sentence, void *userdata), void *userdata)
{
        if (text->text[0])
                on_warning(text->text, userdata);
        text->text[0] = '\0';
}

/* Asked with each token, and mostly without anything to say: that must not cost the making of sentences. */
static bool is_all_well(const struct credential *credential)
{
        return credential->refusal != REFUSAL_REFUSED && !credential->outcome_unknown &&
               !credential->client_refused && !credential->unsaved && !credential->foreign_refresher &&
               !credential->notice && credential->exported_wall_usec == 0 &&
               (credential->test.version_state == VERSION_NONE ||
                credential->test.version_state == VERSION_OK);
}

void credential_warnings(const struct credential *credential, uint64_t boot_now,
                         void (*on_warning)(const char *sentence, void *userdata), void *userdata)
{
        struct diag text;

        if (is_all_well(credential))
                return;

        text.text[0] = '\0';
        warn_of_refreshes(credential, boot_now, &text);
        tell(&text, on_warning, userdata);
        if (credential->unsaved)
                on_warning("The newest tokens of this credential could not be saved: a crash now would lose "
                           "the grant.",
                           userdata);
        if (credential->foreign_refresher)
                on_warning("Somebody else refreshes this grant too, or an answer of the provider was lost: "
                           "find the other program, before "
                           "the grant is lost.",
                           userdata);
        warn_of_notice(credential, &text);
        tell(&text, on_warning, userdata);
        warn_of_export(credential, &text);
        tell(&text, on_warning, userdata);
        warn_of_version(&credential->test, &text);
        tell(&text, on_warning, userdata);
}
