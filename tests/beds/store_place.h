/* A state directory of a test's own, and an event loop turned by hand, for the tests of the real store. */
#pragma once

#include "daemon/store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

struct place {
        char root[64];
        char dir[80]; /* root/state */
        sd_event *event;
        struct store *store; /* the one under test; freed in the end */
        struct diag diag;
};

int place_set_up(void **state); /* opens no store */
int place_set_up_in_memory(
        void **state); /* on tmpfs, for tests that would wait for the disk thousands of times */
int place_tear_down(void **state);

const char *path_of(const struct place *place, const char *name); /* valid for the next eight calls */

int open_store(struct place *place); /* store_new() with place->diag */
void must_open(struct place *place);
void close_store(struct place *place);
void reopen_process(struct place *place); /* close and open, as a restart would */
void turn_loop(struct place *place); /* until nothing is ready, and nothing is being committed */

/* What came of a batch. */
struct outcome {
        struct store_write *write;
        int calls, result;
        char problem[512];
};

void note_outcome(int result, const char *problem, void *outcome);
void start_ops(struct place *place, struct outcome *outcome, const struct store_op *ops, size_t n_ops);
void start_put(struct place *place, struct outcome *outcome, const char *name, const char *text);
void finish_write(struct outcome *outcome); /* frees the handle */

/* One record of kind "credential", through the loop; returns the result. */
int put(struct place *place, const char *name, const char *text);
/* "credential/acme=text client-secret/app=text", in the order of loading; valid until the next call. */
const char *contents(struct place *place);

/* Runs `child` in a process of its own with a loop of its own; its result is the exit status. */
pid_t start_child(int (*child)(struct place *place), struct place *place);
int in_child(int (*child)(struct place *place), struct place *place);
