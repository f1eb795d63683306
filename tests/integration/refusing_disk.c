/*
 * Preloaded into purserd: a disk that refuses. The file named by $REFUSING_DISK says what, as words "CALL ERRNO" (pwrite, fdatasync);
 * while it is empty or away, everything goes through.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int refused(const char *call)
{
        const char *path = getenv("REFUSING_DISK");
        char text[64] = "", name[32] = "";
        int error = 0, fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

        if (fd < 0)
                return 0;
        ssize_t got = read(fd, text, sizeof(text) - 1);
        close(fd);
        if (got > 0 && sscanf(text, "%31s %d", name, &error) == 2 && strcmp(name, call) == 0)
                return error;
        return 0;
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t offset)
{
        ssize_t (*next)(int, const void *, size_t, off64_t) =
                (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
        int error = refused("pwrite");

        if (!error)
                return next(fd, bytes, n, offset);
        errno = error;
        return -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
        return pwrite64(fd, bytes, n, offset);
}

static int sync_with(const char *name, int fd)
{
        int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
        int error = refused("fdatasync");

        if (!error)
                return next(fd);
        errno = error;
        return -1;
}

int fdatasync(int fd)
{
        return sync_with("fdatasync", fd);
}

int fsync(int fd)
{
        return sync_with("fsync", fd);
}
