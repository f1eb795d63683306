/*
 * One call with `more` on a connection of its own, driven without ever waiting. A timer and the socket lie in
 * one epoll set, so that a program's loop watches one descriptor, whatever becomes of the connection.
 */
#include "client/libpurser_private.h"

#include "common/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
        PAUSE_ABSENT_MAX_USEC = 5 * 1000 * 1000, /* between attempts when patience is used up */
};

struct stream {
        struct purser *purser;
        struct secret_buf request;
        bool idempotent;

        int epoll_fd, timer_fd;
        struct conn *conn;
        bool wants_out; /* the socket is watched for writing too */

        uint64_t connect_at; /* boot time; while conn is NULL */
        uint64_t pause;
        uint64_t absent_since; /* USEC_INFINITY: not absent */
        bool absence_told;
};

int stream_new(struct stream **ret, struct purser *purser, const char *method, const char *parameters,
               bool idempotent)
{
        _cleanup_(stream_freep) struct stream *stream = NULL;
        struct epoll_event event = { .events = EPOLLIN };
        int r;

        stream = calloc(1, sizeof(*stream));
        if (!stream)
                return handle_fault(purser, fault(-ENOMEM), "watching");
        stream->purser = purser;
        stream->idempotent = idempotent;
        stream->request = (struct secret_buf)SECRET_BUF_INIT(WIRE_MESSAGE_MAX);
        stream->timer_fd = -1;
        stream->absent_since = USEC_INFINITY;

        r = link_format_call(purser, &stream->request, method, parameters, true);
        if (r != PURSER_OK) {
                stream->epoll_fd = -1;
                return r;
        }

        stream->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (stream->epoll_fd >= 0)
                stream->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        if (stream->timer_fd < 0 || epoll_ctl(stream->epoll_fd, EPOLL_CTL_ADD, stream->timer_fd, &event) < 0)
                return handle_fault(purser, fault(-errno), "watching");

        stream_restart(stream);
        *ret = take_ptr(stream);
        return PURSER_OK;
}

struct stream *stream_free(struct stream *stream)
{
        if (!stream)
                return NULL;
        conn_free(stream->conn);
        if (stream->timer_fd >= 0)
                close(stream->timer_fd);
        if (stream->epoll_fd >= 0)
                close(stream->epoll_fd);
        secret_buf_done(&stream->request);
        free(stream);
        return NULL;
}

int stream_fd(const struct stream *stream)
{
        return stream->epoll_fd;
}

int stream_wait(struct stream *stream, uint64_t deadline)
{
        return link_poll(stream->epoll_fd, POLLIN, deadline);
}

/* Makes the descriptor readable after so long; 0: at once. */
static void arm_timer(struct stream *stream, uint64_t usec)
{
        struct itimerspec when = {
                .it_value = { .tv_sec = (time_t)(usec / USEC_PER_SEC),
                              .tv_nsec = (long)(usec % USEC_PER_SEC * 1000) + 1 },
        };

        (void)timerfd_settime(stream->timer_fd, 0, &when, NULL);
}

static void disarm_timer(struct stream *stream)
{
        struct itimerspec never = { 0 };

        (void)timerfd_settime(stream->timer_fd, 0, &never, NULL);
}

void stream_restart(struct stream *stream)
{
        stream->conn = conn_free(stream->conn);
        stream->pause = LINK_PAUSE_MIN_USEC;
        stream->connect_at = 0;
        arm_timer(stream, 0);
}

/*
 * The daemon is away: looks for it again after a pause.
 * Tells it when that goes on for longer than patience lasts.
 */
static int come_back_later(struct stream *stream, const struct diag *diag)
{
        uint64_t now = link_now_usec(),
                 most = stream->absence_told ? PAUSE_ABSENT_MAX_USEC : LINK_PAUSE_MAX_USEC;

        if (stream->absent_since == USEC_INFINITY)
                stream->absent_since = now;

        stream->connect_at = usec_add(now, stream->pause);
        arm_timer(stream, stream->pause);
        stream->pause = 2 * stream->pause < most ? 2 * stream->pause : most;

        if (stream->absence_told || now - stream->absent_since < stream->purser->patience_usec)
                return PURSER_E_AGAIN;
        stream->absence_told = true;
        return link_result(stream->purser, LINK_E_ABSENT, diag);
}

static int watch_socket(struct stream *stream, int operation, bool out)
{
        struct epoll_event event = { .events = EPOLLIN | (out ? EPOLLOUT : 0) };

        stream->wants_out = out;
        return epoll_ctl(stream->epoll_fd, operation, conn_fd(stream->conn), &event) < 0 ? fault(-errno) : 0;
}

static int begin(struct stream *stream)
{
        struct diag diag = DIAG_INIT;
        int r;

        if (link_now_usec() < stream->connect_at)
                return PURSER_E_AGAIN;

        r = link_connect(stream->purser->socket_path, &stream->conn, &diag);
        if (r == LINK_E_ABSENT || r == LINK_E_BUSY)
                return come_back_later(stream, &diag);
        if (r == 0)
                r = watch_socket(stream, EPOLL_CTL_ADD, true);
        if (r == 0)
                r = conn_put(stream->conn, stream->request.data, stream->request.n) == 0 ? 0
                                                                                         : LINK_E_TOO_LONG;
        return r == 0 ? PURSER_OK : link_result(stream->purser, r, &diag);
}

static int lose(struct stream *stream)
{
        struct diag diag = { "it closed the connection" };

        stream->conn = conn_free(stream->conn);
        return stream->idempotent ? come_back_later(stream, &diag)
                                  : link_result(stream->purser, LINK_E_LOST, &diag);
}

/* Sends and reads what can be; 0: a reply, LINK_E_AGAIN, LINK_E_LOST, LINK_E_MALFORMED, faults. */
static int exchange(struct stream *stream, struct reply *ret)
{
        int flushed, r;

        flushed = conn_flush(stream->conn);
        if (flushed != 0 && flushed != CONN_E_AGAIN)
                return flushed < 0 ? flushed : LINK_E_LOST;
        if (stream->wants_out != (flushed == CONN_E_AGAIN)) {
                r = watch_socket(stream, EPOLL_CTL_MOD, flushed == CONN_E_AGAIN);
                if (r < 0)
                        return r;
        }

        for (;;) {
                r = link_next_reply(stream->conn, ret);
                if (r != LINK_E_AGAIN)
                        return r;
                r = conn_read(stream->conn);
                if (r != 0)
                        return r < 0 ? r : r == CONN_E_AGAIN ? LINK_E_AGAIN : LINK_E_LOST;
        }
}

int stream_step(struct stream *stream, struct reply *ret)
{
        int r;

        if (!stream->conn) {
                r = begin(stream);
                if (r != PURSER_OK)
                        return r;
        }

        r = exchange(stream, ret);
        switch (r) {
        case 0:
                stream->absent_since = USEC_INFINITY;
                stream->absence_told = false;
                stream->pause = LINK_PAUSE_MIN_USEC;
                /* More replies may have been read already, which no socket will tell of. */
                arm_timer(stream, 0);
                return PURSER_OK;
        case LINK_E_AGAIN:
                disarm_timer(stream);
                return PURSER_E_AGAIN;
        case LINK_E_LOST:
                return lose(stream);
        default:
                return link_result(stream->purser, r, NULL);
        }
}
