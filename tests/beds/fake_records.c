#include "tests/beds/fake_records.h"

#include <stdlib.h>
#include <string.h>

void record_done(struct record *record)
{
        free(record->kind);
        free(record->name);
        free(record->blob);
}

void records_done(struct records *records)
{
        for (size_t i = 0; i < records->n; i++)
                record_done(&records->items[i]);
        free(records->items);
        *records = (struct records){ 0 };
}

/* What is played here is a disk that refuses, not a want of memory: where a test plays that, it is asked for again. */
void *sure_calloc(size_t n, size_t size)
{
        void *p = calloc(n, size);

        return p ? p : sure_calloc(n, size);
}

char *sure_strdup(const char *text)
{
        size_t n = strlen(text) + 1;

        return memcpy(sure_calloc(1, n), text, n);
}

struct record record_copy(const struct store_op *op)
{
        struct record record = { .n = op->n };

        if (!op->kind)
                return record;
        record.kind = sure_strdup(op->kind);
        record.name = sure_strdup(op->name);

        if (op->blob) {
                record.blob = sure_calloc(1, op->n + 1);
                if (op->n)
                        memcpy(record.blob, op->blob, op->n);
        }
        return record;
}

void records_insert(struct records *records, size_t at, struct record record)
{
        struct record *items = sure_calloc(records->n + 1, sizeof(*items));

        if (at)
                memcpy(items, records->items, at * sizeof(*items));
        if (at < records->n)
                memcpy(items + at + 1, records->items + at, (records->n - at) * sizeof(*items));
        items[at] = record;
        free(records->items);
        records->items = items;
        records->n++;
}

static void records_remove(struct records *records, size_t at)
{
        record_done(&records->items[at]);
        memmove(records->items + at, records->items + at + 1,
                (records->n - at - 1) * sizeof(*records->items));
        records->n--;
}

/* Where the record is, or belongs. */
bool records_find(const struct records *records, const char *kind, const char *name, size_t *ret_at)
{
        size_t at = 0;
        int order = -1;

        for (; at < records->n; at++) {
                order = strcmp(records->items[at].kind, kind);
                if (order == 0)
                        order = strcmp(records->items[at].name, name);
                if (order >= 0)
                        break;
        }
        *ret_at = at;
        return at < records->n && order == 0;
}

void records_apply(struct records *records, const struct record *op)
{
        struct store_op copy = { op->kind, op->name, op->blob, op->n };
        size_t at;

        if (!op->kind) {
                records_done(records);
                return;
        }
        if (records_find(records, op->kind, op->name, &at))
                records_remove(records, at);
        if (op->blob)
                records_insert(records, at, record_copy(&copy));
}
