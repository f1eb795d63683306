// links: daemon/store/
// libs: libsystemd sqlite3
#include "tests/beds/store_place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- writing and reading ---------------------------------------------------------------------------------------------- */

static void test_a_new_store_is_empty_and_its_files_are_the_owners_alone(void **state)
{
        static const char *const names[] = { "purser.db", "purser.db-wal", "lock" };
        struct place *place = *state;
        struct stat st;
        bool exists = true;

        umask(0);
        assert_int_equal(store_exists(place->dir, &exists), 0);
        assert_false(exists);
        must_open(place);
        assert_string_equal(contents(place), "");
        assert_int_equal(put(place, "acme", "one"), 0);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                assert_int_equal(lstat(path_of(place, names[i]), &st), 0);
                assert_int_equal(st.st_mode & 07777, 0600);
        }
        assert_int_equal(store_exists(place->dir, &exists), 0);
        assert_true(exists);
}

static void test_what_is_written_is_there_after_a_restart(void **state)
{
        struct place *place = *state;

        must_open(place);
        assert_int_equal(put(place, "acme", "one"), 0);
        assert_int_equal(put(place, "beta", ""), 0);
        assert_int_equal(put(place, "acme", "two"), 0);
        reopen_process(place);
        assert_string_equal(contents(place), "credential/acme=two credential/beta=");
}

static void test_nothing_is_written_before_the_loop_turns(void **state)
{
        struct place *place = *state;
        struct outcome outcome;

        must_open(place);
        start_put(place, &outcome, "acme", "one");
        assert_string_equal(contents(place), "");
        turn_loop(place);
        assert_int_equal(outcome.calls, 1);
        assert_int_equal(outcome.result, 0);
        assert_string_equal(contents(place), "credential/acme=one");
        turn_loop(place);
        assert_int_equal(outcome.calls, 1);
        finish_write(&outcome);
}

static void test_records_are_loaded_in_order_of_kind_and_name(void **state)
{
        static const uint8_t x[] = "x";
        static const struct store_op ops[] = {
                { "credential", "b", x, 1 }, { "client-secret", "z", x, 1 }, { "credential", "a", x, 1 },
                { "credential", "B", x, 1 }, { "client-secret", "a", x, 1 },
        };
        struct place *place = *state;
        struct outcome outcome;

        must_open(place);
        start_ops(place, &outcome, ops, 5);
        turn_loop(place);
        finish_write(&outcome);
        assert_string_equal(
                contents(place),
                "client-secret/a=x client-secret/z=x credential/B=x credential/a=x credential/b=x");
}

static void test_a_batch_holds_copies(void **state)
{
        struct place *place = *state;
        struct outcome outcome;
        char kind[] = "credential", name[] = "acme";
        uint8_t blob[] = "one";
        struct store_op op = { kind, name, blob, 3 };

        must_open(place);
        start_ops(place, &outcome, &op, 1);
        memset(kind, '!', sizeof(kind));
        memset(name, '!', sizeof(name));
        memset(blob, '!', sizeof(blob));
        op = (struct store_op){ 0 };
        turn_loop(place);
        finish_write(&outcome);
        assert_string_equal(contents(place), "credential/acme=one");
}

static void test_a_record_can_be_deleted_and_so_can_one_that_is_not_there(void **state)
{
        static const struct store_op ops[] = { { .kind = "credential", .name = "acme" },
                                               { .kind = "credential", .name = "none" } };
        struct place *place = *state;
        struct outcome outcome;

        must_open(place);
        put(place, "acme", "one");
        put(place, "beta", "two");
        start_ops(place, &outcome, ops, 2);
        turn_loop(place);
        finish_write(&outcome);
        assert_int_equal(outcome.result, 0);
        assert_string_equal(contents(place), "credential/beta=two");
}

static void test_a_batch_can_replace_everything(void **state)
{
        static const struct store_op ops[] = { { 0 }, { "credential", "new", (const uint8_t *)"x", 1 } };
        struct place *place = *state;
        struct outcome outcome;

        must_open(place);
        put(place, "acme", "one");
        put(place, "beta", "two");
        start_ops(place, &outcome, ops, 2);
        turn_loop(place);
        finish_write(&outcome);
        reopen_process(place);
        assert_string_equal(contents(place), "credential/new=x");
}

struct bytes {
        uint8_t *data;
        size_t n;
};

static int compare_bytes(const char *kind, const char *name, const uint8_t *blob, size_t n, void *userdata)
{
        const struct bytes *expected = userdata;

        assert_int_equal(n, expected->n);
        assert_memory_equal(blob, expected->data, n);
        return 42;
}

static void test_bytes_of_every_value_and_a_megabyte_come_back(void **state)
{
        struct place *place = *state;
        struct outcome outcome;
        struct bytes bytes = { .n = 1024 * 1024 + 7 };

        bytes.data = malloc(bytes.n);
        assert_non_null(bytes.data);
        for (size_t i = 0; i < bytes.n; i++)
                bytes.data[i] = (uint8_t)(i * 7 + i / 256);
        struct store_op op = { "credential", "big", bytes.data, bytes.n };
        must_open(place);
        start_ops(place, &outcome, &op, 1);
        turn_loop(place);
        finish_write(&outcome);
        assert_int_equal(outcome.result, 0);
        reopen_process(place);
        /* A result of the callee's own ends the walk. */
        assert_int_equal(store_load(place->store, compare_bytes, &bytes, &place->diag), 42);
        free(bytes.data);
}

