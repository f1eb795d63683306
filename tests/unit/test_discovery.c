// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
#include "daemon/refresh/discovery.h"

#include "tests/beds/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METADATA                                                                                             \
        "{\"issuer\":\"https://id.test/tenant\",\"authorization_endpoint\":\"https://id.test/a\","           \
        "\"token_endpoint\":\"https://id.test/t\",\"revocation_endpoint\":\"https://id.test/r\"}"

static const char providers[] =
        "  found: {issuer: 'https://id.test/tenant'}\n"
        "  twin: {issuer: 'https://id.test/tenant'}\n"
        "  partly: {issuer: 'https://id.test/tenant', token_endpoint: 'https://own.test/t'}\n"
        "  private: {issuer: 'https://id.test/tenant', ca_file: /etc/private.pem}\n";

static struct core core;
static struct discovery *discovery;

static int setup(void **state)
{
        core_setup_with_provider(&core, providers, NULL);
        assert_int_equal(discovery_new(&discovery, &core.context), 0);
        return 0;
}

static int teardown(void **state)
{
        discovery = discovery_free(discovery);
        core_teardown(&core);
        return 0;
}

static size_t in_flight(void)
{
        return fake_http_n_in_flight(core.context.http);
}

static const char *url(void)
{
        return fake_http_request(core.context.http, 0)->url;
}

static void answer(long status, const char *body)
{
        fake_http_answer(core.context.http, 0, status, NULL, body);
}

/* Somebody who asks. */
struct seeker {
        struct endpoints_request *request;
        struct endpoints_request **other; /* let go when this one is told */
        const char *next; /* the provider that it asks for when it is told */
        int told;
        bool found;
        char authorization[64], token[64], revocation[64], reason[600];
};

static void note(struct seeker *seeker, const struct oauth_endpoints *endpoints)
{
        seeker->found = true;
        snprintf(seeker->authorization, sizeof(seeker->authorization), "%s", endpoints->authorization);
        snprintf(seeker->token, sizeof(seeker->token), "%s", endpoints->token);
        snprintf(seeker->revocation, sizeof(seeker->revocation), "%s",
                 endpoints->revocation ? endpoints->revocation : "");
}

static int seek(struct seeker *seeker, const char *provider);

static void on_found(const struct oauth_endpoints *endpoints, const char *reason, void *userdata)
{
        struct seeker *seeker = userdata;
        const char *next = seeker->next;

        seeker->told++;
        seeker->request = endpoints_request_free(seeker->request);
        if (seeker->other)
                *seeker->other = endpoints_request_free(*seeker->other);
        if (endpoints)
                note(seeker, endpoints);
        else
                snprintf(seeker->reason, sizeof(seeker->reason), "%s", reason);
        seeker->next = NULL;
        if (next)
                (void)seek(seeker, next);
}

static int seek(struct seeker *seeker, const char *provider)
{
        const struct provider *found = config_find_provider(core.config, provider);
        struct oauth_endpoints endpoints;
        int r;

        assert_non_null(found);
        r = discovery_find(discovery, found, on_found, seeker, &endpoints, &seeker->request);
        if (r == 0)
                note(seeker, &endpoints);
        return r;
}

static void test_what_the_providers_file_says_needs_no_network(void **state)
{
        struct seeker seeker = { 0 };

        assert_int_equal(seek(&seeker, "idp"), 0);
        assert_string_equal(seeker.token, "https://idp.test/token");
        assert_string_equal(seeker.revocation, "");
        assert_int_equal(in_flight(), 0);
}

