/* The real http module on a loop of the test's own. */
#include "tests/beds/http_client.h"

#include <string.h>

void client_start(struct client *client)
{
        fake_clock_init(&client->clock);
        assert_true(sd_event_new(&client->event) >= 0);
        assert_int_equal(http_new(&client->http, client->event, &client->clock.clock), 0);
}

void client_stop(struct client *client)
{
        client->http = http_free(client->http);
        client->event = sd_event_unref(client->event);
}

struct http_request *get(const char *url)
{
        struct http_request *request = NULL;

        assert_int_equal(http_request_new(&request, false, url), 0);
        return request;
}

struct http_request *post(const char *url, const char *body)
{
        struct http_request *request = NULL;

        assert_int_equal(http_request_new(&request, true, url), 0);
        assert_int_equal(secret_new_string(&request->body, body), 0);
        assert_int_equal(
                http_request_add_header(request, "Content-Type", "application/x-www-form-urlencoded", 33), 0);
        return request;
}

static void keep(const struct http_response *response, void *userdata)
{
        struct exchange *exchange = userdata;

        exchange->calls++;
        exchange->response = *response;
        exchange->response.body = (struct secret_buf)SECRET_BUF_INIT(HTTP_BODY_MAX);
        if (response->body.n > 0)
                assert_int_equal(
                        secret_buf_append(&exchange->response.body, response->body.data, response->body.n),
                        0);
}

void begin(struct client *client, struct exchange *exchange, struct http_request *request,
           uint64_t timeout_usec)
{
        *exchange = (struct exchange){ 0 };
        assert_int_equal(http_start(client->http, request, "X-Served-Version", timeout_usec, keep, exchange,
                                    &exchange->transfer),
                         0);
        assert_int_equal(exchange->calls, 0);
}

void wait_for(struct client *client, struct exchange *exchange)
{
        while (exchange->calls == 0)
                assert_true(sd_event_run(client->event, 20 * USEC_PER_SEC) > 0);
        assert_int_equal(exchange->calls, 1);
}

void run(struct client *client, struct exchange *exchange, struct http_request *request)
{
        begin(client, exchange, request, 10 * USEC_PER_SEC);
        wait_for(client, exchange);
}

void end(struct exchange *exchange)
{
        exchange->transfer = http_transfer_free(exchange->transfer);
        http_response_done(&exchange->response);
}

void turn(struct client *client)
{
        while (sd_event_run(client->event, 0) > 0)
                ;
}
