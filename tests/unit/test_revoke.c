// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Logging out at the provider: what it is asked, and what its answer leaves. */
#include "tests/beds/revoke_bed.h"

#define ANSWER_2 "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"expires_in\":3600}"
#define INVALID_GRANT "{\"error\":\"invalid_grant\"}"
#define MUTATED "{\"data\":{\"appDisconnect\":{\"userErrors\":[]}}}"

/* ---- RFC 7009 ---- */

static void test_the_refresh_token_is_revoked_and_everything_forgotten(void **state)
{
        struct outcome outcome;

        give("acme", "endpoint", NULL);
        log_out(&outcome, "acme", false);
        assert_string_equal(request()->url, "https://idp.test/revoke");
        assert_true(fake_http_body_has(request(), "token=refresh-1"));
        core_answer(&core, 200, "");
        assert_false(outcome.answered);
        core_save(&core);
        expect(&outcome, REVOKE_DONE, "was revoked at the provider and forgotten");
        assert_null(find("acme"));
        assert_null(fake_disk_find(core.disk, "grant", "acme", NULL));
        assert_null(fake_disk_find(core.disk, "facts", "acme", NULL));
}

static void test_a_token_that_the_provider_does_not_know_is_as_good_as_revoked(void **state)
{
        struct outcome outcome;

        give("acme", "endpoint", NULL);
        log_out(&outcome, "acme", false);
        core_answer(&core, 400, "{\"error\":\"invalid_token\"}");
        core_save(&core);
        expect(&outcome, REVOKE_DONE, "revoked");
}

static void test_an_access_token_alone_is_revoked_too(void **state)
{
        struct outcome outcome;

        belong_to(core_give_grant(&core, "acme", NULL, "access-1", 3600), "endpoint", NULL);
        log_out(&outcome, "acme", false);
        assert_true(fake_http_body_has(request(), "token=access-1"));
        core_answer(&core, 200, "");
        core_save(&core);
        expect(&outcome, REVOKE_DONE, "revoked");
}

static void test_a_provider_that_fails_leaves_everything_going_on(void **state)
{
        struct http_response response = { .result = HTTP_ANSWERED,
                                          .status = 503,
                                          .date_sec = -1,
                                          .retry_after_sec = 60,
                                          .body = SECRET_BUF_INIT(HTTP_BODY_MAX) };
        struct outcome outcome;

        give("acme", "endpoint", NULL);
        log_out(&outcome, "acme", false);
        assert_true(find("acme")->held);
        fake_http_complete(core.context.http, 0, &response);
        core_run(&core);
        expect(&outcome, REVOKE_UNAVAILABLE, "");
        assert_int_equal(outcome.retry_after_usec, 60 * USEC_PER_SEC);
        expect_going_on("acme");
}

static void test_a_client_without_a_secret_leaves_everything_going_on(void **state)
{
        struct outcome outcome;

        core_reload_with_provider(&core, provider,
                                  "  bare: {provider: endpoint, client_id: b, client_secret: {store: true}}\n"
                                  "refresh: {test: off}\n");
        belong_to(core_give_grant(&core, "acme", "refresh-1", "access-1", 3600), "bare", NULL);
        log_out(&outcome, "acme", false);
        expect(&outcome, REVOKE_UNAVAILABLE, "purser secret set bare");
        assert_non_null(find("acme"));
        assert_false(find("acme")->held);
}

static void test_the_endpoint_is_looked_for_first(void **state)
{
        struct outcome outcome;

        give("acme", "found", NULL);
        log_out(&outcome, "acme", false);
        core_answer(
                &core, 200,
                "{\"issuer\":\"https://id.test\",\"authorization_endpoint\":\"https://id.test/a\","
                "\"token_endpoint\":\"https://id.test/t\",\"revocation_endpoint\":\"https://id.test/r\"}");
        assert_string_equal(request()->url, "https://id.test/r");
        core_answer(&core, 200, "");
        core_save(&core);
        expect(&outcome, REVOKE_DONE, "revoked");
}

static void test_an_issuer_that_is_not_found_leaves_everything_going_on(void **state)
{
        struct outcome outcome;

        give("acme", "found", NULL);
        log_out(&outcome, "acme", false);
        fake_http_fail(core.context.http, 0, HTTP_NOT_SENT, "no route");
        core_run(&core);
        expect(&outcome, REVOKE_UNAVAILABLE, "no route");
        assert_false(find("acme")->held);
        assert_true(find("acme")->next_refresh_usec != USEC_INFINITY);
}

static void test_force_forgets_all_the_same_and_says_what_was_not_done(void **state)
{
        struct outcome outcome;

        give("acme", "endpoint", NULL);
        log_out(&outcome, "acme", true);
        fake_http_fail(core.context.http, 0, HTTP_NOT_SENT, "no route");
        core_save(&core);
        expect(&outcome, REVOKE_FORGOTTEN, "could not be revoked at the provider");
        assert_null(find("acme"));
}

