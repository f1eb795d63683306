// links: daemon/store/
// libs: libsystemd sqlite3
// ldflags: -Wl,--wrap=pthread_create
/*
 * The thread that commits, and the loop beside it. The disk is ours: fdatasync() waits at a gate that the test opens, or fails. Run under
 * ThreadSanitizer, too: `make tsan`.
 */
#include "tests/beds/store_place.h"

#include "daemon/store/store_worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- a disk that takes its time ---- */

static struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool is_closed;
        unsigned n_waiting;
        int error; /* of the next sync */
} gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0, 0 };

/* In the place of the C library's, for SQLite too. */
int fdatasync(int fd)
{
        int error;

        pthread_mutex_lock(&gate.lock);
        gate.n_waiting++;
        pthread_cond_broadcast(&gate.changed);
        while (gate.is_closed)
                pthread_cond_wait(&gate.changed, &gate.lock);
        gate.n_waiting--;
        error = gate.error;
        gate.error = 0;
        pthread_mutex_unlock(&gate.lock);
        if (error == 0)
                return (int)syscall(SYS_fdatasync, fd);
        errno = error;
        return -1;
}

static void set_gate(bool is_closed, int error)
{
        pthread_mutex_lock(&gate.lock);
        gate.is_closed = is_closed;
        gate.error = error;
        pthread_cond_broadcast(&gate.changed);
        pthread_mutex_unlock(&gate.lock);
}

static void wait_for_the_disk_to_be_asked(void)
{
        pthread_mutex_lock(&gate.lock);
        while (gate.n_waiting == 0)
                pthread_cond_wait(&gate.changed, &gate.lock);
        pthread_mutex_unlock(&gate.lock);
}

/* ---- no thread to be had ---- */

static bool refuses_threads;

int __real_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *), void *p);
int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *), void *p);
int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *), void *p)
{
        return refuses_threads ? EAGAIN : __real_pthread_create(ret, attributes, run, p);
}

/* ---- the worker ---- */

struct piece {
        pthread_t thread;
        sigset_t blocked;
        int calls;
};

static void do_piece(void *userdata)
{
        struct piece *piece = userdata;

        piece->thread = pthread_self();
        pthread_sigmask(SIG_SETMASK, NULL, &piece->blocked);
        piece->calls++;
}

static bool is_told(int fd)
{
        struct pollfd told = { .fd = fd, .events = POLLIN };

        return poll(&told, 1, 0) > 0;
}

static void test_work_is_done_by_another_thread_that_takes_no_signals(void **state)
{
        _cleanup_(store_worker_freep) struct store_worker *worker = NULL;
        _cleanup_(closep) int told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        struct piece piece = { 0 };

        assert_int_equal(store_worker_new(&worker, told, do_piece, &piece), 0);
        assert_false(store_worker_is_busy(worker));
        assert_false(store_worker_take(worker));
        for (int i = 1; i <= 100; i++) {
                store_worker_begin(worker);
                assert_true(store_worker_is_busy(worker));
                assert_true(store_worker_wait(worker));
                assert_int_equal(piece.calls, i);
                assert_true(is_told(told));
                assert_false(store_worker_wait(worker));
        }
        assert_false(pthread_equal(piece.thread, pthread_self()));
        assert_true(sigismember(&piece.blocked, SIGTERM) && sigismember(&piece.blocked, SIGHUP) &&
                    sigismember(&piece.blocked, SIGCHLD));
}

static void test_an_end_is_told_and_taken_without_waiting(void **state)
{
        _cleanup_(store_worker_freep) struct store_worker *worker = NULL;
        _cleanup_(closep) int told = eventfd(0, EFD_CLOEXEC);
        struct piece piece = { 0 };
        eventfd_t count;

        assert_int_equal(store_worker_new(&worker, told, do_piece, &piece), 0);
        store_worker_begin(worker);
        assert_int_equal(eventfd_read(told, &count), 0); /* waits */
        assert_true(store_worker_take(worker));
        assert_false(store_worker_take(worker));
        assert_int_equal(piece.calls, 1);
}

static void test_work_that_was_handed_over_is_done_before_the_worker_goes(void **state)
{
        struct store_worker *worker;
        _cleanup_(closep) int told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        struct piece piece = { 0 };

        assert_int_equal(store_worker_new(&worker, told, do_piece, &piece), 0);
        store_worker_begin(worker);
        store_worker_free(worker);
        assert_int_equal(piece.calls, 1);
}

