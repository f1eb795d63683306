// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
// ldflags: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=strdup,--wrap=strndup,--wrap=realpath
/* A store that is read in parts: nobody can tell, but by the time that it takes. */
#include "tests/beds/out_of_memory.h"
#include "tests/beds/vault_bed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 200, FIRST_PART = 64 };

static const char *const configured = "credentials:\n"
                                      "  c150: {client: app, description: of the configuration}\n"
                                      "  nobody-yet: {client: app}\n";

static unsigned n_loaded[MANY], n_other_loaded, n_failed;
static int failure;
static char failure_words[256];

/* The grant that setup_many() gave to the i-th. */
static bool has_grant_of(const struct credential *credential, unsigned i)
{
        char refresh_token[32];

        snprintf(refresh_token, sizeof(refresh_token), "refresh-%u", i);
        return credential->client && strcmp(core_refresh_token(credential), refresh_token) == 0;
}

static unsigned number_of(const char *name)
{
        return name[0] == 'c' ? (unsigned)strtoul(name + 1, NULL, 10) : MANY;
}

static void note_loaded(struct credential *credential, void *userdata)
{
        unsigned i = number_of(credential->name);

        /* What is told is whole. */
        if (i < MANY) {
                n_loaded[i]++;
                assert_true(has_grant_of(credential, i));
        } else {
                n_other_loaded++;
        }
}

static void note_failed(int result, const char *problem, void *userdata)
{
        n_failed++;
        failure = result;
        snprintf(failure_words, sizeof(failure_words), "%s", problem);
}

static const struct vault_loader loader = { note_loaded, note_failed, NULL };

static const char *name_of(unsigned i)
{
        static char name[16];

        snprintf(name, sizeof(name), "c%03u", i);
        return name;
}

/* A purserd that starts with what is on the disk. */
static void start_again(void)
{
        memset(n_loaded, 0, sizeof(n_loaded));
        n_other_loaded = n_failed = 0;
        core_crash(&core);
        core_start(&core);
        vault_set_loader(core.context.vault, &loader);
}

static int setup_many(void **state)
{
        char refresh_token[32], access_token[32];

        core_setup(&core, configured);
        for (unsigned i = 0; i < MANY; i++) {
                snprintf(refresh_token, sizeof(refresh_token), "refresh-%u", i);
                snprintf(access_token, sizeof(access_token), "access-%u", i);
                core_give_grant(&core, name_of(i), refresh_token, access_token, 3600);
        }
        start_again();
        return 0;
}

static void load_the_rest(void)
{
        while (vault_is_loading(core.context.vault))
                assert_int_equal(vault_load_more(core.context.vault), 0);
}

static void expect_everything(void)
{
        assert_int_equal(vault_load_all(core.context.vault), 0);
        assert_false(vault_is_loading(core.context.vault));
        assert_false(vault_is_unsure(core.context.vault));
        assert_int_equal(vault_count_loaded(core.context.vault), MANY + 1);
        for (unsigned i = 0; i < MANY; i++) {
                struct credential *credential = vault_find(core.context.vault, name_of(i));

                assert_non_null(credential);
                assert_true(has_grant_of(credential, i));
        }
        assert_non_null(vault_find(core.context.vault, "nobody-yet"));
        assert_string_equal(vault_find(core.context.vault, "c150")->description, "of the configuration");
}

/* ---- who is there when ---- */

static void test_a_start_reads_the_first_ones_and_the_others_come_in_parts(void **state)
{
        unsigned before = fake_disk_n_reads(core.disk), n_parts = 0;

        assert_true(vault_is_loading(core.context.vault));
        assert_int_equal(vault_count_loaded(core.context.vault), FIRST_PART);
        for (; vault_is_loading(core.context.vault); n_parts++) {
                size_t n = vault_count_loaded(core.context.vault);

                assert_int_equal(vault_load_more(core.context.vault), 0);
                assert_true(vault_count_loaded(core.context.vault) <= n + FIRST_PART + 1);
        }
        assert_int_equal(n_parts, 3);
        assert_int_equal(fake_disk_n_reads(core.disk), before + n_parts);
        for (unsigned i = 0; i < MANY; i++)
                assert_int_equal(n_loaded[i], i >= FIRST_PART);
        assert_int_equal(n_other_loaded, 1);
        expect_everything();
        assert_int_equal(vault_load_more(core.context.vault), 0);
        assert_int_equal(fake_disk_n_reads(core.disk), before + n_parts);
}

