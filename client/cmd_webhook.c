/* purser verify-webhook: is the body on standard input from the provider? */
#include "client/cmd.h"

#include <string.h>

enum {
        BODY_MAX = 2 * 1024 * 1024, /* as base64 it must fit into a message */
};

static int verify(struct cli *cli, const char *body, const char *signature)
{
        _cleanup_(cli_parameters_done) struct cli_parameters parameters = CLI_PARAMETERS_INIT;
        _cleanup_(json_decrefp) json_t *reply = NULL;
        const char *credential;
        int r;

        cli_add_text(&parameters, "client", cli->subject);
        cli_add_text(&parameters, "body", body);
        cli_add_text(&parameters, "signature", signature);
        r = cli_call(cli, "io.purser.Tokens.VerifyWebhook", &parameters, PURSER_CALL_IDEMPOTENT, &reply);
        if (r != EX_OK)
                return r;

        if (!json_is_true(json_object_get(reply, "valid"))) {
                cli_say(cli,
                        "the signature does not hold: this body is not from the provider of '%s'; drop it",
                        cli->subject);
                return EX_DATAERR;
        }
        credential = cli_text(reply, "credential");
        if (credential)
                printf("%s\n", credential);
        return EX_OK;
}

static int run_verify_webhook(struct cli *cli, int argc, char **argv)
{
        _cleanup_(secret_buf_done) struct secret_buf body = { 0 }, base64 = SECRET_BUF_INIT(WIRE_MESSAGE_MAX);
        const char *signature = NULL;
        const struct cli_option options[] = {
                { "signature", "S", "the value of the signature header, as it came", CLI_TEXT, &signature },
        };
        int r;

        r = cli_parse(cli, options, 1, 1, 1, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        if (!signature)
                return cli_misuse(cli, "--signature is missing");

        r = cli_read_all(cli, BODY_MAX, &body);
        if (r != EX_OK)
                return r;
        r = cli_append_base64(&base64, body.data, body.n);
        if (r < 0)
                return cli_fault(cli, "reading the body", r);
        return verify(cli, base64.n > 0 ? base64.data : "", signature);
}

const struct cmd cmd_verify_webhook = {
        .name = "verify-webhook",
        .synopsis = "CLIENT",
        .summary = "Say whether the webhook on standard input is genuine",
        .details = "The body is read as it came, byte for byte. Exit status 0 when the signature holds, 65 "
                   "when it does not. Prints "
                   "the credential whose account the notice is about, where it tells.",
        .run = run_verify_webhook,
};
