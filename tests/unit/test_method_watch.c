// links: daemon/method/
// libs: libsodium jansson yaml-0.1 libsystemd
#include "tests/beds/method_bed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WATCH                                                                                                \
        "{\"method\":\"io.purser.Tokens.WatchToken\",\"more\":true,\"parameters\":{\"credential\":\"acme\"}" \
        "}"
#define STATUS                                                                                               \
        "{\"method\":\"io.purser.Admin.Status\",\"more\":true,\"parameters\":{\"credential\":\"acme\"}}"
static unsigned count_lines(const char *text)
{
        unsigned n = 0;

        for (; *text; text++)
                n += *text == '\n';
        return n;
}

/* Another connection has it refreshed; the watchers are not read from meanwhile. */
static void refresh(unsigned number)
{
        char answer[160];
        int other = serve_connect(&bed);

        serve_say(&bed, other,
                  "{\"method\":\"io.purser.Admin.Refresh\",\"parameters\":{\"credential\":\"acme\"}}");
        serve_pump(&bed);
        snprintf(answer, sizeof(answer),
                 "{\"access_token\":\"access-%u\",\"refresh_token\":\"refresh-%u\",\"expires_in\":3600,"
                 "\"token_type\":\"Bearer\"}",
                 number, number);
        core_answer(&bed.core, 200, answer);
        core_save(&bed.core);
        serve_pump(&bed);
        assert_has(serve_hear(&bed, other), "{\"parameters\":{\"generation\":");
        serve_hang_up(&bed, other);
}

static void test_a_watcher_is_told_now_and_whenever_the_token_changes(void **state)
{
        const char *heard;

        (void)state;
        heard = serve_ask(&bed, fd, WATCH);
        assert_has(heard, "\"access_token\":\"access-1\"");
        assert_has(heard, "\"warnings\":[]},\"continues\":true}\n");
        assert_int_equal(count_lines(heard), 1);
        refresh(2);
        heard = serve_hear(&bed, fd);
        assert_has(heard, "\"access_token\":\"access-2\"");
        assert_has(heard, "\"generation\":2,");
        assert_has(heard, "\"continues\":true}\n");
        assert_int_equal(count_lines(heard), 1);
}

static void test_a_change_that_leaves_the_token_alone_is_no_answer(void **state)
{
        (void)state;
        serve_ask(&bed, fd, WATCH);
        context_changed(&bed.core.context, acme, false);
        service_refresh_all(bed.service);
        assert_string_equal(serve_hear(&bed, fd), "");
}

static void test_without_more_a_watch_is_answered_once(void **state)
{
        const char *heard;

        (void)state;
        heard = serve_ask(
                &bed, fd,
                "{\"method\":\"io.purser.Tokens.WatchToken\",\"parameters\":{\"credential\":\"acme\"}}");
        assert_has(heard, "\"warnings\":[]}}\n");
        assert_has(serve_ask(&bed, fd, GET), "access-1");
        refresh(2);
        assert_string_equal(serve_hear(&bed, fd), "");
}

static void test_a_watch_ends_when_a_login_is_needed(void **state)
{
        (void)state;
        serve_ask(&bed, fd, WATCH);
        refresher_cut(bed.core.refresher, acme, "The account has disconnected this app.");
        assert_string_equal(
                serve_hear(&bed, fd),
                "{\"error\":\"io.purser.Tokens.AuthorizationRequired\",\"parameters\":{"
                "\"credential\":\"acme\",\"reason\":\"The account has disconnected this app.\"}}\n");
        assert_has(serve_ask(&bed, fd, GET), "AuthorizationRequired");
}

static void test_a_token_that_is_served_to_its_end_is_told_once_and_as_the_last(void **state)
{
        const char *heard;

        (void)state;
        acme->refusal = REFUSAL_REFUSED;
        heard = serve_ask(&bed, fd, WATCH);
        assert_has(heard, "access-1");
        assert_has(heard, "\"continues\":true}\n{\"error\":\"io.purser.Tokens.AuthorizationRequired\"");
        assert_int_equal(count_lines(heard), 2);
}

static void test_a_watch_ends_when_access_is_withdrawn(void **state)
{
        (void)state;
        serve_ask(&bed, fd, WATCH);
        serve_reload(&bed, "credentials:\n  acme: {client: app, " NOT_US "}\n");
        assert_string_equal(serve_hear(&bed, fd),
                            "{\"error\":\"org.varlink.service.PermissionDenied\",\"parameters\":{}}\n");
}

static void test_a_watcher_is_told_of_another_pinned_version(void **state)
{
        static const struct credential_config pinned = { .name = (char *)"acme",
                                                         .client = (char *)"app",
                                                         .api_version = (char *)"2025-04-16" };
        const char *heard;

        (void)state;
        serve_ask(&bed, fd, WATCH);
        acme->config = &pinned;
        service_refresh_all(bed.service);
        heard = serve_hear(&bed, fd);
        acme->config = NULL;
        assert_has(heard, "\"api_version\":\"2025-04-16\"");
        assert_has(heard, "\"generation\":1,");
        assert_int_equal(count_lines(heard), 1);
}

