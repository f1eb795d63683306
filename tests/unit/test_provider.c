// links: daemon/config/
// libs: yaml-0.1
#include "tests/beds/provider_texts.h"

#include "daemon/config/provider.h"

#include <string.h>

#define SEC UINT64_C(1000000)

static void read_base(struct provider **ret, const struct provider *base, const char *text)
{
        struct problems problems = PROBLEMS_INIT;
        _cleanup_(yaml_node_freep) struct yaml_node *node = NULL;

        assert_int_equal(yaml_doc_parse(&node, "f", text, strlen(text), &problems), 0);
        if (provider_read(ret, "p", base, "f", "", node, &problems) != 0)
                fail_msg("%s: %s", text, problems.n > 0 ? problems.lines[0] : "a fault");
        assert_int_equal(problems.n, 0);
}

static struct provider *read_well(const char *text)
{
        struct provider *provider = NULL;

        read_base(&provider, NULL, text);
        return provider;
}

static void test_two_endpoints_are_enough_and_the_rest_has_defaults(void **state)
{
        _cleanup_(provider_freep) struct provider *p = read_well(ENDPOINTS);

        assert_string_equal(p->name, "p");
        assert_string_equal(p->authorization_endpoint, "https://id.example.com/authorize");
        assert_string_equal(p->token_endpoint, "https://id.example.com/token");
        assert_int_equal(p->auth_method, AUTH_METHOD_BASIC);
        assert_true(p->pkce);
        assert_true(p->scope_in_url);
        assert_int_equal(p->max_replays, 5);
        assert_int_equal(p->default_token_lifetime_usec, 0);
        assert_int_equal(p->revocation, REVOCATION_RFC7009);
        assert_null(p->issuer);
        assert_null(p->revocation_endpoint);
        assert_null(p->api.url);
        assert_null(p->webhook.header);
        assert_int_equal(p->n_token_rules, 0);
        assert_false(p->has_mistakes);
        assert_true(provider_has_endpoints(p));
}

static void test_an_issuer_stands_for_the_endpoints(void **state)
{
        _cleanup_(provider_freep) struct provider *p = read_well("issuer: https://id.example.com/tenant");

        assert_string_equal(p->issuer, "https://id.example.com/tenant");
        assert_false(provider_has_endpoints(p));
}

static void test_variables_stand_in_the_urls_of_those_who_extend(void **state)
{
        static const char shops[] = "authorization_endpoint: https://{shop}.example.com/authorize\n"
                                    "token_endpoint: https://{shop}.example.com/{area}/token\n"
                                    "revocation: {method: request, url: 'https://{shop}.example.com/"
                                    "{access_token}'}\n";
        _cleanup_(provider_freep) struct provider *base = read_well(shops);
        char name[64];

        assert_true(provider_find_missing_variable(base, name, sizeof(name)));
        assert_string_equal(name, "shop");
        assert_true(provider_revokes_by_access_token(base));

        _cleanup_(provider_freep) struct provider *p = NULL;
        read_base(&p, base, "variables: {shop: acme-1, area: eu}");
        assert_int_equal(provider_fill_in_variables(p), 0);
        assert_false(provider_find_missing_variable(p, name, sizeof(name)));
        assert_string_equal(p->authorization_endpoint, "https://acme-1.example.com/authorize");
        assert_string_equal(p->token_endpoint, "https://acme-1.example.com/eu/token");
        assert_string_equal(p->revocation_request.url, "https://acme-1.example.com/{access_token}");
}

