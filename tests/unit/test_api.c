// links: daemon/protocol/
// libs: libsodium jansson
#include "tests/beds/api_answers.h"

#include "common/clock.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------------- requests */

static void expect_headers(const struct http_request *request, const char *authorization,
                           const char *version_header, const char *version)
{
        assert_string_equal(sample_expose_header(request, "Authorization"), authorization);
        assert_string_equal(sample_expose_header(request, "Accept"), "application/json");
        if (version)
                assert_string_equal(sample_expose_header(request, version_header), version);
        else
                assert_null(sample_expose_header(request, version_header));
}

static void test_jobbers_test_is_a_graphql_query_with_the_pinned_version(void **state)
{
        _cleanup_(secret_freep) struct secret *token = NULL;
        _cleanup_(http_request_freep) struct http_request *request = NULL;

        assert_int_equal(secret_new_string(&token, TOKEN), 0);
        assert_true(api_has_test(&sample_jobber));
        assert_int_equal(api_test_request(&sample_jobber, PINNED, "Bearer", token, &request), 0);
        assert_true(request->post);
        assert_string_equal(request->url, "https://api.getjobber.com/api/graphql");
        assert_string_equal(secret_expose(request->body), "{\"query\":\"query { account { id name } }\"}");
        assert_string_equal(sample_expose_header(request, "Content-Type"), "application/json");
        expect_headers(request, "Bearer " TOKEN, "X-JOBBER-GRAPHQL-VERSION", "2023-08-18");
}

static void test_a_query_is_escaped(void **state)
{
        _cleanup_(secret_freep) struct secret *token = NULL;
        _cleanup_(http_request_freep) struct http_request *request = NULL;
        struct provider provider = sample_jobber;

        provider.api.test_query = TEXT("query {\n\tjobs(name: \"a\\b\") { id }\n}");
        assert_int_equal(secret_new_string(&token, TOKEN), 0);
        assert_int_equal(api_test_request(&provider, NULL, "DPoP", token, &request), 0);
        assert_string_equal(secret_expose(request->body),
                            "{\"query\":\"query {\\n\\tjobs(name: \\\"a\\\\b\\\") { id }\\n}\"}");
        expect_headers(request, "DPoP " TOKEN, "X-JOBBER-GRAPHQL-VERSION", NULL);
}

static void test_a_rest_test_is_a_get(void **state)
{
        _cleanup_(secret_freep) struct secret *token = NULL;
        _cleanup_(http_request_freep) struct http_request *request = NULL;
        struct provider provider = sample_rest;

        provider.ca_file = TEXT("/etc/ca.pem");
        assert_int_equal(secret_new_string(&token, TOKEN), 0);
        assert_true(api_has_test(&provider));
        assert_int_equal(api_test_request(&provider, "v3", NULL, token, &request), 0);
        assert_false(request->post);
        assert_null(request->body);
        assert_string_equal(request->url, "https://api.example.com/v1/me");
        assert_null(sample_expose_header(request, "Content-Type"));
        expect_headers(request, "Bearer " TOKEN, "Api-Version", "v3");
        assert_string_equal(request->ca_file, "/etc/ca.pem");
}

static void test_the_revocation_is_the_providers_mutation(void **state)
{
        _cleanup_(secret_freep) struct secret *token = NULL;
        _cleanup_(http_request_freep) struct http_request *request = NULL;

        assert_int_equal(secret_new_string(&token, TOKEN), 0);
        assert_int_equal(api_revocation_request(&sample_jobber, PINNED, "Bearer", token, &request), 0);
        assert_string_equal(request->url, "https://api.getjobber.com/api/graphql");
        assert_string_equal(
                secret_expose(request->body),
                "{\"query\":\"mutation { appDisconnect { app { name author } userErrors { message } } }\"}");
        expect_headers(request, "Bearer " TOKEN, "X-JOBBER-GRAPHQL-VERSION", "2023-08-18");
}

static void test_asking_what_a_provider_does_not_have_is_a_fault_of_the_caller(void **state)
{
        _cleanup_(secret_freep) struct secret *token = NULL;
        struct http_request *request = NULL;

        assert_int_equal(secret_new_string(&token, TOKEN), 0);
        assert_false(api_has_test(&sample_plain));
        assert_int_equal(api_test_request(&sample_plain, NULL, "Bearer", token, &request), -EINVAL);
        assert_int_equal(api_revocation_request(&sample_plain, NULL, "Bearer", token, &request), -EINVAL);
        assert_null(request);
}

