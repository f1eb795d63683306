// links: common/
#include "common/duration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#define SEC UINT64_C(1000000)
#define TEN_YEARS (10 * 365 * 86400 * SEC)

static void test_what_people_write_is_read(void **state)
{
        static const struct {
                const char *text;
                uint64_t usec;
        } cases[] = {
                { "0", 0 },
                { "45", 45 * SEC },
                { "007", 7 * SEC },
                { "250ms", SEC / 4 },
                { "30s", 30 * SEC },
                { "5m", 300 * SEC },
                { "5min", 300 * SEC },
                { "2h", 7200 * SEC },
                { "2d", 172800 * SEC },
                { "1w", 604800 * SEC },
                { "1h30m", 5400 * SEC },
                { "1h 30m", 5400 * SEC },
                { " 1h\t30m ", 5400 * SEC },
                { " 45 ", 45 * SEC },
                { "30m1h", 5400 * SEC },
                { "1m1m", 120 * SEC },
                { "1w2d3h4m5s6ms", 604800 * SEC + 172800 * SEC + 10800 * SEC + 245 * SEC + 6000 },
                { "3650d", TEN_YEARS },
                { "315360000", TEN_YEARS },
                { "0000000000000000000000000000000000000001s", SEC },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct diag diag = DIAG_INIT;
                uint64_t usec = 1;

                assert_int_equal(duration_parse(cases[i].text, &usec, &diag), 0);
                assert_true(usec == cases[i].usec);
                assert_string_equal(diag.text, "");
        }
}

static void test_what_is_no_duration_is_refused_with_a_reason(void **state)
{
        static const struct {
                const char *text, *reason;
        } cases[] = {
                { "", "empty" },
                { "  ", "empty" },
                { "-5s", "sign" },
                { "+5s", "sign" },
                { "1h-5m", "sign" },
                { "1.5h", "fraction" },
                { "1,5h", "fraction" },
                { "s", "begins with a number" },
                { "soon", "begins with a number" },
                { "0x10", "unit" },
                { "5 m", "unit" },
                { "5S", "unit" },
                { "5H", "unit" },
                { "5y", "unit" },
                { "5us", "unit" },
                { "5mi", "unit" },
                { "5mins", "unit" },
                { "1h30", "unit" },
                { "30 1h", "unit" },
                { "1 2", "unit" },
                { "5s;", "begins with a number" },
                { "25%", "unit" },
                { "3651d", "ten years" },
                { "3650d1ms", "ten years" },
                { "315360001", "ten years" },
                { "99999999999999999999999999999999999999", "ten years" },
                { "18446744073709551616s", "ten years" },
                { "18446744073709551615ms", "ten years" },
                { "3650d3650d3650d", "ten years" },
                { "infinity", "begins with a number" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct diag diag = DIAG_INIT;
                uint64_t usec = 17;

                assert_int_equal(duration_parse(cases[i].text, &usec, &diag), DURATION_E_MALFORMED);
                assert_true(usec == 17);
                assert_non_null(strstr(diag.text, cases[i].reason));
                assert_int_equal(duration_parse(cases[i].text, &usec, NULL), DURATION_E_MALFORMED);
        }
}

static void test_the_reason_says_how_to_write_one(void **state)
{
        struct diag diag = DIAG_INIT;
        uint64_t usec;

        assert_int_equal(duration_parse("soon", &usec, &diag), DURATION_E_MALFORMED);
        assert_string_equal(
                diag.text,
                "a duration begins with a number; write a duration like \"45\" (seconds), \"30s\", "
                "\"5m\", \"1h30m\" or \"2d\"");
}

static void test_people_are_shown_the_two_largest_units(void **state)
{
        static const struct {
                uint64_t usec;
                const char *text;
        } cases[] = {
                { 0, "0s" },
                { 1, "0s" },
                { 999, "0s" },
                { 1000, "1ms" },
                { 250 * 1000, "250ms" },
                { SEC - 1, "999ms" },
                { SEC, "1s" },
                { 5 * SEC + SEC / 2, "5s" },
                { 59 * SEC, "59s" },
                { 60 * SEC, "1m" },
                { 90 * SEC, "1m 30s" },
                { 12 * 60 * SEC, "12m" },
                { 3600 * SEC, "1h" },
                { 3600 * SEC + 5 * SEC, "1h" },
                { 3 * 3600 * SEC + 1200 * SEC, "3h 20m" },
                { 2 * 86400 * SEC + 4 * 3600 * SEC + 59 * 60 * SEC, "2d 4h" },
                { 86400 * SEC, "1d" },
                { TEN_YEARS, "3650d" },
                { UINT64_MAX - 1, "213503982d 8h" },
                { UINT64_MAX, "forever" },
        };
        char buffer[64];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                assert_ptr_equal(duration_format(cases[i].usec, buffer, sizeof(buffer)), buffer);
                assert_string_equal(buffer, cases[i].text);
        }
}

static void test_a_small_buffer_gets_what_fits(void **state)
{
        char buffer[4] = "zzz";

        assert_string_equal(duration_format(2 * 86400 * SEC + 4 * 3600 * SEC, buffer, sizeof(buffer)), "2d ");
}

static void test_what_is_shown_can_be_read_again(void **state)
{
        static const uint64_t cases[] = { 0, 250000, 5 * SEC, 90 * SEC, 12000 * SEC, 187200 * SEC };
        char buffer[64];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                uint64_t usec;

                assert_int_equal(
                        duration_parse(duration_format(cases[i], buffer, sizeof(buffer)), &usec, NULL), 0);
                assert_true(usec == cases[i]);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_people_write_is_read),
                cmocka_unit_test(test_what_is_no_duration_is_refused_with_a_reason),
                cmocka_unit_test(test_the_reason_says_how_to_write_one),
                cmocka_unit_test(test_people_are_shown_the_two_largest_units),
                cmocka_unit_test(test_a_small_buffer_gets_what_fits),
                cmocka_unit_test(test_what_is_shown_can_be_read_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
