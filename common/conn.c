/* The one reader and writer of message sockets. */
#include "common/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
        READ_CALL_MAX = 16 * 1024, /* bytes that one call takes, so that no peer holds the others up */
        READ_STEP_MIN = 1000, /* room to read into: most requests fit, and an idle connection holds nothing */
        SPARE_SIZE = 4000,
        SPARE_MAX = 64 * 1024, /* one that grew beyond it stays with the connection that it grew for */
};

/* Both directions keep an offset, so that messages and sent bytes leave at the front without moving what follows. */
struct queue {
        struct secret_buf buf;
        size_t offset; /* bytes before it are done with, and wiped */
};

struct conn {
        int fd;
        size_t max_in, max_out;
        struct queue in, out;
        bool drained; /* as conn_is_drained() says */
        bool borrows; /* `in` reads into the buffer that conn_lend() brought */
        size_t n_scanned; /* input behind the offset that is known to hold no NUL */
        size_t n_taken; /* length of the message that conn_next() lent out, its NUL included */
};

static size_t queue_size(const struct queue *queue)
{
        return queue->buf.n - queue->offset;
}

static char *queue_front(const struct queue *queue)
{
        return queue->buf.data + queue->offset;
}

/*
 * An empty queue gives its memory back, unless that is borrowed. Otherwise bytes move to the front only when at least as many have left since the last
 * time: each byte moves once on average, however many messages a peer pipelines.
 */
static void queue_drop(struct queue *queue, size_t n, bool borrows)
{
        if (n == 0)
                return;

        explicit_bzero(queue_front(queue), n);
        queue->offset += n;
        if (queue_size(queue) == 0) {
                if (!borrows)
                        secret_buf_done(&queue->buf);
                queue->buf.n = queue->offset = 0;
        } else if (queue->offset >= queue_size(queue)) {
                secret_buf_consume(&queue->buf, queue->offset);
                queue->offset = 0;
        }
}

/* The offset is always smaller than what follows it: twice the contents is the most that a buffer grows to. */
static size_t queue_limit(size_t contents)
{
        return contents > SIZE_MAX / 4 ? SIZE_MAX / 2 : 2 * contents;
}

int conn_new(struct conn **ret, int fd, size_t max_in, size_t max_out)
{
        struct conn *conn;

        conn = calloc(1, sizeof(*conn));
        if (!conn)
                return fault(-ENOMEM);
        conn->fd = fd;
        conn->max_in = max_in < SIZE_MAX / 8 ? max_in : SIZE_MAX / 8;
        conn->max_out = max_out < SIZE_MAX / 8 ? max_out : SIZE_MAX / 8;
        conn->in.buf.max = queue_limit(conn->max_in + READ_CALL_MAX + READ_STEP_MIN);
        conn->out.buf.max = queue_limit(conn->max_out);

        *ret = conn;
        return 0;
}

void conn_allow(struct conn *conn, size_t max_in)
{
        if (max_in <= conn->max_in)
                return;
        conn->max_in = max_in < SIZE_MAX / 8 ? max_in : SIZE_MAX / 8;
        conn->in.buf.max = queue_limit(conn->max_in + READ_CALL_MAX + READ_STEP_MIN);
}

struct conn *conn_free(struct conn *conn)
{
        if (!conn)
                return NULL;
        secret_buf_done(&conn->in.buf);
        secret_buf_done(&conn->out.buf);
        close(conn->fd);
        free(conn);
        return NULL;
}

int conn_fd(const struct conn *conn)
{
        return conn->fd;
}

/* The message lent out last ends, and is wiped, with the next call that reads. */
static void return_message(struct conn *conn)
{
        queue_drop(&conn->in, conn->n_taken, conn->borrows);
        conn->n_taken = 0;
}

static bool is_again(int error)
{
        return error == EAGAIN || error == EWOULDBLOCK;
}

