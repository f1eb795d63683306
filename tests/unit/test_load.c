// links: daemon/method/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Credentials that a service manager loads, over the whole core. */
#include "tests/beds/serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FOR_ALLOWED "credentials:\n  acme: {client: app, allow: [{unit: allowed.service}]}\n"
#define FOR_ROOT "credentials:\n  acme: {client: app, allow: [{user: root}]}\n"

static struct serve_bed bed;
static struct credential *acme;

static void set_up(const char *more)
{
        serve_setup(&bed, more);
        acme = core_give_grant(&bed.core, "acme", "refresh-1", "access-1", 3600);
        vault_rebind(bed.core.context.vault, acme);
}

static int setup(void **state)
{
        bed = (struct serve_bed){ .in_user_manager = true };
        (void)state;
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        serve_teardown(&bed);
        return 0;
}

/* The system's manager is root, and whoever is not cannot play it. */
static void be_a_system_daemon(void)
{
        if (getuid() != 0)
                skip();
        bed.in_user_manager = false;
}

static const char *load(const char *unit, const char *id)
{
        return serve_hear(&bed, serve_load(&bed, unit, id));
}

static void test_a_service_of_the_user_is_given_what_the_user_may_have(void **state)
{
        (void)state;
        set_up(NULL);
        assert_string_equal(load("any.service", "acme"), "access-1EOF");
        assert_string_equal(load("any.service", "acme.token"), "access-1EOF");
        assert_string_equal(load("any.service", "acme.headers"), "Authorization: Bearer access-1\nEOF");
}

static void test_the_bundle_is_the_one_of_get_token(void **state)
{
        char bundle[1024], answer[1024];
        size_t n;

        (void)state;
        set_up(NULL);
        snprintf(bundle, sizeof(bundle), "%s", load("any.service", "acme.json"));
        snprintf(answer, sizeof(answer), "%s",
                 serve_ask(&bed, serve_connect(&bed),
                           "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":"
                           "\"acme\"}}"));
        assert_memory_equal(answer, "{\"parameters\":", 14);
        n = strlen(answer + 14) - 2;
        assert_memory_equal(bundle, answer + 14, n);
        assert_string_equal(bundle + n, "\nEOF");
}

static void test_a_service_of_the_system_needs_a_rule_for_its_unit(void **state)
{
        (void)state;
        be_a_system_daemon();
        set_up(FOR_ALLOWED);
        assert_string_equal(load("allowed.service", "acme"), "access-1EOF");
        assert_string_equal(load("other.service", "acme"), "EOF");
        assert_string_equal(load("allowed.service.service", "acme"), "EOF");
}

/* root asks on the behalf of every unit of the system, so that a rule for root must not speak of them all. */
static void test_a_rule_for_root_gives_a_service_of_the_system_nothing(void **state)
{
        (void)state;
        be_a_system_daemon();
        set_up(FOR_ROOT);
        assert_string_equal(load("any.service", "acme"), "EOF");
}

static void test_nor_does_the_default_of_no_rules(void **state)
{
        (void)state;
        be_a_system_daemon();
        set_up(NULL);
        assert_string_equal(load("any.service", "acme"), "EOF");
}

static void test_a_rule_for_a_unit_speaks_of_the_users_own_units_as_well(void **state)
{
        (void)state;
        set_up(FOR_ALLOWED);
        assert_string_equal(load("allowed.service", "acme"), "access-1EOF");
        assert_string_equal(load("other.service", "acme"), "EOF");
}

static void test_a_name_that_somebody_else_forged_gets_nothing(void **state)
{
        (void)state;
        bed.other_uid = 1;
        set_up(FOR_ALLOWED);
        assert_string_equal(load("allowed.service", "acme"), "EOF");
}

static void test_who_binds_no_name_gets_nothing(void **state)
{
        (void)state;
        set_up(NULL);
        assert_string_equal(load(NULL, NULL), "EOF");
        assert_string_equal(load("no-unit", "acme"), "EOF");
}

static void test_what_is_not_there_is_empty(void **state)
{
        (void)state;
        set_up(NULL);
        assert_string_equal(load("any.service", "nobody"), "EOF");
        assert_string_equal(load("any.service", "acme.xml"), "EOF");
        assert_string_equal(load("any.service", ".json"), "EOF");
}

/* There is a token, but it has ended. */
static int load_past_the_end(void)
{
        set_up(NULL);
        serve_advance(&bed, 3601);
        return serve_load(&bed, "any.service", "acme");
}

static void test_a_load_waits_for_the_refresh_of_a_token_that_has_ended(void **state)
{
        int fd;

        (void)state;
        fd = load_past_the_end();
        assert_string_equal(serve_hear(&bed, fd), "");
        core_answer(
                &bed.core, 200,
                "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"token_type\":\"bearer\","
                "\"expires_in\":3600}");
        core_save(&bed.core);
        assert_string_equal(serve_hear(&bed, fd), "access-2EOF");
}

static void test_a_load_does_not_wait_longer_than_a_start_may(void **state)
{
        int fd;

        (void)state;
        fd = load_past_the_end();
        serve_pump(&bed);
        serve_advance(&bed, 19);
        assert_string_equal(serve_hear(&bed, fd), "");
        serve_advance(&bed, 1);
        assert_string_equal(serve_hear(&bed, fd), "EOF");
}

