// links: tests/core.c tests/fake_clock.c tests/fake_http.c tests/fake_store.c daemon/refresh*.c daemon/probe*.c daemon/login*.c
// links: daemon/discovery.c daemon/vault*.c daemon/credential*.c daemon/record.c daemon/seal.c daemon/timers.c daemon/rate.c daemon/heap.c
// links: daemon/backoff.c daemon/oauth_*.c daemon/api_*.c daemon/answer.c daemon/lifetime.c daemon/pkce.c daemon/json_text.c
// links: daemon/plain_words.c daemon/form.c daemon/http_message.c daemon/config*.c daemon/provider*.c daemon/problems.c
// links: daemon/yaml_*.c daemon/log.c common/secret*.c common/fault.c common/wipe.c common/duration.c common/clock.c
// libs: libsodium jansson yaml-0.1 libsystemd
#include "tests/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DAY (24 * 3600)
#define ACCOUNT_ONE "{\"data\":{\"account\":{\"id\":\"one\",\"name\":\"One Ltd\"}}}"
#define ACCOUNT_TWO "{\"data\":{\"account\":{\"id\":\"two\",\"name\":\"Two Ltd\"}}}"
#define SERVED(version, warning)                                                                             \
        "{\"data\":{\"account\":{\"id\":\"one\"}},\"extensions\":{\"version\":\"" version "\"" warning "}}"
#define ANSWER_2 "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"expires_in\":864000}"

static const char provider[] = "  pinned:\n"
                               "    extends: idp\n"
                               "    api:\n"
                               "      version_header: X-VERSION\n"
                               "      default_version: '2023-08-18'\n"
                               "      test_answer: {served_version: /extensions/version, version_warning: "
                               "/extensions/warning}\n"
                               "      answers:\n"
                               "      - {status: 403, contains: has disconnected, means: "
                               "authorization_required, say: The app was disconnected.}\n"
                               "      - {status: 404, contains: does not exist, means: version_unsupported}\n"
                               "  untested: {extends: idp, api: {test_query: null}}\n";
static const char clients[] =
        "  pinned: {provider: pinned, client_id: p, client_secret: {store: true}}\n"
        "  untested: {provider: untested, client_id: u, client_secret: {store: true}}\n";

static struct core core;
static struct credential *acme;

static void use_client(const char *name)
{
        free(acme->client_name);
        acme->client_name = strdup(name);
        vault_rebind(core.context.vault, acme);
        prober_plan(core.prober, acme);
}

static int setup(void **state)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;

        core_setup_with_provider(&core, provider, clients);
        assert_int_equal(secret_new_string(&secret, "s"), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, "pinned", secret, NULL, NULL, &write),
                         0);
        core_save(&core);
        acme = core_give_grant(&core, "acme", "refresh-1", "access-1", 864000);
        use_client("pinned");
        vault_save_facts(core.context.vault, acme);
        core_save(&core);
        return 0;
}

static int teardown(void **state)
{
        core_teardown(&core);
        return 0;
}

static size_t in_flight(void)
{
        return fake_http_n_in_flight(core.context.http);
}

static const struct http_request *request(void)
{
        assert_true(in_flight() > 0);
        return fake_http_request(core.context.http, 0);
}

/* Somebody who waits for a test. */
struct tester {
        struct probe_wait *wait;
        struct tester *other; /* let go when this one is told */
        int told;
        bool forget, test_again;
};

static void on_revoked(const struct revoke_answer *answer, void *userdata)
{
}

static void on_tested(void *userdata)
{
        struct tester *tester = userdata;
        struct revoke_call *call;

        tester->told++;
        tester->wait = probe_wait_free(tester->wait);
        if (tester->other)
                tester->other->wait = probe_wait_free(tester->other->wait);
        if (tester->test_again) {
                tester->test_again = false;
                assert_int_equal(prober_run(core.prober, acme, on_tested, tester, &tester->wait), 0);
        }
        if (tester->forget) {
                assert_int_equal(login_revoke(core.logins, acme, true, on_revoked, NULL, &call), 0);
                revoke_call_free(call);
        }
}

