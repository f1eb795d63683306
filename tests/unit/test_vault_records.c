// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Single records that are damaged, moved, taken out or unknown. */
#include "tests/beds/vault_bed.h"

#include <stdlib.h>
#include <string.h>

/* ---- single records ---- */

/* Whatever happens to a credential that does not open, short of a login, its record is as it was; and others go on. */
static void expect_kept(const char *kind)
{
        struct token_demand demand = { .rejected = "access-1" };
        struct asker asker;
        size_t n;
        uint8_t *blob;

        fake_disk_damage(core.disk, kind, "acme");
        blob = copy_record(kind, "acme", &n);
        restart();
        assert_true(acme->unreadable);
        assert_int_equal(state_of(acme), CREDENTIAL_UNAVAILABLE);
        assert_non_null(strstr(credential_last_error(acme), "does not open"));
        assert_int_equal(state_of(beta), CREDENTIAL_ACTIVE);

        core_ask(&core, acme, &demand, &asker);
        core_force(&core, acme, &asker);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);
        assert_non_null(strstr(asker.answer.reason, "does not open"));
        assert_int_equal(prober_run(core.prober, acme, NULL, NULL, NULL), 0);
        core_run(&core);
        while (in_flight())
                core_answer(&core, 200, ACCOUNT_ONE);
        vault_save_facts(core.context.vault, acme);
        core_save(&core);
        refresher_cut(core.refresher, acme, "It was cut.");
        core_advance(&core, 3000);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_string_equal(core_access_token(beta), "access-2");
        core_advance(&core, 100000);
        core_save(&core);
        expect_record(kind, "acme", blob, n);
}

static void test_a_damaged_grant_is_kept_and_told_and_others_go_on(void **state)
{
        expect_kept("grant");
}

static void test_damaged_facts_are_kept_and_told_and_others_go_on(void **state)
{
        expect_kept("facts");
}

static void test_a_malformed_record_is_kept_as_one_that_does_not_open(void **state)
{
        struct seal *seal = make_seal(good_key);
        uint8_t *blob;
        size_t n;

        assert_int_equal(seal_close(seal, "grant", "acme", "no record", 9, &blob, &n), 0);
        fake_disk_put(core.disk, "grant", "acme", blob, n);
        seal_free(seal);
        restart();
        assert_true(acme->unreadable);
        assert_false(beta->unreadable);
        expect_record("grant", "acme", blob, n);
}

static void test_a_record_that_was_moved_to_another_name_is_refused(void **state)
{
        size_t n_acme, n_beta;
        uint8_t *of_acme = copy_record("grant", "acme", &n_acme),
                *of_beta = copy_record("grant", "beta", &n_beta);

        fake_disk_put(core.disk, "grant", "acme", of_beta, n_beta);
        fake_disk_put(core.disk, "grant", "beta", of_acme, n_acme);
        restart();
        assert_true(acme->unreadable);
        assert_true(beta->unreadable);
        assert_string_equal(core_access_token(acme), "");
        assert_string_equal(core_access_token(beta), "");
        expect_record("grant", "acme", of_beta, n_beta);
        expect_record("grant", "beta", of_acme, n_acme);
}

static void test_a_pending_grant_that_was_put_in_the_place_of_one_in_force_is_refused(void **state)
{
        struct credential *pending;
        struct vault_write *write;
        struct grant grant = { .generation = 1 };
        size_t n;
        uint8_t *blob;

        assert_int_equal(vault_require_pending(core.context.vault, acme, &pending), 0);
        assert_int_equal(secret_new_string(&grant.refresh_token, "another company's"), 0);
        assert_int_equal(vault_save_grant(core.context.vault, pending, &grant, NULL, NULL, &write), 0);
        core_save(&core);
        blob = copy_record("pending-grant", "acme", &n);
        fake_disk_put(core.disk, "grant", "acme", blob, n);
        restart();
        assert_true(acme->unreadable);
        assert_string_equal(core_refresh_token(acme), "");
        expect_record("grant", "acme", blob, n);
}

