// links: daemon/protocol/
// libs: libsodium jansson
#include "daemon/protocol/webhook.h"

#include "tests/beds/provider_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

/* RFC 4231 section 4.3 */
#define RFC_KEY "Jefe"
#define RFC_BODY "what do ya want for nothing?"
#define RFC_HEX "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
#define RFC_BASE64 "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="

#define SENT_SEC INT64_C(1492774577)
#define NOW_USEC ((SENT_SEC + 3) * 1000000)

static bool verify(const struct provider *provider, const char *key, const char *body, const char *signature)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;

        assert_int_equal(secret_new_string(&secret, key), 0);
        return webhook_verify(provider, secret, body, strlen(body), signature, NOW_USEC) == WEBHOOK_GENUINE;
}

static void test_the_example_of_rfc_4231_holds_in_both_encodings(void **state)
{
        assert_true(verify(&sample_jobber, RFC_KEY, RFC_BODY, RFC_BASE64));
        assert_true(verify(&sample_jobber, RFC_KEY, RFC_BODY, " " RFC_BASE64 "\r\n"));
        assert_true(verify(&sample_jobber, RFC_KEY, RFC_BODY, "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM"));
        assert_true(verify(&sample_rest, RFC_KEY, RFC_BODY, "sha256=" RFC_HEX));
        assert_true(verify(&sample_rest, RFC_KEY, RFC_BODY,
                           "sha256=5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3843"));
}

static void test_another_key_body_or_signature_does_not_hold(void **state)
{
        assert_false(verify(&sample_jobber, "jefe", RFC_BODY, RFC_BASE64));
        assert_false(verify(&sample_jobber, RFC_KEY, RFC_BODY " ", RFC_BASE64));
        assert_false(verify(&sample_jobber, RFC_KEY, "", RFC_BASE64));
        assert_false(
                verify(&sample_jobber, RFC_KEY, RFC_BODY, "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEI="));
        assert_false(
                verify(&sample_jobber, RFC_KEY, RFC_BODY, "X9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="));
}

static void test_what_is_no_digest_does_not_hold(void **state)
{
        static const char *const texts[] = {
                "",
                " ",
                "=",
                "W9zB",
                "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOA==",
                RFC_BASE64 RFC_BASE64,
                RFC_BASE64 "=",
                RFC_BASE64 ",",
                "W9zBRr9gdU5qBCQm CJV1x1oAPwidJzmDnexYuWTsOEM=",
                "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEN=", /* bits behind the end */
                RFC_HEX,
        };
        static const char *const others[] = {
                RFC_HEX,        "SHA256=" RFC_HEX, "sha256= " RFC_HEX,   "sha256=" RFC_HEX "00",
                "sha256=5b:dc", "sha256=",         "sha256=" RFC_BASE64, "sha256"
        };

        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
                assert_false(verify(&sample_jobber, RFC_KEY, RFC_BODY, texts[i]));
        assert_false(verify(&sample_jobber, RFC_KEY, RFC_BODY, "sha256=" RFC_BASE64));
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
                assert_false(verify(&sample_rest, RFC_KEY, RFC_BODY, others[i]));
}

static void test_the_raw_bytes_are_signed(void **state)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        static const char body[] = "a\0b";

        assert_int_equal(secret_new_string(&secret, "key"), 0);
        /* printf 'a\0b' | openssl dgst -sha256 -hmac key */
        static const char signature[] =
                "sha256=29c5f0eea2d0a51b661193b3a56191192b2861f543ea0499a7f9725f7e7062fc";
        assert_int_equal(webhook_verify(&sample_rest, secret, body, 3, signature, 0), WEBHOOK_GENUINE);
        assert_int_equal(webhook_verify(&sample_rest, secret, body, 1, signature, 0), WEBHOOK_FORGED);
}

static void test_nothing_holds_without_a_key_or_a_known_way_to_sign(void **state)
{
        /* HMAC with an empty key, which anybody can make. */
        assert_false(verify(&sample_jobber, "", "", "thNnmggU2ex3L5XXeMNfxf8Wl8STcVZTxscSFEKSxa0="));
        assert_false(webhook_is_signed(&sample_plain));
        assert_true(webhook_is_signed(&sample_jobber));
        assert_false(verify(&sample_plain, RFC_KEY, RFC_BODY, RFC_BASE64));
}

