/* purser clients: the registrations that are configured, also those that no credential uses yet. */
#include "client/cmd.h"
#include "client/output.h"

#include <errno.h>
#include <string.h>

#define METHOD "io.purser.Admin.ListClients"

static bool add_row(struct table *table, const json_t *client)
{
        const char *secret = cli_text(client, "secret");
        bool missing = secret && strcmp(secret, "missing") == 0;

        return table_add(table, STYLE_STRONG, cli_text(client, "name")) &&
               table_add(table, STYLE_PLAIN, cli_text(client, "provider")) &&
               table_add(table, missing ? STYLE_BAD : STYLE_PLAIN, secret) &&
               table_add(table, STYLE_PLAIN, cli_text(client, "api_version")) &&
               table_add(table, STYLE_PLAIN, cli_text(client, "client_id")) &&
               table_add(table, STYLE_PLAIN, cli_text(client, "redirect_uri"));
}

static int print_clients(const struct cli *cli, const json_t *clients)
{
        static const char *const titles[] = { "NAME",    "PROVIDER",  "SECRET",
                                              "VERSION", "CLIENT ID", "REDIRECT URI" };
        _cleanup_(table_freep) struct table *table = table_new(titles, sizeof(titles) / sizeof(titles[0]));
        const json_t *client;
        bool added = table;
        size_t i;

        json_array_foreach (clients, i, client)
                added = added && add_row(table, client);
        if (!added)
                return cli_fault(cli, "listing", ENOMEM);
        if (json_array_size(clients) > 0)
                table_print(table, stdout, output_columns(stdout));
        else
                cli_say(cli, "no client is configured; purser.yaml(5) says how one is written down");
        return EX_OK;
}

static int run_clients(struct cli *cli, int argc, char **argv)
{
        _cleanup_(json_decrefp) json_t *reply = NULL;
        bool json = false;
        const struct cli_option options[] = {
                { "json", NULL, "the reply of io.purser.Admin.ListClients", CLI_FLAG, &json },
        };
        char *text = NULL;
        int r;

        r = cli_parse(cli, options, 1, 0, 0, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        r = cli_call_text(cli, METHOD, NULL, PURSER_CALL_IDEMPOTENT, &text);
        if (r != EX_OK)
                return r;
        if (json)
                output_json(stdout, text);
        else
                r = cli_parse_reply(cli, text, &reply);
        purser_text_free(text);
        return reply ? print_clients(cli, json_object_get(reply, "clients")) : r;
}

const struct cmd cmd_clients = {
        .name = "clients",
        .synopsis = "",
        .summary = "List the clients that are configured",
        .details = "For administrators. SECRET says where each client secret comes from; missing: nobody has "
                   "typed it in yet "
                   "(`purser secret set NAME`).",
        .run = run_clients,
};
