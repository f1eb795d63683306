// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
#include "tests/beds/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENT                                                                                               \
        "  own: {provider: idp, client_id: own, client_secret: {store: true}, scopes: [jobs], grant_type: "  \
        "client_credentials}\n"
#define TOKEN(n) "{\"access_token\":\"access-" n "\",\"token_type\":\"Bearer\",\"expires_in\":3600}"

static struct core core;
static struct credential *nightly;

static void set_secret(const char *client)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;

        assert_int_equal(secret_new_string(&secret, "the-secret"), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, client, secret, NULL, NULL, &write), 0);
        core_save(&core);
}

static int setup(void **state)
{
        (void)state;
        core_setup(&core, CLIENT);
        set_secret("own");
        core_reload(&core, CLIENT "credentials: {nightly: {client: own}}\n");
        nightly = vault_find(core.context.vault, "nightly");
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        core_teardown(&core);
        return 0;
}

static struct http *network(void)
{
        return core.context.http;
}

static enum credential_state state_now(void)
{
        return credential_state(nightly, core.clock.boot_usec);
}

static void ask_and_get(const char *answer)
{
        struct asker asker;

        core_ask(&core, nightly, NULL, &asker);
        assert_false(asker.answered);
        core_answer(&core, 200, answer);
        core_save(&core);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
}

static void test_a_configured_credential_gets_its_token_without_a_login(void **state)
{
        (void)state;
        assert_int_equal(state_now(), CREDENTIAL_UNAVAILABLE);
        ask_and_get(TOKEN("1"));
        assert_int_equal(state_now(), CREDENTIAL_ACTIVE);
        assert_string_equal(core_access_token(nightly), "access-1");
        assert_string_equal(nightly->client_name, "own");
}

static void test_the_request_is_sent_without_an_intent_and_holds_no_refresh_token(void **state)
{
        struct asker asker;

        (void)state;
        core_ask(&core, nightly, NULL, &asker);
        assert_int_equal(fake_store_n_queued(core.store), 0);
        assert_int_equal(fake_http_n_in_flight(network()), 1);
        assert_true(fake_http_body_has(fake_http_request(network(), 0), "grant_type=client_credentials"));
        assert_true(fake_http_body_has(fake_http_request(network(), 0), "scope=jobs"));
        assert_null(strstr(fake_http_expose_body(fake_http_request(network(), 0)), "refresh_token"));
        asker_done(&asker);
}

static void test_the_token_is_replaced_before_its_end_though_nobody_asks(void **state)
{
        (void)state;
        ask_and_get(TOKEN("1"));
        core_advance(&core, 3000);
        core_answer(&core, 200, TOKEN("2"));
        core_save(&core);
        assert_string_equal(core_access_token(nightly), "access-2");
        assert_int_equal(nightly->grant.generation, 2);
}

static void test_a_refresh_token_in_the_answer_is_left_alone(void **state)
{
        (void)state;
        ask_and_get("{\"access_token\":\"access-1\",\"refresh_token\":\"r\",\"expires_in\":3600}");
        assert_null(nightly->grant.refresh_token);
}

static void test_a_token_survives_a_restart_and_is_asked_for_again_by_itself(void **state)
{
        (void)state;
        ask_and_get(TOKEN("1"));
        core_crash(&core);
        core_start(&core);
        nightly = vault_find(core.context.vault, "nightly");
        assert_int_equal(state_now(), CREDENTIAL_ACTIVE);
        assert_string_equal(core_access_token(nightly), "access-1");
        core_advance(&core, 3601);
        core_answer(&core, 200, TOKEN("2"));
        core_save(&core);
        assert_string_equal(core_access_token(nightly), "access-2");
}

static void test_a_refusal_is_the_clients_and_never_asks_for_a_login(void **state)
{
        struct diag message, next_step;
        struct asker asker;

        (void)state;
        core_ask(&core, nightly, NULL, &asker);
        core_answer(&core, 400, "{\"error\":\"invalid_grant\"}");
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);
        assert_int_equal(state_now(), CREDENTIAL_UNAVAILABLE);
        assert_true(nightly->client_refused);
        assert_null(strstr(asker.answer.reason, "log in"));
        credential_explain(nightly, core.clock.boot_usec, &message, &next_step);
        assert_null(strstr(next_step.text, "login"));
        core_advance(&core, 3600);
        core_answer(&core, 200, TOKEN("1"));
        core_save(&core);
        assert_int_equal(state_now(), CREDENTIAL_ACTIVE);
}

static void test_a_lost_answer_leaves_nothing_unknown_and_is_simply_asked_again(void **state)
{
        struct asker asker;

        (void)state;
        for (int i = 0; i < 12; i++) {
                core_ask(&core, nightly, NULL, &asker);
                core_run(&core);
                if (fake_http_n_in_flight(network()))
                        fake_http_fail(network(), 0, HTTP_OUTCOME_UNKNOWN, "the connection broke");
                core_advance(&core, 400);
                asker_done(&asker);
                assert_false(nightly->outcome_unknown || nightly->replays_spent);
        }
        core_answer(&core, 200, TOKEN("1"));
        core_save(&core);
        assert_int_equal(state_now(), CREDENTIAL_ACTIVE);
}

