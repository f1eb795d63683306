// links: daemon/method/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Webhooks that somebody brings. */
#include "tests/beds/method_bed.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- webhooks ---- */

static const char webhook_provider[] =
        "  hooks:\n"
        "    extends: idp\n"
        "    webhooks: {signature_header: X-Hmac, encoding: base64, disconnect_pointer: "
        "/topic, disconnect_value: GONE, occurred_at: /at, account_id: /account}\n";

static void verify(const char *body, const char *key)
{
        unsigned char mac[crypto_auth_hmacsha256_BYTES];
        crypto_auth_hmacsha256_state hmac;
        char signature[64], encoded[256], message[600];

        crypto_auth_hmacsha256_init(&hmac, (const unsigned char *)key, strlen(key));
        crypto_auth_hmacsha256_update(&hmac, (const unsigned char *)body, strlen(body));
        crypto_auth_hmacsha256_final(&hmac, mac);
        sodium_bin2base64(signature, sizeof(signature), mac, sizeof(mac), sodium_base64_VARIANT_ORIGINAL);
        sodium_bin2base64(encoded, sizeof(encoded), (const unsigned char *)body, strlen(body),
                          sodium_base64_VARIANT_ORIGINAL);
        snprintf(message, sizeof(message),
                 "{\"method\":\"io.purser.Tokens.VerifyWebhook\",\"parameters\":{\"client\":\"hooked\","
                 "\"body\":\"%s\",\"signature\":\"%s\"}}",
                 encoded, signature);
        serve_say(&bed, fd, message);
}

static struct credential *give_hooked(const char *name)
{
        struct credential *credential = core_give_grant(&bed.core, name, "refresh-1", "access-1", 3600);

        free(credential->client_name);
        credential->client_name = strdup("hooked");
        credential->account_id = strdup("1");
        vault_rebind(bed.core.context.vault, credential);
        return credential;
}

static void give_hooked_credential(void)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;

        serve_teardown(&bed);
        serve_setup_with_provider(
                &bed, webhook_provider,
                "  hooked: {provider: hooks, client_id: y, client_secret: {store: true}}\n");
        fd = serve_connect(&bed);
        acme = give_hooked("acme");
        assert_int_equal(secret_new_string(&secret, "hook-secret"), 0);
        assert_int_equal(
                vault_set_client_secret(bed.core.context.vault, "hooked", secret, NULL, NULL, &write), 0);
        core_save(&bed.core);
}

static void test_a_genuine_webhook_names_its_credential(void **state)
{
        (void)state;
        give_hooked_credential();
        verify("{\"topic\":\"CLIENT_CREATE\",\"account\":\"1\"}", "hook-secret");
        assert_string_equal(serve_hear(&bed, fd),
                            "{\"parameters\":{\"valid\":true,\"credential\":\"acme\"}}\n");
        verify("{\"topic\":\"CLIENT_CREATE\",\"account\":\"2\"}", "hook-secret");
        assert_string_equal(serve_hear(&bed, fd), "{\"parameters\":{\"valid\":true}}\n");
        assert_int_equal(acme->refusal, REFUSAL_NONE);
}

static void test_of_several_credentials_of_an_account_the_first_by_name_is_told(void **state)
{
        (void)state;
        give_hooked_credential();
        give_hooked("acme-9");
        give_hooked("acme-10");
        give_hooked("aardvark");
        give_hooked("zebra");
        verify("{\"topic\":\"CLIENT_CREATE\",\"account\":\"1\"}", "hook-secret");
        assert_string_equal(serve_hear(&bed, fd),
                            "{\"parameters\":{\"valid\":true,\"credential\":\"aardvark\"}}\n");
}

static void test_a_forged_disconnection_does_nothing(void **state)
{
        (void)state;
        give_hooked_credential();
        verify("{\"topic\":\"GONE\",\"account\":\"1\"}", "guessed");
        assert_string_equal(serve_hear(&bed, fd), "{\"parameters\":{\"valid\":false}}\n");
        assert_int_equal(acme->refusal, REFUSAL_NONE);
}