static void test_few_credentials_are_all_there_at_the_start(void **state)
{
        restart();
        assert_false(vault_is_loading(core.context.vault));
        assert_int_equal(vault_count_loaded(core.context.vault), 2);
}

static void test_a_credential_that_is_asked_for_is_read_before_its_turn_and_once(void **state)
{
        unsigned before = fake_disk_n_reads(core.disk);
        struct credential *credential = vault_find(core.context.vault, "c199");

        assert_non_null(credential);
        assert_true(has_grant_of(credential, 199));
        assert_int_equal(n_loaded[199], 1);
        assert_ptr_equal(vault_find(core.context.vault, "c199"), credential);
        assert_int_equal(fake_disk_n_reads(core.disk), before + 1);
        assert_int_equal(vault_count_loaded(core.context.vault), FIRST_PART + 1);

        load_the_rest();
        assert_ptr_equal(vault_find(core.context.vault, "c199"), credential);
        assert_int_equal(n_loaded[199], 1);
        expect_everything();
}

static void test_that_there_is_no_such_credential_is_known_before_all_are_read(void **state)
{
        unsigned before = fake_disk_n_reads(core.disk);

        assert_null(vault_find(core.context.vault, "c200"));
        assert_null(vault_find_bytes(core.context.vault, "c199\0x", 6));
        assert_null(vault_find_bytes(core.context.vault, "", 0));
        assert_false(vault_is_unsure(core.context.vault));
        assert_true(vault_is_loading(core.context.vault));
        /* What can be no name is not looked for. */
        assert_int_equal(fake_disk_n_reads(core.disk), before + 1);
}

static void test_a_credential_that_only_the_configuration_names_is_there_when_asked_for(void **state)
{
        struct credential *credential = vault_find(core.context.vault, "nobody-yet");

        assert_non_null(credential);
        assert_int_equal(state_of(credential), CREDENTIAL_AUTHORIZATION_REQUIRED);
        assert_int_equal(n_other_loaded, 1);
        expect_everything();
        assert_int_equal(n_other_loaded, 1);
}

static void test_what_was_saved_meanwhile_is_newer_than_what_is_read_later(void **state)
{
        struct credential *credential = vault_find(core.context.vault, "c180");

        assert_ptr_equal(core_give_grant(&core, "c180", "refresh-new", "access-new", 3600), credential);
        load_the_rest();
        assert_ptr_equal(vault_find(core.context.vault, "c180"), credential);
        assert_string_equal(core_refresh_token(credential), "refresh-new");
        start_again();
        vault_set_loader(core.context.vault, NULL);
        assert_string_equal(core_refresh_token(vault_find(core.context.vault, "c180")), "refresh-new");
}

static void test_what_was_forgotten_meanwhile_stays_gone(void **state)
{
        struct credential *credential = vault_find(core.context.vault, "c180");
        struct vault_write *write;

        assert_int_equal(vault_forget(core.context.vault, credential, NULL, NULL, &write), 0);
        core_save(&core);
        load_the_rest();
        assert_null(vault_find(core.context.vault, "c180"));
        assert_int_equal(vault_count_loaded(core.context.vault), MANY);
}

static int count(struct credential *credential, void *userdata)
{
        ++*(unsigned *)userdata;
        return 0;
}

static void test_what_speaks_of_all_reads_all_first(void **state)
{
        unsigned n = 0;

        assert_int_equal(vault_each_loaded(core.context.vault, count, &n), 0);
        assert_int_equal(n, FIRST_PART);
        n = 0;
        assert_int_equal(vault_each(core.context.vault, count, &n), 0);
        assert_int_equal(n, MANY + 1);
}

static void test_another_configuration_holds_for_what_is_read_after_it(void **state)
{
        core_reload(&core, "credentials:\n"
                           "  c150: {client: app, description: configured}\n"
                           "  extra: {client: app}\n");
        assert_true(vault_is_loading(core.context.vault));
        assert_int_equal(vault_count_loaded(core.context.vault), FIRST_PART);
        load_the_rest();
        assert_int_equal(vault_count_loaded(core.context.vault), MANY + 1);
        assert_string_equal(vault_find(core.context.vault, "c150")->description, "configured");
        assert_ptr_equal(vault_find(core.context.vault, "c199")->client, core.config->clients[0]);
        assert_ptr_equal(vault_find(core.context.vault, "c001")->client, core.config->clients[0]);
        assert_non_null(vault_find(core.context.vault, "extra")->config);
}

