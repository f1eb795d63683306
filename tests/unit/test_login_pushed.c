// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Logins whose request is pushed to the provider (RFC 9126) before anybody is told where to go. */
#include "tests/beds/login_bed.h"

#include <stdio.h>
#include <string.h>

#define PUSHING                                                                                              \
        "  pushing: {extends: idp, pushed_authorization_request_endpoint: 'https://idp.test/par', api: "     \
        "{test_query: null}}\n"
#define BY_ISSUER                                                                                            \
        "  pushing: {issuer: 'https://idp.test', token_endpoint_auth_method: none, code_challenge_method: "  \
        "S256%s}\n"
#define CLIENT                                                                                               \
        "  par: {provider: pushing, client_id: the-par, client_secret: {store: true}, redirect_uri: "        \
        "'http://127.0.0.1:8723/callback'}\n"
#define OPEN                                                                                                 \
        "  par: {provider: pushing, client_id: the-par, redirect_uri: 'http://127.0.0.1:8723/callback'}\n"
#define PUSHED "{\"request_uri\":\"urn:r-1\",\"expires_in\":90}"
#define METADATA(more)                                                                                       \
        "{\"issuer\":\"https://idp.test\",\"authorization_endpoint\":\"https://idp.test/"                    \
        "a\",\"token_endpoint\":"                                                                            \
        "\"https://idp.test/t\"" more "}"
#define OFFERED ",\"pushed_authorization_request_endpoint\":\"https://idp.test/found\""
#define REQUIRED ",\"require_pushed_authorization_requests\":true"

static struct login_call *call;
static struct outcome begun;

static int set_up(void **state)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;

        (void)state;
        core_setup_with_provider(&core, PUSHING, CLIENT);
        assert_int_equal(secret_new_string(&secret, "the-secret"), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, "par", secret, NULL, NULL, &write), 0);
        core_save(&core);
        begun = (struct outcome){ 0 };
        call = NULL;
        return 0;
}

static int tear_down(void **state)
{
        call = login_call_free(call);
        return teardown(state);
}

static void on_begun(const struct login_answer *answer, void *userdata)
{
        on_login(answer, userdata);
        call = login_call_free(call);
}

static void begin(void)
{
        assert_int_equal(login_begin(core.logins, "acme", "par", NULL, NULL, on_begun, &begun, &call), 0);
        core_run(&core);
}

static void expect_refused(long status, const char *body, enum login_verdict verdict, const char *words)
{
        begun = (struct outcome){ 0 };
        begin();
        core_answer(&core, status, body);
        assert_true(begun.answered);
        assert_int_equal(begun.verdict, verdict);
        if (!strstr(begun.reason, words))
                fail_msg("\"%s\" does not say \"%s\"", begun.reason, words);
        assert_int_equal(in_flight(), 0);
}

static void test_the_person_is_told_when_the_provider_has_it(void **state)
{
        struct outcome done = { 0 };
        char state_text[64], redirect[256];
        const char *body, *at;

        (void)state;
        begin();
        assert_false(begun.answered);
        assert_string_equal(request()->url, "https://idp.test/par");
        body = fake_http_expose_body(request());
        assert_true(fake_http_body_has(request(), "response_type=code"));
        assert_non_null(strstr(body, "code_challenge="));
        at = strstr(body, "state=");
        assert_non_null(at);
        snprintf(state_text, sizeof(state_text), "%.43s", at + strlen("state="));
        core_answer(&core, 201, PUSHED);
        assert_int_equal(begun.verdict, LOGIN_ACTIVE);
        assert_string_equal(begun.url, "https://idp.test/authorize?client_id=the-par&request_uri=urn%3Ar-1");

        /* What comes back is held against what was pushed, and the verifier goes with the code. */
        snprintf(redirect, sizeof(redirect), "http://127.0.0.1:8723/callback?code=c-1&state=%s", state_text);
        assert_int_equal(login_complete(core.logins, begun.login, "?code=c-1&state=other", false, on_login,
                                        &done, &call),
                         0);
        assert_int_equal(done.verdict, LOGIN_REDIRECT_MISMATCH);
        done = (struct outcome){ 0 };
        assert_int_equal(login_complete(core.logins, begun.login, redirect, false, on_login, &done, &call),
                         0);
        core_run(&core);
        assert_true(fake_http_body_has(request(), "code=c-1"));
        assert_non_null(strstr(fake_http_expose_body(request()), "code_verifier="));
}

static void test_what_is_refused_is_the_clients_to_mend(void **state)
{
        (void)state;
        expect_refused(401, "{\"error\":\"invalid_client\"}", LOGIN_CLIENT_REFUSED, "client_secret");
        expect_refused(400,
                       "{\"error\":\"invalid_request\",\"error_description\":\"redirect_uri did not match\"}",
                       LOGIN_CLIENT_REFUSED, "redirect_uri did not match");
        expect_refused(400, "{\"error\":\"invalid_scope\"}", LOGIN_CLIENT_REFUSED, "scopes");
}

