// links: daemon/method/
// libs: libsodium jansson yaml-0.1 libsystemd
// ldflags: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=strdup,--wrap=strndup,--wrap=realpath
/*
 * What becomes of the serve layer when memory runs out in the midst of a call: that call's connection may go, and nothing else. Run under
 * AddressSanitizer it proves that nothing leaks and nothing is freed twice.
 */
#include "common/wipe.h"
#include "tests/beds/out_of_memory.h"
#include "tests/beds/serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define GET "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"acme\"}}"
#define ALL_MOST 20000

static struct serve_bed bed;
static struct credential *acme;

static void start(void)
{
        bed = (struct serve_bed){ 0 };
        serve_setup(&bed, NULL);
        acme = core_give_grant(&bed.core, "acme", "refresh-1", "access-1", 3600);
}

static void assert_others_are_served(void)
{
        int fd = serve_connect(&bed);

        if (!strstr(serve_ask(&bed, fd, GET), "access-"))
                fail_msg("the next caller is not served");
        serve_hang_up(&bed, fd);
}

/* Each allocation in turn fails while `message` is worked off, and what follows from it. */
static void fail_each_allocation_of(const char *message, void (*then)(void))
{
        bool came = true;

        for (size_t i = 0; came; i++) {
                int fd;

                assert_true(i < ALL_MOST);
                start();
                fd = serve_connect(&bed);
                serve_say(&bed, fd, message);
                out_of_memory_at(i);
                serve_pump(&bed);
                if (then)
                        then();
                came = out_of_memory_end();
                /* An answer, or the end of this connection: what came is whole. */
                const char *heard = serve_hear(&bed, fd);
                size_t n = strlen(heard);
                assert_true(n == 0 || heard[n - 1] == '\n' || strcmp(heard + n - 3, "EOF") == 0);
                assert_others_are_served();
                serve_teardown(&bed);
        }
}

static void test_a_token_call_without_memory_costs_one_connection_at_most(void **state)
{
        (void)state;
        fail_each_allocation_of(GET, NULL);
}

static void test_a_list_without_memory_costs_one_connection_at_most(void **state)
{
        (void)state;
        fail_each_allocation_of("{\"method\":\"io.purser.Tokens.ListCredentials\"}", NULL);
}

static void test_a_denial_without_memory_costs_one_connection_at_most(void **state)
{
        (void)state;
        fail_each_allocation_of(
                "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"none\"}}", NULL);
}

static void test_a_description_without_memory_costs_one_connection_at_most(void **state)
{
        (void)state;
        fail_each_allocation_of("{\"method\":\"org.varlink.service.GetInfo\"}", NULL);
        fail_each_allocation_of("{\"method\":\"a.b.C\"}", NULL);
}

static void test_what_is_no_call_without_memory_costs_one_connection_at_most(void **state)
{
        (void)state;
        fail_each_allocation_of("{\"method\":5}", NULL);
}

static void change(void)
{
        context_changed(&bed.core.context, acme, false);
        fake_clock_advance(&bed.core.clock, USEC_PER_SEC);
        serve_pump(&bed);
}

static void test_a_status_watch_and_a_change_without_memory_costs_one_connection_at_most(void **state)
{
        (void)state;
        fail_each_allocation_of("{\"method\":\"io.purser.Admin.Status\",\"more\":true}", change);
}

static void cut(void)
{
        acme->refusal = REFUSAL_CUT;
        change();
}

static void test_a_token_watch_that_ends_without_memory_leaves_nothing_behind(void **state)
{
        static const char watch[] = "{\"method\":\"io.purser.Tokens.WatchToken\",\"more\":true,"
                                    "\"parameters\":{\"credential\":\"acme\"}}";
        bool came = true;

        (void)state;
        for (size_t i = 0; came; i++) {
                int fd;

                assert_true(i < ALL_MOST);
                start();
                fd = serve_connect(&bed);
                serve_say(&bed, fd, watch);
                out_of_memory_at(i);
                serve_pump(&bed);
                cut();
                came = out_of_memory_end();
                serve_teardown(&bed);
        }
}

static void test_clients_and_metrics_without_memory_costs_one_connection_at_most(void **state)
{
        (void)state;
        fail_each_allocation_of("{\"method\":\"io.purser.Admin.ListClients\"}", NULL);
        fail_each_allocation_of("{\"method\":\"io.purser.Admin.Metrics\"}", NULL);
}

/* A service starts with the whole of what was asked for, or with nothing. */
static void test_a_load_without_memory_is_empty_or_whole(void **state)
{
        static const char *const ids[] = { "acme", "acme.headers", "acme.json", "none" };

        (void)state;
        for (size_t k = 0; k < sizeof(ids) / sizeof(ids[0]); k++) {
                bool came = true;

                for (size_t i = 0; came; i++) {
                        int fd;

                        assert_true(i < ALL_MOST);
                        bed = (struct serve_bed){ .in_user_manager = true };
                        serve_setup(&bed, NULL);
                        acme = core_give_grant(&bed.core, "acme", "refresh-1", "access-1", 3600);
                        fd = serve_load(&bed, "any.service", ids[k]);
                        out_of_memory_at(i);
                        serve_pump(&bed);
                        came = out_of_memory_end();
                        const char *heard = serve_hear(&bed, fd);
                        if (strcmp(heard, "EOF") != 0 && !strstr(heard, "access-1EOF") &&
                            !strstr(heard, "\nEOF"))
                                fail_msg("%s: %s", ids[k], heard);
                        assert_string_equal(heard + strlen(heard) - 3, "EOF");
                        serve_teardown(&bed);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_token_call_without_memory_costs_one_connection_at_most),
                cmocka_unit_test(test_a_list_without_memory_costs_one_connection_at_most),
                cmocka_unit_test(test_a_denial_without_memory_costs_one_connection_at_most),
                cmocka_unit_test(test_a_description_without_memory_costs_one_connection_at_most),
                cmocka_unit_test(test_what_is_no_call_without_memory_costs_one_connection_at_most),
                cmocka_unit_test(
                        test_a_status_watch_and_a_change_without_memory_costs_one_connection_at_most),
                cmocka_unit_test(test_a_token_watch_that_ends_without_memory_leaves_nothing_behind),
                cmocka_unit_test(test_a_load_without_memory_is_empty_or_whole),
                cmocka_unit_test(test_clients_and_metrics_without_memory_costs_one_connection_at_most),
        };

        json_set_alloc_funcs(wipe_malloc, wipe_free);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
