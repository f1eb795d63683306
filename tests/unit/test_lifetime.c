// links: daemon/protocol/
// libs: libsodium jansson
#include "daemon/protocol/lifetime.h"

#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { HOUR = 3600, NOW = 1700000000 };

static const uint64_t year_usec = UINT64_C(31536000) * USEC_PER_SEC;

/* An answer that tells nothing, received by a clock that is right. */
static struct lifetime_facts silent(void)
{
        return (struct lifetime_facts){ .expires_in = INT64_MIN, .expires_at = -1, .date = -1, .wall = NOW };
}

static struct secret *jwt(const char *payload)
{
        char encoded[2048], token[2200];
        struct secret *secret = NULL;

        sodium_bin2base64(encoded, sizeof encoded, (const unsigned char *)payload, strlen(payload),
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        snprintf(token, sizeof token, "eyJhbGciOiJIUzI1NiJ9.%s.c2lnbmF0dXJl", encoded);
        assert_int_equal(secret_new_string(&secret, token), 0);
        return secret;
}

static void expect(const struct lifetime_facts *facts, const char *payload, uint64_t seconds,
                   enum lifetime_source expected)
{
        _cleanup_(secret_freep) struct secret *token = payload ? jwt(payload) : NULL;
        enum lifetime_source source;

