// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Facts that are on disk as they are go with no grant; where that is not certain, they do. */
#include "tests/beds/vault_save_bed.h"

#include "daemon/vault/vault_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* As a refresh learns something: it is saved with the grant. */
static void save_with_fact(unsigned grant, unsigned fact)
{
        free(acme->notice);
        assert_true(asprintf(&acme->notice, "fact-%u", fact) > 0);
        acme->newest.facts++;
        save_numbered(acme, grant);
}

static bool facts_are_queued(void)
{
        return fake_store_is_queued(core.store, "facts", "acme");
}

static void test_facts_that_are_on_disk_are_not_written_with_each_grant(void **state)
{
        save_with_fact(2, 7);
        assert_true(facts_are_queued());
        core_save(&core);
        save_with_fact(3, 7);
        assert_false(facts_are_queued());
        core_save(&core);
        assert_false(acme->facts_unsaved);
        save_with_fact(4, 8);
        assert_true(facts_are_queued());
        core_save(&core);
        assert_int_equal(fact_on_disk("facts"), 8);
        restart();
        assert_int_equal(grant_on_disk("grant"), 4);
        assert_string_equal(acme->notice, "fact-8");
}

static void test_what_an_earlier_process_left_is_not_relied_on(void **state)
{
        save_with_fact(2, 7);
        core_save(&core);
        restart();
        save_with_fact(3, 7);
        assert_true(facts_are_queued());
}

static void test_facts_that_turn_back_while_others_are_being_written_are_written_too(void **state)
{
        static const int ends[][2] = { { 0, 0 }, { 0, -ENOSPC }, { -ENOSPC, 0 }, { -ENOSPC, -ENOSPC } };
        unsigned n = 1;

        for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
                save_with_fact(++n, 7);
                core_save(&core);
                save_with_fact(++n, 8);
                save_with_fact(++n, 7);
                fake_store_complete(core.store, ends[i][0]);
                assert_true(facts_are_queued());
                fake_store_complete(core.store, ends[i][1]);
                core_advance(&core, 61);
                core_save(&core);
                assert_int_equal(fact_on_disk("facts"), 7);
                assert_int_equal(grant_on_disk("grant"), n);
                assert_false(acme->unsaved || acme->facts_unsaved);
        }
}

static void test_only_the_last_of_several_writes_says_what_is_on_disk(void **state)
{
        save_with_fact(2, 8);
        save_with_fact(3, 7);
        fake_store_complete(core.store, 0);
        assert_true(facts_are_queued());
        fake_store_make_durable(core.store);
        save_with_fact(4, 8);
        core_save(&core);
        assert_int_equal(fact_on_disk("facts"), 8);
}

static void test_facts_saved_by_themselves_count_as_well(void **state)
{
        save_with_fact(2, 6);
        core_save(&core);
        note(acme, 7);
        core_save(&core);
        save_with_fact(3, 7);
        assert_false(facts_are_queued());
        save_with_fact(4, 6);
        assert_true(facts_are_queued());
        core_save(&core);
        assert_int_equal(fact_on_disk("facts"), 6);
}

static void test_facts_of_a_store_that_was_lost_are_written_again(void **state)
{
        save_with_fact(2, 7);
        core_save(&core);
        fake_store_lose(core.store);
        save_with_fact(3, 7);
        fake_store_complete_all(core.store, 0);
        save_with_fact(4, 7);
        assert_true(facts_are_queued());
        fake_store_complete_all(core.store, 0);
        core_advance(&core, 61);
        core_save(&core);
        assert_int_equal(fact_on_disk("facts"), 7);
        assert_int_equal(grant_on_disk("grant"), 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_facts_that_are_on_disk_are_not_written_with_each_grant),
                TEST(test_what_an_earlier_process_left_is_not_relied_on),
                TEST(test_facts_that_turn_back_while_others_are_being_written_are_written_too),
                TEST(test_only_the_last_of_several_writes_says_what_is_on_disk),
                TEST(test_facts_saved_by_themselves_count_as_well),
                TEST(test_facts_of_a_store_that_was_lost_are_written_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
