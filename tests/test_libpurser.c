// links: client/libpurser.c client/libpurser_bundle.c client/libpurser_link.c client/libpurser_list.c
// links: client/libpurser_record.c client/libpurser_slice.c client/libpurser_stream.c client/libpurser_watch.c
// links: common/clock.c common/conn.c common/fault.c common/secret.c common/wipe.c common/wire.c
// ldflags: -Wl,--wrap=connect
/*
 * The library against a daemon that a thread plays by a script: a list of steps, each of which must come true. What the
 * script did not foresee is a failure of the test.
 */
#include "include/purser.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define TOKEN "eyJhbGciOiJIUzI1NiJ9.one.planted-access-token"
#define HEADERS(token)                                                                                       \
        "\"headers\":[{\"name\":\"Authorization\",\"value\":\"Bearer " token "\"},"                          \
        "{\"name\":\"X-JOBBER-GRAPHQL-VERSION\",\"value\":\"2023-08-18\"}]"
#define BUNDLE(token, generation)                                                                            \
        "{\"access_token\":\"" token "\",\"token_type\":\"Bearer\",\"expires_at\":1790000000,"               \
        "\"api_version\":\"2023-08-18\",\"api_url\":\"https://api.example.com/graphql\"," HEADERS(           \
                token) ","                                                                                   \
                       "\"account\":{\"id\":\"QWNj\",\"name\":\"Acme "                                       \
                       "\\u00c4\\n\"},\"generation\":" generation ","                                        \
                       "\"warnings\":[\"the pinned version is about to "                                     \
                       "go\"],\"later\":{\"member\":[1,2,{}]}}"
#define REPLY(parameters) "{\"parameters\":" parameters "}"
#define MORE(parameters) "{\"parameters\":" parameters ",\"continues\":true}"
#define ERROR(name, parameters) "{\"error\":\"" name "\",\"parameters\":" parameters "}"

enum action {
        DONE,
        ACCEPT, /* a new connection takes the place of the last one, which stays open */
        READ, /* one message, which must contain the text */
        SEND, /* the text, and a NUL */
        SEND_PART, /* the text alone */
        CLOSE, /* the connection */
        END_SEEN, /* the client must have closed it */
};

struct step {
        enum action action;
        const char *text;
};

struct daemon {
        char directory[32], path[64];
        int listener, fd;
        const struct step *_Atomic step;
        pthread_t thread;
        struct purser *purser;
};

/* ---- the daemon ---- */

static bool read_message(int fd, char *message, size_t size)
{
        size_t n = 0;

        while (n < size && read(fd, message + n, 1) == 1)
                if (message[n++] == '\0')
                        return true;
        return false;
}

static bool send_text(int fd, const char *text, bool end)
{
        size_t n = strlen(text) + end;
        char *bytes = strdup(text);
        bool sent;

        for (char *p = bytes; *p; p++)
                if (*p == '\n')
                        *p = '\0';
        sent = send(fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n;
        explicit_bzero(bytes, n);
        free(bytes);
        return sent;
}

static bool play(struct daemon *daemon, const struct step *step)
{
        static _Thread_local char message[65536];

        switch (step->action) {
        case ACCEPT:
                daemon->fd = accept(daemon->listener, NULL, NULL);
                return daemon->fd >= 0;
        case READ:
                return read_message(daemon->fd, message, sizeof(message)) && strstr(message, step->text);
        case SEND:
                return send_text(daemon->fd, step->text, true);
        case SEND_PART:
                return send_text(daemon->fd, step->text, false);
        case CLOSE:
                return close(daemon->fd) == 0;
        case END_SEEN:
                return read(daemon->fd, message, 1) == 0;
        case DONE:
                break;
        }
        return false;
}

static void *daemon_thread(void *data)
{
        struct daemon *daemon = data;

        while (daemon->step->action != DONE && play(daemon, daemon->step))
                daemon->step++;
        return NULL;
}

static void start(struct daemon *daemon, const struct step *script)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        *daemon = (struct daemon){ .step = script, .directory = "/tmp/purser-test-XXXXXX" };
        assert_non_null(mkdtemp(daemon->directory));
        snprintf(daemon->path, sizeof(daemon->path), "%s/sock", daemon->directory);
        strcpy(address.sun_path, daemon->path);

        daemon->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_return_code(daemon->listener, errno);
        assert_return_code(bind(daemon->listener, (struct sockaddr *)&address, sizeof(address)), errno);
        assert_return_code(listen(daemon->listener, 8), errno);
        assert_int_equal(pthread_create(&daemon->thread, NULL, daemon_thread, daemon), 0);

        assert_int_equal(purser_open(&daemon->purser, daemon->path), PURSER_OK);
        purser_set_timeout(daemon->purser, 20000);
}