static void test_a_token_that_would_break_the_header_is_refused(void **state)
{
        _cleanup_(secret_freep) struct secret *token = NULL;
        struct http_request *request = NULL;

        assert_int_equal(secret_new_string(&token, "a\r\nX-Evil: 1"), 0);
        assert_int_equal(api_test_request(&sample_jobber, PINNED, "Bearer", token, &request), -EINVAL);
        assert_null(request);
}

/* -------------------------------------------------------------------------------------------------------------- answers */

static void expect(long status, const char *body, enum api_verdict verdict, const char *words)
{
        _cleanup_(api_answer_done) struct api_answer answer = read_test(&sample_jobber, PINNED, status, body);

        if (answer.verdict != verdict || !strstr(answer.message, words))
                fail_msg("%ld %s: verdict %d, \"%s\"", status, body, answer.verdict, answer.message);
}

static void test_a_good_answer_tells_account_and_version(void **state)
{
        _cleanup_(api_answer_done) struct api_answer answer =
                read_test(&sample_jobber, PINNED, 200, "{" ACCOUNT "," VERSION("2023-08-18") "}");

        assert_int_equal(answer.verdict, API_OK);
        assert_string_equal(answer.account_id, "MQ==");
        assert_string_equal(answer.account_name, "Acme Landscaping");
        assert_int_equal(answer.version_state, VERSION_OK);
        assert_string_equal(answer.served_version, "2023-08-18");
        assert_string_equal(answer.version_warning, "");
        assert_string_equal(answer.message, "The API answered.");
        assert_int_equal(answer.retry_after_usec, 0);
}

static void test_an_account_may_be_a_number_and_nameless(void **state)
{
        static const struct {
                const char *account, *id, *name;
        } cases[] = {
                { "{\"id\":42}", "42", NULL },
                { "{\"id\":-9223372036854775807,\"name\":null}", "-9223372036854775807", NULL },
                { "{\"id\":\"a\",\"name\":7}", "a", NULL },
                { "{\"id\":\"a\",\"name\":\"two\\nlines\\u001b[1m \\u202egnp\"}", "a", "two lines?[1m ?gnp" },
                { "{\"id\":\"\xc3\xa9\",\"name\":\"\xc3\x89mile\"}", "\xc3\xa9", "\xc3\x89mile" },
        };
        char body[256];

        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                snprintf(body, sizeof body, "{\"data\":{\"account\":%s}}", cases[i].account);
                _cleanup_(api_answer_done) struct api_answer answer =
                        read_test(&sample_jobber, PINNED, 200, body);
                assert_int_equal(answer.verdict, API_OK);
                assert_string_equal(answer.account_id, cases[i].id);
                if (cases[i].name)
                        assert_string_equal(answer.account_name, cases[i].name);
                else
                        assert_null(answer.account_name);
        }
}

static void test_an_answer_that_hides_whose_account_it_is_is_no_test(void **state)
{
        static const char *const bodies[] = {
                "{\"data\":{\"account\":{\"id\":null,\"name\":\"x\"}}}",
                "{\"data\":{\"account\":{\"id\":\"\",\"name\":\"x\"}}}",
                "{\"data\":{\"account\":{\"id\":\"a\\nb\"}}}",
                "{\"data\":{\"account\":{\"id\":\"a\\u0000\"}}}",
                "{\"data\":{\"account\":{\"id\":[1]}}}",
                "{\"data\":{\"account\":{\"id\":1.5}}}",
        };

        for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
                expect(200, bodies[i], API_TRY_AGAIN, "without telling whose account");
}

static void test_a_query_of_ones_own_may_leave_the_account_out(void **state)
{
        _cleanup_(api_answer_done) struct api_answer answer =
                read_test(&sample_jobber, PINNED, 200,
                          "{\"data\":{\"jobs\":{\"nodes\":[]}}," VERSION("2023-08-18") "}");

        assert_int_equal(answer.verdict, API_OK);
        assert_null(answer.account_id);
        assert_int_equal(answer.version_state, VERSION_OK);
}

