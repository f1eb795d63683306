/* One peer: its messages in order, one call at a time, and the answers to them. Knows no method. */
#include "daemon/serve/server.h"

#include "common/wire_brief.h"
#include "daemon/serve/audit.h"
#include "daemon/base/log.h"
#include "daemon/serve/server_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/* ---- the end ---- */

/* What it held counts for others at once; its memory goes when nobody is on the stack who uses it. */
static void leave(struct connection *connection)
{
        connection->dead = true;
        connection->server->work += SERVER_WORK_END;
        if (connection->entry.waiting)
                connection->server->n_waiting--;
        account_leave(&connection->server->accounts, &connection->entry);
        timer_stop(connection->server->timers, &connection->deadline);
}

void connection_drop(struct connection *connection, const char *why)
{
        if (connection->dead)
                return;
        if (why)
                audit_complain(connection->server->audit, connection->call.peer, why);
        leave(connection);
        connection_schedule(connection);
}

void connection_drop_by_fault(struct connection *connection, int r)
{
        if (connection->dead)
                return;
        log_error("A connection is dropped: %s (%s).", strerror(-r), fault_origin());
        connection_drop(connection, NULL);
}

/* ---- messages ---- */

/* The protocol has no error for what is no call; this one is the nearest, and tells a person what is wrong. */
static void refuse_message(struct connection *connection, const char *why)
{
        _cleanup_(json_decrefp) json_t *parameters = NULL;
        struct secret_buf message = SECRET_BUF_INIT(WIRE_MESSAGE_MAX);

        connection->server->stats.malformed++;
        audit_complain(connection->server->audit, connection->call.peer, why);
        parameters = json_pack("{s:s, s:s}", "parameter", "", "reason", why);
        if (parameters &&
            wire_format_reply(&message, "org.varlink.service.InvalidParameter", parameters, false) == 0)
                (void)conn_put(connection->conn, message.data, message.n);
        secret_buf_done(&message);
        connection->closing = true;
}

static void begin_call(struct connection *connection)
{
        struct server *server = connection->server;
        int r;

        connection->calling = true;
        connection->has_called = true;
        server->stats.calls++;
        account_set_idle(&connection->entry, false);

        r = server->handler.on_call(&connection->call, server->handler.userdata);
        if (r < 0 && connection->calling)
                call_fail(&connection->call, r);
        if (connection->dead || !connection->calling)
                return;

        connection_set_waiting(connection, true);
        if (connection->entry.account->n_waiting <= server->limits.waiting_per_user)
                return;
        server->handler.on_crowded(&connection->call, server->handler.userdata);
        if (connection->calling)
                connection_drop(connection, "has too many calls that wait");
}

/* What most calls ask for is ready to be sent. False: it is called as any other method is. */
static bool answer_expected(struct connection *connection, const struct brief *brief)
{
        struct server *server = connection->server;
        const struct secret_buf *answer;

        connection->call.began_usec = server->looked_usec;
        if (!server->handler.on_brief(&connection->call, brief, server->handler.userdata, &answer))
                return false;

        connection->has_called = true;
        server->stats.calls++;
        server->work += answer->n / SERVER_WORK_BRIEF_BYTES;
        connection_send_brief(connection, answer);
        return true;
}

static bool is_brief(const struct server *server, struct brief *brief)
{
        return server->handler.on_message && server->handler.on_message(brief, server->handler.userdata);
}

static bool answer_briefly(struct connection *connection, const char *bytes, size_t n)
{
        const struct server_handler *handler = &connection->server->handler;
        struct brief brief = { .bytes = bytes, .n = n };

        if (!is_brief(connection->server, &brief))
                return false;
        handler->on_expected(&(const struct brief *){ &brief }, 1, handler->userdata);
        return answer_expected(connection, &brief);
}

/* Asked once. */
static bool allow_much(struct connection *connection)
{
        const struct server *server = connection->server;

        if (connection->asked_for_much || !server->handler.may_send_much)
                return false;
        connection->asked_for_much = true;
        if (!server->handler.may_send_much(&connection->call, server->handler.userdata))
                return false;
        conn_allow(connection->conn, server->limits.max_message);
        return true;
}

/* Parsing takes 30 ms a megabyte, in which nobody is served: not for what no method needs. */
static bool is_too_long(const struct connection *connection, const char *bytes, size_t n)
{
        const struct server *server = connection->server;
        struct wire_slice method;

        return n > server->limits.max_call && server->handler.takes_much &&
               !(wire_find_method(bytes, n, &method) &&
                 server->handler.takes_much(&method, server->handler.userdata));
}

