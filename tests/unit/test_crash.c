// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/*
 * A crash at every boundary of every operation: N writes become durable, the process dies - before or after it hears of the last one -, a new one
 * starts and goes on until nothing is left to do. Then a grant that lives is there, and nothing that was meant to pass has stayed.
 */
#include "tests/beds/core.h"
#include "tests/beds/fake_idp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct core core;

/* ---- running, and dying ---- */

static long budget; /* writes that still become durable before the end */
static bool deaf; /* the last one is not heard of */

/* Goes on until there is nothing to do or the budget is spent; true: it is. */
static bool go_on(void)
{
        for (int turn = 0; turn < 1000; turn++) {
                core_run(&core);
                if (fake_store_n_queued(core.store)) {
                        if (budget == 0)
                                return true;
                        if (budget == 1 && deaf) {
                                fake_store_make_durable(core.store);
                                budget = 0;
                                return true;
                        }
                        budget--;
                        fake_store_complete(core.store, 0);
                } else if (fake_http_n_in_flight(core.context.http)) {
                        fake_idp_answer(&core);
                } else {
                        return false;
                }
        }
        fail_msg("it goes on for ever");
        return false;
}

/* A quarter of an hour of a living process. */
static void live_on(void)
{
        budget = INT32_MAX;
        for (int i = 0; i < 60; i++) {
                assert_false(go_on());
                core_advance(&core, 15);
        }
        assert_false(go_on());
}

static const char *const passing_kinds[] = { "intent", "pending-facts", "pending-grant", "pending-intent" };

static struct credential *acme(void)
{
        return vault_find(core.context.vault, "acme");
}

static bool is_on_disk(const char *kind)
{
        return fake_disk_find(core.disk, kind, "acme", NULL);
}

static void expect_nothing_stray(void)
{
        for (size_t i = 0; i < sizeof(passing_kinds) / sizeof(passing_kinds[0]); i++)
                if (is_on_disk(passing_kinds[i]))
                        fail_msg("a stray %s", passing_kinds[i]);
        assert_int_equal(is_on_disk("grant"), is_on_disk("facts"));
        assert_int_equal(is_on_disk("grant"), acme() != NULL);
        if (acme()) {
                assert_false(acme()->unreadable || acme()->unsaved || acme()->facts_unsaved);
                assert_null(acme()->pending);
        }
}

static enum credential_state state(void)
{
        return credential_state(acme(), core.clock.boot_usec);
}

/* It serves, and its refresh token is the newest of the grant that it belongs to. */
static void expect_alive(void)
{
        const char *token = core_refresh_token(acme());
        struct asker asker;

        assert_int_equal(state(), CREDENTIAL_ACTIVE);
        assert_int_equal(atoi(token + 2), fake_idp_newest(token[0]));
        core_ask(&core, acme(), NULL, &asker);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
}

/* It is alive, or says why it is not. */
static void expect_alive_or_told(void)
{
        if (state() == CREDENTIAL_ACTIVE) {
                expect_alive();
                return;
        }
        assert_int_equal(state(), CREDENTIAL_AUTHORIZATION_REQUIRED);
        assert_non_null(strstr(credential_last_error(acme()), "lost"));
}

static const char providers[] = "  revoking: {extends: idp, revocation_endpoint: https://idp.test/revoke}\n";
static const char clients[] = "  revoker: {provider: revoking, client_id: r, client_secret: {store: true}, "
                              "redirect_uri: http://127.0.0.1:8723/callback}\n"
                              "refresh: {test: off}\n";

static void set_client_secret(const char *client)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;

        assert_int_equal(secret_new_string(&secret, "its secret"), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, client, secret, NULL, NULL, &write), 0);
        core_save(&core);
}

struct operation {
        void (*prepare)(void);
        void (*begin)(void);
        void (*check)(void);
};

static void give_old_grant(void)
{
        struct credential *credential = core_give_grant(&core, "acme", "a-0", "access-a-0", 3600);

        credential->account_id = strdup("one");
        vault_save_facts(core.context.vault, credential);
        core_save(&core);
}

