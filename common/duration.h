/* Durations as people write them: "45", "30s", "5m", "1h30m", "2d". */
#pragma once

#include "common/fault.h"

#include <stdint.h>

enum {
        DURATION_E_MALFORMED = 1, /* diag says how to write one */
};

/*
 * Units: ms, s, m or min, h, d, w; a bare number is seconds; parts add up ("1h30m"), white space between them is allowed.
 * No sign, no fraction, nothing above ten years.
 */
int duration_parse(const char *text, uint64_t *ret_usec, struct diag *diag);

/* "5s", "12m", "3h 20m", "2d 4h": the two largest units, for people. Returns buffer. */
const char *duration_format(uint64_t usec, char *buffer, unsigned long size);
