/*
 * Lets one allocation of ours fail. A test that links this names in its `// ldflags:` line
 * -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=strdup,--wrap=strndup,--wrap=realpath,--wrap=asprintf
 * asprintf alone may be left out. What libraries allocate through common/wipe.c counts as ours.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

void out_of_memory_at(size_t allocation); /* counted from 0, from now on */
bool out_of_memory_end(
        void); /* all is well again; did it come to that allocation? The same when asked again. */
bool out_of_memory_now(void); /* counts an allocation that a test wraps besides: is it to fail? */
