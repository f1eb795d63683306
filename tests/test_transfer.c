// links: tests/core.c tests/fake_clock.c tests/fake_http.c tests/fake_store.c daemon/transfer*.c daemon/backup*.c daemon/refresh*.c
// links: daemon/probe*.c daemon/login*.c daemon/discovery.c daemon/vault*.c daemon/credential*.c daemon/record.c daemon/seal.c
// links: daemon/timers.c daemon/rate.c daemon/heap.c daemon/backoff.c daemon/oauth_*.c daemon/api_*.c daemon/answer.c daemon/lifetime.c daemon/pkce.c
// links: daemon/json_text.c daemon/plain_words.c daemon/form.c daemon/http_message.c daemon/config*.c daemon/provider*.c
// links: daemon/problems.c daemon/yaml_*.c daemon/log.c common/*.c
// libs: libsodium jansson yaml-0.1 libsystemd
/* Grants out of one daemon and into another, over disks that refuse and crashes in between. */
#include "tests/core.h"

#include "daemon/transfer.h"
#include "daemon/vault_transfer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_2 "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"expires_in\":3600}"
#define INVALID_GRANT "{\"error\":\"invalid_grant\"}"

static const struct backup_cost cheap = { .opslimit = 1, .memlimit = 8192 };

static struct core core;
static struct secret *passphrase;

/* What an export told. */
static struct {
        struct exporter *exporter;
        uint8_t file[1 << 20];
        size_t n, n_credentials, n_client_secrets, n_left_out;
        unsigned n_pieces;
        bool ended, not_saved;
        char reason[256];
} out;

/* What a restore told. */
static struct {
        struct restorer *restorer;
        bool told;
        enum restore_verdict verdict;
        char reason[256], names[256];
        size_t n_names, n_client_secrets, n_secrets_kept;
        bool moved;
} in;

static int setup(void **state)
{
        (void)state;
        memset(&out, 0, sizeof(out));
        memset(&in, 0, sizeof(in));
        core_setup(&core, "refresh: {test: off}\n");
        assert_int_equal(secret_new_string(&passphrase, "correct horse battery staple"), 0);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        out.exporter = exporter_free(out.exporter);
        in.restorer = restorer_free(in.restorer);
        passphrase = secret_free(passphrase);
        core_teardown(&core);
        return 0;
}

static struct credential *find(const char *name)
{
        return vault_find(core.context.vault, name);
}

static size_t in_flight(void)
{
        return fake_http_n_in_flight(core.context.http);
}

static void restart(void)
{
        out.exporter = exporter_free(out.exporter);
        in.restorer = restorer_free(in.restorer);
        core_crash(&core);
        core_start(&core);
}

/* ---- out ---- */

static void on_piece(const struct export_piece *piece, void *userdata)
{
        (void)userdata;
        assert_true(out.n + piece->n <= sizeof(out.file));
        memcpy(out.file + out.n, piece->bytes, piece->n);
        out.n += piece->n;
        out.n_pieces++;
        out.n_credentials = piece->n_credentials;
        out.n_client_secrets = piece->n_client_secrets;
        out.n_left_out = piece->n_left_out;
        out.ended = piece->verdict != EXPORT_PIECE;
        out.not_saved = piece->verdict == EXPORT_NOT_SAVED;
        snprintf(out.reason, sizeof(out.reason), "%s", piece->reason ? piece->reason : "");
}

static void begin_export(bool move)
{
        out.exporter = exporter_free(out.exporter);
        out.n = out.n_pieces = 0;
        out.ended = false;
        assert_int_equal(exporter_new(&out.exporter, &core.context, core.refresher, passphrase, &cheap, move,
                                      on_piece, NULL),
                         0);
}

/* One piece, with the disk that it needs. */
static void go_on(void)
{
        unsigned before = out.n_pieces;

        assert_int_equal(exporter_go_on(out.exporter), 0);
        while (out.n_pieces == before && fake_store_n_queued(core.store) > 0)
                core_save(&core);
        core_run(&core);
}

static void export_all(bool move)
{
        begin_export(move);
        while (!out.ended) {
                unsigned before = out.n_pieces;

                go_on();
                assert_int_equal(out.n_pieces, before + 1);
        }
        assert_false(out.not_saved);
}

/* ---- in ---- */

static void on_done(const struct restore_answer *answer, void *userdata)
{
        (void)userdata;
        assert_false(in.told);
        in.told = true;
        in.verdict = answer->verdict;
        snprintf(in.reason, sizeof(in.reason), "%s", answer->reason ? answer->reason : "");
        in.names[0] = '\0';
        for (size_t i = 0; i < answer->n_names && i < 8; i++)
                snprintf(in.names + strlen(in.names), sizeof(in.names) - strlen(in.names), "%s ",
                         answer->names[i]);
        in.n_names = answer->n_names;
        in.n_client_secrets = answer->n_client_secrets;
        in.n_secrets_kept = answer->n_secrets_kept;
        in.moved = answer->moved;
}

static void begin_restore(bool replace)
{
        in.restorer = restorer_free(in.restorer);
        in.told = false;
        assert_int_equal(restorer_start(&in.restorer, &core.context, core.refresher, core.prober, out.file,
                                        out.n, passphrase, replace, on_done, NULL),
                         0);
}

static void restore(bool replace, enum restore_verdict wanted)
{
        begin_restore(replace);
        core_save(&core);
        assert_true(in.told);
        assert_int_equal(in.verdict, wanted);
        core_run(&core);
}

/* Another machine: its disk is empty. */
static void move_to_another_machine(void)
{
        core_teardown(&core);
        core_setup(&core, "refresh: {test: off}\n");
}

static void drop_exporter(void)
{
        out.exporter = exporter_free(out.exporter);
}

static void set_secret(const char *text)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;

        assert_int_equal(secret_new_string(&secret, text), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, "app", secret, NULL, NULL, &write), 0);
        core_save(&core);
}

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
        assert_int_equal(vault_count(core.context.vault), 0);
        restore(false, RESTORE_DONE);
}

#define TRANSFER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
