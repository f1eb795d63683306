// links: daemon/http/
// libs: libsystemd libsodium
// ldflags: -pthread
/* Many requests at once, and requests that their callers end. */
#include "tests/beds/http_bed.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* -- many, and handles ------------------------------------------------------------------------------------------------ */

static void test_many_requests_at_once_all_get_their_answers(void **state)
{
        enum { N = 50 };
        struct exchange exchanges[N];

        server_start(&server, answer_briefly);
        for (int i = 0; i < N; i++)
                begin(&client, &exchanges[i], post(server.url, "a=1"), 20 * USEC_PER_SEC);
        for (int i = 0; i < N; i++) {
                wait_for(&client, &exchanges[i]);
                assert_int_equal(exchanges[i].response.result, HTTP_ANSWERED);
                assert_int_equal(exchanges[i].response.status, 200);
        }
        for (int i = 0; i < N; i++)
                end(&exchanges[i]);
        assert_int_equal(server_n_requests(&server), N);
}

/* -- others on the loop ----------------------------------------------------------------------------------------------- */

enum { CROWD = 32, ANSWERS_IN_A_TURN = 10 };

static void answer_all_at_once(struct server *self, int fd, unsigned number)
{
        if (!server_read_request(self, fd))
                return;
        server_wait_requests(self, CROWD);
        server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
}

struct crowd {
        struct http_transfer *transfers[CROWD];
        unsigned answered, answered_since, most_between; /* between two turns of somebody else's */
};

static void note_answer(const struct http_response *response, void *userdata)
{
        struct crowd *crowd = userdata;

        assert_int_equal(response->result, HTTP_ANSWERED);
        crowd->answered++;
        if (++crowd->answered_since > crowd->most_between)
                crowd->most_between = crowd->answered_since;
}

static int on_others_turn(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct crowd *crowd = userdata;

        crowd->answered_since = 0;
        return 0;
}

static void test_others_have_their_turn_between_many_answers(void **state)
{
        struct crowd crowd = { 0 };
        sd_event_source *others;
        int always_ready;

        server_start(&server, answer_all_at_once);
        for (int i = 0; i < CROWD; i++)
                assert_int_equal(http_start(client.http, post(server.url, "a=1"), NULL, 20 * USEC_PER_SEC,
                                            note_answer, &crowd, &crowd.transfers[i]),
                                 0);
        while (server_n_requests(&server) < CROWD)
                assert_true(sd_event_run(client.event, USEC_PER_MSEC) >= 0);
        server_wait_ended(&server, CROWD);

        /* A caller that always has something to say, and hears nothing of what came before it. */
        crowd.answered_since = crowd.most_between = 0;
        always_ready = eventfd(1, EFD_CLOEXEC);
        assert_true(sd_event_add_io(client.event, &others, always_ready, EPOLLIN, on_others_turn, &crowd) >=
                    0);
        while (crowd.answered < CROWD)
                assert_true(sd_event_run(client.event, 20 * USEC_PER_SEC) > 0);
        assert_in_range(crowd.most_between, 1, ANSWERS_IN_A_TURN);

        sd_event_source_disable_unref(others);
        close(always_ready);
        for (int i = 0; i < CROWD; i++)
                http_transfer_free(crowd.transfers[i]);
}

struct chain {
        struct http_transfer *transfer, *victim;
        unsigned calls, left;
};

static void go_on(const struct http_response *response, void *userdata)
{
        struct chain *chain = userdata;

        chain->calls++;
        assert_int_equal(response->result, HTTP_ANSWERED);
        chain->transfer = http_transfer_free(chain->transfer);
        chain->victim = http_transfer_free(chain->victim);
        if (chain->left-- > 0)
                assert_int_equal(http_start(client.http, post(server.url, "a=1"), NULL, 10 * USEC_PER_SEC,
                                            go_on, chain, &chain->transfer),
                                 0);
        /* Valid for the whole call, the transfer's end notwithstanding. */
        assert_int_equal(response->body.n, 2);
        assert_memory_equal(response->body.data, "{}", 2);
}

static void test_a_callback_may_free_its_transfer_and_others_and_start_another(void **state)
{
        struct chain chain = { .left = 3 };

        server_start(&server, answer_briefly);
        begin(&client, &exchange, get(server.url), 10 * USEC_PER_SEC);
        chain.victim = exchange.transfer;
        exchange.transfer = NULL;
        assert_int_equal(http_start(client.http, post(server.url, "a=1"), NULL, 10 * USEC_PER_SEC, go_on,
                                    &chain, &chain.transfer),
                         0);
        while (chain.calls < 4)
                assert_true(sd_event_run(client.event, 20 * USEC_PER_SEC) > 0);
        assert_null(chain.transfer);
        assert_int_equal(chain.calls, 4);
}

static void stall(struct server *self, int fd, unsigned number)
{
        char byte;

        if (server_read_request(self, fd))
                while (read(fd, &byte, 1) > 0)
                        ;
}

static void test_freeing_a_transfer_cancels_it_at_once(void **state)
{
        server_start(&server, stall);
        begin(&client, &exchange, post(server.url, "a=1"), 10 * USEC_PER_SEC);
        while (server_n_requests(&server) == 0)
                sd_event_run(client.event, USEC_PER_MSEC);
        exchange.transfer = http_transfer_free(exchange.transfer);
        /* The server sees the connection end; nobody here hears of it. */
        server_wait_ended(&server, 1);
        turn(&client);
        assert_int_equal(exchange.calls, 0);
}

static void test_a_transfer_can_be_cancelled_before_the_loop_turned(void **state)
{
        server_start(&server, answer_briefly);
        begin(&client, &exchange, post(server.url, "a=1"), 10 * USEC_PER_SEC);
        exchange.transfer = http_transfer_free(exchange.transfer);
        turn(&client);
        assert_int_equal(exchange.calls, 0);
        assert_int_equal(server_n_requests(&server), 0);
}

static void test_a_post_without_a_body_is_a_fault_of_ours(void **state)
{
        struct http_request *request = NULL;
        struct http_transfer *transfer = NULL;

        server_start(&server, answer_briefly);
        assert_int_equal(http_request_new(&request, true, server.url), 0);
        assert_int_equal(http_start(client.http, request, NULL, 1, go_on, NULL, &transfer), -EINVAL);
        assert_null(transfer);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_many_requests_at_once_all_get_their_answers),
                TEST(test_others_have_their_turn_between_many_answers),
                TEST(test_a_callback_may_free_its_transfer_and_others_and_start_another),
                TEST(test_freeing_a_transfer_cancels_it_at_once),
                TEST(test_a_transfer_can_be_cancelled_before_the_loop_turned),
                TEST(test_a_post_without_a_body_is_a_fault_of_ours),
        };

        setenv("SSLKEYLOGFILE", "/tmp/purser-test-must-not-be-there", 1);
        http_prepare();
        if (http_join(NULL) != 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
