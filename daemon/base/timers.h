/*
 * Everything that is due at some time, in one heap on boot time, so that the loop needs one timer and tests need none: they move
 * the clock and call timers_run().
 */
#pragma once

#include "daemon/base/heap.h"

#include <stdbool.h>
#include <stdint.h>

struct timers {
        struct heap heap;
        uint64_t running_usec; /* the now of the timers_run() under way; 0: none is */
};

/* Embedded in its owner. */
struct timer {
        struct heap_node node;
        void (*on_due)(void *userdata);
        void *userdata;
};

#define TIMERS_INIT                                                                                          \
        {                                                                                                    \
                HEAP_INIT, 0                                                                                 \
        }
#define TIMER_INIT(function, argument)                                                                       \
        {                                                                                                    \
                HEAP_NODE_INIT, (function), (argument)                                                       \
        }

void timer_init(struct timer *timer, void (*on_due)(void *userdata), void *userdata);
/* Arms, or moves, the timer. USEC_INFINITY disarms. -ENOMEM only on arming. */
int timer_set(struct timers *timers, struct timer *timer, uint64_t due_usec);
void timer_stop(struct timers *timers, struct timer *timer);
bool timer_is_armed(const struct timer *timer);

/* Runs what is due at now_usec, the earliest first, each disarmed before its callback. What callbacks arm for now runs in the next call. */
void timers_run(struct timers *timers, uint64_t now_usec);
/* When the next one is due; USEC_INFINITY: nothing is. */
uint64_t timers_next(const struct timers *timers);
void timers_done(struct timers *timers);
