/* How long to wait before the next try. Pure. */
#include "daemon/base/backoff.h"

/* The share of `whole` that 64 uniform bits choose: uniform from 0 to whole - 1. */
static uint64_t share(uint64_t whole, uint64_t random)
{
        return (uint64_t)((unsigned __int128)whole * random >> 64);
}

static uint64_t doubled(uint64_t base, unsigned times, uint64_t max)
{
        if (base == 0)
                return 0;
        if (times >= 64 || base > max >> times)
                return max;
        return base << times;
}

uint64_t backoff_pause_usec(const struct backoff *backoff, unsigned attempt, uint64_t random)
{
        uint64_t cap = doubled(backoff->base_usec, attempt > 0 ? attempt - 1 : 0, backoff->max_usec);
        uint64_t least = backoff->base_usec / 4;
        uint64_t pause = share(cap, random);

        if (least > cap)
                least = cap;
        return pause > least ? pause : least;
}

uint64_t refresh_after_usec(uint64_t lifetime_usec, uint64_t before_usec, uint64_t random)
{
        uint64_t tenth = lifetime_usec / 10;
        uint64_t earlier = before_usec < lifetime_usec ? before_usec : lifetime_usec;
        uint64_t jitter = share(tenth, random);
        uint64_t after = lifetime_usec - earlier;

        after = after > jitter ? after - jitter : 0;
        if (after < tenth)
                after = tenth;
        return after > 0 ? after : 1;
}
