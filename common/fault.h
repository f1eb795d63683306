/*
 * The error idiom. Functions that can fail return int: 0 is done; a negative errno is a fault, cleaned up and passed on
 * unchanged; a positive MODULE_E_X is an outcome that the function's header names, which its direct caller handles and
 * never forwards. A fault is raised with `return fault(-ENOMEM)`, which remembers where it arose, and is told once, by the
 * layer that decides about it.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* The compiler is told that it is negative, so that it can see which outputs are written on success. */
#define fault(error)                                                                                         \
        ({                                                                                                   \
                int fault_raised_ = fault_raise((error), __FILE__, __LINE__);                                \
                if (fault_raised_ >= 0)                                                                      \
                        __builtin_unreachable();                                                             \
                fault_raised_;                                                                               \
        })

/* Remembers where `error` (negative errno; asserted) was first raised, and returns it. */
int fault_raise(int error, const char *file, int line);

/* "daemon/base/seal.c:81", where the last fault of this process arose; "" before the first. Valid until the next fault. */
const char *fault_origin(void);

/*
 * Words for people about what they, or a provider, wrote. Bounded; control characters become '?'. Never holds a secret:
 * callers put names, positions and rules into it, not values.
 */
struct diag {
        char text[512];
};

#define DIAG_INIT                                                                                            \
        {                                                                                                    \
                ""                                                                                           \
        }

/* NULL-safe; keeps the first 511 bytes, cut at a UTF-8 boundary. */
void diag_set(struct diag *diag, const char *format, ...) __attribute__((format(printf, 2, 3)));
void diag_vset(struct diag *diag, const char *format, va_list ap) __attribute__((format(printf, 2, 0)));
