/* What is to be written in one step, sealed: the vault's records as the store's operations. */
#pragma once

#include "daemon/vault/credential.h"
#include "daemon/base/seal.h"
#include "daemon/store/store.h"

struct vault;

struct batch {
        struct store_op *ops; /* kinds and names are borrowed; blobs are owned */
        size_t n, allocated;
};

void batch_done(struct batch *batch); /* safe on a zeroed one */

int batch_delete_everything(struct batch *batch); /* comes first */
int batch_delete(struct batch *batch, const char *kind, const char *name);
int batch_put(struct batch *batch, const struct seal *seal, const char *kind, const char *name,
              const char *bytes, size_t n);
int batch_put_grant(struct batch *batch, const struct vault *vault, const char *kind, const char *name,
                    const struct grant *grant);
int batch_put_facts(struct batch *batch, const struct vault *vault, const char *kind,
                    const struct credential *facts);
int batch_put_intent(struct batch *batch, const struct vault *vault, const struct credential *credential);
/* Grant, facts and intent, or that there is none, as they are in memory. */
int batch_put_credential(struct batch *batch, const struct vault *vault, const struct credential *credential);
/* Everything of the pending grant of this name. */
int batch_delete_pending(struct batch *batch, const char *name);
int batch_put_key_check(struct batch *batch, const struct vault *vault);
