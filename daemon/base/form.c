/* Form encoding and decoding. Owns the character tables; knows no parameter of OAuth. */
#include "daemon/base/form.h"

#include <string.h>

static bool is_unreserved(unsigned char c)
{
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '.' || c == '_' || c == '*';
}

static size_t encode_byte(unsigned char c, char ret[3])
{
        static const char hex[] = "0123456789ABCDEF";

        if (is_unreserved(c) || c == ' ') {
                ret[0] = c == ' ' ? '+' : (char)c;
                return 1;
        }
        ret[0] = '%';
        ret[1] = hex[c >> 4];
        ret[2] = hex[c & 15];
        return 3;
}

int form_append_encoded(struct secret_buf *buf, const char *bytes, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                char encoded[3];
                size_t n_encoded = encode_byte((unsigned char)bytes[i], encoded);
                int r = secret_buf_append(buf, encoded, n_encoded);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int append_pair(struct secret_buf *buf, const char *name, const char *value, size_t n_value)
{
        int r = 0;

        if (buf->n > 0 && buf->data[buf->n - 1] != '?' && buf->data[buf->n - 1] != '&')
                r = secret_buf_append(buf, "&", 1);
        if (r == 0)
                r = form_append_encoded(buf, name, strlen(name));
        if (r == 0)
                r = secret_buf_append(buf, "=", 1);
        if (r == 0)
                r = form_append_encoded(buf, value, n_value);
        return r;
}

int form_append(struct secret_buf *buf, const char *name, const char *value)
{
        return append_pair(buf, name, value, strlen(value));
}

int form_append_secret(struct secret_buf *buf, const char *name, const struct secret *value)
{
        return append_pair(buf, name, secret_expose(value), secret_size(value));
}

int form_next(struct form_reader *reader, struct form_pair *ret)
{
        while (reader->at < reader->end && *reader->at == '&')
                reader->at++;
        if (reader->at >= reader->end)
                return FORM_E_END;

        size_t left = (size_t)(reader->end - reader->at);
        const char *stop = memchr(reader->at, '&', left);
        size_t n = stop ? (size_t)(stop - reader->at) : left;
        const char *equals = memchr(reader->at, '=', n);

        ret->name = reader->at;
        ret->n_name = equals ? (size_t)(equals - reader->at) : n;
        ret->value = equals ? equals + 1 : reader->at + n;
        ret->n_value = equals ? n - ret->n_name - 1 : 0;
        reader->at += n;
        return 0;
}

static int hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

/* One decoded byte; how many encoded ones it takes, or 0 where it is malformed. */
static size_t decode_byte(const char *bytes, size_t n, char *ret)
{
        if (bytes[0] != '%') {
                *ret = bytes[0] == '+' ? ' ' : bytes[0];
                return 1;
        }
        int high = n > 2 ? hex_value(bytes[1]) : -1;
        int low = n > 2 ? hex_value(bytes[2]) : -1;
        if (high < 0 || low < 0)
                return 0;
        *ret = (char)(high << 4 | low);
        return 3;
}

int form_append_decoded(struct secret_buf *buf, const char *bytes, size_t n)
{
        for (size_t i = 0; i < n;) {
                char c;
                size_t taken = decode_byte(bytes + i, n - i, &c);
                if (taken == 0)
                        return FORM_E_MALFORMED;
                int r = secret_buf_append(buf, &c, 1);
                if (r < 0)
                        return r;
                i += taken;
        }
        return 0;
}

bool form_pair_is(const struct form_pair *pair, const char *name)
{
        size_t n = strlen(name), at = 0;

        for (size_t i = 0; i < pair->n_name; at++) {
                char c;
                size_t taken = decode_byte(pair->name + i, pair->n_name - i, &c);
                if (taken == 0 || at >= n || name[at] != c)
                        return false;
                i += taken;
        }
        return at == n;
}
