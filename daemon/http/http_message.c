/* Requests and responses as values, and the two header fields that need parsing. Knows no network. */
#include "daemon/http/http_message.h"

#include "common/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_SEC = 24 * 60 * 60 };

/* RFC 9110 section 5.6.2. */
static bool is_token(const char *text)
{
        static const char marks[] = "!#$%&'*+-.^_`|~";

        if (!*text)
                return false;
        for (; *text; text++)
                if (!(*text >= '0' && *text <= '9') && !(*text >= 'A' && *text <= 'Z') &&
                    !(*text >= 'a' && *text <= 'z') && !strchr(marks, *text))
                        return false;
        return true;
}

static bool is_visible(const char *text, size_t n, bool blanks)
{
        for (size_t i = 0; i < n; i++)
                if (!(text[i] > ' ' && text[i] < 0x7f) && !(blanks && (text[i] == ' ' || text[i] == '\t')))
                        return false;
        return true;
}

int http_request_new(struct http_request **ret, bool post, const char *url)
{
        if (!*url || !is_visible(url, strlen(url), false))
                return fault(-EINVAL);
        _cleanup_(http_request_freep) struct http_request *request = calloc(1, sizeof(*request));
        if (!request)
                return fault(-ENOMEM);
        request->post = post;
        request->url = strdup(url);
        if (!request->url)
                return fault(-ENOMEM);
        *ret = take_ptr(request);
        return 0;
}

int http_request_add_header(struct http_request *request, const char *name, const char *value, size_t n_value)
{
        struct http_header header = { 0 };

        if (!is_token(name) || !is_visible(value, n_value, true))
                return fault(-EINVAL);
        if (request->n_headers == sizeof(request->headers) / sizeof(request->headers[0]))
                return fault(-ENOBUFS);
        int r = secret_new(&header.value, value, n_value);
        if (r < 0)
                return r;
        header.name = strdup(name);
        if (!header.name) {
                secret_free(header.value);
                return fault(-ENOMEM);
        }
        request->headers[request->n_headers++] = header;
        return 0;
}

struct http_request *http_request_free(struct http_request *request)
{
        if (!request)
                return NULL;
        for (size_t i = 0; i < request->n_headers; i++) {
                free(request->headers[i].name);
                secret_free(request->headers[i].value);
        }
        secret_free(request->body);
        free(request->ca_file);
        /* Some providers want a token in it. */
        if (request->url)
                explicit_bzero(request->url, strlen(request->url));
        free(request->url);
        free(request);
        return NULL;
}

void http_response_done(struct http_response *response)
{
        secret_buf_done(&response->body);
}

/* A cursor over one date; each step says whether the text went on as the form demands. */
struct scan {
        const char *at;
};

static bool take_text(struct scan *scan, const char *text)
{
        size_t n = strlen(text);

        if (strncmp(scan->at, text, n) != 0)
                return false;
        scan->at += n;
        return true;
}

static bool take_digits(struct scan *scan, int n, int *ret)
{
        int value = 0;

        for (int i = 0; i < n; i++) {
                if (scan->at[i] < '0' || scan->at[i] > '9')
                        return false;
                value = value * 10 + (scan->at[i] - '0');
        }
        scan->at += n;
        *ret = value;
        return true;
}

static bool take_name(struct scan *scan, const char *const *names, int n, int *ret)
{
        for (int i = 0; i < n; i++)
                if (take_text(scan, names[i])) {
                        *ret = i;
                        return true;
                }
        return false;
}

static const char *const short_days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char *const long_days[] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                         "Thursday", "Friday", "Saturday" };
static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

struct moment {
        int year, month, day, hour, minute, second; /* month from 0 */
};

static bool take_time(struct scan *scan, struct moment *moment)
{
        return take_digits(scan, 2, &moment->hour) && take_text(scan, ":") &&
               take_digits(scan, 2, &moment->minute) && take_text(scan, ":") &&
               take_digits(scan, 2, &moment->second);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool take_imf_fixdate(struct scan scan, struct moment *moment)
{
        int day;

        return take_name(&scan, short_days, 7, &day) && take_text(&scan, ", ") &&
               take_digits(&scan, 2, &moment->day) && take_text(&scan, " ") &&
               take_name(&scan, months, 12, &moment->month) && take_text(&scan, " ") &&
               take_digits(&scan, 4, &moment->year) && take_text(&scan, " ") && take_time(&scan, moment) &&
               take_text(&scan, " GMT") && !*scan.at;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT" */
static bool take_rfc850_date(struct scan scan, struct moment *moment)
{
        int day;

        if (!take_name(&scan, long_days, 7, &day) || !take_text(&scan, ", ") ||
            !take_digits(&scan, 2, &moment->day) || !take_text(&scan, "-") ||
            !take_name(&scan, months, 12, &moment->month) || !take_text(&scan, "-") ||
            !take_digits(&scan, 2, &moment->year) || !take_text(&scan, " ") || !take_time(&scan, moment) ||
            !take_text(&scan, " GMT") || *scan.at)
                return false;
        /* No clock here to find "within 50 years" by: what comes from before 1970 cannot be the Date of an answer. */
        moment->year += moment->year < 70 ? 2000 : 1900;
        return true;
}

/* "Sun Nov  6 08:49:37 1994" */
static bool take_asctime_date(struct scan scan, struct moment *moment)
{
        int day;

        return take_name(&scan, short_days, 7, &day) && take_text(&scan, " ") &&
               take_name(&scan, months, 12, &moment->month) && take_text(&scan, " ") &&
               (take_text(&scan, " ") ? take_digits(&scan, 1, &moment->day)
                                      : take_digits(&scan, 2, &moment->day)) &&
               take_text(&scan, " ") && take_time(&scan, moment) && take_text(&scan, " ") &&
               take_digits(&scan, 4, &moment->year) && !*scan.at;
}

static bool is_leap(int year)
{
        return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t moment_to_sec(const struct moment *moment)
{
        static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365 };
        bool leap = is_leap(moment->year);
        int in_month = before[moment->month + 1] - before[moment->month] + (leap && moment->month == 1);

        /* 60 is a leap second. */
        if (moment->year < 1970 || moment->day < 1 || moment->day > in_month || moment->hour > 23 ||
            moment->minute > 59 || moment->second > 60)
                return -1;
        int64_t past = moment->year - 1;
        int64_t leap_days = past / 4 - past / 100 + past / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
        int64_t days = (past - 1969) * 365 + leap_days + before[moment->month] + (leap && moment->month > 1) +
                       moment->day - 1;
        return days * DAY_SEC + moment->hour * 3600 + moment->minute * 60 + moment->second;
}

int64_t http_parse_date(const char *text)
{
        struct scan scan = { text };
        struct moment moment = { 0 };

        if (!take_imf_fixdate(scan, &moment) && !take_rfc850_date(scan, &moment) &&
            !take_asctime_date(scan, &moment))
                return -1;
        return moment_to_sec(&moment);
}

static bool all_digits(const char *text)
{
        return *text && strspn(text, "0123456789") == strlen(text);
}

int64_t http_parse_retry_after(const char *text, int64_t now_sec)
{
        int64_t delay = 0;

        if (all_digits(text)) {
                for (; *text && delay <= DAY_SEC; text++)
                        delay = delay * 10 + (*text - '0');
        } else {
                int64_t when = http_parse_date(text);
                if (when < 0 || now_sec < 0)
                        return -1;
                delay = when > now_sec ? when - now_sec : 0;
        }
        return delay < DAY_SEC ? delay : DAY_SEC;
}
