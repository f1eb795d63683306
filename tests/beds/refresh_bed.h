/* A core with one credential that is refreshed. */
#pragma once

#include "tests/beds/core_bed.h"

#define ANSWER_2                                                                                             \
        "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"expires_in\":3600,\"token_type\":" \
        "\"Bearer\"}"
#define INVALID_GRANT "{\"error\":\"invalid_grant\",\"error_description\":\"it is spent\"}"

int setup(void **state);
int setup_with_alarm(void **state);
void give_watched_grant(void);
