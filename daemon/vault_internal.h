/* What vault.c (the table and loading) and vault_write.c (everything that changes the store) share; nobody else includes it. */
#pragma once

#include "daemon/vault.h"

#include <uthash.h>

#define KIND_META "meta"
#define KIND_CLIENT_SECRET "client-secret"
#define NAME_KEY_CHECK "key-check"

/* Tags of an intent's record. */
enum { VAULT_INTENT_GENERATION = 1, VAULT_INTENT_REPLAYS = 2 };

struct entry {
        struct credential *credential;
        UT_hash_handle hh; /* by credential->name */
};

struct client_secret {
        char *client;
        struct secret *secret;
        UT_hash_handle hh; /* by client */
};

struct vault {
        struct context *context;
        struct store *store;
        struct seal *seal;
        char boot_id[37];

        struct entry *entries;
        struct client_secret *client_secrets;

        struct vault_write *writes; /* all that are under way */
        struct timer retry_timer;
        unsigned retry_attempt;
        char *store_problem; /* NULL while the store takes writes */
};

/* "grant", "facts" and "intent", or the same of a pending one. */
const char *vault_kind_grant(const struct credential *credential);
const char *vault_kind_facts(const struct credential *credential);
const char *vault_kind_intent(const struct credential *credential);

/* secret is taken, whatever the result. */
int vault_keep_client_secret(struct vault *vault, const char *client, struct secret *secret);
void vault_remove(struct vault *vault, struct credential *credential);

void vault_on_retry(void *userdata);
/* Nothing that is under way may touch this credential any more. */
void vault_writes_detach(struct vault *vault, const struct credential *credential);
void vault_writes_free(struct vault *vault);
/* Seals and queues a record that nobody waits for. */
int vault_write_key_check(struct vault *vault);
