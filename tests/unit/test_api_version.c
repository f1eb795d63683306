// links: daemon/protocol/
// libs: libsodium jansson
/* What an answer tells of the pinned version, and whether a revocation went through. */
#include "tests/beds/api_answers.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------------- versions */

static void expect_version(const char *versioning, enum version_state expected, const char *served,
                           const char *words)
{
        char body[1024];

        snprintf(body, sizeof body, "{" ACCOUNT ",\"extensions\":{\"versioning\":%s}}", versioning);
        _cleanup_(api_answer_done) struct api_answer answer = read_test(&sample_jobber, PINNED, 200, body);
        assert_int_equal(answer.verdict, API_OK);
        if (answer.version_state != expected || !strstr(answer.message, words))
                fail_msg("%s: %s, \"%s\"", versioning, version_state_name(answer.version_state),
                         answer.message);
        assert_string_equal(answer.served_version, served);
}

static void test_the_answer_tells_the_state_of_the_version(void **state)
{
        expect_version("{\"version\":\"2023-08-18\"}", VERSION_OK, "2023-08-18", "The API answered.");
        expect_version("{\"version\":\"2023-08-18\",\"warning\":\"\"}", VERSION_OK, "2023-08-18",
                       "answered.");
        expect_version("{\"version\":\"2023-08-18\",\"warning\":null}", VERSION_OK, "2023-08-18",
                       "answered.");
        expect_version("{\"version\":\"2023-08-18\",\"warning\":\"Support for API version 2023-08-18 is "
                       "scheduled to stop on "
                       "May 13, 2026.\"}",
                       VERSION_TO_BE_REMOVED, "2023-08-18",
                       "about to drop the pinned version: pin a newer one.");
        expect_version("{\"version\":\"2023-08-18\",\"warning\":\"API Version 2023-08-18 is no longer "
                       "supported, and will be "
                       "removed at any time\"}",
                       VERSION_UNSUPPORTED, "2023-08-18", "does not support");
        expect_version("{\"version\":\"2023-08-18\",\"warning\":\"Words that no rule knows.\"}",
                       VERSION_TO_BE_REMOVED, "2023-08-18", "about to go");
        expect_version("{\"warning\":\"Words that no rule knows.\"}", VERSION_TO_BE_REMOVED, "",
                       "about to go");
        expect_version("{\"version\":\"2024-04-17\"}", VERSION_SERVED_AS_ANOTHER, "2024-04-17",
                       "(asked for 2023-08-18, served by 2024-04-17)");
        expect_version("{\"version\":\"2024-04-17\",\"warning\":\"2024-04-17 is scheduled to stop\"}",
                       VERSION_SERVED_AS_ANOTHER, "2024-04-17", "another version");
        expect_version("{}", VERSION_UNKNOWN, "", "does not tell which version");
        expect_version("null", VERSION_UNKNOWN, "", "does not tell which version");
        expect_version("{\"version\":20230818}", VERSION_UNKNOWN, "", "does not tell which version");
}

static void test_a_warning_is_shown_whole(void **state)
{
        static const char words[] =
                "Support for API version 2022-04-29 is scheduled to stop on May 13, 2023. Upgrade to the "
                "latest version "
                "2023-08-18 before then; see "
                "https://developer.getjobber.com/docs/using_jobbers_api/api_versioning for what "
                "has changed.";
        char body[1024];

        snprintf(body, sizeof body,
                 "{" ACCOUNT
                 ",\"extensions\":{\"versioning\":{\"version\":\"2023-08-18\",\"warning\":\"%s\"}}}",
                 words);
        _cleanup_(api_answer_done) struct api_answer answer = read_test(&sample_jobber, PINNED, 200, body);
        assert_string_equal(answer.version_warning, words);
}

static void test_a_version_that_does_not_exist_is_unsupported(void **state)
{
        _cleanup_(api_answer_done) struct api_answer answer =
                read_test(&sample_jobber, "2019-01-01", 404,
                          "{\"message\":\"GraphQL API version '2019-01-01' does not exist\"}");

        assert_int_equal(answer.verdict, API_VERSION_UNSUPPORTED);
        assert_int_equal(answer.version_state, VERSION_UNSUPPORTED);
}