/* ---- the forms of other providers ---- */

/* https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries, with its example. */
static void test_githubs_example_holds(void **state)
{
        struct provider github = { .webhook = { .header = TEXT("X-Hub-Signature-256"),
                                                .encoding = WEBHOOK_HEX,
                                                .prefix = TEXT("sha256=") } };
        static const char key[] = "It's a Secret to Everybody", body[] = "Hello, World!";

        assert_true(verify(&github, key, body,
                           "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"));
        assert_false(verify(&github, key, body,
                            "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"));
        assert_false(verify(&github, key, "Hello, World?",
                            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"));
}

/* https://shopify.dev/docs/apps/build/webhooks/subscribe/https: base64 of the body's HMAC, keyed with the app's client secret. */
static void test_shopifys_form_holds(void **state)
{
        struct provider shopify = { .webhook = { .header = TEXT("X-Shopify-Hmac-SHA256"),
                                                 .encoding = WEBHOOK_BASE64 } };
        static const char key[] = "shpss_0123456789abcdef", body[] = "{\"id\":820982911946154508}";

        /* printf '{"id":820982911946154508}' | openssl dgst -sha256 -hmac shpss_0123456789abcdef -binary | base64 */
        assert_true(verify(&shopify, key, body, "WgzR7rq62vUNCmcicvvYrYZJZaD2hIzKWpcvIVtnpEg="));
        assert_false(verify(&shopify, key, "{\"id\":820982911946154509}",
                            "WgzR7rq62vUNCmcicvvYrYZJZaD2hIzKWpcvIVtnpEg="));
}

/* https://docs.stripe.com/webhooks#verify-manually: "t=...,v1=...", over the timestamp, a dot and the body. */
static const struct provider stripe = { .webhook = { .header = (char[]){ "Stripe-Signature" },
                                                     .encoding = WEBHOOK_HEX,
                                                     .signature_element = (char[]){ "v1" },
                                                     .timestamp_element = (char[]){ "t" } } };
/* printf '1492774577.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test */
#define STRIPE_KEY "whsec_test"
#define STRIPE_BODY "{\"id\":\"evt_1\"}"
#define STRIPE_HEX "7656fc2882a7ca0a651666b36bf2f2f22ee204f54f608f227498a2419f2890b2"
/* What a scheme of old, and another key, would make. */
#define OTHER_HEX "6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"

static enum webhook_verdict verify_stripe(const char *signature, int64_t later_sec)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;

        assert_int_equal(secret_new_string(&secret, STRIPE_KEY), 0);
        return webhook_verify(&stripe, secret, STRIPE_BODY, strlen(STRIPE_BODY), signature,
                              (SENT_SEC + later_sec) * 1000000);
}

static void test_stripes_timestamped_form_holds(void **state)
{
        static const char *const genuine[] = {
                "t=1492774577,v1=" STRIPE_HEX,
                "t=1492774577,v1=" STRIPE_HEX ",v0=" OTHER_HEX,
                "t=1492774577, v1=" OTHER_HEX ", v1=" STRIPE_HEX " ",
                "v1=" STRIPE_HEX ",t=1492774577",
        };
        static const char *const forged[] = {
                "",
                "t=1492774577",
                "v1=" STRIPE_HEX,
                STRIPE_HEX,
                "t=1492774577,v0=" STRIPE_HEX,
                "t=1492774577,v1=" OTHER_HEX,
                "t=1492774578,v1=" STRIPE_HEX, /* another time was not signed */
                "t=01492774577,v1=" STRIPE_HEX,
                "t=1492774578,t=1492774577,v1=" STRIPE_HEX, /* the first one counts */
                "t=,v1=" STRIPE_HEX,
                "t=-1492774577,v1=" STRIPE_HEX,
                "t=99999999999999999999,v1=" STRIPE_HEX,
                "t=1492774577,v1=" STRIPE_HEX "00",
                "t=1492774577;v1" STRIPE_HEX,
                ",,,=,;t=1492774577",
        };

        for (size_t i = 0; i < sizeof genuine / sizeof genuine[0]; i++)
                if (verify_stripe(genuine[i], 0) != WEBHOOK_GENUINE)
                        fail_msg("%s", genuine[i]);
        for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++)
                if (verify_stripe(forged[i], 0) != WEBHOOK_FORGED)
                        fail_msg("%s", forged[i]);
}

