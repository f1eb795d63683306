/* Signatures and notices of webhooks. Owns the digest's encodings; which credential a notice is about, it does not know. */
#include "daemon/protocol/webhook.h"

#include "common/clock.h"
#include "daemon/base/json_text.h"
#include "daemon/protocol/lifetime.h"

#include <sodium.h>
#include <string.h>

enum {
        DIGEST_MAX = crypto_auth_hmacsha512_BYTES,
        ELEMENTS_MAX = 16, /* of a list; nobody signs with so many keys */
        TIMESTAMP_MAX = 20, /* characters */
};

/* Part of the header's value. */
struct span {
        const char *text;
        size_t n;
};

struct digest {
        uint8_t bytes[DIGEST_MAX];
        size_t n;
};

bool webhook_is_signed(const struct provider *provider)
{
        return provider->webhook.header;
}

/* ---- the header's value ---- */

static bool is_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct span trim(struct span span)
{
        while (span.n > 0 && is_blank(span.text[0])) {
                span.text++;
                span.n--;
        }
        while (span.n > 0 && is_blank(span.text[span.n - 1]))
                span.n--;
        return span;
}

/* Takes `start` off; false when it does not begin so. */
static bool skip_start(struct span *span, const char *start)
{
        size_t n = strlen(start);

        if (span->n < n || memcmp(span->text, start, n) != 0)
                return false;
        span->text += n;
        span->n -= n;
        return true;
}

/* The next of "t=1492774577,v1=...", without blanks around it; false at the end. */
static bool next_element(const char **at, struct span *ret)
{
        if (!**at)
                return false;
        ret->text = *at;
        ret->n = strcspn(*at, ",;");
        *at += ret->n;
        *at += **at ? 1 : 0;
        *ret = trim(*ret);
        return true;
}

static bool is_element(struct span *element, const char *name)
{
        struct span rest = *element;

        if (!skip_start(&rest, name) || !skip_start(&rest, "="))
                return false;
        *element = rest;
        return true;
}

/* The first one counts; false when there is none, or it is no time. */
static bool find_timestamp(const char *list, const char *name, struct span *ret, int64_t *ret_sec)
{
        struct span element;

        while (next_element(&list, &element)) {
                if (!is_element(&element, name))
                        continue;
                if (element.n == 0 || element.n > TIMESTAMP_MAX - 2)
                        return false;
                *ret_sec = 0;
                for (size_t i = 0; i < element.n; i++) {
                        if (element.text[i] < '0' || element.text[i] > '9')
                                return false;
                        *ret_sec = *ret_sec * 10 + (element.text[i] - '0');
                }
                *ret = element;
                return true;
        }
        return false;
}

/* ---- digests ---- */

