/*
 * Where the sealing key comes from: a systemd credential, or a file of the daemon's own. Never makes a second key beside a
 * store that the first one sealed.
 */
#include "daemon/base/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { CREDENTIAL_MAX = 4096 };

#define KEY_FILE "key"
#define NEW_KEY_FILE "key.new"
#define KEY_CREDENTIAL "purser.key"
#define NEW_KEY_CREDENTIAL "purser.key.new"

static int read_all(int fd, size_t max, struct secret_buf *buf)
{
        *buf = (struct secret_buf)SECRET_BUF_INIT(max + 1);
        int r = secret_buf_reserve(buf, max + 1);
        if (r < 0)
                return r;
        while (buf->n < max + 1) {
                ssize_t n = read(fd, buf->data + buf->n, max + 1 - buf->n);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return fault(-errno);
                if (n == 0)
                        break;
                buf->n += (size_t)n;
        }
        return 0;
}

static int hash_text(const struct secret_buf *text, struct secret **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf key = SECRET_BUF_INIT(SEAL_KEY_SIZE + 1);
        int r = secret_buf_reserve(&key, SEAL_KEY_SIZE);

        if (r < 0)
                return r;
        crypto_generichash((unsigned char *)key.data, SEAL_KEY_SIZE, (const unsigned char *)text->data,
                           text->n, NULL, 0);
        key.n = SEAL_KEY_SIZE;
        return secret_new(ret, key.data, key.n);
}

/* 1: *ret is the key; 0: the text is something else. */
static int decode_hex(const struct secret_buf *text, struct secret **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf key = SECRET_BUF_INIT(SEAL_KEY_SIZE + 1);
        size_t n = 0;

        if (text->n != 2 * SEAL_KEY_SIZE)
                return 0;
        int r = secret_buf_reserve(&key, SEAL_KEY_SIZE);
        if (r < 0)
                return r;
        if (sodium_hex2bin((unsigned char *)key.data, SEAL_KEY_SIZE, text->data, text->n, NULL, &n, NULL) <
                    0 ||
            n != SEAL_KEY_SIZE)
                return 0;
        r = secret_new(ret, key.data, SEAL_KEY_SIZE);
        return r < 0 ? r : 1;
}

static int key_from_credential(const struct secret_buf *given, const char *name, struct secret **ret,
                               struct diag *diag)
{
        struct secret_buf text = *given;

        if (text.n == SEAL_KEY_SIZE)
                return secret_new(ret, text.data, text.n);
        if (text.n > 0 && text.data[text.n - 1] == '\n')
                text.n--;
        /* Where its source had nothing to give systemd hands over an empty credential, and starts the service. */
        if (text.n < SEAL_KEY_SIZE) {
                diag_set(diag, "the systemd credential %s holds %zu bytes; a sealing key has %d or more",
                         name, text.n, SEAL_KEY_SIZE);
                return SEAL_E_NO_KEY;
        }
        if (text.n > CREDENTIAL_MAX) {
                diag_set(diag, "the systemd credential %s is longer than %d bytes", name, CREDENTIAL_MAX);
                return SEAL_E_NO_KEY;
        }
        int r = decode_hex(&text, ret);
        if (r != 0)
                return r < 0 ? r : 0;
        return text.n == SEAL_KEY_SIZE ? secret_new(ret, text.data, text.n) : hash_text(&text, ret);
}

static int load_credential(struct secret **ret, const char *directory, const char *name, struct diag *diag)
{
        _cleanup_(secret_buf_done) struct secret_buf bytes = { 0 };
        _cleanup_(closep) int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (dir < 0)
                return errno == ENOENT ? -ENOENT : fault(-errno);
        _cleanup_(closep) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ENOENT : fault(-errno);
        int r = read_all(fd, CREDENTIAL_MAX + 1, &bytes);
        if (r < 0)
                return r;
        return key_from_credential(&bytes, name, ret, diag);
}

