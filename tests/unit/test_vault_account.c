// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Which credentials are of an account, whatever becomes of them. */
#include "daemon/vault/vault_internal.h"
#include "tests/beds/vault_bed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int note_name(struct credential *credential, void *userdata)
{
        strcat(strcat(userdata, credential->name), " ");
        return 0;
}

static void expect(const char *account, const char *expected)
{
        char names[128] = "";

        assert_int_equal(vault_each_of_account(core.context.vault, account, note_name, names), 0);
        assert_string_equal(names, expected);
}

/* As a test does that has shown it. */
static void show_account(const char *name, const char *account)
{
        struct credential *credential = vault_find(core.context.vault, name);

        free(credential->account_id);
        credential->account_id = strdup(account);
        vault_save_facts(core.context.vault, credential);
        core_save(&core);
}

static void give(const char *name, const char *account)
{
        core_give_grant(&core, name, "r", "a", 3600);
        show_account(name, account);
}

static void test_those_of_an_account_come_in_the_order_of_their_names(void **state)
{
        (void)state;
        expect("1", "");
        give("m", "1");
        give("z", "1");
        give("b", "1");
        give("other", "11");
        expect("1", "b m z ");
        expect("11", "other ");
        expect("", "");
}

static void test_an_account_is_found_after_a_restart(void **state)
{
        (void)state;
        give("z", "1");
        show_account("acme", "1");
        show_account("beta", "2");
        core_crash(&core);
        core_start(&core);
        expect("1", "acme z ");
        expect("2", "beta ");
}

static void test_another_account_replaces_the_one_before(void **state)
{
        (void)state;
        show_account("acme", "1");
        show_account("beta", "1");
        show_account("acme", "2");
        expect("1", "beta ");
        expect("2", "acme ");
        show_account("beta", "2");
        expect("1", "");
        expect("2", "acme beta ");
        assert_int_equal(HASH_COUNT(core.context.vault->accounts), 1);
}

static void test_a_login_for_another_account_moves_the_credential(void **state)
{
        _cleanup_(secret_freep) struct secret *token = NULL;
        struct login_call *call;

        (void)state;
        show_account("acme", "old");
        assert_int_equal(secret_new_string(&token, "imported"), 0);
        assert_int_equal(login_import(core.logins, "acme", NULL, NULL, token, true, NULL, NULL, &call), 0);
        core_run(&core);
        core_save(&core);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        expect("old", "acme ");
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        expect("old", "");
        expect("one", "acme ");
}

static void test_what_is_forgotten_is_of_no_account(void **state)
{
        struct vault_write *write;

        (void)state;
        core_reload(&core, "credentials: {beta: {client: app}}\n");
        show_account("acme", "1");
        show_account("beta", "1");
        assert_int_equal(
                vault_forget(core.context.vault, vault_find(core.context.vault, "acme"), NULL, NULL, &write),
                0);
        core_save(&core);
        expect("1", "beta ");
        /* This one stays, without anything in it. */
        assert_int_equal(
                vault_forget(core.context.vault, vault_find(core.context.vault, "beta"), NULL, NULL, &write),
                0);
        core_save(&core);
        assert_non_null(vault_find(core.context.vault, "beta"));
        expect("1", "");
        assert_null(core.context.vault->accounts);
}

static void test_without_memory_for_the_list_all_are_looked_at(void **state)
{
        (void)state;
        core.context.vault->accounts_incomplete = true;
        show_account("acme", "1");
        vault_forget_account(core.context.vault, vault_lookup(core.context.vault, "acme", 4));
        expect("1", "acme ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_those_of_an_account_come_in_the_order_of_their_names),
                TEST(test_an_account_is_found_after_a_restart),
                TEST(test_another_account_replaces_the_one_before),
                TEST(test_a_login_for_another_account_moves_the_credential),
                TEST(test_what_is_forgotten_is_of_no_account),
                TEST(test_without_memory_for_the_list_all_are_looked_at),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