static bool decode(enum webhook_encoding encoding, struct span text, struct digest *digest)
{
        size_t n_decoded = 0;
        int r;

        if (encoding == WEBHOOK_HEX)
                r = sodium_hex2bin(digest->bytes, digest->n, text.text, text.n, NULL, &n_decoded, NULL);
        else {
                r = sodium_base642bin(digest->bytes, digest->n, text.text, text.n, NULL, &n_decoded, NULL,
                                      sodium_base64_VARIANT_ORIGINAL);
                if (r != 0)
                        r = sodium_base642bin(digest->bytes, digest->n, text.text, text.n, NULL, &n_decoded,
                                              NULL, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
        }
        return r == 0 && n_decoded == digest->n;
}

static void compute(enum webhook_algorithm algorithm, const struct secret *key, const struct span *parts,
                    size_t n_parts, struct digest *ret)
{
        union {
                crypto_auth_hmacsha256_state sha256;
                crypto_auth_hmacsha512_state sha512;
        } state;
        const uint8_t *bytes = (const uint8_t *)secret_expose(key);

        if (algorithm == WEBHOOK_HMAC_SHA512) {
                crypto_auth_hmacsha512_init(&state.sha512, bytes, secret_size(key));
                for (size_t i = 0; i < n_parts; i++)
                        crypto_auth_hmacsha512_update(&state.sha512, (const uint8_t *)parts[i].text,
                                                      parts[i].n);
                crypto_auth_hmacsha512_final(&state.sha512, ret->bytes);
                ret->n = crypto_auth_hmacsha512_BYTES;
        } else {
                crypto_auth_hmacsha256_init(&state.sha256, bytes, secret_size(key));
                for (size_t i = 0; i < n_parts; i++)
                        crypto_auth_hmacsha256_update(&state.sha256, (const uint8_t *)parts[i].text,
                                                      parts[i].n);
                crypto_auth_hmacsha256_final(&state.sha256, ret->bytes);
                ret->n = crypto_auth_hmacsha256_BYTES;
        }
        sodium_memzero(&state, sizeof state);
}

static bool holds(const struct provider *provider, struct span text, const struct digest *computed)
{
        struct digest told = { .n = computed->n };

        return skip_start(&text, provider->webhook.prefix ? provider->webhook.prefix : "") &&
               decode(provider->webhook.encoding, text, &told) &&
               sodium_memcmp(told.bytes, computed->bytes, computed->n) == 0;
}

static bool any_holds(const struct provider *provider, const char *signature, const struct digest *computed)
{
        struct span element;
        bool any = false;

        if (!provider->webhook.signature_element)
                return holds(provider, trim((struct span){ signature, strlen(signature) }), computed);
        for (unsigned i = 0; i < ELEMENTS_MAX && next_element(&signature, &element); i++)
                if (is_element(&element, provider->webhook.signature_element))
                        any |= holds(provider, element, computed);
        return any;
}

static bool is_near(const struct provider *provider, int64_t sent_sec, int64_t wall_now_usec)
{
        int64_t tolerance = provider->webhook.tolerance_usec > 0
                                    ? (int64_t)(provider->webhook.tolerance_usec / USEC_PER_SEC)
                                    : WEBHOOK_TOLERANCE_SEC;
        int64_t off = wall_now_usec / (int64_t)USEC_PER_SEC - sent_sec;

        return off >= -tolerance && off <= tolerance;
}

enum webhook_verdict webhook_verify(const struct provider *provider, const struct secret *client_secret,
                                    const void *body, size_t n, const char *signature, int64_t wall_now_usec)
{
        const char *separator = provider->webhook.timestamp_separator;
        struct span parts[3] = { { NULL, 0 }, { separator ? separator : ".", 0 }, { body, n } };
        bool is_timed = provider->webhook.timestamp_element;
        struct digest computed;
        int64_t sent_sec = 0;
        bool genuine;

        if (!webhook_is_signed(provider) || secret_size(client_secret) == 0)
                return WEBHOOK_FORGED;
        if (is_timed && !find_timestamp(signature, provider->webhook.timestamp_element, &parts[0], &sent_sec))
                return WEBHOOK_FORGED;
        parts[1].n = strlen(parts[1].text);

        if (is_timed)
                compute(provider->webhook.algorithm, client_secret, parts, 3, &computed);
        else
                compute(provider->webhook.algorithm, client_secret, &parts[2], 1, &computed);
        genuine = any_holds(provider, signature, &computed);
        sodium_memzero(&computed, sizeof computed);
        if (!genuine)
                return WEBHOOK_FORGED;
        return is_timed && !is_near(provider, sent_sec, wall_now_usec) ? WEBHOOK_STALE : WEBHOOK_GENUINE;
}

/* ---- notices ---- */

void webhook_notice_done(struct webhook_notice *notice)
{
        free(notice->account_id);
        notice->account_id = NULL;
}

static int64_t read_time(const json_t *value)
{
        if (json_is_integer(value))
                return lifetime_absolute(json_integer_value(value));
        return json_is_string(value) ? lifetime_parse_time(json_string_value(value)) : -1;
}

int webhook_read_notice(const struct provider *provider, const char *body, size_t n,
                        struct webhook_notice *ret)
{
        _cleanup_(webhook_notice_done) struct webhook_notice notice = { .occurred_sec = -1 };
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
        notice.occurred_sec = read_time(json_text_at(root, provider->webhook.occurred_at));
        *ret = notice;
        notice.account_id = NULL;
        return 0;
}