static void test_what_passes_is_told_as_passing(void **state)
{
        (void)state;
        expect_refused(503, "{}", LOGIN_UNAVAILABLE, "trouble of its own");
        expect_refused(429, "{}", LOGIN_UNAVAILABLE, "fewer requests");
        expect_refused(302, "", LOGIN_UNAVAILABLE, "check pushed_authorization_request_endpoint");
        expect_refused(404, "", LOGIN_UNAVAILABLE, "check pushed_authorization_request_endpoint");
        expect_refused(201, "{\"request_uri\":\"a b\",\"expires_in\":60}", LOGIN_UNAVAILABLE,
                       "no usable request_uri");
        expect_refused(200, "<html>", LOGIN_UNAVAILABLE, "no usable request_uri");
}

static void test_an_answer_that_is_lost_ends_the_login(void **state)
{
        (void)state;
        begin();
        fake_http_fail(core.context.http, 0, HTTP_OUTCOME_UNKNOWN, "no answer in time");
        assert_int_equal(begun.verdict, LOGIN_UNAVAILABLE);
        assert_non_null(strstr(begun.reason, "no answer in time"));
}

/* Else a few hundred of them would keep everybody from logging in. */
static void test_a_login_that_failed_does_not_wait_for_anybody(void **state)
{
        (void)state;
        for (unsigned i = 0; i < LOGIN_MOST + 1; i++)
                expect_refused(503, "{}", LOGIN_UNAVAILABLE, "trouble of its own");
        for (unsigned i = 0; i < LOGIN_MOST + 1; i++) {
                begun = (struct outcome){ 0 };
                begin();
                call = login_call_free(call);
                core_answer(&core, 201, PUSHED);
        }
        begun = (struct outcome){ 0 };
        begin();
        core_answer(&core, 201, PUSHED);
        assert_int_equal(begun.verdict, LOGIN_ACTIVE);
}

static void test_a_client_that_is_gone_meanwhile_is_told(void **state)
{
        (void)state;
        begin();
        core_reload_with_provider(&core, PUSHING, NULL);
        core_answer(&core, 201, PUSHED);
        assert_int_equal(begun.verdict, LOGIN_NO_SUCH_CLIENT);
}

static void test_an_end_of_all_in_its_midst_leaves_nothing(void **state)
{
        (void)state;
        begin();
        assert_int_equal(in_flight(), 1);
}

/* ---- what discovery finds ---- */

static void discover(const char *more, const char *metadata)
{
        char provider[512];

        snprintf(provider, sizeof(provider), BY_ISSUER, more);
        core_reload_with_provider(&core, provider, OPEN);
        begin();
        core_answer(&core, 200, metadata);
}

static void test_an_endpoint_that_is_merely_offered_changes_no_login(void **state)
{
        (void)state;
        discover("", METADATA(OFFERED));
        assert_int_equal(begun.verdict, LOGIN_ACTIVE);
        assert_non_null(strstr(begun.url, "&state="));
        assert_int_equal(in_flight(), 0);
}

static void test_an_endpoint_that_must_be_used_is_used(void **state)
{
        (void)state;
        discover("", METADATA(OFFERED REQUIRED));
        assert_string_equal(request()->url, "https://idp.test/found");
        core_answer(&core, 201, PUSHED);
        assert_string_equal(begun.url, "https://idp.test/a?client_id=the-par&request_uri=urn%3Ar-1");
}

static void test_the_configuration_can_want_what_is_offered(void **state)
{
        (void)state;
        discover(", require_pushed_authorization_requests: true", METADATA(OFFERED));
        assert_string_equal(request()->url, "https://idp.test/found");
}

static void test_what_must_be_pushed_with_nowhere_to_go_is_told(void **state)
{
        (void)state;
        discover("", METADATA(REQUIRED));
        assert_int_equal(begun.verdict, LOGIN_UNAVAILABLE);
        assert_non_null(strstr(begun.reason, "names no pushed_authorization_request_endpoint"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_the_person_is_told_when_the_provider_has_it),
                TEST(test_what_is_refused_is_the_clients_to_mend),
                TEST(test_what_passes_is_told_as_passing),
                TEST(test_an_answer_that_is_lost_ends_the_login),
                TEST(test_a_login_that_failed_does_not_wait_for_anybody),
                TEST(test_a_client_that_is_gone_meanwhile_is_told),
                TEST(test_an_end_of_all_in_its_midst_leaves_nothing),
                TEST(test_an_endpoint_that_is_merely_offered_changes_no_login),
                TEST(test_an_endpoint_that_must_be_used_is_used),
                TEST(test_the_configuration_can_want_what_is_offered),
                TEST(test_what_must_be_pushed_with_nowhere_to_go_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
