// links: client/cli_exit.c client/output.c common/
#include "client/cli_exit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define TOKENS "io.purser.Tokens."
#define ADMIN "io.purser.Admin."
#define VARLINK "org.varlink.service."

static const struct {
        int result;
        const char *error, *method, *parameters;
        int status;
        const char *line;
} cases[] = {
        { PURSER_E_NO_DAEMON, NULL, TOKENS "GetToken", NULL, 69,
          "WORDS; start it (`systemctl start purser.socket`), or say with --socket where it is" },
        { PURSER_E_TIMEOUT, NULL, TOKENS "GetToken", NULL, 75, "WORDS; try again later" },
        { PURSER_E_OUTCOME_UNKNOWN, NULL, ADMIN "ImportGrant", NULL, 75, "WORDS; `purser status` shows it" },
        { PURSER_E_USAGE, NULL, TOKENS "GetToken", NULL, 64, "WORDS; `purser token --help` shows how" },
        { PURSER_E_NOT_PERMITTED, NULL, TOKENS "GetToken", NULL, 77,
          "WORDS; ask whoever looks after this machine for access" },
        { PURSER_E_MEMORY, NULL, TOKENS "GetToken", NULL, 71, "WORDS; free some memory, and try again" },
        { PURSER_E_SYSTEM, NULL, TOKENS "GetToken", NULL, 71, "WORDS" },
        { PURSER_E_PROTOCOL, NULL, TOKENS "GetToken", NULL, 76, "WORDS; is it purserd that listens there?" },

        { PURSER_E_AUTHORIZATION_REQUIRED, TOKENS "AuthorizationRequired", TOKENS "GetToken",
          "{\"credential\":\"acme\",\"reason\":\"The app was disconnected.\"}", 78,
          "acme: The app was disconnected; run `purser login acme`" },
        { PURSER_E_AUTHORIZATION_REQUIRED, TOKENS "AuthorizationRequired", TOKENS "GetToken",
          "{\"credential\":\"acme\",\"reason\":\"It ended: run `purser login acme`.\"}", 78,
          "acme: It ended: run `purser login acme`" },
        { PURSER_E_TOKEN_UNAVAILABLE, TOKENS "TokenUnavailable", TOKENS "GetToken",
          "{\"credential\":\"acme\",\"reason\":\"HTTP 503\",\"retry_after_seconds\":30}", 75,
          "acme: HTTP 503; try again in 30 seconds" },
        { PURSER_E_TOKEN_UNAVAILABLE, TOKENS "TokenUnavailable", TOKENS "GetToken",
          "{\"credential\":\"acme\",\"reason\":\"HTTP 503\"}", 75, "acme: HTTP 503; try again later" },
        { PURSER_E_NO_SUCH_CREDENTIAL, TOKENS "NoSuchCredential", TOKENS "GetToken",
          "{\"credential\":\"nobody\"}", 66,
          "there is no credential 'nobody'; `purser list` shows what there is" },
        { PURSER_E_NOT_PERMITTED, VARLINK "PermissionDenied", TOKENS "GetToken", "{}", 77,
          "no credential 'SUBJECT' that you may use; `purser list` shows yours" },
        { PURSER_E_NOT_PERMITTED, VARLINK "PermissionDenied", TOKENS "WatchToken", "{}", 77,
          "no credential 'SUBJECT' that you may use; `purser list` shows yours" },
        { PURSER_E_NOT_PERMITTED, VARLINK "PermissionDenied", TOKENS "VerifyWebhook", "{}", 77,
          "no client 'SUBJECT' that you may use; `allow` of the client in the configuration says who may" },
        { PURSER_E_NOT_PERMITTED, VARLINK "PermissionDenied", ADMIN "Refresh", "{}", 77,
          "only administrators may do this; try with sudo, or as one of those whom `admins` in the "
          "configuration names" },
        { PURSER_E_USAGE, VARLINK "InvalidParameter", ADMIN "BeginAuthorization",
          "{\"parameter\":\"credential\"}", 64,
          "purserd does not accept this credential; `purser token --help` shows how" },
        { PURSER_E_OTHER, VARLINK "MethodNotFound", ADMIN "Refresh", "{\"method\":\"x\"}", 69,
          "purserd does not know io.purser.Admin.Refresh; it is of another version than this command: "
          "restart it" },
        { PURSER_E_OTHER, ADMIN "NoSuchClient", ADMIN "BeginAuthorization", "{\"client\":\"jober-app\"}", 64,
          "there is no client 'jober-app' in the configuration; add it and run `purser reload`, or name "
          "another one" },
        { PURSER_E_OTHER, ADMIN "ClientRequired", ADMIN "BeginAuthorization",
          "{\"clients\":[\"one\",\"two\"]}", 64,
          "there is more than one client: one, two; name one with --client" },
        { PURSER_E_OTHER, ADMIN "NoSuchLogin", ADMIN "CompleteAuthorization", "{\"login\":\"x\"}", 75,
          "the login took too long, or purserd was restarted; begin again with `purser login SUBJECT`" },
        { PURSER_E_OTHER, ADMIN "RedirectMismatch", ADMIN "CompleteAuthorization",
          "{\"reason\":\"no state\"}", 77,
          "this redirect does not belong to the login: no state; begin again with `purser login SUBJECT`" },
        { PURSER_E_OTHER, ADMIN "AuthorizationDenied", ADMIN "CompleteAuthorization",
          "{\"reason\":\"access_denied\"}", 77,
          "SUBJECT: not authorized: access_denied; nothing was changed; begin again with `purser login "
          "SUBJECT`" },
        { PURSER_E_OTHER, ADMIN "GrantRefused", ADMIN "ImportGrant", "{\"reason\":\"invalid_grant\"}", 78,
          "SUBJECT: the provider refuses the grant: invalid_grant; get a new one with `purser login "
          "SUBJECT`" },
        { PURSER_E_OTHER, ADMIN "ClientRefused", ADMIN "ImportGrant",
          "{\"client\":\"app\",\"reason\":\"Its secret has not been set: run `purser secret set app`.\"}", 78,
          "client 'app': Its secret has not been set: run `purser secret set app`" },
        { PURSER_E_OTHER, ADMIN "ClientRefused", ADMIN "ImportGrant",
          "{\"client\":\"app\",\"reason\":\"invalid_client\"}", 78,
          "client 'app': invalid_client; correct its client_id, client_secret or client_key (`purser secret "
          "set app` "
          "where the store has "
          "it)" },
        { PURSER_E_OTHER, ADMIN "AccountMismatch", ADMIN "ImportGrant",
          "{\"credential\":\"acme\",\"expected\":{\"id\":\"1\",\"name\":\"Acme\"},\"found\":{\"id\":\"2\","
          "\"name\":null}}",
          77,
          "acme is for Acme (1), and this grant is for account (2): nothing was changed; give "
          "--switch-account to replace the "
          "one by the other" },
        { PURSER_E_OTHER, ADMIN "ProviderUnavailable", ADMIN "Revoke", "{\"reason\":\"HTTP 503.\"}", 75,
          "nothing was forgotten: HTTP 503; try again later, or forget it all the same with `purser logout "
          "SUBJECT --force`" },
        { PURSER_E_OTHER, ADMIN "ProviderUnavailable", ADMIN "ImportGrant",
          "{\"reason\":\"HTTP 429\",\"retry_after_seconds\":5}", 75,
          "SUBJECT: HTTP 429; try again in 5 seconds" },
        { PURSER_E_OTHER, ADMIN "ConfigurationInvalid", ADMIN "Reload", "{\"problems\":[\"a\"]}", 78,
          "the configuration is wrong, and the running one stays; correct it and run `purser reload` again" },
        { PURSER_E_OTHER, ADMIN "NotSaved", ADMIN "ImportGrant", "{\"reason\":\"No space left\"}", 75,
          "purserd could not save it: No space left; see `purser status`, and try again when the disk is "
          "well" },
        { PURSER_E_OTHER, ADMIN "OfLater", ADMIN "Refresh", "{}", 70, "WORDS; see the journal of purserd" },
};

