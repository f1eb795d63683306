// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
#include "tests/beds/refresh_bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_a_token_that_lives_is_handed_out_without_the_network(void **state)
{
        struct asker asker;

        (void)state;
        core_ask(&core, acme, NULL, &asker);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        assert_false(asker.answer.short_lived);
        assert_int_equal(in_flight(), 0);
}

static void test_a_token_is_refreshed_before_its_end_though_nobody_asks(void **state)
{
        (void)state;
        core_advance(&core, 3600 * 60 / 100);
        assert_int_equal(fake_store_n_queued(core.store), 0);
        core_advance(&core, 3600 * 15 / 100 + 1);
        assert_true(fake_store_is_queued(core.store, "intent", "acme"));
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_string_equal(core_access_token(acme), "access-2");
        assert_string_equal(core_refresh_token(acme), "refresh-2");
        assert_int_equal(acme->grant.generation, 2);
}

static void test_a_thousand_callers_at_the_end_of_a_token_cost_one_refresh(void **state)
{
        enum { N = 1000 };
        struct asker *askers = calloc(N, sizeof(*askers));

        (void)state;
        core_advance(&core, 3700);
        for (int i = 0; i < N; i++)
                core_ask(&core, acme, NULL, &askers[i]);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        for (int i = 0; i < N; i++) {
                assert_true(askers[i].answered);
                assert_int_equal(askers[i].answer.verdict, TOKEN_READY);
        }
        assert_int_equal(fake_http_n_started(core.context.http), 1);
        free(askers);
}

static void test_a_token_that_lives_is_served_while_refreshing_fails(void **state)
{
        struct asker asker;

        (void)state;
        core_advance(&core, 3000);
        core_answer(&core, 503, "down");
        assert_int_equal(credential_state(acme, core.clock.boot_usec), CREDENTIAL_OUTCOME_UNKNOWN);
        core_ask(&core, acme, NULL, &asker);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        assert_string_equal(core_refresh_token(acme), "refresh-1");
}

static void test_refreshing_that_failed_is_tried_again_after_a_pause(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        core_answer(&core, 403, "a firewall's page");
        core_run(&core);
        assert_int_equal(in_flight(), 0);
        core_advance(&core, 10);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_string_equal(core_access_token(acme), "access-2");
        assert_int_equal(acme->failures, 0);
        assert_int_equal(credential_state(acme, core.clock.boot_usec), CREDENTIAL_ACTIVE);
}

static void test_a_caller_with_patience_gets_the_token_of_a_later_try(void **state)
{
        struct asker asker;

        (void)state;
        core_advance(&core, 3700);
        core_ask(&core, acme, NULL, &asker);
        core_answer(&core, 503, "down");
        assert_false(asker.answered);
        core_advance(&core, 10);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
}

static void test_a_callers_patience_ends(void **state)
{
        struct asker asker;

        (void)state;
        core_advance(&core, 3700);
        core_ask(&core, acme, NULL, &asker);
        core_save(&core);
        core_advance(&core, 29);
        assert_false(asker.answered);
        core_advance(&core, 2);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);
        assert_int_equal(in_flight(), 1);
}

static void test_who_orders_a_refresh_waits_longer_than_its_request(void **state)
{
        struct asker asker;

        (void)state;
        core_force(&core, acme, &asker);
        core_advance(&core, 30);
        assert_false(asker.answered);
        core_advance(&core, 2);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);
}

static void test_retry_after_is_obeyed_and_not_overridden_by_hand(void **state)
{
        struct http_response response = { .result = HTTP_ANSWERED,
                                          .status = 429,
                                          .date_sec = -1,
                                          .retry_after_sec = 100,
                                          .body = SECRET_BUF_INIT(HTTP_BODY_MAX) };
        struct asker asker;

        (void)state;
        core_advance(&core, 3700);
        core_save(&core);
        fake_http_complete(core.context.http, 0, &response);
        core_force(&core, acme, &asker);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);
        assert_int_equal(asker.answer.retry_after_usec, 100 * USEC_PER_SEC);
        core_ask(&core, acme, NULL, &asker);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);
        core_advance(&core, 99);
        core_save(&core);
        assert_int_equal(in_flight(), 0);
        core_advance(&core, 1);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
}