static void test_jobbers_refusals_are_told_apart(void **state)
{
        expect(401, "{\"message\":\"Access token expired\"}", API_TOKEN_REJECTED, "\"Access token expired\"");
        expect(401, "{\"message\":\"Token not recognized\"}", API_TOKEN_REJECTED,
               "rejects this access token");
        expect(401, "", API_TOKEN_REJECTED, "HTTP 401");
        expect(200, "{\"errors\":[{\"message\":\"No\",\"extensions\":{\"code\":\"UNAUTHENTICATED\"}}]}",
               API_TOKEN_REJECTED, "rejects this access token");
        expect(200,
               "{\"errors\":[{\"message\":\"a\"},{\"extensions\":{\"code\":\"UNAUTHENTICATED\"}}],\"data\":"
               "null}",
               API_TOKEN_REJECTED, "rejects");
        expect(403,
               "{\"message\":\"User has disconnected this app from their account. Please delete this "
               "token\"}",
               API_AUTHORIZATION_REQUIRED, "log in again");
        expect(200, "{\"message\":\"User has disconnected this app from their account.\"}",
               API_AUTHORIZATION_REQUIRED, "");
        expect(403, "{\"error\":{\"message\":\"This account is not active\"}}", API_AUTHORIZATION_REQUIRED,
               "not active");
        expect(404, "{\"message\":\"GraphQL API version '2019-01-01' does not exist\"}",
               API_VERSION_UNSUPPORTED, "version '2019-01-01' does not exist");
        expect(404, "{\"message\":\"Not found\"}", API_TRY_AGAIN, "HTTP 404");
}

static void test_passing_trouble_is_tried_again(void **state)
{
        expect(503, "{\"message\":\"Service temporarily unavailable\"}", API_TRY_AGAIN, "cannot answer now");
        expect(200, "{\"message\":\"Service temporarily unavailable\"}", API_TRY_AGAIN, "cannot answer now");
        expect(500, "<html>", API_TRY_AGAIN, "trouble of its own");
        expect(200, "", API_TRY_AGAIN, "empty answer");
        expect(200, "<html>Maintenance</html>", API_TRY_AGAIN, "a page or a broken answer");
        expect(200, "{\"data\":{\"account\":{\"id\":\"MQ==\"", API_TRY_AGAIN, "broken answer");
        expect(200, "{}", API_TRY_AGAIN, "holds no data");
        expect(200, "[]", API_TRY_AGAIN, "holds no data");
        expect(200, "{\"data\":{\"account\":null}}", API_TRY_AGAIN, "holds no data");
        expect(200, "{\"data\":{}}", API_TRY_AGAIN, "holds no data");
        expect(200, "{\"data\":[]}", API_TRY_AGAIN, "holds no data");
        expect(403, "{\"message\":\"You may not\"}", API_TRY_AGAIN, "\"You may not\"");
        expect(302, "", API_TRY_AGAIN, "HTTP 302");
        expect(429, "", API_TRY_AGAIN, "fewer requests");
        expect(200,
               "{\"errors\":[{\"message\":\"Throttled\",\"extensions\":{\"code\":\"THROTTLED\"}}],"
               "\"extensions\":{\"cost\":"
               "{\"throttleStatus\":{\"maximumAvailable\":10000,\"currentlyAvailable\":3,\"restoreRate\":500}"
               "}}}",
               API_TRY_AGAIN, "fewer requests");
}

static void test_a_field_hidden_due_to_permissions_is_no_token_problem(void **state)
{
        expect(200,
               "{\"errors\":[{\"message\":\"The field jobs on an object of type Query was hidden due to "
               "permissions\"}],"
               "\"data\":null}",
               API_TRY_AGAIN, "lacks a scope that the query needs (HTTP 200, \"The field jobs on");
        expect(200,
               "{\"errors\":[{\"message\":\"The field jobs on an object of type Query was hidden due to "
               "permissions\"}]," ACCOUNT "}",
               API_OK, "hidden due to permissions");
        expect(200, "{\"errors\":[{\"message\":\"hidden due to permissions\"}],\"data\":{\"jobs\":[]}}",
               API_TRY_AGAIN, "lacks a scope");
}

static void test_words_of_refusal_in_a_good_answer_refuse_nothing(void **state)
{
        expect(200, "{\"data\":{\"account\":{\"id\":\"1\",\"name\":\"User has disconnected this app\"}}}",
               API_OK, "");
}

static void test_no_answer_is_tried_again(void **state)
{
        struct http_response response = sample_failure(HTTP_NOT_SENT, "the connection was refused");
        _cleanup_(api_answer_done) struct api_answer answer =
                read_response(&sample_jobber, PINNED, &response);

        assert_int_equal(answer.verdict, API_TRY_AGAIN);
        assert_int_equal(answer.version_state, VERSION_UNKNOWN);
        assert_string_equal(answer.message, "The API could not be asked (the connection was refused).");
}

/* jansson's allocator, failing once after so many calls. */
static size_t calls_left;

static void *failing_malloc(size_t size)
{
        return calls_left-- == 0 ? NULL : malloc(size);
}

