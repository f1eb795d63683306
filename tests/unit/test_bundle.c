// links: client/libpurser.c client/libpurser_bundle.c client/libpurser_link.c client/libpurser_record.c
// links: client/libpurser_slice.c common/
// ldflags: -Wl,--wrap=calloc -Wl,--wrap=secret_buf_reserve
/* A bundle is made whole or not at all, whichever allocation fails, and frees what it took. */
#include "client/libpurser_private.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int allocations_left = -1; /* negative: as many as are wanted */

static bool may_allocate(void)
{
        if (allocations_left == 0)
                return false;
        if (allocations_left > 0)
                allocations_left--;
        return true;
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
int __real_secret_buf_reserve(struct secret_buf *buf, size_t more);
int __wrap_secret_buf_reserve(struct secret_buf *buf, size_t more);

void *__wrap_calloc(size_t n, size_t size)
{
        return may_allocate() ? __real_calloc(n, size) : NULL;
}

int __wrap_secret_buf_reserve(struct secret_buf *buf, size_t more)
{
        return may_allocate() ? __real_secret_buf_reserve(buf, more) : fault(-ENOMEM);
}

#define TEXT                                                                                                 \
        "{\"access_token\":\"a\\u0062c\",\"token_type\":\"Bearer\",\"headers\":[{\"name\":\"A\",\"value\":"  \
        "\"b\"}],"                                                                                           \
        "\"generation\":1,\"account\":{\"id\":\"7\"},\"warnings\":[\"old\",\"\"]}"

static struct slice parsed(void)
{
        struct slice value;

        assert_int_equal(slice_parse(TEXT, strlen(TEXT), &value), 0);
        return value;
}

static void test_no_allocation_that_fails_leaves_anything_behind(void **state)
{
        struct purser_bundle *bundle = NULL;
        int n, r = -ENOMEM;

        for (n = 0; r != 0; n++) {
                allocations_left = n;
                r = bundle_new(&bundle, parsed(), NULL);
                allocations_left = -1;
                assert_true(r == 0 || r == -ENOMEM);
                assert_true((r == 0) == !!bundle);
                assert_in_range(n, 0, 50);
        }
        assert_in_range(n, 4, 50);
        assert_string_equal(purser_bundle_access_token(bundle), "abc");
        assert_string_equal(purser_bundle_warning(bundle, 1), "");
        purser_bundle_free(bundle);
}

/* The strings of a bundle are pointed to, so that the memory behind them must never have to grow. */
static void test_strings_find_room_in_what_was_reserved_at_first(void **state)
{
        struct secret_buf memory = SECRET_BUF_INIT(RECORD_MEMORY_MAX);
        struct slice json, element;
        const char *position = NULL, *before;
        char text[2048] = "[\"\"";
        size_t offset;

        while (strlen(text) < 2000)
                strcat(text, ",\"\",\"x\"");
        strcat(text, "]");
        assert_int_equal(slice_parse(text, strlen(text), &json), 0);
        assert_int_equal(record_keep(json, &memory, &json), 0);
        before = memory.data;
        while (slice_next(json, &position, &element))
                assert_int_equal(slice_decode(element, &memory, &offset), 0);
        assert_ptr_equal(memory.data, before);
        secret_buf_done(&memory);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_allocation_that_fails_leaves_anything_behind),
                cmocka_unit_test(test_strings_find_room_in_what_was_reserved_at_first),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