static int check_key_file(int fd, const char *state_dir, struct diag *diag)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return fault(-errno);
        if (!S_ISREG(st.st_mode) || st.st_size != SEAL_KEY_SIZE) {
                diag_set(
                        diag,
                        "%s/" KEY_FILE
                        " is no sealing key: it must be a file of exactly %d bytes. Restore it from a backup",
                        state_dir, SEAL_KEY_SIZE);
                return SEAL_E_NO_KEY;
        }
        if (st.st_uid != geteuid()) {
                diag_set(diag, "%s/" KEY_FILE " belongs to uid %u and the daemon runs as uid %u: chown it",
                         state_dir, (unsigned)st.st_uid, (unsigned)geteuid());
                return SEAL_E_NO_KEY;
        }
        if (st.st_mode & 07177) {
                diag_set(diag,
                         "%s/" KEY_FILE " has mode %04o, so that others may have read the key: find out who "
                         "could, then chmod 600 it",
                         state_dir, (unsigned)(st.st_mode & 07777));
                return SEAL_E_NO_KEY;
        }
        return 0;
}

static int load_key_file(struct secret **ret, int dir, const char *state_dir, struct diag *diag)
{
        _cleanup_(secret_buf_done) struct secret_buf bytes = { 0 };
        /* O_NONBLOCK: a fifo of that name must not hold us up. */
        _cleanup_(closep) int fd = openat(dir, KEY_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

        if (fd < 0 && errno == ELOOP) {
                diag_set(diag, "%s/" KEY_FILE " is a symbolic link; it must be a file", state_dir);
                return SEAL_E_NO_KEY;
        }
        if (fd < 0)
                return errno == ENOENT ? -ENOENT : fault(-errno);
        int r = check_key_file(fd, state_dir, diag);
        if (r != 0)
                return r;
        r = read_all(fd, SEAL_KEY_SIZE, &bytes);
        if (r < 0)
                return r;
        return bytes.n == SEAL_KEY_SIZE ? secret_new(ret, bytes.data, bytes.n) : fault(-EIO);
}

static int new_random_key(struct secret **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf key = SECRET_BUF_INIT(SEAL_KEY_SIZE + 1);
        int r = secret_buf_reserve(&key, SEAL_KEY_SIZE);

        if (r < 0)
                return r;
        randombytes_buf(key.data, SEAL_KEY_SIZE);
        return secret_new(ret, key.data, SEAL_KEY_SIZE);
}

static int write_key(int dir, const struct secret *key)
{
        /* One that a crash left behind never sealed anything. */
        if (unlinkat(dir, NEW_KEY_FILE, 0) < 0 && errno != ENOENT)
                return fault(-errno);
        _cleanup_(closep) int fd =
                openat(dir, NEW_KEY_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return fault(-errno);
        ssize_t n = write(fd, secret_expose(key), secret_size(key));
        if (n != (ssize_t)secret_size(key))
                return fault(n < 0 ? -errno : -EIO);
        if (fchmod(fd, 0600) < 0 || fsync(fd) < 0)
                return fault(-errno);
        return 0;
}

/* Durable under its name before it seals anything. */
static int make_key_file(struct secret **ret, int dir)
{
        _cleanup_(secret_freep) struct secret *key = NULL;
        int r = new_random_key(&key);

        if (r < 0)
                return r;
        r = write_key(dir, key);
        if (r < 0) {
                unlinkat(dir, NEW_KEY_FILE, 0);
                return r;
        }
        if (renameat2(dir, NEW_KEY_FILE, dir, KEY_FILE, RENAME_NOREPLACE) < 0 || fsync(dir) < 0)
                return fault(-errno);
        *ret = take_ptr(key);
        return 0;
}

static int load_or_make_key_file(struct secret **ret, bool *ret_made, const char *state_dir,
                                 bool store_exists, struct diag *diag)
{
        _cleanup_(closep) int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (dir < 0)
                return fault(-errno);
        int r = load_key_file(ret, dir, state_dir, diag);
        *ret_made = false;
        if (r != -ENOENT)
                return r;
        if (store_exists) {
                diag_set(diag,
                         "the key that sealed the store in %s is missing: restore %s/" KEY_FILE
                         " from a backup, or pass the systemd credential " KEY_CREDENTIAL
                         ". Only if it is lost for good, move purser.db away and log in again",
                         state_dir, state_dir);
                return SEAL_E_NO_KEY;
        }
        r = make_key_file(ret, dir);
        if (r == 0)
                *ret_made = true;
        return r;
}

int seal_key_load(struct secret **ret, enum seal_key_source *ret_source, bool *ret_made,
                  const char *credentials_directory, const char *state_dir, bool store_exists,
                  struct diag *diag)
{
        bool made = false;
        int r = -ENOENT;

        if (sodium_init() < 0)
                return fault(-EIO);
        if (credentials_directory)
                r = load_credential(ret, credentials_directory, KEY_CREDENTIAL, diag);
        enum seal_key_source source = r == -ENOENT ? SEAL_KEY_FILE : SEAL_KEY_SYSTEMD_CREDENTIAL;
        if (r == -ENOENT)
                r = load_or_make_key_file(ret, &made, state_dir, store_exists, diag);
        if (r != 0)
                return r;
        *ret_source = source;
        *ret_made = made;
        return 0;
}

/* ---- a change of the key ---- */

/* What a crash cut short is not whole, never sealed anything, and goes. */
static int load_new_file(struct secret **ret, int dir)
{
        _cleanup_(secret_buf_done) struct secret_buf bytes = { 0 };
        _cleanup_(closep) int fd = openat(dir, NEW_KEY_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        struct stat st;

        if (fd < 0)
                return errno == ENOENT || errno == ELOOP ? -ENOENT : fault(-errno);
        if (fstat(fd, &st) < 0)
                return fault(-errno);
        if (S_ISREG(st.st_mode) && st.st_size < SEAL_KEY_SIZE)
                (void)unlinkat(dir, NEW_KEY_FILE, 0);
        if (!S_ISREG(st.st_mode) || st.st_size != SEAL_KEY_SIZE || st.st_uid != geteuid() ||
            (st.st_mode & 07177))
                return -ENOENT;
        int r = read_all(fd, SEAL_KEY_SIZE, &bytes);
        if (r < 0)
                return r;
        return bytes.n == SEAL_KEY_SIZE ? secret_new(ret, bytes.data, bytes.n) : fault(-EIO);
}

static int open_dir(const char *state_dir)
{
        int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return dir < 0 ? fault(-errno) : dir;
}

int seal_key_load_new(struct secret **ret, enum seal_key_source source, const char *credentials_directory,
                      const char *state_dir, struct diag *diag)
{
        if (source == SEAL_KEY_SYSTEMD_CREDENTIAL)
                return load_credential(ret, credentials_directory, NEW_KEY_CREDENTIAL, diag);
        _cleanup_(closep) int dir = open_dir(state_dir);
        return dir < 0 ? dir : load_new_file(ret, dir);
}

int seal_key_make_new(struct secret **ret, const char *state_dir)
{
        _cleanup_(secret_freep) struct secret *key = NULL;
        _cleanup_(closep) int dir = open_dir(state_dir);

        if (dir < 0)
                return dir;
        int r = new_random_key(&key);
        if (r == 0)
                r = write_key(dir, key);
        if (r == 0 && fsync(dir) < 0)
                r = fault(-errno);
        if (r == 0)
                *ret = take_ptr(key);
        return r;
}

int seal_key_install_new(const char *state_dir)
{
        _cleanup_(closep) int dir = open_dir(state_dir);

        if (dir < 0)
                return dir;
        if (renameat(dir, NEW_KEY_FILE, dir, KEY_FILE) < 0 || fsync(dir) < 0)
                return fault(-errno);
        return 0;
}

int seal_key_drop_new(const char *state_dir)
{
        _cleanup_(closep) int dir = open_dir(state_dir);

        if (dir < 0)
                return dir;
        return unlinkat(dir, NEW_KEY_FILE, 0) < 0 && errno != ENOENT ? fault(-errno) : 0;
}
