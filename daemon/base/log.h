/*
 * What happened, for the people who run the server: the journal with structured fields under systemd, plain lines on
 * standard error elsewhere. No argument of these functions may be a secret; the field names are those that journalctl
 * matches on.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level {
        LOG_LEVEL_ERROR = 3,
        LOG_LEVEL_WARNING = 4,
        LOG_LEVEL_NOTICE = 5,
        LOG_LEVEL_INFO = 6,
        LOG_LEVEL_DEBUG = 7
};

/* Each kind of event that operators act on has a MESSAGE_ID, listed in daemon/base/events.h. */
struct log_event {
        const char *message_id; /* 32 hex digits; NULL: an ordinary line */
        enum log_level level;
        const char *credential; /* PURSER_CREDENTIAL=; NULL: left out, as below */
        const char *client; /* PURSER_CLIENT= */
        const char *provider; /* PURSER_PROVIDER= */
        const char *reason; /* PURSER_REASON= */
        uint64_t generation; /* PURSER_GENERATION=; 0: left out */
        long peer_pid; /* PURSER_PEER_PID=; 0: left out */
        long peer_uid; /* PURSER_PEER_UID=; only together with peer_pid */
        const char *peer_unit; /* PURSER_PEER_UNIT= */
        const char *hook; /* PURSER_HOOK= */
};

/* Detects the journal by $JOURNAL_STREAM against standard error. max_level: debug lines only where asked for. */
void log_open(enum log_level max_level);

void log_event(const struct log_event *event, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
