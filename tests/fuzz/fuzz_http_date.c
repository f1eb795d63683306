// links: daemon/http/
// libs: libsodium
/* Dates and delays of any characters. */
#include "daemon/http/http_message.h"

#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        /* Of its own size, so that a read beyond the end is seen. */
        char *text = malloc(size + 1);

        fuzz_check(text);
        if (size)
                memcpy(text, data, size);
        text[size] = '\0';

        int64_t date = http_parse_date(text);
        /* 9999-12-31T23:59:60Z */
        fuzz_check(date >= -1 && date <= INT64_C(253402300800));
        int64_t delay = http_parse_retry_after(text, 1000000000);
        fuzz_check(delay >= -1 && delay <= 24 * 60 * 60);
        /* No text is both. */
        fuzz_check(date < 0 ||
                   delay ==
                           (date > 1000000000 ? (date - 1000000000 < 86400 ? date - 1000000000 : 86400) : 0));
        fuzz_check(http_parse_retry_after(text, date) <= 0 || date < 0);
        free(text);
        return 0;
}