static void run(struct tester *tester)
{
        assert_int_equal(prober_run(core.prober, acme, on_tested, tester, &tester->wait), 0);
}

/* One test from its beginning to its end. */
static void test_with(long status, const char *body)
{
        struct tester tester = { 0 };

        run(&tester);
        core_run(&core);
        core_answer(&core, status, body);
        core_save(&core);
        assert_int_equal(tester.told, 1);
}

static enum credential_state state_of(const struct credential *credential)
{
        return credential_state(credential, core.clock.boot_usec);
}

/* ---- what it shows ---- */

static void test_a_test_carries_the_token_and_the_pinned_version(void **state)
{
        struct tester tester = { 0 };

        run(&tester);
        assert_int_equal(in_flight(), 0);
        core_run(&core);
        assert_string_equal(request()->url, "https://api.test/graphql");
        assert_string_equal(fake_http_expose_header(request(), "Authorization"), "Bearer access-1");
        assert_string_equal(fake_http_expose_header(request(), "X-VERSION"), "2023-08-18");
        core_answer(&core, 200, SERVED("2023-08-18", ""));
        assert_int_equal(tester.told, 1);
        assert_int_equal(acme->test.verdict, API_OK);
        assert_string_equal(acme->test.api_version, "2023-08-18");
}

static void test_the_account_is_remembered_beyond_a_restart(void **state)
{
        use_client("app");
        test_with(200, ACCOUNT_ONE);
        assert_string_equal(acme->account_id, "one");
        assert_string_equal(acme->account_name, "One Ltd");
        core_crash(&core);
        core_start(&core);
        acme = vault_find(core.context.vault, "acme");
        assert_string_equal(acme->account_id, "one");
        assert_string_equal(acme->account_name, "One Ltd");
        assert_int_equal(acme->test.verdict, API_OK);
}

static void test_another_account_later_on_changes_nothing_but_a_new_name_does(void **state)
{
        use_client("app");
        test_with(200, ACCOUNT_ONE);
        test_with(200, ACCOUNT_TWO);
        assert_string_equal(acme->account_id, "one");
        assert_string_equal(acme->account_name, "One Ltd");
        assert_int_equal(state_of(acme), CREDENTIAL_ACTIVE);
        test_with(200, "{\"data\":{\"account\":{\"id\":\"one\",\"name\":\"One Inc\"}}}");
        assert_string_equal(acme->account_name, "One Inc");
}

static void test_each_state_of_the_version_is_kept(void **state)
{
        static const struct {
                long status;
                const char *body;
                enum version_state expected;
        } rows[] = {
                { 200, SERVED("2023-08-18", ""), VERSION_OK },
                { 200, SERVED("2023-08-18", ",\"warning\":\"It goes in May.\""), VERSION_TO_BE_REMOVED },
                { 404, "{\"message\":\"version does not exist\"}", VERSION_UNSUPPORTED },
                { 200, SERVED("2024-04-17", ""), VERSION_SERVED_AS_ANOTHER },
                { 200, "{\"data\":{\"account\":{\"id\":\"one\"}}}", VERSION_UNKNOWN },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                test_with(rows[i].status, rows[i].body);
                assert_int_equal(acme->test.version_state, rows[i].expected);
        }
        assert_int_equal(state_of(acme), CREDENTIAL_ACTIVE);
}

/* What a test makes purserd say on standard error. */
static const char *told_of(const char *body)
{
        static char text[4096];
        int memory = memfd_create("stderr", MFD_CLOEXEC), saved = dup(STDERR_FILENO);
        ssize_t n;

        assert_true(memory >= 0 && saved >= 0);
        assert_true(dup2(memory, STDERR_FILENO) >= 0);
        test_with(200, body);
        assert_true(dup2(saved, STDERR_FILENO) >= 0);
        close(saved);
        n = pread(memory, text, sizeof(text) - 1, 0);
        close(memory);
        assert_true(n >= 0);
        text[n] = '\0';
        return text;
}

