// links: daemon/method/
// libs: libsodium jansson yaml-0.1 libsystemd
#include "tests/beds/method_bed.h"
#include "tests/beds/signing_keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ADMIN(method, parameters) "{\"method\":\"io.purser.Admin." method "\",\"parameters\":" parameters "}"
#define ANSWER_2                                                                                             \
        "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"expires_in\":3600,\"token_type\":" \
        "\"Bearer\"}"
#define ACCOUNT "{\"data\":{\"account\":{\"id\":\"1\",\"name\":\"Acme\"}}}"

/* Answers the network with what the requests are: the token endpoint's first. */
static void answer(long status, const char *body)
{
        /* Of a grant that is new, several things are saved before the request leaves. */
        for (int i = 0; i < 3; i++)
                core_save(&bed.core);
        core_answer(&bed.core, status, body);
        core_save(&bed.core);
        serve_pump(&bed);
}

/* ---- logins ---- */

/* "login":"..." and state=... of the answer to BeginAuthorization. */
static void begin_login(char *login, char *state)
{
        const char *heard, *at;

        heard = serve_ask(
                &bed, fd,
                ADMIN("BeginAuthorization", "{\"credential\":\"birch\",\"description\":\"Birch\"}"));
        assert_has(heard, "\"authorization_url\":\"https://idp.test/authorize?");
        assert_has(heard, "code_challenge_method=S256");
        assert_has(heard, "\"redirect_uri\":\"http://127.0.0.1:8723/callback\"");
        assert_has(heard, "\"expires_in\":600");
        at = strstr(heard, "\"login\":\"");
        assert_non_null(at);
        assert_int_equal(sscanf(at, "\"login\":\"%127[^\"]", login), 1);
        at = strstr(heard, "state=");
        assert_non_null(at);
        assert_int_equal(sscanf(at, "state=%127[^&\"]", state), 1);
}

static void complete(const char *login, const char *redirect)
{
        char message[1024];

        snprintf(message, sizeof(message),
                 ADMIN("CompleteAuthorization", "{\"login\":\"%s\",\"redirect\":\"%s\"}"), login, redirect);
        serve_say(&bed, fd, message);
        serve_pump(&bed);
}

static void test_a_login_ends_with_a_tested_credential(void **state)
{
        char login[128], nonce[128], redirect[300];
        const char *heard;

        (void)state;
        begin_login(login, nonce);
        snprintf(redirect, sizeof(redirect), "http://127.0.0.1:8723/callback?code=the-code&state=%s", nonce);
        complete(login, redirect);
        answer(200, "{\"access_token\":\"access-b\",\"refresh_token\":\"refresh-b\",\"expires_in\":3600}");
        answer(200, ACCOUNT);
        heard = serve_hear(&bed, fd);
        assert_has(
                heard,
                "{\"parameters\":{\"credential\":\"birch\",\"state\":\"active\",\"test\":{\"outcome\":\"ok\","
                "\"account\":{\"id\":\"1\",\"name\":\"Acme\"}");
        assert_null(strstr(heard, "refresh-b"));
        assert_has(serve_ask(&bed, fd,
                             "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":"
                             "\"birch\"}}"),
                   "access-b");
}

static void test_a_wrong_redirect_leaves_the_login_waiting(void **state)
{
        char login[128], nonce[128], redirect[300];

        (void)state;
        begin_login(login, nonce);
        complete(login, "http://127.0.0.1:8723/callback?code=the-code&state=wrong");
        assert_has(serve_hear(&bed, fd),
                   "{\"error\":\"io.purser.Admin.RedirectMismatch\",\"parameters\":{\"reason\":");
        complete(login, "http://127.0.0.1:8723/callback");
        assert_has(serve_hear(&bed, fd),
                   "{\"error\":\"io.purser.Admin.AuthorizationDenied\",\"parameters\":{\"reason\":");
        begin_login(login, nonce);
        snprintf(redirect, sizeof(redirect), "http://127.0.0.1:8723/callback?code=the-code&state=%s", nonce);
        complete(login, redirect);
        answer(400, "{\"error\":\"invalid_grant\"}");
        assert_has(serve_hear(&bed, fd),
                   "{\"error\":\"io.purser.Admin.GrantRefused\",\"parameters\":{\"reason\":");
}

static void test_a_login_that_is_not_there_is_named(void **state)
{
        char login[128], nonce[128], message[300];

        (void)state;
        complete("nothing", "http://127.0.0.1:8723/callback?code=c&state=s");
        assert_has(serve_hear(&bed, fd),
                   "{\"error\":\"io.purser.Admin.NoSuchLogin\",\"parameters\":{\"login\":\"nothing\"}}");
        assert_has(serve_ask(&bed, fd, ADMIN("CancelAuthorization", "{\"login\":\"nothing\"}")),
                   "NoSuchLogin");
        begin_login(login, nonce);
        snprintf(message, sizeof(message), ADMIN("CancelAuthorization", "{\"login\":\"%s\"}"), login);
        assert_string_equal(serve_ask(&bed, fd, message), "{\"parameters\":{}}\n");
        assert_has(serve_ask(&bed, fd, message), "NoSuchLogin");
}

