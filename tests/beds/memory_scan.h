/*
 * Is a text anywhere in this process's memory? For tests of wiping. The needle itself must not lie about, so it is kept
 * disguised: every byte xored with MEMORY_DISGUISE.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { MEMORY_DISGUISE = 0x15 };

/* bytes becomes the plain text, or the disguised one again. */
void memory_disguise(char *bytes, size_t n);

/*
 * Looks through all writable memory but the stack of calls that have returned; when it is found, `where` names the mapping.
 * Memory that cannot be read this way (memfd_secret) is passed over, since nobody else can read it either.
 */
bool memory_holds(const char *disguised, size_t n, char *where, size_t size);
