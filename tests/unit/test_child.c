// links: daemon/base/
// libs: libsystemd
#include "daemon/base/child.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <unistd.h>

static sd_event *event;
static struct timers timers;

struct seen {
        bool ended;
        enum child_outcome outcome;
        int number;
        char words[600];
};

static void on_end(const struct child_end *end, void *userdata)
{
        struct seen *seen = userdata;

        assert_false(seen->ended);
        *seen = (struct seen){ .ended = true, .outcome = end->outcome, .number = end->number };
        snprintf(seen->words, sizeof(seen->words), "%s", end->words);
}

static int setup(void **state)
{
        timers = (struct timers)TIMERS_INIT;
        return sd_event_new(&event);
}

static int teardown(void **state)
{
        event = sd_event_unref(event);
        timers_done(&timers);
        return 0;
}

static struct child *start(char *const *argv, const char *input, unsigned timeout_msec, struct seen *seen)
{
        struct child_order order = { .argv = argv,
                                     .input = input,
                                     .n_input = strlen(input),
                                     .timeout_usec = timeout_msec * USEC_PER_MSEC,
                                     .on_end = on_end,
                                     .userdata = seen };
        struct child *child;

        *seen = (struct seen){ 0 };
        assert_int_equal(child_start(&child, event, &clock_system, &timers, &order), 0);
        return child;
}

static void wait_for(struct seen *seen)
{
        uint64_t deadline = clock_boot_usec(&clock_system) + 20 * USEC_PER_SEC;

        while (!seen->ended) {
                assert_true(clock_boot_usec(&clock_system) < deadline);
                assert_true(sd_event_run(event, 10 * USEC_PER_MSEC) >= 0);
                timers_run(&timers, clock_boot_usec(&clock_system));
        }
}

static struct seen run(const char *script, const char *input, unsigned timeout_msec)
{
        char *const argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)script, NULL };
        struct seen seen;
        struct child *child = start(argv, input, timeout_msec, &seen);

        wait_for(&seen);
        child_free(child);
        assert_int_equal(timers_next(&timers), USEC_INFINITY);
        return seen;
}

static unsigned count_descriptors(void)
{
        DIR *directory = opendir("/proc/self/fd");
        unsigned n = 0;

        assert_non_null(directory);
        while (readdir(directory))
                n++;
        closedir(directory);
        return n;
}

static void test_it_reads_its_input_and_its_end_is_told(void **state)
{
        struct seen seen =
                run("read -r line; [ \"$line\" = 'an event' ] && ! read -r more", "an event\n", 10000);

        assert_int_equal(seen.outcome, CHILD_EXITED);
        assert_int_equal(seen.number, 0);
        assert_string_equal(seen.words, "");
        seen = run("echo first; echo no way through >&2; exit 7", "", 10000);
        assert_int_equal(seen.number, 7);
        assert_string_equal(seen.words, "no way through");
        seen = run("kill -TERM $$", "", 10000);
        assert_int_equal(seen.outcome, CHILD_SIGNALLED);
        assert_int_equal(seen.number, SIGTERM);
}

static void test_a_long_input_that_nobody_reads_holds_nobody_up(void **state)
{
        static char input[300000];

        memset(input, 'x', sizeof(input) - 1);
        assert_int_equal(run("exit 0", input, 10000).number, 0);
        assert_int_equal(run("[ $(wc -c) = 299999 ]", input, 10000).number, 0);
}

static void test_output_without_end_is_cut_to_its_end(void **state)
{
        struct seen seen = run("head -c 1000000 /dev/zero | tr '\\0' x; exit 3", "", 20000);

        assert_int_equal(seen.number, 3);
        assert_int_equal(strspn(seen.words, "x"), 512);
        assert_int_equal(strlen(seen.words), 512);
}

static void test_what_cannot_be_run_says_why(void **state)
{
        char *const argv[] = { (char *)"/nonexistent/program", NULL };
        struct seen seen;
        struct child *child = start(argv, "", 10000, &seen);

        wait_for(&seen);
        assert_int_equal(seen.number, 127);
        assert_string_equal(seen.words, "it cannot be run: No such file or directory");
        child_free(child);
}

