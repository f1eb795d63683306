/*
 * The store: the queue of batches, and the watch over the file that they go to. Knows no database and nothing of what the
 * blobs are.
 *
 * Batches wait for as long as more come with each turn of the loop, and then share one commit, since it is the fsync that costs. It blocks
 * the loop: a thread of its own would save the few milliseconds in which everybody else waits, at the price of a second
 * thread that touches secrets and of a shutdown that must join it.
 */
#include "daemon/store.h"

#include "daemon/store_dir.h"
#include "daemon/store_sqlite.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <time.h>

#define DAMAGED_FILE DB_FILE ".damaged"
#define DAMAGED_WAL_FILE DAMAGED_FILE "-wal"

enum { WAITS_MAX = 64 };

struct batch {
        struct batch *next;
        struct store_write *write; /* NULL: nobody waits */
        int result;
        size_t n;
        struct store_op ops[]; /* what they point to lies behind them */
};

struct store_write {
        struct batch *batch; /* NULL once done */
        void (*on_done)(int result, const char *problem, void *userdata);
        void *userdata;
};

struct store {
        struct store_dir *dir;
        struct store_file *file; /* NULL: a reopening failed */
        struct file_mark db_mark, wal_mark; /* as our own last write left them */
        bool lost;
        sd_event_source *soon;
        struct batch *oldest, **end;
        size_t n_queued, n_seen; /* batches now, and when the loop last came round */
        unsigned n_waits; /* how often it found more since the last commit */
};

/* -- watching over the file ------------------------------------------------------------------------------------------- */

static int mark_files(struct store *store)
{
        int r = store_dir_mark(store->dir, DB_FILE, &store->db_mark);

        return r < 0 ? r : store_dir_mark(store->dir, WAL_FILE, &store->wal_mark);
}

/* What a restart would find must be what we wrote. */
static int check_before(struct store *store)
{
        struct file_mark db, wal;

        if (store->lost || !store->file)
                return fault(-ESTALE);
        int r = store_dir_mark(store->dir, DB_FILE, &db);
        if (r == 0)
                r = store_dir_mark(store->dir, WAL_FILE, &wal);
        if (r < 0)
                return r;
        if (file_mark_unchanged(&db, &store->db_mark) && file_mark_unchanged(&wal, &store->wal_mark))
                return 0;
        store->lost = true;
        return fault(-ESTALE);
}

static int check_after(struct store *store)
{
        struct file_mark db = store->db_mark, wal = store->wal_mark;
        int r = mark_files(store);

        if (r < 0)
                return r;
        if (file_mark_same_file(&db, &store->db_mark) && file_mark_same_file(&wal, &store->wal_mark))
                return 0;
        store->lost = true;
        return fault(-ESTALE);
}

/* -- the queue -------------------------------------------------------------------------------------------------------- */

static int write_batches(struct store *store, const struct batch *first, const struct batch *end)
{
        int r = store_file_begin(store->file);

        for (const struct batch *batch = first; batch != end; batch = batch->next)
                for (size_t i = 0; i < batch->n && r == 0; i++)
                        r = store_file_apply(store->file, &batch->ops[i]);
        if (r == 0)
                r = store_file_commit(store->file);
        if (r < 0)
                store_file_rollback(store->file);
        return r;
}

/* The batches from first to before end, in one transaction. */
static int commit(struct store *store, const struct batch *first, const struct batch *end)
{
        int r = check_before(store);

        if (r < 0)
                return r;
        r = write_batches(store, first, end);
        if (r == -EUCLEAN)
                store->lost = true;
        int checked = check_after(store);
        return r < 0 ? r : checked;
}

static void commit_all(struct store *store, struct batch *first)
{
        int r = commit(store, first, NULL);

        for (struct batch *batch = first; batch; batch = batch->next)
                /* One that cannot be written must not fail the others. */
                batch->result = r < 0 && first->next ? commit(store, batch, batch->next) : r;
}

