/* What store_sqlite.c shares with store_read.c: the open file. */
#pragma once

#include "daemon/store/store_sqlite.h"

#include <sqlite3.h>

struct store_file {
        const struct store_dir *dir;
        sqlite3 *db;
        sqlite3_stmt *put, *delete;
        sqlite3_stmt *next_kind, *range, *nth; /* made when first needed */
};

/* What an open or a read came to, in words: 0, STORE_E_* or a fault. */
int store_file_report(const struct store_file *file, sqlite3 *db, int code, struct diag *diag);
