/*
 * A store's file under watch: it must stay what we opened and wrote, and nothing is written into one that did not. For store.c alone. One
 * thread at a time.
 */
#pragma once

#include "daemon/store/store_dir.h"
#include "daemon/store/store_sqlite.h"

struct store_watch {
        struct store_dir *dir;
        struct store_file *file; /* NULL: a reopening failed */
        struct file_mark db_mark, wal_mark; /* as our own last write left them */
        bool lost;
};

int store_watch_open(struct store_watch *watch, const char *state_dir,
                     struct diag *diag); /* as store_new() */
void store_watch_done(struct store_watch *watch); /* safe on a zeroed one */
int store_watch_reopen(struct store_watch *watch, struct diag *diag); /* as store_reopen() */

/*
 * One transaction: begun, given operations while all is well, and ended with what came of them. The end's result is that of the whole;
 * after a begin that failed there is none.
 */
int store_watch_begin(struct store_watch *watch);
int store_watch_end(struct store_watch *watch, int result);