static void test_a_warning_beside_an_error_does_not_judge_the_request(void **state)
{
        _cleanup_(api_answer_done) struct api_answer answer = read_test(
                &sample_jobber, PINNED, 200,
                "{\"errors\":[{\"message\":\"Throttled\",\"extensions\":{\"code\":\"THROTTLED\"}}],"
                "\"extensions\":"
                "{\"versioning\":{\"version\":\"2023-08-18\",\"warning\":\"is no longer supported\"}}}");

        assert_int_equal(answer.verdict, API_TRY_AGAIN);
        assert_non_null(strstr(answer.message, "fewer requests"));
        assert_int_equal(answer.version_state, VERSION_UNSUPPORTED);
}

static void test_a_failed_test_says_nothing_of_the_version(void **state)
{
        _cleanup_(api_answer_done) struct api_answer answer = read_test(&sample_jobber, PINNED, 503, "{}");

        assert_int_equal(answer.version_state, VERSION_UNKNOWN);
}

static void test_without_a_pinned_version_there_is_no_state(void **state)
{
        _cleanup_(api_answer_done) struct api_answer answer =
                read_test(&sample_jobber, NULL, 200, "{" ACCOUNT "," VERSION("2023-08-18") "}");

        assert_int_equal(answer.version_state, VERSION_NONE);
        assert_string_equal(answer.served_version, "2023-08-18");
}

static void test_an_api_that_cannot_tell_its_version_is_taken_at_its_word(void **state)
{
        struct provider provider = sample_jobber;

        provider.api.served_version = NULL;
        _cleanup_(api_answer_done) struct api_answer good =
                read_test(&provider, PINNED, 200, "{" ACCOUNT "}");
        assert_int_equal(good.version_state, VERSION_OK);
        _cleanup_(api_answer_done) struct api_answer bad = read_test(&provider, PINNED, 503, "{}");
        assert_int_equal(bad.version_state, VERSION_UNKNOWN);
}

static void test_a_version_may_come_back_in_a_header(void **state)
{
        static const struct {
                const char *header, *deprecation;
                enum version_state state;
        } cases[] = {
                { "v3", "", VERSION_OK },
                { "v2", "", VERSION_SERVED_AS_ANOTHER },
                { "", "", VERSION_UNKNOWN },
                { "v3", "ends in May", VERSION_TO_BE_REMOVED },
                { "v3", "harmless note", VERSION_OK },
        };
        char body[256];

        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                snprintf(body, sizeof body, "{\"company\":{\"id\":7},\"deprecation\":\"%s\"}",
                         cases[i].deprecation);
                struct http_response response = sample_answer(200, NULL, body);
                snprintf(response.served_version, sizeof response.served_version, "%s", cases[i].header);
                _cleanup_(api_answer_done) struct api_answer answer =
                        read_response(&sample_rest, "v3", &response);
                assert_int_equal(answer.version_state, cases[i].state);
                assert_string_equal(answer.version_warning, cases[i].deprecation);
        }
}

static void test_a_rest_api_refuses_a_version_by_a_rule(void **state)
{
        _cleanup_(api_answer_done) struct api_answer answer =
                read_test(&sample_rest, "v1", 410, "{\"code\":\"version_gone\"}");

        assert_int_equal(answer.verdict, API_VERSION_UNSUPPORTED);
        assert_int_equal(answer.version_state, VERSION_UNSUPPORTED);
}

static void test_every_state_has_its_name(void **state)
{
        assert_string_equal(version_state_name(VERSION_NONE), "none");
        assert_string_equal(version_state_name(VERSION_OK), "ok");
        assert_string_equal(version_state_name(VERSION_TO_BE_REMOVED), "to-be-removed");
        assert_string_equal(version_state_name(VERSION_UNSUPPORTED), "unsupported");
        assert_string_equal(version_state_name(VERSION_SERVED_AS_ANOTHER), "served-as-another");
        assert_string_equal(version_state_name(VERSION_UNKNOWN), "unknown");
}

/* ----------------------------------------------------------------------------------------------------------- revocation */

static void expect_revocation(long status, const char *body, enum api_verdict verdict, const char *words)
{
        struct http_response response = sample_answer(status, NULL, body);
        struct api_answer answer;

        assert_int_equal(api_read_revocation_answer(&sample_jobber, &response, &answer), 0);
        http_response_done(&response);
        if (answer.verdict != verdict || !strstr(answer.message, words))
                fail_msg("%ld %s: verdict %d, \"%s\"", status, body, answer.verdict, answer.message);
        assert_true(sample_is_clean(answer.message, TOKEN));
        api_answer_done(&answer);
}

