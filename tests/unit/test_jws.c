// links: daemon/base/
// libs: libsodium libcrypto
/* Which keys sign, and that what they sign is what others take for signed. */
#include "daemon/base/jws.h"

#include "common/fault.h"
#include "tests/beds/memory_scan.h"
#include "tests/beds/signing_keys.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

static struct jws_key *key_of(const char *pem, enum jws_algorithm algorithm)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct diag diag = DIAG_INIT;
        struct jws_key *key = NULL;

        assert_int_equal(secret_new_string(&secret, pem), 0);
        if (jws_key_new(&key, secret, algorithm, &diag) != 0)
                fail_msg("%s", diag.text);
        return key;
}

static void expect_unusable(const char *pem, size_t n, enum jws_algorithm algorithm, const char *words)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct diag diag = DIAG_INIT;
        struct jws_key *key = NULL;

        assert_int_equal(secret_new(&secret, pem, n), 0);
        assert_int_equal(jws_key_new(&key, secret, algorithm, &diag), JWS_E_UNUSABLE);
        assert_null(key);
        if (!strstr(diag.text, words))
                fail_msg("\"%s\" does not say \"%s\"", diag.text, words);
}

static void expect_signature(const struct jws_key *key, const char *bytes, const char *expected)
{
        unsigned char signature[JWS_SIGNATURE_MAX];
        char text[2 * JWS_SIGNATURE_MAX];
        size_t n;

        assert_int_equal(jws_sign(key, bytes, strlen(bytes), signature, &n), 0);
        sodium_bin2base64(text, sizeof text, signature, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        assert_string_equal(text, expected);
}

static void test_rs256_is_as_rfc_7515_shows_it(void **state)
{
        _cleanup_(jws_key_freep) struct jws_key *key = key_of(key_rsa, JWS_BY_KEY);

        assert_int_equal(jws_key_algorithm(key), JWS_RS256);
        expect_signature(
                key,
                "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl"
                "LmNvbS9pc19yb290Ijp0cnVlfQ",
                "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2"
                "Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjt"
                "QBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6"
                "IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw");
}

static void test_eddsa_is_as_rfc_8037_shows_it(void **state)
{
        _cleanup_(jws_key_freep) struct jws_key *key = key_of(key_ed25519, JWS_BY_KEY);

        assert_int_equal(jws_key_algorithm(key), JWS_EDDSA);
        expect_signature(
                key, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
                "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
}

/* ---- those that are never the same twice ---- */

static EVP_PKEY *pkey_of(const char *pem)
{
        BIO *bio = BIO_new_mem_buf(pem, -1);
        EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

        BIO_free(bio);
        assert_non_null(pkey);
        return pkey;
}

static bool verifies(const char *pem, bool pss, const unsigned char *signature, size_t n, const char *bytes)
{
        EVP_PKEY *pkey = pkey_of(pem);
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        EVP_PKEY_CTX *parameters;
        bool good;

        assert_int_equal(EVP_DigestVerifyInit(context, &parameters, EVP_sha256(), NULL, pkey), 1);
        if (pss) {
                assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING), 1);
                assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, 32), 1);
        }
        good = EVP_DigestVerify(context, signature, n, (const unsigned char *)bytes, strlen(bytes)) == 1;
        EVP_MD_CTX_free(context);
        EVP_PKEY_free(pkey);
        return good;
}

static void test_ps256_verifies_with_a_salt_of_32_bytes(void **state)
{
        _cleanup_(jws_key_freep) struct jws_key *key = key_of(key_rsa, JWS_PS256);
        unsigned char signature[JWS_SIGNATURE_MAX];
        size_t n;

        assert_int_equal(jws_key_algorithm(key), JWS_PS256);
        assert_int_equal(jws_sign(key, "head.claims", 11, signature, &n), 0);
        assert_int_equal(n, 256);
        assert_true(verifies(key_rsa, true, signature, n, "head.claims"));
        assert_false(verifies(key_rsa, true, signature, n, "head.claim5"));
        assert_false(verifies(key_rsa, false, signature, n, "head.claims"));
}

/* RFC 7518 section 3.4: 32 bytes each, however short the numbers are. */
static void test_es256_is_two_numbers_of_32_bytes_that_verify(void **state)
{
        _cleanup_(jws_key_freep) struct jws_key *key = key_of(key_p256, JWS_BY_KEY);

        assert_int_equal(jws_key_algorithm(key), JWS_ES256);
        for (size_t i = 0; i < 600; i++) {
                unsigned char signature[JWS_SIGNATURE_MAX], *der = NULL;
                ECDSA_SIG *pair = ECDSA_SIG_new();
                size_t n;
                int n_der;

                assert_int_equal(jws_sign(key, "head.claims", 11, signature, &n), 0);
                assert_int_equal(n, 64);
                ECDSA_SIG_set0(pair, BN_bin2bn(signature, 32, NULL), BN_bin2bn(signature + 32, 32, NULL));
                n_der = i2d_ECDSA_SIG(pair, &der);
                assert_true(verifies(key_p256, false, der, (size_t)n_der, "head.claims"));
                OPENSSL_free(der);
                ECDSA_SIG_free(pair);
        }
}

