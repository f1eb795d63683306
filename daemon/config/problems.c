/* Owns the form of a line. Knows neither YAML nor what a configuration holds. */
#include "daemon/config/problems.h"

#include "common/utf8.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/*
 * A line goes to terminals, the journal and JSON: nothing in a file or its name may move a cursor or break a
 * string.
 */
static void clean(char *line)
{
        unsigned char *p = (unsigned char *)line, *end = p + strlen(line);

        while (p < end) {
                size_t n = utf8_sequence(p, (size_t)(end - p));
                bool control = *p < 0x20 || *p == 0x7f || (n == 2 && p[0] == 0xc2 && p[1] < 0xa0);

                if (n == 0 || control)
                        *p = '?', n = 1;
                p += n;
        }
}

static int append_line(struct problems *problems, char *line)
{
        char **lines = reallocarray(problems->lines, problems->n + 1, sizeof(*lines));

        if (!lines)
                return fault(-ENOMEM);
        problems->lines = lines;
        lines[problems->n++] = line;
        return 0;
}

static int format_line(char **ret, const char *file, unsigned line, unsigned column, const char *path,
                       const char *message)
{
        char position[32] = "";
        int n;

        if (line > 0)
                snprintf(position, sizeof(position), ":%u:%u", line, column);
        n = asprintf(ret, "%s%s: %s%s%s", file, position, path, *path ? ": " : "", message);
        return n < 0 ? fault(-ENOMEM) : 0;
}

int problems_vadd(struct problems *problems, const char *file, unsigned line, unsigned column,
                  const char *path, const char *format, va_list ap)
{
        struct diag message = DIAG_INIT;
        _cleanup_(freep) char *text = NULL;
        int r;

        if (problems->n >= PROBLEMS_MAX) {
                problems->n_unlisted++;
                return 0;
        }
        if (problems->n == PROBLEMS_MAX - 1)
                diag_set(&message, "there are more mistakes than are listed here; mend these first");
        else
                diag_vset(&message, format, ap);
        r = format_line(&text, file, line, column, path, message.text);
        if (r < 0)
                return r;
        clean(text);
        r = append_line(problems, text);
        if (r < 0)
                return r;
        text = NULL;
        return 0;
}

int problems_add(struct problems *problems, const char *file, unsigned line, unsigned column,
                 const char *path, const char *format, ...)
{
        va_list ap;
        int r;

        va_start(ap, format);
        r = problems_vadd(problems, file, line, column, path, format, ap);
        va_end(ap);
        return r;
}

void problems_done(struct problems *problems)
{
        for (size_t i = 0; i < problems->n; i++)
                free(problems->lines[i]);
        free(problems->lines);
        *problems = (struct problems)PROBLEMS_INIT;
}
