/* Text, tables and times for people. */
#include "client/output.h"

#include "common/clock.h"
#include "common/duration.h"
#include "common/utf8.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

/* ---- text ---- */

static uint32_t decode(const char *text, size_t length)
{
        const unsigned char *p = (const unsigned char *)text;

        switch (length) {
        case 1:
                return p[0];
        case 2:
                return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
        case 3:
                return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
        default:
                return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
        }
}

/* Terminals obey C0, DEL and C1; what reorders or hides text can make a name look like another one. */
static bool is_harmful(uint32_t c)
{
        return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || (c >= 0x200b && c <= 0x200f) ||
               (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
               (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe0fff);
}

/* One character of text as it may be shown; *p moves behind it. */
struct shown {
        const char *bytes;
        size_t n;
};

static struct shown next_shown(const char **p, const char *end)
{
        size_t length = utf8_sequence((const unsigned char *)*p, (size_t)(end - *p));
        struct shown shown = { *p, length };

        if (length == 1 && strchr("\n\r\t", **p))
                shown = (struct shown){ " ", 1 };
        else if (length == 0 || is_harmful(decode(*p, length)))
                shown = (struct shown){ "?", 1 };
        *p += length > 0 ? length : 1;
        return shown;
}

const char *output_append(char *buffer, size_t size, const char *text)
{
        const char *end = text + strlen(text);
        size_t n = strlen(buffer);

        while (text < end) {
                struct shown shown = next_shown(&text, end);

                if (shown.n >= size - n)
                        break;
                memcpy(buffer + n, shown.bytes, shown.n);
                n += shown.n;
        }
        buffer[n] = '\0';
        return buffer;
}

enum { NARROWEST = 20 }; /* no text is wrapped to fewer columns */
/* Set when the first letter asks for it: to read the locale's files takes longer than to print a token. */
static void use_utf8(void)
{
        static bool set;

        if (!set)
                setlocale(LC_CTYPE, "C.UTF-8");
        set = true;
}

static size_t shown_width(struct shown shown)
{
        int width;

        if (shown.n == 1)
                return 1;
        use_utf8();
        width = wcwidth((wchar_t)decode(shown.bytes, shown.n));
        return width >= 0 ? (size_t)width : 1;
}

size_t output_width(const char *text)
{
        const char *end = text + strlen(text);
        size_t width = 0;

        while (text < end)
                width += shown_width(next_shown(&text, end));
        return width;
}

static bool has_colour_as_another, colour_of_another;

void output_colour_as(FILE *out)
{
        has_colour_as_another = false;
        colour_of_another = output_has_colour(out);
        has_colour_as_another = true;
}

bool output_has_colour(FILE *out)
{
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

        if (has_colour_as_another)
                return colour_of_another;
        return isatty(fileno(out)) && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
}

static void begin_style(FILE *out, enum output_style style)
{
        static const char *const codes[] = {
                [STYLE_STRONG] = "\033[1m",
                [STYLE_GOOD] = "\033[32m",
                [STYLE_CAUTION] = "\033[33m",
                [STYLE_BAD] = "\033[31m",
        };

        if (style != STYLE_PLAIN && output_has_colour(out))
                fputs(codes[style], out);
}

static void end_style(FILE *out, enum output_style style)
{
        if (style != STYLE_PLAIN && output_has_colour(out))
                fputs("\033[0m", out);
}

/* Prints at most `columns`, the last of which is then an ellipsis; returns how many were taken. */
static size_t print_text(FILE *out, const char *text, size_t columns)
{
        const char *end = text + strlen(text);
        bool cut = output_width(text) > columns;
        size_t width = 0;

        while (text < end) {
                struct shown shown = next_shown(&text, end);
                size_t more = shown_width(shown);

                if (cut && width + more > columns - 1)
                        break;
                fwrite(shown.bytes, 1, shown.n, out);
                width += more;
        }
        if (cut)
                fputs("\u2026", out);
        return width + cut;
}

static void print_part(FILE *out, const char *text, const char *end)
{
        while (text < end) {
                struct shown shown = next_shown(&text, end);

                fwrite(shown.bytes, 1, shown.n, out);
        }
}

void output_text(FILE *out, enum output_style style, const char *text)
{
        begin_style(out, style);
        print_text(out, text, SIZE_MAX);
        end_style(out, style);
}

/* Where the line ends: behind the last word that fits, or within one that is longer than a line. */
static const char *end_of_line(const char *text, size_t columns)
{
        const char *end = text + strlen(text), *at = text, *word_end = NULL;
        size_t width = 0;

        while (at < end) {
                const char *here = at;
                struct shown shown = next_shown(&at, end);
                bool blank = shown.n == 1 && shown.bytes[0] == ' ';

                if (blank)
                        word_end = here;
                if (width + shown_width(shown) > columns && width > 0 && !blank)
                        return word_end ? word_end : here;
                width += shown_width(shown);
        }
        return end;
}

void output_wrapped(FILE *out, size_t indent, size_t columns, enum output_style style, const char *text)
{
        size_t room = columns == 0                   ? SIZE_MAX / 2
                      : columns > indent + NARROWEST ? columns - indent
                                                     : NARROWEST;

        for (;;) {
                const char *end = end_of_line(text, room);

                begin_style(out, style);
                print_part(out, text, end);
                end_style(out, style);
                fputc('\n', out);
                text = end + strspn(end, " ");
                if (!*text)
                        return;
                fprintf(out, "%*s", (int)indent, "");
        }
}

void output_json(FILE *out, const char *json)
{
        const char *end = json + strlen(json);

        while (json < end) {
                size_t length = utf8_sequence((const unsigned char *)json, (size_t)(end - json));
                uint32_t c = length > 0 ? decode(json, length) : 0xfffd;

                /*
                 * Below 0x20 only white space occurs in JSON text; all
                 * else is within strings, where an escape may stand.
                 */
                if (c < 0x10000 && c >= 0x20 && is_harmful(c))
                        fprintf(out, "\\u%04x", c);
                else if (c >= 0x10000 && is_harmful(c))
                        fprintf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                                0xdc00 + ((c - 0x10000) & 0x3ff));
                else
                        fwrite(json, 1, length > 0 ? length : 1, out);
                json += length > 0 ? length : 1;
        }
        fputc('\n', out);
}

