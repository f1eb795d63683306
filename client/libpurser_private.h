/*
 * What the library's files share, and no program sees: the handle, and the way from it to the daemon and
 * back. link.c knows sockets and patience, stream.c the same for calls with `more`; record.c turns replies
 * into structs; none knows a credential.
 */
#pragma once

#include "client/libpurser_slice.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/conn.h"
#include "common/fault.h"
#include "common/secret.h"
#include "include/purser.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define N_ELEMENTS(table) (sizeof(table) / sizeof((table)[0]))

#define TOKENS_INTERFACE "io.purser.Tokens."

struct purser {
        char *socket_path;
        uint64_t timeout_usec;
        uint64_t patience_usec;

        struct conn *conn; /* kept between calls; NULL while there is none */
        pid_t conn_pid; /* the process that connected: a child does not speak on its parent's connection */

        struct diag error;
        char *error_name, *error_parameters;
        int64_t retry_after;
};

/* One reply. The slices are valid until the next call on the connection that it came from. */
struct reply {
        struct slice error; /* p NULL in a good reply */
        struct slice parameters;
        bool continues;
};

/* ---- libpurser.c: results told in the handle, and calls with one reply ---- */

void handle_forget(struct purser *purser); /* the last failure */
int handle_succeed(struct purser *purser);
int handle_fail(struct purser *purser, int result, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
int handle_fault(struct purser *purser, int error, const char *doing); /* a negative errno as a result */

/* Calls and waits; the reply is a good one, and valid until the next call with the handle. */
int handle_call(struct purser *purser, const char *method, const char *parameters, bool idempotent,
                struct reply *ret);

/* Begins the text of a parameters object with its member `credential`; '}' is missing. */
int handle_name_credential(struct purser *purser, struct secret_buf *parameters, const char *credential);

/* A copy for purser_text_free(); NULL: no memory. */
char *handle_copy_text(struct slice text);

/* ---- time ---- */

uint64_t link_now_usec(void);

/* Waits for events of fd (-1: for none) until boot time `until`, or a signal. 0, or a fault. */
int link_poll(int fd, short events, uint64_t until);

/* ---- libpurser_link.c: one connection, one call ---- */

enum {
        LINK_E_ABSENT = 1, /* nobody listens; diag says how that showed */
        LINK_E_BUSY, /* somebody listens and has no room for us now */
        LINK_E_DENIED, /* the socket may not be opened */
        LINK_E_LOST, /* the connection ended before the reply was there */
        LINK_E_TIMEOUT,
        LINK_E_TOO_LONG, /* our message is longer than the protocol allows */
        LINK_E_MALFORMED, /* the daemon's message breaks the protocol */
        LINK_E_AGAIN, /* not yet */
};

enum {
        LINK_PAUSE_MIN_USEC = 10 * 1000, /* between two attempts to connect; doubled each time */
        LINK_PAUSE_MAX_USEC = 250 * 1000,
};

/* One attempt; never waits. LINK_E_ABSENT, LINK_E_BUSY, LINK_E_DENIED, faults. */
int link_connect(const char *path, struct conn **ret, struct diag *diag);

/* The next reply that has been read already: 0, LINK_E_AGAIN, LINK_E_MALFORMED, faults. */
int link_next_reply(struct conn *conn, struct reply *ret);

/* The functions below return results, told in the handle. */

/* Appends a call to request. `parameters` is the text of a JSON object, or NULL. */
int link_format_call(struct purser *purser, struct secret_buf *request, const char *method,
                     const char *parameters, bool more);

/* Sends a request over the handle's own connection and waits for the reply. */
int link_call(struct purser *purser, const struct secret_buf *request, bool idempotent, struct reply *ret);

/* Fills the handle's error from a reply that carries one, and returns its result. */
int link_fail(struct purser *purser, const struct reply *reply);

/* What an outcome above, or a fault, means to a caller of the library. */
int link_result(struct purser *purser, int outcome, const struct diag *diag);

/* ---- libpurser_stream.c: one call with `more` ---- */

struct stream;

/* Connects to nothing yet. Returns a result. */
int stream_new(struct stream **ret, struct purser *purser, const char *method, const char *parameters,
               bool idempotent);
struct stream *stream_free(struct stream *stream);
DEFINE_FREEP(struct stream *, stream_free)

int stream_fd(const struct stream *stream);

/*
 * Does what can be done without waiting. PURSER_OK: a reply, which may carry an error, valid until the next
 * call on the stream; PURSER_E_AGAIN; or a result, told in the handle. After PURSER_E_NO_DAEMON, told once
 * for each absence, the stream may be stepped on; after others not.
 */
int stream_step(struct stream *stream, struct reply *ret);

/* Waits until the descriptor is readable, boot time reaches `deadline`, or a signal came. 0, or a fault. */
int stream_wait(struct stream *stream, uint64_t deadline);

/* Makes the call anew, as after a lost connection. */
void stream_restart(struct stream *stream);

/* ---- libpurser_record.c: a reply's members into a struct ---- */

enum field_kind { FIELD_TEXT, FIELD_INT, FIELD_VALUE };

/*
 * A member of a JSON object, and where it goes: const char *,
 * int64_t or struct slice. Absent and null leave the place alone.
 */
struct field {
        const char *name;
        enum field_kind kind;
        bool required;
        size_t offset;
};

/*
 * Texts go to `memory`, where there must be room already, so
 * that they never move. RECORD_E_MALFORMED, with words in diag.
 */
enum {
        RECORD_E_MALFORMED = 1,
        RECORD_MEMORY_MAX = 9 * 1024 * 1024, /* the longest message, and all of its strings decoded */
};

int record_read(struct slice object, const struct field *fields, size_t n_fields, void *record,
                struct secret_buf *memory, struct diag *diag);

/* What these outcomes and faults mean to a caller of the library. */
int record_result(struct purser *purser, int outcome, const struct diag *diag);

/*
 * Copies the text of a reply to `memory`, with room for
 * all of its strings decoded behind it; *ret is the copy.
 */
int record_keep(struct slice parameters, struct secret_buf *memory, struct slice *ret);

/* ---- libpurser_bundle.c ---- */

/* RECORD_E_MALFORMED, with words in diag. */
int bundle_new(struct purser_bundle **ret, struct slice parameters, struct diag *diag);

DEFINE_FREEP(struct purser_bundle *, purser_bundle_free)