#define EVERYTHING                                                                                           \
        ENDPOINTS                                                                                            \
        "issuer: https://id.example.com\n"                                                                   \
        "revocation_endpoint: http://127.0.0.1:8080/revoke\n"                                                \
        "token_endpoint_auth_method: none\n"                                                                 \
        "code_challenge_method: off\n"                                                                       \
        "ca_file: /etc/ssl/private-ca.pem\n"                                                                 \
        "scope_in_url: false\n"                                                                              \
        "authorization_parameters: {access_type: offline, prompt: consent}\n"                                \
        "default_token_lifetime: 1h30m\n"                                                                    \
        "max_replays: 0\n"                                                                                   \
        "token_endpoint_answers:\n"                                                                          \
        "  - {status: 401, contains: not valid, means: authorization_required, say: Log in again.}\n"        \
        "  - {error: slow_down, means: try_again}\n"                                                         \
        "  - {status: 400, error: bad_app, means: client_refused}\n"                                         \
        "  - {member: /warning, contains: newer, means: foreign_refresher}\n"                                \
        "  - {member: /warning, means: notice}\n"                                                            \
        "api:\n"                                                                                             \
        "  url: https://api.example.com/graphql\n"                                                           \
        "  token_header: X-Token\n"                                                                          \
        "  version_header: X-Version\n"                                                                      \
        "  default_version: 2023-08-18\n"                                                                    \
        "  test_query: |\n"                                                                                  \
        "    query {\n"                                                                                      \
        "      account { id }\n"                                                                             \
        "    }\n"                                                                                            \
        "  test_answer: {account_id: /a, account_name: /b, served_version: /c, served_version_header: X-S, " \
        "version_warning: /d}\n"                                                                             \
        "  answers:\n"                                                                                       \
        "  - {status: 401, means: token_rejected}\n"                                                         \
        "  - {status: 404, means: version_unsupported}\n"                                                    \
        "  - {contains: soon, means: version_to_be_removed}\n"                                               \
        "revocation: {method: graphql, mutation: 'mutation { x }', error: /e, ends_account: true, "          \
        "url: 'https://api.example.com/{client_id}', request_method: DELETE, authentication: token, "        \
        "format: json, parameters: {token: '{refresh_token}'}, headers: {Authorization: x}}\n"               \
        "token_parameters: {audience: https://a.example}\n"                                                  \
        "token_headers: {X-Version: '1'}\n"                                                                  \
        "token_request_format: json\n"                                                                       \
        "grant_types_supported: [authorization_code, client_credentials]\n"                                  \
        "refresh_token_rotation: optional\n"                                                                 \
        "variables: {shop: acme}\n"                                                                          \
        "webhooks: {signature_header: X-Sig, algorithm: hmac-sha512, encoding: hex, prefix: sha256=, "       \
        "signature_element: v1, timestamp_element: t, timestamp_separator: ':', tolerance: 2m, "             \
        "disconnect_pointer: /t, disconnect_value: GONE, occurred_at: /o, account_id: /i}\n"

static void expect_everything(const struct provider *p)
{
        assert_string_equal(p->issuer, "https://id.example.com");
        assert_string_equal(p->revocation_endpoint, "http://127.0.0.1:8080/revoke");
        assert_int_equal(p->auth_method, AUTH_METHOD_NONE);
        assert_false(p->pkce);
        assert_string_equal(p->ca_file, "/etc/ssl/private-ca.pem");
        assert_false(p->scope_in_url);
        assert_int_equal(p->authorization_parameters.n, 2);
        assert_string_equal(p->authorization_parameters.items[1].name, "prompt");
        assert_string_equal(p->authorization_parameters.items[1].value, "consent");
        assert_string_equal(p->token_parameters.items[0].value, "https://a.example");
        assert_string_equal(p->token_headers.items[0].name, "X-Version");
        assert_true(p->json_requests);
        assert_int_equal(p->grant_types, GRANT_TYPE_AUTHORIZATION_CODE | GRANT_TYPE_CLIENT_CREDENTIALS);
        assert_int_equal(p->rotation, ROTATION_OPTIONAL);
        assert_string_equal(p->variables.items[0].value, "acme");
        assert_string_equal(p->api.token_header, "X-Token");
        assert_string_equal(p->revocation_request.url, "https://api.example.com/{client_id}");
        assert_int_equal(p->revocation_request.method, REQUEST_DELETE);
        assert_int_equal(p->revocation_request.authentication, REVOCATION_BY_TOKEN);
        assert_true(p->revocation_request.json);
        assert_string_equal(p->revocation_request.parameters.items[0].value, "{refresh_token}");
        assert_string_equal(p->revocation_request.headers.items[0].name, "Authorization");
        assert_int_equal(p->default_token_lifetime_usec, 5400 * SEC);
        assert_int_equal(p->max_replays, 0);
        assert_int_equal(p->n_token_rules, 5);
        assert_int_equal(p->token_rules[0].status, 401);
        assert_string_equal(p->token_rules[0].contains, "not valid");
        assert_string_equal(p->token_rules[0].say, "Log in again.");
        assert_null(p->token_rules[0].member);
        assert_int_equal(p->token_rules[0].meaning, MEANING_AUTHORIZATION_REQUIRED);
        assert_int_equal(p->token_rules[1].status, 0);
        assert_string_equal(p->token_rules[1].error, "slow_down");
        assert_int_equal(p->token_rules[1].meaning, MEANING_TRY_AGAIN);
        assert_int_equal(p->token_rules[2].meaning, MEANING_CLIENT_REFUSED);
        assert_string_equal(p->token_rules[3].member, "/warning");
        assert_int_equal(p->token_rules[3].meaning, MEANING_FOREIGN_REFRESHER);
        assert_int_equal(p->token_rules[4].meaning, MEANING_NOTICE);
        assert_string_equal(p->api.url, "https://api.example.com/graphql");
        assert_string_equal(p->api.version_header, "X-Version");
        assert_string_equal(p->api.default_version, "2023-08-18");
        assert_string_equal(p->api.test_query, "query {\n  account { id }\n}\n");
        assert_string_equal(p->api.account_id, "/a");
        assert_string_equal(p->api.account_name, "/b");
        assert_string_equal(p->api.served_version, "/c");
        assert_string_equal(p->api.served_version_header, "X-S");
        assert_string_equal(p->api.version_warning, "/d");
        assert_int_equal(p->n_api_rules, 3);
        assert_int_equal(p->api_rules[0].meaning, MEANING_TOKEN_REJECTED);
        assert_int_equal(p->api_rules[1].meaning, MEANING_VERSION_UNSUPPORTED);
        assert_int_equal(p->api_rules[2].meaning, MEANING_VERSION_TO_BE_REMOVED);
        assert_int_equal(p->revocation, REVOCATION_GRAPHQL);
        assert_string_equal(p->revocation_mutation, "mutation { x }");
        assert_string_equal(p->revocation_error, "/e");
        assert_true(p->revocation_ends_account);
        assert_string_equal(p->webhook.header, "X-Sig");
        assert_int_equal(p->webhook.encoding, WEBHOOK_HEX);
        assert_string_equal(p->webhook.prefix, "sha256=");
        assert_string_equal(p->webhook.disconnect_pointer, "/t");
        assert_string_equal(p->webhook.disconnect_value, "GONE");
        assert_int_equal(p->webhook.algorithm, WEBHOOK_HMAC_SHA512);
        assert_string_equal(p->webhook.signature_element, "v1");
        assert_string_equal(p->webhook.timestamp_element, "t");
        assert_string_equal(p->webhook.timestamp_separator, ":");
        assert_int_equal(p->webhook.tolerance_usec, 120 * SEC);
        assert_string_equal(p->webhook.occurred_at, "/o");
        assert_string_equal(p->webhook.account_id, "/i");
}

