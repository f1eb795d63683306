// links: daemon/loop.c daemon/base/
// libs: libsystemd
// ldflags: -Wl,--wrap=timerfd_settime -Wl,--wrap=read
#include "daemon/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

static sd_event *event;
static struct timers timers;
static struct timer timer;
static struct loop *loop;
static unsigned n_due, n_jumps, n_armed;
static int jump_fd;
static bool jumped;

/* Nobody sets the machine's clock for a test: the timer that would tell of it is made to end at once, and its end to be a cancellation. */
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
        assert_int_equal(flags, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
        assert_true(value->it_value.tv_sec > INT64_C(1) << 40);
        jump_fd = fd;
        n_armed++;
        return __real_timerfd_settime(fd, flags, value, old);
}

ssize_t __real_read(int fd, void *bytes, size_t n);
ssize_t __wrap_read(int fd, void *bytes, size_t n);
ssize_t __wrap_read(int fd, void *bytes, size_t n)
{
        ssize_t r = __real_read(fd, bytes, n);

        if (fd != jump_fd || !jumped)
                return r;
        jumped = false;
        errno = ECANCELED;
        return -1;
}

static void on_due(void *userdata)
{
        (void)userdata;
        n_due++;
}

static void on_jump(void *userdata)
{
        assert_ptr_equal(userdata, &n_jumps);
        n_jumps++;
}

static int setup(void **state)
{
        (void)state;
        n_due = n_jumps = n_armed = 0;
        jumped = false;
        timers = (struct timers)TIMERS_INIT;
        timer_init(&timer, on_due, NULL);
        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(loop_new(&loop, event, &timers, &clock_system, on_jump, &n_jumps), 0);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        timer_stop(&timers, &timer);
        timers_done(&timers);
        loop = loop_free(loop);
        event = sd_event_unref(event);
        return 0;
}

static void arm_in(uint64_t usec)
{
        assert_int_equal(timer_set(&timers, &timer, clock_boot_usec(&clock_system) + usec), 0);
}

static void test_what_is_due_is_run_by_the_loop(void **state)
{
        (void)state;
        arm_in(0);
        assert_true(sd_event_run(event, UINT64_MAX) > 0);
        assert_int_equal(n_due, 1);
        assert_int_equal(sd_event_run(event, 0), 0);
        arm_in(1000);
        assert_true(sd_event_run(event, UINT64_MAX) > 0);
        assert_int_equal(n_due, 2);
}

static void test_a_timer_that_was_stopped_or_moved_does_not_wake_the_loop(void **state)
{
        (void)state;
        arm_in(0);
        timer_stop(&timers, &timer);
        assert_int_equal(sd_event_run(event, 0), 0);
        arm_in(0);
        arm_in(3600 * USEC_PER_SEC);
        assert_int_equal(sd_event_run(event, 0), 0);
        assert_int_equal(n_due, 0);
        arm_in(0);
        assert_true(sd_event_run(event, UINT64_MAX) > 0);
        assert_int_equal(n_due, 1);
}

static void test_a_jump_of_the_wall_clock_is_told_each_time(void **state)
{
        struct itimerspec soon = { .it_value.tv_nsec = 1 };

        (void)state;
        for (unsigned i = 1; i <= 3; i++) {
                jumped = true;
                assert_int_equal(__real_timerfd_settime(jump_fd, 0, &soon, NULL), 0);
                assert_true(sd_event_run(event, UINT64_MAX) > 0);
                assert_int_equal(n_jumps, i);
                /* Armed for the next one. */
                assert_int_equal(n_armed, i + 1);
                assert_int_equal(sd_event_run(event, 0), 0);
        }
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                LOOP_TEST(test_what_is_due_is_run_by_the_loop),
                LOOP_TEST(test_a_timer_that_was_stopped_or_moved_does_not_wake_the_loop),
                LOOP_TEST(test_a_jump_of_the_wall_clock_is_told_each_time),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
