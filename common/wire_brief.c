/* A reader that gives up at the first byte it does not expect. Allocates and writes nothing. */
#include "common/wire_brief.h"

#include <endian.h>
#include <string.h>

enum { DIGITS_MAX = 18 }; /* of any int64_t */

/* Eight bytes in one go. */
#define ONES UINT64_C(0x0101010101010101)

struct cursor {
        const char *at, *end;
};

static inline bool is_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline void skip_blanks(struct cursor *cursor)
{
        /* What is none is told by one comparison. */
        while (cursor->at < cursor->end && *cursor->at <= ' ' && is_blank(*cursor->at))
                cursor->at++;
}

/* One character of JSON's punctuation, blanks around it. */
static inline bool take(struct cursor *cursor, char c)
{
        skip_blanks(cursor);
        if (cursor->at == cursor->end || *cursor->at != c)
                return false;
        cursor->at++;
        skip_blanks(cursor);
        return true;
}

/* What stands in a string for itself: visible ASCII and blanks, but for the quote and the backslash. */
static const bool plain[256] = { [' ' ... '!'] = true, ['#' ... '['] = true, [']' ... '~'] = true };

/*
 * How many of eight bytes come before the first that is not plain. Where a subtraction or addition spills into the next byte, the one below is
 * not plain, and that one is the first.
 */
static inline unsigned count_plain(const char *p)
{
        uint64_t bytes, others;

        memcpy(&bytes, p, sizeof(bytes));
        bytes = le64toh(bytes);
        others = (((bytes ^ ONES * '"') - ONES) | ((bytes ^ ONES * '\\') - ONES) | (bytes - ONES * ' ') |
                  (bytes + ONES) | bytes) &
                 ONES << 7;
        return others ? (unsigned)__builtin_ctzll(others) / 8 : 8;
}

/* The first that is not plain, or the end. */
static inline const char *skip_plain(const char *p, const char *end)
{
        unsigned n = 8;

        while (n == 8 && end - p >= 8)
                p += n = count_plain(p);
        while (p < end && plain[(unsigned char)*p])
                p++;
        return p;
}

static bool read_string(struct cursor *cursor, struct wire_slice *ret)
{
        const char *begin = cursor->at + 1, *p;

        if (cursor->at == cursor->end || *cursor->at != '"')
                return false;
        p = skip_plain(begin, cursor->end);
        if (p == cursor->end || *p != '"')
                return false;
        *ret = (struct wire_slice){ begin, (size_t)(p - begin) };
        cursor->at = p + 1;
        return true;
}

/* RFC 8259 §6, without fraction and exponent: what follows the digits must end the value, and its reader sees to that. */
static bool read_integer(struct cursor *cursor, int64_t *ret)
{
        const char *p = cursor->at, *digits;
        bool negative = p < cursor->end && *p == '-';
        int64_t value = 0;

        digits = p += negative;
        while (p < cursor->end && *p >= '0' && *p <= '9' && p - digits < DIGITS_MAX)
                value = 10 * value + (*p++ - '0');
        if (p == digits || (*digits == '0' && p - digits > 1))
                return false;
        *ret = negative ? -value : value;
        cursor->at = p;
        return true;
}

static bool is_new(const struct wire_brief *brief, const struct wire_slice *name)
{
        for (size_t i = 0; i < brief->n_parameters; i++)
                if (brief->parameters[i].name.n == name->n &&
                    memcmp(brief->parameters[i].name.bytes, name->bytes, name->n) == 0)
                        return false;
        return true;
}

static bool read_parameter(struct cursor *cursor, struct wire_brief *brief)
{
        struct wire_brief_parameter *parameter = &brief->parameters[brief->n_parameters];

        if (brief->n_parameters == WIRE_BRIEF_PARAMETERS || !read_string(cursor, &parameter->name) ||
            !is_new(brief, &parameter->name) || !take(cursor, ':'))
                return false;
        parameter->is_string = cursor->at < cursor->end && *cursor->at == '"';
        if (!(parameter->is_string ? read_string(cursor, &parameter->string)
                                   : read_integer(cursor, &parameter->integer)))
                return false;
        brief->n_parameters++;
        return true;
}

