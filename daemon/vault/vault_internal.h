/* What vault.c (the table and loading) and vault_write.c (everything that changes the store) share; nobody else includes it. */
#pragma once

#include "daemon/vault/names.h"
#include "daemon/vault/vault.h"
#include "daemon/vault/vault_batch.h"

/* A want of memory is an error as any other: HASH_ADD() leaves hh.tbl NULL. */
#define HASH_NONFATAL_OOM 1
#include <sys/queue.h>
#include <uthash.h>

#define KIND_META "meta"
#define KIND_CLIENT_SECRET "client-secret"
#define NAME_KEY_CHECK "key-check"

/* Tags of an intent's record. */
enum {
        VAULT_INTENT_GENERATION = 1,
        VAULT_INTENT_REPLAYS = 2,
        VAULT_INTENT_AT_REST = 3, /* 1: no request was under way when it was written */
};

enum { VAULT_RECORD_MAX = 256 * 1024 };

struct entry {
        struct credential *credential;
        bool is_fresh; /* its records are being read */
        struct entry *next_fresh;
        struct account *account; /* that it is listed under; NULL: none */
        TAILQ_ENTRY(entry) account_link;
        TAILQ_ENTRY(entry) link;
};

/* An account at some provider, and its credentials of whatever client, in order of their names; there while there are any. */
struct account {
        TAILQ_HEAD(account_entries, entry) entries;
        UT_hash_handle hh; /* by id */
        char id[];
};

struct client_secret {
        char *client;
        struct secret *secret; /* NULL: the first one is being saved */
        UT_hash_handle hh; /* by client */
};

struct vault {
        struct context *context;
        struct store *store;
        struct seal *seal;
        char boot_id[37];

        TAILQ_HEAD(, entry) entries;
        struct names names; /* the same, by name */
        struct vault_order {
                struct entry **entries; /* the same, in order of their names */
                size_t n, allocated;
        } order;
        struct account *accounts;
        bool accounts_incomplete; /* for want of memory */
        bool has_unsaved; /* perhaps: see vault_unsaved() */
        struct vault_late {
                bool under_way; /* not all credentials are in the table */
                bool has_read; /* all records were read */
                bool unsure; /* a read failed, so that what is not in the table may yet be in the store */
                int failure; /* of a kind that does not pass; 0: none */
                char *after; /* the last name of the parts that were read; NULL: none was */
                struct entry *fresh; /* of the part that is being read */
                const struct vault_loader *loader;
        } late;
        struct client_secret *client_secrets;
        struct vault_listener *listeners;

        struct vault_write *writes; /* all that are under way */
        struct timer retry_timer;
        unsigned retry_attempt;
        char *store_problem; /* NULL while the store takes writes */
        unsigned failed_rounds; /* of tries, since everything was last saved; 0: no trouble was told */
        bool must_rewrite; /* the store was lost, and not everything is in the new one yet */
};

/* ---- vault.c: the table, without a look into the store ---- */

struct entry *vault_lookup(struct vault *vault, const char *name, size_t n);
int vault_add(struct vault *vault, const char *name, struct entry **ret); /* must not be there */
void vault_take_out(struct vault *vault, struct entry *entry); /* frees it and its credential */
/* It has neither grant nor pending grant. */
bool vault_is_shell(const struct credential *credential);

/* ---- vault_order.c ---- */

int vault_order_reserve(struct vault *vault); /* room for one more */
void vault_order_insert(struct vault *vault, struct entry *entry);
void vault_order_remove(struct vault *vault, const struct entry *entry);
void vault_order_done(struct vault *vault);

/* ---- vault_account.c ---- */

/* Its account may be another one now, or known for the first time. */
void vault_note_account(struct vault *vault, const struct credential *credential);
void vault_forget_account(struct vault *vault, struct entry *entry); /* before it goes */

/* ---- vault_load.c: one record ---- */

struct loading {
        struct vault *vault;
        struct boot_moment now;
        unsigned opened, refused, newer;
};

struct loading vault_loading(struct vault *vault);
int vault_load_record(const char *kind, const char *name, const uint8_t *blob, size_t n, void *userdata);
/* What the records of a credential say together. */
void vault_settle(struct credential *credential);

/* ---- vault_late.c ---- */

/* The credential of this name is in the table now, unless there is none. */
int vault_load_named(struct vault *vault, const char *bytes, size_t n);

