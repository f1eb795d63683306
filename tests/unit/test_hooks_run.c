// links: tests/beds/fake_clock.c daemon/report/
// libs: libsodium yaml-0.1 jansson libsystemd
/* Commands that are run: in order, one at a time, and what the journal is told of them. */
#include "daemon/base/events.h"
#include "daemon/report/hooks_internal.h"
#include "daemon/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <unistd.h>

static struct timers timers;
static struct context context;
static struct hooks hooks;
static char directory[64], program[96], kept[96];

/* In place of daemon/base/log.c. */
static struct {
        unsigned failed, works;
        char text[600];
} told;

void log_event(const struct log_event *event, const char *format, ...)
{
        va_list ap;

        assert_string_equal(event->hook, program);
        told.failed += strcmp(event->message_id, EVENT_HOOK_FAILED) == 0;
        told.works += strcmp(event->message_id, EVENT_HOOK_WORKS) == 0;
        va_start(ap, format);
        vsnprintf(told.text, sizeof(told.text), format, ap);
        va_end(ap);
}

static void write_program(const char *script, mode_t mode)
{
        FILE *file;

        unlink(program);
        file = fopen(program, "we");
        assert_non_null(file);
        assert_true(fprintf(file, "#!/bin/sh\n%s\n", script) > 0);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(program, mode), 0);
}

static int setup(void **state)
{
        char *command[] = { program, kept, NULL };
        struct hook_config config = { .command = command, .n_command = 2 };
        struct hook *hook;
        sd_event *event;

        strcpy(directory, "/tmp/test_hooks_run.XXXXXX");
        assert_non_null(mkdtemp(directory));
        snprintf(program, sizeof(program), "%s/program", directory);
        snprintf(kept, sizeof(kept), "%s/kept", directory);
        timers = (struct timers)TIMERS_INIT;
        context = (struct context){ .clock = &clock_system, .timers = &timers, .own_uid = geteuid() };
        assert_true(sd_event_new(&event) >= 0);
        hooks = (struct hooks){ .context = &context, .event = event };
        LIST_INIT(&hooks.list);
        assert_int_equal(hook_new(&hook, &hooks, &config), 0);
        assert_true(hook_is_of(hook, &config));
        hook->events = 1u << HOOK_SAVING_FAILS | 1u << HOOK_RECOVERED;
        hook->timeout_usec = 10 * USEC_PER_SEC;
        LIST_INSERT_HEAD(&hooks.list, hook, link);
        memset(&told, 0, sizeof(told));
        return 0;
}

static int teardown(void **state)
{
        hook_free(LIST_FIRST(&hooks.list));
        sd_event_unref(hooks.event);
        timers_done(&timers);
        unlink(program);
        unlink(kept);
        return rmdir(directory);
}

static void tell(const char *text)
{
        hooks_tell(&hooks, HOOK_SAVING_FAILS, N_HOOK_EVENTS, text);
}

static void run_all(void)
{
        uint64_t deadline = clock_boot_usec(&clock_system) + 30 * USEC_PER_SEC;

        while (LIST_FIRST(&hooks.list)->child) {
                assert_true(clock_boot_usec(&clock_system) < deadline);
                assert_true(sd_event_run(hooks.event, 10 * USEC_PER_MSEC) >= 0);
                timers_run(&timers, clock_boot_usec(&clock_system));
        }
}

static void test_events_come_one_at_a_time_and_in_their_order(void **state)
{
        char text[64] = "";
        FILE *file;

        write_program("[ ! -e \"$1.lock\" ] && touch \"$1.lock\" && cat >>\"$1\" && rm \"$1.lock\"", 0755);
        tell("one\n");
        tell("two\n");
        tell("three\n");
        run_all();
        assert_int_equal(told.failed, 0);
        file = fopen(kept, "re");
        assert_non_null(file);
        assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
        fclose(file);
        assert_string_equal(text, "one\ntwo\nthree\n");
}

static void test_failures_are_told_at_growing_intervals_and_their_end_once(void **state)
{
        write_program("echo no way through; exit 7", 0755);
        for (int i = 0; i < 9; i++)
                tell("event\n");
        run_all();
        assert_int_equal(told.failed, 4); /* 1, 2, 4, 8 */
        assert_non_null(strstr(told.text, "(8 in a row): exit status 7: no way through."));
        write_program("exit 0", 0755);
        tell("event\n");
        tell("event\n");
        run_all();
        assert_int_equal(told.works, 1);
        assert_int_equal(told.failed, 4);
}

static void test_a_program_that_others_may_write_is_not_run(void **state)
{
        write_program("cat >\"$1\"", 0777);
        tell("event\n");
        run_all();
        assert_int_equal(told.failed, 1);
        assert_non_null(strstr(told.text, "may be changed by others"));
        assert_int_equal(access(kept, F_OK), -1);
}

static void test_what_a_slow_command_has_no_room_for_is_left_out_and_told(void **state)
{
        write_program("exec sleep 1000", 0755);
        for (int i = 0; i < HOOKS_QUEUE_MAX + 1; i++)
                tell("event\n");
        assert_int_equal(told.failed, 0);
        tell("event\n");
        assert_int_equal(told.failed, 1);
        assert_non_null(strstr(told.text, "an event was left out"));
}

static void test_a_recovery_is_for_those_who_were_told_of_the_trouble(void **state)
{
        assert_true(hooks_want(&hooks, HOOK_RECOVERED, HOOK_SAVING_FAILS));
        assert_false(hooks_want(&hooks, HOOK_RECOVERED, HOOK_UNAVAILABLE));
        assert_false(hooks_want(&hooks, HOOK_UNAVAILABLE, N_HOOK_EVENTS));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_events_come_one_at_a_time_and_in_their_order),
                TEST(test_failures_are_told_at_growing_intervals_and_their_end_once),
                TEST(test_a_program_that_others_may_write_is_not_run),
                TEST(test_what_a_slow_command_has_no_room_for_is_left_out_and_told),
                TEST(test_a_recovery_is_for_those_who_were_told_of_the_trouble),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
