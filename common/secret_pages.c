/* Secret pages: memfd_secret(2), mlock(2), or neither, and what the limits say to each. */
#include "common/secret_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Longer only for a process in hundreds of groups, which makes do with what is counted here. */
enum { STATUS_SIZE = 8192 };

static size_t n_bytes[N_PAGES_KINDS];
static bool refused; /* this kernel, or a filter, has no memfd_secret */
static bool filter_trusted;

size_t pages_size(void)
{
        return (size_t)sysconf(_SC_PAGESIZE);
}

struct self {
        size_t locked; /* bytes that count against RLIMIT_MEMLOCK */
        bool filtered; /* by seccomp, or perhaps */
};

/* Without asking the kernel, which takes longer than locking a few pages does. */
static struct self self_counted(void)
{
        return (struct self){ .locked = n_bytes[PAGES_SECRETMEM] + n_bytes[PAGES_LOCKED] +
                                        n_bytes[PAGES_PASSING],
                              .filtered = true };
}

/* Others in this process may lock memory too, so what the kernel counts is asked each time that pages are to stay. */
static struct self self_read(void)
{
        struct self self = self_counted();
        char status[STATUS_SIZE], *locked, *filter;
        int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, status, sizeof(status) - 1);

        if (fd >= 0)
                close(fd);
        if (n < 0)
                return self;
        status[n] = '\0';
        locked = strstr(status, "\nVmLck:");
        if (locked && strtoul(locked + strlen("\nVmLck:"), NULL, 10) * 1024 > self.locked)
                self.locked = strtoul(locked + strlen("\nVmLck:"), NULL, 10) * 1024;
        filter = strstr(status, "\nSeccomp:");
        if (filter)
                self.filtered = strtoul(filter + strlen("\nSeccomp:"), NULL, 10) != 0;
        return self;
}

/*
 * The limit holds for root too, whom the kernel would let pass: what an administrator set is meant. Large buffers come and go
 * with connections while tokens stay, so they get no more than half.
 */
static bool limit_allows(const struct self *self, size_t size, bool large)
{
        struct rlimit limit;
        size_t budget;

        if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
                return false;
        if (limit.rlim_cur == RLIM_INFINITY)
                return true;
        budget = large ? limit.rlim_cur / 2 : limit.rlim_cur;
        return size <= budget && self->locked <= budget - size;
}

/*
 * Has the kernel touch every page, by taking the answer to a call: where there is no page to give, the call fails, while a touch
 * from here would raise SIGBUS.
 */
bool pages_touch(char *pages, size_t size)
{
        for (size_t i = 0; i < size; i += pages_size()) {
                if (syscall(SYS_prlimit64, 0, RLIMIT_MEMLOCK, NULL, pages + i) < 0)
                        return false;
                memset(pages + i, 0, 2 * sizeof(uint64_t));
        }
        return true;
}

/* Maps size bytes with a forbidden page at either end; returns the mapping's start, forbidden pages included. */
static char *map_guarded(size_t size, int flags, int fd)
{
        size_t guard = pages_size();
        char *map = mmap(NULL, size + 2 * guard, PROT_NONE, flags, fd, 0);

        if (map == MAP_FAILED)
                return NULL;
        if (mprotect(map + guard, size, PROT_READ | PROT_WRITE) < 0) {
                munmap(map, size + 2 * guard);
                return NULL;
        }
        (void)madvise(map, size + 2 * guard, MADV_DONTDUMP);
        return map;
}

static char *map_secretmem(size_t size, size_t n_touched)
{
        size_t total = size + 2 * pages_size();
        char *map = NULL;
        int fd;

        fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
        if (fd < 0) {
                refused = errno != EMFILE && errno != ENFILE && errno != ENOMEM;
                return NULL;
        }
        if (ftruncate(fd, (off_t)total) == 0)
                map = map_guarded(size, MAP_SHARED, fd);
        close(fd);

        /* The pages are shared with children: none may have them, since a child that frees would wipe them here too. */
        if (map && (madvise(map, total, MADV_DONTFORK) < 0 || !pages_touch(map + pages_size(), n_touched))) {
                munmap(map, total);
                return NULL;
        }
        return map;
}

static char *map_anonymous(size_t size)
{
        char *map = map_guarded(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);

        if (map)
                (void)madvise(map, size + 2 * pages_size(), MADV_WIPEONFORK);
        return map;
}

static char *map_locked(size_t size)
{
        char *map = map_anonymous(size);

        if (map && mlock(map + pages_size(), size) < 0) {
                munmap(map, size + 2 * pages_size());
                return NULL;
        }
        return map;
}

char *pages_map(size_t size, size_t n_touched, bool large, bool plain, enum pages_kind *ret_kind)
{
        enum pages_kind kind = PAGES_PLAIN;
        struct self self = large ? self_counted() : self_read();
        char *map = NULL;

        if (!large && !refused && (!self.filtered || filter_trusted) &&
            limit_allows(&self, size + 2 * pages_size(), large)) {
                kind = PAGES_SECRETMEM;
                map = map_secretmem(size, n_touched);
        }
        if (!map && limit_allows(&self, size, large)) {
                kind = large ? PAGES_PASSING : PAGES_LOCKED;
                map = map_locked(size);
        }
        if (!map && plain) {
                kind = PAGES_PLAIN;
                map = map_anonymous(size);
        }
        if (!map)
                return NULL;

        n_bytes[kind] += size;
        *ret_kind = kind;
        return map + pages_size();
}

void pages_unmap(char *pages, size_t size, enum pages_kind kind)
{
        n_bytes[kind] -= size;
        munmap(pages - pages_size(), size + 2 * pages_size());
}

void pages_inherit(char *pages, size_t size, enum pages_kind kind)
{
        n_bytes[kind] -= size;
        (void)mmap(pages, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

size_t pages_mapped(enum pages_kind kind)
{
        return n_bytes[kind];
}

void pages_trust_filter(void)
{
        filter_trusted = true;
}
