/*
 * Signatures of JSON Web Signature (RFC 7515, 7518, 8037) by a private key in PEM. The arithmetic is OpenSSL's, which is loaded when a key is
 * first made: whoever has none to sign with does not wait for it. Knows nothing of what is signed.
 */
#pragma once

#include "common/cleanup.h"
#include "common/secret.h"

#include <stddef.h>

struct diag;
struct jws_key;

enum jws_algorithm {
        JWS_BY_KEY, /* what suits the key: RS256, ES256 or EdDSA */
        JWS_RS256,
        JWS_PS256,
        JWS_ES256,
        JWS_EDDSA, /* of Ed25519 */
};

enum {
        JWS_E_UNUSABLE =
                1, /* diag says what is wrong with the key, as the rest of "the key ...", and what to do */
        JWS_SIGNATURE_MAX = 1024,
};

const char *jws_algorithm_name(enum jws_algorithm algorithm); /* "RS256" */

/* The plain key lies in memory that is wiped when it is freed. */
int jws_key_new(struct jws_key **ret, const struct secret *pem, enum jws_algorithm algorithm,
                struct diag *diag);
struct jws_key *jws_key_free(struct jws_key *key); /* accepts NULL; returns NULL */
DEFINE_FREEP(struct jws_key *, jws_key_free)

enum jws_algorithm jws_key_algorithm(const struct jws_key *key); /* never JWS_BY_KEY */
int jws_sign(const struct jws_key *key, const void *bytes, size_t n,
             unsigned char ret_signature[JWS_SIGNATURE_MAX], size_t *ret_n);
