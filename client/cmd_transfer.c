/*
 * purser export, restore, keep: grants out of one machine and into
 * another. What passes through here is sealed; the passphrase is not kept.
 */
#include "client/cmd.h"
#include "client/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ADMIN "io.purser.Admin."

enum { PIECE = 1024 * 1024 };

static bool is_standard_output(const char *file)
{
        return strcmp(file, "-") == 0;
}

/* One that is mistyped would be found out when it is needed. */
static int read_new_passphrase(const struct cli *cli, struct secret **ret)
{
        _cleanup_(secret_freep) struct secret *passphrase = NULL, *again = NULL;
        int r;

        r = cli_read_secret(cli, "New passphrase of the backup: ", "a passphrase", CLI_SECRET_LINE,
                            &passphrase);
        if (r != EX_OK)
                return r;
        if (isatty(STDIN_FILENO)) {
                r = cli_read_secret(cli, "Once more: ", "a passphrase", CLI_SECRET_LINE, &again);
                if (r != EX_OK)
                        return r;
                if (!secret_equal(passphrase, again))
                        return cli_misuse(cli, "the two passphrases differ");
        }
        *ret = take_ptr(passphrase);
        return EX_OK;
}

/* ---- export ---- */

struct export
{
        const struct cli *cli;
        const char *file;
        int fd;
        int status; /* of what went wrong here */
        int64_t credentials, client_secrets, left_out;
};

static int write_all(int fd, const char *bytes, size_t n)
{
        while (n > 0) {
                ssize_t written = write(fd, bytes, n);

                if (written < 0 && errno != EINTR)
                        return -errno;
                if (written > 0) {
                        bytes += written;
                        n -= (size_t)written;
                }
        }
        return 0;
}

static int take_piece(struct export *export, const json_t *reply)
{
        _cleanup_(secret_buf_done) struct secret_buf bytes = SECRET_BUF_INIT(WIRE_MESSAGE_MAX);
        const char *data = cli_text(reply, "data");
        int r;

        r = data ? cli_append_decoded(&bytes, data) : -EBADMSG;
        if (r == 0)
                r = write_all(export->fd, bytes.data, bytes.n);
        if (r < 0)
                return cli_fault(export->cli, "writing the backup", r);
        export->credentials = cli_number(reply, "credentials", 0);
        export->client_secrets = cli_number(reply, "client_secrets", 0);
        export->left_out = cli_number(reply, "left_out", 0);
        return EX_OK;
}

static int on_piece(void *data, const char *text, int continues)
{
        _cleanup_(json_decrefp) json_t *reply = NULL;
        struct export *export = data;

        (void)continues;
        export->status = cli_parse_reply(export->cli, text, &reply);
        if (export->status == EX_OK)
                export->status = take_piece(export, reply);
        return export->status == EX_OK ? 0 : -1;
}

/* The name is as durable as the bytes. */
static int sync_file(const char *file, int fd)
{
        char directory[PATH_MAX];
        const char *slash = strrchr(file, '/');
        _cleanup_(closep) int directory_fd = -1;

        if (fsync(fd) < 0)
                return -errno;
        snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash == file ? 1 : slash - file) : 1,
                 slash ? file : ".");
        directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return directory_fd < 0 || fsync(directory_fd) < 0 ? -errno : 0;
}

static int run_pieces(struct cli *cli, struct export *export, const struct secret *passphrase, bool move)
{
        _cleanup_(cli_parameters_done) struct cli_parameters parameters = CLI_PARAMETERS_INIT;
        int r;

        cli_add_secret(&parameters, "passphrase", passphrase);
        cli_add_true(&parameters, "move", move);
        r = cli_parameters_end(cli, &parameters);
        if (r != EX_OK)
                return r;
        r = purser_call_more(cli->purser, ADMIN "Export", parameters.text.data, 0, on_piece, export);
        if (r < 0)
                return export->status;
        if (r != PURSER_OK)
                return cli_fail(cli, ADMIN "Export", r);
        if (is_standard_output(export->file))
                return EX_OK;
        r = sync_file(export->file, export->fd);
        return r < 0 ? cli_fault(cli, "writing the backup", r) : EX_OK;
}

