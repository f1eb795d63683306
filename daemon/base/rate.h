/* A token bucket: how often something may happen, and how many times it was kept from it. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rate {
        uint64_t refilled_usec; /* 0: never used */
        unsigned tokens;
        uint64_t suppressed; /* refused since it was last asked for */
};

/* `burst` at once, and one more each every_usec. A zeroed rate is full. False: not now, and counted as suppressed. */
bool rate_take(struct rate *rate, uint64_t now_usec, unsigned burst, uint64_t every_usec);

/* How many were suppressed since the last call of this function. */
uint64_t rate_take_suppressed(struct rate *rate);
