/*
 * The store in a SQLite file, `purser.db`: the only user of sqlite3. Owns the file, its journal and the state directory's lock;
 * knows nothing of what the blobs are.
 *
 * Batches wait in a queue until the loop comes round to it, and then share one commit, since it is the fsync that costs. It
 * blocks the loop: a thread of its own would save the few milliseconds in which everybody else waits, at the price of a second
 * thread that touches secrets and of a shutdown that must join it.
 */
#include "daemon/store.h"

#include "common/wipe.h"
#include "daemon/store_dir.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

enum {
        APPLICATION_ID = 0x50525352, /* "PRSR" */
        FORMAT = 1,
};

#define DB_FILE "purser.db"
#define WAL_FILE DB_FILE "-wal"
#define NEW_FILE DB_FILE ".new"
#define DAMAGED_FILE DB_FILE ".damaged"
#define DAMAGED_WAL_FILE DAMAGED_FILE "-wal"

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
        sd_event_source *soon;
        sqlite3 *db;
        sqlite3_stmt *put, *delete;
        struct file_mark db_mark, wal_mark; /* as our own last write left them */
        bool lost;
        struct batch *oldest, **end;
};

/* -- memory ----------------------------------------------------------------------------------------------------------- */

/* SQLite asks for the size of what it was given: it lies in front. */
enum { SIZE_HEAD = 16 };

static void *memory_new(int n)
{
        char *p = wipe_malloc((size_t)n + SIZE_HEAD);

        if (!p)
                return NULL;
        memcpy(p, &n, sizeof(n));
        return p + SIZE_HEAD;
}

static void memory_free(void *p)
{
        if (p)
                wipe_free((char *)p - SIZE_HEAD);
}

static void *memory_resize(void *old, int n)
{
        char *p = wipe_realloc((char *)old - SIZE_HEAD, (size_t)n + SIZE_HEAD);

        if (!p)
                return NULL;
        memcpy(p, &n, sizeof(n));
        return p + SIZE_HEAD;
}

static int memory_size(void *p)
{
        int n = 0;

        if (p)
                memcpy(&n, (char *)p - SIZE_HEAD, sizeof(n));
        return n;
}

static int memory_round_up(int n)
{
        return (n + 7) & ~7;
}

static int memory_init(void *unused)
{
        return SQLITE_OK;
}

static void memory_shutdown(void *unused)
{
}

int store_global_init(void)
{
        static const sqlite3_mem_methods methods = {
                .xMalloc = memory_new,
                .xFree = memory_free,
                .xRealloc = memory_resize,
                .xSize = memory_size,
                .xRoundup = memory_round_up,
                .xInit = memory_init,
                .xShutdown = memory_shutdown,
        };

        if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
                return fault(-errno);
        return sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK ? 0 : fault(-EBUSY);
}

/* -- errors ----------------------------------------------------------------------------------------------------------- */

