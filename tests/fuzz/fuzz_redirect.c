// links: daemon/protocol/
// libs: libsodium jansson
/* Redirects that anybody can make up. A code comes out only where this login's state stands in the text. */
#include "daemon/protocol/oauth.h"

#include "tests/fuzz/fuzz.h"

static const char state[] = "s7ate";

/* The state may be percent-encoded: what must be there in any case is "state", however it is written. */
static void check_redirect(const struct redirect *redirect, const char *text)
{
        fuzz_check_line(redirect->reason, sizeof redirect->reason);
        fuzz_check((redirect->verdict == REDIRECT_CODE) == (redirect->code != NULL));
        fuzz_check((redirect->verdict == REDIRECT_CODE) == (*redirect->reason == '\0'));
        if (redirect->code) {
                fuzz_check(secret_size(redirect->code) > 0 && secret_size(redirect->code) <= OAUTH_TOKEN_MAX);
                fuzz_check(strchr(text, '%') || strstr(text, "state=s7ate"));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
        struct redirect redirect;
        char *text = fuzz_copy(data, n);

        fuzz_check(oauth_read_redirect(text, state, "https://id.example.com", n % 2, &redirect) == 0);
        check_redirect(&redirect, text);
        redirect_done(&redirect);
        free(text);
        return 0;
}
