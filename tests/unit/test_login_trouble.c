// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Logins that meet refreshes, tests, bad disks and each other. */
#include "tests/beds/login_trouble_bed.h"

#include <errno.h>
#include <string.h>

static size_t started(void)
{
        return fake_http_n_started(core.context.http);
}

static enum credential_state state_of(const struct credential *credential)
{
        return credential_state(credential, core.clock.boot_usec);
}

/* ---- the refresh of the old grant ---- */

static void test_a_refresh_of_the_old_grant_on_the_wire_is_let_go_by_a_promotion(void **state)
{
        struct outcome outcome;

        core_advance(&core, 3000);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
        bring_to_promotion(&outcome);
        assert_int_equal(in_flight(), 0);
        core_save(&core);
        assert_int_equal(outcome.verdict, LOGIN_ACTIVE);
        assert_string_equal(core_refresh_token(acme), "refresh-new");
        assert_false(acme->outcome_unknown);
        assert_false(is_on_disk("intent"));
        restart();
        assert_string_equal(core_refresh_token(acme), "refresh-new");
        assert_int_equal(state_of(acme), CREDENTIAL_ACTIVE);
}

static void test_a_refresh_of_the_old_grant_that_is_being_saved_does_not_come_back(void **state)
{
        struct outcome outcome;

        core_advance(&core, 3000);
        core_save(&core);
        begin_login(&outcome, "app", false);
        fake_http_answer(core.context.http, 1, 200, NULL, TOKENS("new"));
        core_save(&core);
        assert_int_equal(in_flight(), 2);
        fake_http_answer(core.context.http, 0, 200, NULL, TOKENS("old"));
        fake_http_answer(core.context.http, 0, 200, NULL, ACCOUNT_ONE);
        core_run(&core);
        core_save(&core);
        core_save(&core);
        assert_int_equal(outcome.verdict, LOGIN_ACTIVE);
        assert_string_equal(core_refresh_token(acme), "refresh-new");
        assert_true(acme->grant.generation >= 3);
        restart();
        assert_string_equal(core_refresh_token(acme), "refresh-new");
}

static void test_no_refresh_of_the_old_grant_is_begun_while_the_new_one_is_being_saved(void **state)
{
        struct outcome outcome;
        struct asker asker;

        core_advance(&core, 2000);
        bring_to_promotion(&outcome);
        core_advance(&core, 1700);
        core_ask(&core, acme, NULL, &asker);
        core_reload_with_provider(&core, provider, clients);
        assert_false(asker.answered);
        assert_int_equal(fake_store_n_queued(core.store), 1);
        core_save(&core);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        assert_string_equal(core_access_token(acme), "access-new");
        assert_int_equal(started(), 2);
}

static void test_a_new_grant_is_refreshed_by_itself_whatever_the_old_one_went_through(void **state)
{
        struct outcome outcome;

        acme->outcome_unknown = acme->replays_spent = true;
        acme->replays = 6;
        acme->failures = 9;
        acme->client_refused = acme->retry_is_ordered = true;
        acme->retry_at_usec = core.clock.boot_usec + 3600 * USEC_PER_SEC;
        bring_to_promotion(&outcome);
        core_save(&core);
        assert_int_equal(state_of(acme), CREDENTIAL_ACTIVE);
        core_advance(&core, 3000);
        core_save(&core);
        assert_true(fake_http_body_has(request(), "refresh_token=refresh-new"));
}

/* ---- another login ---- */

static void test_a_login_that_comes_while_another_is_put_in_place_has_its_own_turn(void **state)
{
        struct outcome one, two;

        bring_to_promotion(&one);
        begin_login(&two, "app", false);
        fake_http_answer(core.context.http, 0, 200, NULL, TOKENS("two"));
        core_run(&core);
        assert_false(one.answered);
        core_save(&core);
        assert_true(one.answered);
        assert_int_equal(one.verdict, LOGIN_ACTIVE);
        assert_string_equal(core_refresh_token(acme), "refresh-new");
        assert_string_equal(core_refresh_token(acme->pending), "refresh-two");
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_int_equal(two.verdict, LOGIN_ACTIVE);
        assert_string_equal(core_refresh_token(acme), "refresh-two");
        assert_int_equal(state_of(acme), CREDENTIAL_ACTIVE);
        assert_false(is_on_disk("pending-grant"));
        restart();
        assert_string_equal(core_refresh_token(acme), "refresh-two");
}

