// links: daemon/protocol/
// libs: libsodium jansson
// ldflags: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=strdup,--wrap=strndup,--wrap=realpath
/* What a client says of itself with its key. */
#include "daemon/protocol/oauth.h"

#include "common/fault.h"
#include "common/wipe.h"
#include "tests/beds/out_of_memory.h"
#include "tests/beds/signing_keys.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const struct oauth_assertion what = {
        .client_id = "the-app",
        .key_id = "2026-11",
        .audience = "https://id.example.com",
        .id = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        .now_sec = 1700000000,
};

static int key_of(const char *pem, struct jws_key **ret)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct diag diag = DIAG_INIT;
        int r = secret_new_string(&secret, pem);

        return r < 0 ? r : jws_key_new(ret, secret, JWS_BY_KEY, &diag);
}

/* The text that one of the three parts stands for. */
static void expect_part(const struct secret *assertion, unsigned index, const char *expected)
{
        const char *part = secret_expose(assertion);
        char text[2048];
        size_t n;

        for (unsigned i = 0; i < index; i++)
                part = strchr(part, '.') + 1;
        assert_int_equal(sodium_base642bin((unsigned char *)text, sizeof text - 1, part, strcspn(part, "."),
                                           NULL, &n, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                         0);
        text[n] = '\0';
        assert_string_equal(text, expected);
}

static void test_the_client_speaks_of_itself_to_the_provider_for_a_minute(void **state)
{
        _cleanup_(secret_freep) struct secret *assertion = NULL;
        _cleanup_(jws_key_freep) struct jws_key *key = NULL;

        assert_int_equal(key_of(key_p256, &key), 0);
        assert_int_equal(oauth_make_assertion(&what, key, &assertion), 0);
        expect_part(assertion, 0, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"2026-11\"}");
        expect_part(assertion, 1,
                    "{\"iss\":\"the-app\",\"sub\":\"the-app\",\"aud\":\"https://id.example.com\",\"jti\":"
                    "\"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk\",\"iat\":1700000000,\"exp\":1700000060}");
}

/* RFC 8037: of Ed25519 the same twice, so that the signature is known to be that of the two parts before it. */
static void test_what_is_signed_is_header_and_claims(void **state)
{
        _cleanup_(secret_freep) struct secret *assertion = NULL;
        _cleanup_(jws_key_freep) struct jws_key *key = NULL;
        unsigned char signature[JWS_SIGNATURE_MAX];
        char text[2 * JWS_SIGNATURE_MAX];
        const char *end;
        size_t n;

        assert_int_equal(key_of(key_ed25519, &key), 0);
        assert_int_equal(oauth_make_assertion(&what, key, &assertion), 0);
        end = strrchr(secret_expose(assertion), '.');
        assert_int_equal(jws_sign(key, secret_expose(assertion), (size_t)(end - secret_expose(assertion)),
                                  signature, &n),
                         0);
        sodium_bin2base64(text, sizeof text, signature, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        assert_string_equal(end + 1, text);
}

static void test_no_kid_is_made_up(void **state)
{
        _cleanup_(secret_freep) struct secret *assertion = NULL;
        _cleanup_(jws_key_freep) struct jws_key *key = NULL;
        struct oauth_assertion plain = what;

        plain.key_id = NULL;
        assert_int_equal(key_of(key_rsa, &key), 0);
        assert_int_equal(oauth_make_assertion(&plain, key, &assertion), 0);
        expect_part(assertion, 0, "{\"alg\":\"RS256\",\"typ\":\"JWT\"}");
}

static void test_what_would_end_a_string_is_escaped(void **state)
{
        _cleanup_(secret_freep) struct secret *assertion = NULL;
        _cleanup_(jws_key_freep) struct jws_key *key = NULL;
        struct oauth_assertion odd = what;

        odd.key_id = "\"},{\"";
        assert_int_equal(key_of(key_ed25519, &key), 0);
        assert_int_equal(oauth_make_assertion(&odd, key, &assertion), 0);
        expect_part(assertion, 0, "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"\\\"},{\\\"\"}");
}

/* OpenSSL's memory is ours, too, from its first use on; what it makes for the whole process is there by then. */
static void test_whatever_allocation_fails_nothing_is_half_signed(void **state)
{
        static const struct {
                const char *pem;
                size_t step; /* OpenSSL's own are many */
        } keys[] = { { key_p256, 23 }, { key_ed25519, 3 } };

        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
                _cleanup_(secret_freep) struct secret *warm = NULL;
                _cleanup_(jws_key_freep) struct jws_key *first = NULL;
                bool came = true;

                assert_int_equal(key_of(keys[i].pem, &first), 0);
                assert_int_equal(oauth_make_assertion(&what, first, &warm), 0);
                for (size_t at = 0; came; at += keys[i].step) {
                        _cleanup_(secret_freep) struct secret *assertion = NULL;
                        _cleanup_(jws_key_freep) struct jws_key *key = NULL;
                        int r;

                        out_of_memory_at(at);
                        r = key_of(keys[i].pem, &key);
                        if (r == 0)
                                r = oauth_make_assertion(&what, key, &assertion);
                        came = out_of_memory_end();
                        assert_true(r == 0 || r == -ENOMEM || (came && r == JWS_E_UNUSABLE));
                        assert_true(came || r == 0);
                        assert_true((r == 0) == (assertion != NULL));
                }
        }
}

static int install_memory(void **state)
{
        json_set_alloc_funcs(wipe_malloc, wipe_free);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_client_speaks_of_itself_to_the_provider_for_a_minute),
                cmocka_unit_test(test_what_is_signed_is_header_and_claims),
                cmocka_unit_test(test_no_kid_is_made_up),
                cmocka_unit_test(test_what_would_end_a_string_is_escaped),
                cmocka_unit_test(test_whatever_allocation_fails_nothing_is_half_signed),
        };

        return cmocka_run_group_tests(tests, install_memory, NULL);
}
