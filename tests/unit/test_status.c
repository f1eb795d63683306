// links: daemon/report/
// libs: libsodium jansson
#include "daemon/report/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const struct now now = { .boot_usec = 1000 * USEC_PER_SEC,
                                .wall_usec = INT64_C(1767225600) * (int64_t)USEC_PER_SEC };

static struct provider provider;
static struct client client;
static struct credential *credential;

static char *copy(const char *text)
{
        char *result = strdup(text);

        assert_non_null(result);
        return result;
}

static int setup(void **state)
{
        (void)state;
        provider = (struct provider){ .name = (char *)"jobber" };
        client = (struct client){ .name = (char *)"app",
                                  .provider = &provider,
                                  .api_version = (char *)"2023-08-18" };
        assert_int_equal(credential_new(&credential, "acme"), 0);
        credential->client = &client;
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        credential_free(credential);
        return 0;
}

static void give_grant(void)
{
        credential->refusal = REFUSAL_NONE;
        assert_int_equal(secret_new_string(&credential->grant.refresh_token, "the-refresh-token"), 0);
        assert_int_equal(secret_new_string(&credential->grant.access_token, "the-access-token"), 0);
        credential->grant.generation = 3;
        credential->grant.lifetime_usec = 3600 * USEC_PER_SEC;
        credential->grant.received_boot_usec = (int64_t)now.boot_usec - 600 * (int64_t)USEC_PER_SEC;
        credential->grant.received_wall_usec = now.wall_usec - 600 * (int64_t)USEC_PER_SEC;
        credential->next_refresh_usec = now.boot_usec + 2000 * USEC_PER_SEC + 5;
        credential->authorized_wall_usec = INT64_C(1767000000) * (int64_t)USEC_PER_SEC;
        credential->account_id = copy("Z2lk");
        credential->account_name = copy("Acme");
}

static void assert_json(json_t *value, const char *expected)
{
        char *text;

        assert_non_null(value);
        text = json_dumps(value, JSON_COMPACT);
        assert_string_equal(text, expected);
        assert_null(strstr(text, "the-access-token"));
        assert_null(strstr(text, "the-refresh-token"));
        free(text);
        json_decref(value);
}

static void test_a_credential_with_a_grant_tells_all_but_its_tokens(void **state)
{
        (void)state;
        give_grant();
        assert_json(status_credential(credential, &now),
                    "{\"name\":\"acme\",\"description\":\"\",\"client\":\"app\",\"provider\":\"jobber\","
                    "\"state\":\"active\","
                    "\"expires_at\":1767228600,\"api_version\":\"2023-08-18\",\"account\":{\"id\":\"Z2lk\","
                    "\"name\":\"Acme\"},"
                    "\"generation\":3}");
}

static void test_a_credential_without_a_grant_leaves_out_what_there_is_not(void **state)
{
        (void)state;
        client.api_version = NULL;
        assert_json(status_credential(credential, &now),
                    "{\"name\":\"acme\",\"description\":\"\",\"client\":\"app\",\"provider\":\"jobber\","
                    "\"state\":\"authorization-required\",\"generation\":0}");
}

static void test_a_client_that_the_configuration_lost_keeps_its_name(void **state)
{
        json_t *value;

        (void)state;
        free(credential->client_name);
        credential->client_name = copy("gone");
        credential->client = NULL;
        value = status_credential(credential, &now);
        assert_string_equal(json_string_value(json_object_get(value, "client")), "gone");
        assert_string_equal(json_string_value(json_object_get(value, "provider")), "");
        json_decref(value);
}

static void test_details_reckon_times_from_now(void **state)
{
        json_t *value;

        (void)state;
        give_grant();
        value = status_credential_details(credential, &now);
        assert_int_equal(json_integer_value(json_object_get(value, "token_lifetime_seconds")), 3600);
        assert_int_equal(json_integer_value(json_object_get(value, "expires_in_seconds")), 3000);
        assert_int_equal(json_integer_value(json_object_get(value, "next_refresh_in_seconds")), 2000);
        assert_int_equal(json_integer_value(json_object_get(value, "refreshed_at")), 1767225000);
        assert_int_equal(json_integer_value(json_object_get(value, "authorized_at")), 1767000000);
        assert_true(json_is_true(json_object_get(value, "saved")));
        assert_true(json_is_false(json_object_get(value, "pending")));
        assert_null(json_object_get(value, "test"));
        assert_null(json_object_get(value, "last_error"));
        json_decref(value);
}

static void test_details_of_an_ended_token_count_below_zero(void **state)
{
        json_t *value;

        (void)state;
        give_grant();
        credential->grant.received_boot_usec = (int64_t)now.boot_usec - 4000 * (int64_t)USEC_PER_SEC;
        credential->next_refresh_usec = USEC_INFINITY;
        credential->failures = 2;
        credential->last_failure = copy("The provider does not answer.");
        credential->unsaved = true;
        value = status_credential_details(credential, &now);
        assert_int_equal(json_integer_value(json_object_get(value, "expires_in_seconds")), -400);
        assert_null(json_object_get(value, "next_refresh_in_seconds"));
        assert_int_equal(json_integer_value(json_object_get(value, "failures")), 2);
        assert_true(json_is_false(json_object_get(value, "saved")));
        assert_string_equal(json_string_value(json_object_get(value, "last_error")),
                            "The provider does not answer.");
        assert_int_equal(json_array_size(json_object_get(value, "warnings")), 1);
        json_decref(value);
}

