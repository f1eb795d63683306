// links: daemon/protocol/
// libs: libsodium jansson
#include "daemon/protocol/oauth.h"

#include "tests/beds/provider_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static const char *const STATE = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
#define STATE_IS "state=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

static bool issuer_is_promised;

static void expect_of(const char *text, const char *issuer, enum redirect_verdict verdict, const char *words)
{
        struct redirect redirect;

        assert_int_equal(oauth_read_redirect(text, STATE, issuer, issuer_is_promised, &redirect), 0);
        if (redirect.verdict != verdict || !strstr(redirect.reason, words))
                fail_msg("%s: verdict %d, \"%s\"", text, redirect.verdict, redirect.reason);
        assert_int_equal(redirect.code != NULL, verdict == REDIRECT_CODE);
        assert_true(sample_is_clean(redirect.reason, STATE));
        assert_int_equal(strlen(redirect.reason) > 0, verdict != REDIRECT_CODE);
        redirect_done(&redirect);
        redirect_done(&redirect);
}

static void expect(const char *text, enum redirect_verdict verdict, const char *words)
{
        expect_of(text, NULL, verdict, words);
}

static void expect_code(const char *text, const char *code)
{
        struct redirect redirect;

        assert_int_equal(oauth_read_redirect(text, STATE, NULL, false, &redirect), 0);
        if (redirect.verdict != REDIRECT_CODE)
                fail_msg("%s: verdict %d, \"%s\"", text, redirect.verdict, redirect.reason);
        assert_true(secret_equal_bytes(redirect.code, code, strlen(code)));
        redirect_done(&redirect);
}

static void test_a_code_comes_out_of_every_form_of_redirect(void **state)
{
        static const char *const forms[] = {
                "http://127.0.0.1:8723/callback?code=SplxlOBeZQQYbYS6WxSbIA&" STATE_IS,
                "http://127.0.0.1:8723/callback?" STATE_IS "&code=SplxlOBeZQQYbYS6WxSbIA",
                "/callback?code=SplxlOBeZQQYbYS6WxSbIA&" STATE_IS,
                "127.0.0.1:8723/callback?code=SplxlOBeZQQYbYS6WxSbIA&" STATE_IS,
                "code=SplxlOBeZQQYbYS6WxSbIA&" STATE_IS,
                "?code=SplxlOBeZQQYbYS6WxSbIA&" STATE_IS,
                "https://app.example.com/cb?kept=1&code=SplxlOBeZQQYbYS6WxSbIA&" STATE_IS
                "&scope=a+b&scope=c",
                "http://localhost/cb?code=SplxlOBeZQQYbYS6WxSbIA&" STATE_IS "#_=_",
                "  http://localhost/cb?code=SplxlOBeZQQYbYS6WxSbIA&" STATE_IS " \r\n",
                "com.example.app:/cb?code=SplxlOBeZQQYbYS6WxSbIA&" STATE_IS,
                "code=SplxlOBeZQQYbYS6WxSbIA&&" STATE_IS "&",
                "c%6Fde=SplxlOBeZQQYbYS6WxSbIA&" STATE_IS,
                "code=SplxlOBeZQQYbYS6WxSbIA&state=dBjftJeZ4CVP%2DmB92K27uhbUJU1p1r%5FwW1gFWFOEjXk",
        };

        for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
                expect_code(forms[i], "SplxlOBeZQQYbYS6WxSbIA");
}

static void test_a_code_is_decoded(void **state)
{
        expect_code("code=4%2F0Ab%2bc%3D%26&" STATE_IS, "4/0Ab+c=&");
        expect_code("code=a+b%20c&" STATE_IS, "a b c");
        expect_code("code=a=b==&" STATE_IS, "a=b==");
        expect_code("code=a?b/c&" STATE_IS, "a?b/c");
        expect_code("code=a%2525&" STATE_IS, "a%25");
}

static void test_no_parameters_at_all_is_jobbers_way_to_say_no(void **state)
{
        expect("http://127.0.0.1:8723/callback", REDIRECT_DENIED, "sent no code");
        expect("http://127.0.0.1:8723/callback?", REDIRECT_DENIED, "sent no code");
        expect("/callback", REDIRECT_DENIED, "sent no code");
        expect("", REDIRECT_DENIED, "sent no code");
        expect("https://app.example.com/cb?kept=1", REDIRECT_DENIED, "sent no code");
        expect("http://localhost/cb?" STATE_IS, REDIRECT_DENIED, "sent no code");
        expect("http://localhost/cb?code=&" STATE_IS, REDIRECT_DENIED, "sent no code");
        expect("http://localhost/cb#code=abc&" STATE_IS, REDIRECT_DENIED, "sent no code");
}

