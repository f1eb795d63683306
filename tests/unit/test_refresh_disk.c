// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* What is on the disk before a request leaves and before anybody sees its answer, and what a crash in between leaves. */
#include "tests/beds/refresh_bed.h"

#include <errno.h>

static void test_no_request_leaves_before_its_intent_is_durable(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        assert_true(fake_store_is_queued(core.store, "intent", "acme"));
        assert_int_equal(in_flight(), 0);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
        assert_true(fake_http_body_has(fake_http_request(core.context.http, 0), "refresh_token=refresh-1"));
}

static void test_nobody_sees_a_new_token_before_it_is_durable(void **state)
{
        struct asker asker;

        (void)state;
        core_advance(&core, 3700);
        core_ask(&core, acme, NULL, &asker);
        core_answer(&core, 200, ANSWER_2);
        assert_false(asker.answered);
        assert_string_equal(core_access_token(acme), "access-1");
        core_save(&core);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        assert_string_equal(core_access_token(acme), "access-2");
}

static void test_no_refresh_is_sent_without_a_durable_intent_while_the_token_lives(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_int_equal(in_flight(), 0);
        core_advance(&core, 200);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_int_equal(in_flight(), 0);
        assert_non_null(vault_store_problem(core.context.vault));
}

static void test_a_deletion_that_works_is_not_taken_for_a_disk_that_has_mended(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        fake_store_complete_all(core.store, -ENOSPC);
        vault_clear_intent(core.context.vault, acme);
        fake_store_complete_all(core.store, 0);
        assert_non_null(vault_store_problem(core.context.vault));
        core_advance(&core, 5);
        fake_store_complete_all(core.store, 0);
        assert_null(vault_store_problem(core.context.vault));
}

static void test_a_refresh_is_sent_without_a_durable_intent_when_the_token_has_ended(void **state)
{
        (void)state;
        core_advance(&core, 3700);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_int_equal(in_flight(), 1);
}

static void test_a_grant_that_the_disk_refuses_is_served_from_memory_and_saved_later(void **state)
{
        struct asker asker;
        size_t n;

        (void)state;
        core_advance(&core, 3000);
        core_answer(&core, 200, ANSWER_2);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_true(acme->unsaved);
        assert_int_equal(vault_unsaved(core.context.vault), 1);
        core_ask(&core, acme, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        assert_string_equal(core_access_token(acme), "access-2");

        core_advance(&core, 5);
        core_save(&core);
        assert_false(acme->unsaved);
        assert_null(vault_store_problem(core.context.vault));
        core_crash(&core);
        core_start(&core);
        acme = vault_find(core.context.vault, "acme");
        assert_string_equal(core_refresh_token(acme), "refresh-2");
        assert_non_null(fake_disk_find(core.disk, "grant", "acme", &n));
}

static void test_a_crash_after_the_intent_leaves_an_unknown_outcome(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
        core_crash(&core);
        core_start(&core);
        acme = vault_find(core.context.vault, "acme");
        assert_true(acme->outcome_unknown);
        assert_string_equal(core_access_token(acme), "access-1");
        core_run(&core);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(credential_state(acme, core.clock.boot_usec), CREDENTIAL_ACTIVE);
}

static void test_a_crash_after_the_answer_was_saved_leaves_the_new_grant(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        core_answer(&core, 200, ANSWER_2);
        fake_store_make_durable(core.store);
        core_crash(&core);
        core_start(&core);
        acme = vault_find(core.context.vault, "acme");
        assert_string_equal(core_refresh_token(acme), "refresh-2");
        assert_false(acme->outcome_unknown);
}

static void test_a_request_that_never_left_leaves_no_unknown_outcome(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        core_save(&core);
        fake_http_fail(core.context.http, 0, HTTP_NOT_SENT, "connection refused");
        core_save(&core);
        assert_false(acme->outcome_unknown);
        core_crash(&core);
        core_start(&core);
        assert_false(vault_find(core.context.vault, "acme")->outcome_unknown);
}

/* As a restore does that cannot be begun. */
static void give_up_while_the_answer_is_saved(void)
{
        core_advance(&core, 3700);
        core_save(&core);
        fake_http_answer(core.context.http, 0, 200, NULL, ANSWER_2);
        refresher_hold(core.refresher, acme);
        refresher_plan(core.refresher, acme);
}

static void test_an_old_token_is_not_sent_while_what_came_of_it_is_being_saved(void **state)
{
        (void)state;
        give_up_while_the_answer_is_saved();
        fake_store_fail_next_start(core.store, -ENOMEM);
        core_run(&core);
        assert_int_equal(in_flight(), 0);
        core_save(&core);
        assert_string_equal(core_refresh_token(acme), "refresh-2");
}

static void test_the_intent_of_the_next_refresh_speaks_of_the_grant_that_was_being_saved(void **state)
{
        (void)state;
        give_up_while_the_answer_is_saved();
        core_run(&core);
        core_save(&core);
        core_advance(&core, 3700);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
        assert_true(fake_http_body_has(fake_http_request(core.context.http, 0), "refresh_token=refresh-2"));
        core_crash(&core);
        core_start(&core);
        assert_true(vault_find(core.context.vault, "acme")->outcome_unknown);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_no_request_leaves_before_its_intent_is_durable),
                TEST(test_nobody_sees_a_new_token_before_it_is_durable),
                TEST(test_no_refresh_is_sent_without_a_durable_intent_while_the_token_lives),
                TEST(test_a_deletion_that_works_is_not_taken_for_a_disk_that_has_mended),
                TEST(test_a_refresh_is_sent_without_a_durable_intent_when_the_token_has_ended),
                TEST(test_a_grant_that_the_disk_refuses_is_served_from_memory_and_saved_later),
                TEST(test_a_crash_after_the_intent_leaves_an_unknown_outcome),
                TEST(test_a_crash_after_the_answer_was_saved_leaves_the_new_grant),
                TEST(test_a_request_that_never_left_leaves_no_unknown_outcome),
                TEST(test_an_old_token_is_not_sent_while_what_came_of_it_is_being_saved),
                TEST(test_the_intent_of_the_next_refresh_speaks_of_the_grant_that_was_being_saved),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
