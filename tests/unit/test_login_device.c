// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
#include "tests/beds/core.h"

#include "daemon/protocol/oauth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROVIDER                                                                                             \
        "  devices: {extends: idp, device_authorization_endpoint: 'https://idp.test/device', api: "          \
        "{test_query: null}}\n"
#define CLIENT                                                                                               \
        "  till: {provider: devices, client_id: the-till, client_secret: {store: true}, scopes: [jobs]}\n"
#define CODE                                                                                                 \
        "{\"device_code\":\"d-1\",\"user_code\":\"ABCD-EFGH\",\"verification_uri\":\"https://idp.test/go\"," \
        "\"expires_in\":600,\"interval\":5}"
#define ERROR(code) "{\"error\":\"" code "\"}"

static struct core core;

struct told {
        unsigned n;
        enum login_verdict verdict;
        char login[64], reason[256], user_code[64], uri[256];
};

static struct told begun, done;
static struct login_call *call;

static int setup(void **state)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;

        (void)state;
        core_setup_with_provider(&core, PROVIDER, CLIENT);
        assert_int_equal(secret_new_string(&secret, "the-secret"), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, "till", secret, NULL, NULL, &write), 0);
        core_save(&core);
        begun = done = (struct told){ 0 };
        call = NULL;
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        call = login_call_free(call);
        core_teardown(&core);
        return 0;
}

static void on_told(const struct login_answer *answer, void *userdata)
{
        struct told *told = userdata;

        told->n++;
        told->verdict = answer->verdict;
        snprintf(told->login, sizeof(told->login), "%s", answer->login ? answer->login : "");
        snprintf(told->reason, sizeof(told->reason), "%s", answer->reason ? answer->reason : "");
        if (answer->device) {
                snprintf(told->user_code, sizeof(told->user_code), "%s", answer->device->user_code);
                snprintf(told->uri, sizeof(told->uri), "%s", answer->device->verification_uri);
        }
        call = login_call_free(call);
}

static struct http *network(void)
{
        return core.context.http;
}

static void begin(const char *answer)
{
        assert_int_equal(
                login_begin_device(core.logins, "acme", "till", "at the till", on_told, &begun, &call), 0);
        core_run(&core);
        core_answer(&core, 200, answer);
        assert_int_equal(begun.n, 1);
}

static void wait_for_person(void)
{
        begin(CODE);
        assert_int_equal(login_complete_device(core.logins, begun.login, false, on_told, &done, &call), 0);
        assert_int_equal(fake_http_n_in_flight(network()), 0);
}

/* Nothing was asked before, and something is after so many seconds. */
static void expect_asked_after(uint64_t seconds)
{
        core_advance(&core, seconds - 1);
        assert_int_equal(fake_http_n_in_flight(network()), 0);
        core_advance(&core, 1);
        assert_int_equal(fake_http_n_in_flight(network()), 1);
        assert_true(fake_http_body_has(fake_http_request(network(), 0), "device_code=d-1"));
}

static void test_the_person_is_told_where_to_go_with_which_code(void **state)
{
        (void)state;
        begin(CODE);
        assert_int_equal(begun.verdict, LOGIN_ACTIVE);
        assert_string_equal(begun.user_code, "ABCD-EFGH");
        assert_string_equal(begun.uri, "https://idp.test/go");
}

static void test_a_yes_becomes_a_grant_that_is_saved_and_refreshed(void **state)
{
        struct credential *acme;

        (void)state;
        wait_for_person();
        expect_asked_after(5);
        core_answer(&core, 400, ERROR("authorization_pending"));
        expect_asked_after(5);
        core_answer(&core, 200, "{\"access_token\":\"a-1\",\"refresh_token\":\"r-1\",\"expires_in\":3600}");
        core_save(&core);
        core_save(&core);
        assert_int_equal(done.n, 1);
        assert_int_equal(done.verdict, LOGIN_ACTIVE);
        acme = vault_find(core.context.vault, "acme");
        assert_string_equal(core_refresh_token(acme), "r-1");
        assert_string_equal(acme->description, "at the till");
}

static void test_slow_down_adds_five_seconds_for_good(void **state)
{
        (void)state;
        wait_for_person();
        expect_asked_after(5);
        core_answer(&core, 400, ERROR("slow_down"));
        expect_asked_after(10);
        core_answer(&core, 400, ERROR("authorization_pending"));
        expect_asked_after(10);
        core_answer(&core, 400, ERROR("slow_down"));
        expect_asked_after(15);
}

static void test_silence_halves_the_pace(void **state)
{
        (void)state;
        wait_for_person();
        expect_asked_after(5);
        fake_http_fail(network(), 0, HTTP_OUTCOME_UNKNOWN, "timeout");
        expect_asked_after(10);
        core_answer(&core, 503, "down");
        expect_asked_after(15);
}

