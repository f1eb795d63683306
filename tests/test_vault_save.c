// links: tests/core.c tests/fake_clock.c tests/fake_http.c tests/fake_store.c daemon/refresh*.c daemon/probe*.c daemon/login*.c
// links: daemon/discovery.c daemon/vault*.c daemon/credential*.c daemon/record.c daemon/seal.c daemon/timers.c daemon/rate.c daemon/heap.c
// links: daemon/backoff.c daemon/oauth_*.c daemon/api_*.c daemon/answer.c daemon/lifetime.c daemon/pkce.c daemon/json_text.c
// links: daemon/plain_words.c daemon/form.c daemon/http_message.c daemon/config*.c daemon/provider*.c daemon/problems.c
// links: daemon/yaml_*.c daemon/log.c common/secret*.c common/fault.c common/wipe.c common/duration.c common/clock.c
// libs: libsodium jansson yaml-0.1 libsystemd
/* Writes in every order, disks that refuse, stores that are lost: what is newest in memory is what is on disk in the end. */
#include "tests/core.h"

#include "daemon/vault_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct core core;
static struct credential *acme;

static int setup(void **state)
{
        core_setup(&core, NULL);
        acme = core_give_grant(&core, "acme", "refresh-1", "access-1", 86400);
        return 0;
}

static int teardown(void **state)
{
        core_teardown(&core);
        return 0;
}

static void restart(void)
{
        core_crash(&core);
        core_start(&core);
        acme = vault_find(core.context.vault, "acme");
}

/* Grant number n, as a refresh or a login would bring it. */
static void save_numbered(struct credential *credential, unsigned n)
{
        struct vault_write *write;
        struct grant grant = { .generation = n,
                               .lifetime_usec = 86400 * USEC_PER_SEC,
                               .received_boot_usec = (int64_t)core.clock.boot_usec,
                               .received_wall_usec = core.clock.wall_usec };
        char text[32];

        snprintf(text, sizeof(text), "refresh-%u", n);
        assert_int_equal(secret_new_string(&grant.refresh_token, text), 0);
        snprintf(text, sizeof(text), "access-%u", n);
        assert_int_equal(secret_new_string(&grant.access_token, text), 0);
        (void)vault_save_grant(core.context.vault, credential, &grant, NULL, NULL, &write);
}

static void note(struct credential *credential, unsigned n)
{
        char text[32];

        snprintf(text, sizeof(text), "fact-%u", n);
        free(credential->notice);
        credential->notice = strdup(text);
        vault_save_facts(core.context.vault, credential);
}

/* ---- what is on the disk ---- */

static struct secret *open_record(const char *kind, const char *name)
{
        struct secret *plain = NULL;
        size_t n;
        const uint8_t *blob = fake_disk_find(core.disk, kind, name, &n);

        if (blob)
                assert_int_equal(seal_open(core.context.vault->seal, kind, name, blob, n, &plain), 0);
        return plain;
}

static unsigned grant_on_disk(const char *kind)
{
        _cleanup_(secret_freep) struct secret *plain = open_record(kind, "acme");
        _cleanup_(grant_done) struct grant grant = { 0 };
        struct boot_moment now = { .boot_usec = core.clock.boot_usec, .wall_usec = core.clock.wall_usec };

        if (!plain)
                return 0;
        assert_int_equal(grant_decode(secret_expose(plain), secret_size(plain), &now, &grant), 0);
        return (unsigned)grant.generation;
}

static unsigned fact_on_disk(const char *kind)
{
        _cleanup_(secret_freep) struct secret *plain = open_record(kind, "acme");
        _cleanup_(credential_freep) struct credential *credential = NULL;

        if (!plain)
                return 0;
        assert_int_equal(credential_new(&credential, "acme"), 0);
        assert_int_equal(credential_decode_facts(secret_expose(plain), secret_size(plain), credential), 0);
        return credential->notice ? (unsigned)atoi(credential->notice + strlen("fact-")) : 0;
}

static bool is_on_disk(const char *kind)
{
        return fake_disk_find(core.disk, kind, "acme", NULL);
}

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
                TEST(test_a_lost_store_is_made_anew_with_everything),
                TEST(test_a_lost_store_is_tried_again_until_all_is_in_the_new_one),
                TEST(test_what_a_restored_backup_holds_does_not_come_back_to_life),
                TEST(test_a_grant_that_comes_while_the_store_is_lost_is_the_one_that_is_written),
                TEST(test_a_grant_that_comes_while_the_store_is_made_anew_is_not_taken_for_saved),
                TEST(test_a_stop_makes_a_lost_store_anew),
                TEST(test_a_lost_store_is_noticed_by_whichever_write_comes_first),
                TEST(test_a_credential_that_did_not_open_is_still_told_after_its_store_was_lost),
                TEST(test_a_client_secret_that_the_disk_refuses_is_told_and_the_old_one_stays),
                TEST(test_of_two_client_secrets_the_later_one_holds),
                TEST(test_a_first_client_secret_that_the_disk_refuses_leaves_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