static void test_a_change_of_the_version_is_told_once_with_the_providers_words(void **state)
{
        static const char going[] = SERVED("2023-08-18", ",\"warning\":\"It goes in May.\"");
        const char *told;

        assert_non_null(strstr(told_of(SERVED("2023-08-18", "")), "is now 'ok'"));
        told = told_of(going);
        assert_non_null(strstr(told, "is now 'to-be-removed'"));
        assert_non_null(strstr(told, "It goes in May."));
        assert_string_equal(told_of(going), "");
        assert_non_null(strstr(told_of(SERVED("2024-04-17", "")), "is now 'served-as-another'"));
        assert_non_null(strstr(told_of(SERVED("2023-08-18", "")), "is now 'ok'"));
}

static void test_what_could_not_be_asked_says_nothing_about_the_version(void **state)
{
        test_with(200, SERVED("2023-08-18", ",\"warning\":\"It goes in May.\""));
        test_with(503, "down");
        assert_int_equal(acme->test.verdict, API_TRY_AGAIN);
        assert_int_equal(acme->test.version_state, VERSION_TO_BE_REMOVED);
        assert_string_equal(acme->test.version_warning, "It goes in May.");
        test_with(200, SERVED("2023-08-18", ""));
        assert_int_equal(acme->test.version_state, VERSION_OK);
        assert_null(acme->test.version_warning);
}

static void test_a_provider_without_a_test_is_asked_nothing(void **state)
{
        struct tester tester = { 0 };

        use_client("untested");
        run(&tester);
        assert_int_equal(tester.told, 0);
        core_run(&core);
        assert_int_equal(tester.told, 1);
        assert_int_equal(in_flight(), 0);
        assert_int_equal(acme->test.verdict, API_OK);
        assert_non_null(strstr(acme->test.message, "no test query"));
}

/* ---- tokens ---- */

static void test_a_rejected_token_is_refreshed_once_and_tested_again(void **state)
{
        struct tester tester = { 0 };

        run(&tester);
        core_run(&core);
        core_answer(&core, 401, "{\"message\":\"Token not recognized\"}");
        core_save(&core);
        assert_string_equal(request()->url, "https://idp.test/token");
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_string_equal(request()->url, "https://api.test/graphql");
        assert_string_equal(fake_http_expose_header(request(), "Authorization"), "Bearer access-2");
        assert_int_equal(tester.told, 0);
        core_answer(&core, 200, SERVED("2023-08-18", ""));
        assert_int_equal(tester.told, 1);
        assert_int_equal(acme->test.verdict, API_OK);
        assert_int_equal(fake_http_n_started(core.context.http), 3);
}

static void test_a_fresh_token_that_is_rejected_too_ends_the_test_and_not_the_grant(void **state)
{
        struct tester tester = { 0 };

        run(&tester);
        core_run(&core);
        core_answer(&core, 401, "");
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        core_answer(&core, 401, "");
        assert_int_equal(tester.told, 1);
        assert_int_equal(acme->test.verdict, API_TOKEN_REJECTED);
        assert_int_equal(acme->refusal, REFUSAL_NONE);
        assert_int_equal(fake_http_n_started(core.context.http), 3);
}

static void test_a_token_that_was_replaced_meanwhile_is_not_rejected_in_the_place_of_the_new_one(void **state)
{
        struct tester tester = { 0 };
        struct asker asker;

        run(&tester);
        core_run(&core);
        core_force(&core, acme, &asker);
        core_save(&core);
        assert_int_equal(in_flight(), 2);
        fake_http_answer(core.context.http, 1, 200, NULL, ANSWER_2);
        core_save(&core);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        core_answer(&core, 401, "");
        /* No refresh: the test is sent again with what is there. */
        assert_int_equal(in_flight(), 1);
        assert_string_equal(fake_http_expose_header(request(), "Authorization"), "Bearer access-2");
        core_answer(&core, 200, SERVED("2023-08-18", ""));
        assert_int_equal(tester.told, 1);
        assert_int_equal(acme->rejected_generation, 0);
}

static void test_a_test_refreshes_a_token_that_has_ended(void **state)
{
        struct tester tester = { 0 };

        core_advance(&core, 864001);
        core_answer(&core, 503, "down");
        core_advance(&core, 1);
        run(&tester);
        core_run(&core);
        core_advance(&core, 20);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        core_answer(&core, 200, SERVED("2023-08-18", ""));
        assert_int_equal(tester.told, 1);
        assert_int_equal(acme->test.verdict, API_OK);
}

