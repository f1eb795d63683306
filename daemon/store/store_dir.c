/* The state directory: checks, lock and marks of its files. Knows no database. */
#include "daemon/store/store_dir.h"

#include "daemon/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#define LOCK_FILE "lock"

static int unsafe(struct diag *diag, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int unsafe(struct diag *diag, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        diag_vset(diag, format, ap);
        va_end(ap);
        return fault(-EPERM);
}

static int check_directory(const struct store_dir *dir, struct diag *diag)
{
        struct stat st;

        if (fstat(dir->fd, &st) < 0)
                return fault(-errno);
        if (st.st_uid != geteuid())
                return unsafe(
                        diag,
                        "the state directory %s belongs to uid %u and the daemon runs as uid %u: chown it",
                        dir->path, (unsigned)st.st_uid, (unsigned)geteuid());
        if (st.st_mode & 022)
                return unsafe(diag, "others can write to the state directory %s (mode %04o): chmod 700 it",
                              dir->path, (unsigned)(st.st_mode & 07777));
        return 0;
}

static int open_directory(struct store_dir *dir, const char *path, struct diag *diag)
{
        dir->path = realpath(path, NULL);
        if (dir->path)
                dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir->fd < 0) {
                int error = errno;
                diag_set(diag, "cannot open the state directory %s: %s", path, strerror(error));
                return fault(-error);
        }
        return check_directory(dir, diag);
}

/* The holder's own word about its pid: for people, nothing is decided by it. */
static long read_pid(int fd)
{
        char text[32];
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

        if (n <= 0)
                return 0;
        text[n] = '\0';
        return strtol(text, NULL, 10);
}

static void write_pid(int fd)
{
        char text[32];
        int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
        struct stat st;

        /* A full disk must not keep the daemon from starting: the lock holds without the number. */
        if (pwrite(fd, text, (size_t)n, 0) != n)
                return;
        /* Only then, since cutting a file takes longer than opening the store. */
        if (fstat(fd, &st) < 0 || st.st_size == n || ftruncate(fd, n) < 0)
                return;
}

static int in_use(const struct store_dir *dir, int fd, struct diag *diag)
{
        long pid = read_pid(fd);

        if (pid > 0)
                diag_set(diag, "another purserd (process %ld) uses the state directory %s", pid, dir->path);
        else
                diag_set(diag, "another purserd uses the state directory %s", dir->path);
        return STORE_E_IN_USE;
}

/* -EAGAIN: the file was replaced before it was locked. */
static int try_lock(struct store_dir *dir, struct diag *diag)
{
        struct file_mark mark;
        struct stat st;
        _cleanup_(closep) int fd =
                openat(dir->fd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

        if (fd < 0) {
                int error = errno;
                diag_set(diag, "cannot open %s/" LOCK_FILE ": %s", dir->path, strerror(error));
                return fault(-error);
        }
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? in_use(dir, fd, diag) : fault(-errno);
        int r = store_dir_mark(dir, LOCK_FILE, &mark);
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return fault(-errno);
        if (!mark.there || mark.dev != st.st_dev || mark.ino != st.st_ino)
                return -EAGAIN;
        write_pid(fd);
        dir->lock_fd = take_fd(&fd);
        return 0;
}

static int lock(struct store_dir *dir, struct diag *diag)
{
        int r = -EAGAIN;

        for (int tries = 0; tries < 10 && r == -EAGAIN; tries++)
                r = try_lock(dir, diag);
        return r == -EAGAIN ? fault(r) : r;
}

int store_dir_open(struct store_dir **ret, const char *path, struct diag *diag)
{
        _cleanup_(store_dir_freep) struct store_dir *dir = calloc(1, sizeof(*dir));
        if (!dir)
                return fault(-ENOMEM);
        dir->fd = dir->lock_fd = -1;
        int r = open_directory(dir, path, diag);
        if (r != 0)
                return r;
        r = lock(dir, diag);
        if (r != 0)
                return r;
        *ret = take_ptr(dir);
        return 0;
}

struct store_dir *store_dir_free(struct store_dir *dir)
{
        if (!dir)
                return NULL;
        if (dir->lock_fd >= 0)
                close(dir->lock_fd);
        if (dir->fd >= 0)
                close(dir->fd);
        free(dir->path);
        free(dir);
        return NULL;
}

int store_dir_renew(struct store_dir **dir, struct diag *diag)
{
        struct store_dir *renewed = NULL;
        struct file_mark mark;
        struct stat st;

        int r = store_dir_mark(*dir, LOCK_FILE, &mark);
        if (r < 0)
                return r;
        if (fstat((*dir)->lock_fd, &st) < 0)
                return fault(-errno);
        if (mark.there && mark.dev == st.st_dev && mark.ino == st.st_ino)
                return 0;
        r = store_dir_open(&renewed, (*dir)->path, diag);
        if (r != 0)
                return r;
        store_dir_free(*dir);
        *dir = renewed;
        return 0;
}

static int path_of(const struct store_dir *dir, const char *name, char path[PATH_MAX])
{
        int n = snprintf(path, PATH_MAX, "%s/%s", dir->path, name);

        return n < PATH_MAX ? 0 : fault(-ENAMETOOLONG);
}

int store_dir_mark(const struct store_dir *dir, const char *name, struct file_mark *ret)
{
        char path[PATH_MAX];
        struct stat st;

        int r = path_of(dir, name, path);
        if (r < 0)
                return r;
        *ret = (struct file_mark){ 0 };
        if (lstat(path, &st) < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : fault(-errno);
        *ret = (struct file_mark){
                .there = true,
                .dev = st.st_dev,
                .ino = st.st_ino,
                .size = st.st_size,
                .mtime = st.st_mtim,
        };
        return 0;
}

bool file_mark_same_file(const struct file_mark *a, const struct file_mark *b)
{
        return a->there && b->there && a->dev == b->dev && a->ino == b->ino;
}

bool file_mark_unchanged(const struct file_mark *a, const struct file_mark *b)
{
        return file_mark_same_file(a, b) && a->size == b->size && a->mtime.tv_sec == b->mtime.tv_sec &&
               a->mtime.tv_nsec == b->mtime.tv_nsec;
}

int store_dir_move(const struct store_dir *dir, const char *from, const char *to)
{
        if (renameat(dir->fd, from, dir->fd, to) < 0 && errno != ENOENT)
                return fault(-errno);
        return 0;
}

int store_dir_remove(const struct store_dir *dir, const char *name)
{
        if (unlinkat(dir->fd, name, 0) < 0 && errno != ENOENT)
                return fault(-errno);
        return 0;
}

int store_dir_sync(const struct store_dir *dir)
{
        return fsync(dir->fd) < 0 ? fault(-errno) : 0;
}