static void test_what_is_wrong_with_a_login_is_named(void **state)
{
        (void)state;
        assert_has(serve_ask(&bed, fd, ADMIN("BeginAuthorization", "{\"credential\":\"../x\"}")),
                   "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":"
                   "\"credential\",\"reason\":");
        assert_has(serve_ask(&bed, fd,
                             ADMIN("BeginAuthorization", "{\"credential\":\"x\",\"client\":\"none\"}")),
                   "{\"error\":\"io.purser.Admin.NoSuchClient\",\"parameters\":{\"client\":\"none\"}}");
        serve_reload(&bed, "  second: {provider: idp, client_id: x, client_secret: {store: true}}\n");
        assert_has(serve_ask(&bed, fd, ADMIN("BeginAuthorization", "{\"credential\":\"x\"}")),
                   "{\"error\":\"io.purser.Admin.ClientRequired\",\"parameters\":{\"clients\":[\"app\","
                   "\"second\"]}}");
}

static void test_another_accounts_grant_is_refused_with_both_names(void **state)
{
        const char *heard;

        (void)state;
        acme->account_id = strdup("7");
        acme->account_name = strdup("Seven");
        serve_say(&bed, fd,
                  ADMIN("ImportGrant", "{\"credential\":\"acme\",\"refresh_token\":\"refresh-other\"}"));
        serve_pump(&bed);
        answer(200, ANSWER_2);
        answer(200, ACCOUNT);
        heard = serve_hear(&bed, fd);
        assert_has(heard, "{\"error\":\"io.purser.Admin.AccountMismatch\",\"parameters\":{\"credential\":"
                          "\"acme\",\"expected\":{"
                          "\"id\":\"7\",\"name\":\"Seven\"},\"found\":{\"id\":\"1\",\"name\":\"Acme\"}}}");
        assert_has(serve_ask(&bed, fd,
                             "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":"
                             "\"acme\"}}"),
                   "access-1");
}

static void test_who_hangs_up_in_a_login_loses_no_grant(void **state)
{
        (void)state;
        serve_say(&bed, fd,
                  ADMIN("ImportGrant",
                        "{\"credential\":\"birch\",\"client\":\"app\",\"refresh_token\":\"refresh-b\"}"));
        serve_pump(&bed);
        serve_hang_up(&bed, fd);
        answer(200, ANSWER_2);
        answer(200, ACCOUNT);
        fd = serve_connect(&bed);
        assert_has(serve_ask(&bed, fd,
                             "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":"
                             "\"birch\"}}"),
                   "access-2");
}

/* ---- credentials ---- */

static void test_a_refresh_is_answered_with_its_generation(void **state)
{
        (void)state;
        serve_say(&bed, fd, ADMIN("Refresh", "{\"credential\":\"acme\"}"));
        serve_pump(&bed);
        answer(200, ANSWER_2);
        assert_has(serve_hear(&bed, fd), "{\"parameters\":{\"generation\":2,\"expires_at\":17672");
}

static void test_a_refresh_that_fails_says_why_and_when(void **state)
{
        (void)state;
        serve_say(&bed, fd, ADMIN("Refresh", "{\"credential\":\"acme\"}"));
        serve_pump(&bed);
        answer(503, "{}");
        assert_has(serve_hear(&bed, fd), "{\"error\":\"io.purser.Tokens.TokenUnavailable\",\"parameters\":{"
                                         "\"credential\":\"acme\",\"reason\":");
        serve_say(&bed, fd, ADMIN("Refresh", "{\"credential\":\"acme\"}"));
        serve_pump(&bed);
        answer(400, "{\"error\":\"invalid_grant\"}");
        assert_has(serve_hear(&bed, fd), "{\"error\":\"io.purser.Tokens.AuthorizationRequired\"");
}

static void test_a_test_is_answered_with_what_it_showed(void **state)
{
        (void)state;
        serve_say(&bed, fd, ADMIN("Test", "{\"credential\":\"acme\"}"));
        serve_pump(&bed);
        answer(200, ACCOUNT);
        assert_has(
                serve_hear(&bed, fd),
                "{\"parameters\":{\"test\":{\"outcome\":\"ok\",\"account\":{\"id\":\"1\",\"name\":\"Acme\"}");
        assert_has(serve_ask(&bed, fd, ADMIN("Test", "{\"credential\":\"none\"}")), "NoSuchCredential");
}

