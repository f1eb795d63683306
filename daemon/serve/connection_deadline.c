/* How long a peer may take: to end a message that it began, and to read its answers. */
#include "daemon/serve/server_internal.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

/* What is queued here, and what the kernel holds for the peer: it takes no more from us before the peer has read a good part of that. */
static size_t unread_bytes(const struct connection *connection)
{
        int in_kernel = 0;

        if (ioctl(connection->source.fd, SIOCOUTQ, &in_kernel) < 0 || in_kernel < 0)
                in_kernel = 0;
        return conn_queued(connection->conn) + (size_t)in_kernel;
}

static void on_deadline(void *userdata)
{
        struct connection *connection = userdata;
        struct server *server = connection->server;

        if (!connection->deadline_is_stall) {
                connection_drop(connection, "began a message and did not end it");
                return;
        }
        if (unread_bytes(connection) < connection->stalled_at) {
                /* It reads, if slowly. */
                connection_schedule(connection);
                return;
        }
        server->stats.stalled++;
        connection_drop(connection, "does not read its answers");
}

void connection_init_deadline(struct connection *connection)
{
        timer_init(&connection->deadline, on_deadline, connection);
}

int connection_set_deadline(struct connection *connection, bool took)
{
        struct server *server = connection->server;
        bool stall = conn_queued(connection->conn) > 0;
        bool partial = !stall && !connection->calling && conn_has_partial(connection->conn);

        if (!stall && !partial) {
                if (timer_is_armed(&connection->deadline))
                        timer_stop(server->timers, &connection->deadline);
                return 0;
        }
        if (timer_is_armed(&connection->deadline) && connection->deadline_is_stall == stall && !took)
                return 0;

        connection->deadline_is_stall = stall;
        connection->stalled_at = stall ? unread_bytes(connection) : 0;
        return timer_set(server->timers, &connection->deadline,
                         usec_add(clock_boot_usec(server->clock),
                                  stall ? server->limits.stalled_usec : server->limits.partial_usec));
}