static void test_what_was_sent_again_later_is_stale(void **state)
{
        static const char signature[] = "t=1492774577,v1=" STRIPE_HEX;

        assert_int_equal(verify_stripe(signature, WEBHOOK_TOLERANCE_SEC), WEBHOOK_GENUINE);
        assert_int_equal(verify_stripe(signature, WEBHOOK_TOLERANCE_SEC + 1), WEBHOOK_STALE);
        assert_int_equal(verify_stripe(signature, -WEBHOOK_TOLERANCE_SEC), WEBHOOK_GENUINE);
        assert_int_equal(verify_stripe(signature, -WEBHOOK_TOLERANCE_SEC - 1), WEBHOOK_STALE);
        /* Of a forged one nothing is said but that. */
        assert_int_equal(verify_stripe("t=1492774577,v1=" OTHER_HEX, 86400), WEBHOOK_FORGED);
}

static void test_tolerance_and_separator_are_data(void **state)
{
        struct provider narrow = stripe, colon = stripe;
        _cleanup_(secret_freep) struct secret *secret = NULL;
        static const char signature[] = "t=1492774577,v1=" STRIPE_HEX;

        assert_int_equal(secret_new_string(&secret, STRIPE_KEY), 0);
        narrow.webhook.tolerance_usec = 2 * 1000000;
        assert_int_equal(
                webhook_verify(&narrow, secret, STRIPE_BODY, strlen(STRIPE_BODY), signature, NOW_USEC),
                WEBHOOK_STALE);
        colon.webhook.timestamp_separator = TEXT(":");
        assert_int_equal(
                webhook_verify(&colon, secret, STRIPE_BODY, strlen(STRIPE_BODY), signature, NOW_USEC),
                WEBHOOK_FORGED);
        /* printf '1492774577:{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test */
        assert_true(
                verify(&colon, STRIPE_KEY, STRIPE_BODY,
                       "t=1492774577;v1=29dc47e5d78e9b2945ec28e77c5c27a36c292f1b4478ab368f3e018d44bae779"));
}