static void test_a_later_login_takes_the_place_of_one_that_waits_for_its_test(void **state)
{
        struct outcome one, two;

        begin_login(&one, "app", false);
        fake_http_answer(core.context.http, 0, 200, NULL, TOKENS("one"));
        core_save(&core);
        assert_string_equal(request()->url, "https://api.test/graphql");
        begin_login(&two, "app", false);
        fake_http_answer(core.context.http, 1, 200, NULL, TOKENS("two"));
        assert_true(one.answered);
        assert_int_equal(one.verdict, LOGIN_UNAVAILABLE);
        core_save(&core);
        assert_string_equal(fake_http_expose_header(request(), "Authorization"), "Bearer access-two");
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_int_equal(two.verdict, LOGIN_ACTIVE);
        assert_string_equal(core_refresh_token(acme), "refresh-two");
}

/* Two grants of logins on their way to the disk; the later one cannot even be begun. */
static void test_of_two_logins_at_once_the_later_grant_stays_even_when_its_write_fails(void **state)
{
        struct outcome one, two;

        begin_login(&one, "app", false);
        begin_login(&two, "app", false);
        fake_http_answer(core.context.http, 0, 200, NULL, TOKENS("one"));
        fake_store_fail_next_start(core.store, -ENOMEM);
        fake_http_answer(core.context.http, 0, 200, NULL, TOKENS("two"));
        core_run(&core);
        core_save(&core);
        assert_string_equal(core_refresh_token(acme->pending), "refresh-two");
        core_advance(&core, 61);
        core_save(&core);
        login_call_free(two.call);
        restart();
        assert_string_equal(core_refresh_token(acme->pending), "refresh-two");
}

/* ---- the test ---- */

static void on_tested(void *userdata)
{
        ++*(int *)userdata;
}

static void test_one_who_waits_for_a_test_of_the_old_grant_is_told_of_the_new_one(void **state)
{
        struct probe_wait *wait;
        struct outcome outcome;
        int told = 0;

        assert_int_equal(prober_run(core.prober, acme, on_tested, &told, &wait), 0);
        core_run(&core);
        assert_int_equal(in_flight(), 1);
        bring_to_promotion(&outcome);
        core_save(&core);
        assert_int_equal(outcome.verdict, LOGIN_ACTIVE);
        assert_int_equal(told, 0);
        assert_int_equal(in_flight(), 1);
        assert_string_equal(fake_http_expose_header(request(), "Authorization"), "Bearer access-new");
        core_answer(&core, 200, ACCOUNT_ONE);
        assert_int_equal(told, 1);
        probe_wait_free(wait);
}

static void test_a_test_that_does_not_tell_the_account_keeps_the_grant_waiting_and_says_so(void **state)
{
        struct outcome outcome;
        int n = 0;

        begin_login(&outcome, "nameless", false);
        core_answer(&core, 200, TOKENS("new"));
        core_save(&core);
        core_answer(&core, 200, "{\"data\":{\"x\":1}}");
        core_save(&core);
        assert_int_equal(outcome.verdict, LOGIN_PENDING);
        assert_non_null(strstr(outcome.reason, "--switch-account"));
        assert_string_equal(core_refresh_token(acme), "refresh-1");
        /* It is tested again, and less and less often. */
        for (int i = 0; i < 1000; i++) {
                core_advance(&core, 2);
                core_save(&core);
                if (in_flight() && strstr(request()->url, "graphql")) {
                        n++;
                        core_answer(&core, 200, "{\"data\":{\"x\":1}}");
                }
        }
        assert_in_range(n, 2, 25);

        begin_login(&outcome, "nameless", true);
        core_answer(&core, 200, TOKENS("switched"));
        core_save(&core);
        core_answer(&core, 200, "{\"data\":{\"x\":1}}");
        core_save(&core);
        assert_int_equal(outcome.verdict, LOGIN_ACTIVE);
        assert_string_equal(core_refresh_token(acme), "refresh-switched");
}

static void test_a_pending_grant_whose_fresh_tokens_are_rejected_is_no_storm(void **state)
{
        struct outcome outcome;
        size_t before;

        begin_login(&outcome, "app", false);
        core_answer(&core, 200, TOKENS("new"));
        before = started();
        for (int i = 0; i < 1800; i++) {
                core_save(&core);
                while (in_flight()) {
                        bool is_test = strstr(request()->url, "graphql");

                        core_answer(&core, is_test ? 401 : 200, is_test ? "" : TOKENS("fresh"));
                        core_save(&core);
                }
                core_advance(&core, 2);
        }
        assert_int_equal(outcome.verdict, LOGIN_PENDING);
        assert_true(started() - before < 100);
}

/* ---- grants that cannot be had ---- */

