// links: daemon/protocol/
// libs: libsodium jansson
/* A hostile API. Input: which provider, the status (two bytes), what kind of content, then the body. */
#include "daemon/protocol/api.h"

#include "tests/fuzz/fuzz.h"
#include "tests/beds/provider_samples.h"

static void check_answer(const struct api_answer *answer)
{
        fuzz_check_line(answer->message, sizeof answer->message);
        fuzz_check_line(answer->version_warning, sizeof answer->version_warning);
        fuzz_check_line(answer->served_version, sizeof answer->served_version);
        fuzz_check(*answer->message);
        fuzz_check(answer->verdict != API_VERSION_UNSUPPORTED ||
                   answer->version_state == VERSION_UNSUPPORTED);
        if (answer->account_id) {
                fuzz_check(*answer->account_id);
                fuzz_check_line(answer->account_id, 256);
        }
        if (answer->account_name)
                fuzz_check_line(answer->account_name, 256);
        fuzz_check(*version_state_name(answer->version_state));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
        static const char *const types[] = { "application/json", "text/plain", "text/html", "" };
        const struct provider *const providers[] = { &sample_jobber, &sample_rest };
        struct api_answer answer;

        if (n < 4)
                return 0;
        struct http_response response =
                fuzz_answer(data[1] << 8 | data[2], types[data[3] % 4], data + 4, n - 4);
        fuzz_check(api_read_test_answer(providers[data[0] % 2], "2023-08-18", &response, &answer) == 0);
        check_answer(&answer);
        api_answer_done(&answer);
        fuzz_check(api_read_revocation_answer(providers[data[0] % 2], &response, &answer) == 0);
        fuzz_check_line(answer.message, sizeof answer.message);
        fuzz_check(*answer.message);
        api_answer_done(&answer);
        http_response_done(&response);
        return 0;
}
