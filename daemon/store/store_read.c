/* The SQLite file of a store, read: all of it, or parts that leave nothing open between them. */
#include "daemon/store/store_file.h"

#include <errno.h>
#include <string.h>

static void finalizep(sqlite3_stmt **statement)
{
        sqlite3_finalize(*statement);
}

/* A statement that others use after us: nothing of the file stays locked, and nothing of ours is pointed to. */
static void release(sqlite3_stmt **statement)
{
        sqlite3_reset(*statement);
        sqlite3_clear_bindings(*statement);
}

static int load_row(sqlite3_stmt *statement, store_record_fn *on_record, void *userdata)
{
        const char *kind = (const char *)sqlite3_column_text(statement, 0);
        const char *name = (const char *)sqlite3_column_text(statement, 1);
        const uint8_t *blob = sqlite3_column_blob(statement, 2);
        int n = sqlite3_column_bytes(statement, 2);

        if (!kind || !name || (!blob && n > 0))
                return fault(-ENOMEM);
        return on_record(kind, name, blob ? blob : (const uint8_t *)"", (size_t)n, userdata);
}

static int load_rows(struct store_file *file, sqlite3_stmt *statement, int code, store_record_fn *on_record,
                     void *userdata, struct diag *diag)
{
        if (code == SQLITE_OK)
                while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
                        int r = load_row(statement, on_record, userdata);
                        if (r != 0)
                                return r;
                }
        return code == SQLITE_DONE ? 0 : store_file_report(file, file->db, code, diag);
}

int store_file_load(struct store_file *file, store_record_fn *on_record, void *userdata, struct diag *diag)
{
        _cleanup_(finalizep) sqlite3_stmt *statement = NULL;
        int code = sqlite3_prepare_v2(file->db, "SELECT kind, name, blob FROM record ORDER BY kind, name", -1,
                                      &statement, NULL);

        return load_rows(file, statement, code, on_record, userdata, diag);
}

/* -- in parts --------------------------------------------------------------------------------------------------------- */