/* One recv(), where there is room. ret_full: the peer had at least as much as there was room for. */
static int receive(int fd, struct secret_buf *buf, size_t most, size_t *ret_n, bool *ret_full)
{
        size_t room = buf->allocated - buf->n - 1;
        ssize_t n;

        if (room > most)
                room = most;

        do
                n = recv(fd, buf->data + buf->n, room, MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        if (n < 0 && is_again(errno))
                return CONN_E_AGAIN;
        if (n == 0 || (n < 0 && errno == ECONNRESET))
                return CONN_E_CLOSED;
        if (n < 0)
                return fault(-errno);

        buf->n += (size_t)n;
        buf->data[buf->n] = '\0';
        *ret_n = (size_t)n;
        *ret_full = (size_t)n == room;
        return 0;
}

static size_t most_to_read(const struct conn *conn)
{
        return conn->max_in < READ_CALL_MAX ? conn->max_in + 1 : READ_CALL_MAX;
}

static void swap_data(struct secret_buf *a, struct secret_buf *b)
{
        struct secret_buf was = *a;

        *a = (struct secret_buf){ .data = b->data, .n = b->n, .allocated = b->allocated, .max = a->max };
        *b = (struct secret_buf){ .data = was.data, .n = was.n, .allocated = was.allocated, .max = b->max };
}

void conn_lend(struct conn *conn, struct secret_buf *spare)
{
        /* Without memory for it, the connection takes what it needs itself. */
        if (conn->in.buf.data || (!spare->data && secret_buf_reserve(spare, SPARE_SIZE) < 0))
                return;
        swap_data(&conn->in.buf, spare);
        conn->borrows = true;
}

int conn_take_back(struct conn *conn, struct secret_buf *spare)
{
        struct queue *in = &conn->in;
        int r = 0;

        if (!conn->borrows)
                return 0;
        return_message(conn);
        conn->borrows = false;
        if (in->buf.allocated > SPARE_MAX) {
                if (queue_size(in) == 0)
                        secret_buf_done(&in->buf);
                return 0;
        }

        swap_data(&in->buf, spare);
        if (spare->n > 0) {
                r = secret_buf_append(&in->buf, spare->data + in->offset, spare->n - in->offset);
                explicit_bzero(spare->data + in->offset, spare->n - in->offset);
                spare->n = in->offset = 0;
        }
        return r;
}

bool conn_is_at_rest(const struct conn *conn)
{
        return !conn->in.buf.data && queue_size(&conn->out) == 0;
}

int conn_receive(struct conn *conn, struct secret_buf *spare)
{
        bool full = false;
        size_t n = 0;
        int r;

        assert(!conn->in.buf.data && spare->data && spare->n == 0);

        r = receive(conn->fd, spare, most_to_read(conn), &n, &full);
        conn->drained = (r == 0 && !full) || r == CONN_E_AGAIN;
        return r;
}

bool conn_is_alone(const struct conn *conn, const struct secret_buf *spare)
{
        const char *last = spare->data + spare->n - 1;

        return spare->n > 0 && spare->n - 1 <= conn->max_in && memchr(spare->data, '\0', spare->n) == last;
}

void conn_adopt(struct conn *conn, struct secret_buf *spare)
{
        swap_data(&conn->in.buf, spare);
        conn->borrows = true;
}

int conn_read(struct conn *conn)
{
        size_t most = most_to_read(conn), n_read = 0;
        bool full = true;
        int r = 0;

        conn->drained = false;
        return_message(conn);
        /* Messages that nobody takes do not pile up. */
        if (queue_size(&conn->in) > conn->max_in)
                return CONN_E_AGAIN;

        while (full && n_read < most) {
                size_t n = 0;

                r = secret_buf_reserve(&conn->in.buf, READ_STEP_MIN);
                if (r == 0)
                        r = receive(conn->fd, &conn->in.buf, most - n_read, &n, &full);
                if (r != 0)
                        break;
                n_read += n;
        }

        conn->drained = !full || r == CONN_E_AGAIN;
        if (queue_size(&conn->in) == 0 && !conn->borrows)
                secret_buf_done(&conn->in.buf);
        return n_read > 0 ? 0 : r;
}

int conn_next(struct conn *conn, const char **ret_bytes, size_t *ret_n)
{
        const char *front, *end;
        size_t n;

        return_message(conn);
        n = queue_size(&conn->in);
        if (n == 0)
                return CONN_E_AGAIN;

        front = queue_front(&conn->in);
        end = memchr(front + conn->n_scanned, '\0', n - conn->n_scanned);
        if (!end)
                conn->n_scanned = n;
        if ((end ? (size_t)(end - front) : n) > conn->max_in)
                return CONN_E_TOO_LARGE;
        if (!end)
                return CONN_E_AGAIN;

        conn->n_scanned = 0;
        conn->n_taken = (size_t)(end - front) + 1;
        *ret_bytes = front;
        *ret_n = conn->n_taken - 1;
        return 0;
}

void conn_peek(const struct conn *conn, const char **ret_bytes, size_t *ret_n)
{
        *ret_n = queue_size(&conn->in);
        *ret_bytes = *ret_n > 0 ? queue_front(&conn->in) : "";
}

bool conn_is_drained(const struct conn *conn)
{
        return conn->drained;
}

bool conn_has_partial(const struct conn *conn)
{
        const struct secret_buf *buf = &conn->in.buf;

        return buf->n > 0 && buf->data[buf->n - 1] != '\0';
}

static bool fits(const struct conn *conn, size_t n)
{
        size_t queued = queue_size(&conn->out);

        return queued < conn->max_out && n < conn->max_out - queued;
}

static int check_put(const struct conn *conn, const char *bytes, size_t n)
{
        if (!fits(conn, n))
                return CONN_E_TOO_LARGE;
        /* A NUL inside would make two messages of one. */
        return n > 0 && memchr(bytes, '\0', n) ? fault(-EINVAL) : 0;
}

int conn_put(struct conn *conn, const char *bytes, size_t n)
{
        struct queue *out = &conn->out;
        int r;

        r = check_put(conn, bytes, n);
        if (r != 0)
                return r;
        r = secret_buf_reserve(&out->buf, n + 1);
        if (r < 0)
                return r;
        r = secret_buf_append(&out->buf, bytes, n);
        if (r < 0)
                return r;
        return secret_buf_append(&out->buf, "", 1);
}

static int send_step(struct conn *conn, const char *bytes, size_t n, size_t *ret_n)
{
        ssize_t sent;

        do
                sent = send(conn->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (sent < 0 && errno == EINTR);
        if (sent < 0 && is_again(errno))
                return CONN_E_AGAIN;
        if (sent < 0)
                return errno == EPIPE || errno == ECONNRESET ? CONN_E_CLOSED : fault(-errno);
        *ret_n = (size_t)sent;
        return 0;
}

int conn_send(struct conn *conn, const char *bytes, size_t n)
{
        int r;

        r = check_put(conn, bytes, n);
        return r == 0 ? conn_send_text(conn, bytes, n) : r;
}

int conn_send_text(struct conn *conn, const char *bytes, size_t n)
{
        size_t sent = 0;
        int r;

        assert(bytes[n] == '\0');

        if (!fits(conn, n))
                return CONN_E_TOO_LARGE;
        if (queue_size(&conn->out) > 0) {
                r = conn_put(conn, bytes, n);
                if (r == 0)
                        r = conn_flush(conn);
        } else {
                r = send_step(conn, bytes, n + 1, &sent);
                if ((r == 0 || r == CONN_E_AGAIN) && sent < n + 1)
                        r = secret_buf_append(&conn->out.buf, bytes + sent, n + 1 - sent);
        }
        return r == CONN_E_AGAIN ? 0 : r;
}

int conn_flush(struct conn *conn)
{
        while (queue_size(&conn->out) > 0) {
                size_t n = 0;
                int r = send_step(conn, queue_front(&conn->out), queue_size(&conn->out), &n);

                if (r != 0)
                        return r;
                queue_drop(&conn->out, n, false);
        }
        return 0;
}

void conn_refuse_more(struct conn *conn)
{
        (void)shutdown(conn->fd, SHUT_RD);
}

size_t conn_queued(const struct conn *conn)
{
        return queue_size(&conn->out);
}

bool conn_has_next(const struct conn *conn)
{
        return queue_size(&conn->in) > conn->n_taken;
}

size_t conn_held(const struct conn *conn)
{
        return queue_size(&conn->in);
}