static void tell_export(const struct export *export, bool move)
{
        const struct cli *cli = export->cli;

        if (!is_standard_output(export->file))
                printf("%lld credentials and %lld client secrets are in the backup.\n",
                       (long long)export->credentials, (long long)export->client_secrets);
        if (export->left_out > 0)
                cli_say(cli,
                        "%lld credentials were left out: moved before, unreadable, or logins that wait for "
                        "their test; `purser status` shows which",
                        (long long)export->left_out);
        if (move)
                cli_say(cli,
                        "they are not refreshed here any more; `purser restore` takes them up on the other "
                        "machine, `purser keep` here");
        else
                cli_say(cli,
                        "this machine goes on refreshing them; restored elsewhere while it does, the two "
                        "break each other");
}

static int open_new(const struct cli *cli, const char *file)
{
        int fd;

        if (is_standard_output(file)) {
                if (isatty(STDOUT_FILENO))
                        (void)cli_misuse(cli, "a backup is no text for a terminal: name a file");
                return isatty(STDOUT_FILENO) ? -1 : STDOUT_FILENO;
        }
        fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 && errno == EEXIST)
                cli_say(cli, "there is a file of that name already; name another, or remove it");
        else if (fd < 0)
                cli_say(cli, "the file cannot be made: %s", strerror(errno));
        return fd;
}

