// links: daemon/vault/
// libs: libsodium
#include "tests/beds/credential_bed.h"

#include <stdio.h>
#include <string.h>

static struct credential_config config = { .name = (char *)"acme", .client = (char *)"app" };

/* ---- states ---- */

static const char *message(uint64_t now)
{
        static struct diag text;
        struct diag next_step;

        credential_explain(acme, now, &text, &next_step);
        return text.text;
}

static const char *next_step(uint64_t now)
{
        static struct diag next;
        struct diag text;

        credential_explain(acme, now, &text, &next);
        return next.text;
}

static void expect_state(enum credential_state state, bool serves)
{
        assert_string_equal(credential_state_name(credential_state(acme, NOW)), credential_state_name(state));
        assert_int_equal(credential_may_serve(acme, NOW), serves);
        assert_true(*message(NOW));
}

static void drop_refresh_token(void)
{
        acme->grant.refresh_token = secret_free(acme->grant.refresh_token);
}

static void end_token(void)
{
        acme->grant.received_boot_usec = (int64_t)NOW - (int64_t)HOUR;
}

static void add_pending(void)
{
        assert_int_equal(credential_new(&acme->pending, "acme"), 0);
        acme->pending->is_pending = true;
}

static void test_a_token_that_lives_is_active(void **state)
{
        expect_state(CREDENTIAL_ACTIVE, true);
        assert_string_equal(next_step(NOW), "");
        assert_null(credential_last_error(acme));
}

static void test_a_new_credential_needs_a_login(void **state)
{
        struct credential *shell;

        assert_int_equal(credential_new(&shell, "shell"), 0);
        assert_int_equal(credential_state(shell, NOW), CREDENTIAL_AUTHORIZATION_REQUIRED);
        assert_false(credential_may_serve(shell, NOW));
        assert_null(credential_last_error(shell));
        assert_int_equal(credential_remaining_usec(shell, NOW), 0);
        credential_free(shell);
}

static void test_a_failure_while_the_token_lives_is_retrying(void **state)
{
        acme->failures = 3;
        set(&acme->last_failure, "The provider is down.");
        expect_state(CREDENTIAL_RETRYING, true);
        assert_non_null(strstr(message(NOW), "The provider is down."));
        assert_non_null(strstr(message(NOW), "1h"));
        assert_string_equal(credential_last_error(acme), "The provider is down.");
}

static void test_a_token_that_has_ended_is_unavailable(void **state)
{
        end_token();
        expect_state(CREDENTIAL_UNAVAILABLE, false);
        assert_string_equal(next_step(NOW), "purser refresh acme");
}

static void test_a_lost_answer_is_an_unknown_outcome_whether_the_token_lives_or_not(void **state)
{
        acme->outcome_unknown = true;
        acme->replays = 2;
        expect_state(CREDENTIAL_OUTCOME_UNKNOWN, true);
        assert_non_null(strstr(message(NOW), "may have rotated the grant"));
        assert_non_null(credential_last_error(acme));
        end_token();
        expect_state(CREDENTIAL_OUTCOME_UNKNOWN, false);
}

static void test_spent_tries_need_a_person_and_say_which_commands_help(void **state)
{
        acme->outcome_unknown = acme->replays_spent = true;
        acme->replays = 6;
        expect_state(CREDENTIAL_AUTHORIZATION_REQUIRED, true);
        assert_non_null(strstr(message(NOW), "does not try again by itself"));
        assert_string_equal(next_step(NOW), "purser refresh acme, or: purser login acme");
}

static void test_a_refused_grant_is_served_to_the_end_of_its_token(void **state)
{
        acme->refusal = REFUSAL_REFUSED;
        set(&acme->refusal_reason, "The refresh token is not valid.");
        expect_state(CREDENTIAL_AUTHORIZATION_REQUIRED, true);
        assert_non_null(strstr(message(NOW), "The refresh token is not valid."));
        assert_non_null(strstr(message(NOW), "is served for another 1h"));
        assert_string_equal(next_step(NOW), "purser login acme");
        end_token();
        expect_state(CREDENTIAL_AUTHORIZATION_REQUIRED, false);
        assert_string_equal(message(NOW), "The refresh token is not valid.");
}

