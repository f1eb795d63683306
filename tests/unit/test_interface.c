// links: daemon/method/
#include "daemon/method/interface.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <stddef.h>
#include <cmocka.h>

static void assert_same_as_file(const char *text, const char *path)
{
        static char content[65536];
        FILE *file = fopen(path, "re");
        assert_non_null(file);
        size_t n = fread(content, 1, sizeof(content), file);
        fclose(file);
        assert_in_range(n, 1, sizeof(content) - 1);
        assert_int_equal(strlen(text), n);
        assert_memory_equal(text, content, n);
}

static void test_tokens_interface_is_the_file_byte_for_byte(void **state)
{
        assert_same_as_file(interface_tokens, "include/io.purser.Tokens.varlink");
}

static void test_admin_interface_is_the_file_byte_for_byte(void **state)
{
        assert_same_as_file(interface_admin, "include/io.purser.Admin.varlink");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tokens_interface_is_the_file_byte_for_byte),
                cmocka_unit_test(test_admin_interface_is_the_file_byte_for_byte),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
