/*
 * The allocator of secret memory: many small secrets to a page, freed ones wiped. What an allocation is (size, free or not) is
 * written down outside of the secret pages, so that overrunning a secret cannot bend the allocator. Knows nothing of what the
 * bytes mean. May be called by any thread. Implements secret_get_stats() too.
 */
#pragma once

#include <stddef.h>

/* Zeroed memory of at least `size` bytes, NULL when there is none. ret_size, where asked for: how many bytes may be used. */
void *arena_take(size_t size, size_t *ret_size);

/* Wipes. Aborts when p is not what arena_take() gave, or was returned before: a broken program that holds secrets ends. */
void arena_return(void *p);