static void test_another_algorithm_is_data(void **state)
{
        struct provider sha512 = { .webhook = { .header = TEXT("X-Signature"),
                                                .algorithm = WEBHOOK_HMAC_SHA512,
                                                .encoding = WEBHOOK_HEX } };

        /* RFC 4231 section 4.3 */
        assert_true(verify(&sha512, RFC_KEY, RFC_BODY,
                           "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                           "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"));
        assert_false(verify(&sha512, RFC_KEY, RFC_BODY, RFC_HEX));
        assert_false(verify(
                &sample_jobber, RFC_KEY, RFC_BODY,
                "Fkt6e/z4GeLjlfvnO1bgo4e9ZCIugx/WECcM1+olBVSXWL91wFqZSm0DT2X48Ob9yuqxo01Ka0tjbgcKOLznNw=="));
}

static void test_a_notice_tells_when_it_happened(void **state)
{
        struct provider timed = sample_jobber;
        struct webhook_notice notice;
        static const char body[] =
                "{\"data\":{\"webHookEvent\":{\"topic\":\"APP_DISCONNECT\",\"accountId\":\"MQ==\","
                "\"occurredAt\":\"2021-08-12T16:31:36-06:00\"}}}";

        assert_int_equal(webhook_read_notice(&timed, body, strlen(body), &notice), 0);
        assert_int_equal(notice.occurred_sec, -1);
        webhook_notice_done(&notice);
        timed.webhook.occurred_at = TEXT("/data/webHookEvent/occurredAt");
        assert_int_equal(webhook_read_notice(&timed, body, strlen(body), &notice), 0);
        assert_int_equal(notice.occurred_sec, 1628807496);
        webhook_notice_done(&notice);
        timed.webhook.occurred_at = TEXT("/data/webHookEvent/topic");
        assert_int_equal(webhook_read_notice(&timed, body, strlen(body), &notice), 0);
        assert_int_equal(notice.occurred_sec, -1);
        webhook_notice_done(&notice);
}

static void expect_notice(const struct provider *provider, const char *body, bool disconnected,
                          const char *account_id)
{
        struct webhook_notice notice;

        assert_int_equal(webhook_read_notice(provider, body, strlen(body), &notice), 0);
        if (notice.disconnected != disconnected)
                fail_msg("%s: disconnected %d", body, notice.disconnected);
        if (account_id) {
                assert_non_null(notice.account_id);
                assert_string_equal(notice.account_id, account_id);
        } else
                assert_null(notice.account_id);
        webhook_notice_done(&notice);
        webhook_notice_done(&notice);
}

static void test_jobbers_notice_of_a_disconnection_is_read(void **state)
{
        expect_notice(
                &sample_jobber,
                "{\"data\":{\"webHookEvent\":{\"topic\":\"APP_DISCONNECT\",\"appId\":\"5c3c6a5e\","
                "\"accountId\":\"MQ==\",\"itemId\":\"MQ==\",\"occurredAt\":\"2021-08-12T16:31:36-06:00\"}}}",
                true, "MQ==");
        expect_notice(&sample_jobber,
                      "{\"data\":{\"webHookEvent\":{\"topic\":\"JOB_CREATE\",\"accountId\":\"MQ==\"}}}",
                      false, "MQ==");
        expect_notice(&sample_jobber,
                      "{\"data\":{\"webHookEvent\":{\"topic\":\"APP_DISCONNECT\",\"accountId\":12345}}}",
                      true, "12345");
        expect_notice(&sample_jobber, "{\"data\":{\"webHookEvent\":{\"topic\":\"APP_DISCONNECT\"}}}", true,
                      NULL);
}

static void test_a_body_that_tells_nothing_is_no_disconnection(void **state)
{
        static const char *const bodies[] = {
                "",
                "nonsense",
                "[]",
                "{}",
                "{\"topic\":\"APP_DISCONNECT\"}",
                "{\"data\":{\"webHookEvent\":{\"topic\":[\"APP_DISCONNECT\"],\"accountId\":{}}}}",
                "{\"data\":{\"webHookEvent\":{\"topic\":\"app_disconnect\",\"accountId\":\"\"}}}",
                "{\"data\":{\"webHookEvent\":{\"topic\":\"APP_DISCONNECT\""
        };

        for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
                expect_notice(&sample_jobber, bodies[i], false, NULL);
        expect_notice(&sample_jobber,
                      "{\"data\":{\"webHookEvent\":{\"topic\":\"APP_DISCONNECT\\u0000\",\"accountId\":"
                      "\"a\\u0000b\"}}}",
                      false, NULL);
}

static void test_a_provider_that_tells_no_disconnection_never_does(void **state)
{
        expect_notice(&sample_rest, "{\"account\":77,\"topic\":\"APP_DISCONNECT\"}", false, "77");
        expect_notice(&sample_plain, "{\"account\":77}", false, NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_example_of_rfc_4231_holds_in_both_encodings),
                cmocka_unit_test(test_another_key_body_or_signature_does_not_hold),
                cmocka_unit_test(test_what_is_no_digest_does_not_hold),
                cmocka_unit_test(test_the_raw_bytes_are_signed),
                cmocka_unit_test(test_nothing_holds_without_a_key_or_a_known_way_to_sign),
                cmocka_unit_test(test_githubs_example_holds),
                cmocka_unit_test(test_shopifys_form_holds),
                cmocka_unit_test(test_stripes_timestamped_form_holds),
                cmocka_unit_test(test_what_was_sent_again_later_is_stale),
                cmocka_unit_test(test_tolerance_and_separator_are_data),
                cmocka_unit_test(test_another_algorithm_is_data),
                cmocka_unit_test(test_a_notice_tells_when_it_happened),
                cmocka_unit_test(test_jobbers_notice_of_a_disconnection_is_read),
                cmocka_unit_test(test_a_body_that_tells_nothing_is_no_disconnection),
                cmocka_unit_test(test_a_provider_that_tells_no_disconnection_never_does),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