static void test_without_a_thread_work_is_done_at_once_until_there_is_one(void **state)
{
        _cleanup_(store_worker_freep) struct store_worker *worker = NULL;
        _cleanup_(closep) int told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        struct piece piece = { 0 };

        assert_int_equal(store_worker_new(&worker, told, do_piece, &piece), 0);
        refuses_threads = true;
        store_worker_begin(worker);
        refuses_threads = false;
        assert_int_equal(piece.calls, 1);
        assert_true(pthread_equal(piece.thread, pthread_self()));
        assert_true(is_told(told));
        assert_true(store_worker_take(worker));
        store_worker_begin(worker);
        assert_true(store_worker_wait(worker));
        assert_int_equal(piece.calls, 2);
        assert_false(pthread_equal(piece.thread, pthread_self()));
}

/* ---- the store beside it ---- */

/* Turns of the loop until a commit waits at the gate, which is closed. */
static void begin_commit(struct place *place)
{
        set_gate(true, 0);
        while (sd_event_run(place->event, 0) > 0)
                ;
        wait_for_the_disk_to_be_asked();
}

static int count_up(sd_event_source *source, void *userdata)
{
        ++*(int *)userdata;
        return 0;
}

static void test_the_loop_turns_while_the_disk_takes_its_time(void **state)
{
        struct place *place = *state;
        struct outcome outcome;
        sd_event_source *source;
        int turns = 0;

        must_open(place);
        assert_int_equal(put(place, "acme", "old"), 0);
        start_put(place, &outcome, "acme", "new");
        begin_commit(place);
        assert_true(sd_event_add_defer(place->event, &source, count_up, &turns) >= 0);
        while (sd_event_run(place->event, 0) > 0)
                ;
        assert_int_equal(turns, 1);
        assert_int_equal(outcome.calls, 0);
        set_gate(false, 0);
        turn_loop(place);
        assert_int_equal(outcome.calls, 1);
        assert_int_equal(outcome.result, 0);
        finish_write(&outcome);
        sd_event_source_unref(source);
}

static void test_what_comes_during_a_commit_is_in_the_next_one(void **state)
{
        enum { N = 20 };
        struct place *place = *state;
        struct outcome first, later[N];
        char name[16];

        must_open(place);
        start_put(place, &first, "acme", "1");
        begin_commit(place);
        for (int i = 0; i < N; i++) {
                snprintf(name, sizeof(name), "c%02d", i);
                start_put(place, &later[i], name, "x");
                while (sd_event_run(place->event, 0) > 0)
                        ;
        }
        assert_int_equal(first.calls, 0);
        set_gate(false, 0);
        assert_true(store_wait(place->store));
        assert_string_equal(contents(place), "credential/acme=1");
        turn_loop(place);
        assert_int_equal(first.result, 0);
        finish_write(&first);
        for (int i = 0; i < N; i++) {
                assert_int_equal(later[i].calls, 1);
                assert_int_equal(later[i].result, 0);
                finish_write(&later[i]);
        }
        assert_non_null(strstr(contents(place), "credential/c19=x"));
}

static void test_the_next_commit_is_begun_before_what_came_of_the_last_is_told(void **state)
{
        enum { N = 20, TURNS = 4, TOLD_MAX = 4 };
        struct place *place = *state;
        struct outcome outcomes[N], next;
        int told = 0;

        must_open(place);
        for (int i = 0; i < N; i++)
                start_put(place, &outcomes[i], "acme", "x");
        begin_commit(place);
        start_put(place, &next, "birch", "x");
        set_gate(false, 0);
        assert_true(store_wait(place->store));
        set_gate(true, 0);
        for (int i = 0; i < TURNS; i++)
                (void)sd_event_run(place->event, 0);
        wait_for_the_disk_to_be_asked();
        for (int i = 0; i < N; i++)
                told += outcomes[i].calls;
        assert_in_range(told, 0, TURNS * TOLD_MAX);
        set_gate(false, 0);
        turn_loop(place);
        for (int i = 0; i < N; i++)
                finish_write(&outcomes[i]);
        assert_int_equal(next.calls, 1);
        finish_write(&next);
}

static void test_callbacks_are_spread_over_turns_of_the_loop(void **state)
{
        enum { N = 50, MOST = 4 };
        struct place *place = *state;
        struct outcome outcomes[N];
        int told = 0, before = 0;

        must_open(place);
        for (int i = 0; i < N; i++)
                start_put(place, &outcomes[i], "acme", "x");
        while (told < N) {
                if (sd_event_run(place->event, 0) <= 0)
                        (void)store_wait(place->store);
                told = 0;
                for (int i = 0; i < N; i++)
                        told += outcomes[i].calls;
                assert_in_range(told, before, before + MOST);
                before = told;
        }
        for (int i = 0; i < N; i++)
                finish_write(&outcomes[i]);
}

