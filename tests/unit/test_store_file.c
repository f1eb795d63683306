// links: daemon/store/
// libs: libsystemd sqlite3
/* The store's file and directory: who may have them, what is refused, and that a refusal changes nothing. */
#include "tests/beds/store_place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void assert_says(const struct place *place, const char *word)
{
        if (!strstr(place->diag.text, word))
                fail_msg("'%s' is not in: %s", word, place->diag.text);
}

/* -- one daemon at a time --------------------------------------------------------------------------------------------- */

static int open_as_second(struct place *place)
{
        char pid[32];

        snprintf(pid, sizeof(pid), "(process %d)", (int)getppid());
        if (open_store(place) != STORE_E_IN_USE)
                return 1;
        return strstr(place->diag.text, pid) ? 0 : 2;
}

static void test_a_second_daemon_is_refused_and_told_who_the_first_is(void **state)
{
        struct place *place = *state;

        must_open(place);
        put(place, "acme", "one");
        assert_int_equal(in_child(open_as_second, place), 0);
        /* The first one did not notice. */
        assert_int_equal(put(place, "acme", "two"), 0);
        reopen_process(place);
        assert_string_equal(contents(place), "credential/acme=two");
}

static int ends[2];

static int hold_until_killed(struct place *place)
{
        if (open_store(place) != 0 || write(ends[1], "", 1) != 1)
                return 1;
        pause();
        return 1;
}

static void test_a_killed_daemon_leaves_no_lock_behind(void **state)
{
        struct place *place = *state;
        char byte;

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t pid = start_child(hold_until_killed, place);
        assert_int_equal(read(ends[0], &byte, 1), 1);
        assert_int_equal(open_store(place), STORE_E_IN_USE);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        must_open(place);
        close(ends[0]);
        close(ends[1]);
}

static int open_without_lock_file(struct place *place)
{
        return open_store(place) == STORE_E_IN_USE && strstr(place->diag.text, "has") ? 0 : 1;
}

static void test_a_deleted_lock_file_does_not_let_a_second_daemon_in(void **state)
{
        struct place *place = *state;

        must_open(place);
        assert_int_equal(unlink(path_of(place, "lock")), 0);
        assert_int_equal(in_child(open_without_lock_file, place), 0);
        assert_int_equal(put(place, "acme", "one"), 0);
}

/* -- the directory ---------------------------------------------------------------------------------------------------- */

static void test_a_directory_that_others_can_write_to_is_refused(void **state)
{
        static const mode_t modes[] = { 0770, 0702, 0722, 01777 };
        struct place *place = *state;

        for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
                assert_int_equal(chmod(place->dir, modes[i]), 0);
                assert_int_equal(open_store(place), -EPERM);
                assert_says(place, "chmod 700");
        }
        assert_int_equal(chmod(place->dir, 0755), 0);
        must_open(place);
}

static void test_another_users_directory_is_refused(void **state)
{
        struct place *place = *state;

        if (geteuid() != 0)
                skip();
        assert_int_equal(chown(place->dir, 12345, (gid_t)-1), 0);
        assert_int_equal(open_store(place), -EPERM);
        assert_says(place, "uid 12345");
}