static void test_a_genuine_disconnection_takes_effect_at_once(void **state)
{
        (void)state;
        give_hooked_credential();
        verify("{\"topic\":\"GONE\",\"account\":\"1\"}", "hook-secret");
        assert_has(serve_hear(&bed, fd), "\"valid\":true");
        assert_has(serve_ask(&bed, fd,
                             "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":"
                             "\"acme\"}}"),
                   "AuthorizationRequired");
}

static void test_an_old_notice_of_a_disconnection_only_raises_a_doubt(void **state)
{
        char body[96];

        (void)state;
        give_hooked_credential();
        acme->authorized_wall_usec = (int64_t)1700000000 * 1000000;
        snprintf(body, sizeof(body), "{\"topic\":\"GONE\",\"account\":\"1\",\"at\":%d}", 1699999999);
        verify(body, "hook-secret");
        assert_has(serve_hear(&bed, fd), "\"valid\":true");
        assert_int_equal(acme->refusal, REFUSAL_NONE);
        /* The provider is asked whether the grant of now lives. */
        assert_non_null(acme->probe);

        snprintf(body, sizeof(body), "{\"topic\":\"GONE\",\"account\":\"1\",\"at\":%d}", 1700000000);
        verify(body, "hook-secret");
        assert_has(serve_hear(&bed, fd), "\"valid\":true");
        assert_int_equal(acme->refusal, REFUSAL_CUT);
}

static void test_a_webhook_that_comes_before_all_credentials_are_read_is_matched_when_they_are(void **state)
{
        give_hooked_credential();
        service_set_loading(bed.service, true);
        verify("{\"topic\":\"GONE\",\"account\":\"1\"}", "guessed");
        assert_string_equal(serve_hear(&bed, fd), "{\"parameters\":{\"valid\":false}}\n");
        verify("{\"topic\":\"PING\"}", "hook-secret");
        assert_string_equal(serve_hear(&bed, fd), "{\"parameters\":{\"valid\":true}}\n");

        verify("{\"topic\":\"GONE\",\"account\":\"1\"}", "hook-secret");
        assert_string_equal(serve_hear(&bed, fd), "");
        assert_int_equal(acme->refusal, REFUSAL_NONE);
        service_set_loading(bed.service, false);
        assert_string_equal(serve_hear(&bed, fd),
                            "{\"parameters\":{\"valid\":true,\"credential\":\"acme\"}}\n");
        assert_int_equal(acme->refusal, REFUSAL_CUT);
}

static void test_a_webhook_that_waits_does_not_hold_on_to_a_client_that_goes(void **state)
{
        give_hooked_credential();
        service_set_loading(bed.service, true);
        verify("{\"topic\":\"GONE\",\"account\":\"1\"}", "hook-secret");
        serve_pump(&bed);
        serve_reload(&bed, NULL);
        service_set_loading(bed.service, false);
        assert_string_equal(serve_hear(&bed, fd), "{\"parameters\":{\"valid\":true}}\n");
        assert_int_equal(acme->refusal, REFUSAL_NONE);
}

static void test_who_brings_rubbish_is_limited_and_the_genuine_ones_are_not(void **state)
{
        unsigned n_answered = 0;

        (void)state;
        give_hooked_credential();
        for (unsigned i = 0; i < 100; i++) {
                verify("{\"topic\":\"GONE\",\"account\":\"1\"}", "guessed");
                if (strcmp(serve_hear(&bed, fd), "{\"parameters\":{\"valid\":false}}\n") == 0)
                        n_answered++;
        }
        assert_int_equal(n_answered, 30);
        verify("{\"topic\":\"GONE\",\"account\":\"1\"}", "guessed");
        assert_string_equal(serve_hear(&bed, fd),
                            "{\"error\":\"io.purser.Tokens.TooManyFailures\",\"parameters\":{"
                            "\"client\":\"hooked\",\"retry_after_seconds\":2}}\n");
        verify("{\"topic\":\"CLIENT_CREATE\",\"account\":\"1\"}", "hook-secret");
        assert_string_equal(serve_hear(&bed, fd),
                            "{\"parameters\":{\"valid\":true,\"credential\":\"acme\"}}\n");
        serve_advance(&bed, 2);
        verify("{\"topic\":\"GONE\",\"account\":\"1\"}", "guessed");
        assert_string_equal(serve_hear(&bed, fd), "{\"parameters\":{\"valid\":false}}\n");
        assert_int_equal(acme->refusal, REFUSAL_NONE);
}

