/*
 * What all commands share: options, the connection, calls and their failures. Commands use the library's
 * public API alone, and the modules of common/ for secrets. Every function that returns an int returns an
 * exit status (sysexits.h), 0 for success.
 */
#pragma once

#include "common/cleanup.h"
#include "common/secret.h"
#include "common/wire.h"
#include "include/purser.h"

#include <jansson.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdint.h>
#include <sysexits.h>

struct cmd;

struct cli {
        const struct cmd *cmd;
        const char *socket; /* NULL: the library's default */
        const char *subject; /* the credential or the client that the command is about; NULL: none */
        struct purser *purser; /* NULL before cli_connect() */
};

struct cmd {
        const char *name; /* "secret set" */
        const char *synopsis; /* what follows the name, without options: "NAME" */
        const char *summary; /* for the list of commands: a line without a full stop */
        const char *details; /* for --help: lines; may be NULL */
        const char *excess; /* said to those who give too many arguments; may be NULL */
        int (*run)(struct cli *cli, int argc, char **argv); /* argv[0] is the command's name */
};

static inline void cli_close_purser(struct purser **purser)
{
        purser_close(*purser);
}

/* ---- cli_options.c ---- */

enum cli_option_kind {
        CLI_FLAG, /* bool */
        CLI_TEXT, /* const char * */
        CLI_DURATION, /* int64_t: seconds, rounded up */
        CLI_NUMBER, /* int64_t, from 0 to a million */
};

struct cli_option {
        const char *name; /* without the dashes */
        const char *argument; /* how it is called in --help; NULL for a flag */
        const char *help;
        enum cli_option_kind kind;
        void *value; /* left alone where the option is not given */
};

enum {
        CLI_GO_ON = -1,
};

/*
 * Takes the options out of argv, --help and --socket among them, and the arguments, of which there are
 * `least` to `most`; the first becomes cli->subject. CLI_GO_ON, or the exit status to end with.
 */
int cli_parse(struct cli *cli, const struct cli_option *options, size_t n_options, int least, int most,
              int argc, char **argv);

/*
 * The same, but takes no arguments: *ret_arguments points to the
 * first one and all behind it, *ret_n says how many they are.
 */
int cli_parse_until_argument(struct cli *cli, const struct cli_option *options, size_t n_options, int argc,
                             char **argv, char ***ret_arguments, int *ret_n);

/* ---- cli.c ---- */

/* At the start of main(): jansson wipes what it frees, nobody may look into the process, text is UTF-8. */
void cli_init(void);

/* At the end of main(): the status, or EX_IOERR where standard output did not take everything. */
int cli_finish(int status);

/* One line on standard error, control characters replaced. */
void cli_say(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says what is wrong and where to read how it is done. EX_USAGE. */
int cli_misuse(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

int cli_connect(struct cli *cli);

/* The words for a failure of the library go to buffer; gives the exit status for it. */
int cli_explain(const struct cli *cli, const char *method, int result, char *buffer, size_t size);

/* Says what a failure of the library means and what to do next; gives the exit status for it. */
int cli_fail(const struct cli *cli, const char *method, int result);

/* Fault of our own: no memory, a system call. */
int cli_fault(const struct cli *cli, const char *doing, int error);

/* The text of a parameters object, in secret memory. A NULL value leaves a member out. */
struct cli_parameters {
        struct secret_buf text;
        int error; /* of any step so far */
};

#define CLI_PARAMETERS_INIT                                                                                  \
        {                                                                                                    \
                .text = SECRET_BUF_INIT(WIRE_MESSAGE_MAX)                                                    \
        }

void cli_add_text(struct cli_parameters *parameters, const char *name, const char *value);
void cli_add_secret(struct cli_parameters *parameters, const char *name, const struct secret *value);
void cli_add_number(struct cli_parameters *parameters, const char *name, int64_t value);
void cli_add_true(struct cli_parameters *parameters, const char *name, bool value); /* false leaves it out */
int cli_parameters_end(const struct cli *cli,
                       struct cli_parameters *parameters); /* closes the object, once */
void cli_parameters_done(struct cli_parameters *parameters);

/*
 * Calls a method. parameters may be NULL; flags as of purser_call(). *ret_text: the reply as it came, for
 * purser_text_free(); may be NULL. A failure has been told when this returns.
 */
int cli_call_text(struct cli *cli, const char *method, struct cli_parameters *parameters, unsigned flags,
                  char **ret_text);

/* The same, with the reply as a value. */
int cli_call(struct cli *cli, const char *method, struct cli_parameters *parameters, unsigned flags,
             json_t **ret_reply);

int cli_parse_reply(const struct cli *cli, const char *text, json_t **ret_reply);

/* A member's text, NULL where it is missing, null or of another type; its number, or `otherwise`. */
const char *cli_text(const json_t *object, const char *name);
int64_t cli_number(const json_t *object, const char *name, int64_t otherwise);

/*
 * Tells what a test showed: account and version to `out`,
 * warnings to standard error. The exit status that it means.
 */
int cli_tell_test(const struct cli *cli, FILE *out, const json_t *test);

/* Tells what came of a login or an import. */
int cli_tell_grant(const struct cli *cli, FILE *out, const json_t *reply);

/* "NAME (ID)", or what there is of it; "" without an account. Returns buffer. */
const char *cli_account(const json_t *account, char *buffer, size_t size);

/* ---- cli_base64.c ---- */

int cli_append_base64(struct secret_buf *out, const void *bytes, size_t n);
int cli_append_decoded(struct secret_buf *out, const char *text); /* -EBADMSG: it is no base64 */

/* ---- cli_input.c ---- */

enum cli_secret_kind {
        CLI_SECRET_WORD, /* visible ASCII characters */
        CLI_SECRET_LINE, /* and blanks */
        CLI_SECRET_OR_KEY, /* or several lines, where the first one begins a key in PEM */
};

/*
 * Reads one secret from standard input: what is there, without one line end behind it; from a terminal a
 * line, typed after `prompt` without echo, or a key to its last line. Refuses what is empty or has other
 * characters than such a secret.
 */
int cli_read_secret(const struct cli *cli, const char *prompt, const char *what, enum cli_secret_kind kind,
                    struct secret **ret);

/*
 * All of standard input, up to `most` bytes, into a buffer that
 * need not be initialized; secret_buf_done() whatever comes of it.
 */
int cli_read_all(const struct cli *cli, size_t most, struct secret_buf *ret);
