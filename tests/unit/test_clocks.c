// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* What becomes of tokens while the machine sleeps and while its wall clock is wrong. */
#include "tests/beds/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#define ANSWER_2 "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"expires_in\":3600}"
#define HOUR_SEC 3600

enum { CREDENTIALS = 100, PARALLEL = 8 };

static struct core core;
static struct credential *acme;

static int setup(void **state)
{
        (void)state;
        core_setup(&core, NULL);
        acme = core_give_grant(&core, "acme", "refresh-1", "access-1", HOUR_SEC);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        core_teardown(&core);
        return 0;
}

/* Boot time has gone on, no timer has run: what the first caller after waking up meets. */
static void sleep_for(uint64_t seconds)
{
        core.clock.boot_usec += seconds * USEC_PER_SEC;
        core.clock.wall_usec += (int64_t)(seconds * USEC_PER_SEC);
}

static void test_the_first_caller_after_a_suspend_gets_no_token_that_ended_meanwhile(void **state)
{
        struct asker asker;

        (void)state;
        sleep_for(2 * HOUR_SEC);
        core_ask(&core, acme, NULL, &asker);
        assert_false(asker.answered);
        core_run(&core);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        core_run(&core);
        assert_true(asker.answered);
        assert_string_equal(core_access_token(acme), "access-2");
        assert_int_equal(fake_http_n_started(core.context.http), 1);
}

static void test_a_token_that_outlived_a_suspend_is_served_without_the_network(void **state)
{
        struct asker asker;

        (void)state;
        sleep_for(HOUR_SEC / 2);
        core_run(&core);
        core_ask(&core, acme, NULL, &asker);
        assert_true(asker.answered);
        assert_int_equal(fake_http_n_started(core.context.http), 0);
}

static void test_many_tokens_that_ended_during_a_suspend_are_no_storm(void **state)
{
        char name[16], token[16];

        (void)state;
        for (int i = 0; i < CREDENTIALS; i++) {
                snprintf(name, sizeof(name), "c%d", i);
                snprintf(token, sizeof(token), "r%d", i);
                core_give_grant(&core, name, token, "access", HOUR_SEC);
        }
        sleep_for(2 * HOUR_SEC);
        core_run(&core);
        core_save(&core);
        core_run(&core);
        assert_int_equal(fake_http_n_in_flight(core.context.http), PARALLEL);
}

static void test_a_wall_clock_that_goes_wild_makes_no_request_and_ends_no_token(void **state)
{
        static const int64_t jumps_sec[] = { HOUR_SEC, -2 * HOUR_SEC, 86400 * 365, -86400 * 730, HOUR_SEC };
        struct asker asker;

        (void)state;
        for (size_t i = 0; i < sizeof(jumps_sec) / sizeof(jumps_sec[0]); i++) {
                core.clock.wall_usec += jumps_sec[i] * (int64_t)USEC_PER_SEC;
                core_advance(&core, 60);
                core_ask(&core, acme, NULL, &asker);
                assert_true(asker.answered);
                assert_int_equal(asker.answer.verdict, TOKEN_READY);
        }
        assert_int_equal(fake_http_n_started(core.context.http), 0);
        core_advance(&core, HOUR_SEC);
        core_ask(&core, acme, NULL, &asker);
        assert_false(asker.answered);
        asker_done(&asker);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(
                        test_the_first_caller_after_a_suspend_gets_no_token_that_ended_meanwhile, setup,
                        teardown),
                cmocka_unit_test_setup_teardown(
                        test_a_token_that_outlived_a_suspend_is_served_without_the_network, setup, teardown),
                cmocka_unit_test_setup_teardown(test_many_tokens_that_ended_during_a_suspend_are_no_storm,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(
                        test_a_wall_clock_that_goes_wild_makes_no_request_and_ends_no_token, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
