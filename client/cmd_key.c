/* purser key change: everything in the store under another key. */
#include "client/cmd.h"

#include <string.h>

static int run_key_change(struct cli *cli, int argc, char **argv)
{
        _cleanup_(json_decrefp) json_t *reply = NULL;
        const char *source;
        int r;

        r = cli_parse(cli, NULL, 0, 0, 0, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        r = cli_call(cli, "io.purser.Admin.ChangeSealingKey", NULL, 0, &reply);
        if (r != EX_OK)
                return r;
        printf("%lld records are sealed with another key.\n",
               (long long)json_integer_value(json_object_get(reply, "records")));
        source = cli_text(reply, "source");
        if (source && strcmp(source, "systemd-credential") == 0)
                puts("Now make the credential purser.key.new the service's purser.key, and remove the old "
                     "one.");
        else
                puts("Copies of the old key open older copies of the store alone: back up both anew.");
        return EX_OK;
}

const struct cmd cmd_key_change = {
        .name = "key change",
        .synopsis = "",
        .summary = "Seal the store with another key",
        .details = "The key file is replaced by a new one. Where the key is a systemd credential, give the "
                   "service the "
                   "new one as "
                   "the credential purser.key.new first, and restart it.",
        .run = run_key_change,
};
