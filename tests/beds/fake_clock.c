/* A clock that moves when a test says so. */
#include "tests/beds/fake_clock.h"

static uint64_t read_boot(struct clock *clock)
{
        return ((struct fake_clock *)clock)->boot_usec;
}

static int64_t read_wall(struct clock *clock)
{
        return ((struct fake_clock *)clock)->wall_usec;
}

void fake_clock_init(struct fake_clock *fake)
{
        *fake = (struct fake_clock){
                .clock = { .boot_usec = read_boot, .wall_usec = read_wall },
                .boot_usec = 1000 * USEC_PER_SEC,
                .wall_usec = INT64_C(1767225600) * (int64_t)USEC_PER_SEC,
        };
}

void fake_clock_advance(struct fake_clock *fake, uint64_t usec)
{
        fake->boot_usec += usec;
        fake->wall_usec += (int64_t)usec;
}
