// links: daemon/base/
// libs: libsystemd
// ldflags: -Wl,--wrap=sd_journal_sendv
#include "daemon/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* -- what the journal is given ---------------------------------------------------------------------------------------- */

static char fields[32][2048];
static int n_fields, n_entries, journal_result;

int __wrap_sd_journal_sendv(const struct iovec *iov, int n);
int __wrap_sd_journal_sendv(const struct iovec *iov, int n)
{
        assert_true(n <= 32);
        n_fields = n;
        n_entries++;
        for (int i = 0; i < n; i++) {
                assert_true(iov[i].iov_len < sizeof(fields[i]));
                memcpy(fields[i], iov[i].iov_base, iov[i].iov_len);
                fields[i][iov[i].iov_len] = '\0';
        }
        return journal_result;
}

static bool has_field(const char *field)
{
        for (int i = 0; i < n_fields; i++)
                if (strcmp(fields[i], field) == 0)
                        return true;
        return false;
}

static bool has_name(const char *name)
{
        for (int i = 0; i < n_fields; i++)
                if (strncmp(fields[i], name, strlen(name)) == 0 && fields[i][strlen(name)] == '=')
                        return true;
        return false;
}

/* -- standard error, caught ------------------------------------------------------------------------------------------- */

struct caught {
        int saved, pipe_fd;
        char text[8192];
};

static struct caught catch_stderr(void)
{
        struct caught caught = { .saved = dup(STDERR_FILENO) };
        int ends[2];

        assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
        assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
        close(ends[1]);
        caught.pipe_fd = ends[0];
        return caught;
}

static const char *release_stderr(struct caught *caught)
{
        ssize_t n = read(caught->pipe_fd, caught->text, sizeof(caught->text) - 1);

        caught->text[n > 0 ? n : 0] = '\0';
        dup2(caught->saved, STDERR_FILENO);
        close(caught->saved);
        close(caught->pipe_fd);
        return caught->text;
}

static void name_stderr_as_the_journal(void)
{
        struct stat st;
        char text[64];

        assert_int_equal(fstat(STDERR_FILENO, &st), 0);
        snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
                 (unsigned long long)st.st_ino);
        setenv("JOURNAL_STREAM", text, 1);
}

static int forget(void **state)
{
        n_fields = n_entries = journal_result = 0;
        unsetenv("JOURNAL_STREAM");
        return 0;
}

/* -- tests ------------------------------------------------------------------------------------------------------------ */

static void test_without_the_journal_a_line_goes_to_standard_error(void **state)
{
        struct caught caught = catch_stderr();

        log_open(LOG_LEVEL_INFO);
        log_warning("credential '%s' needs a login", "acme");
        assert_string_equal(release_stderr(&caught), "purserd: credential 'acme' needs a login\n");
        assert_int_equal(n_entries, 0);
}

static void test_lines_above_the_level_are_left_out(void **state)
{
        struct caught caught = catch_stderr();

        log_open(LOG_LEVEL_NOTICE);
        log_debug("debug");
        log_info("info");
        log_notice("notice");
        log_error("error");
        log_open(LOG_LEVEL_DEBUG);
        log_debug("debug at last");
        assert_string_equal(release_stderr(&caught),
                            "purserd: notice\npurserd: error\npurserd: debug at last\n");
}

static void test_control_characters_cannot_forge_a_line(void **state)
{
        struct caught caught = catch_stderr();

        log_open(LOG_LEVEL_INFO);
        log_info("one\npurserd: two\r\x1b[31m\x7f\t\xc3\xa9");
        assert_string_equal(release_stderr(&caught), "purserd: one?purserd: two??[31m??\xc3\xa9\n");
}

static void test_a_long_message_is_cut_between_characters(void **state)
{
        struct caught caught = catch_stderr();
        static char message[4001];

        for (size_t i = 0; i + 1 < sizeof(message); i += 2)
                memcpy(message + i, "\xc3\xa9", 2);
        log_open(LOG_LEVEL_INFO);
        /* Odd and even offsets, so that one of them would be cut within a character. */
        log_info("%s", message);
        log_info("x%s", message);
        const char *text = release_stderr(&caught);
        size_t lines = 0;
        for (const char *at = text; *at; at = strchr(at, '\n') + 1, lines++) {
                const char *end = strchr(at, '\n');
                assert_true(end - at > 900 && end - at < 1100);
                assert_memory_equal(end - 3, "...", 3);
                assert_int_equal((unsigned char)end[-4], 0xa9);
        }
        assert_int_equal(lines, 2);
}

