// links: daemon/serve/
// libs: libsodium jansson libsystemd yaml-0.1
#include "tests/beds/server_bed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void on_drained(void *pending)
{
        (void)pending;
        n_drained++;
}

static void hang_up(int fd)
{
        for (size_t i = 0; i < n_clients; i++)
                if (clients[i] == fd)
                        clients[i] = -1;
        close(fd);
        pump();
}

static void test_a_call_is_answered(void **state)
{
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        call_method(fd, "t.Echo", 7);
        assert_string_equal(hear(fd), "{\"parameters\":{\"n\":7}}\n");
        call_method(fd, "t.Error", 8);
        assert_string_equal(hear(fd), "{\"error\":\"t.Wrong\",\"parameters\":{\"n\":8}}\n");
}

static void test_replies_keep_the_order_of_calls(void **state)
{
        int fd, other;

        (void)state;
        start_server();
        fd = connect_client();
        other = connect_client();
        call_method(fd, "t.Wait", 1);
        call_method(fd, "t.Echo", 2);
        call_method(fd, "t.Echo", 3);
        assert_string_equal(hear(fd), "");
        assert_int_equal(n_waiting, 1);

        /* Others do not wait for it. */
        call_method(other, "t.Echo", 4);
        assert_string_equal(hear(other), "{\"parameters\":{\"n\":4}}\n");

        call_reply(waiting[0], waiting[0]->wire.parameters);
        assert_string_equal(
                hear(fd),
                "{\"parameters\":{\"n\":1}}\n{\"parameters\":{\"n\":2}}\n{\"parameters\":{\"n\":3}}\n");
}

static void test_oneway_calls_are_made_and_not_answered(void **state)
{
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        say(fd, "{\"method\":\"t.Wait\",\"oneway\":true}");
        call_method(fd, "t.Echo", 2);
        assert_string_equal(hear(fd), "");
        call_reply(waiting[0], NULL);
        assert_string_equal(hear(fd), "{\"parameters\":{\"n\":2}}\n");
}

static void test_one_of_several_answers_leaves_the_call_open(void **state)
{
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        say(fd, "{\"method\":\"t.Watch\",\"more\":true}");
        pump();
        waiting[0]->on_drained = on_drained;
        call_reply_continues(waiting[0], NULL);
        assert_string_equal(hear(fd), "{\"parameters\":{},\"continues\":true}\n");
        assert_int_equal(n_drained, 1);
        assert_int_equal(call_queued(waiting[0]), 0);
        call_send(waiting[0], "{\"parameters\":{\"last\":1}}", 25, false);
        call_method(fd, "t.Echo", 2);
        assert_string_equal(hear(fd), "{\"parameters\":{\"last\":1}}\n{\"parameters\":{\"n\":2}}\n");
}

static void test_what_waits_goes_when_its_peer_hangs_up(void **state)
{
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        call_method(fd, "t.Wait", 1);
        pump();
        assert_int_equal(n_waiting, 1);
        hang_up(fd);
        assert_int_equal(n_dropped, 1);
        assert_null(waiting[0]);
}

static void test_a_peer_that_has_only_ended_its_own_side_is_answered(void **state)
{
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        call_method(fd, "t.Wait", 1);
        call_method(fd, "t.Echo", 2);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        assert_string_equal(hear(fd), "");
        call_reply(waiting[0], NULL);
        assert_string_equal(hear(fd), "{\"parameters\":{}}\n{\"parameters\":{\"n\":2}}\nEOF");
}

static void test_a_call_of_a_peer_that_has_gone_already_does_not_wait(void **state)
{
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        pump();
        call_method(fd, "t.Wait", 1);
        call_method(fd, "t.Wait", 2);
        hang_up(fd);
        assert_int_equal(n_waiting, 1);
        assert_int_equal(n_dropped, 1);
}

/* What has come is told once, and may be more than is read in one go, or than may be read as yet. */
static void test_what_was_sent_in_one_go_is_taken_to_the_end(void **state)
{
        static char calls[100000];
        size_t n = 0;
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        call_method(fd, "t.Wait", 1);
        for (int i = 0; i < 1200; i++)
                n += (size_t)sprintf(calls + n, "{\"method\":\"t.Echo\",\"parameters\":{\"n\":%d}}", i) + 1;
        assert_int_equal(send(fd, calls, n, 0), n);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        pump();
        assert_string_equal(hear(fd), "");
        call_reply(waiting[0], NULL);
        assert_non_null(strstr(hear(fd), "{\"parameters\":{\"n\":1199}}\nEOF"));
}

