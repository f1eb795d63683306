// links: daemon/serve/
// libs: libsodium jansson libsystemd yaml-0.1
/* What one user may take of connections, calls, buffers and descriptors, and what is left for others. */
#include "daemon/serve/server_internal.h"
#include "tests/beds/server_bed.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANOTHER = 4242 };

static void test_a_user_with_too_many_connections_loses_the_idlest(void **state)
{
        struct server_stats stats;
        int first, busy, third, fourth;

        (void)state;
        limits.connections_per_user = 3;
        start_server();
        first = connect_client();
        busy = connect_client();
        third = connect_client();
        call_method(busy, "t.Wait", 1);
        pump();
        call_method(first, "t.Echo", 1);
        assert_string_equal(hear(first), "{\"parameters\":{\"n\":1}}\n");

        fourth = connect_client();
        call_method(fourth, "t.Echo", 4);
        assert_string_equal(hear(fourth), "{\"parameters\":{\"n\":4}}\n");
        assert_string_equal(hear(third), "EOF");
        assert_string_equal(hear(first), "");
        assert_non_null(waiting[0]);
        server_get_stats(server, &stats);
        assert_int_equal(stats.evicted, 1);
        assert_int_equal(stats.connections, 3);
}

static void test_nobody_who_waits_is_closed_for_a_newcomer(void **state)
{
        struct server_stats stats;
        int fds[3], newcomer;

        (void)state;
        limits.connections = 3;
        limits.connections_per_user = 100;
        start_server();
        for (int i = 0; i < 3; i++) {
                fds[i] = connect_client();
                call_method(fds[i], "t.Wait", i);
        }
        pump();
        newcomer = connect_client();
        assert_string_equal(hear(newcomer), "EOF");
        server_get_stats(server, &stats);
        assert_int_equal(stats.refused, 1);
        for (int i = 0; i < 3; i++) {
                call_reply(waiting[i], NULL);
                assert_string_equal(hear(fds[i]), "{\"parameters\":{}}\n");
        }
        newcomer = connect_client();
        call_method(newcomer, "t.Echo", 1);
        assert_string_equal(hear(newcomer), "{\"parameters\":{\"n\":1}}\n");
}

static void test_a_user_with_too_many_waiting_calls_is_told_so(void **state)
{
        int fds[3];

        (void)state;
        limits.waiting_per_user = 2;
        start_server();
        for (int i = 0; i < 3; i++) {
                fds[i] = connect_client();
                call_method(fds[i], "t.Wait", i);
                pump();
        }
        assert_int_equal(n_crowded, 1);
        assert_string_equal(hear(fds[2]), "{\"error\":\"t.Crowded\",\"parameters\":{}}\n");

        /* A place that was given back counts. */
        call_reply(waiting[0], NULL);
        pump();
        call_method(fds[2], "t.Wait", 3);
        assert_string_equal(hear(fds[2]), "");
        assert_int_equal(n_crowded, 1);
}

static void test_a_crowded_call_that_is_not_answered_is_dropped(void **state)
{
        int fd, other;

        (void)state;
        answer_crowded = false;
        limits.waiting_per_user = 1;
        start_server();
        fd = connect_client();
        other = connect_client();
        call_method(fd, "t.Wait", 1);
        pump();
        call_method(other, "t.Wait", 2);
        assert_string_equal(hear(other), "EOF");
        assert_int_equal(n_dropped, 1);
        assert_non_null(waiting[0]);
}

static void test_buffers_of_a_user_have_a_limit_that_spares_small_ones(void **state)
{
        char block[30000];
        int large[4], small;

        (void)state;
        limits.held_per_user = 100000;
        start_server();
        small = connect_client();
        send_bytes(small, "{\"method\":\"t.Echo\"", 18);
        pump();
        memset(block, ' ', sizeof(block));
        for (int i = 0; i < 4; i++) {
                large[i] = connect_client();
                send_bytes(large[i], block, sizeof(block));
                pump();
        }
        for (int i = 0; i < 3; i++)
                assert_string_equal(hear(large[i]), "");
        assert_string_equal(hear(large[3]), "EOF");
        send_bytes(small, "}", 2);
        assert_string_equal(hear(small), "{\"parameters\":{}}\n");
}

