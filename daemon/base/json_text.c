/* Tolerant JSON reading. Owns what is mended and what is not; knows no member's meaning. */
#include "daemon/base/json_text.h"

#include "common/fault.h"
#include "common/secret.h"
#include "common/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { IDENTIFIER_MAX = 255 };

/* The end of the string literal that begins at `at`, behind its closing quote. */
static size_t skip_string(const char *bytes, size_t n, size_t at)
{
        const char *begin = bytes + at + 1, *end = bytes + n;
        const char *quote = begin < end ? memchr(begin, '"', (size_t)(end - begin)) : NULL;

        if (!quote)
                return n;
        if (!memchr(begin, '\\', (size_t)(quote - begin)))
                return (size_t)(quote - bytes) + 1;
        for (at++; at < n && bytes[at] != '"'; at++)
                if (bytes[at] == '\\')
                        at++;
        return at < n ? at + 1 : n;
}

static size_t skip_number(const char *bytes, size_t n, size_t at)
{
        while (at < n && bytes[at] != '\0' && strchr("+-.0123456789eE", bytes[at]))
                at++;
        return at;
}

static bool number_overflows(const char *bytes, size_t n)
{
        char text[400];

        if (n >= sizeof text)
                return true;
        memcpy(text, bytes, n);
        text[n] = '\0';
        errno = 0;
        if (strpbrk(text, ".eE"))
                return isinf(strtod(text, NULL));
        (void)strtoll(text, NULL, 10);
        return errno == ERANGE;
}

static int mend_number(const char *bytes, size_t n, struct secret_buf *ret)
{
        return number_overflows(bytes, n) ? secret_buf_append_string(ret, "null")
                                          : secret_buf_append(ret, bytes, n);
}

static int mend_character(const char *bytes, size_t n, size_t *at, struct secret_buf *ret)
{
        size_t length = utf8_sequence((const unsigned char *)bytes + *at, n - *at);
        int r = length > 0 ? secret_buf_append(ret, bytes + *at, length)
                           : secret_buf_append_string(ret, "\xef\xbf\xbd");

        *at += length > 0 ? length : 1;
        return r;
}

