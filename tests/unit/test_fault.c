// links: common/
#include "common/fault.h"
#include "common/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static void test_origin_is_empty_before_the_first_fault(void **state)
{
        assert_string_equal(fault_origin(), "");
}

static void test_a_fault_is_returned_unchanged_and_its_origin_remembered(void **state)
{
        assert_int_equal(fault_raise(-ENOSPC, "daemon/base/seal.c", 81), -ENOSPC);
        assert_string_equal(fault_origin(), "daemon/base/seal.c:81");
        assert_int_equal(fault(-EIO), -EIO);
        assert_non_null(strstr(fault_origin(), "test_fault.c:"));
}

static void *origin_in_thread(void *told)
{
        return fault_origin()[0] != '\0' ? told : NULL;
}

static void test_a_fault_of_one_thread_is_not_told_as_that_of_another(void **state)
{
        pthread_t thread;
        char note;
        void *told;

        (void)fault(-EIO);
        assert_int_equal(pthread_create(&thread, NULL, origin_in_thread, &note), 0);
        assert_int_equal(pthread_join(thread, &told), 0);
        assert_null(told);
}

static void test_diag_formats_and_replaces(void **state)
{
        struct diag diag = DIAG_INIT;

        assert_string_equal(diag.text, "");
        diag_set(&diag, "%s: line %d", "purser.yaml", 7);
        assert_string_equal(diag.text, "purser.yaml: line 7");
        diag_set(&diag, "x");
        assert_string_equal(diag.text, "x");
}

static void test_diag_may_be_null(void **state)
{
        diag_set(NULL, "%s", "nobody listens");
}

static void test_diag_shows_control_characters_as_question_marks(void **state)
{
        struct diag diag = DIAG_INIT;

        diag_set(&diag, "a\nb\tc\x1b[31md\x7f e\xc2\x9b"
                        "31m");
        assert_string_equal(diag.text, "a?b?c?[31md? e?31m");
}

static void test_diag_keeps_utf8_and_replaces_what_is_none(void **state)
{
        struct diag diag = DIAG_INIT;

        diag_set(&diag, "Gr\xc3\xbc\xc3\x9f"
                        "e \xe2\x82\xac \xf0\x9f\x98\x80");
        assert_string_equal(diag.text, "Gr\xc3\xbc\xc3\x9f"
                                       "e \xe2\x82\xac \xf0\x9f\x98\x80");
        diag_set(&diag, "\xff|\xc3|\xe2\x82|\xc0\xaf|\xed\xa0\x80");
        assert_string_equal(diag.text, "?|?|\?\?|\?\?|\?\?\?");
}

static void test_diag_is_cut_at_511_bytes(void **state)
{
        struct diag diag = DIAG_INIT;
        char text[2000];

        memset(text, 'a', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        diag_set(&diag, "%s", text);
        assert_int_equal(strlen(diag.text), 511);
        assert_memory_equal(diag.text, text, 511);

        text[511] = '\0';
        diag_set(&diag, "%s", text);
        assert_int_equal(strlen(diag.text), 511);
}

/* Every length of the last sequence, cut in every place: no half character and no replacement of one is left. */
static void test_diag_is_cut_at_a_utf8_boundary(void **state)
{
        static const char *const sequences[] = { "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
        struct diag diag = DIAG_INIT;

        for (size_t i = 0; i < 3; i++)
                for (size_t kept = 0; kept <= strlen(sequences[i]); kept++) {
                        char text[600] = "";
                        size_t before = 511 - kept, length = strlen(sequences[i]);

                        memset(text, 'a', before);
                        strcat(text, sequences[i]);
                        strcat(text, "the rest");
                        diag_set(&diag, "%s", text);
                        assert_int_equal(strlen(diag.text), kept == length ? 511 : before);
                        assert_null(strchr(diag.text, '?'));
                }
}

static size_t encode(uint32_t c, unsigned char *out)
{
        if (c < 0x80) {
                out[0] = (unsigned char)c;
                return 1;
        }
        if (c < 0x800) {
                out[0] = (unsigned char)(0xc0 | c >> 6);
                out[1] = (unsigned char)(0x80 | (c & 0x3f));
                return 2;
        }
        if (c < 0x10000) {
                out[0] = (unsigned char)(0xe0 | c >> 12);
                out[1] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
                out[2] = (unsigned char)(0x80 | (c & 0x3f));
                return 3;
        }
        out[0] = (unsigned char)(0xf0 | c >> 18);
        out[1] = (unsigned char)(0x80 | (c >> 12 & 0x3f));
        out[2] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
        out[3] = (unsigned char)(0x80 | (c & 0x3f));
        return 4;
}

/* What the encoder makes of a code point is one sequence, except for surrogates and what lies above Unicode's end. */
static void test_utf8_accepts_every_code_point_and_nothing_else(void **state)
{
        for (uint32_t c = 0; c < 0x140000; c++) {
                unsigned char bytes[4];
                size_t n = encode(c, bytes);
                bool valid = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);

                assert_int_equal(utf8_sequence(bytes, n), valid ? n : 0);
                assert_int_equal(utf8_sequence(bytes, n - 1), 0);
        }
}

static void test_utf8_refuses_overlong_forms_and_stray_bytes(void **state)
{
        static const char *const bad[] = {
                "\x80",
                "\xbf",
                "\xc0\x80",
                "\xc1\xbf",
                "\xe0\x80\x80",
                "\xe0\x9f\xbf",
                "\xf0\x80\x80\x80",
                "\xf0\x8f\xbf\xbf",
                "\xf5\x80\x80\x80",
                "\xff",
                "\xc3"
                "a",
                "\xe2\x82"
                "a",
                "\xf0\x9f\x98"
                "a",
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(utf8_sequence((const unsigned char *)bad[i], strlen(bad[i])), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_origin_is_empty_before_the_first_fault),
                cmocka_unit_test(test_a_fault_is_returned_unchanged_and_its_origin_remembered),
                cmocka_unit_test(test_a_fault_of_one_thread_is_not_told_as_that_of_another),
                cmocka_unit_test(test_diag_formats_and_replaces),
                cmocka_unit_test(test_diag_may_be_null),
                cmocka_unit_test(test_diag_shows_control_characters_as_question_marks),
                cmocka_unit_test(test_diag_keeps_utf8_and_replaces_what_is_none),
                cmocka_unit_test(test_diag_is_cut_at_511_bytes),
                cmocka_unit_test(test_diag_is_cut_at_a_utf8_boundary),
                cmocka_unit_test(test_utf8_accepts_every_code_point_and_nothing_else),
                cmocka_unit_test(test_utf8_refuses_overlong_forms_and_stray_bytes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
