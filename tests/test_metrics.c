// links: daemon/metrics.c daemon/credential*.c daemon/api_*.c daemon/answer.c daemon/json_text.c daemon/plain_words.c
// links: daemon/http_message.c common/wire.c daemon/backoff.c daemon/record.c common/duration.c
// links: common/secret*.c common/fault.c common/wipe.c
// libs: libsodium jansson
#include "daemon/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct metrics metrics;
static struct metrics_clients *clients;
static char *text;

static int setup(void **state)
{
        (void)state;
        metrics = (struct metrics){ 0 };
        assert_int_equal(metrics_clients_new(&clients), 0);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        clients = metrics_clients_free(clients);
        free(text);
        text = NULL;
        return 0;
}

static void format(void)
{
        static const struct server_stats server = { .connections = 5, .accepted = 9 };
        static const struct refresh_stats refresh = {
                .refreshed = 3, .refused = 1, .failed = 2, .in_flight = 1
        };
        static const struct secret_stats secrets = { .bytes_mapped = 8192, .bytes_fallback = 4096 };

        free(text);
        assert_int_equal(metrics_format(
                                 &(struct metrics_input){
                                         .version = "1.0",
                                         .started_at = 1767225600,
                                         .metrics = &metrics,
                                         .clients = clients,
                                         .server = &server,
                                         .refresh = &refresh,
                                         .secrets = &secrets,
                                         .unsaved = 1,
                                         .store_works = true,
                                 },
                                 &text),
                         0);
}

/* Whole lines, so that a prefix of another one does not count. */
static void assert_line(const char *line)
{
        char wanted[256];

        snprintf(wanted, sizeof(wanted), "\n%s\n", line);
        if (!strstr(text, wanted))
                fail_msg("no line '%s' in:\n%s", line, text);
}

static void count(const struct client *client, unsigned failures)
{
        struct credential *credential;

        assert_int_equal(credential_new(&credential, "x"), 0);
        credential->client = client;
        credential->failures = failures;
        assert_int_equal(metrics_clients_count(clients, credential, 1), 0);
        credential_free(credential);
}

static void test_figures_are_told_under_their_names(void **state)
{
        (void)state;
        format();
        assert_line("purser_build_info{version=\"1.0\"} 1");
        assert_line("purser_start_time_seconds 1767225600");
        assert_line("purser_refreshes_total{outcome=\"refreshed\"} 3");
        assert_line("purser_refreshes_total{outcome=\"refused\"} 1");
        assert_line("purser_refreshes_total{outcome=\"failed\"} 2");
        assert_line("purser_refreshes_in_flight 1");
        assert_line("purser_connections 5");
        assert_line("purser_connections_accepted_total 9");
        assert_line("purser_unsaved_credentials 1");
        assert_line("purser_store_works 1");
        assert_line("purser_secret_memory_bytes{protected=\"no\"} 4096");
        assert_string_equal(text + strlen(text) - 6, "# EOF\n");
}

static void test_credentials_are_counted_by_client_and_state(void **state)
{
        static const struct client one = { .name = (char *)"one" }, two = { .name = (char *)"two" };

        (void)state;
        count(&one, 0);
        count(&two, 1);
        count(&one, 1);
        format();
        assert_line("purser_credentials{client=\"one\",state=\"authorization-required\"} 2");
        assert_line("purser_credentials{client=\"one\",state=\"active\"} 0");
        assert_line("purser_credentials{client=\"two\",state=\"authorization-required\"} 1");
        assert_line("purser_api_version_credentials{client=\"one\",version_state=\"none\"} 2");
        assert_line("purser_failing_credentials{client=\"one\"} 1");
}

/* Who may make credentials at run time must not be able to make labels. */
static void test_clients_that_are_not_configured_are_one_row(void **state)
{
        (void)state;
        for (unsigned i = 0; i < 100; i++)
                count(NULL, 0);
        format();
        assert_line("purser_credentials{client=\"\",state=\"authorization-required\"} 100");
}

static void test_labels_are_escaped(void **state)
{
        static const struct client odd = { .name = (char *)"a\"b\\c\nd" };

        (void)state;
        count(&odd, 0);
        format();
        assert_line("purser_failing_credentials{client=\"a\\\"b\\\\c\\nd\"} 0");
}

static void test_a_histogram_counts_each_time_in_the_buckets_that_hold_it(void **state)
{
        (void)state;
        histogram_add(&metrics.get_token, 0);
        histogram_add(&metrics.get_token, 1);
        histogram_add(&metrics.get_token, 2);
        histogram_add(&metrics.get_token, 3);
        histogram_add(&metrics.get_token, 1024);
        histogram_add(&metrics.get_token, 60 * USEC_PER_SEC);
        format();
        assert_line("purser_get_token_seconds_bucket{le=\"0.000001\"} 2");
        assert_line("purser_get_token_seconds_bucket{le=\"0.000002\"} 3");
        assert_line("purser_get_token_seconds_bucket{le=\"0.000004\"} 4");
        assert_line("purser_get_token_seconds_bucket{le=\"0.000512\"} 4");
        assert_line("purser_get_token_seconds_bucket{le=\"0.001024\"} 5");
        assert_line("purser_get_token_seconds_bucket{le=\"8.388608\"} 5");
        assert_line("purser_get_token_seconds_bucket{le=\"+Inf\"} 6");
        assert_line("purser_get_token_seconds_count 6");
        assert_line("purser_get_token_seconds_sum 60.001030");
}

/* OpenMetrics: each family is described once, before its samples, and its lines stand together. */
static void test_every_sample_belongs_to_the_family_above_it(void **state)
{
        char family[128] = "", seen[8192] = "";
        char *save = NULL;

        (void)state;
        count(NULL, 0);
        format();
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                char marked[160];

                if (strcmp(line, "# EOF") == 0)
                        break;
                if (sscanf(line, "# TYPE %127s", family) == 1) {
                        snprintf(marked, sizeof(marked), " %s ", family);
                        assert_null(strstr(seen, marked));
                        strcat(seen, marked);
                } else if (line[0] != '#') {
                        assert_int_equal(strncmp(line, family, strlen(family)), 0);
                }
        }
}

#define METRICS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                METRICS_TEST(test_figures_are_told_under_their_names),
                METRICS_TEST(test_credentials_are_counted_by_client_and_state),
                METRICS_TEST(test_clients_that_are_not_configured_are_one_row),
                METRICS_TEST(test_labels_are_escaped),
                METRICS_TEST(test_a_histogram_counts_each_time_in_the_buckets_that_hold_it),
                METRICS_TEST(test_every_sample_belongs_to_the_family_above_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