static void test_a_refresh_by_hand_overrides_a_back_off(void **state)
{
        struct asker asker;

        (void)state;
        core_advance(&core, 3700);
        core_answer(&core, 503, "down");
        core_force(&core, acme, &asker);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
}

static void test_a_refused_grant_is_served_to_the_end_of_its_token_and_never_tried_again(void **state)
{
        struct asker asker;

        (void)state;
        core_advance(&core, 3000);
        core_answer(&core, 400, INVALID_GRANT);
        core_save(&core);
        assert_int_equal(credential_state(acme, core.clock.boot_usec), CREDENTIAL_AUTHORIZATION_REQUIRED);
        core_ask(&core, acme, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        core_advance(&core, 601);
        core_ask(&core, acme, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_AUTHORIZATION_REQUIRED);
        core_advance(&core, 100000);
        assert_int_equal(fake_http_n_started(core.context.http), 1);
}

static void test_nothing_is_served_after_the_account_disconnected_the_app(void **state)
{
        struct asker asker;

        (void)state;
        give_watched_grant();
        core_advance(&core, 3000);
        core_answer(&core, 401, "{\"message\":\"User has disconnected\"}");
        core_ask(&core, acme, NULL, &asker);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_AUTHORIZATION_REQUIRED);
}

static void test_a_demand_that_no_token_can_meet_never_costs_a_refresh(void **state)
{
        struct token_demand demand = { .min_valid_given = true, .min_valid_sec = 7200 };
        struct asker asker;

        (void)state;
        core_ask(&core, acme, &demand, &asker);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        assert_true(asker.answer.short_lived);
        demand.min_valid_sec = 86401;
        core_ask(&core, acme, &demand, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);
        assert_int_equal(in_flight(), 0);
}

static void test_a_refresh_answer_without_a_refresh_token_keeps_the_old_one(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        core_answer(&core, 200, "{\"access_token\":\"access-2\"}");
        core_save(&core);
        assert_string_equal(core_access_token(acme), "access-2");
        assert_string_equal(core_refresh_token(acme), "refresh-1");
}

static void test_a_good_refresh_token_beside_an_unusable_access_token_is_saved_and_used(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        core_answer(&core, 200, "{\"access_token\":\"not\\nusable\",\"refresh_token\":\"refresh-2\"}");
        core_save(&core);
        assert_string_equal(core_access_token(acme), "access-1");
        assert_string_equal(core_refresh_token(acme), "refresh-2");
        core_advance(&core, 10);
        core_save(&core);
        assert_true(fake_http_body_has(fake_http_request(core.context.http, 0), "refresh_token=refresh-2"));
}

static void test_a_wrong_client_secret_is_told_and_waits_for_a_new_one(void **state)
{
        struct asker asker;

        (void)state;
        core_advance(&core, 3700);
        core_ask(&core, acme, NULL, &asker);
        core_answer(&core, 401, "{\"error\":\"invalid_client\"}");
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);
        assert_true(acme->client_refused);
        refresher_client_changed(core.refresher, "app");
        core_run(&core);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_false(acme->client_refused);
        assert_string_equal(core_access_token(acme), "access-2");
}

static void test_requests_to_one_provider_are_limited(void **state)
{
        char name[16];

        (void)state;
        for (int i = 0; i < 20; i++) {
                snprintf(name, sizeof(name), "c%d", i);
                core_give_grant(&core, name, name, "access", 3600);
        }
        core_advance(&core, 3700);
        core_save(&core);
        assert_int_equal(in_flight(), 8);
        for (int i = 0; i < 21; i++)
                core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(fake_http_n_started(core.context.http), 21);
        assert_int_equal(in_flight(), 0);
}

static void mark(void *userdata)
{
        *(bool *)userdata = true;
}

static void test_a_stop_waits_for_what_is_on_the_wire_and_begins_nothing(void **state)
{
        bool stopped = false;
        char name[16];

        (void)state;
        for (int i = 0; i < 20; i++) {
                snprintf(name, sizeof(name), "c%d", i);
                core_give_grant(&core, name, name, "access", 3600);
        }
        core_advance(&core, 3700);
        core_save(&core);
        refresher_stop(core.refresher, mark, &stopped);
        core_run(&core);
        assert_false(stopped);
        while (in_flight())
                core_answer(&core, 200, ANSWER_2);
        core_run(&core);
        assert_false(stopped);
        core_save(&core);
        core_run(&core);
        assert_true(stopped);
        assert_int_equal(fake_http_n_started(core.context.http), 8);
}