/* Until every step before that one has come true. */
static void wait_for_step(struct daemon *daemon, const struct step *step)
{
        while (daemon->step < step)
                sched_yield();
}

/* Every step must have come true. */
static void finish(struct daemon *daemon)
{
        purser_close(daemon->purser);
        pthread_join(daemon->thread, NULL);
        close(daemon->listener);
        unlink(daemon->path);
        rmdir(daemon->directory);
        if (daemon->step->action != DONE)
                fail_msg("step %d \"%s\" did not come true", daemon->step->action,
                         daemon->step->text ? daemon->step->text : "");
}

/* ---- what the kernel says to connect() ---- */

static const int *connect_errors; /* for the next calls, ended by 0 */

int __real_connect(int fd, const struct sockaddr *address, socklen_t n);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t n);

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t n)
{
        if (!connect_errors || *connect_errors == 0)
                return __real_connect(fd, address, n);
        errno = *connect_errors++;
        return -1;
}

/* ---- bundles ---- */

static void test_a_bundle_holds_everything_a_request_needs(void **state)
{
        static const struct step script[] = {
                { ACCEPT, NULL },
                { READ,
                  "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"acme\"}}" },
                { SEND, REPLY(BUNDLE(TOKEN, "7")) },
                { 0 },
        };
        struct purser_bundle *bundle;
        struct daemon daemon;

        start(&daemon, script);
        assert_int_equal(purser_get_token(daemon.purser, "acme", NULL, &bundle), PURSER_OK);
        assert_string_equal(purser_error(daemon.purser), "");
        finish(&daemon);

        assert_string_equal(purser_bundle_access_token(bundle), TOKEN);
        assert_string_equal(purser_bundle_token_type(bundle), "Bearer");
        assert_int_equal(purser_bundle_expires_at(bundle), 1790000000);
        assert_string_equal(purser_bundle_api_version(bundle), "2023-08-18");
        assert_string_equal(purser_bundle_api_url(bundle), "https://api.example.com/graphql");
        assert_int_equal(purser_bundle_n_headers(bundle), 2);
        assert_string_equal(purser_bundle_header_name(bundle, 0), "Authorization");
        assert_string_equal(purser_bundle_header_value(bundle, 0), "Bearer " TOKEN);
        assert_string_equal(purser_bundle_header_name(bundle, 1), "X-JOBBER-GRAPHQL-VERSION");
        assert_string_equal(purser_bundle_header_value(bundle, 1), "2023-08-18");
        assert_null(purser_bundle_header_name(bundle, 2));
        assert_null(purser_bundle_header_value(bundle, 2));
        assert_string_equal(purser_bundle_account_id(bundle), "QWNj");
        assert_string_equal(purser_bundle_account_name(bundle), "Acme \xc3\x84\n");
        assert_int_equal(purser_bundle_generation(bundle), 7);
        assert_int_equal(purser_bundle_n_warnings(bundle), 1);
        assert_string_equal(purser_bundle_warning(bundle, 0), "the pinned version is about to go");
        assert_null(purser_bundle_warning(bundle, 1));
        assert_string_equal(purser_bundle_json(bundle), BUNDLE(TOKEN, "7"));
        purser_bundle_free(bundle);
}

