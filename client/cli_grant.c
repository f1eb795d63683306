/* What came of a login, an import or a test, in words, and the exit status that it means. */
#include "client/cli.h"
#include "client/output.h"

#include <string.h>

const char *cli_account(const json_t *account, char *buffer, size_t size)
{
        const char *id = cli_text(account, "id"), *name = cli_text(account, "name");

        buffer[0] = '\0';
        if (name && id)
                snprintf(buffer, size, "%s (%s)", name, id);
        else if (name || id)
                snprintf(buffer, size, "%s", name ? name : id);
        return buffer;
}

/* One line of standard error for what makes a version a worry. The provider's own words come whole. */
static int tell_version(const struct cli *cli, const json_t *test)
{
        const char *state = cli_text(test, "version_state"), *warning = cli_text(test, "version_warning");
        const char *pinned = cli_text(test, "api_version"), *served = cli_text(test, "served_version");
        const char *message = cli_text(test, "message");
        char words[1024] = "";

        if (!state || strcmp(state, "ok") == 0 || strcmp(state, "none") == 0)
                return EX_OK;

        if (warning)
                snprintf(words, sizeof(words), " (%s)", warning);
        if (!pinned)
                pinned = "";
        if (strcmp(state, "to-be-removed") == 0) {
                cli_say(cli,
                        "%s: API version %s is to be removed%s; pin a later one: api_version in the "
                        "configuration",
                        cli->subject, pinned, words);
                return EX_OK;
        }
        if (strcmp(state, "unsupported") == 0 && !served && !warning && message)
                cli_say(cli, "%s: the API refuses version %s: %s", cli->subject, pinned, message);
        else if (strcmp(state, "unsupported") == 0)
                cli_say(cli,
                        "%s: API version %s is not supported%s; pin another one: api_version in the "
                        "configuration",
                        cli->subject, pinned, words);
        else if (strcmp(state, "served-as-another") == 0)
                cli_say(cli,
                        "%s: version %s was asked for, and version %s answered%s; pin one that exists: "
                        "api_version in "
                        "the configuration",
                        cli->subject, pinned, served ? served : "unknown", words);
        else
                cli_say(cli, "%s: the answer does not tell which API version served it%s; asked for was %s",
                        cli->subject, words, pinned);
        return EX_CONFIG;
}

static void print_line(FILE *out, const char *name, const char *text)
{
        if (!text || !*text)
                return;
        fprintf(out, "%-10s ", name);
        output_text(out, STYLE_PLAIN, text);
        fputc('\n', out);
}

/* The daemon's sentence, with what to do about it where it does not say so itself. */
static void say_with_advice(const struct cli *cli, const char *message, const char *advice)
{
        size_t n = message ? strlen(message) : 0;

        while (n > 0 && strchr(". \n", message[n - 1]))
                n--;
        if (n > 0 && (strstr(message, advice) || strstr(message, "`purser login")))
                cli_say(cli, "%s: %s", cli->subject, message);
        else
                cli_say(cli, "%s: %.*s%s%s", cli->subject, (int)n, n > 0 ? message : "", n > 0 ? "; " : "",
                        advice);
}

int cli_tell_test(const struct cli *cli, FILE *out, const json_t *test)
{
        const char *outcome = cli_text(test, "outcome"), *message = cli_text(test, "message");
        const char *served = cli_text(test, "served_version"), *state = cli_text(test, "version_state");
        char account[512], advice[256];

        if (outcome && strcmp(outcome, "ok") == 0) {
                print_line(out, "account",
                           cli_account(json_object_get(test, "account"), account, sizeof(account)));
                print_line(out, "asked for", cli_text(test, "api_version"));
                print_line(out, "served by", served);
                return tell_version(cli, test);
        }
        if (outcome && strcmp(outcome, "authorization-required") == 0) {
                snprintf(advice, sizeof(advice), "run `purser login %s`", cli->subject);
                say_with_advice(cli, message, advice);
                return EX_CONFIG;
        }
        /*
         * An API that does not know the version gives no other answer;
         * what else is not known of the version, the outage hides.
         */
        if (state && strcmp(state, "unsupported") == 0)
                return tell_version(cli, test);
        say_with_advice(cli, message, "try again later");
        return EX_TEMPFAIL;
}

int cli_tell_grant(const struct cli *cli, FILE *out, const json_t *reply)
{
        const json_t *test = json_object_get(reply, "test");
        const char *state = cli_text(reply, "state"), *message = cli_text(test, "message");
        char account[512];

        if (state && strcmp(state, "pending") == 0) {
                cli_say(cli,
                        "%s: the grant is saved, but its test could not run; it is tried again, and "
                        "`purser status %s` shows what comes of it%s%s",
                        cli->subject, cli->subject, message ? ": " : "", message ? message : "");
                return EX_TEMPFAIL;
        }

        output_text(out, STYLE_STRONG, cli->subject);
        fputs(" is ready to use", out);
        if (*cli_account(json_object_get(test, "account"), account, sizeof(account))) {
                fputs(": ", out);
                output_text(out, STYLE_PLAIN, account);
        }
        fputc('\n', out);
        /* The grant is in place whatever the version is: that is told, and costs no exit status here. */
        (void)tell_version(cli, test);
        return EX_OK;
}
