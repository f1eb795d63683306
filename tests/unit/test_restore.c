// links: daemon/transfer/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Grants that come out of a backup, over disks that refuse and crashes in between. */
#include "tests/beds/transfer_bed.h"

#include "daemon/vault/vault_transfer.h"

#include <errno.h>
#include <string.h>

#define INVALID_GRANT "{\"error\":\"invalid_grant\"}"

/* ---- in ---- */

static void set_secret(const char *text)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;

        assert_int_equal(secret_new_string(&secret, text), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, "app", secret, NULL, NULL, &write), 0);
        core_save(&core);
}

/* ---- coming ---- */

static void export_one(bool move)
{
        core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        set_secret("the secret of app");
        export_all(move);
        drop_exporter();
}

static void test_a_restored_grant_is_durable_before_it_is_told_and_refreshed_at_once(void **state)
{
        (void)state;
        export_one(true);
        move_to_another_machine();
        begin_restore(true);
        assert_false(in.told);
        assert_null(find("acme"));
        assert_int_equal(in_flight(), 0);
        core_save(&core);
        assert_true(in.told);
        assert_int_equal(in.verdict, RESTORE_DONE);
        assert_string_equal(in.names, "acme ");
        assert_true(in.moved);
        assert_int_equal(in.n_client_secrets, 1);
        core_run(&core);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
        assert_string_equal(core_access_token(find("acme")), "");
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_string_equal(core_access_token(find("acme")), "access-2");
        assert_int_equal(find("acme")->grant.generation, 2);
        assert_string_equal(secret_expose(vault_find_client_secret(core.context.vault, "app")),
                            "the secret of app");
}

/* Whole or not at all, wherever the process dies. */
static void test_a_crash_before_it_is_durable_leaves_nothing_and_after_it_everything(void **state)
{
        (void)state;
        export_one(true);
        core_give_grant(&core, "birch", "refresh-b", "access-b", 3600);
        transfer_keep(&core.context, core.refresher, find("acme"));
        core_save(&core);
        export_all(true);
        drop_exporter();
        assert_int_equal(out.n_credentials, 2);
        move_to_another_machine();
        begin_restore(true);
        restart();
        assert_null(find("acme"));
        assert_null(find("birch"));
        assert_string_not_equal(secret_expose(vault_find_client_secret(core.context.vault, "app")),
                                "the secret of app");
        begin_restore(true);
        fake_store_make_durable(core.store);
        restart();
        assert_string_equal(core_refresh_token(find("acme")), "refresh-1");
        assert_string_equal(core_refresh_token(find("birch")), "refresh-b");
        assert_string_equal(secret_expose(vault_find_client_secret(core.context.vault, "app")),
                            "the secret of app");
        /* They are due at once then, too. */
        core_run(&core);
        core_save(&core);
        assert_int_equal(in_flight(), 2);
}

static void test_a_disk_that_refuses_changes_nothing(void **state)
{
        (void)state;
        export_one(true);
        move_to_another_machine();
        core_give_grant(&core, "acme", "refresh-9", "access-9", 3600);
        begin_restore(true);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_true(in.told);
        assert_int_equal(in.verdict, RESTORE_NOT_SAVED);
        assert_string_equal(core_refresh_token(find("acme")), "refresh-9");
        assert_string_equal(core_access_token(find("acme")), "access-9");
        assert_false(find("acme")->held);
        /* While the disk is known to refuse nothing is tried. */
        in.restorer = restorer_free(in.restorer);
        begin_restore(true);
        assert_true(in.told);
        assert_int_equal(in.verdict, RESTORE_NOT_SAVED);
}

static void test_a_grant_that_was_rotated_elsewhere_is_told_at_once(void **state)
{
        (void)state;
        export_one(false);
        move_to_another_machine();
        restore(false, RESTORE_DONE);
        assert_false(in.moved);
        core_save(&core);
        core_answer(&core, 400, INVALID_GRANT);
        assert_int_equal(credential_state(find("acme"), core.clock.boot_usec),
                         CREDENTIAL_AUTHORIZATION_REQUIRED);
}