static void test_an_event_carries_its_fields_to_the_journal(void **state)
{
        struct caught caught = catch_stderr();

        name_stderr_as_the_journal();
        log_open(LOG_LEVEL_INFO);
        log_event(&(struct log_event){ .message_id = "23e0c29eafbd415382e89edb18f27411",
                                       .level = LOG_LEVEL_NOTICE,
                                       .credential = "acme",
                                       .client = "jobber-app",
                                       .provider = "jobber",
                                       .reason = "line\nfeed",
                                       .generation = 18446744073709551615u,
                                       .peer_pid = 4711,
                                       .peer_uid = 0,
                                       .peer_unit = "jobber-sync.service" },
                  "token of %s handed out", "acme");
        assert_string_equal(release_stderr(&caught), "");
        assert_int_equal(n_entries, 1);
        assert_true(has_field("MESSAGE=token of acme handed out"));
        assert_true(has_field("MESSAGE_ID=23e0c29eafbd415382e89edb18f27411"));
        assert_true(has_field("PRIORITY=5"));
        assert_true(has_field("SYSLOG_IDENTIFIER=purserd"));
        assert_true(has_field("PURSER_CREDENTIAL=acme"));
        assert_true(has_field("PURSER_CLIENT=jobber-app"));
        assert_true(has_field("PURSER_PROVIDER=jobber"));
        assert_true(has_field("PURSER_REASON=line?feed"));
        assert_true(has_field("PURSER_GENERATION=18446744073709551615"));
        assert_true(has_field("PURSER_PEER_PID=4711"));
        assert_true(has_field("PURSER_PEER_UID=0"));
        assert_true(has_field("PURSER_PEER_UNIT=jobber-sync.service"));
        assert_int_equal(n_fields, 12);
}

static void test_fields_that_an_event_does_not_have_are_left_out(void **state)
{
        struct caught caught = catch_stderr();

        name_stderr_as_the_journal();
        log_open(LOG_LEVEL_INFO);
        log_event(&(struct log_event){ .level = LOG_LEVEL_INFO, .peer_uid = 1000 }, "plain");
        assert_string_equal(release_stderr(&caught), "");
        assert_int_equal(n_fields, 3);
        assert_true(has_name("MESSAGE") && has_name("PRIORITY") && has_name("SYSLOG_IDENTIFIER"));
}

static void test_a_journal_that_does_not_answer_is_replaced_by_standard_error(void **state)
{
        struct caught caught = catch_stderr();

        name_stderr_as_the_journal();
        journal_result = -ECONNREFUSED;
        log_open(LOG_LEVEL_INFO);
        log_error("the disk is full");
        assert_string_equal(release_stderr(&caught), "purserd: the disk is full\n");
        assert_int_equal(n_entries, 1);
}

static void test_a_stream_that_is_not_standard_error_is_not_the_journal(void **state)
{
        static const char *const streams[] = { "", "1:1", "x", "8:1:2", "99999999999999999999:1" };

        for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
                struct caught caught = catch_stderr();
                setenv("JOURNAL_STREAM", streams[i], 1);
                log_open(LOG_LEVEL_INFO);
                log_info("hello");
                assert_string_equal(release_stderr(&caught), "purserd: hello\n");
        }
        assert_int_equal(n_entries, 0);
}

static void test_a_closed_standard_error_does_no_harm(void **state)
{
        int saved = dup(STDERR_FILENO);

        close(STDERR_FILENO);
        log_open(LOG_LEVEL_INFO);
        log_info("nobody reads this");
        assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
        close(saved);
}

#define TEST(name) cmocka_unit_test_setup(name, forget)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_without_the_journal_a_line_goes_to_standard_error),
                TEST(test_lines_above_the_level_are_left_out),
                TEST(test_control_characters_cannot_forge_a_line),
                TEST(test_a_long_message_is_cut_between_characters),
                TEST(test_an_event_carries_its_fields_to_the_journal),
                TEST(test_fields_that_an_event_does_not_have_are_left_out),
                TEST(test_a_journal_that_does_not_answer_is_replaced_by_standard_error),
                TEST(test_a_stream_that_is_not_standard_error_is_not_the_journal),
                TEST(test_a_closed_standard_error_does_no_harm),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
