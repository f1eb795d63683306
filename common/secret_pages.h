/*
 * Pages for secrets, taken from the kernel: the best kind that the limits allow. Knows no allocation. The arena's lock protects
 * what is counted here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum pages_kind {
        PAGES_SECRETMEM, /* memfd_secret(2): not even the kernel's own mappings show them */
        PAGES_LOCKED, /* mlock(2), left out of core dumps */
        PAGES_PASSING, /* likewise, for what is large and so on its way: the kernel takes 16 µs for each page of the first kind */
        PAGES_PLAIN, /* left out of core dumps, no more */
        N_PAGES_KINDS,
};

size_t pages_size(void); /* of one page */

/*
 * Zeroed pages with a forbidden one at either end; sizes are multiples of pages_size(). large: PAGES_PASSING or PAGES_PLAIN, and no
 * more than half of the limit. plain: rather unlocked than none. NULL when there are none. Of PAGES_SECRETMEM the first n_touched bytes are
 * there, and the others need pages_touch() before they are used.
 */
char *pages_map(size_t size, size_t n_touched, bool large, bool plain, enum pages_kind *ret_kind);

/* Gets pages of PAGES_SECRETMEM from the kernel, 16 µs each. False: it has none to give, and to use these would end the process. */
bool pages_touch(char *pages, size_t size);
void pages_unmap(char *pages, size_t size, enum pages_kind kind);

/* In a child of fork(): puts zeroes where the parent's pages were, which count no more. */
void pages_inherit(char *pages, size_t size, enum pages_kind kind);

size_t pages_mapped(enum pages_kind kind); /* bytes */

/* memfd_secret is used though a system call filter is in force. */
void pages_trust_filter(void);
