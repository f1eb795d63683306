/* A core with a grant in force, in whose place a login is about to put another. */
#pragma once

#include "tests/beds/core_bed.h"

#define TOKENS(name)                                                                                         \
        "{\"access_token\":\"access-" name "\",\"refresh_token\":\"refresh-" name "\",\"expires_in\":3600}"
#define ACCOUNT_ONE "{\"data\":{\"account\":{\"id\":\"one\",\"name\":\"One Ltd\"}}}"

extern const char provider[];
extern const char clients[];

/* A credential with a grant of account 'one' in force. */
int setup(void **state);

/* Writes, and those that follow from them. */

struct outcome {
        struct login_call *call;
        bool answered;
        enum login_verdict verdict;
        char reason[600];
};

void on_login(const struct login_answer *answer, void *userdata);

/* A login whose code is here, and on its way to the token endpoint. */
void begin_login(struct outcome *outcome, const char *client, bool switch_account);
void begin_import(struct outcome *outcome, const char *name, const char *token_text);

/* Up to where the promotion is being saved. */
void bring_to_promotion(struct outcome *outcome);