static void test_a_message_that_is_no_call_is_told_and_ends_the_connection(void **state)
{
        static const char *const messages[] = {
                "", "{", "[]", "{\"method\":7}", "{}", "hello", "{\"method\":\"t.Echo\"}}"
        };
        struct server_stats stats;
        int good;

        (void)state;
        start_server();
        good = connect_client();
        for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
                int fd = connect_client();
                const char *heard;

                say(fd, messages[i]);
                call_method(fd, "t.Echo", 1);
                heard = hear(fd);
                assert_int_equal(strncmp(heard, "{\"error\":\"org.varlink.service.InvalidParameter\"", 47),
                                 0);
                assert_non_null(strstr(heard, "\nEOF"));
                assert_null(strstr(heard, "\"n\":1"));
                assert_null(strstr(heard, "too long"));
        }
        server_get_stats(server, &stats);
        assert_int_equal(stats.malformed, sizeof(messages) / sizeof(messages[0]));
        assert_int_equal(stats.connections, 1);
        call_method(good, "t.Echo", 5);
        assert_string_equal(hear(good), "{\"parameters\":{\"n\":5}}\n");
}

static void test_a_message_beyond_the_limit_is_told_and_ends_the_connection(void **state)
{
        char block[4096];
        const char *heard;
        int fd;

        (void)state;
        limits.max_message = 10000;
        start_server();
        fd = connect_client();
        memset(block, 'a', sizeof(block));
        for (int i = 0; i < 40; i++)
                send_bytes(fd, block, sizeof(block));
        heard = hear(fd);
        assert_non_null(strstr(heard, "too long"));
        assert_non_null(strstr(heard, "EOF"));
}

static void test_a_message_is_not_awaited_that_will_be_refused(void **state)
{
        static const struct {
                char c;
                int pieces;
                const char *why;
        } cases[] = { { '[', 1, "nested too deeply" }, { ',', 5, "too many members" } };
        char piece[1000];

        (void)state;
        start_server();
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                int fd = connect_client(), n = 0;
                const char *heard = "";

                call_method(fd, "t.Echo", 1);
                memset(piece, cases[i].c, sizeof(piece));
                for (; n < 10 && !strstr(heard, "EOF"); n++) {
                        send_bytes(fd, piece, sizeof(piece));
                        heard = hear(fd);
                }
                assert_int_equal(n, cases[i].pieces);
                assert_non_null(strstr(heard, cases[i].why));
        }
}

static void send_long_call(int fd, size_t n)
{
        char *message = malloc(n + 32);

        assert_non_null(message);
        memset(message, ' ', n + 32);
        memcpy(message, "{\"method\":\"t.Echo\"", 18);
        memcpy(message + n, "}", 2);
        send_bytes(fd, message, n + 2);
        free(message);
}

static void test_only_those_who_may_send_long_messages(void **state)
{
        int fd;

        (void)state;
        limits.max_short_message = 20000;
        limits.max_message = 50000;
        who_may_send_much = may_send_much;
        friend_uid = getuid() + 1;
        start_server();
        fd = connect_client();
        send_long_call(fd, 10000);
        assert_string_equal(hear(fd), "{\"parameters\":{}}\n");
        assert_int_equal(n_asked, 0);
        send_long_call(fd, 30000);
        assert_non_null(strstr(hear(fd), "too long"));
        assert_int_equal(n_asked, 1);

        friend_uid = getuid();
        fd = connect_client();
        for (int i = 0; i < 2; i++) {
                send_long_call(fd, 40000);
                assert_string_equal(hear(fd), "{\"parameters\":{}}\n");
        }
        assert_int_equal(n_asked, 2);
        send_long_call(fd, 120000);
        assert_non_null(strstr(hear(fd), "too long"));
}

static bool takes_much(const struct wire_slice *method, void *userdata)
{
        return wire_slice_is(method, "t.Long");
}

static void test_a_method_that_needs_no_long_messages_takes_none(void **state)
{
        static char message[40000];
        static const char *const forms[][2] = {
                { "{\"method\":\"t.Echo\",\"parameters\":{\"a\":\"", "\"}}" },
                { "{\"parameters\":{\"a\":\"", "\"},\"method\":\"t.Echo\"}" },
                { "{\"method\":\"t.\\u004cong\",\"parameters\":{\"a\":\"", "\"}}" },
                { "{\"method\":\"t.Long\",\"parameters\":{\"a\":\"", "\"}}" },
                { "{\"parameters\":{\"a\":\"", "\"},\"method\":\"t.Long\"}" },
        };
        int fd;

        (void)state;
        limits.max_call = 20000;
        which_takes_much = takes_much;
        start_server();
        for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
                size_t n_begin = strlen(forms[i][0]), n_end = strlen(forms[i][1]);

                for (size_t n = 19000; n <= 39000; n += 20000) {
                        memset(message, 'x', n);
                        memcpy(message, forms[i][0], n_begin);
                        memcpy(message + n - n_end, forms[i][1], n_end + 1);
                        fd = connect_client();
                        send_bytes(fd, message, n + 1);
                        if (n > limits.max_call && i < 3)
                                assert_non_null(strstr(hear(fd), "too long for its method"));
                        else
                                assert_null(strstr(hear(fd), "too long"));
                }
        }
}

static void test_a_fault_ends_its_connection_alone(void **state)
{
        int fd, other;

        (void)state;
        start_server();
        fd = connect_client();
        other = connect_client();
        call_method(fd, "t.Fault", 1);
        assert_string_equal(hear(fd), "EOF");
        call_method(other, "t.Echo", 1);
        assert_string_equal(hear(other), "{\"parameters\":{\"n\":1}}\n");
}

