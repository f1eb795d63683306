/* Records at rest, sealed and opened. Knows no record's content and no file. */
#include "daemon/base/seal.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
        FORMAT = 1,
        NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
        TAG_SIZE = crypto_aead_xchacha20poly1305_ietf_ABYTES,
};

_Static_assert(SEAL_OVERHEAD == 1 + NONCE_SIZE + TAG_SIZE, "the golden layout");
_Static_assert((int)SEAL_KEY_SIZE == (int)crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "the golden layout");

struct seal {
        struct secret *key;
};

static const unsigned char *expose_key(const struct seal *seal)
{
        return (const unsigned char *)secret_expose(seal->key);
}

int seal_new(struct seal **ret, const struct secret *key)
{
        if (secret_size(key) != SEAL_KEY_SIZE)
                return fault(-EINVAL);
        if (sodium_init() < 0)
                return fault(-EIO);
        _cleanup_(seal_freep) struct seal *seal = calloc(1, sizeof(*seal));
        if (!seal)
                return fault(-ENOMEM);
        int r = secret_copy(&seal->key, key);
        if (r < 0)
                return r;
        *ret = take_ptr(seal);
        return 0;
}

struct seal *seal_free(struct seal *seal)
{
        if (!seal)
                return NULL;
        secret_free(seal->key);
        free(seal);
        return NULL;
}

bool seal_same(const struct seal *a, const struct seal *b)
{
        return secret_equal(a->key, b->key);
}

/* kind NUL name: neither holds a NUL, so that no two places have the same associated data. */
static int associated_data(const char *kind, const char *name, unsigned char **ret, size_t *ret_n)
{
        size_t n_kind = strlen(kind), n_name = strlen(name);
        unsigned char *data = malloc(n_kind + 1 + n_name);

        if (!data)
                return fault(-ENOMEM);
        memcpy(data, kind, n_kind + 1);
        memcpy(data + n_kind + 1, name, n_name);
        *ret = data;
        *ret_n = n_kind + 1 + n_name;
        return 0;
}

void seal_digest(const void *bytes, size_t n, uint8_t ret[SEAL_DIGEST_SIZE])
{
        _Static_assert(SEAL_DIGEST_SIZE >= crypto_generichash_BYTES_MIN, "a size that there is");
        crypto_generichash(ret, SEAL_DIGEST_SIZE, bytes, n, NULL, 0);
}

int seal_close(const struct seal *seal, const char *kind, const char *name, const void *bytes, size_t n,
               uint8_t **ret_blob, size_t *ret_n)
{
        _cleanup_(freep) unsigned char *ad = NULL;
        size_t n_ad;

        if (n > SIZE_MAX - SEAL_OVERHEAD)
                return fault(-EMSGSIZE);
        int r = associated_data(kind, name, &ad, &n_ad);
        if (r < 0)
                return r;
        uint8_t *blob = malloc(n + SEAL_OVERHEAD);
        if (!blob)
                return fault(-ENOMEM);
        blob[0] = FORMAT;
        randombytes_buf(blob + 1, NONCE_SIZE);
        /* It cannot fail: there is no bound that n could pass here. */
        (void)crypto_aead_xchacha20poly1305_ietf_encrypt(blob + 1 + NONCE_SIZE, NULL, bytes, n, ad, n_ad,
                                                         NULL, blob + 1, expose_key(seal));
        *ret_blob = blob;
        *ret_n = n + SEAL_OVERHEAD;
        return 0;
}

int seal_open(const struct seal *seal, const char *kind, const char *name, const uint8_t *blob, size_t n,
              struct secret **ret)
{
        _cleanup_(freep) unsigned char *ad = NULL;
        _cleanup_(secret_freep) struct secret *plain = NULL;
        char *bytes;
        size_t n_ad;

        if (n >= 1 && blob[0] > FORMAT)
                return SEAL_E_NEWER;
        if (n < SEAL_OVERHEAD || blob[0] != FORMAT)
                return SEAL_E_REFUSED;
        int r = associated_data(kind, name, &ad, &n_ad);
        if (r < 0)
                return r;
        r = secret_new_blank(&plain, n - SEAL_OVERHEAD, &bytes);
        if (r < 0)
                return r;
        if (crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *)bytes, NULL, NULL,
                                                       blob + 1 + NONCE_SIZE, n - 1 - NONCE_SIZE, ad, n_ad,
                                                       blob + 1, expose_key(seal)) < 0)
                return SEAL_E_REFUSED;
        *ret = take_ptr(plain);
        return 0;
}
