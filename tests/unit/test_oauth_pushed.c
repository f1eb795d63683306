// links: daemon/protocol/
// libs: libsodium jansson
// ldflags: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=strdup,--wrap=strndup,--wrap=realpath
/* Authorization requests that are pushed to the provider (RFC 9126), and what is believed of its answer. */
#include "daemon/protocol/oauth.h"

#include "common/wipe.h"
#include "tests/beds/out_of_memory.h"
#include "tests/beds/provider_samples.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define URI "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c"

static const char *const scopes[] = { "jobs:read", "jobs:write" };
static const struct oauth_authorization asked = {
        .redirect_uri = "http://127.0.0.1:8723/callback",
        .state = "s-1",
        .challenge = "c-1",
        .scopes = scopes,
        .n_scopes = 2,
};

static struct oauth_client client_of(const struct provider *provider)
{
        return (struct oauth_client){ .provider = provider,
                                      .endpoints = { .authorization =
                                                             "https://id.example.com/authorize?tenant=a",
                                                     .pushed = "https://id.example.com/par" },
                                      .client_id = "the app" };
}

#define PARAMETERS                                                                                           \
        "redirect_uri=http%3A%2F%2F127.0.0.1%3A8723%2Fcallback&scope=jobs%3Aread+jobs%3Awrite&state=s-1&"    \
        "code_challenge=c-1&code_challenge_method=S256"

/* The client's id is a parameter of it once, and never twice (RFC 9126 section 2.1). */
static void expect_pushed(const struct oauth_client *client, const char *body, bool header)
{
        _cleanup_(http_request_freep) struct http_request *request = NULL;

        assert_int_equal(oauth_pushed_request(client, &asked, &request), 0);
        assert_true(request->post);
        assert_string_equal(request->url, "https://id.example.com/par");
        assert_string_equal(secret_expose(request->body), body);
        assert_string_equal(sample_expose_header(request, "Content-Type"),
                            "application/x-www-form-urlencoded");
        assert_int_equal(sample_expose_header(request, "Authorization") != NULL, header);
}

static void test_the_client_says_who_it_is_as_at_the_token_endpoint(void **state)
{
        _cleanup_(secret_freep) struct secret *secret = NULL, *assertion = NULL;
        struct provider provider = sample_plain;
        struct oauth_client client = client_of(&provider);

        assert_int_equal(secret_new_string(&secret, "hush"), 0);
        assert_int_equal(secret_new_string(&assertion, "a.b.c"), 0);
        expect_pushed(&client, "response_type=code&" PARAMETERS "&client_id=the+app", false);
        client.secret = secret;
        expect_pushed(&client, "response_type=code&client_id=the+app&" PARAMETERS, true);
        provider.auth_method = AUTH_METHOD_POST;
        expect_pushed(&client, "response_type=code&" PARAMETERS "&client_id=the+app&client_secret=hush",
                      false);
        provider.auth_method = AUTH_METHOD_PRIVATE_KEY_JWT;
        client.assertion = assertion;
        expect_pushed(&client,
                      "response_type=code&" PARAMETERS
                      "&client_id=the+app&client_assertion_type=urn%3Aietf%3Aparams%3A"
                      "oauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=a.b.c",
                      false);
}

static void test_a_provider_that_takes_json_elsewhere_gets_a_form_here(void **state)
{
        struct provider provider = sample_plain;
        struct oauth_client client = client_of(&provider);

        provider.json_requests = true;
        expect_pushed(&client, "response_type=code&" PARAMETERS "&client_id=the+app", false);
        client.endpoints.pushed = NULL;
        assert_int_equal(oauth_pushed_request(&client, &asked, &(struct http_request *){ NULL }), -EINVAL);
}

static void test_the_browser_brings_client_and_name_alone(void **state)
{
        struct oauth_client client = client_of(&sample_plain);
        struct oauth_pushed pushed = { .request_uri = "https://id.example.com/r?a=b&c=d#e" };
        char *url = NULL;

        assert_int_equal(oauth_pushed_url(&client, &pushed, &url), 0);
        assert_string_equal(
                url,
                "https://id.example.com/authorize?tenant=a&client_id=the+app&request_uri=https%3A%2F%2Fid."
                "example.com%2Fr%3Fa%3Db%26c%3Dd%23e");
        free(url);
        client.endpoints.authorization = NULL;
        assert_int_equal(oauth_pushed_url(&client, &pushed, &url), -EINVAL);
}

static int read_body(long status, const char *body, struct oauth_pushed *ret)
{
        struct http_response response = sample_answer(status, NULL, body);
        int r = oauth_read_pushed_answer(&response, ret);

        http_response_done(&response);
        return r;
}

static void test_an_answer_names_the_request_and_its_end(void **state)
{
        struct oauth_pushed pushed;

        assert_int_equal(read_body(201, "{\"request_uri\":\"" URI "\",\"expires_in\":60}", &pushed), 0);
        assert_string_equal(pushed.request_uri, URI);
        assert_int_equal(pushed.expires_sec, 60);
        assert_int_equal(read_body(200, "{\"expires_in\":1e15,\"request_uri\":\"x\"}", &pushed), 0);
        assert_string_equal(pushed.request_uri, "x");
        assert_int_equal(pushed.expires_sec, 86400);
}

