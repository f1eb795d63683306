// links: client/output.c common/
#include "client/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* What a function prints, for the caller to free. */
static char *text;
static size_t n_text;
static FILE *out;

static void begin(void)
{
        out = open_memstream(&text, &n_text);
        assert_non_null(out);
}

static void assert_printed(const char *expected)
{
        fclose(out);
        assert_string_equal(text, expected);
        free(text);
}

static void test_text_that_a_terminal_would_obey_is_made_harmless(void **state)
{
        static const struct {
                const char *text, *shown;
        } cases[] = {
                { "plain \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
                  "plain \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
                { "\033]0;title\007", "?]0;title?" },
                { "a\r\n\tb", "a   b" },
                { "\x7f", "?" },
                { "\xc2\x9b[2J", "?[2J" }, /* U+009B, CSI in one character */
                { "\xe2\x80\xae"
                  "evil",
                  "?evil" }, /* right-to-left override */
                { "a\xe2\x80\x8b"
                  "b",
                  "a?b" }, /* zero width space */
                { "\xff\xc3", "??" },
                { "\xed\xa0\x80", "???" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char buffer[64] = "";

                assert_string_equal(output_append(buffer, sizeof(buffer), cases[i].text), cases[i].shown);
                begin();
                output_text(out, STYLE_BAD, cases[i].text);
                assert_printed(cases[i].shown);
        }
}

static void test_text_is_wrapped_at_blanks_and_indented(void **state)
{
        begin();
        output_wrapped(out, 4, 30, STYLE_PLAIN, "The token is valid and is refreshed before it ends.");
        assert_printed("The token is valid and is\n    refreshed before it ends.\n");
        begin();
        output_wrapped(out, 2, 0, STYLE_BAD, "one line, however long it is, where there is no terminal");
        assert_printed("one line, however long it is, where there is no terminal\n");
        begin(); /* a line that is full to the last column is not broken before its time */
        output_wrapped(out, 0, 20, STYLE_PLAIN, "aaaa bbbb cccc dddd1 eeee");
        assert_printed("aaaa bbbb cccc dddd1\neeee\n");
        begin(); /* a word that is longer than a line is broken, wide characters are not */
        output_wrapped(out, 0, 21, STYLE_PLAIN,
                       "\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80"
                       "\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80");
        assert_printed("\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80"
                       "\xe4\xb8\x80"
                       "\xe4\xb8\x80\xe4\xb8\x80\n\xe4\xb8\x80\n");
        begin();
        output_wrapped(out, 0, 20, STYLE_PLAIN, "a\033[2Jb");
        assert_printed("a?[2Jb\n");
        begin();
        output_wrapped(out, 0, 20, STYLE_PLAIN, "");
        assert_printed("\n");
}

static void test_text_put_together_first_has_the_colours_of_its_terminal(void **state)
{
        FILE *file = tmpfile();

        assert_non_null(file);
        output_colour_as(file);
        assert_false(output_has_colour(stdout));
        fclose(file);
        begin();
        output_wrapped(out, 0, 20, STYLE_BAD, "plain");
        assert_printed("plain\n");
}

static void test_durations_are_told_in_their_largest_units(void **state)
{
        char duration[48];

        assert_string_equal(output_duration(3599, duration, sizeof(duration)), "59m 59s");
        assert_string_equal(output_duration(7200, duration, sizeof(duration)), "2h");
        assert_string_equal(output_duration(0, duration, sizeof(duration)), "0s");
        assert_string_equal(output_duration(-5, duration, sizeof(duration)), "0s");
        assert_true(strlen(output_duration(INT64_MAX, duration, sizeof(duration))) > 0);
}

static void test_text_is_cut_between_characters(void **state)
{
        char buffer[8] = "abc";

        assert_string_equal(output_append(buffer, sizeof(buffer), "\xe2\x82\xac\xe2\x82\xac"),
                            "abc\xe2\x82\xac");
        assert_string_equal(output_append(buffer, sizeof(buffer), "def"), "abc\xe2\x82\xac"
                                                                          "d");
        assert_string_equal(output_append(buffer, sizeof(buffer), "e"), "abc\xe2\x82\xac"
                                                                        "d");
}

static void test_width_is_what_a_terminal_gives_it(void **state)
{
        assert_int_equal(output_width("abc"), 3);
        assert_int_equal(output_width("\xc3\xa4\xc3\xb6"), 2);
        assert_int_equal(output_width("\xe6\x97\xa5\xe6\x9c\xac"), 4); /* two wide characters */
        assert_int_equal(output_width("e\xcc\x81"), 1); /* a combining accent */
        assert_int_equal(output_width("\033\xff"), 2);
}

static void test_json_means_the_same_and_moves_no_terminal(void **state)
{
        begin();
        output_json(out, "{\"a\":\"\xc3\xa4\x7f\xc2\x9b\xe2\x80\xae\xf3\xa0\x80\x81\\n\"}");
        assert_printed("{\"a\":\"\xc3\xa4\\u007f\\u009b\\u202e\\udb40\\udc01\\n\"}\n");
}

static void test_durations_are_told_both_ways(void **state)
{
        char buffer[64];

        assert_string_equal(output_until(1000, 1000, buffer, sizeof(buffer)), "now");
        assert_string_equal(output_until(1000 + 3600, 1000, buffer, sizeof(buffer)), "in 1h");
        assert_string_equal(output_until(1000 - 90, 1000, buffer, sizeof(buffer)), "1m 30s ago");
        assert_string_equal(output_until(INT64_MAX, INT64_MIN, buffer, sizeof(buffer)), "in forever");
}

static void test_times_are_local_and_say_so(void **state)
{
        char buffer[64];

        setenv("TZ", "UTC-2", 1);
        assert_string_equal(output_time(1790000000, buffer, sizeof(buffer)), "2026-09-21 16:13:20+02:00");
        assert_string_equal(output_time(INT64_MAX, buffer, sizeof(buffer)), "9223372036854775807");
}

static const char *const titles[] = { "NAME", "STATE", "ACCOUNT" };

static struct table *two_rows(void)
{
        struct table *table = table_new(titles, 3);

        assert_true(table_add(table, STYLE_PLAIN, "acme"));
        assert_true(table_add(table, STYLE_GOOD, "active"));
        assert_true(table_add(table, STYLE_PLAIN, "Acme Landscaping"));
        assert_true(table_add(table, STYLE_PLAIN, "b\xc3\xa4r"));
        assert_true(table_add(table, STYLE_BAD, NULL));
        assert_true(table_add(table, STYLE_PLAIN, ""));
        return table;
}

static void test_a_table_takes_the_width_that_it_needs(void **state)
{
        struct table *table = two_rows();

        begin();
        table_print(table, out, 0);
        assert_printed("NAME  STATE   ACCOUNT\n"
                       "acme  active  Acme Landscaping\n"
                       "b\xc3\xa4r   -       -\n");
        table_free(table);
}

static void test_a_table_fits_into_a_terminal_at_the_cost_of_its_last_columns(void **state)
{
        struct table *table = two_rows();

        begin();
        table_print(table, out, 24);
        assert_printed("NAME  STATE   ACCOUNT\n"
                       "acme  active  Acme Land\xe2\x80\xa6\n"
                       "b\xc3\xa4r   -       -\n");
        table_free(table);
}

static void test_a_table_in_a_terminal_too_narrow_keeps_its_names(void **state)
{
        struct table *table = table_new(titles, 3);

        table_add(table, STYLE_PLAIN, "a-name-that-is-long");
        table_add(table, STYLE_PLAIN, "authorization-required");
        table_add(table, STYLE_PLAIN, "x");
        begin();
        table_print(table, out, 43);
        assert_printed("NAME                 STATE           ACCOU\xe2\x80\xa6\n"
                       "a-name-that-is-long  authorization\xe2\x80\xa6  x\n");
        begin();
        table_print(table, out, 10);
        assert_printed("NAME                 STATE   ACCOU\xe2\x80\xa6\n"
                       "a-name-that-is-long  autho\xe2\x80\xa6  x\n");
        table_free(table);
}

static void test_wide_characters_are_cut_whole(void **state)
{
        static const char *const one[] = { "NAME", "ACCOUNT" };
        struct table *table = table_new(one, 2);

        table_add(table, STYLE_PLAIN, "a");
        table_add(table, STYLE_PLAIN, "\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5");
        begin();
        table_print(table, out, 14);
        assert_printed("NAME  ACCOUNT\n"
                       "a     \xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5\xe2\x80\xa6\n");
        table_free(table);
}

static void test_a_table_of_a_thousand_rows_prints_them_all(void **state)
{
        static const char *const one[] = { "NAME" };
        struct table *table = table_new(one, 1);
        size_t lines = 0;

        for (int i = 0; i < 1000; i++)
                assert_true(table_add(table, STYLE_PLAIN, "x"));
        begin();
        table_print(table, out, 80);
        fclose(out);
        for (const char *p = text; *p; p++)
                lines += *p == '\n';
        assert_int_equal(lines, 1001);
        free(text);
        table_free(table);
}

static void test_a_stream_that_is_no_terminal_has_neither_colour_nor_columns(void **state)
{
        FILE *null = fopen("/dev/null", "we");

        setenv("TERM", "xterm", 1);
        unsetenv("NO_COLOR");
        assert_false(output_has_colour(null));
        assert_int_equal(output_columns(null), 0);
        fclose(null);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text_that_a_terminal_would_obey_is_made_harmless),
                cmocka_unit_test(test_text_is_wrapped_at_blanks_and_indented),
                cmocka_unit_test(test_text_put_together_first_has_the_colours_of_its_terminal),
                cmocka_unit_test(test_durations_are_told_in_their_largest_units),
                cmocka_unit_test(test_text_is_cut_between_characters),
                cmocka_unit_test(test_width_is_what_a_terminal_gives_it),
                cmocka_unit_test(test_json_means_the_same_and_moves_no_terminal),
                cmocka_unit_test(test_durations_are_told_both_ways),
                cmocka_unit_test(test_times_are_local_and_say_so),
                cmocka_unit_test(test_a_table_takes_the_width_that_it_needs),
                cmocka_unit_test(test_a_table_fits_into_a_terminal_at_the_cost_of_its_last_columns),
                cmocka_unit_test(test_a_table_in_a_terminal_too_narrow_keeps_its_names),
                cmocka_unit_test(test_wide_characters_are_cut_whole),
                cmocka_unit_test(test_a_table_of_a_thousand_rows_prints_them_all),
                cmocka_unit_test(test_a_stream_that_is_no_terminal_has_neither_colour_nor_columns),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
