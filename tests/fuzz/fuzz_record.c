// links: daemon/base/
// libs: libsodium
/* A record of any bytes: read whole, each field as everything it might be, and what was read written again. */
#include "daemon/base/record.h"

#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void read_as_everything(const struct record_field *field)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        _cleanup_(freep) char *string = NULL;
        uint64_t number;
        int64_t signed_number;

        if (record_get_string(field, &string) == 0)
                fuzz_check(strlen(string) == field->n);
        if (record_get_secret(field, &secret) == 0)
                fuzz_check(secret_equal_bytes(secret, field->bytes, field->n));
        fuzz_check((record_get_u64(field, &number) == 0) == (field->n == 8));
        fuzz_check((record_get_i64(field, &signed_number) == 0) == (field->n == 8));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(secret_buf_done) struct secret_buf again = SECRET_BUF_INIT(1 << 20);
        struct record_reader reader;
        struct record_field field;
        int r = record_open(&reader, (const char *)data, size);

        if (r != 0 || record_begin(&again) < 0)
                return 0;
        while ((r = record_next(&reader, &field)) == 0) {
                read_as_everything(&field);
                if (record_put_bytes(&again, field.tag, field.bytes, field.n) < 0)
                        return 0;
        }
        /* One encoding only: a record that was read to its end is the same bytes when it is written. */
        fuzz_check(again.n <= size);
        fuzz_check(memcmp(again.data, data, again.n) == 0);
        fuzz_check((r == RECORD_E_END) == (again.n == size));
        return 0;
}
