// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* What the vault makes of a store: good ones, damaged ones, others' ones. */
#include "daemon/vault/vault_internal.h"
#include "tests/beds/vault_bed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t other_key[SEAL_KEY_SIZE] = "another sealing key of the tests";

/* A purserd that starts with this key and gets no further than reading. */
static int try_to_load(const uint8_t *key, struct diag *diag, size_t *ret_n_queued)
{
        struct context context = core.context;
        struct store *store;
        int r;

        *diag = (struct diag)DIAG_INIT;
        assert_int_equal(store_new(&store, "", NULL, diag), 0);
        assert_int_equal(vault_new(&context.vault, &context, store, make_seal(key), core.boot_id), 0);
        context.on_change = NULL;
        r = vault_load(context.vault, diag);
        *ret_n_queued = fake_store_n_queued(store);
        fake_store_crash(store);
        vault_free(context.vault);
        return r;
}

struct snapshot {
        uint8_t *bytes[16];
        size_t sizes[16], n;
};

static const char *const kinds[] = { "client-secret", "facts",         "grant",         "intent",
                                     "meta",          "pending-facts", "pending-grant", "pending-intent" };
static const char *const names[] = { "acme", "beta", "app", "key-check" };

static struct snapshot take_snapshot(void)
{
        struct snapshot snapshot = { .n = fake_disk_n_records(core.disk) };
        size_t found = 0;

        for (size_t i = 0; i < 8; i++) {
                for (size_t j = 0; j < 4; j++) {
                        size_t n;
                        const uint8_t *bytes = fake_disk_find(core.disk, kinds[i], names[j], &n);

                        if (!bytes)
                                continue;
                        assert_true(found < 16);
                        snapshot.bytes[found] = malloc(n);
                        memcpy(snapshot.bytes[found], bytes, n);
                        snapshot.sizes[found++] = n;
                }
        }
        assert_int_equal(found, snapshot.n);
        return snapshot;
}

static void expect_untouched(struct snapshot *before)
{
        struct snapshot after = take_snapshot();

        assert_int_equal(after.n, before->n);
        for (size_t i = 0; i < after.n; i++) {
                assert_int_equal(after.sizes[i], before->sizes[i]);
                assert_memory_equal(after.bytes[i], before->bytes[i], after.sizes[i]);
                free(after.bytes[i]);
                free(before->bytes[i]);
        }
}

/* ---- whole stores ---- */

static void test_everything_is_there_again_after_a_restart(void **state)
{
        restart();
        assert_int_equal(vault_count_loaded(core.context.vault), 2);
        assert_string_equal(core_refresh_token(acme), "refresh-1");
        assert_string_equal(core_access_token(beta), "access-b");
        assert_int_equal(state_of(acme), CREDENTIAL_ACTIVE);
        assert_string_equal(vault_client_secret_state(core.context.vault, acme->client), "store");
}

static void test_a_wrong_sealing_key_is_refused_and_nothing_is_touched(void **state)
{
        struct snapshot before;
        struct diag diag;
        size_t n_queued;

        core_crash(&core);
        before = take_snapshot();
        assert_int_equal(try_to_load(other_key, &diag, &n_queued), VAULT_E_WRONG_KEY);
        assert_non_null(strstr(diag.text, "another key"));
        assert_int_equal(n_queued, 0);
        expect_untouched(&before);
        core_start(&core);
        assert_non_null(vault_find(core.context.vault, "acme"));
}

static void test_a_store_that_cannot_be_read_is_never_taken_for_an_empty_one(void **state)
{
        static const int results[] = { -EIO, -ENOMEM, STORE_E_CORRUPT, STORE_E_NEWER };
        struct snapshot before;
        struct diag diag;
        size_t n_queued;

        core_crash(&core);
        before = take_snapshot();
        for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
                fake_disk_set_load_result(core.disk, results[i]);
                assert_int_equal(try_to_load(good_key, &diag, &n_queued),
                                 results[i] < 0 ? results[i] : VAULT_E_STORE);
                assert_int_equal(n_queued, 0);
        }
        expect_untouched(&before);
        fake_disk_set_load_result(core.disk, 0);
        core_start(&core);
        assert_int_equal(vault_count_loaded(core.context.vault), 2);
}

static void test_an_empty_store_is_marked_with_its_key(void **state)
{
        struct diag diag;
        size_t n_queued;

        core_crash(&core);
        fake_disk_free(core.disk);
        core.disk = fake_disk_new();
        core_start(&core);
        core_save(&core);
        assert_int_equal(fake_disk_n_records(core.disk), 1);
        assert_non_null(fake_disk_find(core.disk, "meta", "key-check", NULL));
        assert_int_equal(try_to_load(other_key, &diag, &n_queued), VAULT_E_WRONG_KEY);
        assert_int_equal(try_to_load(good_key, &diag, &n_queued), 0);
        assert_int_equal(n_queued, 0);
}