static void expect_end(const char *error, enum login_verdict verdict)
{
        wait_for_person();
        expect_asked_after(5);
        core_answer(&core, 400, error);
        assert_int_equal(done.n, 1);
        assert_int_equal(done.verdict, verdict);
        core_advance(&core, 600);
        assert_int_equal(fake_http_n_in_flight(network()), 0);
        assert_null(vault_find(core.context.vault, "acme"));
}

static void test_a_no_is_told_and_ends_it(void **state)
{
        (void)state;
        expect_end(ERROR("access_denied"), LOGIN_DENIED);
}

static void test_a_code_that_the_provider_says_has_ended_ends_it(void **state)
{
        (void)state;
        expect_end(ERROR("expired_token"), LOGIN_NO_SUCH_LOGIN);
}

static void test_a_refused_client_is_told_as_such(void **state)
{
        (void)state;
        expect_end(ERROR("invalid_client"), LOGIN_CLIENT_REFUSED);
}

static void test_asking_ends_with_the_code_though_nobody_says_so(void **state)
{
        (void)state;
        wait_for_person();
        for (int i = 0; i < 200 && done.n == 0; i++) {
                core_advance(&core, 5);
                if (fake_http_n_in_flight(network()))
                        core_answer(&core, 400, ERROR("authorization_pending"));
        }
        assert_int_equal(done.verdict, LOGIN_NO_SUCH_LOGIN);
        assert_in_range(fake_http_n_started(network()), 100, 121);
}

static void test_who_leaves_ends_the_asking(void **state)
{
        (void)state;
        wait_for_person();
        expect_asked_after(5);
        call = login_call_free(call);
        core_answer(&core, 400, ERROR("authorization_pending"));
        core_advance(&core, 60);
        assert_int_equal(fake_http_n_in_flight(network()), 0);
        assert_int_equal(done.n, 0);
}

static void test_a_login_that_nobody_waits_for_is_forgotten_and_can_be_cancelled(void **state)
{
        (void)state;
        begin(CODE);
        assert_true(login_cancel(core.logins, begun.login));
        assert_int_equal(login_complete_device(core.logins, begun.login, false, on_told, &done, &call), 0);
        assert_int_equal(done.verdict, LOGIN_NO_SUCH_LOGIN);
        begun = (struct told){ 0 };
        begin(CODE);
        core_advance(&core, 601);
        assert_false(login_cancel(core.logins, begun.login));
}

static void test_it_has_no_redirect(void **state)
{
        (void)state;
        begin(CODE);
        assert_int_equal(
                login_complete(core.logins, begun.login, "code=c&state=s", false, on_told, &done, &call), 0);
        assert_int_equal(done.verdict, LOGIN_INVALID);
}

static void test_answers_without_a_code_that_a_person_can_enter_are_refused(void **state)
{
        static const char *const answers[] = {
                "{}",
                "<html>",
                "{\"device_code\":\"d\",\"user_code\":\"A\\u001b[2J\",\"verification_uri\":\"https://a\"}",
                "{\"device_code\":\"d\",\"user_code\":\"A\",\"verification_uri\":\"javascript:alert(1)\"}",
                "{\"device_code\":\"d\",\"user_code\":\"A\",\"verification_uri\":\"https://a.test/\\n\"}",
                "{\"device_code\":\"\",\"user_code\":\"A\",\"verification_uri\":\"https://a.test\"}",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
                begun = (struct told){ 0 };
                begin(answers[i]);
                assert_int_equal(begun.verdict, LOGIN_UNAVAILABLE);
                assert_string_equal(begun.user_code, "");
        }
}

static void test_a_provider_without_devices_is_told_as_such(void **state)
{
        (void)state;
        assert_int_equal(login_begin_device(core.logins, "acme", "app", NULL, on_told, &begun, &call), 0);
        core_run(&core);
        assert_int_equal(begun.verdict, LOGIN_INVALID);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_the_person_is_told_where_to_go_with_which_code),
                TEST(test_a_yes_becomes_a_grant_that_is_saved_and_refreshed),
                TEST(test_slow_down_adds_five_seconds_for_good),
                TEST(test_silence_halves_the_pace),
                TEST(test_a_no_is_told_and_ends_it),
                TEST(test_a_code_that_the_provider_says_has_ended_ends_it),
                TEST(test_a_refused_client_is_told_as_such),
                TEST(test_asking_ends_with_the_code_though_nobody_says_so),
                TEST(test_who_leaves_ends_the_asking),
                TEST(test_a_login_that_nobody_waits_for_is_forgotten_and_can_be_cancelled),
                TEST(test_it_has_no_redirect),
                TEST(test_answers_without_a_code_that_a_person_can_enter_are_refused),
                TEST(test_a_provider_without_devices_is_told_as_such),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
