// links: daemon/http/
// libs: libsystemd libsodium
// ldflags: -pthread
/* Requests as they go out, answers as they come in. */
#include "tests/beds/http_bed.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void assert_answered(long status, const char *body)
{
        if (exchange.response.result != HTTP_ANSWERED)
                fail_msg("not answered: %s", exchange.response.problem);
        assert_int_equal(exchange.response.status, status);
        assert_int_equal(exchange.response.body.n, strlen(body));
        assert_memory_equal(exchange.response.body.data ? exchange.response.body.data : "", body,
                            strlen(body));
        assert_string_equal(exchange.response.problem, "");
}

static bool request_has(unsigned index, const char *line)
{
        return strcasestr(server.requests[index], line) != NULL;
}

/* -- the request ------------------------------------------------------------------------------------------------------ */

static void test_a_post_goes_out_whole_with_its_headers(void **state)
{
        char url[96];
        struct http_request *request;

        server_start(&server, answer_briefly);
        snprintf(url, sizeof(url), "%s/api/oauth/token?x=1", server.url);
        request = post(url, "grant_type=refresh_token&refresh_token=abc");
        assert_int_equal(http_request_add_header(request, "X-Empty", "", 0), 0);
        run(&client, &exchange, request);
        assert_answered(200, "{}");
        assert_int_equal(strncmp(server.requests[0], "POST /api/oauth/token?x=1 HTTP/1.1\r\n", 36), 0);
        assert_true(request_has(0, "\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
        assert_true(request_has(0, "\r\nContent-Length: 42\r\n"));
        assert_true(request_has(0, "\r\nAccept: application/json\r\n"));
        assert_true(request_has(0, "\r\nUser-Agent: purser/"));
        assert_true(request_has(0, "\r\nX-Empty:\r\n"));
        assert_false(request_has(0, "\r\nExpect:"));
        assert_false(request_has(0, "\r\nTransfer-Encoding:"));
        assert_true(request_has(0, "\r\n\r\ngrant_type=refresh_token&refresh_token=abc"));
}

static void test_a_get_goes_out_with_its_headers(void **state)
{
        struct http_request *request;

        server_start(&server, answer_briefly);
        request = get(server.url);
        assert_int_equal(http_request_add_header(request, "Authorization", "Bearer secret-token", 19), 0);
        assert_int_equal(http_request_add_header(request, "Accept", "text/plain", 10), 0);
        run(&client, &exchange, request);
        assert_answered(200, "{}");
        assert_int_equal(strncmp(server.requests[0], "GET / HTTP/1.1\r\n", 16), 0);
        assert_true(request_has(0, "\r\nAuthorization: Bearer secret-token\r\n"));
        assert_true(request_has(0, "\r\nAccept: text/plain\r\n"));
        assert_false(request_has(0, "application/json"));
        assert_false(request_has(0, "\r\nContent-Length:"));
}

static void test_a_large_body_arrives_whole(void **state)
{
        static char body[6000];

        server_start(&server, answer_briefly);
        memset(body, 'x', sizeof(body) - 2);
        body[sizeof(body) - 2] = '!';
        run(&client, &exchange, post(server.url, body));
        assert_answered(200, "{}");
        assert_true(request_has(0, "x!"));
        assert_false(request_has(0, "\r\nExpect:"));
}

static void test_a_connection_is_used_again_and_cookies_are_not_kept(void **state)
{
        server_start(&server, answer_briefly);
        for (unsigned i = 0; i < 3; i++) {
                run(&client, &exchange, post(server.url, "a=1"));
                assert_answered(200, "{}");
                assert_false(request_has(i, "\r\nCookie:"));
                end(&exchange);
        }
        assert_int_equal(server_n_requests(&server), 3);
        assert_int_equal(server_n_connections(&server), 1);
}

static void test_neither_netrc_nor_proxy_of_the_environment_is_used(void **state)
{
        char home[] = "/tmp/purser-test-http-XXXXXX", path[64];
        static const char netrc[] = "machine 127.0.0.1 login somebody password something\n";

        assert_non_null(mkdtemp(home));
        snprintf(path, sizeof(path), "%s/.netrc", home);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(write(fd, netrc, sizeof(netrc) - 1), sizeof(netrc) - 1);
        close(fd);
        setenv("HOME", home, 1);
        setenv("http_proxy", "http://127.0.0.1:1/", 1);
        setenv("all_proxy", "http://127.0.0.1:1/", 1);
        server_start(&server, answer_briefly);
        run(&client, &exchange, get(server.url));
        unsetenv("http_proxy");
        unsetenv("all_proxy");
        unlink(path);
        rmdir(home);
        assert_answered(200, "{}");
        assert_false(request_has(0, "\r\nAuthorization:"));
}

static void test_every_way_to_write_this_machine_is_the_loopback(void **state)
{
        static const char *const hosts[] = { "localhost", "LocalHost", "127.0.0.1" };
        char url[64];

        setenv("http_proxy", "http://127.0.0.1:1/", 1);
        server_start(&server, answer_briefly);
        for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
                snprintf(url, sizeof(url), "http://%s:%u/", hosts[i], server.port);
                run(&client, &exchange, get(url));
                assert_answered(200, "{}");
                end(&exchange);
        }
        /* Nobody listens there, but it is asked. */
        static const char *const others[] = { "http://127.255.3.4:1/", "http://[::1]:1/",
                                              "http://[0:0::0:1]:1/" };
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
                run(&client, &exchange, get(others[i]));
                assert_non_null(strstr(exchange.response.problem, "no connection"));
                end(&exchange);
        }
        unsetenv("http_proxy");
}

