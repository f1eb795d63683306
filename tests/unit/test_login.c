// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
#include "tests/beds/login_bed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT_TWO "{\"data\":{\"account\":{\"id\":\"two\",\"name\":\"Two Ltd\"}}}"

static struct outcome begin(const char *credential)
{
        struct outcome outcome = { 0 };
        struct login_call *call;

        assert_int_equal(
                login_begin(core.logins, credential, NULL, "as described", NULL, on_login, &outcome, &call),
                0);
        core_run(&core);
        assert_true(outcome.answered);
        login_call_free(call);
        return outcome;
}

static void state_of(const char *url, char *ret, size_t size)
{
        const char *at = strstr(url, "state=");

        assert_non_null(at);
        snprintf(ret, size, "%.43s", at + strlen("state="));
}

/* Begins a login and brings its redirect back; what is answered lands in *ret later on. */
static struct login_call *complete(const char *credential, bool switch_account, struct outcome *ret)
{
        struct outcome begun = begin(credential);
        struct login_call *call;
        char state[64], redirect[256];

        assert_int_equal(begun.verdict, LOGIN_ACTIVE);
        state_of(begun.url, state, sizeof(state));
        snprintf(redirect, sizeof(redirect), "http://127.0.0.1:8723/callback?code=the-code&state=%s", state);
        *ret = (struct outcome){ 0 };
        assert_int_equal(
                login_complete(core.logins, begun.login, redirect, switch_account, on_login, ret, &call), 0);
        core_run(&core);
        return call;
}

/* The same with everything answered in between: tokens, then this test answer. */
static struct outcome log_in(const char *credential, bool switch_account, const char *account)
{
        struct outcome outcome;
        struct login_call *call = complete(credential, switch_account, &outcome);

        core_answer(&core, 200, TOKENS);
        core_save(&core);
        core_run(&core);
        core_answer(&core, 200, account);
        core_save(&core);
        assert_true(outcome.answered);
        login_call_free(call);
        return outcome;
}

static void test_a_login_asks_with_pkce_and_state(void **state)
{
        struct outcome outcome = begin("acme");

        (void)state;
        assert_int_equal(strncmp(outcome.url, "https://idp.test/authorize?", 27), 0);
        assert_non_null(strstr(outcome.url, "response_type=code"));
        assert_non_null(strstr(outcome.url, "client_id=the-client"));
        assert_non_null(strstr(outcome.url, "redirect_uri=http%3A%2F%2F127.0.0.1%3A8723%2Fcallback"));
        assert_non_null(strstr(outcome.url, "code_challenge_method=S256"));
        assert_non_null(strstr(outcome.url, "state="));
}

static void test_a_login_is_saved_then_tested_then_told(void **state)
{
        struct outcome outcome;
        struct login_call *call = complete("acme", false, &outcome);
        size_t n;

        (void)state;
        assert_true(fake_http_body_has(fake_http_request(core.context.http, 0), "code=the-code"));
        core_answer(&core, 200, TOKENS);
        assert_true(fake_store_is_queued(core.store, "pending-grant", "acme"));
        assert_int_equal(in_flight(), 0);
        core_save(&core);
        assert_non_null(fake_disk_find(core.disk, "pending-grant", "acme", &n));
        core_run(&core);
        assert_string_equal(fake_http_request(core.context.http, 0)->url, "https://api.test/graphql");
        assert_false(outcome.answered);
        core_answer(&core, 200, ACCOUNT_ONE);
        assert_false(outcome.answered);
        core_save(&core);
        assert_true(outcome.answered);
        assert_int_equal(outcome.verdict, LOGIN_ACTIVE);
        assert_string_equal(find("acme")->account_id, "one");
        assert_string_equal(find("acme")->description, "as described");
        assert_null(fake_disk_find(core.disk, "pending-grant", "acme", &n));
        assert_non_null(fake_disk_find(core.disk, "grant", "acme", &n));
        login_call_free(call);
}

