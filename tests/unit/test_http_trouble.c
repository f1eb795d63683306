// links: daemon/http/
// libs: libsystemd libsodium
// ldflags: -pthread
/* What goes wrong, and above all whether the provider may have acted. */
#include "tests/beds/http_client.h"
#include "tests/beds/http_server.h"

#include <netdb.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct server server;
static struct client client;
static struct exchange exchange;

static int set_up(void **state)
{
        client_start(&client);
        return 0;
}

static int tear_down(void **state)
{
        struct secret_stats stats;

        end(&exchange);
        client_stop(&client);
        server_stop(&server);
        secret_get_stats(&stats);
        assert_int_equal(stats.bytes_in_use, 0);
        return 0;
}

static void assert_failed(enum http_result result, const char *word)
{
        if (exchange.response.result != result || !strstr(exchange.response.problem, word))
                fail_msg("result %d, not %d with '%s': %s", (int)exchange.response.result, (int)result, word,
                         exchange.response.problem);
        assert_int_equal(exchange.response.status, 0);
        assert_int_equal(exchange.response.body.n, 0);
        assert_int_equal(exchange.response.date_sec, -1);
        assert_int_equal(exchange.response.retry_after_sec, -1);
}

static const char *reply;

static void answer_reply_and_close(struct server *self, int fd, unsigned number)
{
        if (server_read_request(self, fd))
                server_send(fd, reply);
}

static void exchange_reply(const char *text)
{
        reply = text;
        server_start(&server, answer_reply_and_close);
        run(&client, &exchange, post(server.url, "a=1"));
}

/* -- not sent --------------------------------------------------------------------------------------------------------- */

static void close_at_once(struct server *self, int fd, unsigned number)
{
}

static void test_a_refused_connection_means_not_sent(void **state)
{
        char url[64];

        server_start(&server, close_at_once);
        /* Port 1 of the loopback: nobody listens there. */
        snprintf(url, sizeof(url), "http://127.0.0.1:1/");
        run(&client, &exchange, post(url, "a=1"));
        assert_failed(HTTP_NOT_SENT, "no connection: Connection refused");
}

/* In place of the C library's, which curl calls from a thread: a resolver that does not answer. */
static sem_t resolver_asked, resolver_may_go_on, resolver_went_on;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
        sem_post(&resolver_asked);
        sem_wait(&resolver_may_go_on);
        sem_post(&resolver_went_on);
        return EAI_NONAME;
}

static void test_a_name_that_cannot_be_resolved_means_not_sent(void **state)
{
        server_start(&server, close_at_once);
        sem_post(&resolver_may_go_on);
        run(&client, &exchange, post("https://nobody.invalid/", "a=1"));
        sem_wait(&resolver_asked);
        sem_wait(&resolver_went_on);
        assert_failed(HTTP_NOT_SENT, "cannot be resolved");
}

static void test_plain_http_to_another_host_is_not_sent(void **state)
{
        server_start(&server, close_at_once);
        run(&client, &exchange, post("http://192.0.2.1/token", "a=1"));
        assert_failed(HTTP_NOT_SENT, "only https is spoken");
}

static void test_other_protocols_are_not_spoken(void **state)
{
        static const char *const urls[] = {
                "ftp://127.0.0.1/",  "file:///etc/passwd", "gopher://127.0.0.1/",
                "ldap://127.0.0.1/", "smtp://localhost/",  "nonsense://127.0.0.1/"
        };

        server_start(&server, close_at_once);
        for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
                run(&client, &exchange, get(urls[i]));
                assert_int_equal(exchange.response.result, HTTP_NOT_SENT);
                assert_int_equal(exchange.response.body.n, 0);
                end(&exchange);
        }
}

static void test_what_is_no_url_is_told_from_the_loop_too(void **state)
{
        server_start(&server, close_at_once);
        run(&client, &exchange, get("http://[::1"));
        assert_int_equal(exchange.response.result, HTTP_NOT_SENT);
        assert_string_not_equal(exchange.response.problem, "");
}

static void test_cancelling_does_not_wait_for_the_resolver(void **state)
{
        server_start(&server, close_at_once);
        begin(&client, &exchange, post("https://slow.example/", "a=1"), 10 * USEC_PER_SEC);
        while (sem_trywait(&resolver_asked) < 0)
                sd_event_run(client.event, USEC_PER_MSEC);
        exchange.transfer = http_transfer_free(exchange.transfer);
        turn(&client);
        assert_int_equal(exchange.calls, 0);
        sem_post(&resolver_may_go_on);
        sem_wait(&resolver_went_on);
}

