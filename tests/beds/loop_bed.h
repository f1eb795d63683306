/* A server in the daemon's loop, at a socket of its own; its handler answers "t.Brief" at once, "t.Long" at length and "t.Slow" as all else. */
#pragma once

#include "daemon/base/timers.h"
#include "daemon/serve/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <systemd/sd-event.h>

enum { PATIENCE_SEC = 30 };

#define BRIEF "{\"method\":\"t.Brief\"}"
#define SLOW "{\"method\":\"t.Slow\",\"more\":false}"
#define LONG "{\"method\":\"t.Long\",\"more\":true}"

extern struct timers timers;
extern struct timer timer; /* calls end_loop() unless a test arms it for something else */
extern sd_event *event;
extern struct server *server;
extern sd_event_source *defer; /* of a test; let go at its end */

/* What the handler was told, and what a test makes it do. */
extern size_t n_expected, most_expected;
extern unsigned n_brief, n_slow;
extern unsigned n_to_refuse; /* of what was taken for brief */
extern void (*on_call_do)(void);

int setup(void **state);
int teardown(void **state);
void end_loop(void *userdata); /* with 43 */
int connect_client(void);
void say(int fd, const char *message);
void hear_answer(int fd);

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
