// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Tokens in doubt: answers that were lost, and tokens that callers report as rejected. */
#include "tests/beds/refresh_bed.h"

#include <stdio.h>
#include <string.h>

static void alarm_after(bool an_answer_was_lost)
{
        core_advance(&core, 3000);
        core_save(&core);
        if (an_answer_was_lost) {
                fake_http_fail(core.context.http, 0, HTTP_OUTCOME_UNKNOWN, "the connection broke");
                core_advance(&core, 30);
        }
        core_answer(&core, 200,
                    "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"warning\":\"an old one "
                    "was redeemed\"}");
        core_save(&core);
}

static void test_a_lost_answer_leaves_an_unknown_outcome_and_the_old_token_is_tried(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        core_save(&core);
        fake_http_fail(core.context.http, 0, HTTP_OUTCOME_UNKNOWN, "the connection broke");
        assert_int_equal(credential_state(acme, core.clock.boot_usec), CREDENTIAL_OUTCOME_UNKNOWN);
        core_advance(&core, 30);
        core_save(&core);
        assert_true(fake_http_body_has(fake_http_request(core.context.http, 0), "refresh_token=refresh-1"));
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(credential_state(acme, core.clock.boot_usec), CREDENTIAL_ACTIVE);
        assert_false(acme->outcome_unknown);
}

static void test_a_refusal_after_a_lost_answer_says_that_an_answer_was_lost(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        core_save(&core);
        fake_http_fail(core.context.http, 0, HTTP_OUTCOME_UNKNOWN, "the connection broke");
        core_advance(&core, 30);
        core_answer(&core, 400, INVALID_GRANT);
        assert_non_null(strstr(acme->refusal_reason, "was lost"));
}

static void test_the_old_token_is_tried_five_times_at_most(void **state)
{
        struct asker asker;

        (void)state;
        core_advance(&core, 3000);
        for (int i = 0; i < 40; i++) {
                core_save(&core);
                if (in_flight())
                        fake_http_fail(core.context.http, 0, HTTP_OUTCOME_UNKNOWN, "no answer");
                core_advance(&core, 1000);
        }
        assert_int_equal(fake_http_n_started(core.context.http), 6);
        core_ask(&core, acme, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_AUTHORIZATION_REQUIRED);
        core_force(&core, acme, &asker);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
}

static void test_a_maintenance_page_that_stays_for_hours_does_not_use_up_the_tries(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        for (int i = 0; i < 40; i++) {
                core_save(&core);
                if (in_flight())
                        fake_http_answer(core.context.http, 0, 200, "text/html", "<h1>back soon</h1>");
                core_advance(&core, 900);
        }
        core_save(&core);
        for (int i = 0; i < 3 && !in_flight(); i++) {
                core_advance(&core, 900);
                core_save(&core);
        }
        assert_false(acme->replays_spent);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(credential_state(acme, core.clock.boot_usec), CREDENTIAL_ACTIVE);
}

static void test_an_outage_of_hours_does_not_use_up_the_tries(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        for (int i = 0; i < 60; i++) {
                core_save(&core);
                if (in_flight())
                        fake_http_answer(core.context.http, 0, 503, "text/html", "<h1>down</h1>");
                core_advance(&core, 300);
        }
        core_save(&core);
        for (int i = 0; i < 3 && !in_flight(); i++) {
                core_advance(&core, 300);
                core_save(&core);
        }
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(credential_state(acme, core.clock.boot_usec), CREDENTIAL_ACTIVE);
}

static void test_a_warning_about_an_old_token_is_an_alarm(void **state)
{
        (void)state;
        give_watched_grant();
        alarm_after(false);
        assert_true(acme->foreign_refresher);
        assert_string_equal(acme->notice, "an old one was redeemed");
}

