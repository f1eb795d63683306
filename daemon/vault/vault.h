/*
 * All credentials, and the only way to change them durably: sealed and stored before anybody sees the change. When the disk refuses, the
 * newest grant stays in memory and is served, loudly, and saving is retried until it works. Knows no network.
 */
#pragma once

#include "common/clock.h"
#include "daemon/config/config.h"
#include "daemon/vault/credential.h"
#include "daemon/protocol/oauth.h"
#include "daemon/base/seal.h"
#include "daemon/store/store.h"
#include "daemon/base/timers.h"

struct context;
struct vault;
struct vault_write;

enum {
        VAULT_E_WRONG_KEY = 1, /* the store was sealed with another key; diag says what to do */
        VAULT_E_STORE, /* the store cannot be read; diag */
        VAULT_E_NO_SECRET, /* the client has no usable secret or key; diag says why and what to do */
};

enum { VAULT_NAME_SIZE = 128 }; /* more than a valid name needs */

/* store and seal are taken on success. */
int vault_new(struct vault **ret, struct context *context, struct store *store, struct seal *seal,
              const char *boot_id);
struct vault *vault_free(struct vault *vault);
DEFINE_FREEP(struct vault *, vault_free)

/*
 * Told before a credential, or a pending one, is freed or emptied, for whatever reason: nothing may point to it afterwards. Embedded in who
 * listens, who must be gone before the vault.
 */
struct vault_listener {
        void (*on_gone)(struct credential *credential, void *userdata);
        void *userdata;
        struct vault_listener *next;
};

void vault_listen(struct vault *vault, struct vault_listener *listener);
void vault_unlisten(struct vault *vault, struct vault_listener *listener);

/*
 * Reads the first credentials, or everything where that is little, bound to context->config. The others come with vault_load_more(), a few
 * at a time, as long as vault_is_loading(); or before their turn, with vault_find(). VAULT_E_*, whose words are in diag, or a fault.
 */
int vault_load(struct vault *vault, struct diag *diag);
int vault_load_more(struct vault *vault); /* a fault: -ENOMEM may pass, any other stays */
int vault_load_all(struct vault *vault); /* all that is left */
bool vault_is_loading(const struct vault *vault);
/* That vault_find() has found nothing does not mean that there is no such credential: the store could not be read. */
bool vault_is_unsure(const struct vault *vault);

/* Told of each credential that comes after vault_load(), from the midst of whatever asked for it. Borrowed. */
struct vault_loader {
        void (*on_loaded)(struct credential *credential, void *userdata);
        /* Once: what is left cannot be read. result: as of vault_load(). The daemon must end. */
        void (*on_failed)(int result, const char *problem, void *userdata);
        void *userdata;
};
void vault_set_loader(struct vault *vault, const struct vault_loader *loader); /* NULL: nobody */

/* After context->config was swapped: points credentials at the new one's clients, makes shells for configured credentials, drops shells that
 * nothing names any more. */
int vault_bind(struct vault *vault);

/* NULL: there is none, unless vault_is_unsure(). */
struct credential *vault_find(struct vault *vault, const char *name);
struct credential *vault_find_bytes(struct vault *vault, const char *name, size_t n);
/*
 * The same for several names at once, whose looks into memory do not wait for each other: each is expected first, the credential that is most
 * likely meant can be fetched then (NULL: none), and all are found in the end.
 */
uint64_t vault_expect(const struct vault *vault, const char *name, size_t n); /* the name's hash */
const struct credential *vault_guess(const struct vault *vault, uint64_t hash);
struct credential *vault_find_expected(struct vault *vault, uint64_t hash, const char *name, size_t n);
size_t vault_count_loaded(const struct vault *vault);
/* In order of names. Reads what is left first. The callback must not add or remove credentials; non-zero ends and is returned. */
int vault_each(struct vault *vault, int (*on_credential)(struct credential *credential, void *userdata),
               void *userdata);
/*
 * A walk over those in memory, in order of their names, a part at a time: up to `most` of those behind the cursor, which then stands behind the
 * last that on_credential was told of. Whatever comes or goes between two parts, the others are met once. The callback as of vault_each().
 */
struct vault_cursor {
        char after[VAULT_NAME_SIZE]; /* "": before the first */
        bool at_end; /* there was none behind that part */
};
int vault_walk(struct vault *vault, struct vault_cursor *cursor, size_t most,
               int (*on_credential)(struct credential *credential, void *userdata), void *userdata);
/* Those of an account, of whatever client: what it costs has nothing to do with how many others there are. As vault_each() for the rest. */
int vault_each_of_account(struct vault *vault, const char *account_id,
                          int (*on_credential)(struct credential *credential, void *userdata),
                          void *userdata);
/* Of those that are in memory: for what has no meaning before, or is done to each that comes. */
int vault_each_loaded(struct vault *vault,
                      int (*on_credential)(struct credential *credential, void *userdata), void *userdata);
/* Points one credential, whose client was just named, at the configuration in force. */
void vault_rebind(struct vault *vault, struct credential *credential);
/* A shell without a grant, or the one that is there already. Nothing is written until it has something to save. */
int vault_require(struct vault *vault, const char *name, struct credential **ret);
/* Drops a shell that has neither grant, pending grant nor configuration; else nothing. */
void vault_drop_shell(struct vault *vault, struct credential *credential);

