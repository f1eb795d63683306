/* Failures: exit status and words. */
#include "client/cli_exit.h"

#include "client/output.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define TOKENS "io.purser.Tokens."
#define ADMIN "io.purser.Admin."
#define VARLINK "org.varlink.service."

/*
 * `{x}` stands for member x of the error's parameters, or for {words}, {method}, {subject}, {command}.
 * `[...]` is left out where it holds something that is not known; of `[...|...]` the first that is known
 * whole is taken. The advice is left out where the words have it already: daemons give advice too.
 */
static const struct row {
        int result;
        const char *error; /* NULL: it was not the daemon that said no */
        const char *method; /* how the method's name begins; "" any */
        int status;
        const char *words, *advice;
} rows[] = {
        { PURSER_E_USAGE, NULL, "", EX_USAGE, "{words}", "`{command} --help` shows how" },
        { PURSER_E_MEMORY, NULL, "", EX_OSERR, "{words}", "free some memory, and try again" },
        { PURSER_E_SYSTEM, NULL, "", EX_OSERR, "{words}", "" },
        { PURSER_E_NO_DAEMON, NULL, "", EX_UNAVAILABLE, "{words}",
          "start it (`systemctl start purser.socket`), or say with --socket where it is" },
        { PURSER_E_TIMEOUT, NULL, "", EX_TEMPFAIL, "{words}", "try again later" },
        { PURSER_E_OUTCOME_UNKNOWN, NULL, "", EX_TEMPFAIL, "{words}", "`purser status` shows it" },
        { PURSER_E_PROTOCOL, NULL, "", EX_PROTOCOL, "{words}", "is it purserd that listens there?" },
        { PURSER_E_NOT_PERMITTED, NULL, "", EX_NOPERM, "{words}",
          "ask whoever looks after this machine for access" },

        { PURSER_E_AUTHORIZATION_REQUIRED, TOKENS "AuthorizationRequired", "", EX_CONFIG,
          "{credential|subject}[: {reason}]", "run `purser login {credential|subject}`" },
        { PURSER_E_TOKEN_UNAVAILABLE, TOKENS "TokenUnavailable", "", EX_TEMPFAIL,
          "{credential|subject}[: {reason}]", "try again [in {retry_after_seconds} seconds|later]" },
        { PURSER_E_NO_SUCH_CREDENTIAL, TOKENS "NoSuchCredential", "", EX_NOINPUT,
          "there is no credential '{credential|subject}'", "`purser list` shows what there is" },
        { PURSER_E_OTHER, TOKENS "TooManyFailures", "", EX_DATAERR,
          "the signature does not hold: this body is not from the provider of '{client}'; drop it",
          "too many of '{client}' were forged in short order: the journal says who brings them" },
        { PURSER_E_NOT_PERMITTED, VARLINK "PermissionDenied", TOKENS "VerifyWebhook", EX_NOPERM,
          "no client '{subject}' that you may use",
          "`allow` of the client in the configuration says who may" },
        { PURSER_E_NOT_PERMITTED, VARLINK "PermissionDenied", TOKENS, EX_NOPERM,
          "no credential '{subject}' that you may use", "`purser list` shows yours" },
        { PURSER_E_NOT_PERMITTED, VARLINK "PermissionDenied", "", EX_NOPERM,
          "only administrators may do this",
          "try with sudo, or as one of those whom `admins` in the configuration names" },
        { PURSER_E_USAGE, VARLINK "InvalidParameter", "", EX_USAGE,
          "purserd does not accept this {parameter}[: {reason}]", "`{command} --help` shows how" },
        { PURSER_E_OTHER, VARLINK "InterfaceNotFound", "", EX_UNAVAILABLE, "purserd does not know {method}",
          "it is of another version than this command: restart it" },
        { PURSER_E_OTHER, VARLINK "MethodNotFound", "", EX_UNAVAILABLE, "purserd does not know {method}",
          "it is of another version than this command: restart it" },
        { PURSER_E_OTHER, VARLINK "MethodNotImplemented", "", EX_UNAVAILABLE,
          "purserd does not know {method}", "it is of another version than this command: restart it" },

        { PURSER_E_OTHER, ADMIN "NoSuchClient", "", EX_USAGE,
          "there is no client '{client}' in the configuration",
          "add it and run `purser reload`, or name another one" },
        { PURSER_E_OTHER, ADMIN "ClientRequired", "", EX_USAGE, "there is more than one client: {clients}",
          "name one with --client" },
        { PURSER_E_OTHER, ADMIN "NoSuchLogin", "", EX_TEMPFAIL,
          "the login took too long, or purserd was restarted", "begin again with `purser login {subject}`" },
        { PURSER_E_OTHER, ADMIN "RedirectMismatch", "", EX_NOPERM,
          "this redirect does not belong to the login[: {reason}]",
          "begin again with `purser login {subject}`" },
        { PURSER_E_OTHER, ADMIN "AuthorizationDenied", "", EX_NOPERM, "{subject}: not authorized[: {reason}]",
          "nothing was changed; begin again with `purser login {subject}`" },
        { PURSER_E_OTHER, ADMIN "GrantRefused", "", EX_CONFIG,
          "{subject}: the provider refuses the grant[: {reason}]",
          "get a new one with `purser login {subject}`" },
        { PURSER_E_OTHER, ADMIN "ClientRefused", "", EX_CONFIG, "client '{client}'[: {reason}]",
          "correct its client_id, client_secret or client_key (`purser secret set {client}` where the store "
          "has it)" },
        { PURSER_E_OTHER, ADMIN "AccountMismatch", "", EX_NOPERM,
          "{credential|subject} is for {expected}, and this grant is for {found}: nothing was changed",
          "give --switch-account to replace the one by the other" },
        { PURSER_E_OTHER, ADMIN "ProviderUnavailable", ADMIN "Revoke", EX_TEMPFAIL,
          "nothing was forgotten[: {reason}]",
          "try again [in {retry_after_seconds} seconds|later], or forget it all the same with "
          "`purser logout {subject} --force`" },
        { PURSER_E_OTHER, ADMIN "ProviderUnavailable", "", EX_TEMPFAIL, "{subject}[: {reason}]",
          "try again [in {retry_after_seconds} seconds|later]" },
        { PURSER_E_OTHER, ADMIN "ConfigurationInvalid", "", EX_CONFIG,
          "the configuration is wrong, and the running one stays",
          "correct it and run `purser reload` again" },
        { PURSER_E_OTHER, ADMIN "NotSaved", "", EX_TEMPFAIL, "purserd could not save it[: {reason}]",
          "see `purser status`, and try again when the disk is well" },

        { PURSER_E_OTHER, ADMIN "NoSuchRestore", "", EX_TEMPFAIL,
          "the restore took too long, another one was begun, or purserd was restarted; nothing was restored",
          "begin again" },
        { PURSER_E_OTHER, ADMIN "WrongPassphrase", "", EX_NOPERM,
          "the backup does not open with this passphrase; nothing was restored",
          "try again with the one that it was made with" },
        { PURSER_E_OTHER, ADMIN "BackupUnusable", "", EX_DATAERR, "nothing was restored[: {reason}]",
          "take another backup" },
        { PURSER_E_OTHER, ADMIN "CredentialsExist", "", EX_CANTCREAT,
          "nothing was restored: these are here already: {credentials}",
          "give --replace to put the backup's in their place" },

        { PURSER_E_OTHER, NULL, "", EX_SOFTWARE, "{words}", "see the journal of purserd" },
};

