/* Lifetimes from whatever an answer tells. Owns the order of trust among its sources; knows no provider and no clock. */
#include "daemon/protocol/lifetime.h"

#include "common/clock.h"
#include "daemon/http/http_message.h"
#include "daemon/base/json_text.h"
#include "daemon/protocol/oauth.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SEC_PER_YEAR INT64_C(31536000)
/* A lifetime beyond this says nothing about a token; it is a mistake or a way to say "unknown". */
#define EXPIRES_IN_MAX (100 * SEC_PER_YEAR)
/* Times beyond this are counted in milliseconds: as seconds they lie in the year 5138. */
#define SECONDS_MAX INT64_C(99999999999)

/* Days from 1970-01-01 in the proleptic Gregorian calendar. */
static int64_t days_from_civil(int64_t year, int month, int day)
{
        year -= month <= 2;
        int64_t era = year / 400;
        int64_t year_of_era = year - era * 400;
        int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
        int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        return era * 146097 + day_of_era - 719468;
}

static int days_in_month(int year, int month)
{
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        return month == 2 && leap ? 29 : days[month - 1];
}

static bool read_digits(const char **text, int n, int *ret)
{
        int value = 0;

        for (int i = 0; i < n; i++) {
                char c = (*text)[i];
                if (c < '0' || c > '9')
                        return false;
                value = value * 10 + (c - '0');
        }
        *text += n;
        *ret = value;
        return true;
}

static bool read_char(const char **text, const char *allowed)
{
        if (**text == '\0' || !strchr(allowed, **text))
                return false;
        (*text)++;
        return true;
}

static void skip_blanks(const char **text)
{
        while (**text == ' ' || **text == '\t' || **text == '\r' || **text == '\n')
                (*text)++;
}

static bool at_end(const char *text)
{
        skip_blanks(&text);
        return *text == '\0';
}

/* "", "Z", "UTC", "GMT", "+02:00", "+0200": the seconds by which local time is ahead. Without a zone UTC is meant. */
static bool read_zone(const char *text, int *ret)
{
        int hours, minutes;

        skip_blanks(&text);
        *ret = 0;
        if (*text == '+' || *text == '-') {
                int sign = *text++ == '-' ? -1 : 1;
                if (!read_digits(&text, 2, &hours) ||
                    (read_char(&text, ":"), !read_digits(&text, 2, &minutes)) || hours > 23 || minutes > 59)
                        return false;
                *ret = sign * (hours * 3600 + minutes * 60);
        } else if (strncasecmp(text, "UTC", 3) == 0 || strncasecmp(text, "GMT", 3) == 0)
                text += 3;
        else if (*text == 'Z' || *text == 'z')
                text++;
        return at_end(text);
}

static bool skip_fraction(const char **text)
{
        if (!read_char(text, ".,"))
                return true;
        if (!read_char(text, "0123456789"))
                return false;
        while (read_char(text, "0123456789"))
                ;
        return true;
}

/* RFC 3339 section 5.6, and Ruby's Time#to_s, which Jobber sends: a blank for the T, and a zone by name. */
static int64_t parse_timestamp(const char *text)
{
        int year, month, day, hour, minute, second, zone;

        if (!read_digits(&text, 4, &year) || !read_char(&text, "-") || !read_digits(&text, 2, &month) ||
            !read_char(&text, "-") || !read_digits(&text, 2, &day) || !read_char(&text, "Tt ") ||
            !read_digits(&text, 2, &hour) || !read_char(&text, ":") || !read_digits(&text, 2, &minute) ||
            !read_char(&text, ":") || !read_digits(&text, 2, &second) || !skip_fraction(&text) ||
            !read_zone(text, &zone))
                return -1;
        if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) ||
            hour > 23 || minute > 59 || second > 60)
                return -1;

        int64_t seconds =
                days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone;
        return seconds < 0 ? -1 : seconds;
}

static int64_t parse_number(const char *text)
{
        int64_t value = 0;
        int n = 0;

        for (; *text >= '0' && *text <= '9'; text++, n++) {
                if (n == 15)
                        return -1;
                value = value * 10 + (*text - '0');
        }
        if (n == 0 || !skip_fraction(&text) || !at_end(text))
                return -1;
        return lifetime_absolute(value);
}

