/*
 * daemon/http/http.h without a network: linked in place of daemon/http/http.c. Requests that were started lie here until the test
 * answers them, in any order; http_new()'s event may be NULL.
 */
#pragma once

#include "daemon/http/http.h"

size_t fake_http_n_in_flight(const struct http *http);
size_t fake_http_n_started(const struct http *http); /* in all */
size_t fake_http_n_cancelled(const struct http *http); /* freed before they were answered */

/* The next http_start() fails with this (negative errno), and with it only. */
void fake_http_fail_next_start(struct http *http, int error);

/* Of the requests in flight, number `index` from the oldest. Borrowed until it is answered or cancelled. */
const struct http_request *fake_http_request(const struct http *http, size_t index);
uint64_t fake_http_timeout_usec(const struct http *http, size_t index);
const char *fake_http_kept_header(const struct http *http, size_t index); /* NULL: none */

/* The plaintext of a header ("" when empty, NULL when absent) and of the body ("" without one). */
const char *fake_http_expose_header(const struct http_request *request, const char *name);
const char *fake_http_expose_body(const struct http_request *request);
/* Is `pair` ("grant_type=refresh_token") one of the &-separated pairs of the body? */
bool fake_http_body_has(const struct http_request *request, const char *pair);

/* Ends request `index`, running its on_done. The response is taken; its body is made with SECRET_BUF_INIT(HTTP_BODY_MAX). */
void fake_http_complete(struct http *http, size_t index, struct http_response *response);
/* The same with a whole answer; content_type NULL is application/json, date_sec and retry_after_sec are -1. */
void fake_http_answer(struct http *http, size_t index, long status, const char *content_type,
                      const char *body);
/* The same with HTTP_NOT_SENT or HTTP_OUTCOME_UNKNOWN. */
void fake_http_fail(struct http *http, size_t index, enum http_result result, const char *problem);
