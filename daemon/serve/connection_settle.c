/* What follows from a turn: whether the connection goes on, what is waited for, and until when. */
#include "daemon/serve/server.h"

#include "daemon/serve/server_internal.h"

#include <errno.h>
#include <sys/epoll.h>

#define INTEREST_AT_REST ((uint32_t)(EPOLLET | EPOLLIN | EPOLLRDHUP))

/* From its first turn on: many are over with that. */
static int set_interest(struct connection *connection)
{
        struct epoll_event event = { .events = EPOLLET, .data.ptr = &connection->source };
        int how = connection->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

        if (may_take(connection) && !connection->at_end)
                event.events = INTEREST_AT_REST;
        if (conn_queued(connection->conn) > 0)
                event.events |= EPOLLOUT;
        if (connection->watched && event.events == connection->interest)
                return 0;
        if (epoll_ctl(connection->server->epoll_fd, how, connection->source.fd, &event) < 0)
                return fault(-errno);
        connection->watched = true;
        connection->interest = event.events;
        return 0;
}

static bool holds_too_much(struct connection *connection)
{
        struct server *server = connection->server;
        size_t held = conn_held(connection->conn) + conn_queued(connection->conn);

        if (held == connection->entry.held_bytes)
                return false;
        account_set_held(&server->accounts, &connection->entry, held);
        /* Small ones are not what fills memory, and go on while somebody else does; thousands of them do. */
        if (held <= SERVER_HELD_SMALL)
                return connection->entry.account->held_bytes > 2 * server->limits.held_per_user;
        return connection->entry.account->held_bytes > server->limits.held_per_user ||
               server->accounts.held_bytes > server->limits.held;
}

/* Nothing is held or queued, and what is waited for is what was. */
static bool is_settled(const struct connection *connection)
{
        return conn_is_at_rest(connection->conn) && connection->interest == INTEREST_AT_REST &&
               connection->server->drain == DRAIN_NOT && connection->entry.held_bytes == 0 &&
               !connection->calling && !connection->closing && !connection->at_end &&
               !timer_is_armed(&connection->deadline);
}

void connection_settle(struct connection *connection, bool took, bool more_to_take)
{
        int r;

        if (is_settled(connection)) {
                account_set_idle(&connection->entry, true);
                if (is_readable(connection))
                        connection_schedule(connection);
                return;
        }
        if (conn_queued(connection->conn) == 0 &&
            (connection->closing || (connection->at_end && !connection->calling && !more_to_take))) {
                connection_drop(connection, NULL);
                return;
        }
        if (holds_too_much(connection)) {
                connection_drop(connection, "fills too many buffers");
                return;
        }

        if (!connection->calling)
                account_set_idle(&connection->entry, true);
        drain_connection(connection->server, connection);
        r = connection_set_deadline(connection, took);
        if (r == 0)
                r = set_interest(connection);
        if (r < 0)
                connection_drop_by_fault(connection, r);
        else if (may_take(connection) ? more_to_take || is_readable(connection) : has_nobody_left(connection))
                connection_schedule(connection);
}
