/* The filter of system calls as a program for the kernel. Pure: loads nothing. */
#pragma once

#include <linux/filter.h>
#include <stddef.h>

enum { HARDEN_FILTER_MAX = 192 };

/* How many instructions it has. 0: none are known for this architecture. */
size_t harden_filter_make(struct sock_filter code[static HARDEN_FILTER_MAX]);

/* The calls that it refuses with EPERM, for tests. */
const unsigned *harden_filter_refused(size_t *ret_n);