/* ---- what is found late is treated as what is found at the start ---- */

static void test_an_intent_that_is_found_late_is_an_unknown_outcome(void **state)
{
        struct credential *credential = vault_find(core.context.vault, "c170");
        struct vault_write *write;

        credential->replays = 3;
        assert_int_equal(vault_save_intent(core.context.vault, credential, NULL, NULL, &write), 0);
        core_save(&core);
        start_again();
        load_the_rest();
        credential = vault_find(core.context.vault, "c170");
        assert_true(credential->has_intent && credential->outcome_unknown);
        assert_int_equal(credential->replays, 3);
        assert_int_equal(state_of(credential), CREDENTIAL_OUTCOME_UNKNOWN);
}

static void test_a_record_that_does_not_open_is_kept_when_it_is_found_late(void **state)
{
        size_t n;

        fake_disk_damage(core.disk, "grant", "c190");
        uint8_t *damaged = copy_record("grant", "c190", &n);
        start_again();
        vault_set_loader(core.context.vault, NULL);
        load_the_rest();
        assert_true(vault_find(core.context.vault, "c190")->unreadable);
        expect_record("grant", "c190", damaged, n);
}

static void test_a_lost_store_is_read_to_its_end_before_it_is_made_anew(void **state)
{
        struct credential *credential = vault_find(core.context.vault, "c001");

        fake_store_lose(core.store);
        vault_save_facts(core.context.vault, credential);
        core_save(&core);
        assert_false(vault_is_loading(core.context.vault));
        core_advance(&core, 600);
        core_save(&core);
        assert_int_equal(fake_disk_n_reopened(core.disk), 1);
        assert_int_equal(vault_unsaved(core.context.vault), 0);
        start_again();
        expect_everything();
}

/* ---- wrong stores ---- */

static void test_another_key_is_told_at_the_start_even_without_the_record_for_it(void **state)
{
        static const uint8_t other_key[SEAL_KEY_SIZE] = "another sealing key of the tests";

        for (unsigned without = 0; without < 2; without++) {
                struct context context = core.context;
                struct diag diag = DIAG_INIT;
                struct store *store;

                if (without)
                        fake_disk_put(core.disk, "meta", "key-check", NULL, 0);
                context.on_change = NULL;
                assert_int_equal(store_new(&store, "", NULL, &diag), 0);
                assert_int_equal(
                        vault_new(&context.vault, &context, store, make_seal(other_key), core.boot_id), 0);
                assert_int_equal(vault_load(context.vault, &diag), VAULT_E_WRONG_KEY);
                assert_non_null(strstr(diag.text, "another key"));
                assert_int_equal(fake_store_n_queued(store), 0);
                vault_free(context.vault);
        }
        start_again();
        expect_everything();
}

static void test_a_later_versions_record_that_is_found_late_ends_the_reading(void **state)
{
        size_t n;
        uint8_t *blob = copy_record("grant", "c190", &n);

        blob[0] = 2;
        fake_disk_put(core.disk, "grant", "c190", blob, n);
        start_again();
        assert_true(vault_load_all(core.context.vault) < 0);
        assert_int_equal(n_failed, 1);
        assert_int_equal(failure, VAULT_E_STORE);
        assert_non_null(strstr(failure_words, "later version"));
        expect_record("grant", "c190", blob, n);
}

static void expect_no_more_reading(int result, int expected_failure)
{
        size_t n_records = fake_disk_n_records(core.disk), n_written;
        struct credential *credential;
        unsigned n = 0, before;

        fake_disk_set_load_result(core.disk, result);
        assert_null(vault_find(core.context.vault, "c199"));
        assert_true(vault_is_unsure(core.context.vault));
        assert_int_equal(n_failed, 1);
        assert_int_equal(failure, expected_failure);
        assert_non_null(strstr(failure_words, "cannot be read"));

        /* Once and for all, and nobody takes what is there for everything. */
        before = fake_disk_n_reads(core.disk);
        n_written = fake_store_n_written(core.store);
        fake_disk_set_load_result(core.disk, 0);
        assert_null(vault_find(core.context.vault, "c199"));
        assert_true(vault_load_more(core.context.vault) < 0);
        assert_true(vault_each(core.context.vault, count, &n) < 0);
        assert_true(vault_require(core.context.vault, "c199", &credential) < 0);
        assert_true(vault_bind(core.context.vault) < 0);
        assert_int_equal(n, 0);
        assert_int_equal(n_failed, 1);
        assert_int_equal(fake_disk_n_reads(core.disk), before);
        assert_int_equal(fake_store_n_written(core.store), n_written);

        /* A credential that was read is served and saved as ever. */
        credential = vault_find(core.context.vault, "c001");
        assert_non_null(credential);
        vault_save_facts(core.context.vault, credential);
        core_save(&core);
        /* Not even a store that is lost is made anew without the others. */
        fake_store_lose(core.store);
        vault_save_facts(core.context.vault, credential);
        core_save(&core);
        core_advance(&core, 600);
        core_save(&core);
        assert_int_equal(fake_disk_n_reopened(core.disk), 0);
        assert_int_equal(fake_disk_n_records(core.disk), n_records);

        start_again();
        expect_everything();
}

