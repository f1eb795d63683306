// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* How far ahead of its request a refresh is prepared, while those before it are on the wire. */
#include "tests/beds/due_bed.h"

#include <errno.h>
#include <stdio.h>

enum { PLACES = 2 };

#define PARALLEL_2 "refresh: {test: off, parallel: 2}\n"
#define ANSWER "{\"access_token\":\"access-new\",\"refresh_token\":\"refresh-new\",\"expires_in\":3600}"

static int set_up(void **state)
{
        (void)state;
        set_up_due(PARALLEL_2);
        return 0;
}

static bool has_durable_intent(const char *name)
{
        size_t n;

        return fake_disk_find(core.disk, "intent", name, &n);
}

static unsigned n_durable_intents(void)
{
        char name[16];
        unsigned n = 0;

        for (unsigned i = 0; i < CREDENTIALS; i++) {
                snprintf(name, sizeof(name), "c%u", i);
                n += has_durable_intent(name);
        }
        return n;
}

static bool is_on_the_wire(const char *name)
{
        char pair[64];

        snprintf(pair, sizeof(pair), "refresh_token=refresh-%s", name + 1);
        for (size_t i = 0; i < fake_http_n_in_flight(core.context.http); i++)
                if (fake_http_body_has(fake_http_request(core.context.http, i), pair))
                        return true;
        return false;
}

/* One whose intent is durable and whose request was not sent. */
static struct credential *one_that_is_ready(void)
{
        char name[16];

        for (unsigned i = 0; i < CREDENTIALS; i++) {
                snprintf(name, sizeof(name), "c%u", i);
                if (has_durable_intent(name) && !is_on_the_wire(name))
                        return vault_find(core.context.vault, name);
        }
        fail_msg("none is ready");
        return NULL;
}

static struct credential *one_that_is_queued(void)
{
        char name[16];

        for (unsigned i = 0; i < CREDENTIALS; i++) {
                snprintf(name, sizeof(name), "c%u", i);
                if (!has_durable_intent(name) && !is_on_the_wire(name))
                        return vault_find(core.context.vault, name);
        }
        fail_msg("none is queued");
        return NULL;
}

static void answer_oldest(void)
{
        fake_http_answer(core.context.http, 0, 200, NULL, ANSWER);
        core_run(&core);
}

static void test_as_many_intents_as_places_are_saved_ahead_and_no_more(void **state)
{
        struct refresh_stats stats;

        (void)state;
        core_save(&core);
        core_save(&core);
        assert_int_equal(fake_http_n_in_flight(core.context.http), PLACES);
        assert_int_equal(n_durable_intents(), 2 * PLACES);
        assert_int_equal(fake_store_n_queued(core.store), 0);
        refresher_get_stats(core.refresher, &stats);
        assert_int_equal(stats.in_flight, PLACES);
        assert_int_equal(stats.queued, CREDENTIALS - PLACES);
}

static void test_a_place_that_is_given_back_is_taken_without_waiting_for_the_disk(void **state)
{
        (void)state;
        core_save(&core);
        struct credential *ready = one_that_is_ready();
        answer_oldest();
        assert_int_equal(fake_http_n_started(core.context.http), PLACES + 1);
        assert_int_equal(fake_http_n_in_flight(core.context.http), PLACES);
        assert_true(is_on_the_wire(ready->name));
}

static void test_no_request_leaves_before_its_own_intent_is_durable(void **state)
{
        (void)state;
        /* Those that are ahead are being saved yet. */
        answer_oldest();
        assert_int_equal(fake_http_n_started(core.context.http), PLACES);
        core_save(&core);
        assert_int_equal(fake_http_n_started(core.context.http), PLACES + 1);
}

static void test_who_is_waited_for_goes_before_those_that_were_ready_before(void **state)
{
        struct asker asker;

        (void)state;
        core_save(&core);
        struct credential *last = one_that_is_queued();
        core_ask(&core, last, NULL, &asker);
        /* Whatever else is ahead, its intent is saved at once. */
        assert_true(fake_store_is_queued(core.store, "intent", last->name));
        core_save(&core);
        answer_oldest();
        assert_true(is_on_the_wire(last->name));
        asker_done(&asker);
}

static void test_one_that_is_ready_goes_first_once_it_is_waited_for(void **state)
{
        struct asker asker;

        (void)state;
        core_save(&core);
        struct credential *first = one_that_is_ready();
        answer_oldest();
        core_save(&core);
        struct credential *second = one_that_is_ready();
        core_save(&core);
        assert_true(is_on_the_wire(first->name));
        core_ask(&core, second, NULL, &asker);
        answer_oldest();
        assert_true(is_on_the_wire(second->name));
        asker_done(&asker);
}

static void mark(void *userdata)
{
        *(bool *)userdata = true;
}