static void test_what_a_bundle_may_lack_is_null_or_negative(void **state)
{
        static const struct step script[] = {
                { ACCEPT, NULL },
                { READ, "GetToken" },
                { SEND,
                  REPLY("{\"access_token\":\"x\",\"token_type\":\"Bearer\",\"headers\":[],\"generation\":1,"
                        "\"expires_at\":null,\"account\":null}") },
                { 0 },
        };
        struct purser_bundle *bundle;
        struct daemon daemon;

        start(&daemon, script);
        assert_int_equal(purser_get_token(daemon.purser, "acme", NULL, &bundle), PURSER_OK);
        assert_int_equal(purser_bundle_expires_at(bundle), -1);
        assert_null(purser_bundle_api_version(bundle));
        assert_null(purser_bundle_api_url(bundle));
        assert_null(purser_bundle_account_id(bundle));
        assert_null(purser_bundle_account_name(bundle));
        assert_int_equal(purser_bundle_n_headers(bundle), 0);
        assert_int_equal(purser_bundle_n_warnings(bundle), 0);
        purser_bundle_free(bundle);
        finish(&daemon);
}

static void test_options_reach_the_daemon(void **state)
{
        static const struct step script[] = {
                { ACCEPT, NULL },
                { READ, "{\"credential\":\"acme\",\"min_valid_seconds\":300,\"rejected\":\"a\\\"b\\\\c\"}" },
                { SEND, REPLY(BUNDLE(TOKEN, "7")) },
                { READ, "{\"credential\":\"acme\",\"min_valid_seconds\":0}" },
                { SEND, REPLY(BUNDLE(TOKEN, "7")) },
                { 0 },
        };
        struct purser_token_options demanding = { .min_valid_seconds = 300, .rejected = "a\"b\\c" };
        struct purser_token_options easy = { .min_valid_seconds = -1 };
        struct purser_bundle *bundle;
        struct daemon daemon;

        start(&daemon, script);
        assert_int_equal(purser_get_token(daemon.purser, "acme", &demanding, &bundle), PURSER_OK);
        purser_bundle_free(bundle);
        assert_int_equal(purser_get_token(daemon.purser, "acme", &easy, &bundle), PURSER_OK);
        purser_bundle_free(bundle);
        finish(&daemon);
}

static void test_a_bundle_that_could_not_be_sent_safely_is_refused(void **state)
{
#define ODD(token, type, header)                                                                             \
        "{\"parameters\":{\"access_token\":\"" token "\",\"token_type\":\"" type "\",\"headers\":[" header   \
        "],\"generation\":1}}"
        static const char *const replies[] = {
                ODD("two words", "Bearer", ""),
                ODD("line\\nend", "Bearer", ""),
                ODD("", "Bearer", ""),
                ODD("null\\u0000", "Bearer", ""),
                ODD("x", "Bearer\\r\\nX: y", ""),
                ODD("x", "Bearer", "{\"name\":\"A: b\",\"value\":\"c\"}"),
                ODD("x", "Bearer", "{\"name\":\"A\",\"value\":\"b\\r\\nC: d\"}"),
                ODD("x", "Bearer", "{\"name\":\"A\"}"),
                "{\"parameters\":{\"access_token\":\"x\",\"token_type\":\"Bearer\",\"headers\":[]}}",
                REPLY("{\"access_token\":7,\"token_type\":\"Bearer\",\"headers\":[],\"generation\":1}"),
                "{\"parameters\":{}}",
                "{}",
        };
        struct purser_bundle *bundle = NULL;

        for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
                const struct step script[] = {
                        { ACCEPT, NULL }, { READ, "GetToken" }, { SEND, replies[i] }, { 0 }
                };
                struct daemon daemon;

                start(&daemon, script);
                assert_int_equal(purser_get_token(daemon.purser, "acme", NULL, &bundle), PURSER_E_PROTOCOL);
                assert_non_null(strstr(purser_error(daemon.purser), "makes no sense"));
                assert_null(bundle);
                finish(&daemon);
        }
}

