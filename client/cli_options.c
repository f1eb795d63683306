/* Options of a command by a table, and the help that the same table makes. */
#include "client/cli.h"
#include "client/output.h"
#include "common/clock.h"
#include "common/duration.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum {
        OPTIONS_MAX = 12,
        FIRST_CODE = 256, /* above every letter */
        HELP_WIDTH = 79, /* the narrowest screen that people have */
};

/* ---- help ---- */

/* From column `first` on, where further lines begin, too. Line ends of the text are kept. */
static void print_wrapped(const char *text, size_t first)
{
        size_t column = first;

        while (*text) {
                size_t n = strcspn(text, " \n");

                if (column > first && column + 1 + n > HELP_WIDTH) {
                        printf("\n%*s", (int)first, "");
                        column = first;
                } else if (column > first) {
                        putchar(' ');
                        column++;
                }
                printf("%.*s", (int)n, text);
                column += n;
                text += n;
                if (*text == '\n') {
                        printf("\n%*s", (int)first, "");
                        column = first;
                }
                text += *text != '\0';
        }
        putchar('\n');
}

static void print_option(const char *name, const char *argument, const char *help)
{
        char shown[64];
        int n;

        snprintf(shown, sizeof(shown), "--%s%s%s", name, argument ? " " : "", argument ? argument : "");
        n = printf("  %-22s ", shown);
        print_wrapped(help, (size_t)n);
}

static void print_usage(const struct cli *cli, const struct cli_option *options, size_t n_options)
{
        int column;

        column = printf("usage: purser %s%s%s", cli->cmd->name, *cli->cmd->synopsis ? " " : "",
                        cli->cmd->synopsis);
        for (size_t i = 0; i < n_options; i++) {
                char shown[64];
                int n;

                n = snprintf(shown, sizeof(shown), " [--%s%s%s]", options[i].name,
                             options[i].argument ? " " : "", options[i].argument ? options[i].argument : "");
                if (column + n > HELP_WIDTH)
                        column = printf("\n      ") - 1;
                column += printf("%s", shown);
        }
        putchar('\n');
}

static int print_help(const struct cli *cli, const struct cli_option *options, size_t n_options)
{
        print_usage(cli, options, n_options);
        printf("\n%s.\n", cli->cmd->summary);
        if (cli->cmd->details)
                print_wrapped(cli->cmd->details, 0);

        printf("\n");
        for (size_t i = 0; i < n_options; i++)
                print_option(options[i].name, options[i].argument, options[i].help);
        print_option("socket", "PATH", "where purserd listens");
        print_option("help", NULL, "this text");
        return EX_OK;
}

/* ---- parsing ---- */

/* The value of --NUMBER: digits alone, so that neither a sign nor a unit is passed over. */
static int take_number(const struct cli *cli, const struct cli_option *option, const char *text)
{
        size_t n = strspn(text, "0123456789");
        long long number = n > 0 && n <= 7 && !text[n] ? strtoll(text, NULL, 10) : -1;

        if (number < 0 || number > 1000000)
                return cli_misuse(cli, "--%s must be a number", option->name);
        *(int64_t *)option->value = number;
        return CLI_GO_ON;
}

static int take_value(const struct cli *cli, const struct cli_option *option, const char *text)
{
        struct diag diag = DIAG_INIT;
        uint64_t usec;

        switch (option->kind) {
        case CLI_FLAG:
                *(bool *)option->value = true;
                return CLI_GO_ON;
        case CLI_TEXT:
                *(const char **)option->value = text;
                return CLI_GO_ON;
        case CLI_DURATION:
                if (duration_parse(text, &usec, &diag) != 0)
                        return cli_misuse(cli, "--%s: %s", option->name, diag.text);
                *(int64_t *)option->value = (int64_t)((usec + USEC_PER_SEC - 1) / USEC_PER_SEC);
                return CLI_GO_ON;
        case CLI_NUMBER:
                return take_number(cli, option, text);
        }
        return CLI_GO_ON;
}

static void make_long_options(const struct cli_option *options, size_t n_options, struct option *ret)
{
        for (size_t i = 0; i < n_options; i++)
                ret[i] = (struct option){ options[i].name,
                                          options[i].kind == CLI_FLAG ? no_argument : required_argument, NULL,
                                          FIRST_CODE + (int)i };
        ret[n_options] = (struct option){ "socket", required_argument, NULL, 's' };
        ret[n_options + 1] = (struct option){ "help", no_argument, NULL, 'h' };
        ret[n_options + 2] = (struct option){ 0 };
}

/* What follows one dash, or an equals sign, may be a secret that went astray: it is not repeated. */
static int unknown_option(const struct cli *cli, const char *word)
{
        if (strncmp(word, "--", 2) != 0)
                return cli_misuse(cli, "options begin with two dashes");
        return cli_misuse(cli, "there is no option %.*s", (int)strcspn(word, "="), word);
}

static int parse_options(struct cli *cli, const char *letters, const struct cli_option *options,
                         size_t n_options, int argc, char **argv)
{
        struct option long_options[OPTIONS_MAX + 3];
        int code, r;

        if (n_options > OPTIONS_MAX)
                abort();
        make_long_options(options, n_options, long_options);

        optind = 0;
        opterr = 0;
        while ((code = getopt_long(argc, argv, letters, long_options, NULL)) >= 0) {
                switch (code) {
                case 's':
                        cli->socket = optarg;
                        break;
                case 'h':
                        return print_help(cli, options, n_options);
                case ':':
                        return cli_misuse(cli, "%s needs a value", argv[optind - 1]);
                case '?':
                        return unknown_option(cli, argv[optind - 1]);
                default:
                        r = take_value(cli, &options[code - FIRST_CODE], optarg);
                        if (r != CLI_GO_ON)
                                return r;
                }
        }
        return CLI_GO_ON;
}

/* Arguments in excess are not repeated: tokens have been seen there. */
int cli_parse(struct cli *cli, const struct cli_option *options, size_t n_options, int least, int most,
              int argc, char **argv)
{
        int r, n;

        r = parse_options(cli, ":h", options, n_options, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        n = argc - optind;
        if (n < least)
                return cli_misuse(cli, "%s is missing", cli->cmd->synopsis);
        if (n > most)
                return cli_misuse(cli, "%s", cli->cmd->excess ? cli->cmd->excess : "too many arguments");
        if (n > 0 && !*argv[optind])
                return cli_misuse(cli, "%s is empty", cli->cmd->synopsis);
        cli->subject = argv[optind];
        return CLI_GO_ON;
}

int cli_parse_until_argument(struct cli *cli, const struct cli_option *options, size_t n_options, int argc,
                             char **argv, char ***ret_arguments, int *ret_n)
{
        int r;

        r = parse_options(cli, "+:h", options, n_options, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        *ret_arguments = argv + optind;
        *ret_n = argc - optind;
        return CLI_GO_ON;
}
