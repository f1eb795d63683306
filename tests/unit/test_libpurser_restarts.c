// links: client/libpurser.c client/libpurser_bundle.c client/libpurser_link.c client/libpurser_list.c
// links: client/libpurser_record.c client/libpurser_slice.c client/libpurser_stream.c
// links: client/libpurser_watch.c common/
// ldflags: -Wl,--wrap=connect
/* The library while its daemon is absent, restarts or hangs. */
#include "tests/beds/scripted_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the socket ---- */

static void test_the_socket_is_the_one_given_or_that_of_the_environment(void **state)
{
        char directory[] = "/tmp/purser-test-XXXXXX", inner[64], path[96];
        struct purser *purser;

        assert_non_null(mkdtemp(directory));
        snprintf(inner, sizeof(inner), "%s/purser", directory);
        snprintf(path, sizeof(path), "%s/purser.sock", inner);
        assert_return_code(mkdir(inner, 0700), errno);

        setenv("XDG_RUNTIME_DIR", directory, 1);
        unsetenv("PURSER_SOCKET");
        assert_int_equal(purser_open(&purser, NULL), PURSER_OK);
        assert_string_equal(purser_socket_path(purser), "/run/purser/purser.sock");
        purser_close(purser);

        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        assert_int_equal(purser_open(&purser, NULL), PURSER_OK);
        assert_string_equal(purser_socket_path(purser), path);
        purser_close(purser);

        setenv("PURSER_SOCKET", "/chosen.sock", 1);
        assert_int_equal(purser_open(&purser, NULL), PURSER_OK);
        assert_string_equal(purser_socket_path(purser), "/chosen.sock");
        purser_close(purser);
        assert_int_equal(purser_open(&purser, "/given.sock"), PURSER_OK);
        assert_string_equal(purser_socket_path(purser), "/given.sock");
        purser_close(purser);

        unlink(path);
        rmdir(inner);
        rmdir(directory);
}

static void test_a_daemon_that_is_not_there_is_told_when_patience_ends(void **state)
{
        struct purser_bundle *bundle;
        struct purser *purser;

        assert_int_equal(purser_open(&purser, "/nonexistent/purser.sock"), PURSER_OK);
        purser_set_patience(purser, 0);
        assert_int_equal(purser_get_token(purser, "acme", NULL, &bundle), PURSER_E_NO_DAEMON);
        assert_string_equal(purser_error(purser),
                            "no purserd answers at /nonexistent/purser.sock: No such file or directory");
        assert_null(purser_error_name(purser));
        purser_close(purser);
}

static void test_a_daemon_that_comes_back_in_time_is_not_missed(void **state)
{
        static const int errors[] = { ENOENT, ECONNREFUSED, EAGAIN, ECONNREFUSED, 0 };
        static const struct step script[] = {
                { ACCEPT, NULL }, { READ, "Revoke" }, { SEND, REPLY("{\"revoked\":true}") }, { 0 }
        };
        struct daemon daemon;
        char *reply;

        start(&daemon, script);
        connect_errors = errors;
        /* Not even a call that may be made once only is in danger: nothing was sent. */
        assert_int_equal(purser_call(daemon.purser, "io.purser.Admin.Revoke", NULL, 0, &reply), PURSER_OK);
        assert_string_equal(reply, "{\"revoked\":true}");
        assert_int_equal(*connect_errors, 0);
        purser_text_free(reply);
        finish(&daemon);
}

static void test_a_socket_that_may_not_be_opened_is_told_at_once(void **state)
{
        static const int errors[] = { EACCES, 0 };
        static const struct step script[] = { { 0 } };
        struct purser_bundle *bundle;
        struct daemon daemon;

        start(&daemon, script);
        connect_errors = errors;
        assert_int_equal(purser_get_token(daemon.purser, "acme", NULL, &bundle), PURSER_E_NOT_PERMITTED);
        assert_non_null(strstr(purser_error(daemon.purser), "Permission denied"));
        finish(&daemon);
}

/* ---- restarts ---- */

