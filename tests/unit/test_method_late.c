// links: daemon/method/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Callers who ask while the store is still being read. */
#include "daemon/vault/vault_internal.h"
#include "tests/beds/serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#define GET(name) "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"" name "\"}}"
#define LIST "{\"method\":\"io.purser.Tokens.ListCredentials\"}"
#define STATUS(name) "{\"method\":\"io.purser.Admin.Status\",\"parameters\":{\"credential\":\"" name "\"}}"

static struct serve_bed bed;
static int fd;

/* acme is in the table, and beta, as far as the vault knows, in the store alone. */
static int setup(void **state)
{
        struct credential *beta;

        bed = (struct serve_bed){ 0 };
        serve_setup(&bed, NULL);
        core_give_grant(&bed.core, "acme", "refresh-1", "access-1", 3600);
        beta = core_give_grant(&bed.core, "beta", "refresh-2", "access-2", 3600);
        vault_remove(bed.core.context.vault, beta);
        bed.core.context.vault->late.under_way = true;
        bed.core.context.vault->late.has_read = false;
        fd = serve_connect(&bed);
        return 0;
}

static int teardown(void **state)
{
        serve_teardown(&bed);
        return 0;
}

static void assert_hears(const char *message, const char *part)
{
        const char *heard = serve_ask(&bed, fd, message);

        if (!strstr(heard, part))
                fail_msg("no '%s' in: %s", part, heard);
}

static void test_who_asks_for_one_gets_it_before_all_are_read(void **state)
{
        assert_hears(GET("nobody"), "NoSuchCredential");
        assert_hears(GET("beta"), "access-2");
        assert_hears(STATUS("beta"), "\"state\":\"active\"");
        assert_true(vault_is_loading(bed.core.context.vault));
        assert_hears("{\"method\":\"io.purser.Tokens.ListCredentials\"}", "\"name\":\"beta\"");
        assert_false(vault_is_loading(bed.core.context.vault));
}

static void test_what_cannot_be_read_is_not_said_to_be_nowhere(void **state)
{
        fake_disk_set_load_result(bed.core.disk, -EIO);
        for (int i = 0; i < 2; i++) {
                assert_hears(GET("beta"), "TokenUnavailable\",\"parameters\":{\"credential\":\"beta\"");
                assert_hears(GET("nobody"), "not known whether there is such a credential");
                assert_hears(STATUS("beta"), "TokenUnavailable");
                /* Not a part of it in the name of the whole. */
                assert_null(strstr(serve_ask(&bed, fd, "{\"method\":\"io.purser.Tokens.ListCredentials\"}"),
                                   "acme"));
                fd = serve_connect(&bed);
                assert_hears(GET("acme"), "access-1");
        }
}

/* ---- while the rest is being read ---- */

static void read_the_rest(void)
{
        assert_int_equal(vault_load_all(bed.core.context.vault), 0);
        service_set_loading(bed.service, false);
}

static void test_who_speaks_of_all_waits_and_nobody_else_does(void **state)
{
        static const char *const calls[][2] = {
                { LIST, "\"name\":\"beta\"" },
                { "{\"method\":\"io.purser.Admin.Status\"}", "\"name\":\"beta\"" },
                { "{\"method\":\"io.purser.Admin.Metrics\"}", "state=\\\"active\\\"} 2\\n" },
                { "{\"method\":\"io.purser.Admin.KeepGrants\"}", "\"credentials\":0" },
                { "{\"method\":\"io.purser.Admin.Revoke\",\"parameters\":{\"credential\":\"nobody\"}}",
                  "NoSuchCredential" },
        };
        enum { N = sizeof(calls) / sizeof(calls[0]) };
        int fds[N];

        service_set_loading(bed.service, true);
        assert_false(service_awaits_all(bed.service));
        for (size_t i = 0; i < N; i++) {
                fds[i] = serve_connect(&bed);
                serve_say(&bed, fds[i], calls[i][0]);
                if (i + 1 < N)
                        assert_string_equal(serve_hear(&bed, fds[i]), "");
        }
        assert_true(service_awaits_all(bed.service) && !service_is_idle(bed.service));
        assert_hears(GET("beta"), "access-2");
        assert_hears(STATUS("acme"), "\"state\":\"active\"");
        assert_true(vault_is_loading(bed.core.context.vault));

        read_the_rest();
        assert_false(service_awaits_all(bed.service));
        for (size_t i = 0; i < N; i++)
                if (!strstr(serve_hear(&bed, fds[i]), calls[i][1]))
                        fail_msg("no '%s' for %s", calls[i][1], calls[i][0]);
        assert_true(service_is_idle(bed.service));
        assert_hears(LIST, "\"name\":\"beta\"");
}

