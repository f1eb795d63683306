/* JSON text: a checker that knows the grammar, and readers that rely on it. Allocates nothing. */
#include "client/libpurser_slice.h"

#include "common/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- checking: each function returns where its piece of grammar ends, NULL where the text breaks it ---- */

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
        if (is_digit(c))
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

static const char *skip_space(const char *p, const char *end)
{
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
                p++;
        return p;
}

/* p is behind "\u". -1 when no four hexadecimal digits follow. */
static int take_unit(const char *p, const char *end)
{
        int unit = 0;

        if (end - p < 4)
                return -1;
        for (int i = 0; i < 4; i++) {
                int digit = hex_value(p[i]);

                if (digit < 0)
                        return -1;
                unit = unit << 4 | digit;
        }
        return unit;
}

/*
 * p is behind the backslash. *ret is the character that the
 * escape stands for; a surrogate alone is no character.
 */
static const char *take_escape(const char *p, const char *end, uint32_t *ret)
{
        static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
        const char *letter;
        int unit, low;

        if (p == end)
                return NULL;
        if (*p != 'u') {
                letter = memchr(letters, *p, sizeof(letters) - 1);
                if (!letter)
                        return NULL;
                *ret = (unsigned char)meanings[letter - letters];
                return p + 1;
        }

        unit = take_unit(p + 1, end);
        p += 5;
        if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
                return NULL;
        if (unit < 0xd800 || unit > 0xdbff) {
                *ret = (uint32_t)unit;
                return p;
        }
        if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
                return NULL;
        low = take_unit(p + 2, end);
        if (low < 0xdc00 || low > 0xdfff)
                return NULL;
        *ret = 0x10000 + (((uint32_t)unit - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
        return p + 6;
}

static const char *check_string(const char *p, const char *end)
{
        uint32_t ignored;

        for (p++; p && p < end;) {
                if (*p == '"')
                        return p + 1;
                if (*p == '\\') {
                        p = take_escape(p + 1, end, &ignored);
                } else {
                        size_t length = utf8_sequence((const unsigned char *)p, (size_t)(end - p));

                        if (length == 0 || (unsigned char)*p < 0x20)
                                return NULL;
                        p += length;
                }
        }
        return NULL;
}

static const char *check_digits(const char *p, const char *end)
{
        if (p == end || !is_digit(*p))
                return NULL;
        while (p < end && is_digit(*p))
                p++;
        return p;
}

static const char *check_number(const char *p, const char *end)
{
        if (*p == '-')
                p++;
        if (p < end && *p == '0')
                p++;
        else
                p = check_digits(p, end);
        if (p && p < end && *p == '.')
                p = check_digits(p + 1, end);
        if (p && p < end && (*p == 'e' || *p == 'E')) {
                p++;
                if (p < end && (*p == '+' || *p == '-'))
                        p++;
                p = check_digits(p, end);
        }
        return p;
}

static const char *check_word(const char *p, const char *end, const char *word)
{
        size_t n = strlen(word);

        return (size_t)(end - p) >= n && memcmp(p, word, n) == 0 ? p + n : NULL;
}

static const char *check_value(const char *p, const char *end, unsigned depth);

static const char *check_name(const char *p, const char *end)
{
        p = skip_space(p, end);
        if (p == end || *p != '"')
                return NULL;
        p = check_string(p, end);
        if (!p)
                return NULL;
        p = skip_space(p, end);
        return p < end && *p == ':' ? p + 1 : NULL;
}

/* Objects and arrays differ in their brackets and in the names of their members alone. */
static const char *check_members(const char *p, const char *end, unsigned depth)
{
        bool object = *p == '{';
        char close = object ? '}' : ']';

        if (depth == SLICE_DEPTH_MAX)
                return NULL;

        p = skip_space(p + 1, end);
        if (p < end && *p == close)
                return p + 1;

        for (;;) {
                if (object)
                        p = check_name(p, end);
                if (p)
                        p = check_value(skip_space(p, end), end, depth + 1);
                if (!p)
                        return NULL;
                p = skip_space(p, end);
                if (p == end)
                        return NULL;
                if (*p == close)
                        return p + 1;
                if (*p++ != ',')
                        return NULL;
        }
}

static const char *check_value(const char *p, const char *end, unsigned depth)
{
        if (p == end)
                return NULL;
        switch (*p) {
        case '{':
        case '[':
                return check_members(p, end, depth);
        case '"':
                return check_string(p, end);
        case 't':
                return check_word(p, end, "true");
        case 'f':
                return check_word(p, end, "false");
        case 'n':
                return check_word(p, end, "null");
        default:
                return check_number(p, end);
        }
}

int slice_parse(const char *text, size_t n, struct slice *ret)
{
        const char *end = text + n, *begin = skip_space(text, end), *after = check_value(begin, end, 0);

        if (!after || skip_space(after, end) != end)
                return SLICE_E_MALFORMED;
        *ret = (struct slice){ begin, (size_t)(after - begin) };
        return 0;
}

/* ---- reading: the text is known to be well-formed ---- */

bool slice_is_object(struct slice value)
{
        return value.p && *value.p == '{';
}

bool slice_is_array(struct slice value)
{
        return value.p && *value.p == '[';
}

bool slice_is_string(struct slice value)
{
        return value.p && *value.p == '"';
}

bool slice_is_null(struct slice value)
{
        return value.p && *value.p == 'n';
}

bool slice_is_true(struct slice value)
{
        return value.p && *value.p == 't';
}

bool slice_to_int(struct slice value, int64_t *ret)
{
        char digits[24], *after;
        long long number;

        if (!value.p || value.n >= sizeof(digits) || !(*value.p == '-' || is_digit(*value.p)))
                return false;
        memcpy(digits, value.p, value.n);
        digits[value.n] = '\0';

        errno = 0;
        number = strtoll(digits, &after, 10);
        if (errno != 0 || *after != '\0')
                return false;
        *ret = number;
        return true;
}

static const char *after_string(const char *p)
{
        for (p++; *p != '"'; p++)
                if (*p == '\\')
                        p++;
        return p + 1;
}

/* Brackets inside strings do not count, so strings are stepped over whole. */
static const char *after_value(const char *p, const char *end)
{
        unsigned depth = 0;

        while (p < end) {
                if (*p == '"') {
                        p = after_string(p);
                } else if (*p == '{' || *p == '[') {
                        depth++;
                        p++;
                } else if (depth > 0) {
                        depth -= *p == '}' || *p == ']';
                        p++;
                } else {
                        while (p < end && !strchr(",}] \t\r\n", *p))
                                p++;
                }
                if (depth == 0)
                        break;
        }
        return p;
}

static size_t encode_utf8(uint32_t c, char bytes[static 4])
{
        if (c < 0x80) {
                bytes[0] = (char)c;
                return 1;
        }
        if (c < 0x800) {
                bytes[0] = (char)(0xc0 | c >> 6);
                bytes[1] = (char)(0x80 | (c & 0x3f));
                return 2;
        }
        if (c < 0x10000) {
                bytes[0] = (char)(0xe0 | c >> 12);
                bytes[1] = (char)(0x80 | (c >> 6 & 0x3f));
                bytes[2] = (char)(0x80 | (c & 0x3f));
                return 3;
        }
        bytes[0] = (char)(0xf0 | c >> 18);
        bytes[1] = (char)(0x80 | (c >> 12 & 0x3f));
        bytes[2] = (char)(0x80 | (c >> 6 & 0x3f));
        bytes[3] = (char)(0x80 | (c & 0x3f));
        return 4;
}

/*
 * A literal is runs of plain bytes, with escapes between
 * them: the next of either, decoded. *p moves behind it.
 */
static struct slice next_piece(const char **p, const char *end, char bytes[static 4])
{
        struct slice piece = { *p, (size_t)(end - *p) };
        const char *backslash = memchr(*p, '\\', piece.n);
        uint32_t c = 0;

        if (backslash == *p) {
                *p = take_escape(*p + 1, end, &c);
                return (struct slice){ bytes, encode_utf8(c, bytes) };
        }
        if (backslash)
                piece.n = (size_t)(backslash - *p);
        *p += piece.n;
        return piece;
}

bool slice_equals(struct slice value, const char *string)
{
        size_t rest = strlen(string);
        const char *p, *end;
        char bytes[4];

        if (!slice_is_string(value))
                return false;

        for (p = value.p + 1, end = value.p + value.n - 1; p < end;) {
                struct slice piece = next_piece(&p, end, bytes);

                if (piece.n > rest || memcmp(piece.p, string, piece.n) != 0)
                        return false;
                string += piece.n;
                rest -= piece.n;
        }
        return rest == 0;
}

bool slice_next(struct slice array, const char **position, struct slice *ret_element)
{
        const char *end = array.p + array.n - 1, *p = *position ? *position : array.p + 1, *after;

        p = skip_space(p, end);
        if (p < end && *p == ',')
                p = skip_space(p + 1, end);
        if (p == end)
                return false;

        after = after_value(p, end);
        *ret_element = (struct slice){ p, (size_t)(after - p) };
        *position = after;
        return true;
}

size_t slice_count(struct slice array)
{
        const char *position = NULL;
        struct slice element;
        size_t n = 0;

        while (slice_next(array, &position, &element))
                n++;
        return n;
}

/* A name is stepped over like an element; its value lies behind the colon. */
bool slice_next_member(struct slice object, const char **position, struct slice *ret_name,
                       struct slice *ret_value)
{
        const char *end = object.p + object.n - 1, *p, *after;

        if (!slice_next(object, position, ret_name))
                return false;

        p = skip_space(*position, end);
        p = skip_space(p + 1, end);
        after = after_value(p, end);
        *ret_value = (struct slice){ p, (size_t)(after - p) };
        *position = after;
        return true;
}

int slice_decode(struct slice value, struct secret_buf *strings, size_t *ret_offset)
{
        size_t offset = strings->n;
        const char *p, *end;
        char bytes[4];
        int r;

        if (!slice_is_string(value))
                return SLICE_E_MALFORMED;

        for (p = value.p + 1, end = value.p + value.n - 1; p < end;) {
                struct slice piece = next_piece(&p, end, bytes);

                if (memchr(piece.p, '\0', piece.n))
                        return SLICE_E_MALFORMED;
                r = secret_buf_append(strings, piece.p, piece.n);
                if (r < 0)
                        return r;
        }
        r = secret_buf_append(strings, "", 1);
        if (r < 0)
                return r;
        *ret_offset = offset;
        return 0;
}
