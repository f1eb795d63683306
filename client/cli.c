/* The connection, calls and what is said about them. */
#include "client/cli.h"

#include "client/cli_exit.h"
#include "client/output.h"
#include "common/wipe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

enum {
        PATIENCE_MSEC = 2000, /* a person waits, and a daemon is restarted faster than that */
        TIMEOUT_MSEC = 300 * 1000, /* an exchange and a test at a slow provider, one after the other */
};

/* A sanitizer's leak check looks into the process, as a debugger does. */
#if defined(__SANITIZE_ADDRESS__)
#define MAY_BE_TRACED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MAY_BE_TRACED 1
#endif
#endif

void cli_init(void)
{
        json_set_alloc_funcs(wipe_malloc, wipe_free);
        setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
#ifndef MAY_BE_TRACED
        (void)prctl(PR_SET_DUMPABLE, 0);
#endif
}

int cli_finish(int status)
{
        if ((fflush(stdout) != 0 || ferror(stdout)) && status == EX_OK) {
                fprintf(stderr, "purser: standard output did not take everything: %s\n",
                        strerrordesc_np(errno));
                return EX_IOERR;
        }
        return status;
}

void cli_say(const struct cli *cli, const char *format, ...)
{
        char text[2048], line[2048] = "";
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);

        /* What was printed so far comes first, wherever both go. */
        fflush(stdout);
        fprintf(stderr, "purser: %s\n", output_append(line, sizeof(line), text));
}

int cli_misuse(const struct cli *cli, const char *format, ...)
{
        char text[512];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        cli_say(cli, "%s; `purser %s%s--help` shows how", text, cli->cmd->name, *cli->cmd->name ? " " : "");
        return EX_USAGE;
}

int cli_fault(const struct cli *cli, const char *doing, int error)
{
        cli_say(cli, "%s: %s", doing, strerrordesc_np(error < 0 ? -error : error));
        return EX_OSERR;
}

/* ---- the connection ---- */

int cli_connect(struct cli *cli)
{
        int r;

        if (cli->purser)
                return EX_OK;
        r = purser_open(&cli->purser, cli->socket);
        if (r == PURSER_E_USAGE)
                return cli_misuse(cli, "the path of the socket is empty or too long");
        if (r != PURSER_OK)
                return cli_fault(cli, "connecting", -ENOMEM);
        purser_set_patience(cli->purser, PATIENCE_MSEC);
        purser_set_timeout(cli->purser, TIMEOUT_MSEC);
        return EX_OK;
}

int cli_explain(const struct cli *cli, const char *method, int result, char *buffer, size_t size)
{
        const char *parameters = purser_error_parameters(cli->purser);
        _cleanup_(json_decrefp) json_t *json = parameters ? json_loads(parameters, 0, NULL) : NULL;
        char command[64];
        struct exit_facts facts = {
                .result = result,
                .error = purser_error_name(cli->purser),
                .words = purser_error(cli->purser),
                .method = method,
                .parameters = json,
                .subject = cli->subject,
                .command = command,
        };

        snprintf(command, sizeof(command), "purser %s", cli->cmd->name);
        exit_line(&facts, buffer, size);
        return exit_status(&facts);
}

int cli_fail(const struct cli *cli, const char *method, int result)
{
        char line[1024];
        int status = cli_explain(cli, method, result, line, sizeof(line));

        cli_say(cli, "%s", line);
        return status;
}

/* ---- calls ---- */

static void step(struct cli_parameters *parameters, int error)
{
        if (parameters->error == 0)
                parameters->error = error;
}

static void append_bytes(struct cli_parameters *parameters, const char *text)
{
        step(parameters, secret_buf_append_string(&parameters->text, text));
}

static void append_name(struct cli_parameters *parameters, const char *name)
{
        append_bytes(parameters, parameters->text.n == 0 ? "{\"" : ",\"");
        append_bytes(parameters, name);
        append_bytes(parameters, "\":");
}

void cli_add_text(struct cli_parameters *parameters, const char *name, const char *value)
{
        if (!value)
                return;
        append_name(parameters, name);
        step(parameters, wire_append_string(&parameters->text, value, strlen(value)));
}

void cli_add_secret(struct cli_parameters *parameters, const char *name, const struct secret *value)
{
        append_name(parameters, name);
        step(parameters, wire_append_string(&parameters->text, secret_expose(value), secret_size(value)));
}

void cli_add_number(struct cli_parameters *parameters, const char *name, int64_t value)
{
        char digits[32];

        snprintf(digits, sizeof(digits), "%" PRId64, value);
        append_name(parameters, name);
        append_bytes(parameters, digits);
}

void cli_add_true(struct cli_parameters *parameters, const char *name, bool value)
{
        if (!value)
                return;
        append_name(parameters, name);
        append_bytes(parameters, "true");
}

void cli_parameters_done(struct cli_parameters *parameters)
{
        secret_buf_done(&parameters->text);
}

int cli_parameters_end(const struct cli *cli, struct cli_parameters *parameters)
{
        append_bytes(parameters, parameters->text.n == 0 ? "{}" : "}");
        if (parameters->error == -EILSEQ)
                return cli_misuse(cli, "an argument is not UTF-8");
        if (parameters->error == -EMSGSIZE)
                return cli_misuse(cli, "that is longer than a message may be");
        return parameters->error == 0 ? EX_OK : cli_fault(cli, "building a call", parameters->error);
}

int cli_call_text(struct cli *cli, const char *method, struct cli_parameters *parameters, unsigned flags,
                  char **ret_text)
{
        int r;

        r = cli_connect(cli);
        if (r == EX_OK && parameters)
                r = cli_parameters_end(cli, parameters);
        if (r != EX_OK)
                return r;
        r = purser_call(cli->purser, method, parameters ? parameters->text.data : NULL, flags, ret_text);
        return r == PURSER_OK ? EX_OK : cli_fail(cli, method, r);
}

int cli_parse_reply(const struct cli *cli, const char *text, json_t **ret_reply)
{
        json_t *reply = json_loads(text, 0, NULL);

        if (!reply) {
                cli_say(cli, "the answer of purserd makes no sense; is it of another version?");
                return EX_PROTOCOL;
        }
        *ret_reply = reply;
        return EX_OK;
}

int cli_call(struct cli *cli, const char *method, struct cli_parameters *parameters, unsigned flags,
             json_t **ret_reply)
{
        char *text;
        int r;

        r = cli_call_text(cli, method, parameters, flags, &text);
        if (r != EX_OK)
                return r;
        r = cli_parse_reply(cli, text, ret_reply);
        purser_text_free(text);
        return r;
}

const char *cli_text(const json_t *object, const char *name)
{
        return json_string_value(json_object_get(object, name));
}

int64_t cli_number(const json_t *object, const char *name, int64_t otherwise)
{
        const json_t *value = json_object_get(object, name);

        return json_is_integer(value) ? json_integer_value(value) : otherwise;
}