        assert_int_equal(lifetime_usec(facts, token, &source), seconds * USEC_PER_SEC);
        assert_int_equal(source, expected);
}

static void test_expires_in_comes_first(void **state)
{
        struct lifetime_facts facts = silent();

        facts.expires_in = 1800;
        facts.expires_at = NOW + HOUR;
        facts.date = NOW;
        expect(&facts, "{\"exp\":1700007200,\"iat\":1700000000}", 1800, LIFETIME_EXPIRES_IN);
}

static void test_expires_in_that_makes_no_sense_counts_as_not_told(void **state)
{
        static const int64_t absurd[] = { INT64_MIN, INT64_MIN + 1,      -3600, -1, 0,
                                          INT64_MAX, INT64_C(3153600001) };
        struct lifetime_facts facts = silent();

        facts.expires_at = NOW + 601;
        facts.date = NOW;
        for (size_t i = 0; i < sizeof absurd / sizeof absurd[0]; i++) {
                facts.expires_in = absurd[i];
                expect(&facts, NULL, 600, LIFETIME_EXPIRES_AT);
        }
}

static void test_no_life_is_longer_than_a_year(void **state)
{
        struct lifetime_facts facts = silent();

        facts.expires_in = INT64_C(2147483647);
        expect(&facts, NULL, year_usec / USEC_PER_SEC, LIFETIME_EXPIRES_IN);
        facts = silent();
        facts.expires_at = INT64_C(99999999999);
        expect(&facts, NULL, year_usec / USEC_PER_SEC, LIFETIME_EXPIRES_AT);
        facts = silent();
        facts.expires_at = INT64_MAX;
        facts.wall = 0;
        expect(&facts, NULL, year_usec / USEC_PER_SEC, LIFETIME_EXPIRES_AT);
        expect(
                &(struct lifetime_facts){
                        .expires_in = -1, .expires_at = -1, .date = -1, .default_usec = UINT64_MAX },
                NULL, year_usec / USEC_PER_SEC, LIFETIME_DEFAULT);
}

static void test_expires_at_is_counted_from_the_answers_own_date(void **state)
{
        struct lifetime_facts facts = silent();

        facts.expires_at = NOW + HOUR;
        facts.date = NOW;
        facts.wall = NOW + 86400; /* a local clock that is a day ahead does no harm */
        expect(&facts, NULL, HOUR - 1, LIFETIME_EXPIRES_AT);
        facts.wall = 0;
        expect(&facts, NULL, HOUR - 1, LIFETIME_EXPIRES_AT);
}

static void test_expires_at_is_counted_from_the_local_clock_for_want_of_a_date(void **state)
{
        struct lifetime_facts facts = silent();

        facts.expires_at = NOW + HOUR;
        expect(&facts, NULL, HOUR - 1, LIFETIME_EXPIRES_AT);
}

static void test_a_jwt_is_counted_from_its_own_iat(void **state)
{
        struct lifetime_facts facts = silent();

        facts.date = NOW + 1000; /* a proxy's clock: iat comes from the one that wrote exp */
        expect(&facts, "{\"exp\":1700003600,\"iat\":1700000000,\"sub\":\"x\"}", HOUR - 1, LIFETIME_JWT);
}

static void test_iat_wins_over_date_for_expires_at_too(void **state)
{
        struct lifetime_facts facts = silent();

        facts.expires_at = NOW + HOUR;
        facts.date = NOW + 1000;
        expect(&facts, "{\"iat\":1700000000}", HOUR - 1, LIFETIME_EXPIRES_AT);
}

static void test_a_jwt_without_iat_is_counted_from_the_date(void **state)
{
        struct lifetime_facts facts = silent();

        facts.date = NOW - 100;
        expect(&facts, "{\"exp\":1700003600}", HOUR + 99, LIFETIME_JWT);
}

static void test_an_iat_behind_the_end_is_no_reference(void **state)
{
        struct lifetime_facts facts = silent();

        facts.date = NOW;
        expect(&facts, "{\"exp\":1700003600,\"iat\":1700003600}", HOUR - 1, LIFETIME_JWT);
        expect(&facts, "{\"exp\":1700003600,\"iat\":99999999999}", HOUR - 1, LIFETIME_JWT);
}

static void test_a_token_that_has_ended_has_no_life_left(void **state)
{
        struct lifetime_facts facts = silent();

        facts.date = NOW;
        facts.expires_at = NOW - 1;
        expect(&facts, NULL, 0, LIFETIME_EXPIRES_AT);
        facts.expires_at = NOW + 1; /* the second that is subtracted */
        expect(&facts, NULL, 0, LIFETIME_EXPIRES_AT);
        facts.expires_at = 0;
        expect(&facts, NULL, 0, LIFETIME_EXPIRES_AT);
        facts.expires_at = -1;
        expect(&facts, "{\"exp\":1}", 0, LIFETIME_JWT);
}

static void test_a_silent_answer_gets_the_providers_default_or_an_hour(void **state)
{
        struct lifetime_facts facts = silent();

        expect(&facts, NULL, HOUR, LIFETIME_DEFAULT);
        expect(&facts, "{\"sub\":\"nobody said when\"}", HOUR, LIFETIME_DEFAULT);
        facts.default_usec = 7200 * USEC_PER_SEC;
        expect(&facts, NULL, 7200, LIFETIME_DEFAULT);
}

static void test_claims_may_be_fractions_or_milliseconds(void **state)
{
        struct lifetime_facts facts = silent();

        expect(&facts, "{\"exp\":1700003600.75,\"iat\":1700000000.5}", HOUR - 1, LIFETIME_JWT);
        expect(&facts, "{\"exp\":1700003600000,\"iat\":1700000000000}", HOUR - 1, LIFETIME_JWT);
}

static void test_claims_that_make_no_sense_are_absent(void **state)
{
        struct lifetime_facts facts = silent();

        expect(&facts, "{\"exp\":-5,\"iat\":\"yesterday\"}", HOUR, LIFETIME_DEFAULT);
        expect(&facts, "{\"exp\":1e308,\"iat\":-1e308}", HOUR, LIFETIME_DEFAULT);
        expect(&facts, "{\"exp\":1e999}", HOUR, LIFETIME_DEFAULT);
        expect(&facts, "{\"exp\":null,\"iat\":{}}", HOUR, LIFETIME_DEFAULT);
        expect(&facts, "{\"exp\":true}", HOUR, LIFETIME_DEFAULT);
}

static void test_what_is_no_jwt_is_told_from_one(void **state)
{
        static const char
                *const others[] = { "",
                                    "opaque",
                                    ".",
                                    "..",
                                    "...",
                                    "a.b.c",
                                    "a..c",
                                    "eyJhbGciOiJIUzI1NiJ9.e30", /* two parts */
                                    "eyJhbGciOiJIUzI1NiJ9.e30.sig.more", /* four */
                                    "eyJhbGciOiJIUzI1NiJ9.key.iv.text.tag", /* encrypted */
                                    "eyJhbGciOiJIUzI1NiJ9.e30=.sig", /* padding: RFC 7515 section 2 */
                                    "eyJhbGciOiJIUzI1NiJ9.e3 0.sig",
                                    "eyJhbGciOiJIUzI1NiJ9.W10.sig", /* [] */
                                    "eyJhbGciOiJIUzI1NiJ9.MTIz.sig", /* 123 */
                                    "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MDAw.sig" /* cut short */ };
        int64_t exp = 7, iat = 8;

        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
                assert_false(jwt_read_times(others[i], strlen(others[i]), &exp, &iat));
        assert_int_equal(exp, 7);
        assert_int_equal(iat, 8);
        assert_true(jwt_read_times("a.e30.", 6, &exp, &iat)); /* unsecured: RFC 7519 section 6 */
        assert_int_equal(exp, -1);
        assert_int_equal(iat, -1);
}

static void test_a_jwt_is_read_to_its_length_only(void **state)
{
        _cleanup_(secret_freep) struct secret *token = jwt("{\"exp\":1700003600}");
        int64_t exp, iat;

        assert_true(jwt_read_times(secret_expose(token), secret_size(token), &exp, &iat));
        assert_int_equal(exp, 1700003600);
        assert_false(jwt_read_times(secret_expose(token), 21, &exp, &iat));
}

static void test_times_are_read_in_every_form_that_providers_write(void **state)
{
        static const struct {
                const char *text;
                int64_t seconds;
        } cases[] = {
                { "2024-04-09 21:04:31 UTC", 1712696671 }, /* Jobber */
                { "2024-04-09 21:04:31", 1712696671 },
                { "2024-04-09T21:04:31Z", 1712696671 },
                { "2024-04-09t21:04:31z", 1712696671 },
                { "2024-04-09T21:04:31.999Z", 1712696671 },
                { "2024-04-09T23:04:31+02:00", 1712696671 },
                { "2024-04-09T16:34:31-04:30", 1712696671 },
                { "2024-04-09 21:04:31 +0000", 1712696671 },
                { "2024-04-09 14:04:31 -0700", 1712696671 },
                { "2024-04-09 21:04:31 GMT", 1712696671 },
                { "  2024-04-09 21:04:31 UTC \n", 1712696671 },
                { "Tue, 09 Apr 2024 21:04:31 GMT", 1712696671 },
                { "1712696671", 1712696671 },
                { "1712696671.25", 1712696671 },
                { "1712696671000", 1712696671 },
                { "0", 0 },
                { "1970-01-01T00:00:00Z", 0 },
                { "2000-02-29T12:00:00Z", 951825600 },
                { "2024-12-31T23:59:60Z", 1735689600 }, /* a leap second */
                { "9999-12-31T23:59:59Z", INT64_C(253402300799) },
        };

        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                assert_int_equal(lifetime_parse_time(cases[i].text), cases[i].seconds);
}

static void test_what_is_no_time_is_refused(void **state)
{
        static const char *const texts[] = { "",
                                             " ",
                                             "soon",
                                             "-1",
                                             "-1712696671",
                                             "1.",
                                             "1e9",
                                             "0x10",
                                             "1712696671 tomorrow",
                                             "99999999999999999999",
                                             "2024-04-09",
                                             "2024-4-9 21:04:31",
                                             "2024-04-09 21:04",
                                             "2024-04-09_21:04:31",
                                             "2024-13-01T00:00:00Z",
                                             "2024-00-01T00:00:00Z",
                                             "2024-04-31T00:00:00Z",
                                             "2023-02-29T00:00:00Z",
                                             "1900-02-29T00:00:00Z",
                                             "1969-12-31T23:59:59Z",
                                             "2024-04-09T24:00:00Z",
                                             "2024-04-09T21:60:00Z",
                                             "2024-04-09T21:04:61Z",
                                             "2024-04-09T21:04:31.Z",
                                             "2024-04-09T21:04:31+2",
                                             "2024-04-09T21:04:31+24:00",
                                             "2024-04-09T21:04:31+02:60",
                                             "2024-04-09T21:04:31 PST",
                                             "2024-04-09T21:04:31ZZ",
                                             "1970-01-01T00:00:00+01:00" };

        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
                assert_int_equal(lifetime_parse_time(texts[i]), -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_expires_in_comes_first),
                cmocka_unit_test(test_expires_in_that_makes_no_sense_counts_as_not_told),
                cmocka_unit_test(test_no_life_is_longer_than_a_year),
                cmocka_unit_test(test_expires_at_is_counted_from_the_answers_own_date),
                cmocka_unit_test(test_expires_at_is_counted_from_the_local_clock_for_want_of_a_date),
                cmocka_unit_test(test_a_jwt_is_counted_from_its_own_iat),
                cmocka_unit_test(test_iat_wins_over_date_for_expires_at_too),
                cmocka_unit_test(test_a_jwt_without_iat_is_counted_from_the_date),
                cmocka_unit_test(test_an_iat_behind_the_end_is_no_reference),
                cmocka_unit_test(test_a_token_that_has_ended_has_no_life_left),
                cmocka_unit_test(test_a_silent_answer_gets_the_providers_default_or_an_hour),
                cmocka_unit_test(test_claims_may_be_fractions_or_milliseconds),
                cmocka_unit_test(test_claims_that_make_no_sense_are_absent),
                cmocka_unit_test(test_what_is_no_jwt_is_told_from_one),
                cmocka_unit_test(test_a_jwt_is_read_to_its_length_only),
                cmocka_unit_test(test_times_are_read_in_every_form_that_providers_write),
                cmocka_unit_test(test_what_is_no_time_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
