// links: daemon/method/
// libs: libsodium jansson yaml-0.1 libsystemd
// ldflags: -Wl,--wrap=peer_find_unit
#include "daemon/serve/audit.h"
#include "daemon/method/method_internal.h"
#include "tests/beds/method_bed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LIST "{\"method\":\"io.purser.Tokens.ListCredentials\"}"
#define DENIED "{\"error\":\"org.varlink.service.PermissionDenied\",\"parameters\":{}}\n"
#define ANSWER_2                                                                                             \
        "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"expires_in\":3600,\"token_type\":" \
        "\"Bearer\"}"

static unsigned n_units_sought;

void __real_peer_find_unit(struct peer *peer);
void __wrap_peer_find_unit(struct peer *peer);
void __wrap_peer_find_unit(struct peer *peer)
{
        n_units_sought++;
        __real_peer_find_unit(peer);
}

/* ---- tokens ---- */

static void test_a_living_token_is_answered_at_once(void **state)
{
        const char *heard;

        (void)state;
        heard = serve_ask(&bed, fd, GET);
        assert_has(heard, "{\"parameters\":{\"access_token\":\"access-1\",\"token_type\":\"Bearer\","
                          "\"expires_at\":17672");
        assert_has(heard,
                   "\"api_url\":\"https://api.test/"
                   "graphql\",\"headers\":[{\"name\":\"Authorization\",\"value\":\"Bearer access-1\"}]");
        assert_has(heard, "\"generation\":1,\"warnings\":[]}}\n");
        assert_int_equal(fake_http_n_started(bed.core.context.http), 0);
}

/* "more" keeps a call from being answered before its values are read. */
static void test_either_way_of_reading_a_call_ends_in_the_same_answer(void **state)
{
        static const char *const calls[] = {
                "\"parameters\":{\"credential\":\"acme\"}",
                "\"parameters\":{\"credential\":\"acme\",\"min_valid_seconds\":0}",
                "\"parameters\":{\"min_valid_seconds\":3000,\"credential\":\"acme\"}",
                "\"parameters\":{\"credential\":\"acme\",\"min_valid_seconds\":3599}",
                "\"parameters\":{\"credential\":\"acme\",\"min_valid_seconds\":86401}",
                "\"parameters\":{\"credential\":\"acme\",\"min_valid_seconds\":-1}",
                "\"parameters\":{\"credential\":\"acme\",\"min_valid_seconds\":\"1\"}",
                "\"parameters\":{\"credential\":\"acme\",\"rejected\":\"another\"}",
                "\"parameters\":{\"credential\":\"acme\",\"unknown\":1}",
                "\"parameters\":{\"credential\":\"acm\"}",
                "\"parameters\":{\"credential\":\"\"}",
                "\"parameters\":{\"credential\":1}",
                "\"parameters\":{}",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
                char brief[256], other[300], first[2048];

                snprintf(brief, sizeof(brief), "{\"method\":\"io.purser.Tokens.GetToken\",%s}", calls[i]);
                snprintf(other, sizeof(other), "{\"more\":false,%s", brief + 1);
                snprintf(first, sizeof(first), "%s", serve_ask(&bed, fd, brief));
                assert_true(strlen(first) > 40 && first[strlen(first) - 1] == '\n');
                assert_string_equal(serve_ask(&bed, fd, other), first);
        }
}

static void test_a_call_that_is_answered_at_once_is_counted_and_told_as_any_other(void **state)
{
        struct server_stats stats;

        (void)state;
        assert_hears(GET, "access-1");
        assert_hears(GET, "access-1");
        server_get_stats(bed.server, &stats);
        assert_int_equal(stats.calls, 2);
        assert_hears("{\"method\":\"io.purser.Admin.Metrics\"}", "purser_get_token_seconds_count 2\\n");
        /* One line for this connection, of the twenty that are free. */
        assert_int_equal(bed.audit.users[0].rate.tokens, AUDIT_BURST - 1);
}

static void test_times_in_an_answer_are_never_old(void **state)
{
        char first[2048];

        (void)state;
        snprintf(first, sizeof(first), "%s", serve_ask(&bed, fd, GET));
        serve_advance(&bed, 3);
        assert_string_equal(serve_ask(&bed, fd, GET), first);
        bed.core.clock.wall_usec += 100 * (int64_t)USEC_PER_SEC;
        serve_advance(&bed, 3);
        assert_string_not_equal(serve_ask(&bed, fd, GET), first);
}

