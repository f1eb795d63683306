// links: common/
/* Reading and writing without memory. */
#include "common/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 1 << 20 };

/* ---- without memory ---- */

static size_t n_allocations, fail_at;

static void *failing_malloc(size_t size)
{
        return n_allocations++ == fail_at ? NULL : malloc(size);
}

static int forget_failures(void **state)
{
        json_set_alloc_funcs(malloc, free);
        return 0;
}

/*
 * The first allocation fails, then the second, until it works: no crash and no leak. jansson takes a string that it has no room
 * for as a syntax error; everything else is told as what it is.
 */
static void test_a_parser_without_memory_fails_cleanly(void **state)
{
        static const char text[] = "{\"method\":\"a.B\",\"more\":true}";
        size_t n_told = 0;
        int r = -ENOMEM;

        json_object_seed(1);
        json_set_alloc_funcs(failing_malloc, free);
        for (fail_at = 0; r != 0; fail_at++) {
                struct wire_call call = { 0 };

                n_allocations = 0;
                r = wire_parse_call(text, strlen(text), &call, NULL);
                if (r != 0) {
                        assert_true(r == -ENOMEM || r == WIRE_E_MALFORMED);
                        assert_null(call.root);
                        n_told += r == -ENOMEM;
                }
                wire_call_done(&call);
        }
        assert_true(fail_at > 5);
        assert_true(n_told >= 5);
}

static void test_a_writer_without_memory_says_so(void **state)
{
        _cleanup_(json_decrefp) json_t *parameters = json_pack("{s:{s:[s]}}", "a", "b", "c");
        struct secret_buf buf = SECRET_BUF_INIT(LIMIT);
        int r = -ENOMEM;

        json_set_alloc_funcs(failing_malloc, free);
        for (fail_at = 0; r != 0; fail_at++) {
                n_allocations = 0;
                r = wire_format_reply(&buf, NULL, parameters, false);
                if (r != 0) {
                        assert_int_equal(r, -ENOMEM);
                        assert_int_equal(buf.n, 0);
                }
        }
        assert_string_equal(buf.data, "{\"parameters\":{\"a\":{\"b\":[\"c\"]}}}");
        secret_buf_done(&buf);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(test_a_parser_without_memory_fails_cleanly, forget_failures),
                cmocka_unit_test_teardown(test_a_writer_without_memory_says_so, forget_failures),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
