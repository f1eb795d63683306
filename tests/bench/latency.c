#include "tests/bench/latency.h"

#include <time.h>

uint64_t latency_now_nsec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static unsigned index_of(uint64_t nsec)
{
        unsigned shift;

        if (nsec < LATENCY_STEPS)
                return (unsigned)nsec;
        shift = 63u - (unsigned)__builtin_clzll(nsec) - LATENCY_STEP_BITS;
        return (shift + 1) * LATENCY_STEPS + (unsigned)((nsec >> shift) - LATENCY_STEPS);
}

static uint64_t upper_edge(unsigned index)
{
        unsigned shift;

        if (index < LATENCY_STEPS)
                return index;
        shift = index / LATENCY_STEPS - 1;
        return (((uint64_t)(index % LATENCY_STEPS) + LATENCY_STEPS + 1) << shift) - 1;
}

void latency_add(struct latency *latency, uint64_t nsec)
{
        latency->buckets[index_of(nsec)]++;
        latency->n++;
        latency->sum += nsec;
        if (nsec > latency->max)
                latency->max = nsec;
}

double latency_percentile_usec(const struct latency *latency, double percent)
{
        uint64_t rank = (uint64_t)(percent / 100 * (double)latency->n + 0.5), seen = 0;

        for (unsigned i = 0; i < sizeof(latency->buckets) / sizeof(latency->buckets[0]); i++) {
                seen += latency->buckets[i];
                if (seen >= rank && seen > 0) {
                        uint64_t edge = upper_edge(i);

                        return (double)(edge < latency->max ? edge : latency->max) / 1000;
                }
        }
        return 0;
}
