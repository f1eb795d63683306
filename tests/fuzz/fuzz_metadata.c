// links: daemon/protocol/
// libs: libsodium jansson
/* Metadata of a hostile issuer: whatever is accepted must be addresses that secrets may be sent to. Input: the body. */
#include "daemon/protocol/oauth.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
        struct http_response response = fuzz_answer(200, "application/json", data, n);
        struct oauth_metadata metadata = { 0 };
        struct diag diag = DIAG_INIT;

        int r = oauth_read_metadata("https://id.example.com", &response, &metadata, &diag);
        fuzz_check(r == 0 || r == OAUTH_E_UNUSABLE);
        if (r == 0) {
                fuzz_check(url_is_acceptable(metadata.authorization_endpoint));
                fuzz_check(url_is_acceptable(metadata.token_endpoint));
                fuzz_check(!metadata.revocation_endpoint || url_is_acceptable(metadata.revocation_endpoint));
                oauth_metadata_done(&metadata);
        } else {
                fuzz_check_line(diag.text, sizeof diag.text);
                fuzz_check(*diag.text && !metadata.token_endpoint);
        }
        http_response_done(&response);
        return 0;
}
