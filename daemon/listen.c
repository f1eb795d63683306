/* Binding, and taking what was passed. */
#include "daemon/listen.h"

#include "daemon/store/handover.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

enum { BACKLOG = 4096 };

static int unusable(struct diag *diag, const char *path, const char *why)
{
        diag_set(diag, "cannot listen at %s: %s", path, why);
        return LISTEN_E_UNUSABLE;
}

/* Whether what lies at the address may be replaced. */
static int check_old(const struct sockaddr_un *address, struct diag *diag)
{
        _cleanup_(closep) int fd = -1;
        struct stat st;

        if (lstat(address->sun_path, &st) < 0)
                return errno == ENOENT ? 0 : unusable(diag, address->sun_path, strerror(errno));
        if (!S_ISSOCK(st.st_mode))
                return unusable(diag, address->sun_path,
                                "something else than a socket is there; remove it or name another path");

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return fault(-errno);
        if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN) {
                diag_set(diag, "another process answers at %s: stop it, or name another path",
                         address->sun_path);
                return LISTEN_E_IN_USE;
        }
        if (errno != ECONNREFUSED)
                return unusable(diag, address->sun_path, strerror(errno));
        if (unlink(address->sun_path) < 0 && errno != ENOENT)
                return unusable(diag, address->sun_path, strerror(errno));
        return 0;
}

static int bind_for_all(int fd, const struct sockaddr_un *address)
{
        /* Who may ask is decided by who asks. Nothing else runs yet that could make a file meanwhile. */
        mode_t before = umask(0111);
        int r = bind(fd, (const struct sockaddr *)address, sizeof(*address));
        int error = errno;

        umask(before);
        errno = error;
        return r;
}

int listen_bind(const char *path, int *ret_fd, struct listen_path *ret, struct diag *diag)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_(closep) int fd = -1;
        _cleanup_(freep) char *copy = NULL;
        struct stat st;
        int r;

        if (strlen(path) >= sizeof(address.sun_path))
                return unusable(diag, path, "the path of a socket has 107 bytes at most");
        memcpy(address.sun_path, path, strlen(path) + 1);
        r = check_old(&address, diag);
        if (r != 0)
                return r;

        /* Absolute, since what is to be removed in the end is this one. */
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return fault(-errno);
        if (bind_for_all(fd, &address) < 0)
                return unusable(diag, path,
                                errno == ENOENT ? "its directory does not exist" : strerror(errno));
        copy = realpath(path, NULL);
        if (!copy || lstat(copy, &st) < 0 || listen(fd, BACKLOG) < 0)
                return unusable(diag, path, strerror(errno));

        *ret = (struct listen_path){ .path = take_ptr(copy), .dev = st.st_dev, .ino = st.st_ino };
        *ret_fd = take_fd(&fd);
        return 0;
}

void listen_path_done(struct listen_path *path)
{
        struct stat st;

        if (!path->path)
                return;
        if (lstat(path->path, &st) == 0 && st.st_dev == path->dev && st.st_ino == path->ino)
                (void)unlink(path->path);
        free(path->path);
        *path = (struct listen_path){ 0 };
}

/*
 * Descriptors that the manager keeps for us are passed among the sockets. Gives the number of sockets, where the i-th is, and whether it
 * is for credentials.
 */
static int find_sockets(size_t i, size_t *ret_n, int *ret_fd, bool *ret_for_credentials)
{
        char **names = NULL;
        int n = sd_listen_fds_with_names(0, &names);

        if (n < 0)
                return fault(n);
        *ret_n = 0;
        for (int at = 0; at < n; at++) {
                if (!handover_is_name(names[at]) && (*ret_n)++ == i) {
                        *ret_fd = SD_LISTEN_FDS_START + at;
                        *ret_for_credentials = strcmp(names[at], LISTEN_CREDENTIALS_NAME) == 0;
                }
                free(names[at]);
        }
        free(names);
        return 0;
}

int listen_passed(size_t *ret_n)
{
        int fd;
        bool for_credentials;

        return find_sockets(SIZE_MAX, ret_n, &fd, &for_credentials);
}

int listen_take_passed(size_t i, int *ret_fd, bool *ret_for_credentials, struct diag *diag)
{
        int fd = -1, r;
        size_t n;

        r = find_sockets(i, &n, &fd, ret_for_credentials);
        if (r < 0)
                return r;
        r = sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0);
        if (r < 0)
                return fault(r);
        if (r == 0) {
                diag_set(diag,
                         "descriptor %d that was passed is no listening Unix stream socket: the socket unit "
                         "needs ListenStream= with a path",
                         fd);
                return LISTEN_E_UNUSABLE;
        }
        *ret_fd = fd;
        return 0;
}