/* For every N until the operation needs no more than N writes. Returns how many it needed. */
static long crash_everywhere(const struct operation *operation, bool takes_old, bool is_deaf)
{
        bool died = true;
        long n;

        for (n = 0; died; n++) {
                core_setup_with_provider(&core, providers, clients);
                set_client_secret("revoker");
                fake_idp_start(takes_old);
                if (operation->prepare)
                        operation->prepare();
                operation->begin();
                budget = n;
                deaf = is_deaf;
                died = go_on();
                core_crash(&core);
                core_start(&core);
                deaf = false;
                live_on();
                expect_nothing_stray();
                operation->check();
                core_teardown(&core);
        }
        return n - 1;
}

static void crash_in_all_ways(const struct operation *operation, long least)
{
        assert_true(crash_everywhere(operation, true, false) >= least);
        assert_true(crash_everywhere(operation, true, true) >= least);
        /* A strict provider: what was rotated and not saved is lost, and that is said. */
        assert_true(crash_everywhere(operation, false, false) >= least);
        assert_true(crash_everywhere(operation, false, true) >= least);
}

/* ---- the operations ---- */

static void begin_refresh(void)
{
        core_advance(&core, 3000);
}

static void check_refresh(void)
{
        assert_non_null(acme());
        if (fake_idp_takes_old())
                expect_alive();
        else
                expect_alive_or_told();
}

static void test_a_crash_within_a_refresh_loses_no_grant(void **state)
{
        crash_in_all_ways(&(struct operation){ give_old_grant, begin_refresh, check_refresh }, 2);
}

static char url[1024], login_id[64];

static void on_begun(const struct login_answer *answer, void *userdata)
{
        assert_non_null(answer->authorization_url);
        snprintf(url, sizeof(url), "%s", answer->authorization_url);
        snprintf(login_id, sizeof(login_id), "%s", answer->login);
}

static void on_done(const struct login_answer *answer, void *userdata)
{
        /* What becomes of it is seen after the crash. */
}

static void begin_login(void)
{
        struct login_call *call;
        char redirect[256];

        assert_int_equal(login_begin(core.logins, "acme", "app", NULL, NULL, on_begun, NULL, &call), 0);
        core_run(&core);
        login_call_free(call);
        snprintf(redirect, sizeof(redirect), "?code=the-code&state=%.43s",
                 strstr(url, "state=") + strlen("state="));
        assert_int_equal(login_complete(core.logins, login_id, redirect, false, on_done, NULL, &call), 0);
        login_call_free(call);
}

static void check_first_login(void)
{
        /* Nothing came of it, or all. */
        if (acme())
                expect_alive();
}

static void test_a_crash_within_a_first_login_leaves_nothing_or_all_of_it(void **state)
{
        crash_in_all_ways(&(struct operation){ NULL, begin_login, check_first_login }, 3);
}

static void check_later_login(void)
{
        assert_non_null(acme());
        expect_alive();
}

static void test_a_crash_within_a_later_login_leaves_the_old_grant_or_the_new_one(void **state)
{
        crash_in_all_ways(&(struct operation){ give_old_grant, begin_login, check_later_login }, 3);
}

static void begin_login_and_refresh(void)
{
        core_advance(&core, 3000);
        begin_login();
}

static void test_a_crash_within_a_login_and_a_refresh_of_the_old_grant_at_once_loses_neither(void **state)
{
        crash_in_all_ways(&(struct operation){ give_old_grant, begin_login_and_refresh, check_refresh }, 5);
}

static void begin_import(void)
{
        _cleanup_(secret_freep) struct secret *token = NULL;
        struct login_call *call;

        assert_int_equal(secret_new_string(&token, "i-0"), 0);
        assert_int_equal(login_import(core.logins, "acme", "app", NULL, token, false, on_done, NULL, &call),
                         0);
        login_call_free(call);
}

static void check_first_import(void)
{
        if (!acme())
                return;
        if (fake_idp_takes_old())
                expect_alive();
        else
                expect_alive_or_told();
}