static void test_a_watch_ends_when_the_credential_goes(void **state)
{
        int other = serve_connect(&bed);

        (void)state;
        serve_ask(&bed, fd, WATCH);
        serve_say(&bed, other,
                  "{\"method\":\"io.purser.Admin.Revoke\",\"parameters\":{\"credential\":\"acme\",\"force\":"
                  "true}}");
        serve_pump(&bed);
        if (fake_http_n_in_flight(bed.core.context.http) > 0)
                core_answer(&bed.core, 200, "{}");
        core_save(&bed.core);
        assert_has(serve_hear(&bed, other), "\"message\":");
        assert_has(serve_hear(&bed, fd), "{\"error\":\"io.purser.Tokens.AuthorizationRequired\","
                                         "\"parameters\":{\"credential\":\"acme\"");
        assert_has(serve_ask(&bed, fd, GET), "NoSuchCredential");
}

/* A socket's buffer holds some answers; beyond them only the newest state counts. */
static void test_a_watcher_that_does_not_read_gets_the_newest_state(void **state)
{
        const char *heard;
        unsigned n_lines;

        (void)state;
        serve_ask(&bed, fd, STATUS);
        for (unsigned i = 0; i < 2000; i++) {
                acme->failures = i;
                context_changed(&bed.core.context, acme, false);
                fake_clock_advance(&bed.core.clock, 25 * USEC_PER_MSEC);
                serve_pump(&bed);
        }
        heard = serve_hear(&bed, fd);
        n_lines = count_lines(heard);
        assert_in_range(n_lines, 2, 1000);
        assert_has(heard, "\"failures\":1999,");
}

static void test_status_is_told_again_when_something_changes(void **state)
{
        const char *heard;

        (void)state;
        heard = serve_ask(&bed, fd, STATUS);
        assert_has(heard, "{\"parameters\":{\"daemon\":{\"version\":\"9.9\",\"pid\":4711,");
        assert_has(heard, "\"credentials\":[{\"name\":\"acme\"");
        assert_has(heard, "\"continues\":true}\n");
        assert_null(strstr(heard, "access-1"));

        /* Many changes in short order are one answer. */
        for (unsigned i = 1; i < 6; i++) {
                acme->failures = i;
                context_changed(&bed.core.context, acme, false);
        }
        fake_clock_advance(&bed.core.clock, USEC_PER_SEC);
        heard = serve_hear(&bed, fd);
        assert_int_equal(count_lines(heard), 1);
        assert_has(heard, "\"failures\":5,");
}

static void test_status_of_all_is_in_order_and_of_none_is_an_error(void **state)
{
        const char *heard;

        (void)state;
        core_give_grant(&bed.core, "zeta", "refresh-z", "access-z", 3600);
        core_give_grant(&bed.core, "birch", "refresh-b", "access-b", 3600);
        heard = serve_ask(&bed, fd, "{\"method\":\"io.purser.Admin.Status\"}");
        assert_true(strstr(heard, "\"acme\"") < strstr(heard, "\"birch\"") &&
                    strstr(heard, "\"birch\"") < strstr(heard, "\"zeta\""));
        assert_has(
                serve_ask(&bed, fd,
                          "{\"method\":\"io.purser.Admin.Status\",\"parameters\":{\"credential\":\"none\"}}"),
                "io.purser.Tokens.NoSuchCredential");
}

static void test_a_status_watch_ends_with_its_credential_and_with_its_admin(void **state)
{
        int other = serve_connect(&bed);

        (void)state;
        serve_ask(&bed, fd, STATUS);
        serve_ask(&bed, other, "{\"method\":\"io.purser.Admin.Status\",\"more\":true}");
        serve_reload(&bed, "admins: [{user: 65533}]\n");
        fake_clock_advance(&bed.core.clock, USEC_PER_SEC);
        assert_has(serve_hear(&bed, fd), "PermissionDenied");
        assert_has(serve_hear(&bed, other), "PermissionDenied");
        assert_has(serve_ask(&bed, fd, STATUS), "PermissionDenied");
}

static void test_a_watcher_that_hangs_up_is_forgotten(void **state)
{
        (void)state;
        serve_ask(&bed, fd, WATCH);
        serve_hang_up(&bed, fd);
        fd = serve_connect(&bed);
        serve_ask(&bed, fd, STATUS);
        serve_hang_up(&bed, fd);
        refresh(2);
        context_changed(&bed.core.context, acme, false);
        serve_advance(&bed, 1);
        assert_string_equal(core_access_token(acme), "access-2");
}

#define WATCH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                WATCH_TEST(test_a_watcher_is_told_now_and_whenever_the_token_changes),
                WATCH_TEST(test_a_change_that_leaves_the_token_alone_is_no_answer),
                WATCH_TEST(test_without_more_a_watch_is_answered_once),
                WATCH_TEST(test_a_watch_ends_when_a_login_is_needed),
                WATCH_TEST(test_a_token_that_is_served_to_its_end_is_told_once_and_as_the_last),
                WATCH_TEST(test_a_watch_ends_when_access_is_withdrawn),
                WATCH_TEST(test_a_watcher_is_told_of_another_pinned_version),
                WATCH_TEST(test_a_watch_ends_when_the_credential_goes),
                WATCH_TEST(test_a_watcher_that_does_not_read_gets_the_newest_state),
                WATCH_TEST(test_status_is_told_again_when_something_changes),
                WATCH_TEST(test_status_of_all_is_in_order_and_of_none_is_an_error),
                WATCH_TEST(test_a_status_watch_ends_with_its_credential_and_with_its_admin),
                WATCH_TEST(test_a_watcher_that_hangs_up_is_forgotten),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
