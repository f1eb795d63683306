// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* A store that is lost is made anew with everything that is known. */
#include "tests/beds/vault_save_bed.h"

#include "daemon/vault/vault_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- a lost store ---- */

static const char *const all_kinds[] = { "facts",         "grant",         "intent",
                                         "pending-facts", "pending-grant", "pending-intent" };

static void make_everything(void)
{
        struct credential *pending;
        struct vault_write *write;

        assert_int_equal(vault_require_pending(core.context.vault, acme, &pending), 0);
        free(pending->client_name);
        pending->client_name = strdup("app");
        pending->refusal = REFUSAL_NONE;
        save_numbered(pending, 1);
        core_save(&core);
        acme->replays = 2;
        assert_int_equal(vault_save_intent(core.context.vault, acme, NULL, NULL, &write), 0);
        assert_int_equal(vault_save_intent(core.context.vault, pending, NULL, NULL, &write), 0);
        core_save(&core);
        for (size_t i = 0; i < sizeof(all_kinds) / sizeof(all_kinds[0]); i++)
                assert_true(is_on_disk(all_kinds[i]));
}

/* The file under the open store is another one now. */
static void lose_everything(void)
{
        for (size_t i = 0; i < sizeof(all_kinds) / sizeof(all_kinds[0]); i++)
                fake_disk_put(core.disk, all_kinds[i], "acme", NULL, 0);
        fake_disk_put(core.disk, "client-secret", "app", NULL, 0);
        fake_disk_put(core.disk, "meta", "key-check", NULL, 0);
        assert_int_equal(fake_disk_n_records(core.disk), 0);
        fake_store_lose(core.store);
}

static void expect_everything(void)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct diag diag = DIAG_INIT;

        restart();
        assert_string_equal(core_refresh_token(acme), "refresh-1");
        assert_true(acme->outcome_unknown);
        assert_int_equal(acme->replays, 2);
        assert_non_null(acme->pending);
        assert_string_equal(core_refresh_token(acme->pending), "refresh-1");
        assert_true(acme->pending->outcome_unknown);
        assert_int_equal(vault_client_secret(core.context.vault, acme->client, &secret, &diag), 0);
        assert_string_equal(secret_expose(secret), "the-client-secret");
}

static void test_a_lost_store_is_made_anew_with_everything(void **state)
{
        make_everything();
        lose_everything();
        note(acme, 1);
        core_save(&core);
        assert_true(acme->unsaved && acme->pending->unsaved);
        assert_int_equal(vault_unsaved(core.context.vault), 2);
        core_advance(&core, 61);
        core_save(&core);
        assert_int_equal(fake_disk_n_reopened(core.disk), 1);
        assert_int_equal(vault_unsaved(core.context.vault), 0);
        assert_null(vault_store_problem(core.context.vault));
        assert_non_null(fake_disk_find(core.disk, "meta", "key-check", NULL));
        expect_everything();
}

static void test_a_lost_store_is_tried_again_until_all_is_in_the_new_one(void **state)
{
        make_everything();
        lose_everything();
        note(acme, 1);
        core_save(&core);
        /* It does not open, then it opens and has no room, then a single write goes through. */
        fake_disk_set_reopen_result(core.disk, STORE_E_IN_USE);
        core_advance(&core, 61);
        assert_int_equal(fake_store_n_queued(core.store), 0);
        fake_disk_set_reopen_result(core.disk, 0);
        core_advance(&core, 61);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_int_equal(fake_disk_n_records(core.disk), 0);
        assert_int_equal(vault_unsaved(core.context.vault), 2);
        assert_int_equal(vault_write_key_check(core.context.vault), 0);
        core_save(&core);
        core_advance(&core, 61);
        core_save(&core);
        assert_int_equal(vault_unsaved(core.context.vault), 0);
        expect_everything();
}

