/* Credentials and the daemon as the values that the interfaces define. Never a token: these are plain JSON trees. Pure. */
#pragma once

#include "daemon/vault/credential.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct now {
        uint64_t boot_usec;
        int64_t wall_usec;
};

/* What does not change while the daemon runs. Borrowed. */
struct daemon_facts {
        const char *version;
        long pid;
        int64_t started_at; /* seconds since 1970 */
        const char *state_directory;
        const char *sealing_key; /* "systemd-credential" or "key-file" */
};

struct daemon_state {
        const char *configuration;
        const char *store_problem; /* NULL: none */
        size_t unsaved;
        struct secret_stats secrets;
        unsigned connections, refreshes_in_flight;
};

/* Each returns a new reference, or NULL without memory. */
json_t *status_credential(const struct credential *credential, const struct now *now); /* Tokens.Credential */
json_t *status_credential_details(const struct credential *credential,
                                  const struct now *now); /* Admin.CredentialStatus */
json_t *status_test(const struct credential *credential); /* Admin.Test */
json_t *status_client(const struct client *client, const char *secret_state); /* Admin.Client */
/* What secrets lie in: memfd_secret, locked, or in words how much of it is neither, and what to do. Valid as long as `words`. */
const char *status_secret_memory(const struct secret_stats *stats, struct diag *words);
json_t *status_daemon(const struct daemon_facts *facts, const struct daemon_state *state); /* Admin.Daemon */
