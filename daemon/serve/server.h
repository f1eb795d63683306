/*
 * Connections: sockets that listen, peers, whole messages in and out, and what each user may make the daemon hold. One call of a connection
 * is under way at a time, so that replies keep the order of calls. Knows the protocol's frame, and no method.
 */
#pragma once

#include "common/clock.h"
#include "common/wire.h"
#include "daemon/base/peer.h"
#include "daemon/base/timers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct server;
struct wire_slice;
struct audit;

/* What was found out about this connection's peer, so that a call costs a comparison. The method layer's own. */
struct verdict {
        const void *allow; /* the list that it was held against */
        uint64_t epoch; /* 0: none */
        bool granted;
};
enum { CALL_VERDICTS = 4 };

/*
 * One call under way. It is over with its last answer, or when the connection goes; the answering functions free nothing that their caller
 * holds, so that they may be called from any callback.
 */
struct call {
        struct peer *peer;
        struct wire_call wire;
        uint64_t began_usec;

        /* What waits for this call; its maker's. on_dropped frees it when the connection goes, or when the server gives the call up. */
        void *pending;
        void (*on_dropped)(void *pending);
        /* Told when all that was queued for the peer is sent; may be NULL. */
        void (*on_drained)(void *pending);

        /* These outlive the call. */
        struct verdict verdicts[CALL_VERDICTS];
        unsigned n_verdicts;
        struct {
                const void *credential;
                uint64_t generation;
                uint64_t epoch;
        } told[CALL_VERDICTS]; /* whose use by this peer was told */
        unsigned n_told;
};

/* A message that came whole, which may be no call, and what the method layer has found in it. */
struct brief {
        const char *bytes;
        size_t n;

        const char *name; /* not NUL-ended */
        size_t n_name;
        uint64_t hash; /* of the name */
        bool min_valid_given;
        int64_t min_valid_sec;
};

struct server_handler {
        /* A call has come. It is answered now or later. A fault drops the connection. */
        int (*on_call)(struct call *call, void *userdata);
        /*
         * These three may be NULL, all of them. A message has come. True: it is a call that may be answered at once, and is offered to on_brief, after
         * others perhaps. False: on_call follows, if it is a call.
         */
        bool (*on_message)(struct brief *brief, void *userdata);
        /* These are offered next, one after the other: what they need from afar in memory is fetched for all at once. */
        void (*on_expected)(const struct brief *const *briefs, size_t n, void *userdata);
        /* True: here is the answer, without a NUL in it, borrowed until the next call. False: nothing was done, and on_call follows. */
        bool (*on_brief)(struct call *call, const struct brief *brief, void *userdata,
                         const struct secret_buf **ret_answer);
        /* It waits, and its user has too many that do: answer it. One that is not answered is dropped. */
        void (*on_crowded)(struct call *call, void *userdata);
        /* Whether a call of this method may be longer than max_call; NULL: each may. */
        bool (*takes_much)(const struct wire_slice *method, void *userdata);
        /* A long message has begun. Whether this peer may send such; NULL: everybody may. */
        bool (*may_send_much)(struct call *call, void *userdata);
        void *userdata;
};

struct server_limits {
        unsigned connections; /* in all */
        unsigned connections_per_user;
        unsigned waiting_per_user; /* calls */
        size_t held_per_user; /* bytes in buffers */
        size_t held; /* bytes in buffers of all users */
        size_t max_message; /* bytes of one that comes in */
        size_t max_call; /* the same, of a method that needs no longer ones */
        size_t max_short_message; /* of peers that may not send much */
        size_t max_queued; /* bytes of one connection that wait to be sent */
        uint64_t partial_usec; /* how long a message may take to arrive */
        uint64_t stalled_usec; /* how long a peer may not read what waits for it */
};

/* Fitting for so many descriptors. */
struct server_limits server_limits_for(uint64_t n_descriptors);

/* event (an sd_event *), clock, timers and audit are borrowed. */
int server_new(struct server **ret, void *event, struct clock *clock, struct timers *timers,
               struct audit *audit, const struct server_limits *limits, const struct server_handler *handler);
struct server *server_free(struct server *server); /* drops all connections; listening sockets are closed */
DEFINE_FREEP(struct server *, server_free)

/*
 * Runs the loop to its end, in place of sd_event_loop(): its exit code, or a fault. Connections that are answered at once cost no turn
 * of it.
 */
int server_loop(struct server *server);

/* Takes a listening socket. */
int server_listen(struct server *server, int fd);
/* No new connections; those that are there go on. Listening sockets are closed. */
void server_stop_accepting(struct server *server);

/*
 * The orderly end: no new connections, and no call that the kernel has taken from a peer stays unread or unanswered. Connections are
 * closed as they come to rest; one that has not said anything yet has a moment for its first call, and whoever does not read its
 * answers is not waited for long. on_drained is told, perhaps more than once, when only calls that wait are left.
 */
void server_drain(struct server *server, void (*on_drained)(void *userdata), void *userdata);
bool server_is_drained(const struct server *server);

struct server_stats {
        unsigned connections, waiting;
        uint64_t accepted, calls, malformed, evicted, refused, stalled;
};
void server_get_stats(const struct server *server, struct server_stats *ret);

/* The last answer. parameters is borrowed; NULL means {}. A fault has dropped the connection already: it is told once. */
void call_reply(struct call *call, const json_t *parameters);
void call_error(struct call *call, const char *error, const json_t *parameters);
/* An answer that others follow, for a call with `more`. */
void call_reply_continues(struct call *call, const json_t *parameters);
/* The same of a message that is ready to be sent; for answers that hold secrets. */
void call_send(struct call *call, const char *message, size_t n, bool continues);
/* Our own failure: told, and the connection is dropped. */
void call_fail(struct call *call, int fault);
/* Bytes that the peer has not read yet. */
size_t call_queued(const struct call *call);
