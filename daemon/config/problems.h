/*
 * All mistakes of all configuration files, in one report: each with file, line, column and the path of the
 * key.
 */
#pragma once

#include "common/cleanup.h"
#include "common/fault.h"

#include <stddef.h>

enum {
        PROBLEMS_MAX = 200, /* lines of a report; what comes after them is only counted */
};

struct problems {
        /* "FILE:LINE:COLUMN: PATH: message"; valid UTF-8, no control characters, no secret values. */
        char **lines;
        size_t n;
        size_t n_unlisted;
};

#define PROBLEMS_INIT                                                                                        \
        {                                                                                                    \
                0                                                                                            \
        }

/*
 * line and column count from 1; 0 leaves them out, as path "" is left out. The message is cut as a diag is.
 */
int problems_add(struct problems *problems, const char *file, unsigned line, unsigned column,
                 const char *path, const char *format, ...) __attribute__((format(printf, 6, 7)));
int problems_vadd(struct problems *problems, const char *file, unsigned line, unsigned column,
                  const char *path, const char *format, va_list ap) __attribute__((format(printf, 6, 0)));
void problems_done(struct problems *problems);

/*
 * How many there were, listed or not: a reader that compares this before and after knows whether all was
 * well.
 */
static inline size_t problems_count(const struct problems *problems)
{
        return problems->n + problems->n_unlisted;
}