static void test_what_is_here_stays_unless_it_is_to_be_replaced(void **state)
{
        (void)state;
        export_one(true);
        move_to_another_machine();
        core_give_grant(&core, "acme", "refresh-9", "access-9", 3600);
        set_secret("another secret");
        restore(false, RESTORE_EXIST);
        assert_string_equal(in.names, "acme ");
        assert_string_equal(core_refresh_token(find("acme")), "refresh-9");
        restore(true, RESTORE_DONE);
        assert_string_equal(core_refresh_token(find("acme")), "refresh-1");
        assert_string_equal(secret_expose(vault_find_client_secret(core.context.vault, "app")),
                            "the secret of app");
        restart();
        assert_string_equal(core_refresh_token(find("acme")), "refresh-1");
}

static void test_a_client_secret_that_is_here_stays(void **state)
{
        (void)state;
        export_one(true);
        move_to_another_machine();
        set_secret("another secret");
        restore(false, RESTORE_DONE);
        assert_int_equal(in.n_secrets_kept, 1);
        assert_int_equal(in.n_client_secrets, 0);
        assert_string_equal(secret_expose(vault_find_client_secret(core.context.vault, "app")),
                            "another secret");
}

static void test_a_refresh_of_what_is_replaced_is_cancelled(void **state)
{
        struct asker asker;

        (void)state;
        export_one(true);
        move_to_another_machine();
        core_give_grant(&core, "acme", "refresh-9", "access-9", 3600);
        core_force(&core, find("acme"), &asker);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
        begin_restore(true);
        assert_int_equal(in_flight(), 0);
        for (int i = 0; i < 3; i++)
                core_save(&core);
        core_run(&core);
        core_save(&core);
        assert_string_equal(core_refresh_token(find("acme")), "refresh-1");
        assert_false(find("acme")->outcome_unknown);
        assert_int_equal(in_flight(), 1);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_string_equal(core_access_token(find("acme")), "access-2");
        asker_done(&asker);
}

static void test_an_unknown_outcome_is_unknown_on_the_other_machine_too(void **state)
{
        (void)state;
        core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        find("acme")->outcome_unknown = true;
        find("acme")->replays = 2;
        export_all(true);
        drop_exporter();
        move_to_another_machine();
        restore(false, RESTORE_DONE);
        assert_true(find("acme")->outcome_unknown);
        assert_int_equal(find("acme")->replays, 2);
        restart();
        assert_true(find("acme")->outcome_unknown);
}

static void test_what_is_no_whole_backup_of_this_passphrase_changes_nothing(void **state)
{
        _cleanup_(secret_freep) struct secret *another = NULL;

        (void)state;
        export_one(true);
        move_to_another_machine();
        out.n -= 3;
        restore(false, RESTORE_UNUSABLE);
        assert_non_null(strstr(in.reason, "cut short"));
        out.n += 3;
        assert_int_equal(secret_new_string(&another, "another passphrase"), 0);
        assert_int_equal(restorer_start(&in.restorer, &core.context, core.refresher, core.prober, out.file,
                                        out.n, another, false, (in.told = false, on_done), NULL),
                         0);
        assert_int_equal(in.verdict, RESTORE_WRONG_PASSPHRASE);
        assert_int_equal(vault_count_loaded(core.context.vault), 0);
        restore(false, RESTORE_DONE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TRANSFER_TEST(test_a_restored_grant_is_durable_before_it_is_told_and_refreshed_at_once),
                TRANSFER_TEST(test_a_crash_before_it_is_durable_leaves_nothing_and_after_it_everything),
                TRANSFER_TEST(test_a_disk_that_refuses_changes_nothing),
                TRANSFER_TEST(test_a_grant_that_was_rotated_elsewhere_is_told_at_once),
                TRANSFER_TEST(test_what_is_here_stays_unless_it_is_to_be_replaced),
                TRANSFER_TEST(test_a_client_secret_that_is_here_stays),
                TRANSFER_TEST(test_a_refresh_of_what_is_replaced_is_cancelled),
                TRANSFER_TEST(test_an_unknown_outcome_is_unknown_on_the_other_machine_too),
                TRANSFER_TEST(test_what_is_no_whole_backup_of_this_passphrase_changes_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
