/*
 * What all bundles of a client, an API version and a scheme have in common: everything but the token, its end, the account, the generation
 * and the warnings. Made once and then copied; in ordinary memory, since no secret is in it. Pure.
 */
#pragma once

#include "daemon/vault/credential.h"

/* A want of memory is an error as any other: HASH_ADD() leaves hh.tbl NULL. */
#define HASH_NONFATAL_OOM 1
#include <stddef.h>
#include <uthash.h>

/* Pointers into the configuration in force, which are compared and not followed. */
struct bundle_frame_key {
        const struct client *client;
        const char *api_version;
};

struct bundle_frame {
        struct bundle_frame_key key;
        UT_hash_handle hh;
        size_t n_before_end, n_before_header, n_behind; /* the parts of text, which follow each other */
        const char *scheme; /* behind them, but for the usual one, which is told by its address */
        char text[]; /* from the token to its end, from there to the token in the header, and behind that */
};

/* From the table, which it is put into when it is not there. Borrowed until the next call with this table. */
int bundle_frame_find(struct bundle_frame **frames, const struct credential *credential,
                      const struct bundle_frame **ret);
void bundle_frames_free(struct bundle_frame **frames);
