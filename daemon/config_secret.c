/*
 * Fetches client secrets from where the configuration says they are, and refuses what others could have read.
 */
#include "daemon/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { CLIENT_SECRET_MAX = 4096 };

static int open_secret(const char *path, int *ret_fd, struct stat *ret_st, struct diag *diag)
{
        /* O_NONBLOCK: a FIFO must not stop the daemon. */
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

        if (fd < 0 || fstat(fd, ret_st) < 0) {
                diag_set(diag, "the client secret's file %s cannot be read: %s", path,
                         strerrordesc_np(errno));
                return CLIENT_SECRET_E_MISSING;
        }
        if (!S_ISREG(ret_st->st_mode)) {
                diag_set(diag, "the client secret's file %s is no regular file", path);
                return CLIENT_SECRET_E_MISSING;
        }
        *ret_fd = take_fd(&fd);
        return 0;
}

/* An access control list shows in the group's bits (acl(5)), so that it needs no look of its own. */
static int check_access(const char *path, const struct stat *st, unsigned own_uid, struct diag *diag)
{
        bool own_group = st->st_gid == 0 || st->st_gid == getegid();

        if (st->st_uid != 0 && st->st_uid != own_uid) {
                diag_set(diag,
                         "the client secret's file %s belongs to user %u; it must belong to root or to "
                         "purserd's user (chown)",
                         path, (unsigned)st->st_uid);
                return CLIENT_SECRET_E_UNSAFE;
        }
        if ((st->st_mode & (own_group ? 0037 : 0077)) == 0)
                return 0;
        diag_set(diag,
                 "the client secret's file %s is open to others (mode %04o): chmod 600 it, and replace the "
                 "secret at "
                 "the provider if others were here",
                 path, (unsigned)st->st_mode & 07777);
        return CLIENT_SECRET_E_UNSAFE;
}

/* One byte more than allowed, so that a longer secret shows itself. */
static int read_all(const char *path, int fd, struct secret_buf *buf, struct diag *diag)
{
        int r = secret_buf_reserve(buf, CLIENT_SECRET_MAX + 1);

        if (r < 0)
                return r;
        while (buf->n <= CLIENT_SECRET_MAX) {
                ssize_t n = read(fd, buf->data + buf->n, CLIENT_SECRET_MAX + 1 - buf->n);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        diag_set(diag, "the client secret's file %s cannot be read: %s", path,
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

static int read_secret(const char *path, int fd, struct secret **ret, struct diag *diag)
{
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(CLIENT_SECRET_MAX + 1);
        size_t n;
        int r;

        r = read_all(path, fd, &buf, diag);
        if (r != 0)
                return r;
        n = buf.n > 0 && buf.data[buf.n - 1] == '\n' ? buf.n - 1 : buf.n;
        if (n == 0) {
                diag_set(diag, "the client secret's file %s is empty", path);
                return CLIENT_SECRET_E_MISSING;
        }
        if (buf.n > CLIENT_SECRET_MAX || !is_visible(buf.data, n)) {
                diag_set(diag,
                         "the client secret's file %s must hold the secret alone: one line of visible ASCII",
                         path);
                return CLIENT_SECRET_E_UNUSABLE;
        }
        return secret_new(ret, buf.data, n);
}

static int from_file(struct secret **ret, const char *path, unsigned own_uid, struct diag *diag)
{
        _cleanup_(closep) int fd = -1;
        struct stat st;
        int r;

        r = open_secret(path, &fd, &st, diag);
        if (r == 0)
                r = check_access(path, &st, own_uid, diag);
        return r == 0 ? read_secret(path, fd, ret, diag) : r;
}

/* The service manager made the directory, and lets nobody else in. */
static int from_credential(struct secret **ret, const char *name, const char *directory, struct diag *diag)
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
        r = open_secret(path, &fd, &st, NULL);
        if (r == CLIENT_SECRET_E_MISSING)
                diag_set(diag,
                         "there is no systemd credential '%s'; give it to the unit with "
                         "LoadCredentialEncrypted=%s",
                         name, name);
        return r == 0 ? read_secret(path, fd, ret, diag) : r;
}

int client_secret_read(struct secret **ret, const struct client *client, const char *credentials_directory,
                       unsigned own_uid, struct diag *diag)
{
        switch (client->secret_source) {
        case SECRET_FROM_CREDENTIAL:
                return from_credential(ret, client->secret_name, credentials_directory, diag);
        case SECRET_FROM_FILE:
                return from_file(ret, client->secret_name, own_uid, diag);
        default:
                return fault(-EINVAL);
        }
}

/* Without the directory, nobody but the unit itself can tell whether it has the credential. */
static bool can_be_checked(const struct client *client, const char *credentials_directory)
{
        return client->secret_source == SECRET_FROM_FILE ||
               (client->secret_source == SECRET_FROM_CREDENTIAL && credentials_directory);
}

static int check_secret(const struct client *client, const char *credentials_directory, unsigned own_uid,
                        struct problems *problems)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        const struct config_place *place = &client->secret_place;
        struct diag diag = DIAG_INIT;
        char path[96];
        int r;

        r = client_secret_read(&secret, client, credentials_directory, own_uid, &diag);
        if (r <= 0)
                return r;
        snprintf(path, sizeof(path), "clients.%s.client_secret", client->name);
        return problems_add(problems, place->file, place->line, place->column, path, "%s", diag.text);
}

int config_check_secrets(const struct config *config, const char *credentials_directory, unsigned own_uid,
                         struct problems *problems)
{
        size_t n_before = problems_count(problems);

        for (size_t i = 0; i < config->n_clients; i++) {
                int r = 0;

                if (can_be_checked(config->clients[i], credentials_directory))
                        r = check_secret(config->clients[i], credentials_directory, own_uid, problems);
                if (r < 0)
                        return r;
        }
        return problems_count(problems) > n_before ? CONFIG_E_MISTAKES : 0;
}