static void test_many_small_buffers_of_a_user_have_a_limit_too(void **state)
{
        char block[1200];
        int fds[30], n_cut = 0;

        (void)state;
        limits.held_per_user = 10000;
        start_server();
        memset(block, ' ', sizeof(block));
        for (int i = 0; i < 30; i++) {
                fds[i] = connect_client();
                send_bytes(fds[i], block, sizeof(block));
                pump();
        }
        for (int i = 0; i < 30; i++)
                n_cut += strcmp(hear(fds[i]), "EOF") == 0;
        assert_in_range(n_cut, 5, 25);
        assert_string_equal(hear(fds[0]), "");
        assert_string_equal(hear(fds[29]), "EOF");
}

static void test_a_flood_of_calls_leaves_room_for_others(void **state)
{
        struct server_stats stats;
        int flood, other;

        (void)state;
        start_server();
        flood = connect_client();
        other = connect_client();
        pump();
        for (int i = 0; i < 150; i++)
                call_method(flood, "t.Echo", i);
        call_method(other, "t.Wait", 1);
        pump();

        /* Though it came behind the flood, it began long before that was worked off. */
        assert_int_equal(n_waiting, 1);
        assert_in_range(calls_before_wait, 2, 10);
        server_get_stats(server, &stats);
        assert_int_equal(stats.calls, 151);
}

/* Somebody else's call that waits comes behind so many calls of one connection. */
static void wait_behind(int n_calls, const char *method, int argument)
{
        int flood, other;

        start_server();
        flood = connect_client();
        other = connect_client();
        pump();
        for (int i = 0; i < n_calls; i++)
                call_method(flood, method, argument);
        call_method(other, "t.Wait", 1);
        pump();
        assert_int_equal(n_waiting, 1);
}

/* Long answers and long messages are as much work as many short calls. */
static void test_a_flood_of_large_answers_leaves_room_for_others(void **state)
{
        (void)state;
        wait_behind(8, "t.Bytes", 30000);
        assert_in_range(calls_before_wait, 2, 4);
}

static void test_calls_that_take_long_leave_room_for_others(void **state)
{
        (void)state;
        wait_behind(20, "t.Takes", 100);
        /* One, and its own. */
        assert_int_equal(calls_before_wait, 2);
}

/* The queue of the socket knows no users. */
static void test_while_more_have_connected_they_are_accepted_before_calls_are_answered(void **state)
{
        int fds[24];

        (void)state;
        start_server();
        for (int i = 0; i < 24; i++) {
                fds[i] = connect_client();
                call_method(fds[i], i == 2 ? "t.Wait" : "t.Echo", i);
        }
        pump();
        assert_int_equal(n_waiting, 1);
        assert_in_range(calls_before_wait, 2, 4);
        assert_int_equal(accepted_before_wait, 24);
        for (int i = 0; i < 24; i++)
                if (i != 2)
                        assert_non_null(strstr(hear(fds[i]), "\"n\""));
}

/* A look that waits for ever would be the end of this test. */
static void test_the_last_of_a_crowd_is_not_left_to_wait_for_somebody_else(void **state)
{
        char answer[64];
        int fd;

        (void)state;
        start_server();
        for (int i = 0; i < 8; i++)
                connect_client();
        fd = connect_client();
        call_method(fd, "t.Echo", 1);
        alarm(30);
        (void)server_round(server, -1);
        while (recv(fd, answer, sizeof(answer), 0) < 0)
                (void)server_round(server, server_is_busy(server) ? 0 : -1);
        alarm(0);
}

static void test_a_user_who_fills_the_house_makes_no_room_for_itself(void **state)
{
        struct server_stats stats;
        int fds[6];

        (void)state;
        limits.connections = 4;
        limits.connections_per_user = 100;
        start_server();
        for (int i = 0; i < 6; i++) {
                fds[i] = connect_client();
                call_method(fds[i], "t.Echo", i);
        }
        for (int i = 0; i < 6; i++)
                assert_non_null(strstr(hear(fds[i]), i < 4 ? "\"n\"" : "EOF"));
        server_get_stats(server, &stats);
        assert_int_equal(stats.evicted, 0);
        assert_int_equal(stats.refused, 2);
}

static void test_a_user_who_fills_the_house_unserved_makes_room_for_another(void **state)
{
        struct server_stats stats;
        int fds[4], other;

        if (geteuid() != 0)
                skip();
        (void)state;
        limits.connections = 4;
        limits.connections_per_user = 100;
        start_server();
        let_everybody_connect();
        assert_int_equal(seteuid(ANOTHER), 0);
        for (int i = 0; i < 4; i++) {
                fds[i] = connect_client();
                call_method(fds[i], "t.Echo", i);
        }
        assert_int_equal(seteuid(0), 0);
        other = connect_client();
        call_method(other, "t.Echo", 9);
        assert_string_equal(hear(other), "{\"parameters\":{\"n\":9}}\n");
        for (int i = 0; i < 4; i++)
                assert_non_null(strstr(hear(fds[i]), i < 3 ? "\"n\"" : "EOF"));
        server_get_stats(server, &stats);
        assert_int_equal(stats.evicted, 1);
        assert_int_equal(stats.refused, 0);
}

