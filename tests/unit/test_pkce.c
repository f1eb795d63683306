// links: daemon/protocol/
// libs: libsodium
#include "daemon/protocol/pkce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

/* RFC 7636 appendix B */
static const uint8_t appendix_b[PKCE_RANDOM_SIZE] = { 116, 24,  223, 180, 151, 153, 224, 37,  79,  250, 96,
                                                      125, 216, 173, 187, 186, 22,  212, 37,  77,  105, 214,
                                                      191, 240, 91,  88,  5,   88,  83,  132, 141, 121 };

static void test_the_example_of_rfc_7636_comes_out(void **state)
{
        _cleanup_(secret_freep) struct secret *verifier = NULL;
        char challenge[PKCE_TEXT_SIZE + 1];

        assert_int_equal(pkce_verifier(appendix_b, &verifier), 0);
        assert_string_equal(secret_expose(verifier), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_int_equal(secret_size(verifier), PKCE_TEXT_SIZE);
        pkce_challenge(verifier, challenge);
        assert_string_equal(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

static void test_the_challenge_of_another_verifier_differs(void **state)
{
        _cleanup_(secret_freep) struct secret *verifier = NULL;
        uint8_t random[PKCE_RANDOM_SIZE];
        char challenge[PKCE_TEXT_SIZE + 1];

        memcpy(random, appendix_b, sizeof random);
        random[31] ^= 1;
        assert_int_equal(pkce_verifier(random, &verifier), 0);
        pkce_challenge(verifier, challenge);
        assert_string_not_equal(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

static void test_texts_are_43_characters_that_need_no_encoding_in_urls(void **state)
{
        uint8_t random[PKCE_RANDOM_SIZE];
        char text[PKCE_TEXT_SIZE + 1];

        for (unsigned fill = 0; fill < 256; fill++) {
                memset(random, (int)fill, sizeof random);
                random[7] = (uint8_t)(fill * 31);
                pkce_text(random, text);
                assert_int_equal(strlen(text), PKCE_TEXT_SIZE);
                assert_int_equal(
                        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                        PKCE_TEXT_SIZE);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_example_of_rfc_7636_comes_out),
                cmocka_unit_test(test_the_challenge_of_another_verifier_differs),
                cmocka_unit_test(test_texts_are_43_characters_that_need_no_encoding_in_urls),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
