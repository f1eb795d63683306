// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* What a test of a credential shows, and what it does to its tokens and its grant. */
#include "tests/beds/probe_bed.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ACCOUNT_ONE "{\"data\":{\"account\":{\"id\":\"one\",\"name\":\"One Ltd\"}}}"
#define ACCOUNT_TWO "{\"data\":{\"account\":{\"id\":\"two\",\"name\":\"Two Ltd\"}}}"

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
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
