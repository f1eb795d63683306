/* The table of errors. Nothing else writes an error's name. */
#include "daemon/method/method_errors.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/wire.h"

#include <assert.h>
#include <stdbool.h>

struct error_row {
        const char *error;
        const char *name; /* the member that facts->name becomes; NULL: none */
        const char *list; /* the member that facts->list becomes; NULL: none */
        bool reason; /* required */
        bool maybe_reason; /* only where there is one; beyond what the interface defines */
        bool retry_after;
        bool accounts;
};

static const struct error_row rows[N_OUTCOMES] = {
        [OUTCOME_INTERFACE_NOT_FOUND] = { "org.varlink.service.InterfaceNotFound", .name = "interface" },
        [OUTCOME_METHOD_NOT_FOUND] = { "org.varlink.service.MethodNotFound", .name = "method" },
        [OUTCOME_INVALID_PARAMETER] = { "org.varlink.service.InvalidParameter", .name = "parameter",
                                        .maybe_reason = true },
        [OUTCOME_PERMISSION_DENIED] = { "org.varlink.service.PermissionDenied" },
        [OUTCOME_NO_SUCH_CREDENTIAL] = { "io.purser.Tokens.NoSuchCredential", .name = "credential" },
        [OUTCOME_AUTHORIZATION_REQUIRED] = { "io.purser.Tokens.AuthorizationRequired", .name = "credential",
                                             .reason = true },
        [OUTCOME_TOKEN_UNAVAILABLE] = { "io.purser.Tokens.TokenUnavailable", .name = "credential",
                                        .reason = true, .retry_after = true },
        [OUTCOME_TOO_MANY_FAILURES] = { "io.purser.Tokens.TooManyFailures", .name = "client",
                                        .retry_after = true },
        [OUTCOME_NO_SUCH_CLIENT] = { "io.purser.Admin.NoSuchClient", .name = "client" },
        [OUTCOME_CLIENT_REQUIRED] = { "io.purser.Admin.ClientRequired", .list = "clients" },
        [OUTCOME_NO_SUCH_LOGIN] = { "io.purser.Admin.NoSuchLogin", .name = "login" },
        [OUTCOME_REDIRECT_MISMATCH] = { "io.purser.Admin.RedirectMismatch", .reason = true },
        [OUTCOME_AUTHORIZATION_DENIED] = { "io.purser.Admin.AuthorizationDenied", .reason = true },
        [OUTCOME_GRANT_REFUSED] = { "io.purser.Admin.GrantRefused", .reason = true },
        [OUTCOME_CLIENT_REFUSED] = { "io.purser.Admin.ClientRefused", .name = "client", .reason = true },
        [OUTCOME_ACCOUNT_MISMATCH] = { "io.purser.Admin.AccountMismatch", .name = "credential",
                                       .accounts = true },
        [OUTCOME_PROVIDER_UNAVAILABLE] = { "io.purser.Admin.ProviderUnavailable", .reason = true,
                                           .retry_after = true },
        [OUTCOME_CONFIGURATION_INVALID] = { "io.purser.Admin.ConfigurationInvalid", .list = "problems" },
        [OUTCOME_NOT_SAVED] = { "io.purser.Admin.NotSaved", .reason = true },
        [OUTCOME_NO_SUCH_RESTORE] = { "io.purser.Admin.NoSuchRestore", .name = "restore" },
        [OUTCOME_WRONG_PASSPHRASE] = { "io.purser.Admin.WrongPassphrase" },
        [OUTCOME_BACKUP_UNUSABLE] = { "io.purser.Admin.BackupUnusable", .reason = true },
        [OUTCOME_CREDENTIALS_EXIST] = { "io.purser.Admin.CredentialsExist", .list = "credentials" },
};

const char *outcome_error(enum outcome outcome)
{
        return rows[outcome].error;
}

static bool set(json_t *object, const char *member, json_t *value)
{
        return json_object_set_new(object, member, value) == 0;
}

static bool set_list(json_t *object, const char *member, const char *const *list, size_t n)
{
        json_t *array = json_array();

        if (!set(object, member, array))
                return false;
        for (size_t i = 0; i < n; i++)
                if (json_array_append_new(array, json_string(list[i])) < 0)
                        return false;
        return true;
}

static bool set_account(json_t *object, const char *member, const char *id, const char *name)
{
        return set(object, member, json_pack("{s:s, s:s*}", "id", id ? id : "", "name", name));
}

static int64_t round_up_sec(uint64_t usec)
{
        return (int64_t)(usec / USEC_PER_SEC + (usec % USEC_PER_SEC > 0 ? 1 : 0));
}

json_t *outcome_parameters(enum outcome outcome, const struct error_facts *facts)
{
        const struct error_row *row = &rows[outcome];
        _cleanup_(json_decrefp) json_t *object = json_object();

        if (!object)
                return NULL;
        if (row->name && !set(object, row->name, json_string(facts->name ? facts->name : "")))
                return NULL;
        if (row->reason && !set(object, "reason", json_string(facts->reason ? facts->reason : "")))
                return NULL;
        if (row->maybe_reason && facts->reason && !set(object, "reason", json_string(facts->reason)))
                return NULL;
        if (row->retry_after && facts->retry_after_usec > 0 &&
            !set(object, "retry_after_seconds", json_integer(round_up_sec(facts->retry_after_usec))))
                return NULL;
        if (row->list && !set_list(object, row->list, facts->list, facts->n_list))
                return NULL;
        if (row->accounts && (!set_account(object, "expected", facts->expected_id, facts->expected_name) ||
                              !set_account(object, "found", facts->found_id, facts->found_name)))
                return NULL;
        return take_ptr(object);
}