static void test_an_error_is_a_denial_with_the_providers_words(void **state)
{
        expect("/cb?error=access_denied&" STATE_IS, REDIRECT_DENIED, "said no (access_denied).");
        expect("/cb?error=access_denied&error_description=The+resource+owner%20denied%0d%0athe "
               "request.&" STATE_IS,
               REDIRECT_MALFORMED, "");
        expect("/cb?error=access_denied&error_description=The+resource+owner%20denied%0d%0ait&" STATE_IS,
               REDIRECT_DENIED, "(access_denied, \"The resource owner denied it\")");
        expect("/cb?error=invalid_scope&" STATE_IS, REDIRECT_DENIED, "check the client's scopes");
        expect("/cb?error=server_error&" STATE_IS, REDIRECT_DENIED, "try again later");
        expect("/cb?error=brand_new&" STATE_IS, REDIRECT_DENIED, "refuses the login (brand_new)");
        expect("/cb?error=%1b%5b31m&" STATE_IS, REDIRECT_DENIED, "(?[31m)");
        /* Many providers leave the state out when they say no. */
        expect("/cb?error=access_denied", REDIRECT_DENIED, "said no");
        /* Whoever sends both means no. */
        expect("/cb?error=access_denied&code=abc&" STATE_IS, REDIRECT_DENIED, "said no");
}

static void test_a_denial_never_shows_the_code_beside_it(void **state)
{
        expect("/cb?error=odd&error_description=your+code+is+abc123&code=abc123&" STATE_IS, REDIRECT_DENIED,
               "your code is [hidden]");
        expect("/cb?error=odd&error_description=0123456789abcdef0123456789abcdef&" STATE_IS, REDIRECT_DENIED,
               "[hidden]");
}

static void test_a_code_without_state_is_refused(void **state)
{
        expect("http://127.0.0.1:8723/callback?code=abc", REDIRECT_MISMATCH, "without the state");
}