size_t output_columns(FILE *out)
{
        struct winsize size;

        if (!isatty(fileno(out)) || ioctl(fileno(out), TIOCGWINSZ, &size) < 0)
                return 0;
        return size.ws_col;
}

/* ---- times ---- */

const char *output_time(int64_t seconds, char *buffer, size_t size)
{
        time_t when = (time_t)seconds;
        char text[40] = "";
        struct tm tm;
        size_t n;

        if (localtime_r(&when, &tm))
                strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S%z", &tm);
        n = strlen(text);
        if (n > 2)
                snprintf(buffer, size, "%.*s:%s", (int)(n - 2), text, text + n - 2);
        else
                snprintf(buffer, size, "%lld", (long long)seconds);
        return buffer;
}

const char *output_duration(int64_t seconds, char *buffer, size_t size)
{
        uint64_t most = USEC_INFINITY / USEC_PER_SEC - 1, whole = seconds > 0 ? (uint64_t)seconds : 0;

        duration_format((whole < most ? whole : most) * USEC_PER_SEC, buffer, size);
        return buffer;
}

const char *output_until(int64_t seconds, int64_t now, char *buffer, size_t size)
{
        bool past = seconds < now;
        uint64_t distance = past ? (uint64_t)now - (uint64_t)seconds : (uint64_t)seconds - (uint64_t)now;
        char duration[32];

        if (distance == 0) {
                snprintf(buffer, size, "now");
                return buffer;
        }
        duration_format(distance < USEC_INFINITY / USEC_PER_SEC ? distance * USEC_PER_SEC : USEC_INFINITY,
                        duration, sizeof(duration));
        snprintf(buffer, size, "%s%s%s", past ? "" : "in ", duration, past ? " ago" : "");
        return buffer;
}

/* ---- tables ---- */

struct cell {
        enum output_style style;
        char *text;
};

struct table {
        const char *const *titles;
        size_t n_columns;
        struct cell *cells;
        size_t n_cells, n_allocated;
};

struct table *table_new(const char *const *titles, size_t n_columns)
{
        struct table *table = calloc(1, sizeof(*table));

        if (table) {
                table->titles = titles;
                table->n_columns = n_columns;
        }
        return table;
}

struct table *table_free(struct table *table)
{
        if (!table)
                return NULL;
        for (size_t i = 0; i < table->n_cells; i++)
                free(table->cells[i].text);
        free(table->cells);
        free(table);
        return NULL;
}

bool table_add(struct table *table, enum output_style style, const char *text)
{
        struct cell cell = { style, strdup(text && *text ? text : "-") };

        if (cell.text && table->n_cells == table->n_allocated) {
                size_t n = table->n_allocated > 0 ? 2 * table->n_allocated : 32;
                struct cell *cells = reallocarray(table->cells, n, sizeof(*cells));

                if (!cells) {
                        free(cell.text);
                        return false;
                }
                table->cells = cells;
                table->n_allocated = n;
        }
        if (!cell.text)
                return false;
        table->cells[table->n_cells++] = cell;
        return true;
}

enum {
        COLUMN_GAP = 2,
        COLUMN_MIN = 6, /* no column becomes narrower, however narrow the terminal is */
};

static void measure(const struct table *table, size_t *widths)
{
        for (size_t i = 0; i < table->n_columns; i++)
                widths[i] = output_width(table->titles[i]);
        for (size_t i = 0; i < table->n_cells; i++) {
                size_t width = output_width(table->cells[i].text), column = i % table->n_columns;

                if (width > widths[column])
                        widths[column] = width;
        }
}

/*
 * From the right, where what matters least stands. The first
 * column is what people copy into the next command: it is not cut.
 */
static void shrink(const struct table *table, size_t *widths, size_t columns)
{
        size_t total = COLUMN_GAP * (table->n_columns - 1);

        for (size_t i = 0; i < table->n_columns; i++)
                total += widths[i];
        for (size_t i = table->n_columns; i-- > 1 && total > columns;) {
                size_t excess = total - columns, spare = widths[i] > COLUMN_MIN ? widths[i] - COLUMN_MIN : 0;

                widths[i] -= excess < spare ? excess : spare;
                total -= excess < spare ? excess : spare;
        }
}

static void print_cell(FILE *out, const struct table *table, const size_t *widths, size_t column,
                       enum output_style style, const char *text)
{
        size_t width;

        begin_style(out, style);
        width = print_text(out, text, widths[column]);
        end_style(out, style);
        if (column + 1 == table->n_columns)
                fputc('\n', out);
        else
                fprintf(out, "%*s", (int)(widths[column] - width + COLUMN_GAP), "");
}

void table_print(const struct table *table, FILE *out, size_t columns)
{
        size_t *widths = calloc(table->n_columns, sizeof(*widths));

        if (!widths)
                return;
        measure(table, widths);
        if (columns > 0)
                shrink(table, widths, columns);

        for (size_t i = 0; i < table->n_columns; i++)
                print_cell(out, table, widths, i, STYLE_STRONG, table->titles[i]);
        for (size_t i = 0; i < table->n_cells; i++)
                print_cell(out, table, widths, i % table->n_columns, table->cells[i].style,
                           table->cells[i].text);
        free(widths);
}
