// links: tests/core.c tests/fake_clock.c tests/fake_http.c tests/fake_store.c daemon/refresh*.c daemon/probe*.c daemon/login*.c
// links: daemon/discovery.c daemon/vault*.c daemon/credential*.c daemon/record.c daemon/seal.c daemon/timers.c daemon/rate.c daemon/heap.c
// links: daemon/backoff.c daemon/oauth_*.c daemon/api_*.c daemon/answer.c daemon/lifetime.c daemon/pkce.c daemon/json_text.c
// links: daemon/plain_words.c daemon/form.c daemon/http_message.c daemon/config*.c daemon/provider*.c daemon/problems.c
// links: daemon/yaml_*.c daemon/log.c common/secret*.c common/fault.c common/wipe.c common/duration.c common/clock.c
// libs: libsodium jansson yaml-0.1 libsystemd
/* Logging out: at the provider first, then on disk; and what is left where one of them refuses. */
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

#define ANSWER_2 "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"expires_in\":3600}"
#define INVALID_GRANT "{\"error\":\"invalid_grant\"}"
#define MUTATED "{\"data\":{\"appDisconnect\":{\"userErrors\":[]}}}"
#define ACCOUNT_ONE "{\"data\":{\"account\":{\"id\":\"one\",\"name\":\"One Ltd\"}}}"

static const char provider[] =
        "  endpoint: {extends: idp, revocation_endpoint: 'https://idp.test/revoke'}\n"
        "  found: {issuer: 'https://id.test'}\n"
        "  none: {extends: endpoint, revocation: {method: none}}\n"
        "  graph:\n"
        "    extends: idp\n"
        "    api: {answers: [{status: 403, contains: has disconnected, means: authorization_required}]}\n"
        "    revocation: {method: graphql, mutation: 'mutation { appDisconnect { userErrors { message } } "
        "}', "
        "error: /data/appDisconnect/userErrors, ends_account: true}\n";
static const char clients[] = "  endpoint: {provider: endpoint, client_id: e, client_secret: {store: true}}\n"
                              "  found: {provider: found, client_id: f, client_secret: {store: true}}\n"
                              "  none: {provider: none, client_id: n, client_secret: {store: true}}\n"
                              "  graph: {provider: graph, client_id: g, client_secret: {store: true}}\n"
                              "refresh: {test: off}\n";

static struct core core;

static void set_secret(const char *client)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;

        assert_int_equal(secret_new_string(&secret, "its secret"), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, client, secret, NULL, NULL, &write), 0);
        core_save(&core);
}

static int setup(void **state)
{
        core_setup_with_provider(&core, provider, clients);
        set_secret("endpoint");
        set_secret("found");
        set_secret("none");
        set_secret("graph");
        return 0;
}

static int teardown(void **state)
{
        core_teardown(&core);
        return 0;
}

static struct credential *find(const char *name)
{
        return vault_find(core.context.vault, name);
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

static void belong_to(struct credential *credential, const char *client, const char *account)
{
        free(credential->client_name);
        credential->client_name = strdup(client);
        free(credential->account_id);
        credential->account_id = account ? strdup(account) : NULL;
        vault_rebind(core.context.vault, credential);
}

static struct credential *give(const char *name, const char *client, const char *account)
{
        struct credential *credential = core_give_grant(&core, name, "refresh-1", "access-1", 3600);

