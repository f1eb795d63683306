/* A histogram of times: 128 steps for each power of two, so that a percentile is right to 0.8 %. Maximum and mean are exact. */
#pragma once

#include <stdint.h>

enum { LATENCY_STEP_BITS = 7, LATENCY_STEPS = 1 << LATENCY_STEP_BITS };

struct latency {
        uint64_t n, sum, max;
        uint64_t buckets[(64 - LATENCY_STEP_BITS + 1) * LATENCY_STEPS];
};

uint64_t latency_now_nsec(void); /* CLOCK_MONOTONIC */
void latency_add(struct latency *latency, uint64_t nsec);
double latency_percentile_usec(const struct latency *latency, double percent);