static void test_the_places_are_tried_in_order(void **state)
{
        struct seeker seeker = { 0 };

        assert_int_equal(seek(&seeker, "found"), DISCOVERY_E_WAITING);
        assert_string_equal(url(), "https://id.test/.well-known/oauth-authorization-server/tenant");
        assert_false(fake_http_request(core.context.http, 0)->post);
        answer(404, "not here");
        assert_string_equal(url(), "https://id.test/tenant/.well-known/openid-configuration");
        answer(404, "nor here");
        assert_string_equal(url(), "https://id.test/.well-known/openid-configuration/tenant");
        assert_int_equal(seeker.told, 0);
        answer(200, METADATA);
        assert_int_equal(seeker.told, 1);
        assert_true(seeker.found);
        assert_string_equal(seeker.authorization, "https://id.test/a");
        assert_string_equal(seeker.token, "https://id.test/t");
        assert_string_equal(seeker.revocation, "https://id.test/r");
        assert_int_equal(in_flight(), 0);
}

static void test_what_was_found_is_remembered_for_all_providers_of_the_issuer(void **state)
{
        struct seeker one = { 0 }, two = { 0 };

        assert_int_equal(seek(&one, "found"), DISCOVERY_E_WAITING);
        answer(200, METADATA);
        assert_int_equal(seek(&two, "found"), 0);
        assert_string_equal(two.token, "https://id.test/t");
        assert_int_equal(seek(&two, "twin"), 0);
        assert_int_equal(fake_http_n_started(core.context.http), 1);
}

static void test_those_who_ask_at_once_share_one_request(void **state)
{
        struct seeker seekers[20] = { 0 };

        for (int i = 0; i < 20; i++)
                assert_int_equal(seek(&seekers[i], i % 2 ? "found" : "twin"), DISCOVERY_E_WAITING);
        assert_int_equal(fake_http_n_started(core.context.http), 1);
        answer(200, METADATA);
        for (int i = 0; i < 20; i++)
                assert_true(seekers[i].told == 1 && seekers[i].found);
}

static void test_what_the_file_says_wins_over_what_was_found(void **state)
{
        struct seeker seeker = { 0 };

        assert_int_equal(seek(&seeker, "partly"), DISCOVERY_E_WAITING);
        answer(200, METADATA);
        assert_string_equal(seeker.token, "https://own.test/t");
        assert_string_equal(seeker.authorization, "https://id.test/a");
}

static void test_a_private_authority_is_asked_for_itself(void **state)
{
        struct seeker one = { 0 }, two = { 0 };

        assert_int_equal(seek(&one, "found"), DISCOVERY_E_WAITING);
        assert_null(fake_http_request(core.context.http, 0)->ca_file);
        answer(200, METADATA);
        /* What was believed of the system's authorities is not believed of another one's. */
        assert_int_equal(seek(&two, "private"), DISCOVERY_E_WAITING);
        assert_string_equal(fake_http_request(core.context.http, 0)->ca_file, "/etc/private.pem");
        answer(200, METADATA);
        assert_true(two.found);
}

static void test_a_reload_forgets_what_was_found(void **state)
{
        struct seeker seeker = { 0 };

        assert_int_equal(seek(&seeker, "found"), DISCOVERY_E_WAITING);
        answer(200, METADATA);
        discovery_forget(discovery);
        assert_int_equal(seek(&seeker, "found"), DISCOVERY_E_WAITING);
        /* What is being asked already is news. */
        discovery_forget(discovery);
        answer(200, METADATA);
        assert_int_equal(seeker.told, 2);
        assert_int_equal(seek(&seeker, "found"), 0);
        assert_int_equal(fake_http_n_started(core.context.http), 2);
}

/* ---- failures ---- */

static void expect_reason(struct seeker *seeker, const char *words)
{
        assert_int_equal(seeker->told, 1);
        assert_false(seeker->found);
        assert_non_null(strstr(seeker->reason, "https://id.test/tenant"));
        if (!strstr(seeker->reason, words))
                fail_msg("'%s' is not in: %s", words, seeker->reason);
}

static void test_an_issuer_without_metadata_is_said(void **state)
{
        struct seeker seeker = { 0 };

        assert_int_equal(seek(&seeker, "found"), DISCOVERY_E_WAITING);
        for (int i = 0; i < 3; i++)
                answer(404, "");
        expect_reason(&seeker, "HTTP 404");
        assert_int_equal(in_flight(), 0);
}

