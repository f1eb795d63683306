// links: daemon/method/
#include "daemon/method/method_arguments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

struct values {
        const char *name, *note;
        struct optional_int count;
        bool force;
};

static const struct argument arguments[] = {
        { "name", ARGUMENT_STRING, true, offsetof(struct values, name) },
        { "note", ARGUMENT_STRING, false, offsetof(struct values, note) },
        { "count", ARGUMENT_INT, false, offsetof(struct values, count) },
        { "force", ARGUMENT_BOOL, false, offsetof(struct values, force) },
};

static int read_text(const char *text, struct values *ret, const char **ret_wrong, json_t **ret_parameters)
{
        *ret_parameters = json_loads(text, 0, NULL);
        assert_non_null(*ret_parameters);
        /* What was there before must not shine through. */
        memset(ret, 0xff, sizeof(*ret));
        return arguments_read(*ret_parameters, arguments, 4, ret, ret_wrong);
}

static void test_all_kinds_are_read_and_unknown_members_ignored(void **state)
{
        struct values values;
        const char *wrong;
        json_t *parameters;

        (void)state;
        assert_int_equal(
                read_text("{\"name\":\"acme\",\"count\":-3,\"force\":true,\"note\":\"n\",\"later\":[1]}",
                          &values, &wrong, &parameters),
                0);
        assert_string_equal(values.name, "acme");
        assert_string_equal(values.note, "n");
        assert_true(values.count.given);
        assert_int_equal(values.count.value, -3);
        assert_true(values.force);
        json_decref(parameters);
}

static void test_absent_and_null_are_the_same(void **state)
{
        static const char *const texts[] = {
                "{\"name\":\"a\"}",
                "{\"name\":\"a\",\"note\":null,\"count\":null,\"force\":null}",
        };

        (void)state;
        for (size_t i = 0; i < 2; i++) {
                struct values values;
                const char *wrong;
                json_t *parameters;

                assert_int_equal(read_text(texts[i], &values, &wrong, &parameters), 0);
                assert_null(values.note);
                assert_false(values.count.given);
                assert_false(values.force);
                json_decref(parameters);
        }
}

static void test_what_is_missing_or_of_another_type_is_named(void **state)
{
        static const struct {
                const char *text, *wrong;
        } cases[] = {
                { "{}", "name" },
                { "{\"name\":null}", "name" },
                { "{\"name\":1}", "name" },
                { "{\"name\":\"a\",\"note\":true}", "note" },
                { "{\"name\":\"a\",\"count\":\"5\"}", "count" },
                { "{\"name\":\"a\",\"count\":5.0}", "count" },
                { "{\"name\":\"a\",\"force\":0}", "force" },
                { "{\"name\":{},\"force\":0}", "name" },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct values values;
                const char *wrong = NULL;
                json_t *parameters;

                assert_int_equal(read_text(cases[i].text, &values, &wrong, &parameters), ARGUMENTS_E_INVALID);
                assert_string_equal(wrong, cases[i].wrong);
                json_decref(parameters);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_kinds_are_read_and_unknown_members_ignored),
                cmocka_unit_test(test_absent_and_null_are_the_same),
                cmocka_unit_test(test_what_is_missing_or_of_another_type_is_named),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
