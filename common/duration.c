/* Durations as text. Pure; knows no clock. */
#include "common/duration.h"

#include "common/clock.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)
#define USEC_PER_WEEK (7 * USEC_PER_DAY)
#define DURATION_MAX_USEC (10 * 365 * USEC_PER_DAY)

static const struct {
        const char *name;
        uint64_t usec;
} units[] = {
        { "ms", USEC_PER_MSEC }, { "s", USEC_PER_SEC }, { "m", USEC_PER_MINUTE }, { "min", USEC_PER_MINUTE },
        { "h", USEC_PER_HOUR },  { "d", USEC_PER_DAY }, { "w", USEC_PER_WEEK },
};

static int malformed(struct diag *diag, const char *why)
{
        diag_set(diag, "%s; write a duration like \"45\" (seconds), \"30s\", \"5m\", \"1h30m\" or \"2d\"",
                 why);
        return DURATION_E_MALFORMED;
}

static int too_long(struct diag *diag)
{
        diag_set(diag, "a duration of more than ten years (3650d)");
        return DURATION_E_MALFORMED;
}

static const char *skip_space(const char *p)
{
        while (isspace((unsigned char)*p))
                p++;
        return p;
}

/* Stops counting above the maximum, where the exact number no longer matters and could wrap. */
static uint64_t take_number(const char **p)
{
        uint64_t number = 0;

        for (; isdigit((unsigned char)**p); (*p)++)
                if (number <= DURATION_MAX_USEC)
                        number = number * 10 + (uint64_t)(**p - '0');
        return number;
}

/* 0 when no unit of that name exists. */
static uint64_t take_unit(const char **p)
{
        size_t n = 0;

        while (isalpha((unsigned char)(*p)[n]))
                n++;
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
                if (strlen(units[i].name) == n && memcmp(*p, units[i].name, n) == 0) {
                        *p += n;
                        return units[i].usec;
                }
        return 0;
}

int duration_parse(const char *text, uint64_t *ret_usec, struct diag *diag)
{
        const char *p = skip_space(text);
        uint64_t total = 0;
        bool first = true;

        if (*p == '\0')
                return malformed(diag, "an empty duration");

        while (*p != '\0') {
                uint64_t number, unit;

                if (!isdigit((unsigned char)*p))
                        return malformed(diag, *p == '-' || *p == '+' ? "a duration has no sign"
                                                                      : "a duration begins with a number");
                number = take_number(&p);
                if (first && *skip_space(p) == '\0')
                        unit = USEC_PER_SEC;
                else if (*p == '.' || *p == ',')
                        return malformed(diag, "a duration has no fraction");
                else if (!(unit = take_unit(&p)))
                        return malformed(diag, "a number needs one of the units ms, s, m, h, d, w");

                if (number > DURATION_MAX_USEC / unit || total + number * unit > DURATION_MAX_USEC)
                        return too_long(diag);
                total += number * unit;
                first = false;
                p = skip_space(p);
        }

        *ret_usec = total;
        return 0;
}

const char *duration_format(uint64_t usec, char *buffer, unsigned long size)
{
        static const struct {
                const char *name;
                uint64_t usec;
        } shown[] = {
                { "d", USEC_PER_DAY }, { "h", USEC_PER_HOUR }, { "m", USEC_PER_MINUTE }, { "s", USEC_PER_SEC }
        };
        size_t last = sizeof(shown) / sizeof(shown[0]) - 1, i = 0;
        uint64_t rest;

        if (usec == USEC_INFINITY) {
                snprintf(buffer, size, "forever");
                return buffer;
        }
        if (usec >= USEC_PER_MSEC && usec < USEC_PER_SEC) {
                snprintf(buffer, size, "%llums", (unsigned long long)(usec / USEC_PER_MSEC));
                return buffer;
        }

        while (i < last && usec < shown[i].usec)
                i++;
        rest = i < last ? usec % shown[i].usec / shown[i + 1].usec : 0;
        if (rest > 0)
                snprintf(buffer, size, "%llu%s %llu%s", (unsigned long long)(usec / shown[i].usec),
                         shown[i].name, (unsigned long long)rest, shown[i + 1].name);
        else
                snprintf(buffer, size, "%llu%s", (unsigned long long)(usec / shown[i].usec), shown[i].name);
        return buffer;
}
