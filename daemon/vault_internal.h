/* What vault.c (the table and loading) and vault_write.c (everything that changes the store) share; nobody else includes it. */
#pragma once

#include "daemon/vault.h"
#include "daemon/vault_batch.h"

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

enum write_kind {
        WRITE_GRANT,
        WRITE_INTENT,
        WRITE_FACTS,
        WRITE_PROMOTION,
        WRITE_FORGETTING,
        WRITE_CLIENT_SECRET,
        WRITE_AGAIN, /* a retry of one credential */
        WRITE_ALL_AGAIN, /* everything, into a store that was made anew */
        WRITE_OTHER, /* nobody minds when it fails */
};

struct vault_write {
        struct vault *vault;
        enum write_kind kind;
        struct credential *credential; /* NULL: none, or it is gone */
        struct store_write *store_write;
        struct grant grant; /* of WRITE_GRANT and WRITE_PROMOTION: what is installed when it is done */
        char *client; /* of WRITE_CLIENT_SECRET */
        struct secret *client_secret;
        vault_done_fn *on_done; /* NULL: nobody waits */
        void *userdata;
        struct vault_write *next;
};

/* ---- vault_write.c: one write, and what its end means ---- */

int write_new(struct vault *vault, enum write_kind kind, struct credential *credential,
              vault_done_fn *on_done, void *userdata, struct vault_write **ret);
int write_start(struct vault_write *write, const struct batch *batch);
/* Begins a write that may simply fail, and then is freed. ret may be NULL. */
int write_start_or_free(struct vault_write *write, const struct batch *batch, struct vault_write **ret);
void write_free(struct vault_write *write);
/* A write that could not even be begun: memory is all that is left, the same as with a disk that refuses. Frees it; returns error. */
int write_failed(struct vault_write *write, int error);
void mark_saved(struct credential *credential, bool saved, const char *problem);

/* ---- vault_retry.c ---- */

void vault_on_retry(void *userdata);
void vault_schedule_retry(struct vault *vault);
void vault_note_failure(struct vault *vault, const struct credential *credential, int result,
                        const char *problem);
void vault_note_success(struct vault *vault);
/* Nothing that is under way may touch this credential any more. */
void vault_writes_detach(struct vault *vault, const struct credential *credential);
void vault_writes_free(struct vault *vault);
/* Seals and queues a record that nobody waits for. */
int vault_write_key_check(struct vault *vault);
