/* The token bucket. Knows no clock: now is an argument. */
#include "daemon/base/rate.h"

#include <assert.h>

static void refill(struct rate *rate, uint64_t now_usec, unsigned burst, uint64_t every_usec)
{
        uint64_t n;

        if (rate->refilled_usec == 0) {
                rate->tokens = burst;
                rate->refilled_usec = now_usec > 0 ? now_usec : 1;
                return;
        }
        if (now_usec <= rate->refilled_usec)
                return;

        n = (now_usec - rate->refilled_usec) / every_usec;
        if (n >= burst - rate->tokens) {
                rate->tokens = burst;
                rate->refilled_usec = now_usec;
        } else {
                rate->tokens += (unsigned)n;
                rate->refilled_usec += n * every_usec;
        }
}

bool rate_take(struct rate *rate, uint64_t now_usec, unsigned burst, uint64_t every_usec)
{
        assert(burst > 0 && every_usec > 0);

        refill(rate, now_usec, burst, every_usec);
        if (rate->tokens == 0) {
                rate->suppressed++;
                return false;
        }
        rate->tokens--;
        return true;
}

uint64_t rate_take_suppressed(struct rate *rate)
{
        uint64_t n = rate->suppressed;

        rate->suppressed = 0;
        return n;
}
