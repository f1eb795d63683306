/*
 * How often something took how long: one counter for each power of two of microseconds, so that adding is a shift and three additions, on
 * the way of every call. Pure.
 */
#pragma once

#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 28 }; /* of 1 µs, 2 µs, 4 µs, ... 134 s */

struct histogram {
        uint64_t buckets[HISTOGRAM_BUCKETS]; /* not cumulated; what is longer is in `count` alone */
        uint64_t count, sum_usec;
};

static inline void histogram_add(struct histogram *histogram, uint64_t usec)
{
        unsigned bucket = usec <= 1 ? 0 : 64U - (unsigned)__builtin_clzll(usec - 1);

        if (bucket < HISTOGRAM_BUCKETS)
                histogram->buckets[bucket]++;
        histogram->count++;
        histogram->sum_usec += usec;
}
