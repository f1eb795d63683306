/*
 * HTTP requests on the event loop, through curl's multi interface; with http_*.c the only user of curl. Redirects are
 * never followed, https (1.2 or newer, verified) or loopback http only, answers limited in size and time. Knows nothing of
 * OAuth. Tests link fake_http.c in its place.
 */
#pragma once

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fault.h"
#include "daemon/http/http_message.h"

struct http;
struct http_transfer;

enum {
        HTTP_E_NO_LIBRARY = 1, /* libcurl is not installed, or too old */
};

/* Once per process, before a second thread, which may look into the environment: TLS keys are logged nowhere. */
void http_prepare(void);

/*
 * Joins libcurl to the process, where it is not: what it and OpenSSL free is wiped. The first http_start() does it, too; it takes
 * milliseconds. No other thread may be about to use curl or OpenSSL. 0, HTTP_E_NO_LIBRARY (diag says what
 * to do), or a fault; the next call tries again.
 */
int http_join(struct diag *diag);

/* event: borrowed (sd_event *, kept opaque here so that a fake needs no loop). */
int http_new(struct http **ret, void *event, struct clock *clock);
struct http *http_free(struct http *http); /* every transfer must have been freed */
DEFINE_FREEP(struct http *, http_free)

/*
 * Starts a request, which is taken. kept_header: a response header to keep in served_version; NULL: none. Without libcurl it ends as
 * HTTP_NOT_SENT. on_done is called exactly once, from the event loop, never from within http_start(); the response is the callee's to read for the call
 * alone. The handle stays the caller's: freeing it cancels, and then on_done never runs; it may be freed from within
 * on_done.
 */
int http_start(struct http *http, struct http_request *request, const char *kept_header,
               uint64_t timeout_usec, void (*on_done)(const struct http_response *response, void *userdata),
               void *userdata, struct http_transfer **ret);
struct http_transfer *http_transfer_free(struct http_transfer *transfer);
DEFINE_FREEP(struct http_transfer *, http_transfer_free)
