// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Refreshes that something gets in the way of: lost answers, a disk that refuses, callers who do as they please. */
#include "tests/beds/trouble_bed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define INVALID_GRANT "{\"error\":\"invalid_grant\"}"
#define INVALID_CLIENT "{\"error\":\"invalid_client\"}"
/* {"alg":"none"} . {"exp":1000000000}: it ended in 2001. */
#define ENDED_TOKEN "eyJhbGciOiJub25lIn0.eyJleHAiOjEwMDAwMDAwMDB9.x"

static enum credential_state state_of(const struct credential *credential)
{
        return credential_state(credential, core.clock.boot_usec);
}

/* ---- answers ---- */

static void test_a_token_that_had_ended_before_it_came_is_not_asked_for_again_at_once(void **state)
{
        struct asker asker;

        core_advance(&core, 3000);
        core_answer(&core, 200, "{\"access_token\":\"" ENDED_TOKEN "\",\"refresh_token\":\"refresh-2\"}");
        core_save(&core);
        assert_string_equal(core_refresh_token(acme), "refresh-2");
        assert_string_equal(core_access_token(acme), "access-1");
        assert_non_null(strstr(acme->last_failure, "had ended already"));
        core_ask(&core, acme, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        /* Ten minutes of such answers are a handful of requests. */
        for (int i = 0; i < 600; i++) {
                core_advance(&core, 1);
                core_save(&core);
                if (in_flight())
                        core_answer(&core, 200, "{\"access_token\":\"" ENDED_TOKEN "\"}");
        }
        assert_true(started() < 20);
        assert_false(acme->outcome_unknown);
}

static void test_a_refused_client_is_told_whatever_failed_before(void **state)
{
        const char *first;

        core_advance(&core, 3700);
        core_answer(&core, 403, "a firewall");
        first = acme->told_failure;
        assert_non_null(first);
        core_advance(&core, 10);
        core_answer(&core, 403, "a firewall");
        core_advance(&core, 10);
        core_answer(&core, 401, INVALID_CLIENT);
        assert_string_not_equal(acme->told_failure, first);
        core_advance(&core, 3600);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_null(acme->told_failure);
}

static void test_a_client_that_a_reload_takes_away_on_the_wire_loses_no_grant(void **state)
{
        struct asker asker;

        core_advance(&core, 3700);
        core_ask(&core, acme, NULL, &asker);
        core_save(&core);
        core_reload(&core, "  other: {provider: idp, client_id: x, client_secret: {store: true}}\n"
                           "credentials: {acme: {client: other}}\n");
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_string_equal(core_refresh_token(acme), "refresh-2");
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_AUTHORIZATION_REQUIRED);
        restart();
        assert_string_equal(core_refresh_token(acme), "refresh-2");
}

/* ---- lost answers ---- */

static void spend_all_tries(void)
{
        core_advance(&core, 3000);
        for (int i = 0; i < 40; i++) {
                core_save(&core);
                if (in_flight())
                        lose_answer();
                core_advance(&core, 1000);
        }
        assert_int_equal(started(), 6);
        assert_true(acme->replays_spent);
}

static void test_spent_tries_are_told_in_words_that_hold(void **state)
{
        struct diag message, next_step;
        struct asker asker;

        spend_all_tries();
        assert_int_equal(state_of(acme), CREDENTIAL_AUTHORIZATION_REQUIRED);
        credential_explain(acme, core.clock.boot_usec, &message, &next_step);
        assert_non_null(strstr(message.text, "does not try"));
        core_ask(&core, acme, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_AUTHORIZATION_REQUIRED);
        assert_non_null(strstr(asker.answer.reason, "purser refresh acme"));
        restart();
        assert_int_equal(state_of(acme), CREDENTIAL_AUTHORIZATION_REQUIRED);
        core_advance(&core, 100000);
        core_save(&core);
        assert_int_equal(started(), 0);
}

static void test_a_try_by_hand_that_does_not_leave_begins_no_tries_of_its_own(void **state)
{
        struct asker asker;

        spend_all_tries();
        core_force(&core, acme, &asker);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
        fake_http_fail(core.context.http, 0, HTTP_NOT_SENT, "no route");
        core_save(&core);
        assert_true(asker.answered);
        core_advance(&core, 100000);
        core_save(&core);
        assert_int_equal(started(), 7);
        assert_true(acme->replays_spent);
        assert_true(acme->outcome_unknown);
}

static void test_a_try_by_hand_during_an_ordered_pause_changes_nothing(void **state)
{
        struct asker asker;

        spend_all_tries();
        acme->retry_is_ordered = true;
        acme->retry_at_usec = core.clock.boot_usec + 100 * USEC_PER_SEC;
        core_force(&core, acme, &asker);
        assert_true(asker.answered);
        core_advance(&core, 1000);
        core_save(&core);
        assert_int_equal(started(), 6);
        core_force(&core, acme, &asker);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        assert_int_equal(state_of(acme), CREDENTIAL_ACTIVE);
}

