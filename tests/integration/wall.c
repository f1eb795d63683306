/*
 * Loaded into purserd before the C library: the wall clock is off by what the file named in $WALL_OFFSET holds, a binary int64_t
 * of seconds, which may change at any time. All other clocks are true.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int64_t offset(void)
{
        static const volatile int64_t *mapped;
        const char *path = mapped ? NULL : getenv("WALL_OFFSET");
        int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

        if (fd >= 0) {
                void *map = mmap(NULL, sizeof(*mapped), PROT_READ, MAP_SHARED, fd, 0);

                close(fd);
                if (map != MAP_FAILED)
                        mapped = map;
        }
        return mapped ? *mapped : 0;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
        int r = (int)syscall(SYS_clock_gettime, id, now);

        if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
                now->tv_sec += offset();
        return r;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
        struct timespec precise;

        (void)zone;
        if (clock_gettime(CLOCK_REALTIME, &precise) != 0)
                return -1;
        now->tv_sec = precise.tv_sec;
        now->tv_usec = precise.tv_nsec / 1000;
        return 0;
}

time_t time(time_t *ret)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        if (ret)
                *ret = now.tv_sec;
        return now.tv_sec;
}