static int mend(const char *bytes, size_t n, struct secret_buf *ret)
{
        bool in_string = false, escaped = false;
        int r = 0;

        for (size_t at = 0; at < n && r == 0;) {
                char c = bytes[at];
                if (!in_string && (c == '-' || (c >= '0' && c <= '9'))) {
                        size_t end = skip_number(bytes, n, at);
                        r = mend_number(bytes + at, end - at, ret);
                        at = end;
                        continue;
                }
                if (c == '"' && !escaped)
                        in_string = !in_string;
                escaped = in_string && c == '\\' && !escaped;
                r = mend_character(bytes, n, &at, ret);
        }
        return r;
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t skip_blanks(const char *bytes, size_t n, size_t at)
{
        while (at < n && is_blank(bytes[at]))
                at++;
        return at;
}

/* ---- the usual form ---- */

/*
 * Token answers are one flat object of plain strings and whole numbers. jansson takes a hundred and fifty instructions for each byte of a
 * token; what is read here is what it would read. Whatever is written in any other way is left to it.
 */
struct flat {
        const char *bytes;
        size_t n, at;
};

static bool take_char(struct flat *flat, char c)
{
        flat->at = skip_blanks(flat->bytes, flat->n, flat->at);
        if (flat->at == flat->n || flat->bytes[flat->at] != c)
                return false;
        flat->at++;
        return true;
}

/* Between the quotes nothing but printable ASCII that means itself. */
static const char *take_string(struct flat *flat, size_t *ret_n)
{
        if (!take_char(flat, '"'))
                return NULL;
        const char *begin = flat->bytes + flat->at, *end = flat->bytes + flat->n, *p = begin;
        while (p < end && *p >= 0x20 && *p < 0x7f && *p != '"' && *p != '\\')
                p++;
        if (p == end || *p != '"')
                return NULL;
        flat->at = (size_t)(p - flat->bytes) + 1;
        *ret_n = (size_t)(p - begin);
        return begin;
}

static bool take_number(struct flat *flat, json_int_t *ret)
{
        enum { DIGITS_MAX = 18 };
        const char *digits = flat->bytes + flat->at;
        size_t left = flat->n - flat->at, n = 0;

        *ret = 0;
        for (; n < left && n < DIGITS_MAX && digits[n] >= '0' && digits[n] <= '9'; n++)
                *ret = *ret * 10 + (digits[n] - '0');
        flat->at += n;
        return n > 0 && (*digits != '0' || n == 1);
}

/* NULL: another form, or (was_read) no memory. */
static json_t *take_value(struct flat *flat, bool *was_read)
{
        json_int_t number;
        size_t n;

        flat->at = skip_blanks(flat->bytes, flat->n, flat->at);
        if (flat->at < flat->n && flat->bytes[flat->at] == '"') {
                const char *string = take_string(flat, &n);
                *was_read = string;
                return string ? json_stringn_nocheck(string, n) : NULL;
        }
        *was_read = take_number(flat, &number);
        return *was_read ? json_integer(number) : NULL;
}

/* False: another form, or (*ret_error) no memory. */
static bool take_member(struct flat *flat, json_t *object, int *ret_error)
{
        char name[64];
        bool was_read;
        size_t n;

        const char *string = take_string(flat, &n);
        if (!string || n >= sizeof name || !take_char(flat, ':'))
                return false;
        memcpy(name, string, n);
        name[n] = '\0';
        json_t *value = take_value(flat, &was_read);
        if (was_read && json_object_set_new_nocheck(object, name, value) < 0)
                *ret_error = fault(-ENOMEM);
        return was_read && *ret_error == 0;
}

static int load_flat(const char *bytes, size_t n, json_t **ret)
{
        struct flat flat = { .bytes = bytes, .n = n };
        int error = 0;

        *ret = NULL;
        if (!take_char(&flat, '{'))
                return 0;
        _cleanup_(json_text_freep) json_t *object = json_object();
        if (!object)
                return fault(-ENOMEM);
        do
                if (!take_member(&flat, object, &error))
                        return error;
        while (take_char(&flat, ','));
        if (take_char(&flat, '}') && skip_blanks(bytes, n, flat.at) == n)
                *ret = take_ptr(object);
        return 0;
}

/* ---- any form ---- */

/* Where jansson has no words for a failure, it was memory. */
static int load(const char *bytes, size_t n, json_t **ret, enum json_error_code *ret_code)
{
        json_error_t error = { .line = 0 };

        *ret = json_loadb(bytes, n, JSON_ALLOW_NUL, &error);
        *ret_code = json_error_code(&error);
        if (!*ret && (*ret_code == json_error_out_of_memory || *ret_code == json_error_unknown))
                return fault(-ENOMEM);
        return 0;
}

int json_text_parse(const char *bytes, size_t n, json_t **ret)
{
        enum json_error_code code = json_error_unknown;

        *ret = NULL;
        if (n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
                bytes += 3;
                n -= 3;
        }
        if (n == 0)
                return 0;
        int r = load_flat(bytes, n, ret);
        if (r == 0 && !*ret)
                r = load(bytes, n, ret, &code);
        if (r < 0 || *ret || (code != json_error_numeric_overflow && code != json_error_invalid_utf8))
                return r;

        _cleanup_(secret_buf_done) struct secret_buf mended = SECRET_BUF_INIT(3 * n + 1);
        r = mend(bytes, n, &mended);
        if (r < 0)
                return r;
        return load(mended.data, mended.n, ret, &code);
}

/* A member's name as a literal: escapes are decoded where there are any. */
static bool literal_is(const char *literal, size_t n, const char *name)
{
        if (!memchr(literal, '\\', n))
                return n == strlen(name) + 2 && memcmp(literal + 1, name, n - 2) == 0;

        _cleanup_(json_text_freep) json_t *value = json_loadb(literal, n, JSON_DECODE_ANY, NULL);
        return json_is_string(value) && strcmp(json_string_value(value), name) == 0;
}

/* The end of the value at `at`: the comma or bracket of the object around it. */
static size_t skip_value(const char *bytes, size_t n, size_t at)
{
        size_t depth = 0;

        while (at < n) {
                char c = bytes[at];
                if (c == '"') {
                        at = skip_string(bytes, n, at);
                        continue;
                }
                if (depth == 0 && (c == ',' || c == '}' || c == ']'))
                        return at;
                if (c == '{' || c == '[')
                        depth++;
                else if (c == '}' || c == ']')
                        depth--;
                at++;
        }
        return n;
}

/* A member of the top object, by the bytes of its name and value. */
struct member {
        const char *name, *value;
        size_t n_name, n_value;
};

/* The member at *at, which moves behind it; false at the end. */
static bool next_member(const char *bytes, size_t n, size_t *at, struct member *ret)
{
        size_t name = skip_blanks(bytes, n, *at);
        if (name >= n || bytes[name] != '"')
                return false;
        size_t name_end = skip_string(bytes, n, name);
        size_t value = skip_blanks(bytes, n, skip_blanks(bytes, n, name_end) + 1);
        if (value >= n)
                return false;
        size_t value_end = skip_value(bytes, n, value);

        *at = value_end + 1;
        while (value_end > value && is_blank(bytes[value_end - 1]))
                value_end--;
        *ret = (struct member){ .name = bytes + name,
                                .value = bytes + value,
                                .n_name = name_end - name,
                                .n_value = value_end - value };
        return true;
}

bool json_text_is_ambiguous(const char *bytes, size_t n, const char *name)
{
        struct member member, found = { .value = NULL };
        const char *brace = memchr(bytes, '{', n);
        size_t at = brace ? (size_t)(brace - bytes) + 1 : n;

        while (next_member(bytes, n, &at, &member)) {
                if (!literal_is(member.name, member.n_name, name))
                        continue;
                if (found.value && (member.n_value != found.n_value ||
                                    memcmp(member.value, found.value, found.n_value) != 0))
                        return true;
                found = member;
        }
        return false;
}

/* Unescapes one reference token (RFC 6901 section 4). False when it is longer than any name we look for. */
static bool read_reference(const char **pointer, char *ret, size_t size)
{
        size_t n = 0;

        for (; **pointer && **pointer != '/'; (*pointer)++) {
                char c = **pointer;
                if (c == '~' && ((*pointer)[1] == '0' || (*pointer)[1] == '1'))
                        c = *++*pointer == '0' ? '~' : '/';
                if (n + 1 >= size)
                        return false;
                ret[n++] = c;
        }
        ret[n] = '\0';
        return true;
}

static const json_t *array_item(const json_t *array, const char *reference)
{
        size_t n = strlen(reference);

        if (n == 0 || n > 9 || strspn(reference, "0123456789") != n || (n > 1 && reference[0] == '0'))
                return NULL;
        return json_array_get(array, strtoul(reference, NULL, 10));
}

const json_t *json_text_at(const json_t *root, const char *pointer)
{
        char reference[256];

        if (!pointer)
                return NULL;
        while (root && *pointer) {
                if (*pointer++ != '/' || !read_reference(&pointer, reference, sizeof reference))
                        return NULL;
                root = json_is_array(root) ? array_item(root, reference) : json_object_get(root, reference);
        }
        return root;
}

const char *json_text_string_at(const json_t *root, const char *pointer)
{
        const char *text = json_string_value(json_text_at(root, pointer));

        if (!text || *text == '\0' || strlen(text) != json_string_length(json_text_at(root, pointer)))
                return NULL;
        return text;
}

static int64_t number_from_text(const char *text)
{
        int64_t value = 0;
        size_t n = 0;

        text += strspn(text, " \t");
        bool negative = *text == '-';
        text += negative;
        for (; text[n] >= '0' && text[n] <= '9'; n++) {
                if (n == 18)
                        return INT64_MIN;
                value = value * 10 + (text[n] - '0');
        }
        if (n == 0)
                return INT64_MIN;
        text += n;
        if (*text == '.')
                text += 1 + strspn(text + 1, "0123456789");
        text += strspn(text, " \t");
        return *text ? INT64_MIN : negative ? -value : value;
}

int64_t json_text_number(const json_t *value)
{
        if (json_is_integer(value))
                return json_integer_value(value);
        if (json_is_real(value)) {
                double real = json_real_value(value);
                return real > -9e15 && real < 9e15 ? (int64_t)real : INT64_MIN;
        }
        if (json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value))
                return number_from_text(json_string_value(value));
        return INT64_MIN;
}

static bool is_identifier(const char *text, size_t n)
{
        if (n == 0 || n > IDENTIFIER_MAX)
                return false;
        for (size_t i = 0; i < n; i++)
                if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
                        return false;
        return true;
}

int json_text_identifier(const json_t *value, char **ret)
{
        char number[32];
        const char *text = json_string_value(value);
        size_t n = json_string_length(value);

        *ret = NULL;
        if (json_is_integer(value)) {
                n = (size_t)snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT,
                                     json_integer_value(value));
                text = number;
        }
        if (!text || !is_identifier(text, n))
                return 0;
        *ret = strndup(text, n);
        return *ret ? 0 : fault(-ENOMEM);
}