static void test_a_redirect_with_a_wrong_state_leaves_the_login_waiting(void **state)
{
        struct outcome begun = begin("acme"), outcome = { 0 };
        struct login_call *call;
        char good[64], redirect[256];

        (void)state;
        assert_int_equal(login_complete(core.logins, begun.login, "?code=x&state=forged", false, on_login,
                                        &outcome, &call),
                         0);
        assert_int_equal(outcome.verdict, LOGIN_REDIRECT_MISMATCH);
        outcome.answered = false;
        assert_int_equal(
                login_complete(core.logins, begun.login, "?code=x", false, on_login, &outcome, &call), 0);
        assert_int_equal(outcome.verdict, LOGIN_REDIRECT_MISMATCH);

        state_of(begun.url, good, sizeof(good));
        snprintf(redirect, sizeof(redirect), "?code=x&state=%s", good);
        outcome.answered = false;
        assert_int_equal(login_complete(core.logins, begun.login, redirect, false, on_login, &outcome, &call),
                         0);
        core_run(&core);
        assert_int_equal(in_flight(), 1);
        login_call_free(call);
}

static void test_a_redirect_without_parameters_is_a_denial_and_ends_the_login(void **state)
{
        struct outcome begun = begin("acme"), outcome = { 0 };
        struct login_call *call;

        (void)state;
        assert_int_equal(login_complete(core.logins, begun.login, "http://127.0.0.1:8723/callback", false,
                                        on_login, &outcome, &call),
                         0);
        assert_int_equal(outcome.verdict, LOGIN_DENIED);
        outcome.answered = false;
        assert_int_equal(
                login_complete(core.logins, begun.login, "?code=x", false, on_login, &outcome, &call), 0);
        assert_int_equal(outcome.verdict, LOGIN_NO_SUCH_LOGIN);
}

static void test_a_login_that_nobody_completes_expires(void **state)
{
        struct outcome begun = begin("acme");

        (void)state;
        core_advance(&core, LOGIN_EXPIRES_SEC);
        assert_false(login_cancel(core.logins, begun.login));
}

static void test_a_refused_code_leaves_nothing_behind(void **state)
{
        struct outcome outcome;
        struct login_call *call = complete("acme", false, &outcome);

        (void)state;
        core_answer(&core, 400, INVALID_GRANT);
        assert_int_equal(outcome.verdict, LOGIN_GRANT_REFUSED);
        assert_null(find("acme"));
        login_call_free(call);
}

static void test_a_code_that_is_refused_in_unknown_words_is_spent(void **state)
{
        struct outcome outcome;
        struct login_call *call = complete("acme", false, &outcome);

        (void)state;
        core_answer(&core, 401, "{\"message\":\"something new\"}");
        assert_int_equal(outcome.verdict, LOGIN_GRANT_REFUSED);
        login_call_free(call);
        call = complete("acme", false, &outcome);
        core_answer(&core, 503, "down");
        assert_int_equal(outcome.verdict, LOGIN_UNAVAILABLE);
        login_call_free(call);
}

static void test_the_same_account_may_log_in_again(void **state)
{
        (void)state;
        assert_int_equal(log_in("acme", false, ACCOUNT_ONE).verdict, LOGIN_ACTIVE);
        uint64_t generation = find("acme")->grant.generation;
        assert_int_equal(log_in("acme", false, ACCOUNT_ONE).verdict, LOGIN_ACTIVE);
        assert_true(find("acme")->grant.generation > generation);
}

static void test_another_account_is_refused_and_the_old_grant_stays(void **state)
{
        struct outcome outcome;

        (void)state;
        log_in("acme", false, ACCOUNT_ONE);
        struct secret *before = find("acme")->grant.refresh_token;
        outcome = log_in("acme", false, ACCOUNT_TWO);
        assert_int_equal(outcome.verdict, LOGIN_ACCOUNT_MISMATCH);
        assert_string_equal(outcome.found, "two");
        assert_ptr_equal(find("acme")->grant.refresh_token, before);
        assert_string_equal(find("acme")->account_id, "one");
        assert_null(find("acme")->pending);
}

