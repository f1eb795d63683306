/*
 * Records at rest: XChaCha20-Poly1305 (libsodium), a random nonce for each sealing, and what the record is (kind and name)
 * as associated data, so that records swapped or renamed in the store do not open. The layout is fixed by a golden file: 1
 * byte format (1), 24 bytes nonce, ciphertext with its 16 bytes tag.
 */
#pragma once

#include "common/cleanup.h"
#include "common/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEAL_KEY_SIZE = 32, SEAL_OVERHEAD = 1 + 24 + 16 };

enum {
        SEAL_E_REFUSED = 1, /* wrong key, wrong place, or changed bytes */
        SEAL_E_NEWER, /* a format of a later version */
        SEAL_E_NO_KEY, /* diag says why there is none and what to do */
};

struct seal;

/* key: SEAL_KEY_SIZE bytes, copied. */
int seal_new(struct seal **ret, const struct secret *key);
struct seal *seal_free(struct seal *seal);
DEFINE_FREEP(struct seal *, seal_free)
bool seal_same(const struct seal *a, const struct seal *b); /* the same key */

/* BLAKE2b, of what was sealed or is to be: the same bytes have the same. No secret in, no secret out. */
enum { SEAL_DIGEST_SIZE = 16 };
void seal_digest(const void *bytes, size_t n, uint8_t ret[SEAL_DIGEST_SIZE]);

int seal_close(const struct seal *seal, const char *kind, const char *name, const void *bytes, size_t n,
               uint8_t **ret_blob, size_t *ret_n);
int seal_open(const struct seal *seal, const char *kind, const char *name, const uint8_t *blob, size_t n,
              struct secret **ret);

enum seal_key_source { SEAL_KEY_SYSTEMD_CREDENTIAL, SEAL_KEY_FILE };

/*
 * The key: the systemd credential `purser.key` in credentials_directory (NULL: none) - 32 raw bytes, or 64 hex digits, or
 * any text of 32 bytes and more, which is hashed -, else the file `key` in state_dir, made with mode 0600 when neither it
 * nor a store (`store_exists`) is there; *ret_made tells. A key file with other permissions, or a missing one beside a
 * store, is SEAL_E_NO_KEY.
 */
int seal_key_load(struct secret **ret, enum seal_key_source *ret_source, bool *ret_made,
                  const char *credentials_directory, const char *state_dir, bool store_exists,
                  struct diag *diag);

/*
 * A change of the key: the new one is durable beside the old one before it seals anything, as credential `purser.key.new` or as
 * file `key.new`. -ENOENT: there is none, or none that can have sealed anything.
 */
int seal_key_load_new(struct secret **ret, enum seal_key_source source, const char *credentials_directory,
                      const char *state_dir, struct diag *diag);
int seal_key_make_new(struct secret **ret, const char *state_dir); /* the file */
int seal_key_install_new(const char *state_dir); /* the file takes the old one's place */
int seal_key_drop_new(const char *state_dir);
