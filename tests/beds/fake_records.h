/* Records of a fake store: what lies on its disk, and what a batch does to it. */
#pragma once

#include "daemon/store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record {
        char *kind, *name;
        uint8_t *blob; /* NULL in a batch: delete */
        size_t n;
};

struct records {
        struct record *items;
        size_t n;
};

void records_done(struct records *records);
void records_insert(struct records *records, size_t at, struct record record);
bool records_find(const struct records *records, const char *kind, const char *name, size_t *ret_at);
void records_apply(struct records *records, const struct record *op);
struct record record_copy(const struct store_op *op);
void record_done(struct record *record);
void *sure_calloc(size_t n, size_t size);
char *sure_strdup(const char *text);
