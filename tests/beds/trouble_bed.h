/* A core with one credential whose refreshes are going to be troubled. */
#pragma once

#include "tests/beds/core_bed.h"

#define ANSWER_2 "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"expires_in\":3600}"

int setup(void **state);
size_t started(void);

/* The request in flight gets no answer. */
void lose_answer(void);
void on_revoked(const struct revoke_answer *answer, void *userdata);