static void test_a_place_that_is_there_and_wrong_says_more_than_those_that_are_absent(void **state)
{
        struct seeker seeker = { 0 }, second = { 0 }, third = { 0 };

        assert_int_equal(seek(&seeker, "found"), DISCOVERY_E_WAITING);
        answer(200, "{\"issuer\":\"https://evil.test\",\"authorization_endpoint\":\"https://evil.test/a\","
                    "\"token_endpoint\":\"https://evil.test/t\"}");
        answer(404, "");
        answer(404, "");
        expect_reason(&seeker, "another issuer's");

        assert_int_equal(seek(&second, "found"), DISCOVERY_E_WAITING);
        answer(404, "");
        answer(503, "down");
        answer(404, "");
        expect_reason(&second, "HTTP 503");

        assert_int_equal(seek(&third, "found"), DISCOVERY_E_WAITING);
        answer(200, "<html>");
        answer(200, "{}");
        answer(503, "down");
        expect_reason(&third, "no JSON object");
}

static void test_an_issuer_that_cannot_be_reached_is_not_asked_at_other_places(void **state)
{
        struct seeker seeker = { 0 };

        assert_int_equal(seek(&seeker, "found"), DISCOVERY_E_WAITING);
        fake_http_fail(core.context.http, 0, HTTP_NOT_SENT, "no route to host");
        expect_reason(&seeker, "no route to host");
        assert_int_equal(in_flight(), 0);
        assert_int_equal(fake_http_n_started(core.context.http), 1);
}

static void test_after_a_failure_the_next_one_asks_anew(void **state)
{
        struct seeker one = { 0 }, two = { 0 };

        assert_int_equal(seek(&one, "found"), DISCOVERY_E_WAITING);
        answer(404, "");
        fake_http_fail(core.context.http, 0, HTTP_OUTCOME_UNKNOWN, "it broke off");
        assert_int_equal(one.told, 1);
        assert_int_equal(seek(&two, "found"), DISCOVERY_E_WAITING);
        assert_string_equal(url(), "https://id.test/.well-known/oauth-authorization-server/tenant");
        answer(200, METADATA);
        assert_true(two.found);
}

static void test_a_request_that_cannot_be_begun_is_a_fault_at_once(void **state)
{
        struct seeker seeker = { 0 };

        fake_http_fail_next_start(core.context.http, -ENOMEM);
        assert_int_equal(seek(&seeker, "found"), -ENOMEM);
        assert_null(seeker.request);
        assert_int_equal(seek(&seeker, "found"), DISCOVERY_E_WAITING);
        answer(404, "");
        fake_http_fail_next_start(core.context.http, -ENOMEM);
        answer(404, "");
        expect_reason(&seeker, "HTTP 404");
}

/* ---- those who ask, and leave ---- */

static void test_one_who_leaves_is_not_told_and_the_answer_is_remembered(void **state)
{
        struct seeker gone = { 0 }, other = { 0 };

        assert_int_equal(seek(&gone, "found"), DISCOVERY_E_WAITING);
        gone.request = endpoints_request_free(gone.request);
        assert_null(endpoints_request_free(NULL));
        answer(200, METADATA);
        assert_int_equal(gone.told, 0);
        assert_int_equal(seek(&other, "found"), 0);
}

static void test_one_who_is_told_may_let_another_go(void **state)
{
        struct seeker one = { 0 }, two = { 0 };

        assert_int_equal(seek(&one, "found"), DISCOVERY_E_WAITING);
        assert_int_equal(seek(&two, "found"), DISCOVERY_E_WAITING);
        one.other = &two.request;
        two.other = &one.request;
        answer(200, METADATA);
        assert_int_equal(one.told + two.told, 1);
}

