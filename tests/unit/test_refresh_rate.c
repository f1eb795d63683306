// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* How many refreshes are begun in a second, of one provider. */
#include "tests/beds/due_bed.h"

#include <stdio.h>

static size_t n_started(void)
{
        return fake_http_n_started(core.context.http);
}

static void wait_msec(uint64_t msec)
{
        fake_clock_advance(&core.clock, msec * USEC_PER_MSEC);
        core_run(&core);
        core_save(&core);
}

static void test_without_a_rate_as_many_begin_as_may_be_in_flight(void **state)
{
        set_up_due("refresh: {test: off, parallel: 256}\n");
        assert_int_equal(n_started(), CREDENTIALS);
        core_teardown(&core);
}

static void test_a_rate_lets_one_begin_after_the_other(void **state)
{
        set_up_due("refresh: {test: off, parallel: 256, rate: 2}\n");
        assert_int_equal(n_started(), 1);
        wait_msec(400);
        assert_int_equal(n_started(), 1);
        for (size_t i = 2; i <= CREDENTIALS; i++) {
                wait_msec(i == 2 ? 101 : 500);
                assert_int_equal(n_started(), i);
        }
        core_teardown(&core);
}

static void test_a_rate_holds_whatever_ends_and_makes_room(void **state)
{
        set_up_due("refresh: {test: off, parallel: 1, rate: 2}\n");
        core_answer(&core, 503, "down");
        assert_int_equal(n_started(), 1);
        wait_msec(501);
        assert_int_equal(n_started(), 2);
        core_teardown(&core);
}

static void test_who_is_waited_for_begins_first(void **state)
{
        struct asker asker;

        set_up_due("refresh: {test: off, parallel: 256, rate: 2}\n");
        struct credential *last = vault_find(core.context.vault, "c9");

        core_ask(&core, last, NULL, &asker);
        assert_false(asker.answered);
        wait_msec(501);
        assert_int_equal(n_started(), 2);
        assert_true(fake_http_body_has(fake_http_request(core.context.http, 1), "refresh_token=refresh-9") ||
                    fake_http_body_has(fake_http_request(core.context.http, 0), "refresh_token=refresh-9"));
        asker_done(&asker);
        core_teardown(&core);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_without_a_rate_as_many_begin_as_may_be_in_flight),
                cmocka_unit_test(test_a_rate_lets_one_begin_after_the_other),
                cmocka_unit_test(test_a_rate_holds_whatever_ends_and_makes_room),
                cmocka_unit_test(test_who_is_waited_for_begins_first),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