static void test_every_key_is_read(void **state)
{
        _cleanup_(provider_freep) struct provider *p = read_well(EVERYTHING);

        expect_everything(p);
}

static void test_an_extension_has_all_that_its_base_has(void **state)
{
        _cleanup_(provider_freep) struct provider *base = read_well(EVERYTHING), *p = NULL;

        read_base(&p, base, "extends: base");
        base = provider_free(base);
        expect_everything(p);
}

static void test_an_extension_merges_mappings_and_replaces_lists(void **state)
{
        _cleanup_(provider_freep) struct provider *base = read_well(EVERYTHING), *p = NULL;

        read_base(&p, base,
                  "token_endpoint: https://other.example.com/token\n"
                  "token_endpoint_auth_method: client_secret_post\n"
                  "code_challenge_method: S256\n"
                  "authorization_parameters: {prompt: login, hd: example.com}\n"
                  "token_endpoint_answers: [{status: 418, means: try_again}]\n"
                  "api: {url: http://localhost:1/graphql, answers: []}\n"
                  "revocation: {ends_account: false}\n"
                  "webhooks: {encoding: base64}\n");
        assert_string_equal(p->token_endpoint, "https://other.example.com/token");
        assert_string_equal(p->authorization_endpoint, "https://id.example.com/authorize");
        assert_int_equal(p->auth_method, AUTH_METHOD_POST);
        assert_true(p->pkce);
        assert_int_equal(p->authorization_parameters.n, 3);
        assert_int_equal(p->n_token_rules, 1);
        assert_int_equal(p->token_rules[0].status, 418);
        assert_string_equal(p->api.url, "http://localhost:1/graphql");
        assert_string_equal(p->api.version_header, "X-Version");
        assert_string_equal(p->api.account_id, "/a");
        assert_int_equal(p->n_api_rules, 0);
        assert_int_equal(p->revocation, REVOCATION_GRAPHQL);
        assert_string_equal(p->revocation_mutation, "mutation { x }");
        assert_false(p->revocation_ends_account);
        assert_int_equal(p->webhook.encoding, WEBHOOK_BASE64);
        assert_string_equal(p->webhook.header, "X-Sig");
        assert_string_equal(base->token_endpoint, "https://id.example.com/token");
        assert_int_equal(base->n_token_rules, 5);
}

