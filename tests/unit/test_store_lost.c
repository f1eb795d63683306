// links: daemon/store/
// libs: libsystemd sqlite3
/* Files that are deleted, replaced or written by others under a running daemon, and disks that refuse. */
#include "tests/beds/store_place.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void copy_file(const struct place *place, const char *from, const char *to)
{
        static char bytes[1 << 20];
        int in = open(path_of(place, from), O_RDONLY | O_CLOEXEC);
        int out = open(path_of(place, to), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ssize_t n = read(in, bytes, sizeof(bytes));

        assert_true(n >= 0);
        assert_int_equal(write(out, bytes, (size_t)n), n);
        close(in);
        close(out);
}

static void move_file(const struct place *place, const char *from, const char *to)
{
        assert_int_equal(rename(path_of(place, from), path_of(place, to)), 0);
}

static void remove_file(const struct place *place, const char *name)
{
        assert_int_equal(unlink(path_of(place, name)), 0);
}

/* Old records in the file, newer ones in the journal, a backup of the old ones beside them. */
static void open_with_history(struct place *place)
{
        must_open(place);
        put(place, "acme", "old");
        put(place, "gone", "old");
        close_store(place);
        copy_file(place, "purser.db", "backup");
        must_open(place);
        assert_int_equal(put(place, "acme", "newest"), 0);
}

static void assert_lost(struct place *place)
{
        struct outcome outcome;

        assert_false(store_is_lost(place->store));
        start_put(place, &outcome, "beta", "x");
        turn_loop(place);
        finish_write(&outcome);
        assert_int_equal(outcome.calls, 1);
        assert_int_equal(outcome.result, -ESTALE);
        assert_non_null(strstr(outcome.problem, "purser.db was deleted, replaced or damaged"));
        assert_true(store_is_lost(place->store));
        assert_int_equal(put(place, "beta", "y"), -ESTALE);
}

/* What the vault does: everything anew, in one batch. */
static void recover(struct place *place)
{
        static const struct store_op ops[] = {
                { 0 },
                { "credential", "acme", (const uint8_t *)"newest", 6 },
                { "credential", "beta", (const uint8_t *)"x", 1 },
        };
        struct outcome outcome;
        int r = store_reopen(place->store, &place->diag);

        if (r != 0)
                fail_msg("store_reopen: %d: %s", r, place->diag.text);
        assert_false(store_is_lost(place->store));
        start_ops(place, &outcome, ops, 3);
        turn_loop(place);
        finish_write(&outcome);
        assert_int_equal(outcome.result, 0);
        assert_string_equal(contents(place), "credential/acme=newest credential/beta=x");
        assert_int_equal(put(place, "more", "z"), 0);
        reopen_process(place);
        assert_string_equal(contents(place), "credential/acme=newest credential/beta=x credential/more=z");
}

static void test_a_deleted_file_is_noticed_and_made_anew(void **state)
{
        struct place *place = *state;

        open_with_history(place);
        remove_file(place, "purser.db");
        assert_lost(place);
        recover(place);
}

static void test_deleted_files_with_the_lock_are_noticed_and_made_anew(void **state)
{
        struct place *place = *state;

        open_with_history(place);
        remove_file(place, "purser.db");
        remove_file(place, "purser.db-wal");
        remove_file(place, "lock");
        assert_lost(place);
        recover(place);
        assert_int_equal(access(path_of(place, "lock"), F_OK), 0);
}

static void test_a_deleted_journal_is_noticed(void **state)
{
        struct place *place = *state;

        open_with_history(place);
        remove_file(place, "purser.db-wal");
        assert_lost(place);
        recover(place);
}

static void test_a_backup_moved_over_the_file_is_noticed_and_brought_up_to_date(void **state)
{
        struct place *place = *state;

        open_with_history(place);
        move_file(place, "backup", "purser.db");
        assert_lost(place);
        /* Before everything is written again, a crash finds the backup as it was, not mixed with our journal. */
        assert_int_equal(store_reopen(place->store, &place->diag), 0);
        assert_string_equal(contents(place), "credential/acme=old credential/gone=old");
        recover(place);
}

static void test_a_backup_copied_into_the_file_is_noticed(void **state)
{
        struct place *place = *state;

        open_with_history(place);
        copy_file(place, "backup", "purser.db");
        assert_lost(place);
        recover(place);
}

static void test_garbage_written_into_the_file_is_moved_aside(void **state)
{
        struct place *place = *state;
        int fd;

        open_with_history(place);
        fd = open(path_of(place, "purser.db"), O_WRONLY | O_TRUNC | O_CLOEXEC);
        assert_int_equal(write(fd, "rm -rf was here", 15), 15);
        close(fd);
        assert_lost(place);
        recover(place);
        assert_int_equal(access(path_of(place, "purser.db.damaged"), F_OK), 0);
        assert_int_equal(access(path_of(place, "purser.db.damaged-wal"), F_OK), 0);
}

static void test_a_later_versions_file_is_left_alone(void **state)
{
        static const uint8_t two[] = { 0, 0, 0, 2 };
        struct place *place = *state;
        int fd;

        open_with_history(place);
        /* SQLite's file format, section 1.3: the user version is at offset 60. */
        fd = open(path_of(place, "backup"), O_WRONLY | O_CLOEXEC);
        assert_int_equal(pwrite(fd, two, 4, 60), 4);
        close(fd);
        move_file(place, "backup", "purser.db");
        assert_lost(place);
        assert_int_equal(store_reopen(place->store, &place->diag), STORE_E_NEWER);
        assert_non_null(strstr(place->diag.text, "later version"));
        assert_true(store_is_lost(place->store));
        assert_int_equal(put(place, "beta", "x"), -ESTALE);
        remove_file(place, "purser.db");
        recover(place);
}

static void test_a_replaced_directory_is_noticed(void **state)
{
        struct place *place = *state;
        char aside[128];

        open_with_history(place);
        snprintf(aside, sizeof(aside), "%s/aside", place->root);
        assert_int_equal(rename(place->dir, aside), 0);
        assert_lost(place);
        assert_int_equal(store_reopen(place->store, &place->diag), -ENOENT);
        assert_true(store_is_lost(place->store));
        assert_int_equal(mkdir(place->dir, 0700), 0);
        recover(place);
}

static void test_closing_a_lost_store_touches_nothing_that_took_its_place(void **state)
{
        struct place *place = *state;
        struct stat before, after;

        open_with_history(place);
        move_file(place, "backup", "purser.db");
        copy_file(place, "purser.db-wal", "other-wal");
        move_file(place, "other-wal", "purser.db-wal");
        assert_int_equal(stat(path_of(place, "purser.db"), &before), 0);
        close_store(place);
        assert_int_equal(access(path_of(place, "purser.db-wal"), F_OK), 0);
        assert_int_equal(stat(path_of(place, "purser.db"), &after), 0);
        assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

/* -- disks that refuse ------------------------------------------------------------------------------------------------ */

enum { CANNOT_RUN = 77 };

#define CHECK(condition)                                                                                     \
        do {                                                                                                 \
                if (!(condition)) {                                                                          \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
                        return 1;                                                                            \
                }                                                                                            \
        } while (0)

static char big[600 * 1024];

/* One batch does not fit, those around it do. */
static int write_beside_a_big_one(struct place *place)
{
        struct store_op op = { "credential", "big", (const uint8_t *)big, sizeof(big) };
        struct outcome before, too_big, after;
        struct rlimit limit = { 256 * 1024, RLIM_INFINITY }, none = { RLIM_INFINITY, RLIM_INFINITY };

        CHECK(open_store(place) == 0);
        CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        start_put(place, &before, "before", "x");
        start_ops(place, &too_big, &op, 1);
        start_put(place, &after, "after", "x");
        turn_loop(place);
        CHECK(before.calls == 1 && before.result == 0);
        CHECK(too_big.calls == 1 &&
              (too_big.result == -EFBIG || too_big.result == -ENOSPC || too_big.result == -EIO));
        CHECK(strstr(too_big.problem, "cannot save to"));
        CHECK(after.calls == 1 && after.result == 0);
        CHECK(!store_is_lost(place->store));
        CHECK(strcmp(contents(place), "credential/after=x credential/before=x") == 0);
        CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
        finish_write(&before);
        finish_write(&too_big);
        finish_write(&after);
        CHECK(put(place, "later", "y") == 0);
        close_store(place);
        return 0;
}

static void test_a_batch_that_does_not_fit_fails_alone(void **state)
{
        struct place *place = *state;

        assert_int_equal(in_child(write_beside_a_big_one, place), 0);
        must_open(place);
        assert_string_equal(contents(place), "credential/after=x credential/before=x credential/later=y");
}

static int mount_small_disk(struct place *place)
{
        if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return CANNOT_RUN;
        if (mount("tmpfs", place->dir, "tmpfs", 0, "size=256k,mode=700") < 0)
                return CANNOT_RUN;
        return 0;
}

static int fill_disk(const struct place *place)
{
        int fd = open(path_of(place, "ballast"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ssize_t n;

        do
                n = write(fd, big, 4096);
        while (n > 0);
        close(fd);
        return errno == ENOSPC ? 0 : 1;
}

static int live_through_a_full_disk(struct place *place)
{
        int r = mount_small_disk(place);

        if (r != 0)
                return r;
        CHECK(open_store(place) == 0);
        CHECK(put(place, "acme", "one") == 0);
        CHECK(fill_disk(place) == 0);
        int failures = 0;
        /* The journal's last page may still have room. */
        for (int i = 0; i < 4 && failures == 0; i++) {
                struct outcome outcome;
                start_put(place, &outcome, "acme", "two");
                turn_loop(place);
                finish_write(&outcome);
                CHECK(outcome.calls == 1 && (outcome.result == 0 || outcome.result == -ENOSPC));
                if (outcome.result < 0)
                        CHECK(strstr(outcome.problem, "No space left on device"));
                failures += outcome.result < 0;
        }
        CHECK(failures > 0);
        CHECK(!store_is_lost(place->store));
        remove_file(place, "ballast");
        CHECK(put(place, "acme", "three") == 0);
        reopen_process(place);
        CHECK(strcmp(contents(place), "credential/acme=three") == 0);
        close_store(place);
        return 0;
}

static void test_a_full_disk_is_told_and_writing_goes_on_once_there_is_room(void **state)
{
        int r = in_child(live_through_a_full_disk, *state);

        if (r == CANNOT_RUN)
                skip();
        assert_int_equal(r, 0);
}

static int begin_on_a_full_disk(struct place *place)
{
        int r = mount_small_disk(place);

        if (r != 0)
                return r;
        CHECK(fill_disk(place) == 0);
        CHECK(open_store(place) == -ENOSPC);
        CHECK(strstr(place->diag.text, "No space left on device"));
        CHECK(access(path_of(place, "purser.db"), F_OK) < 0);
        remove_file(place, "ballast");
        CHECK(open_store(place) == 0);
        CHECK(strcmp(contents(place), "") == 0);
        close_store(place);
        return 0;
}

static void test_no_half_store_is_left_on_a_full_disk(void **state)
{
        int r = in_child(begin_on_a_full_disk, *state);

        if (r == CANNOT_RUN)
                skip();
        assert_int_equal(r, 0);
}

static int begin_on_a_read_only_disk(struct place *place)
{
        int r = mount_small_disk(place);

        if (r != 0)
                return r;
        CHECK(open_store(place) == 0);
        CHECK(put(place, "acme", "one") == 0);
        close_store(place);
        CHECK(mount(NULL, place->dir, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
        CHECK(open_store(place) == -EROFS);
        CHECK(strstr(place->diag.text, "Read-only file system"));
        return 0;
}

static void test_a_read_only_disk_is_told_at_opening(void **state)
{
        int r = in_child(begin_on_a_read_only_disk, *state);

        if (r == CANNOT_RUN)
                skip();
        assert_int_equal(r, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_set_up, place_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_deleted_file_is_noticed_and_made_anew),
                TEST(test_deleted_files_with_the_lock_are_noticed_and_made_anew),
                TEST(test_a_deleted_journal_is_noticed),
                TEST(test_a_backup_moved_over_the_file_is_noticed_and_brought_up_to_date),
                TEST(test_a_backup_copied_into_the_file_is_noticed),
                TEST(test_garbage_written_into_the_file_is_moved_aside),
                TEST(test_a_later_versions_file_is_left_alone),
                TEST(test_a_replaced_directory_is_noticed),
                TEST(test_closing_a_lost_store_touches_nothing_that_took_its_place),
                TEST(test_a_batch_that_does_not_fit_fails_alone),
                TEST(test_a_full_disk_is_told_and_writing_goes_on_once_there_is_room),
                TEST(test_no_half_store_is_left_on_a_full_disk),
                TEST(test_a_read_only_disk_is_told_at_opening),
        };

        if (store_global_init() != 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
