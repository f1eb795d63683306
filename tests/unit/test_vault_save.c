// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Writes in every order, disks that refuse, stores that are lost: what is newest in memory is what is on disk in the end. */
#include "tests/beds/vault_save_bed.h"

#include "daemon/vault/vault_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- every order of grants, facts, retries, good and bad disks ---- */

enum step { SAVE, NOTE, RETRY, COMPLETE, REFUSE, FAIL_TO_START, N_STEPS };

/* The newest that was given, whatever became of it. */
static unsigned newest_grant, newest_fact;

static void run_step(enum step step)
{
        struct store *store = core.store;

        switch (step) {
        case SAVE:
                save_numbered(acme, ++newest_grant);
                break;
        case NOTE:
                note(acme, ++newest_fact);
                break;
        case RETRY:
                if (timer_is_armed(&core.context.vault->retry_timer)) {
                        timer_stop(&core.timers, &core.context.vault->retry_timer);
                        vault_on_retry(core.context.vault);
                }
                break;
        case COMPLETE:
                if (fake_store_n_queued(store))
                        fake_store_complete(store, 0);
                break;
        case REFUSE:
                if (fake_store_n_queued(store))
                        fake_store_complete(store, -ENOSPC);
                break;
        case FAIL_TO_START:
                fake_store_fail_next_start(store, -ENOMEM);
                break;
        case N_STEPS:
                break;
        }
}

static void expect_sane(unsigned *grant_before, unsigned *fact_before)
{
        unsigned grant = grant_on_disk("grant"), fact = fact_on_disk("facts");
        bool quiet = !fake_store_n_queued(core.store);

        /* Nothing older ever lands on what is newer, and facts are never without their grant. */
        assert_true(grant >= *grant_before);
        assert_true(fact >= *fact_before);
        assert_true(grant || !is_on_disk("facts"));
        /* What is said to be saved is, and the rest is being seen to. */
        if (!acme->unsaved && !acme->saves_in_flight)
                assert_int_equal(grant, acme->grant.generation);
        if (quiet) {
                assert_int_equal(acme->saves_in_flight, 0);
                assert_int_equal(acme->grant.generation, newest_grant);
                if (newest_grant && !acme->unsaved && !acme->facts_unsaved)
                        assert_int_equal(fact, newest_fact);
                if (acme->unsaved || acme->facts_unsaved)
                        assert_true(timer_is_armed(&core.context.vault->retry_timer));
        }
        *grant_before = grant;
        *fact_before = fact;
}

static void run_sequence(const enum step *steps, size_t n)
{
        unsigned grant = 0, fact = 0;

        newest_grant = newest_fact = 0;
        for (size_t i = 0; i < n; i++) {
                run_step(steps[i]);
                expect_sane(&grant, &fact);
        }
        /* In the end the disk has mended. */
        fake_store_fail_next_start(core.store, 0);
        for (int i = 0; i < 4; i++) {
                while (fake_store_n_queued(core.store))
                        run_step(COMPLETE);
                run_step(RETRY);
        }
        expect_sane(&grant, &fact);
        assert_false(acme->unsaved || acme->facts_unsaved);
        assert_null(acme->save_problem);
        assert_int_equal(grant, newest_grant);
        if (newest_grant)
                assert_int_equal(fact, newest_fact);
        assert_null(vault_store_problem(core.context.vault));
        assert_int_equal(vault_unsaved(core.context.vault), 0);
}

/* The same vault goes from one sequence to the next with a credential that has neither grant nor past. */
static void begin_sequence(void)
{
        struct credential *shell;
        struct vault_write *write;

        assert_int_equal(vault_forget(core.context.vault, acme, NULL, NULL, &write), 0);
        fake_store_complete_all(core.store, 0);
        assert_int_equal(vault_require(core.context.vault, "acme", &shell), 0);
        acme = shell;
        acme->client_name = realloc(acme->client_name, 4);
        strcpy(acme->client_name, "app");
        acme->refusal = REFUSAL_NONE;
        assert_false(is_on_disk("grant") || is_on_disk("facts"));
}

