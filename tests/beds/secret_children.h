/*
 * Children with an arena of their own, under a kernel that says no when it is told to. A test that links this names -Wl,--wrap= for
 * syscall, mmap, mlock and open in its `// ldflags:` line.
 */
#pragma once

#include "common/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/mman.h>

enum {
        KIB = 1024,
        MIB = 1024 * KIB,
};

extern struct kernel {
        int secretmem_errno; /* memfd_secret(2) is refused with it */
        bool no_pages; /* touching a page would raise SIGBUS */
        int mlock_errno;
        bool no_mmap;
        bool no_proc;
        unsigned n_secretmem_calls;
} kernel;

long __real_syscall(long number, ...);
int __real_open(const char *path, int flags, ...);

#define CHECK(condition)                                                                                     \
        do {                                                                                                 \
                if (!(condition)) {                                                                          \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
                        _exit(1);                                                                            \
                }                                                                                            \
        } while (0)

int status_of_child(void (*run)(void));
void in_child(void (*run)(void));
void limit_locked_memory(size_t bytes);
struct secret_stats stats(void);
struct secret *make(size_t n, char fill);
__attribute__((no_sanitize("address"))) bool holds(const volatile char *p, size_t n, char fill);
int need_locked_memory(void **state);
