// links: daemon/serve/
#include "daemon/serve/load_address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static struct load_request request;

static bool parse(const char *address)
{
        char path[256];
        size_t n = strlen(address);

        path[0] = '\0';
        memcpy(path + 1, address, n);
        return load_address_parse(path, n + 1, &request);
}

static void expect(const char *address, const char *unit, const char *name, enum load_form form)
{
        if (!parse(address))
                fail_msg("%s: not understood", address);
        assert_string_equal(request.unit, unit);
        assert_string_equal(request.name, name);
        assert_int_equal(request.form, form);
}

/* As systemd 252 was seen to bind them: up to sixteen digits without leading zeros, the unit's name raw. */
static void test_what_service_managers_bind_is_understood(void **state)
{
        (void)state;
        expect("8a2d9c6f10b3e4a7/unit/jobber-sync.service/jobber", "jobber-sync.service", "jobber",
               LOAD_TOKEN);
        expect("0/unit/a.service/jobber.token", "a.service", "jobber", LOAD_TOKEN);
        expect("1f/unit/tb@a-b\\x2dc.service/jobber.headers", "tb@a-b\\x2dc.service", "jobber", LOAD_HEADERS);
        expect("1f/unit/a:b_c.service/jobber.json", "a:b_c.service", "jobber", LOAD_JSON);
}

static void test_the_last_word_of_an_id_is_the_form(void **state)
{
        (void)state;
        expect("1/unit/a.service/acme.eu", "a.service", "acme.eu", LOAD_TOKEN);
        expect("1/unit/a.service/acme.eu.json", "a.service", "acme.eu", LOAD_JSON);
        expect("1/unit/a.service/acme.json.token", "a.service", "acme.json", LOAD_TOKEN);
        expect("1/unit/a.service/acme.headers.json", "a.service", "acme.headers", LOAD_JSON);
        expect("1/unit/a.service/acme.JSON", "a.service", "acme.JSON", LOAD_TOKEN);
        expect("1/unit/a.service/acme.", "a.service", "acme.", LOAD_TOKEN);
        /* Nobody's name; whoever looks for it finds nothing. */
        expect("1/unit/a.service/.json", "a.service", "", LOAD_JSON);
        expect("1/unit/a.service/json", "a.service", "json", LOAD_TOKEN);
}

static void test_the_id_is_kept_as_it_came(void **state)
{
        (void)state;
        assert_true(parse("1/unit/a.service/acme.headers"));
        assert_string_equal(request.id, "acme.headers");
        assert_string_equal(load_form_name(request.form), "headers");
}

static void test_any_other_address_is_nothing(void **state)
{
        static const char *const addresses[] = {
                "",
                "1",
                "/unit/a.service/x",
                "1/unit/",
                "1/unit/a.service",
                "1/unit/a.service/",
                "1/unit//x",
                "1/unit/a.service/x/y",
                "1/unit/a.service/x:y",
                "1/unit/a.service/x y",
                "1/unit/a.service/x\n",
                "1/unit/a.service/\xc3\xa9",
                "1/unit/noservice/x",
                "1/unit/a b.service/x",
                "1/unit/a\nb.service/x",
                "1/units/a.service/x",
                "1A/unit/a.service/x",
                "12345678901234567/unit/a.service/x",
                "1/system/a.service/x",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
                if (parse(addresses[i]))
                        fail_msg("%s", addresses[i]);
        /* A socket in the file system, and names with a NUL in them. */
        assert_false(load_address_parse("1/unit/a.service/x", 18, &request));
        assert_false(load_address_parse("\0001/unit/a.service/x\0", 20, &request));
        assert_false(load_address_parse("\0001/unit/a\0.service/x", 20, &request));
        assert_false(load_address_parse("", 0, &request));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_service_managers_bind_is_understood),
                cmocka_unit_test(test_the_last_word_of_an_id_is_the_form),
                cmocka_unit_test(test_the_id_is_kept_as_it_came),
                cmocka_unit_test(test_any_other_address_is_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
