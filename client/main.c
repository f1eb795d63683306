/* purser: finds the command, and lets it run. */
#include "client/cmd.h"

#include <limits.h>
#include <string.h>

static const struct cmd *const commands[] = {
        &cmd_token,  &cmd_headers,        &cmd_exec,       &cmd_list,   &cmd_clients, &cmd_providers,
        &cmd_status, &cmd_watch,          &cmd_login,      &cmd_import, &cmd_test,    &cmd_refresh,
        &cmd_logout, &cmd_verify_webhook, &cmd_secret_set, &cmd_reload, &cmd_metrics, &cmd_key_change,
        &cmd_export, &cmd_restore,        &cmd_keep,
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int print_help(void)
{
        printf("usage: purser [--socket PATH] COMMAND [ARGUMENT...]\n");
        for (size_t i = 0; i < N_COMMANDS; i++) {
                char shown[64];

                snprintf(shown, sizeof(shown), "%s %s", commands[i]->name, commands[i]->synopsis);
                printf("  %-22s %s\n", shown, commands[i]->summary);
        }
        printf("`purser COMMAND --help` shows more; purser(1) tells where it finds purserd.\n");
        return EX_OK;
}

/*
 * A command's name is one word or two; *ret_n says how many, and
 * is beyond all there are where the second one is not right.
 */
static const struct cmd *find_command(char **argv, int *ret_n)
{
        for (size_t i = 0; i < N_COMMANDS; i++) {
                const char *space = strchr(commands[i]->name, ' ');
                size_t first = space ? (size_t)(space - commands[i]->name) : strlen(commands[i]->name);

                if (strlen(argv[0]) != first || memcmp(argv[0], commands[i]->name, first) != 0)
                        continue;
                *ret_n = space ? 2 : 1;
                if (space && !(argv[1] && strcmp(argv[1], space + 1) == 0))
                        *ret_n = INT_MAX;
                return commands[i];
        }
        return NULL;
}

static int run(struct cli *cli, int argc, char **argv)
{
        static const struct cmd purser = { .name = "", .synopsis = "COMMAND" };
        bool version = false, help = false;
        const struct cli_option options[] = {
                { "version", NULL, "", CLI_FLAG, &version },
                { "help", NULL, "", CLI_FLAG, &help },
        };
        int n_words, r;

        cli->cmd = &purser;
        r = cli_parse_until_argument(cli, options, 2, argc, argv, &argv, &argc);
        if (r != CLI_GO_ON)
                return r;
        if (version) {
                printf("purser %s\n", purser_version());
                return EX_OK;
        }
        if (help)
                return print_help();
        if (argc == 0)
                return cli_misuse(cli, "which command?");

        cli->cmd = find_command(argv, &n_words);
        if (!cli->cmd) {
                cli->cmd = &purser;
                return cli_misuse(cli, "there is no command '%s'", argv[0]);
        }
        if (n_words > argc)
                return cli_misuse(cli, "the command is `purser %s %s`", cli->cmd->name, cli->cmd->synopsis);
        return cli->cmd->run(cli, argc - n_words + 1, argv + n_words - 1);
}

int main(int argc, char **argv)
{
        struct cli cli = { 0 };
        int status;

        cli_init();
        status = run(&cli, argc, argv);
        purser_close(cli.purser);
        return cli_finish(status);
}