/* A service keeps its token as long as it runs. */
static void test_a_token_that_ends_soon_is_refreshed_first_and_given_all_the_same(void **state)
{
        int fd;

        (void)state;
        set_up("refresh: {before: 1s}\n");
        serve_advance(&bed, 3600 - 300);
        fd = serve_load(&bed, "any.service", "acme");
        assert_string_equal(serve_hear(&bed, fd), "");
        core_save(&bed.core);
        serve_pump(&bed);
        core_answer(&bed.core, 503, "");
        assert_string_equal(serve_hear(&bed, fd), "access-1EOF");
}

static void test_a_credential_that_needs_a_login_is_empty_at_once(void **state)
{
        (void)state;
        set_up(NULL);
        refresher_cut(bed.core.refresher, acme, "The account has disconnected this app.");
        assert_string_equal(load("any.service", "acme"), "EOF");
        assert_string_equal(load("any.service", "acme.json"), "EOF");
}

static void test_who_hangs_up_while_waiting_leaves_nothing_behind(void **state)
{
        int fd;

        (void)state;
        fd = load_past_the_end();
        serve_pump(&bed);
        assert_non_null(acme->waiters);
        serve_hang_up(&bed, fd);
        assert_null(acme->waiters);
}

static void test_a_credential_that_goes_while_waited_for_is_empty(void **state)
{
        int fd;

        (void)state;
        fd = load_past_the_end();
        serve_pump(&bed);
        refresher_release(bed.core.refresher, acme);
        assert_string_equal(serve_hear(&bed, fd), "EOF");
}

/* What the kernel holds is full, so that the rest waits here; not for ever. */
static void test_a_manager_that_does_not_read_is_given_up(void **state)
{
        static char token[250 * 1024];
        int fd, small = 1;
        size_t n = 0;
        ssize_t r;

        (void)state;
        serve_setup(&bed, NULL);
        memset(token, 'a', sizeof(token) - 1);
        acme = core_give_grant(&bed.core, "acme", "refresh-1", token, 3600);
        fd = serve_load(&bed, "any.service", "acme");
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
        serve_pump(&bed);
        serve_advance(&bed, LOADS_STALLED_SEC);
        serve_pump(&bed);
        while ((r = recv(fd, token, sizeof(token), 0)) > 0)
                n += (size_t)r;
        assert_int_equal(r, 0);
        /* Else the kernel took all of it, and nothing was left to wait. */
        if (n == sizeof(token) - 1)
                skip();
        assert_true(n > 0);
}

static void test_more_loads_than_there_is_room_for_wait_at_the_door(void **state)
{
        int fds[LOADS_MOST + 8];
        unsigned n_given = 0;

        (void)state;
        set_up(NULL);
        serve_advance(&bed, 3601);
        for (unsigned i = 0; i < LOADS_MOST + 8; i++) {
                bed.n_clients = 0;
                fds[i] = serve_load(&bed, "any.service", "acme");
                serve_pump(&bed);
        }
        bed.n_clients = 0;
        core_answer(
                &bed.core, 200,
                "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"token_type\":\"bearer\","
                "\"expires_in\":3600}");
        core_save(&bed.core);
        for (unsigned i = 0; i < LOADS_MOST + 8; i++) {
                if (strcmp(serve_hear(&bed, fds[i]), "access-2EOF") == 0)
                        n_given++;
                close(fds[i]);
        }
        assert_int_equal(n_given, LOADS_MOST + 8);
}

static void note(void *userdata)
{
        (*(int *)userdata)++;
}

static void test_an_orderly_end_waits_for_those_who_wait(void **state)
{
        int fd, n_told = 0;

        (void)state;
        fd = load_past_the_end();
        serve_pump(&bed);
        loads_drain(bed.loads, note, &n_told);
        assert_false(loads_is_idle(bed.loads));
        core_answer(
                &bed.core, 200,
                "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"token_type\":\"bearer\","
                "\"expires_in\":3600}");
        core_save(&bed.core);
        assert_string_equal(serve_hear(&bed, fd), "access-2EOF");
        assert_true(loads_is_idle(bed.loads));
        assert_int_equal(n_told, 1);
}

#define LOAD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                LOAD_TEST(test_a_service_of_the_user_is_given_what_the_user_may_have),
                LOAD_TEST(test_the_bundle_is_the_one_of_get_token),
                LOAD_TEST(test_a_service_of_the_system_needs_a_rule_for_its_unit),
                LOAD_TEST(test_a_rule_for_root_gives_a_service_of_the_system_nothing),
                LOAD_TEST(test_nor_does_the_default_of_no_rules),
                LOAD_TEST(test_a_rule_for_a_unit_speaks_of_the_users_own_units_as_well),
                LOAD_TEST(test_a_name_that_somebody_else_forged_gets_nothing),
                LOAD_TEST(test_who_binds_no_name_gets_nothing),
                LOAD_TEST(test_what_is_not_there_is_empty),
                LOAD_TEST(test_a_load_waits_for_the_refresh_of_a_token_that_has_ended),
                LOAD_TEST(test_a_load_does_not_wait_longer_than_a_start_may),
                LOAD_TEST(test_a_token_that_ends_soon_is_refreshed_first_and_given_all_the_same),
                LOAD_TEST(test_a_credential_that_needs_a_login_is_empty_at_once),
                LOAD_TEST(test_who_hangs_up_while_waiting_leaves_nothing_behind),
                LOAD_TEST(test_a_credential_that_goes_while_waited_for_is_empty),
                LOAD_TEST(test_a_manager_that_does_not_read_is_given_up),
                LOAD_TEST(test_more_loads_than_there_is_room_for_wait_at_the_door),
                LOAD_TEST(test_an_orderly_end_waits_for_those_who_wait),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