static bool read_parameters(struct cursor *cursor, struct wire_brief *brief)
{
        if (!take(cursor, '{'))
                return false;
        if (take(cursor, '}'))
                return true;
        do
                if (!read_parameter(cursor, brief))
                        return false;
        while (take(cursor, ','));
        return take(cursor, '}');
}

static bool read_member(struct cursor *cursor, struct wire_brief *brief, bool *has_method,
                        bool *has_parameters)
{
        struct wire_slice name;
        bool *has = NULL;

        if (!read_string(cursor, &name) || !take(cursor, ':'))
                return false;
        if (wire_slice_is(&name, "method"))
                has = has_method;
        else if (wire_slice_is(&name, "parameters"))
                has = has_parameters;
        if (!has || *has)
                return false;
        *has = true;
        return has == has_method ? read_string(cursor, &brief->method) : read_parameters(cursor, brief);
}

bool wire_read_brief(const char *bytes, size_t n, struct wire_brief *ret)
{
        struct cursor cursor = { bytes, bytes + n };
        bool has_method = false, has_parameters = false;

        ret->n_parameters = 0;
        if (!take(&cursor, '{'))
                return false;
        do
                if (!read_member(&cursor, ret, &has_method, &has_parameters))
                        return false;
        while (take(&cursor, ','));
        return has_method && take(&cursor, '}') && cursor.at == cursor.end;
}

bool wire_read_form(const char *bytes, size_t n, const struct wire_form *form, struct wire_slice *ret)
{
        size_t n_before = form->before.n, n_behind = form->behind.n;
        const char *end;

        if (n < n_before + n_behind || memcmp(bytes, form->before.bytes, n_before) != 0)
                return false;
        end = bytes + n - n_behind;
        if (memcmp(end, form->behind.bytes, n_behind) != 0 || skip_plain(bytes + n_before, end) != end)
                return false;
        *ret = (struct wire_slice){ bytes + n_before, (size_t)(end - bytes) - n_before };
        return true;
}

/* ---- the method alone ---- */

/* Behind the quote that ends it. */
static bool skip_string(struct cursor *cursor)
{
        const char *p = cursor->at + 1;

        while ((p = skip_plain(p, cursor->end)) < cursor->end && *p != '"')
                p += *p == '\\' && p + 1 < cursor->end ? 2 : 1;
        if (p >= cursor->end)
                return false;
        cursor->at = p + 1;
        return true;
}

/* Whatever it is, up to what may follow a member's value. */
static bool skip_value(struct cursor *cursor)
{
        size_t depth = 0;

        while (cursor->at < cursor->end) {
                char c = *cursor->at;

                if (depth == 0 && (c == ',' || c == '}'))
                        return true;
                if (c == '"') {
                        if (!skip_string(cursor))
                                return false;
                        continue;
                }
                if (c == '{' || c == '[')
                        depth++;
                else if ((c == '}' || c == ']') && depth-- == 0)
                        return false;
                cursor->at++;
        }
        return false;
}

bool wire_find_method(const char *bytes, size_t n, struct wire_slice *ret)
{
        static const char name[] = "method";
        struct cursor cursor = { bytes, bytes + n };
        struct wire_slice key;

        if (!take(&cursor, '{'))
                return false;
        do {
                const char *begin = cursor.at + 1;

                if (cursor.at == cursor.end || *cursor.at != '"' || !skip_string(&cursor))
                        return false;
                key = (struct wire_slice){ begin, (size_t)(cursor.at - 1 - begin) };
                if (!take(&cursor, ':'))
                        return false;
                if (wire_slice_is(&key, name))
                        return read_string(&cursor, ret);
        } while (skip_value(&cursor) && take(&cursor, ','));
        return false;
}
