// links: daemon/protocol/
// libs: libsodium jansson
/* Access tokens that may be JWTs. The input is the token; a copy of its exact size shows every read behind its end. */
#include "daemon/protocol/lifetime.h"

#include "common/clock.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
        struct lifetime_facts facts = {
                .expires_in = INT64_MIN, .expires_at = -1, .date = -1, .wall = 1700000000
        };
        enum lifetime_source source;
        struct secret *token = NULL;
        int64_t exp = -2, iat = -2;
        char *copy = fuzz_copy(data, n);

        bool is_jwt = jwt_read_times(copy, n, &exp, &iat);
        fuzz_check(is_jwt ? exp >= -1 && iat >= -1 : exp == -2 && iat == -2);
        fuzz_check(secret_new(&token, copy, n) == 0);
        fuzz_check(lifetime_usec(&facts, token, &source) <= UINT64_C(31536000) * USEC_PER_SEC);
        fuzz_check(source == (is_jwt && exp >= 0 ? LIFETIME_JWT : LIFETIME_DEFAULT));
        secret_free(token);
        free(copy);
        return 0;
}
