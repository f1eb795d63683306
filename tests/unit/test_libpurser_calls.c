// links: client/libpurser.c client/libpurser_bundle.c client/libpurser_link.c client/libpurser_list.c
// links: client/libpurser_record.c client/libpurser_slice.c client/libpurser_stream.c
// links: client/libpurser_watch.c common/
// ldflags: -Wl,--wrap=connect
/* Lists, other calls and watches of the library. */
#include "tests/beds/scripted_daemon.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists and other calls ---- */

#define LIST "{\"method\":\"io.purser.Tokens.ListCredentials\",\"parameters\":{\"most\":1000}}"
#define LIST_AFTER(name)                                                                                     \
        "{\"method\":\"io.purser.Tokens.ListCredentials\",\"parameters\":{\"most\":1000,\"after\":\"" name   \
        "\"}}"

/* A reply with so many credentials, the first of which is called c0000 when `from` is 0. */
static char *page_reply(int from, int n)
{
        char *text = calloc(1, 64 + (size_t)n * 160), *at = text;

        assert_non_null(text);
        at = stpcpy(at, "{\"parameters\":{\"credentials\":[");
        for (int i = from; i < from + n; i++)
                at += sprintf(
                        at,
                        "%s{\"name\":\"c%04d\",\"description\":\"\\u00e4\",\"client\":\"app\",\"provider\":"
                        "\"p\",\"state\":\"active\",\"generation\":%d}",
                        i > from ? ", " : "", i, i);
        strcpy(at, "]}}");
        return text;
}

static void assert_lists(const char *second_call, int n_second)
{
        char *first = page_reply(0, 1000), *second = page_reply(1000, n_second);
        const struct step script[] = { { ACCEPT, NULL },      { READ, LIST },   { SEND, first },
                                       { READ, second_call }, { SEND, second }, { 0 } };
        struct purser_credentials *list;
        struct daemon daemon;

        start(&daemon, script);
        assert_int_equal(purser_list_credentials(daemon.purser, &list), PURSER_OK);
        finish(&daemon);
        assert_int_equal(purser_credentials_count(list), 1000 + n_second);
        for (int i = 0; i < 1000 + n_second; i++) {
                char name[16];

                snprintf(name, sizeof(name), "c%04d", i);
                assert_string_equal(purser_credentials_get(list, (size_t)i)->name, name);
                assert_string_equal(purser_credentials_get(list, (size_t)i)->description, "ä");
                assert_int_equal(purser_credentials_get(list, (size_t)i)->generation, i);
        }
        assert_int_equal(strncmp(purser_credentials_json(list), "{\"credentials\":[{", 17), 0);
        assert_string_equal(purser_credentials_json(list) + strlen(purser_credentials_json(list)) - 3, "}]}");
        purser_credentials_free(list);
        free(first);
        free(second);
}

static void test_a_long_list_is_read_page_by_page(void **state)
{
        assert_lists(LIST_AFTER("c0999"), 3);
        assert_lists(LIST_AFTER("c0999"), 0);
}

static void test_a_daemon_that_knows_no_pages_is_not_asked_for_ever(void **state)
{
        char *page = page_reply(0, 1000);
        const struct step script[] = { { ACCEPT, NULL }, { READ, LIST },
                                       { SEND, page },   { READ, LIST_AFTER("c0999") },
                                       { SEND, page },   { 0 } };
        struct purser_credentials *list;
        struct daemon daemon;

        start(&daemon, script);
        assert_int_equal(purser_list_credentials(daemon.purser, &list), PURSER_E_PROTOCOL);
        finish(&daemon);
        free(page);
}

static void test_a_list_tells_what_there_is(void **state)
{
        static const struct step script[] = {
                { ACCEPT, NULL },
                { READ, LIST },
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

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_list_tells_what_there_is),
                TEST(test_a_long_list_is_read_page_by_page),
                TEST(test_a_daemon_that_knows_no_pages_is_not_asked_for_ever),
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
