// links: daemon/report/
// libs: libsodium jansson
#include "daemon/report/metrics.h"

#include "common/wire.h"

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
static struct metrics_credentials *credentials;
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
        credentials = metrics_credentials_free(credentials);
        free(text);
        text = NULL;
        return 0;
}

static void format(void)
{
        static const struct server_stats server = { .connections = 5, .accepted = 9 };
        static const struct refresh_stats refresh = {
                .refreshed = 3,
                .refused = 1,
                .failed = 2,
                .in_flight = 1,
                .duration = { .buckets = { [0] = 1, [10] = 2, [27] = 3 }, .count = 7, .sum_usec = 5000001 },
        };
        static const struct secret_stats secrets = { .bytes_mapped = 8192, .bytes_fallback = 4096 };

        const struct metrics_input input = {
                .version = "1.0",
                .started_at = 1767225600,
                .metrics = &metrics,
                .clients = clients,
                .credentials = credentials,
                .server = &server,
                .refresh = &refresh,
                .secrets = &secrets,
                .unsaved = 1,
                .store_works = true,
        };
        bool more = true;
        size_t n = 0;

        free(text);
        text = NULL;
        for (size_t i = 0; more; i++) {
                _cleanup_(freep) char *part = NULL;
                size_t n_part;

                assert_int_equal(metrics_format_part(&input, i, &part, &n_part, &more), 0);
                char *longer = realloc(text, n + n_part + 1);
                assert_non_null(longer);
                text = longer;
                memcpy(text + n, part, n_part + 1);
                n += n_part;
        }
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
        assert_line("purser_foreign_refresher_credentials{client=\"one\"} 0");
        assert_line("purser_moved_credentials{client=\"one\"} 0");
}

static void test_exported_and_moved_credentials_are_counted(void **state)
{
        static const struct client one = { .name = (char *)"one" };
        struct credential *credential;

        (void)state;
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(credential_new(&credential, "x"), 0);
                credential->client = &one;
                credential->refusal = REFUSAL_NONE;
                if (i > 0)
                        credential_mark_exported(credential, 1, i == 2);
                assert_int_equal(metrics_clients_count(clients, credential, 1), 0);
                credential_free(credential);
        }
        format();
        assert_line("purser_exported_credentials{client=\"one\"} 2");
        assert_line("purser_moved_credentials{client=\"one\"} 1");
}

/* A credential of `client` whose token came at second 1000 of boot, and lives so long. */
static struct credential *make(const char *name, const struct client *client, uint64_t lifetime_sec)
{
        struct credential *credential;

        assert_int_equal(credential_new(&credential, name), 0);
        credential->client = client;
        credential->refusal = REFUSAL_NONE;
        credential->grant = (struct grant){ .generation = 7,
                                            .lifetime_usec = lifetime_sec * USEC_PER_SEC,
                                            .received_boot_usec = 1000 * USEC_PER_SEC,
                                            .received_wall_usec = 1767225600 * INT64_C(1000000) };
        assert_int_equal(secret_new_string(&credential->grant.access_token, "access"), 0);
        assert_int_equal(secret_new_string(&credential->grant.refresh_token, "refresh"), 0);
        return credential;
}

#define NOW (1010 * USEC_PER_SEC)

static void test_the_soonest_end_and_the_oldest_token_of_each_client_are_told(void **state)
{
        static const struct client one = { .name = (char *)"one" };
        const uint64_t lifetimes[] = { 3600, 60, 7200 };

        (void)state;
        for (size_t i = 0; i < 3; i++) {
                struct credential *credential = make("x", &one, lifetimes[i]);

                credential->grant.received_wall_usec -= (int64_t)(i * 5 * USEC_PER_SEC);
                assert_int_equal(metrics_clients_count(clients, credential, NOW), 0);
                credential_free(credential);
        }
        format();
        assert_line("purser_soonest_expiry_seconds{client=\"one\"} 50");
        assert_line("purser_oldest_success_timestamp_seconds{client=\"one\"} 1767225590");
}