static void test_bytes_that_are_no_varlink_end_the_connection(void **state)
{
        static const char *const replies[] = { "hello",         "[]", "{\"parameters\":[]}",
                                               "{\"error\":7}", "",   "{\"parameters\":{}" };
        struct purser_bundle *bundle = NULL;

        for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
                const struct step script[] = { { ACCEPT, NULL },
                                               { READ, "GetToken" },
                                               { SEND, replies[i] },
                                               { END_SEEN, NULL },
                                               { 0 } };
                struct daemon daemon;

                start(&daemon, script);
                assert_int_equal(purser_get_token(daemon.purser, "acme", NULL, &bundle), PURSER_E_PROTOCOL);
                finish(&daemon);
        }
}

/* How often the bytes occur in the heap of the main thread. */
static size_t count_in_heap(const char *bytes, size_t n)
{
        FILE *maps = fopen("/proc/self/maps", "re");
        char line[512];
        size_t count = 0;

        assert_non_null(maps);
        while (fgets(line, sizeof(line), maps)) {
                char *begin, *end;

                if (!strstr(line, "[heap]") || sscanf(line, "%p-%p", (void **)&begin, (void **)&end) != 2)
                        continue;
                for (char *p = begin; (p = memmem(p, (size_t)(end - p), bytes, n)); p += n)
                        count++;
        }
        fclose(maps);
        return count;
}

static void test_no_token_lies_in_the_heap_of_the_program(void **state)
{
        static const struct step script[] = {
                { ACCEPT, NULL },
                { READ, "GetToken" },
                { SEND, REPLY(BUNDLE(TOKEN, "7")) },
                { READ, "GetToken" },
                { SEND, REPLY(BUNDLE(TOKEN, "7")) },
                { 0 },
        };
        struct purser_token_options options = { .rejected = TOKEN };
        struct purser_bundle *bundle;
        struct daemon daemon;
        char *planted;

        planted = strdup("a string that must be found");
        if (count_in_heap(planted, strlen(planted)) == 0) {
                free(planted);
                skip(); /* under a sanitizer, whose heap is elsewhere */
        }
        free(planted);

        start(&daemon, script);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(purser_get_token(daemon.purser, "acme", &options, &bundle), PURSER_OK);
                assert_string_equal(purser_bundle_access_token(bundle), TOKEN);
                assert_int_equal(count_in_heap(TOKEN, strlen(TOKEN)), 0);
                purser_bundle_free(bundle);
        }
        finish(&daemon);
}

/* ---- errors ---- */

