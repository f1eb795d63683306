/* daemon/store/store.h in memory. */
#include "tests/beds/fake_store.h"

#include "tests/beds/fake_records.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct fake_disk {
        struct records records; /* sorted by kind and name */
        int open_result, load_result, reopen_result;
        unsigned n_reads, reads_left; /* of parts and names; before load_result comes */
        unsigned n_reopened;
};

struct batch {
        struct batch *next;
        struct records ops;
        struct store_write *write; /* NULL: nobody waits */
        bool durable;
};

struct store {
        struct fake_disk *disk;
        struct batch *oldest;
        size_t n_written;
        int flush_result, next_error;
        bool lost;
};

struct store_write {
        struct batch *batch; /* NULL once done */
        void (*on_done)(int result, const char *problem, void *userdata);
        void *userdata;
};

static struct fake_disk *current_disk;

/* -- the disk --------------------------------------------------------------------------------------------------------- */

struct fake_disk *fake_disk_new(void)
{
        current_disk = calloc(1, sizeof(*current_disk));
        assert(current_disk);
        return current_disk;
}

struct fake_disk *fake_disk_free(struct fake_disk *disk)
{
        if (!disk)
                return NULL;
        if (current_disk == disk)
                current_disk = NULL;
        records_done(&disk->records);
        free(disk);
        return NULL;
}

size_t fake_disk_n_records(const struct fake_disk *disk)
{
        return disk->records.n;
}

const uint8_t *fake_disk_find(const struct fake_disk *disk, const char *kind, const char *name, size_t *ret_n)
{
        size_t at;

        if (!records_find(&disk->records, kind, name, &at))
                return NULL;
        if (ret_n)
                *ret_n = disk->records.items[at].n;
        return disk->records.items[at].blob;
}

void fake_disk_put(struct fake_disk *disk, const char *kind, const char *name, const uint8_t *blob, size_t n)
{
        struct record record = record_copy(&(struct store_op){ kind, name, blob, n });

        records_apply(&disk->records, &record);
        record_done(&record);
}

void fake_disk_damage(struct fake_disk *disk, const char *kind, const char *name)
{
        size_t at;
        bool found = records_find(&disk->records, kind, name, &at);

        assert(found);
        (void)found;
        assert(disk->records.items[at].n > 0);
        disk->records.items[at].blob[disk->records.items[at].n - 1] ^= 1;
}

void fake_disk_set_open_result(struct fake_disk *disk, int result)
{
        disk->open_result = result;
}

void fake_disk_set_load_result(struct fake_disk *disk, int result)
{
        disk->load_result = result;
        disk->reads_left = 0;
}

void fake_disk_set_later_load_result(struct fake_disk *disk, int result, unsigned n_before)
{
        disk->load_result = result;
        disk->reads_left = n_before;
}

unsigned fake_disk_n_reads(const struct fake_disk *disk)
{
        return disk->n_reads;
}

void fake_disk_set_reopen_result(struct fake_disk *disk, int result)
{
        disk->reopen_result = result;
}

unsigned fake_disk_n_reopened(const struct fake_disk *disk)
{
        return disk->n_reopened;
}

/* -- store.h ---------------------------------------------------------------------------------------------------------- */

int store_global_init(void)
{
        return 0;
}

int store_exists(const char *state_dir, bool *ret)
{
        assert(current_disk);
        *ret = current_disk->records.n > 0;
        return 0;
}

int store_new(struct store **ret, const char *state_dir, void *event, struct diag *diag)
{
        assert(current_disk);
        if (current_disk->open_result != 0) {
                diag_set(diag, "the fake store does not open");
                return current_disk->open_result;
        }
        struct store *store = calloc(1, sizeof(*store));
        if (!store)
                return fault(-ENOMEM);
        store->disk = current_disk;
        *ret = store;
        return 0;
}

static void batch_free(struct batch *batch)
{
        if (batch->write)
                batch->write->batch = NULL;
        records_done(&batch->ops);
        free(batch);
}

void fake_store_crash(struct store *store)
{
        while (store->oldest) {
                struct batch *batch = store->oldest;
                store->oldest = batch->next;
                batch_free(batch);
        }
}

struct store *store_free(struct store *store)
{
        if (!store)
                return NULL;
        store_flush(store);
        fake_store_crash(store);
        free(store);
        return NULL;
}

static int read_result(struct fake_disk *disk, struct diag *diag)
{
        disk->n_reads++;
        if (disk->load_result == 0)
                return 0;
        if (disk->reads_left > 0) {
                disk->reads_left--;
                return 0;
        }
        diag_set(diag, "the fake store cannot be read");
        return disk->load_result;
}