static const char *describe(const struct store *store, int result, char *text, size_t size)
{
        if (store->lost)
                snprintf(text, size,
                         "%s/" DB_FILE " was deleted, replaced or damaged while purserd had it open",
                         store->dir->path);
        else
                snprintf(text, size, "cannot save to %s/" DB_FILE ": %s", store->dir->path,
                         strerror(-result));
        return text;
}

static void finish(struct store *store, struct batch *batch)
{
        char text[512] = "";
        struct store_write *write = batch->write;
        int result = batch->result;

        free(batch);
        if (!write)
                return;
        write->batch = NULL;
        if (result < 0)
                describe(store, result, text, sizeof(text));
        /* The handle may be gone after this. */
        write->on_done(result, text, write->userdata);
}

void store_flush(struct store *store)
{
        struct batch *first = store->oldest;

        if (!first)
                return;
        /* What callbacks queue is for the next turn. */
        store->oldest = NULL;
        store->end = &store->oldest;
        store->n_queued = store->n_seen = store->n_waits = 0;
        commit_all(store, first);
        while (first) {
                struct batch *next = first->next;
                finish(store, first);
                first = next;
        }
}

/* A timer, since what is deferred comes before everything else that is ready, and would see nothing new. */
static int write_soon(struct store *store)
{
        int r = sd_event_source_set_time(store->soon, 0);

        return r < 0 ? r : sd_event_source_set_enabled(store->soon, SD_EVENT_ONESHOT);
}

static int on_soon(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct store *store = userdata;

        if (store->n_queued > store->n_seen && store->n_waits < WAITS_MAX) {
                store->n_seen = store->n_queued;
                store->n_waits++;
                return write_soon(store);
        }
        store_flush(store);
        return 0;
}

static size_t size_of_op(const struct store_op *op)
{
        if (!op->kind)
                return 0;
        return strlen(op->kind) + 1 + strlen(op->name) + 1 + (op->blob ? op->n + 1 : 0);
}

/* Returns what follows the copy. */
static char *copy_op(struct store_op *to, const struct store_op *from, char *at)
{
        if (!from->kind)
                return at;
        to->kind = at;
        at = stpcpy(at, from->kind) + 1;
        to->name = at;
        at = stpcpy(at, from->name) + 1;
        if (!from->blob)
                return at;
        to->n = from->n;
        to->blob = (uint8_t *)at;
        if (to->n)
                memcpy(at, from->blob, to->n);
        return at + to->n + 1;
}

static int batch_new(struct batch **ret, const struct store_op *ops, size_t n_ops)
{
        size_t size = sizeof(struct batch) + n_ops * sizeof(*ops);

        for (size_t i = 0; i < n_ops; i++)
                size += size_of_op(&ops[i]);
        struct batch *batch = calloc(1, size);
        if (!batch)
                return fault(-ENOMEM);
        char *at = (char *)(batch->ops + n_ops);
        for (size_t i = 0; i < n_ops; i++)
                at = copy_op(&batch->ops[i], &ops[i], at);
        batch->n = n_ops;
        *ret = batch;
        return 0;
}

int store_write_start(struct store *store, const struct store_op *ops, size_t n_ops,
                      void (*on_done)(int result, const char *problem, void *userdata), void *userdata,
                      struct store_write **ret)
{
        _cleanup_(freep) struct batch *batch = NULL;
        _cleanup_(freep) struct store_write *write = calloc(1, sizeof(*write));

        if (!write)
                return fault(-ENOMEM);
        int r = batch_new(&batch, ops, n_ops);
        if (r < 0)
                return r;
        /* -ESTALE: the loop has come to its end, and store_flush() is what is left. */
        r = store->n_queued > 0 ? 0 : write_soon(store);
        if (r < 0 && r != -ESTALE)
                return fault(r);
        *write = (struct store_write){ .batch = batch, .on_done = on_done, .userdata = userdata };
        batch->write = write;
        *store->end = batch;
        store->end = &batch->next;
        store->n_queued++;
        take_ptr(batch);
        *ret = take_ptr(write);
        return 0;
}

