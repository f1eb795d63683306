/* PKCE and other unguessable texts. Owns the encoding alone: where the random bytes come from is the caller's affair. */
#include "daemon/protocol/pkce.h"

#include <sodium.h>

_Static_assert(sodium_base64_ENCODED_LEN(PKCE_RANDOM_SIZE, sodium_base64_VARIANT_URLSAFE_NO_PADDING) ==
                       PKCE_TEXT_SIZE + 1,
               "43 characters");
_Static_assert(crypto_hash_sha256_BYTES == PKCE_RANDOM_SIZE, "a digest is encoded as random bytes are");

void pkce_text(const uint8_t random[PKCE_RANDOM_SIZE], char ret[PKCE_TEXT_SIZE + 1])
{
        sodium_bin2base64(ret, PKCE_TEXT_SIZE + 1, random, PKCE_RANDOM_SIZE,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

int pkce_verifier(const uint8_t random[PKCE_RANDOM_SIZE], struct secret **ret)
{
        char text[PKCE_TEXT_SIZE + 1];

        pkce_text(random, text);
        int r = secret_new(ret, text, PKCE_TEXT_SIZE);
        sodium_memzero(text, sizeof text);
        return r;
}

void pkce_challenge(const struct secret *verifier, char ret[PKCE_TEXT_SIZE + 1])
{
        uint8_t digest[crypto_hash_sha256_BYTES];

        crypto_hash_sha256(digest, (const uint8_t *)secret_expose(verifier), secret_size(verifier));
        pkce_text(digest, ret);
}