static size_t secret_bytes(void)
{
        struct secret_stats stats;

        secret_get_stats(&stats);
        return stats.bytes_in_use;
}

/* Answers are made when they are asked for, each right, and none stays but the last. */
static void test_answers_of_many_credentials_take_no_memory(void **state)
{
        enum { MANY = 60, TOKEN = 50000 };
        char *token = test_calloc(1, TOKEN + 1);
        size_t before;

        (void)state;
        memset(token, 't', TOKEN);
        for (int i = 0; i < MANY; i++) {
                char name[32], number[16];

                snprintf(name, sizeof(name), "c%d", i);
                snprintf(number, sizeof(number), "%04d", i);
                memcpy(token, number, 4);
                (void)core_give_grant(&bed.core, name, "r", token, 3600);
        }
        before = secret_bytes();
        for (int i = 0; i < 2 * MANY; i++) {
                char call[128], expected[64];

                snprintf(call, sizeof(call),
                         "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"c%d\"}}",
                         i % MANY);
                snprintf(expected, sizeof(expected), "{\"parameters\":{\"access_token\":\"%04dttt", i % MANY);
                assert_has(serve_ask(&bed, fd, call), expected);
                assert_true(secret_bytes() < before + 4 * TOKEN);
        }
        test_free(token);
}

/* It may be what the token was that is stale now: nobody needs that secret any more. */
static void test_the_last_answer_is_wiped_with_the_next_change(void **state)
{
        const struct secret_buf *message = &bed.service->bundle.message;

        (void)state;
        assert_hears(GET, "access-1");
        assert_non_null(memmem(message->data, message->allocated, "access-1", 8));
        service_on_change(acme, false, bed.service);
        assert_null(memmem(message->data, message->allocated, "access-1", 8));
        assert_hears(GET, "access-1");
}

static void test_an_answer_serves_who_asks_for_the_same_within_a_second(void **state)
{
        uint64_t made;

        (void)state;
        assert_hears(GET, "access-1");
        made = bed.service->bundle_made_usec;
        assert_hears(GET, "access-1");
        assert_true(bed.service->bundle_made_usec == made);
        serve_advance(&bed, 1);
        assert_hears(GET, "access-1");
        assert_true(bed.service->bundle_made_usec > made);
}

static void test_a_new_token_is_in_the_next_answer(void **state)
{
        (void)state;
        assert_hears(GET, "access-1");
        serve_say(&bed, fd,
                  "{\"method\":\"io.purser.Admin.Refresh\",\"parameters\":{\"credential\":\"acme\"}}");
        serve_say(&bed, fd, GET);
        serve_pump(&bed);
        core_answer(&bed.core, 200, ANSWER_2);
        /* Not before it is durable. */
        assert_string_equal(serve_hear(&bed, fd), "");
        core_save(&bed.core);
        assert_has(serve_hear(&bed, fd), "\"access_token\":\"access-2\"");
}

static void test_who_asks_past_the_end_waits_for_the_refresh(void **state)
{
        int other = serve_connect(&bed);

        (void)state;
        serve_advance(&bed, 4000);
        assert_string_equal(serve_ask(&bed, fd, GET), "");
        assert_string_equal(serve_ask(&bed, other, GET), "");
        core_answer(&bed.core, 200, ANSWER_2);
        core_save(&bed.core);
        assert_has(serve_hear(&bed, fd), "access-2");
        assert_has(serve_hear(&bed, other), "access-2");
        assert_int_equal(fake_http_n_started(bed.core.context.http), 1);
}

static void test_who_hangs_up_while_waiting_is_forgotten(void **state)
{
        (void)state;
        serve_advance(&bed, 4000);
        assert_string_equal(serve_ask(&bed, fd, GET), "");
        assert_non_null(acme->waiters);
        serve_hang_up(&bed, fd);
        assert_null(acme->waiters);
        core_answer(&bed.core, 200, ANSWER_2);
        core_save(&bed.core);
        assert_string_equal(core_access_token(acme), "access-2");
}

