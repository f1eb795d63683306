/* How long to wait before the next try. Pure. */
#pragma once

#include <stdint.h>

struct backoff {
        uint64_t base_usec; /* the cap of the first pause */
        uint64_t max_usec; /* no pause is longer, but for Retry-After */
};

/*
 * The pause after failure number `attempt` (from 1): a random share of min(max, base * 2^(attempt-1)) ("full jitter"), and
 * at least base/4, so that a loop of failures never spins. random: 64 uniform bits.
 */
uint64_t backoff_pause_usec(const struct backoff *backoff, unsigned attempt, uint64_t random);

/*
 * When to refresh a token of this lifetime: lifetime less before, moved earlier by up to a tenth of the lifetime at random,
 * but not before a tenth of it has passed, so that a `before` longer than the lifetime does not refresh without end. Never 0
 * and never after the end.
 */
uint64_t refresh_after_usec(uint64_t lifetime_usec, uint64_t before_usec, uint64_t random);
