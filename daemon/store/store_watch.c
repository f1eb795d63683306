/* The watch over a store's file, and the ways back to one that can be written. */
#include "daemon/store/store_watch.h"

#include <errno.h>

#define DAMAGED_FILE DB_FILE ".damaged"
#define DAMAGED_WAL_FILE DAMAGED_FILE "-wal"

/* -- watching --------------------------------------------------------------------------------------------------------- */

static int mark_files(struct store_watch *watch)
{
        int r = store_dir_mark(watch->dir, DB_FILE, &watch->db_mark);

        return r < 0 ? r : store_dir_mark(watch->dir, WAL_FILE, &watch->wal_mark);
}

/* What a restart would find must be what we wrote. */
static int check_before(struct store_watch *watch)
{
        struct file_mark db, wal;

        if (watch->lost || !watch->file)
                return fault(-ESTALE);
        int r = store_dir_mark(watch->dir, DB_FILE, &db);
        if (r == 0)
                r = store_dir_mark(watch->dir, WAL_FILE, &wal);
        if (r < 0)
                return r;
        if (file_mark_unchanged(&db, &watch->db_mark) && file_mark_unchanged(&wal, &watch->wal_mark))
                return 0;
        watch->lost = true;
        return fault(-ESTALE);
}

static int check_after(struct store_watch *watch)
{
        struct file_mark db = watch->db_mark, wal = watch->wal_mark;
        int r = mark_files(watch);

        if (r < 0)
                return r;
        if (file_mark_same_file(&db, &watch->db_mark) && file_mark_same_file(&wal, &watch->wal_mark))
                return 0;
        watch->lost = true;
        return fault(-ESTALE);
}

static int end(struct store_watch *watch, int result)
{
        if (result == -EUCLEAN)
                watch->lost = true;
        int checked = check_after(watch);
        return result < 0 ? result : checked;
}

int store_watch_begin(struct store_watch *watch)
{
        int r = check_before(watch);

        if (r < 0)
                return r;
        r = store_file_begin(watch->file);
        return r < 0 ? end(watch, r) : 0;
}

int store_watch_end(struct store_watch *watch, int result)
{
        if (result == 0)
                result = store_file_commit(watch->file);
        if (result < 0)
                store_file_rollback(watch->file);
        return end(watch, result);
}

/* -- opening ---------------------------------------------------------------------------------------------------------- */

static int open_file(struct store_watch *watch, struct diag *diag)
{
        int r = store_file_open(&watch->file, watch->dir, diag);

        return r != 0 ? r : mark_files(watch);
}

/* By name, and so never when the names are somebody else's by now. */
static void close_file(struct store_watch *watch)
{
        watch->file = store_file_close(watch->file, watch->lost || check_before(watch) < 0);
}

int store_watch_open(struct store_watch *watch, const char *state_dir, struct diag *diag)
{
        int r = store_dir_open(&watch->dir, state_dir, diag);

        return r != 0 ? r : open_file(watch, diag);
}

void store_watch_done(struct store_watch *watch)
{
        close_file(watch);
        watch->dir = store_dir_free(watch->dir);
}

/* Our journal must not be played into a file that it does not belong to. */
static int set_own_wal_aside(struct store_watch *watch)
{
        struct file_mark db, wal;

        int r = store_dir_mark(watch->dir, DB_FILE, &db);
        if (r == 0)
                r = store_dir_mark(watch->dir, WAL_FILE, &wal);
        if (r < 0)
                return r;
        if (db.there &&
            (file_mark_same_file(&db, &watch->db_mark) || !file_mark_same_file(&wal, &watch->wal_mark)))
                return 0;
        return store_dir_move(watch->dir, WAL_FILE, DAMAGED_WAL_FILE);
}

/* From what loses least to what always works. */
static int open_something(struct store_watch *watch, struct diag *diag)
{
        int r = open_file(watch, diag);

        if (r != STORE_E_CORRUPT)
                return r;
        r = store_dir_move(watch->dir, WAL_FILE, DAMAGED_WAL_FILE);
        if (r < 0)
                return r;
        r = open_file(watch, diag);
        if (r != STORE_E_CORRUPT)
                return r;
        r = store_dir_move(watch->dir, DB_FILE, DAMAGED_FILE);
        if (r < 0)
                return r;
        diag_set(diag, "what was no store was moved to %s/" DAMAGED_FILE, watch->dir->path);
        return open_file(watch, diag);
}

int store_watch_reopen(struct store_watch *watch, struct diag *diag)
{
        watch->lost = true;
        close_file(watch);
        int r = store_dir_renew(&watch->dir, diag);
        if (r == 0)
                r = set_own_wal_aside(watch);
        if (r == 0)
                r = open_something(watch, diag);
        if (r != 0)
                return r;
        watch->lost = false;
        return 0;
}