static void test_a_restart_before_the_answer_is_not_noticed(void **state)
{
        static const struct step script[] = {
                { ACCEPT, NULL },
                { READ, "GetToken" },
                { CLOSE, NULL }, /* asked, no answer */
                { ACCEPT, NULL },
                { READ, "GetToken" },
                { SEND_PART, "{\"parameters\":{\"acc" },
                { CLOSE, NULL }, /* half an answer */
                { ACCEPT, NULL },
                { READ, "GetToken" },
                { SEND, REPLY(BUNDLE(TOKEN, "8")) },
                { 0 },
        };
        struct purser_bundle *bundle;
        struct daemon daemon;

        start(&daemon, script);
        assert_int_equal(purser_get_token(daemon.purser, "acme", NULL, &bundle), PURSER_OK);
        assert_int_equal(purser_bundle_generation(bundle), 8);
        purser_bundle_free(bundle);
        finish(&daemon);
}

static void test_a_restart_between_two_calls_is_not_noticed_by_either_kind(void **state)
{
        static const struct step script[] = {
                { ACCEPT, NULL },
                { READ, "GetToken" },
                { SEND, REPLY(BUNDLE(TOKEN, "8")) },
                { CLOSE, NULL },
                { ACCEPT, NULL },
                { READ, "Refresh" },
                { SEND, REPLY("{\"generation\":9}") },
                { 0 },
        };
        struct purser_bundle *bundle;
        struct daemon daemon;
        char *reply;

        start(&daemon, script);
        assert_int_equal(purser_get_token(daemon.purser, "acme", NULL, &bundle), PURSER_OK);
        purser_bundle_free(bundle);
        wait_for_step(&daemon, script + 4);
        assert_int_equal(purser_call(daemon.purser, "io.purser.Admin.Refresh", NULL, 0, &reply), PURSER_OK);
        assert_string_equal(reply, "{\"generation\":9}");
        purser_text_free(reply);
        finish(&daemon);
}

static void test_a_call_that_may_be_made_once_only_is_not_repeated(void **state)
{
        static const struct step script[] = {
                { ACCEPT, NULL }, { READ, "ImportGrant" }, { CLOSE, NULL }, { 0 }
        };
        struct daemon daemon;
        char *reply = NULL;

        start(&daemon, script);
        assert_int_equal(purser_call(daemon.purser, "io.purser.Admin.ImportGrant", NULL, 0, &reply),
                         PURSER_E_OUTCOME_UNKNOWN);
        assert_null(reply);
        finish(&daemon);
}

static void test_a_daemon_that_always_hangs_up_is_told_when_patience_ends(void **state)
{
        static const struct step script[] = {
                { ACCEPT, NULL }, { READ, "GetToken" }, { CLOSE, NULL }, { 0 }
        };
        struct purser_bundle *bundle;
        struct daemon daemon;

        start(&daemon, script);
        purser_set_patience(daemon.purser, 0);
        assert_int_equal(purser_get_token(daemon.purser, "acme", NULL, &bundle), PURSER_E_NO_DAEMON);
        assert_non_null(strstr(purser_error(daemon.purser), "it closed the connection"));
        finish(&daemon);
}

static void test_a_daemon_that_hangs_is_told_and_its_late_answer_goes_nowhere(void **state)
{
        static const struct step script[] = {
                { ACCEPT, NULL },
                { READ, "\"slow\"" },
                { END_SEEN, NULL },
                { ACCEPT, NULL },
                { READ, "\"quick\"" },
                { SEND, REPLY(BUNDLE("quick", "1")) },
                { 0 },
        };
        struct purser_bundle *bundle;
        struct daemon daemon;

        start(&daemon, script);
        purser_set_timeout(daemon.purser, 20);
        assert_int_equal(purser_get_token(daemon.purser, "slow", NULL, &bundle), PURSER_E_TIMEOUT);
        purser_set_timeout(daemon.purser, 20000);
        assert_int_equal(purser_get_token(daemon.purser, "quick", NULL, &bundle), PURSER_OK);
        assert_string_equal(purser_bundle_access_token(bundle), "quick");
        purser_bundle_free(bundle);
        finish(&daemon);
}

