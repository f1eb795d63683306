/* A state directory of a test's own, and an event loop turned by hand. */
#include "tests/beds/store_place.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int set_up_in(const char *parent, void **state)
{
        struct place *place = calloc(1, sizeof(*place));

        assert_non_null(place);
        snprintf(place->root, sizeof(place->root), "%s/purser-test-store-XXXXXX", parent);
        assert_non_null(mkdtemp(place->root));
        snprintf(place->dir, sizeof(place->dir), "%s/state", place->root);
        assert_int_equal(mkdir(place->dir, 0700), 0);
        assert_true(sd_event_new(&place->event) >= 0);
        *state = place;
        return 0;
}

int place_set_up(void **state)
{
        return set_up_in("/tmp", state);
}

int place_set_up_in_memory(void **state)
{
        return set_up_in(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", state);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
        return remove(path);
}

int place_tear_down(void **state)
{
        struct place *place = *state;

        store_free(place->store);
        sd_event_unref(place->event);
        assert_int_equal(nftw(place->root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
        free(place);
        return 0;
}

const char *path_of(const struct place *place, const char *name)
{
        static char paths[8][256];
        static unsigned next;
        char *path = paths[next++ % 8];

        snprintf(path, sizeof(paths[0]), "%s/%s", place->dir, name);
        return path;
}

int open_store(struct place *place)
{
        place->diag.text[0] = '\0';
        return store_new(&place->store, place->dir, place->event, &place->diag);
}

void must_open(struct place *place)
{
        int r = open_store(place);

        if (r != 0)
                fail_msg("store_new: %d: %s", r, place->diag.text);
}

void close_store(struct place *place)
{
        place->store = store_free(place->store);
}

void reopen_process(struct place *place)
{
        close_store(place);
        must_open(place);
}

void turn_loop(struct place *place)
{
        do
                while (sd_event_run(place->event, 0) > 0)
                        ;
        while (place->store && store_wait(place->store));
}

void note_outcome(int result, const char *problem, void *userdata)
{
        struct outcome *outcome = userdata;

        outcome->calls++;
        outcome->result = result;
        snprintf(outcome->problem, sizeof(outcome->problem), "%s", problem);
}

void start_ops(struct place *place, struct outcome *outcome, const struct store_op *ops, size_t n_ops)
{
        *outcome = (struct outcome){ .result = 1 };
        assert_int_equal(store_write_start(place->store, ops, n_ops, note_outcome, outcome, &outcome->write),
                         0);
        assert_int_equal(outcome->calls, 0);
}

void start_put(struct place *place, struct outcome *outcome, const char *name, const char *text)
{
        struct store_op op = { "credential", name, (const uint8_t *)text, strlen(text) };

        start_ops(place, outcome, &op, 1);
}

void finish_write(struct outcome *outcome)
{
        outcome->write = store_write_free(outcome->write);
}

int put(struct place *place, const char *name, const char *text)
{
        struct outcome outcome;

        start_put(place, &outcome, name, text);
        turn_loop(place);
        finish_write(&outcome);
        assert_int_equal(outcome.calls, 1);
        assert_true((outcome.result == 0) == (outcome.problem[0] == '\0'));
        return outcome.result;
}

static int append_record(const char *kind, const char *name, const uint8_t *blob, size_t n, void *userdata)
{
        char *text = userdata;
        size_t at = strlen(text);

        assert_true(at + n + 200 < 4096);
        snprintf(text + at, 4096 - at, "%s%s/%s=%.*s", at ? " " : "", kind, name, (int)n, (const char *)blob);
        return 0;
}

const char *contents(struct place *place)
{
        static char text[4096];
        struct diag diag = DIAG_INIT;

        text[0] = '\0';
        assert_int_equal(store_load(place->store, append_record, text, &diag), 0);
        return text;
}

pid_t start_child(int (*child)(struct place *place), struct place *place)
{
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid > 0)
                return pid;
        /* An event loop is its own process's alone. */
        if (sd_event_new(&place->event) < 0)
                _exit(1);
        _exit(child(place));
}

int in_child(int (*child)(struct place *place), struct place *place)
{
        int status;
        pid_t pid = start_child(child, place);

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}
