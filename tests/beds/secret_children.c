#include "tests/beds/secret_children.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct kernel kernel;
long __wrap_syscall(long number, long a, long b, long c, long d);
void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_mlock(const void *address, size_t size);
int __wrap_open(const char *path, int flags, ...);

static int refuse(int error)
{
        errno = error;
        return -1;
}

long __wrap_syscall(long number, long a, long b, long c, long d)
{
        if (number == SYS_memfd_secret) {
                kernel.n_secretmem_calls++;
                if (kernel.secretmem_errno != 0)
                        return refuse(kernel.secretmem_errno);
        }
        if (number == SYS_prlimit64 && kernel.no_pages)
                return refuse(EFAULT);
        return __real_syscall(number, a, b, c, d);
}

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
        if (!kernel.no_mmap)
                return __real_mmap(address, size, protection, flags, fd, offset);
        errno = ENOMEM;
        return MAP_FAILED;
}

int __wrap_mlock(const void *address, size_t size)
{
        /* The sanitizer's mlock() does nothing. */
        return kernel.mlock_errno != 0 ? refuse(kernel.mlock_errno)
                                       : (int)__real_syscall(SYS_mlock, address, size);
}

/* Nothing is made by those who call it. */
int __wrap_open(const char *path, int flags, ...)
{
        return kernel.no_proc ? refuse(ENOENT) : __real_open(path, flags);
}

int status_of_child(void (*run)(void))
{
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
                (void)signal(SIGSEGV, SIG_DFL);
                (void)signal(SIGABRT, SIG_DFL);
                run();
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status;
}

void in_child(void (*run)(void))
{
        assert_int_equal(status_of_child(run), 0);
}

void limit_locked_memory(size_t bytes)
{
        struct rlimit limit = { .rlim_cur = bytes, .rlim_max = bytes };

        CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
}

struct secret_stats stats(void)
{
        struct secret_stats stats;

        secret_get_stats(&stats);
        return stats;
}

struct secret *make(size_t n, char fill)
{
        static char bytes[4 * MIB];
        struct secret *secret = NULL;

        memset(bytes, fill, n);
        CHECK(secret_new(&secret, bytes, n) == 0);
        return secret;
}

__attribute__((no_sanitize("address"))) bool holds(const volatile char *p, size_t n, char fill)
{
        for (size_t i = 0; i < n; i++)
                if (p[i] != fill)
                        return false;
        return true;
}

int need_locked_memory(void **state)
{
        struct rlimit limit;

        assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
        if (limit.rlim_cur >= 8 * MIB)
                return 0;
        print_message("skipped: RLIMIT_MEMLOCK is below 8 MiB here\n");
        exit(77);
}