static void test_another_account_takes_the_place_when_told_so(void **state)
{
        (void)state;
        log_in("acme", false, ACCOUNT_ONE);
        assert_int_equal(log_in("acme", true, ACCOUNT_TWO).verdict, LOGIN_ACTIVE);
        assert_string_equal(find("acme")->account_id, "two");
}

static void test_a_login_whose_test_cannot_run_is_pending_and_tested_again(void **state)
{
        struct outcome outcome;
        struct login_call *call = complete("acme", false, &outcome);
        struct asker asker;

        (void)state;
        core_answer(&core, 200, TOKENS);
        core_save(&core);
        core_run(&core);
        core_answer(&core, 503, "maintenance");
        core_save(&core);
        assert_int_equal(outcome.verdict, LOGIN_PENDING);
        assert_int_equal(credential_state(find("acme"), core.clock.boot_usec), CREDENTIAL_PENDING);
        core_ask(&core, find("acme"), NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);

        core_advance(&core, 60);
        core_run(&core);
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_int_equal(credential_state(find("acme"), core.clock.boot_usec), CREDENTIAL_ACTIVE);
        login_call_free(call);
}

static void test_a_pending_login_survives_a_crash(void **state)
{
        struct outcome outcome;
        struct login_call *call = complete("acme", false, &outcome);

        (void)state;
        core_answer(&core, 200, TOKENS);
        core_save(&core);
        login_call_free(call);
        core_crash(&core);
        core_start(&core);
        core_run(&core);
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_string_equal(core_refresh_token(find("acme")), "refresh-new");
        assert_int_equal(credential_state(find("acme"), core.clock.boot_usec), CREDENTIAL_ACTIVE);
}

static void test_a_caller_that_leaves_does_not_lose_the_grant(void **state)
{
        struct outcome outcome;

        (void)state;
        login_call_free(complete("acme", false, &outcome));
        core_answer(&core, 200, TOKENS);
        core_save(&core);
        core_run(&core);
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_false(outcome.answered);
        assert_string_equal(core_refresh_token(find("acme")), "refresh-new");
}

static void test_a_login_that_the_disk_refuses_is_served_from_memory_and_says_so(void **state)
{
        struct outcome outcome;
        struct login_call *call = complete("acme", false, &outcome);

        (void)state;
        core_answer(&core, 200, TOKENS);
        fake_store_complete_all(core.store, -ENOSPC);
        core_run(&core);
        fake_http_answer(core.context.http, 0, 200, NULL, ACCOUNT_ONE);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_int_equal(outcome.verdict, LOGIN_NOT_SAVED);
        assert_string_equal(core_access_token(find("acme")), "access-new");
        assert_true(find("acme")->unsaved);
        login_call_free(call);
}

static void on_revoked(const struct revoke_answer *answer, void *userdata)
{
        *(enum revoke_verdict *)userdata = answer->verdict;
}

static void test_a_credential_whose_provider_cannot_revoke_is_forgotten(void **state)
{
        enum revoke_verdict verdict = REVOKE_UNAVAILABLE;
        struct revoke_call *call;

        (void)state;
        log_in("acme", false, ACCOUNT_ONE);
        assert_int_equal(login_revoke(core.logins, find("acme"), false, on_revoked, &verdict, &call), 0);
        core_run(&core);
        core_save(&core);
        assert_int_equal(verdict, REVOKE_FORGOTTEN);
        assert_null(find("acme"));
        revoke_call_free(call);
        core_crash(&core);
        core_start(&core);
        assert_null(find("acme"));
}

static const char revoking[] = "  graph:\n"
                               "    provider: graphql\n"
                               "    client_id: g\n"
                               "    client_secret: {store: true}\n"
                               "    redirect_uri: http://127.0.0.1:8723/callback\n";

static struct credential *give_revocable(const char *name, const char *account)
{
        struct credential *credential = core_give_grant(&core, name, "refresh-r", "access-r", 3600);

        free(credential->client_name);
        credential->client_name = strdup("graph");
        free(credential->account_id);
        credential->account_id = strdup(account);
        vault_rebind(core.context.vault, credential);
        return credential;
}