static void test_a_test_of_a_credential_that_goes_is_not_left_hanging(void **state)
{
        int other = serve_connect(&bed);

        (void)state;
        serve_say(&bed, fd, ADMIN("Test", "{\"credential\":\"acme\"}"));
        serve_pump(&bed);
        serve_say(&bed, other, ADMIN("Revoke", "{\"credential\":\"acme\",\"force\":true}"));
        serve_pump(&bed);
        core_save(&bed.core);
        assert_has(serve_hear(&bed, other),
                   "{\"parameters\":{\"revoked\":false,\"also_ended\":[],\"message\":");
        assert_has(serve_hear(&bed, fd), "removed while this call waited");
        assert_null(vault_find(bed.core.context.vault, "acme"));
}

static void test_a_revocation_that_the_disk_refuses_forgets_nothing(void **state)
{
        (void)state;
        serve_say(&bed, fd, ADMIN("Revoke", "{\"credential\":\"acme\",\"force\":true}"));
        serve_pump(&bed);
        fake_store_complete_all(bed.core.store, -ENOSPC);
        assert_has(serve_hear(&bed, fd),
                   "{\"error\":\"io.purser.Admin.NotSaved\",\"parameters\":{\"reason\":");
        assert_ptr_equal(vault_find(bed.core.context.vault, "acme"), acme);
}

/* ---- clients ---- */

static void test_a_client_secret_is_told_as_set_when_it_is_durable(void **state)
{
        (void)state;
        serve_say(&bed, fd,
                  ADMIN("SetClientSecret", "{\"client\":\"app\",\"client_secret\":\"new-secret\"}"));
        assert_string_equal(serve_hear(&bed, fd), "");
        core_save(&bed.core);
        assert_string_equal(serve_hear(&bed, fd), "{\"parameters\":{}}\n");
        serve_say(&bed, fd,
                  ADMIN("SetClientSecret", "{\"client\":\"app\",\"client_secret\":\"newer-secret\"}"));
        serve_pump(&bed);
        fake_store_complete_all(bed.core.store, -ENOSPC);
        assert_has(serve_hear(&bed, fd),
                   "{\"error\":\"io.purser.Admin.NotSaved\",\"parameters\":{\"reason\":");
}

static void test_a_client_secret_that_cannot_be_set_is_refused(void **state)
{
        (void)state;
        assert_has(serve_ask(&bed, fd,
                             ADMIN("SetClientSecret", "{\"client\":\"none\",\"client_secret\":\"x\"}")),
                   "NoSuchClient");
        assert_has(
                serve_ask(&bed, fd, ADMIN("SetClientSecret", "{\"client\":\"app\",\"client_secret\":\"\"}")),
                "\"parameter\":\"client_secret\"");
        serve_reload(&bed, "  second: {provider: idp, client_id: x, client_secret: {file: /nonexistent}}\n");
        assert_has(serve_ask(&bed, fd,
                             ADMIN("SetClientSecret", "{\"client\":\"second\",\"client_secret\":\"x\"}")),
                   "\"parameter\":\"client\",\"reason\":");
}

/* JSON's line ends for those of the PEM. */
static void set_key(char *message, size_t size, const char *client, const char *pem)
{
        size_t n = (size_t)snprintf(
                message, size,
                "{\"method\":\"io.purser.Admin.SetClientSecret\",\"parameters\":{\"client\":\"%s\","
                "\"client_secret\":\"",
                client);

        for (; *pem && n + 8 < size; pem++)
                n += (size_t)snprintf(message + n, size - n, *pem == '\n' ? "\\n" : "%c", *pem);
        snprintf(message + n, size - n, "\"}}");
}

static void test_a_client_key_is_looked_at_before_it_replaces_one(void **state)
{
        char message[4096];

        (void)state;
        core_reload_with_provider(&bed.core,
                                  "  keyed: {extends: idp, token_endpoint_auth_method: private_key_jwt}\n",
                                  "  signer: {provider: keyed, client_id: x, client_key: {store: true}}\n");
        service_refresh_all(bed.service);
        set_key(message, sizeof message, "signer", key_encrypted);
        assert_has(serve_ask(&bed, fd, message), "\"reason\":\"The key is encrypted, and nobody is there");
        set_key(message, sizeof message, "signer", "hunter2");
        assert_has(serve_ask(&bed, fd, message), "\"reason\":\"The key is no private key in PEM");
        set_key(message, sizeof message, "app", key_p256);
        assert_has(serve_ask(&bed, fd, message), "\"reason\":\"It is a key, and no client secret");
        set_key(message, sizeof message, "signer", key_p256);
        serve_say(&bed, fd, message);
        serve_pump(&bed);
        core_save(&bed.core);
        assert_string_equal(serve_hear(&bed, fd), "{\"parameters\":{}}\n");
}

