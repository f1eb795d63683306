/* A server with clients of its own, whose handler answers, waits or counts as the test says. */
#pragma once

#include "common/wire_brief.h"
#include "daemon/serve/server.h"

#include "tests/beds/fake_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <sys/un.h>
#include <systemd/sd-event.h>

enum { CLIENTS = 64, WAITING = 64 };
extern struct server *server;
extern struct server_limits limits;
extern struct sockaddr_un address;

extern int clients[CLIENTS];
extern size_t n_clients;

/* What the handler left waiting, in order; NULL: answered or dropped. */
extern struct call *waiting[WAITING];
extern size_t n_waiting, n_dropped, n_drained, n_crowded;
extern bool answer_crowded;
extern bool (*which_takes_much)(const struct wire_slice *method, void *userdata);
extern bool (*who_may_send_much)(struct call *call, void *userdata);
extern uid_t friend_uid;
extern unsigned n_asked;
extern uint64_t calls_before_wait; /* how many calls had begun when the last t.Wait did */
extern uint64_t accepted_before_wait; /* and how many connections had been accepted */
void start_server(void);
int setup(void **state);
int teardown(void **state);

/* Until nothing is left to do. */
void pump(void);
void advance(uint64_t usec);
/* Other users, too. */
void let_everybody_connect(void);
int connect_client(void);
void send_bytes(int fd, const char *bytes, size_t n);

/* With its NUL. */
void say(int fd, const char *message);
void call_method(int fd, const char *method, int n);

/* All that has come, NULs shown as newlines; "EOF" at the end when the server has hung up. */
const char *hear(int fd);
bool may_send_much(struct call *call, void *userdata);

#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