static void test_want_of_memory_is_a_fault_or_passing(void **state)
{
        static const char body[] = "{" ACCOUNT "," VERSION("2023-08-18") "}";
        bool good = false;

        json_set_alloc_funcs(failing_malloc, free);
        for (size_t n = 0; !good; n++) {
                struct http_response response = sample_answer(200, NULL, body);
                struct api_answer answer = { 0 };
                assert_true(n < 1000);
                calls_left = n;
                int r = api_read_test_answer(&sample_jobber, PINNED, &response, &answer);
                http_response_done(&response);
                assert_true(r == 0 || r == -ENOMEM);
                good = r == 0 && answer.verdict == API_OK && answer.account_id;
                if (r == 0 && !good)
                        assert_int_equal(answer.verdict, API_TRY_AGAIN);
                api_answer_done(&answer);
        }
        json_set_alloc_funcs(malloc, free);
}

static void test_want_of_memory_makes_no_request(void **state)
{
        _cleanup_(secret_freep) struct secret *token = NULL;
        int r = -ENOMEM;

        assert_int_equal(secret_new_string(&token, TOKEN), 0);
        json_set_alloc_funcs(failing_malloc, free);
        for (size_t n = 0; r != 0; n++) {
                _cleanup_(http_request_freep) struct http_request *request = NULL;
                assert_true(n < 1000);
                calls_left = n;
                r = api_test_request(&sample_jobber, PINNED, "Bearer", token, &request);
                assert_true(r == 0 || r == -ENOMEM);
                assert_int_equal(request != NULL, r == 0);
        }
        json_set_alloc_funcs(malloc, free);
}

static void test_retry_after_counts_for_at_most_an_hour(void **state)
{
        struct http_response response = sample_answer(429, NULL, "{}");

        response.retry_after_sec = 7200;
        _cleanup_(api_answer_done) struct api_answer answer =
                read_response(&sample_jobber, PINNED, &response);
        assert_int_equal(answer.retry_after_usec, 3600 * USEC_PER_SEC);
}

static void test_no_message_ever_shows_a_token(void **state)
{
        expect(401, "{\"message\":\"Token " TOKEN " not recognized\"}", API_TOKEN_REJECTED, "[hidden]");
        expect(200, "{\"errors\":[{\"message\":\"bad Bearer " TOKEN "\"}]}", API_TRY_AGAIN,
               "bad Bearer [hidden]");
}

static void test_a_rest_answer_is_any_json_that_tells_the_account(void **state)
{
        static const struct {
                const char *body;
                enum api_verdict verdict;
        } cases[] = {
                { "{\"company\":{\"id\":7,\"name\":\"Acme\"}}", API_OK },
                { "{\"company\":{}}", API_TRY_AGAIN },
                { "{\"message\":\"Down for maintenance\"}", API_TRY_AGAIN },
                { "[{\"company\":{\"id\":7}}]", API_TRY_AGAIN },
                { "{\"company\":{\"id\":7},\"errors\":[{\"extensions\":{\"code\":\"UNAUTHENTICATED\"}}]}",
                  API_OK },
        };

        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                _cleanup_(api_answer_done) struct api_answer answer =
                        read_test(&sample_rest, NULL, 200, cases[i].body);
                assert_int_equal(answer.verdict, cases[i].verdict);
                assert_int_equal(answer.version_state, VERSION_NONE);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_jobbers_test_is_a_graphql_query_with_the_pinned_version),
                cmocka_unit_test(test_a_query_is_escaped),
                cmocka_unit_test(test_a_rest_test_is_a_get),
                cmocka_unit_test(test_the_revocation_is_the_providers_mutation),
                cmocka_unit_test(test_asking_what_a_provider_does_not_have_is_a_fault_of_the_caller),
                cmocka_unit_test(test_a_token_that_would_break_the_header_is_refused),
                cmocka_unit_test(test_a_good_answer_tells_account_and_version),
                cmocka_unit_test(test_an_account_may_be_a_number_and_nameless),
                cmocka_unit_test(test_an_answer_that_hides_whose_account_it_is_is_no_test),
                cmocka_unit_test(test_a_query_of_ones_own_may_leave_the_account_out),
                cmocka_unit_test(test_jobbers_refusals_are_told_apart),
                cmocka_unit_test(test_passing_trouble_is_tried_again),
                cmocka_unit_test(test_a_field_hidden_due_to_permissions_is_no_token_problem),
                cmocka_unit_test(test_words_of_refusal_in_a_good_answer_refuse_nothing),
                cmocka_unit_test(test_no_answer_is_tried_again),
                cmocka_unit_test(test_want_of_memory_is_a_fault_or_passing),
                cmocka_unit_test(test_want_of_memory_makes_no_request),
                cmocka_unit_test(test_retry_after_counts_for_at_most_an_hour),
                cmocka_unit_test(test_no_message_ever_shows_a_token),
                cmocka_unit_test(test_a_rest_answer_is_any_json_that_tells_the_account),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
