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

#define ANSWER_2                                                                                             \
        "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"expires_in\":3600,\"token_type\":" \
        "\"Bearer\"}"
#define INVALID_GRANT "{\"error\":\"invalid_grant\",\"error_description\":\"it is spent\"}"

static struct core core;
static struct credential *acme;

static int setup(void **state)
{
        (void)state;
        core_setup(&core, NULL);
        acme = core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        core_teardown(&core);
        return 0;
}

static size_t in_flight(void)
{
        return fake_http_n_in_flight(core.context.http);
}

static void alarm_after(bool an_answer_was_lost)
{
        core_advance(&core, 3000);
        core_save(&core);
        if (an_answer_was_lost) {
                fake_http_fail(core.context.http, 0, HTTP_OUTCOME_UNKNOWN, "the connection broke");
                core_advance(&core, 30);
        }
        core_answer(&core, 200,
                    "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"warning\":\"an old one "
                    "was redeemed\"}");
        core_save(&core);
}

static int setup_with_alarm(void **state)
{
        (void)state;
        core_setup_with_provider(
                &core,
                "  watchful:\n"
                "    extends: idp\n"
                "    token_endpoint_answers: [{member: /warning, contains: old one, means: "
                "foreign_refresher}, {contains: has disconnected, means: disconnected}]\n",
                "  watched: {provider: watchful, client_id: w, client_secret: {store: true}}\n"
                "credentials: {acme: {client: app}}\n");
        return 0;
}

static void give_watched_grant(void)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;

        assert_int_equal(secret_new_string(&secret, "the-other-secret"), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, "watched", secret, NULL, NULL, &write),
                         0);
        acme = core_give_grant(&core, "birch", "refresh-1", "access-1", 3600);
        free(acme->client_name);
        acme->client_name = strdup("watched");
        vault_rebind(core.context.vault, acme);
}

static void test_a_token_that_lives_is_handed_out_without_the_network(void **state)
{
        struct asker asker;

        (void)state;
        core_ask(&core, acme, NULL, &asker);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        assert_false(asker.answer.short_lived);
        assert_int_equal(in_flight(), 0);
}

static void test_a_token_is_refreshed_before_its_end_though_nobody_asks(void **state)
{
        (void)state;
        core_advance(&core, 3600 * 60 / 100);
        assert_int_equal(fake_store_n_queued(core.store), 0);
        core_advance(&core, 3600 * 15 / 100 + 1);
        assert_true(fake_store_is_queued(core.store, "intent", "acme"));
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_string_equal(core_access_token(acme), "access-2");
        assert_string_equal(core_refresh_token(acme), "refresh-2");
        assert_int_equal(acme->grant.generation, 2);
}

static void test_no_request_leaves_before_its_intent_is_durable(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        assert_true(fake_store_is_queued(core.store, "intent", "acme"));
        assert_int_equal(in_flight(), 0);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
        assert_true(fake_http_body_has(fake_http_request(core.context.http, 0), "refresh_token=refresh-1"));
}

static void test_nobody_sees_a_new_token_before_it_is_durable(void **state)
{
        struct asker asker;

        (void)state;
        core_advance(&core, 3700);
        core_ask(&core, acme, NULL, &asker);
        core_answer(&core, 200, ANSWER_2);
        assert_false(asker.answered);
        assert_string_equal(core_access_token(acme), "access-1");
        core_save(&core);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        assert_string_equal(core_access_token(acme), "access-2");
}

static void test_a_thousand_callers_at_the_end_of_a_token_cost_one_refresh(void **state)
{
        enum { N = 1000 };
        struct asker *askers = calloc(N, sizeof(*askers));

        (void)state;
        core_advance(&core, 3700);
        for (int i = 0; i < N; i++)
                core_ask(&core, acme, NULL, &askers[i]);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        for (int i = 0; i < N; i++) {
                assert_true(askers[i].answered);
                assert_int_equal(askers[i].answer.verdict, TOKEN_READY);
        }
        assert_int_equal(fake_http_n_started(core.context.http), 1);
        free(askers);
}

static void test_a_token_that_lives_is_served_while_refreshing_fails(void **state)
{
        struct asker asker;

        (void)state;
        core_advance(&core, 3000);
        core_answer(&core, 503, "down");
        assert_int_equal(credential_state(acme, core.clock.boot_usec), CREDENTIAL_OUTCOME_UNKNOWN);
        core_ask(&core, acme, NULL, &asker);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        assert_string_equal(core_refresh_token(acme), "refresh-1");
}