static void test_what_a_restored_backup_holds_does_not_come_back_to_life(void **state)
{
        struct credential *forgotten = core_give_grant(&core, "forgotten", "old", "old", 3600);
        struct vault_write *write;
        size_t n;
        uint8_t *blob;

        blob = malloc(4096);
        memcpy(blob, fake_disk_find(core.disk, "grant", "forgotten", &n), 100);
        (void)fake_disk_find(core.disk, "grant", "forgotten", &n);
        assert_int_equal(vault_forget(core.context.vault, forgotten, NULL, NULL, &write), 0);
        core_save(&core);

        /* The backup is older than the logout. */
        fake_disk_put(core.disk, "grant", "forgotten", blob, n);
        free(blob);
        fake_store_lose(core.store);
        note(acme, 1);
        core_save(&core);
        core_advance(&core, 61);
        core_save(&core);
        assert_null(fake_disk_find(core.disk, "grant", "forgotten", NULL));
        assert_int_equal(grant_on_disk("grant"), 1);
        assert_int_equal(fact_on_disk("facts"), 1);
}

static void test_a_grant_that_comes_while_the_store_is_lost_is_the_one_that_is_written(void **state)
{
        lose_everything();
        note(acme, 1);
        core_save(&core);
        save_numbered(acme, 2);
        core_advance(&core, 61);
        /* It is under way, and what is in memory is older: not yet. */
        assert_int_equal(fake_disk_n_reopened(core.disk), 0);
        core_save(&core);
        core_advance(&core, 61);
        core_advance(&core, 61);
        core_save(&core);
        assert_int_equal(grant_on_disk("grant"), 2);
        assert_false(acme->unsaved);
}

static void test_a_grant_that_comes_while_the_store_is_made_anew_is_not_taken_for_saved(void **state)
{
        lose_everything();
        note(acme, 1);
        core_save(&core);
        core_advance(&core, 61);
        assert_true(fake_store_is_queued(core.store, "grant", "acme"));
        fake_store_fail_next_start(core.store, -ENOMEM);
        save_numbered(acme, 2);
        core_save(&core);
        assert_int_equal(grant_on_disk("grant"), 1);
        assert_true(acme->unsaved);
        core_advance(&core, 61);
        core_save(&core);
        assert_int_equal(grant_on_disk("grant"), 2);
        assert_false(acme->unsaved);
}

static void test_a_stop_makes_a_lost_store_anew(void **state)
{
        make_everything();
        lose_everything();
        note(acme, 1);
        assert_int_equal(vault_flush(core.context.vault), 0);
        expect_everything();
}

static void test_a_lost_store_is_noticed_by_whichever_write_comes_first(void **state)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;

        lose_everything();
        assert_int_equal(secret_new_string(&secret, "another"), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, "app", secret, NULL, NULL, &write), 0);
        core_save(&core);
        core_advance(&core, 61);
        core_save(&core);
        assert_int_equal(grant_on_disk("grant"), 1);
        /* That one was told as failed, and the old secret is still the one that holds. */
        assert_non_null(fake_disk_find(core.disk, "client-secret", "app", NULL));
}

static void test_a_credential_that_did_not_open_is_still_told_after_its_store_was_lost(void **state)
{
        fake_disk_damage(core.disk, "grant", "acme");
        restart();
        core_give_grant(&core, "beta", "r", "a", 3600);
        fake_store_lose(core.store);
        core_save(&core);
        note(vault_find(core.context.vault, "beta"), 1);
        core_save(&core);
        core_advance(&core, 61);
        core_save(&core);
        restart();
        assert_non_null(acme);
        assert_true(acme->unreadable);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_lost_store_is_made_anew_with_everything),
                TEST(test_a_lost_store_is_tried_again_until_all_is_in_the_new_one),
                TEST(test_what_a_restored_backup_holds_does_not_come_back_to_life),
                TEST(test_a_grant_that_comes_while_the_store_is_lost_is_the_one_that_is_written),
                TEST(test_a_grant_that_comes_while_the_store_is_made_anew_is_not_taken_for_saved),
                TEST(test_a_stop_makes_a_lost_store_anew),
                TEST(test_a_lost_store_is_noticed_by_whichever_write_comes_first),
                TEST(test_a_credential_that_did_not_open_is_still_told_after_its_store_was_lost),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
