// links: daemon/transfer/
// libs: libsodium
#include "daemon/transfer/backup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const struct backup_cost cheap = { .opslimit = 1, .memlimit = 8192 };

static uint8_t file[65536];
static size_t n_file;
static struct secret *passphrase;

static int setup(void **state)
{
        (void)state;
        assert_int_equal(secret_new_string(&passphrase, "correct horse battery staple"), 0);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        passphrase = secret_free(passphrase);
        return 0;
}

static void write_file(const char *const *frames, size_t n, bool ended)
{
        _cleanup_(backup_writer_freep) struct backup_writer *writer = NULL;

        assert_int_equal(backup_writer_new(&writer, passphrase, &cheap, file), 0);
        n_file = BACKUP_HEADER_SIZE;
        for (size_t i = 0; i < n; i++) {
                size_t size = strlen(frames[i]);

                assert_int_equal(
                        backup_writer_put(writer, frames[i], size, ended && i == n - 1, file + n_file), 0);
                n_file += size + BACKUP_FRAME_OVERHEAD;
        }
}

/* Frames as text with a bar behind each, then the name of the end. */
static const char *read_file(const struct secret *with)
{
        static const char *const ends[] = {
                [BACKUP_E_NO_BACKUP] = "no backup",
                [BACKUP_E_NEWER] = "newer",
                [BACKUP_E_COST] = "cost",
                [BACKUP_E_PASSPHRASE] = "passphrase",
                [BACKUP_E_DAMAGED] = "damaged",
                [BACKUP_E_TRUNCATED] = "truncated",
                [BACKUP_E_END] = "end",
        };
        static char text[1024];
        _cleanup_(backup_reader_freep) struct backup_reader *reader = NULL;
        _cleanup_(freep) uint8_t *exact = malloc(n_file + (n_file == 0));
        int r;

        assert_non_null(exact);
        memcpy(exact, file, n_file);
        text[0] = '\0';
        r = backup_reader_new(&reader, exact, n_file, with);
        while (r == 0) {
                _cleanup_(secret_freep) struct secret *plain = NULL;

                r = backup_reader_next(reader, &plain);
                if (r == 0) {
                        strcat(text, secret_expose(plain));
                        strcat(text, "|");
                }
        }
        assert_true(r > 0);
        return strcat(text, ends[r]);
}

static const char *const three[] = { "one", "", "three" };

static void test_what_was_written_is_read(void **state)
{
        (void)state;
        write_file(three, 3, true);
        assert_string_equal(read_file(passphrase), "one||three|end");
}

static void test_the_longest_frame_is_read_and_a_longer_one_not_written(void **state)
{
        _cleanup_(backup_writer_freep) struct backup_writer *writer = NULL;
        _cleanup_(backup_reader_freep) struct backup_reader *reader = NULL;
        _cleanup_(secret_freep) struct secret *plain = NULL;
        _cleanup_(freep) uint8_t *big =
                calloc(1, BACKUP_HEADER_SIZE + BACKUP_FRAME_MAX + BACKUP_FRAME_OVERHEAD);
        _cleanup_(freep) char *bytes = calloc(1, BACKUP_FRAME_MAX + 1);

        (void)state;
        assert_int_equal(backup_writer_new(&writer, passphrase, &cheap, big), 0);
        assert_true(backup_writer_put(writer, bytes, BACKUP_FRAME_MAX + 1, true, big + BACKUP_HEADER_SIZE) <
                    0);
        assert_int_equal(backup_writer_put(writer, bytes, BACKUP_FRAME_MAX, true, big + BACKUP_HEADER_SIZE),
                         0);
        assert_int_equal(backup_reader_new(&reader, big,
                                           BACKUP_HEADER_SIZE + BACKUP_FRAME_MAX + BACKUP_FRAME_OVERHEAD,
                                           passphrase),
                         0);
        assert_int_equal(backup_reader_next(reader, &plain), 0);
        assert_int_equal(secret_size(plain), BACKUP_FRAME_MAX);
}

static void test_another_passphrase_opens_nothing(void **state)
{
        _cleanup_(secret_freep) struct secret *another = NULL;

        (void)state;
        write_file(three, 3, true);
        assert_int_equal(secret_new_string(&another, "correct horse battery stapl"), 0);
        assert_string_equal(read_file(another), "passphrase");
}

static void test_two_backups_of_the_same_have_nothing_in_common(void **state)
{
        uint8_t first[256];

        (void)state;
        write_file(three, 3, true);
        assert_true(n_file < sizeof(first));
        memcpy(first, file, n_file);
        write_file(three, 3, true);
        assert_memory_equal(first, file, 26);
        assert_memory_not_equal(first + 26, file + 26, BACKUP_SALT_SIZE);
        assert_memory_not_equal(first + 42, file + 42, 24);
        assert_memory_not_equal(first + BACKUP_HEADER_SIZE + 4, file + BACKUP_HEADER_SIZE + 4, 20);
}