static void test_one_who_asks_again_when_told_of_a_failure_waits_for_another_answer(void **state)
{
        struct seeker one = { .next = "found" }, two = { 0 };

        assert_int_equal(seek(&one, "found"), DISCOVERY_E_WAITING);
        assert_int_equal(seek(&two, "found"), DISCOVERY_E_WAITING);
        fake_http_fail(core.context.http, 0, HTTP_NOT_SENT, "no route to host");
        assert_int_equal(one.told, 1);
        assert_int_equal(two.told, 1);
        assert_int_equal(in_flight(), 1);
        answer(200, METADATA);
        assert_int_equal(one.told, 2);
        assert_true(one.found);
        assert_int_equal(two.told, 1);
}

/* ---- reloads in between ---- */

static void reload(const char *provider)
{
        core_reload_with_provider(&core, provider, NULL);
        discovery_forget(discovery);
}

static void test_a_provider_that_was_taken_away_meanwhile_is_said(void **state)
{
        struct seeker seeker = { 0 };

        assert_int_equal(seek(&seeker, "found"), DISCOVERY_E_WAITING);
        reload(NULL);
        answer(200, METADATA);
        assert_int_equal(seeker.told, 1);
        assert_false(seeker.found);
        assert_string_equal(seeker.reason, "The configuration no longer has this provider.");
}

static void test_a_provider_whose_issuer_was_changed_meanwhile_gets_nothing_of_the_old_one(void **state)
{
        struct seeker seeker = { 0 };

        assert_int_equal(seek(&seeker, "found"), DISCOVERY_E_WAITING);
        reload("  found: {issuer: 'https://other.test'}\n");
        answer(200, METADATA);
        assert_int_equal(seeker.told, 1);
        assert_false(seeker.found);
        assert_non_null(strstr(seeker.reason, "changed"));
        assert_int_equal(seek(&seeker, "found"), DISCOVERY_E_WAITING);
        assert_string_equal(url(), "https://other.test/.well-known/oauth-authorization-server");
        seeker.request = endpoints_request_free(seeker.request);
}

static void test_an_authority_that_a_reload_puts_right_is_used(void **state)
{
        struct seeker seeker = { 0 };

        assert_int_equal(seek(&seeker, "private"), DISCOVERY_E_WAITING);
        fake_http_fail(core.context.http, 0, HTTP_NOT_SENT, "certificate problem");
        reload("  private: {issuer: 'https://id.test/tenant', ca_file: /etc/right.pem}\n");
        assert_int_equal(seek(&seeker, "private"), DISCOVERY_E_WAITING);
        assert_string_equal(fake_http_request(core.context.http, 0)->ca_file, "/etc/right.pem");
        answer(200, METADATA);
        assert_true(seeker.found);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_what_the_providers_file_says_needs_no_network),
                TEST(test_the_places_are_tried_in_order),
                TEST(test_what_was_found_is_remembered_for_all_providers_of_the_issuer),
                TEST(test_those_who_ask_at_once_share_one_request),
                TEST(test_what_the_file_says_wins_over_what_was_found),
                TEST(test_a_private_authority_is_asked_for_itself),
                TEST(test_a_reload_forgets_what_was_found),
                TEST(test_an_issuer_without_metadata_is_said),
                TEST(test_a_place_that_is_there_and_wrong_says_more_than_those_that_are_absent),
                TEST(test_an_issuer_that_cannot_be_reached_is_not_asked_at_other_places),
                TEST(test_after_a_failure_the_next_one_asks_anew),
                TEST(test_a_request_that_cannot_be_begun_is_a_fault_at_once),
                TEST(test_one_who_leaves_is_not_told_and_the_answer_is_remembered),
                TEST(test_one_who_is_told_may_let_another_go),
                TEST(test_one_who_asks_again_when_told_of_a_failure_waits_for_another_answer),
                TEST(test_a_provider_that_was_taken_away_meanwhile_is_said),
                TEST(test_a_provider_whose_issuer_was_changed_meanwhile_gets_nothing_of_the_old_one),
                TEST(test_an_authority_that_a_reload_puts_right_is_used),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
