/* One question about UTF-8, asked wherever bytes from outside become text. */
#pragma once

#include <stddef.h>

/* Length (1 to 4) of the well-formed sequence at the start of the n bytes at p; 0 when there is none (Unicode, table 3-7). */
static inline size_t utf8_sequence(const unsigned char *p, size_t n)
{
        unsigned char low = 0x80, high = 0xbf;
        size_t length;

        if (n == 0)
                return 0;
        if (p[0] < 0x80)
                return 1;
        if (p[0] < 0xc2 || p[0] > 0xf4)
                return 0;

        length = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
        if (n < length)
                return 0;

        /* Overlong forms, surrogates and what lies above U+10FFFF are told by the second byte. */
        if (p[0] == 0xe0)
                low = 0xa0;
        else if (p[0] == 0xed)
                high = 0x9f;
        else if (p[0] == 0xf0)
                low = 0x90;
        else if (p[0] == 0xf4)
                high = 0x8f;
        if (p[1] < low || p[1] > high)
                return 0;

        for (size_t i = 2; i < length; i++)
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
        return length;
}
