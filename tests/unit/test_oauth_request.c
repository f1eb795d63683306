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
#include <string.h>

static struct secret *secret_of(const char *text)
{
        struct secret *secret = NULL;

        assert_int_equal(secret_new_string(&secret, text), 0);
        return secret;
}

/* A client of the provider, at the provider's own endpoints. */
static struct oauth_client client_of(const struct provider *provider, const char *client_id,
                                     const struct secret *secret)
{
        return (struct oauth_client){
                .provider = provider,
                .endpoints = { .authorization = provider->authorization_endpoint,
                               .token = provider->token_endpoint,
                               .revocation = provider->revocation_endpoint },
                .client_id = client_id,
                .secret = secret,
        };
}

static void expect_form(const struct http_request *request, const char *url, const char *body)
{
        assert_true(request->post);
        assert_string_equal(request->url, url);
        assert_string_equal(secret_expose(request->body), body);
        assert_int_equal(secret_size(request->body), strlen(body));
        assert_string_equal(sample_expose_header(request, "Accept"), "application/json");
        assert_string_equal(sample_expose_header(request, "Content-Type"),
                            "application/x-www-form-urlencoded");
}

static void test_a_refresh_in_jobbers_way_has_everything_in_the_form(void **state)
{
        _cleanup_(secret_freep) struct secret *secret = secret_of("s&cret="), *token = secret_of("0123+abc/");
        _cleanup_(http_request_freep) struct http_request *request = NULL;
        struct oauth_client client = client_of(&sample_jobber, "5c3c6a5e", secret);

        assert_int_equal(oauth_refresh_request(&client, token, &request), 0);
        expect_form(request, "https://api.getjobber.com/api/oauth/token",
                    "grant_type=refresh_token&refresh_token=0123%2Babc%2F&client_id=5c3c6a5e&client_secret=s%"
                    "26cret%3D");
        assert_null(sample_expose_header(request, "Authorization"));
        assert_null(request->ca_file);
}

static void test_basic_authentication_encodes_both_parts_first(void **state)
{
        _cleanup_(secret_freep) struct secret *secret = secret_of("p@ss:w\xc3\xb6rd 1"),
                                              *token = secret_of("r");
        _cleanup_(http_request_freep) struct http_request *request = NULL;
        struct oauth_client client = client_of(&sample_plain, "id:with colon", secret);

        assert_int_equal(oauth_refresh_request(&client, token, &request), 0);
        expect_form(request, "https://id.example.com/token", "grant_type=refresh_token&refresh_token=r");
        /* base64 of id%3Awith+colon:p%40ss%3Aw%C3%B6rd+1 */
        assert_string_equal(sample_expose_header(request, "Authorization"),
                            "Basic aWQlM0F3aXRoK2NvbG9uOnAlNDBzcyUzQXclQzMlQjZyZCsx");
        assert_string_equal(request->ca_file, "/etc/ssl/private-ca.pem");
}

static void test_a_public_client_sends_its_id_alone(void **state)
{
        _cleanup_(secret_freep) struct secret *token = secret_of("r"), *stray = secret_of("never");
        struct provider none = sample_plain;
        none.auth_method = AUTH_METHOD_NONE;
        const struct {
                const struct provider *provider;
                const struct secret *secret;
        } cases[] = { { &none, NULL }, { &none, stray }, { &sample_plain, NULL } };

        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                _cleanup_(http_request_freep) struct http_request *request = NULL;
                struct oauth_client client = client_of(cases[i].provider, "app", cases[i].secret);
                assert_int_equal(oauth_refresh_request(&client, token, &request), 0);
                expect_form(request, "https://id.example.com/token",
                            "grant_type=refresh_token&refresh_token=r&client_id=app");
                assert_null(sample_expose_header(request, "Authorization"));
        }
}

static void test_an_exchange_carries_code_redirect_uri_and_verifier(void **state)
{
        _cleanup_(secret_freep) struct secret *secret = secret_of("s"), *code = secret_of("4/0A b"),
                                              *verifier = secret_of("v-_1");
        _cleanup_(http_request_freep) struct http_request *request = NULL;
        struct oauth_client client = client_of(&sample_jobber, "app", secret);

        assert_int_equal(
                oauth_exchange_request(&client, code, "http://127.0.0.1:8723/callback", verifier, &request),
                0);
        expect_form(request, "https://api.getjobber.com/api/oauth/token",
                    "grant_type=authorization_code&code=4%2F0A+b&redirect_uri=http%3A%2F%2F127.0.0.1%3A8723%"
                    "2Fcallback&"
                    "code_verifier=v-_1&client_id=app&client_secret=s");
}

static void test_an_exchange_without_a_promised_verifier_sends_none(void **state)
{
        _cleanup_(secret_freep) struct secret *secret = secret_of("s"), *code = secret_of("c");
        _cleanup_(http_request_freep) struct http_request *request = NULL;
        struct oauth_client client = client_of(&sample_jobber, "app", secret);

        assert_int_equal(oauth_exchange_request(&client, code, NULL, NULL, &request), 0);
        expect_form(request, "https://api.getjobber.com/api/oauth/token",
                    "grant_type=authorization_code&code=c&client_id=app&client_secret=s");
}

