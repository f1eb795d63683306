// links: daemon/method/
#include "daemon/method/interface.h"
#include "daemon/method/method_errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const list[] = { "one", "two" };

static const struct error_facts facts = {
        .name = "thing",
        .reason = "because",
        .retry_after_usec = 1500001,
        .list = list,
        .n_list = 2,
        .expected_id = "1",
        .expected_name = "Acme",
        .found_id = "2",
};

static char *dump(enum outcome outcome, const struct error_facts *with)
{
        json_t *parameters = outcome_parameters(outcome, with);
        char *text;

        assert_non_null(parameters);
        text = json_dumps(parameters, JSON_COMPACT);
        assert_non_null(text);
        json_decref(parameters);
        return text;
}

static void test_each_outcome_has_its_error_and_parameters(void **state)
{
        static const struct {
                enum outcome outcome;
                const char *error, *parameters;
        } cases[] = {
                { OUTCOME_INTERFACE_NOT_FOUND, "org.varlink.service.InterfaceNotFound",
                  "{\"interface\":\"thing\"}" },
                { OUTCOME_METHOD_NOT_FOUND, "org.varlink.service.MethodNotFound", "{\"method\":\"thing\"}" },
                { OUTCOME_INVALID_PARAMETER, "org.varlink.service.InvalidParameter",
                  "{\"parameter\":\"thing\",\"reason\":\"because\"}" },
                { OUTCOME_PERMISSION_DENIED, "org.varlink.service.PermissionDenied", "{}" },
                { OUTCOME_NO_SUCH_CREDENTIAL, "io.purser.Tokens.NoSuchCredential",
                  "{\"credential\":\"thing\"}" },
                { OUTCOME_AUTHORIZATION_REQUIRED, "io.purser.Tokens.AuthorizationRequired",
                  "{\"credential\":\"thing\",\"reason\":\"because\"}" },
                { OUTCOME_TOKEN_UNAVAILABLE, "io.purser.Tokens.TokenUnavailable",
                  "{\"credential\":\"thing\",\"reason\":\"because\",\"retry_after_seconds\":2}" },
                { OUTCOME_TOO_MANY_FAILURES, "io.purser.Tokens.TooManyFailures",
                  "{\"client\":\"thing\",\"retry_after_seconds\":2}" },
                { OUTCOME_NO_SUCH_CLIENT, "io.purser.Admin.NoSuchClient", "{\"client\":\"thing\"}" },
                { OUTCOME_CLIENT_REQUIRED, "io.purser.Admin.ClientRequired",
                  "{\"clients\":[\"one\",\"two\"]}" },
                { OUTCOME_NO_SUCH_LOGIN, "io.purser.Admin.NoSuchLogin", "{\"login\":\"thing\"}" },
                { OUTCOME_REDIRECT_MISMATCH, "io.purser.Admin.RedirectMismatch", "{\"reason\":\"because\"}" },
                { OUTCOME_AUTHORIZATION_DENIED, "io.purser.Admin.AuthorizationDenied",
                  "{\"reason\":\"because\"}" },
                { OUTCOME_GRANT_REFUSED, "io.purser.Admin.GrantRefused", "{\"reason\":\"because\"}" },
                { OUTCOME_CLIENT_REFUSED, "io.purser.Admin.ClientRefused",
                  "{\"client\":\"thing\",\"reason\":\"because\"}" },
                { OUTCOME_ACCOUNT_MISMATCH, "io.purser.Admin.AccountMismatch",
                  "{\"credential\":\"thing\",\"expected\":{\"id\":\"1\",\"name\":\"Acme\"},\"found\":{\"id\":"
                  "\"2\"}}" },
                { OUTCOME_PROVIDER_UNAVAILABLE, "io.purser.Admin.ProviderUnavailable",
                  "{\"reason\":\"because\",\"retry_after_seconds\":2}" },
                { OUTCOME_CONFIGURATION_INVALID, "io.purser.Admin.ConfigurationInvalid",
                  "{\"problems\":[\"one\",\"two\"]}" },
                { OUTCOME_NOT_SAVED, "io.purser.Admin.NotSaved", "{\"reason\":\"because\"}" },
                { OUTCOME_NO_SUCH_RESTORE, "io.purser.Admin.NoSuchRestore", "{\"restore\":\"thing\"}" },
                { OUTCOME_WRONG_PASSPHRASE, "io.purser.Admin.WrongPassphrase", "{}" },
                { OUTCOME_BACKUP_UNUSABLE, "io.purser.Admin.BackupUnusable", "{\"reason\":\"because\"}" },
                { OUTCOME_CREDENTIALS_EXIST, "io.purser.Admin.CredentialsExist",
                  "{\"credentials\":[\"one\",\"two\"]}" },
        };

        (void)state;
        assert_int_equal(sizeof(cases) / sizeof(cases[0]), N_OUTCOMES);
        for (size_t i = 0; i < N_OUTCOMES; i++) {
                char *text = dump(cases[i].outcome, &facts);

                assert_string_equal(outcome_error(cases[i].outcome), cases[i].error);
                assert_string_equal(text, cases[i].parameters);
                free(text);
        }
}

static void test_unknown_waits_and_reasons_are_left_out_or_empty(void **state)
{
        static const struct error_facts none;
        char *text = dump(OUTCOME_TOKEN_UNAVAILABLE, &none);

        (void)state;
        assert_string_equal(text, "{\"credential\":\"\",\"reason\":\"\"}");
        free(text);
        text = dump(OUTCOME_INVALID_PARAMETER, &none);
        assert_string_equal(text, "{\"parameter\":\"\"}");
        free(text);
}

static void test_text_that_is_no_utf8_is_a_failure(void **state)
{
        (void)state;
        assert_null(outcome_parameters(OUTCOME_NOT_SAVED, &(struct error_facts){ .reason = "\xff" }));
}

/* An error that the interface does not define would be a surprise to whoever generated code from it. */
static void test_each_error_of_ours_is_defined_by_its_interface(void **state)
{
        (void)state;
        for (unsigned i = 0; i < N_OUTCOMES; i++) {
                const char *error = outcome_error((enum outcome)i);
                const char *interface =
                        strncmp(error, "io.purser.Admin.", 16) == 0 ? interface_admin : interface_tokens;
                char line[128];

                if (strncmp(error, "io.purser.", 10) != 0)
                        continue;
                snprintf(line, sizeof(line), "\nerror %s (", strrchr(error, '.') + 1);
                if (!strstr(interface, line))
                        fail_msg("%s is defined nowhere", error);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_outcome_has_its_error_and_parameters),
                cmocka_unit_test(test_unknown_waits_and_reasons_are_left_out_or_empty),
                cmocka_unit_test(test_text_that_is_no_utf8_is_a_failure),
                cmocka_unit_test(test_each_error_of_ours_is_defined_by_its_interface),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
