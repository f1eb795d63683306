// links: daemon/serve/
// libs: libsodium yaml-0.1 libsystemd
#include "daemon/serve/audit.h"

#include "daemon/vault/credential.h"
#include "daemon/base/events.h"
#include "daemon/base/log.h"
#include "tests/beds/fake_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static struct fake_clock clock_;
static struct timers timers;
static struct audit audit;
static struct peer peer;
static struct credential credential;

/* In place of daemon/base/log.c: what was told last, and how often. */
static struct log_event last;
static char text[512];
static unsigned n_told;

static void keep(const struct log_event *event, const char *format, va_list ap)
        __attribute__((format(printf, 2, 0)));
static void keep(const struct log_event *event, const char *format, va_list ap)
{
        last = *event;
        vsnprintf(text, sizeof(text), format, ap);
        n_told++;
}

void log_event(const struct log_event *event, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        keep(event, format, ap);
        va_end(ap);
}

void log_line(enum log_level level, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        keep(&(struct log_event){ .level = level }, format, ap);
        va_end(ap);
}

static int setup(void **state)
{
        (void)state;
        fake_clock_init(&clock_);
        timers = (struct timers)TIMERS_INIT;
        audit_init(&audit, &clock_.clock, &timers);
        peer = (struct peer){ .pid = 77, .uid = 1000, .unit_known = true, .unit = (char *)"sync.service" };
        credential = (struct credential){ .name = (char *)"acme", .client_name = (char *)"app" };
        n_told = 0;
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        audit_done(&audit);
        timers_done(&timers);
        return 0;
}

static void advance(uint64_t usec)
{
        fake_clock_advance(&clock_, usec);
        timers_run(&timers, clock_.boot_usec);
}

static void test_use_is_told_with_who_and_what(void **state)
{
        (void)state;
        credential.grant.generation = 5;
        audit_granted(&audit, &peer, &credential);
        assert_int_equal(last.generation, 5);
        assert_string_equal(text,
                            "acme: generation 5 is in use by process 77 of user 1000, unit sync.service.");
        assert_string_equal(last.message_id, EVENT_ACCESS_GRANTED);
        assert_string_equal(last.credential, "acme");
        assert_string_equal(last.client, "app");
        assert_string_equal(last.peer_unit, "sync.service");
        assert_int_equal(last.peer_pid, 77);
        assert_int_equal(last.peer_uid, 1000);
}

static void test_a_denial_is_told_with_method_and_name(void **state)
{
        (void)state;
        peer.unit = NULL;
        audit_denied(&audit, &peer, "io.purser.Tokens.GetToken", "acme");
        assert_string_equal(text,
                            "Denied: io.purser.Tokens.GetToken of acme, asked by process 77 of user 1000.");
        assert_string_equal(last.message_id, EVENT_ACCESS_DENIED);
        assert_string_equal(last.reason, "io.purser.Tokens.GetToken");
        audit_denied(&audit, &peer, "io.purser.Admin.Reload", NULL);
        assert_string_equal(text, "Denied: io.purser.Admin.Reload, asked by process 77 of user 1000.");
        assert_null(last.credential);
}

/* Whoever mixes up the parameters must not find the token in the journal. */
static void test_what_is_no_name_is_not_written(void **state)
{
        (void)state;
        audit_denied(&audit, &peer, "io.purser.Tokens.GetToken", "eyJhbGciOiJIUzI1NiJ9.secret+token/=");
        assert_null(strstr(text, "secret"));
        assert_non_null(strstr(text, "(not a name)"));
        assert_string_equal(last.credential, "(not a name)");
}

static void test_a_user_who_floods_is_rationed_and_counted(void **state)
{
        (void)state;
        for (int i = 0; i < AUDIT_BURST + 500; i++)
                audit_denied(&audit, &peer, "io.purser.Tokens.GetToken", "acme");
        assert_int_equal(n_told, AUDIT_BURST);

        /* Others have lines of their own. */
        struct peer other = peer;
        other.uid = 1001;
        audit_complain(&audit, &other, "does not read its answers");
        assert_int_equal(n_told, AUDIT_BURST + 1);
        assert_string_equal(text, "Process 77 of user 1001: does not read its answers.");

        advance(AUDIT_EVERY_SEC * USEC_PER_SEC);
        audit_granted(&audit, &peer, &credential);
        assert_int_equal(n_told, AUDIT_BURST + 2);
        advance(AUDIT_SUMMARY_SEC * USEC_PER_SEC);
        assert_int_equal(n_told, AUDIT_BURST + 3);
        assert_string_equal(text, "500 further lines about calls of user 1000 were left out.");
        advance(10 * AUDIT_SUMMARY_SEC * USEC_PER_SEC);
        assert_int_equal(n_told, AUDIT_BURST + 3);
}

static void test_what_was_left_out_is_told_at_the_end(void **state)
{
        (void)state;
        for (int i = 0; i < AUDIT_BURST + 3; i++)
                audit_granted(&audit, &peer, &credential);
        audit_done(&audit);
        assert_string_equal(text, "3 further lines about calls of user 1000 were left out.");
        assert_int_equal(timers_next(&timers), USEC_INFINITY);
}

static void test_more_users_than_buckets_cost_no_memory_and_lose_no_count(void **state)
{
        (void)state;
        for (int i = 0; i < AUDIT_BURST + 7; i++)
                audit_granted(&audit, &peer, &credential);
        for (uid_t uid = 2000; uid < 2000 + AUDIT_USERS; uid++) {
                struct peer other = peer;

                advance(1);
                other.uid = uid;
                audit_granted(&audit, &other, &credential);
        }
        /* The bucket of the first was used again, and what it had counted was told then. */
        assert_int_equal(n_told, AUDIT_BURST + AUDIT_USERS + 1);
}

#define AUDIT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                AUDIT_TEST(test_use_is_told_with_who_and_what),
                AUDIT_TEST(test_a_denial_is_told_with_method_and_name),
                AUDIT_TEST(test_what_is_no_name_is_not_written),
                AUDIT_TEST(test_a_user_who_floods_is_rationed_and_counted),
                AUDIT_TEST(test_what_was_left_out_is_told_at_the_end),
                AUDIT_TEST(test_more_users_than_buckets_cost_no_memory_and_lose_no_count),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
