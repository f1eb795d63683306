/* purser reload, metrics: what concerns the daemon as a whole. */
#include "client/cmd.h"
#include "client/output.h"

#include <string.h>

#define RELOAD "io.purser.Admin.Reload"
#define METRICS "io.purser.Admin.Metrics"

/* Every mistake on a line of its own, as compilers tell them; then what became of it. */
static void tell_problems(const struct cli *cli)
{
        const char *text = purser_error_parameters(cli->purser);
        _cleanup_(json_decrefp) json_t *parameters = text ? json_loads(text, 0, NULL) : NULL;
        const json_t *problem;
        size_t i;

        json_array_foreach (json_object_get(parameters, "problems"), i, problem) {
                if (!json_is_string(problem))
                        continue;
                output_text(stderr, STYLE_PLAIN, json_string_value(problem));
                fputc('\n', stderr);
        }
}

static int run_reload(struct cli *cli, int argc, char **argv)
{
        int r;

        r = cli_parse(cli, NULL, 0, 0, 0, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        r = cli_connect(cli);
        if (r != EX_OK)
                return r;

        r = purser_call(cli->purser, RELOAD, NULL, PURSER_CALL_IDEMPOTENT, NULL);
        if (r == PURSER_OK)
                return EX_OK;
        tell_problems(cli);
        return cli_fail(cli, RELOAD, r);
}

const struct cmd cmd_reload = {
        .name = "reload",
        .synopsis = "",
        .summary = "Have purserd read its configuration again",
        .details = "When it is wrong, every mistake is shown, and the running configuration stays.",
        .run = run_reload,
};

static int run_metrics(struct cli *cli, int argc, char **argv)
{
        _cleanup_(cli_parameters_done) struct cli_parameters parameters = CLI_PARAMETERS_INIT;
        _cleanup_(json_decrefp) json_t *reply = NULL;
        int64_t credentials = 0;
        const struct cli_option options[] = {
                { "credentials", "N", "series of so many single credentials, too", CLI_NUMBER, &credentials },
        };
        const char *text;
        int r;

        r = cli_parse(cli, options, 1, 0, 0, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        cli_add_number(&parameters, "credentials", credentials);
        r = cli_call(cli, METRICS, &parameters, PURSER_CALL_IDEMPOTENT, &reply);
        if (r != EX_OK)
                return r;
        text = cli_text(reply, "text");
        fputs(text ? text : "", stdout);
        return EX_OK;
}

const struct cmd cmd_metrics = {
        .name = "metrics",
        .synopsis = "",
        .summary = "Print metrics as OpenMetrics text",
        .details = "Credentials are counted by client and state. With --credentials, up to 2000 of them have "
                   "series of "
                   "their own, those first that need attention.",
        .run = run_metrics,
};