static void test_a_revocation_names_the_kind_of_token(void **state)
{
        _cleanup_(secret_freep) struct secret *token = secret_of("r");
        _cleanup_(http_request_freep) struct http_request *request = NULL;
        struct oauth_client client = client_of(&sample_plain, "app", NULL);

        assert_int_equal(oauth_revoke_request(&client, token, "refresh_token", &request), 0);
        expect_form(request, "https://id.example.com/revoke",
                    "token=r&token_type_hint=refresh_token&client_id=app");
}

static void test_a_client_that_asks_for_itself_sends_its_scopes_and_no_token(void **state)
{
        static const char *const scopes[] = { "jobs:read", "jobs:write" };
        _cleanup_(secret_freep) struct secret *secret = secret_of("s");
        _cleanup_(http_request_freep) struct http_request *with = NULL, *without = NULL, *set_on_app = NULL;
        struct oauth_client client = client_of(&sample_plain, "app", secret);

        assert_int_equal(oauth_client_credentials_request(&client, scopes, 2, &with), 0);
        expect_form(with, "https://id.example.com/token",
                    "grant_type=client_credentials&scope=jobs%3Aread+jobs%3Awrite");
        assert_int_equal(oauth_client_credentials_request(&client, NULL, 0, &without), 0);
        expect_form(without, "https://id.example.com/token", "grant_type=client_credentials");
        client = client_of(&sample_jobber, "app", secret);
        assert_int_equal(oauth_client_credentials_request(&client, scopes, 2, &set_on_app), 0);
        expect_form(set_on_app, "https://api.getjobber.com/api/oauth/token",
                    "grant_type=client_credentials&client_id=app&client_secret=s");
}

static void test_a_provider_that_wants_json_gets_the_same_as_strings_of_an_object(void **state)
{
        _cleanup_(secret_freep) struct secret *secret = secret_of("s&\"1"), *token = secret_of("r+1");
        _cleanup_(http_request_freep) struct http_request *request = NULL;
        struct parameter extra[] = { { (char *)"audience", (char *)"https://a.example" } };
        struct parameter headers[] = { { (char *)"X-Version", (char *)"2026-03-11" } };
        struct provider provider = sample_jobber;
        struct oauth_client client = client_of(&provider, "app", secret);

        provider.json_requests = true;
        provider.token_parameters = (struct parameter_list){ extra, 1 };
        provider.token_headers = (struct parameter_list){ headers, 1 };
        assert_int_equal(oauth_refresh_request(&client, token, &request), 0);
        assert_string_equal(secret_expose(request->body),
                            "{\"grant_type\":\"refresh_token\",\"refresh_token\":\"r+1\",\"audience\":"
                            "\"https://a.example\",\"client_id\":\"app\",\"client_secret\":\"s&\\\"1\"}");
        assert_string_equal(sample_expose_header(request, "Content-Type"), "application/json");
        assert_string_equal(sample_expose_header(request, "X-Version"), "2026-03-11");
}

static void test_the_endpoint_in_force_is_asked(void **state)
{
        _cleanup_(secret_freep) struct secret *token = secret_of("r");
        _cleanup_(http_request_freep) struct http_request *request = NULL;
        struct oauth_client client = client_of(&sample_plain, "app", NULL);

        client.endpoints.token = "https://found.example.com/by/discovery?tenant=1";
        assert_int_equal(oauth_refresh_request(&client, token, &request), 0);
        assert_string_equal(request->url, "https://found.example.com/by/discovery?tenant=1");
}

static void test_an_endpoint_that_is_not_known_is_a_fault_of_the_caller(void **state)
{
        _cleanup_(secret_freep) struct secret *token = secret_of("r");
        struct oauth_client client = client_of(&sample_jobber, "app", NULL);
        struct http_request *request = NULL;
        char *url = NULL;

        assert_int_equal(oauth_revoke_request(&client, token, "refresh_token", &request), -EINVAL);
        assert_null(request);
        client.endpoints.authorization = NULL;
        assert_int_equal(
                oauth_authorization_url(&client, &(struct oauth_authorization){ .state = "s" }, &url),
                -EINVAL);
        assert_null(url);
}

static void test_a_secret_of_many_bytes_fits(void **state)
{
        static char long_text[16 * 1024 + 1];
        _cleanup_(secret_freep) struct secret *token = NULL;
        _cleanup_(http_request_freep) struct http_request *request = NULL;
        struct oauth_client client = client_of(&sample_plain, "app", NULL);

        memset(long_text, '+', sizeof long_text - 1);
        token = secret_of(long_text);
        assert_int_equal(oauth_refresh_request(&client, token, &request), 0);
        assert_int_equal(secret_size(request->body),
                         strlen("grant_type=refresh_token&refresh_token=&client_id=app") +
                                 3 * (sizeof long_text - 1));
}

