/* Cleaning and scrubbing. Owns what a token looks like to somebody who was not told; knows no provider. */
#include "daemon/base/plain_words.h"

#include "common/utf8.h"
#include "daemon/base/json_text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
        TOKEN_LIKE_MIN = 16, /* runs with digits or mixed case are words up to here */
        WORD_MAX = 40, /* and runs of nothing but small letters up to here */
        DETAIL_MIN = 20, /* a detail that has less room is left out */
        VALUE_MIN = 4, /* shorter values are no secrets, but would tear holes into every sentence */
};

static const char hidden_mark[] = "[hidden]";

/* The character at the start of the bytes, and its length; 0 when there is none. */
static size_t decode(const char *bytes, size_t n, uint32_t *ret)
{
        static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
        const unsigned char *p = (const unsigned char *)bytes;
        size_t length = utf8_sequence(p, n);

        if (length == 0)
                return 0;
        *ret = p[0] & masks[length];
        for (size_t i = 1; i < length; i++)
                *ret = *ret << 6 | (p[i] & 0x3f);
        return length;
}

/* Control characters (C0, DEL, C1), zero widths, directions, separators, annotation and tag characters. */
static bool is_unshowable(uint32_t c)
{
        static const struct {
                uint32_t first, last;
        } ranges[] = {
                { 0x00, 0x1f },     { 0x7f, 0x9f },       { 0xad, 0xad },     { 0x61c, 0x61c },
                { 0x200b, 0x200f }, { 0x2028, 0x202e },   { 0x2060, 0x206f }, { 0xfeff, 0xfeff },
                { 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
        };

        for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
                if (c >= ranges[i].first && c <= ranges[i].last)
                        return true;
        return false;
}

/* Bounded text under construction. Room for "..." is kept until the end is known. */
struct line {
        char *text;
        size_t size, n;
        bool full;
};

static void line_put(struct line *line, const char *bytes, size_t n)
{
        if (line->full || line->n + n + sizeof "..." > line->size) {
                line->full = true;
                return;
        }
        memcpy(line->text + line->n, bytes, n);
        line->n += n;
}

static void line_put_blank(struct line *line)
{
        if (line->n > 0 && line->text[line->n - 1] != ' ')
                line_put(line, " ", 1);
}

static size_t line_end(struct line *line)
{
        while (line->n > 0 && line->text[line->n - 1] == ' ')
                line->n--;
        if (line->full && line->size >= sizeof "...") {
                memcpy(line->text + line->n, "...", 3);
                line->n += 3;
        }
        if (line->size > 0)
                line->text[line->n] = '\0';
        return line->n;
}

/* Puts the character at the start of the bytes, made fit to be seen, and returns how many bytes it takes. */
static size_t line_put_character(struct line *line, const char *bytes, size_t n)
{
        uint32_t c;
        size_t length = decode(bytes, n, &c);

        if (length == 0)
                line_put(line, "?", 1);
        else if (c == ' ' || (c >= '\t' && c <= '\r') || c == 0xa0)
                line_put_blank(line);
        else if (is_unshowable(c))
                line_put(line, "?", 1);
        else
                line_put(line, bytes, length);
        return length > 0 ? length : 1;
}

size_t words_clean(char *ret, size_t size, const char *bytes, size_t n)
{
        struct line line = { .text = ret, .size = size };

        for (size_t i = 0; i < n && !line.full;)
                i += line_put_character(&line, bytes + i, n - i);
        return line_end(&line);
}

static bool is_lower(char c)
{
        return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
        return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* Base64 of both kinds, hexadecimal, JWTs, percent-encoding, and what providers put between the parts of their tokens. */
static bool is_token_char(char c)
{
        return is_lower(c) || is_upper(c) || is_digit(c) || (c != '\0' && strchr("-._~+/=%|!$*", c));
}

/* One part of a run, between slashes: so an address, whose parts are words, stays readable. */
static bool part_is_token_like(const char *bytes, size_t n)
{
        bool digit = false, mixed = false;

        for (size_t i = 0; i < n; i++) {
                digit = digit || is_digit(bytes[i]);
                mixed = mixed || (i > 0 && is_upper(bytes[i]) && is_lower(bytes[i - 1]));
        }
        return n > WORD_MAX || (n >= TOKEN_LIKE_MIN && (digit || mixed));
}

static bool run_is_token_like(const char *bytes, size_t n)
{
        /* What no address has: then a slash is one of the token's own characters. */
        for (size_t i = 0; i < n; i++)
                if (strchr("+=%|", bytes[i]))
                        return part_is_token_like(bytes, n);
        for (size_t i = 0; i < n;) {
                const char *slash = memchr(bytes + i, '/', n - i);
                size_t n_part = slash ? (size_t)(slash - bytes) - i : n - i;
                if (part_is_token_like(bytes + i, n_part))
                        return true;
                i += n_part + 1;
        }
        return false;
}

static size_t run_length(const char *bytes, size_t n)
{
        size_t length = 0;

        while (length < n && is_token_char(bytes[length]))
                length++;
        return length;
}

static size_t hidden_value_at(const struct hidden_values *hidden, const char *bytes, size_t n)
{
        size_t longest = 0;

        for (size_t i = 0; hidden && i < hidden->n; i++) {
                size_t n_item = hidden->items[i].n;
                if (n_item > longest && n_item <= n && memcmp(hidden->items[i].bytes, bytes, n_item) == 0)
                        longest = n_item;
        }
        return longest;
}

size_t words_scrub(char *ret, size_t size, const char *bytes, size_t n, const struct hidden_values *hidden)
{
        struct line line = { .text = ret, .size = size };
        size_t judged = 0;

        if (hidden && hidden->overflow)
                n = 0;
        for (size_t i = 0; i < n && !line.full;) {
                size_t skip = hidden_value_at(hidden, bytes + i, n - i);
                if (skip == 0 && i >= judged) {
                        size_t run = run_length(bytes + i, n - i);
                        skip = run_is_token_like(bytes + i, run) ? run : 0;
                        judged = i + run;
                }
                if (skip > 0)
                        line_put(&line, hidden_mark, sizeof hidden_mark - 1);
                i += skip > 0 ? skip : line_put_character(&line, bytes + i, n - i);
        }
        return line_end(&line);
}

/* `code` may also be an error's code, which is a word; an authorization code never is. */
static bool is_word(const char *text)
{
        return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")] == '\0';
}

static bool names_a_secret(const char *name, const char *value)
{
        static const char *const names[] = { "access_token", "refresh_token",    "id_token",
                                             "token",        "client_secret",    "code_verifier",
                                             "device_code",  "assertion",        "accessToken",
                                             "refreshToken", "client_assertion", "password" };

        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
                if (strcasecmp(name, names[i]) == 0)
                        return true;
        return strcasecmp(name, "code") == 0 && !is_word(value);
}

static void hidden_values_add(struct hidden_values *hidden, const json_t *value)
{
        if (json_string_length(value) < VALUE_MIN)
                return;
        if (hidden->n == sizeof hidden->items / sizeof hidden->items[0]) {
                hidden->overflow = true;
                return;
        }
        hidden->items[hidden->n].bytes = json_string_value(value);
        hidden->items[hidden->n++].n = json_string_length(value);
}

static void collect(struct hidden_values *hidden, const json_t *node, unsigned depth)
{
        const char *name;
        json_t *value;
        size_t i;

        if (depth > 64) {
                hidden->overflow = true;
                return;
        }
        json_array_foreach (node, i, value)
                collect(hidden, value, depth + 1);
        json_object_foreach ((json_t *)node, name, value) {
                if (json_is_string(value) && names_a_secret(name, json_string_value(value)))
                        hidden_values_add(hidden, value);
                else
                        collect(hidden, value, depth + 1);
        }
}

void hidden_values_collect(struct hidden_values *hidden, const json_t *root)
{
        collect(hidden, root, 0);
}

const char *words_of_error(const json_t *root)
{
        static const char *const pointers[] = { "/error_description",
                                                "/message",
                                                "/error/message",
                                                "/errors/0/message",
                                                "/error_message",
                                                "/error/error_description",
                                                "/detail",
                                                "/description",
                                                "/errors/0/detail",
                                                "/title",
                                                "/msg" };

        for (size_t i = 0; i < sizeof pointers / sizeof pointers[0]; i++) {
                const char *words = json_text_string_at(root, pointers[i]);
                if (words)
                        return words;
        }
        return NULL;
}

void words_sentence(char *ret, size_t size, const char *sentence, const char *detail)
{
        char said[512], told[512];
        size_t n = words_clean(said, size < sizeof said ? size - 1 : sizeof said, sentence, strlen(sentence));

        if (n > 0 && said[n - 1] == '.' && !(n > 3 && strcmp(said + n - 3, "...") == 0))
                said[--n] = '\0';
        size_t taken = n + strlen(" ().");
        size_t room = taken + DETAIL_MIN < size ? size - taken : 0;
        if (room > sizeof told)
                room = sizeof told;

        if (words_clean(told, room, detail, strlen(detail)) > 0)
                snprintf(ret, size, "%s (%s).", said, told);
        else
                snprintf(ret, size, "%s.", said);
}