static void say_long(const char *before, size_t n, const char *behind)
{
        size_t n_before = strlen(before), n_behind = strlen(behind);
        char *message = malloc(n_before + n + n_behind + 1);

        assert_non_null(message);
        memcpy(message, before, n_before);
        memset(message + n_before, 'A', n);
        memcpy(message + n_before + n, behind, n_behind + 1);
        fd = serve_connect(&bed);
        serve_say(&bed, fd, message);
        free(message);
}

static void test_only_what_brings_a_body_may_be_long(void **state)
{
        enum { LONG = 160 * 1024 }; /* what a socket takes at once */

        (void)state;
        give_hooked_credential();
        say_long("{\"method\":\"io.purser.Tokens.VerifyWebhook\",\"parameters\":{\"client\":\"hooked\","
                 "\"body\":\"",
                 LONG, "\",\"signature\":\"x\"}}");
        assert_string_equal(serve_hear(&bed, fd), "{\"parameters\":{\"valid\":false}}\n");
        say_long("{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"acme\",\"x\":\"",
                 LONG, "\"}}");
        assert_has(serve_hear(&bed, fd), "too long for its method");
        say_long("{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"acme\",\"x\":\"",
                 100 * 1024, "\"}}");
        assert_has(serve_hear(&bed, fd), "access-1");
}

static void test_a_webhook_that_cannot_be_judged_is_an_error(void **state)
{
        (void)state;
        give_hooked_credential();
        assert_has(serve_ask(&bed, fd,
                             "{\"method\":\"io.purser.Tokens.VerifyWebhook\",\"parameters\":{\"client\":"
                             "\"hooked\",\"body\":\"no base64!\","
                             "\"signature\":\"x\"}}"),
                   "\"parameter\":\"body\"");
        assert_has(serve_ask(&bed, fd,
                             "{\"method\":\"io.purser.Tokens.VerifyWebhook\",\"parameters\":{\"client\":"
                             "\"app\",\"body\":\"\",\"signature\":\"x\"}}"),
                   "\"parameter\":\"client\"");
        assert_has(serve_ask(&bed, fd,
                             "{\"method\":\"io.purser.Tokens.VerifyWebhook\",\"parameters\":{\"client\":"
                             "\"none\",\"body\":\"\",\"signature\":\"x\"}}"),
                   "NoSuchClient");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                METHOD_TEST(test_a_genuine_webhook_names_its_credential),
                METHOD_TEST(test_of_several_credentials_of_an_account_the_first_by_name_is_told),
                METHOD_TEST(test_a_forged_disconnection_does_nothing),
                METHOD_TEST(test_a_genuine_disconnection_takes_effect_at_once),
                METHOD_TEST(test_an_old_notice_of_a_disconnection_only_raises_a_doubt),
                METHOD_TEST(
                        test_a_webhook_that_comes_before_all_credentials_are_read_is_matched_when_they_are),
                METHOD_TEST(test_a_webhook_that_waits_does_not_hold_on_to_a_client_that_goes),
                METHOD_TEST(test_who_brings_rubbish_is_limited_and_the_genuine_ones_are_not),
                METHOD_TEST(test_only_what_brings_a_body_may_be_long),
                METHOD_TEST(test_a_webhook_that_cannot_be_judged_is_an_error),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
