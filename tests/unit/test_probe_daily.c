// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Tests that begin by themselves, and those who wait for one. */
#include "tests/beds/probe_bed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- by itself ---- */

/* Days go by; whatever is asked is answered well. Returns how many tests there were. */
static int live(int hours)
{
        int n = 0;

        for (int i = 0; i < hours; i++) {
                core_advance(&core, 3600);
                core_save(&core);
                while (in_flight()) {
                        bool is_test = strstr(request()->url, "graphql");

                        n += is_test;
                        core_answer(&core, 200, is_test ? SERVED("2023-08-18", "") : ANSWER_2);
                        core_save(&core);
                }
        }
        return n;
}

static void test_each_credential_is_tested_daily(void **state)
{
        assert_in_range(live(24), 1, 1);
        assert_in_range(live(10 * 24), 9, 12);
}

/* Due in how many seconds, by this random number. */
static uint64_t planned_in(uint64_t random)
{
        core.random = random;
        prober_plan(core.prober, acme);
        return (acme->test_timer.node.due_usec - context_now(&core.context)) / USEC_PER_SEC;
}

/* Credentials that were tested together, or found overdue together after a stop, do not go on so. */
static void test_the_time_of_day_of_tests_is_spread(void **state)
{
        uint64_t day = 86400, least = UINT64_MAX, most = 0;

        acme->test.tested_wall_usec = clock_wall_usec(core.context.clock);
        for (uint64_t i = 0; i < 100; i++) {
                uint64_t in = planned_in(i * (day / 10 / 100) * USEC_PER_SEC);

                assert_in_range(in, day * 9 / 10 - 1, day);
                least = in < least ? in : least;
                most = in > most ? in : most;
        }
        assert_true(most - least > day / 11);

        acme->test.tested_wall_usec = 0;
        assert_in_range(planned_in(0), 0, 1);
        assert_in_range(planned_in(3599 * USEC_PER_SEC), 3598, 3599);
}

static void test_daily_tests_can_be_turned_off_and_on(void **state)
{
        char off[1024];

        snprintf(off, sizeof(off), "%srefresh: {test: off}\n", clients);
        core_reload_with_provider(&core, provider, off);
        assert_int_equal(live(72), 0);
        core_reload_with_provider(&core, provider, clients);
        assert_in_range(live(48), 1, 3);
}

static void test_a_test_that_fell_due_while_nobody_ran_is_made_up_for_soon(void **state)
{
        core_crash(&core);
        fake_clock_advance(&core.clock, (uint64_t)3 * DAY * USEC_PER_SEC);
        core_start(&core);
        acme = vault_find(core.context.vault, "acme");
        assert_int_equal(live(2), 1);
}

static void test_a_wall_clock_that_went_back_does_not_put_tests_off_for_years(void **state)
{
        test_with(200, SERVED("2023-08-18", ""));
        core.clock.wall_usec -= INT64_C(86400) * 3650 * (int64_t)USEC_PER_SEC;
        prober_plan_all(core.prober);
        assert_int_equal(live(2), 1);
}

static void test_a_test_that_failed_is_tried_again_at_growing_intervals(void **state)
{
        int n = 0;

        test_with(503, "down");
        for (int i = 0; i < 3600; i++) {
                core_advance(&core, 10);
                core_save(&core);
                if (in_flight()) {
                        n++;
                        core_answer(&core, 503, "down");
                }
        }
        assert_in_range(n, 10, 60);
        assert_true(acme->test_failures > 5);
        assert_in_range(live(3), 1, 2);
        assert_int_equal(acme->test_failures, 0);
}

static void test_the_api_says_how_long_to_wait(void **state)
{
        struct http_response response = { .result = HTTP_ANSWERED,
                                          .status = 429,
                                          .date_sec = -1,
                                          .retry_after_sec = 1800,
                                          .body = SECRET_BUF_INIT(HTTP_BODY_MAX) };

        assert_int_equal(prober_run(core.prober, acme, NULL, NULL, NULL), 0);
        core_run(&core);
        fake_http_complete(core.context.http, 0, &response);
        core_advance(&core, 1799);
        core_save(&core);
        assert_int_equal(in_flight(), 0);
        core_advance(&core, 2);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
}