static void test_errors_of_the_daemon_become_results_and_words(void **state)
{
        static const struct {
                const char *name, *parameters;
                int result, retry_after;
                const char *words;
        } cases[] = {
                { "io.purser.Tokens.AuthorizationRequired",
                  "{\"credential\":\"acme\",\"reason\":\"the app was disconnected\"}",
                  PURSER_E_AUTHORIZATION_REQUIRED, -1,
                  "acme: a person must log in: the app was disconnected" },
                { "io.purser.Tokens.TokenUnavailable",
                  "{\"credential\":\"acme\",\"reason\":\"503\",\"retry_after_seconds\":30}",
                  PURSER_E_TOKEN_UNAVAILABLE, 30, "acme: no valid token now: 503" },
                { "io.purser.Tokens.NoSuchCredential", "{\"credential\":\"a\\u001b[31mcme\"}",
                  PURSER_E_NO_SUCH_CREDENTIAL, -1, "a?[31mcme: there is no such credential" },
                { "org.varlink.service.PermissionDenied", "{}", PURSER_E_NOT_PERMITTED, -1, "not permitted" },
                { "org.varlink.service.InvalidParameter", "{\"parameter\":\"credential\"}", PURSER_E_USAGE,
                  -1, "credential: purserd does not accept a parameter" },
                { "io.purser.Admin.Unheard", "{\"reason\":7}", PURSER_E_OTHER, -1,
                  "io.purser.Admin.Unheard" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char reply[512];
                const struct step script[] = { { ACCEPT, NULL },
                                               { READ, "GetToken" },
                                               { SEND, reply },
                                               { READ, "GetToken" },
                                               { SEND, REPLY(BUNDLE(TOKEN, "1")) },
                                               { 0 } };
                struct purser_bundle *bundle;
                struct daemon daemon;

                snprintf(reply, sizeof(reply), "{\"error\":\"%s\",\"parameters\":%s}", cases[i].name,
                         cases[i].parameters);
                start(&daemon, script);
                assert_int_equal(purser_get_token(daemon.purser, "acme", NULL, &bundle), cases[i].result);
                assert_string_equal(purser_error(daemon.purser), cases[i].words);
                assert_string_equal(purser_error_name(daemon.purser), cases[i].name);
                assert_string_equal(purser_error_parameters(daemon.purser), cases[i].parameters);
                assert_int_equal(purser_retry_after(daemon.purser), cases[i].retry_after);

                assert_int_equal(purser_get_token(daemon.purser, "acme", NULL, &bundle), PURSER_OK);
                assert_string_equal(purser_error(daemon.purser), "");
                assert_null(purser_error_name(daemon.purser));
                assert_null(purser_error_parameters(daemon.purser));
                assert_int_equal(purser_retry_after(daemon.purser), -1);
                purser_bundle_free(bundle);
                finish(&daemon);
        }
}

static void test_every_result_has_a_name_and_words(void **state)
{
        for (int i = 0; i <= PURSER_E_AGAIN; i++) {
                assert_int_equal(strncmp(purser_result_name(i), "PURSER_", 7), 0);
                assert_true(strlen(purser_result_text(i)) > 3);
        }
        assert_string_equal(purser_result_name(-1), "unknown result");
        assert_string_equal(purser_result_name(PURSER_E_AGAIN + 1), "unknown result");
        assert_string_equal(purser_result_name(INT_MAX), "unknown result");
}

static void test_arguments_that_cannot_be_are_refused_unsent(void **state)
{
        static const struct step script[] = { { 0 } };
        struct purser_token_options odd = { .rejected = "line\nend" };
        struct purser_bundle *bundle;
        struct purser_watch *watch;
        struct purser *purser;
        struct daemon daemon;
        char longest[200] = "/";

        start(&daemon, script);
        assert_int_equal(purser_get_token(daemon.purser, "", NULL, &bundle), PURSER_E_USAGE);
        assert_int_equal(purser_get_token(daemon.purser, NULL, NULL, &bundle), PURSER_E_USAGE);
        assert_int_equal(purser_get_token(daemon.purser, "\xff", NULL, &bundle), PURSER_E_USAGE);
        assert_int_equal(purser_get_token(daemon.purser, "acme", &odd, &bundle), PURSER_E_USAGE);
        assert_null(strstr(purser_error(daemon.purser), "line"));
        assert_int_equal(purser_watch_new(daemon.purser, "", &watch), PURSER_E_USAGE);
        assert_int_equal(purser_call(daemon.purser, "NoInterface", NULL, 0, NULL), PURSER_E_USAGE);
        assert_int_equal(purser_call(daemon.purser, "a.B", "[]", 0, NULL), PURSER_E_USAGE);
        assert_int_equal(purser_call(daemon.purser, "a.B", "{},\"more\":true,\"x\":{}", 0, NULL),
                         PURSER_E_USAGE);
        assert_int_equal(purser_call(daemon.purser, "a.B", "{\"x\":1", 0, NULL), PURSER_E_USAGE);
        finish(&daemon);

        memset(longest, 'x', 108);
        assert_int_equal(purser_open(&purser, longest), PURSER_E_USAGE);
        assert_int_equal(purser_open(&purser, ""), PURSER_E_USAGE);
}

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

/* ---- lists and other calls ---- */

static void test_a_list_tells_what_there_is(void **state)
{
        static const struct step script[] = {
                { ACCEPT, NULL },
                { READ, "{\"method\":\"io.purser.Tokens.ListCredentials\"}" },
                { SEND,
                  REPLY("{\"credentials\":["
                        "{\"name\":\"acme\",\"description\":\"Acme, "
                        "\\\"Inc\\\"\",\"client\":\"app\",\"provider\":\"jobber\","
                        "\"state\":\"active\",\"expires_at\":1790000000,\"api_version\":\"2023-08-18\","
                        "\"account\":{\"id\":\"1\",\"name\":\"Acme\"},\"generation\":4},"
                        "{\"name\":\"bolt\",\"description\":\"\",\"client\":\"app\",\"provider\":\"jobber\","
                        "\"state\":\"authorization-required\",\"generation\":0,\"last_error\":\"log "
                        "in\"}]}") },
                { 0 },
        };
        const struct purser_credential *one, *two;
        struct purser_credentials *list;
        struct daemon daemon;

        start(&daemon, script);
        assert_int_equal(purser_list_credentials(daemon.purser, &list), PURSER_OK);
        finish(&daemon);

        assert_int_equal(purser_credentials_count(list), 2);
        one = purser_credentials_get(list, 0);
        two = purser_credentials_get(list, 1);
        assert_null(purser_credentials_get(list, 2));
        assert_string_equal(one->name, "acme");
        assert_string_equal(one->description, "Acme, \"Inc\"");
        assert_string_equal(one->client, "app");
        assert_string_equal(one->provider, "jobber");
        assert_string_equal(one->state, "active");
        assert_int_equal(one->expires_at, 1790000000);
        assert_string_equal(one->api_version, "2023-08-18");
        assert_string_equal(one->account_id, "1");
        assert_string_equal(one->account_name, "Acme");
        assert_int_equal(one->generation, 4);
        assert_null(one->last_error);
        assert_string_equal(two->name, "bolt");
        assert_int_equal(two->expires_at, -1);
        assert_null(two->api_version);
        assert_null(two->account_id);
        assert_string_equal(two->last_error, "log in");
        assert_int_equal(strncmp(purser_credentials_json(list), "{\"credentials\":[", 16), 0);
        purser_credentials_free(list);
}

static void test_a_reply_longer_than_any_buffer_arrives_whole(void **state)
{
        size_t n = 1024 * 1024;
        char *message = malloc(n + 64), *reply;
        struct step script[] = { { ACCEPT, NULL }, { READ, "a.b.C" }, { SEND, message }, { 0 } };
        struct daemon daemon;

        strcpy(message, "{\"parameters\":{\"x\":\"");
        memset(message + strlen(message), 'y', n);
        strcpy(message + 20 + n, "\"}}");

        start(&daemon, script);
        assert_int_equal(
                purser_call(daemon.purser, "a.b.C", "{ \"in\" : [ 1 ] }", PURSER_CALL_IDEMPOTENT, &reply),
                PURSER_OK);
        assert_int_equal(strlen(reply), n + 8);
        purser_text_free(reply);
        finish(&daemon);
        free(message);
}

struct replies {
        char texts[4][64];
        int continues[4];
        size_t n, stop_after;
};

static int on_reply(void *data, const char *reply, int continues)
{
        struct replies *replies = data;

        snprintf(replies->texts[replies->n], sizeof(replies->texts[0]), "%s", reply);
        replies->continues[replies->n++] = continues;
        return replies->n == replies->stop_after ? -5 : 0;
}

static void test_a_call_with_more_hands_over_every_reply(void **state)
{
        static const struct step script[] = {
                { ACCEPT, NULL },
                { READ, "{\"method\":\"a.b.C\",\"parameters\":{\"x\":1},\"more\":true}" },
                { SEND, MORE("{\"n\":1}") },
                { SEND, MORE("{\"n\":2}") },
                { SEND, REPLY("{\"n\":3}") },
                { 0 },
        };
        struct replies replies = { 0 };
        struct daemon daemon;

        start(&daemon, script);
        assert_int_equal(purser_call_more(daemon.purser, "a.b.C", "{\"x\":1}", 0, on_reply, &replies),
                         PURSER_OK);
        assert_int_equal(replies.n, 3);
        assert_string_equal(replies.texts[0], "{\"n\":1}");
        assert_string_equal(replies.texts[2], "{\"n\":3}");
        assert_true(replies.continues[1]);
        assert_false(replies.continues[2]);
        finish(&daemon);
}

static void test_a_call_with_more_ends_as_its_callback_says(void **state)
{
        static const struct step script[] = {
                { ACCEPT, NULL },
                { READ, "a.b.C" },
                { SEND, MORE("{\"n\":1}") },
                { SEND, MORE("{\"n\":2}") },
                { END_SEEN, NULL },
                { 0 },
        };
        struct replies replies = { .stop_after = 2 };
        struct daemon daemon;

        start(&daemon, script);
        assert_int_equal(purser_call_more(daemon.purser, "a.b.C", NULL, 0, on_reply, &replies), -5);
        assert_int_equal(replies.n, 2);
        finish(&daemon);
}

static void test_a_call_with_more_outlives_a_restart_only_where_it_may(void **state)
{
        static const struct step once[] = {
                { ACCEPT, NULL }, { READ, "a.b.C" }, { SEND, MORE("{\"n\":1}") }, { CLOSE, NULL }, { 0 }
        };
        static const struct step again[] = {
                { ACCEPT, NULL }, { READ, "a.b.C" }, { SEND, MORE("{\"n\":1}") },  { CLOSE, NULL },
                { ACCEPT, NULL }, { READ, "a.b.C" }, { SEND, ERROR("x.Y", "{}") }, { 0 },
        };
        struct replies replies = { 0 };
        struct daemon daemon;

        start(&daemon, once);
        assert_int_equal(purser_call_more(daemon.purser, "a.b.C", NULL, 0, on_reply, &replies),
                         PURSER_E_OUTCOME_UNKNOWN);
        finish(&daemon);
        start(&daemon, again);
        assert_int_equal(
                purser_call_more(daemon.purser, "a.b.C", NULL, PURSER_CALL_IDEMPOTENT, on_reply, &replies),
                PURSER_E_OTHER);
        assert_string_equal(purser_error_name(daemon.purser), "x.Y");
        assert_int_equal(replies.n, 2);
        finish(&daemon);
}

/* ---- watches ---- */

static bool is_readable(int fd)
{
        struct pollfd pollfd = { .fd = fd, .events = POLLIN };

        return poll(&pollfd, 1, 10000) == 1;
}

/* As a program with a loop of its own does it. */
static int next_by_steps(struct purser_watch *watch, struct purser_bundle **ret)
{
        int r;

        do {
                assert_true(is_readable(purser_watch_fd(watch)));
                r = purser_watch_step(watch, ret);
        } while (r == PURSER_E_AGAIN);
        return r;
}

static void test_a_watch_gives_each_new_token_once_across_restarts(void **state)
{
        static const struct step script[] = {
                { ACCEPT, NULL },
                { READ, "{\"method\":\"io.purser.Tokens.WatchToken\",\"parameters\":{\"credential\":\"acme\"}"
                        ",\"more\":true}" },
                { SEND, MORE(BUNDLE("one", "1")) },
                { SEND, MORE(BUNDLE("two", "2")) },
                { CLOSE, NULL },
                { ACCEPT, NULL },
                { READ, "WatchToken" },
                { SEND, MORE(BUNDLE("two", "2")) },
                { SEND, MORE(BUNDLE("three", "3")) },
                { SEND, ERROR("io.purser.Tokens.AuthorizationRequired",
                              "{\"credential\":\"acme\",\"reason\":\"gone\"}") },
                { 0 },
        };
        static const char *const tokens[] = { "one", "two", "three" };
        struct purser_bundle *bundle;
        struct purser_watch *watch;
        struct daemon daemon;
        int fd;

        start(&daemon, script);
        assert_int_equal(purser_watch_new(daemon.purser, "acme", &watch), PURSER_OK);
        fd = purser_watch_fd(watch);
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(next_by_steps(watch, &bundle), PURSER_OK);
                assert_string_equal(purser_bundle_access_token(bundle), tokens[i]);
                purser_bundle_free(bundle);
        }
        assert_int_equal(next_by_steps(watch, &bundle), PURSER_E_AUTHORIZATION_REQUIRED);
        assert_string_equal(purser_error(daemon.purser), "acme: a person must log in: gone");
        assert_int_equal(purser_watch_step(watch, &bundle), PURSER_E_AUTHORIZATION_REQUIRED);
        assert_int_equal(purser_watch_fd(watch), fd);
        purser_watch_free(watch);
        finish(&daemon);
}