static void test_a_sync_that_fails_is_told_and_what_waits_behind_it_is_written(void **state)
{
        struct place *place = *state;
        struct outcome first, second;

        must_open(place);
        assert_int_equal(put(place, "acme", "0"), 0);
        start_put(place, &first, "acme", "1");
        begin_commit(place);
        start_put(place, &second, "beta", "2");
        set_gate(false, EIO);
        turn_loop(place);
        assert_int_equal(first.calls, 1);
        assert_int_equal(first.result, -EIO);
        assert_non_null(strstr(first.problem, "cannot save to"));
        assert_int_equal(second.result, 0);
        finish_write(&first);
        finish_write(&second);
        reopen_process(place);
        assert_string_equal(contents(place), "credential/acme=0 credential/beta=2");
}

static void test_flushing_and_loading_wait_for_the_commit_under_way(void **state)
{
        struct place *place = *state;
        struct outcome first, second;

        must_open(place);
        start_put(place, &first, "acme", "1");
        begin_commit(place);
        start_put(place, &second, "beta", "2");
        set_gate(false, 0);
        assert_string_equal(contents(place), "credential/acme=1");
        assert_int_equal(first.calls, 0);
        store_flush(place->store);
        assert_int_equal(first.calls, 1);
        assert_int_equal(second.calls, 1);
        assert_string_equal(contents(place), "credential/acme=1 credential/beta=2");
        finish_write(&first);
        finish_write(&second);
}

static void test_closing_writes_what_is_under_way_and_what_waits(void **state)
{
        struct place *place = *state;
        struct outcome first, second;

        must_open(place);
        start_put(place, &first, "acme", "1");
        begin_commit(place);
        start_put(place, &second, "beta", "2");
        finish_write(&first);
        finish_write(&second);
        set_gate(false, 0);
        reopen_process(place);
        assert_string_equal(contents(place), "credential/acme=1 credential/beta=2");
        assert_int_equal(first.calls + second.calls, 0);
}

static void test_a_file_that_is_lost_during_a_commit_is_noticed(void **state)
{
        struct place *place = *state;
        struct outcome outcome;

        must_open(place);
        assert_int_equal(put(place, "acme", "0"), 0);
        start_put(place, &outcome, "acme", "1");
        begin_commit(place);
        assert_int_equal(rename(path_of(place, "purser.db"), path_of(place, "gone")), 0);
        assert_false(store_is_lost(place->store));
        set_gate(false, 0);
        turn_loop(place);
        assert_int_equal(outcome.result, -ESTALE);
        assert_true(store_is_lost(place->store));
        finish_write(&outcome);
        assert_int_equal(store_reopen(place->store, &place->diag), 0);
        assert_false(store_is_lost(place->store));
        assert_int_equal(put(place, "acme", "2"), 0);
        assert_string_equal(contents(place), "credential/acme=2");
}

static void test_a_store_without_a_thread_saves_all_the_same(void **state)
{
        struct place *place = *state;

        must_open(place);
        refuses_threads = true;
        assert_int_equal(put(place, "acme", "1"), 0);
        assert_int_equal(put(place, "beta", "2"), 0);
        reopen_process(place);
        refuses_threads = false;
        assert_string_equal(contents(place), "credential/acme=1 credential/beta=2");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_set_up, place_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_work_is_done_by_another_thread_that_takes_no_signals),
                cmocka_unit_test(test_an_end_is_told_and_taken_without_waiting),
                cmocka_unit_test(test_work_that_was_handed_over_is_done_before_the_worker_goes),
                cmocka_unit_test(test_without_a_thread_work_is_done_at_once_until_there_is_one),
                TEST(test_the_loop_turns_while_the_disk_takes_its_time),
                TEST(test_what_comes_during_a_commit_is_in_the_next_one),
                TEST(test_the_next_commit_is_begun_before_what_came_of_the_last_is_told),
                TEST(test_callbacks_are_spread_over_turns_of_the_loop),
                TEST(test_a_sync_that_fails_is_told_and_what_waits_behind_it_is_written),
                TEST(test_flushing_and_loading_wait_for_the_commit_under_way),
                TEST(test_closing_writes_what_is_under_way_and_what_waits),
                TEST(test_a_file_that_is_lost_during_a_commit_is_noticed),
                TEST(test_a_store_without_a_thread_saves_all_the_same),
        };

        if (store_global_init() != 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
