// links: daemon/webhook.c daemon/json_text.c common/secret*.c common/fault.c common/wipe.c
// links: tests/provider_samples.c daemon/http_message.c
// libs: libsodium jansson
#include "daemon/webhook.h"

#include "tests/provider_samples.h"

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

static bool verify(const struct provider *provider, const char *key, const char *body, const char *signature)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;

        assert_int_equal(secret_new_string(&secret, key), 0);
        return webhook_verify(provider, secret, body, strlen(body), signature);
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
        assert_true(webhook_verify(&sample_rest, secret, body, 3, signature));
        assert_false(webhook_verify(&sample_rest, secret, body, 1, signature));
}

static void test_nothing_holds_without_a_key_or_a_known_way_to_sign(void **state)
{
        /* HMAC with an empty key, which anybody can make. */
        assert_false(verify(&sample_jobber, "", "", "thNnmggU2ex3L5XXeMNfxf8Wl8STcVZTxscSFEKSxa0="));
        assert_false(webhook_is_signed(&sample_plain));
        assert_true(webhook_is_signed(&sample_jobber));
        assert_false(verify(&sample_plain, RFC_KEY, RFC_BODY, RFC_BASE64));
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
                cmocka_unit_test(test_jobbers_notice_of_a_disconnection_is_read),
                cmocka_unit_test(test_a_body_that_tells_nothing_is_no_disconnection),
                cmocka_unit_test(test_a_provider_that_tells_no_disconnection_never_does),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