static void expect_url(const struct oauth_client *client, const struct oauth_authorization *authorization,
                       const char *expected)
{
        _cleanup_(freep) char *url = NULL;

        assert_int_equal(oauth_authorization_url(client, authorization, &url), 0);
        assert_string_equal(url, expected);
}

static void test_jobbers_authorization_url_leaves_scopes_out(void **state)
{
        static const char *const scopes[] = { "read_jobs" };
        struct oauth_client client = client_of(&sample_jobber, "5c3c6a5e", NULL);

        expect_url(&client,
                   &(struct oauth_authorization){ .redirect_uri = "http://localhost:3001/callback",
                                                  .state = "xyz",
                                                  .challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
                                                  .scopes = scopes,
                                                  .n_scopes = 1 },
                   "https://api.getjobber.com/api/oauth/authorize?response_type=code&client_id=5c3c6a5e&"
                   "redirect_uri=http%3A%2F%2Flocalhost%3A3001%2Fcallback&state=xyz&"
                   "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256");
}

static void test_scopes_are_joined_with_blanks(void **state)
{
        static const char *const scopes[] = { "openid", "a:b", "c/d" };
        struct oauth_client client = client_of(&sample_plain, "a b&c", NULL);
        struct oauth_authorization authorization = {
                .redirect_uri = "app:/cb", .state = "s", .scopes = scopes, .n_scopes = 3
        };

        expect_url(&client, &authorization,
                   "https://id.example.com/"
                   "authorize?response_type=code&client_id=a+b%26c&redirect_uri=app%3A%2Fcb&"
                   "scope=openid+a%3Ab+c%2Fd&state=s");
        authorization.n_scopes = 0;
        expect_url(&client, &authorization,
                   "https://id.example.com/"
                   "authorize?response_type=code&client_id=a+b%26c&redirect_uri=app%3A%2Fcb&state=s");
}

static void test_the_endpoints_own_query_is_kept_and_its_fragment_is_not(void **state)
{
        struct oauth_client client = client_of(&sample_plain, "app", NULL);
        struct oauth_authorization authorization = { .state = "s" };

        client.endpoints.authorization = "https://id.example.com/authorize?tenant=7";
        expect_url(&client, &authorization,
                   "https://id.example.com/authorize?tenant=7&response_type=code&client_id=app&state=s");
        client.endpoints.authorization = "https://id.example.com/authorize?";
        expect_url(&client, &authorization,
                   "https://id.example.com/authorize?response_type=code&client_id=app&state=s");
        client.endpoints.authorization = "https://id.example.com/authorize?tenant=7&";
        expect_url(&client, &authorization,
                   "https://id.example.com/authorize?tenant=7&response_type=code&client_id=app&state=s");
        client.endpoints.authorization = "https://id.example.com/authorize#top?not=query";
        expect_url(&client, &authorization,
                   "https://id.example.com/authorize?response_type=code&client_id=app&state=s");
}

static void test_the_providers_parameters_never_replace_ours(void **state)
{
        struct parameter parameters[] = {
                { TEXT("access_type"), TEXT("offline") },
                { TEXT("state"), TEXT("forged") },
                { TEXT("client_id"), TEXT("forged") },
                { TEXT("redirect_uri"), TEXT("https://evil.example") },
                { TEXT("prompt"), TEXT("select account") },
        };
        struct provider provider = sample_plain;
        provider.authorization_parameters =
                (struct parameter_list){ parameters, sizeof parameters / sizeof parameters[0] };
        struct oauth_client client = client_of(&provider, "app", NULL);

        expect_url(&client, &(struct oauth_authorization){ .state = "s" },
                   "https://id.example.com/"
                   "authorize?response_type=code&client_id=app&state=s&access_type=offline&"
                   "prompt=select+account");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_refresh_in_jobbers_way_has_everything_in_the_form),
                cmocka_unit_test(test_basic_authentication_encodes_both_parts_first),
                cmocka_unit_test(test_a_public_client_sends_its_id_alone),
                cmocka_unit_test(test_an_exchange_carries_code_redirect_uri_and_verifier),
                cmocka_unit_test(test_an_exchange_without_a_promised_verifier_sends_none),
                cmocka_unit_test(test_a_revocation_names_the_kind_of_token),
                cmocka_unit_test(test_a_client_that_asks_for_itself_sends_its_scopes_and_no_token),
                cmocka_unit_test(test_a_provider_that_wants_json_gets_the_same_as_strings_of_an_object),
                cmocka_unit_test(test_the_endpoint_in_force_is_asked),
                cmocka_unit_test(test_an_endpoint_that_is_not_known_is_a_fault_of_the_caller),
                cmocka_unit_test(test_a_secret_of_many_bytes_fits),
                cmocka_unit_test(test_jobbers_authorization_url_leaves_scopes_out),
                cmocka_unit_test(test_scopes_are_joined_with_blanks),
                cmocka_unit_test(test_the_endpoints_own_query_is_kept_and_its_fragment_is_not),
                cmocka_unit_test(test_the_providers_parameters_never_replace_ours),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
