// links: daemon/base/
#include "daemon/base/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_a_burst_goes_through_and_then_one_each_interval(void **state)
{
        struct rate rate = { 0 };

        (void)state;
        for (int i = 0; i < 3; i++)
                assert_true(rate_take(&rate, 1000, 3, 100));
        assert_false(rate_take(&rate, 1000, 3, 100));
        assert_false(rate_take(&rate, 1099, 3, 100));
        assert_true(rate_take(&rate, 1100, 3, 100));
        assert_false(rate_take(&rate, 1100, 3, 100));
}

static void test_a_rest_fills_it_to_the_burst_and_no_further(void **state)
{
        struct rate rate = { 0 };

        (void)state;
        for (int i = 0; i < 3; i++)
                assert_true(rate_take(&rate, 1000, 3, 100));
        for (int i = 0; i < 3; i++)
                assert_true(rate_take(&rate, UINT64_MAX - 1, 3, 100));
        assert_false(rate_take(&rate, UINT64_MAX - 1, 3, 100));
}

static void test_parts_of_an_interval_are_not_lost(void **state)
{
        struct rate rate = { 0 };

        (void)state;
        assert_true(rate_take(&rate, 0, 1, 100));
        assert_false(rate_take(&rate, 60, 1, 100));
        assert_true(rate_take(&rate, 150, 1, 100));
        assert_false(rate_take(&rate, 190, 1, 100));
        assert_true(rate_take(&rate, 250, 1, 100));
}

static void test_what_was_kept_back_is_counted_once(void **state)
{
        struct rate rate = { 0 };

        (void)state;
        assert_true(rate_take(&rate, 5, 1, 100));
        for (int i = 0; i < 7; i++)
                assert_false(rate_take(&rate, 5, 1, 100));
        assert_int_equal(rate_take_suppressed(&rate), 7);
        assert_int_equal(rate_take_suppressed(&rate), 0);
}

static void test_a_clock_that_goes_back_gives_nothing(void **state)
{
        struct rate rate = { 0 };

        (void)state;
        assert_true(rate_take(&rate, 1000, 1, 100));
        assert_false(rate_take(&rate, 10, 1, 100));
        assert_true(rate_take(&rate, 1100, 1, 100));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_burst_goes_through_and_then_one_each_interval),
                cmocka_unit_test(test_a_rest_fills_it_to_the_burst_and_no_further),
                cmocka_unit_test(test_parts_of_an_interval_are_not_lost),
                cmocka_unit_test(test_what_was_kept_back_is_counted_once),
                cmocka_unit_test(test_a_clock_that_goes_back_gives_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
