/* Answers of a token endpoint, and what they are read as. */
#pragma once

#include "daemon/protocol/oauth.h"

#include "tests/beds/provider_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { NOW = 1712693071 }; /* 2024-04-09 20:04:31 UTC */

#define OLD_TOKEN "d7f2a9c04be1835f6a90cc1b2e4d7788"
#define NEW_TOKEN "0123456789abcdef0123456789abcdef"
/* {"sub":1,"iat":1712693071,"exp":1712696671} */
#define ACCESS_JWT                                                                                           \
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOjEsImlhdCI6MTcxMjY5MzA3MSwiZXhwIjoxNzEyNjk2NjcxfQ.c2lnbmF0dXJlLXg"

struct oauth_answer read_response(const struct provider *provider, struct http_response *response);
struct oauth_answer read_answer(const struct provider *provider, long status, const char *body);
void expect_tokens(const struct oauth_answer *answer, const char *access, const char *refresh);
void expect_refused(const struct provider *provider, long status, const char *body,
                    enum oauth_verdict verdict, bool outcome_unknown, const char *words);