static void parse_call(struct connection *connection, const char *bytes, size_t n)
{
        struct diag diag = DIAG_INIT;
        int r = wire_parse_call(bytes, n, &connection->call.wire, &diag);

        if (r == WIRE_E_MALFORMED)
                refuse_message(connection, diag.text);
        else if (r < 0)
                connection_drop_by_fault(connection, r);
        else
                begin_call(connection);
}

/* What it takes is as different as methods and callers are, and so is measured. */
static void take_call(struct connection *connection, const char *bytes, size_t n)
{
        struct server *server = connection->server;
        uint64_t began_usec = clock_boot_usec(server->clock);

        server->stirred = true;
        connection->call.began_usec = began_usec;
        if (is_too_long(connection, bytes, n))
                refuse_message(connection, "the message is too long for its method");
        else
                parse_call(connection, bytes, n);
        server->work += SERVER_WORK_CALL + (clock_boot_usec(server->clock) - began_usec);
}

/* A message that will be refused is not waited for, nor kept. False: nothing speaks against it yet. */
static bool refuse_part(struct connection *connection)
{
        struct wire_shape *shape = &connection->shape;
        struct diag diag = DIAG_INIT;
        const char *bytes;
        size_t n;

        conn_peek(connection->conn, &bytes, &n);
        if (n == shape->n ||
            wire_shape_add(shape, bytes + shape->n, n - shape->n, WIRE_CALL_VALUES_MAX, &diag) == 0)
                return false;
        refuse_message(connection, diag.text);
        return true;
}

/* False: there is no whole message. */
static bool take_message(struct connection *connection)
{
        const char *bytes;
        size_t n;
        int r;

        r = conn_next(connection->conn, &bytes, &n);
        if (r == CONN_E_AGAIN)
                return refuse_part(connection);
        if (!connection->not_brief)
                connection->server->work += SERVER_WORK_BRIEF + (r == 0 ? n : 0) / SERVER_WORK_BYTES;
        if (r == CONN_E_TOO_LARGE) {
                if (allow_much(connection))
                        return take_message(connection);
                refuse_message(connection, "the message is too long");
                return true;
        }

        if (connection->shape.n > 0)
                connection->shape = (struct wire_shape){ 0 };
        if (connection->not_brief || !answer_briefly(connection, bytes, n))
                take_call(connection, bytes, n);
        connection->not_brief = false;
        return true;
}

/* ---- turns ---- */

static void flush(struct connection *connection)
{
        size_t before = conn_queued(connection->conn);
        int r;

        if (before == 0)
                return;
        r = conn_flush(connection->conn);
        if (r == CONN_E_CLOSED)
                connection_drop(connection, NULL);
        else if (r < 0)
                connection_drop_by_fault(connection, r);
        else if (r == 0 && connection->calling && connection->call.on_drained) {
                connection->server->stirred = true;
                connection->call.on_drained(connection->call.pending);
        }
}

/* spare: whose buffer was lent. */
static void take_messages(struct connection *connection, struct secret_buf *spare)
{
        struct server *server = connection->server;
        size_t most = server->work + SERVER_WORK_PER_TURN;
        unsigned n_taken = 0;
        bool more_to_take = true;
        int r;

        connection->in_turn = true;
        while (server->work < most && may_take(connection)) {
                more_to_take = take_message(connection);
                if (!more_to_take)
                        break;
                /* Who sends many calls at once has no one waiting for the next; who sends one at a time has. */
                if (n_taken++ > 0)
                        server->work += SERVER_WORK_BEHIND;
        }
        if (n_taken == 0)
                server->work += SERVER_WORK_PART;
        r = conn_take_back(connection->conn, spare);
        if (r < 0)
                connection_drop_by_fault(connection, r);
        if (!connection->dead)
                flush(connection);
        connection->in_turn = false;

        if (!connection->dead)
                connection_settle(connection, n_taken > 0, more_to_take && !connection->calling);
}

/* 0, or a fault. */
static int end_reading(struct connection *connection, int r)
{
        if (r == CONN_E_CLOSED) {
                connection->at_end = true;
                return 0;
        }
        if (conn_is_drained(connection->conn))
                connection->events &= ~(uint32_t)EPOLLIN;
        return r < 0 ? r : 0;
}

static int read_messages(struct connection *connection)
{
        size_t held = conn_held(connection->conn);
        int r;

        conn_lend(connection->conn, &connection->server->spare);
        r = end_reading(connection, conn_read(connection->conn));
        if (conn_held(connection->conn) > held)
                connection->server->work += (conn_held(connection->conn) - held) / SERVER_WORK_BYTES;
        return r;
}