/* The last row is for everything that no other one names. */
static const struct row *find_row(const struct exit_facts *facts)
{
        const char *method = facts->method ? facts->method : "";
        const struct row *row = rows;

        for (; row < rows + sizeof(rows) / sizeof(rows[0]) - 1; row++) {
                if (strncmp(method, row->method, strlen(row->method)) != 0)
                        continue;
                if (facts->error ? row->error && strcmp(facts->error, row->error) == 0
                                 : !row->error && facts->result == row->result)
                        break;
        }
        return row;
}

int exit_status(const struct exit_facts *facts)
{
        return find_row(facts)->status;
}

/* ---- words ---- */

struct line {
        char *buffer;
        size_t size;
};

static void append(struct line *line, const char *text)
{
        output_append(line->buffer, line->size, text);
}

/*
 * An account is an object of id and name, a list of clients
 * an array of strings; the rest is strings and numbers.
 */
static bool append_value(struct line *line, const json_t *value)
{
        const char *name, *id;
        char number[32];
        const json_t *element;
        size_t i;

        switch (value ? json_typeof(value) : JSON_NULL) {
        case JSON_STRING:
                append(line, json_string_value(value));
                return true;
        case JSON_INTEGER:
                snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
                append(line, number);
                return true;
        case JSON_ARRAY:
                json_array_foreach (value, i, element) {
                        append(line, i > 0 ? ", " : "");
                        append_value(line, element);
                }
                return true;
        case JSON_OBJECT:
                name = json_string_value(json_object_get(value, "name"));
                id = json_string_value(json_object_get(value, "id"));
                append(line, name ? name : "account");
                append(line, id ? " (" : "");
                append(line, id ? id : "");
                append(line, id ? ")" : "");
                return true;
        default:
                return false;
        }
}

