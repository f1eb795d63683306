// links: daemon/protocol/
// libs: libsodium jansson
#include "daemon/protocol/oauth.h"

#include "tests/beds/provider_samples.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define ISSUER "https://id.example.com/tenant1"

static void test_the_metadata_lies_in_three_places(void **state)
{
        static const struct {
                const char *issuer;
                const char *places[OAUTH_DISCOVERY_PLACES];
        } cases[] = {
                { "https://id.example.com",
                  { "https://id.example.com/.well-known/oauth-authorization-server",
                    "https://id.example.com/.well-known/openid-configuration",
                    "https://id.example.com/.well-known/openid-configuration" } },
                { "https://id.example.com/",
                  { "https://id.example.com/.well-known/oauth-authorization-server",
                    "https://id.example.com/.well-known/openid-configuration",
                    "https://id.example.com/.well-known/openid-configuration" } },
                { ISSUER,
                  { "https://id.example.com/.well-known/oauth-authorization-server/tenant1",
                    "https://id.example.com/tenant1/.well-known/openid-configuration",
                    "https://id.example.com/.well-known/openid-configuration/tenant1" } },
                { "http://[::1]:8080/a/b/",
                  { "http://[::1]:8080/.well-known/oauth-authorization-server/a/b",
                    "http://[::1]:8080/a/b/.well-known/openid-configuration",
                    "http://[::1]:8080/.well-known/openid-configuration/a/b" } },
        };

        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                for (unsigned place = 0; place < OAUTH_DISCOVERY_PLACES; place++) {
                        _cleanup_(freep) char *url = NULL;
                        assert_int_equal(oauth_discovery_url(cases[i].issuer, place, &url), 0);
                        assert_string_equal(url, cases[i].places[place]);
                }
}

static void test_there_is_no_fourth_place_and_no_issuer_without_scheme(void **state)
{
        char *url = NULL;

        assert_int_equal(oauth_discovery_url(ISSUER, OAUTH_DISCOVERY_PLACES, &url), -EINVAL);
        assert_int_equal(oauth_discovery_url("id.example.com", 0, &url), -EINVAL);
        assert_null(url);
}

static int read_response(struct http_response *response, struct oauth_metadata *ret, struct diag *diag)
{
        int r = oauth_read_metadata(ISSUER, response, ret, diag);

        http_response_done(response);
        return r;
}

static void test_the_endpoints_are_read(void **state)
{
        struct http_response response =
                sample_answer(200, NULL,
                              "{\"issuer\":\"" ISSUER
                              "\",\"authorization_endpoint\":\"https://id.example.com/authorize?p=1\","
                              "\"token_endpoint\":\"https://tokens.example.com:8443/token\","
                              "\"revocation_endpoint\":\"https://id.example.com/revoke\",\"jwks_uri\":7}");
        struct oauth_metadata metadata;
        struct diag diag = DIAG_INIT;

        assert_int_equal(read_response(&response, &metadata, &diag), 0);
        assert_string_equal(metadata.authorization_endpoint, "https://id.example.com/authorize?p=1");
        assert_string_equal(metadata.token_endpoint, "https://tokens.example.com:8443/token");
        assert_string_equal(metadata.revocation_endpoint, "https://id.example.com/revoke");
        assert_false(metadata.sends_issuer);
        oauth_metadata_done(&metadata);
        oauth_metadata_done(&metadata);
        assert_null(metadata.token_endpoint);
}

/* Metadata that are good, with more members. */
static void read_with(const char *members, struct oauth_metadata *ret)
{
        struct diag diag = DIAG_INIT;
        char body[512];

        snprintf(body, sizeof body,
                 "{\"issuer\":\"" ISSUER "\",\"authorization_endpoint\":\"https://id.example.com/a\","
                 "\"token_endpoint\":\"https://id.example.com/t\",%s}",
                 members);
        struct http_response response = sample_answer(200, NULL, body);
        assert_int_equal(read_response(&response, ret, &diag), 0);
}

static void test_a_promise_to_send_the_issuer_is_read(void **state)
{
#define SENDS "\"authorization_response_iss_parameter_supported\":"
        static const char *const members[] = { SENDS "true", SENDS "false", SENDS "null", SENDS "\"true\"",
                                               SENDS "1" };

        for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
                struct oauth_metadata metadata;

                read_with(members[i], &metadata);
                assert_int_equal(metadata.sends_issuer, i == 0);
                oauth_metadata_done(&metadata);
        }
}

static void test_where_requests_are_pushed_and_whether_they_must_be_is_read(void **state)
{
#define PUSHES                                                                                               \
        "\"pushed_authorization_request_endpoint\":\"https://id.example.com/par\","                          \
        "\"require_pushed_authorization_requests\":"
        static const char *const members[] = { PUSHES "true", PUSHES "false", PUSHES "null",
                                               PUSHES "\"true\"", PUSHES "1" };

        for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
                struct oauth_metadata metadata;

                read_with(members[i], &metadata);
                assert_string_equal(metadata.pushed_authorization_request_endpoint,
                                    "https://id.example.com/par");
                assert_int_equal(metadata.must_push, i == 0);
                oauth_metadata_done(&metadata);
        }
}

