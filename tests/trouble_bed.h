/* A core with one credential whose refreshes are going to be troubled. */
#pragma once

#include "tests/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define ANSWER_2 "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"expires_in\":3600}"

extern struct core core;
extern struct credential *acme;
int setup(void **state);
int teardown(void **state);
size_t in_flight(void);
size_t started(void);
bool is_on_disk(const char *kind);
void restart(void);

/* The request in flight gets no answer. */
void lose_answer(void);
void on_revoked(const struct revoke_answer *answer, void *userdata);