static void test_a_record_of_a_later_version_is_refused_and_nothing_is_touched(void **state)
{
        struct snapshot before;
        struct diag diag;
        size_t n, n_queued;
        uint8_t *blob;

        core_crash(&core);
        blob = copy_record("grant", "beta", &n);
        blob[0] = 2;
        fake_disk_put(core.disk, "grant", "beta", blob, n);
        free(blob);
        before = take_snapshot();
        assert_int_equal(try_to_load(good_key, &diag, &n_queued), VAULT_E_STORE);
        assert_non_null(strstr(diag.text, "later version"));
        assert_int_equal(n_queued, 0);
        expect_untouched(&before);
}

/* ---- logins that waited ---- */

static void save_pending(const char *refresh_token)
{
        struct credential *pending;
        struct vault_write *write;
        struct grant grant = { 0 };

        assert_int_equal(vault_require_pending(core.context.vault, acme, &pending), 0);
        free(pending->client_name);
        pending->client_name = strdup("app");
        pending->refusal = REFUSAL_NONE;
        assert_int_equal(secret_new_string(&grant.refresh_token, refresh_token), 0);
        assert_int_equal(vault_save_grant(core.context.vault, pending, &grant, NULL, NULL, &write), 0);
        core_save(&core);
}

static void test_a_pending_grant_that_does_not_open_is_left_alone_until_the_next_login(void **state)
{
        static const char *const damaged[] = { "pending-grant", "pending-facts" };

        for (size_t i = 0; i < 2; i++) {
                size_t n;
                uint8_t *blob;

                save_pending("lost");
                fake_disk_damage(core.disk, damaged[i], "acme");
                blob = copy_record(damaged[i], "acme", &n);
                restart();
                assert_true(acme->pending->unreadable);
                assert_int_equal(state_of(acme), CREDENTIAL_ACTIVE);
                core_run(&core);
                core_advance(&core, 500);
                core_save(&core);
                assert_int_equal(in_flight(), 0);
                expect_record(damaged[i], "acme", blob, n);
        }

        _cleanup_(secret_freep) struct secret *token = NULL;
        struct login_call *call;
        assert_int_equal(secret_new_string(&token, "imported"), 0);
        assert_int_equal(login_import(core.logins, "acme", NULL, NULL, token, false, NULL, NULL, &call), 0);
        core_run(&core);
        core_save(&core);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_string_equal(core_refresh_token(acme), "refresh-2");
        assert_null(fake_disk_find(core.disk, "pending-grant", "acme", NULL));
}

static void test_a_login_mends_a_credential_that_does_not_open(void **state)
{
        fake_disk_damage(core.disk, "grant", "acme");
        restart();
        save_pending("imported");
        core_crash(&core);
        core_start(&core);
        acme = vault_find(core.context.vault, "acme");
        assert_true(acme->unreadable);
        core_run(&core);
        core_save(&core);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_false(acme->unreadable);
        assert_int_equal(state_of(acme), CREDENTIAL_ACTIVE);
        restart();
        assert_int_equal(state_of(acme), CREDENTIAL_ACTIVE);
        assert_string_equal(core_refresh_token(acme), "refresh-2");
}

/* ---- the table ---- */

static int note_name(struct credential *credential, void *userdata)
{
        strcat(strcat(userdata, credential->name), " ");
        return strcmp(credential->name, "gamma") == 0 ? 7 : 0;
}

static void test_credentials_come_in_the_order_of_their_names(void **state)
{
        char all[64] = "";

        core_give_grant(&core, "delta", "r", "a", 3600);
        core_give_grant(&core, "Zeta", "r", "a", 3600);
        assert_int_equal(vault_each(core.context.vault, note_name, all), 0);
        assert_string_equal(all, "Zeta acme beta delta ");
        core_give_grant(&core, "gamma", "r", "a", 3600);
        core_give_grant(&core, "omega", "r", "a", 3600);
        all[0] = '\0';
        assert_int_equal(vault_each(core.context.vault, note_name, all), 7);
        assert_string_equal(all, "Zeta acme beta delta gamma ");
        assert_null(vault_find(core.context.vault, "zeta"));
}

static int note_and_pause(struct credential *credential, void *userdata)
{
        strcat(strcat(userdata, credential->name), " ");
        return strcmp(credential->name, "beta") == 0 ? 7 : 0;
}