static void test_a_message_that_is_not_ended_in_time_ends_the_connection(void **state)
{
        int slow, idle;

        (void)state;
        start_server();
        slow = connect_client();
        idle = connect_client();
        send_bytes(slow, "{\"method\":\"t.", 13);
        pump();
        advance(limits.partial_usec - 1);
        send_bytes(slow, "E", 1);
        assert_string_equal(hear(slow), "");
        advance(1);
        assert_string_equal(hear(slow), "EOF");

        /* Who says nothing at all may stay. */
        advance(100 * limits.partial_usec);
        assert_string_equal(hear(idle), "");
}

static void test_a_message_that_was_ended_in_time_gives_the_next_one_all_of_it(void **state)
{
        static const char call[] = "{\"method\":\"t.Echo\"}";
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        for (int i = 0; i < 5; i++) {
                send_bytes(fd, call, 10);
                pump();
                advance(limits.partial_usec * 2 / 3);
                send_bytes(fd, call + 10, sizeof(call) - 10);
                send_bytes(fd, call, 10);
                pump();
                advance(limits.partial_usec * 2 / 3);
                send_bytes(fd, call + 10, sizeof(call) - 10);
                assert_string_equal(hear(fd), "{\"parameters\":{}}\n{\"parameters\":{}}\n");
        }
}

static void test_a_peer_that_does_not_read_is_given_up(void **state)
{
        struct server_stats stats;
        int fd, other;

        (void)state;
        start_server();
        fd = connect_client();
        other = connect_client();
        for (int i = 0; i < 100; i++)
                call_method(fd, "t.Bytes", 100000);
        pump();
        server_get_stats(server, &stats);
        /* Calls beyond what is queued are not even made. */
        assert_in_range(stats.calls, 1, 20);

        advance(limits.stalled_usec);
        server_get_stats(server, &stats);
        assert_int_equal(stats.stalled, 1);
        assert_int_equal(stats.connections, 1);
        call_method(other, "t.Echo", 1);
        assert_string_equal(hear(other), "{\"parameters\":{\"n\":1}}\n");
}

static void test_a_peer_that_reads_slowly_is_kept(void **state)
{
        struct server_stats stats;
        char block[65536];
        size_t n = 0;
        int fd;

        (void)state;
        start_server();
        fd = connect_client();
        for (int i = 0; i < 10; i++)
                call_method(fd, "t.Bytes", 100000);
        pump();
        for (int i = 0; i < 10; i++) {
                ssize_t r = recv(fd, block, sizeof(block), 0);

                assert_true(r > 0);
                n += (size_t)r;
                pump();
                advance(limits.stalled_usec);
        }
        server_get_stats(server, &stats);
        assert_int_equal(stats.connections, 1);
        for (ssize_t r; (r = recv(fd, block, sizeof(block), 0)) > 0; pump())
                n += (size_t)r;
        assert_in_range(n, 1000000, 1001000);
        server_get_stats(server, &stats);
        assert_int_equal(stats.calls, 10);
}

static void test_an_answer_beyond_the_send_limit_ends_the_connection(void **state)
{
        struct server_stats stats;
        int fd;

        (void)state;
        limits.max_queued = 50000;
        start_server();
        fd = connect_client();
        call_method(fd, "t.Bytes", 60000);
        assert_string_equal(hear(fd), "EOF");
        server_get_stats(server, &stats);
        assert_int_equal(stats.stalled, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                SERVER_TEST(test_a_call_is_answered),
                SERVER_TEST(test_replies_keep_the_order_of_calls),
                SERVER_TEST(test_oneway_calls_are_made_and_not_answered),
                SERVER_TEST(test_one_of_several_answers_leaves_the_call_open),
                SERVER_TEST(test_what_waits_goes_when_its_peer_hangs_up),
                SERVER_TEST(test_a_peer_that_has_only_ended_its_own_side_is_answered),
                SERVER_TEST(test_a_call_of_a_peer_that_has_gone_already_does_not_wait),
                SERVER_TEST(test_what_was_sent_in_one_go_is_taken_to_the_end),
                SERVER_TEST(test_a_message_that_is_no_call_is_told_and_ends_the_connection),
                SERVER_TEST(test_a_message_beyond_the_limit_is_told_and_ends_the_connection),
                SERVER_TEST(test_a_message_is_not_awaited_that_will_be_refused),
                SERVER_TEST(test_only_those_who_may_send_long_messages),
                SERVER_TEST(test_a_method_that_needs_no_long_messages_takes_none),
                SERVER_TEST(test_a_fault_ends_its_connection_alone),
                SERVER_TEST(test_a_message_that_is_not_ended_in_time_ends_the_connection),
                SERVER_TEST(test_a_message_that_was_ended_in_time_gives_the_next_one_all_of_it),
                SERVER_TEST(test_a_peer_that_does_not_read_is_given_up),
                SERVER_TEST(test_a_peer_that_reads_slowly_is_kept),
                SERVER_TEST(test_an_answer_beyond_the_send_limit_ends_the_connection),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