static void test_a_server_without_revocation_is_usable(void **state)
{
        static const char *const rests[] = { "", ",\"revocation_endpoint\":null" };
        char body[512];

        for (size_t i = 0; i < 2; i++) {
                snprintf(body, sizeof body,
                         "{\"issuer\":\"" ISSUER "\",\"authorization_endpoint\":\"http://127.0.0.1:9/a\","
                         "\"token_endpoint\":\"http://[::1]:9/t\"%s}",
                         rests[i]);
                struct http_response response = sample_answer(200, NULL, body);
                _cleanup_(oauth_metadata_done) struct oauth_metadata metadata = { 0 };
                struct diag diag = DIAG_INIT;
                assert_int_equal(read_response(&response, &metadata, &diag), 0);
                assert_null(metadata.revocation_endpoint);
        }
}

static void expect_unusable(struct http_response response, const char *words)
{
        struct oauth_metadata metadata = { 0 };
        struct diag diag = DIAG_INIT;

        assert_int_equal(read_response(&response, &metadata, &diag), OAUTH_E_UNUSABLE);
        if (!strstr(diag.text, words))
                fail_msg("\"%s\" instead of \"%s\"", diag.text, words);
        assert_true(sample_is_clean(diag.text, "evil"));
        assert_null(metadata.token_endpoint);
}

static void test_unusable_answers_say_what_is_wrong(void **state)
{
        expect_unusable(sample_failure(HTTP_NOT_SENT, "the connection was refused"),
                        "the connection was refused");
        expect_unusable(sample_answer(404, NULL, "{}"), "HTTP 404");
        expect_unusable(sample_answer(302, NULL, "{}"), "HTTP 302");
        expect_unusable(sample_answer(200, NULL, ""), "no JSON object");
        expect_unusable(sample_answer(200, "text/html", "<html>"), "no JSON object");
        expect_unusable(sample_answer(200, NULL, "[]"), "no JSON object");
        expect_unusable(sample_answer(200, NULL, "{\"issuer\":\"" ISSUER "\"}"),
                        "names no authorization_endpoint");
}

static void test_another_issuers_metadata_is_refused(void **state)
{
        static const char *const issuers[] = { "\"https://evil.example.com\"",
                                               "\"https://id.example.com/tenant1/\"",
                                               "\"https://id.example.com/TENANT1\"",
                                               "\"https://id.example.com/tenant1\\u0000\"",
                                               "null",
                                               "7",
                                               "[\"https://id.example.com/tenant1\"]" };
        char body[512];

        for (size_t i = 0; i < sizeof issuers / sizeof issuers[0]; i++) {
                snprintf(body, sizeof body,
                         "{\"issuer\":%s,\"authorization_endpoint\":\"https://a.example/a\","
                         "\"token_endpoint\":\"https://a.example/t\"}",
                         issuers[i]);
                expect_unusable(sample_answer(200, NULL, body), "another issuer's");
        }
}

static void test_a_member_with_two_values_is_refused(void **state)
{
        static const char *const names[] = { "issuer", "authorization_endpoint", "token_endpoint",
                                             "revocation_endpoint" };
        char body[512];

        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
                snprintf(body, sizeof body,
                         "{\"%s\":\"https://evil.example.com\",\"issuer\":\"" ISSUER
                         "\",\"authorization_endpoint\":\"https://a.example/a\",\"token_endpoint\":\"https://"
                         "a.example/t\","
                         "\"revocation_endpoint\":\"https://a.example/r\"}",
                         names[i]);
                expect_unusable(sample_answer(200, NULL, body), names[i]);
        }
}

static void test_endpoints_that_secrets_must_not_go_to_are_refused(void **state)
{
        static const char *const urls[] = { "http://evil.example.com/t",
                                            "ftp://evil.example.com/t",
                                            "//evil.example.com/t",
                                            "evil",
                                            "",
                                            "javascript:evil",
                                            "https://evil.example.com/t#fragment",
                                            "https://evil.example.com/a b",
                                            "https://evil.example.com/\\r\\nX: 1",
                                            "https://evil.example.com/\\u0000",
                                            "https://user:evil@a.example/t" };
        static const char *const names[] = { "token_endpoint", "authorization_endpoint",
                                             "revocation_endpoint" };
        char body[512];

        for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++)
                for (size_t j = 0; j < 3; j++) {
                        snprintf(body, sizeof body,
                                 "{\"issuer\":\"" ISSUER
                                 "\",\"%s\":\"https://a.example/1\",\"%s\":\"https://a.example/2\","
                                 "\"%s\":\"%s\"}",
                                 names[(j + 1) % 3], names[(j + 2) % 3], names[j], urls[i]);
                        expect_unusable(sample_answer(200, NULL, body), names[j]);
                }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_metadata_lies_in_three_places),
                cmocka_unit_test(test_there_is_no_fourth_place_and_no_issuer_without_scheme),
                cmocka_unit_test(test_the_endpoints_are_read),
                cmocka_unit_test(test_a_promise_to_send_the_issuer_is_read),
                cmocka_unit_test(test_where_requests_are_pushed_and_whether_they_must_be_is_read),
                cmocka_unit_test(test_a_server_without_revocation_is_usable),
                cmocka_unit_test(test_unusable_answers_say_what_is_wrong),
                cmocka_unit_test(test_another_issuers_metadata_is_refused),
                cmocka_unit_test(test_a_member_with_two_values_is_refused),
                cmocka_unit_test(test_endpoints_that_secrets_must_not_go_to_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