static void test_a_resolver_that_does_not_answer_times_out_as_not_sent(void **state)
{
        server_start(&server, close_at_once);
        begin(&client, &exchange, post("https://slow.example/", "a=1"), 150 * USEC_PER_MSEC);
        wait_for(&client, &exchange);
        assert_failed(HTTP_NOT_SENT, "no connection in time");
        end(&exchange);
        sem_wait(&resolver_asked);
        sem_post(&resolver_may_go_on);
        sem_wait(&resolver_went_on);
}

static void read_and_close(struct server *self, int fd, unsigned number)
{
        char bytes[1024];

        if (read(fd, bytes, sizeof(bytes)) <= 0)
                return;
}

static void test_a_connection_closed_during_the_tls_handshake_means_not_sent(void **state)
{
        char url[64];

        server_start(&server, read_and_close);
        snprintf(url, sizeof(url), "https://127.0.0.1:%u/", server.port);
        run(&client, &exchange, post(url, "a=1"));
        assert_failed(HTTP_NOT_SENT, "TLS");
}

static void say_nothing(struct server *self, int fd, unsigned number)
{
        char bytes[1024];

        while (read(fd, bytes, sizeof(bytes)) > 0)
                ;
}

static void test_a_tls_handshake_that_never_ends_times_out_as_not_sent(void **state)
{
        char url[64];

        server_start(&server, say_nothing);
        snprintf(url, sizeof(url), "https://127.0.0.1:%u/", server.port);
        begin(&client, &exchange, post(url, "a=1"), 150 * USEC_PER_MSEC);
        wait_for(&client, &exchange);
        assert_failed(HTTP_NOT_SENT, "no connection in time");
}

/* -- outcome unknown -------------------------------------------------------------------------------------------------- */

static void read_request_and_close(struct server *self, int fd, unsigned number)
{
        server_read_request(self, fd);
}

static void test_a_connection_closed_after_the_request_means_unknown(void **state)
{
        server_start(&server, read_request_and_close);
        run(&client, &exchange, post(server.url, "a=1"));
        assert_failed(HTTP_OUTCOME_UNKNOWN, "closed without an answer");
        assert_int_equal(server_n_requests(&server), 1);
}

static void test_a_get_without_an_answer_is_unknown_too(void **state)
{
        server_start(&server, read_request_and_close);
        run(&client, &exchange, get(server.url));
        assert_failed(HTTP_OUTCOME_UNKNOWN, "closed without an answer");
}

static void read_request_and_reset(struct server *self, int fd, unsigned number)
{
        server_read_request(self, fd);
        server_reset(fd);
}

static void test_a_connection_reset_after_the_request_means_unknown(void **state)
{
        server_start(&server, read_request_and_reset);
        run(&client, &exchange, post(server.url, "a=1"));
        assert_failed(HTTP_OUTCOME_UNKNOWN, "the connection broke");
}

static void test_a_body_cut_short_means_unknown(void **state)
{
        exchange_reply("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"access_token\": \"abc");
        assert_failed(HTTP_OUTCOME_UNKNOWN, "cut short");
}

static void test_chunks_cut_short_mean_unknown(void **state)
{
        exchange_reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"acc");
        assert_failed(HTTP_OUTCOME_UNKNOWN, "");
        assert_string_not_equal(exchange.response.problem, "");
}

static void test_headers_cut_short_mean_unknown(void **state)
{
        exchange_reply("HTTP/1.1 200 OK\r\nContent-Le");
        assert_failed(HTTP_OUTCOME_UNKNOWN, "");
        assert_string_not_equal(exchange.response.problem, "");
}

static void test_an_answer_that_is_not_http_means_unknown(void **state)
{
        exchange_reply("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
        assert_failed(HTTP_OUTCOME_UNKNOWN, "not HTTP");
}

static void test_no_words_of_the_answer_get_into_the_problem(void **state)
{
        static const char *const replies[] = {
                "s3cret\r\n\r\n",
                "HTTP/1.1 s3cret\r\n\r\n",
                "HTTP/9.9 200 s3cret\r\n\r\n",
                "HTTP/1.1 200 OK\r\ns3cret\r\nContent-Length: 5\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: s3cret\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: s3cret\r\n\r\nzz",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ns3cret\r\n",
        };

        server_start(&server, answer_reply_and_close);
        for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
                reply = replies[i];
                run(&client, &exchange, post(server.url, "a=1"));
                assert_null(strstr(exchange.response.problem, "s3cret"));
                assert_int_not_equal(exchange.response.result, HTTP_NOT_SENT);
                end(&exchange);
        }
}

