// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Logins that a logout or a reload comes in between. */
#include "tests/beds/login_trouble_bed.h"

#include <string.h>

/* ---- logouts and reloads ---- */

static void on_revoked(const struct revoke_answer *answer, void *userdata)
{
}

static void log_out(void)
{
        struct revoke_call *call;

        assert_int_equal(login_revoke(core.logins, acme, true, on_revoked, NULL, &call), 0);
        revoke_call_free(call);
        core_run(&core);
}

static void test_a_login_is_told_when_a_logout_ends_it_while_it_is_tested(void **state)
{
        struct outcome outcome;

        begin_login(&outcome, "app", false);
        core_answer(&core, 200, TOKENS("new"));
        core_save(&core);
        assert_string_equal(request()->url, "https://api.test/graphql");
        log_out();
        core_save(&core);
        assert_true(outcome.answered);
        assert_int_equal(outcome.verdict, LOGIN_UNAVAILABLE);
        assert_non_null(strstr(outcome.reason, "forgotten"));
        assert_null(vault_find(core.context.vault, "acme"));
        assert_int_equal(in_flight(), 0);
        assert_false(is_on_disk("pending-grant"));
}

static void test_a_login_is_told_when_a_logout_ends_it_while_its_token_is_refreshed(void **state)
{
        struct outcome outcome;

        begin_import(&outcome, "acme", "imported");
        core_save(&core);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
        log_out();
        /* What the refresh brings is what is revoked, where there is a way to. */
        core_answer(&core, 200, TOKENS("new"));
        save_all();
        assert_true(outcome.answered);
        assert_int_equal(outcome.verdict, LOGIN_UNAVAILABLE);
        assert_null(vault_find(core.context.vault, "acme"));
}

static void test_a_promotion_outlives_a_logout_that_began_before_it(void **state)
{
        struct outcome outcome;

        log_out();
        assert_true(fake_store_is_queued(core.store, "grant", "acme"));
        begin_login(&outcome, "app", false);
        fake_http_answer(core.context.http, 0, 200, NULL, TOKENS("new"));
        core_save(&core);
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_int_equal(outcome.verdict, LOGIN_ACTIVE);
        acme = vault_find(core.context.vault, "acme");
        assert_string_equal(core_refresh_token(acme), "refresh-new");
        restart();
        assert_string_equal(core_refresh_token(acme), "refresh-new");
}

static void test_a_logout_after_a_promotion_that_is_being_saved_ends_the_new_grant(void **state)
{
        struct outcome outcome;

        bring_to_promotion(&outcome);
        log_out();
        core_save(&core);
        core_save(&core);
        assert_true(outcome.answered);
        assert_null(vault_find(core.context.vault, "acme"));
        assert_false(is_on_disk("grant") || is_on_disk("facts"));
}

static void test_a_reload_that_takes_the_client_away_keeps_the_grant_waiting(void **state)
{
        struct outcome outcome;

        begin_login(&outcome, "nameless", true);
        core_answer(&core, 200, TOKENS("new"));
        core_save(&core);
        core_reload(&core, "refresh: {test: off}\n");
        core_answer(&core, 200, "{\"data\":{\"x\":1}}");
        core_save(&core);
        assert_int_equal(outcome.verdict, LOGIN_PENDING);
        assert_string_equal(core_refresh_token(acme->pending), "refresh-new");
        core_reload_with_provider(&core, provider, clients);
        core_advance(&core, 60);
        core_answer(&core, 200, "{\"data\":{\"x\":1}}");
        core_save(&core);
        assert_string_equal(core_refresh_token(acme), "refresh-new");
}

static void test_a_reload_that_moves_the_endpoint_sends_a_waiting_import_to_the_new_one(void **state)
{
        struct outcome outcome;

        begin_import(&outcome, "beta", "imported");
        fake_store_complete_all(core.store, 0);
        assert_true(fake_store_is_queued(core.store, "pending-intent", "beta"));
        core.token_endpoint = "https://new.test/token";
        core_reload_with_provider(&core, provider, clients);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
        assert_string_equal(request()->url, "https://new.test/token");
        core_answer(&core, 200, TOKENS("beta"));
        core_save(&core);
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_int_equal(outcome.verdict, LOGIN_ACTIVE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_login_is_told_when_a_logout_ends_it_while_it_is_tested),
                TEST(test_a_login_is_told_when_a_logout_ends_it_while_its_token_is_refreshed),
                TEST(test_a_promotion_outlives_a_logout_that_began_before_it),
                TEST(test_a_logout_after_a_promotion_that_is_being_saved_ends_the_new_grant),
                TEST(test_a_reload_that_takes_the_client_away_keeps_the_grant_waiting),
                TEST(test_a_reload_that_moves_the_endpoint_sends_a_waiting_import_to_the_new_one),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