static bool reads_alone(const struct connection *connection, struct lane *lane)
{
        return !has_nobody_left(connection) && is_readable(connection) && may_take(connection) &&
               conn_is_at_rest(connection->conn) &&
               (lane->buf.data || secret_buf_reserve(&lane->buf, SERVER_LANE_SIZE) == 0);
}

/* What comes to one that rests is nearly always one brief call, and goes no further than to the lane. */
void connection_begin_turn(struct lane *lane)
{
        struct connection *connection = lane->connection;
        struct secret_buf *buf = &lane->buf;
        int r;

        lane->state = LANE_WHOLE;
        if (!reads_alone(connection, lane))
                return;
        r = conn_receive(connection->conn, buf);
        lane->r = end_reading(connection, r);
        lane->state = LANE_READ;
        if (r != 0)
                return;
        connection->server->work += buf->n / SERVER_WORK_BYTES;
        if (conn_is_alone(connection->conn, buf)) {
                connection->server->work += SERVER_WORK_BRIEF;
                lane->brief = (struct brief){ .bytes = buf->data, .n = buf->n - 1 };
                connection->not_brief = !is_brief(connection->server, &lane->brief);
                if (!connection->not_brief) {
                        lane->state = LANE_BRIEF;
                        return;
                }
        }
        conn_adopt(connection->conn, buf);
}

void connection_end_brief(struct lane *lane)
{
        struct connection *connection = lane->connection;

        if (lane->state != LANE_BRIEF)
                return;
        if (!connection->dead && !answer_expected(connection, &lane->brief)) {
                connection->not_brief = true;
                conn_adopt(connection->conn, &lane->buf);
                lane->state = LANE_READ;
                return;
        }
        secret_buf_forget(&lane->buf);
        lane->state = LANE_OVER;
        if (!connection->dead)
                connection_settle(connection, true, false);
}

void connection_end_turn(struct lane *lane)
{
        struct connection *connection = lane->connection;
        struct secret_buf *spare = &lane->buf;
        int r = lane->r;

        if (connection->dead)
                return;
        if (has_nobody_left(connection)) {
                connection_drop(connection, NULL);
                return;
        }

        if (lane->state == LANE_WHOLE) {
                spare = &connection->server->spare;
                r = is_readable(connection) && may_take(connection) ? read_messages(connection) : 0;
        }
        if (r < 0)
                connection_drop_by_fault(connection, r);
        else
                take_messages(connection, spare);
}

void connection_put_back(struct lane *lane)
{
        struct connection *connection = lane->connection;
        int r = lane->state == LANE_READ ? lane->r : 0;

        if (connection->dead)
                return;
        if (r == 0)
                r = conn_take_back(connection->conn, &lane->buf);
        if (r < 0)
                connection_drop_by_fault(connection, r);
        else
                connection_schedule(connection);
}

/* ---- life ---- */

/* Parsing a long message takes milliseconds of everybody's time: not for those to whom nothing is given anyway. */
static size_t initial_limit(const struct server *server)
{
        return server->handler.may_send_much ? server->limits.max_short_message : server->limits.max_message;
}

int connection_new(struct connection **ret, struct server *server, int fd)
{
        _cleanup_(peer_freep) struct peer *peer = NULL;
        _cleanup_(freep) struct connection *connection = NULL;
        int r;

        r = peer_from_socket(&peer, fd);
        if (r == 0 && !server_make_room(server, peer->uid))
                r = CONNECTION_E_REFUSED;
        if (r == 0 && !(connection = calloc(1, sizeof(*connection))))
                r = fault(-ENOMEM);
        if (r == 0)
                r = conn_new(&connection->conn, fd, initial_limit(server), server->limits.max_queued);
        if (r != 0) {
                close(fd);
                return r;
        }

        connection->server = server;
        connection->source.fd = fd;
        connection_init_deadline(connection);
        r = account_enter(&server->accounts, &connection->entry, peer->uid);
        if (r < 0) {
                conn_free(connection->conn);
                return r;
        }

        account_set_idle(&connection->entry, true);
        connection->call.peer = take_ptr(peer);
        LIST_INSERT_HEAD(&server->connections, connection, link);
        *ret = take_ptr(connection);
        return 0;
}

struct connection *connection_free(struct connection *connection)
{
        struct call *call = &connection->call;

        if (!connection->dead)
                leave(connection);
        if (connection->calling) {
                connection->server->stirred = true;
                if (call->on_dropped)
                        call->on_dropped(call->pending);
                wire_call_done(&call->wire);
        }
        LIST_REMOVE(connection, link);
        conn_free(connection->conn);
        peer_free(call->peer);
        free(connection);
        return NULL;
}
