// links: daemon/serve/
// libs: libsodium jansson libsystemd yaml-0.1
/* How a server ends: what was sent before is answered, and who waits is not forgotten. */
#include "tests/beds/server_bed.h"

#include <errno.h>
#include <sys/socket.h>

/* ---- draining ---- */

static size_t n_ends;

static void on_end(void *userdata)
{
        (void)userdata;
        n_ends++;
}

static void drain(void)
{
        n_ends = 0;
        server_drain(server, on_end, NULL);
}

static void test_what_was_sent_before_the_end_is_answered_and_what_comes_after_is_not_taken(void **state)
{
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        call_method(fd, "t.Echo", 1);
        assert_string_equal(hear(fd), "{\"parameters\":{\"n\":1}}\n");
        call_method(fd, "t.Echo", 2);
        call_method(fd, "t.Echo", 3);
        drain();
        assert_false(server_is_drained(server));
        assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
        assert_int_equal(errno, EPIPE);
        assert_string_equal(hear(fd), "{\"parameters\":{\"n\":2}}\n{\"parameters\":{\"n\":3}}\nEOF");
        assert_true(server_is_drained(server) && n_ends > 0);
}

static void test_who_has_just_connected_may_still_call_once(void **state)
{
        int early, silent;

        (void)state;
        start_server();
        early = connect_client();
        silent = connect_client();
        pump();
        drain();
        pump();
        assert_int_equal(n_ends, 0);
        call_method(early, "t.Echo", 1);
        assert_string_equal(hear(early), "{\"parameters\":{\"n\":1}}\nEOF");
        assert_int_equal(n_ends, 0);
        advance(2 * USEC_PER_SEC);
        assert_string_equal(hear(silent), "EOF");
        assert_true(server_is_drained(server) && n_ends > 0);
}

static void test_calls_that_wait_are_for_others_to_end(void **state)
{
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        call_method(fd, "t.Wait", 1);
        pump();
        drain();
        pump();
        assert_true(n_ends > 0);
        call_reply(waiting[0], NULL);
        assert_false(server_is_drained(server));
        assert_string_equal(hear(fd), "{\"parameters\":{}}\nEOF");
        assert_true(server_is_drained(server));
}

static void test_who_does_not_read_its_answers_is_not_waited_for_long(void **state)
{
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        for (int i = 0; i < 4; i++)
                call_method(fd, "t.Bytes", 1000000);
        pump();
        drain();
        pump();
        assert_false(server_is_drained(server));
        advance(2 * USEC_PER_SEC);
        assert_false(server_is_drained(server));
        advance(2 * USEC_PER_SEC);
        assert_true(server_is_drained(server) && n_ends > 0);
}

static void test_what_waits_goes_with_the_server(void **state)
{
        (void)state;
        start_server();
        for (int i = 0; i < 5; i++)
                call_method(connect_client(), "t.Wait", i);
        pump();
        assert_int_equal(n_waiting, 5);
        server = server_free(server);
        assert_int_equal(n_dropped, 5);
}

/* An answer may come from any callback: nobody is freed under the feet of who gives it. */
static void test_an_answer_to_a_peer_that_is_gone_is_harmless(void **state)
{
        struct call *call;
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        call_method(fd, "t.Wait", 1);
        pump();
        call = waiting[0];
        for (size_t i = 0; i < n_clients; i++)
                clients[i] = -1;
        close(fd);
        call_reply_continues(call, NULL);
        call_reply(call, NULL);
        pump();
        assert_int_equal(n_dropped, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                SERVER_TEST(test_what_was_sent_before_the_end_is_answered_and_what_comes_after_is_not_taken),
                SERVER_TEST(test_who_has_just_connected_may_still_call_once),
                SERVER_TEST(test_calls_that_wait_are_for_others_to_end),
                SERVER_TEST(test_who_does_not_read_its_answers_is_not_waited_for_long),
                SERVER_TEST(test_what_waits_goes_with_the_server),
                SERVER_TEST(test_an_answer_to_a_peer_that_is_gone_is_harmless),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
