/* Credentials of providers that revoke in each of the ways, and one who logs out. */
#pragma once

#include "tests/beds/core_bed.h"

extern const char provider[];
extern const char clients[];

int setup(void **state);
void belong_to(struct credential *credential, const char *client, const char *account);
struct credential *give(const char *name, const char *client, const char *account);

struct outcome {
        struct revoke_call *call;
        bool answered;
        enum revoke_verdict verdict;
        char message[600], also_ended[200];
        uint64_t retry_after_usec;
};

void log_out(struct outcome *outcome, const char *name, bool force);
void expect(const struct outcome *outcome, enum revoke_verdict verdict, const char *words);

/* It goes on as if nothing had been asked: it serves, and is refreshed by itself. */
void expect_going_on(const char *name);