static void test_setting_up_forgets_where_tls_keys_would_be_logged(void **state)
{
        server_start(&server, answer_briefly);
        assert_null(getenv("SSLKEYLOGFILE"));
}

/* -- the answer ------------------------------------------------------------------------------------------------------- */

static const char *reply;

static void answer_reply(struct server *self, int fd, unsigned number)
{
        while (server_read_request(self, fd))
                server_send(fd, reply);
}

static void exchange_reply(const char *text)
{
        reply = text;
        server_start(&server, answer_reply);
        run(&client, &exchange, post(server.url, "a=1"));
}

static void test_status_type_date_and_version_are_read(void **state)
{
        exchange_reply("HTTP/1.1 401 Unauthorized\r\ncontent-type:  Text/Plain; charset=UTF-8\r\n"
                       "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-SERVED-VERSION:   2025-04-16  \r\n"
                       "Content-Length: 34\r\n\r\n{\"message\":\"Access token expired\"}\n");
        assert_int_equal(exchange.response.result, HTTP_ANSWERED);
        assert_int_equal(exchange.response.status, 401);
        assert_int_equal(exchange.response.body.n, 34);
        assert_string_equal(exchange.response.content_type, "text/plain");
        assert_int_equal(exchange.response.date_sec, 784111777);
        assert_int_equal(exchange.response.retry_after_sec, -1);
        assert_string_equal(exchange.response.served_version, "2025-04-16");
}

static void test_what_is_absent_is_empty(void **state)
{
        exchange_reply("HTTP/1.1 204 No Content\r\n\r\n");
        assert_answered(204, "");
        assert_string_equal(exchange.response.content_type, "");
        assert_string_equal(exchange.response.served_version, "");
        assert_int_equal(exchange.response.date_sec, -1);
        assert_int_equal(exchange.response.retry_after_sec, -1);
}

