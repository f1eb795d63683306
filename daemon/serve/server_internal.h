/* Shared by server.c, which has the sockets and the loop, and connection*.c, which have one peer's messages. */
#pragma once

#include "common/conn.h"
#include "daemon/serve/accounts.h"
#include "daemon/serve/server.h"

#include <sys/epoll.h>
#include <sys/queue.h>

enum {
        /*
         * What is done before others have their turn, and before it is looked who else has come: so many calls that are answered at once,
         * one or two microseconds each, or so much of what follows.
         */
        SERVER_WORK_PER_TURN = 64,
        SERVER_WORK_IN_CROWD = 8, /* the same, while others wait to be accepted */
        SERVER_WORK_BRIEF = 1,
        SERVER_WORK_BRIEF_BYTES = 4096, /* of an answer, that such a call includes */
        SERVER_WORK_BEHIND = 3, /* more, of a call that was sent before the last one was answered */
        SERVER_WORK_CALL = 8, /* more, of another call */
        SERVER_WORK_BYTES = 1024, /* that are as much work as a brief call */
        SERVER_WORK_PART = 1, /* a turn without a whole message */
        SERVER_WORK_ACCEPT = 4,
        SERVER_WORK_END = 4, /* of a connection */
        SERVER_SEND_HIGH =
                64 * 1024, /* queued bytes above which no further call is read: tokens are among them */
        SERVER_LANES = 8, /* turns that are begun before the first of them is ended */
        SERVER_LANE_SIZE = 2000, /* bytes of a message that is read into one */
        SERVER_HELD_SMALL = 8 * 1024, /* bytes that a connection may hold whatever its user holds */
};

/* What stands behind an entry of the epoll set. */
enum source_kind { SOURCE_CONNECTION, SOURCE_LISTENER, SOURCE_LOOP };

struct source {
        enum source_kind kind;
        int fd;
};

struct listener {
        struct source source;
        LIST_ENTRY(listener) link;
};

struct connection {
        struct source source;
        struct server *server;
        struct conn *conn;
        struct call call;
        struct account_entry entry;
        struct wire_shape shape; /* of a message that is coming */

        bool calling; /* `call` is under way */
        bool has_called;
        bool asked_for_much; /* whether it may send long messages */
        bool refuses_more; /* as conn_refuse_more() says */
        bool in_turn; /* take_messages() is on the stack, and will see to what changed */
        bool at_end; /* the peer will send nothing more */
        bool closing; /* closed when all is sent; nothing more is read */
        bool dead; /* to be freed, from where nobody holds it */
        bool reaped; /* is among the server's dead */
        bool watched; /* is in the epoll set */
        bool not_brief; /* the first message that lies here was offered as such */
        uint32_t interest;
        uint32_t events; /* that the epoll set told, once: it is edge-triggered. See is_readable() */

        struct timer deadline;
        bool deadline_is_stall;
        size_t stalled_at; /* bytes that the peer had not read when the deadline was set */

        LIST_ENTRY(connection) link;
        STAILQ_ENTRY(connection) dead_link;
};

/* A turn between its two halves. */
struct lane {
        struct connection *connection;
        enum {
                LANE_WHOLE, /* nothing is done */
                LANE_READ, /* what came lies in conn */
                LANE_BRIEF, /* one message lies in buf */
                LANE_OVER,
        } state;
        int r; /* of LANE_READ: a fault, or 0 */
        struct secret_buf buf; /* read into, by one connection after the other */
        struct brief brief;
};

enum server_drain_phase {
        DRAIN_NOT,
        DRAIN_FIRST_CALLS, /* those who have just connected may still call */
        DRAIN_ANSWERS, /* nobody may call; answers are being read */
        DRAIN_OVER, /* nobody is waited for */
};

struct server {
        void *event;
        struct clock *clock;
        struct timers *timers;
        struct audit *audit;
        struct server_limits limits;
        struct server_handler handler;

