// links: common/
#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <time.h>

static void test_boot_time_is_the_kernels_and_never_goes_back(void **state)
{
        struct timespec before, after;
        uint64_t first, second;

        clock_gettime(CLOCK_BOOTTIME, &before);
        first = clock_boot_usec(&clock_system);
        second = clock_boot_usec(&clock_system);
        clock_gettime(CLOCK_BOOTTIME, &after);

        assert_true(first <= second);
        assert_true(first >= (uint64_t)before.tv_sec * USEC_PER_SEC + (uint64_t)before.tv_nsec / 1000);
        assert_true(second <= (uint64_t)after.tv_sec * USEC_PER_SEC + (uint64_t)after.tv_nsec / 1000);
}

static void test_wall_time_counts_from_1970(void **state)
{
        int64_t now = clock_wall_usec(&clock_system);
        time_t seconds = time(NULL);

        assert_in_range(now / (int64_t)USEC_PER_SEC, (uintmax_t)seconds - 2, (uintmax_t)seconds + 2);
}

static uint64_t boot_42(struct clock *clock)
{
        (void)clock;
        return 42;
}

static int64_t wall_before_1970(struct clock *clock)
{
        (void)clock;
        return -1;
}

static void test_a_clock_of_ones_own_is_asked_instead(void **state)
{
        struct clock clock = { .boot_usec = boot_42, .wall_usec = wall_before_1970 };

        assert_int_equal(clock_boot_usec(&clock), 42);
        assert_int_equal(clock_wall_usec(&clock), -1);
}

static void test_adding_beyond_the_end_of_time_is_infinity(void **state)
{
        assert_int_equal(usec_add(1, 2), 3);
        assert_true(usec_add(USEC_INFINITY - 1, 1) == USEC_INFINITY);
        assert_true(usec_add(USEC_INFINITY - 1, 2) == USEC_INFINITY);
        assert_true(usec_add(USEC_INFINITY, USEC_INFINITY) == USEC_INFINITY);
        assert_true(usec_add(USEC_INFINITY, 0) == USEC_INFINITY);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_boot_time_is_the_kernels_and_never_goes_back),
                cmocka_unit_test(test_wall_time_counts_from_1970),
                cmocka_unit_test(test_a_clock_of_ones_own_is_asked_instead),
                cmocka_unit_test(test_adding_beyond_the_end_of_time_is_infinity),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