static void test_a_damaged_intent_says_that_a_refresh_was_under_way(void **state)
{
        core_advance(&core, 3000);
        core_save(&core);
        assert_int_equal(in_flight(), 2);
        fake_disk_damage(core.disk, "intent", "acme");
        restart();
        assert_false(acme->unreadable);
        assert_true(acme->outcome_unknown);
        assert_int_equal(acme->replays, 1);
        core_run(&core);
        core_answer(&core, 200, ANSWER_2);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(state_of(acme), CREDENTIAL_ACTIVE);
        assert_null(fake_disk_find(core.disk, "intent", "acme", NULL));
}

static void test_an_intent_of_an_older_token_means_nothing(void **state)
{
        uint8_t *blob;
        size_t n;

        core_advance(&core, 3000);
        core_save(&core);
        blob = copy_record("intent", "acme", &n);
        core_answer(&core, 200, ANSWER_2);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        fake_disk_put(core.disk, "intent", "acme", blob, n);
        free(blob);
        restart();
        assert_false(acme->outcome_unknown);
        assert_int_equal(state_of(acme), CREDENTIAL_ACTIVE);
}

static void remove_record(const char *kind, const char *name)
{
        fake_disk_put(core.disk, kind, name, NULL, 0);
}

static void test_facts_whose_grant_was_taken_out_are_told(void **state)
{
        remove_record("grant", "acme");
        restart();
        assert_int_equal(state_of(acme), CREDENTIAL_UNAVAILABLE);
        assert_true(acme->unreadable);
        assert_string_equal(acme->client_name, "app");
}

static void test_a_grant_whose_facts_were_taken_out_is_told(void **state)
{
        remove_record("facts", "acme");
        restart();
        assert_int_equal(state_of(acme), CREDENTIAL_UNAVAILABLE);
        assert_true(acme->unreadable);
        assert_string_equal(core_refresh_token(acme), "refresh-1");
}

static void test_records_of_unknown_kinds_are_left_alone(void **state)
{
        struct seal *seal = make_seal(good_key);
        uint8_t *blob;
        size_t n;

        assert_int_equal(seal_close(seal, "pending-later", "gamma", "?", 1, &blob, &n), 0);
        seal_free(seal);
        fake_disk_put(core.disk, "pending-later", "gamma", blob, n);
        fake_disk_put(core.disk, "later", "delta", (const uint8_t *)"\1?", 2);
        restart();
        core_save(&core);
        assert_int_equal(vault_count_loaded(core.context.vault), 2);
        assert_non_null(fake_disk_find(core.disk, "later", "delta", NULL));
        expect_record("pending-later", "gamma", blob, n);
}

static void test_a_damaged_client_secret_can_be_typed_in_again(void **state)
{
        _cleanup_(secret_freep) struct secret *secret = NULL, *read = NULL;
        struct vault_write *write;
        struct diag diag = DIAG_INIT;

        fake_disk_damage(core.disk, "client-secret", "app");
        restart();
        assert_int_equal(state_of(acme), CREDENTIAL_ACTIVE);
        assert_string_equal(vault_client_secret_state(core.context.vault, acme->client), "missing");
        assert_int_equal(vault_client_secret(core.context.vault, acme->client, &read, &diag),
                         VAULT_E_NO_SECRET);
        assert_non_null(strstr(diag.text, "purser secret set app"));

        assert_int_equal(secret_new_string(&secret, "typed anew"), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, "app", secret, NULL, NULL, &write), 0);
        core_save(&core);
        restart();
        assert_int_equal(vault_client_secret(core.context.vault, acme->client, &read, &diag), 0);
        assert_true(secret_equal(read, secret));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_damaged_grant_is_kept_and_told_and_others_go_on),
                TEST(test_damaged_facts_are_kept_and_told_and_others_go_on),
                TEST(test_a_malformed_record_is_kept_as_one_that_does_not_open),
                TEST(test_a_record_that_was_moved_to_another_name_is_refused),
                TEST(test_a_pending_grant_that_was_put_in_the_place_of_one_in_force_is_refused),
                TEST(test_a_damaged_intent_says_that_a_refresh_was_under_way),
                TEST(test_an_intent_of_an_older_token_means_nothing),
                TEST(test_facts_whose_grant_was_taken_out_are_told),
                TEST(test_a_grant_whose_facts_were_taken_out_is_told),
                TEST(test_records_of_unknown_kinds_are_left_alone),
                TEST(test_a_damaged_client_secret_can_be_typed_in_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
