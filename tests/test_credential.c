// links: daemon/credential*.c daemon/record.c daemon/backoff.c daemon/heap.c daemon/timers.c common/duration.c common/fault.c
// links: common/secret.c
// libs: libsodium
#include "daemon/credential.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW (1000 * USEC_PER_SEC)
#define HOUR (3600 * USEC_PER_SEC)

static struct provider provider = { .name = (char *)"idp", .max_replays = 5 };
static struct client client = { .name = (char *)"app", .provider = &provider, .api_version = (char *)"v1" };
static struct credential_config config = { .name = (char *)"acme", .client = (char *)"app" };
static struct credential *acme;

static void set(char **text, const char *value)
{
        free(*text);
        *text = value ? strdup(value) : NULL;
}

/* A credential in the best of states: an hour's token that has just come. */
static int setup(void **state)
{
        assert_int_equal(credential_new(&acme, "acme"), 0);
        set(&acme->client_name, "app");
        acme->client = &client;
        acme->refusal = REFUSAL_NONE;
        assert_int_equal(secret_new_string(&acme->grant.refresh_token, "refresh"), 0);
        assert_int_equal(secret_new_string(&acme->grant.access_token, "access"), 0);
        acme->grant.generation = 1;
        acme->grant.lifetime_usec = HOUR;
        acme->grant.received_boot_usec = (int64_t)NOW;
        return 0;
}

static int teardown(void **state)
{
        acme = credential_free(acme);
        return 0;
}

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

/* ---- times ---- */

static void test_what_remains_counts_from_the_receipt(void **state)
{
        assert_int_equal(credential_remaining_usec(acme, NOW), HOUR);
        assert_int_equal(credential_remaining_usec(acme, NOW + HOUR - 1), 1);
        assert_int_equal(credential_remaining_usec(acme, NOW + HOUR), 0);
        assert_int_equal(credential_remaining_usec(acme, NOW + 100 * HOUR), 0);
        acme->grant.received_boot_usec = -(int64_t)(HOUR / 2);
        assert_int_equal(credential_remaining_usec(acme, 0), HOUR / 2);
        acme->grant.access_token = secret_free(acme->grant.access_token);
        assert_int_equal(credential_remaining_usec(acme, 0), 0);
}

static void test_the_end_is_told_by_the_local_clock_and_rounded_down(void **state)
{
        int64_t wall = INT64_C(1767225600) * (int64_t)USEC_PER_SEC;

        assert_int_equal(credential_expires_at(acme, NOW, wall), 1767225600 + 3600);
        assert_int_equal(credential_expires_at(acme, NOW, wall + 999999), 1767225600 + 3600);
        assert_int_equal(credential_expires_at(acme, NOW + HOUR / 2, wall + (int64_t)(HOUR / 2)),
                         1767225600 + 3600);
        /* The clock was set: what is told moves along, and the token lives as long as before. */
        assert_int_equal(credential_expires_at(acme, NOW + HOUR / 2, wall), 1767225600 + 1800);
}

/* ---- demands ---- */

static uint64_t min_valid(int64_t seconds, bool *ret_unmeetable)
{
        struct token_demand demand = { .min_valid_given = true, .min_valid_sec = seconds };

        return credential_min_valid_usec(acme, &demand, ret_unmeetable);
}

static void test_the_default_demand_is_a_minute_or_half_the_life(void **state)
{
        static const struct {
                uint64_t lifetime_usec, expected_usec;
        } rows[] = {
                { HOUR, 60 * USEC_PER_SEC },      { 120 * USEC_PER_SEC, 60 * USEC_PER_SEC },
                { 119 * USEC_PER_SEC, 59500000 }, { 10 * USEC_PER_SEC, 5 * USEC_PER_SEC },
                { USEC_PER_SEC, 500000 },         { 0, 0 },
        };
        static const struct token_demand none;
        bool unmeetable = true;

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                acme->grant.lifetime_usec = rows[i].lifetime_usec;
                assert_int_equal(credential_min_valid_usec(acme, &none, &unmeetable), rows[i].expected_usec);
                assert_false(unmeetable);
        }
}

static void test_a_demand_that_a_fresh_token_can_meet_is_taken_as_it_is(void **state)
{
        bool unmeetable = true;

        assert_int_equal(min_valid(1, &unmeetable), USEC_PER_SEC);
        assert_false(unmeetable);
        assert_int_equal(min_valid(3240, &unmeetable), 3240 * USEC_PER_SEC);
        assert_false(unmeetable);
        /* None at all: any token that has not ended. */
        assert_int_equal(min_valid(0, &unmeetable), 1);
        assert_int_equal(min_valid(-5, &unmeetable), 1);
        assert_false(unmeetable);
}