static void test_a_reply_that_nobody_asked_for_is_not_taken_for_the_next_one(void **state)
{
        static const struct step together[] = {
                { ACCEPT, NULL },
                { READ, "\"one\"" },
                { SEND, REPLY(BUNDLE("one", "1")) "\n" REPLY(BUNDLE("stray", "2")) },
                { ACCEPT, NULL },
                { READ, "\"two\"" },
                { SEND, REPLY(BUNDLE("two", "1")) },
                { 0 },
        };
        static const struct step later[] = {
                { ACCEPT, NULL },
                { READ, "\"one\"" },
                { SEND, REPLY(BUNDLE("one", "1")) },
                { SEND_PART, REPLY(BUNDLE("stray", "2")) },
                { ACCEPT, NULL },
                { READ, "\"two\"" },
                { SEND, REPLY(BUNDLE("two", "1")) },
                { 0 },
        };
        static const struct {
                const struct step *script, *stray_sent;
        } cases[] = { { together, together + 3 }, { later, later + 4 } };
        struct purser_bundle *bundle;

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct daemon daemon;

                start(&daemon, cases[i].script);
                assert_int_equal(purser_get_token(daemon.purser, "one", NULL, &bundle), PURSER_OK);
                assert_string_equal(purser_bundle_access_token(bundle), "one");
                purser_bundle_free(bundle);
                wait_for_step(&daemon, cases[i].stray_sent);
                assert_int_equal(purser_get_token(daemon.purser, "two", NULL, &bundle), PURSER_OK);
                assert_string_equal(purser_bundle_access_token(bundle), "two");
                purser_bundle_free(bundle);
                finish(&daemon);
        }
}

static void test_no_signal_is_raised_when_the_daemon_goes_away(void **state)
{
        static const struct step script[] = {
                { ACCEPT, NULL },
                { READ, "GetToken" },
                { SEND, REPLY(BUNDLE(TOKEN, "8")) },
                { CLOSE, NULL },
                { ACCEPT, NULL },
                { CLOSE, NULL },
                { ACCEPT, NULL },
                { READ, "GetToken" },
                { SEND, REPLY(BUNDLE(TOKEN, "8")) },
                { 0 },
        };
        struct purser_bundle *bundle;
        struct daemon daemon;

        signal(SIGPIPE, SIG_DFL);
        start(&daemon, script);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(purser_get_token(daemon.purser, "acme", NULL, &bundle), PURSER_OK);
                purser_bundle_free(bundle);
        }
        finish(&daemon);
}

static void test_a_child_speaks_on_a_connection_of_its_own(void **state)
{
        static const struct step script[] = {
                { ACCEPT, NULL },
                { READ, "\"parent\"" },
                { SEND, REPLY(BUNDLE("parent", "1")) },
                { ACCEPT, NULL },
                { READ, "\"child\"" },
                { SEND, REPLY(BUNDLE("child", "1")) },
                { 0 },
        };
        struct purser_bundle *bundle, *inherited;
        struct daemon daemon;
        int status = -1;
        pid_t pid;

        start(&daemon, script);
        assert_int_equal(purser_get_token(daemon.purser, "parent", NULL, &inherited), PURSER_OK);
        pid = fork();
        if (pid == 0) {
                int r = purser_get_token(daemon.purser, "child", NULL, &bundle);
                bool right = r == PURSER_OK && strcmp(purser_bundle_access_token(bundle), "child") == 0 &&
                             strcmp(purser_bundle_access_token(inherited), "") == 0;

                purser_bundle_free(inherited);
                purser_close(daemon.purser);
                _exit(right ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_string_equal(purser_bundle_access_token(inherited), "parent");
        purser_bundle_free(inherited);
        finish(&daemon);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_the_socket_is_the_one_given_or_that_of_the_environment),
                TEST(test_a_daemon_that_is_not_there_is_told_when_patience_ends),
                TEST(test_a_daemon_that_comes_back_in_time_is_not_missed),
                TEST(test_a_socket_that_may_not_be_opened_is_told_at_once),
                TEST(test_a_restart_before_the_answer_is_not_noticed),
                TEST(test_a_restart_between_two_calls_is_not_noticed_by_either_kind),
                TEST(test_a_call_that_may_be_made_once_only_is_not_repeated),
                TEST(test_a_daemon_that_always_hangs_up_is_told_when_patience_ends),
                TEST(test_a_daemon_that_hangs_is_told_and_its_late_answer_goes_nowhere),
                TEST(test_a_reply_that_nobody_asked_for_is_not_taken_for_the_next_one),
                TEST(test_no_signal_is_raised_when_the_daemon_goes_away),
                TEST(test_a_child_speaks_on_a_connection_of_its_own),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
