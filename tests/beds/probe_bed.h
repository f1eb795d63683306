/* A core with one credential of a provider that has a test, and one who asks for that test. */
#pragma once

#include "tests/beds/core_bed.h"

#define DAY (24 * 3600)
#define SERVED(version, warning)                                                                             \
        "{\"data\":{\"account\":{\"id\":\"one\"}},\"extensions\":{\"version\":\"" version "\"" warning "}}"
#define ANSWER_2 "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"expires_in\":864000}"

extern const char provider[];
extern const char clients[];

void use_client(const char *name);
int setup(void **state);

/* Somebody who waits for a test. */
struct tester {
        struct probe_wait *wait;
        struct tester *other; /* let go when this one is told */
        int told;
        bool forget, test_again;
};

void on_revoked(const struct revoke_answer *answer, void *userdata);
void run(struct tester *tester);

/* One test from its beginning to its end. */
void test_with(long status, const char *body);