/* ---- the end of a grant ---- */

static void test_a_disconnection_cuts_at_once(void **state)
{
        struct asker asker;

        test_with(403, "{\"message\":\"User has disconnected this app\"}");
        assert_int_equal(acme->test.verdict, API_AUTHORIZATION_REQUIRED);
        assert_int_equal(acme->refusal, REFUSAL_CUT);
        assert_non_null(strstr(acme->refusal_reason, "disconnected"));
        core_ask(&core, acme, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_AUTHORIZATION_REQUIRED);
        core_advance(&core, 10 * DAY);
        core_save(&core);
        assert_int_equal(fake_http_n_started(core.context.http), 1);
}

/* A test without a token says that a person is needed, and ends nothing. */
static void expect_no_end(enum refusal refusal)
{
        struct tester tester = { 0 };

        run(&tester);
        core_run(&core);
        core_save(&core);
        assert_int_equal(tester.told, 1);
        assert_int_equal(acme->test.verdict, API_AUTHORIZATION_REQUIRED);
        assert_int_equal(acme->refusal, refusal);
        assert_int_equal(in_flight(), 0);
}

static void test_a_test_of_what_nobody_has_logged_in_for_ends_nothing(void **state)
{
        core_reload_with_provider(&core, provider, "credentials: {shell: {client: app}}\n");
        acme = vault_find(core.context.vault, "shell");
        expect_no_end(REFUSAL_NEVER_AUTHORIZED);
}

static void test_a_test_while_the_configuration_names_another_client_ends_nothing(void **state)
{
        char more[512];

        snprintf(more, sizeof(more), "%scredentials: {acme: {client: app}}\n", clients);
        core_reload_with_provider(&core, provider, more);
        expect_no_end(REFUSAL_NONE);
        core_reload_with_provider(&core, provider, clients);
        assert_int_equal(state_of(acme), CREDENTIAL_ACTIVE);
}

static void test_a_test_after_all_tries_are_spent_ends_nothing(void **state)
{
        struct asker asker;

        core_advance(&core, 864001);
        acme->outcome_unknown = acme->replays_spent = true;
        acme->replays = 6;
        core_reload_with_provider(&core, provider, clients);
        while (in_flight())
                fake_http_fail(core.context.http, 0, HTTP_NOT_SENT, "no route");
        acme->replays_spent = true;
        expect_no_end(REFUSAL_NONE);
        core_force(&core, acme, &asker);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        assert_int_equal(state_of(acme), CREDENTIAL_ACTIVE);
}

/* ---- by itself ---- */

/* Days go by; whatever is asked is answered well. Returns how many tests there were. */
static int live(int hours)
{
        int n = 0;

        for (int i = 0; i < hours; i++) {
                core_advance(&core, 3600);
                core_save(&core);
                while (in_flight()) {
                        bool is_test = strstr(request()->url, "graphql");

                        n += is_test;
                        core_answer(&core, 200, is_test ? SERVED("2023-08-18", "") : ANSWER_2);
                        core_save(&core);
                }
        }
        return n;
}

static void test_each_credential_is_tested_daily(void **state)
{
        assert_in_range(live(24), 1, 1);
        assert_in_range(live(10 * 24), 9, 12);
}

/* Due in how many seconds, by this random number. */
static uint64_t planned_in(uint64_t random)
{
        core.random = random;
        prober_plan(core.prober, acme);
        return (acme->test_timer.node.due_usec - context_now(&core.context)) / USEC_PER_SEC;
}

/* Credentials that were tested together, or found overdue together after a stop, do not go on so. */
static void test_the_time_of_day_of_tests_is_spread(void **state)
{
        uint64_t day = 86400, least = UINT64_MAX, most = 0;

        acme->test.tested_wall_usec = clock_wall_usec(core.context.clock);
        for (uint64_t i = 0; i < 100; i++) {
                uint64_t in = planned_in(i * (day / 10 / 100) * USEC_PER_SEC);

                assert_in_range(in, day * 9 / 10 - 1, day);
                least = in < least ? in : least;
                most = in > most ? in : most;
        }
        assert_true(most - least > day / 11);

        acme->test.tested_wall_usec = 0;
        assert_in_range(planned_in(0), 0, 1);
        assert_in_range(planned_in(3599 * USEC_PER_SEC), 3598, 3599);
}