static void test_patience_ends_with_an_error_that_says_so(void **state)
{
        const char *heard;

        (void)state;
        serve_advance(&bed, 4000);
        assert_string_equal(serve_ask(&bed, fd, GET), "");
        serve_advance(&bed, 31);
        heard = serve_hear(&bed, fd);
        assert_has(heard, "{\"error\":\"io.purser.Tokens.TokenUnavailable\",\"parameters\":{\"credential\":"
                          "\"acme\",\"reason\":\"");
}

static void test_an_unmeetable_demand_is_answered_with_a_warning(void **state)
{
        (void)state;
        assert_hears("{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"acme\","
                     "\"min_valid_seconds\":80000}}",
                     "\"warnings\":[\"No access token lives as long");
        assert_hears("{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"acme\","
                     "\"min_valid_seconds\":86401}}",
                     "io.purser.Tokens.TokenUnavailable");
        assert_hears(GET, "\"warnings\":[]");
}

static void test_a_negative_demand_is_a_wrong_parameter(void **state)
{
        (void)state;
        assert_hears("{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"acme\","
                     "\"min_valid_seconds\":-1}}",
                     "\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"min_valid_"
                     "seconds\"");
}

static void test_a_rejected_token_is_refreshed_first(void **state)
{
        (void)state;
        assert_string_equal(
                serve_ask(&bed, fd,
                          "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"acme\","
                          "\"rejected\":\"access-1\"}}"),
                "");
        core_answer(&bed.core, 200, ANSWER_2);
        core_save(&bed.core);
        assert_has(serve_hear(&bed, fd), "access-2");
        assert_hears("{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"acme\","
                     "\"rejected\":\"access-1\"}}",
                     "access-2");
        assert_int_equal(fake_http_n_started(bed.core.context.http), 1);
}

static void test_a_credential_that_needs_a_login_says_so(void **state)
{
        (void)state;
        refresher_cut(bed.core.refresher, acme, "The account has disconnected this app.");
        assert_hears(GET, "{\"error\":\"io.purser.Tokens.AuthorizationRequired\",\"parameters\":{"
                          "\"credential\":\"acme\",\"reason\":\""
                          "The account has disconnected this app.");
}

static void test_too_many_waiting_calls_are_told_to_come_back(void **state)
{
        int other;

        (void)state;
        serve_teardown(&bed);
        bed = (struct serve_bed){ .waiting_per_user = 1 };
        serve_setup(&bed, NULL);
        acme = core_give_grant(&bed.core, "acme", "refresh-1", "access-1", 3600);
        serve_advance(&bed, 4000);
        fd = serve_connect(&bed);
        other = serve_connect(&bed);
        assert_string_equal(serve_ask(&bed, fd, GET), "");
        assert_has(serve_ask(&bed, other, GET), "io.purser.Tokens.TokenUnavailable");
        /* What does not wait is answered all the same. */
        assert_has(serve_ask(&bed, other, LIST), "\"name\":\"acme\"");
}

/* ---- who may ---- */

static void test_a_stranger_learns_nothing(void **state)
{
        (void)state;
        serve_reload(&bed, "credentials:\n  acme: {client: app, " NOT_US "}\nadmins: [{user: 65533}]\n");
        assert_string_equal(serve_ask(&bed, fd, GET), DENIED);
        assert_string_equal(serve_ask(&bed, fd,
                                      "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{"
                                      "\"credential\":\"none\"}}"),
                            DENIED);
        assert_string_equal(serve_ask(&bed, fd,
                                      "{\"method\":\"io.purser.Tokens.WatchToken\",\"parameters\":{"
                                      "\"credential\":\"acme\"}}"),
                            DENIED);
        assert_string_equal(serve_ask(&bed, fd, LIST), "{\"parameters\":{\"credentials\":[]}}\n");
        assert_string_equal(serve_ask(&bed, fd, "{\"method\":\"io.purser.Admin.Status\"}"), DENIED);
        assert_string_equal(serve_ask(&bed, fd, "{\"method\":\"io.purser.Admin.Reload\"}"), DENIED);
        assert_string_equal(serve_ask(&bed, fd,
                                      "{\"method\":\"io.purser.Tokens.VerifyWebhook\",\"parameters\":{"
                                      "\"client\":\"none\",\"body\":\"\","
                                      "\"signature\":\"\"}}"),
                            DENIED);
}