static void test_refreshing_that_failed_is_tried_again_after_a_pause(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        core_answer(&core, 403, "a firewall's page");
        core_run(&core);
        assert_int_equal(in_flight(), 0);
        core_advance(&core, 10);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_string_equal(core_access_token(acme), "access-2");
        assert_int_equal(acme->failures, 0);
        assert_int_equal(credential_state(acme, core.clock.boot_usec), CREDENTIAL_ACTIVE);
}

static void test_a_caller_with_patience_gets_the_token_of_a_later_try(void **state)
{
        struct asker asker;

        (void)state;
        core_advance(&core, 3700);
        core_ask(&core, acme, NULL, &asker);
        core_answer(&core, 503, "down");
        assert_false(asker.answered);
        core_advance(&core, 10);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
}

static void test_a_callers_patience_ends(void **state)
{
        struct asker asker;

        (void)state;
        core_advance(&core, 3700);
        core_ask(&core, acme, NULL, &asker);
        core_save(&core);
        core_advance(&core, 29);
        assert_false(asker.answered);
        core_advance(&core, 2);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);
        assert_int_equal(in_flight(), 1);
}

static void test_retry_after_is_obeyed_and_not_overridden_by_hand(void **state)
{
        struct http_response response = { .result = HTTP_ANSWERED,
                                          .status = 429,
                                          .date_sec = -1,
                                          .retry_after_sec = 100,
                                          .body = SECRET_BUF_INIT(HTTP_BODY_MAX) };
        struct asker asker;

        (void)state;
        core_advance(&core, 3700);
        core_save(&core);
        fake_http_complete(core.context.http, 0, &response);
        core_force(&core, acme, &asker);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);
        assert_int_equal(asker.answer.retry_after_usec, 100 * USEC_PER_SEC);
        core_ask(&core, acme, NULL, &asker);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);
        core_advance(&core, 99);
        core_save(&core);
        assert_int_equal(in_flight(), 0);
        core_advance(&core, 1);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
}

static void test_a_refresh_by_hand_overrides_a_back_off(void **state)
{
        struct asker asker;

        (void)state;
        core_advance(&core, 3700);
        core_answer(&core, 503, "down");
        core_force(&core, acme, &asker);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
}

static void test_a_refused_grant_is_served_to_the_end_of_its_token_and_never_tried_again(void **state)
{
        struct asker asker;

        (void)state;
        core_advance(&core, 3000);
        core_answer(&core, 400, INVALID_GRANT);
        core_save(&core);
        assert_int_equal(credential_state(acme, core.clock.boot_usec), CREDENTIAL_AUTHORIZATION_REQUIRED);
        core_ask(&core, acme, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        core_advance(&core, 601);
        core_ask(&core, acme, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_AUTHORIZATION_REQUIRED);
        core_advance(&core, 100000);
        assert_int_equal(fake_http_n_started(core.context.http), 1);
}

static void test_nothing_is_served_after_the_account_disconnected_the_app(void **state)
{
        struct asker asker;

        (void)state;
        give_watched_grant();
        core_advance(&core, 3000);
        core_answer(&core, 401, "{\"message\":\"User has disconnected\"}");
        core_ask(&core, acme, NULL, &asker);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_AUTHORIZATION_REQUIRED);
}

static void test_a_lost_answer_leaves_an_unknown_outcome_and_the_old_token_is_tried(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        core_save(&core);
        fake_http_fail(core.context.http, 0, HTTP_OUTCOME_UNKNOWN, "the connection broke");
        assert_int_equal(credential_state(acme, core.clock.boot_usec), CREDENTIAL_OUTCOME_UNKNOWN);
        core_advance(&core, 30);
        core_save(&core);
        assert_true(fake_http_body_has(fake_http_request(core.context.http, 0), "refresh_token=refresh-1"));
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(credential_state(acme, core.clock.boot_usec), CREDENTIAL_ACTIVE);
        assert_false(acme->outcome_unknown);
}

static void test_a_refusal_after_a_lost_answer_says_that_an_answer_was_lost(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        core_save(&core);
        fake_http_fail(core.context.http, 0, HTTP_OUTCOME_UNKNOWN, "the connection broke");
        core_advance(&core, 30);
        core_answer(&core, 400, INVALID_GRANT);
        assert_non_null(strstr(acme->refusal_reason, "was lost"));
}

