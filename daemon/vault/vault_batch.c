#include "daemon/vault/vault_batch.h"

#include "daemon/base/record.h"
#include "daemon/vault/vault_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void batch_done(struct batch *batch)
{
        for (size_t i = 0; i < batch->n; i++)
                free((uint8_t *)batch->ops[i].blob);
        free(batch->ops);
        *batch = (struct batch){ 0 };
}

static int batch_add(struct batch *batch, const struct store_op *op)
{
        if (batch->n == batch->allocated) {
                size_t allocated = batch->allocated ? 2 * batch->allocated : 8;
                struct store_op *ops = reallocarray(batch->ops, allocated, sizeof(*ops));
                if (!ops)
                        return fault(-ENOMEM);
                batch->ops = ops;
                batch->allocated = allocated;
        }

        batch->ops[batch->n++] = *op;
        return 0;
}

int batch_delete_everything(struct batch *batch)
{
        return batch_add(batch, &(struct store_op){ .kind = NULL });
}

int batch_delete(struct batch *batch, const char *kind, const char *name)
{
        return batch_add(batch, &(struct store_op){ .kind = kind, .name = name });
}

int batch_put(struct batch *batch, const struct seal *seal, const char *kind, const char *name,
              const char *bytes, size_t n)
{
        struct store_op op = { .kind = kind, .name = name };
        _cleanup_(freep) uint8_t *blob = NULL;
        int r;

        r = seal_close(seal, kind, name, bytes, n, &blob, &op.n);
        if (r < 0)
                return r;

        op.blob = blob;
        r = batch_add(batch, &op);
        if (r == 0)
                take_ptr(blob);
        return r;
}

int batch_put_grant(struct batch *batch, const struct vault *vault, const char *kind, const char *name,
                    const struct grant *grant)
{
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(VAULT_RECORD_MAX);
        int r = grant_encode(grant, vault->boot_id, &buf);

        return r < 0 ? r : batch_put(batch, vault->seal, kind, name, buf.data, buf.n);
}

int batch_put_facts(struct batch *batch, const struct vault *vault, const char *kind,
                    const struct credential *facts)
{
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(VAULT_RECORD_MAX);
        int r = credential_encode_facts(facts, &buf);

        return r < 0 ? r : batch_put(batch, vault->seal, kind, facts->name, buf.data, buf.n);
}

int batch_put_intent(struct batch *batch, const struct vault *vault, const struct credential *credential)
{
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(VAULT_RECORD_MAX);
        int r;

        if ((r = record_begin(&buf)) < 0 ||
            (r = record_put_u64(&buf, VAULT_INTENT_GENERATION, credential->grant.generation)) < 0 ||
            (r = record_put_u64(&buf, VAULT_INTENT_REPLAYS, credential->replays)) < 0 ||
            (!credential->job && (r = record_put_u64(&buf, VAULT_INTENT_AT_REST, 1)) < 0))
                return r;

        return batch_put(batch, vault->seal, vault_kind_intent(credential), credential->name, buf.data,
                         buf.n);
}

int batch_put_credential(struct batch *batch, const struct vault *vault, const struct credential *credential)
{
        int r;

        if (!has_grant(credential))
                return 0;
        if ((r = batch_put_grant(batch, vault, vault_kind_grant(credential), credential->name,
                                 &credential->grant)) < 0 ||
            (r = batch_put_facts(batch, vault, vault_kind_facts(credential), credential)) < 0)
                return r;
        if (credential->has_intent)
                return batch_put_intent(batch, vault, credential);

        return batch_delete(batch, vault_kind_intent(credential), credential->name);
}

int batch_delete_pending(struct batch *batch, const char *name)
{
        int r;

        if ((r = batch_delete(batch, "pending-grant", name)) < 0 ||
            (r = batch_delete(batch, "pending-facts", name)) < 0)
                return r;

        return batch_delete(batch, "pending-intent", name);
}

int batch_put_key_check(struct batch *batch, const struct vault *vault)
{
        return batch_put(batch, vault->seal, KIND_META, NAME_KEY_CHECK, "purser", strlen("purser"));
}
