/* purser secret set: a client secret or key goes from the keyboard to the daemon's store, past everything else. */
#include "client/cmd.h"

static int run_secret_set(struct cli *cli, int argc, char **argv)
{
        _cleanup_(cli_parameters_done) struct cli_parameters parameters = CLI_PARAMETERS_INIT;
        _cleanup_(secret_freep) struct secret *secret = NULL;
        int r;

        r = cli_parse(cli, NULL, 0, 1, 1, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        r = cli_read_secret(cli, "Client secret: ", "a client secret or key", CLI_SECRET_OR_KEY, &secret);
        if (r != EX_OK)
                return r;

        cli_add_text(&parameters, "client", cli->subject);
        cli_add_secret(&parameters, "client_secret", secret);
        return cli_call_text(cli, "io.purser.Admin.SetClientSecret", &parameters, PURSER_CALL_IDEMPOTENT,
                             NULL);
}

const struct cmd cmd_secret_set = {
        .name = "secret set",
        .synopsis = "CLIENT",
        .summary = "Seal a client secret or key into the store",
        .details = "For a client that is configured with `client_secret: {store: true}`, or with such a "
                   "client_key. "
                   "The secret is typed without echo, or read from standard input, as a key in PEM is.",
        .excess = "a secret is no argument, since others can read those: it comes on standard input",
        .run = run_secret_set,
};