static void test_an_app_that_the_account_disconnected_is_asked_for_again(void **state)
{
        (void)state;
        ask_and_get(TOKEN("1"));
        refresher_cut(core.refresher, nightly, "The account has disconnected the app.");
        assert_int_equal(nightly->refusal, REFUSAL_NONE);
        core_answer(&core, 200, TOKEN("2"));
        core_save(&core);
        assert_string_equal(core_access_token(nightly), "access-2");
}

struct told {
        enum login_verdict verdict;
        char reason[256];
};

static void on_told(const struct login_answer *answer, void *userdata)
{
        struct told *told = userdata;

        told->verdict = answer->verdict;
        snprintf(told->reason, sizeof(told->reason), "%s", answer->reason);
}

static void test_there_is_no_login_and_no_import_for_it(void **state)
{
        _cleanup_(secret_freep) struct secret *token = NULL;
        struct told told = { 0 };
        struct login_call *call;

        (void)state;
        assert_int_equal(
                login_begin(core.logins, "nightly", NULL, NULL, "https://x.test/cb", on_told, &told, &call),
                0);
        assert_int_equal(told.verdict, LOGIN_INVALID);
        assert_non_null(strstr(told.reason, "client_credentials"));
        assert_int_equal(secret_new_string(&token, "refresh-1"), 0);
        told = (struct told){ 0 };
        assert_int_equal(login_import(core.logins, "other", "own", NULL, token, false, on_told, &told, &call),
                         0);
        assert_int_equal(told.verdict, LOGIN_INVALID);
}

static void on_revoked(const struct revoke_answer *answer, void *userdata)
{
        (void)userdata;
        assert_int_equal(answer->verdict, REVOKE_FORGOTTEN);
}

static void test_a_logout_forgets_its_token_and_the_next_question_gets_a_new_one(void **state)
{
        struct revoke_call *call;

        (void)state;
        ask_and_get(TOKEN("1"));
        assert_int_equal(login_revoke(core.logins, nightly, true, on_revoked, NULL, &call), 0);
        core_run(&core);
        core_save(&core);
        revoke_call_free(call);
        nightly = vault_find(core.context.vault, "nightly");
        assert_non_null(nightly);
        assert_string_equal(core_access_token(nightly), "");
        ask_and_get(TOKEN("2"));
        assert_string_equal(core_access_token(nightly), "access-2");
}

static void test_another_client_takes_over_when_the_configuration_says_so(void **state)
{
        (void)state;
        ask_and_get(TOKEN("1"));
        core_reload(&core,
                    CLIENT "  new: {provider: idp, client_id: new, client_secret: {store: true}, grant_type: "
                           "client_credentials}\n"
                           "credentials: {nightly: {client: new}}\n");
        set_secret("new");
        assert_string_equal(core_access_token(nightly), "");
        core_advance(&core, 3600);
        assert_true(fake_http_body_has(fake_http_request(network(), 0), "grant_type=client_credentials"));
        core_answer(&core, 200, TOKEN("2"));
        core_save(&core);
        assert_string_equal(nightly->client_name, "new");
        assert_string_equal(core_access_token(nightly), "access-2");
}

static void test_a_refresh_token_of_a_former_client_is_not_thrown_away(void **state)
{
        struct credential *acme;

        (void)state;
        core_reload(&core, CLIENT "credentials: {nightly: {client: own}, acme: {client: app}}\n");
        acme = core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        core_reload(&core, CLIENT "credentials: {nightly: {client: own}, acme: {client: own}}\n");
        assert_string_equal(core_refresh_token(acme), "refresh-1");
        assert_true(credential_is_elsewhere(acme));
        core_reload(&core, CLIENT "credentials: {nightly: {client: own}, acme: {client: app}}\n");
        assert_int_equal(credential_state(acme, core.clock.boot_usec), CREDENTIAL_ACTIVE);
}

static void test_a_client_that_is_turned_into_one_for_people_needs_a_login(void **state)
{
        (void)state;
        assert_int_equal(nightly->refusal, REFUSAL_NONE);
        core_reload(&core, "credentials: {nightly: {client: app}}\n");
        assert_int_equal(state_now(), CREDENTIAL_AUTHORIZATION_REQUIRED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_configured_credential_gets_its_token_without_a_login),
                TEST(test_the_request_is_sent_without_an_intent_and_holds_no_refresh_token),
                TEST(test_the_token_is_replaced_before_its_end_though_nobody_asks),
                TEST(test_a_refresh_token_in_the_answer_is_left_alone),
                TEST(test_a_token_survives_a_restart_and_is_asked_for_again_by_itself),
                TEST(test_a_refusal_is_the_clients_and_never_asks_for_a_login),
                TEST(test_a_lost_answer_leaves_nothing_unknown_and_is_simply_asked_again),
                TEST(test_an_app_that_the_account_disconnected_is_asked_for_again),
                TEST(test_there_is_no_login_and_no_import_for_it),
                TEST(test_a_logout_forgets_its_token_and_the_next_question_gets_a_new_one),
                TEST(test_another_client_takes_over_when_the_configuration_says_so),
                TEST(test_a_refresh_token_of_a_former_client_is_not_thrown_away),
                TEST(test_a_client_that_is_turned_into_one_for_people_needs_a_login),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
