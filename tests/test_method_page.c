// links: tests/method_bed.c tests/serve.c tests/core.c tests/fake_clock.c tests/fake_http.c
// links: tests/fake_store.c tests/fake_records.c daemon/method/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Lists of more credentials than one answer holds. */
#include "tests/method_bed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void make_credentials(int n)
{
        for (int i = 0; i < n; i++) {
                struct credential *credential;
                char name[32];

                /* In no order of their names. */
                snprintf(name, sizeof(name), "c%05d", (i * 7907) % n);
                assert_int_equal(vault_require(bed.core.context.vault, name, &credential), 0);
        }
}

static void test_a_list_is_read_page_by_page(void **state)
{
        (void)state;
        make_credentials(10);
        assert_hears("{\"method\":\"io.purser.Tokens.ListCredentials\",\"parameters\":{\"most\":1}}",
                     "{\"parameters\":{\"credentials\":[{\"name\":\"acme\"");
        for (int i = 0; i < 9; i += 3) {
                char call[160];
                const char *heard;

                snprintf(call, sizeof(call),
                         "{\"method\":\"%s\",\"parameters\":{\"most\":3,\"after\":\"%s%05d\"}}",
                         i == 3 ? "io.purser.Admin.Status" : "io.purser.Tokens.ListCredentials",
                         i ? "c" : "acme", i ? i - 1 : 0);
                heard = serve_ask(&bed, fd, call);
                for (int k = 0; k < 10; k++) {
                        char name[32];

                        snprintf(name, sizeof(name), "{\"name\":\"c%05d\"", k);
                        assert_int_equal(strstr(heard, name) != NULL, k >= i && k < i + 3);
                }
                assert_null(strstr(heard, "acme"));
        }
        assert_hears(
                "{\"method\":\"io.purser.Tokens.ListCredentials\",\"parameters\":{\"after\":\"c00008\"}}",
                "{\"parameters\":{\"credentials\":[{\"name\":\"c00009\"");
        assert_hears(
                "{\"method\":\"io.purser.Tokens.ListCredentials\",\"parameters\":{\"after\":\"c00009\"}}",
                "{\"parameters\":{\"credentials\":[]}}");
}

static void test_a_page_has_limits(void **state)
{
        (void)state;
        assert_hears("{\"method\":\"io.purser.Tokens.ListCredentials\",\"parameters\":{\"most\":0}}",
                     "InvalidParameter\",\"parameters\":{\"parameter\":\"most\"");
        assert_hears("{\"method\":\"io.purser.Tokens.ListCredentials\",\"parameters\":{\"most\":2001}}",
                     "InvalidParameter\",\"parameters\":{\"parameter\":\"most\"");
        assert_hears("{\"method\":\"io.purser.Admin.Status\",\"more\":true,\"parameters\":{\"most\":5}}",
                     "What is watched has no pages.");
}

static void test_a_list_that_fits_no_answer_is_refused_and_not_cut_off(void **state)
{
        (void)state;
        make_credentials(2000);
        assert_hears("{\"method\":\"io.purser.Tokens.ListCredentials\"}",
                     "There are more than 2000: ask for fewer");
        assert_hears("{\"method\":\"io.purser.Admin.Status\"}", "There are more than 2000: ask for fewer");
        assert_hears("{\"method\":\"io.purser.Admin.Status\",\"more\":true}", "There are more than 2000");
        /* The connection goes on. */
        assert_hears(GET, "access-1");
}

static void test_a_watch_of_what_has_become_too_much_ends_in_words(void **state)
{
        (void)state;
        assert_hears("{\"method\":\"io.purser.Admin.Status\",\"more\":true}", "\"continues\":true}");
        make_credentials(2000);
        service_on_change(acme, false, bed.service);
        serve_advance(&bed, 5);
        assert_has(serve_hear(&bed, fd), "There are more than 2000: ask for fewer");
        assert_hears(GET, "access-1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_list_is_read_page_by_page),
                TEST(test_a_page_has_limits),
                TEST(test_a_list_that_fits_no_answer_is_refused_and_not_cut_off),
                TEST(test_a_watch_of_what_has_become_too_much_ends_in_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
