// links: daemon/method/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Lists of more credentials than one answer holds. */
#include "daemon/vault/vault_internal.h"
#include "tests/beds/method_bed.h"

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

/* ---- long ones, made a little at a time ---- */

static unsigned count_of(const char *text, const char *part)
{
        unsigned n = 0;

        while ((text = strstr(text, part))) {
                text += strlen(part);
                n++;
        }
        return n;
}

#define STATUS_OF(most) "{\"method\":\"io.purser.Admin.Status\",\"parameters\":{\"most\":" #most "}}"
#define METRICS "{\"method\":\"io.purser.Admin.Metrics\",\"parameters\":{\"credentials\":500}}"

static int begin(const char *message)
{
        int other = serve_connect(&bed);

        bed.holds_turns = true;
        serve_say(&bed, other, message);
        assert_string_equal(serve_hear(&bed, other), "");
        assert_false(service_is_idle(bed.service));
        return other;
}

static const char *go_on(int other)
{
        bed.holds_turns = false;
        return serve_hear(&bed, other);
}

static void test_others_are_served_while_a_long_answer_is_made(void **state)
{
        static const char *const calls[][2] = {
                { STATUS_OF(150), "{\"name\":\"c" },
                { "{\"method\":\"io.purser.Tokens.ListCredentials\"}", "{\"name\":\"c" },
                { METRICS, "purser_credential_state{" },
        };
        static const unsigned expected[] = { 149, 1500, 500 };

        (void)state;
        make_credentials(1500);
        for (size_t i = 0; i < 3; i++) {
                int other = begin(calls[i][0]);

                assert_hears(GET, "access-1");
                assert_int_equal(count_of(go_on(other), calls[i][1]), expected[i]);
                assert_true(service_is_idle(bed.service));
        }
}

static void test_all_are_counted_in_many_steps(void **state)
{
        (void)state;
        make_credentials(2500);
        assert_has(go_on(begin("{\"method\":\"io.purser.Admin.Metrics\"}")),
                   "purser_credentials{client=\\\"\\\",state=\\\"authorization-required\\\"} 2500\\n");
        assert_has(go_on(begin("{\"method\":\"io.purser.Admin.Metrics\"}")), "\\npurser_calls_waiting 0\\n");
}

static void test_one_is_made_after_the_other(void **state)
{
        int first, second;

        (void)state;
        make_credentials(100);
        first = begin(STATUS_OF(100));
        second = begin(STATUS_OF(90));
        /* Not even begun. */
        vault_remove(bed.core.context.vault, vault_find(bed.core.context.vault, "acme"));
        assert_int_equal(count_of(go_on(first), "{\"name\":"), 100);
        assert_int_equal(count_of(go_on(second), "{\"name\":\"c"), 90);
}

static void test_what_goes_before_its_turn_is_not_in_the_answer(void **state)
{
        const char *heard;
        int other;

        (void)state;
        make_credentials(100);
        other = begin(STATUS_OF(100));
        vault_remove(bed.core.context.vault, vault_find(bed.core.context.vault, "c00000"));
        vault_remove(bed.core.context.vault, vault_find(bed.core.context.vault, "c00099"));
        heard = go_on(other);
        /* The first ones were made already. */
        assert_has(heard, "{\"name\":\"c00000\"");
        assert_has(heard, "{\"name\":\"c00098\"");
        assert_null(strstr(heard, "{\"name\":\"c00099\""));
        assert_has(heard, "}]}}");
}

static void test_who_leaves_ends_what_is_made(void **state)
{
        (void)state;
        make_credentials(1500);
        serve_hang_up(&bed, begin(STATUS_OF(1000)));
        assert_true(service_is_idle(bed.service));
        serve_hang_up(&bed, begin(METRICS));
        assert_true(service_is_idle(bed.service));
}

static void test_a_change_while_a_watch_is_told_of_another_one_is_told_too(void **state)
{
        static const char watch[] = "{\"method\":\"io.purser.Admin.Status\",\"more\":true}";

        (void)state;
        make_credentials(100);
        assert_has(go_on(begin(watch)), "]},\"continues\":true}");
        fd = bed.clients[bed.n_clients - 1];

        bed.holds_turns = true;
        service_on_change(acme, false, bed.service);
        serve_advance(&bed, 1);
        assert_false(service_is_idle(bed.service));
        acme->failures = 7;
        service_on_change(acme, false, bed.service);
        serve_advance(&bed, 1);
        bed.holds_turns = false;
        serve_advance(&bed, 1);
        assert_has(serve_hear(&bed, fd), "\"failures\":7");
        assert_string_equal(serve_hear(&bed, fd), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_list_is_read_page_by_page),
                TEST(test_a_page_has_limits),
                TEST(test_a_list_that_fits_no_answer_is_refused_and_not_cut_off),
                TEST(test_a_watch_of_what_has_become_too_much_ends_in_words),
                TEST(test_others_are_served_while_a_long_answer_is_made),
                TEST(test_all_are_counted_in_many_steps),
                TEST(test_one_is_made_after_the_other),
                TEST(test_what_goes_before_its_turn_is_not_in_the_answer),
                TEST(test_who_leaves_ends_what_is_made),
                TEST(test_a_change_while_a_watch_is_told_of_another_one_is_told_too),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
