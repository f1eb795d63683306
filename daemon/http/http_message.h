/* One HTTP request and what came of it, as plain values: what protocol code makes and reads without touching a network. */
#pragma once

#include "common/cleanup.h"
#include "common/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
        HTTP_BODY_MAX = 1024 * 1024, /* bytes of a response body; a longer one is a broken answer */
};

struct http_header {
        char *name;
        struct secret *value; /* a secret, since Authorization is one of them */
};

struct http_request {
        bool post; /* POST with body, or GET */
        const char *method; /* another one than that, with body or not as post says; NULL: none. Static */
        char *url;
        struct http_header headers[12];
        size_t n_headers;
        struct secret *body; /* NULL for GET */
        char *ca_file; /* NULL: the system's CAs */
};

enum http_result {
        HTTP_ANSWERED, /* a whole response is here */
        HTTP_NOT_SENT, /* the provider cannot have acted: no name, no connection, no TLS */
        HTTP_OUTCOME_UNKNOWN, /* the request may have been received, and no whole answer came back */
};

struct http_response {
        enum http_result result;
        char problem[160]; /* unless HTTP_ANSWERED: in words, none of them from the network */
        long status; /* HTTP_ANSWERED: this and the rest */
        struct secret_buf body; /* up to HTTP_BODY_MAX */
        char content_type[64]; /* lower case, without parameters; "" when absent */
        int64_t date_sec; /* Date header, seconds since 1970; -1 when absent or unusable */
        int64_t retry_after_sec; /* Retry-After as a delay; of a date, less Date or else the local clock; -1: absent */
        char served_version
                [64]; /* the value of the header that the request asked to be kept; "" when absent */
};

int http_request_new(struct http_request **ret, bool post, const char *url);
/* value may hold visible ASCII and blanks only: anything else is -EINVAL, so that no header can be injected. */
int http_request_add_header(struct http_request *request, const char *name, const char *value,
                            size_t n_value);
struct http_request *http_request_free(struct http_request *request);
DEFINE_FREEP(struct http_request *, http_request_free)

void http_response_done(struct http_response *response); /* safe on a zeroed one */

/* IMF-fixdate and the two obsolete forms of RFC 9110 section 5.6.7 to seconds since 1970; -1 when it is none. Pure. */
int64_t http_parse_date(const char *text);
/*
 * Retry-After (RFC 9110 section 10.2.3): non-negative seconds, capped at one day; -1 when unusable. now: the answer's clock.
 */
int64_t http_parse_retry_after(const char *text, int64_t now_sec);
