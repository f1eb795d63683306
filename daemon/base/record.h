/*
 * Fields to bytes and back: a 4-byte magic "PRr1", then fields of a 2-byte tag, a 4-byte length (both little-endian) and the
 * bytes. Unknown tags are skipped, so that a later version's record still opens; a field cut short is malformed. Writes into
 * and reads from secret memory, since most records hold secrets. Pure; fuzzed.
 */
#pragma once

#include "common/secret.h"

#include <stdint.h>

enum {
        RECORD_E_MALFORMED = 1,
        RECORD_E_END, /* no further field */
};

int record_begin(struct secret_buf *buf);
int record_put_bytes(struct secret_buf *buf, uint16_t tag, const void *bytes, size_t n);
int record_put_string(struct secret_buf *buf, uint16_t tag, const char *string); /* NULL: nothing is put */
int record_put_secret(struct secret_buf *buf, uint16_t tag,
                      const struct secret *secret); /* NULL: nothing is put */
int record_put_u64(struct secret_buf *buf, uint16_t tag, uint64_t value);
int record_put_i64(struct secret_buf *buf, uint16_t tag, int64_t value);

struct record_field {
        uint16_t tag;
        const char *bytes; /* borrowed from the record */
        size_t n;
};

struct record_reader {
        const char *bytes;
        size_t n, at;
};

int record_open(struct record_reader *ret, const char *bytes, size_t n);
int record_next(struct record_reader *reader,
                struct record_field *ret); /* 0, RECORD_E_END, RECORD_E_MALFORMED */
int record_get_string(const struct record_field *field, char **ret); /* RECORD_E_MALFORMED: a NUL inside */
int record_get_secret(const struct record_field *field, struct secret **ret);
int record_get_u64(const struct record_field *field, uint64_t *ret); /* RECORD_E_MALFORMED: not 8 bytes */
int record_get_i64(const struct record_field *field, int64_t *ret);
