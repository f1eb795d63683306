/* Signatures and notices of webhooks. Owns the digest's encodings; which credential a notice is about, it does not know. */
#include "daemon/webhook.h"

#include "daemon/json_text.h"

#include <sodium.h>
#include <string.h>

static const char blanks[] = " \t\r\n";

bool webhook_is_signed(const struct provider *provider)
{
        return provider->webhook.header;
}

/* One value, without the blanks around it and the prefix. */
static bool trim(const struct provider *provider, const char **text, size_t *ret_n)
{
        const char *prefix = provider->webhook.prefix ? provider->webhook.prefix : "";

        *text += strspn(*text, blanks);
        if (strncmp(*text, prefix, strlen(prefix)) != 0)
                return false;
        *text += strlen(prefix);
        *ret_n = strlen(*text);
        while (*ret_n > 0 && strchr(blanks, (*text)[*ret_n - 1]))
                (*ret_n)--;
        return true;
}

static bool decode(enum webhook_encoding encoding, const char *text, size_t n,
                   uint8_t ret[crypto_auth_hmacsha256_BYTES])
{
        const size_t size = crypto_auth_hmacsha256_BYTES;
        size_t n_decoded = 0;
        int r;

        if (encoding == WEBHOOK_HEX)
                r = sodium_hex2bin(ret, size, text, n, NULL, &n_decoded, NULL);
        else {
                r = sodium_base642bin(ret, size, text, n, NULL, &n_decoded, NULL,
                                      sodium_base64_VARIANT_ORIGINAL);
                if (r != 0)
                        r = sodium_base642bin(ret, size, text, n, NULL, &n_decoded, NULL,
                                              sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
        }
        return r == 0 && n_decoded == size;
}

bool webhook_verify(const struct provider *provider, const struct secret *client_secret, const void *body,
                    size_t n, const char *signature)
{
        uint8_t told[crypto_auth_hmacsha256_BYTES], computed[crypto_auth_hmacsha256_BYTES];
        crypto_auth_hmacsha256_state state;
        size_t n_text;

        if (!webhook_is_signed(provider) || secret_size(client_secret) == 0 ||
            !trim(provider, &signature, &n_text) ||
            !decode(provider->webhook.encoding, signature, n_text, told))
                return false;

        crypto_auth_hmacsha256_init(&state, (const uint8_t *)secret_expose(client_secret),
                                    secret_size(client_secret));
        crypto_auth_hmacsha256_update(&state, body, n);
        crypto_auth_hmacsha256_final(&state, computed);
        bool valid = sodium_memcmp(told, computed, sizeof computed) == 0;
        sodium_memzero(&state, sizeof state);
        sodium_memzero(computed, sizeof computed);
        return valid;
}

void webhook_notice_done(struct webhook_notice *notice)
{
        free(notice->account_id);
        notice->account_id = NULL;
}

int webhook_read_notice(const struct provider *provider, const char *body, size_t n,
                        struct webhook_notice *ret)
{
        _cleanup_(webhook_notice_done) struct webhook_notice notice = { 0 };
        _cleanup_(json_text_freep) json_t *root = NULL;
        _cleanup_(freep) char *topic = NULL;

        int r = n > 0 ? json_text_parse(body, n, &root) : 0;
        if (r == 0)
                r = json_text_identifier(json_text_at(root, provider->webhook.disconnect_pointer), &topic);
        if (r == 0)
                r = json_text_identifier(json_text_at(root, provider->webhook.account_id),
                                         &notice.account_id);
        if (r < 0)
                return r;
        const char *telling = provider->webhook.disconnect_value;
        notice.disconnected = topic && telling && strcmp(topic, telling) == 0;
        *ret = notice;
        notice.account_id = NULL;
        return 0;
}