static void test_a_pending_grant_without_a_refresh_token_that_has_ended_is_refused(void **state)
{
        struct outcome outcome;

        begin_login(&outcome, "app", false);
        core_answer(&core, 200, "{\"access_token\":\"access-new\",\"expires_in\":3600}");
        core_save(&core);
        core_answer(&core, 503, "down");
        core_save(&core);
        assert_int_equal(outcome.verdict, LOGIN_PENDING);
        for (int i = 0; i < 20 && acme->pending; i++) {
                core_advance(&core, 400);
                core_save(&core);
                while (in_flight()) {
                        bool is_test = strstr(request()->url, "graphql");

                        core_answer(&core, is_test ? 503 : 200, is_test ? "down" : TOKENS("1"));
                        core_save(&core);
                }
        }
        assert_null(acme->pending);
        assert_false(is_on_disk("pending-grant"));
        assert_int_equal(state_of(acme), CREDENTIAL_ACTIVE);
}

static void test_a_pending_grant_wears_out_its_old_token_no_more_than_any_other(void **state)
{
        struct outcome outcome;
        struct login_call *call;

        begin_import(&outcome, "beta", "imported");
        save_all();
        assert_int_equal(in_flight(), 1);
        fake_http_fail(core.context.http, 0, HTTP_OUTCOME_UNKNOWN, "it broke off");
        core_save(&core);
        assert_int_equal(outcome.verdict, LOGIN_UNAVAILABLE);
        for (int i = 0; i < 300; i++) {
                core_advance(&core, 300);
                core_save(&core);
                while (in_flight()) {
                        if (fake_http_body_has(request(), "refresh_token=imported"))
                                fake_http_fail(core.context.http, 0, HTTP_OUTCOME_UNKNOWN, "it broke off");
                        else
                                core_answer(&core, 200, TOKENS("1"));
                        core_save(&core);
                }
        }
        acme = vault_find(core.context.vault, "beta");
        assert_int_equal(acme->pending->replays, 6);
        assert_true(acme->pending->replays_spent);

        /* A person may. */
        outcome = (struct outcome){ 0 };
        assert_int_equal(login_test_pending(core.logins, acme, on_login, &outcome, &call), 0);
        outcome.call = call;
        core_run(&core);
        core_save(&core);
        assert_true(fake_http_body_has(request(), "refresh_token=imported"));
        core_answer(&core, 200, TOKENS("beta"));
        core_save(&core);
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_int_equal(outcome.verdict, LOGIN_ACTIVE);
}

static void test_a_login_with_a_wrong_client_secret_is_told_and_goes_on_with_the_right_one(void **state)
{
        struct outcome outcome;

        begin_import(&outcome, "beta", "imported");
        save_all();
        core_answer(&core, 401, "{\"error\":\"invalid_client\"}");
        core_save(&core);
        assert_int_equal(outcome.verdict, LOGIN_CLIENT_REFUSED);
        refresher_client_changed(core.refresher, "app");
        core_advance(&core, 20);
        save_all();
        core_answer(&core, 200, TOKENS("beta"));
        core_save(&core);
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_int_equal(state_of(vault_find(core.context.vault, "beta")), CREDENTIAL_ACTIVE);
}

static void test_tokens_that_have_ended_when_they_come_are_refreshed_before_the_test(void **state)
{
        struct outcome outcome;

        begin_login(&outcome, "app", false);
        /* {"exp":1000000000} */
        core_answer(&core, 200,
                    "{\"access_token\":\"eyJhbGciOiJub25lIn0.eyJleHAiOjEwMDAwMDAwMDB9.x\","
                    "\"refresh_token\":\"refresh-new\"}");
        core_save(&core);
        core_save(&core);
        assert_true(fake_http_body_has(request(), "refresh_token=refresh-new"));
        core_answer(&core, 200, TOKENS("newer"));
        core_save(&core);
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_int_equal(outcome.verdict, LOGIN_ACTIVE);
        assert_string_equal(core_refresh_token(acme), "refresh-newer");
}

/* ---- the disk ---- */

static void test_a_promotion_that_the_disk_refuses_is_saved_later_and_leaves_nothing_pending(void **state)
{
        struct outcome outcome;

        bring_to_promotion(&outcome);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_int_equal(outcome.verdict, LOGIN_NOT_SAVED);
        assert_string_equal(core_refresh_token(acme), "refresh-new");
        assert_true(acme->unsaved);
        assert_true(is_on_disk("pending-grant"));
        core_advance(&core, 61);
        core_save(&core);
        assert_false(acme->unsaved);
        assert_false(is_on_disk("pending-grant") || is_on_disk("pending-facts") ||
                     is_on_disk("pending-intent"));
        restart();
        assert_string_equal(core_refresh_token(acme), "refresh-new");
        assert_null(acme->pending);
}

