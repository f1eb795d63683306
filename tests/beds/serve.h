/*
 * The serve layer on a real socket, over the whole core with its fake clock, network and disk: a test speaks the protocol and looks at
 * the answers as text.
 */
#pragma once

#include "daemon/method/method.h"
#include "tests/beds/core.h"

struct serve_bed {
        struct core core;
        struct audit audit;
        struct service *service;
        struct server *server;
        void *event; /* sd_event */
        struct loads *loads; /* at path + "-credentials" */
        char path[64];
        int clients[32];
        size_t n_clients;
        bool in_user_manager; /* the daemon is a user's service; set before serve_setup(), as what follows */
        unsigned other_uid; /* added to the own one */
        unsigned waiting_per_user; /* 0: as the daemon has it; set before serve_setup() */
        bool holds_turns; /* what takes long is begun, and not gone on with */
        int (*reload)(struct problems *problems, void *userdata);
};

/* `more`: as of core_setup(). */
void serve_setup(struct serve_bed *bed, const char *more);
void serve_setup_with_provider(struct serve_bed *bed, const char *provider, const char *more);
void serve_teardown(struct serve_bed *bed);
/* Puts another configuration in force and tells the service, as the daemon does. */
void serve_reload(struct serve_bed *bed, const char *more);

int serve_connect(struct serve_bed *bed);
/* As a service manager does that loads the credential `id` for the unit; NULL: as somebody who binds no name. */
int serve_load(struct serve_bed *bed, const char *unit, const char *id);
void serve_hang_up(struct serve_bed *bed, int fd);
/* Sends one message; its NUL is added. */
void serve_say(struct serve_bed *bed, int fd, const char *message);
/* All that has come by now, a newline for each NUL; "EOF" at the end when the server has hung up. Valid until the next call. */
const char *serve_hear(struct serve_bed *bed, int fd);
/* say, then hear. */
const char *serve_ask(struct serve_bed *bed, int fd, const char *message);
/* Works off what the loop and the timers have. */
void serve_pump(struct serve_bed *bed);
void serve_advance(struct serve_bed *bed, uint64_t seconds);
