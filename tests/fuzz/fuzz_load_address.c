// links: daemon/serve/
/* Names that anybody may bind. What is understood is fit for a line of a log, and says again what came. */
#include "daemon/serve/load_address.h"

#include "tests/fuzz/fuzz.h"

#include <stdio.h>

static void check(const struct load_request *request, const char *path, size_t n)
{
        char again[3 * LOAD_TEXT_MAX];
        int length = snprintf(again, sizeof(again), "/unit/%s/%s", request->unit, request->id);

        fuzz_check_line(request->unit, sizeof(request->unit));
        fuzz_check_line(request->id, sizeof(request->id));
        fuzz_check_line(request->name, sizeof(request->name));
        fuzz_check(request->unit[0] && request->id[0] && !strchr(request->id, '/'));
        fuzz_check(strncmp(request->id, request->name, strlen(request->name)) == 0);
        fuzz_check(length > 0 && (size_t)length < n);
        fuzz_check(memcmp(path + n - (size_t)length, again, (size_t)length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
        struct load_request request;
        char *path = fuzz_copy(data, n);

        if (n <= LOAD_TEXT_MAX && load_address_parse(path, n, &request))
                check(&request, path, n);
        free(path);
        return 0;
}