static int prepare_once(struct store_file *file, sqlite3_stmt **statement, const char *sql)
{
        if (*statement)
                return SQLITE_OK;
        return sqlite3_prepare_v3(file->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
}

static int bind(sqlite3_stmt *statement, int at, const char *text)
{
        return sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

/* Every blob is greater than every text. */
static int bind_last(sqlite3_stmt *statement, int at, const char *text)
{
        return text ? bind(statement, at, text) : sqlite3_bind_zeroblob(statement, at, 0);
}

/* Of one kind, the names from `from` (and that one itself) to `to`; NULL: to the last. */
static int load_range(struct store_file *file, const char *kind, const char *from, bool after, const char *to,
                      store_record_fn *on_record, void *userdata, struct diag *diag)
{
        static const char sql[] =
                "SELECT kind, name, blob FROM record "
                "WHERE kind = ?1 AND name >= ?2 AND name <= ?3 AND name <> ?4 ORDER BY name";
        int code = prepare_once(file, &file->range, sql);

        if (code != SQLITE_OK)
                return store_file_report(file, file->db, code, diag);
        _cleanup_(release) sqlite3_stmt *statement = file->range;
        code = bind(statement, 1, kind);
        if (code == SQLITE_OK)
                code = bind(statement, 2, from);
        if (code == SQLITE_OK)
                code = bind_last(statement, 3, to);
        if (code == SQLITE_OK)
                code = bind(statement, 4, after ? from : "");
        return load_rows(file, statement, code, on_record, userdata, diag);
}

/* The first column of the one row that may come; *ret = NULL: none. */
static int ask_text(struct store_file *file, sqlite3_stmt *statement, char **ret, struct diag *diag)
{
        int code = sqlite3_step(statement);

        *ret = NULL;
        if (code == SQLITE_DONE)
                return 0;
        if (code != SQLITE_ROW)
                return store_file_report(file, file->db, code, diag);
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        *ret = text ? strdup(text) : NULL;
        return *ret ? 0 : fault(-ENOMEM);
}

/* The n-th name of a kind after `after`. */
static int nth_name(struct store_file *file, const char *kind, const char *after, size_t n, char **ret,
                    struct diag *diag)
{
        static const char sql[] =
                "SELECT name FROM record WHERE kind = ?1 AND name > ?2 ORDER BY name LIMIT 1 OFFSET ?3";
        int code = prepare_once(file, &file->nth, sql);

        if (code != SQLITE_OK)
                return store_file_report(file, file->db, code, diag);
        _cleanup_(release) sqlite3_stmt *statement = file->nth;
        code = bind(statement, 1, kind);
        if (code == SQLITE_OK)
                code = bind(statement, 2, after);
        if (code == SQLITE_OK)
                code = sqlite3_bind_int64(statement, 3, (sqlite3_int64)n - 1);
        if (code != SQLITE_OK)
                return store_file_report(file, file->db, code, diag);
        return ask_text(file, statement, ret, diag);
}

/* No kind has more than `most` names up to there; NULL: there are no more than that. */
static int find_end(struct store_file *file, const char *const kinds[], size_t n_kinds, const char *after,
                    size_t most, char **ret, struct diag *diag)
{
        _cleanup_(freep) char *end = NULL;

        for (size_t i = 0; i < n_kinds; i++) {
                _cleanup_(freep) char *name = NULL;
                int r = nth_name(file, kinds[i], after, most, &name, diag);

                if (r != 0)
                        return r;
                if (name && (!end || strcmp(name, end) < 0)) {
                        char *other = end;
                        end = name;
                        name = other;
                }
        }
        *ret = take_ptr(end);
        return 0;
}

int store_file_load_part(struct store_file *file, const char *const kinds[], size_t n_kinds,
                         const char *after, size_t most, char **ret_last, store_record_fn *on_record,
                         void *userdata, struct diag *diag)
{
        _cleanup_(freep) char *last = NULL;
        int r = find_end(file, kinds, n_kinds, after ? after : "", most, &last, diag);

        for (size_t i = 0; i < n_kinds && r == 0; i++)
                r = load_range(file, kinds[i], after ? after : "", true, last, on_record, userdata, diag);
        if (r == 0)
                *ret_last = take_ptr(last);
        return r;
}

int store_file_load_named(struct store_file *file, const char *const kinds[], size_t n_kinds,
                          const char *name, store_record_fn *on_record, void *userdata, struct diag *diag)
{
        int r = 0;

        for (size_t i = 0; i < n_kinds && r == 0; i++)
                r = load_range(file, kinds[i], name, false, name, on_record, userdata, diag);
        return r;
}

static int next_kind(struct store_file *file, const char *after, char **ret, struct diag *diag)
{
        int code = prepare_once(file, &file->next_kind,
                                "SELECT kind FROM record WHERE kind > ?1 ORDER BY kind LIMIT 1");

        if (code != SQLITE_OK)
                return store_file_report(file, file->db, code, diag);
        _cleanup_(release) sqlite3_stmt *statement = file->next_kind;
        code = bind(statement, 1, after);
        if (code != SQLITE_OK)
                return store_file_report(file, file->db, code, diag);
        return ask_text(file, statement, ret, diag);
}

static bool is_one_of(const char *kind, const char *const kinds[], size_t n_kinds)
{
        for (size_t i = 0; i < n_kinds; i++)
                if (strcmp(kind, kinds[i]) == 0)
                        return true;
        return false;
}

int store_file_load_others(struct store_file *file, const char *const kinds[], size_t n_kinds,
                           store_record_fn *on_record, void *userdata, struct diag *diag)
{
        _cleanup_(freep) char *kind = NULL;
        int r;

        for (;;) {
                _cleanup_(freep) char *last = kind;

                kind = NULL;
                r = next_kind(file, last ? last : "", &kind, diag);
                if (r != 0 || !kind)
                        return r;
                if (is_one_of(kind, kinds, n_kinds))
                        continue;
                r = load_range(file, kind, "", false, NULL, on_record, userdata, diag);
                if (r != 0)
                        return r;
        }
}