static void test_null_takes_back_what_was_inherited(void **state)
{
        _cleanup_(provider_freep) struct provider *base = read_well(EVERYTHING), *p = NULL;

        read_base(&p, base,
                  "revocation_endpoint: null\nca_file: ~\nissuer: null\n"
                  "api: {version_header: null, default_version: null, answers: null}\n"
                  "authorization_parameters: {access_type: null}\n"
                  "token_endpoint_answers: ~\nwebhooks: {prefix: null}\n");
        assert_null(p->revocation_endpoint);
        assert_null(p->ca_file);
        assert_null(p->issuer);
        assert_null(p->api.version_header);
        assert_null(p->api.default_version);
        assert_int_equal(p->n_api_rules, 0);
        assert_int_equal(p->n_token_rules, 0);
        assert_int_equal(p->authorization_parameters.n, 1);
        assert_string_equal(p->authorization_parameters.items[0].name, "prompt");
        assert_null(p->webhook.prefix);
}

static void test_an_issuer_takes_back_the_endpoints_of_another(void **state)
{
        _cleanup_(provider_freep) struct provider *base = read_well(EVERYTHING), *p = NULL, *half = NULL;

        read_base(&p, base, "extends: base\nissuer: https://id.example.org\n");
        assert_string_equal(p->issuer, "https://id.example.org");
        assert_null(p->authorization_endpoint);
        assert_null(p->token_endpoint);
        assert_null(p->revocation_endpoint);
        assert_string_equal(p->api.url, "https://api.example.com/graphql");
        read_base(&half, base, "token_endpoint: https://id.example.org/t\nissuer: https://id.example.org\n");
        assert_string_equal(half->token_endpoint, "https://id.example.org/t");
        assert_null(half->authorization_endpoint);
}

static void test_a_section_without_anything_in_it_says_nothing(void **state)
{
        _cleanup_(provider_freep) struct provider *p = read_well(
                ENDPOINTS
                "api:\nrevocation:\nwebhooks:\nauthorization_parameters:\ntoken_endpoint_answers:\n");

        assert_null(p->api.url);
        assert_int_equal(p->n_token_rules, 0);
}

static void test_urls_are_acceptable_over_tls_or_on_loopback(void **state)
{
        static const char *const good[] = {
                "https://id.example.com",       "https://id.example.com/token?tenant=a%20b&c=d",
                "HTTPS://ID.EXAMPLE.COM:8443/", "https://[2001:db8::1]:443/t",
                "https://192.0.2.1/t",          "http://127.0.0.1/t",
                "http://127.8.9.10:8080/t",     "http://localhost:3000",
                "http://LocalHost/t",           "http://[::1]:8080/t",
        };
        static const char *const bad[] = {
                "",
                "id.example.com",
                "/token",
                "https:",
                "https://",
                "https:///path",
                "https:id.example.com",
                "ftp://id.example.com/",
                "http://id.example.com/",
                "http://127.0.0.1.example.com/",
                "http://127.1/",
                "http://2130706433/",
                "http://0x7f.0.0.1/",
                "http://0.0.0.0/",
                "http://128.0.0.1/",
                "http://[::2]/",
                "http://[::ffff:127.0.0.1]/",
                "http://localhost.example.com/",
                "http://localhost@example.com/",
                "https://user@id.example.com/",
                "https://user:hunter2@id.example.com/",
                "http://127.0.0.1\\@example.com/",
                "https://id.example.com/#part",
                "https://id.example.com/a b",
                "https://id.example.com/%zz",
                "https://id.example.com/\xc3\xbc",
                "https://id.example.com:/",
                "https://id.example.com:0/",
                "https://id.example.com:65536/",
                "https://id.example.com:8a/",
                "https://[2001:db8::1/",
                "https://[2001:db8::1]x/",
                "https://[]/",
                "https://[fe80::1%25eth0]/",
                "https://.example.com/",
                "https://-a.example.com/",
                "https://a*b.example.com/",
                " https://id.example.com/",
                "https://id.example.com/\n",
        };

        for (size_t i = 0; i < N(good); i++)
                if (!url_is_acceptable(good[i]))
                        fail_msg("%s was refused", good[i]);
        for (size_t i = 0; i < N(bad); i++)
                if (url_is_acceptable(bad[i]))
                        fail_msg("%s was accepted", bad[i]);
}

