// links: daemon/config/
// libs: yaml-0.1
/* Mistakes in the file of a provider, each with its line. */
#include "tests/beds/provider_texts.h"

#include "daemon/config/provider.h"

#include <stdio.h>
#include <string.h>

#define URL_MUST "must be an https URL without user or fragment (http only to a loopback address)"

#define HEADER_MUST "must be the name of an HTTP header (a token, RFC 9110 section 5.6.2)"
#define RULE "token_endpoint_answers:\n  - "

static void test_every_mistake_has_its_line(void **state)
{
        static const struct {
                const char *text, *line;
        } cases[] = {
                { "- a\n", "f:1:1: must be a mapping (key: value)" },
                { "text\n", "f:1:1: must be a mapping (key: value)" },
                { "token_endpoint: https://a.example/t\n",
                  "f:1:1: authorization_endpoint: is missing, and there is no issuer to discover it from (a "
                  "provider that changes "
                  "another one says `extends`)" },
                { "authorization_endpoint: https://a.example/t\n",
                  "f:1:1: token_endpoint: is missing, and there is no issuer to discover it from (a provider "
                  "that changes "
                  "another one says `extends`)" },
                { ENDPOINTS "tokenendpoint: x\n",
                  "f:3:1: tokenendpoint: unknown key; did you mean 'token_endpoint'?" },
                { ENDPOINTS "Issuer: x\n", "f:3:1: Issuer: unknown key; did you mean 'issuer'?" },
                { ENDPOINTS "api: {test-query: x}\n",
                  "f:3:7: api.test-query: unknown key; did you mean 'test_query'?" },
                { ENDPOINTS "api: {defualt_version: x}\n",
                  "f:3:7: api.defualt_version: unknown key; did you mean 'default_version'?" },
                { ENDPOINTS "revocation: {zzzzzzzz: x}\n",
                  "f:3:14: revocation.zzzzzzzz: unknown key; known "
                  "here: method, mutation, url, request_method, authentication, format, parameters, headers, "
                  "error, ends_account" },
                { ENDPOINTS "api: text\n", "f:3:6: api: must be a mapping (key: value)" },
                { ENDPOINTS "api: null\n", "f:3:6: api: must be a mapping (key: value)" },
                { ENDPOINTS "api: {answers: {status: 1}}\n", "f:3:16: api.answers: must be a list (- item)" },
                { ENDPOINTS "revocation_endpoint: [x]\n", "f:3:22: revocation_endpoint: must be text" },
                { ENDPOINTS "revocation_endpoint:\n", "f:3:21: revocation_endpoint: has no value" },
                { ENDPOINTS "revocation_endpoint: ''\n", "f:3:22: revocation_endpoint: must not be empty" },
                { ENDPOINTS "revocation_endpoint: http://id.example.com/r\n",
                  "f:3:22: revocation_endpoint: " URL_MUST },
                { ENDPOINTS "revocation_endpoint: \"https://id.example.com/\\x07\"\n",
                  "f:3:22: revocation_endpoint: holds a control character" },
                { ENDPOINTS "revocation_endpoint: \"https://id.example.com/\\u0085\"\n",
                  "f:3:22: revocation_endpoint: holds a control character" },
                { ENDPOINTS "revocation_endpoint: |\n  https://id.example.com/\n",
                  "f:3:22: revocation_endpoint: must be one line" },
                { "token_endpoint: http://a.example/t\nauthorization_endpoint: https://a.example/t\n",
                  "f:1:17: token_endpoint: " URL_MUST },
                { "issuer: https://id.example.com/?x=y\n",
                  "f:1:9: issuer: " URL_MUST ", and without query (RFC 8414 section 2)" },
                { ENDPOINTS "token_endpoint_auth_method: client_secret_jwt\n",
                  "f:3:29: token_endpoint_auth_method: must be one of: client_secret_post, "
                  "client_secret_basic, private_key_jwt, none" },
                { ENDPOINTS "client_assertion_audience: https://id.example.com\n",
                  "f:3:28: client_assertion_audience: must be one of: issuer, token_endpoint" },
                { ENDPOINTS "require_pushed_authorization_requests: true\n",
                  "f:1:1: pushed_authorization_request_endpoint: is missing, but "
                  "require_pushed_authorization_requests is true" },
                { ENDPOINTS "pushed_authorization_request_endpoint: http://id.example.com/par\n",
                  "f:3:40: pushed_authorization_request_endpoint: must be an https URL without user or "
                  "fragment (http only to a loopback address)" },
                { ENDPOINTS "client_assertion_audience: issuer\n",
                  "f:1:1: issuer: is missing, but client_assertion_audience is issuer" },
                { ENDPOINTS "token_endpoint_auth_method: null\n",
                  "f:3:29: token_endpoint_auth_method: must be one of: client_secret_post, "
                  "client_secret_basic, private_key_jwt, none" },
                { ENDPOINTS "code_challenge_method: plain\n",
                  "f:3:24: code_challenge_method: must be one of: S256, off" },
                { ENDPOINTS "ca_file: ca.pem\n", "f:3:10: ca_file: must be an absolute path" },
                { ENDPOINTS "scope_in_url: no\n", "f:3:15: scope_in_url: must be true or false" },
                { ENDPOINTS "scope_in_url: 'true'\n", "f:3:15: scope_in_url: must be true or false" },
                { ENDPOINTS "default_token_lifetime: soon\n",
                  "f:3:25: default_token_lifetime: must be a duration, like 60m; at least 1s" },
                { ENDPOINTS "default_token_lifetime: 0\n",
                  "f:3:25: default_token_lifetime: must be a duration, like 60m; at least 1s" },
                { ENDPOINTS "default_token_lifetime: [1h]\n",
                  "f:3:25: default_token_lifetime: must be text" },
                { ENDPOINTS "max_replays: 6\n", "f:3:14: max_replays: must be a number from 0 to 5" },
                { ENDPOINTS "max_replays: -1\n", "f:3:14: max_replays: must be a number from 0 to 5" },
                { ENDPOINTS "max_replays: 18446744073709551617\n",
                  "f:3:14: max_replays: must be a number from 0 to 5" },
                { ENDPOINTS "authorization_parameters: [a]\n",
                  "f:3:27: authorization_parameters: must be a mapping (key: value)" },
                { ENDPOINTS "authorization_parameters: {state: a}\n",
                  "f:3:35: authorization_parameters.state: is not for a provider to set" },
                { ENDPOINTS "authorization_parameters: {client_secret: hunter2}\n",
                  "f:3:43: authorization_parameters.client_secret: is not for a provider to set" },
                { ENDPOINTS "authorization_parameters: {a: [b]}\n",
                  "f:3:31: authorization_parameters.a: must be text" },
                { ENDPOINTS "authorization_parameters: {'': b}\n",
                  "f:3:28: authorization_parameters.'': must not be empty" },
                { ENDPOINTS "token_parameters: {code_verifier: a}\n",
                  "f:3:35: token_parameters.code_verifier: is not for a provider to set" },
                { ENDPOINTS "token_headers: {authorization: a}\n",
                  "f:3:32: token_headers.authorization: must be the name of an HTTP header that nothing "
                  "else uses, and a value of visible ASCII" },
                { ENDPOINTS "token_headers: {X-A: \"\xc3\xa4\"}\n",
                  "f:3:22: token_headers.X-A: must be the name of an HTTP header that nothing else uses, and "
                  "a value of visible ASCII" },
                { ENDPOINTS "token_request_format: xml\n",
                  "f:3:23: token_request_format: must be one of: form, json" },
                { ENDPOINTS "grant_types_supported: [authorization_code, password]\n",
                  "f:3:45: grant_types_supported[1]: must be one of: authorization_code, refresh_token, "
                  "client_credentials, urn:ietf:params:oauth:grant-type:device_code" },
                { ENDPOINTS "refresh_token_rotation: perhaps\n",
                  "f:3:25: refresh_token_rotation: must be one of: always, never, optional" },
                { ENDPOINTS "api: {token_header: Cookie}\n",
                  "f:3:21: api.token_header: must be the name of an HTTP header (a token, RFC 9110 section "
                  "5.6.2) that nothing else uses" },
                { ENDPOINTS "revocation: {method: request}\n",
                  "f:3:13: revocation.url: is missing, but method is request" },
                { ENDPOINTS "revocation: {method: request, url: 'https://a.example/{Token}'}\n",
                  "f:3:36: revocation.url: " URL_MUST },
                { ENDPOINTS "revocation: {method: request, url: 'https://a.example/', parameters: {a: "
                            "'{code}'}}\n",
                  "f:3:74: revocation.parameters.a: must be visible ASCII, with no other {names} than "
                  "client_id, client_secret, access_token, refresh_token and account_id" },
                { ENDPOINTS "variables: {shop: a/b}\n",
                  "f:3:19: variables.shop: must be a name of lower case letters and underscores, and a "
                  "value of letters, digits, dots, hyphens and underscores" },
                { ENDPOINTS "variables: {client_id: a}\n",
                  "f:3:24: variables.client_id: must be a name of lower case letters and underscores, and a "
                  "value of letters, digits, dots, hyphens and underscores" },
                { "authorization_endpoint: https://{shop}.example.com/\n"
                  "token_endpoint: https://a.example\nvariables: {shop: -}\n",
                  "f:3:12: variables: make no URL: https://-.example.com/" },
                { ENDPOINTS RULE "{status: 200}\n", "f:4:5: token_endpoint_answers[0].means: is missing" },
                { ENDPOINTS RULE "{means: try_again}\n", "f:4:5: token_endpoint_answers[0]: must name at "
                                                         "least one of status, error, member, contains" },
                { ENDPOINTS RULE "{status: 200, means: try_agian}\n",
                  "f:4:26: token_endpoint_answers[0].means: must be one of: authorization_required, "
                  "try_again, notice, "
                  "disconnected, client_refused, foreign_refresher" },
                { ENDPOINTS RULE "{status: 200, means: token_rejected}\n",
                  "f:4:26: token_endpoint_answers[0].means: must be one of: authorization_required, "
                  "try_again, notice, "
                  "disconnected, client_refused, foreign_refresher" },
                { ENDPOINTS "api: {answers: [{status: 200, means: foreign_refresher}]}\n",
                  "f:3:38: api.answers[0].means: must be one of: authorization_required, try_again, notice, "
                  "token_rejected, "
                  "version_unsupported, version_to_be_removed" },
                { ENDPOINTS RULE "{status: 99, means: notice}\n",
                  "f:4:14: token_endpoint_answers[0].status: must be an HTTP status, 100 to 599" },
                { ENDPOINTS RULE "{member: warning, means: notice}\n",
                  "f:4:14: token_endpoint_answers[0].member: must be a JSON pointer, like /errors/0/message "
                  "(RFC 6901)" },
                { ENDPOINTS RULE "text\n",
                  "f:4:5: token_endpoint_answers[0]: must be a mapping (key: value)" },
                { ENDPOINTS RULE "{state: 200, error: x, means: notice}\n",
                  "f:4:6: token_endpoint_answers[0].state: unknown key; did you mean 'status'?" },
                { ENDPOINTS "api: {version_header: 'X Version'}\n",
                  "f:3:23: api.version_header: " HEADER_MUST " that nothing else uses" },
                { ENDPOINTS "api: {version_header: \"X-Version:\"}\n",
                  "f:3:23: api.version_header: " HEADER_MUST " that nothing else uses" },
                { ENDPOINTS "api: {version_header: authorization}\n",
                  "f:3:23: api.version_header: " HEADER_MUST " that nothing else uses" },
                { ENDPOINTS "api: {version_header: X-V, default_version: \"\xc3\xbc\"}\n",
                  "f:3:45: api.default_version: must be 1 to 63 visible ASCII characters" },
                { ENDPOINTS "api: {default_version: '1'}\n",
                  "f:3:6: api.version_header: is missing, but there is a default_version" },
                { ENDPOINTS "api: {test_query: x}\n",
                  "f:3:6: api.url: is missing, but there is a test_query to send" },
                { ENDPOINTS "api: {url: https://a.example, test_query: x, test_url: https://a.example/me}\n",
                  "f:3:56: api.test_url: there is a test_query, too: one of the two must be null" },
                { ENDPOINTS "api: {test_answer: {account_id: id}}\n",
                  "f:3:33: api.test_answer.account_id: must be a JSON pointer, like /data/account/id (RFC "
                  "6901)" },
                { ENDPOINTS "api: {test_answer: {account_id: /a~2}}\n",
                  "f:3:33: api.test_answer.account_id: must be a JSON pointer, like /data/account/id (RFC "
                  "6901)" },
                { ENDPOINTS "api: {test_answer: {served_version_header: 'a b'}}\n",
                  "f:3:44: api.test_answer.served_version_header: " HEADER_MUST },
                { ENDPOINTS "revocation: {method: rfc7009}\n",
                  "f:1:1: revocation_endpoint: is missing, but revocation.method is rfc7009" },
                { ENDPOINTS "revocation: {method: post}\n",
                  "f:3:22: revocation.method: must be one of: none, rfc7009, graphql, request" },
                { ENDPOINTS "api: {url: https://a.example}\nrevocation: {method: graphql}\n",
                  "f:4:13: revocation.mutation: is missing, but method is graphql" },
                { ENDPOINTS "revocation: {method: graphql, mutation: x}\n",
                  "f:1:1: api.url: is missing, but revocation.method is graphql" },
                { ENDPOINTS "webhooks: {disconnect_pointer: /t}\n",
                  "f:3:11: webhooks.disconnect_value: is missing, but there is a disconnect_pointer" },
                { ENDPOINTS "webhooks: {disconnect_value: t}\n",
                  "f:3:11: webhooks.disconnect_pointer: is missing, but there is a disconnect_value" },
                { ENDPOINTS "webhooks: {encoding: base32}\n",
                  "f:3:22: webhooks.encoding: must be one of: base64, hex" },
                { ENDPOINTS "webhooks: {algorithm: hmac-md5}\n",
                  "f:3:23: webhooks.algorithm: must be one of: hmac-sha256, hmac-sha512" },
                { ENDPOINTS "webhooks: {timestamp_element: t}\n",
                  "f:3:11: webhooks.signature_element: is missing, but there is a timestamp_element" },
                { ENDPOINTS "webhooks: {tolerance: 5m}\n",
                  "f:3:11: webhooks.timestamp_element: is missing, but there is a tolerance" },
        };

        for (size_t i = 0; i < N(cases); i++) {
                struct problems problems = PROBLEMS_INIT;
                _cleanup_(yaml_node_freep) struct yaml_node *node = NULL;
                _cleanup_(provider_freep) struct provider *provider = NULL;

                assert_int_equal(yaml_doc_parse(&node, "f", cases[i].text, strlen(cases[i].text), &problems),
                                 0);
                if (provider_read(&provider, "p", NULL, "f", "", node, &problems) != PROVIDER_E_MISTAKES)
                        fail_msg("%s: no mistake", cases[i].text);
                assert_string_equal(problems.lines[0], cases[i].line);
                if (problems.n != 1)
                        fail_msg("%s: also %s", cases[i].text, problems.lines[1]);
                assert_true(provider->has_mistakes);
                problems_done(&problems);
        }
}