static void test_without_descriptors_nothing_spins_and_nobody_is_forgotten(void **state)
{
        struct rlimit saved, tight;
        struct server_stats stats;
        int fds[8], probe;

        (void)state;
        start_server();
        pump();
        for (int i = 0; i < 8; i++) {
                fds[i] = connect_client();
                call_method(fds[i], "t.Wait", i);
        }
        probe = dup(0);
        close(probe);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
        tight = saved;
        tight.rlim_cur = (rlim_t)probe + 5;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
        pump();
        server_get_stats(server, &stats);
        assert_in_range(stats.connections, 1, 5);
        assert_true(stats.refused >= 1);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);

        /* The pause is over, and those that still knock are let in. */
        advance(USEC_PER_SEC);
        server_get_stats(server, &stats);
        assert_int_equal(stats.connections + stats.refused, 8);
        assert_int_equal(n_waiting, stats.connections);
}

static void test_without_descriptors_the_idlest_makes_room(void **state)
{
        struct rlimit saved, tight;
        struct server_stats stats;
        int idle, newcomer, probe;

        (void)state;
        start_server();
        idle = connect_client();
        pump();
        newcomer = connect_client();
        call_method(newcomer, "t.Echo", 1);
        probe = dup(0);
        close(probe);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
        tight = saved;
        tight.rlim_cur = (rlim_t)probe;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
        assert_string_equal(hear(newcomer), "{\"parameters\":{\"n\":1}}\n");
        assert_string_equal(hear(idle), "EOF");
        server_get_stats(server, &stats);
        assert_int_equal(stats.evicted, 1);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
}

static void test_who_is_connected_goes_on_when_nobody_is_accepted_any_more(void **state)
{
        int fd, late;

        (void)state;
        start_server();
        fd = connect_client();
        pump();
        server_stop_accepting(server);
        call_method(fd, "t.Echo", 1);
        assert_string_equal(hear(fd), "{\"parameters\":{\"n\":1}}\n");
        late = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(late, (struct sockaddr *)&address, sizeof(address)), -1);
        close(late);
}

/* ---- draining ---- */

static void test_limits_fit_the_descriptors(void **state)
{
        static const uint64_t descriptors[] = { 16, 256, 1024, 65536, 524288, UINT64_MAX };

        (void)state;
        for (size_t i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++) {
                struct server_limits fitting = server_limits_for(descriptors[i]);

                assert_true(fitting.connections > 0 && fitting.connections_per_user > 0 &&
                            fitting.waiting_per_user > 0);
                assert_true(fitting.connections < descriptors[i]);
                assert_true(fitting.waiting_per_user < fitting.connections_per_user);
                assert_true(fitting.connections_per_user < fitting.connections);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                SERVER_TEST(test_a_user_with_too_many_connections_loses_the_idlest),
                SERVER_TEST(test_nobody_who_waits_is_closed_for_a_newcomer),
                SERVER_TEST(test_a_user_with_too_many_waiting_calls_is_told_so),
                SERVER_TEST(test_a_crowded_call_that_is_not_answered_is_dropped),
                SERVER_TEST(test_buffers_of_a_user_have_a_limit_that_spares_small_ones),
                SERVER_TEST(test_many_small_buffers_of_a_user_have_a_limit_too),
                SERVER_TEST(test_a_flood_of_calls_leaves_room_for_others),
                SERVER_TEST(test_a_flood_of_large_answers_leaves_room_for_others),
                SERVER_TEST(test_calls_that_take_long_leave_room_for_others),
                SERVER_TEST(test_while_more_have_connected_they_are_accepted_before_calls_are_answered),
                SERVER_TEST(test_the_last_of_a_crowd_is_not_left_to_wait_for_somebody_else),
                SERVER_TEST(test_a_user_who_fills_the_house_makes_no_room_for_itself),
                SERVER_TEST(test_a_user_who_fills_the_house_unserved_makes_room_for_another),
                SERVER_TEST(test_without_descriptors_nothing_spins_and_nobody_is_forgotten),
                SERVER_TEST(test_without_descriptors_the_idlest_makes_room),
                SERVER_TEST(test_who_is_connected_goes_on_when_nobody_is_accepted_any_more),
                cmocka_unit_test(test_limits_fit_the_descriptors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
