/*
 * The daemon as a whole: made in order, run, stopped, and taken apart in the opposite order. Functions that end with an exit status
 * (sysexits.h) have said why on the log.
 */
#pragma once

#include "daemon/vault/context.h"
#include "daemon/listen.h"
#include "daemon/loop.h"
#include "daemon/method/method.h"
#include "daemon/options.h"
#include "daemon/serve/server.h"
#include "daemon/vault/vault.h"

#include <stdbool.h>
#include <stddef.h>

struct hooks;
struct seal;
struct store;

struct app {
        const struct options *options;
        void *event; /* sd_event */
        struct timers timers;
        struct context context;
        struct config *config;
        struct refresher *refresher;
        struct prober *prober;
        struct logins *logins;
        struct hooks *hooks;
        struct audit audit;
        struct service *service;
        struct server *server;
        struct loads *loads;
        struct loop *loop;
        struct listen_path listen_path;
        char *state_dir; /* absolute */
        const char *sealing_key;
        int64_t started_at;
        bool stopping;
        bool refreshes_ended; /* of those that were in flight when it was told to stop */

        const char *
                handed_over; /* the name under which the service manager keeps unsaved grants; NULL: it keeps none */
        bool unreadable_handover; /* some of it does not open, and stays with the manager */

        void *signals[3]; /* sd_event_source */
        bool told_secret_memory; /* that some of it is not protected */
        struct timer status_timer;
        struct vault_loader loader;
        void *settle_source; /* sd_event_source; once, after the first turn */
        bool settled;
        void *turn_source; /* sd_event_source; enabled while there is something to be done between the turns */
        bool is_loading; /* by turns */
        struct timer load_timer; /* while memory is wanting */
        uint64_t load_began_usec; /* 0: everything was read at the start */
        int exit_status; /* of an end that nobody has asked for */
        struct timer join_timer; /* when libcurl is looked for, unless a request comes first */
        char status[160]; /* as last told to the service manager */
};

/* Reads the configuration and its secrets' sources; every mistake is told. 0, or an exit status. */
int app_load_config(const struct options *options, struct config **ret);

/* app: zeroed. Takes config. 0: it serves. */
int app_start(struct app *app, const struct options *options, struct config *config);
/* Until it is told to stop; then orderly. */
int app_run(struct app *app);
void app_done(struct app *app); /* safe on one that was not started wholly */

/* The parts of app_start() and app_run() that have files of their own. */
int app_open(struct app *app); /* app_open.c: state, key, store, vault */
int app_choose_key(struct app *app, struct store *store, struct seal **seal); /* app_key.c */
int app_change_key(struct key_change *ret, struct diag *diag, void *userdata); /* app_key.c */
int app_add_signals(struct app *app); /* app_run.c */
int app_load_later(struct app *app); /* app_load.c; what the vault has not read yet. 0 or an exit status */
void app_want_turn(void *userdata); /* app_load.c; of the service */
void app_load_end(struct app *app); /* app_load.c */
int app_settle_later(struct app *app); /* app_settle.c; 0 or an exit status */
void app_settle(void *userdata); /* app_settle.c; now, unless that is done. Of the service */
int app_tell_problems(const struct problems *problems, bool check); /* gives the exit status */
void app_stop(struct app *app); /* app_run.c; begins an orderly stop */
int app_take_over(struct app *app); /* app_handover.c; 0 or an exit status */
void app_end_handover(struct app *app); /* app_handover.c; once everything is saved */
int app_leave(struct app *app); /* app_handover.c; gives the exit status */
int app_reload(struct problems *problems, void *userdata); /* app_run.c */
void app_on_change(struct credential *credential, bool gone, void *userdata); /* app_run.c */
void app_on_store_change(void *userdata); /* app_run.c */
void app_on_clock_jump(void *userdata); /* app_run.c */
void app_tell_status(void *userdata); /* app_run.c; of status_timer */
void app_join_http(void *userdata); /* app_run.c; of join_timer */
void app_tell_secret_memory(struct app *app); /* app_run.c */

/* Tells it, and gives the exit status back; the words say what to do. */
int app_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same of a fault. */
int app_fault(int fault);
