/* One question about JSON, asked of long tokens: how much of a text stands for itself between quotes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* ASCII, but control characters, the quote and the backslash. */
static inline bool is_plain(unsigned char c)
{
        return (c >= 0x20) & (c < 0x80) & (c != '"') & (c != '\\');
}

/* Of constant n the compiler makes a few comparisons of many bytes each. */
static inline bool all_plain(const unsigned char *p, size_t n)
{
        unsigned char special = 0;

        for (size_t i = 0; i < n; i++)
                special |= ((signed char)p[i] < 0x20) | (p[i] == '"') | (p[i] == '\\');
        return special == 0;
}

/* Length of what is plain at the start of the n bytes at p. */
static inline size_t plain_text(const unsigned char *p, size_t n)
{
        size_t i = 0;

        while (n - i >= 64 && all_plain(p + i, 64))
                i += 64;
        while (n - i >= 16 && all_plain(p + i, 16))
                i += 16;
        while (i < n && is_plain(p[i]))
                i++;
        return i;
}
