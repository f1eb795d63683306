/* purser token, headers, exec: the bundle, in the three shapes that programs take it in. */
#include "client/cmd.h"
#include "client/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
        EXIT_CANNOT_RUN = 126, /* as shells have it */
        EXIT_NOT_FOUND = 127,
};

static void free_bundle(struct purser_bundle **bundle)
{
        purser_bundle_free(*bundle);
}

static int get_bundle(struct cli *cli, const struct purser_token_options *options, struct purser_bundle **ret)
{
        int r;

        r = cli_connect(cli);
        if (r != EX_OK)
                return r;
        r = purser_get_token(cli->purser, cli->subject, options, ret);
        return r == PURSER_OK ? EX_OK : cli_fail(cli, "io.purser.Tokens.GetToken", r);
}

/* The report of a 401. The token came in a pipe, and in a pipe it goes back: others can read arguments. */
static int read_rejected(const struct cli *cli, bool rejected, struct purser_token_options *wanted,
                         struct secret **ret)
{
        int r;

        if (!rejected)
                return EX_OK;
        r = cli_read_secret(cli, "Rejected access token: ", "an access token", CLI_SECRET_WORD, ret);
        if (r == EX_OK)
                wanted->rejected = secret_expose(*ret);
        return r;
}

#define REJECTED_OPTION(flag)                                                                                \
        {                                                                                                    \
                "rejected", NULL, "the API refused the token on standard input", CLI_FLAG, flag              \
        }

static void tell_warnings(const struct cli *cli, const struct purser_bundle *bundle)
{
        for (size_t i = 0; i < purser_bundle_n_warnings(bundle); i++)
                cli_say(cli, "%s: %s", cli->subject, purser_bundle_warning(bundle, i));
}

static int run_token(struct cli *cli, int argc, char **argv)
{
        _cleanup_(free_bundle) struct purser_bundle *bundle = NULL;
        _cleanup_(secret_freep) struct secret *token = NULL;
        struct purser_token_options wanted = { 0 };
        int64_t min_valid = -1;
        bool json = false, rejected = false;
        const struct cli_option options[] = {
                { "min-valid", "DURATION", "how long the token must still be valid: 90, 5m, 1h30m",
                  CLI_DURATION, &min_valid },
                { "json", NULL, "the whole bundle, as GetToken answers", CLI_FLAG, &json },
                REJECTED_OPTION(&rejected),
        };
        int r;

        r = cli_parse(cli, options, 3, 1, 1, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        r = read_rejected(cli, rejected, &wanted, &token);
        if (r != EX_OK)
                return r;

        /* Not given is the daemon's default, and 0 is no demand. */
        wanted.min_valid_seconds = min_valid < 0 ? 0 : min_valid == 0 ? -1 : min_valid;
        r = get_bundle(cli, &wanted, &bundle);
        if (r != EX_OK)
                return r;

        if (json)
                output_json(stdout, purser_bundle_json(bundle));
        else
                printf("%s\n", purser_bundle_access_token(bundle));
        tell_warnings(cli, bundle);
        return EX_OK;
}

const struct cmd cmd_token = {
        .name = "token",
        .synopsis = "NAME",
        .summary = "Print the access token of a credential",
        .excess = "a token is no argument, since others can read those: it comes on standard input",
        .run = run_token,
};

static int run_headers(struct cli *cli, int argc, char **argv)
{
        _cleanup_(free_bundle) struct purser_bundle *bundle = NULL;
        _cleanup_(secret_freep) struct secret *token = NULL;
        struct purser_token_options wanted = { 0 };
        bool rejected = false;
        const struct cli_option options[] = { REJECTED_OPTION(&rejected) };
        int r;

        r = cli_parse(cli, options, 1, 1, 1, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        r = read_rejected(cli, rejected, &wanted, &token);
        if (r == EX_OK)
                r = get_bundle(cli, &wanted, &bundle);
        if (r != EX_OK)
                return r;

        for (size_t i = 0; i < purser_bundle_n_headers(bundle); i++)
                printf("%s: %s\n", purser_bundle_header_name(bundle, i),
                       purser_bundle_header_value(bundle, i));
        tell_warnings(cli, bundle);
        return EX_OK;
}

const struct cmd cmd_headers = {
        .name = "headers",
        .synopsis = "NAME",
        .summary = "Print the header lines that a request must carry",
        .details = "For example: purser headers acme | curl -H @- https://api.example.com/",
        .excess = "a token is no argument, since others can read those: it comes on standard input",
        .run = run_headers,
};

/* A value that is not known is taken away: one that was inherited would be another credential's. */
static bool set_variable(const char *name, const char *value)
{
        return (value ? setenv(name, value, 1) : unsetenv(name)) == 0;
}

static int run_exec(struct cli *cli, int argc, char **argv)
{
        _cleanup_(free_bundle) struct purser_bundle *bundle = NULL;
        int n, r;

        r = cli_parse_until_argument(cli, NULL, 0, argc, argv, &argv, &n);
        if (r != CLI_GO_ON)
                return r;
        if (n < 3 || strcmp(argv[1], "--") != 0)
                return cli_misuse(cli, "usage: purser exec %s", cmd_exec.synopsis);
        cli->subject = argv[0];

        r = get_bundle(cli, NULL, &bundle);
        if (r != EX_OK)
                return r;
        tell_warnings(cli, bundle);
        if (!set_variable("PURSER_ACCESS_TOKEN", purser_bundle_access_token(bundle)) ||
            !set_variable("PURSER_API_VERSION", purser_bundle_api_version(bundle)) ||
            !set_variable("PURSER_API_URL", purser_bundle_api_url(bundle)))
                return cli_fault(cli, "setting the environment", errno);

        execvp(argv[2], argv + 2);
        r = errno == ENOENT || errno == ENOTDIR ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
        cli_say(cli, "%s cannot be run: %s", argv[2], strerrordesc_np(errno));
        return r;
}

const struct cmd cmd_exec = {
        .name = "exec",
        .synopsis = "NAME -- CMD...",
        .summary = "Run a command with the access token in its environment",
        .details = "Sets PURSER_ACCESS_TOKEN, PURSER_API_VERSION and PURSER_API_URL. A token in an "
                   "environment grows old, and "
                   "children inherit it: a command that runs for long had better ask `purser token` again.",
        .run = run_exec,
};