/* -- group commit ----------------------------------------------------------------------------------------------------- */

/* SQLite's file format, section 4: a frame whose header's second word is not zero ends a transaction. */
static unsigned count_commits(const struct place *place)
{
        enum { HEAD = 32, FRAME_HEAD = 24 };
        uint8_t head[HEAD], frame[FRAME_HEAD];
        unsigned n = 0;
        int fd = open(path_of(place, "purser.db-wal"), O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        if (pread(fd, head, HEAD, 0) == HEAD) {
                off_t page = head[8] << 24 | head[9] << 16 | head[10] << 8 | head[11];
                for (off_t at = HEAD; pread(fd, frame, FRAME_HEAD, at) == FRAME_HEAD; at += FRAME_HEAD + page)
                        n += (frame[4] | frame[5] | frame[6] | frame[7]) != 0;
        }
        close(fd);
        return n;
}

static void test_batches_of_one_turn_share_a_commit(void **state)
{
        enum { N = 50 };
        struct place *place = *state;
        struct outcome outcomes[N];
        char name[16];

        must_open(place);
        unsigned before = count_commits(place);
        for (int i = 0; i < N; i++) {
                snprintf(name, sizeof(name), "c%02d", i);
                start_put(place, &outcomes[i], name, "x");
        }
        turn_loop(place);
        assert_int_equal(count_commits(place), before + 1);
        for (int i = 0; i < N; i++) {
                assert_int_equal(outcomes[i].calls, 1);
                assert_int_equal(outcomes[i].result, 0);
                finish_write(&outcomes[i]);
        }
}

enum { BUSY_TURNS = 20 };

struct stream {
        struct place *place;
        struct outcome outcomes[BUSY_TURNS];
        unsigned n;
};

static int put_one_more(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct stream *stream = userdata;
        char name[16];

        snprintf(name, sizeof(name), "c%02u", stream->n);
        start_put(stream->place, &stream->outcomes[stream->n++], name, "x");
        return sd_event_source_set_enabled(source, stream->n < BUSY_TURNS ? SD_EVENT_ON : SD_EVENT_OFF);
}

/* As when many answers of a provider come in, a few at a time. */
static void test_batches_that_come_with_each_turn_share_a_few_commits(void **state)
{
        struct place *place = *state;
        struct stream stream = { .place = place };
        sd_event_source *source;

        must_open(place);
        unsigned before = count_commits(place);
        int always_ready = eventfd(1, EFD_CLOEXEC);
        assert_true(sd_event_add_io(place->event, &source, always_ready, EPOLLIN, put_one_more, &stream) >=
                    0);
        turn_loop(place);
        assert_int_equal(stream.n, BUSY_TURNS);
        assert_in_range(count_commits(place) - before, 1, BUSY_TURNS / 4);
        for (int i = 0; i < BUSY_TURNS; i++) {
                assert_int_equal(stream.outcomes[i].calls, 1);
                assert_int_equal(stream.outcomes[i].result, 0);
                finish_write(&stream.outcomes[i]);
        }
        sd_event_source_disable_unref(source);
        close(always_ready);
}

static void test_batches_are_applied_in_the_order_given(void **state)
{
        static const struct store_op forget = { .kind = "credential", .name = "acme" };
        struct place *place = *state;
        struct outcome one, two, three;

        must_open(place);
        start_put(place, &one, "acme", "1");
        start_ops(place, &two, &forget, 1);
        start_put(place, &three, "acme", "3");
        turn_loop(place);
        assert_string_equal(contents(place), "credential/acme=3");
        finish_write(&one);
        finish_write(&two);
        finish_write(&three);
}

/* -- handles ---------------------------------------------------------------------------------------------------------- */

static void test_a_batch_whose_handle_is_freed_is_written_and_calls_nobody(void **state)
{
        struct place *place = *state;
        struct outcome outcome;

        must_open(place);
        start_put(place, &outcome, "acme", "one");
        finish_write(&outcome);
        turn_loop(place);
        assert_int_equal(outcome.calls, 0);
        assert_string_equal(contents(place), "credential/acme=one");
}

static void test_a_batch_whose_handle_is_freed_is_written_by_closing(void **state)
{
        struct place *place = *state;
        struct outcome outcome;

        must_open(place);
        start_put(place, &outcome, "acme", "one");
        finish_write(&outcome);
        reopen_process(place);
        assert_string_equal(contents(place), "credential/acme=one");
}

struct freer {
        struct place *place;
        struct outcome *own, *other, *further;
};

static void free_within(int result, const char *problem, void *userdata)
{
        struct freer *freer = userdata;

        assert_int_equal(result, 0);
        finish_write(freer->own);
        if (freer->other)
                finish_write(freer->other);
        if (freer->further)
                start_put(freer->place, freer->further, "further", "x");
}

static void test_handles_can_be_freed_and_batches_started_from_within_a_callback(void **state)
{
        struct place *place = *state;
        struct outcome own = { 0 }, other, further = { 0 };
        struct freer freer = { place, &own, &other, &further };
        struct store_op op = { "credential", "acme", (const uint8_t *)"x", 1 };

        must_open(place);
        assert_int_equal(store_write_start(place->store, &op, 1, free_within, &freer, &own.write), 0);
        start_put(place, &other, "beta", "x");
        turn_loop(place);
        assert_int_equal(other.calls, 0);
        assert_int_equal(further.calls, 1);
        assert_string_equal(contents(place), "credential/acme=x credential/beta=x credential/further=x");
        finish_write(&further);
}

static void test_flushing_writes_what_is_queued_now_without_the_loop(void **state)
{
        struct place *place = *state;
        struct outcome own = { 0 }, further = { 0 };
        struct freer freer = { place, &own, NULL, &further };
        struct store_op op = { "credential", "acme", (const uint8_t *)"x", 1 };

        must_open(place);
        assert_int_equal(store_write_start(place->store, &op, 1, free_within, &freer, &own.write), 0);
        store_flush(place->store);
        assert_string_equal(contents(place), "credential/acme=x");
        assert_int_equal(further.calls, 0);
        store_flush(place->store);
        assert_int_equal(further.calls, 1);
        store_flush(place->store);
        finish_write(&further);
}

/* -- dying ------------------------------------------------------------------------------------------------------------ */

static int ends[2];

/* Writes c0, c1, ... and says so after each, until it is killed. */
static int write_until_killed(struct place *place)
{
        char name[16];

        if (open_store(place) != 0)
                return 1;
        for (int i = 0;; i++) {
                snprintf(name, sizeof(name), "c%d", i);
                if (put(place, name, "x") != 0 || write(ends[1], &i, sizeof(i)) != sizeof(i))
                        return 1;
        }
}

static int find_record(const char *kind, const char *name, const uint8_t *blob, size_t n, void *userdata)
{
        int number;

        if (sscanf(name, "c%d", &number) == 1 && number < 64)
                *(uint64_t *)userdata |= UINT64_C(1) << number;
        return 0;
}

static void test_what_was_called_durable_survives_a_kill(void **state)
{
        struct place *place = *state;
        uint64_t found = 0;
        int last = -1, status;

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t pid = start_child(write_until_killed, place);
        close(ends[1]);
        while (last < 40 && read(ends[0], &last, sizeof(last)) == sizeof(last))
                ;
        assert_int_equal(last, 40);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        close(ends[0]);

        must_open(place);
        assert_int_equal(store_load(place->store, find_record, &found, &place->diag), 0);
        assert_int_equal(found & 0x1ffffffffff, 0x1ffffffffff);
}

static void test_a_deleted_blob_leaves_no_trace_in_the_files(void **state)
{
        static const struct store_op forget = { .kind = "credential", .name = "acme" };
        static const char needle[] = "sealed bytes of a grant that was revoked";
        struct place *place = *state;
        struct outcome outcome;
        static char file[1 << 20];

        must_open(place);
        put(place, "acme", needle);
        reopen_process(place);
        start_ops(place, &outcome, &forget, 1);
        turn_loop(place);
        finish_write(&outcome);
        close_store(place);
        assert_int_equal(access(path_of(place, "purser.db-wal"), F_OK), -1);
        int fd = open(path_of(place, "purser.db"), O_RDONLY | O_CLOEXEC);
        ssize_t n = read(fd, file, sizeof(file));
        assert_true(n > 0);
        assert_null(memmem(file, (size_t)n, needle, strlen(needle)));
        close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_set_up, place_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_new_store_is_empty_and_its_files_are_the_owners_alone),
                TEST(test_what_is_written_is_there_after_a_restart),
                TEST(test_nothing_is_written_before_the_loop_turns),
                TEST(test_records_are_loaded_in_order_of_kind_and_name),
                TEST(test_a_batch_holds_copies),
                TEST(test_a_record_can_be_deleted_and_so_can_one_that_is_not_there),
                TEST(test_a_batch_can_replace_everything),
                TEST(test_bytes_of_every_value_and_a_megabyte_come_back),
                TEST(test_batches_of_one_turn_share_a_commit),
                TEST(test_batches_that_come_with_each_turn_share_a_few_commits),
                TEST(test_batches_are_applied_in_the_order_given),
                TEST(test_a_batch_whose_handle_is_freed_is_written_and_calls_nobody),
                TEST(test_a_batch_whose_handle_is_freed_is_written_by_closing),
                TEST(test_handles_can_be_freed_and_batches_started_from_within_a_callback),
                TEST(test_flushing_writes_what_is_queued_now_without_the_loop),
                TEST(test_what_was_called_durable_survives_a_kill),
                TEST(test_a_deleted_blob_leaves_no_trace_in_the_files),
        };

        if (store_global_init() != 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
