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
