/* Lines to the journal or to standard error. Formats no secret: callers pass none. */
#include "daemon/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Ours is a call, and the journal's own macros would wrap it. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

enum {
        FIELD_MAX = 1024,
        N_FIELDS = 13,
};

static bool to_journal;
static enum log_level highest = LOG_LEVEL_INFO;

/*
 * systemd.exec(5): the stream that standard error was connected to, as device:inode. A descriptor redirected since is
 * another one.
 */
static bool stderr_is_journal(void)
{
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;
        char rest;

        return stream && sscanf(stream, "%llu:%llu%c", &device, &inode, &rest) == 2 &&
               fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_open(enum log_level max_level)
{
        highest = max_level;
        to_journal = stderr_is_journal();
}

/* The fields of one entry, in place: logging must not fail for want of memory. */
struct entry {
        struct iovec fields[N_FIELDS];
        char texts[N_FIELDS][FIELD_MAX];
        int n;
};

/* A control character could forge a line, or drive a terminal. */
static void clean(char *text)
{
        for (; *text; text++)
                if ((unsigned char)*text < ' ' || *text == 0x7f)
                        *text = '?';
}

/* Cut where a UTF-8 sequence begins, not within it. */
static void mark_cut(char *text)
{
        size_t at = FIELD_MAX - sizeof("...");

        while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
                at--;
        memcpy(text + at, "...", sizeof("..."));
}

static void add_va(struct entry *entry, const char *name, const char *format, va_list ap)
        __attribute__((format(printf, 3, 0)));
static void add_va(struct entry *entry, const char *name, const char *format, va_list ap)
{
        char *text = entry->texts[entry->n];
        int n_name = snprintf(text, FIELD_MAX, "%s=", name);
        int n = vsnprintf(text + n_name, (size_t)(FIELD_MAX - n_name), format, ap);

        if (n < 0)
                return;
        if (n >= FIELD_MAX - n_name)
                mark_cut(text);
        clean(text + n_name);
        entry->fields[entry->n++] = (struct iovec){ text, strlen(text) };
}

static void add(struct entry *entry, const char *name, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
static void add(struct entry *entry, const char *name, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        add_va(entry, name, format, ap);
        va_end(ap);
}

static void add_text(struct entry *entry, const char *name, const char *text)
{
        if (text)
                add(entry, name, "%s", text);
}

static void add_event(struct entry *entry, const struct log_event *event)
{
        add(entry, "PRIORITY", "%d", (int)event->level);
        add_text(entry, "SYSLOG_IDENTIFIER", "purserd");
        add_text(entry, "MESSAGE_ID", event->message_id);
        add_text(entry, "PURSER_CREDENTIAL", event->credential);
        add_text(entry, "PURSER_CLIENT", event->client);
        add_text(entry, "PURSER_PROVIDER", event->provider);
        add_text(entry, "PURSER_REASON", event->reason);
        if (event->generation > 0)
                add(entry, "PURSER_GENERATION", "%llu", (unsigned long long)event->generation);
        if (event->peer_pid > 0) {
                add(entry, "PURSER_PEER_PID", "%ld", event->peer_pid);
                add(entry, "PURSER_PEER_UID", "%ld", event->peer_uid);
        }
        add_text(entry, "PURSER_PEER_UNIT", event->peer_unit);
        add_text(entry, "PURSER_HOOK", event->hook);
}

/* One write, so that lines of several processes do not mix. */
static void write_line(const struct iovec *message)
{
        size_t skip = sizeof("MESSAGE=") - 1;
        struct iovec line[] = {
                { (char *)"purserd: ", sizeof("purserd: ") - 1 },
                { (char *)message->iov_base + skip, message->iov_len - skip },
                { (char *)"\n", 1 },
        };

        /* There is nowhere to tell that telling failed. */
        if (writev(STDERR_FILENO, line, 3) < 0)
                return;
}

static void log_va(const struct log_event *event, const char *format, va_list ap)
        __attribute__((format(printf, 2, 0)));
static void log_va(const struct log_event *event, const char *format, va_list ap)
{
        struct entry entry;

        if (event->level > highest)
                return;
        entry.n = 0;
        add_va(&entry, "MESSAGE", format, ap);
        if (entry.n == 0)
                return;
        add_event(&entry, event);
        if (!to_journal || sd_journal_sendv(entry.fields, entry.n) < 0)
                write_line(&entry.fields[0]);
}

void log_event(const struct log_event *event, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        log_va(event, format, ap);
        va_end(ap);
}

void log_line(enum log_level level, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        log_va(&(struct log_event){ .level = level }, format, ap);
        va_end(ap);
}
