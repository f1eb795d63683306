/*
 * Named opaque blobs that survive: the interface. A batch is applied whole or not at all, and its callback says when it is
 * durable (fsync'd). Batches are applied in the order given; an implementation may share one commit among many, and commit in a
 * thread of its own. Kinds and names are not secret; blobs are sealed by the caller.
 */
#pragma once

#include "common/cleanup.h"
#include "common/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
        STORE_E_IN_USE = 1, /* another process has it open */
        STORE_E_NEWER, /* written by a later version; nothing was touched */
        STORE_E_CORRUPT, /* not a store, or damaged; nothing was touched */
};

struct store;
struct store_write;

struct store_op {
        const char *kind; /* NULL, as are the others: every record is deleted */
        const char *name;
        const uint8_t *blob; /* NULL: delete */
        size_t n;
};

/*
 * Once per process, before the first store: memory of the implementation is wiped when freed, and a write beyond a file size
 * limit is an error instead of a signal.
 */
int store_global_init(void);

/*
 * Is there anything of a store in state_dir? Asked before a sealing key is made, since a new key beside an old store opens
 * nothing.
 */
int store_exists(const char *state_dir, bool *ret);

/* state_dir must exist. event: sd_event *, borrowed. diag: for STORE_E_* and faults, with the file's name and what to do. */
int store_new(struct store **ret, const char *state_dir, void *event, struct diag *diag);
struct store *store_free(struct store *store); /* every write must have been freed or finished */
DEFINE_FREEP(struct store *, store_free)

/*
 * Calls on_record for every record, in order of kind and name; bytes are borrowed for the call. Its non-zero result ends the
 * walk and is returned. A store that cannot be read is a fault or STORE_E_CORRUPT, never an empty one.
 */
typedef int store_record_fn(const char *kind, const char *name, const uint8_t *blob, size_t n,
                            void *userdata);
int store_load(struct store *store, store_record_fn *on_record, void *userdata, struct diag *diag);

/*
 * The same in parts, between which anything may be written. Of `kinds`, all records of the names after `after` (NULL: from the first) up
 * to *ret_last, which then is the `after` of the next part: as many names as leave no kind with more than `most` records. They
 * come in the order of kinds that is given, and of names in each. *ret_last = NULL: that was the last part.
 */
int store_load_part(struct store *store, const char *const kinds[], size_t n_kinds, const char *after,
                    size_t most, char **ret_last, store_record_fn *on_record, void *userdata,
                    struct diag *diag);
/* Of one name alone. */
int store_load_named(struct store *store, const char *const kinds[], size_t n_kinds, const char *name,
                     store_record_fn *on_record, void *userdata, struct diag *diag);
/* All records of every other kind. */
int store_load_others(struct store *store, const char *const kinds[], size_t n_kinds,
                      store_record_fn *on_record, void *userdata, struct diag *diag);

/*
 * Queues a batch (copied). on_done is called once from the event loop, never from within store_write_start(): result 0 when
 * the batch is durable, else a negative errno with words in `problem`, and then nothing of the batch was applied. Freeing
 * the handle keeps on_done from running; the batch is written all the same.
 */
int store_write_start(struct store *store, const struct store_op *ops, size_t n_ops,
                      void (*on_done)(int result, const char *problem, void *userdata), void *userdata,
                      struct store_write **ret);
struct store_write *store_write_free(struct store_write *write);
DEFINE_FREEP(struct store_write *, store_write_free)

/* Writes everything queued now, callbacks included: for an orderly stop. */
void store_flush(struct store *store);

/* Waits for the commit that is under way; what came of it is told by the loop. False: there is none. */
bool store_wait(struct store *store);

/*
 * True once the file was seen to be deleted, replaced, written by somebody else or damaged while it was open. Nothing is
 * written into such a file: every batch fails (-ESTALE) until store_reopen().
 */
bool store_is_lost(const struct store *store);

/*
 * Opens what is there now, or makes a new store; something that is no store is moved aside, its new name in diag. What it
 * holds then is somebody else's or nothing, while what is in memory is the newest: the caller writes all of its records
 * again, in one batch that begins by deleting everything. 0, a fault, STORE_E_IN_USE or STORE_E_NEWER (diag; the store stays
 * lost). Not to be called from within on_done.
 */
int store_reopen(struct store *store, struct diag *diag);
