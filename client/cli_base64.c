/* Base64, RFC 4648 section 4: bytes on their way through JSON. */
#include "client/cli.h"

#include <errno.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int cli_append_base64(struct secret_buf *out, const void *bytes, size_t n)
{
        const unsigned char *p = bytes;
        int r;

        for (; n > 0; p += 3, n -= n < 3 ? n : 3) {
                unsigned group =
                        (unsigned)p[0] << 16 | (n > 1 ? (unsigned)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
                char four[4] = { digits[group >> 18], digits[group >> 12 & 63], digits[group >> 6 & 63],
                                 digits[group & 63] };

                if (n < 3)
                        four[3] = '=';
                if (n < 2)
                        four[2] = '=';
                r = secret_buf_append(out, four, 4);
                if (r < 0)
                        return r;
                if (n < 3)
                        break;
        }
        return 0;
}

static bool digit_value(char c, unsigned *ret)
{
        const char *at = c ? strchr(digits, c) : NULL;

        if (!at)
                return false;
        *ret = (unsigned)(at - digits);
        return true;
}

int cli_append_decoded(struct secret_buf *out, const char *text)
{
        size_t n = strlen(text);

        if (n % 4 != 0)
                return -EBADMSG;
        for (; n > 0; text += 4, n -= 4) {
                unsigned a, b, c = 0, d = 0;
                size_t n_bytes = n > 4 || text[3] != '=' ? 3 : text[2] != '=' ? 2 : 1;
                unsigned char bytes[3];
                int r;

                if (!digit_value(text[0], &a) || !digit_value(text[1], &b) ||
                    (n_bytes > 1 && !digit_value(text[2], &c)) || (n_bytes > 2 && !digit_value(text[3], &d)))
                        return -EBADMSG;
                bytes[0] = (unsigned char)(a << 2 | b >> 4);
                bytes[1] = (unsigned char)(b << 4 | c >> 2);
                bytes[2] = (unsigned char)(c << 6 | d);
                r = secret_buf_append(out, bytes, n_bytes);
                if (r < 0)
                        return r;
        }
        return 0;
}