static void test_a_directory_that_is_none_is_a_fault_with_its_name(void **state)
{
        struct place *place = *state;

        assert_int_equal(rmdir(place->dir), 0);
        assert_int_equal(open_store(place), -ENOENT);
        assert_says(place, place->dir);
        close(open(place->dir, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        assert_int_equal(open_store(place), -ENOTDIR);
}

static void test_a_directory_behind_a_link_is_as_good(void **state)
{
        struct place *place = *state;
        char real[128];

        /* As DynamicUser= has it: /var/lib/purser is a link to private/purser. */
        snprintf(real, sizeof(real), "%s/private", place->root);
        assert_int_equal(rename(place->dir, real), 0);
        assert_int_equal(symlink("private", place->dir), 0);
        must_open(place);
        assert_int_equal(put(place, "acme", "one"), 0);
        reopen_process(place);
        assert_string_equal(contents(place), "credential/acme=one");
}

/* -- the file --------------------------------------------------------------------------------------------------------- */

static void run_sql(const struct place *place, const char *sql)
{
        sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open(path_of(place, "purser.db"), &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

struct bytes {
        uint8_t data[1 << 16];
        size_t n;
};

static struct bytes read_file(const struct place *place, const char *name)
{
        struct bytes bytes;
        int fd = open(path_of(place, name), O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        ssize_t n = read(fd, bytes.data, sizeof(bytes.data));
        assert_true(n >= 0 && (size_t)n < sizeof(bytes.data));
        bytes.n = (size_t)n;
        close(fd);
        return bytes;
}

static void write_file(const struct place *place, const char *name, const void *data, size_t n)
{
        int fd = open(path_of(place, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, n), n);
        close(fd);
}

static void assert_refused_untouched(struct place *place, int outcome, const char *word)
{
        struct bytes before = read_file(place, "purser.db");

        assert_int_equal(open_store(place), outcome);
        assert_says(place, word);
        assert_says(place, "nothing was changed");
        struct bytes after = read_file(place, "purser.db");
        assert_int_equal(before.n, after.n);
        assert_memory_equal(before.data, after.data, before.n);
        assert_int_equal(access(path_of(place, "purser.db-wal"), F_OK), -1);
}

static void make_store(struct place *place)
{
        must_open(place);
        put(place, "acme", "one");
        put(place, "beta", "two");
        close_store(place);
}

static void test_a_store_of_a_later_version_is_refused_untouched(void **state)
{
        struct place *place = *state;

        make_store(place);
        run_sql(place, "PRAGMA user_version = 2");
        assert_refused_untouched(place, STORE_E_NEWER, "later version");
        run_sql(place, "PRAGMA user_version = 1");
        must_open(place);
        assert_string_equal(contents(place), "credential/acme=one credential/beta=two");
}

static void test_a_database_of_another_program_is_refused_untouched(void **state)
{
        struct place *place = *state;

        run_sql(place, "CREATE TABLE cookies (name TEXT)");
        assert_refused_untouched(place, STORE_E_CORRUPT, "no store of purserd");
}

static void test_a_store_with_another_table_is_refused(void **state)
{
        struct place *place = *state;

        make_store(place);
        run_sql(place, "DROP TABLE record; CREATE TABLE record (kind TEXT)");
        assert_int_equal(open_store(place), STORE_E_CORRUPT);
}

static void test_what_is_no_database_is_refused_untouched(void **state)
{
        struct place *place = *state;

        write_file(place, "purser.db", "", 0);
        assert_refused_untouched(place, STORE_E_CORRUPT, "damaged");
        write_file(place, "purser.db", "{\"tokens\": []}", 14);
        assert_refused_untouched(place, STORE_E_CORRUPT, "damaged");
        struct bytes zeroes = { .n = 8192 };
        write_file(place, "purser.db", zeroes.data, zeroes.n);
        assert_refused_untouched(place, STORE_E_CORRUPT, "damaged");
}

static void test_a_store_cut_short_is_refused_untouched(void **state)
{
        struct place *place = *state;

        make_store(place);
        struct bytes whole = read_file(place, "purser.db");
        static const size_t cuts[] = { 1, 99, 100, 512, 4095, 4096, 5000 };
        for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
                assert_true(cuts[i] < whole.n);
                write_file(place, "purser.db", whole.data, cuts[i]);
                assert_refused_untouched(place, STORE_E_CORRUPT, "damaged");
        }
}

static void test_a_damaged_page_is_found_at_opening(void **state)
{
        struct place *place = *state;

        make_store(place);
        struct bytes damaged = read_file(place, "purser.db");
        /* The head of the table's page: kind of page, number and place of its cells. */
        memset(damaged.data + 4096, 0x55, 8);
        write_file(place, "purser.db", damaged.data, damaged.n);
        assert_refused_untouched(place, STORE_E_CORRUPT, "damaged");
}

static void test_a_journal_without_its_file_is_refused(void **state)
{
        struct place *place = *state;
        bool exists = false;

        write_file(place, "purser.db-wal", "journal", 7);
        assert_int_equal(store_exists(place->dir, &exists), 0);
        assert_true(exists);
        assert_int_equal(open_store(place), STORE_E_CORRUPT);
        assert_says(place, "purser.db-wal is there");
        assert_int_equal(read_file(place, "purser.db-wal").n, 7);
        assert_int_equal(access(path_of(place, "purser.db"), F_OK), -1);
}

static void test_a_file_that_others_could_read_becomes_the_owners_alone(void **state)
{
        struct place *place = *state;
        struct stat st;

        make_store(place);
        assert_int_equal(chmod(path_of(place, "purser.db"), 0644), 0);
        must_open(place);
        assert_int_equal(stat(path_of(place, "purser.db"), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_string_equal(contents(place), "credential/acme=one credential/beta=two");
}

static void test_a_file_that_is_a_link_is_refused(void **state)
{
        struct place *place = *state;

        make_store(place);
        assert_int_equal(rename(path_of(place, "purser.db"), path_of(place, "elsewhere")), 0);
        assert_int_equal(symlink("elsewhere", path_of(place, "purser.db")), 0);
        assert_true(open_store(place) < 0);
        assert_says(place, "purser.db");
}

static void test_what_a_crash_left_of_a_new_store_does_no_harm(void **state)
{
        struct place *place = *state;

        write_file(place, "purser.db.new", "half a file", 11);
        write_file(place, "purser.db.new-journal", "half a journal", 14);
        must_open(place);
        assert_string_equal(contents(place), "");
        assert_int_equal(access(path_of(place, "purser.db.new"), F_OK), -1);
        assert_int_equal(access(path_of(place, "purser.db.new-journal"), F_OK), -1);
}

static int open_and_die(struct place *place)
{
        return open_store(place) != 0 || put(place, "acme", "newest") != 0;
}

static void test_a_journal_left_by_a_crash_is_read(void **state)
{
        struct place *place = *state;

        make_store(place);
        assert_int_equal(in_child(open_and_die, place), 0);
        assert_int_equal(access(path_of(place, "purser.db-wal"), F_OK), 0);
        must_open(place);
        assert_string_equal(contents(place), "credential/acme=newest credential/beta=two");
}

/* A crash in the middle of writing a frame: what was durable before it stays. */
static void test_a_journal_cut_short_holds_what_was_whole(void **state)
{
        struct place *place = *state;

        make_store(place);
        assert_int_equal(in_child(open_and_die, place), 0);
        struct bytes wal = read_file(place, "purser.db-wal");
        assert_true(wal.n > 100);
        write_file(place, "purser.db-wal", wal.data, wal.n - 100);
        must_open(place);
        assert_string_equal(contents(place), "credential/acme=one credential/beta=two");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_set_up, place_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_second_daemon_is_refused_and_told_who_the_first_is),
                TEST(test_a_killed_daemon_leaves_no_lock_behind),
                TEST(test_a_deleted_lock_file_does_not_let_a_second_daemon_in),
                TEST(test_a_directory_that_others_can_write_to_is_refused),
                TEST(test_another_users_directory_is_refused),
                TEST(test_a_directory_that_is_none_is_a_fault_with_its_name),
                TEST(test_a_directory_behind_a_link_is_as_good),
                TEST(test_a_store_of_a_later_version_is_refused_untouched),
                TEST(test_a_database_of_another_program_is_refused_untouched),
                TEST(test_a_store_with_another_table_is_refused),
                TEST(test_what_is_no_database_is_refused_untouched),
                TEST(test_a_store_cut_short_is_refused_untouched),
                TEST(test_a_damaged_page_is_found_at_opening),
                TEST(test_a_journal_without_its_file_is_refused),
                TEST(test_a_file_that_others_could_read_becomes_the_owners_alone),
                TEST(test_a_file_that_is_a_link_is_refused),
                TEST(test_what_a_crash_left_of_a_new_store_does_no_harm),
                TEST(test_a_journal_left_by_a_crash_is_read),
                TEST(test_a_journal_cut_short_holds_what_was_whole),
        };

        if (store_global_init() != 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
