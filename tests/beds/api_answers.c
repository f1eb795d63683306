#include "tests/beds/api_answers.h"

#include <string.h>

const char *const PINNED = "2023-08-18";

struct api_answer read_response(const struct provider *provider, const char *version,
                                struct http_response *response)
{
        struct api_answer answer;

        assert_int_equal(api_read_test_answer(provider, version, response, &answer), 0);
        http_response_done(response);
        assert_true(sample_is_clean(answer.message, TOKEN));
        assert_true(sample_is_clean(answer.version_warning, TOKEN));
        assert_true(strlen(answer.message) > 10);
        return answer;
}

struct api_answer read_test(const struct provider *provider, const char *version, long status,
                            const char *body)
{
        struct http_response response = sample_answer(status, NULL, body);

        return read_response(provider, version, &response);
}
