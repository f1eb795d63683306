/* What a connection sends: answers of methods, in the form that they come in, and the end of a call with the last of them. */
#include "daemon/serve/server.h"

#include "daemon/serve/server_internal.h"

#include <assert.h>
#include <stddef.h>

static struct connection *connection_of(struct call *call)
{
        return (struct connection *)(void *)((char *)call - offsetof(struct connection, call));
}

static const struct connection *connection_of_const(const struct call *call)
{
        return (const struct connection *)(const void *)((const char *)call -
                                                         offsetof(struct connection, call));
}

void connection_set_waiting(struct connection *connection, bool waiting)
{
        if (connection->dead || connection->entry.waiting == waiting)
                return;
        connection->server->n_waiting += waiting ? 1 : -1U;
        account_set_waiting(&connection->entry, waiting);
}

static void end_call(struct connection *connection)
{
        struct call *call = &connection->call;

        assert(connection->calling);

        wire_call_done(&call->wire);
        call->pending = NULL;
        call->on_dropped = NULL;
        call->on_drained = NULL;
        connection->calling = false;
        connection_set_waiting(connection, false);
        if (!connection->in_turn)
                connection_schedule(connection);
}

static void end_sending(struct connection *connection, int r)
{
        if (r == CONN_E_TOO_LARGE) {
                connection->server->stats.stalled++;
                connection_drop(connection, "does not read its answers");
        } else if (r == CONN_E_CLOSED) {
                connection_drop(connection, NULL);
        } else if (r != 0) {
                connection_drop_by_fault(connection, r);
        }
}

/*
 * The last answer goes out from where it lies, unless more calls have come whose answers can go with it. Whoever has more answers to
 * come is told by its on_drained when the queue is empty, and so always goes through it.
 */
void connection_send(struct connection *connection, const char *message, size_t n, bool continues)
{
        struct conn *conn = connection->conn;

        end_sending(connection, continues || conn_has_next(conn) ? conn_put(conn, message, n)
                                                                 : conn_send(conn, message, n));
}

void connection_send_brief(struct connection *connection, const struct secret_buf *answer)
{
        struct conn *conn = connection->conn;

        end_sending(connection, conn_has_next(conn) ? conn_put(conn, answer->data, answer->n)
                                                    : conn_send_text(conn, answer->data, answer->n));
}

void call_send(struct call *call, const char *message, size_t n, bool continues)
{
        struct connection *connection = connection_of(call);

        connection->server->work += n / SERVER_WORK_BYTES;
        if (!call->wire.oneway && !connection->dead)
                connection_send(connection, message, n, continues);

        if (!continues)
                end_call(connection);
        else if (!connection->in_turn)
                connection_schedule(connection);
}

static void send_values(struct call *call, const char *error, const json_t *parameters, bool continues)
{
        struct secret_buf message = SECRET_BUF_INIT(2 * WIRE_MESSAGE_MAX);
        int r;

        r = call->wire.oneway ? 0 : wire_format_reply(&message, error, parameters, continues);
        if (r < 0)
                connection_drop_by_fault(connection_of(call), r);
        /* To one that is dropped nothing is sent; a call that goes on is its maker's until it is told. */
        call_send(call, message.data, message.n, continues);
        secret_buf_done(&message);
}

void call_reply(struct call *call, const json_t *parameters)
{
        send_values(call, NULL, parameters, false);
}

void call_error(struct call *call, const char *error, const json_t *parameters)
{
        send_values(call, error, parameters, false);
}

void call_reply_continues(struct call *call, const json_t *parameters)
{
        send_values(call, NULL, parameters, true);
}

void call_fail(struct call *call, int fault)
{
        struct connection *connection = connection_of(call);

        connection_drop_by_fault(connection, fault);
        if (connection->calling)
                end_call(connection);
}

size_t call_queued(const struct call *call)
{
        return conn_queued(connection_of_const(call)->conn);
}
