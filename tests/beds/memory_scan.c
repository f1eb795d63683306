/* Is a text anywhere in this process's memory? */
#include "tests/beds/memory_scan.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WINDOW = 1 << 20, OVERLAP = 4096 };

/* A sanitizer's shadow is larger than any memory, and holds no bytes of ours. */
static const uint64_t LARGEST = UINT64_C(1) << 30;

void memory_disguise(char *bytes, size_t n)
{
        for (size_t i = 0; i < n; i++)
                bytes[i] ^= MEMORY_DISGUISE;
}

static bool matches(const char *at, const char *disguised, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if ((at[i] ^ MEMORY_DISGUISE) != disguised[i])
                        return false;
        return true;
}

static bool window_holds(const char *window, size_t have, const char *disguised, size_t n)
{
        const char *at = window;

        while (have >= n && (at = memchr(at, disguised[0] ^ MEMORY_DISGUISE, have - (size_t)(at - window)))) {
                if (have - (size_t)(at - window) < n)
                        return false;
                if (matches(at, disguised, n))
                        return true;
                at++;
        }
        return false;
}

static bool range_holds(int memory, char *window, uint64_t from, uint64_t to, const char *disguised, size_t n)
{
        for (uint64_t at = from; at < to; at += WINDOW - OVERLAP) {
                size_t want = to - at < WINDOW ? (size_t)(to - at) : WINDOW;
                ssize_t have = pread(memory, window, want, (off_t)at);
                bool found = have > 0 && window_holds(window, (size_t)have, disguised, n);
                if (found)
                        return true;
        }
        return false;
}

/*
 * What calls that have returned left below the stack pointer is overwritten by the next ones; the dynamic linker alone
 * spills whole vector registers there.
 */
__attribute__((noinline)) static void overwrite_dead_stack(void)
{
        char dead[64 * 1024];

        explicit_bzero(dead, sizeof(dead));
}

bool memory_holds(const char *disguised, size_t n, char *where, size_t size)
{
        /* Shared, so that it is a mapping of its own in the list. */
        char *window = mmap(NULL, WINDOW, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        FILE *maps = fopen("/proc/self/maps", "re");
        int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
        char line[512], flags[8];
        uint64_t from, to;
        bool found = false;

        overwrite_dead_stack();
        if (window == MAP_FAILED || !maps || memory < 0)
                abort();
        while (!found && fgets(line, sizeof(line), maps)) {
                if (sscanf(line, "%lx-%lx %7s", &from, &to, flags) != 3 || flags[1] != 'w' ||
                    to - from > LARGEST)
                        continue;
                /* The window shows what was just looked at. */
                if ((uint64_t)(uintptr_t)window >= from && (uint64_t)(uintptr_t)window < to)
                        continue;
                found = range_holds(memory, window, from, to, disguised, n);
                if (found)
                        snprintf(where, size, "%s", line);
        }
        fclose(maps);
        close(memory);
        explicit_bzero(window, WINDOW);
        munmap(window, WINDOW);
        return found;
}