        int epoll_fd;
        int reserve_fd; /* given up to take, and close, a connection that there is no descriptor for */
        void *io, *later; /* sd_event_source */
        struct source loop; /* in server_loop(): what else the daemon waits for */
        bool looping;
        bool stirred; /* something happened that may have given the loop work */
        uint64_t looked_usec; /* boot time when it was last looked who is there */
        struct lane lanes[SERVER_LANES];
        struct secret_buf spare; /* for those to read into whose turn is done whole */
        bool paused;
        bool is_crowded; /* at the last look not all could be accepted who had connected */
        struct timer resume;

        enum server_drain_phase drain;
        struct timer drain_timer;
        void (*on_drained)(void *userdata);
        void *on_drained_userdata;

        struct accounts accounts;
        unsigned n_waiting;
        LIST_HEAD(, listener) listeners;
        LIST_HEAD(, connection) connections;
        STAILQ_HEAD(, connection) dead;
        size_t work; /* since it was last looked who is there */
        struct server_stats stats;
};

/* Waits for whoever has something, as long as epoll_wait(2) does, and serves a little of it. True: the event loop has something, too. */
bool server_round(struct server *server, int timeout_msec);
/* server_work.c: serves those who are due, until it is to be looked again. False: nothing is left to do. */
bool server_work(struct server *server);
bool server_is_busy(const struct server *server); /* There is more to do at once. */
/* True when the user may have one more connection; for that, one that rests may have been dropped. */
bool server_make_room(struct server *server, uid_t uid);

/* server_drain.c: a connection that has come to rest, and the end of a round. */
void drain_connection(struct server *server, struct connection *connection);
void drain_check(struct server *server);
void drain_init(struct server *server);

enum {
        CONNECTION_E_REFUSED = 1,
};

/* Takes fd in any case. */
int connection_new(struct connection **ret, struct server *server, int fd);
struct connection *connection_free(struct connection *connection);
/*
 * Does what is to be done: what the epoll set has told, and what waits here. In two halves, the first of which reads what comes to one
 * that rests. Between them the lane's connection may be dropped.
 */
void connection_begin_turn(struct lane *lane);
/* The second half of a brief call, unless it is none at second sight. */
void connection_end_brief(struct lane *lane);
/* That of everything else, or another turn later. */
void connection_end_turn(struct lane *lane);
void connection_put_back(struct lane *lane);
/* Marks it for a turn, or for its end. */
void connection_schedule(struct connection *connection);
/* `why` NULL: nothing that anybody need know. */
void connection_drop(struct connection *connection, const char *why);

/* Our own failure, which is told. */
void connection_drop_by_fault(struct connection *connection, int fault);

/* connection_answer.c */
void connection_set_waiting(struct connection *connection, bool waiting);
/* Queues a message, or sends it at once; `continues`: others of the same call follow. */
void connection_send(struct connection *connection, const char *message, size_t n, bool continues);
void connection_send_brief(struct connection *connection, const struct secret_buf *answer);

/* connection_deadline.c: how long a peer may take. took: a message was whole, so that the next one has all the time again. */
void connection_init_deadline(struct connection *connection);
int connection_set_deadline(struct connection *connection, bool took);

/* ---- what a turn depends on ---- */

static inline bool may_take(const struct connection *connection)
{
        return !connection->dead && !connection->calling && !connection->closing &&
               conn_queued(connection->conn) < SERVER_SEND_HIGH;
}

/* What was told stays so until all was read; behind the peer's end there is that to be read. */
static inline bool is_readable(const struct connection *connection)
{
        return !connection->at_end && (connection->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP));
}

/* Who would read an answer. */
static inline bool has_nobody_left(const struct connection *connection)
{
        return (connection->events & EPOLLERR) || ((connection->events & EPOLLHUP) && connection->calling);
}

/* connection_settle.c: a turn is over. took: it had a message; more_to_take: more than one turn has. */
void connection_settle(struct connection *connection, bool took, bool more_to_take);

/* An entry's connection. */
#define connection_of_entry(pointer)                                                                         \
        ((struct connection *)(void *)((char *)(pointer)-offsetof(struct connection, entry)))
