/* purser import, test, refresh, logout: what administrators do with one grant. */
#include "client/cmd.h"
#include "client/output.h"

#include <string.h>
#include <time.h>

#define ADMIN "io.purser.Admin."

static int run_import(struct cli *cli, int argc, char **argv)
{
        _cleanup_(cli_parameters_done) struct cli_parameters parameters = CLI_PARAMETERS_INIT;
        _cleanup_(json_decrefp) json_t *reply = NULL;
        _cleanup_(secret_freep) struct secret *token = NULL;
        const char *client = NULL, *description = NULL;
        bool switch_account = false;
        const struct cli_option options[] = {
                { "client", "CLIENT", "the client that the grant was given to", CLI_TEXT, &client },
                { "description", "TEXT", "what the credential is for", CLI_TEXT, &description },
                { "switch-account", NULL, "let a grant of another account replace the old one", CLI_FLAG,
                  &switch_account },
        };
        int r;

        r = cli_parse(cli, options, 3, 1, 1, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        r = cli_read_secret(cli, "Refresh token: ", "a refresh token", CLI_SECRET_WORD, &token);
        if (r != EX_OK)
                return r;

        cli_add_text(&parameters, "credential", cli->subject);
        cli_add_text(&parameters, "client", client);
        cli_add_text(&parameters, "description", description);
        cli_add_secret(&parameters, "refresh_token", token);
        cli_add_true(&parameters, "switch_account", switch_account);
        r = cli_call(cli, ADMIN "ImportGrant", &parameters, 0, &reply);
        return r == EX_OK ? cli_tell_grant(cli, stdout, reply) : r;
}

const struct cmd cmd_import = {
        .name = "import",
        .synopsis = "NAME",
        .summary = "Adopt a refresh token that exists already",
        .details = "The token is read from standard input: purser import acme < token\n"
                   "It is refreshed at once, so that a dead one is told at once. Nobody else may use it from "
                   "then on.",
        .excess = "a token is no argument, since others can read those: it comes on standard input",
        .run = run_import,
};

/* Calls a method that takes a credential alone. */
static int call_for(struct cli *cli, const char *method, unsigned flags, json_t **ret_reply)
{
        _cleanup_(cli_parameters_done) struct cli_parameters parameters = CLI_PARAMETERS_INIT;

        cli_add_text(&parameters, "credential", cli->subject);
        return cli_call(cli, method, &parameters, flags, ret_reply);
}

static int run_test(struct cli *cli, int argc, char **argv)
{
        _cleanup_(json_decrefp) json_t *reply = NULL;
        int r;

        r = cli_parse(cli, NULL, 0, 1, 1, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        r = call_for(cli, ADMIN "Test", PURSER_CALL_IDEMPOTENT, &reply);
        return r == EX_OK ? cli_tell_test(cli, stdout, json_object_get(reply, "test")) : r;
}

const struct cmd cmd_test = {
        .name = "test",
        .synopsis = "NAME",
        .summary = "Run the test query: which account and version answer",
        .details = "Exit status 78 when the pinned version is not the one that answered, or is no longer "
                   "supported.",
        .run = run_test,
};

static int run_refresh(struct cli *cli, int argc, char **argv)
{
        _cleanup_(json_decrefp) json_t *reply = NULL;
        int64_t expires_at;
        char until[64];
        int r;

        r = cli_parse(cli, NULL, 0, 1, 1, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        r = call_for(cli, ADMIN "Refresh", 0, &reply);
        if (r != EX_OK)
                return r;

        expires_at = cli_number(reply, "expires_at", -1);
        output_text(stdout, STYLE_STRONG, cli->subject);
        printf(": token %lld", (long long)cli_number(reply, "generation", 0));
        if (expires_at >= 0)
                printf(", ends %s", output_until(expires_at, time(NULL), until, sizeof(until)));
        printf("\n");
        return EX_OK;
}

const struct cmd cmd_refresh = {
        .name = "refresh",
        .synopsis = "NAME",
        .summary = "Refresh the token of a credential now",
        .run = run_refresh,
};

static int run_logout(struct cli *cli, int argc, char **argv)
{
        _cleanup_(cli_parameters_done) struct cli_parameters parameters = CLI_PARAMETERS_INIT;
        _cleanup_(json_decrefp) json_t *reply = NULL;
        bool force = false;
        const struct cli_option options[] = {
                { "force", NULL, "forget it even where the provider cannot be reached", CLI_FLAG, &force },
        };
        const char *message;
        const json_t *name;
        size_t i;
        int r;

        r = cli_parse(cli, options, 1, 1, 1, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        cli_add_text(&parameters, "credential", cli->subject);
        cli_add_true(&parameters, "force", force);
        r = cli_call(cli, ADMIN "Revoke", &parameters, 0, &reply);
        if (r != EX_OK)
                return r;

        message = cli_text(reply, "message");
        output_text(stdout, STYLE_STRONG, cli->subject);
        printf(": ");
        output_text(stdout, STYLE_PLAIN, message ? message : "forgotten");
        printf("\n");
        json_array_foreach (json_object_get(reply, "also_ended"), i, name) {
                const char *other = json_string_value(name);

                if (other)
                        cli_say(cli,
                                "%s: the grant ended too, it is of the same account; run `purser login %s`",
                                other, other);
        }
        return EX_OK;
}

const struct cmd cmd_logout = {
        .name = "logout",
        .synopsis = "NAME",
        .summary = "Revoke a grant at the provider, and forget it",
        .run = run_logout,
};