static void test_restarts_in_an_outage_do_not_use_up_the_tries(void **state)
{
        core_advance(&core, 3000);
        for (int i = 0; i < 20; i++) {
                core_save(&core);
                core_answer(&core, 503, "down");
                core_save(&core);
                restart();
                assert_true(acme->outcome_unknown);
                core_run(&core);
        }
        assert_int_equal(acme->replays, 0);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(state_of(acme), CREDENTIAL_ACTIVE);
}

static void test_restarts_after_lost_answers_do_use_them_up(void **state)
{
        core_advance(&core, 3000);
        for (unsigned i = 1; i <= 5; i++) {
                lose_answer();
                assert_int_equal(acme->replays, i);
                restart();
                assert_int_equal(acme->replays, i);
                core_run(&core);
        }
        lose_answer();
        restart();
        assert_int_equal(acme->replays, 6);
        assert_true(acme->replays_spent);
}

/* ---- the disk ---- */

static void test_with_a_disk_that_refuses_the_refresh_leaves_when_the_token_ends(void **state)
{
        fake_store_set_flush_result(core.store, -ENOSPC);
        core_advance(&core, 2800);
        for (int i = 0; i < 800; i++) {
                core_advance(&core, 1);
                fake_store_complete_all(core.store, -ENOSPC);
        }
        core_advance(&core, 2);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_int_equal(in_flight(), 1);
        fake_http_answer(core.context.http, 0, 200, NULL, ANSWER_2);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_string_equal(core_access_token(acme), "access-2");
        assert_true(acme->unsaved);
}

static void test_nothing_of_a_cut_grant_is_left_on_its_way(void **state)
{
        core_advance(&core, 3000);
        core_save(&core);
        assert_true(is_on_disk("intent"));
        refresher_cut(core.refresher, acme, "The account has disconnected this app.");
        core_save(&core);
        assert_int_equal(in_flight(), 0);
        assert_false(is_on_disk("intent"));
        restart();
        assert_false(acme->outcome_unknown);
        assert_int_equal(acme->refusal, REFUSAL_CUT);
}

/* ---- those who ask ---- */

static void test_a_token_that_lives_is_not_withheld_until_it_has_ended(void **state)
{
        struct asker asker;

        core_advance(&core, 2700);
        core_save(&core);
        core_advance(&core, 880);
        assert_int_equal(in_flight(), 1);
        assert_int_equal(credential_remaining_usec(acme, core.clock.boot_usec) / USEC_PER_SEC, 19);
        core_ask(&core, acme, NULL, &asker);
        assert_false(asker.answered);
        core_advance(&core, 11);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        assert_true(asker.answer.short_lived);
}

static void test_a_demand_that_even_the_fresh_token_does_not_meet_is_answered_with_a_warning(void **state)
{
        struct token_demand demand = { .min_valid_given = true, .min_valid_sec = 7200 };
        struct asker asker;

        core_advance(&core, 3700);
        core_ask(&core, acme, &demand, &asker);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        assert_true(asker.answer.short_lived);
}

static void test_a_rejected_token_without_a_refresh_token_needs_a_login_at_once(void **state)
{
        struct credential *bare = core_give_grant(&core, "bare", NULL, "access-b", 3600);
        struct token_demand demand = { .rejected = "access-b" };
        struct asker asker;

        core_ask(&core, bare, &demand, &asker);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_AUTHORIZATION_REQUIRED);
        assert_non_null(strstr(asker.answer.reason, "rejected"));
        core_ask(&core, bare, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_AUTHORIZATION_REQUIRED);
}

static void test_places_go_to_those_who_came_first(void **state)
{
        struct asker askers[20];
        char name[32];

        for (int i = 0; i < 20; i++) {
                snprintf(name, sizeof(name), "c%02d", i);
                core_give_grant(&core, name, name, "access", 100000);
        }
        for (int i = 0; i < 20; i++) {
                snprintf(name, sizeof(name), "c%02d", i);
                core_force(&core, vault_find(core.context.vault, name), &askers[i]);
        }
        core_save(&core);
        for (int i = 0; i < 20; i++) {
                snprintf(name, sizeof(name), "refresh_token=c%02d", i);
                core_save(&core);
                assert_true(fake_http_body_has(fake_http_request(core.context.http, 0), name));
                core_answer(&core, 200, "{\"access_token\":\"fresh\",\"expires_in\":100000}");
        }
        core_save(&core);
        for (int i = 0; i < 20; i++)
                assert_int_equal(askers[i].answer.verdict, TOKEN_READY);
}

