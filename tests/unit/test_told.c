// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* What the journal is told of trouble: failures at growing intervals, the recovery once, and none that is not so. */
#include "tests/beds/core.h"

#include "daemon/base/events.h"
#include "daemon/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct core core;
static struct credential *acme;

/* In place of daemon/base/log.c: how often each event was told. */
static struct {
        const char *message_id;
        unsigned n;
} told[64];

void log_event(const struct log_event *event, const char *format, ...)
{
        size_t i = 0;

        if (!event->message_id)
                return;
        while (told[i].message_id && strcmp(told[i].message_id, event->message_id) != 0)
                i++;
        told[i].message_id = event->message_id;
        told[i].n++;
}

void log_line(enum log_level level, const char *format, ...)
{
}

static unsigned times(const char *message_id)
{
        for (size_t i = 0; told[i].message_id; i++)
                if (strcmp(told[i].message_id, message_id) == 0)
                        return told[i].n;
        return 0;
}

static void forget(void)
{
        memset(told, 0, sizeof(told));
}

static int setup(void **state)
{
        core_setup(&core, NULL);
        acme = core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        forget();
        return 0;
}

static int teardown(void **state)
{
        core_teardown(&core);
        return 0;
}

static void fail_once(void)
{
        core_advance(&core, 901);
        core_save(&core);
        fake_http_fail(core.context.http, 0, HTTP_NOT_SENT, "no route");
        core_run(&core);
        core_save(&core);
}

#define ANSWER "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"expires_in\":3600}"

static void test_failures_are_told_at_growing_intervals_and_the_recovery_once(void **state)
{
        core_advance(&core, 2700);
        core_save(&core);
        for (unsigned i = 0; i < 20; i++)
                fail_once();
        assert_int_equal(acme->failures, 20);
        assert_int_equal(times(EVENT_REFRESH_FAILED), 5); /* 1, 2, 4, 8, 16 */
        assert_int_equal(times(EVENT_RECOVERED), 0);

        core_advance(&core, 901);
        core_answer(&core, 200, ANSWER);
        core_save(&core);
        assert_int_equal(times(EVENT_RECOVERED), 1);
        core_advance(&core, 3500);
        core_answer(&core, 200, ANSWER);
        core_save(&core);
        assert_int_equal(times(EVENT_RECOVERED), 1);
        assert_int_equal(times(EVENT_REFRESHED), 1);
}

static void on_login(const struct login_answer *answer, void *userdata)
{
}

/* The grant of acme is dead; one that was imported waits for its test, and its own refresh fails and works again. */
static void test_a_waiting_login_that_recovers_is_not_told_as_the_credentials_recovery(void **state)
{
        _cleanup_(secret_freep) struct secret *token = NULL;
        struct login_call *call;

        core_advance(&core, 2700);
        core_answer(&core, 400, "{\"error\":\"invalid_grant\"}");
        core_save(&core);
        assert_int_equal(times(EVENT_AUTHORIZATION_REQUIRED), 1);

        assert_int_equal(secret_new_string(&token, "imported"), 0);
        assert_int_equal(login_import(core.logins, "acme", "app", NULL, token, false, on_login, NULL, &call),
                         0);
        core_run(&core);
        core_save(&core);
        core_save(&core);
        core_answer(&core, 200, ANSWER);
        core_save(&core);
        core_run(&core);
        core_answer(&core, 503, "maintenance"); /* the test */
        core_save(&core);
        login_call_free(call);
        assert_non_null(acme->pending);

        acme->pending->failures = 3;
        refresher_reject(core.refresher, acme->pending);
        core_run(&core);
        core_answer(&core, 200,
                    "{\"access_token\":\"access-3\",\"refresh_token\":\"refresh-3\",\"expires_in\":3600}");
        core_save(&core);
        assert_non_null(acme->pending);
        assert_int_equal(acme->pending->failures, 0);
        assert_string_equal(core_access_token(acme->pending), "access-3");
        assert_int_equal(times(EVENT_RECOVERED), 0);
}

static void save(struct credential *credential, const char *refresh_token)
{
        struct vault_write *write;
        struct grant grant = { .generation = credential->grant.generation + 1,
                               .lifetime_usec = 86400 * USEC_PER_SEC,
                               .received_boot_usec = (int64_t)core.clock.boot_usec,
                               .received_wall_usec = core.clock.wall_usec };

        assert_int_equal(secret_new_string(&grant.refresh_token, refresh_token), 0);
        assert_int_equal(secret_new_string(&grant.access_token, "access"), 0);
        (void)vault_save_grant(core.context.vault, credential, &grant, NULL, NULL, &write);
}

static void test_a_disk_that_goes_on_refusing_is_told_at_growing_intervals(void **state)
{
        save(acme, "refresh-2");
        fake_store_complete_all(core.store, -ENOSPC);
        assert_int_equal(times(EVENT_SAVE_FAILED), 1);
        for (int i = 1; i < 20; i++) {
                core_advance(&core, 61);
                fake_store_complete_all(core.store, -ENOSPC);
        }
        assert_int_equal(times(EVENT_SAVE_FAILED), 5); /* rounds 1, 2, 4, 8, 16 */
        assert_int_equal(times(EVENT_SAVED_AGAIN), 0);

        core_advance(&core, 61);
        core_save(&core);
        assert_int_equal(times(EVENT_SAVED_AGAIN), 1);
        save(acme, "refresh-3");
        core_save(&core);
        assert_int_equal(times(EVENT_SAVED_AGAIN), 1);
}

static void test_a_disk_that_took_one_of_two_is_not_told_as_mended_until_it_took_both(void **state)
{
        struct credential *umbra = core_give_grant(&core, "umbra", "refresh-u", "access-u", 86400);

        forget();
        save(acme, "refresh-2");
        save(umbra, "refresh-v");
        fake_store_complete_all(core.store, -ENOSPC);
        assert_true(acme->unsaved && umbra->unsaved);
        core_advance(&core, 61);
        fake_store_complete(core.store, 0);
        assert_true(acme->unsaved != umbra->unsaved);
        assert_int_equal(times(EVENT_SAVED_AGAIN), 0);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_int_equal(times(EVENT_SAVED_AGAIN), 0);

        core_advance(&core, 61);
        core_save(&core);
        assert_false(acme->unsaved || umbra->unsaved);
        assert_int_equal(times(EVENT_SAVED_AGAIN), 1);
        assert_in_range(times(EVENT_SAVE_FAILED), 1, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_failures_are_told_at_growing_intervals_and_the_recovery_once),
                TEST(test_a_waiting_login_that_recovers_is_not_told_as_the_credentials_recovery),
                TEST(test_a_disk_that_goes_on_refusing_is_told_at_growing_intervals),
                TEST(test_a_disk_that_took_one_of_two_is_not_told_as_mended_until_it_took_both),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
