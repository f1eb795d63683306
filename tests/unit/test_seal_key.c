// links: daemon/base/
// libs: libsodium
#include "daemon/base/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A directory with an empty state directory `state` and credentials directory `credentials`. */
struct place {
        char root[64], state[80], credentials[80];
};

static void sweep(const char *directory)
{
        static const char *const names[] = { "key", "key.new", "purser.key", "target" };
        char path[128];

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
                unlink(path);
        }
        rmdir(directory);
}

static int set_up(void **state)
{
        struct place *place = calloc(1, sizeof(*place));

        assert_non_null(place);
        strcpy(place->root, "/tmp/purser-test-key-XXXXXX");
        assert_non_null(mkdtemp(place->root));
        snprintf(place->state, sizeof(place->state), "%s/state", place->root);
        snprintf(place->credentials, sizeof(place->credentials), "%s/credentials", place->root);
        assert_int_equal(mkdir(place->state, 0700), 0);
        assert_int_equal(mkdir(place->credentials, 0700), 0);
        *state = place;
        return 0;
}

static int tear_down(void **state)
{
        struct place *place = *state;

        sweep(place->state);
        sweep(place->credentials);
        assert_int_equal(rmdir(place->root), 0);
        free(place);
        return 0;
}

static void write_file(const char *directory, const char *name, const void *bytes, size_t n, mode_t mode)
{
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, n), n);
        assert_int_equal(fchmod(fd, mode), 0);
        close(fd);
}

static bool exists(const char *directory, const char *name)
{
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        return access(path, F_OK) == 0;
}

struct loaded {
        int r;
        struct secret *key;
        enum seal_key_source source;
        bool made;
        struct diag diag;
};

static struct loaded load(const char *credentials, const char *state_dir, bool store_exists)
{
        struct loaded loaded = { .diag = { "" } };

        loaded.r = seal_key_load(&loaded.key, &loaded.source, &loaded.made, credentials, state_dir,
                                 store_exists, &loaded.diag);
        assert_true((loaded.r == 0) == (loaded.key != NULL));
        if (loaded.r == 0)
                assert_int_equal(secret_size(loaded.key), SEAL_KEY_SIZE);
        return loaded;
}

static void assert_refused(struct loaded loaded, const char *word)
{
        assert_int_equal(loaded.r, SEAL_E_NO_KEY);
        if (!strstr(loaded.diag.text, word))
                fail_msg("'%s' is not in: %s", word, loaded.diag.text);
}

static void test_without_any_key_one_is_made_that_only_the_daemon_can_read(void **state)
{
        struct place *place = *state;
        struct stat st;
        char path[128];
        struct loaded first = load(NULL, place->state, false);

        assert_int_equal(first.r, 0);
        assert_int_equal(first.source, SEAL_KEY_FILE);
        assert_true(first.made);
        snprintf(path, sizeof(path), "%s/key", place->state);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(st.st_size, SEAL_KEY_SIZE);
        assert_false(exists(place->state, "key.new"));

        struct loaded again = load(NULL, place->state, true);
        assert_int_equal(again.r, 0);
        assert_false(again.made);
        assert_true(secret_equal(first.key, again.key));
        secret_free(first.key);
        secret_free(again.key);
}

static void test_no_key_is_made_beside_a_store(void **state)
{
        struct place *place = *state;

        assert_refused(load(NULL, place->state, true), "restore");
        assert_refused(load(place->credentials, place->state, true), "purser.key");
        assert_false(exists(place->state, "key"));
}

static void test_a_half_written_key_of_an_earlier_crash_is_no_key(void **state)
{
        struct place *place = *state;

        write_file(place->state, "key.new", "half", 4, 0600);
        struct loaded loaded = load(NULL, place->state, false);
        assert_int_equal(loaded.r, 0);
        assert_true(loaded.made);
        assert_false(secret_equal_bytes(loaded.key, "half", 4));
        assert_false(exists(place->state, "key.new"));
        secret_free(loaded.key);
}

static void test_a_key_file_that_others_may_read_is_refused(void **state)
{
        static const mode_t modes[] = { 0640, 0604, 0660, 0644, 0601, 0610, 0666, 0700, 04600 };
        struct place *place = *state;
        char bytes[SEAL_KEY_SIZE] = { 1 };

        for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
                write_file(place->state, "key", bytes, sizeof(bytes), modes[i]);
                assert_refused(load(NULL, place->state, true), "chmod 600");
        }
        write_file(place->state, "key", bytes, sizeof(bytes), 0400);
        struct loaded loaded = load(NULL, place->state, true);
        assert_int_equal(loaded.r, 0);
        secret_free(loaded.key);
}