/* ---- keys that cannot be used ---- */

static void test_what_is_no_private_key_is_told(void **state)
{
        const char *const texts[] = {
                "hunter2",
                "-----BEGIN PRIVATE KEY-----\n",
                "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIE\n-----END PRIVATE KEY-----\n",
                key_public,
                "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\"}",
        };

        for (size_t i = 0; i < N(texts); i++)
                expect_unusable(texts[i], strlen(texts[i]), JWS_BY_KEY, "is no private key in PEM");
        expect_unusable("", 0, JWS_BY_KEY, "is no private key in PEM");
        expect_unusable("\0\0\0", 3, JWS_BY_KEY, "is no private key in PEM");
        expect_unusable(key_ed25519, strlen(key_ed25519) / 2, JWS_BY_KEY, "is no private key in PEM");
}

static void test_a_key_under_a_passphrase_is_told_and_nobody_is_asked(void **state)
{
        expect_unusable(key_encrypted, strlen(key_encrypted), JWS_BY_KEY, "openssl pkey -in OLD -out NEW");
}

static void test_a_key_that_is_too_weak_or_of_another_kind_is_told(void **state)
{
        expect_unusable(key_rsa_1024, strlen(key_rsa_1024), JWS_BY_KEY,
                        "an RSA key of 1024 bits: make one of 2048");
        expect_unusable(key_p384, strlen(key_p384), JWS_BY_KEY, "of a kind that cannot be used");
}

static void test_a_key_makes_no_signatures_of_another_kind(void **state)
{
        expect_unusable(key_rsa, strlen(key_rsa), JWS_ES256,
                        "is an RSA key, which makes no signatures of ES256");
        expect_unusable(key_p256, strlen(key_p256), JWS_RS256, "is an EC key of P-256, which makes no");
        expect_unusable(key_p256, strlen(key_p256), JWS_EDDSA, "no signatures of EdDSA");
        expect_unusable(key_ed25519, strlen(key_ed25519), JWS_PS256, "is an Ed25519 key, which makes no");
}

static void test_nothing_of_a_key_stays_in_memory(void **state)
{
        unsigned char signature[JWS_SIGNATURE_MAX], seed[32];
        char where[128] = "";
        struct jws_key *key;
        size_t n;

        /* RFC 8037 appendix A.1: d, disguised before anything can have it by heart. */
        assert_int_equal(sodium_base642bin(seed, sizeof seed, "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
                                           43, NULL, &n, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                         0);
        memory_disguise((char *)seed, sizeof seed);
        key = key_of(key_ed25519, JWS_BY_KEY);
        assert_int_equal(jws_sign(key, "head.claims", 11, signature, &n), 0);
        assert_true(memory_holds((char *)seed, sizeof seed, where, sizeof where));
        jws_key_free(key);
        if (memory_holds((char *)seed, sizeof seed, where, sizeof where))
                fail_msg("the key is in %s", where);
}

/* As openssl makes them: parameters before the key, and a certificate or comments around it. */
static void test_a_key_is_found_among_other_things(void **state)
{
        char text[4096];
        _cleanup_(jws_key_freep) struct jws_key *key = NULL;

        snprintf(
                text, sizeof text,
                "A comment\n-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n%s",
                key_p256);
        key = key_of(text, JWS_BY_KEY);
        assert_int_equal(jws_key_algorithm(key), JWS_ES256);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rs256_is_as_rfc_7515_shows_it),
                cmocka_unit_test(test_eddsa_is_as_rfc_8037_shows_it),
                cmocka_unit_test(test_ps256_verifies_with_a_salt_of_32_bytes),
                cmocka_unit_test(test_es256_is_two_numbers_of_32_bytes_that_verify),
                cmocka_unit_test(test_what_is_no_private_key_is_told),
                cmocka_unit_test(test_a_key_under_a_passphrase_is_told_and_nobody_is_asked),
                cmocka_unit_test(test_a_key_that_is_too_weak_or_of_another_kind_is_told),
                cmocka_unit_test(test_a_key_makes_no_signatures_of_another_kind),
                cmocka_unit_test(test_nothing_of_a_key_stays_in_memory),
                cmocka_unit_test(test_a_key_is_found_among_other_things),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