static void test_a_promotion_that_cannot_be_begun_is_in_force_all_the_same(void **state)
{
        struct outcome outcome;

        begin_login(&outcome, "app", false);
        core_answer(&core, 200, TOKENS("new"));
        core_save(&core);
        fake_http_answer(core.context.http, 0, 200, NULL, ACCOUNT_ONE);
        fake_store_complete_all(core.store, 0);
        assert_int_equal(outcome.verdict, LOGIN_ACTIVE);

        begin_login(&outcome, "app", false);
        core_answer(&core, 200, TOKENS("newer"));
        core_save(&core);
        /* Of the two writes that follow the test it is the second one that fails. */
        acme->pending->unreadable = true;
        fake_store_fail_next_start(core.store, -ENOMEM);
        fake_http_answer(core.context.http, 0, 200, NULL, ACCOUNT_ONE);
        core_run(&core);
        assert_int_equal(outcome.verdict, LOGIN_NOT_SAVED);
        assert_string_equal(core_refresh_token(acme), "refresh-newer");
        assert_true(acme->unsaved);
        assert_null(acme->pending);
        core_advance(&core, 61);
        core_save(&core);
        restart();
        assert_string_equal(core_refresh_token(acme), "refresh-newer");
}

static void test_a_login_is_pending_until_its_grant_is_saved_as_the_credentials_own(void **state)
{
        struct outcome outcome;

        bring_to_promotion(&outcome);
        assert_true(credential_has_pending(acme));
        fake_store_complete_all(core.store, 0);
        assert_false(credential_has_pending(acme));

        begin_import(&outcome, "beta", "imported");
        save_all();
        core_answer(&core, 200, TOKENS("beta"));
        core_save(&core);
        fake_http_answer(core.context.http, 0, 200, NULL, ACCOUNT_ONE);
        core_run(&core);
        fake_store_complete(core.store, 0);
        beta = vault_find(core.context.vault, "beta");
        assert_null(beta->pending);
        /* Nobody is sent to log in again meanwhile. */
        assert_int_equal(state_of(beta), CREDENTIAL_PENDING);
        fake_store_complete_all(core.store, 0);
        assert_int_equal(state_of(beta), CREDENTIAL_ACTIVE);
        assert_false(credential_has_pending(beta));
}

static void test_a_first_login_that_the_disk_refuses_is_never_facts_alone(void **state)
{
        struct outcome outcome;

        begin_import(&outcome, "beta", "imported");
        save_all();
        core_answer(&core, 200, TOKENS("beta"));
        core_save(&core);
        fake_http_answer(core.context.http, 0, 200, NULL, ACCOUNT_ONE);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_int_equal(outcome.verdict, LOGIN_NOT_SAVED);
        beta = vault_find(core.context.vault, "beta");
        vault_save_facts(core.context.vault, beta);
        fake_store_complete_all(core.store, 0);
        assert_null(fake_disk_find(core.disk, "facts", "beta", NULL));
        core_crash(&core);
        core_start(&core);
        beta = vault_find(core.context.vault, "beta");
        assert_false(beta->unreadable);
        assert_int_equal(state_of(beta), CREDENTIAL_PENDING);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_refresh_of_the_old_grant_on_the_wire_is_let_go_by_a_promotion),
                TEST(test_a_refresh_of_the_old_grant_that_is_being_saved_does_not_come_back),
                TEST(test_no_refresh_of_the_old_grant_is_begun_while_the_new_one_is_being_saved),
                TEST(test_a_new_grant_is_refreshed_by_itself_whatever_the_old_one_went_through),
                TEST(test_a_login_that_comes_while_another_is_put_in_place_has_its_own_turn),
                TEST(test_a_later_login_takes_the_place_of_one_that_waits_for_its_test),
                TEST(test_of_two_logins_at_once_the_later_grant_stays_even_when_its_write_fails),
                TEST(test_one_who_waits_for_a_test_of_the_old_grant_is_told_of_the_new_one),
                TEST(test_a_test_that_does_not_tell_the_account_keeps_the_grant_waiting_and_says_so),
                TEST(test_a_pending_grant_whose_fresh_tokens_are_rejected_is_no_storm),
                TEST(test_a_pending_grant_without_a_refresh_token_that_has_ended_is_refused),
                TEST(test_a_pending_grant_wears_out_its_old_token_no_more_than_any_other),
                TEST(test_a_login_with_a_wrong_client_secret_is_told_and_goes_on_with_the_right_one),
                TEST(test_tokens_that_have_ended_when_they_come_are_refreshed_before_the_test),
                TEST(test_a_promotion_that_the_disk_refuses_is_saved_later_and_leaves_nothing_pending),
                TEST(test_a_promotion_that_cannot_be_begun_is_in_force_all_the_same),
                TEST(test_a_login_is_pending_until_its_grant_is_saved_as_the_credentials_own),
                TEST(test_a_first_login_that_the_disk_refuses_is_never_facts_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
