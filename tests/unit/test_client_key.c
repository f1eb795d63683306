// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Clients that say who they are with a key. */
#include "tests/beds/core.h"
#include "tests/beds/signing_keys.h"

#include "daemon/base/form.h"
#include "daemon/protocol/oauth.h"

#include <jansson.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define PROVIDER                                                                                             \
        "  keyed: {extends: idp, token_endpoint_auth_method: private_key_jwt, revocation_endpoint: "         \
        "'https://idp.test/revoke', revocation: {method: rfc7009}}\n"
#define BY_ISSUER                                                                                            \
        "  keyed: {extends: idp, token_endpoint_auth_method: private_key_jwt, issuer: 'https://idp.test', "  \
        "authorization_endpoint: 'https://idp.test/a', token_endpoint: 'https://idp.test/t'%s}\n"
#define CLIENT                                                                                               \
        "  signer: {provider: keyed, client_id: the-signer, client_key: {store: true}, client_key_id: "      \
        "k-1}\n"

static struct core core;

static void put_in(const char *client, const char *text)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;

        assert_int_equal(secret_new_string(&secret, text), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, client, secret, NULL, NULL, &write), 0);
        core_save(&core);
}

static int setup(void **state)
{
        (void)state;
        core_setup_with_provider(&core, PROVIDER, CLIENT);
        put_in("signer", key_ed25519);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        core_teardown(&core);
        return 0;
}

static const struct client *signer(void)
{
        return config_find_client(core.config, "signer");
}