static int run_export(struct cli *cli, int argc, char **argv)
{
        _cleanup_(secret_freep) struct secret *passphrase = NULL;
        bool move = false;
        const struct cli_option options[] = {
                { "move", NULL, "do not refresh them here any more", CLI_FLAG, &move },
        };
        struct export export = { .cli = cli };
        int r;

        r = cli_parse(cli, options, 1, 1, 1, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        export.file = cli->subject;
        r = cli_connect(cli);
        if (r == EX_OK)
                r = read_new_passphrase(cli, &passphrase);
        if (r != EX_OK)
                return r;
        export.fd = open_new(cli, export.file);
        if (export.fd < 0)
                return EX_CANTCREAT;
        r = run_pieces(cli, &export, passphrase, move);
        if (r == EX_OK) {
                tell_export(&export, move);
        } else if (!is_standard_output(export.file)) {
                (void)unlink(export.file);
                if (move)
                        cli_say(cli, "what had left before that stays here with `purser keep`");
        }
        if (!is_standard_output(export.file))
                close(export.fd);
        return r;
}

const struct cmd cmd_export = {
        .name = "export",
        .synopsis = "PATH",
        .summary = "Write a sealed backup of all credentials",
        .details =
                "The passphrase is typed without echo, or read from standard input; 12 characters at least. "
                "PATH is made, or - for "
                "standard output. Client secrets are in it where the store holds them, not those in files "
                "and credentials.",
        .excess = "a passphrase is no argument, since others can read those: it comes on standard input",
        .run = run_export,
};

/* ---- restore ---- */

static int put_pieces(struct cli *cli, int fd, const char *restore)
{
        _cleanup_(secret_buf_done) struct secret_buf bytes = SECRET_BUF_INIT(PIECE + 1);
        ssize_t n;
        int r;

        r = secret_buf_reserve(&bytes, PIECE);
        if (r < 0)
                return cli_fault(cli, "reading the backup", r);
        while ((n = read(fd, bytes.data, PIECE)) != 0) {
                _cleanup_(cli_parameters_done) struct cli_parameters parameters = CLI_PARAMETERS_INIT;
                _cleanup_(secret_buf_done) struct secret_buf base64 = SECRET_BUF_INIT(WIRE_MESSAGE_MAX);

                if (n < 0 && errno == EINTR)
                        continue;
                r = n < 0 ? -errno : cli_append_base64(&base64, bytes.data, (size_t)n);
                if (r < 0)
                        return cli_fault(cli, "reading the backup", r);
                cli_add_text(&parameters, "restore", restore);
                cli_add_text(&parameters, "data", base64.data);
                r = cli_call_text(cli, ADMIN "PutRestoreData", &parameters, 0, NULL);
                if (r != EX_OK)
                        return r;
        }
        return EX_OK;
}

static void tell_restore(const struct cli *cli, const json_t *reply)
{
        const json_t *client;
        char date[48];
        size_t i;

        printf("%lld credentials and %lld client secrets were restored; each is refreshed now: `purser "
               "status` shows whether it is alive.\n",
               (long long)cli_number(reply, "credentials", 0),
               (long long)cli_number(reply, "client_secrets", 0));
        if (cli_number(reply, "kept", 0) > 0)
                cli_say(cli, "%lld client secrets were here already, and stay; --replace replaces them",
                        (long long)cli_number(reply, "kept", 0));
        json_array_foreach (json_object_get(reply, "unknown_clients"), i, client)
                cli_say(cli, "there is no client '%s' in the configuration; add it, and run `purser reload`",
                        json_string_value(client));
        if (!json_is_true(json_object_get(reply, "moved")))
                cli_say(cli,
                        "the machine that made this backup at %s goes on refreshing these grants, unless it "
                        "was stopped: see to it, or the two break each other",
                        output_time(cli_number(reply, "made_at", 0), date, sizeof(date)));
}

static int run_restore_of(struct cli *cli, int fd, const struct secret *passphrase, bool replace)
{
        _cleanup_(cli_parameters_done) struct cli_parameters begin = CLI_PARAMETERS_INIT;
        _cleanup_(cli_parameters_done) struct cli_parameters complete = CLI_PARAMETERS_INIT;
        _cleanup_(json_decrefp) json_t *begun = NULL, *reply = NULL;
        const char *restore;
        int r;

        cli_add_secret(&begin, "passphrase", passphrase);
        cli_add_true(&begin, "replace", replace);
        r = cli_call(cli, ADMIN "BeginRestore", &begin, 0, &begun);
        if (r != EX_OK)
                return r;
        restore = cli_text(begun, "restore");
        r = put_pieces(cli, fd, restore ? restore : "");
        if (r != EX_OK)
                return r;
        cli_add_text(&complete, "restore", restore ? restore : "");
        r = cli_call(cli, ADMIN "CompleteRestore", &complete, 0, &reply);
        if (r == EX_OK)
                tell_restore(cli, reply);
        return r;
}

static int run_restore(struct cli *cli, int argc, char **argv)
{
        _cleanup_(secret_freep) struct secret *passphrase = NULL;
        _cleanup_(closep) int fd = -1;
        bool replace = false;
        const struct cli_option options[] = {
                { "replace", NULL, "in place of credentials and client secrets that are here already",
                  CLI_FLAG, &replace },
        };
        int r;

        r = cli_parse(cli, options, 1, 1, 1, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        fd = open(cli->subject, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
                cli_say(cli, "the backup cannot be read: %s", strerror(errno));
                return EX_NOINPUT;
        }
        r = cli_connect(cli);
        if (r == EX_OK)
                r = cli_read_secret(cli, "Passphrase of the backup: ", "a passphrase", CLI_SECRET_LINE,
                                    &passphrase);
        return r == EX_OK ? run_restore_of(cli, fd, passphrase, replace) : r;
}

const struct cmd cmd_restore = {
        .name = "restore",
        .synopsis = "PATH",
        .summary = "Take in a backup that `purser export` made",
        .details = "All of it or nothing. Each grant is refreshed at once, so that one that was refreshed "
                   "elsewhere since is told.",
        .excess = "a passphrase is no argument, since others can read those: it comes on standard input",
        .run = run_restore,
};

/* ---- keep ---- */

static int run_keep(struct cli *cli, int argc, char **argv)
{
        _cleanup_(cli_parameters_done) struct cli_parameters parameters = CLI_PARAMETERS_INIT;
        _cleanup_(json_decrefp) json_t *reply = NULL;
        int r;

        r = cli_parse(cli, NULL, 0, 0, 1, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        cli_add_text(&parameters, "credential", cli->subject);
        r = cli_call(cli, ADMIN "KeepGrants", &parameters, PURSER_CALL_IDEMPOTENT, &reply);
        if (r != EX_OK)
                return r;
        printf("%lld credentials are this machine's.\n", (long long)cli_number(reply, "credentials", 0));
        return EX_OK;
}

const struct cmd cmd_keep = {
        .name = "keep",
        .synopsis = "[NAME]",
        .summary = "Forget that grants were exported; they stay here",
        .details =
                "Of one credential, or of all. Those that were moved are refreshed here again: the way back, "
                "so long as nobody has "
                "restored the backup.",
        .run = run_keep,
};
