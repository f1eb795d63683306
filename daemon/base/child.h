/*
 * A program of somebody else, run at arm's length: as the user that we are, in a session of its own, with a bare environment, no
 * descriptor but its three, limits, and a time after which it and its process group are killed. Knows not what it is for.
 *
 * What it needs of a sandbox: clone, execve, close_range, setsid, prctl, prlimit64, memfd_create, pipe2, pidfd_open, pidfd_send_signal
 * and waitid, and that the program's file may be executed. With a filter of our own that forbade execve there would be no hooks.
 */
#pragma once

#include "common/cleanup.h"
#include "common/clock.h"
#include "daemon/base/timers.h"

#include <stddef.h>
#include <stdint.h>

enum child_outcome {
        CHILD_EXITED, /* number: its exit status; 127 with words when it could not be run at all */
        CHILD_SIGNALLED, /* number: the signal */
        CHILD_TIMED_OUT,
};

struct child_end {
        enum child_outcome outcome;
        int number;
        const char *words; /* the last line that it wrote to standard output or error, cut; "" for none */
};

struct child_order {
        char *const *argv; /* an absolute path first; ends with NULL */
        const char *input; /* what it reads on standard input */
        size_t n_input;
        uint64_t timeout_usec;
        /* From the loop; the child may be freed in it. */
        void (*on_end)(const struct child_end *end, void *userdata);
        void *userdata;
};

struct child;

/* event: an sd_event, borrowed as clock and timers are; the order is not needed any more afterwards. 0 or a fault. */
int child_start(struct child **ret, void *event, struct clock *clock, struct timers *timers,
                const struct child_order *order);
/* Kills it and its group where it still runs; on_end is not called then. */
struct child *child_free(struct child *child);
DEFINE_FREEP(struct child *, child_free)
