// links: daemon/serve/
// libs: jansson libsodium
/* Replies to the byte, whatever is in them, and what is left of them in memory. */
#include "daemon/serve/bundle.h"
#include "tests/beds/credential_bed.h"

#include "common/wire.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WALL = 1767225600 }; /* seconds */

static struct provider provider;
static struct client app;
static struct credential_config config;
static struct bundle bundle;

static int setup_bundle(void **state)
{
        provider = (struct provider){ .name = (char *)"idp",
                                      .api = { .url = (char *)"https://api.test/graphql",
                                               .version_header = (char *)"X-VERSION" } };
        app = (struct client){ .name = (char *)"app", .provider = &provider, .api_version = (char *)"v1" };
        config = (struct credential_config){ .name = (char *)"acme", .client = (char *)"app" };
        bundle = (struct bundle)BUNDLE_INIT;
        setup(state);
        acme->client = &app;
        return 0;
}

static int teardown_bundle(void **state)
{
        bundle_done(&bundle);
        return teardown(state);
}

static void set_token(const char *text)
{
        acme->grant.access_token = secret_free(acme->grant.access_token);
        assert_int_equal(secret_new_string(&acme->grant.access_token, text), 0);
        grant_look(&acme->grant);
}

static void set_type(const char *type)
{
        set(&acme->grant.token_type, type);
        grant_look(&acme->grant);
}

static const char *render_at(int64_t wall_sec)
{
        assert_int_equal(bundle_render(&bundle, acme, NOW, wall_sec * (int64_t)USEC_PER_SEC), 0);
        assert_int_equal(strlen(bundle.message.data), bundle.message.n);
        return bundle.message.data;
}

static const char *render(void)
{
        return render_at(WALL);
}

#define MESSAGE(token, type, more, headers, rest)                                                            \
        "{\"parameters\":{\"access_token\":\"" token "\",\"token_type\":\"" type                             \
        "\",\"expires_at\":1767229200" more ",\"headers\":[" headers "]" rest "}}"
#define API ",\"api_version\":\"v1\",\"api_url\":\"https://api.test/graphql\""
#define HEADER(name, value) "{\"name\":\"" name "\",\"value\":\"" value "\"}"
#define VERSION "," HEADER("X-VERSION", "v1")
#define REST ",\"generation\":1,\"warnings\":[]"

static void test_a_reply_has_its_members_in_order(void **state)
{
        assert_string_equal(render(), MESSAGE("access", "Bearer", API,
                                              HEADER("Authorization", "Bearer access") VERSION, REST));
}

static void test_what_is_not_there_is_left_out(void **state)
{
        acme->client = NULL;
        assert_string_equal(render(),
                            MESSAGE("access", "Bearer", "", HEADER("Authorization", "Bearer access"), REST));
        acme->client = &app;
        app.api_version = NULL;
        assert_string_equal(render(), MESSAGE("access", "Bearer", ",\"api_url\":\"https://api.test/graphql\"",
                                              HEADER("Authorization", "Bearer access"), REST));
}

static void test_a_header_of_the_providers_own_has_the_bare_token(void **state)
{
        provider.api.token_header = (char *)"X-TOKEN";
        assert_string_equal(render(),
                            MESSAGE("access", "Bearer", API, HEADER("X-TOKEN", "access") VERSION, REST));
}

static void test_an_account_is_named(void **state)
{
        set(&acme->account_id, "a\"7");
        assert_string_equal(render(),
                            MESSAGE("access", "Bearer", API, HEADER("Authorization", "Bearer access") VERSION,
                                    ",\"account\":{\"id\":\"a\\\"7\"}" REST));
        set(&acme->account_name, "Gr\xc3\xbcn & Co");
        assert_string_equal(render(),
                            MESSAGE("access", "Bearer", API, HEADER("Authorization", "Bearer access") VERSION,
                                    ",\"account\":{\"id\":\"a\\\"7\",\"name\":\"Gr\xc3\xbcn & Co\"}" REST));
}

