/* What the fuzzers of protocol code share. A failed check ends the process, which libFuzzer reports with the input. */
#pragma once

#include "daemon/http/http_message.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static inline void fuzz_check(bool holds)
{
        if (!holds)
                abort();
}

/* The bytes in memory of their exact size, and a NUL: a read behind them is seen. To be freed. */
static inline char *fuzz_copy(const uint8_t *data, size_t n)
{
        char *copy = calloc(n + 1, 1);

        fuzz_check(copy != NULL);
        if (n > 0)
                memcpy(copy, data, n);
        return copy;
}

/* One line for people: ended, and without control characters. */
static inline void fuzz_check_line(const char *text, size_t size)
{
        const char *end = memchr(text, '\0', size);

        fuzz_check(end != NULL);
        for (const char *c = text; c < end; c++)
                fuzz_check((unsigned char)*c >= 0x20 && *c != 0x7f);
}

static inline struct http_response fuzz_answer(long status, const char *content_type, const uint8_t *body,
                                               size_t n)
{
        struct http_response response = {
                .result = HTTP_ANSWERED,
                .status = status,
                .body = SECRET_BUF_INIT(HTTP_BODY_MAX),
                .date_sec = -1,
                .retry_after_sec = -1,
        };

        strncpy(response.content_type, content_type, sizeof response.content_type - 1);
        if (n > 0 && n <= HTTP_BODY_MAX)
                fuzz_check(secret_buf_append(&response.body, body, n) == 0);
        return response;
}