static void test_anything_else_is_no_answer(void **state)
{
        static const struct {
                long status;
                const char *body;
        } cases[] = {
                { 201, "" },
                { 201, "<html>" },
                { 201, "[]" },
                { 201, "{}" },
                { 201, "{\"request_uri\":\"x\"}" },
                { 201, "{\"expires_in\":60}" },
                { 201, "{\"request_uri\":\"\",\"expires_in\":60}" },
                { 201, "{\"request_uri\":7,\"expires_in\":60}" },
                { 201, "{\"request_uri\":null,\"expires_in\":60}" },
                { 201, "{\"request_uri\":[\"x\"],\"expires_in\":60}" },
                { 201, "{\"request_uri\":\"a b\",\"expires_in\":60}" },
                { 201, "{\"request_uri\":\"a\\nb\",\"expires_in\":60}" },
                { 201, "{\"request_uri\":\"a\\u0000b\",\"expires_in\":60}" },
                { 201, "{\"request_uri\":\"\\u00e9\",\"expires_in\":60}" },
                { 201, "{\"request_uri\":\"x\",\"request_uri\":\"y\",\"expires_in\":60}" },
                { 201, "{\"request_uri\":\"x\",\"expires_in\":0}" },
                { 201, "{\"request_uri\":\"x\",\"expires_in\":-5}" },
                { 201, "{\"request_uri\":\"x\",\"expires_in\":\"soon\"}" },
                { 201, "{\"request_uri\":\"x\",\"expires_in\":null}" },
                { 302, "{\"request_uri\":\"x\",\"expires_in\":60}" },
                { 400, "{\"request_uri\":\"x\",\"expires_in\":60}" },
                { 503, "{\"request_uri\":\"x\",\"expires_in\":60}" },
        };
        struct oauth_pushed pushed = { .request_uri = "untouched" };

        for (size_t i = 0; i < N(cases); i++)
                if (read_body(cases[i].status, cases[i].body, &pushed) != OAUTH_E_NOT_PUSHED)
                        fail_msg("%ld %s was taken", cases[i].status, cases[i].body);
        assert_string_equal(pushed.request_uri, "untouched");
}

static void test_a_name_fits_or_is_refused(void **state)
{
        char body[2048], name[1025];
        struct oauth_pushed pushed;

        memset(name, 'x', sizeof name);
        name[1023] = '\0';
        snprintf(body, sizeof body, "{\"request_uri\":\"%s\",\"expires_in\":60}", name);
        assert_int_equal(read_body(201, body, &pushed), 0);
        assert_string_equal(pushed.request_uri, name);
        name[1023] = 'x';
        name[1024] = '\0';
        snprintf(body, sizeof body, "{\"request_uri\":\"%s\",\"expires_in\":60}", name);
        assert_int_equal(read_body(201, body, &pushed), OAUTH_E_NOT_PUSHED);
}

static void test_no_answer_at_all_is_none(void **state)
{
        struct http_response response = sample_failure(HTTP_OUTCOME_UNKNOWN, "no answer in time");
        struct oauth_pushed pushed;

        assert_int_equal(oauth_read_pushed_answer(&response, &pushed), OAUTH_E_NOT_PUSHED);
}

static int push_and_read(const struct oauth_client *client, struct http_response *response, char **ret_url)
{
        _cleanup_(http_request_freep) struct http_request *request = NULL;
        struct oauth_pushed pushed;
        int r = oauth_pushed_request(client, &asked, &request);

        if (r == 0)
                r = oauth_read_pushed_answer(response, &pushed);
        return r == 0 ? oauth_pushed_url(client, &pushed, ret_url) : r;
}

static void test_whatever_allocation_fails_nothing_is_half_pushed(void **state)
{
        struct http_response response =
                sample_answer(201, NULL, "{\"request_uri\":\"" URI "\",\"expires_in\":60}");
        struct oauth_client client = client_of(&sample_plain);
        size_t n_failures = 0;
        bool came = true;

        for (size_t at = 0; came; at++) {
                char *url = NULL;
                int r;

                out_of_memory_at(at);
                r = push_and_read(&client, &response, &url);
                came = out_of_memory_end();
                /* jansson does not always tell want of memory from a text that is no JSON. */
                assert_true(r == 0 || (came && (r == -ENOMEM || r == OAUTH_E_NOT_PUSHED)));
                n_failures += r != 0;
                assert_int_equal(url != NULL, r == 0);
                if (url)
                        assert_non_null(strstr(url, "&request_uri=urn%3Aietf"));
                free(url);
        }
        assert_true(n_failures > 5);
        http_response_done(&response);
}

static int install_memory(void **state)
{
        json_set_alloc_funcs(wipe_malloc, wipe_free);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_client_says_who_it_is_as_at_the_token_endpoint),
                cmocka_unit_test(test_a_provider_that_takes_json_elsewhere_gets_a_form_here),
                cmocka_unit_test(test_the_browser_brings_client_and_name_alone),
                cmocka_unit_test(test_an_answer_names_the_request_and_its_end),
                cmocka_unit_test(test_anything_else_is_no_answer),
                cmocka_unit_test(test_a_name_fits_or_is_refused),
                cmocka_unit_test(test_no_answer_at_all_is_none),
                cmocka_unit_test(test_whatever_allocation_fails_nothing_is_half_pushed),
        };

        return cmocka_run_group_tests(tests, install_memory, NULL);
}
