// links: daemon/protocol/
// libs: libsodium jansson yaml-0.1
/* Revocations of a provider's own kind, each as a file would describe it. */
#include "daemon/protocol/oauth.h"

#include "tests/beds/provider_samples.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENDPOINTS                                                                                            \
        "authorization_endpoint: https://id.example.com/authorize\n"                                         \
        "token_endpoint: https://id.example.com/token\n"

static struct provider *provider;
static struct secret *client_secret, *access_token, *refresh_token;
static struct oauth_ending ending;
static struct http_request *request;
static const char *missing;

static int set_up(void **state)
{
        assert_int_equal(secret_new_string(&client_secret, "s e"), 0);
        assert_int_equal(secret_new_string(&access_token, "a/1"), 0);
        assert_int_equal(secret_new_string(&refresh_token, "r+1"), 0);
        ending = (struct oauth_ending){ access_token, refresh_token, "Bearer", "acc-1" };
        return 0;
}

static int tear_down(void **state)
{
        provider = provider_free(provider);
        client_secret = secret_free(client_secret);
        access_token = secret_free(access_token);
        refresh_token = secret_free(refresh_token);
        request = http_request_free(request);
        missing = NULL;
        return 0;
}

static int ask(const char *revocation)
{
        struct problems problems = PROBLEMS_INIT;
        _cleanup_(yaml_node_freep) struct yaml_node *node = NULL;
        char text[2048];

        snprintf(text, sizeof(text), ENDPOINTS "%s\n", revocation);
        assert_int_equal(yaml_doc_parse(&node, "f", text, strlen(text), &problems), 0);
        if (provider_read(&provider, "p", NULL, "f", "", node, &problems) != 0)
                fail_msg("%s", problems.n > 0 ? problems.lines[0] : "a fault");
        return oauth_ending_request(&(struct oauth_client){ .provider = provider,
                                                            .client_id = "the client",
                                                            .secret = client_secret },
                                    &ending, &request, &missing);
}

static void test_a_token_may_stand_in_the_path(void **state)
{
        assert_int_equal(
                ask("revocation: {method: request, request_method: DELETE, authentication: none, url: "
                    "'https://api.example.com/tokens/{refresh_token}?c={client_id}'}"),
                0);
        assert_string_equal(request->url, "https://api.example.com/tokens/r%2B1?c=the+client");
        assert_string_equal(request->method, "DELETE");
        assert_false(request->post);
        assert_null(request->body);
        assert_null(sample_expose_header(request, "Authorization"));
        assert_null(sample_expose_header(request, "Content-Type"));
}

static void test_a_client_may_send_json_with_delete(void **state)
{
        assert_int_equal(ask("revocation: {method: request, request_method: DELETE, format: json, url: "
                             "'https://api.example.com/{client_id}/token', parameters: {access_token: "
                             "'{access_token}'}}"),
                         0);
        assert_string_equal(request->method, "DELETE");
        assert_true(request->post);
        assert_string_equal(secret_expose(request->body), "{\"access_token\":\"a/1\"}");
        assert_memory_equal(sample_expose_header(request, "Authorization"), "Basic ", 6);
}

static void test_the_access_token_may_authenticate_and_nothing_be_said(void **state)
{
        assert_int_equal(ask("revocation: {method: request, authentication: token, url: "
                             "'https://api.example.com/revoke'}"),
                         0);
        assert_true(request->post);
        assert_null(request->method);
        assert_int_equal(secret_size(request->body), 0);
        assert_string_equal(sample_expose_header(request, "Authorization"), "Bearer a/1");
}

static void test_the_access_token_goes_where_the_api_wants_it(void **state)
{
        assert_int_equal(
                ask("api: {token_header: X-Token}\nrevocation: {method: request, authentication: token, "
                    "url: 'https://api.example.com/revoke'}"),
                0);
        assert_string_equal(sample_expose_header(request, "X-Token"), "a/1");
        assert_null(sample_expose_header(request, "Authorization"));
}

static void test_headers_and_parameters_may_hold_what_authenticates(void **state)
{
        assert_int_equal(
                ask("revocation: {method: request, authentication: none, url: "
                    "'https://api.example.com/revoke', headers: {Authorization: 'Client "
                    "{client_secret}'}, parameters: {id: '{client_id}', account: 'a:{account_id}'}}"),
                0);
        assert_string_equal(sample_expose_header(request, "Authorization"), "Client s e");
        assert_string_equal(secret_expose(request->body), "id=the+client&account=a%3Aacc-1");
}

static void test_what_the_grant_has_not_is_named(void **state)
{
        ending.account_id = NULL;
        assert_int_equal(ask("revocation: {method: request, url: 'https://api.example.com/{account_id}'}"),
                         OAUTH_E_NO_VALUE);
        assert_string_equal(missing, "account_id");
        assert_null(request);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_a_token_may_stand_in_the_path),
                TEST(test_a_client_may_send_json_with_delete),
                TEST(test_the_access_token_may_authenticate_and_nothing_be_said),
                TEST(test_the_access_token_goes_where_the_api_wants_it),
                TEST(test_headers_and_parameters_may_hold_what_authenticates),
                TEST(test_what_the_grant_has_not_is_named),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