static void test_another_state_is_a_mismatch_whatever_comes_with_it(void **state)
{
        static const char *const states[] = {
                "",
                "x",
                "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk%00",
                "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjX",
                "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXkk",
                "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl",
                "DBJFTJEZ4CVP-MB92K27UHBUJU1P1R_WW1GFWFOEJXK",
                "+dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        };
        static const char *const others[] = { "code=abc&", "error=access_denied&", "" };
        char text[256];

        for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
                for (size_t j = 0; j < sizeof others / sizeof others[0]; j++) {
                        snprintf(text, sizeof text, "/cb?%sstate=%s", others[j], states[i]);
                        expect(text, REDIRECT_MISMATCH, "another login");
                }
}

static void test_a_parameter_given_twice_is_a_mismatch(void **state)
{
        expect("/cb?code=abc&code=abc&" STATE_IS, REDIRECT_MISMATCH, "twice");
        expect("/cb?code=abc&code=&" STATE_IS, REDIRECT_MISMATCH, "twice");
        expect("/cb?code=&code=abc&" STATE_IS, REDIRECT_MISMATCH, "twice");
        expect("/cb?code=abc&" STATE_IS "&" STATE_IS, REDIRECT_MISMATCH, "twice");
        expect("/cb?code=abc&state&" STATE_IS, REDIRECT_MISMATCH, "twice");
        expect("/cb?code=abc&" STATE_IS "&c%6fde=def", REDIRECT_MISMATCH, "twice");
        expect("/cb?error=a&error=b&" STATE_IS, REDIRECT_MISMATCH, "twice");
        expect("/cb?code=abc&iss=a&iss=b&" STATE_IS, REDIRECT_MISMATCH, "twice");
}

static void test_the_issuer_must_be_ours_where_it_is_told(void **state)
{
        const char *issuer = "https://id.example.com";

        expect_of("/cb?code=a&iss=https%3A%2F%2Fid.example.com&" STATE_IS, issuer, REDIRECT_CODE, "");
        expect_of("/cb?code=a&" STATE_IS, issuer, REDIRECT_CODE, "");
        expect_of("/cb?code=a&iss=https%3A%2F%2Fevil.example.com&" STATE_IS, NULL, REDIRECT_CODE, "");
        expect_of("/cb?code=a&iss=https%3A%2F%2Fevil.example.com&" STATE_IS, issuer, REDIRECT_MISMATCH,
                  "another auth");
        expect_of("/cb?code=a&iss=https%3A%2F%2Fid.example.com%2F&" STATE_IS, issuer, REDIRECT_MISMATCH,
                  "another auth");
        expect_of("/cb?code=a&iss=&" STATE_IS, issuer, REDIRECT_MISMATCH, "another auth");
        expect_of("/cb?error=access_denied&iss=https%3A%2F%2Fevil.example.com&" STATE_IS, issuer,
                  REDIRECT_MISMATCH, "another auth");
}

/* RFC 9207 section 2.4. Whoever leaves it out is not the one that promised it, be it a code or a denial. */
static void test_an_issuer_that_was_promised_must_be_there(void **state)
{
        const char *issuer = "https://id.example.com";

        issuer_is_promised = true;
        expect_of("/cb?code=a&iss=https%3A%2F%2Fid.example.com&" STATE_IS, issuer, REDIRECT_CODE, "");
        expect_of("/cb?error=access_denied&iss=https%3A%2F%2Fid.example.com&" STATE_IS, issuer,
                  REDIRECT_DENIED, "no");
        expect_of("/cb?code=a&" STATE_IS, issuer, REDIRECT_MISMATCH, "which authorization server");
        expect_of("/cb?error=access_denied&" STATE_IS, issuer, REDIRECT_MISMATCH,
                  "which authorization server");
        expect_of("/cb", issuer, REDIRECT_MISMATCH, "which authorization server");
        issuer_is_promised = false;
        expect_of("/cb", issuer, REDIRECT_DENIED, "no code");
}

static void test_what_is_no_redirect_is_malformed(void **state)
{
        static const char *const texts[] = {
                "hello",
                "hello/there",
                "yes please",
                "code=a b&" STATE_IS,
                "http://localhost/cb?code=a\nb&" STATE_IS,
                "code=a\x1b&" STATE_IS,
                "code=%&" STATE_IS,
                "code=%4&" STATE_IS,
                "code=%zz&" STATE_IS,
                "code=a%00b&" STATE_IS,
                "code=a%0ab&" STATE_IS,
                "code=%c3%a9&" STATE_IS,
                "code=a%7f&" STATE_IS,
                "code=abc&state=%",
        };

        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
                expect(texts[i], REDIRECT_MALFORMED, "");
}

static void test_a_redirect_has_a_limit(void **state)
{
        static char text[70000];

        memset(text, 'a', sizeof text - 1);
        memcpy(text, "code=", 5);
        expect(text, REDIRECT_MALFORMED, "");
        strcpy(text + 5 + OAUTH_TOKEN_MAX, "&" STATE_IS);
        text[5 + OAUTH_TOKEN_MAX - 1] = 'b';
        struct redirect redirect;
        assert_int_equal(oauth_read_redirect(text, STATE, NULL, false, &redirect), 0);
        assert_int_equal(redirect.verdict, REDIRECT_CODE);
        assert_int_equal(secret_size(redirect.code), OAUTH_TOKEN_MAX);
        redirect_done(&redirect);
        memset(text + 5, 'a', OAUTH_TOKEN_MAX + 1);
        strcpy(text + 5 + OAUTH_TOKEN_MAX + 1, "&" STATE_IS);
        expect(text, REDIRECT_MALFORMED, "damaged");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_code_comes_out_of_every_form_of_redirect),
                cmocka_unit_test(test_a_code_is_decoded),
                cmocka_unit_test(test_no_parameters_at_all_is_jobbers_way_to_say_no),
                cmocka_unit_test(test_an_error_is_a_denial_with_the_providers_words),
                cmocka_unit_test(test_a_denial_never_shows_the_code_beside_it),
                cmocka_unit_test(test_a_code_without_state_is_refused),
                cmocka_unit_test(test_another_state_is_a_mismatch_whatever_comes_with_it),
                cmocka_unit_test(test_a_parameter_given_twice_is_a_mismatch),
                cmocka_unit_test(test_the_issuer_must_be_ours_where_it_is_told),
                cmocka_unit_test(test_an_issuer_that_was_promised_must_be_there),
                cmocka_unit_test(test_what_is_no_redirect_is_malformed),
                cmocka_unit_test(test_a_redirect_has_a_limit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
