/*
 * Fetches client secrets and keys from where the configuration says they are, and refuses what others could have read.
 */
#include "daemon/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
        CLIENT_SECRET_MAX = 4096,
        CLIENT_KEY_MAX =
                16384, /* one of RSA with 8192 bits is a third of it, and comments may stand before it */
};

const struct secret_config *client_secret_config(const struct client *client, enum secret_kind kind)
{
        return kind == CLIENT_KEY ? &client->key : &client->secret;
}

const char *secret_kind_words(enum secret_kind kind)
{
        return kind == CLIENT_KEY ? "client key" : "client secret";
}

static int open_secret(enum secret_kind kind, const char *path, int *ret_fd, struct stat *ret_st,
                       struct diag *diag)
{
        /* O_NONBLOCK: a FIFO must not stop the daemon. */
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

        if (fd < 0 || fstat(fd, ret_st) < 0) {
                diag_set(diag, "the %s's file %s cannot be read: %s", secret_kind_words(kind), path,
                         strerrordesc_np(errno));
                return CLIENT_SECRET_E_MISSING;
        }
        if (!S_ISREG(ret_st->st_mode)) {
                diag_set(diag, "the %s's file %s is no regular file", secret_kind_words(kind), path);
                return CLIENT_SECRET_E_MISSING;
        }
        *ret_fd = take_fd(&fd);
        return 0;
}

/* An access control list shows in the group's bits (acl(5)), so that it needs no look of its own. */
static int check_access(enum secret_kind kind, const char *path, const struct stat *st, unsigned own_uid,
                        struct diag *diag)
{
        bool own_group = st->st_gid == 0 || st->st_gid == getegid();

        if (st->st_uid != 0 && st->st_uid != own_uid) {
                diag_set(diag,
                         "the %s's file %s belongs to user %u; it must belong to root or to "
                         "purserd's user (chown)",
                         secret_kind_words(kind), path, (unsigned)st->st_uid);
                return CLIENT_SECRET_E_UNSAFE;
        }
        if ((st->st_mode & (own_group ? 0037 : 0077)) == 0)
                return 0;
        diag_set(diag,
                 "the %s's file %s is open to others (mode %04o): chmod 600 it, and replace the %s at the "
                 "provider if "
                 "others were here",
                 secret_kind_words(kind), path, (unsigned)st->st_mode & 07777,
                 kind == CLIENT_KEY ? "key" : "secret");
        return CLIENT_SECRET_E_UNSAFE;
}

/* One byte more than allowed, so that a longer secret shows itself. No more room than its size asks for: pages for secrets are dear. */
static int read_all(enum secret_kind kind, const char *path, int fd, size_t size, struct secret_buf *buf,
                    struct diag *diag)
{
        while (buf->n < buf->max) {
                size_t room = buf->max - buf->n;
                int r;

                if (size >= buf->n && room > size - buf->n + 1)
                        room = size - buf->n + 1;
                r = secret_buf_reserve(buf, room);
                if (r < 0)
                        return r;
                ssize_t n = read(fd, buf->data + buf->n, room);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        diag_set(diag, "the %s's file %s cannot be read: %s", secret_kind_words(kind), path,
                                 strerrordesc_np(errno));
                        return CLIENT_SECRET_E_MISSING;
                }
                if (n == 0)
                        return 0;
                buf->n += (size_t)n;
        }
        return 0;
}

static bool is_visible(const char *bytes, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (bytes[i] < 0x20 || bytes[i] > 0x7e)
                        return false;
        return true;
}

static int read_secret(enum secret_kind kind, const char *path, int fd, const struct stat *st,
                       struct secret **ret, struct diag *diag)
{
        size_t most = kind == CLIENT_KEY ? CLIENT_KEY_MAX : CLIENT_SECRET_MAX;
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(most + 1);
        size_t n;
        int r;

        r = read_all(kind, path, fd, (size_t)st->st_size, &buf, diag);
        if (r != 0)
                return r;
        n = kind == CLIENT_SECRET && buf.n > 0 && buf.data[buf.n - 1] == '\n' ? buf.n - 1 : buf.n;
        if (n == 0) {
                diag_set(diag, "the %s's file %s is empty", secret_kind_words(kind), path);
                return CLIENT_SECRET_E_MISSING;
        }
        if (buf.n > most || (kind == CLIENT_SECRET && !is_visible(buf.data, n))) {
                diag_set(diag, "the %s's file %s must hold the %s", secret_kind_words(kind), path,
                         kind == CLIENT_KEY ? "key alone: a private key in PEM"
                                            : "secret alone: one line of visible ASCII");
                return CLIENT_SECRET_E_UNUSABLE;
        }
        return secret_new(ret, buf.data, n);
}