/* So that how long a denial takes tells nothing; and a flood of them costs little where units do not matter. */
static void test_a_denial_looks_a_unit_up_where_some_list_names_one(void **state)
{
        static const char *const asked[] = { "acme", "none" };

        (void)state;
        for (int named = 0; named < 2; named++) {
                serve_reload(&bed, named ? "credentials:\n  acme: {client: app, " NOT_US "}\n"
                                           "  birch: {client: app, allow: [{unit: sync.service}]}\n"
                                           "admins: [{user: 65533}]\n"
                                         : "credentials:\n  acme: {client: app, " NOT_US "}\n"
                                           "admins: [{user: 65533}]\n");
                for (size_t i = 0; i < 2 * AUDIT_BURST; i++) {
                        char call[128];

                        n_units_sought = 0;
                        snprintf(call, sizeof(call),
                                 "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{"
                                 "\"credential\":\"%s\"}}",
                                 asked[i % 2]);
                        assert_string_equal(serve_ask(&bed, fd, call), DENIED);
                        /* A line of the log names it, too. */
                        if (i >= AUDIT_BURST)
                                assert_int_equal(n_units_sought, named);
                }
        }
}

static void test_an_admin_whom_allow_does_not_name_gets_no_token(void **state)
{
        (void)state;
        serve_reload(&bed, "credentials:\n  acme: {client: app, " NOT_US "}\n");
        assert_string_equal(serve_ask(&bed, fd, GET), DENIED);
        assert_hears("{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"none\"}}",
                     "{\"error\":\"io.purser.Tokens.NoSuchCredential\",\"parameters\":{\"credential\":"
                     "\"none\"}}\n");
        assert_hears("{\"method\":\"io.purser.Admin.Status\",\"parameters\":{\"credential\":\"acme\"}}",
                     "\"name\":\"acme\"");
}

static void test_a_reload_counts_for_connections_that_are_open(void **state)
{
        (void)state;
        assert_hears(GET, "access-1");
        serve_reload(&bed, "credentials:\n  acme: {client: app, " NOT_US "}\n");
        assert_string_equal(serve_ask(&bed, fd, GET), DENIED);
        serve_reload(&bed, NULL);
        assert_hears(GET, "access-1");
}

static void test_a_list_shows_what_the_caller_may_use(void **state)
{
        const char *heard;

        (void)state;
        core_give_grant(&bed.core, "birch", "refresh-b", "access-b", 3600);
        serve_reload(&bed, "credentials:\n  acme: {client: app, " NOT_US "}\n");
        heard = serve_ask(&bed, fd, LIST);
        assert_has(heard, "{\"parameters\":{\"credentials\":[{\"name\":\"birch\",\"description\":\"\","
                          "\"client\":\"app\",\"provider\":\"idp\","
                          "\"state\":\"active\",\"expires_at\":");
        assert_null(strstr(heard, "acme"));
        assert_null(strstr(heard, "access-b"));
}

/* ---- the protocol ---- */

static void test_unknown_methods_and_interfaces_are_told_apart(void **state)
{
        (void)state;
        assert_hears("{\"method\":\"io.purser.Tokens.Nothing\"}",
                     "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":\"io."
                     "purser.Tokens.Nothing\"}}");
        assert_hears("{\"method\":\"io.purser.Nowhere.Get\"}",
                     "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{\"interface\":"
                     "\"io.purser.Nowhere\"}}");
        assert_hears(
                "{\"method\":\"Get\"}",
                "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{\"interface\":\"\"}}");
}

static void test_a_wrong_parameter_is_named(void **state)
{
        (void)state;
        assert_hears("{\"method\":\"io.purser.Tokens.GetToken\"}",
                     "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":"
                     "\"credential\"}}");
        assert_hears("{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"acme\","
                     "\"rejected\":5}}",
                     "\"parameter\":\"rejected\"");
        assert_hears("{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"acme\","
                     "\"unknown\":5}}",
                     "access-1");
}

