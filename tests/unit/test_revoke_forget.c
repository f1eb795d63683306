// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Forgetting what was revoked: logins that wait, a disk that refuses, and others who come in between. */
#include "tests/beds/revoke_bed.h"

#include <errno.h>
#include <stdio.h>

#define ACCOUNT_ONE "{\"data\":{\"account\":{\"id\":\"one\",\"name\":\"One Ltd\"}}}"

/* A login whose grant waits for its test. */
static struct credential *give_pending(const char *name, const char *client, const char *refresh_token,
                                       const char *access_token)
{
        struct credential *credential, *pending;
        struct vault_write *write;
        struct grant grant = { .generation = access_token != NULL,
                               .lifetime_usec = 3600 * USEC_PER_SEC,
                               .received_boot_usec = (int64_t)core.clock.boot_usec,
                               .received_wall_usec = core.clock.wall_usec };

        assert_int_equal(vault_require(core.context.vault, name, &credential), 0);
        assert_int_equal(vault_require_pending(core.context.vault, credential, &pending), 0);
        belong_to(pending, client, NULL);
        pending->refusal = REFUSAL_NONE;
        assert_int_equal(secret_new_string(&grant.refresh_token, refresh_token), 0);
        if (access_token)
                assert_int_equal(secret_new_string(&grant.access_token, access_token), 0);
        assert_int_equal(vault_save_grant(core.context.vault, pending, &grant, NULL, NULL, &write), 0);
        core_save(&core);
        return credential;
}

/* ---- logins that wait ---- */

static void test_a_login_that_waits_for_its_test_is_revoked_too(void **state)
{
        struct outcome outcome;

        give_pending("acme", "endpoint", "refresh-p", "access-p");
        log_out(&outcome, "acme", false);
        assert_true(fake_http_body_has(request(), "token=refresh-p"));
        core_answer(&core, 200, "");
        core_save(&core);
        expect(&outcome, REVOKE_DONE, "revoked");
        assert_null(find("acme"));
        assert_null(fake_disk_find(core.disk, "pending-grant", "acme", NULL));
}

static void test_a_later_login_and_the_grant_in_force_are_both_revoked(void **state)
{
        struct outcome outcome;

        give("acme", "endpoint", NULL);
        give_pending("acme", "endpoint", "refresh-p", "access-p");
        log_out(&outcome, "acme", false);
        assert_true(fake_http_body_has(request(), "token=refresh-p"));
        core_answer(&core, 200, "");
        assert_true(fake_http_body_has(request(), "token=refresh-1"));
        core_answer(&core, 200, "");
        core_save(&core);
        expect(&outcome, REVOKE_DONE, "revoked");
        assert_null(find("acme"));
}

static void test_a_login_whose_revocation_fails_is_tested_again(void **state)
{
        struct outcome outcome;

        give_pending("acme", "endpoint", "refresh-p", "access-p");
        log_out(&outcome, "acme", false);
        core_answer(&core, 503, "down");
        expect(&outcome, REVOKE_UNAVAILABLE, "");
        core_run(&core);
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_string_equal(core_refresh_token(find("acme")), "refresh-p");
}

/* ---- the store ---- */

static void test_a_disk_that_refuses_to_forget_is_told_and_everything_goes_on(void **state)
{
        struct outcome outcome;

        give("acme", "none", NULL);
        log_out(&outcome, "acme", false);
        fake_store_complete_all(core.store, -EROFS);
        core_run(&core);
        expect(&outcome, REVOKE_NOT_SAVED, "nothing was changed");
        expect_going_on("acme");
}

static void test_a_login_that_waits_goes_on_when_the_disk_refuses_to_forget(void **state)
{
        struct outcome outcome;

        give_pending("acme", "none", "refresh-p", "access-p");
        log_out(&outcome, "acme", false);
        fake_store_complete_all(core.store, -EROFS);
        core_run(&core);
        expect(&outcome, REVOKE_NOT_SAVED, "nothing was changed");
        core_run(&core);
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_string_equal(core_refresh_token(find("acme")), "refresh-p");
}

