// links: daemon/options.c
#include "daemon/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct options options;

/* Standard output and error are the test's own; what options say goes nowhere. */
static int read_words(const char *const *words)
{
        char *argv[16] = { (char *)"purserd" };
        int argc = 1, saved_out = dup(1), saved_err = dup(2), r;

        while (*words)
                argv[argc++] = (char *)*words++;
        fflush(NULL);
        assert_non_null(freopen("/dev/null", "w", stdout));
        assert_non_null(freopen("/dev/null", "w", stderr));
        memset(&options, 0xff, sizeof(options));
        r = options_read(&options, argc, argv);
        fflush(NULL);
        assert_true(dup2(saved_out, 1) == 1 && dup2(saved_err, 2) == 2);
        close(saved_out);
        close(saved_err);
        return r;
}

#define READ_NONE() read_words((const char *const[]){ NULL })
#define READ(...) read_words((const char *const[]){ __VA_ARGS__, NULL })

static int setup(void **state)
{
        (void)state;
        unsetenv("STATE_DIRECTORY");
        unsetenv("CREDENTIALS_DIRECTORY");
        return 0;
}

static void test_without_options_the_defaults_hold(void **state)
{
        (void)state;
        assert_int_equal(READ_NONE(), 0);
        assert_non_null(strstr(options.config, "/purser/purser.yaml"));
        assert_string_equal(options.state_dir, "/var/lib/purser");
        assert_null(options.listen);
        assert_null(options.credentials_directory);
        assert_false(options.check);
        assert_non_null(strstr(options.providers[0], "/purser/providers"));
        assert_non_null(strstr(options.providers[1], "/purser/providers"));
}

static void test_each_option_is_taken(void **state)
{
        (void)state;
        assert_int_equal(READ("--config", "c.yaml", "--state-dir=s", "--listen", "l.sock", "--providers", "p",
                              "--check"),
                         0);
        assert_string_equal(options.config, "c.yaml");
        assert_string_equal(options.state_dir, "s");
        assert_string_equal(options.listen, "l.sock");
        assert_string_equal(options.providers[0], "p");
        assert_true(options.check);
}

static void test_the_service_managers_directories_are_used(void **state)
{
        (void)state;
        setenv("STATE_DIRECTORY", "/var/lib/one:/var/lib/two", 1);
        setenv("CREDENTIALS_DIRECTORY", "/run/credentials/purser.service", 1);
        assert_int_equal(READ_NONE(), 0);
        assert_string_equal(options.state_dir, "/var/lib/one");
        assert_string_equal(options.credentials_directory, "/run/credentials/purser.service");
        assert_int_equal(READ("--state-dir", "mine"), 0);
        assert_string_equal(options.state_dir, "mine");
}

static void test_empty_variables_count_as_unset(void **state)
{
        (void)state;
        setenv("STATE_DIRECTORY", "", 1);
        setenv("CREDENTIALS_DIRECTORY", "", 1);
        assert_int_equal(READ_NONE(), 0);
        assert_string_equal(options.state_dir, "/var/lib/purser");
        assert_null(options.credentials_directory);
}

static void test_mistakes_are_usage_errors(void **state)
{
        (void)state;
        assert_int_equal(READ("--confg", "x"), OPTIONS_E_USAGE);
        assert_int_equal(READ("--config"), OPTIONS_E_USAGE);
        assert_int_equal(READ("--config", ""), OPTIONS_E_USAGE);
        assert_int_equal(READ("--check=yes"), OPTIONS_E_USAGE);
        assert_int_equal(READ("-x"), OPTIONS_E_USAGE);
        assert_int_equal(READ("purser.yaml"), OPTIONS_E_USAGE);
        assert_int_equal(READ("--listen", "a", "--listen", "b"), OPTIONS_E_USAGE);
}

static void test_help_and_version_are_answered_at_once(void **state)
{
        (void)state;
        assert_int_equal(READ("--help"), OPTIONS_E_DONE);
        assert_int_equal(READ("--version"), OPTIONS_E_DONE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_without_options_the_defaults_hold, setup),
                cmocka_unit_test_setup(test_each_option_is_taken, setup),
                cmocka_unit_test_setup(test_the_service_managers_directories_are_used, setup),
                cmocka_unit_test_setup(test_empty_variables_count_as_unset, setup),
                cmocka_unit_test_setup(test_mistakes_are_usage_errors, setup),
                cmocka_unit_test_setup(test_help_and_version_are_answered_at_once, setup),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
