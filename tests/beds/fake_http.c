/* daemon/http/http.h without a network. */
#include "tests/beds/fake_http.h"

#include "common/fault.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct http {
        struct http_transfer **in_flight; /* oldest first */
        size_t n, allocated;
        size_t n_started, n_cancelled, n_handles;
        int next_error;
};

struct http_transfer {
        struct http *http;
        struct http_request *request;
        char *kept_header;
        uint64_t timeout_usec;
        void (*on_done)(const struct http_response *response, void *userdata);
        void *userdata;
        bool done;
};

void http_prepare(void)
{
}

int http_join(struct diag *diag)
{
        return 0;
}

int http_new(struct http **ret, void *event, struct clock *clock)
{
        struct http *http = calloc(1, sizeof(*http));

        if (!http)
                return fault(-ENOMEM);
        *ret = http;
        return 0;
}

struct http *http_free(struct http *http)
{
        if (!http)
                return NULL;
        assert(http->n_handles == 0);
        free(http->in_flight);
        free(http);
        return NULL;
}

static int push(struct http *http, struct http_transfer *transfer)
{
        if (http->n == http->allocated) {
                size_t more = http->allocated ? http->allocated * 2 : 8;
                struct http_transfer **list = reallocarray(http->in_flight, more, sizeof(*list));
                if (!list)
                        return fault(-ENOMEM);
                http->in_flight = list;
                http->allocated = more;
        }
        http->in_flight[http->n++] = transfer;
        return 0;
}

static void drop(struct http *http, const struct http_transfer *transfer)
{
        for (size_t i = 0; i < http->n; i++)
                if (http->in_flight[i] == transfer) {
                        memmove(http->in_flight + i, http->in_flight + i + 1,
                                (http->n - i - 1) * sizeof(*http->in_flight));
                        http->n--;
                        return;
                }
}

int http_start(struct http *http, struct http_request *request, const char *kept_header,
               uint64_t timeout_usec, void (*on_done)(const struct http_response *response, void *userdata),
               void *userdata, struct http_transfer **ret)
{
        _cleanup_(http_request_freep) struct http_request *taken = request;
        int error = http->next_error;

        http->next_error = 0;
        if (error < 0)
                return fault(error);
        struct http_transfer *transfer = calloc(1, sizeof(*transfer));
        if (!transfer || push(http, transfer) < 0) {
                free(transfer);
                return fault(-ENOMEM);
        }
        *transfer = (struct http_transfer){
                .http = http,
                .request = take_ptr(taken),
                .kept_header = kept_header ? strdup(kept_header) : NULL,
                .timeout_usec = timeout_usec,
                .on_done = on_done,
                .userdata = userdata,
        };
        http->n_started++;
        http->n_handles++;
        *ret = transfer;
        return 0;
}

struct http_transfer *http_transfer_free(struct http_transfer *transfer)
{
        if (!transfer)
                return NULL;
        if (!transfer->done)
                transfer->http->n_cancelled++;
        drop(transfer->http, transfer);
        transfer->http->n_handles--;
        http_request_free(transfer->request);
        free(transfer->kept_header);
        free(transfer);
        return NULL;
}

size_t fake_http_n_in_flight(const struct http *http)
{
        return http->n;
}

size_t fake_http_n_started(const struct http *http)
{
        return http->n_started;
}

size_t fake_http_n_cancelled(const struct http *http)
{
        return http->n_cancelled;
}

void fake_http_fail_next_start(struct http *http, int error)
{
        http->next_error = error;
}

const struct http_request *fake_http_request(const struct http *http, size_t index)
{
        assert(index < http->n);
        return http->in_flight[index]->request;
}

uint64_t fake_http_timeout_usec(const struct http *http, size_t index)
{
        assert(index < http->n);
        return http->in_flight[index]->timeout_usec;
}

const char *fake_http_kept_header(const struct http *http, size_t index)
{
        assert(index < http->n);
        return http->in_flight[index]->kept_header;
}

const char *fake_http_expose_header(const struct http_request *request, const char *name)
{
        for (size_t i = 0; i < request->n_headers; i++)
                if (strcasecmp(request->headers[i].name, name) == 0)
                        return secret_expose(request->headers[i].value);
        return NULL;
}

const char *fake_http_expose_body(const struct http_request *request)
{
        return request->body ? secret_expose(request->body) : "";
}

bool fake_http_body_has(const struct http_request *request, const char *pair)
{
        size_t n = strlen(pair);

        for (const char *at = fake_http_expose_body(request); *at; at += strcspn(at, "&"), at += *at == '&')
                if (strcspn(at, "&") == n && memcmp(at, pair, n) == 0)
                        return true;
        return false;
}

void fake_http_complete(struct http *http, size_t index, struct http_response *response)
{
        assert(index < http->n);
        struct http_transfer *transfer = http->in_flight[index];

        drop(http, transfer);
        transfer->done = true;
        transfer->on_done(response, transfer->userdata);
        http_response_done(response);
}

void fake_http_answer(struct http *http, size_t index, long status, const char *content_type,
                      const char *body)
{
        struct http_response response = {
                .result = HTTP_ANSWERED,
                .status = status,
                .body = SECRET_BUF_INIT(HTTP_BODY_MAX),
                .date_sec = -1,
                .retry_after_sec = -1,
        };

        /* A provider does not run out of our memory: where a test plays that, it is asked for again. */
        while (secret_buf_append_string(&response.body, body) < 0)
                ;
        snprintf(response.content_type, sizeof(response.content_type), "%s",
                 content_type ? content_type : "application/json");
        fake_http_complete(http, index, &response);
}

void fake_http_fail(struct http *http, size_t index, enum http_result result, const char *problem)
{
        struct http_response response = { .result = result, .date_sec = -1, .retry_after_sec = -1 };

        snprintf(response.problem, sizeof(response.problem), "%s", problem);
        fake_http_complete(http, index, &response);
}