static void test_daily_tests_can_be_turned_off_and_on(void **state)
{
        char off[1024];

        snprintf(off, sizeof(off), "%srefresh: {test: off}\n", clients);
        core_reload_with_provider(&core, provider, off);
        assert_int_equal(live(72), 0);
        core_reload_with_provider(&core, provider, clients);
        assert_in_range(live(48), 1, 3);
}

static void test_a_test_that_fell_due_while_nobody_ran_is_made_up_for_soon(void **state)
{
        core_crash(&core);
        fake_clock_advance(&core.clock, (uint64_t)3 * DAY * USEC_PER_SEC);
        core_start(&core);
        acme = vault_find(core.context.vault, "acme");
        assert_int_equal(live(2), 1);
}

static void test_a_wall_clock_that_went_back_does_not_put_tests_off_for_years(void **state)
{
        test_with(200, SERVED("2023-08-18", ""));
        core.clock.wall_usec -= INT64_C(86400) * 3650 * (int64_t)USEC_PER_SEC;
        prober_plan_all(core.prober);
        assert_int_equal(live(2), 1);
}

static void test_a_test_that_failed_is_tried_again_at_growing_intervals(void **state)
{
        int n = 0;

        test_with(503, "down");
        for (int i = 0; i < 3600; i++) {
                core_advance(&core, 10);
                core_save(&core);
                if (in_flight()) {
                        n++;
                        core_answer(&core, 503, "down");
                }
        }
        assert_in_range(n, 10, 60);
        assert_true(acme->test_failures > 5);
        assert_in_range(live(3), 1, 2);
        assert_int_equal(acme->test_failures, 0);
}

static void test_the_api_says_how_long_to_wait(void **state)
{
        struct http_response response = { .result = HTTP_ANSWERED,
                                          .status = 429,
                                          .date_sec = -1,
                                          .retry_after_sec = 1800,
                                          .body = SECRET_BUF_INIT(HTTP_BODY_MAX) };

        assert_int_equal(prober_run(core.prober, acme, NULL, NULL, NULL), 0);
        core_run(&core);
        fake_http_complete(core.context.http, 0, &response);
        core_advance(&core, 1799);
        core_save(&core);
        assert_int_equal(in_flight(), 0);
        core_advance(&core, 2);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
}

static void test_grants_that_have_ended_are_not_tested(void **state)
{
        struct asker asker;

        core_force(&core, acme, &asker);
        core_answer(&core, 400, "{\"error\":\"invalid_grant\"}");
        core_save(&core);
        assert_int_equal(acme->refusal, REFUSAL_REFUSED);
        assert_int_equal(live(48), 0);
}

/* ---- those who wait ---- */

static void test_those_who_wait_share_one_test(void **state)
{
        struct tester testers[10] = { 0 };

        for (int i = 0; i < 10; i++)
                run(&testers[i]);
        core_run(&core);
        assert_int_equal(in_flight(), 1);
        core_answer(&core, 200, SERVED("2023-08-18", ""));
        for (int i = 0; i < 10; i++)
                assert_int_equal(testers[i].told, 1);
}

static void test_one_who_leaves_lets_the_test_go_on_unheard(void **state)
{
        struct tester tester = { 0 };

        run(&tester);
        tester.wait = probe_wait_free(tester.wait);
        core_run(&core);
        core_answer(&core, 200, SERVED("2023-08-18", ""));
        assert_int_equal(tester.told, 0);
        assert_int_equal(acme->test.verdict, API_OK);
        assert_true(acme->test.tested_wall_usec > 0);
}

