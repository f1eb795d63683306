/*
 * daemon/store/store.h in memory: linked in place of daemon/store/store_sqlite.c. A batch stays queued until the test decides what
 * becomes of it. The disk outlives the stores that are opened on it, so that a crash and a restart can be played;
 * store_new()'s event may be NULL, its state_dir is ignored.
 */
#pragma once

#include "daemon/store/store.h"

/* -- the disk: what is durable ---------------------------------------------------------------------------------------- */

struct fake_disk;

/* Makes an empty disk, which is the one that store_new() opens from now on. */
struct fake_disk *fake_disk_new(void);
struct fake_disk *fake_disk_free(struct fake_disk *disk);
DEFINE_FREEP(struct fake_disk *, fake_disk_free)

size_t fake_disk_n_records(const struct fake_disk *disk);
/* The durable blob, NULL when there is none. Valid until the disk changes. */
const uint8_t *fake_disk_find(const struct fake_disk *disk, const char *kind, const char *name,
                              size_t *ret_n);
/* Puts a record there as if an earlier process had. */
void fake_disk_put(struct fake_disk *disk, const char *kind, const char *name, const uint8_t *blob, size_t n);
/* Changes one bit of a record. */
void fake_disk_damage(struct fake_disk *disk, const char *kind, const char *name);
/* What store_new(), store_load() and store_reopen() come to from now on: 0, STORE_E_* or a negative errno. */
void fake_disk_set_open_result(struct fake_disk *disk, int result);
void fake_disk_set_load_result(struct fake_disk *disk, int result);
/* The same, after so many reads - each of a part, of a name, or of all - that go well. */
void fake_disk_set_later_load_result(struct fake_disk *disk, int result, unsigned n_before);
unsigned fake_disk_n_reads(const struct fake_disk *disk);
void fake_disk_set_reopen_result(struct fake_disk *disk, int result);
unsigned fake_disk_n_reopened(const struct fake_disk *disk);

/* -- the store: what is queued ---------------------------------------------------------------------------------------- */

size_t fake_store_n_queued(const struct store *store); /* batches neither completed nor failed yet */
size_t fake_store_n_written(const struct store *store); /* batches started in all */

/* Is an operation on this record in the queue? A deletion counts. */
bool fake_store_is_queued(const struct store *store, const char *kind, const char *name);

/* The oldest batch becomes durable and its on_done runs with 0; or, with a negative errno, it fails with words. */
void fake_store_complete(struct store *store, int result);
/* The same with all that are queued now, in order. */
void fake_store_complete_all(struct store *store, int result);
/* The oldest batch becomes durable, and its on_done has not run yet: a crash may come in between. */
void fake_store_make_durable(struct store *store);
/* The file is gone: queued batches fail when completed, as all further ones do until store_reopen(). */
void fake_store_lose(struct store *store);
/* What store_flush() makes of the batches; 0 at first. */
void fake_store_set_flush_result(struct store *store, int result);
/* The next store_write_start() fails with this (negative errno), and with it only. */
void fake_store_fail_next_start(struct store *store, int error);

/*
 * The process is gone: what was queued is lost, no on_done runs. The store's owner frees its handles and the store as usual.
 */
void fake_store_crash(struct store *store);
