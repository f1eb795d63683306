/*
 * The orderly end of all connections. Closing a socket throws away what its peer has sent and nobody has read: so reading is
 * shut first, which makes the peer's next send fail where it stands, and what it sent before is answered.
 */
#include "daemon/serve/server.h"

#include "daemon/serve/server_internal.h"

enum {
        FIRST_CALL_MSEC = 1000, /* from connecting to calling, on a machine that is busy */
        ANSWERS_MSEC = 1000,
};

static void refuse_more(struct connection *connection)
{
        connection->refuses_more = true;
        conn_refuse_more(connection->conn);
        /* What has come before is taken, up to the end that is there now. */
        if (!connection->dead)
                connection_schedule(connection);
}

void drain_connection(struct server *server, struct connection *connection)
{
        if (server->drain == DRAIN_NOT || connection->refuses_more)
                return;
        if (connection->has_called || server->drain != DRAIN_FIRST_CALLS)
                refuse_more(connection);
}

static void drain_all(struct server *server)
{
        struct connection *connection;

        LIST_FOREACH (connection, &server->connections, link)
                drain_connection(server, connection);
}

static void set_timer(struct server *server, uint64_t msec)
{
        /* Without memory for the timer nobody is waited for. */
        if (timer_set(server->timers, &server->drain_timer,
                      usec_add(clock_boot_usec(server->clock), msec * USEC_PER_MSEC)) < 0)
                server->drain = DRAIN_OVER;
}

static void on_time(void *userdata)
{
        struct server *server = userdata;

        if (server->drain == DRAIN_FIRST_CALLS) {
                server->drain = DRAIN_ANSWERS;
                drain_all(server);
                set_timer(server, ANSWERS_MSEC);
        } else {
                server->drain = DRAIN_OVER;
        }
        drain_check(server);
}

void drain_init(struct server *server)
{
        timer_init(&server->drain_timer, on_time, server);
}

void server_drain(struct server *server, void (*on_drained)(void *userdata), void *userdata)
{
        server_stop_accepting(server);
        server->on_drained = on_drained;
        server->on_drained_userdata = userdata;
        server->drain = DRAIN_FIRST_CALLS;
        set_timer(server, FIRST_CALL_MSEC);
        drain_all(server);
        drain_check(server);
}

bool server_is_drained(const struct server *server)
{
        struct connection *connection;

        if (accounts_any_due(&server->accounts) || !STAILQ_EMPTY(&server->dead))
                return false;
        if (server->drain == DRAIN_OVER)
                return true;
        LIST_FOREACH (connection, &server->connections, link) {
                if (!connection->calling)
                        return false;
        }
        return true;
}

void drain_check(struct server *server)
{
        if (server->drain == DRAIN_NOT)
                return;
        /* Whoever is told may end the loop. */
        server->stirred = true;
        if (server->on_drained && server_is_drained(server))
                server->on_drained(server->on_drained_userdata);
}
