/* A core in which somebody logs in, and what he is told. */
#pragma once

#include "tests/beds/core_bed.h"

#define TOKENS "{\"access_token\":\"access-new\",\"refresh_token\":\"refresh-new\",\"expires_in\":3600}"
#define ACCOUNT_ONE "{\"data\":{\"account\":{\"id\":\"one\",\"name\":\"One Ltd\"}}}"
#define INVALID_GRANT "{\"error\":\"invalid_grant\"}"

struct outcome {
        bool answered;
        enum login_verdict verdict;
        char name[80], reason[512], found[80], login[64], url[1024];
};

int setup(void **state);
void on_login(const struct login_answer *answer, void *userdata);
