/*
 * The SQLite file of a store, `purser.db`, with its journal `purser.db-wal`: opened, checked, read and written in
 * transactions. For store.c alone. With store_read.c, and beside store_memory.c, the
 * only user of sqlite3.
 */
#pragma once

#include "daemon/store/store.h"
#include "daemon/store/store_dir.h"

#define DB_FILE "purser.db"
#define WAL_FILE DB_FILE "-wal"

struct store_file;

/*
 * Opens or makes it. dir is borrowed. 0, STORE_E_*, or a fault (diag). A journal whose file is missing is STORE_E_CORRUPT.
 */
int store_file_open(struct store_file **ret, const struct store_dir *dir, struct diag *diag);
/* Plays the journal into the file and removes it, by name; with `lost` leaves everything as it is. */
struct store_file *store_file_close(struct store_file *file, bool lost);

/* store_read.c: as in store.h. */
int store_file_load(struct store_file *file, store_record_fn *on_record, void *userdata, struct diag *diag);
int store_file_load_others(struct store_file *file, const char *const kinds[], size_t n_kinds,
                           store_record_fn *on_record, void *userdata, struct diag *diag);
int store_file_load_part(struct store_file *file, const char *const kinds[], size_t n_kinds,
                         const char *after, size_t most, char **ret_last, store_record_fn *on_record,
                         void *userdata, struct diag *diag);
int store_file_load_named(struct store_file *file, const char *const kinds[], size_t n_kinds,
                          const char *name, store_record_fn *on_record, void *userdata, struct diag *diag);

/* One transaction. All three return 0 or a negative errno; -EUCLEAN: the file is damaged. */
int store_file_begin(struct store_file *file);
int store_file_apply(struct store_file *file, const struct store_op *op);
int store_file_commit(struct store_file *file); /* durable when it returns 0 */
void store_file_rollback(struct store_file *file); /* nothing without a transaction */