/* It would be the soonest and the oldest for ever, whatever becomes of the others. */
static void test_a_grant_that_has_ended_is_not_taken_for_one_that_is_late(void **state)
{
        static const struct client one = { .name = (char *)"one" };
        struct credential *ended = make("x", &one, 5), *late = make("y", &one, 5);

        (void)state;
        ended->refusal = REFUSAL_REFUSED;
        assert_int_equal(metrics_clients_count(clients, ended, NOW), 0);
        format();
        assert_null(strstr(text, "\npurser_soonest_expiry_seconds{"));
        assert_int_equal(metrics_clients_count(clients, late, NOW), 0);
        format();
        assert_line("purser_soonest_expiry_seconds{client=\"one\"} -5");
        credential_free(ended);
        credential_free(late);
}

static void test_clients_beyond_five_hundred_are_one_row(void **state)
{
        struct client many[METRICS_MOST_CLIENTS + 2];
        char names[METRICS_MOST_CLIENTS + 2][16];

        (void)state;
        for (unsigned i = 0; i < METRICS_MOST_CLIENTS + 2; i++) {
                snprintf(names[i], sizeof(names[i]), "c%u", i);
                many[i] = (struct client){ .name = names[i] };
                count(&many[i], 0);
                count(&many[i], 1);
        }
        format();
        assert_line("purser_failing_credentials{client=\"c499\"} 1");
        assert_line("purser_failing_credentials{client=\"(others)\"} 2");
        assert_null(strstr(text, "c500"));
}

/* ---- single credentials ---- */

static void begin_credentials(size_t most)
{
        credentials = metrics_credentials_free(credentials);
        assert_int_equal(metrics_credentials_new(&credentials, most, NOW), 0);
}

static void test_single_credentials_are_told_only_to_those_who_ask(void **state)
{
        (void)state;
        format();
        assert_null(strstr(text, "purser_credential_"));
        assert_null(strstr(text, "left_out"));
}

static void test_a_credential_has_its_state_end_success_generation_and_versions_life(void **state)
{
        static const struct client one = { .name = (char *)"one" };
        struct credential *acme = make("acme", &one, 3600), *shell;

        (void)state;
        acme->test.version_state = VERSION_TO_BE_REMOVED;
        assert_int_equal(credential_new(&shell, "nobody-yet"), 0);
        begin_credentials(10);
        assert_int_equal(metrics_credentials_add(credentials, acme), 0);
        assert_int_equal(metrics_credentials_add(credentials, shell), 0);
        format();
#define LABELS "credential=\"acme\",client=\"one\""
        assert_line("purser_credential_state{" LABELS ",state=\"active\"} 1");
        assert_line("purser_credential_version_state{" LABELS ",version_state=\"to-be-removed\"} 1");
        assert_line("purser_credential_expiry_seconds{" LABELS "} 3590");
        assert_line("purser_credential_last_success_timestamp_seconds{" LABELS "} 1767225600");
        assert_line("purser_credential_generation{" LABELS "} 7");
        assert_line("purser_credential_generation{credential=\"nobody-yet\",client=\"\"} 0");
        assert_null(strstr(text, "\npurser_credential_expiry_seconds{credential=\"nobody-yet\""));
        assert_line("purser_credentials_left_out 0");
        credential_free(acme);
        credential_free(shell);
}