static void test_those_who_are_told_may_do_as_they_please(void **state)
{
        struct tester testers[4] = { 0 };

        for (int i = 0; i < 4; i++)
                run(&testers[i]);
        testers[0].other = &testers[1];
        testers[1].other = &testers[0];
        testers[2].test_again = true;
        testers[3].forget = true;
        core_run(&core);
        core_answer(&core, 200, SERVED("2023-08-18", ""));
        assert_int_equal(testers[0].told + testers[1].told, 1);
        assert_int_equal(testers[3].told, 1);
        core_save(&core);
        /* The second test ended with the credential, and that was told, too. */
        assert_null(vault_find(core.context.vault, "acme"));
        assert_int_equal(testers[2].told, 2);
        core_run(&core);
}

static void test_one_who_waits_for_a_test_that_ends_with_its_credential_is_told(void **state)
{
        struct tester tester = { 0 };
        struct revoke_call *call;

        run(&tester);
        core_run(&core);
        assert_int_equal(in_flight(), 1);
        assert_int_equal(login_revoke(core.logins, acme, true, on_revoked, NULL, &call), 0);
        core_run(&core);
        core_save(&core);
        assert_null(vault_find(core.context.vault, "acme"));
        assert_int_equal(in_flight(), 0);
        assert_int_equal(tester.told, 1);
        revoke_call_free(call);
}

static void test_a_test_that_cannot_be_sent_is_told_and_tried_again(void **state)
{
        struct tester tester = { 0 };

        run(&tester);
        fake_http_fail_next_start(core.context.http, -ENOMEM);
        core_run(&core);
        assert_int_equal(tester.told, 1);
        assert_int_equal(acme->test.verdict, API_TRY_AGAIN);
        assert_in_range(live(1), 1, 1);
}

static void test_a_client_that_a_reload_takes_away_ends_the_test(void **state)
{
        struct tester tester = { 0 };

        run(&tester);
        core_run(&core);
        core_reload_with_provider(&core, provider, NULL);
        core_answer(&core, 200, SERVED("2023-08-18", ""));
        assert_int_equal(tester.told, 1);
        assert_int_equal(acme->test.verdict, API_TRY_AGAIN);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_test_carries_the_token_and_the_pinned_version),
                TEST(test_the_account_is_remembered_beyond_a_restart),
                TEST(test_another_account_later_on_changes_nothing_but_a_new_name_does),
                TEST(test_each_state_of_the_version_is_kept),
                TEST(test_a_change_of_the_version_is_told_once_with_the_providers_words),
                TEST(test_what_could_not_be_asked_says_nothing_about_the_version),
                TEST(test_a_provider_without_a_test_is_asked_nothing),
                TEST(test_a_rejected_token_is_refreshed_once_and_tested_again),
                TEST(test_a_fresh_token_that_is_rejected_too_ends_the_test_and_not_the_grant),
                TEST(test_a_token_that_was_replaced_meanwhile_is_not_rejected_in_the_place_of_the_new_one),
                TEST(test_a_test_refreshes_a_token_that_has_ended),
                TEST(test_a_disconnection_cuts_at_once),
                TEST(test_a_test_of_what_nobody_has_logged_in_for_ends_nothing),
                TEST(test_a_test_while_the_configuration_names_another_client_ends_nothing),
                TEST(test_a_test_after_all_tries_are_spent_ends_nothing),
                TEST(test_each_credential_is_tested_daily),
                TEST(test_the_time_of_day_of_tests_is_spread),
                TEST(test_daily_tests_can_be_turned_off_and_on),
                TEST(test_a_test_that_fell_due_while_nobody_ran_is_made_up_for_soon),
                TEST(test_a_wall_clock_that_went_back_does_not_put_tests_off_for_years),
                TEST(test_a_test_that_failed_is_tried_again_at_growing_intervals),
                TEST(test_the_api_says_how_long_to_wait),
                TEST(test_grants_that_have_ended_are_not_tested),
                TEST(test_those_who_wait_share_one_test),
                TEST(test_one_who_leaves_lets_the_test_go_on_unheard),
                TEST(test_those_who_are_told_may_do_as_they_please),
                TEST(test_one_who_waits_for_a_test_that_ends_with_its_credential_is_told),
                TEST(test_a_test_that_cannot_be_sent_is_told_and_tried_again),
                TEST(test_a_client_that_a_reload_takes_away_ends_the_test),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