static void test_a_store_that_cannot_be_read_any_more_is_never_an_empty_one(void **state)
{
        expect_no_more_reading(-EIO, -EIO);
}

static void test_a_store_that_is_damaged_meanwhile_is_never_an_empty_one(void **state)
{
        expect_no_more_reading(STORE_E_CORRUPT, VAULT_E_STORE);
}

static void test_a_part_that_cannot_be_read_leaves_nothing_half_read(void **state)
{
        fake_disk_set_later_load_result(core.disk, -EIO, 1);
        assert_int_equal(vault_load_more(core.context.vault), 0);
        size_t n = vault_count_loaded(core.context.vault);
        assert_true(vault_load_more(core.context.vault) < 0);
        assert_int_equal(vault_count_loaded(core.context.vault), n);
        assert_int_equal(n_failed, 1);
}

/* ---- memory ---- */

/* Every allocation fails once. */
static void test_want_of_memory_holds_the_reading_up_and_loses_nothing(void **state)
{
        unsigned n_wanting = 0;
        bool reached = true;

        for (size_t at = 0; reached; at++) {
                start_again();
                out_of_memory_at(at);
                struct credential *credential = vault_find(core.context.vault, "c150");
                int r = vault_load_more(core.context.vault);
                reached = out_of_memory_end();
                n_wanting += !credential || r < 0;
                assert_true(credential || vault_is_unsure(core.context.vault));
                assert_true(r == 0 || r == -ENOMEM);
                assert_int_equal(n_failed, 0);
                expect_everything();
                for (unsigned i = 0; i < MANY; i++)
                        assert_int_equal(n_loaded[i], i >= FIRST_PART);
        }
        assert_true(n_wanting > 100);
}

int main(void)
{
#define WITH_MANY(test) cmocka_unit_test_setup_teardown(test, setup_many, teardown)
        const struct CMUnitTest tests[] = {
                WITH_MANY(test_a_start_reads_the_first_ones_and_the_others_come_in_parts),
                cmocka_unit_test_setup_teardown(test_few_credentials_are_all_there_at_the_start, setup,
                                                teardown),
                WITH_MANY(test_a_credential_that_is_asked_for_is_read_before_its_turn_and_once),
                WITH_MANY(test_that_there_is_no_such_credential_is_known_before_all_are_read),
                WITH_MANY(test_a_credential_that_only_the_configuration_names_is_there_when_asked_for),
                WITH_MANY(test_what_was_saved_meanwhile_is_newer_than_what_is_read_later),
                WITH_MANY(test_what_was_forgotten_meanwhile_stays_gone),
                WITH_MANY(test_what_speaks_of_all_reads_all_first),
                WITH_MANY(test_another_configuration_holds_for_what_is_read_after_it),
                WITH_MANY(test_an_intent_that_is_found_late_is_an_unknown_outcome),
                WITH_MANY(test_a_record_that_does_not_open_is_kept_when_it_is_found_late),
                WITH_MANY(test_a_lost_store_is_read_to_its_end_before_it_is_made_anew),
                WITH_MANY(test_another_key_is_told_at_the_start_even_without_the_record_for_it),
                WITH_MANY(test_a_later_versions_record_that_is_found_late_ends_the_reading),
                WITH_MANY(test_a_store_that_cannot_be_read_any_more_is_never_an_empty_one),
                WITH_MANY(test_a_store_that_is_damaged_meanwhile_is_never_an_empty_one),
                WITH_MANY(test_a_part_that_cannot_be_read_leaves_nothing_half_read),
                WITH_MANY(test_want_of_memory_holds_the_reading_up_and_loses_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