static void test_what_is_wrong_with_a_call_is_said_without_waiting(void **state)
{
        service_set_loading(bed.service, true);
        assert_hears("{\"method\":\"io.purser.Admin.Metrics\",\"parameters\":{\"credentials\":-1}}",
                     "InvalidParameter");
        assert_hears("{\"method\":\"io.purser.Admin.Export\",\"parameters\":{\"passphrase\":\"x\"}}",
                     "InvalidParameter");
        assert_true(vault_is_loading(bed.core.context.vault) && service_is_idle(bed.service));
}

static void test_who_may_not_call_any_more_when_all_are_read_is_denied(void **state)
{
        service_set_loading(bed.service, true);
        serve_say(&bed, fd, "{\"method\":\"io.purser.Admin.Status\"}");
        assert_string_equal(serve_hear(&bed, fd), "");
        serve_reload(&bed, "admins: [{user: 65533}]\n");
        read_the_rest();
        assert_non_null(strstr(serve_hear(&bed, fd), "org.varlink.service.PermissionDenied"));
        assert_true(service_is_idle(bed.service));
}

static void test_who_leaves_does_not_wait_any_more(void **state)
{
        int other = serve_connect(&bed);

        service_set_loading(bed.service, true);
        serve_say(&bed, other, LIST);
        serve_pump(&bed);
        serve_say(&bed, fd, LIST);
        serve_pump(&bed);
        serve_hang_up(&bed, other);
        assert_true(service_awaits_all(bed.service));
        serve_hang_up(&bed, fd);
        assert_true(service_is_idle(bed.service));
        read_the_rest();
        serve_pump(&bed);
}

static int setup_crowd(void **state)
{
        setup(state);
        serve_teardown(&bed);
        bed = (struct serve_bed){ .waiting_per_user = 2 };
        serve_setup(&bed, NULL);
        core_give_grant(&bed.core, "acme", "refresh-1", "access-1", 3600);
        bed.core.context.vault->late.under_way = true;
        service_set_loading(bed.service, true);
        return 0;
}

static void test_only_so_many_of_a_user_wait(void **state)
{
        int fds[3];

        for (int i = 0; i < 3; i++) {
                fds[i] = serve_connect(&bed);
                serve_say(&bed, fds[i], LIST);
                serve_pump(&bed);
        }
        assert_string_equal(serve_hear(&bed, fds[2]), "EOF");
        read_the_rest();
        for (int i = 0; i < 2; i++)
                assert_non_null(strstr(serve_hear(&bed, fds[i]), "\"name\":\"acme\""));
}

/* As at the end of the daemon: nobody reads the rest any more. */
static void test_who_waits_when_the_reading_is_given_up_is_answered_all_the_same(void **state)
{
        service_set_loading(bed.service, true);
        serve_say(&bed, fd, LIST);
        assert_string_equal(serve_hear(&bed, fd), "");
        service_set_loading(bed.service, false);
        assert_non_null(strstr(serve_hear(&bed, fd), "\"name\":\"beta\""));
        assert_false(vault_is_loading(bed.core.context.vault));
}

static void test_who_waits_when_the_reading_fails_is_not_told_of_a_part(void **state)
{
        service_set_loading(bed.service, true);
        serve_say(&bed, fd, LIST);
        serve_pump(&bed);
        fake_disk_set_load_result(bed.core.disk, -EIO);
        assert_true(vault_load_all(bed.core.context.vault) < 0);
        service_set_loading(bed.service, false);
        assert_string_equal(serve_hear(&bed, fd), "EOF");
        assert_true(service_is_idle(bed.service));
}

#define LATE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_who_asks_for_one_gets_it_before_all_are_read, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_what_cannot_be_read_is_not_said_to_be_nowhere, setup,
                                                teardown),
                LATE(test_who_speaks_of_all_waits_and_nobody_else_does),
                LATE(test_what_is_wrong_with_a_call_is_said_without_waiting),
                LATE(test_who_may_not_call_any_more_when_all_are_read_is_denied),
                LATE(test_who_leaves_does_not_wait_any_more),
                cmocka_unit_test_setup_teardown(test_only_so_many_of_a_user_wait, setup_crowd, teardown),
                LATE(test_who_waits_when_the_reading_is_given_up_is_answered_all_the_same),
                LATE(test_who_waits_when_the_reading_fails_is_not_told_of_a_part),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