static void test_a_provider_that_cannot_revoke_is_not_asked(void **state)
{
        struct outcome outcome;

        give("acme", "none", NULL);
        log_out(&outcome, "acme", false);
        assert_int_equal(in_flight(), 0);
        core_save(&core);
        expect(&outcome, REVOKE_FORGOTTEN, "no way to revoke");
        assert_null(find("acme"));
}

/* ---- with a refresh on its way ---- */

static void test_a_refresh_on_the_wire_is_let_end_and_its_newest_token_is_revoked(void **state)
{
        struct outcome outcome;
        struct asker asker;

        give("acme", "endpoint", NULL);
        core_advance(&core, 3000);
        core_save(&core);
        log_out(&outcome, "acme", false);
        assert_int_equal(in_flight(), 1);
        core_ask(&core, find("acme"), NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        core_answer(&core, 200, ANSWER_2);
        assert_int_equal(in_flight(), 0);
        core_save(&core);
        assert_true(fake_http_body_has(request(), "token=refresh-2"));
        core_answer(&core, 200, "");
        core_save(&core);
        expect(&outcome, REVOKE_DONE, "revoked");
}

static void test_when_the_refresh_on_the_wire_fails_the_old_token_is_revoked(void **state)
{
        struct outcome outcome;

        give("acme", "endpoint", NULL);
        core_advance(&core, 3000);
        core_save(&core);
        log_out(&outcome, "acme", false);
        core_answer(&core, 503, "down");
        assert_true(fake_http_body_has(request(), "token=refresh-1"));
        core_answer(&core, 200, "");
        core_save(&core);
        expect(&outcome, REVOKE_DONE, "revoked");
}

static void test_no_refresh_is_begun_while_the_revocation_is_under_way(void **state)
{
        struct outcome outcome;
        struct asker asker;

        give("acme", "endpoint", NULL);
        core_advance(&core, 2000);
        log_out(&outcome, "acme", false);
        core_advance(&core, 1700);
        core_ask(&core, find("acme"), NULL, &asker);
        assert_false(asker.answered);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
        fake_http_fail(core.context.http, 0, HTTP_OUTCOME_UNKNOWN, "it broke off");
        core_run(&core);
        expect(&outcome, REVOKE_UNAVAILABLE, "");
        /* Now it is. */
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
}

/* ---- a mutation of the API ---- */

static void test_a_mutation_marks_the_others_of_the_account_and_names_them(void **state)
{
        struct outcome outcome;

        give("one", "graph", "same");
        give("two", "graph", "same");
        give("three", "graph", "other");
        give("four", "endpoint", "same");
        log_out(&outcome, "one", false);
        assert_string_equal(request()->url, "https://api.test/graphql");
        assert_string_equal(fake_http_expose_header(request(), "Authorization"), "Bearer access-1");
        core_answer(&core, 200, MUTATED);
        core_save(&core);
        expect(&outcome, REVOKE_DONE, "revoked");
        assert_string_equal(outcome.also_ended, "two ");
        assert_int_equal(find("two")->refusal, REFUSAL_CUT);
        assert_int_equal(find("three")->refusal, REFUSAL_NONE);
        assert_int_equal(find("four")->refusal, REFUSAL_NONE);
}

static void test_a_rejected_token_is_refreshed_once_for_the_mutation(void **state)
{
        struct outcome outcome;

        give("acme", "graph", NULL);
        log_out(&outcome, "acme", false);
        core_answer(&core, 401, "{\"message\":\"Token not recognized\"}");
        core_save(&core);
        assert_string_equal(request()->url, "https://idp.test/token");
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_string_equal(fake_http_expose_header(request(), "Authorization"), "Bearer access-2");
        core_answer(&core, 200, MUTATED);
        core_save(&core);
        expect(&outcome, REVOKE_DONE, "revoked");
}

static void test_a_token_that_is_rejected_again_leaves_everything_going_on(void **state)
{
        struct outcome outcome;

        give("acme", "graph", NULL);
        log_out(&outcome, "acme", false);
        core_answer(&core, 401, "");
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        core_answer(&core, 401, "");
        expect(&outcome, REVOKE_UNAVAILABLE, "");
        assert_int_equal(find("acme")->refusal, REFUSAL_NONE);
        assert_int_equal(fake_http_n_started(core.context.http), 3);
}

static void test_a_grant_that_the_provider_has_ended_is_forgotten(void **state)
{
        struct outcome outcome;

        give("acme", "graph", NULL);
        core_advance(&core, 3700);
        log_out(&outcome, "acme", false);
        core_answer(&core, 400, INVALID_GRANT);
        core_save(&core);
        expect(&outcome, REVOKE_DONE, "had ended the grant already");
        assert_null(find("acme"));
}

static void test_an_app_that_was_disconnected_is_forgotten(void **state)
{
        struct outcome outcome;

        give("acme", "graph", NULL);
        log_out(&outcome, "acme", false);
        core_answer(&core, 403, "User has disconnected this app from their account.");
        core_save(&core);
        expect(&outcome, REVOKE_DONE, "forgotten");
}

static void test_that_there_is_no_token_now_is_not_taken_for_the_end_of_the_grant(void **state)
{
        struct outcome outcome;

        give("acme", "graph", NULL);
        core_advance(&core, 3700);
        core_answer(&core, 503, "down");
        find("acme")->replays = 6;
        find("acme")->replays_spent = true;
        log_out(&outcome, "acme", false);
        core_save(&core);
        expect(&outcome, REVOKE_UNAVAILABLE, "");
        assert_non_null(find("acme"));
        assert_int_equal(in_flight(), 0);
}

/* ---- what there is nothing to revoke of ---- */

static void test_a_grant_that_was_cut_is_forgotten_without_asking(void **state)
{
        struct outcome outcome;

        give("acme", "endpoint", NULL);
        refresher_cut(core.refresher, find("acme"), "It was cut.");
        log_out(&outcome, "acme", false);
        assert_int_equal(in_flight(), 0);
        core_save(&core);
        expect(&outcome, REVOKE_FORGOTTEN, "no living grant");
        assert_null(find("acme"));
}

static void test_a_grant_that_the_token_endpoint_refused_is_revoked_all_the_same(void **state)
{
        struct outcome outcome;

        give("acme", "endpoint", NULL);
        core_advance(&core, 3000);
        core_answer(&core, 400, INVALID_GRANT);
        core_save(&core);
        log_out(&outcome, "acme", false);
        assert_true(fake_http_body_has(request(), "token=refresh-1"));
        core_answer(&core, 200, "");
        core_save(&core);
        expect(&outcome, REVOKE_DONE, "revoked");
}

static void test_a_record_that_does_not_open_is_not_forgotten_unless_it_is_forced(void **state)
{
        struct outcome outcome;

        give("acme", "endpoint", NULL);
        fake_disk_damage(core.disk, "grant", "acme");
        core_crash(&core);
        core_start(&core);
        log_out(&outcome, "acme", false);
        expect(&outcome, REVOKE_UNAVAILABLE, "does not open");
        assert_non_null(fake_disk_find(core.disk, "grant", "acme", NULL));
        log_out(&outcome, "acme", true);
        core_save(&core);
        expect(&outcome, REVOKE_FORGOTTEN, "does not open");
        assert_null(find("acme"));
        assert_null(fake_disk_find(core.disk, "grant", "acme", NULL));
}

static void test_a_client_that_is_not_configured_any_more_cannot_revoke(void **state)
{
        struct outcome outcome;

        give("acme", "endpoint", NULL);
        core_reload(&core, NULL);
        log_out(&outcome, "acme", false);
        expect(&outcome, REVOKE_UNAVAILABLE, "not in the configuration");
        assert_non_null(find("acme"));
}

static void test_a_client_that_a_reload_takes_away_meanwhile_cannot_revoke(void **state)
{
        struct outcome outcome;

        give("acme", "endpoint", NULL);
        log_out(&outcome, "acme", false);
        core_reload(&core, NULL);
        core_answer(&core, 200, "");
        expect(&outcome, REVOKE_UNAVAILABLE, "not in the configuration");
        assert_non_null(find("acme"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_the_refresh_token_is_revoked_and_everything_forgotten),
                TEST(test_a_token_that_the_provider_does_not_know_is_as_good_as_revoked),
                TEST(test_an_access_token_alone_is_revoked_too),
                TEST(test_a_provider_that_fails_leaves_everything_going_on),
                TEST(test_a_client_without_a_secret_leaves_everything_going_on),
                TEST(test_the_endpoint_is_looked_for_first),
                TEST(test_an_issuer_that_is_not_found_leaves_everything_going_on),
                TEST(test_force_forgets_all_the_same_and_says_what_was_not_done),
                TEST(test_a_provider_that_cannot_revoke_is_not_asked),
                TEST(test_a_refresh_on_the_wire_is_let_end_and_its_newest_token_is_revoked),
                TEST(test_when_the_refresh_on_the_wire_fails_the_old_token_is_revoked),
                TEST(test_no_refresh_is_begun_while_the_revocation_is_under_way),
                TEST(test_a_mutation_marks_the_others_of_the_account_and_names_them),
                TEST(test_a_rejected_token_is_refreshed_once_for_the_mutation),
                TEST(test_a_token_that_is_rejected_again_leaves_everything_going_on),
                TEST(test_a_grant_that_the_provider_has_ended_is_forgotten),
                TEST(test_an_app_that_was_disconnected_is_forgotten),
                TEST(test_that_there_is_no_token_now_is_not_taken_for_the_end_of_the_grant),
                TEST(test_a_grant_that_was_cut_is_forgotten_without_asking),
                TEST(test_a_grant_that_the_token_endpoint_refused_is_revoked_all_the_same),
                TEST(test_a_record_that_does_not_open_is_not_forgotten_unless_it_is_forced),
                TEST(test_a_client_that_is_not_configured_any_more_cannot_revoke),
                TEST(test_a_client_that_a_reload_takes_away_meanwhile_cannot_revoke),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
