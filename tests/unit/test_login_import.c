// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Refresh tokens that are brought instead of a login. */
#include "tests/beds/login_bed.h"

#include <string.h>

static struct outcome import_token(struct login_call **ret_call, struct outcome *later)
{
        _cleanup_(secret_freep) struct secret *token = NULL;

        *later = (struct outcome){ 0 };
        assert_int_equal(secret_new_string(&token, "imported"), 0);
        assert_int_equal(
                login_import(core.logins, "acme", NULL, NULL, token, false, on_login, later, ret_call), 0);
        core_run(&core);
        return *later;
}

static void test_an_imported_token_is_saved_and_refreshed_at_once(void **state)
{
        struct login_call *call;
        struct outcome outcome;
        size_t n;

        (void)state;
        import_token(&call, &outcome);
        core_save(&core);
        assert_non_null(fake_disk_find(core.disk, "pending-grant", "acme", &n));
        core_save(&core);
        assert_true(fake_http_body_has(fake_http_request(core.context.http, 0), "refresh_token=imported"));
        core_answer(&core, 200, TOKENS);
        core_save(&core);
        core_run(&core);
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_int_equal(outcome.verdict, LOGIN_ACTIVE);
        assert_string_equal(core_access_token(find("acme")), "access-new");
        login_call_free(call);
}

static void test_a_dead_imported_token_is_told_at_once(void **state)
{
        struct login_call *call;
        struct outcome outcome;

        (void)state;
        import_token(&call, &outcome);
        core_save(&core);
        core_answer(&core, 400, INVALID_GRANT);
        assert_int_equal(outcome.verdict, LOGIN_GRANT_REFUSED);
        core_save(&core);
        assert_null(find("acme"));
        login_call_free(call);
}

static void test_an_import_whose_answer_is_lost_in_a_crash_is_tried_again(void **state)
{
        struct login_call *call;
        struct outcome outcome;

        (void)state;
        import_token(&call, &outcome);
        core_save(&core);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
        login_call_free(call);
        core_crash(&core);
        core_start(&core);
        assert_true(find("acme")->pending->outcome_unknown);
        core_run(&core);
        core_save(&core);
        assert_true(fake_http_body_has(fake_http_request(core.context.http, 0), "refresh_token=imported"));
}

static void test_an_import_that_a_crash_spent_stays_and_says_so(void **state)
{
        struct login_call *call;
        struct outcome outcome;

        (void)state;
        import_token(&call, &outcome);
        core_save(&core);
        core_save(&core);
        login_call_free(call);
        core_crash(&core);
        core_start(&core);
        core_run(&core);
        core_save(&core);
        core_answer(&core, 400, INVALID_GRANT);
        core_save(&core);
        core_save(&core);

        /* Twice: it is as durable as the grant was. */
        for (int i = 0; i < 2; i++) {
                const struct credential *credential = find("acme");
                assert_non_null(credential);
                assert_null(credential->pending);
                assert_int_equal(credential_state(credential, core.clock.boot_usec),
                                 CREDENTIAL_AUTHORIZATION_REQUIRED);
                assert_non_null(strstr(credential->refusal_reason, "was lost"));
                core_crash(&core);
                core_start(&core);
        }
}

static void test_a_client_must_be_named_or_be_the_only_one(void **state)
{
        struct outcome outcome = { 0 };
        struct login_call *call;

        (void)state;
        login_begin(core.logins, "acme", "nobody", NULL, NULL, on_login, &outcome, &call);
        assert_int_equal(outcome.verdict, LOGIN_NO_SUCH_CLIENT);
        assert_string_equal(outcome.name, "nobody");
        outcome.answered = false;
        login_begin(core.logins, "../etc", NULL, NULL, NULL, on_login, &outcome, &call);
        assert_int_equal(outcome.verdict, LOGIN_INVALID);
        outcome.answered = false;
        core_reload(&core, "  other: {provider: idp, client_id: x, client_secret: {store: true}}\n");
        login_begin(core.logins, "acme", NULL, NULL, NULL, on_login, &outcome, &call);
        assert_int_equal(outcome.verdict, LOGIN_CLIENT_REQUIRED);
        outcome.answered = false;
        login_begin(core.logins, "acme", "other", NULL, NULL, on_login, &outcome, &call);
        assert_int_equal(outcome.verdict, LOGIN_INVALID);
        assert_string_equal(outcome.name, "redirect_uri");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_an_imported_token_is_saved_and_refreshed_at_once),
                TEST(test_a_dead_imported_token_is_told_at_once),
                TEST(test_an_import_whose_answer_is_lost_in_a_crash_is_tried_again),
                TEST(test_an_import_that_a_crash_spent_stays_and_says_so),
                TEST(test_a_client_must_be_named_or_be_the_only_one),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