        belong_to(credential, client, account);
        vault_save_facts(core.context.vault, credential);
        core_save(&core);
        refresher_plan(core.refresher, credential);
        return credential;
}

/* A login whose grant waits for its test. */
static struct credential *give_pending(const char *name, const char *client, const char *refresh_token,
                                       const char *access_token)
{
        struct credential *credential, *pending;
        struct vault_write *write;
        struct grant grant = { .generation = access_token != NULL,
                               .lifetime_usec = 3600 * USEC_PER_SEC,
                               .received_boot_usec = (int64_t)core.clock.boot_usec,
                               .received_wall_usec = core.clock.wall_usec };

        assert_int_equal(vault_require(core.context.vault, name, &credential), 0);
        assert_int_equal(vault_require_pending(core.context.vault, credential, &pending), 0);
        belong_to(pending, client, NULL);
        pending->refusal = REFUSAL_NONE;
        assert_int_equal(secret_new_string(&grant.refresh_token, refresh_token), 0);
        if (access_token)
                assert_int_equal(secret_new_string(&grant.access_token, access_token), 0);
        assert_int_equal(vault_save_grant(core.context.vault, pending, &grant, NULL, NULL, &write), 0);
        core_save(&core);
        return credential;
}

struct outcome {
        struct revoke_call *call;
        bool answered;
        enum revoke_verdict verdict;
        char message[600], also_ended[200];
        uint64_t retry_after_usec;
};

static void on_revoked(const struct revoke_answer *answer, void *userdata)
{
        struct outcome *outcome = userdata;

        assert_false(outcome->answered);
        outcome->answered = true;
        outcome->verdict = answer->verdict;
        outcome->retry_after_usec = answer->retry_after_usec;
        snprintf(outcome->message, sizeof(outcome->message), "%s", answer->message);
        for (size_t i = 0; i < answer->n_also_ended; i++)
                strcat(strcat(outcome->also_ended, answer->also_ended[i]), " ");
        outcome->call = revoke_call_free(outcome->call);
}

static void log_out(struct outcome *outcome, const char *name, bool force)
{
        *outcome = (struct outcome){ 0 };
        assert_int_equal(login_revoke(core.logins, find(name), force, on_revoked, outcome, &outcome->call),
                         0);
        core_run(&core);
}

static void expect(const struct outcome *outcome, enum revoke_verdict verdict, const char *words)
{
        assert_true(outcome->answered);
        assert_int_equal(outcome->verdict, verdict);
        if (!strstr(outcome->message, words))
                fail_msg("'%s' is not in: %s", words, outcome->message);
}

/* It goes on as if nothing had been asked: it serves, and is refreshed by itself. */
static void expect_going_on(const char *name)
{
        size_t n;

        assert_int_equal(credential_state(find(name), core.clock.boot_usec), CREDENTIAL_ACTIVE);
        assert_false(find(name)->held);
        n = in_flight();
        core_advance(&core, 3000);
        core_save(&core);
        assert_int_equal(in_flight(), n + 1);
}

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

/* ---- logins that wait ---- */

static void test_a_login_that_waits_for_its_test_is_revoked_too(void **state)
{
        struct outcome outcome;

        give_pending("acme", "endpoint", "refresh-p", "access-p");
        log_out(&outcome, "acme", false);
        assert_true(fake_http_body_has(request(), "token=refresh-p"));
        core_answer(&core, 200, "");
        core_save(&core);
        expect(&outcome, REVOKE_DONE, "revoked");
        assert_null(find("acme"));
        assert_null(fake_disk_find(core.disk, "pending-grant", "acme", NULL));
}

static void test_a_later_login_and_the_grant_in_force_are_both_revoked(void **state)
{
        struct outcome outcome;

        give("acme", "endpoint", NULL);
        give_pending("acme", "endpoint", "refresh-p", "access-p");
        log_out(&outcome, "acme", false);
        assert_true(fake_http_body_has(request(), "token=refresh-p"));
        core_answer(&core, 200, "");
        assert_true(fake_http_body_has(request(), "token=refresh-1"));
        core_answer(&core, 200, "");
        core_save(&core);
        expect(&outcome, REVOKE_DONE, "revoked");
        assert_null(find("acme"));
}

static void test_a_login_whose_revocation_fails_is_tested_again(void **state)
{
        struct outcome outcome;

        give_pending("acme", "endpoint", "refresh-p", "access-p");
        log_out(&outcome, "acme", false);
        core_answer(&core, 503, "down");
        expect(&outcome, REVOKE_UNAVAILABLE, "");
        core_run(&core);
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_string_equal(core_refresh_token(find("acme")), "refresh-p");
}

/* ---- the store ---- */

static void test_a_disk_that_refuses_to_forget_is_told_and_everything_goes_on(void **state)
{
        struct outcome outcome;

        give("acme", "none", NULL);
        log_out(&outcome, "acme", false);
        fake_store_complete_all(core.store, -EROFS);
        core_run(&core);
        expect(&outcome, REVOKE_NOT_SAVED, "nothing was changed");
        expect_going_on("acme");
}

static void test_a_login_that_waits_goes_on_when_the_disk_refuses_to_forget(void **state)
{
        struct outcome outcome;

        give_pending("acme", "none", "refresh-p", "access-p");
        log_out(&outcome, "acme", false);
        fake_store_complete_all(core.store, -EROFS);
        core_run(&core);
        expect(&outcome, REVOKE_NOT_SAVED, "nothing was changed");
        core_run(&core);
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_string_equal(core_refresh_token(find("acme")), "refresh-p");
}

static void test_a_revoked_grant_that_the_disk_refuses_to_forget_is_not_served(void **state)
{
        struct outcome outcome;
        struct asker asker;

        give("acme", "endpoint", NULL);
        log_out(&outcome, "acme", false);
        core_answer(&core, 200, "");
        fake_store_complete_all(core.store, -EROFS);
        core_run(&core);
        expect(&outcome, REVOKE_NOT_SAVED, "revoked at the provider, but the disk refuses");
        core_ask(&core, find("acme"), NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_AUTHORIZATION_REQUIRED);
        log_out(&outcome, "acme", false);
        core_save(&core);
        expect(&outcome, REVOKE_FORGOTTEN, "");
        assert_null(find("acme"));
}

static void test_a_write_that_cannot_be_begun_is_told(void **state)
{
        struct outcome outcome;

        give("acme", "none", NULL);
        fake_store_fail_next_start(core.store, -ENOMEM);
        log_out(&outcome, "acme", false);
        expect(&outcome, REVOKE_NOT_SAVED, "nothing was changed");
        expect_going_on("acme");
}

/* ---- others who come in between ---- */

static void test_a_login_that_comes_while_forgetting_is_not_forgotten(void **state)
{
        struct outcome outcome;

        give("acme", "none", NULL);
        log_out(&outcome, "acme", false);
        give_pending("acme", "endpoint", "refresh-p", "access-p");
        expect(&outcome, REVOKE_FORGOTTEN, "");
        assert_non_null(find("acme"));
        assert_string_equal(core_refresh_token(find("acme")), "");
        assert_string_equal(core_refresh_token(find("acme")->pending), "refresh-p");
        core_crash(&core);
        core_start(&core);
        assert_string_equal(core_refresh_token(find("acme")->pending), "refresh-p");
        core_run(&core);
        core_answer(&core, 200, ACCOUNT_ONE);
        core_save(&core);
        assert_string_equal(core_refresh_token(find("acme")), "refresh-p");
}

static void test_two_logouts_at_once_both_end(void **state)
{
        struct outcome one, two;

        give("acme", "endpoint", NULL);
        log_out(&one, "acme", false);
        log_out(&two, "acme", false);
        assert_int_equal(in_flight(), 2);
        core_answer(&core, 200, "");
        core_answer(&core, 200, "");
        core_save(&core);
        assert_true(one.answered && two.answered);
        assert_int_equal(one.verdict, REVOKE_DONE);
        assert_null(find("acme"));
}

static void test_a_credential_that_the_configuration_names_stays_as_a_shell(void **state)
{
        struct outcome outcome;
        char more[1024];

        snprintf(more, sizeof(more), "%scredentials: {acme: {client: none, description: ours}}\n", clients);
        core_reload_with_provider(&core, provider, more);
        give("acme", "none", "one");
        log_out(&outcome, "acme", false);
        core_save(&core);
        expect(&outcome, REVOKE_FORGOTTEN, "");
        assert_non_null(find("acme"));
        assert_int_equal(find("acme")->refusal, REFUSAL_NEVER_AUTHORIZED);
        assert_string_equal(find("acme")->description, "ours");
        assert_null(find("acme")->account_id);
}

static void test_one_who_leaves_lets_the_logout_go_on_unheard(void **state)
{
        struct outcome outcome;

        give("acme", "endpoint", NULL);
        log_out(&outcome, "acme", false);
        outcome.call = revoke_call_free(outcome.call);
        core_answer(&core, 200, "");
        core_save(&core);
        assert_false(outcome.answered);
        assert_null(find("acme"));
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
                TEST(test_a_login_that_waits_for_its_test_is_revoked_too),
                TEST(test_a_later_login_and_the_grant_in_force_are_both_revoked),
                TEST(test_a_login_whose_revocation_fails_is_tested_again),
                TEST(test_a_disk_that_refuses_to_forget_is_told_and_everything_goes_on),
                TEST(test_a_login_that_waits_goes_on_when_the_disk_refuses_to_forget),
                TEST(test_a_revoked_grant_that_the_disk_refuses_to_forget_is_not_served),
                TEST(test_a_write_that_cannot_be_begun_is_told),
                TEST(test_a_login_that_comes_while_forgetting_is_not_forgotten),
                TEST(test_two_logouts_at_once_both_end),
                TEST(test_a_credential_that_the_configuration_names_stays_as_a_shell),
                TEST(test_one_who_leaves_lets_the_logout_go_on_unheard),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