static void test_no_order_of_writes_puts_what_is_older_on_top_of_what_is_newer(void **state)
{
        enum { LENGTH = 5 };
        enum step steps[LENGTH] = { 0 };

        for (;;) {
                size_t i = 0;

                begin_sequence();
                run_sequence(steps, LENGTH);
                while (i < LENGTH && ++steps[i] == N_STEPS)
                        steps[i++] = 0;
                if (i == LENGTH)
                        break;
        }
}

/* Longer ones, some of them. */
static void test_long_orders_of_writes_end_as_well(void **state)
{
        uint64_t random = 7;

        for (int n = 0; n < 1000; n++) {
                enum step steps[30];

                for (size_t i = 0; i < 30; i++) {
                        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
                        steps[i] = (enum step)(random >> 33) % N_STEPS;
                }
                begin_sequence();
                run_sequence(steps, 30);
        }
}

/* ---- disks that refuse ---- */

static void test_a_disk_that_refused_and_mends_is_told_both_times(void **state)
{
        save_numbered(acme, 2);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_true(acme->unsaved);
        assert_string_equal(core_access_token(acme), "access-2");
        assert_non_null(vault_store_problem(core.context.vault));
        assert_non_null(strstr(acme->save_problem, "the fake disk refuses"));
        assert_int_equal(vault_unsaved(core.context.vault), 1);

        for (int i = 0; i < 5; i++) {
                core_advance(&core, 61);
                assert_true(fake_store_is_queued(core.store, "grant", "acme"));
                fake_store_complete_all(core.store, -ENOSPC);
        }
        core_advance(&core, 61);
        core_save(&core);
        assert_false(acme->unsaved);
        assert_null(vault_store_problem(core.context.vault));
        restart();
        assert_string_equal(core_refresh_token(acme), "refresh-2");
}

static void test_a_disk_is_seen_to_mend_though_nothing_waits_to_be_saved(void **state)
{
        struct vault_write *write;

        assert_int_equal(vault_save_intent(core.context.vault, acme, NULL, NULL, &write), 0);
        fake_store_complete_all(core.store, -EIO);
        assert_non_null(vault_store_problem(core.context.vault));
        core_advance(&core, 61);
        core_save(&core);
        assert_null(vault_store_problem(core.context.vault));
}

static void test_an_intent_that_could_not_be_taken_back_goes_with_the_retry(void **state)
{
        struct vault_write *write;

        assert_int_equal(vault_save_intent(core.context.vault, acme, NULL, NULL, &write), 0);
        core_save(&core);
        assert_true(is_on_disk("intent"));
        vault_clear_intent(core.context.vault, acme);
        fake_store_complete_all(core.store, -EIO);
        assert_true(is_on_disk("intent"));
        core_advance(&core, 61);
        core_save(&core);
        assert_false(is_on_disk("intent"));
        vault_clear_intent(core.context.vault, acme);
        assert_int_equal(fake_store_n_queued(core.store), 0);
}

static void test_a_stop_tries_once_more_and_says_what_is_left(void **state)
{
        save_numbered(acme, 2);
        fake_store_complete_all(core.store, -ENOSPC);
        fake_store_set_flush_result(core.store, -ENOSPC);
        assert_int_equal(vault_flush(core.context.vault), 1);
        fake_store_set_flush_result(core.store, 0);
        assert_int_equal(vault_flush(core.context.vault), 0);
        assert_int_equal(grant_on_disk("grant"), 2);
}

/* ---- facts ---- */

static void test_facts_are_written_without_touching_the_grant(void **state)
{
        note(acme, 1);
        assert_true(fake_store_is_queued(core.store, "facts", "acme"));
        assert_false(fake_store_is_queued(core.store, "grant", "acme"));
        assert_false(fake_store_is_queued(core.store, "intent", "acme"));
        core_save(&core);
        assert_int_equal(fact_on_disk("facts"), 1);
        assert_int_equal(grant_on_disk("grant"), 1);
}

static void test_facts_of_a_grant_that_is_not_on_disk_wait_for_it(void **state)
{
        struct credential *fresh;

        assert_int_equal(vault_require(core.context.vault, "fresh", &fresh), 0);
        fresh->client_name = realloc(fresh->client_name, 4);
        strcpy(fresh->client_name, "app");
        fresh->refusal = REFUSAL_NONE;
        save_numbered(fresh, 1);
        fake_store_complete_all(core.store, -ENOSPC);
        note(fresh, 1);
        assert_int_equal(fake_store_n_queued(core.store), 0);
        core_crash(&core);
        core_start(&core);
        assert_null(vault_find(core.context.vault, "fresh"));
}

