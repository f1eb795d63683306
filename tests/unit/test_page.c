// links: client/page.c client/output.c common/
// libs: libsodium
#include "client/page.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_values_are_escaped_everywhere(void **state)
{
        const struct page page = {
                .kind = PAGE_DONE,
                .title = "acme</title><script>alert('1')</script>",
                .text = "Tom & \"Jerry\" <b>\033[31m\n\xc3\xa4</b>",
                .detail = "<img src=x>",
        };
        char *html = page_render(&page);

        assert_non_null(strstr(
                html, "<title>acme&lt;/title&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;</title>"));
        assert_non_null(strstr(html, "<h1 class=\"done\">acme&lt;/title&gt;"));
        assert_non_null(strstr(html, "<p>Tom &amp; &quot;Jerry&quot; &lt;b&gt;?[31m \xc3\xa4&lt;/b&gt;</p>"));
        assert_non_null(strstr(html, "<p>&lt;img src=x&gt;</p>"));
        assert_null(strstr(html, "<script"));
        assert_null(strstr(html, "<img"));
        free(html);
}

static void test_paragraphs_that_are_not_there_leave_no_trace(void **state)
{
        const struct page page = { .kind = PAGE_REFUSED, .title = "No", .detail = "" };
        char *html = page_render(&page);

        assert_null(strstr(html, "<p></p>"));
        assert_non_null(strstr(html, "<h1 class=\"refused\">No</h1>\n<p><small>"));
        free(html);
}

static void test_nothing_is_fetched_from_elsewhere(void **state)
{
        const struct page page = { .kind = PAGE_WAITING, .title = "x" };
        char *html = page_render(&page);

        assert_null(strstr(html, "http"));
        assert_null(strstr(html, "//"));
        assert_null(strstr(html, "url("));
        assert_null(strstr(html, "@import"));
        free(html);
}

static void test_the_policy_names_the_style_by_its_hash_and_allows_nothing_else(void **state)
{
        const struct page page = { .kind = PAGE_DONE, .title = "x" };
        char *html = page_render(&page), *style = strstr(html, "<style>") + strlen("<style>"),
             *end = strstr(style, "</style>");
        unsigned char hash[crypto_hash_sha256_BYTES];
        char base64[64], source[96];

        crypto_hash_sha256(hash, (unsigned char *)style, (size_t)(end - style));
        sodium_bin2base64(base64, sizeof(base64), hash, sizeof(hash), sodium_base64_VARIANT_ORIGINAL);
        snprintf(source, sizeof(source), "style-src 'sha256-%s';", base64);
        assert_non_null(strstr(page_policy, source));
        assert_int_equal(strncmp(page_policy, "default-src 'none';", 19), 0);
        assert_null(strstr(page_policy, "unsafe"));
        assert_null(strstr(page_policy, "script-src"));
        free(html);
}

static void test_a_phone_and_a_dark_screen_are_thought_of(void **state)
{
        const struct page page = { .kind = PAGE_DONE, .title = "x" };
        char *html = page_render(&page);

        assert_non_null(
                strstr(html, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"));
        assert_non_null(strstr(html, "prefers-color-scheme:dark"));
        assert_int_equal(strncmp(html, "<!doctype html>", 15), 0);
        free(html);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values_are_escaped_everywhere),
                cmocka_unit_test(test_paragraphs_that_are_not_there_leave_no_trace),
                cmocka_unit_test(test_nothing_is_fetched_from_elsewhere),
                cmocka_unit_test(test_the_policy_names_the_style_by_its_hash_and_allows_nothing_else),
                cmocka_unit_test(test_a_phone_and_a_dark_screen_are_thought_of),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
