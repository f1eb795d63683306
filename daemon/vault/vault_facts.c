/*
 * Which facts are on disk. Nearly all refreshes change none, and a record more costs as much as the grant's own. Known is only what the last
 * write of them left, once it is done: while another one is under way, or after one that failed, they are written.
 */
#include "daemon/vault/vault_internal.h"

#include <string.h>

_Static_assert(sizeof(((struct facts_mark *)NULL)->digest) == SEAL_DIGEST_SIZE, "one digest");

static int put(struct vault_write *write, struct batch *batch, bool always)
{
        const struct credential *credential = write->credential;
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(VAULT_RECORD_MAX);
        int r = credential_encode_facts(credential, &buf);

        if (r < 0)
                return r;
        seal_digest(buf.data, buf.n, write->facts.digest);
        write->facts.is_known = true;
        if (!always && credential->facts_mark.is_known &&
            memcmp(write->facts.digest, credential->facts_mark.digest, SEAL_DIGEST_SIZE) == 0)
                return 0;
        return batch_put(batch, write->vault->seal, vault_kind_facts(credential), credential->name, buf.data,
                         buf.n);
}

int facts_put(struct vault_write *write, struct batch *batch)
{
        return put(write, batch, true);
}

int facts_put_if_changed(struct vault_write *write, struct batch *batch)
{
        return put(write, batch, false);
}

void facts_forget(struct credential *credential)
{
        credential->facts_mark.is_known = false;
        credential->facts_mark.n_writes++;
}

void facts_write_begun(struct vault_write *write, const struct batch *batch)
{
        struct credential *credential = write->credential;
        bool touches = false;

        for (size_t i = 0; credential && i < batch->n && !touches; i++)
                touches = strcmp(batch->ops[i].kind, vault_kind_facts(credential)) == 0;
        if (!touches) {
                write->facts.is_known = false;
                return;
        }
        facts_forget(credential);
        write->facts.n_writes = credential->facts_mark.n_writes;
}

void facts_written(const struct vault_write *write)
{
        if (write->facts.is_known && write->facts.n_writes == write->credential->facts_mark.n_writes)
                write->credential->facts_mark = write->facts;
}
