// links: daemon/bundle.c daemon/credential*.c daemon/backoff.c daemon/record.c common/duration.c common/wire.c
// links: common/secret*.c common/fault.c common/wipe.c
// libs: libsodium jansson
#include "daemon/bundle.h"

#include "common/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define NOW_BOOT (1000 * USEC_PER_SEC)
#define NOW_WALL (INT64_C(1767225600) * (int64_t)USEC_PER_SEC)

static struct provider provider;
static struct client client;
static struct credential *credential;
static struct bundle bundle;

static int setup(void **state)
{
        (void)state;
        provider = (struct provider){ .name = (char *)"jobber",
                                      .api = { .url = (char *)"https://api.test/graphql",
                                               .version_header = (char *)"X-JOBBER-GRAPHQL-VERSION" } };
        client = (struct client){ .name = (char *)"app",
                                  .provider = &provider,
                                  .api_version = (char *)"2023-08-18" };
        bundle = (struct bundle)BUNDLE_INIT;
        assert_int_equal(credential_new(&credential, "acme"), 0);
        credential->client = &client;
        credential->refusal = REFUSAL_NONE;
        assert_int_equal(secret_new_string(&credential->grant.refresh_token, "refresh"), 0);
        assert_int_equal(secret_new_string(&credential->grant.access_token, "access-1"), 0);
        credential->grant.generation = 3;
        credential->grant.lifetime_usec = 3600 * USEC_PER_SEC;
        credential->grant.received_boot_usec = (int64_t)NOW_BOOT - 600 * (int64_t)USEC_PER_SEC;
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        bundle_done(&bundle);
        credential = credential_free(credential);
        return 0;
}

static void assert_bundle(const char *expected)
{
        assert_int_equal(bundle_render(&bundle, credential, NOW_BOOT, NOW_WALL), 0);
        assert_string_equal(bundle.message.data, expected);
        assert_int_equal(bundle.message.n, strlen(expected));
}

static void set(char **text, const char *value)
{
        free(*text);
        *text = strdup(value);
        assert_non_null(*text);
}

static void test_the_bundle_is_one_reply_with_everything_a_request_must_carry(void **state)
{
        (void)state;
        set(&credential->account_id, "Z2lk");
        set(&credential->account_name, "Acme \"Landscaping\"");
        assert_bundle("{\"parameters\":{\"access_token\":\"access-1\",\"token_type\":\"Bearer\",\"expires_"
                      "at\":1767228600,"
                      "\"api_version\":\"2023-08-18\",\"api_url\":\"https://api.test/graphql\",\"headers\":["
                      "{\"name\":\"Authorization\",\"value\":\"Bearer access-1\"},"
                      "{\"name\":\"X-JOBBER-GRAPHQL-VERSION\",\"value\":\"2023-08-18\"}],"
                      "\"account\":{\"id\":\"Z2lk\",\"name\":\"Acme "
                      "\\\"Landscaping\\\"\"},\"generation\":3,\"warnings\":[]}}");
}

static void test_what_there_is_not_is_left_out(void **state)
{
        (void)state;
        provider.api.version_header = NULL;
        provider.api.url = NULL;
        client.api_version = NULL;
        assert_bundle("{\"parameters\":{\"access_token\":\"access-1\",\"token_type\":\"Bearer\",\"expires_"
                      "at\":1767228600,"
                      "\"headers\":[{\"name\":\"Authorization\",\"value\":\"Bearer "
                      "access-1\"}],\"generation\":3,\"warnings\":[]}}");
}

static void test_the_credentials_own_version_is_in_member_and_header(void **state)
{
        struct credential_config config = { .name = (char *)"acme",
                                            .client = (char *)"app",
                                            .api_version = (char *)"2025-04-16" };

        (void)state;
        credential->config = &config;
        assert_int_equal(bundle_render(&bundle, credential, NOW_BOOT, NOW_WALL), 0);
        assert_non_null(strstr(bundle.message.data, "\"api_version\":\"2025-04-16\""));
        assert_non_null(strstr(bundle.message.data, "\"X-JOBBER-GRAPHQL-VERSION\",\"value\":\"2025-04-16\""));
        credential->config = NULL;
}

static void test_a_scheme_in_lower_case_is_written_as_its_rfc_does(void **state)
{
        (void)state;
        set(&credential->grant.token_type, "bearer");
        assert_int_equal(bundle_render(&bundle, credential, NOW_BOOT, NOW_WALL), 0);
        assert_non_null(strstr(bundle.message.data, "\"token_type\":\"Bearer\""));
        set(&credential->grant.token_type, "DPoP");
        assert_int_equal(bundle_render(&bundle, credential, NOW_BOOT, NOW_WALL), 0);
        assert_non_null(strstr(bundle.message.data, "\"value\":\"DPoP access-1\""));
}