static void test_replies_that_came_together_are_not_left_lying(void **state)
{
        static const struct step script[] = {
                { ACCEPT, NULL },
                { READ, "WatchToken" },
                { SEND, MORE(BUNDLE("one", "1")) "\n" MORE(BUNDLE("two", "2")) },
                { 0 },
        };
        struct purser_bundle *bundle;
        struct purser_watch *watch;
        struct daemon daemon;

        start(&daemon, script);
        assert_int_equal(purser_watch_new(daemon.purser, "acme", &watch), PURSER_OK);
        assert_int_equal(next_by_steps(watch, &bundle), PURSER_OK);
        assert_string_equal(purser_bundle_access_token(bundle), "one");
        purser_bundle_free(bundle);
        assert_int_equal(next_by_steps(watch, &bundle), PURSER_OK);
        assert_string_equal(purser_bundle_access_token(bundle), "two");
        purser_bundle_free(bundle);
        assert_int_equal(purser_watch_wait(watch, 0, &bundle), PURSER_E_AGAIN);
        purser_watch_free(watch);
        finish(&daemon);
}

static void test_a_watch_tells_an_absence_once_and_goes_on(void **state)
{
        static const int errors[] = { ENOENT, ECONNREFUSED, ECONNREFUSED, 0 };
        static const struct step script[] = {
                { ACCEPT, NULL }, { READ, "WatchToken" }, { SEND, MORE(BUNDLE("one", "1")) }, { 0 }
        };
        struct purser_bundle *bundle;
        struct purser_watch *watch;
        struct daemon daemon;

        start(&daemon, script);
        connect_errors = errors;
        purser_set_patience(daemon.purser, 0);
        assert_int_equal(purser_watch_new(daemon.purser, "acme", &watch), PURSER_OK);
        assert_int_equal(purser_watch_wait(watch, -1, &bundle), PURSER_E_NO_DAEMON);
        assert_non_null(strstr(purser_error(daemon.purser), "No such file or directory"));
        assert_int_equal(purser_watch_wait(watch, -1, &bundle), PURSER_OK);
        assert_string_equal(purser_bundle_access_token(bundle), "one");
        purser_bundle_free(bundle);
        purser_watch_free(watch);
        finish(&daemon);
}