static void test_facts_of_a_credential_that_is_being_forgotten_do_not_bring_it_back(void **state)
{
        struct vault_write *write;

        assert_int_equal(vault_forget(core.context.vault, acme, NULL, NULL, &write), 0);
        note(acme, 1);
        refresher_cut(core.refresher, acme, "It was cut.");
        core_save(&core);
        assert_false(is_on_disk("facts") || is_on_disk("grant") || is_on_disk("intent"));
        restart();
        assert_null(acme);
}

static void test_facts_that_changed_while_forgetting_failed_are_saved_after_all(void **state)
{
        struct vault_write *write;

        assert_int_equal(vault_forget(core.context.vault, acme, NULL, NULL, &write), 0);
        note(acme, 1);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_ptr_equal(vault_find(core.context.vault, "acme"), acme);
        core_advance(&core, 61);
        core_save(&core);
        assert_int_equal(fact_on_disk("facts"), 1);
        assert_int_equal(grant_on_disk("grant"), 1);
}

/* ---- client secrets ---- */

static int saved_result;

static void on_saved(int result, void *userdata)
{
        saved_result = result;
}

static void expect_secret(const char *expected)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct diag diag = DIAG_INIT;

        assert_int_equal(vault_client_secret(core.context.vault, acme->client, &secret, &diag), 0);
        assert_string_equal(secret_expose(secret), expected);
}

static void set_secret(const char *text)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;

        saved_result = 1;
        assert_int_equal(secret_new_string(&secret, text), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, "app", secret, on_saved, NULL, &write),
                         0);
}

static void test_a_client_secret_that_the_disk_refuses_is_told_and_the_old_one_stays(void **state)
{
        set_secret("new");
        expect_secret("the-client-secret");
        fake_store_complete_all(core.store, -ENOSPC);
        assert_int_equal(saved_result, -ENOSPC);
        expect_secret("the-client-secret");
        restart();
        expect_secret("the-client-secret");
        set_secret("new");
        core_save(&core);
        assert_int_equal(saved_result, 0);
        expect_secret("new");
        restart();
        expect_secret("new");
}

static void test_of_two_client_secrets_the_later_one_holds(void **state)
{
        set_secret("one");
        set_secret("two");
        core_save(&core);
        expect_secret("two");
        restart();
        expect_secret("two");
}

static void test_a_first_client_secret_that_the_disk_refuses_leaves_none(void **state)
{
        struct vault_write *write;
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct diag diag = DIAG_INIT;

        core_reload(&core, "  second: {provider: idp, client_id: x, client_secret: {store: true}}\n");
        const struct client *second = config_find_client(core.config, "second");
        assert_int_equal(secret_new_string(&secret, "first"), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, "second", secret, NULL, NULL, &write),
                         0);
        fake_store_complete_all(core.store, -ENOSPC);
        secret = secret_free(secret);
        assert_int_equal(vault_client_secret(core.context.vault, second, &secret, &diag), VAULT_E_NO_SECRET);
        assert_string_equal(vault_client_secret_state(core.context.vault, second), "missing");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_no_order_of_writes_puts_what_is_older_on_top_of_what_is_newer),
                TEST(test_long_orders_of_writes_end_as_well),
                TEST(test_a_disk_that_refused_and_mends_is_told_both_times),
                TEST(test_a_disk_is_seen_to_mend_though_nothing_waits_to_be_saved),
                TEST(test_an_intent_that_could_not_be_taken_back_goes_with_the_retry),
                TEST(test_a_stop_tries_once_more_and_says_what_is_left),
                TEST(test_facts_are_written_without_touching_the_grant),
                TEST(test_facts_of_a_grant_that_is_not_on_disk_wait_for_it),
                TEST(test_facts_of_a_credential_that_is_being_forgotten_do_not_bring_it_back),
                TEST(test_facts_that_changed_while_forgetting_failed_are_saved_after_all),
                TEST(test_a_client_secret_that_the_disk_refuses_is_told_and_the_old_one_stays),
                TEST(test_of_two_client_secrets_the_later_one_holds),
                TEST(test_a_first_client_secret_that_the_disk_refuses_leaves_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
