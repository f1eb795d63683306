// links: daemon/protocol/
// libs: libsodium jansson
/* Times as providers write them. What is read must be a time between 1970 and the year 10000, or so many seconds as digits can say. */
#include "daemon/protocol/lifetime.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
        char *text = fuzz_copy(data, n);

        int64_t seconds = lifetime_parse_time(text);
        fuzz_check(seconds >= -1 && seconds <= INT64_C(999999999999));
        free(text);
        return 0;
}