static void test_retry_after_as_a_date_counts_from_the_answers_date(void **state)
{
        exchange_reply("HTTP/1.1 503 Away\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                       "Retry-After: Sun, 06 Nov 1994 08:51:37 GMT\r\nContent-Length: 0\r\n\r\n");
        assert_answered(503, "");
        assert_int_equal(exchange.response.retry_after_sec, 120);
}

static void test_retry_after_without_a_date_counts_from_the_local_clock(void **state)
{
        /* The fake clock stands at 2026-01-01T00:00:00Z. */
        exchange_reply("HTTP/1.1 429 Slow Down\r\nRetry-After: Thu, 01 Jan 2026 00:00:30 "
                       "GMT\r\nContent-Length: 0\r\n\r\n");
        assert_int_equal(exchange.response.retry_after_sec, 30);
}

static void test_unusable_header_values_count_as_absent(void **state)
{
        exchange_reply(
                "HTTP/1.1 200 OK\r\nDate: yesterday\r\nRetry-After: soon\r\nX-Served-Version: a\tb\r\n"
                "Content-Type: 0123456789012345678901234567890123456789012345678901234567890123456789/x\r\n"
                "Content-Length: 0\r\n\r\n");
        assert_answered(200, "");
        assert_int_equal(exchange.response.date_sec, -1);
        assert_int_equal(exchange.response.retry_after_sec, -1);
        assert_string_equal(exchange.response.served_version, "");
        assert_string_equal(exchange.response.content_type, "");
}

static void test_a_version_that_is_too_long_counts_as_absent(void **state)
{
        exchange_reply(
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
                "X-Served-Version: 0123456789012345678901234567890123456789012345678901234567890123\r\n\r\n");
        assert_answered(200, "");
        assert_string_equal(exchange.response.served_version, "");
}

static void test_headers_of_the_last_answer_count_and_not_those_of_interim_ones(void **state)
{
        exchange_reply(
                "HTTP/1.1 100 Continue\r\nX-Served-Version: 1\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\r\n"
                "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\n{}");
        assert_answered(200, "{}");
        assert_int_equal(exchange.response.date_sec, 784111777);
        assert_string_equal(exchange.response.served_version, "");
}

static void test_a_chunked_body_is_put_together_and_its_trailers_do_not_count(void **state)
{
        exchange_reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Date\r\n\r\n"
                       "4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
        assert_answered(200, "{\"a\":1}");
        assert_int_equal(exchange.response.date_sec, -1);
}

static void test_a_redirect_is_an_answer_and_not_followed(void **state)
{
        exchange_reply("HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
        assert_answered(307, "");
        turn(&client);
        assert_int_equal(server_n_requests(&server), 1);
}

static void send_a_megabyte(struct server *self, int fd, unsigned number)
{
        static char body[HTTP_BODY_MAX];

        memset(body, 'm', sizeof(body));
        if (!server_read_request(self, fd))
                return;
        server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
        server_send_bytes(fd, body, sizeof(body));
}

static void test_a_body_of_just_the_limit_is_an_answer(void **state)
{
        server_start(&server, send_a_megabyte);
        run(&client, &exchange, get(server.url));
        assert_int_equal(exchange.response.result, HTTP_ANSWERED);
        assert_int_equal(exchange.response.body.n, HTTP_BODY_MAX);
}

static void close_after_answer(struct server *self, int fd, unsigned number)
{
        if (server_read_request(self, fd))
                server_send(fd, "HTTP/1.0 200 OK\r\n\r\n{\"until\": \"close\"}");
}

static void test_an_answer_that_ends_with_the_connection_is_whole(void **state)
{
        server_start(&server, close_after_answer);
        run(&client, &exchange, post(server.url, "a=1"));
        assert_answered(200, "{\"until\": \"close\"}");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_post_goes_out_whole_with_its_headers),
                TEST(test_a_get_goes_out_with_its_headers),
                TEST(test_a_large_body_arrives_whole),
                TEST(test_a_connection_is_used_again_and_cookies_are_not_kept),
                TEST(test_neither_netrc_nor_proxy_of_the_environment_is_used),
                TEST(test_every_way_to_write_this_machine_is_the_loopback),
                TEST(test_setting_up_forgets_where_tls_keys_would_be_logged),
                TEST(test_status_type_date_and_version_are_read),
                TEST(test_what_is_absent_is_empty),
                TEST(test_retry_after_as_a_date_counts_from_the_answers_date),
                TEST(test_retry_after_without_a_date_counts_from_the_local_clock),
                TEST(test_unusable_header_values_count_as_absent),
                TEST(test_a_version_that_is_too_long_counts_as_absent),
                TEST(test_headers_of_the_last_answer_count_and_not_those_of_interim_ones),
                TEST(test_a_chunked_body_is_put_together_and_its_trailers_do_not_count),
                TEST(test_a_redirect_is_an_answer_and_not_followed),
                TEST(test_a_body_of_just_the_limit_is_an_answer),
                TEST(test_an_answer_that_ends_with_the_connection_is_whole),
        };

        setenv("SSLKEYLOGFILE", "/tmp/purser-test-must-not-be-there", 1);
        http_prepare();
        if (http_join(NULL) != 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