static void test_a_key_file_of_another_size_is_refused(void **state)
{
        struct place *place = *state;
        char bytes[SEAL_KEY_SIZE + 1] = { 1 };

        write_file(place->state, "key", bytes, 0, 0600);
        assert_refused(load(NULL, place->state, true), "exactly 32 bytes");
        assert_refused(load(NULL, place->state, false), "exactly 32 bytes");
        write_file(place->state, "key", bytes, SEAL_KEY_SIZE - 1, 0600);
        assert_refused(load(NULL, place->state, true), "exactly 32 bytes");
        write_file(place->state, "key", bytes, SEAL_KEY_SIZE + 1, 0600);
        assert_refused(load(NULL, place->state, true), "exactly 32 bytes");
}

static void test_a_key_that_is_a_link_a_directory_or_a_fifo_is_refused(void **state)
{
        struct place *place = *state;
        char bytes[SEAL_KEY_SIZE] = { 1 }, path[128], target[128];

        write_file(place->state, "target", bytes, sizeof(bytes), 0600);
        snprintf(path, sizeof(path), "%s/key", place->state);
        snprintf(target, sizeof(target), "%s/target", place->state);
        assert_int_equal(symlink(target, path), 0);
        assert_refused(load(NULL, place->state, false), "symbolic link");
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0700), 0);
        assert_refused(load(NULL, place->state, false), "must be a file");
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_refused(load(NULL, place->state, false), "must be a file");
}

static void test_another_users_key_file_is_refused(void **state)
{
        struct place *place = *state;
        char bytes[SEAL_KEY_SIZE] = { 1 }, path[128];

        if (geteuid() != 0)
                skip();
        write_file(place->state, "key", bytes, sizeof(bytes), 0600);
        snprintf(path, sizeof(path), "%s/key", place->state);
        assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
        assert_refused(load(NULL, place->state, false), "uid 12345");
}

static void test_a_missing_state_directory_is_a_fault(void **state)
{
        struct place *place = *state;
        char path[128];

        snprintf(path, sizeof(path), "%s/none", place->root);
        assert_int_equal(load(NULL, path, false).r, -ENOENT);
}

static void test_a_credential_of_32_raw_bytes_is_the_key(void **state)
{
        struct place *place = *state;
        char bytes[SEAL_KEY_SIZE] = "\0raw key with NULs\0and a newline";

        bytes[SEAL_KEY_SIZE - 1] = '\n';
        write_file(place->credentials, "purser.key", bytes, sizeof(bytes), 0400);
        struct loaded loaded = load(place->credentials, place->state, false);
        assert_int_equal(loaded.r, 0);
        assert_int_equal(loaded.source, SEAL_KEY_SYSTEMD_CREDENTIAL);
        assert_false(loaded.made);
        assert_true(secret_equal_bytes(loaded.key, bytes, sizeof(bytes)));
        assert_false(exists(place->state, "key"));
        secret_free(loaded.key);
}

static void test_a_credential_of_64_hex_digits_is_decoded(void **state)
{
        static const char hex[] = "000102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f\n";
        struct place *place = *state;
        uint8_t expected[SEAL_KEY_SIZE];

        for (size_t i = 0; i < sizeof(expected); i++)
                expected[i] = (uint8_t)i;
        for (size_t n = sizeof(hex) - 2; n <= sizeof(hex) - 1; n++) {
                write_file(place->credentials, "purser.key", hex, n, 0400);
                struct loaded loaded = load(place->credentials, place->state, true);
                assert_int_equal(loaded.r, 0);
                assert_true(secret_equal_bytes(loaded.key, expected, sizeof(expected)));
                secret_free(loaded.key);
        }
}