static int setup_revoking(void **state)
{
        static char more[1024];

        (void)state;
        snprintf(more, sizeof(more),
                 "%s"
                 "refresh: {timeout: 30s}\n",
                 revoking);
        core_setup_with_provider(&core,
                                 "  graphql:\n"
                                 "    extends: idp\n"
                                 "    revocation: {method: graphql, mutation: 'mutation { appDisconnect { "
                                 "userErrors { message } } }', "
                                 "error: /data/appDisconnect/userErrors, ends_account: true}\n",
                                 more);
        return 0;
}

static void test_a_revocation_that_ends_the_account_marks_the_others(void **state)
{
        enum revoke_verdict verdict = REVOKE_UNAVAILABLE;
        struct revoke_call *call;

        (void)state;
        struct credential *one = give_revocable("one", "the-account");
        struct credential *two = give_revocable("two", "the-account");
        struct credential *three = give_revocable("three", "another");

        assert_int_equal(login_revoke(core.logins, one, false, on_revoked, &verdict, &call), 0);
        core_run(&core);
        core_answer(&core, 200, "{\"data\":{\"appDisconnect\":{\"userErrors\":[]}}}");
        core_save(&core);
        assert_int_equal(verdict, REVOKE_DONE);
        assert_null(find("one"));
        assert_int_equal(credential_state(two, core.clock.boot_usec), CREDENTIAL_AUTHORIZATION_REQUIRED);
        assert_int_equal(credential_state(three, core.clock.boot_usec), CREDENTIAL_ACTIVE);
        revoke_call_free(call);
}

static void test_nothing_is_forgotten_while_the_provider_cannot_be_reached_unless_forced(void **state)
{
        enum revoke_verdict verdict = REVOKE_DONE;
        struct revoke_call *call;

        (void)state;
        struct credential *one = give_revocable("one", "the-account");

        assert_int_equal(login_revoke(core.logins, one, false, on_revoked, &verdict, &call), 0);
        core_run(&core);
        fake_http_fail(core.context.http, 0, HTTP_NOT_SENT, "connection refused");
        assert_int_equal(verdict, REVOKE_UNAVAILABLE);
        assert_int_equal(credential_state(find("one"), core.clock.boot_usec), CREDENTIAL_ACTIVE);
        revoke_call_free(call);

        assert_int_equal(login_revoke(core.logins, one, true, on_revoked, &verdict, &call), 0);
        core_run(&core);
        fake_http_fail(core.context.http, 0, HTTP_NOT_SENT, "connection refused");
        core_save(&core);
        assert_int_equal(verdict, REVOKE_FORGOTTEN);
        assert_null(find("one"));
        revoke_call_free(call);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_login_asks_with_pkce_and_state),
                TEST(test_a_login_is_saved_then_tested_then_told),
                TEST(test_a_redirect_with_a_wrong_state_leaves_the_login_waiting),
                TEST(test_a_redirect_without_parameters_is_a_denial_and_ends_the_login),
                TEST(test_a_login_that_nobody_completes_expires),
                TEST(test_a_refused_code_leaves_nothing_behind),
                TEST(test_a_code_that_is_refused_in_unknown_words_is_spent),
                TEST(test_the_same_account_may_log_in_again),
                TEST(test_another_account_is_refused_and_the_old_grant_stays),
                TEST(test_another_account_takes_the_place_when_told_so),
                TEST(test_a_login_whose_test_cannot_run_is_pending_and_tested_again),
                TEST(test_a_pending_login_survives_a_crash),
                TEST(test_a_caller_that_leaves_does_not_lose_the_grant),
                TEST(test_a_login_that_the_disk_refuses_is_served_from_memory_and_says_so),
                TEST(test_a_credential_whose_provider_cannot_revoke_is_forgotten),
                cmocka_unit_test_setup_teardown(test_a_revocation_that_ends_the_account_marks_the_others,
                                                setup_revoking, teardown),
                cmocka_unit_test_setup_teardown(
                        test_nothing_is_forgotten_while_the_provider_cannot_be_reached_unless_forced,
                        setup_revoking, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