static void test_a_wall_clock_that_jumps_changes_nothing(void **state)
{
        struct asker asker;

        (void)state;
        core.clock.wall_usec += 3600 * (int64_t)USEC_PER_SEC;
        core_run(&core);
        core_ask(&core, acme, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        core.clock.wall_usec -= 7200 * (int64_t)USEC_PER_SEC;
        core_run(&core);
        core_ask(&core, acme, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        assert_int_equal(in_flight(), 0);
        core_advance(&core, 3600);
        core_ask(&core, acme, NULL, &asker);
        assert_false(asker.answered);
        asker_done(&asker);
}

static void test_a_token_of_another_boot_is_judged_by_the_wall_clock_and_ended_when_that_went_back(
        void **state)
{
        (void)state;
        core_crash(&core);
        strcpy(core.boot_id, "99999999-2222-3333-4444-555555555555");
        core.clock.boot_usec = 5 * USEC_PER_SEC;
        core.clock.wall_usec += 1800 * (int64_t)USEC_PER_SEC;
        core_start(&core);
        acme = vault_find(core.context.vault, "acme");
        assert_int_equal(credential_remaining_usec(acme, core.clock.boot_usec), 1800 * USEC_PER_SEC);

        core_crash(&core);
        strcpy(core.boot_id, "88888888-2222-3333-4444-555555555555");
        core.clock.wall_usec -= 90000 * (int64_t)USEC_PER_SEC;
        core_start(&core);
        acme = vault_find(core.context.vault, "acme");
        assert_int_equal(credential_remaining_usec(acme, core.clock.boot_usec), 0);
}

static void test_short_lived_tokens_are_refreshed_before_a_default_demand_would_wait(void **state)
{
        struct credential *brief = core_give_grant(&core, "brief", "refresh-b", "access-b", 20);
        struct asker asker;

        (void)state;
        for (int second = 0; second < 20; second++) {
                if (in_flight() || fake_store_n_queued(core.store))
                        break;
                core_ask(&core, brief, NULL, &asker);
                assert_true(asker.answered);
                core_advance(&core, 1);
        }
        core_answer(&core, 200, ANSWER_2);
}

static void test_a_reload_without_the_client_keeps_the_grant_of_an_answer_on_the_wire(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        core_save(&core);
        acme->client = NULL;
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_string_equal(core_refresh_token(acme), "refresh-2");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_token_that_lives_is_handed_out_without_the_network),
                TEST(test_a_token_is_refreshed_before_its_end_though_nobody_asks),
                TEST(test_a_thousand_callers_at_the_end_of_a_token_cost_one_refresh),
                TEST(test_a_token_that_lives_is_served_while_refreshing_fails),
                TEST(test_refreshing_that_failed_is_tried_again_after_a_pause),
                TEST(test_a_caller_with_patience_gets_the_token_of_a_later_try),
                TEST(test_a_callers_patience_ends),
                TEST(test_who_orders_a_refresh_waits_longer_than_its_request),
                TEST(test_retry_after_is_obeyed_and_not_overridden_by_hand),
                TEST(test_a_refresh_by_hand_overrides_a_back_off),
                TEST(test_a_refused_grant_is_served_to_the_end_of_its_token_and_never_tried_again),
                cmocka_unit_test_setup_teardown(test_nothing_is_served_after_the_account_disconnected_the_app,
                                                setup_with_alarm, teardown),
                TEST(test_a_demand_that_no_token_can_meet_never_costs_a_refresh),
                TEST(test_a_refresh_answer_without_a_refresh_token_keeps_the_old_one),
                TEST(test_a_good_refresh_token_beside_an_unusable_access_token_is_saved_and_used),
                TEST(test_a_wrong_client_secret_is_told_and_waits_for_a_new_one),
                TEST(test_requests_to_one_provider_are_limited),
                TEST(test_a_stop_waits_for_what_is_on_the_wire_and_begins_nothing),
                TEST(test_a_wall_clock_that_jumps_changes_nothing),
                TEST(test_a_token_of_another_boot_is_judged_by_the_wall_clock_and_ended_when_that_went_back),
                TEST(test_short_lived_tokens_are_refreshed_before_a_default_demand_would_wait),
                TEST(test_a_reload_without_the_client_keeps_the_grant_of_an_answer_on_the_wire),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
