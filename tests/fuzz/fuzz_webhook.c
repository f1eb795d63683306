// links: daemon/protocol/
// libs: libsodium jansson
/* Webhooks from anybody. Input: which provider, a signature up to the first NUL, then the body. None can be valid: nobody has the key. */
#include "daemon/protocol/webhook.h"

#include "tests/fuzz/fuzz.h"
#include "tests/beds/provider_samples.h"

static void check(const struct provider *provider, const char *signature, const char *body, size_t n)
{
        struct webhook_notice notice;
        struct secret *key = NULL;

        fuzz_check(secret_new_string(&key, "a key that is in no corpus") == 0);
        fuzz_check(webhook_verify(provider, key, body, n, signature, INT64_C(1700000000000000)) ==
                   WEBHOOK_FORGED);
        fuzz_check(webhook_read_notice(provider, body, n, &notice) == 0);
        if (notice.account_id)
                fuzz_check_line(notice.account_id, 256);
        webhook_notice_done(&notice);
        secret_free(key);
}

static const struct provider timestamped = { .webhook = { .header = (char[]){ "Signature" },
                                                          .encoding = WEBHOOK_HEX,
                                                          .signature_element = (char[]){ "v1" },
                                                          .timestamp_element = (char[]){ "t" } } };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
        const struct provider *const providers[] = { &sample_jobber, &sample_rest, &timestamped };
        const uint8_t *end = n > 1 ? memchr(data + 1, '\0', n - 1) : NULL;

        if (!end)
                return 0;
        size_t n_body = n - (size_t)(end + 1 - data);
        char *body = fuzz_copy(end + 1, n_body);
        check(providers[data[0] % 3], (const char *)data + 1, body, n_body);
        free(body);
        return 0;
}