/* The one callback of all writes: result 0: durable; else a negative errno, told and being retried where that makes sense. */
typedef void vault_done_fn(int result, void *userdata);

/*
 * Saves a grant that was just received, with the credential's facts, and the end of its intent; `grant` is taken. When it is durable - or
 * the disk refused it, and it is kept in memory as unsaved - it becomes credential->grant, and on_done is told. Freeing the handle keeps
 * on_done from running; grant is installed all the same.
 */
int vault_save_grant(struct vault *vault, struct credential *credential, struct grant *grant,
                     vault_done_fn *on_done, void *userdata, struct vault_write **ret);
/* Makes durable that a refresh of credential->grant is about to be sent; credential->replays goes along. */
int vault_save_intent(struct vault *vault, struct credential *credential, vault_done_fn *on_done,
                      void *userdata, struct vault_write **ret);
/* The pending grant of a login: made, or replacing an earlier one that waited. Nothing is written yet. */
int vault_require_pending(struct vault *vault, struct credential *credential, struct credential **ret);
/* Takes the intent back, because the request is known not to have been acted on. Nobody waits for it. */
void vault_clear_intent(struct vault *vault, struct credential *credential);
/* The outcome stays unknown, and no request is under way: credential->replays is what a restart finds. Nobody waits for it. */
void vault_keep_intent(struct vault *vault, struct credential *credential);
/*
 * Saves facts (account, test, refusal, description). Nobody waits for it; retried when it fails. Those of a grant that is being saved, or could
 * not be, go with it or after it; those of one that does not open stay in memory.
 */
void vault_save_facts(struct vault *vault, struct credential *credential);
/*
 * credential->pending becomes the credential's grant, durable in one step; its account and test go along. It leaves credential->pending at once,
 * so that another login can begin. As with vault_save_grant(), it is in force in memory even when this fails.
 */
int vault_promote(struct vault *vault, struct credential *credential, vault_done_fn *on_done, void *userdata,
                  struct vault_write **ret);
/*
 * Forgets the pending grant, or all of the credential, from disk first. In the latter case the credential is freed, or emptied where the
 * configuration names it or another login has begun since. on_done of a failure: nothing was forgotten.
 */
void vault_drop_pending(struct vault *vault, struct credential *credential);
int vault_forget(struct vault *vault, struct credential *credential, vault_done_fn *on_done, void *userdata,
                 struct vault_write **ret);
struct vault_write *vault_write_free(struct vault_write *write);
DEFINE_FREEP(struct vault_write *, vault_write_free)

/* The client's secret, from wherever the configuration says, or *ret = NULL for a public client. Read anew each time. */
int vault_client_secret(struct vault *vault, const struct client *client, struct secret **ret,
                        struct diag *diag);
/* What to say of the source of what it authenticates with: "credential", "file", "store", "none", or "missing". */
const char *vault_client_secret_state(struct vault *vault, const struct client *client);

/* A client as it asks its provider, once: with its secret, or with an assertion that its key has signed for this request alone. */
struct identity {
        struct oauth_client client; /* borrows the rest, and strings of configuration and endpoints */
        struct secret *secret, *assertion;
};

/* endpoints NULL: the request goes to none of them. */
int vault_identify(struct vault *vault, const struct client *client, const struct oauth_endpoints *endpoints,
                   struct identity *ret, struct diag *diag);
void identity_done(struct identity *identity); /* safe on a zeroed one */

/* A secret or key for the store. */
int vault_set_client_secret(struct vault *vault, const char *client, const struct secret *secret,
                            vault_done_fn *on_done, void *userdata, struct vault_write **ret);

/* NULL while the store takes writes; else in words. */
const char *vault_store_problem(const struct vault *vault);
/* From the first write that the disk refused until everything is saved, as the journal tells it. */
bool vault_is_in_trouble(const struct vault *vault);
size_t vault_unsaved(struct vault *vault); /* costs a look at each only while there are any */
/* Tries everything unsaved once more and waits for it: for an orderly stop. Returns how many grants are still unsaved. */
size_t vault_flush(struct vault *vault);

struct batch;

/* For handing over: everything unsaved, as operations on a store; those of a credential begin with its grant. Release with batch_done(). */
int vault_put_unsaved(struct vault *vault, struct batch *batch);
/*
 * Takes what another purserd put there over what was loaded, where it is not older, as unsaved. A record that does not open is told and
 * counted. vault_adopt_end() binds it to the configuration and begins to save it.
 */
struct vault_adoption {
        struct vault *vault;
        struct credential *credential; /* whose records come; NULL: those of one that is not taken */
        unsigned n_adopted, n_refused;
};
int vault_adopt(struct vault_adoption *adoption, const struct store_op *op);
int vault_adopt_end(struct vault_adoption *adoption);

/* How many records of the store each of two keys opens: what a change of the key that was cut short has come to. */
int vault_count_opened(struct store *store, const struct seal *one, const struct seal *other,
                       size_t n_opened[2], struct diag *diag);
/*
 * Seals all records with another key, in one transaction, before it returns; *seal is taken on success. VAULT_E_STORE: nothing was
 * changed as far as is known (diag), but after a disk's refusal only the next start sees which key holds, so that both must be kept.
 */
int vault_change_key(struct vault *vault, struct seal **seal, size_t *ret_n_records, struct diag *diag);
bool vault_is_sealed_with(const struct vault *vault, const struct seal *seal);