static int reset_connect(void **state)
{
        connect_errors = NULL;
        return 0;
}

#define TEST(function) cmocka_unit_test_setup(function, reset_connect)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_bundle_holds_everything_a_request_needs),
                TEST(test_what_a_bundle_may_lack_is_null_or_negative),
                TEST(test_options_reach_the_daemon),
                TEST(test_a_bundle_that_could_not_be_sent_safely_is_refused),
                TEST(test_bytes_that_are_no_varlink_end_the_connection),
                TEST(test_no_token_lies_in_the_heap_of_the_program),
                TEST(test_errors_of_the_daemon_become_results_and_words),
                TEST(test_every_result_has_a_name_and_words),
                TEST(test_arguments_that_cannot_be_are_refused_unsent),
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
                TEST(test_a_list_tells_what_there_is),
                TEST(test_a_reply_longer_than_any_buffer_arrives_whole),
                TEST(test_a_call_with_more_hands_over_every_reply),
                TEST(test_a_call_with_more_ends_as_its_callback_says),
                TEST(test_a_call_with_more_outlives_a_restart_only_where_it_may),
                TEST(test_a_watch_gives_each_new_token_once_across_restarts),
                TEST(test_replies_that_came_together_are_not_left_lying),
                TEST(test_a_watch_tells_an_absence_once_and_goes_on),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
