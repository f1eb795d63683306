// links: tests/serve.c tests/core.c tests/fake_clock.c tests/fake_http.c tests/fake_store.c tests/fake_records.c daemon/method/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Callers who ask while the store is still being read. */
#include "daemon/vault/vault_internal.h"
#include "tests/serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#define GET(name) "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"" name "\"}}"
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

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_who_asks_for_one_gets_it_before_all_are_read, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_what_cannot_be_read_is_not_said_to_be_nowhere, setup,
                                                teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
