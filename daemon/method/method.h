/*
 * What the daemon can be asked: one function for each method, found through one table. What a call waits for belongs to it, and goes when
 * its connection goes. Knows no socket.
 */
#pragma once

#include "daemon/serve/access.h"
#include "daemon/serve/audit.h"
#include "daemon/vault/context.h"
#include "daemon/serve/load.h"
#include "daemon/login/login.h"
#include "daemon/report/metrics.h"
#include "daemon/refresh/probe.h"
#include "daemon/config/problems.h"
#include "daemon/refresh/refresh.h"
#include "daemon/serve/server.h"
#include "daemon/report/status.h"
#include "daemon/transfer/transfer.h"

struct service;

struct key_change {
        size_t n_records;
        const char *source; /* as in the status; borrowed */
};

/* What the methods work with: borrowed, and outliving the service. */
struct service_parts {
        struct context *context;
        struct refresher *refresher;
        struct prober *prober;
        struct logins *logins;
        struct audit *audit;
        struct access_self self;
        struct daemon_facts facts;
        /* Reads the configuration again. 0; SERVICE_E_PROBLEMS: it is wrong, and the old one stays. */
        int (*reload)(struct problems *problems, void *userdata);
        void *reload_userdata;
        /* What a start leaves for later is needed now. May be NULL. */
        void (*settle)(void *userdata);
        void *settle_userdata;
        /* 0; SERVICE_E_NOT_SAVED: diag says why the old key stays. */
        int (*change_key)(struct key_change *ret, struct diag *diag, void *userdata);
        void *change_key_userdata;
        /* There is work for service_turn(). May be NULL. */
        void (*want_turn)(void *userdata);
        void *want_turn_userdata;
        struct backup_cost backup_cost; /* all zero: BACKUP_COST */
};

enum {
        SERVICE_E_PROBLEMS = 1,
        SERVICE_E_NOT_SAVED,
};

int service_new(struct service **ret, const struct service_parts *parts);
struct service *service_free(struct service *service); /* the server must be gone, the vault still there */
DEFINE_FREEP(struct service *, service_free)

/* For server_new(). The server is named to the service afterwards, for its figures. */
struct server_handler service_handler(struct service *service);
/* For loads_new(). */
struct load_handler service_load_handler(struct service *service);
void service_set_server(struct service *service, struct server *server);

/*
 * Whether the store is still being read: whoever told so tells the end of it. Until then, calls that speak of all credentials wait - without it,
 * they read the rest while everybody waits -, and the reading ought to hurry while there are any.
 */
void service_set_loading(struct service *service, bool is_loading);
bool service_awaits_all(const struct service *service);
/* One step of what takes long. False: nothing is left to be done. */
bool service_turn(struct service *service);
/* No call waits for anything but the world outside. */
bool service_is_idle(const struct service *service);

/* context->on_change, with the service as userdata. */
void service_on_change(struct credential *credential, bool gone, void *userdata);
/* What holds for all credentials has changed: the configuration, or the wall clock. */
void service_refresh_all(struct service *service);

/* "Serving 3 credentials; 1 needs a login." */
void service_summary(struct service *service, char *buffer, size_t size);
