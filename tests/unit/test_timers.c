// links: daemon/base/
#include "daemon/base/timers.h"

#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct timers timers;
static char told[64]; /* the names of those that were due, in order */

struct named {
        struct timer timer;
        const char *name;
        void (*then)(struct named *named);
};

static void on_due(void *userdata)
{
        struct named *named = userdata;

        assert_false(timer_is_armed(&named->timer));
        strncat(told, named->name, sizeof(told) - strlen(told) - 1);
        if (named->then)
                named->then(named);
}

static void init(struct named *named, const char *name)
{
        *named = (struct named){ .timer = TIMER_INIT(on_due, named), .name = name };
}

/* They outlive the test that arms them. */
static struct named a, b, c;

static void arm(struct named *named, uint64_t due_usec)
{
        assert_int_equal(timer_set(&timers, &named->timer, due_usec), 0);
}

static int setup(void **state)
{
        timers = (struct timers)TIMERS_INIT;
        told[0] = '\0';
        init(&a, "a");
        init(&b, "b");
        init(&c, "c");
        return 0;
}

static int teardown(void **state)
{
        timers_done(&timers);
        return 0;
}

static void test_what_is_due_runs_the_earliest_first(void **state)
{
        arm(&c, 30);
        arm(&a, 10);
        arm(&b, 20);
        assert_int_equal(timers_next(&timers), 10);
        timers_run(&timers, 20);
        assert_string_equal(told, "ab");
        assert_int_equal(timers_next(&timers), 30);
        timers_run(&timers, 29);
        assert_string_equal(told, "ab");
        timers_run(&timers, 1000);
        assert_string_equal(told, "abc");
        assert_int_equal(timers_next(&timers), USEC_INFINITY);
}

static void test_a_timer_runs_once_and_is_disarmed_before(void **state)
{
        arm(&a, 10);
        assert_true(timer_is_armed(&a.timer));
        timers_run(&timers, 10);
        timers_run(&timers, 11);
        assert_string_equal(told, "a");
        assert_false(timer_is_armed(&a.timer));
}

static void test_a_timer_that_is_set_again_is_moved(void **state)
{
        arm(&a, 10);
        arm(&b, 20);
        arm(&a, 30);
        timers_run(&timers, 25);
        assert_string_equal(told, "b");
        arm(&a, 26);
        timers_run(&timers, 26);
        assert_string_equal(told, "ba");
}

static void test_infinity_disarms(void **state)
{
        arm(&a, 10);
        arm(&a, USEC_INFINITY);
        assert_false(timer_is_armed(&a.timer));
        assert_int_equal(timers_next(&timers), USEC_INFINITY);
        timers_run(&timers, USEC_INFINITY - 1);
        assert_string_equal(told, "");
}

static void test_one_that_is_not_armed_can_be_stopped(void **state)
{
        timer_stop(&timers, &a.timer);
        arm(&a, 10);
        timer_stop(&timers, &a.timer);
        timer_stop(&timers, &a.timer);
        timers_run(&timers, 100);
        assert_string_equal(told, "");
}

static void rearm_for_now(struct named *named)
{
        arm(named, 10);
}

static void test_a_callback_that_arms_for_now_does_not_keep_the_run_from_ending(void **state)
{
        a.then = rearm_for_now;
        arm(&a, 10);
        timers_run(&timers, 10);
        assert_string_equal(told, "a");
        assert_true(timer_is_armed(&a.timer));
        assert_int_equal(timers_next(&timers), 11);
        a.then = NULL;
        timers_run(&timers, 11);
        assert_string_equal(told, "aa");
}

static void rearm_for_the_past(struct named *named)
{
        arm(named, 1);
}

static void test_a_callback_that_arms_for_the_past_runs_in_the_next_call(void **state)
{
        a.then = rearm_for_the_past;
        arm(&a, 10);
        arm(&b, 20);
        timers_run(&timers, 50);
        assert_string_equal(told, "ab");
        assert_int_equal(timers_next(&timers), 51);
}

static struct named *victim;

static void stop_victim(struct named *named)
{
        timer_stop(&timers, &victim->timer);
        free(victim);
        victim = NULL;
}

static void test_a_callback_may_stop_and_free_another_that_is_due(void **state)
{
        victim = malloc(sizeof(*victim));
        init(victim, "b");
        a.then = stop_victim;
        arm(&a, 10);
        arm(victim, 10);
        arm(&c, 11);
        /* Which of two that are due at once comes first is not said: let it be this one. */
        arm(&a, 9);
        timers_run(&timers, 20);
        assert_string_equal(told, "ac");
}

static void free_self(struct named *named)
{
        free(named);
}

static void test_a_callback_may_free_its_own_timer(void **state)
{
        struct named *self = malloc(sizeof(*self));

        init(self, "a");
        self->then = free_self;
        arm(self, 10);
        arm(&b, 20);
        timers_run(&timers, 30);
        assert_string_equal(told, "ab");
}

static void test_all_are_disarmed_when_the_timers_are_done(void **state)
{
        arm(&a, 10);
        arm(&b, 20);
        timers_done(&timers);
        assert_false(timer_is_armed(&a.timer));
        assert_false(timer_is_armed(&b.timer));
        /* Whoever owns one stops it late, too. */
        timer_stop(&timers, &a.timer);
        assert_int_equal(timers_next(&timers), USEC_INFINITY);
}

static void test_ten_thousand_timers_run_in_order(void **state)
{
        enum { N = 10000 };
        struct named *all = calloc(N, sizeof(*all));
        uint64_t random = 1, before = 0;

        for (size_t i = 0; i < N; i++) {
                init(&all[i], "");
                random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
                arm(&all[i], 1 + (random >> 40));
        }
        for (size_t i = 0; i < N; i += 3)
                timer_stop(&timers, &all[i].timer);
        for (uint64_t next; (next = timers_next(&timers)) != USEC_INFINITY;) {
                assert_true(next > before);
                before = next;
                timers_run(&timers, next);
        }
        for (size_t i = 0; i < N; i++)
                assert_false(timer_is_armed(&all[i].timer));
        free(all);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_what_is_due_runs_the_earliest_first),
                TEST(test_a_timer_runs_once_and_is_disarmed_before),
                TEST(test_a_timer_that_is_set_again_is_moved),
                TEST(test_infinity_disarms),
                TEST(test_one_that_is_not_armed_can_be_stopped),
                TEST(test_a_callback_that_arms_for_now_does_not_keep_the_run_from_ending),
                TEST(test_a_callback_that_arms_for_the_past_runs_in_the_next_call),
                TEST(test_a_callback_may_stop_and_free_another_that_is_due),
                TEST(test_a_callback_may_free_its_own_timer),
                TEST(test_all_are_disarmed_when_the_timers_are_done),
                TEST(test_ten_thousand_timers_run_in_order),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
