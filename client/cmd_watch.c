/*
 * purser watch: a line whenever the token of a credential
 * changes; the token itself only where it was asked for.
 */
#include "client/cmd.h"
#include "client/output.h"

#include <errno.h>
#include <time.h>

#define METHOD "io.purser.Tokens.WatchToken"

static void free_bundle(struct purser_bundle **bundle)
{
        purser_bundle_free(*bundle);
}

static void free_watch(struct purser_watch **watch)
{
        purser_watch_free(*watch);
}

static void tell_change(const struct cli *cli, const struct purser_bundle *bundle)
{
        int64_t now = time(NULL), ends = purser_bundle_expires_at(bundle);
        char date[48], until[48];

        printf("%s  token %lld", output_time(now, date, sizeof(date)),
               (long long)purser_bundle_generation(bundle));
        if (ends >= 0)
                printf("  ends %s (%s)", output_time(ends, date, sizeof(date)),
                       output_until(ends, now, until, sizeof(until)));
        if (purser_bundle_api_version(bundle)) {
                printf("  version ");
                output_text(stdout, STYLE_PLAIN, purser_bundle_api_version(bundle));
        }
        putchar('\n');
        for (size_t i = 0; i < purser_bundle_n_warnings(bundle); i++)
                cli_say(cli, "%s: %s", cli->subject, purser_bundle_warning(bundle, i));
}

/* A daemon that was there once is waited for: its absence and its return are each told. */
static int follow(struct cli *cli, struct purser_watch *watch, bool json)
{
        bool seen = false, absent = false;

        for (;;) {
                _cleanup_(free_bundle) struct purser_bundle *bundle = NULL;
                int r;

                r = purser_watch_wait(watch, -1, &bundle);
                if (r == PURSER_E_AGAIN)
                        continue;
                if (r == PURSER_E_NO_DAEMON && seen) {
                        cli_say(cli, "%s; waiting for it", purser_error(cli->purser));
                        absent = true;
                        continue;
                }
                if (r != PURSER_OK)
                        return cli_fail(cli, METHOD, r);

                if (absent)
                        cli_say(cli, "purserd is there again");
                absent = false;
                seen = true;
                if (json)
                        output_json(stdout, purser_bundle_json(bundle));
                else
                        tell_change(cli, bundle);
                if (fflush(stdout) != 0)
                        return EX_IOERR;
        }
}

static int run_watch(struct cli *cli, int argc, char **argv)
{
        _cleanup_(free_watch) struct purser_watch *watch = NULL;
        bool json = false;
        const struct cli_option options[] = {
                { "json", NULL, "the bundle for each change, token included", CLI_FLAG, &json },
        };
        int r;

        r = cli_parse(cli, options, 1, 1, 1, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        r = cli_connect(cli);
        if (r != EX_OK)
                return r;
        r = purser_watch_new(cli->purser, cli->subject, &watch);
        return r == PURSER_OK ? follow(cli, watch, json) : cli_fail(cli, METHOD, r);
}

const struct cmd cmd_watch = {
        .name = "watch",
        .synopsis = "NAME",
        .summary = "Print a line whenever a credential's token changes",
        .details = "Goes on until it is stopped, or until the credential needs a login.",
        .run = run_watch,
};