static void test_the_old_token_is_tried_five_times_at_most(void **state)
{
        struct asker asker;

        (void)state;
        core_advance(&core, 3000);
        for (int i = 0; i < 40; i++) {
                core_save(&core);
                if (in_flight())
                        fake_http_fail(core.context.http, 0, HTTP_OUTCOME_UNKNOWN, "no answer");
                core_advance(&core, 1000);
        }
        assert_int_equal(fake_http_n_started(core.context.http), 6);
        core_ask(&core, acme, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_AUTHORIZATION_REQUIRED);
        core_force(&core, acme, &asker);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
}

static void test_a_maintenance_page_that_stays_for_hours_does_not_use_up_the_tries(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        for (int i = 0; i < 40; i++) {
                core_save(&core);
                if (in_flight())
                        fake_http_answer(core.context.http, 0, 200, "text/html", "<h1>back soon</h1>");
                core_advance(&core, 900);
        }
        core_save(&core);
        for (int i = 0; i < 3 && !in_flight(); i++) {
                core_advance(&core, 900);
                core_save(&core);
        }
        assert_false(acme->replays_spent);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(credential_state(acme, core.clock.boot_usec), CREDENTIAL_ACTIVE);
}

static void test_an_outage_of_hours_does_not_use_up_the_tries(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        for (int i = 0; i < 60; i++) {
                core_save(&core);
                if (in_flight())
                        fake_http_answer(core.context.http, 0, 503, "text/html", "<h1>down</h1>");
                core_advance(&core, 300);
        }
        core_save(&core);
        for (int i = 0; i < 3 && !in_flight(); i++) {
                core_advance(&core, 300);
                core_save(&core);
        }
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(credential_state(acme, core.clock.boot_usec), CREDENTIAL_ACTIVE);
}

static void test_a_warning_about_an_old_token_is_an_alarm(void **state)
{
        (void)state;
        give_watched_grant();
        alarm_after(false);
        assert_true(acme->foreign_refresher);
        assert_string_equal(acme->notice, "an old one was redeemed");
}

static void test_the_same_warning_after_an_answer_of_ours_was_lost_is_none(void **state)
{
        (void)state;
        give_watched_grant();
        alarm_after(true);
        assert_string_equal(core_access_token(acme), "access-2");
        assert_false(acme->foreign_refresher);
        assert_null(acme->notice);
}

static void test_a_hundred_reports_of_the_same_rejected_token_cost_one_refresh(void **state)
{
        struct token_demand demand = { .rejected = "access-1" };
        struct asker askers[100], other;

        (void)state;
        for (int i = 0; i < 100; i++)
                core_ask(&core, acme, &demand, &askers[i]);
        core_ask(&core, acme, NULL, &other);
        assert_true(other.answered);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        for (int i = 0; i < 100; i++)
                assert_int_equal(askers[i].answer.verdict, TOKEN_READY);
        core_ask(&core, acme, &demand, &other);
        assert_true(other.answered);
        assert_int_equal(other.answer.verdict, TOKEN_READY);
        assert_int_equal(fake_http_n_started(core.context.http), 1);
}

static void test_a_report_that_cannot_be_followed_for_now_fails_for_the_reporter_alone(void **state)
{
        struct token_demand demand = { .rejected = "access-1" };
        struct asker reporter, other;

        (void)state;
        core_ask(&core, acme, &demand, &reporter);
        core_answer(&core, 503, "down");
        assert_true(reporter.answered);
        assert_int_equal(reporter.answer.verdict, TOKEN_UNAVAILABLE);
        core_ask(&core, acme, NULL, &other);
        assert_int_equal(other.answer.verdict, TOKEN_READY);
}

static void test_a_rejected_token_of_a_refused_grant_is_not_served_any_more(void **state)
{
        struct token_demand demand = { .rejected = "access-1" };
        struct asker asker;

        (void)state;
        core_ask(&core, acme, &demand, &asker);
        core_answer(&core, 400, INVALID_GRANT);
        assert_int_equal(asker.answer.verdict, TOKEN_AUTHORIZATION_REQUIRED);
        core_ask(&core, acme, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_AUTHORIZATION_REQUIRED);
}

