// links: daemon/protocol/
// libs: libsodium jansson
/* What the answer to a revocation says of the grant. */
#include "tests/beds/oauth_answers.h"

#include "common/clock.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------------------------ revocation */

static void expect_revocation(const struct provider *provider, long status, const char *type,
                              const char *body, enum oauth_verdict verdict)
{
        struct http_response response = sample_answer(status, type, body);
        struct oauth_answer answer;

        response.retry_after_sec = status == 503 ? 60 : -1;
        assert_int_equal(oauth_read_revocation_answer(provider, &response, &answer), 0);
        http_response_done(&response);
        if (answer.verdict != verdict)
                fail_msg("%ld %s: verdict %d, \"%s\"", status, body, answer.verdict, answer.reason);
        assert_true(sample_is_clean(answer.reason, OLD_TOKEN));
        assert_true(verdict == OAUTH_GRANTED || strlen(answer.reason) > 20);
        assert_int_equal(answer.retry_after_usec, status == 503 ? 60 * USEC_PER_SEC : 0);
        oauth_answer_done(&answer);
}

static void test_a_revocation_that_went_through_is_told_from_one_that_did_not(void **state)
{
        expect_revocation(&sample_plain, 200, "", "", OAUTH_GRANTED);
        expect_revocation(&sample_plain, 200, "text/html", "", OAUTH_GRANTED);
        expect_revocation(&sample_plain, 200, NULL, "{}", OAUTH_GRANTED);
        expect_revocation(&sample_plain, 204, "", "", OAUTH_GRANTED);
        expect_revocation(&sample_plain, 200, "text/html", "<html>Down for maintenance</html>",
                          OAUTH_TRY_AGAIN);
        expect_revocation(&sample_plain, 200, "", "  <html>", OAUTH_TRY_AGAIN);
        expect_revocation(&sample_plain, 503, NULL, "{}", OAUTH_TRY_AGAIN);
        expect_revocation(&sample_plain, 500, NULL, "{\"error\":\"invalid_token\"}", OAUTH_TRY_AGAIN);
        expect_revocation(&sample_plain, 404, NULL, "", OAUTH_TRY_AGAIN);
        expect_revocation(&sample_plain, 400, NULL, "{\"error\":\"unsupported_token_type\"}",
                          OAUTH_TRY_AGAIN);
        expect_revocation(&sample_plain, 401, NULL, "{\"error\":\"invalid_client\"}", OAUTH_CLIENT_REFUSED);
}

static void test_a_grant_that_had_ended_already_counts_as_revoked(void **state)
{
        expect_revocation(&sample_plain, 400, NULL, "{\"error\":\"invalid_token\"}", OAUTH_GRANTED);
        expect_revocation(&sample_plain, 400, NULL, "{\"error\":\"invalid_grant\"}", OAUTH_GRANTED);
        expect_revocation(&sample_jobber, 401, NULL,
                          "{\"message\":\"The provided refresh token is not valid.\"}", OAUTH_GRANTED);
}

static void test_a_revocation_without_an_answer_is_tried_again(void **state)
{
        struct http_response response = sample_failure(HTTP_OUTCOME_UNKNOWN, "no answer in time");
        struct oauth_answer answer;

        assert_int_equal(oauth_read_revocation_answer(&sample_plain, &response, &answer), 0);
        assert_int_equal(answer.verdict, OAUTH_TRY_AGAIN);
        assert_non_null(strstr(answer.reason, "no answer in time"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_revocation_that_went_through_is_told_from_one_that_did_not),
                cmocka_unit_test(test_a_grant_that_had_ended_already_counts_as_revoked),
                cmocka_unit_test(test_a_revocation_without_an_answer_is_tried_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