/* Visible ASCII holds two characters that JSON escapes. */
static void test_a_token_with_quotes_and_backslashes_comes_through(void **state)
{
        static const char token[] = "a\"b\\c";
        struct wire_reply reply;
        json_t *header;

        (void)state;
        credential->grant.access_token = secret_free(credential->grant.access_token);
        assert_int_equal(secret_new_string(&credential->grant.access_token, token), 0);
        assert_int_equal(bundle_render(&bundle, credential, NOW_BOOT, NOW_WALL), 0);
        assert_int_equal(wire_parse_reply(bundle.message.data, bundle.message.n, &reply, NULL), 0);
        assert_string_equal(json_string_value(json_object_get(reply.parameters, "access_token")), token);
        header = json_array_get(json_object_get(reply.parameters, "headers"), 0);
        assert_string_equal(json_string_value(json_object_get(header, "value")), "Bearer a\"b\\c");
        wire_reply_done(&reply);
}

static void test_warnings_are_sentences_in_a_list(void **state)
{
        struct wire_reply reply;
        json_t *warnings;

        (void)state;
        credential->unsaved = true;
        credential->foreign_refresher = true;
        assert_int_equal(bundle_render(&bundle, credential, NOW_BOOT, NOW_WALL), 0);
        assert_int_equal(wire_parse_reply(bundle.message.data, bundle.message.n, &reply, NULL), 0);
        warnings = json_object_get(reply.parameters, "warnings");
        assert_int_equal(json_array_size(warnings), 2);
        assert_non_null(strstr(json_string_value(json_array_get(warnings, 0)), "could not be saved"));
        wire_reply_done(&reply);
}

static void assert_variant(const char *warning, bool continues, const char *tail)
{
        struct secret_buf message = SECRET_BUF_INIT(64 * 1024);

        assert_int_equal(bundle_render_variant(&bundle, warning, continues, &message), 0);
        assert_true(message.n > strlen(tail));
        assert_string_equal(message.data + message.n - strlen(tail), tail);
        secret_buf_done(&message);
}

static void test_a_variant_adds_a_warning_or_says_that_more_follows(void **state)
{
        (void)state;
        assert_int_equal(bundle_render(&bundle, credential, NOW_BOOT, NOW_WALL), 0);
        assert_variant(NULL, false, "\"generation\":3,\"warnings\":[]}}");
        assert_variant("short", false, "\"generation\":3,\"warnings\":[\"short\"]}}");
        assert_variant(NULL, true, "\"warnings\":[]},\"continues\":true}");
        assert_variant("short", true, "\"warnings\":[\"short\"]},\"continues\":true}");

        credential->unsaved = true;
        assert_int_equal(bundle_render(&bundle, credential, NOW_BOOT, NOW_WALL), 0);
        assert_variant("short", false, ".\",\"short\"]}}");
}

static void test_a_bundle_that_does_not_fit_is_empty(void **state)
{
        (void)state;
        bundle.message.max = 100;
        assert_int_not_equal(bundle_render(&bundle, credential, NOW_BOOT, NOW_WALL), 0);
        assert_int_equal(bundle.message.n, 0);
}

static void test_rendering_again_forgets_what_was_there(void **state)
{
        (void)state;
        assert_int_equal(bundle_render(&bundle, credential, NOW_BOOT, NOW_WALL), 0);
        credential->grant.access_token = secret_free(credential->grant.access_token);
        assert_int_equal(secret_new_string(&credential->grant.access_token, "access-2"), 0);
        assert_int_equal(bundle_render(&bundle, credential, NOW_BOOT, NOW_WALL), 0);
        assert_null(strstr(bundle.message.data, "access-1"));
        assert_non_null(strstr(bundle.message.data, "Bearer access-2"));
}

#define BUNDLE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                BUNDLE_TEST(test_the_bundle_is_one_reply_with_everything_a_request_must_carry),
                BUNDLE_TEST(test_what_there_is_not_is_left_out),
                BUNDLE_TEST(test_the_credentials_own_version_is_in_member_and_header),
                BUNDLE_TEST(test_a_scheme_in_lower_case_is_written_as_its_rfc_does),
                BUNDLE_TEST(test_a_token_with_quotes_and_backslashes_comes_through),
                BUNDLE_TEST(test_warnings_are_sentences_in_a_list),
                BUNDLE_TEST(test_a_variant_adds_a_warning_or_says_that_more_follows),
                BUNDLE_TEST(test_a_bundle_that_does_not_fit_is_empty),
                BUNDLE_TEST(test_rendering_again_forgets_what_was_there),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