static void test_no_answer_in_time_means_unknown(void **state)
{
        server_start(&server, say_nothing);
        begin(&client, &exchange, post(server.url, "a=1"), 500 * USEC_PER_MSEC);
        wait_for(&client, &exchange);
        assert_failed(HTTP_OUTCOME_UNKNOWN, "no answer in time");
}

static void trickle(struct server *self, int fd, unsigned number)
{
        struct pollfd gone = { .fd = fd, .events = POLLIN };

        if (!server_read_request(self, fd))
                return;
        server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        /* A byte each 5 ms, for as long as anybody listens. */
        while (poll(&gone, 1, 5) == 0)
                server_send(fd, " ");
}

static void test_a_body_that_trickles_is_cut_off_by_the_timeout(void **state)
{
        uint64_t before = clock_boot_usec(&clock_system);

        server_start(&server, trickle);
        begin(&client, &exchange, post(server.url, "a=1"), 500 * USEC_PER_MSEC);
        wait_for(&client, &exchange);
        assert_failed(HTTP_OUTCOME_UNKNOWN, "no answer in time");
        assert_true(clock_boot_usec(&clock_system) - before >= 500 * USEC_PER_MSEC);
        end(&exchange);
        server_wait_ended(&server, 1);
}

static void answer_briefly(struct server *self, int fd, unsigned number)
{
        if (server_read_request(self, fd))
                server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
}

/* The process stood still, or the machine slept: the answer was in time, and holds a refresh token. */
static void test_an_answer_that_is_there_when_the_time_is_over_is_taken(void **state)
{
        uint64_t begun = clock_boot_usec(&clock_system), now;

        server_start(&server, answer_briefly);
        begin(&client, &exchange, post(server.url, "a=1"), 600 * USEC_PER_MSEC);
        while (server_n_requests(&server) == 0)
                sd_event_run(client.event, USEC_PER_MSEC);
        server_wait_ended(&server, 1);
        now = clock_boot_usec(&clock_system);
        if (now < begun + 650 * USEC_PER_MSEC)
                poll(NULL, 0, (int)((begun + 650 * USEC_PER_MSEC - now) / USEC_PER_MSEC));
        wait_for(&client, &exchange);
        assert_int_equal(exchange.response.result, HTTP_ANSWERED);
        assert_int_equal(exchange.response.body.n, 2);
}

/* -- too much --------------------------------------------------------------------------------------------------------- */

static void flood(struct server *self, int fd, unsigned number)
{
        static char bytes[64 * 1024];

        if (!server_read_request(self, fd))
                return;
        memset(bytes, 'x', sizeof(bytes));
        server_send(fd, number == 0 ? "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n"
                                    : "HTTP/1.1 200 OK\r\n\r\n");
        for (int i = 0; i < 1600; i++)
                server_send_bytes(fd, bytes, sizeof(bytes));
}

static void test_a_hundred_megabytes_are_cut_off_at_one(void **state)
{
        server_start(&server, flood);
        for (int i = 0; i < 2; i++) {
                run(&client, &exchange, post(server.url, "a=1"));
                assert_failed(HTTP_OUTCOME_UNKNOWN, "longer than 1 MiB");
                end(&exchange);
        }
}

static void send_many_headers(struct server *self, int fd, unsigned number)
{
        char line[64];

        if (!server_read_request(self, fd))
                return;
        server_send(fd, "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < 1000; i++) {
                snprintf(line, sizeof(line), "X-Number-%d: %d\r\n", i, i);
                server_send(fd, line);
        }
        server_send(fd, "Content-Length: 0\r\n\r\n");
}

static void test_a_thousand_headers_are_too_many(void **state)
{
        server_start(&server, send_many_headers);
        run(&client, &exchange, post(server.url, "a=1"));
        assert_failed(HTTP_OUTCOME_UNKNOWN, "too many headers");
}

static void send_long_header(struct server *self, int fd, unsigned number)
{
        static char value[70 * 1024];

        if (!server_read_request(self, fd))
                return;
        memset(value, 'v', sizeof(value));
        server_send(fd, "HTTP/1.1 200 OK\r\nX-Long: ");
        server_send_bytes(fd, value, sizeof(value));
        server_send(fd, "\r\nContent-Length: 0\r\n\r\n");
}

