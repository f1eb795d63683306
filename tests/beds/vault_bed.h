/* A store with two credentials and a client secret, and what a load makes of it. */
#pragma once

#include "tests/beds/core_bed.h"

#define ANSWER_2 "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"expires_in\":3600}"
#define ACCOUNT_ONE "{\"data\":{\"account\":{\"id\":\"one\",\"name\":\"One Ltd\"}}}"

extern const uint8_t good_key[SEAL_KEY_SIZE];

int setup(void **state);
struct seal *make_seal(const uint8_t *key_bytes);

/* The record as it lies on the disk now; to be freed. */
uint8_t *copy_record(const char *kind, const char *name, size_t *ret_n);
void expect_record(const char *kind, const char *name, uint8_t *bytes, size_t n);
enum credential_state state_of(const struct credential *credential);