static void test_a_demand_for_nearly_the_whole_life_falls_back_to_the_default(void **state)
{
        static const int64_t demands[] = { 3241, 3600, 7200, 86400, INT64_MAX / 1000000, INT64_MAX };
        bool unmeetable;

        for (size_t i = 0; i < sizeof(demands) / sizeof(demands[0]); i++) {
                unmeetable = false;
                assert_int_equal(min_valid(demands[i], &unmeetable), 60 * USEC_PER_SEC);
                assert_true(unmeetable);
        }
}

static void test_a_demand_on_a_credential_without_a_token_waits_for_the_first(void **state)
{
        bool unmeetable = true;

        acme->grant.access_token = secret_free(acme->grant.access_token);
        acme->grant.lifetime_usec = 0;
        assert_int_equal(min_valid(7200, &unmeetable), 7200 * USEC_PER_SEC);
        assert_false(unmeetable);
}

/* ---- when to refresh ---- */

static const uint64_t lifetimes_sec[] = { 1,   2,   5,   10,  30,  59,   60,    61,      90,
                                          119, 120, 121, 300, 600, 3600, 86400, 31536000 };

static void expect_no_default_caller_waits(const struct refresh_config *refresh)
{
        for (size_t i = 0; i < sizeof(lifetimes_sec) / sizeof(lifetimes_sec[0]); i++) {
                uint64_t lifetime = lifetimes_sec[i] * USEC_PER_SEC, step = UINT64_MAX / 1000;
                uint64_t least = UINT64_MAX, most = 0, demand;
                static const struct token_demand none;
                bool unmeetable;

                acme->grant.lifetime_usec = lifetime;
                demand = credential_min_valid_usec(acme, &none, &unmeetable);
                for (uint64_t n = 0; n <= 1000; n++) {
                        uint64_t after = credential_refresh_after_usec(lifetime, refresh, n * step);

                        least = after < least ? after : least;
                        most = after > most ? after : most;
                }
                /* Not for ever anew, and in time for a caller with the default demand, with room for the request. */
                assert_true(least >= lifetime / 10);
                assert_true(most < lifetime);
                assert_true(most + demand <= lifetime);
                assert_true(lifetime - demand - most >=
                            (lifetime < 100 * USEC_PER_SEC ? lifetime / 20 : 5 * USEC_PER_SEC));
                assert_true(most > least || most == lifetime / 10);
        }
}

static void test_a_refresh_is_due_before_a_default_caller_would_wait(void **state)
{
        expect_no_default_caller_waits(
                &(struct refresh_config){ .before_is_share = true, .before_share = 25 });
        expect_no_default_caller_waits(
                &(struct refresh_config){ .before_is_share = true, .before_share = 1 });
        expect_no_default_caller_waits(
                &(struct refresh_config){ .before_is_share = true, .before_share = 90 });
        expect_no_default_caller_waits(&(struct refresh_config){ .before_usec = USEC_PER_SEC });
        expect_no_default_caller_waits(&(struct refresh_config){ .before_usec = 5 * 60 * USEC_PER_SEC });
        expect_no_default_caller_waits(&(struct refresh_config){ .before_usec = 3650 * 24 * HOUR });
}

static void test_refreshes_are_spread_over_a_tenth_of_the_life_before_their_time(void **state)
{
        static const struct refresh_config refresh = { .before_is_share = true, .before_share = 25 };

        assert_int_equal(credential_refresh_after_usec(HOUR, &refresh, 0), HOUR / 4 * 3);
        assert_in_range(credential_refresh_after_usec(HOUR, &refresh, UINT64_MAX), HOUR / 100 * 65,
                        HOUR / 100 * 65 + USEC_PER_SEC);
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
                TEST(test_what_remains_counts_from_the_receipt),
                TEST(test_the_end_is_told_by_the_local_clock_and_rounded_down),
                TEST(test_the_default_demand_is_a_minute_or_half_the_life),
                TEST(test_a_demand_that_a_fresh_token_can_meet_is_taken_as_it_is),
                TEST(test_a_demand_for_nearly_the_whole_life_falls_back_to_the_default),
                TEST(test_a_demand_on_a_credential_without_a_token_waits_for_the_first),
                TEST(test_a_refresh_is_due_before_a_default_caller_would_wait),
                TEST(test_refreshes_are_spread_over_a_tenth_of_the_life_before_their_time),
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