static void test_a_header_of_seventy_kilobytes_is_too_long(void **state)
{
        server_start(&server, send_long_header);
        run(&client, &exchange, post(server.url, "a=1"));
        assert_failed(HTTP_OUTCOME_UNKNOWN, "too many headers");
}

/* -- sent once -------------------------------------------------------------------------------------------------------- */

static bool reset_instead;

/* Answers the first request of a connection and dies on the second, having read it. */
static void die_on_second_request(struct server *self, int fd, unsigned number)
{
        if (!server_read_request(self, fd))
                return;
        server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        if (server_read_request(self, fd) && reset_instead)
                server_reset(fd);
}

static void post_on_dying_connection(void)
{
        server_start(&server, die_on_second_request);
        run(&client, &exchange, post(server.url, "refresh_token=first"));
        assert_int_equal(exchange.response.result, HTTP_ANSWERED);
        end(&exchange);
        run(&client, &exchange, post(server.url, "refresh_token=second"));
        assert_failed(HTTP_OUTCOME_UNKNOWN, "the connection broke");
        turn(&client);
        assert_int_equal(server_n_requests(&server), 2);
        assert_non_null(strstr(server.requests[1], "refresh_token=second"));
}

static void test_a_post_is_not_repeated_when_a_kept_connection_closes_on_it(void **state)
{
        reset_instead = false;
        post_on_dying_connection();
}

static void test_a_post_is_not_repeated_when_a_kept_connection_is_reset_on_it(void **state)
{
        reset_instead = true;
        post_on_dying_connection();
}

static void answer_once_and_close(struct server *self, int fd, unsigned number)
{
        if (server_read_request(self, fd))
                server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
}

static void test_a_kept_connection_that_was_closed_meanwhile_is_not_used(void **state)
{
        server_start(&server, answer_once_and_close);
        for (unsigned i = 0; i < 5; i++) {
                run(&client, &exchange, post(server.url, "a=1"));
                assert_int_equal(exchange.response.result, HTTP_ANSWERED);
                end(&exchange);
                server_wait_ended(&server, i + 1);
        }
        assert_int_equal(server_n_requests(&server), 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_refused_connection_means_not_sent),
                TEST(test_a_name_that_cannot_be_resolved_means_not_sent),
                TEST(test_cancelling_does_not_wait_for_the_resolver),
                TEST(test_a_resolver_that_does_not_answer_times_out_as_not_sent),
                TEST(test_plain_http_to_another_host_is_not_sent),
                TEST(test_other_protocols_are_not_spoken),
                TEST(test_what_is_no_url_is_told_from_the_loop_too),
                TEST(test_a_connection_closed_during_the_tls_handshake_means_not_sent),
                TEST(test_a_tls_handshake_that_never_ends_times_out_as_not_sent),
                TEST(test_a_connection_closed_after_the_request_means_unknown),
                TEST(test_a_get_without_an_answer_is_unknown_too),
                TEST(test_a_connection_reset_after_the_request_means_unknown),
                TEST(test_a_body_cut_short_means_unknown),
                TEST(test_chunks_cut_short_mean_unknown),
                TEST(test_headers_cut_short_mean_unknown),
                TEST(test_an_answer_that_is_not_http_means_unknown),
                TEST(test_no_words_of_the_answer_get_into_the_problem),
                TEST(test_no_answer_in_time_means_unknown),
                TEST(test_a_body_that_trickles_is_cut_off_by_the_timeout),
                TEST(test_an_answer_that_is_there_when_the_time_is_over_is_taken),
                TEST(test_a_hundred_megabytes_are_cut_off_at_one),
                TEST(test_a_thousand_headers_are_too_many),
                TEST(test_a_header_of_seventy_kilobytes_is_too_long),
                TEST(test_a_post_is_not_repeated_when_a_kept_connection_closes_on_it),
                TEST(test_a_post_is_not_repeated_when_a_kept_connection_is_reset_on_it),
                TEST(test_a_kept_connection_that_was_closed_meanwhile_is_not_used),
        };

        sem_init(&resolver_asked, 0, 0);
        sem_init(&resolver_may_go_on, 0, 0);
        sem_init(&resolver_went_on, 0, 0);
        if (http_join(NULL) != 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