static void test_loopback_is_told_by_the_host_alone(void **state)
{
        assert_true(url_is_loopback("http://127.0.0.1:8723/callback"));
        assert_true(url_is_loopback("https://localhost/"));
        assert_true(url_is_loopback("http://[::1]"));
        assert_false(url_is_loopback("http://example.com/127.0.0.1"));
        assert_false(url_is_loopback("http://127.0.0.1@example.com/"));
        assert_false(url_is_loopback("localhost"));
}

static void test_redirects_go_to_tls_loopback_or_an_application(void **state)
{
        static const char *const good[] = { "https://app.example.com/callback?x=y",
                                            "http://127.0.0.1:8723/callback", "http://localhost:3001/",
                                            "com.example.app:/callback", "urn:ietf:wg:oauth:2.0:oob" };
        static const char *const bad[] = { "/callback",
                                           "callback",
                                           "app.example.com/callback",
                                           "http://app.example.com/callback",
                                           "https://app.example.com/#x",
                                           "com.example.app:/callback#x",
                                           "com.example.app:",
                                           "https://user@app.example.com/",
                                           "javascript:alert(1)",
                                           "data:text/html,x",
                                           "file:///etc/passwd",
                                           "1a:/x",
                                           "a b:/x" };

        for (size_t i = 0; i < N(good); i++)
                if (!url_is_redirect(good[i]))
                        fail_msg("%s was refused", good[i]);
        for (size_t i = 0; i < N(bad); i++)
                if (url_is_redirect(bad[i]))
                        fail_msg("%s was accepted", bad[i]);
}

static void test_a_version_is_visible_text_that_fits(void **state)
{
        char longest[65];

        memset(longest, '1', sizeof(longest));
        longest[63] = '\0';
        assert_true(api_version_is_valid(longest));
        longest[63] = '1';
        longest[64] = '\0';
        assert_false(api_version_is_valid(longest));
        assert_true(api_version_is_valid("2023-08-18"));
        assert_true(api_version_is_valid("2023-10-16; beta=v1"));
        assert_false(api_version_is_valid(""));
        assert_false(api_version_is_valid(" 1"));
        assert_false(api_version_is_valid("1 "));
        assert_false(api_version_is_valid("1\r\nX: y"));
        assert_false(api_version_is_valid("\xc3\xbc"));
}

static void test_every_meaning_has_the_name_that_files_use(void **state)
{
        assert_string_equal(meaning_name(MEANING_NONE), "none");
        assert_string_equal(meaning_name(MEANING_AUTHORIZATION_REQUIRED), "authorization_required");
        assert_string_equal(meaning_name(MEANING_DISCONNECTED), "disconnected");
        assert_string_equal(meaning_name(MEANING_TRY_AGAIN), "try_again");
        assert_string_equal(meaning_name(MEANING_CLIENT_REFUSED), "client_refused");
        assert_string_equal(meaning_name(MEANING_TOKEN_REJECTED), "token_rejected");
        assert_string_equal(meaning_name(MEANING_FOREIGN_REFRESHER), "foreign_refresher");
        assert_string_equal(meaning_name(MEANING_VERSION_UNSUPPORTED), "version_unsupported");
        assert_string_equal(meaning_name(MEANING_VERSION_TO_BE_REMOVED), "version_to_be_removed");
        assert_string_equal(meaning_name(MEANING_NOTICE), "notice");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_two_endpoints_are_enough_and_the_rest_has_defaults),
                cmocka_unit_test(test_an_issuer_stands_for_the_endpoints),
                cmocka_unit_test(test_variables_stand_in_the_urls_of_those_who_extend),
                cmocka_unit_test(test_every_key_is_read),
                cmocka_unit_test(test_an_extension_has_all_that_its_base_has),
                cmocka_unit_test(test_an_extension_merges_mappings_and_replaces_lists),
                cmocka_unit_test(test_null_takes_back_what_was_inherited),
                cmocka_unit_test(test_an_issuer_takes_back_the_endpoints_of_another),
                cmocka_unit_test(test_a_section_without_anything_in_it_says_nothing),
                cmocka_unit_test(test_urls_are_acceptable_over_tls_or_on_loopback),
                cmocka_unit_test(test_loopback_is_told_by_the_host_alone),
                cmocka_unit_test(test_redirects_go_to_tls_loopback_or_an_application),
                cmocka_unit_test(test_a_version_is_visible_text_that_fits),
                cmocka_unit_test(test_every_meaning_has_the_name_that_files_use),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
