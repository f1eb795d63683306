// links: client/libpurser.c client/libpurser_bundle.c client/libpurser_link.c client/libpurser_list.c
// links: client/libpurser_record.c client/libpurser_slice.c client/libpurser_stream.c
// links: client/libpurser_watch.c common/
// ldflags: -Wl,--wrap=connect
/* The bundles that the library gives, and how it tells errors. */
#include "tests/beds/scripted_daemon.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