static void test_details_say_what_to_do_next(void **state)
{
        json_t *value;

        (void)state;
        value = status_credential_details(credential, &now);
        assert_string_equal(json_string_value(json_object_get(value, "next_step")), "purser login acme");
        assert_true(json_string_length(json_object_get(value, "message")) > 0);
        json_decref(value);
}

static void test_a_test_is_told_with_account_and_version(void **state)
{
        (void)state;
        give_grant();
        credential->test = (struct test_result){
                .tested_wall_usec = now.wall_usec,
                .verdict = API_OK,
                .version_state = VERSION_SERVED_AS_ANOTHER,
                .api_version = copy("2022-04-29"),
                .served_version = copy("2023-05-05"),
                .message = copy("The API answered."),
        };
        assert_json(status_test(credential), "{\"outcome\":\"ok\",\"account\":{\"id\":\"Z2lk\",\"name\":"
                                             "\"Acme\"},\"api_version\":\"2022-04-29\","
                                             "\"served_version\":\"2023-05-05\",\"version_state\":\"served-"
                                             "as-another\",\"message\":\"The API answered.\","
                                             "\"tested_at\":1767225600}");
}

static void test_each_verdict_of_a_test_has_a_word(void **state)
{
        static const struct {
                enum api_verdict verdict;
                const char *word;
        } cases[] = {
                { API_OK, "ok" },
                { API_VERSION_UNSUPPORTED, "ok" },
                { API_AUTHORIZATION_REQUIRED, "authorization-required" },
                { API_TOKEN_REJECTED, "unavailable" },
                { API_TRY_AGAIN, "unavailable" },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                json_t *value;

                credential->test.verdict = cases[i].verdict;
                value = status_test(credential);
                assert_string_equal(json_string_value(json_object_get(value, "outcome")), cases[i].word);
                json_decref(value);
        }
}

static void test_a_client_tells_where_its_secret_comes_from(void **state)
{
        (void)state;
        client.client_id = (char *)"5c3c";
        assert_json(status_client(&client, "missing"), "{\"name\":\"app\",\"provider\":\"jobber\",\"client_"
                                                       "id\":\"5c3c\",\"api_version\":\"2023-08-18\","
                                                       "\"secret\":\"missing\"}");
}

static void test_the_daemon_tells_of_itself(void **state)
{
        static const struct daemon_facts facts = { "1.0", 77, 1767225600, "/var/lib/purser", "key-file" };
        struct daemon_state shown = { .configuration = "/etc/purser/purser.yaml",
                                      .unsaved = 1,
                                      .connections = 2 };

        (void)state;
        assert_json(status_daemon(&facts, &shown),
                    "{\"version\":\"1.0\",\"pid\":77,\"started_at\":1767225600,\"configuration\":\"/etc/"
                    "purser/purser.yaml\","
                    "\"state_directory\":\"/var/lib/"
                    "purser\",\"sealing_key\":\"key-file\",\"store\":\"ok\",\"secret_memory\":\"locked\","
                    "\"unsaved\":1,"
                    "\"connections\":2,\"refreshes_in_flight\":0}");
        shown.store_problem = "the disk is full";
        json_t *value = status_daemon(&facts, &shown);
        assert_string_equal(json_string_value(json_object_get(value, "store")), "the disk is full");
        json_decref(value);
}

static void test_what_secrets_lie_in_is_told_and_what_to_do(void **state)
{
        struct secret_stats stats = { .memfd_secret = true, .locked = true, .bytes_mapped = 20 << 20 };
        struct diag words = DIAG_INIT;

        (void)state;
        assert_string_equal(status_secret_memory(&stats, &words), "memfd_secret");
        stats.memfd_secret = false;
        assert_string_equal(status_secret_memory(&stats, &words), "locked");
        stats.bytes_fallback = (12 << 20) - 4096;
        assert_string_equal(status_secret_memory(&stats, &words),
                            "12 of 20 MiB are ordinary memory, which may be swapped and which root can read: "
                            "RLIMIT_MEMLOCK allows no more; raise it (LimitMEMLOCK= of the unit) and restart "
                            "purserd");
}

#define STATUS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                STATUS_TEST(test_a_credential_with_a_grant_tells_all_but_its_tokens),
                STATUS_TEST(test_a_credential_without_a_grant_leaves_out_what_there_is_not),
                STATUS_TEST(test_a_client_that_the_configuration_lost_keeps_its_name),
                STATUS_TEST(test_details_reckon_times_from_now),
                STATUS_TEST(test_details_of_an_ended_token_count_below_zero),
                STATUS_TEST(test_details_say_what_to_do_next),
                STATUS_TEST(test_a_test_is_told_with_account_and_version),
                STATUS_TEST(test_each_verdict_of_a_test_has_a_word),
                STATUS_TEST(test_a_client_tells_where_its_secret_comes_from),
                STATUS_TEST(test_the_daemon_tells_of_itself),
                STATUS_TEST(test_what_secrets_lie_in_is_told_and_what_to_do),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