static void test_grants_that_have_ended_are_not_tested(void **state)
{
        struct asker asker;

        core_force(&core, acme, &asker);
        core_answer(&core, 400, "{\"error\":\"invalid_grant\"}");
        core_save(&core);
        assert_int_equal(acme->refusal, REFUSAL_REFUSED);
        assert_int_equal(live(48), 0);
}

/* ---- those who wait ---- */

static void test_those_who_wait_share_one_test(void **state)
{
        struct tester testers[10] = { 0 };

        for (int i = 0; i < 10; i++)
                run(&testers[i]);
        core_run(&core);
        assert_int_equal(in_flight(), 1);
        core_answer(&core, 200, SERVED("2023-08-18", ""));
        for (int i = 0; i < 10; i++)
                assert_int_equal(testers[i].told, 1);
}

static void test_one_who_leaves_lets_the_test_go_on_unheard(void **state)
{
        struct tester tester = { 0 };

        run(&tester);
        tester.wait = probe_wait_free(tester.wait);
        core_run(&core);
        core_answer(&core, 200, SERVED("2023-08-18", ""));
        assert_int_equal(tester.told, 0);
        assert_int_equal(acme->test.verdict, API_OK);
        assert_true(acme->test.tested_wall_usec > 0);
}

static void test_those_who_are_told_may_do_as_they_please(void **state)
{
        struct tester testers[4] = { 0 };

        for (int i = 0; i < 4; i++)
                run(&testers[i]);
        testers[0].other = &testers[1];
        testers[1].other = &testers[0];
        testers[2].test_again = true;
        testers[3].forget = true;
        core_run(&core);
        core_answer(&core, 200, SERVED("2023-08-18", ""));
        assert_int_equal(testers[0].told + testers[1].told, 1);
        assert_int_equal(testers[3].told, 1);
        core_save(&core);
        /* The second test ended with the credential, and that was told, too. */
        assert_null(vault_find(core.context.vault, "acme"));
        assert_int_equal(testers[2].told, 2);
        core_run(&core);
}

static void test_one_who_waits_for_a_test_that_ends_with_its_credential_is_told(void **state)
{
        struct tester tester = { 0 };
        struct revoke_call *call;

        run(&tester);
        core_run(&core);
        assert_int_equal(in_flight(), 1);
        assert_int_equal(login_revoke(core.logins, acme, true, on_revoked, NULL, &call), 0);
        core_run(&core);
        core_save(&core);
        assert_null(vault_find(core.context.vault, "acme"));
        assert_int_equal(in_flight(), 0);
        assert_int_equal(tester.told, 1);
        revoke_call_free(call);
}

static void test_a_test_that_cannot_be_sent_is_told_and_tried_again(void **state)
{
        struct tester tester = { 0 };

        run(&tester);
        fake_http_fail_next_start(core.context.http, -ENOMEM);
        core_run(&core);
        assert_int_equal(tester.told, 1);
        assert_int_equal(acme->test.verdict, API_TRY_AGAIN);
        assert_in_range(live(1), 1, 1);
}

static void test_a_client_that_a_reload_takes_away_ends_the_test(void **state)
{
        struct tester tester = { 0 };

        run(&tester);
        core_run(&core);
        core_reload_with_provider(&core, provider, NULL);
        core_answer(&core, 200, SERVED("2023-08-18", ""));
        assert_int_equal(tester.told, 1);
        assert_int_equal(acme->test.verdict, API_TRY_AGAIN);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_each_credential_is_tested_daily),
                TEST(test_the_time_of_day_of_tests_is_spread),
                TEST(test_daily_tests_can_be_turned_off_and_on),
                TEST(test_a_test_that_fell_due_while_nobody_ran_is_made_up_for_soon),
                TEST(test_a_wall_clock_that_went_back_does_not_put_tests_off_for_years),
                TEST(test_a_test_that_failed_is_tried_again_at_growing_intervals),
                TEST(test_the_api_says_how_long_to_wait),
                TEST(test_grants_that_have_ended_are_not_tested),
                TEST(test_those_who_wait_share_one_test),
                TEST(test_one_who_leaves_lets_the_test_go_on_unheard),
                TEST(test_those_who_are_told_may_do_as_they_please),
                TEST(test_one_who_waits_for_a_test_that_ends_with_its_credential_is_told),
                TEST(test_a_test_that_cannot_be_sent_is_told_and_tried_again),
                TEST(test_a_client_that_a_reload_takes_away_ends_the_test),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
