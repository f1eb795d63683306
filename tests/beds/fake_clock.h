/* A clock that moves when a test says so. */
#pragma once

#include "common/clock.h"

struct fake_clock {
        struct clock clock; /* first: what is under test gets &fake.clock */
        uint64_t boot_usec;
        int64_t wall_usec;
};

/* 1000 s after boot, 2026-01-01T00:00:00Z. */
void fake_clock_init(struct fake_clock *fake);
void fake_clock_advance(struct fake_clock *fake, uint64_t usec); /* both clocks */