int64_t lifetime_absolute(int64_t number)
{
        if (number < 0)
                return -1;
        return number > SECONDS_MAX ? number / 1000 : number;
}

int64_t lifetime_parse_time(const char *text)
{
        skip_blanks(&text);
        int64_t seconds = parse_number(text);
        if (seconds < 0)
                seconds = parse_timestamp(text);
        if (seconds < 0)
                seconds = http_parse_date(text);
        return seconds;
}

static int64_t claim(const json_t *payload, const char *name)
{
        int64_t value = json_text_number(json_object_get(payload, name));

        return value == INT64_MIN ? -1 : lifetime_absolute(value);
}

static int decode_payload(const char *token, size_t n, struct secret_buf *ret)
{
        size_t n_decoded = 0;
        int r = secret_buf_reserve(ret, n);

        if (r < 0)
                return r;
        if (sodium_base642bin((unsigned char *)ret->data, n, token, n, NULL, &n_decoded, NULL,
                              sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
                return -EBADMSG;
        ret->n = n_decoded;
        return 0;
}

bool jwt_read_times(const char *token, size_t n, int64_t *ret_exp, int64_t *ret_iat)
{
        const char *first = memchr(token, '.', n);
        const char *second = first ? memchr(first + 1, '.', n - (size_t)(first + 1 - token)) : NULL;

        /* RFC 7519 section 3: a JWS in compact form has three parts; five would be encrypted, and closed to us. */
        if (!second || memchr(second + 1, '.', n - (size_t)(second + 1 - token)))
                return false;

        _cleanup_(secret_buf_done) struct secret_buf payload = SECRET_BUF_INIT(OAUTH_TOKEN_MAX + 1);
        _cleanup_(json_text_freep) json_t *root = NULL;
        if (second - first < 2 || decode_payload(first + 1, (size_t)(second - first - 1), &payload) < 0 ||
            json_text_parse(payload.data, payload.n, &root) < 0 || !json_is_object(root))
                return false;

        *ret_exp = claim(root, "exp");
        *ret_iat = claim(root, "iat");
        return true;
}

/* The life left at `reference`, both in whole seconds: up to one of them has gone by unseen. */
static uint64_t life_from(int64_t end, int64_t reference)
{
        if (end - 1 <= reference)
                return 0;
        int64_t seconds = end - 1 - reference;
        return (uint64_t)(seconds > SEC_PER_YEAR ? SEC_PER_YEAR : seconds) * USEC_PER_SEC;
}

static uint64_t default_life(const struct lifetime_facts *facts)
{
        uint64_t life = facts->default_usec > 0 ? facts->default_usec : 3600 * USEC_PER_SEC;
        uint64_t year = (uint64_t)SEC_PER_YEAR * USEC_PER_SEC;

        return life > year ? year : life;
}

uint64_t lifetime_usec(const struct lifetime_facts *facts, const struct secret *access_token,
                       enum lifetime_source *ret_source)
{
        if (facts->expires_in > 0 && facts->expires_in <= EXPIRES_IN_MAX) {
                *ret_source = LIFETIME_EXPIRES_IN;
                return (uint64_t)(facts->expires_in > SEC_PER_YEAR ? SEC_PER_YEAR : facts->expires_in) *
                       USEC_PER_SEC;
        }

        int64_t exp = -1, iat = -1;
        if (access_token)
                (void)jwt_read_times(secret_expose(access_token), secret_size(access_token), &exp, &iat);
        int64_t now = facts->date >= 0 ? facts->date : facts->wall;

        if (facts->expires_at >= 0) {
                *ret_source = LIFETIME_EXPIRES_AT;
                return life_from(facts->expires_at, iat >= 0 && iat < facts->expires_at ? iat : now);
        }
        if (exp >= 0) {
                *ret_source = LIFETIME_JWT;
                return life_from(exp, iat >= 0 && iat < exp ? iat : now);
        }
        *ret_source = LIFETIME_DEFAULT;
        return default_life(facts);
}
