/* Fields to bytes and back. Knows no field's meaning. */
#include "daemon/base/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char magic[4] = { 'P', 'R', 'r', '1' };

enum { FIELD_HEAD = 2 + 4 };

static void write_le(uint8_t *to, uint64_t value, size_t n)
{
        for (size_t i = 0; i < n; i++)
                to[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t read_le(const char *from, size_t n)
{
        uint64_t value = 0;

        for (size_t i = n; i > 0; i--)
                value = value << 8 | (uint8_t)from[i - 1];
        return value;
}

int record_begin(struct secret_buf *buf)
{
        return secret_buf_append(buf, magic, sizeof(magic));
}

int record_put_bytes(struct secret_buf *buf, uint16_t tag, const void *bytes, size_t n)
{
        uint8_t head[FIELD_HEAD];

        if (n > UINT32_MAX)
                return fault(-EMSGSIZE);
        /* Room for the whole field first, so that a failure leaves no half of one behind. */
        int r = secret_buf_reserve(buf, sizeof(head) + n);
        if (r < 0)
                return r;
        write_le(head, tag, 2);
        write_le(head + 2, n, 4);
        r = secret_buf_append(buf, head, sizeof(head));
        if (r < 0)
                return r;
        return n ? secret_buf_append(buf, bytes, n) : 0;
}

int record_put_string(struct secret_buf *buf, uint16_t tag, const char *string)
{
        return string ? record_put_bytes(buf, tag, string, strlen(string)) : 0;
}

int record_put_secret(struct secret_buf *buf, uint16_t tag, const struct secret *secret)
{
        return secret ? record_put_bytes(buf, tag, secret_expose(secret), secret_size(secret)) : 0;
}

int record_put_u64(struct secret_buf *buf, uint16_t tag, uint64_t value)
{
        uint8_t bytes[8];

        write_le(bytes, value, sizeof(bytes));
        return record_put_bytes(buf, tag, bytes, sizeof(bytes));
}

int record_put_i64(struct secret_buf *buf, uint16_t tag, int64_t value)
{
        return record_put_u64(buf, tag, (uint64_t)value);
}

int record_open(struct record_reader *ret, const char *bytes, size_t n)
{
        if (n < sizeof(magic) || memcmp(bytes, magic, sizeof(magic)) != 0)
                return RECORD_E_MALFORMED;
        *ret = (struct record_reader){ .bytes = bytes, .n = n, .at = sizeof(magic) };
        return 0;
}

int record_next(struct record_reader *reader, struct record_field *ret)
{
        size_t left = reader->n - reader->at;
        const char *field = reader->bytes + reader->at;

        if (left == 0)
                return RECORD_E_END;
        if (left < FIELD_HEAD)
                return RECORD_E_MALFORMED;
        uint64_t n = read_le(field + 2, 4);
        if (n > left - FIELD_HEAD)
                return RECORD_E_MALFORMED;
        *ret = (struct record_field){ .tag = (uint16_t)read_le(field, 2),
                                      .bytes = field + FIELD_HEAD,
                                      .n = n };
        reader->at += FIELD_HEAD + n;
        return 0;
}

int record_get_string(const struct record_field *field, char **ret)
{
        if (memchr(field->bytes, '\0', field->n))
                return RECORD_E_MALFORMED;
        char *string = strndup(field->bytes, field->n);
        if (!string)
                return fault(-ENOMEM);
        *ret = string;
        return 0;
}

int record_get_secret(const struct record_field *field, struct secret **ret)
{
        return secret_new(ret, field->bytes, field->n);
}

int record_get_u64(const struct record_field *field, uint64_t *ret)
{
        if (field->n != 8)
                return RECORD_E_MALFORMED;
        *ret = read_le(field->bytes, 8);
        return 0;
}

int record_get_i64(const struct record_field *field, int64_t *ret)
{
        uint64_t value;
        int r = record_get_u64(field, &value);

        if (r == 0)
                *ret = (int64_t)value;
        return r;
}
