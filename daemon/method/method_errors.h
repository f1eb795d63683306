/*
 * The one table from what can come of a call to the errors of the protocol, and to their parameters. Pure.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum outcome {
        /* org.varlink.service */
        OUTCOME_INTERFACE_NOT_FOUND, /* interface */
        OUTCOME_METHOD_NOT_FOUND, /* method */
        OUTCOME_INVALID_PARAMETER, /* parameter, and a reason where there is one */
        OUTCOME_PERMISSION_DENIED,
        /* io.purser.Tokens */
        OUTCOME_NO_SUCH_CREDENTIAL, /* credential */
        OUTCOME_AUTHORIZATION_REQUIRED, /* credential, reason */
        OUTCOME_TOKEN_UNAVAILABLE, /* credential, reason, retry_after */
        OUTCOME_TOO_MANY_FAILURES, /* client, retry_after */
        /* io.purser.Admin */
        OUTCOME_NO_SUCH_CLIENT, /* client */
        OUTCOME_CLIENT_REQUIRED, /* clients */
        OUTCOME_NO_SUCH_LOGIN, /* login */
        OUTCOME_REDIRECT_MISMATCH, /* reason */
        OUTCOME_AUTHORIZATION_DENIED, /* reason */
        OUTCOME_GRANT_REFUSED, /* reason */
        OUTCOME_CLIENT_REFUSED, /* client, reason */
        OUTCOME_ACCOUNT_MISMATCH, /* credential, expected, found */
        OUTCOME_PROVIDER_UNAVAILABLE, /* reason, retry_after */
        OUTCOME_CONFIGURATION_INVALID, /* problems */
        OUTCOME_NOT_SAVED, /* reason */
        OUTCOME_NO_SUCH_RESTORE, /* restore */
        OUTCOME_WRONG_PASSPHRASE,
        OUTCOME_BACKUP_UNUSABLE, /* reason */
        OUTCOME_CREDENTIALS_EXIST, /* credentials */
};

enum { N_OUTCOMES = OUTCOME_CREDENTIALS_EXIST + 1 };

/* What the parameters are made of; each outcome uses what is listed behind it. Borrowed. */
struct error_facts {
        const char *
                name; /* the interface, method, parameter, credential, client or login that the error is about */
        const char *reason;
        uint64_t retry_after_usec; /* 0: not known */
        const char *const *list; /* clients, problems, credentials */
        size_t n_list;
        const char *expected_id, *expected_name, *found_id, *found_name;
};

const char *outcome_error(enum outcome outcome);
/* NULL without memory, or where a text is not UTF-8. */
json_t *outcome_parameters(enum outcome outcome, const struct error_facts *facts);
