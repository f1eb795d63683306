// links: daemon/config/
#include "daemon/config/problems.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void test_a_line_names_file_position_and_path(void **state)
{
        struct problems problems = PROBLEMS_INIT;

        assert_int_equal(problems_add(&problems, "a.yaml", 3, 7, "clients.x", "has %d legs", 2), 0);
        assert_int_equal(problems_add(&problems, "a.yaml", 3, 7, "", "is odd"), 0);
        assert_int_equal(problems_add(&problems, "a.yaml", 0, 0, "", "cannot be read"), 0);
        assert_int_equal(problems.n, 3);
        assert_string_equal(problems.lines[0], "a.yaml:3:7: clients.x: has 2 legs");
        assert_string_equal(problems.lines[1], "a.yaml:3:7: is odd");
        assert_string_equal(problems.lines[2], "a.yaml: cannot be read");
        assert_int_equal(problems_count(&problems), 3);
        problems_done(&problems);
}

static void test_nothing_in_a_line_moves_a_cursor_or_breaks_a_string(void **state)
{
        struct problems problems = PROBLEMS_INIT;

        assert_int_equal(problems_add(&problems, "a\nb\xff.yaml", 1, 1, "x\x1b[2J\x7f\xc2\x85",
                                      "Z\xc3\xbcrich \xed\xa0\x80"),
                         0);
        assert_string_equal(problems.lines[0], "a?b?.yaml:1:1: x?[2J???: Z\xc3\xbcrich ???");
        problems_done(&problems);
}

static void test_a_report_has_an_end(void **state)
{
        struct problems problems = PROBLEMS_INIT;

        for (unsigned i = 1; i <= PROBLEMS_MAX + 50; i++)
                assert_int_equal(problems_add(&problems, "a", i, 1, "", "wrong"), 0);
        assert_int_equal(problems.n, PROBLEMS_MAX);
        assert_int_equal(problems.n_unlisted, 50);
        assert_int_equal(problems_count(&problems), PROBLEMS_MAX + 50);
        assert_string_equal(problems.lines[PROBLEMS_MAX - 2], "a:199:1: wrong");
        assert_string_equal(problems.lines[PROBLEMS_MAX - 1],
                            "a:200:1: there are more mistakes than are listed here; mend these first");
        problems_done(&problems);
}

static void test_a_long_message_is_cut_and_a_done_report_is_empty(void **state)
{
        struct problems problems = PROBLEMS_INIT;
        char text[4000];

        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        assert_int_equal(problems_add(&problems, "a", 1, 1, "", "%s", text), 0);
        assert_true(strlen(problems.lines[0]) < 600);
        problems_done(&problems);
        assert_null(problems.lines);
        assert_int_equal(problems_count(&problems), 0);
        problems_done(&problems);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_line_names_file_position_and_path),
                cmocka_unit_test(test_nothing_in_a_line_moves_a_cursor_or_breaks_a_string),
                cmocka_unit_test(test_a_report_has_an_end),
                cmocka_unit_test(test_a_long_message_is_cut_and_a_done_report_is_empty),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
