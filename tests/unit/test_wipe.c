// links: common/
// ldflags: -Wl,--wrap=free -Wl,--wrap=malloc
#include "common/wipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const char *__asan_default_options(void);
void __real_free(void *p);
void *__real_malloc(size_t size);
void __wrap_free(void *p);
void *__wrap_malloc(size_t size);

/* The sanitizer ends whoever asks for too much; the C library returns NULL, which is what is tested. */
const char *__asan_default_options(void)
{
        return "allocator_may_return_null=1";
}

/* What the C library is given back is looked at in the moment before. */
static size_t n_freed, n_dirty;
static bool refuse;

void __wrap_free(void *p)
{
        const unsigned char *bytes = p;

        if (p) {
                n_freed++;
                for (size_t i = 0; i < malloc_usable_size(p); i++)
                        if (bytes[i] != 0) {
                                n_dirty++;
                                break;
                        }
        }
        __real_free(p);
}

void *__wrap_malloc(size_t size)
{
        return refuse ? NULL : __real_malloc(size);
}

static int watch(void **state)
{
        n_freed = n_dirty = 0;
        refuse = false;
        return 0;
}

static void test_freed_memory_is_zero_to_the_end_of_what_was_usable(void **state)
{
        static const size_t sizes[] = { 1, 7, 24, 25, 100, 4096, 200000, 1 << 20 };

        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                char *p = wipe_malloc(sizes[i]);

                assert_non_null(p);
                memset(p, 's', malloc_usable_size(p));
                wipe_free(p);
        }
        assert_int_equal(n_freed, sizeof(sizes) / sizeof(sizes[0]));
        assert_int_equal(n_dirty, 0);
}

static void test_the_check_itself_sees_what_is_not_wiped(void **state)
{
        char *p = wipe_malloc(100);

        memset(p, 's', 100);
        __asm__(""
                :
                : "r"(p)
                : "memory"); /* else the compiler leaves the memset() out, as it would leave out a wipe */
        free(p);
        assert_int_equal(n_dirty, 1);
}

static void test_free_accepts_null(void **state)
{
        wipe_free(NULL);
        assert_int_equal(n_freed, 0);
}

static void test_growing_keeps_the_bytes_and_wipes_where_they_were(void **state)
{
        char *p = wipe_malloc(10);

        memcpy(p, "refreshed", 10);
        p = wipe_realloc(p, 5000);
        assert_non_null(p);
        assert_string_equal(p, "refreshed");
        assert_int_equal(n_freed, 1);
        assert_int_equal(n_dirty, 0);
        wipe_free(p);
}

static void test_shrinking_wipes_what_is_cut_off(void **state)
{
        char *p = wipe_malloc(5000);

        memset(p, 's', 5000);
        p = wipe_realloc(p, 3);
        assert_non_null(p);
        assert_memory_equal(p, "sss", 3);
        assert_int_equal(n_freed, 1);
        assert_int_equal(n_dirty, 0);
        wipe_free(p);
}

static void test_realloc_begins_with_null_and_ends_with_zero(void **state)
{
        char *p = wipe_realloc(NULL, 20);

        assert_non_null(p);
        memset(p, 's', 20);
        assert_null(wipe_realloc(p, 0));
        assert_int_equal(n_freed, 1);
        assert_int_equal(n_dirty, 0);
}

static void test_a_refused_realloc_leaves_the_old_memory_as_it_was(void **state)
{
        char *p = wipe_malloc(6), *moved;

        memcpy(p, "hello", 6);
        refuse = true;
        moved = wipe_realloc(p, 100);
        refuse = false;
        assert_null(moved);
        assert_int_equal(n_freed, 0);
        assert_string_equal(p, "hello");
        wipe_free(p);
}

static void test_calloc_is_zero_and_refuses_what_overflows(void **state)
{
        static const char zero[60];
        size_t half = SIZE_MAX / 2;
        char *p = wipe_calloc(3, 20);

        __asm__("" : "+r"(half)); /* else the compiler warns of the very thing that is tested */
        assert_memory_equal(p, zero, 60);
        wipe_free(p);
        assert_null(wipe_calloc(half, 4));
}

static void test_strdup_copies(void **state)
{
        char *p = wipe_strdup("token");

        assert_string_equal(p, "token");
        wipe_free(p);
        assert_int_equal(n_dirty, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_freed_memory_is_zero_to_the_end_of_what_was_usable, watch),
                cmocka_unit_test_setup(test_the_check_itself_sees_what_is_not_wiped, watch),
                cmocka_unit_test_setup(test_free_accepts_null, watch),
                cmocka_unit_test_setup(test_growing_keeps_the_bytes_and_wipes_where_they_were, watch),
                cmocka_unit_test_setup(test_shrinking_wipes_what_is_cut_off, watch),
                cmocka_unit_test_setup(test_realloc_begins_with_null_and_ends_with_zero, watch),
                cmocka_unit_test_setup(test_a_refused_realloc_leaves_the_old_memory_as_it_was, watch),
                cmocka_unit_test_setup(test_calloc_is_zero_and_refuses_what_overflows, watch),
                cmocka_unit_test_setup(test_strdup_copies, watch),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
