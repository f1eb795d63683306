#include "tests/beds/oauth_answers.h"

#include <string.h>

struct oauth_answer read_response(const struct provider *provider, struct http_response *response)
{
        struct oauth_answer answer;

        assert_int_equal(oauth_read_token_answer(provider, response, NOW, &answer), 0);
        http_response_done(response);
        assert_true(sample_is_clean(answer.reason, NULL));
        assert_true(sample_is_clean(answer.notice, NULL));
        /* What holds of every answer, whatever it is. */
        assert_int_equal(answer.verdict == OAUTH_GRANTED, answer.access_token || answer.refresh_token);
        if (answer.verdict != OAUTH_GRANTED)
                assert_true(strlen(answer.reason) > 20);
        if (answer.outcome_unknown)
                assert_int_equal(answer.verdict, OAUTH_TRY_AGAIN);
        return answer;
}

struct oauth_answer read_answer(const struct provider *provider, long status, const char *body)
{
        struct http_response response = sample_answer(status, NULL, body);

        return read_response(provider, &response);
}

void expect_tokens(const struct oauth_answer *answer, const char *access, const char *refresh)
{
        assert_int_equal(answer->verdict, OAUTH_GRANTED);
        assert_int_equal(answer->access_token != NULL, access != NULL);
        assert_int_equal(answer->refresh_token != NULL, refresh != NULL);
        if (access)
                assert_true(secret_equal_bytes(answer->access_token, access, strlen(access)));
        if (refresh)
                assert_true(secret_equal_bytes(answer->refresh_token, refresh, strlen(refresh)));
}

void expect_refused(const struct provider *provider, long status, const char *body,
                    enum oauth_verdict verdict, bool outcome_unknown, const char *words)
{
        _cleanup_(oauth_answer_done) struct oauth_answer answer = read_answer(provider, status, body);

        if (answer.verdict != verdict || answer.outcome_unknown != outcome_unknown ||
            !strstr(answer.reason, words))
                fail_msg("%ld %s: verdict %d, outcome_unknown %d, \"%s\"", status, body, answer.verdict,
                         answer.outcome_unknown, answer.reason);
}