static void test_an_upgrade_is_refused(void **state)
{
        (void)state;
        assert_hears("{\"method\":\"io.purser.Tokens.GetToken\",\"upgrade\":true,\"parameters\":{"
                     "\"credential\":\"acme\"}}",
                     "\"parameter\":\"upgrade\"");
}

static void test_the_service_describes_itself(void **state)
{
        (void)state;
        assert_hears("{\"method\":\"org.varlink.service.GetInfo\"}",
                     "\"product\":\"purserd\",\"version\":\"9.9\",\"url\":\"man:purserd(8)\",\"interfaces\":["
                     "\"io.purser.Admin\","
                     "\"io.purser.Tokens\",\"org.varlink.service\"]");
        assert_hears("{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{"
                     "\"interface\":\"io.purser.Tokens\"}}",
                     "interface io.purser.Tokens\\n");
        assert_hears("{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{"
                     "\"interface\":\"org.varlink.service\"}}",
                     "method GetInfo() -> (");
        assert_hears("{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{"
                     "\"interface\":\"a.b\"}}",
                     "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{\"interface\":\"a."
                     "b\"}}");
}

static void test_a_oneway_call_does_its_work_in_silence(void **state)
{
        (void)state;
        serve_say(&bed, fd,
                  "{\"method\":\"io.purser.Admin.Refresh\",\"oneway\":true,\"parameters\":{\"credential\":"
                  "\"acme\"}}");
        serve_pump(&bed);
        core_answer(&bed.core, 200, ANSWER_2);
        core_save(&bed.core);
        assert_string_equal(serve_hear(&bed, fd), "");
        assert_string_equal(core_access_token(acme), "access-2");
}

static void test_a_watch_without_a_way_to_answer_ends_at_once(void **state)
{
        (void)state;
        serve_say(&bed, fd,
                  "{\"method\":\"io.purser.Tokens.WatchToken\",\"oneway\":true,\"more\":true,\"parameters\":{"
                  "\"credential\":\"acme\"}}");
        serve_say(&bed, fd, "{\"method\":\"io.purser.Admin.Status\",\"oneway\":true,\"more\":true}");
        assert_hears(GET, "access-1");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                METHOD_TEST(test_a_living_token_is_answered_at_once),
                METHOD_TEST(test_either_way_of_reading_a_call_ends_in_the_same_answer),
                METHOD_TEST(test_a_call_that_is_answered_at_once_is_counted_and_told_as_any_other),
                METHOD_TEST(test_times_in_an_answer_are_never_old),
                METHOD_TEST(test_answers_of_many_credentials_take_no_memory),
                METHOD_TEST(test_the_last_answer_is_wiped_with_the_next_change),
                METHOD_TEST(test_an_answer_serves_who_asks_for_the_same_within_a_second),
                METHOD_TEST(test_a_new_token_is_in_the_next_answer),
                METHOD_TEST(test_who_asks_past_the_end_waits_for_the_refresh),
                METHOD_TEST(test_who_hangs_up_while_waiting_is_forgotten),
                METHOD_TEST(test_patience_ends_with_an_error_that_says_so),
                METHOD_TEST(test_an_unmeetable_demand_is_answered_with_a_warning),
                METHOD_TEST(test_a_negative_demand_is_a_wrong_parameter),
                METHOD_TEST(test_a_rejected_token_is_refreshed_first),
                METHOD_TEST(test_a_credential_that_needs_a_login_says_so),
                METHOD_TEST(test_too_many_waiting_calls_are_told_to_come_back),
                METHOD_TEST(test_a_stranger_learns_nothing),
                METHOD_TEST(test_a_denial_looks_a_unit_up_where_some_list_names_one),
                METHOD_TEST(test_an_admin_whom_allow_does_not_name_gets_no_token),
                METHOD_TEST(test_a_reload_counts_for_connections_that_are_open),
                METHOD_TEST(test_a_list_shows_what_the_caller_may_use),
                METHOD_TEST(test_unknown_methods_and_interfaces_are_told_apart),
                METHOD_TEST(test_a_wrong_parameter_is_named),
                METHOD_TEST(test_an_upgrade_is_refused),
                METHOD_TEST(test_the_service_describes_itself),
                METHOD_TEST(test_a_oneway_call_does_its_work_in_silence),
                METHOD_TEST(test_a_watch_without_a_way_to_answer_ends_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
