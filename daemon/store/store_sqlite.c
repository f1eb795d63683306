/* The SQLite file of a store, opened and written. Knows nothing of what the blobs are, nor of the loop. */
#include "daemon/store/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        APPLICATION_ID = 0x50525352, /* "PRSR" */
        FORMAT = 1,
};

#define NEW_FILE DB_FILE ".new"

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

int store_file_report(const struct store_file *file, sqlite3 *db, int code, struct diag *diag)
{
        int error = errno_of(db, code);

        if (error == -ENOMEM)
                return fault(error);
        if (is_damage(code)) {
                diag_set(diag,
                         "%s/" DB_FILE " is damaged or no store of purserd; nothing was changed. Restore it "
                         "from a backup, or move it "
                         "away and log in again",
                         file->dir->path);
                return STORE_E_CORRUPT;
        }
        if (error == -EBUSY) {
                diag_set(diag, "another program has %s/" DB_FILE " open", file->dir->path);
                return STORE_E_IN_USE;
        }
        diag_set(diag, "cannot read %s/" DB_FILE ": %s", file->dir->path, strerror(-error));
        return fault(error);
}

/* -- opening ---------------------------------------------------------------------------------------------------------- */

static int path_in(const struct store_file *file, const char *name, char path[PATH_MAX])
{
        int n = snprintf(path, PATH_MAX, "%s/%s", file->dir->path, name);

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

static int open_db(const struct store_file *file, const char *name, sqlite3 **ret, struct diag *diag)
{
        _cleanup_(closep_db) sqlite3 *db = NULL;
        char path[PATH_MAX];

        int r = path_in(file, name, path);
        if (r < 0)
                return r;
        int code = sqlite3_open_v2(path, &db,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
        if (!db)
                return fault(-ENOMEM);
        sqlite3_extended_result_codes(db, 1);
        if (code != SQLITE_OK)
                return store_file_report(file, db, code, diag);
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

static int write_schema(const struct store_file *file, struct diag *diag)
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
        int r = open_db(file, NEW_FILE, &db, diag);
        if (r != 0)
                return r;
        int code = sqlite3_exec(db, schema, NULL, NULL, NULL);
        if (code == SQLITE_OK)
                return 0;
        r = errno_of(db, code);
        diag_set(diag, "cannot make a store in %s: %s", file->dir->path, strerror(-r));
        return fault(r);
}

static int remove_new(const struct store_file *file)
{
        int r = store_dir_remove(file->dir, NEW_FILE);

        return r < 0 ? r : store_dir_remove(file->dir, NEW_FILE "-journal");
}

/* Whole under its name or not at all, so that an empty file of that name is always damage and never a beginning. */
static int make_db(const struct store_file *file, struct diag *diag)
{
        int r = remove_new(file);
        if (r < 0)
                return r;
        int fd = openat(file->dir->fd, NEW_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) {
                r = -errno;
                diag_set(diag, "cannot make a store in %s: %s", file->dir->path, strerror(-r));
                return fault(r);
        }
        close(fd);
        r = write_schema(file, diag);
        if (r != 0) {
                remove_new(file);
                return r;
        }
        r = store_dir_move(file->dir, NEW_FILE, DB_FILE);
        return r < 0 ? r : store_dir_sync(file->dir);
}

static int check_is_ours(const struct store_file *file, sqlite3 *db, struct diag *diag)
{
        int application_id = 0, version = 0;

        int code = ask_int(db, "PRAGMA application_id", &application_id);
        if (code == SQLITE_OK)
                code = ask_int(db, "PRAGMA user_version", &version);
        if (code == SQLITE_OK && (application_id != APPLICATION_ID || version < 1))
                code = SQLITE_NOTADB;
        if (code != SQLITE_OK)
                return store_file_report(file, db, code, diag);
        if (version > FORMAT) {
                diag_set(diag,
                         "%s/" DB_FILE " was written by a later version of purserd (format %d, this one "
                         "knows %d); nothing was changed. "
                         "Install the later version again",
                         file->dir->path, version, FORMAT);
                return STORE_E_NEWER;
        }
        return 0;
}

static int check_is_whole(const struct store_file *file, sqlite3 *db, struct diag *diag)
{
        bool whole = false;
        int code = ask_is(db, "PRAGMA quick_check(1)", "ok", &whole);

        if (code == SQLITE_OK && !whole)
                code = SQLITE_CORRUPT;
        return code == SQLITE_OK ? 0 : store_file_report(file, db, code, diag);
}

/* Exclusive before the first access: the journal's index then lives in memory, and nobody else gets at the file at all. */
static int set_up(struct store_file *file, sqlite3 *db, struct diag *diag)
{
        bool is_wal = false;

        int code = sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
        if (code != SQLITE_OK)
                return store_file_report(file, db, code, diag);
        int r = check_is_ours(file, db, diag);
        if (r != 0)
                return r;
        code = ask_is(db, "PRAGMA journal_mode = WAL", "wal", &is_wal);
        if (code == SQLITE_OK && !is_wal)
                code = SQLITE_IOERR;
        if (code == SQLITE_OK)
                code = sqlite3_exec(
                        db,
                        "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; "
                        "PRAGMA journal_size_limit = 8388608",
                        NULL, NULL, NULL);
        if (code != SQLITE_OK)
                return store_file_report(file, db, code, diag);
        return check_is_whole(file, db, diag);
}

static int prepare(struct store_file *file, sqlite3 *db, struct diag *diag)
{
        int code = sqlite3_prepare_v3(db,
                                      "INSERT INTO record (kind, name, blob) VALUES (?1, ?2, ?3) "
                                      "ON CONFLICT (kind, name) DO UPDATE SET blob = excluded.blob",
                                      -1, SQLITE_PREPARE_PERSISTENT, &file->put, NULL);

        if (code == SQLITE_OK)
                code = sqlite3_prepare_v3(db, "DELETE FROM record WHERE kind = ?1 AND name = ?2", -1,
                                          SQLITE_PREPARE_PERSISTENT, &file->delete, NULL);
        /* SQLITE_ERROR: another schema. */
        return code == SQLITE_OK
                       ? 0
                       : store_file_report(file, db, code == SQLITE_ERROR ? SQLITE_CORRUPT : code, diag);
}

static int open_existing(struct store_file *file, struct diag *diag)
{
        if (fchmodat(file->dir->fd, DB_FILE, 0600, 0) < 0)
                return fault(-errno);
        int r = open_db(file, DB_FILE, &file->db, diag);
        if (r == 0)
                r = set_up(file, file->db, diag);
        if (r == 0)
                r = prepare(file, file->db, diag);
        return r;
}

/* A journal without its file would be played into a new one. */
static int refuse_lone_wal(const struct store_file *file, struct diag *diag)
{
        struct file_mark wal;
        int r = store_dir_mark(file->dir, WAL_FILE, &wal);

        if (r < 0 || !wal.there)
                return r;
        diag_set(diag,
                 "%s/" WAL_FILE " is there and " DB_FILE " is not; nothing was changed. Restore " DB_FILE
                 " from a backup, or move " WAL_FILE " away and log in again",
                 file->dir->path);
        return STORE_E_CORRUPT;
}

static int open_or_make(struct store_file *file, struct diag *diag)
{
        struct file_mark db;

        int r = store_dir_mark(file->dir, DB_FILE, &db);
        if (r == 0 && !db.there)
                r = refuse_lone_wal(file, diag);
        if (r == 0 && !db.there)
                r = make_db(file, diag);
        return r != 0 ? r : open_existing(file, diag);
}

/* Looking at a file makes an empty journal beside it. */
static int remove_empty_wal(const struct store_dir *dir)
{
        struct file_mark wal;
        int r = store_dir_mark(dir, WAL_FILE, &wal);

        return r == 0 && wal.there && wal.size == 0 ? store_dir_remove(dir, WAL_FILE) : r;
}

int store_file_open(struct store_file **ret, const struct store_dir *dir, struct diag *diag)
{
        struct store_file *file = calloc(1, sizeof(*file));

        if (!file)
                return fault(-ENOMEM);
        file->dir = dir;
        int r = open_or_make(file, diag);
        if (r != 0) {
                store_file_close(file, true);
                if (r != STORE_E_IN_USE)
                        (void)remove_empty_wal(dir);
                return r;
        }
        *ret = file;
        return 0;
}

struct store_file *store_file_close(struct store_file *file, bool lost)
{
        if (!file)
                return NULL;
        sqlite3_finalize(file->put);
        sqlite3_finalize(file->delete);
        sqlite3_finalize(file->next_kind);
        sqlite3_finalize(file->range);
        sqlite3_finalize(file->nth);
        if (file->db)
                sqlite3_db_config(file->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, lost, NULL);
        sqlite3_close_v2(file->db);
        free(file);
        return NULL;
}

/* -- writing ---------------------------------------------------------------------------------------------------------- */

static int result_of(struct store_file *file, int code)
{
        return code == SQLITE_OK ? 0 : fault(errno_of(file->db, code));
}

int store_file_begin(struct store_file *file)
{
        return result_of(file, sqlite3_exec(file->db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
}

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

int store_file_apply(struct store_file *file, const struct store_op *op)
{
        if (!op->kind)
                return result_of(file, sqlite3_exec(file->db, "DELETE FROM record", NULL, NULL, NULL));
        return result_of(file, bind_and_step(op->blob ? file->put : file->delete, op));
}

int store_file_commit(struct store_file *file)
{
        return result_of(file, sqlite3_exec(file->db, "COMMIT", NULL, NULL, NULL));
}

void store_file_rollback(struct store_file *file)
{
        if (!sqlite3_get_autocommit(file->db))
                sqlite3_exec(file->db, "ROLLBACK", NULL, NULL, NULL);
}