static void test_clients_are_listed_without_their_secrets(void **state)
{
        const char *heard;

        (void)state;
        heard = serve_ask(&bed, fd, ADMIN("ListClients", "{}"));
        assert_string_equal(heard,
                            "{\"parameters\":{\"clients\":[{\"name\":\"app\",\"provider\":\"idp\",\"client_"
                            "id\":\"the-client\","
                            "\"redirect_uri\":\"http://127.0.0.1:8723/callback\",\"secret\":\"store\"}]}}\n");
}

/* ---- the daemon ---- */

static void test_a_reload_is_answered_with_every_mistake(void **state)
{
        (void)state;
        assert_string_equal(serve_ask(&bed, fd, ADMIN("Reload", "{}")), "{\"parameters\":{}}\n");
        assert_string_equal(
                serve_ask(&bed, fd, ADMIN("Reload", "{}")),
                "{\"error\":\"io.purser.Admin.ConfigurationInvalid\",\"parameters\":{\"problems\":["
                "\"purser.yaml:3:1: clients: is wrong\",\"purser.yaml:5:1: is wrong, too\"]}}\n");
}

static void test_metrics_count_what_was_asked(void **state)
{
        const char *heard;

        (void)state;
        serve_ask(&bed, fd,
                  "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"acme\"}}");
        heard = serve_ask(&bed, fd, ADMIN("Metrics", "{}"));
        assert_has(heard, "purser_get_token_seconds_count 1\\n");
        assert_has(heard, "purser_calls_total 2\\n");
        assert_has(heard, "purser_credentials{client=\\\"app\\\",state=\\\"active\\\"} 1\\n");
        assert_has(heard, "# EOF\\n\"}}\n");
        assert_null(strstr(heard, "acme"));
}

static void test_metrics_name_as_many_credentials_as_are_asked_for(void **state)
{
        const char *heard;

        (void)state;
        heard = serve_ask(&bed, fd, ADMIN("Metrics", "{\"credentials\":1}"));
        assert_has(heard, "purser_credential_generation{credential=\\\"acme\\\",client=\\\"app\\\"} 1\\n");
        heard = serve_ask(&bed, fd, ADMIN("Metrics", "{\"credentials\":2001}"));
        assert_has(heard, "org.varlink.service.InvalidParameter");
        heard = serve_ask(&bed, fd, ADMIN("Metrics", "{\"credentials\":-1}"));
        assert_has(heard, "org.varlink.service.InvalidParameter");
}

static void test_metrics_tell_how_long_refreshes_take(void **state)
{
        const char *heard;

        (void)state;
        serve_say(&bed, fd, ADMIN("Refresh", "{\"credential\":\"acme\"}"));
        serve_pump(&bed);
        fake_clock_advance(&bed.core.clock, 2000);
        answer(200, ANSWER_2);
        heard = serve_ask(&bed, serve_connect(&bed), ADMIN("Metrics", "{}"));
        assert_has(heard, "purser_refresh_duration_seconds_bucket{le=\\\"0.001024\\\"} 0\\n");
        assert_has(heard, "purser_refresh_duration_seconds_bucket{le=\\\"0.002048\\\"} 1\\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                METHOD_TEST(test_a_login_ends_with_a_tested_credential),
                METHOD_TEST(test_a_wrong_redirect_leaves_the_login_waiting),
                METHOD_TEST(test_a_login_that_is_not_there_is_named),
                METHOD_TEST(test_what_is_wrong_with_a_login_is_named),
                METHOD_TEST(test_another_accounts_grant_is_refused_with_both_names),
                METHOD_TEST(test_who_hangs_up_in_a_login_loses_no_grant),
                METHOD_TEST(test_a_refresh_is_answered_with_its_generation),
                METHOD_TEST(test_a_refresh_that_fails_says_why_and_when),
                METHOD_TEST(test_a_test_is_answered_with_what_it_showed),
                METHOD_TEST(test_a_test_of_a_credential_that_goes_is_not_left_hanging),
                METHOD_TEST(test_a_revocation_that_the_disk_refuses_forgets_nothing),
                METHOD_TEST(test_a_client_secret_is_told_as_set_when_it_is_durable),
                METHOD_TEST(test_a_client_key_is_looked_at_before_it_replaces_one),
                METHOD_TEST(test_a_client_secret_that_cannot_be_set_is_refused),
                METHOD_TEST(test_clients_are_listed_without_their_secrets),
                METHOD_TEST(test_a_reload_is_answered_with_every_mistake),
                METHOD_TEST(test_metrics_count_what_was_asked),
                METHOD_TEST(test_metrics_name_as_many_credentials_as_are_asked_for),
                METHOD_TEST(test_metrics_tell_how_long_refreshes_take),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
