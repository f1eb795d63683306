/* The real http module on a loop of the test's own, and what came of its requests. */
#pragma once

#include "daemon/http/http.h"
#include "tests/beds/fake_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <systemd/sd-event.h>

struct client {
        sd_event *event;
        struct fake_clock clock;
        struct http *http;
};

void client_start(struct client *client);
void client_stop(struct client *client);

/* One exchange: its response's values, copied. */
struct exchange {
        struct http_transfer *transfer;
        unsigned calls;
        struct http_response response; /* body is a copy */
};

struct http_request *get(const char *url);
struct http_request *post(const char *url, const char *body);

void begin(struct client *client, struct exchange *exchange, struct http_request *request,
           uint64_t timeout_usec);
void wait_for(struct client *client, struct exchange *exchange);
/* begin and wait_for, with ten seconds. */
void run(struct client *client, struct exchange *exchange, struct http_request *request);
void end(struct exchange *exchange); /* frees transfer and response */

/* Turns the loop until it is idle. */
void turn(struct client *client);
