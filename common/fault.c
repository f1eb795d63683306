/* Where faults arose, and words for people. Knows no log: telling is the business of the layer that decides. */
#include "common/fault.h"

#include "common/utf8.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static _Thread_local const char *origin_file;
static _Thread_local int origin_line;

int fault_raise(int error, const char *file, int line)
{
        assert(error < 0);

        origin_file = file;
        origin_line = line;
        return error;
}

const char *fault_origin(void)
{
        static _Thread_local char origin[128];

        if (!origin_file)
                return "";
        snprintf(origin, sizeof(origin), "%s:%d", origin_file, origin_line);
        return origin;
}

/* C1 control characters count too: terminals obey them (U+009B is CSI). */
static size_t printable(const unsigned char *p, size_t n)
{
        size_t length = utf8_sequence(p, n);

        if (length == 1 && (p[0] < 0x20 || p[0] == 0x7f))
                return 0;
        if (length == 2 && p[0] == 0xc2 && p[1] < 0xa0)
                return 0;
        return length;
}

/* What is not printable UTF-8 becomes '?', so that every reader (terminal, journal, JSON) can take the text as it is. */
static void clean(char *text, size_t n)
{
        unsigned char *in = (unsigned char *)text, *end = in + n, *out;

        /* Mostly that is all there is. */
        while (in < end && *in >= ' ' && *in < 0x7f)
                in++;
        out = in;
        while (in < end) {
                size_t length = printable(in, (size_t)(end - in));

                if (length > 0) {
                        memmove(out, in, length);
                        in += length;
                        out += length;
                } else {
                        size_t bad = utf8_sequence(in, (size_t)(end - in));

                        *out++ = '?';
                        in += bad > 0 ? bad : 1;
                }
        }
        *out = '\0';
}

/* How many of the n bytes remain when a sequence that the cut left incomplete goes. */
static size_t cut_at_boundary(const char *text, size_t n)
{
        size_t lead = n;

        while (lead > 0 && n - lead < 3 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80)
                lead--;
        if (lead > 0 && (unsigned char)text[lead - 1] >= 0xc0 &&
            utf8_sequence((const unsigned char *)text + lead - 1, n - lead + 1) == 0)
                return lead - 1;
        return n;
}

void diag_vset(struct diag *diag, const char *format, va_list ap)
{
        size_t n;
        int r;

        if (!diag)
                return;

        r = vsnprintf(diag->text, sizeof(diag->text), format, ap);
        if (r < 0) {
                diag->text[0] = '\0';
                return;
        }

        n = strlen(diag->text);
        if ((size_t)r >= sizeof(diag->text))
                n = cut_at_boundary(diag->text, n);
        clean(diag->text, n);
}

void diag_set(struct diag *diag, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        diag_vset(diag, format, ap);
        va_end(ap);
}