static void test_any_longer_text_is_hashed(void **state)
{
        static const char text[] = "correct horse battery staple, and some more words";
        struct place *place = *state;
        unsigned char expected[SEAL_KEY_SIZE];

        crypto_generichash(expected, sizeof(expected), (const unsigned char *)text, sizeof(text) - 1, NULL,
                           0);
        write_file(place->credentials, "purser.key", text, sizeof(text) - 1, 0400);
        struct loaded plain = load(place->credentials, place->state, true);
        assert_int_equal(plain.r, 0);
        assert_true(secret_equal_bytes(plain.key, expected, sizeof(expected)));

        /* The newline that an editor adds makes no other key. */
        char with_newline[sizeof(text)];
        memcpy(with_newline, text, sizeof(text) - 1);
        with_newline[sizeof(text) - 1] = '\n';
        write_file(place->credentials, "purser.key", with_newline, sizeof(with_newline), 0400);
        struct loaded edited = load(place->credentials, place->state, true);
        assert_int_equal(edited.r, 0);
        assert_true(secret_equal(plain.key, edited.key));
        secret_free(plain.key);
        secret_free(edited.key);
}

static void test_an_empty_or_short_credential_is_no_key(void **state)
{
        struct place *place = *state;

        write_file(place->credentials, "purser.key", "", 0, 0400);
        assert_refused(load(place->credentials, place->state, false), "holds 0 bytes");
        write_file(place->credentials, "purser.key", "\n", 1, 0400);
        assert_refused(load(place->credentials, place->state, false), "holds 0 bytes");
        write_file(place->credentials, "purser.key", "0123456789012345678901234567890", 31, 0400);
        assert_refused(load(place->credentials, place->state, false), "holds 31 bytes");
        /* And none is made in its place. */
        assert_false(exists(place->state, "key"));
}

static void test_an_endless_credential_is_no_key(void **state)
{
        struct place *place = *state;
        static char big[8192];

        memset(big, 'x', sizeof(big));
        write_file(place->credentials, "purser.key", big, sizeof(big), 0400);
        assert_refused(load(place->credentials, place->state, false), "longer than 4096");
        write_file(place->credentials, "purser.key", big, 4096, 0400);
        struct loaded loaded = load(place->credentials, place->state, false);
        assert_int_equal(loaded.r, 0);
        secret_free(loaded.key);
}

static void test_a_credential_wins_over_the_key_file(void **state)
{
        struct place *place = *state;
        struct loaded file = load(NULL, place->state, false);
        char bytes[SEAL_KEY_SIZE];

        memset(bytes, 'k', sizeof(bytes));
        write_file(place->credentials, "purser.key", bytes, sizeof(bytes), 0400);
        struct loaded loaded = load(place->credentials, place->state, true);
        assert_int_equal(loaded.r, 0);
        assert_int_equal(loaded.source, SEAL_KEY_SYSTEMD_CREDENTIAL);
        assert_true(secret_equal_bytes(loaded.key, bytes, sizeof(bytes)));
        secret_free(loaded.key);
        secret_free(file.key);
}

static void test_a_credentials_directory_without_a_key_means_the_key_file(void **state)
{
        struct place *place = *state;
        char missing[128];
        struct loaded made = load(place->credentials, place->state, false);

        assert_int_equal(made.r, 0);
        assert_int_equal(made.source, SEAL_KEY_FILE);
        assert_true(made.made);
        snprintf(missing, sizeof(missing), "%s/none", place->root);
        struct loaded again = load(missing, place->state, true);
        assert_int_equal(again.r, 0);
        assert_int_equal(again.source, SEAL_KEY_FILE);
        assert_true(secret_equal(made.key, again.key));
        secret_free(made.key);
        secret_free(again.key);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_without_any_key_one_is_made_that_only_the_daemon_can_read),
                TEST(test_no_key_is_made_beside_a_store),
                TEST(test_a_half_written_key_of_an_earlier_crash_is_no_key),
                TEST(test_a_key_file_that_others_may_read_is_refused),
                TEST(test_a_key_file_of_another_size_is_refused),
                TEST(test_a_key_that_is_a_link_a_directory_or_a_fifo_is_refused),
                TEST(test_another_users_key_file_is_refused),
                TEST(test_a_missing_state_directory_is_a_fault),
                TEST(test_a_credential_of_32_raw_bytes_is_the_key),
                TEST(test_a_credential_of_64_hex_digits_is_decoded),
                TEST(test_any_longer_text_is_hashed),
                TEST(test_an_empty_or_short_credential_is_no_key),
                TEST(test_an_endless_credential_is_no_key),
                TEST(test_a_credential_wins_over_the_key_file),
                TEST(test_a_credentials_directory_without_a_key_means_the_key_file),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
