/* The wiping malloc family, on top of the C library's. Knows nothing of whom it serves. */
#include "common/wipe.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void *wipe_malloc(size_t size)
{
        return malloc(size);
}

void *wipe_calloc(size_t n, size_t size)
{
        return calloc(n, size);
}

/* Always moves: realloc() of the C library may leave the old bytes in memory that it hands to the next caller. */
void *wipe_realloc(void *p, size_t size)
{
        size_t n;
        void *moved;

        if (!p)
                return malloc(size);
        if (size == 0) {
                wipe_free(p);
                return NULL;
        }

        moved = malloc(size);
        if (!moved)
                return NULL;

        n = malloc_usable_size(p);
        memcpy(moved, p, n < size ? n : size);
        wipe_free(p);
        return moved;
}

void wipe_free(void *p)
{
        if (!p)
                return;
        explicit_bzero(p, malloc_usable_size(p));
        free(p);
}

char *wipe_strdup(const char *string)
{
        return strdup(string);
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
        return wipe_malloc(size);
}

static void *openssl_realloc(void *p, size_t size, const char *file, int line)
{
        return wipe_realloc(p, size);
}

static void openssl_free(void *p, const char *file, int line)
{
        wipe_free(p);
}

void wipe_install_in_openssl(int (*set_functions)(void *(*malloc_fn)(size_t, const char *, int),
                                                  void *(*realloc_fn)(void *, size_t, const char *, int),
                                                  void (*free_fn)(void *, const char *, int)))
{
        (void)set_functions(openssl_malloc, openssl_realloc, openssl_free);
}

#if defined(__x86_64__)
#define CLOBBERED                                                                                            \
        "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",   \
                "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

/* The C library's string functions use those that the processor has, whatever this is compiled for. */
void wipe_registers(void)
{
        if (__builtin_cpu_supports("avx512f"))
                __asm__ volatile(".irp n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t"
                                 "vpxorq %%zmm\\n, %%zmm\\n, %%zmm\\n\n\t"
                                 ".endr\n\t"
                                 :
                                 :
                                 : "memory");
        if (__builtin_cpu_supports("avx"))
                __asm__ volatile("vzeroall" : : : CLOBBERED);
        else
                __asm__ volatile(".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
                                 "pxor %%xmm\\n, %%xmm\\n\n\t"
                                 ".endr\n\t"
                                 :
                                 :
                                 : CLOBBERED);
}
#else
void wipe_registers(void)
{
}
#endif