/* Each writes its number where it can be read afterwards. */
static const char two_that_hang[] = "sleep 1000 & echo $$ $!; exec sleep 1000";

static void read_numbers(const char *words, pid_t *ret)
{
        assert_int_equal(sscanf(words, "%d %d", &ret[0], &ret[1]), 2);
}

/* Gone, or a zombie that init has not come to yet. */
static bool is_gone(pid_t pid)
{
        char path[64], text[256] = "", *at;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        file = fopen(path, "re");
        if (!file)
                return true;
        if (!fgets(text, sizeof(text), file))
                text[0] = '\0';
        fclose(file);
        at = strrchr(text, ')');
        return !at || at[2] == 'Z' || at[2] == 'X';
}

static void wait_gone(pid_t pid)
{
        uint64_t deadline = clock_boot_usec(&clock_system) + 20 * USEC_PER_SEC;

        while (!is_gone(pid))
                assert_true(clock_boot_usec(&clock_system) < deadline);
}

static void test_one_that_hangs_is_killed_with_its_children(void **state)
{
        struct seen seen = run(two_that_hang, "", 300);
        pid_t pids[2];

        assert_int_equal(seen.outcome, CHILD_TIMED_OUT);
        read_numbers(seen.words, pids);
        wait_gone(pids[0]);
        wait_gone(pids[1]);
}

static void test_what_it_leaves_behind_is_killed(void **state)
{
        struct seen seen = run("sleep 1000 >/dev/null 2>&1 & echo $$ $!", "", 10000);
        pid_t pids[2];

        assert_int_equal(seen.number, 0);
        read_numbers(seen.words, pids);
        wait_gone(pids[1]);
}

static void test_freeing_it_kills_it_and_tells_nothing(void **state)
{
        char *const argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)"exec sleep 1000", NULL };
        unsigned n = count_descriptors();
        struct seen seen;
        struct child *child = start(argv, "", 10000, &seen);

        child_free(child);
        for (int i = 0; i < 5; i++)
                assert_true(sd_event_run(event, 0) >= 0);
        assert_false(seen.ended);
        assert_int_equal(timers_next(&timers), USEC_INFINITY);
        assert_int_equal(count_descriptors(), n);
}

static void test_it_has_nothing_of_ours(void **state)
{
        int leaking = open("/dev/null", O_RDONLY); /* on purpose without O_CLOEXEC */
        sigset_t mask, before;
        struct seen seen;

        assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/run/credentials", 1), 0);
        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigprocmask(SIG_BLOCK, &mask, &before);
        signal(SIGPIPE, SIG_IGN);
        seen = run("[ -z \"$CREDENTIALS_DIRECTORY\" ] || exit 2\n"
                   "for fd in 3 4 5 6 7 8 9; do [ ! -e /proc/$$/fd/$fd ] || exit 3; done\n"
                   "[ \"$(cut -d' ' -f5 /proc/$$/stat)\" = $$ ] && [ \"$(cut -d' ' -f6 /proc/$$/stat)\" = $$ "
                   "] || exit 4\n"
                   "[ \"$(ulimit -c)\" = 0 ] && [ \"$(ulimit -n)\" = 1024 ] || exit 5\n"
                   /* Of the two that the C library keeps to itself nobody here can say more. */
                   "grep -q '^SigBlk:.0*$' /proc/self/status || exit 6\n"
                   "[ $((0x$(sed -n 's/^SigIgn:.//p' /proc/self/status) & 0x7fffffff)) = 0 ] || exit 8\n"
                   "[ \"$(pwd)\" = / ] || exit 7\n",
                   "", 10000);
        sigprocmask(SIG_SETMASK, &before, NULL);
        close(leaking);
        assert_int_equal(seen.number, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_it_reads_its_input_and_its_end_is_told),
                TEST(test_a_long_input_that_nobody_reads_holds_nobody_up),
                TEST(test_output_without_end_is_cut_to_its_end),
                TEST(test_what_cannot_be_run_says_why),
                TEST(test_one_that_hangs_is_killed_with_its_children),
                TEST(test_what_it_leaves_behind_is_killed),
                TEST(test_freeing_it_kills_it_and_tells_nothing),
                TEST(test_it_has_nothing_of_ours),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
