/* Cleanup attributes and hand-over: the one ownership idiom of the tree. */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

/* Hands a pointer (or a descriptor) over and forgets it here, so that the cleanup attribute has nothing left to do. */
#define take_ptr(p)                                                                                          \
        ({                                                                                                   \
                __typeof__(p) *take_from_ = &(p);                                                            \
                __typeof__(p) taken_ = *take_from_;                                                          \
                *take_from_ = NULL;                                                                          \
                taken_;                                                                                      \
        })

static inline int take_fd(int *fd)
{
        int taken = *fd;
        *fd = -1;
        return taken;
}

/* DEFINE_FREEP(struct x *, x_free) makes x_freep() for _cleanup_(x_freep). */
#define DEFINE_FREEP(type, free_function)                                                                    \
        static inline void free_function##p(type *p)                                                         \
        {                                                                                                    \
                if (*p)                                                                                      \
                        free_function(*p);                                                                   \
        }

static inline void freep(void *p)
{
        free(*(void **)p);
}

static inline void closep(int *fd)
{
        if (*fd >= 0)
                close(*fd);
}