static void test_a_revoked_grant_that_the_disk_refuses_to_forget_is_not_served(void **state)
{
        struct outcome outcome;
        struct asker asker;

        give("acme", "endpoint", NULL);
        log_out(&outcome, "acme", false);
        core_answer(&core, 200, "");
        fake_store_complete_all(core.store, -EROFS);
        core_run(&core);
        expect(&outcome, REVOKE_NOT_SAVED, "revoked at the provider, but the disk refuses");
        core_ask(&core, find("acme"), NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_AUTHORIZATION_REQUIRED);
        log_out(&outcome, "acme", false);
        core_save(&core);
        expect(&outcome, REVOKE_FORGOTTEN, "");
        assert_null(find("acme"));
}

static void test_a_write_that_cannot_be_begun_is_told(void **state)
{
        struct outcome outcome;

        give("acme", "none", NULL);
        fake_store_fail_next_start(core.store, -ENOMEM);
        log_out(&outcome, "acme", false);
        expect(&outcome, REVOKE_NOT_SAVED, "nothing was changed");
        expect_going_on("acme");
}

/* ---- others who come in between ---- */

static void test_a_login_that_comes_while_forgetting_is_not_forgotten(void **state)
{
        struct outcome outcome;

        give("acme", "none", NULL);
        log_out(&outcome, "acme", false);
        give_pending("acme", "endpoint", "refresh-p", "access-p");
        expect(&outcome, REVOKE_FORGOTTEN, "");
        assert_non_null(find("acme"));
        assert_string_equal(core_refresh_token(find("acme")), "");
        assert_string_equal(core_refresh_token(find("acme")->pending), "refresh-p");
        core_crash(&core);
        core_start(&core);
        assert_string_equal(core_refresh_token(find("acme")->pending), "refresh-p");
        core_run(&core);
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_string_equal(core_refresh_token(find("acme")), "refresh-p");
}

static void test_two_logouts_at_once_both_end(void **state)
{
        struct outcome one, two;

        give("acme", "endpoint", NULL);
        log_out(&one, "acme", false);
        log_out(&two, "acme", false);
        assert_int_equal(in_flight(), 2);
        core_answer(&core, 200, "");
        core_answer(&core, 200, "");
        core_save(&core);
        assert_true(one.answered && two.answered);
        assert_int_equal(one.verdict, REVOKE_DONE);
        assert_null(find("acme"));
}

static void test_a_credential_that_the_configuration_names_stays_as_a_shell(void **state)
{
        struct outcome outcome;
        char more[1024];

        snprintf(more, sizeof(more), "%scredentials: {acme: {client: none, description: ours}}\n", clients);
        core_reload_with_provider(&core, provider, more);
        give("acme", "none", "one");
        log_out(&outcome, "acme", false);
        core_save(&core);
        expect(&outcome, REVOKE_FORGOTTEN, "");
        assert_non_null(find("acme"));
        assert_int_equal(find("acme")->refusal, REFUSAL_NEVER_AUTHORIZED);
        assert_string_equal(find("acme")->description, "ours");
        assert_null(find("acme")->account_id);
}

static void test_one_who_leaves_lets_the_logout_go_on_unheard(void **state)
{
        struct outcome outcome;

        give("acme", "endpoint", NULL);
        log_out(&outcome, "acme", false);
        outcome.call = revoke_call_free(outcome.call);
        core_answer(&core, 200, "");
        core_save(&core);
        assert_false(outcome.answered);
        assert_null(find("acme"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_login_that_waits_for_its_test_is_revoked_too),
                TEST(test_a_later_login_and_the_grant_in_force_are_both_revoked),
                TEST(test_a_login_whose_revocation_fails_is_tested_again),
                TEST(test_a_disk_that_refuses_to_forget_is_told_and_everything_goes_on),
                TEST(test_a_login_that_waits_goes_on_when_the_disk_refuses_to_forget),
                TEST(test_a_revoked_grant_that_the_disk_refuses_to_forget_is_not_served),
                TEST(test_a_write_that_cannot_be_begun_is_told),
                TEST(test_a_login_that_comes_while_forgetting_is_not_forgotten),
                TEST(test_two_logouts_at_once_both_end),
                TEST(test_a_credential_that_the_configuration_names_stays_as_a_shell),
                TEST(test_one_who_leaves_lets_the_logout_go_on_unheard),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