static void test_a_version_of_the_credential_alone_changes_its_own_replies(void **state)
{
        (void)render();
        config.api_version = (char *)"v2";
        acme->config = &config;
        assert_non_null(strstr(render(), "\"api_version\":\"v2\""));
        assert_non_null(strstr(render(), HEADER("X-VERSION", "v2")));
        acme->config = NULL;
        assert_non_null(strstr(render(), "\"api_version\":\"v1\""));
}

/* Its scheme is written as RFC 6750 has it; another one as it came, in turn with the first. */
static void test_token_types_of_one_client_may_differ(void **state)
{
        static const struct {
                const char *type, *member, *header;
        } cases[] = {
                { NULL, "\"token_type\":\"Bearer\"", "\"Bearer access\"" },
                { "bEARER", "\"token_type\":\"Bearer\"", "\"Bearer access\"" },
                { "DPoP", "\"token_type\":\"DPoP\"", "\"DPoP access\"" },
                { "Bearer", "\"token_type\":\"Bearer\"", "\"Bearer access\"" },
                { "N\"A", "\"token_type\":\"N\\\"A\"", "\"N\\\"A access\"" },
                { "DPoP", "\"token_type\":\"DPoP\"", "\"DPoP access\"" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                set_type(cases[i].type);
                assert_non_null(strstr(render(), cases[i].member));
                assert_non_null(strstr(render(), cases[i].header));
                /* Nobody has looked: it is the same. */
                acme->grant.is_bearer = false;
                assert_non_null(strstr(render(), cases[i].member));
        }
}

/* Each byte that may not stand for itself, at each place of what is looked at in one go. */
static void test_tokens_are_escaped_where_they_must_be(void **state)
{
        char token[100];

        for (size_t at = 0; at < sizeof(token) - 1; at += 7)
                for (unsigned c = 1; c < 0x80; c++) {
                        struct secret_buf expected = SECRET_BUF_INIT(1024);

                        memset(token, 'a', sizeof(token));
                        token[at] = (char)c;
                        token[sizeof(token) - 1] = '\0';
                        set_token(token);
                        assert_int_equal(acme->grant.token_is_plain, c >= 0x20 && c != '"' && c != '\\');
                        assert_int_equal(wire_append_text(&expected, token, strlen(token)), 0);
                        assert_int_equal(secret_buf_append_string(&expected, "\",\"token_type\""), 0);
                        (void)render();
                        assert_ptr_equal(strstr(bundle.message.data, expected.data),
                                         bundle.message.data +
                                                 strlen("{\"parameters\":{\"access_token\":\""));
                        expected.n -= strlen(",\"token_type\"");
                        expected.data[expected.n] = '\0';
                        assert_non_null(strstr(strstr(bundle.message.data, "\"Bearer "), expected.data));
                        secret_buf_done(&expected);
                }
}

static void test_a_token_that_is_no_text_makes_no_reply(void **state)
{
        set_token("ab\xff");
        assert_int_equal(bundle_render(&bundle, acme, NOW, WALL), -EILSEQ);
        assert_int_equal(bundle.message.n, 0);
        set_token("access");
        assert_non_null(strstr(render(), "access"));
}

static void test_numbers_of_any_size_are_written(void **state)
{
        static const int64_t walls[] = { -3600,         -3601,        -3594,      0,
                                         999999999,     4294963695,   4294963696, -9999,
                                         4294967296000, 9000000000000 };
        static const uint64_t generations[] = { 0, 1, 9, 10, 4294967295, 4294967296, 99999999999, INT64_MAX };
        char expected[64];

        for (size_t i = 0; i < sizeof(walls) / sizeof(walls[0]); i++) {
                snprintf(expected, sizeof(expected), "\"expires_at\":%lld,", (long long)walls[i] + 3600);
                assert_non_null(strstr(render_at(walls[i]), expected));
        }
        for (size_t i = 0; i < sizeof(generations) / sizeof(generations[0]); i++) {
                acme->grant.generation = generations[i];
                snprintf(expected, sizeof(expected), "\"generation\":%llu,",
                         (unsigned long long)generations[i]);
                assert_non_null(strstr(render(), expected));
        }
}

static void test_warnings_come_in_order(void **state)
{
        struct secret_buf variant = SECRET_BUF_INIT(4096);

        /* Ended by NUL, whatever was in that memory. */
        assert_int_equal(secret_buf_reserve(&variant, 3000), 0);
        memset(variant.data, 'x', variant.allocated);
        set(&acme->notice, "soon");
        acme->foreign_refresher = true;
        assert_non_null(strstr(render(), "\"warnings\":[\"Somebody else refreshes this grant too, "));
        assert_non_null(strstr(render(), "\",\"The provider says: soon\"]}}"));
        assert_int_equal(bundle_render_variant(&bundle, "more", true, &variant), 0);
        assert_int_equal(strlen(variant.data), variant.n);
        assert_non_null(strstr(variant.data, "soon\",\"more\"]},\"continues\":true}"));
        secret_buf_clear(&variant);

        acme->foreign_refresher = false;
        set(&acme->notice, NULL);
        (void)render();
        assert_int_equal(bundle_render_variant(&bundle, "one", false, &variant), 0);
        assert_non_null(strstr(variant.data, "\"warnings\":[\"one\"]}}"));
        secret_buf_done(&variant);
}

/* Whatever is asked with each token is told by each token. */
static void test_nothing_that_is_to_be_told_is_passed_over(void **state)
{
        assert_non_null(strstr(render(), "\"warnings\":[]"));
        acme->unsaved = true;
        assert_null(strstr(render(), "\"warnings\":[]"));
        acme->unsaved = false;
        acme->outcome_unknown = true;
        assert_null(strstr(render(), "\"warnings\":[]"));
        acme->outcome_unknown = false;
        acme->client_refused = true;
        assert_null(strstr(render(), "\"warnings\":[]"));
        acme->client_refused = false;
        acme->refusal = REFUSAL_REFUSED;
        assert_null(strstr(render(), "\"warnings\":[]"));
        acme->refusal = REFUSAL_NONE;
        acme->exported_wall_usec = 1;
        assert_null(strstr(render(), "\"warnings\":[]"));
        acme->moved = true;
        assert_non_null(strstr(render(), "\"warnings\":[]"));
        acme->exported_wall_usec = 0;
        for (enum version_state told = VERSION_NONE; told <= VERSION_SERVED_AS_ANOTHER; told++) {
                acme->test.version_state = told;
                assert_int_equal(!!strstr(render(), "\"warnings\":[]"),
                                 told == VERSION_NONE || told == VERSION_OK);
        }
}

static void test_files_of_a_bundle_end_where_they_end(void **state)
{
        struct secret_buf file = SECRET_BUF_INIT(4096);

        (void)render();
        assert_int_equal(secret_buf_reserve(&file, 2000), 0);
        memset(file.data, 'x', file.allocated);
        assert_int_equal(bundle_write_headers(acme, &file), 0);
        assert_string_equal(file.data, "Authorization: Bearer access\nX-VERSION: v1\n");
        file.n = 0;
        memset(file.data, 'x', file.allocated);
        assert_int_equal(bundle_write_json(&bundle, false, &file), 0);
        assert_int_equal(strlen(file.data), file.n);
        assert_memory_equal(file.data, bundle.message.data + strlen("{\"parameters\":"), file.n - 1);
        assert_string_equal(file.data + file.n - 3, "]}\n");
        secret_buf_done(&file);
}

static bool is_anywhere(const char *text)
{
        return memmem(bundle.message.data, bundle.message.allocated, text, strlen(text)) != NULL;
}

static void test_nothing_is_left_of_the_reply_before(void **state)
{
        char token[900];

        memset(token, 'a', sizeof(token));
        memcpy(token + sizeof(token) - 5, "-end", 5);
        set_token(token);
        (void)render();
        assert_true(is_anywhere("-end"));
        set_token("access");
        (void)render();
        assert_false(is_anywhere("-end"));
        assert_false(is_anywhere("aaaa"));
        bundle_wipe(&bundle);
        assert_false(is_anywhere("access"));
        assert_int_equal(bundle.message.n, 0);
}

static void test_memory_of_a_long_reply_is_not_kept(void **state)
{
        char *token = calloc(1, 50001);

        assert_non_null(token);
        memset(token, 'a', 50000);
        set_token(token);
        assert_true(strlen(render()) > 100000);
        set_token("access");
        assert_true(strlen(render()) < 1000);
        assert_true(bundle.message.allocated < 4096);
        free(token);
}

static void test_a_reply_that_would_be_too_long_is_none(void **state)
{
        char *token = calloc(1, 150001);

        assert_non_null(token);
        memset(token, 'a', 150000);
        set_token(token);
        assert_int_equal(bundle_render(&bundle, acme, NOW, WALL), -EMSGSIZE);
        assert_int_equal(bundle.message.n, 0);
        free(token);
}

/* At the address of a client another one may be, once the configuration was swapped. */
static void test_clients_that_are_forgotten_are_looked_at_again(void **state)
{
        assert_non_null(strstr(render(), "https://api.test/graphql"));
        provider.api.url = (char *)"https://api2.test/graphql";
        bundle_forget_clients(&bundle);
        assert_non_null(strstr(render(), "https://api2.test/graphql"));
}

static void test_many_clients_are_told_apart(void **state)
{
        static struct client clients[500];
        static char versions[500][8];

        for (int i = 0; i < 1000; i++) {
                char expected[64];

                clients[i % 500] = app;
                snprintf(versions[i % 500], sizeof(versions[0]), "v%d", i % 500);
                clients[i % 500].api_version = versions[i % 500];
                acme->client = &clients[i % 500];
                snprintf(expected, sizeof(expected), "\"api_version\":\"v%d\",", i % 500);
                assert_non_null(strstr(render(), expected));
        }
}

int main(void)
{
#define BUNDLE_TEST(test) cmocka_unit_test_setup_teardown(test, setup_bundle, teardown_bundle)
        const struct CMUnitTest tests[] = {
                BUNDLE_TEST(test_a_reply_has_its_members_in_order),
                BUNDLE_TEST(test_what_is_not_there_is_left_out),
                BUNDLE_TEST(test_a_header_of_the_providers_own_has_the_bare_token),
                BUNDLE_TEST(test_an_account_is_named),
                BUNDLE_TEST(test_a_version_of_the_credential_alone_changes_its_own_replies),
                BUNDLE_TEST(test_token_types_of_one_client_may_differ),
                BUNDLE_TEST(test_tokens_are_escaped_where_they_must_be),
                BUNDLE_TEST(test_a_token_that_is_no_text_makes_no_reply),
                BUNDLE_TEST(test_numbers_of_any_size_are_written),
                BUNDLE_TEST(test_warnings_come_in_order),
                BUNDLE_TEST(test_nothing_that_is_to_be_told_is_passed_over),
                BUNDLE_TEST(test_files_of_a_bundle_end_where_they_end),
                BUNDLE_TEST(test_nothing_is_left_of_the_reply_before),
                BUNDLE_TEST(test_memory_of_a_long_reply_is_not_kept),
                BUNDLE_TEST(test_a_reply_that_would_be_too_long_is_none),
                BUNDLE_TEST(test_clients_that_are_forgotten_are_looked_at_again),
                BUNDLE_TEST(test_many_clients_are_told_apart),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