static void test_a_revocation_that_went_through_is_told_from_one_that_did_not(void **state)
{
        expect_revocation(200, "{\"data\":{\"appDisconnect\":{\"app\":{\"name\":\"a\"},\"userErrors\":[]}}}",
                          API_OK, "has revoked");
        expect_revocation(200, "{\"data\":{\"appDisconnect\":{\"app\":null,\"userErrors\":null}}}", API_OK,
                          "has revoked");
        expect_revocation(200,
                          "{\"data\":{\"appDisconnect\":{\"userErrors\":[{\"message\":\"Not allowed\"}]}}}",
                          API_TRY_AGAIN, "did not revoke the grant (HTTP 200, \"Not allowed\")");
        expect_revocation(200, "{\"data\":{\"appDisconnect\":{\"userErrors\":[{}]}}}", API_TRY_AGAIN,
                          "did not revoke");
        expect_revocation(200, "{\"data\":{\"appDisconnect\":{\"userErrors\":[\"plain\"]}}}", API_TRY_AGAIN,
                          "plain");
        expect_revocation(200, "{\"data\":{\"appDisconnect\":{\"userErrors\":\"words\"}}}", API_TRY_AGAIN,
                          "words");
        expect_revocation(200, "{\"data\":{\"appDisconnect\":{\"userErrors\":\"\"}}}", API_OK, "has revoked");
        expect_revocation(200, "{\"data\":{\"appDisconnect\":null}}", API_TRY_AGAIN, "");
        expect_revocation(200, "{\"data\":null,\"errors\":[{\"message\":\"boom\"}]}", API_TRY_AGAIN, "boom");
        expect_revocation(200, "{\"data\":{\"appDisconnect\":{}},\"errors\":[{\"message\":\"boom\"}]}",
                          API_TRY_AGAIN, "boom");
        expect_revocation(200, "<html>", API_TRY_AGAIN, "a page");
        expect_revocation(200, "", API_TRY_AGAIN, "empty");
        expect_revocation(503, "", API_TRY_AGAIN, "trouble of its own");
        expect_revocation(401, "{\"message\":\"Access token expired\"}", API_TOKEN_REJECTED, "expired");
        expect_revocation(200, "{\"errors\":[{\"extensions\":{\"code\":\"UNAUTHENTICATED\"}}]}",
                          API_TOKEN_REJECTED, "rejects");
}

static void test_a_grant_that_had_ended_already_counts_as_revoked(void **state)
{
        expect_revocation(403, "{\"message\":\"User has disconnected this app from their account.\"}", API_OK,
                          "had ended already");
}

static void test_a_revocation_without_an_answer_is_tried_again(void **state)
{
        struct http_response response = sample_failure(HTTP_OUTCOME_UNKNOWN, "no answer in time");
        struct api_answer answer;

        assert_int_equal(api_read_revocation_answer(&sample_jobber, &response, &answer), 0);
        assert_int_equal(answer.verdict, API_TRY_AGAIN);
        assert_non_null(strstr(answer.message, "no answer in time"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_answer_tells_the_state_of_the_version),
                cmocka_unit_test(test_a_warning_is_shown_whole),
                cmocka_unit_test(test_a_version_that_does_not_exist_is_unsupported),
                cmocka_unit_test(test_a_warning_beside_an_error_does_not_judge_the_request),
                cmocka_unit_test(test_a_failed_test_says_nothing_of_the_version),
                cmocka_unit_test(test_without_a_pinned_version_there_is_no_state),
                cmocka_unit_test(test_an_api_that_cannot_tell_its_version_is_taken_at_its_word),
                cmocka_unit_test(test_a_version_may_come_back_in_a_header),
                cmocka_unit_test(test_a_rest_api_refuses_a_version_by_a_rule),
                cmocka_unit_test(test_every_state_has_its_name),
                cmocka_unit_test(test_a_revocation_that_went_through_is_told_from_one_that_did_not),
                cmocka_unit_test(test_a_grant_that_had_ended_already_counts_as_revoked),
                cmocka_unit_test(test_a_revocation_without_an_answer_is_tried_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
