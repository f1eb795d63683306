/* Providers filled by hand and answers made of a line each, for tests of protocol code, which reads no YAML and has no network. */
#pragma once

#include "daemon/http/http_message.h"
#include "daemon/config/provider.h"

#include <stdbool.h>

/* A literal for a member that the configuration would own. */
#define TEXT(literal) ((char *)(literal))

extern const struct provider sample_jobber; /* rotation, no expires_in, its own words for everything */
extern const struct provider sample_plain; /* RFC 6749 and nothing else; client_secret_basic */
extern const struct provider sample_rest; /* a REST API whose version comes back in a header */

/* An answer that came; done with http_response_done(). content_type NULL is application/json. */
struct http_response sample_answer(long status, const char *content_type, const char *body);
/* A request that came to no answer. */
struct http_response sample_failure(enum http_result result, const char *problem);

/* The plaintext of a request's header; NULL when absent. */
const char *sample_expose_header(const struct http_request *request, const char *name);

/* One line of visible characters without anything of `secret` in it. */
bool sample_is_clean(const char *text, const char *secret);
