// links: daemon/vault/
// libs: libsodium
/* A credential's records of any bytes, as a damaged disk under a good key could hold them; whatever was read can be told, and written again. */
#include "daemon/vault/credential.h"

#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static const struct boot_moment now = { "11111111-2222-3333-4444-555555555555", 1000 * USEC_PER_SEC,
                                        INT64_C(1767225600000000) };

static void on_warning(const char *sentence, void *userdata)
{
        fuzz_check(*sentence);
}

/* Nothing that is asked of a credential may depend on its records being sane. */
static void ask_everything(const struct credential *credential)
{
        struct diag message, next_step;
        bool unmeetable;

        fuzz_check(credential_remaining_usec(credential, now.boot_usec) <= credential->grant.lifetime_usec);
        (void)credential_expires_at(credential, now.boot_usec, now.wall_usec);
        (void)credential_last_error(credential);
        (void)credential_min_valid_usec(credential, &(struct token_demand){ 0 }, &unmeetable);
        credential_explain(credential, now.boot_usec, &message, &next_step);
        fuzz_check(*message.text);
        credential_warnings(credential, now.boot_usec, on_warning, NULL);
}

static void read_grant(struct credential *credential, const char *bytes, size_t n)
{
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(1 << 20);
        _cleanup_(grant_done) struct grant again = { 0 };

        if (grant_decode(bytes, n, &now, &credential->grant) != 0)
                return;
        if (grant_encode(&credential->grant, now.boot_id, &buf) < 0)
                return;
        fuzz_check(grant_decode(buf.data, buf.n, &now, &again) == 0);
        fuzz_check(secret_equal(again.refresh_token, credential->grant.refresh_token));
        fuzz_check(secret_equal(again.access_token, credential->grant.access_token));
        fuzz_check(again.generation == credential->grant.generation);
        fuzz_check(again.received_boot_usec == credential->grant.received_boot_usec);
}

static void read_facts(struct credential *credential, const char *bytes, size_t n)
{
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(1 << 20);
        _cleanup_(credential_freep) struct credential *again = NULL;

        if (credential_decode_facts(bytes, n, credential) != 0)
                return;
        if (credential_encode_facts(credential, &buf) < 0 || credential_new(&again, "acme") < 0)
                return;
        fuzz_check(credential_decode_facts(buf.data, buf.n, again) == 0);
        fuzz_check(strcmp(again->client_name, credential->client_name) == 0);
        fuzz_check(again->refusal == credential->refusal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
        _cleanup_(credential_freep) struct credential *credential = NULL;

        if (n == 0 || credential_new(&credential, "acme") < 0)
                return 0;
        if (data[0] == 'g')
                read_grant(credential, (const char *)data + 1, n - 1);
        else
                read_facts(credential, (const char *)data + 1, n - 1);
        ask_everything(credential);
        return 0;
}