static void test_a_stop_takes_back_the_intents_of_those_that_wait_for_a_place(void **state)
{
        bool stopped = false;

        (void)state;
        core_save(&core);
        assert_int_equal(n_durable_intents(), 2 * PLACES);
        refresher_stop(core.refresher, mark, &stopped);
        core_save(&core);
        assert_int_equal(n_durable_intents(), PLACES);
        assert_false(stopped);
        for (unsigned i = 0; i < PLACES; i++) {
                answer_oldest();
                core_save(&core);
        }
        assert_true(stopped);
        assert_int_equal(fake_http_n_started(core.context.http), PLACES);
        assert_int_equal(n_durable_intents(), 0);
}

static void test_one_that_is_held_while_it_waits_for_a_place_leaves_no_intent(void **state)
{
        (void)state;
        core_save(&core);
        struct credential *ready = one_that_is_ready();
        refresher_hold(core.refresher, ready);
        core_save(&core);
        assert_false(has_durable_intent(ready->name));
        assert_false(ready->outcome_unknown);
        answer_oldest();
        core_save(&core);
        answer_oldest();
        assert_false(is_on_the_wire(ready->name));
        refresher_plan(core.refresher, ready);
}

static void test_a_reload_lets_those_that_wait_for_a_place_begin_anew(void **state)
{
        (void)state;
        core_save(&core);
        core_reload(&core, "refresh: {test: off, parallel: 4}\n");
        core_run(&core);
        core_save(&core);
        assert_int_equal(fake_http_n_in_flight(core.context.http), 4);
        core_save(&core);
        assert_int_equal(n_durable_intents(), 8);
        for (unsigned i = 0; i < CREDENTIALS; i++) {
                core_save(&core);
                answer_oldest();
        }
        core_save(&core);
        assert_int_equal(fake_http_n_started(core.context.http), CREDENTIALS);
        assert_int_equal(n_durable_intents(), 0);
}

static void test_after_a_crash_one_that_was_not_sent_is_refreshed_with_its_old_token(void **state)
{
        char name[16];

        (void)state;
        core_save(&core);
        snprintf(name, sizeof(name), "%s", one_that_is_ready()->name);
        core_crash(&core);
        core_start(&core);
        struct credential *credential = vault_find(core.context.vault, name);
        assert_true(credential->outcome_unknown);
        for (unsigned i = 0; i < 2 * CREDENTIALS && !is_on_the_wire(name); i++) {
                core_save(&core);
                core_save(&core);
                if (!is_on_the_wire(name))
                        answer_oldest();
        }
        assert_true(is_on_the_wire(name));
}

static void test_one_that_is_risked_without_a_durable_intent_waits_for_its_place_all_the_same(void **state)
{
        (void)state;
        core_teardown(&core);
        set_up_due("refresh: {test: off, parallel: 1}\n");
        assert_int_equal(fake_http_n_in_flight(core.context.http), 1);
        /* Its token has ended, so that it is worth the risk. */
        fake_store_complete(core.store, -ENOSPC);
        core_save(&core);
        assert_int_equal(fake_http_n_started(core.context.http), 1);
        answer_oldest();
        assert_int_equal(fake_http_n_started(core.context.http), 2);
}

static void test_where_a_rate_bounds_them_nothing_is_prepared_ahead(void **state)
{
        (void)state;
        core_teardown(&core);
        set_up_due("refresh: {test: off, parallel: 2, rate: 1000}\n");
        core_advance(&core, 1);
        core_save(&core);
        assert_int_equal(fake_http_n_in_flight(core.context.http), PLACES);
        core_advance(&core, 1);
        core_save(&core);
        assert_int_equal(n_durable_intents(), PLACES);
        assert_int_equal(fake_store_n_queued(core.store), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_as_many_intents_as_places_are_saved_ahead_and_no_more),
                TEST(test_a_place_that_is_given_back_is_taken_without_waiting_for_the_disk),
                TEST(test_no_request_leaves_before_its_own_intent_is_durable),
                TEST(test_who_is_waited_for_goes_before_those_that_were_ready_before),
                TEST(test_one_that_is_ready_goes_first_once_it_is_waited_for),
                TEST(test_a_stop_takes_back_the_intents_of_those_that_wait_for_a_place),
                TEST(test_one_that_is_held_while_it_waits_for_a_place_leaves_no_intent),
                TEST(test_a_reload_lets_those_that_wait_for_a_place_begin_anew),
                TEST(test_after_a_crash_one_that_was_not_sent_is_refreshed_with_its_old_token),
                TEST(test_one_that_is_risked_without_a_durable_intent_waits_for_its_place_all_the_same),
                TEST(test_where_a_rate_bounds_them_nothing_is_prepared_ahead),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
