/*
 * What the frames of a backup hold: records (record.h), each of a kind. The first says what the backup is, the last how much there was in it.
 * Tags are never used again for something else. Pure; fuzzed.
 */
#pragma once

#include "daemon/vault/credential.h"

enum backup_kind {
        BACKUP_ABOUT = 1,
        BACKUP_CREDENTIAL,
        BACKUP_CLIENT_SECRET,
        BACKUP_END,
        BACKUP_UNKNOWN, /* of a later version */
};

struct backup_item {
        enum backup_kind kind;
        /* ABOUT */
        int64_t made_wall_usec;
        bool moved; /* the machine that made it does not refresh these grants any more */
        /* CREDENTIAL: a grant without an access token where it has a refresh token, so that nobody is served before it was refreshed */
        struct credential *credential;
        /* CLIENT_SECRET */
        char *client;
        struct secret *secret;
        /* END */
        uint64_t n_credentials, n_client_secrets;
};

void backup_item_done(struct backup_item *item); /* safe on a zeroed one */

int backup_encode_about(int64_t made_wall_usec, bool moved, struct secret_buf *buf);
int backup_encode_credential(const struct credential *credential, struct secret_buf *buf);
int backup_encode_client_secret(const char *client, const struct secret *secret, struct secret_buf *buf);
int backup_encode_end(uint64_t n_credentials, uint64_t n_client_secrets, struct secret_buf *buf);

/* CREDENTIAL_E_MALFORMED. A kind of a later version is BACKUP_UNKNOWN. */
int backup_decode(const char *bytes, size_t n, const struct boot_moment *now, struct backup_item *ret);