/* Of one kind, the names after `after` up to `last`. */
static int load_range(const struct records *records, const char *kind, const char *after, const char *last,
                      store_record_fn *on_record, void *userdata)
{
        for (size_t i = 0; i < records->n; i++) {
                const struct record *record = &records->items[i];

                if (strcmp(record->kind, kind) != 0 || (after && strcmp(record->name, after) <= 0) ||
                    (last && strcmp(record->name, last) > 0))
                        continue;
                int r = on_record(record->kind, record->name, record->blob, record->n, userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* The n-th name of a kind; NULL: there are not so many. */
static const char *nth_name(const struct records *records, const char *kind, const char *after, size_t n)
{
        for (size_t i = 0; i < records->n; i++)
                if (strcmp(records->items[i].kind, kind) == 0 &&
                    (!after || strcmp(records->items[i].name, after) > 0) && --n == 0)
                        return records->items[i].name;
        return NULL;
}

int store_load_part(struct store *store, const char *const kinds[], size_t n_kinds, const char *after,
                    size_t most, char **ret_last, store_record_fn *on_record, void *userdata,
                    struct diag *diag)
{
        const struct records *records = &store->disk->records;
        const char *last = NULL;
        int r = read_result(store->disk, diag);

        for (size_t i = 0; i < n_kinds; i++) {
                const char *name = nth_name(records, kinds[i], after, most);

                if (name && (!last || strcmp(name, last) < 0))
                        last = name;
        }
        for (size_t i = 0; i < n_kinds && r == 0; i++)
                r = load_range(records, kinds[i], after, last, on_record, userdata);
        if (r == 0)
                *ret_last = last ? sure_strdup(last) : NULL;
        return r;
}

int store_load_named(struct store *store, const char *const kinds[], size_t n_kinds, const char *name,
                     store_record_fn *on_record, void *userdata, struct diag *diag)
{
        int r = read_result(store->disk, diag);
        size_t at;

        for (size_t i = 0; i < n_kinds && r == 0; i++)
                if (records_find(&store->disk->records, kinds[i], name, &at)) {
                        const struct record *record = &store->disk->records.items[at];
                        r = on_record(record->kind, record->name, record->blob, record->n, userdata);
                }
        return r;
}

static bool is_among(const char *kind, const char *const kinds[], size_t n_kinds)
{
        for (size_t i = 0; i < n_kinds; i++)
                if (strcmp(kind, kinds[i]) == 0)
                        return true;
        return false;
}

int store_load_others(struct store *store, const char *const kinds[], size_t n_kinds,
                      store_record_fn *on_record, void *userdata, struct diag *diag)
{
        int r = read_result(store->disk, diag);

        for (size_t i = 0; i < store->disk->records.n && r == 0; i++) {
                const struct record *record = &store->disk->records.items[i];
                if (!is_among(record->kind, kinds, n_kinds))
                        r = on_record(record->kind, record->name, record->blob, record->n, userdata);
        }
        return r;
}

int store_load(struct store *store, store_record_fn *on_record, void *userdata, struct diag *diag)
{
        int result = read_result(store->disk, diag);
        if (result != 0)
                return result;
        for (size_t i = 0; i < store->disk->records.n; i++) {
                const struct record *record = &store->disk->records.items[i];
                int r = on_record(record->kind, record->name, record->blob, record->n, userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}

int store_write_start(struct store *store, const struct store_op *ops, size_t n_ops,
                      void (*on_done)(int result, const char *problem, void *userdata), void *userdata,
                      struct store_write **ret)
{
        int error = store->next_error;
        struct batch **last = &store->oldest;

        store->next_error = 0;
        if (error < 0)
                return fault(error);
        struct batch *batch = sure_calloc(1, sizeof(*batch));
        struct store_write *write = sure_calloc(1, sizeof(*write));
        for (size_t i = 0; i < n_ops; i++)
                records_insert(&batch->ops, i, record_copy(&ops[i]));
        *write = (struct store_write){ .batch = batch, .on_done = on_done, .userdata = userdata };
        batch->write = write;
        while (*last)
                last = &(*last)->next;
        *last = batch;
        store->n_written++;
        *ret = write;
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

void store_flush(struct store *store)
{
        fake_store_complete_all(store, store->flush_result);
}

bool store_is_lost(const struct store *store)
{
        return store->lost;
}

int store_reopen(struct store *store, struct diag *diag)
{
        store->disk->n_reopened++;
        if (store->disk->reopen_result != 0) {
                diag_set(diag, "the fake store does not open again");
                return store->disk->reopen_result;
        }
        store->lost = false;
        return 0;
}

/* -- the queue -------------------------------------------------------------------------------------------------------- */

size_t fake_store_n_queued(const struct store *store)
{
        size_t n = 0;

        for (const struct batch *batch = store->oldest; batch; batch = batch->next)
                n++;
        return n;
}

size_t fake_store_n_written(const struct store *store)
{
        return store->n_written;
}

bool fake_store_is_queued(const struct store *store, const char *kind, const char *name)
{
        for (const struct batch *batch = store->oldest; batch; batch = batch->next)
                for (size_t i = 0; i < batch->ops.n; i++)
                        if (batch->ops.items[i].kind && strcmp(batch->ops.items[i].kind, kind) == 0 &&
                            strcmp(batch->ops.items[i].name, name) == 0)
                                return true;
        return false;
}

void fake_store_make_durable(struct store *store)
{
        struct batch *batch = store->oldest;

        assert(batch);
        if (batch->durable)
                return;
        for (size_t i = 0; i < batch->ops.n; i++)
                records_apply(&store->disk->records, &batch->ops.items[i]);
        batch->durable = true;
}

void fake_store_complete(struct store *store, int result)
{
        struct batch *batch = store->oldest;

        assert(batch);
        if (store->lost)
                result = -ESTALE;
        if (result == 0)
                fake_store_make_durable(store);
        store->oldest = batch->next;
        struct store_write *write = batch->write;
        batch_free(batch);
        if (write)
                write->on_done(result, result == 0 ? "" : "the fake disk refuses", write->userdata);
}

void fake_store_complete_all(struct store *store, int result)
{
        for (size_t n = fake_store_n_queued(store); n > 0; n--)
                fake_store_complete(store, result);
}

void fake_store_lose(struct store *store)
{
        store->lost = true;
}

void fake_store_set_flush_result(struct store *store, int result)
{
        store->flush_result = result;
}

void fake_store_fail_next_start(struct store *store, int error)
{
        store->next_error = error;
}