static void test_a_cut_grant_is_not_served_at_all(void **state)
{
        acme->refusal = REFUSAL_CUT;
        set(&acme->refusal_reason, "The account has disconnected this app.");
        expect_state(CREDENTIAL_AUTHORIZATION_REQUIRED, false);
        assert_string_equal(message(NOW), "The account has disconnected this app.");
        assert_string_equal(credential_last_error(acme), "The account has disconnected this app.");
}

static void test_a_rejected_token_is_served_to_others_while_it_is_being_refreshed(void **state)
{
        acme->rejected_generation = 1;
        expect_state(CREDENTIAL_RETRYING, true);
        assert_non_null(strstr(message(NOW), "is being refreshed"));
        acme->failures = 1;
        expect_state(CREDENTIAL_UNAVAILABLE, true);
        acme->grant.generation = 2;
        acme->failures = 0;
        expect_state(CREDENTIAL_ACTIVE, true);
}

static void test_a_rejected_token_that_cannot_be_refreshed_was_the_last(void **state)
{
        drop_refresh_token();
        acme->rejected_generation = 1;
        expect_state(CREDENTIAL_AUTHORIZATION_REQUIRED, false);
        assert_non_null(strstr(message(NOW), "was rejected by the API"));
        assert_string_equal(next_step(NOW), "purser login acme");
}

static void test_without_a_refresh_token_the_tokens_end_is_the_grants(void **state)
{
        drop_refresh_token();
        expect_state(CREDENTIAL_ACTIVE, true);
        end_token();
        expect_state(CREDENTIAL_AUTHORIZATION_REQUIRED, false);
        assert_non_null(strstr(message(NOW), "has ended, and the provider gave no refresh token"));
}

static void test_a_grant_of_another_client_is_not_served(void **state)
{
        config.client = (char *)"other";
        acme->config = &config;
        expect_state(CREDENTIAL_AUTHORIZATION_REQUIRED, false);
        assert_non_null(strstr(message(NOW), "'app'"));
        assert_non_null(strstr(message(NOW), "'other'"));
        assert_non_null(credential_last_error(acme));
        config.client = (char *)"app";
        expect_state(CREDENTIAL_ACTIVE, true);
}

static void test_a_client_that_is_not_configured_is_said(void **state)
{
        acme->client = NULL;
        expect_state(CREDENTIAL_UNAVAILABLE, false);
        assert_non_null(strstr(message(NOW), "Its client 'app' is not in the configuration."));
        assert_non_null(strstr(next_step(NOW), "purser reload"));
        assert_non_null(credential_last_error(acme));
}

static void test_a_refused_client_is_said_before_and_after_the_tokens_end(void **state)
{
        acme->failures = 1;
        acme->client_refused = true;
        set(&acme->last_failure, "The secret is wrong.");
        expect_state(CREDENTIAL_RETRYING, true);
        assert_non_null(strstr(next_step(NOW), "correct client_id or client secret of 'app'"));
        end_token();
        expect_state(CREDENTIAL_UNAVAILABLE, false);
        assert_non_null(strstr(message(NOW), "refuses the client: The secret is wrong."));
        assert_non_null(strstr(next_step(NOW), "correct client_id or client secret of 'app'"));
}

static void test_a_record_that_does_not_open_comes_before_everything(void **state)
{
        acme->refusal = REFUSAL_REFUSED;
        acme->unreadable = true;
        assert_int_equal(credential_state(acme, NOW), CREDENTIAL_UNAVAILABLE);
        assert_non_null(strstr(message(NOW), "does not open"));
        assert_non_null(strstr(next_step(NOW), "stop purserd and restore the store from a backup"));
}

static void test_a_login_that_waits_for_its_test_is_pending_where_there_is_nothing_better(void **state)
{
        add_pending();
        expect_state(CREDENTIAL_ACTIVE, true);
        acme->refusal = REFUSAL_REFUSED;
        expect_state(CREDENTIAL_PENDING, true);
        acme->refusal = REFUSAL_NEVER_AUTHORIZED;
        expect_state(CREDENTIAL_PENDING, false);
        assert_string_equal(next_step(NOW), "purser test acme");
        set(&acme->pending->test.message, "The API is down.");
        assert_string_equal(credential_last_error(acme), "The API is down.");
        set(&acme->pending->last_failure, "The provider is down.");
        assert_string_equal(credential_last_error(acme), "The provider is down.");
}

