/* All mistakes of all configuration files, in one report: each with file, line, column and the path of the key. */
#pragma once

#include "common/cleanup.h"
#include "common/fault.h"

#include <stddef.h>

struct problems {
        char **lines; /* "FILE:LINE:COLUMN: PATH: message"; no control characters, no secret values */
        size_t n;
};

#define PROBLEMS_INIT { 0 }

/* line and column count from 1; 0 leaves them out, as path "" is left out. */
int problems_add(struct problems *problems, const char *file, unsigned line, unsigned column, const char *path,
                 const char *format, ...) __attribute__((format(printf, 6, 7)));
void problems_done(struct problems *problems);