static int from_file(struct secret **ret, enum secret_kind kind, const char *path, unsigned own_uid,
                     struct diag *diag)
{
        _cleanup_(closep) int fd = -1;
        struct stat st;
        int r;

        r = open_secret(kind, path, &fd, &st, diag);
        if (r == 0)
                r = check_access(kind, path, &st, own_uid, diag);
        return r == 0 ? read_secret(kind, path, fd, &st, ret, diag) : r;
}

/* The service manager made the directory, and lets nobody else in. */
static int from_credential(struct secret **ret, enum secret_kind kind, const char *name,
                           const char *directory, struct diag *diag)
{
        _cleanup_(freep) char *path = NULL;
        _cleanup_(closep) int fd = -1;
        struct stat st;
        int r;

        if (!directory) {
                diag_set(diag,
                         "there is no systemd credential '%s', since $CREDENTIALS_DIRECTORY is not set; give "
                         "it to the unit with "
                         "LoadCredentialEncrypted=%s",
                         name, name);
                return CLIENT_SECRET_E_MISSING;
        }
        if (asprintf(&path, "%s/%s", directory, name) < 0)
                return fault(-ENOMEM);
        r = open_secret(kind, path, &fd, &st, NULL);
        if (r == CLIENT_SECRET_E_MISSING)
                diag_set(diag,
                         "there is no systemd credential '%s'; give it to the unit with "
                         "LoadCredentialEncrypted=%s",
                         name, name);
        return r == 0 ? read_secret(kind, path, fd, &st, ret, diag) : r;
}

int client_secret_read(struct secret **ret, const struct client *client, enum secret_kind kind,
                       const char *credentials_directory, unsigned own_uid, struct diag *diag)
{
        const struct secret_config *config = client_secret_config(client, kind);

        switch (config->source) {
        case SECRET_FROM_CREDENTIAL:
                return from_credential(ret, kind, config->name, credentials_directory, diag);
        case SECRET_FROM_FILE:
                return from_file(ret, kind, config->name, own_uid, diag);
        default:
                return fault(-EINVAL);
        }
}

/* ---- what it is ---- */

static int check_key(const struct client *client, const struct secret *secret, struct diag *diag)
{
        _cleanup_(jws_key_freep) struct jws_key *key = NULL;
        int r = jws_key_new(&key, secret, client->key_algorithm, diag);

        return r > 0 ? CLIENT_SECRET_E_UNUSABLE : r;
}

int client_secret_check(const struct client *client, enum secret_kind kind, const struct secret *secret,
                        struct diag *diag)
{
        static const char begin[] = "-----BEGIN ";
        struct diag wrong = DIAG_INIT;
        int r = 0;

        if (kind == CLIENT_KEY) {
                r = check_key(client, secret, &wrong);
                if (r > 0)
                        diag_set(diag, "the key %s", wrong.text);
        } else if (strncmp(secret_expose(secret), begin, sizeof(begin) - 1) == 0) {
                diag_set(diag, "it is a key, and no client secret, as the configuration says of this client");
                r = CLIENT_SECRET_E_UNUSABLE;
        }
        return r;
}

/* Without the directory, nobody but the unit itself can tell whether it has the credential. */
static bool can_be_checked(const struct secret_config *config, const char *credentials_directory)
{
        return config->source == SECRET_FROM_FILE ||
               (config->source == SECRET_FROM_CREDENTIAL && credentials_directory);
}

static int check_secret(const struct client *client, enum secret_kind kind, const char *credentials_directory,
                        unsigned own_uid, struct problems *problems)
{
        const struct secret_config *config = client_secret_config(client, kind);
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct diag diag = DIAG_INIT;
        char path[96];
        int r;

        if (!can_be_checked(config, credentials_directory))
                return 0;
        r = client_secret_read(&secret, client, kind, credentials_directory, own_uid, &diag);
        if (r == 0)
                r = client_secret_check(client, kind, secret, &diag);
        if (r <= 0)
                return r;
        snprintf(path, sizeof(path), "clients.%s.%s", client->name,
                 kind == CLIENT_KEY ? "client_key" : "client_secret");
        return problems_add(problems, config->place.file, config->place.line, config->place.column, path,
                            "%s", diag.text);
}

int config_check_secrets(const struct config *config, const char *credentials_directory, unsigned own_uid,
                         struct problems *problems)
{
        size_t n_before = problems_count(problems);
        int r = 0;

        for (size_t i = 0; i < config->n_clients && r == 0; i++) {
                r = check_secret(config->clients[i], CLIENT_SECRET, credentials_directory, own_uid, problems);
                if (r == 0)
                        r = check_secret(config->clients[i], CLIENT_KEY, credentials_directory, own_uid,
                                         problems);
        }
        if (r < 0)
                return r;
        return problems_count(problems) > n_before ? CONFIG_E_MISTAKES : 0;
}