static void test_what_is_left_out_is_well(void **state)
{
        static const struct client one = { .name = (char *)"one" };
        struct credential *all[6];

        (void)state;
        begin_credentials(3);
        for (unsigned i = 0; i < 6; i++) {
                char name[16];

                snprintf(name, sizeof(name), "c%u", i);
                all[i] = make(name, &one, 3600);
        }
        all[4]->failures = 1;
        all[5]->foreign_refresher = true;
        for (unsigned i = 0; i < 6; i++)
                assert_int_equal(metrics_credentials_add(credentials, all[i]), 0);
        format();
        assert_line("purser_credential_state{credential=\"c4\",client=\"one\",state=\"retrying\"} 1");
        assert_line("purser_credential_state{credential=\"c5\",client=\"one\",state=\"active\"} 1");
        assert_line("purser_credential_state{credential=\"c0\",client=\"one\",state=\"active\"} 1");
        assert_null(strstr(text, "credential=\"c1\""));
        assert_line("purser_credentials_left_out 3");
        for (unsigned i = 0; i < 6; i++)
                credential_free(all[i]);
}

/* As JSON each quote and line feed is two bytes. */
static void test_the_longest_names_and_the_most_series_fit_into_a_reply(void **state)
{
        char name[65], names[METRICS_MOST_CLIENTS][65];
        struct client many[METRICS_MOST_CLIENTS];
        struct credential *credential;
        size_t n = 0;

        (void)state;
        memset(name, 'n', 64);
        name[64] = '\0';
        for (unsigned i = 0; i < METRICS_MOST_CLIENTS; i++) {
                snprintf(names[i], sizeof(names[i]), "%064u", i);
                many[i] = (struct client){ .name = names[i] };
                count(&many[i], 0);
        }
        credential = make(name, &many[0], 3600);
        credential->refusal = REFUSAL_CUT;
        credential->grant.generation = UINT64_MAX;
        credential->test.version_state = VERSION_SERVED_AS_ANOTHER;
        begin_credentials(METRICS_MOST_CREDENTIALS);
        for (unsigned i = 0; i < METRICS_MOST_CREDENTIALS; i++)
                assert_int_equal(metrics_credentials_add(credentials, credential), 0);
        format();
        for (const char *at = text; *at; at++)
                n += *at == '"' || *at == '\n' || *at == '\\' ? 2 : 1;
        assert_true(n < WIRE_MESSAGE_MAX - 1024);
        credential_free(credential);
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

static void test_a_refresh_is_measured_in_milliseconds(void **state)
{
        (void)state;
        format();
        assert_null(strstr(text, "purser_refresh_duration_seconds_bucket{le=\"0.000512\"}"));
        assert_line("purser_refresh_duration_seconds_bucket{le=\"0.001024\"} 3");
        assert_line("purser_refresh_duration_seconds_bucket{le=\"134.217728\"} 6");
        assert_line("purser_refresh_duration_seconds_bucket{le=\"+Inf\"} 7");
        assert_line("purser_refresh_duration_seconds_sum 5.000001");
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
                if (sscanf(line, "# TYPE %127s", family) == 1 || sscanf(line, "# HELP %127s", family) == 1) {
                        snprintf(marked, sizeof(marked), " %c%s ", line[2], family);
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
                METRICS_TEST(test_exported_and_moved_credentials_are_counted),
                METRICS_TEST(test_the_soonest_end_and_the_oldest_token_of_each_client_are_told),
                METRICS_TEST(test_a_grant_that_has_ended_is_not_taken_for_one_that_is_late),
                METRICS_TEST(test_clients_beyond_five_hundred_are_one_row),
                METRICS_TEST(test_single_credentials_are_told_only_to_those_who_ask),
                METRICS_TEST(test_a_credential_has_its_state_end_success_generation_and_versions_life),
                METRICS_TEST(test_what_is_left_out_is_well),
                METRICS_TEST(test_the_longest_names_and_the_most_series_fit_into_a_reply),
                METRICS_TEST(test_a_refresh_is_measured_in_milliseconds),
                METRICS_TEST(test_labels_are_escaped),
                METRICS_TEST(test_a_histogram_counts_each_time_in_the_buckets_that_hold_it),
                METRICS_TEST(test_every_sample_belongs_to_the_family_above_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
