// links: daemon/http/
// libs: libsodium
#include "daemon/http/http_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

static void test_the_three_forms_of_a_date_are_the_same_second(void **state)
{
        /* RFC 9110 section 5.6.7's own example. */
        assert_int_equal(http_parse_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
        assert_int_equal(http_parse_date("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
        assert_int_equal(http_parse_date("Sun Nov  6 08:49:37 1994"), 784111777);
}

static void test_dates_around_leap_days_and_centuries(void **state)
{
        assert_int_equal(http_parse_date("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
        assert_int_equal(http_parse_date("Tue, 29 Feb 2000 12:00:00 GMT"), 951825600);
        assert_int_equal(http_parse_date("Wed, 01 Mar 2000 00:00:00 GMT"), 951868800);
        assert_int_equal(http_parse_date("Thu, 29 Feb 2024 23:59:59 GMT"), 1709251199);
        assert_int_equal(http_parse_date("Thu, 31 Dec 2026 23:59:60 GMT"), 1798761600);
        assert_int_equal(http_parse_date("Mon, 01 Mar 2100 00:00:00 GMT"), INT64_C(4107542400));
        assert_int_equal(http_parse_date("Fri, 31 Dec 9999 23:59:59 GMT"), INT64_C(253402300799));
        assert_int_equal(http_parse_date("Wednesday, 31-Dec-69 23:59:59 GMT"), INT64_C(3155759999));
        assert_int_equal(http_parse_date("Sun Nov 16 08:49:37 1994"), 784975777);
}

static void test_what_is_no_date_is_minus_one(void **state)
{
        static const char *const wrong[] = {
                "",
                " ",
                "0",
                "now",
                "Sun, 06 Nov 1994 08:49:37",
                "Sun, 06 Nov 1994 08:49:37 UTC",
                "Sun, 06 Nov 1994 08:49:37 GMT ",
                " Sun, 06 Nov 1994 08:49:37 GMT",
                "Sun, 6 Nov 1994 08:49:37 GMT",
                "sun, 06 nov 1994 08:49:37 gmt",
                "Sun, 06 Nov 94 08:49:37 GMT",
                "Sun, 00 Nov 1994 08:49:37 GMT",
                "Sun, 31 Nov 1994 08:49:37 GMT",
                "Sun, 29 Feb 2100 08:49:37 GMT",
                "Sun, 29 Feb 2023 08:49:37 GMT",
                "Sun, 06 Nov 1994 24:00:00 GMT",
                "Sun, 06 Nov 1994 08:60:00 GMT",
                "Sun, 06 Nov 1994 08:49:61 GMT",
                "Sun, 06 Nov 1969 08:49:37 GMT",
                "Sun, 06 Nov 1994 08:49:3",
                "Sun, 06 Nov 1994 08:-9:37 GMT",
                "Sun, 06-Nov-94 08:49:37 GMT",
                "Sunday, 06-Nov-1994 08:49:37 GMT",
                "Sunday, 06-Nov-94 08:49:37",
                "Sun Nov 6 08:49:37 1994",
                "Sun Nov  6 08:49:37 19941",
                "2024-04-09T21:04:31Z",
        };

        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                if (http_parse_date(wrong[i]) != -1)
                        fail_msg("taken for a date: '%s'", wrong[i]);
}

static void test_retry_after_in_seconds_is_capped_at_a_day(void **state)
{
        assert_int_equal(http_parse_retry_after("0", 1000), 0);
        assert_int_equal(http_parse_retry_after("120", 1000), 120);
        assert_int_equal(http_parse_retry_after("007", 1000), 7);
        assert_int_equal(http_parse_retry_after("86400", 1000), 86400);
        assert_int_equal(http_parse_retry_after("86401", 1000), 86400);
        assert_int_equal(http_parse_retry_after("99999999999999999999999999", 1000), 86400);
        assert_int_equal(http_parse_retry_after("120", -1), 120);
}

static void test_retry_after_as_a_date_counts_from_the_answers_clock(void **state)
{
        assert_int_equal(http_parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 - 90), 90);
        assert_int_equal(http_parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111777), 0);
        assert_int_equal(http_parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 + 5), 0);
        assert_int_equal(http_parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", 0), 86400);
        assert_int_equal(http_parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", -1), -1);
}

static void test_an_unusable_retry_after_is_minus_one(void **state)
{
        static const char *const wrong[] = { "",   "-1", "+5",   "1.5",  " 5",
                                             "5 ", "5s", "soon", "0x10", "Sun, 06 Nov" };

        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                if (http_parse_retry_after(wrong[i], 1000) != -1)
                        fail_msg("taken for a delay: '%s'", wrong[i]);
}

static void test_a_request_holds_what_it_is_given(void **state)
{
        _cleanup_(http_request_freep) struct http_request *request = NULL;

        assert_int_equal(http_request_new(&request, true, "https://idp.example/token"), 0);
        assert_true(request->post);
        assert_string_equal(request->url, "https://idp.example/token");
        assert_int_equal(http_request_add_header(request, "Authorization", "Bearer abc", 10), 0);
        assert_int_equal(http_request_add_header(request, "X-Empty", "", 0), 0);
        assert_int_equal(request->n_headers, 2);
        assert_string_equal(request->headers[0].name, "Authorization");
        assert_string_equal(secret_expose(request->headers[0].value), "Bearer abc");
        assert_int_equal(secret_size(request->headers[1].value), 0);
}

static void test_a_header_cannot_be_injected(void **state)
{
        static const char *const values[] = { "a\r\nX: y", "a\nb", "a\rb", "\x7f", "caf\xc3\xa9", "\x01" };
        static const char *const names[] = { "", "A B", "A:", "A\r\nB", "Caf\xc3\xa9", "A\t" };
        _cleanup_(http_request_freep) struct http_request *request = NULL;

        assert_int_equal(http_request_new(&request, false, "https://api.example/"), 0);
        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
                assert_int_equal(http_request_add_header(request, "X-A", values[i], strlen(values[i])),
                                 -EINVAL);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                assert_int_equal(http_request_add_header(request, names[i], "v", 1), -EINVAL);
        assert_int_equal(http_request_add_header(request, "X-A", "a\0b", 3), -EINVAL);
        assert_int_equal(request->n_headers, 0);
        assert_int_equal(http_request_add_header(request, "X-A", "a b\tc", 5), 0);
}

static void test_a_url_has_visible_characters_only(void **state)
{
        struct http_request *request = NULL;

        assert_int_equal(http_request_new(&request, false, ""), -EINVAL);
        assert_int_equal(http_request_new(&request, false, "https://a.example/ HTTP/1.1\r\nX: y"), -EINVAL);
        assert_int_equal(http_request_new(&request, false, "https://a.example/\x7f"), -EINVAL);
        assert_null(request);
}

static void test_a_thirteenth_header_is_refused(void **state)
{
        _cleanup_(http_request_freep) struct http_request *request = NULL;

        assert_int_equal(http_request_new(&request, false, "https://api.example/"), 0);
        for (int i = 0; i < 12; i++)
                assert_int_equal(http_request_add_header(request, "X-A", "v", 1), 0);
        assert_int_equal(http_request_add_header(request, "X-A", "v", 1), -ENOBUFS);
        assert_int_equal(request->n_headers, 12);
}

static void test_a_zeroed_response_can_be_done(void **state)
{
        struct http_response response = { 0 };

        http_response_done(&response);
        http_response_done(&response);
        assert_null(response.body.data);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_three_forms_of_a_date_are_the_same_second),
                cmocka_unit_test(test_dates_around_leap_days_and_centuries),
                cmocka_unit_test(test_what_is_no_date_is_minus_one),
                cmocka_unit_test(test_retry_after_in_seconds_is_capped_at_a_day),
                cmocka_unit_test(test_retry_after_as_a_date_counts_from_the_answers_clock),
                cmocka_unit_test(test_an_unusable_retry_after_is_minus_one),
                cmocka_unit_test(test_a_request_holds_what_it_is_given),
                cmocka_unit_test(test_a_header_cannot_be_injected),
                cmocka_unit_test(test_a_url_has_visible_characters_only),
                cmocka_unit_test(test_a_thirteenth_header_is_refused),
                cmocka_unit_test(test_a_zeroed_response_can_be_done),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