static void test_a_login_whose_record_does_not_open_is_not_waited_for(void **state)
{
        add_pending();
        acme->pending->unreadable = true;
        acme->refusal = REFUSAL_NEVER_AUTHORIZED;
        expect_state(CREDENTIAL_AUTHORIZATION_REQUIRED, false);
        assert_non_null(strstr(message(NOW), "does not open"));
        assert_non_null(credential_last_error(acme));
}

static void test_what_is_not_saved_is_said_while_all_else_is_well(void **state)
{
        acme->unsaved = true;
        set(&acme->save_problem, "The newest tokens could not be saved: no room");
        expect_state(CREDENTIAL_ACTIVE, true);
        assert_non_null(strstr(message(NOW), "could not be saved"));
        assert_true(*next_step(NOW));
        assert_non_null(strstr(credential_last_error(acme), "no room"));
}

static void test_a_pending_grant_is_never_served_by_itself(void **state)
{
        acme->is_pending = true;
        assert_false(credential_may_serve(acme, NOW));
}

/* ---- warnings ---- */

static char warnings[4][600];
static size_t n_warnings;

static void on_warning(const char *sentence, void *userdata)
{
        assert_ptr_equal(userdata, acme);
        assert_true(n_warnings < 4);
        snprintf(warnings[n_warnings++], sizeof(warnings[0]), "%s", sentence);
}

static size_t warn(void)
{
        n_warnings = 0;
        credential_warnings(acme, NOW, on_warning, acme);
        return n_warnings;
}

static void expect_warning(const char *words)
{
        assert_int_equal(warn(), 1);
        if (!strstr(warnings[0], words))
                fail_msg("'%s' is not in: %s", words, warnings[0]);
}

static void test_there_are_no_warnings_while_all_is_well(void **state)
{
        assert_int_equal(warn(), 0);
        acme->test.version_state = VERSION_OK;
        assert_int_equal(warn(), 0);
        /* A passing failure is purserd's own business. */
        acme->failures = 1;
        assert_int_equal(warn(), 0);
}

static void test_a_refused_grant_is_a_warning(void **state)
{
        acme->refusal = REFUSAL_REFUSED;
        set(&acme->refusal_reason, "The refresh token is not valid.");
        expect_warning("The provider refuses to refresh it: The refresh token is not valid.");
}

static void test_a_lost_answer_and_a_refused_client_are_warnings(void **state)
{
        acme->outcome_unknown = true;
        expect_warning("no usable answer came back");
        acme->outcome_unknown = false;
        acme->client_refused = true;
        set(&acme->last_failure, "The secret is wrong.");
        expect_warning("refuses the client 'app': The secret is wrong.");
}

static void test_somebody_else_and_what_is_not_saved_are_warnings(void **state)
{
        acme->foreign_refresher = true;
        expect_warning("Somebody else refreshes this grant too");
        acme->unsaved = true;
        assert_int_equal(warn(), 2);
        assert_non_null(strstr(warnings[0], "could not be saved"));
}

static void test_the_providers_own_words_are_a_warning(void **state)
{
        set(&acme->notice, "Rotation is off.");
        expect_warning("The provider says: Rotation is off.");
}

static void test_each_state_of_the_version_but_the_good_ones_is_a_warning(void **state)
{
        set(&acme->test.api_version, "2023-08-18");
        set(&acme->test.version_warning, "Upgrade soon.");
        acme->test.version_state = VERSION_TO_BE_REMOVED;
        expect_warning("API version 2023-08-18 is to be removed. The provider says: Upgrade soon.");
        acme->test.version_state = VERSION_UNSUPPORTED;
        expect_warning("API version 2023-08-18 is not supported any more. The provider says: Upgrade soon.");
        acme->test.verdict = API_VERSION_UNSUPPORTED;
        set(&acme->test.message, "There is no such version.");
        expect_warning("The API refuses version 2023-08-18: There is no such version.");
        acme->test.verdict = API_OK;
        acme->test.version_state = VERSION_SERVED_AS_ANOTHER;
        set(&acme->test.served_version, "2024-04-17");
        set(&acme->test.version_warning, NULL);
        expect_warning("API version 2023-08-18 was asked for, but 2024-04-17 served");
        acme->test.version_state = VERSION_UNKNOWN;
        expect_warning("does not tell which one serves");
}

/* ---- the rest ---- */

