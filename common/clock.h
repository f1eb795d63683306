/*
 * The one clock. Durations and deadlines are counted on boot time (CLOCK_BOOTTIME: it goes on during suspend and never
 * jumps); wall time (CLOCK_REALTIME) is only for telling people and for what must outlive a reboot. Tests pass a clock of
 * their own.
 */
#pragma once

#include <stdint.h>

#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_INFINITY UINT64_MAX

struct clock {
        uint64_t (*boot_usec)(struct clock *clock); /* microseconds since boot */
        int64_t (*wall_usec)(struct clock *clock); /* microseconds since 1970-01-01T00:00:00Z */
};

/* The kernel's clocks. */
extern struct clock clock_system;

static inline uint64_t clock_boot_usec(struct clock *clock)
{
        return clock->boot_usec(clock);
}

static inline int64_t clock_wall_usec(struct clock *clock)
{
        return clock->wall_usec(clock);
}

/* a + b without wrapping: USEC_INFINITY when it would. */
static inline uint64_t usec_add(uint64_t a, uint64_t b)
{
        return a > USEC_INFINITY - b ? USEC_INFINITY : a + b;
}
