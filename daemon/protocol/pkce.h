/* PKCE (RFC 7636) and state (RFC 6749 section 10.12) from random bytes given by the caller. Pure. */
#pragma once

#include "common/secret.h"

#include <stddef.h>
#include <stdint.h>

enum { PKCE_RANDOM_SIZE = 32, PKCE_TEXT_SIZE = 43 };

/* base64url without padding (RFC 4648 section 5) of 32 bytes: a code_verifier of 43 characters. */
int pkce_verifier(const uint8_t random[PKCE_RANDOM_SIZE], struct secret **ret);
/* S256: base64url(SHA-256(verifier)). */
void pkce_challenge(const struct secret *verifier, char ret[PKCE_TEXT_SIZE + 1]);
/* An unguessable text of 43 characters for state and login names. */
void pkce_text(const uint8_t random[PKCE_RANDOM_SIZE], char ret[PKCE_TEXT_SIZE + 1]);
