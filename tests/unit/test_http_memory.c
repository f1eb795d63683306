// links: daemon/http/
// libs: libsystemd libsodium
// ldflags: -pthread -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=strdup,--wrap=strndup,--wrap=realpath
/*
 * Requests while memory runs out, curl's included: each allocation fails once, the first to the last. A request is then not
 * started, or its end is told once; and one that the server has read is never told as not sent.
 */
#include "daemon/http/http.h"

#include "tests/beds/fake_clock.h"
#include "tests/beds/http_server.h"
#include "tests/beds/out_of_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <systemd/sd-event.h>

struct outcome {
        unsigned calls;
        enum http_result result;
        char problem[160];
};

static void note(const struct http_response *response, void *userdata)
{
        struct outcome *outcome = userdata;

        outcome->calls++;
        outcome->result = response->result;
        snprintf(outcome->problem, sizeof(outcome->problem), "%s", response->problem);
}

static int make_request(struct http_request **ret, const char *url)
{
        _cleanup_(http_request_freep) struct http_request *request = NULL;
        int r = http_request_new(&request, true, url);

        if (r == 0)
                r = http_request_add_header(request, "Authorization", "Bearer abc", 10);
        if (r == 0)
                r = secret_new_string(&request->body, "grant_type=refresh_token");
        if (r == 0)
                *ret = take_ptr(request);
        return r;
}

/* From nothing to nothing. Returns the first fault. */
static int exchange(sd_event *event, const char *url, uint64_t timeout_usec, struct outcome *outcome)
{
        struct http_transfer *transfer = NULL;
        struct http_request *request = NULL;
        struct http *http = NULL;
        struct fake_clock clock;
        int r;

        fake_clock_init(&clock);
        r = http_new(&http, event, &clock.clock);
        if (r == 0)
                r = make_request(&request, url);
        if (r == 0)
                r = http_start(http, request, "X-Version", timeout_usec, note, outcome, &transfer);
        while (r == 0 && outcome->calls == 0)
                assert_true(sd_event_run(event, 10 * USEC_PER_SEC) > 0);
        http_transfer_free(transfer);
        http_free(http);
        return r;
}

static void answer(struct server *self, int fd, unsigned number)
{
        while (server_read_request(self, fd))
                server_send(fd, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Version: 1\r\n"
                                "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n");
}

static void check(int r, const struct outcome *outcome, bool server_read_it, size_t allocation)
{
        if (r != 0) {
                assert_int_equal(r, -ENOMEM);
                assert_int_equal(outcome->calls, 0);
                assert_false(server_read_it);
                return;
        }
        assert_int_equal(outcome->calls, 1);
        if (server_read_it && outcome->result == HTTP_NOT_SENT)
                fail_msg("allocation %zu: the server has read it, and '%s'", allocation, outcome->problem);
        if (outcome->result != HTTP_ANSWERED)
                assert_string_not_equal(outcome->problem, "");
}

static struct server server;

/* True when it came to that allocation. */
static bool exchange_without(size_t allocation, uint64_t timeout_usec, struct outcome *outcome)
{
        sd_event *event = NULL;
        bool came;

        *outcome = (struct outcome){ 0 };
        server_start(&server, answer);
        assert_true(sd_event_new(&event) >= 0);
        out_of_memory_at(allocation);
        int r = exchange(event, server.url, timeout_usec, outcome);
        came = out_of_memory_end();
        check(r, outcome, server_n_requests(&server) > 0, allocation);
        sd_event_unref(event);
        server_stop(&server);
        return came;
}

static void test_every_failing_allocation_is_told_once_and_honestly(void **state)
{
        struct outcome outcome;
        size_t n = 0;

        /* Where curl loses its way it is the deadline that tells. */
        while (exchange_without(n, USEC_PER_SEC / 4, &outcome))
                n++;
        assert_true(n > 50);
        exchange_without(SIZE_MAX, 10 * USEC_PER_SEC, &outcome);
        assert_int_equal(outcome.result, HTTP_ANSWERED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_failing_allocation_is_told_once_and_honestly),
        };

        if (http_join(NULL) != 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