/* "grant", "facts" and "intent", or the same of a pending one. */
const char *vault_kind_grant(const struct credential *credential);
const char *vault_kind_facts(const struct credential *credential);
const char *vault_kind_intent(const struct credential *credential);

int vault_require_client_secret(struct vault *vault, const char *client, struct client_secret **ret);
void vault_remove(struct vault *vault, struct credential *credential);
/* Those who listen are told that it goes; its pending one stays. */
void vault_tell_gone(struct vault *vault, struct credential *credential);
/* Of a credential that waited in another's `pending`, or NULL. */
void vault_free_pending(struct vault *vault, struct credential *pending);

static inline bool has_grant(const struct credential *credential)
{
        return credential->grant.generation || credential->grant.refresh_token;
}

enum write_kind {
        WRITE_GRANT,
        WRITE_INTENT,
        WRITE_FACTS,
        WRITE_PROMOTION,
        WRITE_FORGETTING,
        WRITE_CLIENT_SECRET,
        WRITE_AGAIN, /* a retry of one credential */
        WRITE_ALL_AGAIN, /* everything, into a store that was made anew */
        WRITE_OTHER, /* nobody waits for it; a retry makes up for it */
};

struct vault_write {
        struct vault *vault;
        enum write_kind kind;
        struct credential *credential; /* NULL: none, or it is gone */
        struct store_write *store_write;
        bool puts; /* it puts something: a deletion of what is not there succeeds on the fullest disk */
        struct save_mark mark; /* what of the credential is written */
        struct facts_mark
                facts; /* which facts it leaves on disk; not known: it has none to do with, or somebody else's */
        struct grant grant; /* of WRITE_GRANT and WRITE_PROMOTION: what is installed when it is done */
        struct credential
                *pending; /* of WRITE_PROMOTION and WRITE_FORGETTING: it was the credential's; owned */
        char *client; /* of WRITE_CLIENT_SECRET */
        struct secret *client_secret;
        vault_done_fn *on_done; /* NULL: nobody waits */
        void *userdata;
        struct vault_write *next, **at; /* what points to it */
};

/* ---- vault_write.c: one write, and what its end means ---- */

int write_new(struct vault *vault, enum write_kind kind, struct credential *credential,
              vault_done_fn *on_done, void *userdata, struct vault_write **ret);
int write_start(struct vault_write *write, const struct batch *batch);
/* Begins a write that may simply fail, and then is freed. ret may be NULL. */
int write_start_or_free(struct vault_write *write, const struct batch *batch, struct vault_write **ret);
void write_free(struct vault_write *write);
/* A write that could not even be begun: memory is all that is left, the same as with a disk that refuses. Returns error. */
int write_failed(struct vault_write *write, int error);
/* What the one that takes its place knew becomes what the credential knows, none of the old one's past. */
void vault_install_facts(struct credential *credential, struct credential *from);
void vault_mark_unsaved(struct vault *vault, struct credential *credential, const char *problem);

/* ---- vault_facts.c: facts that are on disk as they are in memory need not be written with each grant ---- */

/* Puts the credential's facts into the write's batch, unless they are there. */
int facts_put_if_changed(struct vault_write *write, struct batch *batch);
int facts_put(struct vault_write *write, struct batch *batch);
/* What the write does to the facts on disk, once it was begun, and when it is done. */
void facts_write_begun(struct vault_write *write, const struct batch *batch);
void facts_written(const struct vault_write *write);
/* They are lost, or somebody else's. */
void facts_forget(struct credential *credential);

/* ---- vault_save.c ---- */

/* Writes its facts now, if they wait for it and may be written alone. */
void vault_catch_up(struct vault *vault, struct credential *credential);

/* ---- vault_retry.c ---- */

void vault_on_retry(void *userdata);
void vault_schedule_retry(struct vault *vault);
void vault_note_failure(struct vault *vault, const struct credential *credential, int result,
                        const char *problem);
void vault_note_success(struct vault *vault);
/* Everything is in the store that was made anew. */
void vault_note_rewritten(struct vault *vault);
/* Nothing that is under way may touch this credential any more. */
void vault_writes_detach(struct vault *vault, const struct credential *credential);
void vault_writes_free(struct vault *vault);
/* Seals and queues a record that nobody waits for. */
int vault_write_key_check(struct vault *vault);