static void test_those_who_are_waited_for_go_before_those_whom_nobody_waits_for(void **state)
{
        struct asker asker;
        char name[16];

        for (int i = 0; i < 20; i++) {
                snprintf(name, sizeof(name), "c%02d", i);
                core_give_grant(&core, name, name, "access", 100);
        }
        core_advance(&core, 200);
        core_save(&core);
        assert_int_equal(in_flight(), 8);
        core_ask(&core, acme, &(struct token_demand){ .rejected = "access-1" }, &asker);
        core_answer(&core, 200, "{\"access_token\":\"fresh\",\"expires_in\":100000}");
        core_save(&core);
        assert_true(fake_http_body_has(fake_http_request(core.context.http, 7), "refresh_token=refresh-1"));
        asker_done(&asker);
}

/* One who does not behave: it asks again, lets others go, or ends the credential, when it is told. */
struct wild {
        struct waiter *waiter;
        struct wild *other;
        int told;
        bool ask_again, forget;
        struct token_answer answer;
};

static void on_wild(const struct token_answer *answer, void *userdata)
{
        static const struct token_demand none;
        struct wild *wild = userdata;
        struct revoke_call *call;

        wild->told++;
        wild->waiter = waiter_free(wild->waiter);
        if (wild->other) {
                wild->other->waiter = waiter_free(wild->other->waiter);
                wild->other = NULL;
        }
        if (wild->ask_again) {
                wild->ask_again = false;
                if (refresher_ask(core.refresher, acme, &none, on_wild, wild, &wild->answer, &wild->waiter) ==
                    0)
                        wild->told++;
        }
        if (wild->forget) {
                assert_int_equal(login_revoke(core.logins, acme, true, on_revoked, NULL, &call), 0);
                revoke_call_free(call);
        }
}

static void ask_wildly(struct wild *wild)
{
        static const struct token_demand none;

        assert_int_equal(
                refresher_ask(core.refresher, acme, &none, on_wild, wild, &wild->answer, &wild->waiter),
                REFRESH_E_WAITING);
}

static void test_callers_may_let_others_go_ask_again_and_end_it_all_when_they_are_told(void **state)
{
        struct wild wilds[4] = { 0 };

        core_advance(&core, 3700);
        for (int i = 0; i < 4; i++)
                ask_wildly(&wilds[i]);
        /* Which of them is told first is not said. */
        wilds[0].other = &wilds[1];
        wilds[1].other = &wilds[0];
        wilds[2].ask_again = true;
        wilds[3].forget = true;
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(wilds[0].told + wilds[1].told, 1);
        assert_int_equal(wilds[2].told, 2);
        assert_int_equal(wilds[3].told, 1);
        core_save(&core);
        assert_null(vault_find(core.context.vault, "acme"));
}

static void test_a_caller_that_asks_again_after_each_failure_is_told_each_time_and_no_more(void **state)
{
        struct wild wild = { .ask_again = true };

        core_advance(&core, 3700);
        ask_wildly(&wild);
        core_answer(&core, 400, INVALID_GRANT);
        assert_int_equal(wild.told, 2);
        assert_null(wild.waiter);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_token_that_had_ended_before_it_came_is_not_asked_for_again_at_once),
                TEST(test_a_refused_client_is_told_whatever_failed_before),
                TEST(test_a_client_that_a_reload_takes_away_on_the_wire_loses_no_grant),
                TEST(test_spent_tries_are_told_in_words_that_hold),
                TEST(test_a_try_by_hand_that_does_not_leave_begins_no_tries_of_its_own),
                TEST(test_a_try_by_hand_during_an_ordered_pause_changes_nothing),
                TEST(test_restarts_in_an_outage_do_not_use_up_the_tries),
                TEST(test_restarts_after_lost_answers_do_use_them_up),
                TEST(test_with_a_disk_that_refuses_the_refresh_leaves_when_the_token_ends),
                TEST(test_nothing_of_a_cut_grant_is_left_on_its_way),
                TEST(test_a_token_that_lives_is_not_withheld_until_it_has_ended),
                TEST(test_a_demand_that_even_the_fresh_token_does_not_meet_is_answered_with_a_warning),
                TEST(test_a_rejected_token_without_a_refresh_token_needs_a_login_at_once),
                TEST(test_places_go_to_those_who_came_first),
                TEST(test_those_who_are_waited_for_go_before_those_whom_nobody_waits_for),
                TEST(test_callers_may_let_others_go_ask_again_and_end_it_all_when_they_are_told),
                TEST(test_a_caller_that_asks_again_after_each_failure_is_told_each_time_and_no_more),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