static void test_a_crash_within_a_first_import_leaves_nothing_or_all_of_it(void **state)
{
        crash_in_all_ways(&(struct operation){ NULL, begin_import, check_first_import }, 5);
}

static void test_a_crash_within_a_later_import_leaves_the_old_grant_or_the_new_one(void **state)
{
        crash_in_all_ways(&(struct operation){ give_old_grant, begin_import, check_later_login }, 5);
}

/* A grant that its provider can revoke. */
static void give_revocable_grant(void)
{
        give_old_grant();
        free(acme()->client_name);
        acme()->client_name = strdup("revoker");
        vault_rebind(core.context.vault, acme());
        vault_save_facts(core.context.vault, acme());
        core_save(&core);
}

static void on_revoked(const struct revoke_answer *answer, void *userdata)
{
}

static void begin_logout(void)
{
        struct revoke_call *call;

        assert_int_equal(login_revoke(core.logins, acme(), false, on_revoked, NULL, &call), 0);
        revoke_call_free(call);
}

static void check_logout(void)
{
        if (acme())
                expect_alive();
}

static void test_a_crash_within_a_logout_leaves_all_or_nothing(void **state)
{
        crash_in_all_ways(&(struct operation){ give_old_grant, begin_logout, check_logout }, 1);
}

/* Revoked and not yet forgotten: the next refresh says so. */
static void check_revocation(void)
{
        if (!acme())
                assert_true(fake_idp_is_revoked('a'));
        else if (!fake_idp_is_revoked('a'))
                expect_alive();
        else
                assert_true(state() == CREDENTIAL_AUTHORIZATION_REQUIRED || state() == CREDENTIAL_ACTIVE);
}

static void test_a_crash_within_a_revocation_forgets_nothing_that_was_not_revoked(void **state)
{
        crash_in_all_ways(&(struct operation){ give_revocable_grant, begin_logout, check_revocation }, 1);
}

static void begin_logout_while_refreshing(void)
{
        core_advance(&core, 3000);
        begin_logout();
}

/* The refresh comes to its end, and what it brought is revoked. */
static void check_logout_while_refreshing(void)
{
        if (!acme())
                assert_true(fake_idp_is_revoked('a'));
        else if (!fake_idp_is_revoked('a'))
                expect_alive_or_told();
}

static void test_a_crash_within_a_logout_while_refreshing_leaves_all_or_nothing(void **state)
{
        crash_in_all_ways(&(struct operation){ give_revocable_grant, begin_logout_while_refreshing,
                                               check_logout_while_refreshing },
                          1);
}

static void prepare_pending(void)
{
        begin_import();
        core_run(&core);
        core_save(&core);
}

static void test_a_crash_within_a_logout_of_a_login_that_waits_leaves_all_or_nothing(void **state)
{
        crash_in_all_ways(&(struct operation){ prepare_pending, begin_logout, check_first_import }, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_crash_within_a_refresh_loses_no_grant),
                cmocka_unit_test(test_a_crash_within_a_first_login_leaves_nothing_or_all_of_it),
                cmocka_unit_test(test_a_crash_within_a_later_login_leaves_the_old_grant_or_the_new_one),
                cmocka_unit_test(
                        test_a_crash_within_a_login_and_a_refresh_of_the_old_grant_at_once_loses_neither),
                cmocka_unit_test(test_a_crash_within_a_first_import_leaves_nothing_or_all_of_it),
                cmocka_unit_test(test_a_crash_within_a_later_import_leaves_the_old_grant_or_the_new_one),
                cmocka_unit_test(test_a_crash_within_a_logout_leaves_all_or_nothing),
                cmocka_unit_test(test_a_crash_within_a_revocation_forgets_nothing_that_was_not_revoked),
                cmocka_unit_test(test_a_crash_within_a_logout_while_refreshing_leaves_all_or_nothing),
                cmocka_unit_test(test_a_crash_within_a_logout_of_a_login_that_waits_leaves_all_or_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
