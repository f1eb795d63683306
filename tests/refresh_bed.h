/* A core with one credential that is refreshed. */
#pragma once

#include "tests/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define ANSWER_2                                                                                             \
        "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"expires_in\":3600,\"token_type\":" \
        "\"Bearer\"}"
#define INVALID_GRANT "{\"error\":\"invalid_grant\",\"error_description\":\"it is spent\"}"

extern struct core core;
extern struct credential *acme;
int setup(void **state);
int teardown(void **state);
size_t in_flight(void);
int setup_with_alarm(void **state);
void give_watched_grant(void);
