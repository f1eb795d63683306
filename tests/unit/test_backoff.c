// links: daemon/base/
#include "daemon/base/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>

#define SEC UINT64_C(1000000)

static const struct backoff usual = { .base_usec = 2 * SEC, .max_usec = 600 * SEC };

static void test_the_first_pause_is_a_share_of_the_base_and_at_least_a_quarter(void **state)
{
        assert_int_equal(backoff_pause_usec(&usual, 1, 0), SEC / 2);
        assert_int_equal(backoff_pause_usec(&usual, 1, UINT64_MAX), 2 * SEC - 1);
        assert_int_equal(backoff_pause_usec(&usual, 1, UINT64_C(1) << 63), SEC);
}

static void test_the_cap_doubles_with_each_attempt_up_to_the_greatest_pause(void **state)
{
        uint64_t cap = usual.base_usec;

        for (unsigned attempt = 1; attempt <= 100; attempt++) {
                assert_int_equal(backoff_pause_usec(&usual, attempt, UINT64_MAX), cap - 1);
                assert_int_equal(backoff_pause_usec(&usual, attempt, UINT64_C(1) << 63), cap / 2);
                cap = cap * 2 < usual.max_usec ? cap * 2 : usual.max_usec;
        }
}

static void test_a_great_base_does_not_wrap(void **state)
{
        struct backoff great = { .base_usec = UINT64_MAX / 3, .max_usec = UINT64_MAX };

        assert_int_equal(backoff_pause_usec(&great, 2, UINT64_MAX), UINT64_MAX / 3 * 2 - 1);
        assert_int_equal(backoff_pause_usec(&great, 3, UINT64_MAX), UINT64_MAX - 1);
        assert_int_equal(backoff_pause_usec(&great, 4000000000u, UINT64_MAX), UINT64_MAX - 1);
}

static void test_a_greatest_pause_below_the_base_holds(void **state)
{
        struct backoff narrow = { .base_usec = 100 * SEC, .max_usec = SEC };

        assert_int_equal(backoff_pause_usec(&narrow, 1, 0), SEC);
        assert_int_equal(backoff_pause_usec(&narrow, 7, UINT64_MAX), SEC);
}

static void test_attempt_zero_counts_as_the_first(void **state)
{
        assert_int_equal(backoff_pause_usec(&usual, 0, UINT64_MAX),
                         backoff_pause_usec(&usual, 1, UINT64_MAX));
}

static void test_a_refresh_comes_before_the_end_with_a_tenth_of_jitter(void **state)
{
        uint64_t hour = 3600 * SEC, quarter = 900 * SEC;

        assert_int_equal(refresh_after_usec(hour, quarter, 0), 2700 * SEC);
        assert_int_equal(refresh_after_usec(hour, quarter, UINT64_MAX), 2340 * SEC + 1);
        assert_int_equal(refresh_after_usec(hour, quarter, UINT64_C(1) << 63), 2520 * SEC);
}

static void test_a_before_longer_than_the_lifetime_does_not_refresh_at_once(void **state)
{
        uint64_t hour = 3600 * SEC;

        assert_int_equal(refresh_after_usec(hour, 2 * hour, 0), 360 * SEC);
        assert_int_equal(refresh_after_usec(hour, hour, UINT64_MAX), 360 * SEC);
        assert_int_equal(refresh_after_usec(hour, UINT64_MAX, 0), 360 * SEC);
}

static void test_a_refresh_is_never_at_zero_nor_after_the_end(void **state)
{
        static const uint64_t lifetimes[] = { 1, 2, 9, 10, 11, 1000, SEC, 3600 * SEC, UINT64_MAX };
        static const uint64_t randoms[] = { 0, 1, UINT64_C(1) << 63, UINT64_MAX };

        for (size_t i = 0; i < sizeof(lifetimes) / sizeof(lifetimes[0]); i++)
                for (size_t j = 0; j < sizeof(randoms) / sizeof(randoms[0]); j++)
                        for (uint64_t share = 0; share <= 4; share++) {
                                uint64_t after = refresh_after_usec(lifetimes[i], lifetimes[i] / 4 * share,
                                                                    randoms[j]);
                                assert_true(after >= 1);
                                assert_true(after <= lifetimes[i]);
                        }
        assert_int_equal(refresh_after_usec(0, 0, 0), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_first_pause_is_a_share_of_the_base_and_at_least_a_quarter),
                cmocka_unit_test(test_the_cap_doubles_with_each_attempt_up_to_the_greatest_pause),
                cmocka_unit_test(test_a_great_base_does_not_wrap),
                cmocka_unit_test(test_a_greatest_pause_below_the_base_holds),
                cmocka_unit_test(test_attempt_zero_counts_as_the_first),
                cmocka_unit_test(test_a_refresh_comes_before_the_end_with_a_tenth_of_jitter),
                cmocka_unit_test(test_a_before_longer_than_the_lifetime_does_not_refresh_at_once),
                cmocka_unit_test(test_a_refresh_is_never_at_zero_nor_after_the_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
