// links: daemon/transfer/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Grants out of one daemon and into another, over disks that refuse and crashes in between. */
#include "tests/beds/transfer_bed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- leaving ---- */

static void test_nothing_leaves_before_its_mark_is_durable(void **state)
{
        (void)state;
        core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        begin_export(false);
        assert_int_equal(exporter_go_on(out.exporter), 0);
        assert_int_equal(out.n_pieces, 0);
        assert_true(fake_store_is_queued(core.store, "facts", "acme"));
        /* A crash now: nothing has left, and nothing says so. */
        restart();
        assert_int_equal(find("acme")->exported_wall_usec, 0);
        begin_export(false);
        go_on();
        assert_int_equal(out.n_pieces, 1);
        assert_int_equal(out.n_credentials, 1);
        /* And now: its mark is there. */
        restart();
        assert_true(find("acme")->exported_wall_usec > 0);
        assert_false(find("acme")->moved);
}

static void test_a_moved_grant_is_not_refreshed_any_more_not_even_after_a_crash(void **state)
{
        struct asker asker;

        (void)state;
        core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        begin_export(true);
        go_on();
        restart();
        assert_true(find("acme")->moved);
        core_advance(&core, 3500);
        assert_int_equal(in_flight(), 0);
        core_ask(&core, find("acme"), &(struct token_demand){ 0 }, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        core_advance(&core, 200);
        core_ask(&core, find("acme"), &(struct token_demand){ 0 }, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_AUTHORIZATION_REQUIRED);
        assert_non_null(strstr(asker.answer.reason, "moved to another machine"));
        assert_int_equal(in_flight(), 0);
}

static void test_a_moved_grant_that_is_kept_is_refreshed_again(void **state)
{
        (void)state;
        core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        export_all(true);
        transfer_keep(&core.context, core.refresher, find("acme"));
        core_save(&core);
        core_advance(&core, 3500);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
        restart();
        assert_false(find("acme")->moved);
        assert_int_equal(find("acme")->exported_wall_usec, 0);
}

static void test_a_disk_that_refuses_the_mark_keeps_the_grant_here(void **state)
{
        (void)state;
        core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        begin_export(true);
        assert_int_equal(exporter_go_on(out.exporter), 0);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_true(out.ended && out.not_saved);
        assert_int_equal(out.n_credentials, 0);
        assert_false(find("acme")->moved);
        assert_int_equal(find("acme")->refusal, REFUSAL_NONE);
        drop_exporter();
        core_advance(&core, 3500);
        core_save(&core);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
}

static void test_a_refresh_on_the_wire_ends_before_its_grant_moves(void **state)
{
        struct asker asker;

        (void)state;
        core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        core_force(&core, find("acme"), &asker);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
        begin_export(true);
        assert_int_equal(exporter_go_on(out.exporter), 0);
        core_save(&core);
        assert_int_equal(out.n_pieces, 0);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        core_run(&core);
        for (int i = 0; i < 4; i++)
                core_save(&core);
        assert_int_equal(out.n_pieces, 1);
        assert_string_equal(core_refresh_token(find("acme")), "refresh-2");
        asker_done(&asker);

        go_on();
        drop_exporter();
        move_to_another_machine();
        restore(false, RESTORE_DONE);
        assert_string_equal(core_refresh_token(find("acme")), "refresh-2");
}

static void test_an_export_that_is_cut_off_lets_what_it_held_go_on(void **state)
{
        struct asker asker;

        (void)state;
        core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        core_give_grant(&core, "birch", "refresh-1", "access-1", 3600);
        core_force(&core, find("birch"), &asker);
        core_save(&core);
        begin_export(true);
        assert_int_equal(exporter_go_on(out.exporter), 0);
        assert_true(find("acme")->held && find("birch")->held);
        drop_exporter();
        assert_false(find("acme")->held || find("birch")->held);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(find("birch")->grant.generation, 2);
        assert_false(find("acme")->moved);
        asker_done(&asker);
}

static void test_what_was_moved_before_or_has_no_grant_is_left_out(void **state)
{
        struct credential *shell;

        (void)state;
        core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        export_all(true);
        assert_int_equal(out.n_credentials, 1);
        core_give_grant(&core, "birch", "refresh-1", "access-1", 3600);
        assert_int_equal(vault_require(core.context.vault, "shell", &shell), 0);
        export_all(false);
        assert_int_equal(out.n_credentials, 1);
        assert_int_equal(out.n_left_out, 1);
}

static void test_many_credentials_come_in_pieces_and_arrive_whole(void **state)
{
        char name[16];

        (void)state;
        for (unsigned i = 0; i < 200; i++) {
                snprintf(name, sizeof(name), "c%03u", i);
                core_give_grant(&core, name, name, "access-1", 3600);
        }
        export_all(true);
        assert_int_equal(out.n_credentials, 200);
        assert_true(out.n_pieces >= 4);
        drop_exporter();
        move_to_another_machine();
        restore(false, RESTORE_DONE);
        assert_int_equal(in.n_names, 200);
        for (unsigned i = 0; i < 200; i++) {
                snprintf(name, sizeof(name), "c%03u", i);
                assert_string_equal(core_refresh_token(find(name)), name);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TRANSFER_TEST(test_nothing_leaves_before_its_mark_is_durable),
                TRANSFER_TEST(test_a_moved_grant_is_not_refreshed_any_more_not_even_after_a_crash),
                TRANSFER_TEST(test_a_moved_grant_that_is_kept_is_refreshed_again),
                TRANSFER_TEST(test_a_disk_that_refuses_the_mark_keeps_the_grant_here),
                TRANSFER_TEST(test_a_refresh_on_the_wire_ends_before_its_grant_moves),
                TRANSFER_TEST(test_an_export_that_is_cut_off_lets_what_it_held_go_on),
                TRANSFER_TEST(test_what_was_moved_before_or_has_no_grant_is_left_out),
                TRANSFER_TEST(test_many_credentials_come_in_pieces_and_arrive_whole),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