static struct exit_facts facts_of(size_t i, json_t **ret_parameters)
{
        *ret_parameters = cases[i].parameters ? json_loads(cases[i].parameters, 0, NULL) : NULL;
        return (struct exit_facts){
                .result = cases[i].result,
                .error = cases[i].error,
                .words = "WORDS",
                .method = cases[i].method,
                .parameters = *ret_parameters,
                .subject = "SUBJECT",
                .command = "purser token",
        };
}

static void test_each_failure_has_its_status_and_its_line(void **state)
{
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                json_t *parameters;
                struct exit_facts facts = facts_of(i, &parameters);
                char line[1024];

                assert_int_equal(exit_status(&facts), cases[i].status);
                assert_string_equal(exit_line(&facts, line, sizeof(line)), cases[i].line);
                json_decref(parameters);
        }
}

/* Every error that the interface files name, so that a new one is not forgotten here. */
static void test_every_error_of_the_interfaces_has_a_row(void **state)
{
        static const char *const files[][2] = { { "include/io.purser.Tokens.varlink", TOKENS },
                                                { "include/io.purser.Admin.varlink", ADMIN } };
        unsigned n = 0;

        for (size_t i = 0; i < 2; i++) {
                FILE *file = fopen(files[i][0], "re");
                char line[256], name[64], error[128];

                assert_non_null(file);
                while (fgets(line, sizeof(line), file)) {
                        struct exit_facts facts = { .result = PURSER_E_OTHER, .error = error, .method = "" };

                        if (sscanf(line, "error %63[A-Za-z]", name) != 1)
                                continue;
                        snprintf(error, sizeof(error), "%s%s", files[i][1], name);
                        if (exit_status(&facts) == 70)
                                fail_msg("%s has no row", error);
                        n++;
                }
                fclose(file);
        }
        assert_in_range(n, 14, 50);
}

static void test_a_line_is_one_line_whatever_the_daemon_says(void **state)
{
        json_t *parameters = json_loads(
                "{\"credential\":\"a\\u001b[31m\",\"reason\":\"one\\ntwo\\u202e\\u009b\"}", 0, NULL);
        struct exit_facts facts = {
                .result = PURSER_E_TOKEN_UNAVAILABLE,
                .error = TOKENS "TokenUnavailable",
                .parameters = parameters,
        };
        char line[256], small[16];

        assert_string_equal(exit_line(&facts, line, sizeof(line)), "a?[31m: one two??; try again later");
        assert_string_equal(exit_line(&facts, small, sizeof(small)), "a?[31m: one two");
        json_decref(parameters);
}

static void test_what_is_missing_is_left_out(void **state)
{
        struct exit_facts facts = { .result = PURSER_E_TOKEN_UNAVAILABLE,
                                    .error = TOKENS "TokenUnavailable",
                                    .subject = "acme" };
        char line[256];

        assert_string_equal(exit_line(&facts, line, sizeof(line)), "acme; try again later");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_failure_has_its_status_and_its_line),
                cmocka_unit_test(test_every_error_of_the_interfaces_has_a_row),
                cmocka_unit_test(test_a_line_is_one_line_whatever_the_daemon_says),
                cmocka_unit_test(test_what_is_missing_is_left_out),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