static void test_reports_about_ever_fresh_tokens_do_not_cause_a_storm(void **state)
{
        struct asker asker;

        (void)state;
        for (int i = 0; i < 20; i++) {
                char token[32];
                struct token_demand demand = { .rejected = token };

                snprintf(token, sizeof(token), "%s", core_access_token(acme));
                core_ask(&core, acme, &demand, &asker);
                core_save(&core);
                if (in_flight()) {
                        char body[128];
                        snprintf(body, sizeof(body), "{\"access_token\":\"fresh-%d\",\"expires_in\":3600}",
                                 i);
                        fake_http_answer(core.context.http, 0, 200, NULL, body);
                        core_save(&core);
                }
        }
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);
        assert_int_equal(fake_http_n_started(core.context.http), 3);
}

static void test_a_demand_that_no_token_can_meet_never_costs_a_refresh(void **state)
{
        struct token_demand demand = { .min_valid_given = true, .min_valid_sec = 7200 };
        struct asker asker;

        (void)state;
        core_ask(&core, acme, &demand, &asker);
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        assert_true(asker.answer.short_lived);
        demand.min_valid_sec = 86401;
        core_ask(&core, acme, &demand, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);
        assert_int_equal(in_flight(), 0);
}

static void test_no_refresh_is_sent_without_a_durable_intent_while_the_token_lives(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_int_equal(in_flight(), 0);
        core_advance(&core, 200);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_int_equal(in_flight(), 0);
        assert_non_null(vault_store_problem(core.context.vault));
}

static void test_a_deletion_that_works_is_not_taken_for_a_disk_that_has_mended(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        fake_store_complete_all(core.store, -ENOSPC);
        vault_clear_intent(core.context.vault, acme);
        fake_store_complete_all(core.store, 0);
        assert_non_null(vault_store_problem(core.context.vault));
        core_advance(&core, 5);
        fake_store_complete_all(core.store, 0);
        assert_null(vault_store_problem(core.context.vault));
}

static void test_a_refresh_is_sent_without_a_durable_intent_when_the_token_has_ended(void **state)
{
        (void)state;
        core_advance(&core, 3700);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_int_equal(in_flight(), 1);
}

