/* Lets one allocation of ours fail. */
#include "tests/beds/out_of_memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Libraries have threads of their own. */
static atomic_size_t n_allocations;
static atomic_size_t fail_at;
static atomic_bool armed;

void out_of_memory_at(size_t allocation)
{
        n_allocations = 0;
        fail_at = allocation;
        armed = true;
}

bool out_of_memory_end(void)
{
        armed = false;
        return n_allocations > fail_at;
}

bool out_of_memory_now(void)
{
        if (!armed || n_allocations++ != fail_at)
                return false;
        errno = ENOMEM;
        return true;
}

/* The linker puts these in the place of what our own objects call. */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
        return out_of_memory_now() ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
        return out_of_memory_now() ? NULL : __real_calloc(n, size);
}

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size)
{
        return out_of_memory_now() ? NULL : __real_realloc(p, size);
}

void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
        return out_of_memory_now() ? NULL : __real_reallocarray(p, n, size);
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text)
{
        return out_of_memory_now() ? NULL : __real_strdup(text);
}

char *__real_strndup(const char *text, size_t n);
char *__wrap_strndup(const char *text, size_t n);
char *__wrap_strndup(const char *text, size_t n)
{
        return out_of_memory_now() ? NULL : __real_strndup(text, n);
}

char *__real_realpath(const char *path, char *resolved);
char *__wrap_realpath(const char *path, char *resolved);
char *__wrap_realpath(const char *path, char *resolved)
{
        return out_of_memory_now() ? NULL : __real_realpath(path, resolved);
}

int __wrap_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **ret, const char *format, ...)
{
        va_list ap;
        int n;

        if (out_of_memory_now())
                return -1;
        va_start(ap, format);
        n = vasprintf(ret, format, ap);
        va_end(ap);
        return n;
}