static bool append_fact(struct line *line, const struct exit_facts *facts, const char *name, size_t n)
{
        const struct {
                const char *name, *value;
        } facts_by_name[] = {
                { "words", facts->words },
                { "method", facts->method },
                { "subject", facts->subject },
                { "command", facts->command },
        };
        char key[32];

        snprintf(key, sizeof(key), "%.*s", (int)n, name);
        for (size_t i = 0; i < sizeof(facts_by_name) / sizeof(facts_by_name[0]); i++)
                if (strcmp(key, facts_by_name[i].name) == 0) {
                        append(line, facts_by_name[i].value ? facts_by_name[i].value : "");
                        return facts_by_name[i].value;
                }
        return append_value(line, json_object_get(facts->parameters, key));
}

/* What stands in braces: names between bars, of which the first that is known counts. */
static bool append_first_known(struct line *line, const struct exit_facts *facts, const char *names,
                               const char *end)
{
        while (names < end) {
                size_t n = strcspn(names, "|}");

                if (append_fact(line, facts, names, n))
                        return true;
                names += n + 1;
        }
        return false;
}

static bool expand(struct line *line, const struct exit_facts *facts, const char *text, const char *end);

/* What stands in brackets: texts between bars. A text that turns out not to be known whole is taken back. */
static void expand_optional(struct line *line, const struct exit_facts *facts, const char *text,
                            const char *end)
{
        size_t before = strlen(line->buffer);

        while (text < end) {
                size_t n = strcspn(text, "|]");

                if (expand(line, facts, text, text + n))
                        return;
                line->buffer[before] = '\0';
                text += n + 1;
        }
}

/* False when something in it was not known. */
static bool expand(struct line *line, const struct exit_facts *facts, const char *text, const char *end)
{
        bool known = true;

        while (text < end) {
                const char *close;
                char plain[2] = { *text, '\0' };

                if (*text == '{') {
                        close = strchr(text, '}');
                        known &= append_first_known(line, facts, text + 1, close);
                        text = close + 1;
                } else if (*text == '[') {
                        close = strchr(text, ']');
                        expand_optional(line, facts, text + 1, close);
                        text = close + 1;
                } else {
                        append(line, plain);
                        text++;
                }
        }
        return known;
}

/* Reasons come as sentences; what follows goes on in the same line. */
static void strip_full_stop(char *text)
{
        size_t n = strlen(text);

        if (n > 0 && text[n - 1] == '.')
                text[n - 1] = '\0';
}

/* The command that an advice names, or else the advice whole, stands in the words already; or they know better: they have one of their own. */
static bool says_already(const char *words, const char *advice)
{
        if (strstr(words, "`purser keep "))
                return true;

        const char *begin = strstr(advice, "`purser "), *end = begin ? strchr(begin + 1, '`') : NULL;
        char command[256];

        if (!end)
                return strstr(words, advice);
        snprintf(command, sizeof(command), "%.*s", (int)(end - begin - 1), begin + 1);
        return strstr(words, command);
}

const char *exit_line(const struct exit_facts *facts, char *buffer, size_t size)
{
        const struct row *row = find_row(facts);
        char words[1024] = "", advice[512] = "";
        struct line words_line = { words, sizeof(words) }, advice_line = { advice, sizeof(advice) };

        expand(&words_line, facts, row->words, row->words + strlen(row->words));
        strip_full_stop(words);
        expand(&advice_line, facts, row->advice, row->advice + strlen(row->advice));

        buffer[0] = '\0';
        output_append(buffer, size, words);
        if (*advice && !says_already(words, advice)) {
                output_append(buffer, size, "; ");
                output_append(buffer, size, advice);
        }
        return buffer;
}