static void test_the_version_is_its_own_or_its_clients(void **state)
{
        assert_string_equal(credential_api_version(acme), "v1");
        config.api_version = (char *)"v2";
        acme->config = &config;
        assert_string_equal(credential_api_version(acme), "v2");
        config.api_version = NULL;
        acme->client = NULL;
        assert_null(credential_api_version(acme));
}

static void test_a_credential_that_is_reset_is_as_new_but_for_its_name_and_pending_login(void **state)
{
        struct credential *pending;

        add_pending();
        pending = acme->pending;
        acme->failures = 7;
        acme->unsaved = acme->leaving = acme->outcome_unknown = true;
        acme->newest.grant = acme->n_grants = 3;
        set(&acme->account_id, "one");
        set(&acme->description, "as described");
        credential_reset(acme);
        assert_string_equal(acme->name, "acme");
        assert_ptr_equal(acme->pending, pending);
        assert_string_equal(acme->description, "");
        assert_string_equal(acme->client_name, "");
        assert_null(acme->account_id);
        assert_null(acme->grant.refresh_token);
        assert_null(acme->grant.access_token);
        assert_int_equal(acme->grant.generation, 0);
        assert_int_equal(acme->refusal, REFUSAL_NEVER_AUTHORIZED);
        assert_int_equal(acme->failures, 0);
        assert_false(acme->unsaved || acme->leaving || acme->outcome_unknown);
        /* A write that began before must still be known as the older one. */
        assert_int_equal(acme->newest.grant, 3);
        assert_int_equal(acme->n_grants, 3);
        assert_int_equal(acme->next_refresh_usec, USEC_INFINITY);
        assert_false(timer_is_armed(&acme->refresh_timer));
}

static void test_a_moved_grant_leaves_nothing_behind(void **state)
{
        struct grant to = { 0 };
        const struct secret *refresh_token = acme->grant.refresh_token;

        to.token_type = strdup("Bearer");
        grant_move(&to, &acme->grant);
        assert_ptr_equal(to.refresh_token, refresh_token);
        assert_null(acme->grant.refresh_token);
        assert_null(acme->grant.access_token);
        grant_done(&to);
        grant_done(&to);
        assert_null(to.refresh_token);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_token_that_lives_is_active),
                TEST(test_a_new_credential_needs_a_login),
                TEST(test_a_failure_while_the_token_lives_is_retrying),
                TEST(test_a_token_that_has_ended_is_unavailable),
                TEST(test_a_lost_answer_is_an_unknown_outcome_whether_the_token_lives_or_not),
                TEST(test_spent_tries_need_a_person_and_say_which_commands_help),
                TEST(test_a_refused_grant_is_served_to_the_end_of_its_token),
                TEST(test_a_cut_grant_is_not_served_at_all),
                TEST(test_a_rejected_token_is_served_to_others_while_it_is_being_refreshed),
                TEST(test_a_rejected_token_that_cannot_be_refreshed_was_the_last),
                TEST(test_without_a_refresh_token_the_tokens_end_is_the_grants),
                TEST(test_a_grant_of_another_client_is_not_served),
                TEST(test_a_client_that_is_not_configured_is_said),
                TEST(test_a_refused_client_is_said_before_and_after_the_tokens_end),
                TEST(test_a_record_that_does_not_open_comes_before_everything),
                TEST(test_a_login_that_waits_for_its_test_is_pending_where_there_is_nothing_better),
                TEST(test_a_login_whose_record_does_not_open_is_not_waited_for),
                TEST(test_what_is_not_saved_is_said_while_all_else_is_well),
                TEST(test_a_pending_grant_is_never_served_by_itself),
                TEST(test_there_are_no_warnings_while_all_is_well),
                TEST(test_a_refused_grant_is_a_warning),
                TEST(test_a_lost_answer_and_a_refused_client_are_warnings),
                TEST(test_somebody_else_and_what_is_not_saved_are_warnings),
                TEST(test_the_providers_own_words_are_a_warning),
                TEST(test_each_state_of_the_version_but_the_good_ones_is_a_warning),
                TEST(test_the_version_is_its_own_or_its_clients),
                TEST(test_a_credential_that_is_reset_is_as_new_but_for_its_name_and_pending_login),
                TEST(test_a_moved_grant_leaves_nothing_behind),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