static void test_an_extension_of_a_mistaken_base_is_blamed_for_its_own_mistakes_alone(void **state)
{
        static const char base_text[] = "token_endpoint: http://a.example/t\n", text[] = "max_replays: 9\n";
        struct problems problems = PROBLEMS_INIT;
        _cleanup_(yaml_node_freep) struct yaml_node *base_node = NULL, *node = NULL;
        _cleanup_(provider_freep) struct provider *base = NULL, *provider = NULL;

        assert_int_equal(yaml_doc_parse(&base_node, "f", base_text, strlen(base_text), &problems), 0);
        assert_int_equal(yaml_doc_parse(&node, "g", text, strlen(text), &problems), 0);
        assert_int_equal(provider_read(&base, "b", NULL, "f", "", base_node, &problems), PROVIDER_E_MISTAKES);
        problems_done(&problems);
        assert_int_equal(provider_read(&provider, "p", base, "g", "providers.p", node, &problems),
                         PROVIDER_E_MISTAKES);
        assert_int_equal(problems.n, 1);
        assert_string_equal(problems.lines[0],
                            "g:1:14: providers.p.max_replays: must be a number from 0 to 5");
        problems_done(&problems);
}

static void test_a_sentence_of_a_rule_fits_a_status_line(void **state)
{
        char text[600], say[302];
        struct problems problems = PROBLEMS_INIT;

        for (size_t n = 300; n <= 301; n++) {
                _cleanup_(yaml_node_freep) struct yaml_node *node = NULL;
                _cleanup_(provider_freep) struct provider *provider = NULL;

                memset(say, 'x', n);
                say[n] = '\0';
                snprintf(text, sizeof(text), ENDPOINTS RULE "{status: 200, means: notice, say: %s}\n", say);
                assert_int_equal(yaml_doc_parse(&node, "f", text, strlen(text), &problems), 0);
                assert_int_equal(provider_read(&provider, "p", NULL, "f", "", node, &problems),
                                 n == 300 ? 0 : PROVIDER_E_MISTAKES);
        }
        assert_string_equal(problems.lines[0],
                            "f:4:39: token_endpoint_answers[0].say: is too long: at most 300 bytes");
        problems_done(&problems);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_mistake_has_its_line),
                cmocka_unit_test(test_an_extension_of_a_mistaken_base_is_blamed_for_its_own_mistakes_alone),
                cmocka_unit_test(test_a_sentence_of_a_rule_fits_a_status_line),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
