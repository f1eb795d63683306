/*
 * A malloc family that wipes what it frees, with the signatures that jansson, curl, SQLite and OpenSSL ask for. The programs'
 * main installs it into those libraries before their first allocation; libpurser never does, since there the allocator
 * belongs to the host program.
 */
#pragma once

#include <stddef.h>

void *wipe_malloc(size_t size);
void *wipe_calloc(size_t n, size_t size);
void *wipe_realloc(void *p, size_t size); /* never leaves the old bytes behind */
void wipe_free(void *p); /* accepts NULL; wipes the whole usable size */
char *wipe_strdup(const char *string);

/* OpenSSL's CRYPTO_set_mem_functions, as whoever loads it found it. It refuses once OpenSSL has allocated anything. */
void wipe_install_in_openssl(int (*set_functions)(void *(*malloc_fn)(size_t, const char *, int),
                                                  void *(*realloc_fn)(void *, size_t, const char *, int),
                                                  void (*free_fn)(void *, const char *, int)));

/*
 * What memcpy() and its like leave in the vector registers, where a core dump shows it. Called before the loop sleeps. Does
 * nothing on processors other than x86-64.
 */
void wipe_registers(void);
