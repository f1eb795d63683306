// links: daemon/store/
// libs: libsystemd sqlite3
// ldflags: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=strdup,--wrap=strndup,--wrap=realpath
/*
 * What becomes of a store when memory runs out, SQLite's included: each allocation fails once, the first to the last. Want of
 * memory is always told as such, never taken for damage, and what is on the disk is the old or the new state.
 */
#include "tests/beds/store_place.h"

#include "tests/beds/out_of_memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void make_store(struct place *place)
{
        must_open(place);
        assert_int_equal(put(place, "acme", "old"), 0);
        close_store(place);
}

static void test_opening_without_memory_is_a_fault_and_nothing_else(void **state)
{
        struct place *place = *state;
        size_t n = 0;
        bool came;

        make_store(place);
        do {
                out_of_memory_at(n++);
                int r = open_store(place);
                came = out_of_memory_end();
                if (r != 0 && r != -ENOMEM)
                        fail_msg("allocation %zu: %d: %s", n - 1, r, place->diag.text);
                if (r != 0)
                        assert_null(place->store);
                close_store(place);
        } while (came);
        assert_true(n > 20);
        must_open(place);
        assert_string_equal(contents(place), "credential/acme=old");
}

static void test_making_a_store_without_memory_leaves_none_or_a_whole_one(void **state)
{
        struct place *place = *state;
        size_t n = 0;
        bool came;

        do {
                unlink(path_of(place, "purser.db"));
                out_of_memory_at(n++);
                int r = open_store(place);
                came = out_of_memory_end();
                if (r != 0 && r != -ENOMEM)
                        fail_msg("allocation %zu: %d: %s", n - 1, r, place->diag.text);
                close_store(place);
                must_open(place);
                assert_string_equal(contents(place), "");
                close_store(place);
        } while (came);
        assert_true(n > 20);
}

static void note(int result, const char *problem, void *userdata)
{
        *(int *)userdata = result;
}

static void test_writing_without_memory_is_told_and_the_next_write_succeeds(void **state)
{
        struct place *place = *state;
        char text[32], expected[128];
        size_t n = 0;
        bool came;

        make_store(place);
        must_open(place);
        do {
                struct store_write *write = NULL;
                int result = 1;
                snprintf(text, sizeof(text), "value %zu", n);
                struct store_op ops[] = { { "credential", "acme", (const uint8_t *)text, strlen(text) },
                                          { "credential", "beta", (const uint8_t *)text, strlen(text) } };
                out_of_memory_at(n++);
                int r = store_write_start(place->store, ops, 2, note, &result, &write);
                store_flush(place->store);
                came = out_of_memory_end();
                assert_true(r == 0 || r == -ENOMEM);
                assert_true(r < 0 || result == 0 || result == -ENOMEM);
                assert_false(store_is_lost(place->store));
                store_write_free(write);
                if (r == 0 && result == 0) {
                        snprintf(expected, sizeof(expected), "credential/acme=%s credential/beta=%s", text,
                                 text);
                        assert_string_equal(contents(place), expected);
                }
                assert_int_equal(put(place, "acme", "fine again"), 0);
        } while (came);
        assert_true(n > 2);
        reopen_process(place);
        assert_non_null(strstr(contents(place), "credential/acme=fine again"));
}

static void test_opening_a_lost_store_without_memory_moves_nothing_aside(void **state)
{
        struct place *place = *state;
        size_t n = 0;
        bool came;

        make_store(place);
        do {
                must_open(place);
                assert_int_equal(put(place, "acme", "newest"), 0);
                assert_int_equal(unlink(path_of(place, "purser.db-wal")), 0);
                assert_true(put(place, "acme", "lost") == -ESTALE);
                out_of_memory_at(n++);
                int r = store_reopen(place->store, &place->diag);
                came = out_of_memory_end();
                if (r != 0 && r != -ENOMEM)
                        fail_msg("allocation %zu: %d: %s", n - 1, r, place->diag.text);
                assert_true((r != 0) == store_is_lost(place->store));
                assert_int_equal(access(path_of(place, "purser.db.damaged"), F_OK), -1);
                assert_int_equal(store_reopen(place->store, &place->diag), 0);
                assert_int_equal(put(place, "acme", "again"), 0);
                close_store(place);
        } while (came);
        assert_true(n > 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_set_up_in_memory, place_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_opening_without_memory_is_a_fault_and_nothing_else),
                TEST(test_making_a_store_without_memory_leaves_none_or_a_whole_one),
                TEST(test_writing_without_memory_is_told_and_the_next_write_succeeds),
                TEST(test_opening_a_lost_store_without_memory_moves_nothing_aside),
        };

        if (store_global_init() != 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