struct store_write *store_write_free(struct store_write *write)
{
        if (!write)
                return NULL;
        if (write->batch)
                write->batch->write = NULL;
        free(write);
        return NULL;
}

/* -- the store -------------------------------------------------------------------------------------------------------- */

int store_exists(const char *state_dir, bool *ret)
{
        static const char *const names[] = { DB_FILE, WAL_FILE };
        char path[PATH_MAX];
        struct stat st;

        *ret = false;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                if (snprintf(path, sizeof(path), "%s/%s", state_dir, names[i]) >= (int)sizeof(path))
                        return fault(-ENAMETOOLONG);
                if (lstat(path, &st) == 0)
                        *ret = true;
                else if (errno != ENOENT)
                        return fault(-errno);
        }
        return 0;
}

static int open_file(struct store *store, struct diag *diag)
{
        int r = store_file_open(&store->file, store->dir, diag);

        return r != 0 ? r : mark_files(store);
}

/* By name, and so never when the names are somebody else's by now. */
static void close_file(struct store *store)
{
        store->file = store_file_close(store->file, store->lost || check_before(store) < 0);
}

int store_new(struct store **ret, const char *state_dir, void *event, struct diag *diag)
{
        _cleanup_(store_freep) struct store *store = calloc(1, sizeof(*store));
        if (!store)
                return fault(-ENOMEM);
        store->end = &store->oldest;
        int r = store_dir_open(&store->dir, state_dir, diag);
        if (r != 0)
                return r;
        r = open_file(store, diag);
        if (r != 0)
                return r;
        r = sd_event_add_time(event, &store->soon, CLOCK_MONOTONIC, 0, 1, on_soon, store);
        if (r >= 0)
                r = sd_event_source_set_enabled(store->soon, SD_EVENT_OFF);
        if (r < 0)
                return fault(r);
        *ret = take_ptr(store);
        return 0;
}

struct store *store_free(struct store *store)
{
        if (!store)
                return NULL;
        store_flush(store);
        assert(!store->oldest);
        close_file(store);
        sd_event_source_disable_unref(store->soon);
        store_dir_free(store->dir);
        free(store);
        return NULL;
}

int store_load(struct store *store,
               int (*on_record)(const char *kind, const char *name, const uint8_t *blob, size_t n,
                                void *userdata),
               void *userdata, struct diag *diag)
{
        return store_file_load(store->file, on_record, userdata, diag);
}

bool store_is_lost(const struct store *store)
{
        return store->lost;
}

/* Our journal must not be played into a file that it does not belong to. */
static int set_own_wal_aside(struct store *store)
{
        struct file_mark db, wal;

        int r = store_dir_mark(store->dir, DB_FILE, &db);
        if (r == 0)
                r = store_dir_mark(store->dir, WAL_FILE, &wal);
        if (r < 0)
                return r;
        if (db.there &&
            (file_mark_same_file(&db, &store->db_mark) || !file_mark_same_file(&wal, &store->wal_mark)))
                return 0;
        return store_dir_move(store->dir, WAL_FILE, DAMAGED_WAL_FILE);
}

/* From what loses least to what always works. */
static int open_something(struct store *store, struct diag *diag)
{
        int r = open_file(store, diag);

        if (r != STORE_E_CORRUPT)
                return r;
        r = store_dir_move(store->dir, WAL_FILE, DAMAGED_WAL_FILE);
        if (r < 0)
                return r;
        r = open_file(store, diag);
        if (r != STORE_E_CORRUPT)
                return r;
        r = store_dir_move(store->dir, DB_FILE, DAMAGED_FILE);
        if (r < 0)
                return r;
        diag_set(diag, "what was no store was moved to %s/" DAMAGED_FILE, store->dir->path);
        return open_file(store, diag);
}

int store_reopen(struct store *store, struct diag *diag)
{
        store->lost = true;
        close_file(store);
        int r = store_dir_renew(&store->dir, diag);
        if (r == 0)
                r = set_own_wal_aside(store);
        if (r == 0)
                r = open_something(store, diag);
        if (r != 0)
                return r;
        store->lost = false;
        return 0;
}
