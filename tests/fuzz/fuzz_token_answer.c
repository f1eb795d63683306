// links: daemon/protocol/
// libs: libsodium jansson
/*
 * A hostile token endpoint. Input: which provider, the status (two bytes), what kind of content, then the body. Checked besides memory: what
 * holds of every answer, above all that nothing of a token is ever shown.
 */
#include "daemon/protocol/oauth.h"

#include "common/clock.h"
#include "tests/fuzz/fuzz.h"
#include "tests/beds/provider_samples.h"

/* Not for tokens that the cleaning of words, or the mark for what was hidden, could make out of something else. */
static void check_hidden(const char *text, const struct secret *token)
{
        if (!token || secret_size(token) < 4 || strstr("hidden", secret_expose(token)))
                return;
        for (const char *c = secret_expose(token); *c; c++)
                if (!((*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z')))
                        return;
        fuzz_check(!strstr(text, secret_expose(token)));
}

static void check_answer(const struct oauth_answer *answer)
{
        fuzz_check_line(answer->reason, sizeof answer->reason);
        fuzz_check_line(answer->notice, sizeof answer->notice);
        fuzz_check((answer->verdict == OAUTH_GRANTED) == (answer->access_token || answer->refresh_token));
        fuzz_check(!answer->outcome_unknown || answer->verdict == OAUTH_TRY_AGAIN);
        fuzz_check(answer->verdict == OAUTH_GRANTED || *answer->reason);
        fuzz_check(answer->lifetime_usec <= UINT64_C(31536000) * USEC_PER_SEC);
        if (answer->access_token)
                fuzz_check(token_is_usable(secret_expose(answer->access_token),
                                           secret_size(answer->access_token)));
        check_hidden(answer->notice, answer->access_token);
        check_hidden(answer->notice, answer->refresh_token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
        static const char *const types[] = { "application/json", "text/plain", "text/html", "" };
        const struct provider *const providers[] = { &sample_jobber, &sample_plain };
        struct oauth_answer answer;

        if (n < 4)
                return 0;
        struct http_response response =
                fuzz_answer(data[1] << 8 | data[2], types[data[3] % 4], data + 4, n - 4);
        fuzz_check(oauth_read_token_answer(providers[data[0] % 2], &response, 1700000000, &answer) == 0);
        check_answer(&answer);
        oauth_answer_done(&answer);
        fuzz_check(oauth_read_revocation_answer(providers[data[0] % 2], &response, &answer) == 0);
        fuzz_check_line(answer.reason, sizeof answer.reason);
        oauth_answer_done(&answer);
        http_response_done(&response);
        return 0;
}