static void test_every_file_that_is_cut_short_is_told(void **state)
{
        (void)state;
        write_file(three, 3, true);
        for (size_t n = n_file; n-- > 0;) {
                const char *told;

                n_file = n;
                told = read_file(passphrase);
                assert_string_equal(told + (n > BACKUP_HEADER_SIZE ? strlen(told) - 9 : 0),
                                    n < 8 ? "no backup" : "truncated");
        }
        write_file(three, 3, false);
        assert_string_equal(read_file(passphrase), "one||three|truncated");
}

/* Of each byte one bit; whatever it says then, it is never the same, and never the end. */
static void test_every_byte_that_is_changed_is_noticed(void **state)
{
        (void)state;
        write_file(three, 3, true);
        for (size_t i = 0; i < n_file; i++) {
                file[i] ^= 1;
                assert_null(strstr(read_file(passphrase), "end"));
                file[i] ^= 1;
        }
        assert_string_equal(read_file(passphrase), "one||three|end");
}

static void test_frames_in_another_order_do_not_open(void **state)
{
        static const char *const two[] = { "aaaa", "bbbb" };
        uint8_t frame[4 + BACKUP_FRAME_OVERHEAD];

        (void)state;
        write_file(two, 2, true);
        memcpy(frame, file + BACKUP_HEADER_SIZE, sizeof(frame));
        memmove(file + BACKUP_HEADER_SIZE, file + BACKUP_HEADER_SIZE + sizeof(frame), sizeof(frame));
        memcpy(file + BACKUP_HEADER_SIZE + sizeof(frame), frame, sizeof(frame));
        assert_string_equal(read_file(passphrase), "passphrase");
}

static void test_a_frame_that_is_taken_out_is_noticed(void **state)
{
        static const char *const frames[] = { "aaaa", "bbbb", "cccc" };
        size_t size = 4 + BACKUP_FRAME_OVERHEAD;

        (void)state;
        write_file(frames, 3, true);
        memmove(file + BACKUP_HEADER_SIZE + size, file + BACKUP_HEADER_SIZE + 2 * size, size);
        n_file -= size;
        assert_string_equal(read_file(passphrase), "aaaa|damaged");
}

static void test_what_follows_the_end_is_damage(void **state)
{
        (void)state;
        write_file(three, 3, true);
        file[n_file++] = 0;
        assert_string_equal(read_file(passphrase), "one||three|damaged");
}

static void test_other_files_and_later_versions_are_told_apart(void **state)
{
        (void)state;
        write_file(three, 3, true);
        file[8] = 2;
        assert_string_equal(read_file(passphrase), "newer");
        file[8] = 1;
        file[9] = 2;
        assert_string_equal(read_file(passphrase), "newer");
        file[9] = 1;
        file[0] = 'p';
        assert_string_equal(read_file(passphrase), "no backup");
}

/* Before anything of it is paid. */
static void test_a_key_that_costs_too_much_is_refused(void **state)
{
        (void)state;
        write_file(three, 3, true);
        file[10] = 17;
        assert_string_equal(read_file(passphrase), "cost");
        file[10] = 1;
        file[18 + 7] = 0x80;
        assert_string_equal(read_file(passphrase), "cost");
        file[18 + 7] = 0;
        memset(file + 18, 0, 8);
        assert_string_equal(read_file(passphrase), "damaged");
}

/* What a guess costs is part of the format's promise. */
static void test_the_products_cost_is_within_what_a_reader_pays(void **state)
{
        const struct backup_cost cost = BACKUP_COST, most = BACKUP_COST_MOST;

        (void)state;
        assert_true(cost.opslimit >= 3 && cost.memlimit >= UINT64_C(64) << 20);
        assert_true(cost.opslimit <= most.opslimit && cost.memlimit <= most.memlimit);
}

#define BACKUP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                BACKUP_TEST(test_what_was_written_is_read),
                BACKUP_TEST(test_the_longest_frame_is_read_and_a_longer_one_not_written),
                BACKUP_TEST(test_another_passphrase_opens_nothing),
                BACKUP_TEST(test_two_backups_of_the_same_have_nothing_in_common),
                BACKUP_TEST(test_every_file_that_is_cut_short_is_told),
                BACKUP_TEST(test_every_byte_that_is_changed_is_noticed),
                BACKUP_TEST(test_frames_in_another_order_do_not_open),
                BACKUP_TEST(test_a_frame_that_is_taken_out_is_noticed),
                BACKUP_TEST(test_what_follows_the_end_is_damage),
                BACKUP_TEST(test_other_files_and_later_versions_are_told_apart),
                BACKUP_TEST(test_a_key_that_costs_too_much_is_refused),
                BACKUP_TEST(test_the_products_cost_is_within_what_a_reader_pays),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