static void test_a_grant_that_the_disk_refuses_is_served_from_memory_and_saved_later(void **state)
{
        struct asker asker;
        size_t n;

        (void)state;
        core_advance(&core, 3000);
        core_answer(&core, 200, ANSWER_2);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_true(acme->unsaved);
        assert_int_equal(vault_unsaved(core.context.vault), 1);
        core_ask(&core, acme, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        assert_string_equal(core_access_token(acme), "access-2");

        core_advance(&core, 5);
        core_save(&core);
        assert_false(acme->unsaved);
        assert_null(vault_store_problem(core.context.vault));
        core_crash(&core);
        core_start(&core);
        acme = vault_find(core.context.vault, "acme");
        assert_string_equal(core_refresh_token(acme), "refresh-2");
        assert_non_null(fake_disk_find(core.disk, "grant", "acme", &n));
}

static void test_a_crash_after_the_intent_leaves_an_unknown_outcome(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        core_save(&core);
        assert_int_equal(in_flight(), 1);
        core_crash(&core);
        core_start(&core);
        acme = vault_find(core.context.vault, "acme");
        assert_true(acme->outcome_unknown);
        assert_string_equal(core_access_token(acme), "access-1");
        core_run(&core);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(credential_state(acme, core.clock.boot_usec), CREDENTIAL_ACTIVE);
}

static void test_a_crash_after_the_answer_was_saved_leaves_the_new_grant(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        core_answer(&core, 200, ANSWER_2);
        fake_store_make_durable(core.store);
        core_crash(&core);
        core_start(&core);
        acme = vault_find(core.context.vault, "acme");
        assert_string_equal(core_refresh_token(acme), "refresh-2");
        assert_false(acme->outcome_unknown);
}

static void test_a_request_that_never_left_leaves_no_unknown_outcome(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        core_save(&core);
        fake_http_fail(core.context.http, 0, HTTP_NOT_SENT, "connection refused");
        core_save(&core);
        assert_false(acme->outcome_unknown);
        core_crash(&core);
        core_start(&core);
        assert_false(vault_find(core.context.vault, "acme")->outcome_unknown);
}

static void test_a_refresh_answer_without_a_refresh_token_keeps_the_old_one(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        core_answer(&core, 200, "{\"access_token\":\"access-2\"}");
        core_save(&core);
        assert_string_equal(core_access_token(acme), "access-2");
        assert_string_equal(core_refresh_token(acme), "refresh-1");
}

static void test_a_good_refresh_token_beside_an_unusable_access_token_is_saved_and_used(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        core_answer(&core, 200, "{\"access_token\":\"not\\nusable\",\"refresh_token\":\"refresh-2\"}");
        core_save(&core);
        assert_string_equal(core_access_token(acme), "access-1");
        assert_string_equal(core_refresh_token(acme), "refresh-2");
        core_advance(&core, 10);
        core_save(&core);
        assert_true(fake_http_body_has(fake_http_request(core.context.http, 0), "refresh_token=refresh-2"));
}

static void test_a_wrong_client_secret_is_told_and_waits_for_a_new_one(void **state)
{
        struct asker asker;

        (void)state;
        core_advance(&core, 3700);
        core_ask(&core, acme, NULL, &asker);
        core_answer(&core, 401, "{\"error\":\"invalid_client\"}");
        assert_true(asker.answered);
        assert_int_equal(asker.answer.verdict, TOKEN_UNAVAILABLE);
        assert_true(acme->client_refused);
        refresher_client_changed(core.refresher, "app");
        core_run(&core);
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_false(acme->client_refused);
        assert_string_equal(core_access_token(acme), "access-2");
}

static void test_requests_to_one_provider_are_limited(void **state)
{
        char name[16];

        (void)state;
        for (int i = 0; i < 20; i++) {
                snprintf(name, sizeof(name), "c%d", i);
                core_give_grant(&core, name, name, "access", 3600);
        }
        core_advance(&core, 3700);
        core_save(&core);
        assert_int_equal(in_flight(), 8);
        for (int i = 0; i < 21; i++)
                core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_int_equal(fake_http_n_started(core.context.http), 21);
        assert_int_equal(in_flight(), 0);
}

static void mark(void *userdata)
{
        *(bool *)userdata = true;
}

static void test_a_stop_waits_for_what_is_on_the_wire_and_begins_nothing(void **state)
{
        bool stopped = false;
        char name[16];

        (void)state;
        for (int i = 0; i < 20; i++) {
                snprintf(name, sizeof(name), "c%d", i);
                core_give_grant(&core, name, name, "access", 3600);
        }
        core_advance(&core, 3700);
        core_save(&core);
        refresher_stop(core.refresher, mark, &stopped);
        core_run(&core);
        assert_false(stopped);
        while (in_flight())
                core_answer(&core, 200, ANSWER_2);
        core_run(&core);
        assert_false(stopped);
        core_save(&core);
        core_run(&core);
        assert_true(stopped);
        assert_int_equal(fake_http_n_started(core.context.http), 8);
}

static void test_a_wall_clock_that_jumps_changes_nothing(void **state)
{
        struct asker asker;

        (void)state;
        core.clock.wall_usec += 3600 * (int64_t)USEC_PER_SEC;
        core_run(&core);
        core_ask(&core, acme, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        core.clock.wall_usec -= 7200 * (int64_t)USEC_PER_SEC;
        core_run(&core);
        core_ask(&core, acme, NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
        assert_int_equal(in_flight(), 0);
        core_advance(&core, 3600);
        core_ask(&core, acme, NULL, &asker);
        assert_false(asker.answered);
        asker_done(&asker);
}

static void test_a_token_of_another_boot_is_judged_by_the_wall_clock_and_ended_when_that_went_back(
        void **state)
{
        (void)state;
        core_crash(&core);
        strcpy(core.boot_id, "99999999-2222-3333-4444-555555555555");
        core.clock.boot_usec = 5 * USEC_PER_SEC;
        core.clock.wall_usec += 1800 * (int64_t)USEC_PER_SEC;
        core_start(&core);
        acme = vault_find(core.context.vault, "acme");
        assert_int_equal(credential_remaining_usec(acme, core.clock.boot_usec), 1800 * USEC_PER_SEC);

        core_crash(&core);
        strcpy(core.boot_id, "88888888-2222-3333-4444-555555555555");
        core.clock.wall_usec -= 90000 * (int64_t)USEC_PER_SEC;
        core_start(&core);
        acme = vault_find(core.context.vault, "acme");
        assert_int_equal(credential_remaining_usec(acme, core.clock.boot_usec), 0);
}

static void test_short_lived_tokens_are_refreshed_before_a_default_demand_would_wait(void **state)
{
        struct credential *brief = core_give_grant(&core, "brief", "refresh-b", "access-b", 20);
        struct asker asker;

        (void)state;
        for (int second = 0; second < 20; second++) {
                if (in_flight() || fake_store_n_queued(core.store))
                        break;
                core_ask(&core, brief, NULL, &asker);
                assert_true(asker.answered);
                core_advance(&core, 1);
        }
        core_answer(&core, 200, ANSWER_2);
}

static void test_a_reload_without_the_client_keeps_the_grant_of_an_answer_on_the_wire(void **state)
{
        (void)state;
        core_advance(&core, 3000);
        core_save(&core);
        acme->client = NULL;
        core_answer(&core, 200, ANSWER_2);
        core_save(&core);
        assert_string_equal(core_refresh_token(acme), "refresh-2");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_token_that_lives_is_handed_out_without_the_network),
                TEST(test_a_token_is_refreshed_before_its_end_though_nobody_asks),
                TEST(test_no_request_leaves_before_its_intent_is_durable),
                TEST(test_nobody_sees_a_new_token_before_it_is_durable),
                TEST(test_a_thousand_callers_at_the_end_of_a_token_cost_one_refresh),
                TEST(test_a_token_that_lives_is_served_while_refreshing_fails),
                TEST(test_refreshing_that_failed_is_tried_again_after_a_pause),
                TEST(test_a_caller_with_patience_gets_the_token_of_a_later_try),
                TEST(test_a_callers_patience_ends),
                TEST(test_retry_after_is_obeyed_and_not_overridden_by_hand),
                TEST(test_a_refresh_by_hand_overrides_a_back_off),
                TEST(test_a_refused_grant_is_served_to_the_end_of_its_token_and_never_tried_again),
                cmocka_unit_test_setup_teardown(test_nothing_is_served_after_the_account_disconnected_the_app,
                                                setup_with_alarm, teardown),
                TEST(test_a_lost_answer_leaves_an_unknown_outcome_and_the_old_token_is_tried),
                TEST(test_a_refusal_after_a_lost_answer_says_that_an_answer_was_lost),
                TEST(test_the_old_token_is_tried_five_times_at_most),
                TEST(test_a_maintenance_page_that_stays_for_hours_does_not_use_up_the_tries),
                TEST(test_an_outage_of_hours_does_not_use_up_the_tries),
                cmocka_unit_test_setup_teardown(test_a_warning_about_an_old_token_is_an_alarm,
                                                setup_with_alarm, teardown),
                cmocka_unit_test_setup_teardown(
                        test_the_same_warning_after_an_answer_of_ours_was_lost_is_none, setup_with_alarm,
                        teardown),
                TEST(test_a_hundred_reports_of_the_same_rejected_token_cost_one_refresh),
                TEST(test_a_report_that_cannot_be_followed_for_now_fails_for_the_reporter_alone),
                TEST(test_a_rejected_token_of_a_refused_grant_is_not_served_any_more),
                TEST(test_reports_about_ever_fresh_tokens_do_not_cause_a_storm),
                TEST(test_a_demand_that_no_token_can_meet_never_costs_a_refresh),
                TEST(test_no_refresh_is_sent_without_a_durable_intent_while_the_token_lives),
                TEST(test_a_deletion_that_works_is_not_taken_for_a_disk_that_has_mended),
                TEST(test_a_refresh_is_sent_without_a_durable_intent_when_the_token_has_ended),
                TEST(test_a_grant_that_the_disk_refuses_is_served_from_memory_and_saved_later),
                TEST(test_a_crash_after_the_intent_leaves_an_unknown_outcome),
                TEST(test_a_crash_after_the_answer_was_saved_leaves_the_new_grant),
                TEST(test_a_request_that_never_left_leaves_no_unknown_outcome),
                TEST(test_a_refresh_answer_without_a_refresh_token_keeps_the_old_one),
                TEST(test_a_good_refresh_token_beside_an_unusable_access_token_is_saved_and_used),
                TEST(test_a_wrong_client_secret_is_told_and_waits_for_a_new_one),
                TEST(test_requests_to_one_provider_are_limited),
                TEST(test_a_stop_waits_for_what_is_on_the_wire_and_begins_nothing),
                TEST(test_a_wall_clock_that_jumps_changes_nothing),
                TEST(test_a_token_of_another_boot_is_judged_by_the_wall_clock_and_ended_when_that_went_back),
                TEST(test_short_lived_tokens_are_refreshed_before_a_default_demand_would_wait),
                TEST(test_a_reload_without_the_client_keeps_the_grant_of_an_answer_on_the_wire),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
