/* purser list: the credentials that the caller may use. */
#include "client/cmd.h"
#include "client/cmd_state.h"
#include "client/output.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static void free_credentials(struct purser_credentials **credentials)
{
        purser_credentials_free(*credentials);
}

static bool add_row(struct table *table, const struct purser_credential *credential, int64_t now)
{
        char expires[64] = "";
        const char *account = credential->account_name ? credential->account_name : credential->account_id;

        if (credential->expires_at >= 0)
                output_until(credential->expires_at, now, expires, sizeof(expires));
        return table_add(table, STYLE_STRONG, credential->name) &&
               table_add(table, state_style(credential->state), state_words(credential->state)) &&
               table_add(table, STYLE_PLAIN, expires) &&
               table_add(table, STYLE_PLAIN, credential->api_version) &&
               table_add(table, STYLE_PLAIN, account) &&
               table_add(table, STYLE_PLAIN, credential->description);
}

int list_print(const struct cli *cli, const struct purser_credentials *credentials, const char *only)
{
        static const char *const titles[] = { "NAME",    "STATE",   "TOKEN ENDS",
                                              "VERSION", "ACCOUNT", "DESCRIPTION" };
        _cleanup_(table_freep) struct table *table = table_new(titles, sizeof(titles) / sizeof(titles[0]));
        int64_t now = time(NULL);
        bool added = table;

        for (size_t i = 0; added && i < purser_credentials_count(credentials); i++) {
                const struct purser_credential *credential = purser_credentials_get(credentials, i);

                if (!only || strcmp(credential->name, only) == 0)
                        added = add_row(table, credential, now);
        }
        if (!added)
                return cli_fault(cli, "listing", ENOMEM);
        table_print(table, stdout, output_columns(stdout));
        return EX_OK;
}

static int run_list(struct cli *cli, int argc, char **argv)
{
        _cleanup_(free_credentials) struct purser_credentials *credentials = NULL;
        bool json = false;
        const struct cli_option options[] = {
                { "json", NULL, "the reply of io.purser.Tokens.ListCredentials", CLI_FLAG, &json },
        };
        int r;

        r = cli_parse(cli, options, 1, 0, 0, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        r = cli_connect(cli);
        if (r != EX_OK)
                return r;
        r = purser_list_credentials(cli->purser, &credentials);
        if (r != PURSER_OK)
                return cli_fail(cli, "io.purser.Tokens.ListCredentials", r);

        if (json)
                output_json(stdout, purser_credentials_json(credentials));
        else if (purser_credentials_count(credentials) > 0)
                return list_print(cli, credentials, NULL);
        else
                cli_say(cli, "there is no credential that you may use; an administrator makes one with "
                             "`purser login NAME`");
        return EX_OK;
}

const struct cmd cmd_list = {
        .name = "list",
        .synopsis = "",
        .summary = "List the credentials that you may use",
        .run = run_list,
};