/* The claims of what a client shows. */
static json_t *claims_of(const char *assertion)
{
        const char *part = strchr(assertion, '.') + 1;
        char text[2048];
        size_t n;
        json_t *claims;

        assert_int_equal(sodium_base642bin((unsigned char *)text, sizeof text, part, strcspn(part, "."), NULL,
                                           &n, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                         0);
        claims = json_loadb(text, n, 0, NULL);
        assert_non_null(claims);
        return claims;
}

static void expect_text(const json_t *claims, const char *name, const char *expected)
{
        assert_string_equal(json_string_value(json_object_get(claims, name)), expected);
}

/* Of a request in flight. */
static json_t *claims_of_request(void)
{
        const struct http_request *request = fake_http_request(core.context.http, 0);
        const char *body = fake_http_expose_body(request), *at = strstr(body, "client_assertion=");

        assert_true(fake_http_body_has(request, "client_id=the-signer"));
        assert_true(fake_http_body_has(
                request, "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%"
                         "3Ajwt-bearer"));
        assert_null(strstr(body, "client_secret"));
        assert_null(strstr(body, "BEGIN"));
        assert_null(fake_http_expose_header(request, "Authorization"));
        assert_non_null(at);
        return claims_of(at + strlen("client_assertion="));
}

static void test_each_request_has_an_assertion_of_its_own(void **state)
{
        _cleanup_(json_decrefp) json_t *first = NULL, *second = NULL;
        struct credential *acme;

        (void)state;
        acme = core_give_grant(&core, "acme", "r-0", "a-0", 3600);
        acme->client = signer();
        core_advance(&core, 3500);
        core_save(&core);
        assert_int_equal(fake_http_n_in_flight(core.context.http), 1);
        first = claims_of_request();
        expect_text(first, "iss", "the-signer");
        expect_text(first, "sub", "the-signer");
        expect_text(first, "aud", acme->client->provider->token_endpoint);
        assert_int_equal(json_integer_value(json_object_get(first, "iat")),
                         clock_wall_usec(core.context.clock) / (int64_t)USEC_PER_SEC);
        core_answer(&core, 503, "{}");
        core_advance(&core, 60);
        core_save(&core);
        assert_int_equal(fake_http_n_in_flight(core.context.http), 1);
        second = claims_of_request();
        assert_string_not_equal(json_string_value(json_object_get(first, "jti")),
                                json_string_value(json_object_get(second, "jti")));
        assert_true(json_integer_value(json_object_get(second, "iat")) >
                    json_integer_value(json_object_get(first, "iat")));
}

/* Whom it is for, by what the provider's file says. */
static void expect_audience(const char *more, const char *expected)
{
        _cleanup_(identity_done) struct identity identity = { 0 };
        _cleanup_(json_decrefp) json_t *claims = NULL;
        struct oauth_endpoints endpoints = { .token = "https://idp.test/found" };
        struct diag diag = DIAG_INIT;
        char provider[512];

        snprintf(provider, sizeof provider, BY_ISSUER, more);
        core_reload_with_provider(&core, provider, CLIENT);
        assert_int_equal(vault_identify(core.context.vault, signer(), &endpoints, &identity, &diag), 0);
        claims = claims_of(secret_expose(identity.assertion));
        expect_text(claims, "aud", expected);
}

static void test_it_is_for_the_issuer_unless_the_provider_wants_another_name(void **state)
{
        (void)state;
        expect_audience("", "https://idp.test");
        expect_audience(", client_assertion_audience: issuer", "https://idp.test");
        expect_audience(", client_assertion_audience: token_endpoint", "https://idp.test/found");
}

static void expect_no_identity(const char *words)
{
        _cleanup_(identity_done) struct identity identity = { 0 };
        struct oauth_endpoints endpoints = { .token = "https://idp.test/t" };
        struct diag diag = DIAG_INIT;

        assert_int_equal(vault_identify(core.context.vault, signer(), &endpoints, &identity, &diag),
                         VAULT_E_NO_SECRET);
        assert_null(identity.assertion);
        if (!strstr(diag.text, words))
                fail_msg("\"%s\" does not say \"%s\"", diag.text, words);
}

static void test_a_key_that_is_not_there_or_of_no_use_is_told(void **state)
{
        (void)state;
        put_in("signer", "hunter2");
        expect_no_identity("the key of client 'signer' is no private key in PEM");
        put_in("signer", key_encrypted);
        expect_no_identity("the key of client 'signer' is encrypted");
        core_reload_with_provider(
                &core, PROVIDER,
                "  signer: {provider: keyed, client_id: x, client_key: {file: /nonexistent}}\n");
        expect_no_identity("the client key's file /nonexistent cannot be read");
        core_reload_with_provider(&core, PROVIDER,
                                  CLIENT
                                  "  other: {provider: keyed, client_id: x, client_key: {store: true}}\n");
        assert_string_equal(
                vault_client_secret_state(core.context.vault, config_find_client(core.config, "other")),
                "missing");
}

static void test_a_key_that_is_missing_is_asked_for_from_a_file(void **state)
{
        _cleanup_(identity_done) struct identity identity = { 0 };
        struct oauth_endpoints endpoints = { .token = "https://idp.test/t" };
        struct diag diag = DIAG_INIT;

        (void)state;
        core_reload_with_provider(&core, PROVIDER,
                                  "  other: {provider: keyed, client_id: x, client_key: {store: true}}\n");
        assert_int_equal(vault_identify(core.context.vault, config_find_client(core.config, "other"),
                                        &endpoints, &identity, &diag),
                         VAULT_E_NO_SECRET);
        assert_string_equal(
                diag.text, "client 'other' has no client key yet; put it in: purser secret set other < FILE");
}

/* The configuration changed its mind; the store has what it had. */
static void test_a_key_is_never_sent_as_a_secret(void **state)
{
        (void)state;
        core_reload(&core,
                    "  signer: {provider: idp, client_id: the-signer, client_secret: {store: true}}\n");
        expect_no_identity("it is a key, and no client secret");
        assert_string_equal(vault_client_secret_state(core.context.vault, signer()), "missing");
}

static void test_where_the_key_comes_from_is_told(void **state)
{
        (void)state;
        assert_string_equal(vault_client_secret_state(core.context.vault, signer()), "store");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_each_request_has_an_assertion_of_its_own),
                TEST(test_it_is_for_the_issuer_unless_the_provider_wants_another_name),
                TEST(test_a_key_that_is_not_there_or_of_no_use_is_told),
                TEST(test_a_key_that_is_missing_is_asked_for_from_a_file),
                TEST(test_a_key_is_never_sent_as_a_secret),
                TEST(test_where_the_key_comes_from_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
