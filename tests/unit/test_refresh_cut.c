// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Refreshes that are cut short: by a logout, a reload or a stop. */
#include "tests/beds/trouble_bed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- while it is held ---- */

static void test_who_asks_while_a_logout_is_being_saved_begins_no_refresh_and_is_told(void **state)
{
        struct revoke_call *call;
        struct asker asker;

        core_advance(&core, 2000);
        assert_int_equal(login_revoke(core.logins, acme, true, on_revoked, NULL, &call), 0);
        core_run(&core);
        assert_true(fake_store_is_queued(core.store, "grant", "acme"));
        core_advance(&core, 1700);
        core_ask(&core, acme, NULL, &asker);
        assert_false(asker.answered);
        assert_int_equal(prober_run(core.prober, acme, NULL, NULL, NULL), 0);
        core_reload(&core, NULL);
        core_save(&core);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);
        assert_non_null(strstr(asker.answer.reason, "removed"));
        core_advance(&core, 10000);
        assert_int_equal(started(), 0);
        revoke_call_free(call);
}

static void test_a_logout_that_the_disk_refuses_leaves_refreshes_going_on(void **state)
{
        struct revoke_call *call;
        struct asker asker;

        assert_int_equal(login_revoke(core.logins, acme, true, on_revoked, NULL, &call), 0);
        core_run(&core);
        core_advance(&core, 3700);
        core_ask(&core, acme, NULL, &asker);
        assert_false(asker.answered);
        fake_store_complete_all(core.store, -ENOSPC);
        core_run(&core);
        assert_false(asker.answered);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        revoke_call_free(call);

        /* And by itself, too. */
        core_advance(&core, 3000);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
}

/* ---- reloads ---- */

static void move_endpoint(void)
{
        core.token_endpoint = "https://new.test/token";
        core_reload(&core, "refresh: {test: off}\n");
}

static void test_a_reload_sends_what_was_not_sent_to_the_new_endpoint(void **state)
{
        struct asker asker;

        core_advance(&core, 3700);
        core_ask(&core, acme, NULL, &asker);
        assert_true(fake_store_is_queued(core.store, "intent", "acme"));
        move_endpoint();
        core_save(&core);
        assert_int_equal(in_flight(), 1);
        assert_string_equal(fake_http_request(core.context.http, 0)->url, "https://new.test/token");
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        assert_false(is_on_disk("intent"));
}

static void test_a_reload_keeps_a_reporter_waiting_for_the_refresh_that_begins_anew(void **state)
{
        struct asker asker;

        core_ask(&core, acme, &(struct token_demand){ .rejected = "access-1" }, &asker);
        assert_false(asker.answered);
        move_endpoint();
        assert_false(asker.answered);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
}

static void test_a_reload_keeps_the_mark_of_an_unknown_outcome(void **state)
{
        core_advance(&core, 3000);
        lose_answer();
        core_advance(&core, 60);
        assert_true(fake_store_is_queued(core.store, "intent", "acme"));
        core_reload(&core, NULL);
        core_save(&core);
        assert_true(is_on_disk("intent"));
        restart();
        assert_true(acme->outcome_unknown);
}

/* ---- stops ---- */

static void mark(void *userdata)
{
        *(bool *)userdata = true;
}

static void test_a_stop_keeps_the_mark_of_an_unknown_outcome(void **state)
{
        bool stopped = false;

        core_advance(&core, 3000);
        lose_answer();
        core_advance(&core, 60);
        assert_true(fake_store_is_queued(core.store, "intent", "acme"));
        refresher_stop(core.refresher, mark, &stopped);
        core_save(&core);
        assert_true(stopped);
        assert_int_equal(in_flight(), 0);
        restart();
        assert_true(acme->outcome_unknown);
        assert_int_equal(acme->replays, 1);
}

static void test_a_stop_leaves_no_intent_of_what_was_not_sent(void **state)
{
        bool stopped = false;

        core_advance(&core, 3000);
        assert_true(fake_store_is_queued(core.store, "intent", "acme"));
        refresher_stop(core.refresher, mark, &stopped);
        core_save(&core);
        assert_true(stopped);
        assert_false(is_on_disk("intent"));
}

static void test_a_stop_tells_those_who_wait_for_another_try(void **state)
{
        struct asker asker;
        bool stopped = false;

        core_advance(&core, 3700);
        core_ask(&core, acme, NULL, &asker);
        core_answer(&core, 403, "a firewall");
        assert_false(asker.answered);
        refresher_stop(core.refresher, mark, &stopped);
        core_run(&core);
        assert_true(stopped);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);
        assert_int_equal(asker.answer.retry_after_usec, USEC_PER_SEC);
        assert_non_null(strstr(asker.answer.reason, "stopping"));
        core_ask(&core, acme, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);
}

static void test_a_stop_begins_none_of_those_that_wait_for_a_place(void **state)
{
        char name[16];
        bool stopped = false;
        size_t n;

        for (int i = 0; i < 30; i++) {
                snprintf(name, sizeof(name), "c%02d", i);
                core_give_grant(&core, name, name, "access", 100);
        }
        core_advance(&core, 200);
        n = fake_store_n_written(core.store);
        refresher_stop(core.refresher, mark, &stopped);
        core_save(&core);
        assert_true(stopped);
        assert_int_equal(started(), 0);
        /* Of the eight that had a place the intent is taken back; the others wrote none. */
        assert_int_equal(fake_store_n_written(core.store), n + 8);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_who_asks_while_a_logout_is_being_saved_begins_no_refresh_and_is_told),
                TEST(test_a_logout_that_the_disk_refuses_leaves_refreshes_going_on),
                TEST(test_a_reload_sends_what_was_not_sent_to_the_new_endpoint),
                TEST(test_a_reload_keeps_a_reporter_waiting_for_the_refresh_that_begins_anew),
                TEST(test_a_reload_keeps_the_mark_of_an_unknown_outcome),
                TEST(test_a_stop_keeps_the_mark_of_an_unknown_outcome),
                TEST(test_a_stop_leaves_no_intent_of_what_was_not_sent),
                TEST(test_a_stop_tells_those_who_wait_for_another_try),
                TEST(test_a_stop_begins_none_of_those_that_wait_for_a_place),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
