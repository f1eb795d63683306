/*
 * The socket that service managers load credentials from (systemd.exec(5), LoadCredential=): whoever connects has said everything with the
 * name of its own end, is sent some bytes or none, and hung up on. Knows no credential, and not who may have one.
 */
#pragma once

#include "common/cleanup.h"
#include "common/clock.h"
#include "daemon/serve/load_address.h"
#include "daemon/base/peer.h"
#include "daemon/base/timers.h"

#include <stdbool.h>
#include <stddef.h>

struct loads;

enum {
        LOADS_MOST = 128, /* at one time; whoever comes then waits at the socket */
        LOADS_STALLED_SEC = 10, /* how long a peer may not read */
};

/* One connection. It ends with load_give() or load_end(), or when the peer hangs up. */
struct load {
        struct peer *peer;
        bool is_named; /* the peer's address is that of a service manager; else request is empty */
        struct load_request request;

        /* What waits for it; its maker's. on_dropped frees it when the peer has gone, or the whole is freed. */
        void *pending;
        void (*on_dropped)(void *pending);
};

struct load_handler {
        /* Somebody has connected. It is ended now or later. */
        void (*on_load)(struct load *load, void *userdata);
        void *userdata;
};

/* event (an sd_event *), clock and timers are borrowed. */
int loads_new(struct loads **ret, void *event, struct clock *clock, struct timers *timers,
              const struct load_handler *handler);
struct loads *loads_free(struct loads *loads); /* drops all; listening sockets are closed */
DEFINE_FREEP(struct loads *, loads_free)

/* Takes a listening socket. */
int loads_listen(struct loads *loads, int fd);
/*
 * The orderly end: who comes from now on waits at the socket for the next daemon, and those who are there are waited for. on_idle is told
 * when the last of them ends.
 */
void loads_drain(struct loads *loads, void (*on_idle)(void *userdata), void *userdata);
bool loads_is_idle(const struct loads *loads);

/* The bytes are copied as far as the kernel does not take them at once. The load is gone afterwards. */
void load_give(struct load *load, const char *bytes, size_t n);
/* Nothing: the service is given an empty credential. The load is gone afterwards. */
void load_end(struct load *load);
