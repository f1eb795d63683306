/*
 * daemon/store/store.h for simulations: a hash table for a disk, which outlives its stores, and writes that are durable at the next store_flush().
 * tests/beds/fake_store.c does more for a test, and needs a walk through all records for each write.
 */
#include "daemon/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct record {
        char *key; /* "kind/name" */
        uint8_t *blob;
        size_t n;
        UT_hash_handle hh;
};

struct store_write {
        struct record *records; /* an array; a blob that is NULL deletes */
        size_t n;
        void (*on_done)(int result, const char *problem, void *userdata);
        void *userdata;
        bool freed; /* nobody waits */
        struct store_write *next;
};

struct store {
        struct store_write *oldest, **end;
};

static struct record *disk;

static void *sure(void *p)
{
        if (p)
                return p;
        fputs("spread: out of memory\n", stderr);
        exit(1);
}

static struct record copy(const struct store_op *op)
{
        struct record record = { .n = op->n };

        if (asprintf(&record.key, "%s/%s", op->kind, op->name) < 0)
                sure(NULL);
        if (op->blob)
                record.blob = memcpy(sure(malloc(op->n + 1)), op->blob, op->n);
        return record;
}

static void apply(const struct record *from)
{
        struct record *record;

        HASH_FIND_STR(disk, from->key, record);
        if (record && from->blob) {
                free(record->blob);
                record->blob = from->blob;
                record->n = from->n;
                free(from->key);
        } else if (record) {
                HASH_DEL(disk, record);
                free(record->key);
                free(record->blob);
                free(record);
                free(from->key);
        } else if (from->blob) {
                record = sure(malloc(sizeof(*record)));
                *record = *from;
                HASH_ADD_KEYPTR(hh, disk, record->key, strlen(record->key), record);
        } else {
                free(from->key);
        }
}

int store_new(struct store **ret, const char *state_dir, void *event, struct diag *diag)
{
        struct store *store = sure(calloc(1, sizeof(*store)));

        store->end = &store->oldest;
        *ret = store;
        return 0;
}

struct store *store_free(struct store *store)
{
        if (store)
                store_flush(store);
        free(store);
        return NULL;
}

static int in_order(const struct record *one, const struct record *other)
{
        return strcmp(one->key, other->key);
}

static bool is_among(const char *kind, const char *const kinds[], size_t n_kinds)
{
        for (size_t i = 0; i < n_kinds; i++)
                if (strcmp(kind, kinds[i]) == 0)
                        return true;
        return false;
}

/* Of those kinds, or of all others. */
static int load(const char *const kinds[], size_t n_kinds, bool wanted, store_record_fn *on_record,
                void *userdata)
{
        HASH_SORT(disk, in_order);
        for (struct record *record = disk, *next; record; record = next) {
                char *kind = sure(strdup(record->key)), *name = strchr(kind, '/');
                int r;

                next = record->hh.next;
                *name++ = 0;
                r = is_among(kind, kinds, n_kinds) == wanted
                            ? on_record(kind, name, record->blob, record->n, userdata)
                            : 0;
                free(kind);
                if (r != 0)
                        return r;
        }
        return 0;
}

int store_load(struct store *store, store_record_fn *on_record, void *userdata, struct diag *diag)
{
        return load(NULL, 0, false, on_record, userdata);
}

/* All at once; the kinds come in the order that they are sorted in here. */
int store_load_part(struct store *store, const char *const kinds[], size_t n_kinds, const char *after,
                    size_t most, char **ret_last, store_record_fn *on_record, void *userdata,
                    struct diag *diag)
{
        *ret_last = NULL;
        return load(kinds, n_kinds, true, on_record, userdata);
}

int store_load_named(struct store *store, const char *const kinds[], size_t n_kinds, const char *name,
                     store_record_fn *on_record, void *userdata, struct diag *diag)
{
        return 0;
}

int store_load_others(struct store *store, const char *const kinds[], size_t n_kinds,
                      store_record_fn *on_record, void *userdata, struct diag *diag)
{
        return load(kinds, n_kinds, false, on_record, userdata);
}

int store_write_start(struct store *store, const struct store_op *ops, size_t n_ops,
                      void (*on_done)(int result, const char *problem, void *userdata), void *userdata,
                      struct store_write **ret)
{
        struct store_write *write = sure(malloc(sizeof(*write)));

        *write = (struct store_write){ .records = sure(calloc(n_ops, sizeof(*write->records))),
                                       .n = n_ops,
                                       .on_done = on_done,
                                       .userdata = userdata };
        for (size_t i = 0; i < n_ops; i++)
                write->records[i] = copy(&ops[i]);
        *store->end = write;
        store->end = &write->next;
        *ret = write;
        return 0;
}

struct store_write *store_write_free(struct store_write *write)
{
        if (write && write->records)
                write->freed = true;
        else
                free(write);
        return NULL;
}

void store_flush(struct store *store)
{
        struct store_write *write = store->oldest;

        store->oldest = NULL;
        store->end = &store->oldest;
        while (write) {
                struct store_write *next = write->next;

                for (size_t i = 0; i < write->n; i++)
                        apply(&write->records[i]);
                free(write->records);
                write->records = NULL; /* the handle is its owner's from now on */
                if (write->freed)
                        free(write);
                else
                        write->on_done(0, "", write->userdata);
                write = next;
        }
}

bool store_is_lost(const struct store *store)
{
        return false;
}

int store_reopen(struct store *store, struct diag *diag)
{
        return 0;
}