static bool is_damage(int code)
{
        int primary = code & 0xff;

        return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

static int errno_of(sqlite3 *db, int code)
{
        int system_error = sqlite3_system_errno(db);

        switch (code & 0xff) {
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_READONLY:
                return -EROFS;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return -EUCLEAN;
        case SQLITE_PERM:
                return -EACCES;
        case SQLITE_TOOBIG:
                return -EMSGSIZE;
        case SQLITE_IOERR:
                if (code == SQLITE_IOERR_NOMEM)
                        return -ENOMEM;
                return system_error > 0 ? -system_error : -EIO;
        default:
                return system_error > 0 ? -system_error : -EIO;
        }
}

/* What an open or a read came to, in words. */
static int report(const struct store *store, sqlite3 *db, int code, struct diag *diag)
{
        int error = errno_of(db, code);

        if (error == -ENOMEM)
                return fault(error);
        if (is_damage(code)) {
                diag_set(diag,
                         "%s/" DB_FILE " is damaged or no store of purserd; nothing was changed. Restore it "
                         "from a backup, or move it "
                         "away and log in again",
                         store->dir->path);
                return STORE_E_CORRUPT;
        }
        if (error == -EBUSY) {
                diag_set(diag, "another program has %s/" DB_FILE " open", store->dir->path);
                return STORE_E_IN_USE;
        }
        diag_set(diag, "cannot read %s/" DB_FILE ": %s", store->dir->path, strerror(-error));
        return fault(error);
}

/* -- opening ---------------------------------------------------------------------------------------------------------- */

static int path_in(const struct store *store, const char *name, char path[PATH_MAX])
{
        int n = snprintf(path, PATH_MAX, "%s/%s", store->dir->path, name);

        return n < PATH_MAX ? 0 : fault(-ENAMETOOLONG);
}

static void closep_db(sqlite3 **db)
{
        sqlite3_close_v2(*db);
}

static void finalizep(sqlite3_stmt **statement)
{
        sqlite3_finalize(*statement);
}

/* One value of one row. */
static int ask_int(sqlite3 *db, const char *sql, int *ret)
{
        _cleanup_(finalizep) sqlite3_stmt *statement = NULL;
        int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

        if (code == SQLITE_OK)
                code = sqlite3_step(statement);
        if (code != SQLITE_ROW)
                return code == SQLITE_DONE ? SQLITE_CORRUPT : code;
        *ret = sqlite3_column_int(statement, 0);
        return SQLITE_OK;
}

static int ask_is(sqlite3 *db, const char *sql, const char *expected, bool *ret)
{
        _cleanup_(finalizep) sqlite3_stmt *statement = NULL;
        int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

        if (code == SQLITE_OK)
                code = sqlite3_step(statement);
        if (code != SQLITE_ROW)
                return code == SQLITE_DONE ? SQLITE_CORRUPT : code;
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        *ret = text && strcmp(text, expected) == 0;
        return text ? SQLITE_OK : SQLITE_NOMEM;
}

static int open_db(const struct store *store, const char *name, sqlite3 **ret, struct diag *diag)
{
        _cleanup_(closep_db) sqlite3 *db = NULL;
        char path[PATH_MAX];

        int r = path_in(store, name, path);
        if (r < 0)
                return r;
        int code = sqlite3_open_v2(path, &db,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
        if (!db)
                return fault(-ENOMEM);
        sqlite3_extended_result_codes(db, 1);
        if (code != SQLITE_OK)
                return report(store, db, code, diag);
        /* Closing writes nothing into the file before it was seen to be ours. */
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        if (sqlite3_db_readonly(db, "main") == 1) {
                diag_set(diag, "%s cannot be written", path);
                return fault(-EROFS);
        }
        *ret = take_ptr(db);
        return 0;
}

static int write_schema(const struct store *store, struct diag *diag)
{
        static const char schema[] = "PRAGMA synchronous = FULL;"
                                     "BEGIN;"
                                     "PRAGMA application_id = 1347572562;" /* APPLICATION_ID */
                                     "PRAGMA user_version = 1;" /* FORMAT */
                                     "CREATE TABLE record (kind TEXT NOT NULL, name TEXT NOT NULL, blob BLOB "
                                     "NOT NULL, PRIMARY KEY (kind, name)) "
                                     "STRICT, WITHOUT ROWID;"
                                     "COMMIT;";
        _cleanup_(closep_db) sqlite3 *db = NULL;

        _Static_assert(APPLICATION_ID == 1347572562 && FORMAT == 1, "as in the schema");
        int r = open_db(store, NEW_FILE, &db, diag);
        if (r != 0)
                return r;
        int code = sqlite3_exec(db, schema, NULL, NULL, NULL);
        if (code == SQLITE_OK)
                return 0;
        r = errno_of(db, code);
        diag_set(diag, "cannot make a store in %s: %s", store->dir->path, strerror(-r));
        return fault(r);
}

static int remove_new(const struct store *store)
{
        int r = store_dir_remove(store->dir, NEW_FILE);

        return r < 0 ? r : store_dir_remove(store->dir, NEW_FILE "-journal");
}

/* Whole under its name or not at all, so that an empty file of that name is always damage and never a beginning. */
static int make_db(const struct store *store, struct diag *diag)
{
        int r = remove_new(store);
        if (r < 0)
                return r;
        int fd = openat(store->dir->fd, NEW_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) {
                r = -errno;
                diag_set(diag, "cannot make a store in %s: %s", store->dir->path, strerror(-r));
                return fault(r);
        }
        close(fd);
        r = write_schema(store, diag);
        if (r != 0) {
                remove_new(store);
                return r;
        }
        r = store_dir_move(store->dir, NEW_FILE, DB_FILE);
        return r < 0 ? r : store_dir_sync(store->dir);
}

static int check_is_ours(const struct store *store, sqlite3 *db, struct diag *diag)
{
        int application_id = 0, version = 0;

        int code = ask_int(db, "PRAGMA application_id", &application_id);
        if (code == SQLITE_OK)
                code = ask_int(db, "PRAGMA user_version", &version);
        if (code == SQLITE_OK && (application_id != APPLICATION_ID || version < 1))
                code = SQLITE_NOTADB;
        if (code != SQLITE_OK)
                return report(store, db, code, diag);
        if (version > FORMAT) {
                diag_set(diag,
                         "%s/" DB_FILE " was written by a later version of purserd (format %d, this one "
                         "knows %d); nothing was changed. "
                         "Install the later version again",
                         store->dir->path, version, FORMAT);
                return STORE_E_NEWER;
        }
        return 0;
}

static int check_is_whole(const struct store *store, sqlite3 *db, struct diag *diag)
{
        bool whole = false;
        int code = ask_is(db, "PRAGMA quick_check(1)", "ok", &whole);

        if (code == SQLITE_OK && !whole)
                code = SQLITE_CORRUPT;
        return code == SQLITE_OK ? 0 : report(store, db, code, diag);
}

/* Exclusive before the first access: the journal's index then lives in memory, and nobody else gets at the file at all. */
static int set_up(struct store *store, sqlite3 *db, struct diag *diag)
{
        bool is_wal = false;

        int code = sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
        if (code != SQLITE_OK)
                return report(store, db, code, diag);
        int r = check_is_ours(store, db, diag);
        if (r != 0)
                return r;
        code = ask_is(db, "PRAGMA journal_mode = WAL", "wal", &is_wal);
        if (code == SQLITE_OK && !is_wal)
                code = SQLITE_IOERR;
        if (code == SQLITE_OK)
                code = sqlite3_exec(
                        db,
                        "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; "
                        "PRAGMA journal_size_limit = 1048576",
                        NULL, NULL, NULL);
        if (code != SQLITE_OK)
                return report(store, db, code, diag);
        return check_is_whole(store, db, diag);
}

static int prepare(struct store *store, sqlite3 *db, struct diag *diag)
{
        int code = sqlite3_prepare_v3(db,
                                      "INSERT INTO record (kind, name, blob) VALUES (?1, ?2, ?3) "
                                      "ON CONFLICT (kind, name) DO UPDATE SET blob = excluded.blob",
                                      -1, SQLITE_PREPARE_PERSISTENT, &store->put, NULL);

        if (code == SQLITE_OK)
                code = sqlite3_prepare_v3(db, "DELETE FROM record WHERE kind = ?1 AND name = ?2", -1,
                                          SQLITE_PREPARE_PERSISTENT, &store->delete, NULL);
        /* SQLITE_ERROR: another schema. */
        return code == SQLITE_OK ? 0 : report(store, db, code == SQLITE_ERROR ? SQLITE_CORRUPT : code, diag);
}

static int mark_files(struct store *store)
{
        int r = store_dir_mark(store->dir, DB_FILE, &store->db_mark);

        return r < 0 ? r : store_dir_mark(store->dir, WAL_FILE, &store->wal_mark);
}

static void close_db(struct store *store)
{
        sqlite3_finalize(store->put);
        sqlite3_finalize(store->delete);
        sqlite3_close_v2(store->db);
        store->put = store->delete = NULL;
        store->db = NULL;
}

static int open_existing(struct store *store, struct diag *diag)
{
        _cleanup_(closep_db) sqlite3 *db = NULL;

        if (fchmodat(store->dir->fd, DB_FILE, 0600, 0) < 0)
                return fault(-errno);
        int r = open_db(store, DB_FILE, &db, diag);
        if (r == 0)
                r = set_up(store, db, diag);
        if (r == 0)
                r = prepare(store, db, diag);
        if (r == 0)
                r = mark_files(store);
        if (r != 0) {
                sqlite3_finalize(store->put);
                sqlite3_finalize(store->delete);
                store->put = store->delete = NULL;
                return r;
        }
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
        store->db = take_ptr(db);
        return 0;
}

/* A journal without its file would be played into a new one. */
static int refuse_lone_wal(const struct store *store, struct diag *diag)
{
        struct file_mark wal;
        int r = store_dir_mark(store->dir, WAL_FILE, &wal);

        if (r < 0 || !wal.there)
                return r;
        diag_set(diag,
                 "%s/" WAL_FILE " is there and " DB_FILE " is not; nothing was changed. Restore " DB_FILE
                 " from a backup, or move " WAL_FILE " away and log in again",
                 store->dir->path);
        return STORE_E_CORRUPT;
}

static int open_or_make(struct store *store, struct diag *diag)
{
        struct file_mark db;

        int r = store_dir_mark(store->dir, DB_FILE, &db);
        if (r == 0 && !db.there)
                r = refuse_lone_wal(store, diag);
        if (r == 0 && !db.there)
                r = make_db(store, diag);
        return r != 0 ? r : open_existing(store, diag);
}

/* -- the queue -------------------------------------------------------------------------------------------------------- */

static int bind_and_step(sqlite3_stmt *statement, const struct store_op *op)
{
        int code = sqlite3_bind_text(statement, 1, op->kind, -1, SQLITE_STATIC);

        if (code == SQLITE_OK)
                code = sqlite3_bind_text(statement, 2, op->name, -1, SQLITE_STATIC);
        if (code == SQLITE_OK && op->blob)
                code = sqlite3_bind_blob64(statement, 3, op->blob, op->n, SQLITE_STATIC);
        if (code == SQLITE_OK)
                code = sqlite3_step(statement);
        sqlite3_reset(statement);
        sqlite3_clear_bindings(statement);
        return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int apply_op(const struct store *store, const struct store_op *op)
{
        if (!op->kind)
                return sqlite3_exec(store->db, "DELETE FROM record", NULL, NULL, NULL);
        return bind_and_step(op->blob ? store->put : store->delete, op);
}

static int apply(const struct store *store, const struct batch *first, const struct batch *end)
{
        int code = SQLITE_OK;

        for (const struct batch *batch = first; batch != end; batch = batch->next)
                for (size_t i = 0; i < batch->n && code == SQLITE_OK; i++)
                        code = apply_op(store, &batch->ops[i]);
        return code;
}

/* Whatever comes of it: what a restart would find must be what we wrote. */
static int check_before(struct store *store)
{
        struct file_mark db, wal;

        if (store->lost || !store->db)
                return fault(-ESTALE);
        int r = store_dir_mark(store->dir, DB_FILE, &db);
        if (r == 0)
                r = store_dir_mark(store->dir, WAL_FILE, &wal);
        if (r < 0)
                return r;
        store->lost =
                !file_mark_unchanged(&db, &store->db_mark) || !file_mark_unchanged(&wal, &store->wal_mark);
        return store->lost ? fault(-ESTALE) : 0;
}

static int check_after(struct store *store)
{
        struct file_mark db = store->db_mark, wal = store->wal_mark;
        int r = mark_files(store);

        if (r < 0)
                return r;
        store->lost =
                !file_mark_same_file(&db, &store->db_mark) || !file_mark_same_file(&wal, &store->wal_mark);
        return store->lost ? fault(-ESTALE) : 0;
}

/* The batches from first to before end, in one transaction. */
static int commit(struct store *store, const struct batch *first, const struct batch *end)
{
        int r = check_before(store);
        if (r < 0)
                return r;
        int code = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        if (code == SQLITE_OK)
                code = apply(store, first, end);
        if (code == SQLITE_OK)
                code = sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
        if (code != SQLITE_OK) {
                r = errno_of(store->db, code);
                store->lost = store->lost || is_damage(code);
                if (!sqlite3_get_autocommit(store->db))
                        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        }
        int checked = check_after(store);
        if (r == 0)
                r = checked;
        return r < 0 ? fault(r) : 0;
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
        commit_all(store, first);
        while (first) {
                struct batch *next = first->next;
                finish(store, first);
                first = next;
        }
}

static int on_soon(sd_event_source *source, void *userdata)
{
        store_flush(userdata);
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
        r = sd_event_source_set_enabled(store->soon, SD_EVENT_ONESHOT);
        if (r < 0)
                return fault(r);
        *write = (struct store_write){ .batch = batch, .on_done = on_done, .userdata = userdata };
        batch->write = write;
        *store->end = batch;
        store->end = &batch->next;
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

int store_new(struct store **ret, const char *state_dir, void *event, struct diag *diag)
{
        _cleanup_(store_freep) struct store *store = calloc(1, sizeof(*store));
        if (!store)
                return fault(-ENOMEM);
        store->end = &store->oldest;
        int r = store_dir_open(&store->dir, state_dir, diag);
        if (r != 0)
                return r;
        r = open_or_make(store, diag);
        if (r != 0)
                return r;
        r = sd_event_add_defer(event, &store->soon, on_soon, store);
        if (r >= 0)
                r = sd_event_source_set_enabled(store->soon, SD_EVENT_OFF);
        if (r < 0)
                return fault(r);
        *ret = take_ptr(store);
        return 0;
}

/* Closing plays the journal into the file and removes it, by name: never when the names are somebody else's by now. */
static void close_safely(struct store *store)
{
        if (store->db && check_before(store) < 0)
                sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        close_db(store);
}

struct store *store_free(struct store *store)
{
        if (!store)
                return NULL;
        store_flush(store);
        assert(!store->oldest);
        close_safely(store);
        sd_event_source_disable_unref(store->soon);
        store_dir_free(store->dir);
        free(store);
        return NULL;
}

static int load_row(sqlite3_stmt *statement,
                    int (*on_record)(const char *kind, const char *name, const uint8_t *blob, size_t n,
                                     void *userdata),
                    void *userdata)
{
        const char *kind = (const char *)sqlite3_column_text(statement, 0);
        const char *name = (const char *)sqlite3_column_text(statement, 1);
        const uint8_t *blob = sqlite3_column_blob(statement, 2);
        int n = sqlite3_column_bytes(statement, 2);

        if (!kind || !name || (!blob && n > 0))
                return fault(-ENOMEM);
        return on_record(kind, name, blob ? blob : (const uint8_t *)"", (size_t)n, userdata);
}

int store_load(struct store *store,
               int (*on_record)(const char *kind, const char *name, const uint8_t *blob, size_t n,
                                void *userdata),
               void *userdata, struct diag *diag)
{
        _cleanup_(finalizep) sqlite3_stmt *statement = NULL;
        int code = sqlite3_prepare_v2(store->db, "SELECT kind, name, blob FROM record ORDER BY kind, name",
                                      -1, &statement, NULL);

        if (code == SQLITE_OK)
                while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
                        int r = load_row(statement, on_record, userdata);
                        if (r != 0)
                                return r;
                }
        return code == SQLITE_DONE ? 0 : report(store, store->db, code, diag);
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
        int r = open_or_make(store, diag);

        if (r != STORE_E_CORRUPT)
                return r;
        r = store_dir_move(store->dir, WAL_FILE, DAMAGED_WAL_FILE);
        if (r < 0)
                return r;
        r = open_or_make(store, diag);
        if (r != STORE_E_CORRUPT)
                return r;
        r = store_dir_move(store->dir, DB_FILE, DAMAGED_FILE);
        if (r < 0)
                return r;
        diag_set(diag, "what was no store was moved to %s/" DAMAGED_FILE, store->dir->path);
        return open_or_make(store, diag);
}

int store_reopen(struct store *store, struct diag *diag)
{
        store->lost = true;
        close_safely(store);
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
