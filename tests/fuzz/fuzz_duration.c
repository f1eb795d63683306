// links: common/
/* A duration that is taken lies within the limit, and what people are shown of it can be read again and is no longer. */
#include "common/duration.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
        if (!condition)
                abort();
}

static void fuzz_text(const uint8_t *data, size_t size)
{
        char *text = malloc(size + 1), buffer[64];
        struct diag diag = DIAG_INIT;
        uint64_t usec = 0, again = 0;

        require(text != NULL);
        if (size > 0)
                memcpy(text, data, size);
        text[size] = '\0';

        if (duration_parse(text, &usec, &diag) == 0) {
                require(usec <= UINT64_C(10) * 365 * 86400 * 1000000);
                require(duration_parse(duration_format(usec, buffer, sizeof(buffer)), &again, NULL) == 0);
                require(again <= usec);
        } else {
                require(diag.text[0] != '\0');
        }
        free(text);
}

/* The first bytes as a number, shown in a buffer of any size: never more than the buffer, and ended. */
static void fuzz_number(const uint8_t *data, size_t size)
{
        uint64_t usec = 0;
        size_t room;
        char *buffer;

        memcpy(&usec, data, size < sizeof(usec) ? size : sizeof(usec));
        room = 1 + data[0] % 40;
        buffer = malloc(room);
        require(buffer != NULL);
        require(strlen(duration_format(usec, buffer, room)) < room);
        free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        fuzz_text(data, size);
        if (size > 0)
                fuzz_number(data, size);
        return 0;
}