static void test_a_walk_goes_on_behind_the_last_name_whatever_comes_and_goes(void **state)
{
        struct vault_cursor cursor = { .after = "" };
        struct credential *credential;
        char all[64] = "";

        core_give_grant(&core, "delta", "r", "a", 3600);
        core_give_grant(&core, "omega", "r", "a", 3600);
        assert_int_equal(vault_walk(core.context.vault, &cursor, 1, note_and_pause, all), 0);
        assert_string_equal(all, "acme ");
        assert_false(cursor.at_end);
        assert_int_equal(vault_walk(core.context.vault, &cursor, 9, note_and_pause, all), 7);
        assert_string_equal(all, "acme beta ");
        assert_string_equal(cursor.after, "beta");

        assert_int_equal(vault_require(core.context.vault, "aaa", &credential), 0);
        assert_int_equal(vault_require(core.context.vault, "betb", &credential), 0);
        vault_remove(core.context.vault, vault_find(core.context.vault, "beta"));
        vault_remove(core.context.vault, vault_find(core.context.vault, "delta"));
        assert_int_equal(vault_walk(core.context.vault, &cursor, 2, note_and_pause, all), 0);
        assert_string_equal(all, "acme beta betb omega ");
        assert_true(cursor.at_end);
        assert_int_equal(vault_walk(core.context.vault, &cursor, 2, note_and_pause, all), 0);
        assert_string_equal(all, "acme beta betb omega ");
}

static int expect_order(struct credential *credential, void *userdata)
{
        char *last = userdata;

        assert_true(strcmp(last, credential->name) < 0);
        snprintf(last, 16, "%s", credential->name);
        return 0;
}

static void test_names_that_come_and_go_in_any_order_stay_in_theirs(void **state)
{
        enum { N = 500 };
        struct credential *credential;
        struct vault *vault = core.context.vault;
        char name[16], last[16] = "";

        for (unsigned i = 0; i < N; i++) {
                snprintf(name, sizeof(name), "c%03u", i * 211 % N);
                assert_int_equal(vault_require(vault, name, &credential), 0);
        }
        for (unsigned i = 0; i < N; i += 3) {
                snprintf(name, sizeof(name), "c%03u", i * 307 % N);
                vault_remove(vault, vault_find(vault, name));
        }
        assert_int_equal(vault_each(vault, expect_order, last), 0);
        assert_int_equal(vault->order.n, vault_count_loaded(vault));
}

static void test_the_configuration_makes_shells_and_takes_them_back(void **state)
{
        struct credential *shell;

        core_reload(&core, "credentials: {shell: {client: app, description: not yet}}\n");
        shell = vault_find(core.context.vault, "shell");
        assert_non_null(shell);
        assert_string_equal(shell->description, "not yet");
        assert_int_equal(state_of(shell), CREDENTIAL_AUTHORIZATION_REQUIRED);
        core_save(&core);
        assert_null(fake_disk_find(core.disk, "facts", "shell", NULL));
        core_reload(&core, NULL);
        assert_null(vault_find(core.context.vault, "shell"));
        assert_int_equal(vault_count_loaded(core.context.vault), 2);
}

static void test_a_shell_that_is_being_tested_can_be_taken_back(void **state)
{
        core_reload(&core, "credentials: {shell: {client: app}}\n");
        assert_int_equal(prober_run(core.prober, vault_find(core.context.vault, "shell"), NULL, NULL, NULL),
                         0);
        core_reload(&core, NULL);
        core_run(&core);
        assert_null(vault_find(core.context.vault, "shell"));
}

static void test_a_reload_points_credentials_at_the_new_clients(void **state)
{
        core_reload(&core, "  other: {provider: idp, client_id: x, client_secret: {store: true}}\n"
                           "credentials: {acme: {client: other}}\n");
        assert_string_equal(acme->client->name, "app");
        assert_int_equal(state_of(acme), CREDENTIAL_AUTHORIZATION_REQUIRED);
        assert_int_equal(state_of(beta), CREDENTIAL_ACTIVE);
        core_reload(&core, NULL);
        assert_int_equal(state_of(acme), CREDENTIAL_ACTIVE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_everything_is_there_again_after_a_restart),
                TEST(test_a_wrong_sealing_key_is_refused_and_nothing_is_touched),
                TEST(test_a_store_that_cannot_be_read_is_never_taken_for_an_empty_one),
                TEST(test_an_empty_store_is_marked_with_its_key),
                TEST(test_a_record_of_a_later_version_is_refused_and_nothing_is_touched),
                TEST(test_a_pending_grant_that_does_not_open_is_left_alone_until_the_next_login),
                TEST(test_a_login_mends_a_credential_that_does_not_open),
                TEST(test_credentials_come_in_the_order_of_their_names),
                TEST(test_a_walk_goes_on_behind_the_last_name_whatever_comes_and_goes),
                TEST(test_names_that_come_and_go_in_any_order_stay_in_theirs),
                TEST(test_the_configuration_makes_shells_and_takes_them_back),
                TEST(test_a_shell_that_is_being_tested_can_be_taken_back),
                TEST(test_a_reload_points_credentials_at_the_new_clients),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