static void test_the_same_warning_after_an_answer_of_ours_was_lost_is_none(void **state)
{
        (void)state;
        give_watched_grant();
        alarm_after(true);
        assert_string_equal(core_access_token(acme), "access-2");
        assert_false(acme->foreign_refresher);
        assert_null(acme->notice);
}

static void test_a_hundred_reports_of_the_same_rejected_token_cost_one_refresh(void **state)
{
        struct token_demand demand = { .rejected = "access-1" };
        struct asker askers[100], other;

        (void)state;
        for (int i = 0; i < 100; i++)
                core_ask(&core, acme, &demand, &askers[i]);
        core_ask(&core, acme, NULL, &other);
        assert_true(other.answered);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        for (int i = 0; i < 100; i++)
                assert_int_equal(askers[i].answer.verdict, TOKEN_READY);
        core_ask(&core, acme, &demand, &other);
        assert_true(other.answered);
        assert_int_equal(other.answer.verdict, TOKEN_READY);
        assert_int_equal(fake_http_n_started(core.context.http), 1);
}

static void test_a_report_that_cannot_be_followed_for_now_fails_for_the_reporter_alone(void **state)
{
        struct token_demand demand = { .rejected = "access-1" };
        struct asker reporter, other;

        (void)state;
        core_ask(&core, acme, &demand, &reporter);
        core_answer(&core, 503, "down");
        assert_true(reporter.answered);
        assert_int_equal(reporter.answer.verdict, TOKEN_UNAVAILABLE);
        core_ask(&core, acme, NULL, &other);
        assert_int_equal(other.answer.verdict, TOKEN_READY);
}

static void test_a_rejected_token_of_a_refused_grant_is_not_served_any_more(void **state)
{
        struct token_demand demand = { .rejected = "access-1" };
        struct asker asker;

        (void)state;
        core_ask(&core, acme, &demand, &asker);
        core_answer(&core, 400, INVALID_GRANT);
        assert_int_equal(asker.answer.verdict, TOKEN_AUTHORIZATION_REQUIRED);
        core_ask(&core, acme, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_AUTHORIZATION_REQUIRED);
}

static void test_reports_about_ever_fresh_tokens_do_not_cause_a_storm(void **state)
{
        struct asker asker;

        (void)state;
        for (int i = 0; i < 20; i++) {
                char token[32];
                struct token_demand demand = { .rejected = token };

                snprintf(token, sizeof(token), "%s", core_access_token(acme));
                core_ask(&core, acme, &demand, &asker);
                core_save(&core);
                if (in_flight()) {
                        char body[128];
                        snprintf(body, sizeof(body), "{\"access_token\":\"fresh-%d\",\"expires_in\":3600}",
                                 i);
                        fake_http_answer(core.context.http, 0, 200, NULL, body);
                        core_save(&core);
                }
        }
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);
        assert_int_equal(fake_http_n_started(core.context.http), 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_lost_answer_leaves_an_unknown_outcome_and_the_old_token_is_tried),
                TEST(test_a_refusal_after_a_lost_answer_says_that_an_answer_was_lost),
                TEST(test_the_old_token_is_tried_five_times_at_most),
                TEST(test_a_maintenance_page_that_stays_for_hours_does_not_use_up_the_tries),
                TEST(test_an_outage_of_hours_does_not_use_up_the_tries),
                cmocka_unit_test_setup_teardown(test_a_warning_about_an_old_token_is_an_alarm,
                                                setup_with_alarm, teardown),
                cmocka_unit_test_setup_teardown(
                        test_the_same_warning_after_an_answer_of_ours_was_lost_is_none, setup_with_alarm,
                        teardown),
                TEST(test_a_hundred_reports_of_the_same_rejected_token_cost_one_refresh),
                TEST(test_a_report_that_cannot_be_followed_for_now_fails_for_the_reporter_alone),
                TEST(test_a_rejected_token_of_a_refused_grant_is_not_served_any_more),
                TEST(test_reports_about_ever_fresh_tokens_do_not_cause_a_storm),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
