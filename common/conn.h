/*
 * One non-blocking Unix stream socket that carries NUL-ended messages: the only code that reads or writes such a socket, for
 * the daemon and the library both. Buffers are secret memory with hard limits. Knows no JSON.
 */
#pragma once

#include "common/cleanup.h"
#include "common/fault.h"
#include "common/secret.h"

#include <stdbool.h>
#include <stddef.h>

enum {
        CONN_E_CLOSED = 1, /* the peer closed its end; messages already read can still be taken */
        CONN_E_TOO_LARGE, /* the peer's message is longer than the limit, or ours does not fit into the send limit */
        CONN_E_AGAIN, /* nothing (more) to do until the socket is readable, or writable */
};

struct conn;

/*
 * Takes fd, which its maker has made non-blocking and close-on-exec; after a fault it is still the caller's. max_in: bytes of one message;
 * max_out: bytes queued to send, NULs included.
 */
int conn_new(struct conn **ret, int fd, size_t max_in, size_t max_out);
void conn_allow(struct conn *conn,
                size_t max_in); /* longer messages than before; one that was too large no longer is */
struct conn *conn_free(struct conn *conn); /* closes */
DEFINE_FREEP(struct conn *, conn_free)

int conn_fd(const struct conn *conn);

/*
 * A buffer to read into for many connections that are read in turn, so that none needs one of its own while it rests, or while all that comes
 * is taken at once. Lent before conn_read(), it is taken back, wiped, when the messages were taken; what is left over then moves to memory of
 * the connection's own, for which conn_take_back() may fail, and the spare one is there again in any case.
 */
void conn_lend(struct conn *conn, struct secret_buf *spare);
int conn_take_back(struct conn *conn, struct secret_buf *spare);

/*
 * The short way of most requests, which come alone and whole, while the connection rests: nothing is lent but read into, and what it holds is looked
 * at there. 0: `spare`, which has memory and lay empty, holds what has come; else as of conn_read(). What was taken is wiped with secret_buf_forget();
 * with conn_adopt() it is as if it had been lent and read.
 */
bool conn_is_at_rest(const struct conn *conn); /* nothing is held, queued or lent */
int conn_receive(struct conn *conn, struct secret_buf *spare);
bool conn_is_alone(const struct conn *conn,
                   const struct secret_buf *spare); /* one message, whole, not too large */
void conn_adopt(struct conn *conn, struct secret_buf *spare);

/*
 * Reads what is there, bounded per call. 0: something was read; CONN_E_AGAIN, also while messages longer than max_in together
 * wait to be taken; CONN_E_CLOSED; or a fault.
 */
int conn_read(struct conn *conn);

/* The last conn_read() took all that was there, so that the socket becomes readable when more comes. */
bool conn_is_drained(const struct conn *conn);

/* The next whole message, without its NUL. Valid until the next call on conn. 0, CONN_E_AGAIN, CONN_E_TOO_LARGE. */
int conn_next(struct conn *conn, const char **ret_bytes, size_t *ret_n);

/* What there is of the next message, after conn_next() said CONN_E_AGAIN. Valid until the next call on conn. */
void conn_peek(const struct conn *conn, const char **ret_bytes, size_t *ret_n);

/* True while bytes of a message that is not complete yet are held. */
bool conn_has_partial(const struct conn *conn);

/* Queues one message (NUL added). 0, CONN_E_TOO_LARGE (nothing queued), or a fault. */
int conn_put(struct conn *conn, const char *bytes, size_t n);

/* The same, and sends as much of it at once as the socket takes: 0 or CONN_E_CLOSED. bytes[n] must be NUL. */
int conn_send(struct conn *conn, const char *bytes, size_t n);

/* The same of what its maker knows to have no NUL inside. */
int conn_send_text(struct conn *conn, const char *bytes, size_t n);

/* Sends what is queued. 0: all is out; CONN_E_AGAIN: wait until writable; CONN_E_CLOSED: nobody reads any more. */
int conn_flush(struct conn *conn);

/* From now on the peer's sends fail; what it has sent already can still be read, and then CONN_E_CLOSED comes. */
void conn_refuse_more(struct conn *conn);

size_t conn_queued(const struct conn *conn); /* bytes not sent yet */
bool conn_has_next(const struct conn *conn); /* more was read than the message lent out */
size_t conn_held(const struct conn *conn); /* bytes read that were not taken yet, and the message lent out */
