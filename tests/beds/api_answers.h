/* Providers, and the answers of their APIs. */
#pragma once

#include "daemon/protocol/api.h"

#include "tests/beds/provider_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

extern const char *const PINNED;

#define TOKEN "0123456789abcdef0123456789abcdef"
#define ACCOUNT "\"data\":{\"account\":{\"id\":\"MQ==\",\"name\":\"Acme Landscaping\"}}"
#define VERSION(version) "\"extensions\":{\"cost\":{},\"versioning\":{\"version\":\"" version "\"}}"

struct api_answer read_response(const struct provider *provider, const char *version,
                                struct http_response *response);
struct api_answer read_test(const struct provider *provider, const char *version, long status,
                            const char *body);
