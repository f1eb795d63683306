/*
 * Every change of the store that somebody asks for. Grants are written by refresh and login alone, one batch at a time for each credential.
 */
#include "daemon/vault_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int vault_save_grant(struct vault *vault, struct credential *credential, struct grant *grant,
                     vault_done_fn *on_done, void *userdata, struct vault_write **ret)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct vault_write *write;
        int r;

        r = write_new(vault, WRITE_GRANT, credential, on_done, userdata, &write);
        if (r < 0) {
                grant_move(&credential->grant, grant);
                mark_saved(credential, false, "out of memory");
                vault_schedule_retry(vault);
                return r;
        }

        grant_move(&write->grant, grant);
        if ((r = batch_put_grant(&batch, vault, vault_kind_grant(credential), credential->name,
                                 &write->grant)) < 0 ||
            (r = batch_put_facts(&batch, vault, vault_kind_facts(credential), credential)) < 0 ||
            (r = batch_delete(&batch, vault_kind_intent(credential), credential->name)) < 0 ||
            (r = write_start(write, &batch)) < 0)
                return write_failed(write, r);

        *ret = write;
        return 0;
}

int vault_save_intent(struct vault *vault, struct credential *credential, vault_done_fn *on_done,
                      void *userdata, struct vault_write **ret)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct vault_write *write;
        int r;

        r = batch_put_intent(&batch, vault, credential);
        if (r < 0)
                return r;
        r = write_new(vault, WRITE_INTENT, credential, on_done, userdata, &write);

        return r < 0 ? r : write_start_or_free(write, &batch, ret);
}

void vault_clear_intent(struct vault *vault, struct credential *credential)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct vault_write *write;

        /* One that stays by mistake costs a needless 'outcome unknown' after a crash, and nothing else. */
        if (batch_delete(&batch, vault_kind_intent(credential), credential->name) == 0 &&
            write_new(vault, WRITE_OTHER, credential, NULL, NULL, &write) == 0)
                (void)write_start_or_free(write, &batch, NULL);
}

void vault_save_facts(struct vault *vault, struct credential *credential)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct vault_write *write;

        if (!credential->grant.generation && !credential->grant.refresh_token)
                return;

        credential->facts_unsaved = true;
        if (batch_put_facts(&batch, vault, vault_kind_facts(credential), credential) < 0 ||
            write_new(vault, WRITE_FACTS, credential, NULL, NULL, &write) < 0 ||
            write_start_or_free(write, &batch, NULL) < 0)
                vault_schedule_retry(vault);
}

int vault_promote(struct vault *vault, struct credential *credential, vault_done_fn *on_done, void *userdata,
                  struct vault_write **ret)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct credential *pending = credential->pending;
        struct vault_write *write;
        int r;
        /* A refresh of the old grant that is being saved counts a token, too. */
        uint64_t generation = credential->grant.generation + 1 + credential->saves_in_flight;

        r = write_new(vault, WRITE_PROMOTION, credential, on_done, userdata, &write);
        if (r < 0)
                return r;

        pending->refusal = REFUSAL_NONE;
        pending->switch_account = false;
        grant_move(&write->grant, &pending->grant);
        write->grant.generation = generation;
        if ((r = batch_put_grant(&batch, vault, "grant", credential->name, &write->grant)) < 0 ||
            (r = batch_put_facts(&batch, vault, "facts", pending)) < 0 ||
            (r = batch_delete(&batch, "intent", credential->name)) < 0 ||
            (r = batch_delete(&batch, "pending-grant", credential->name)) < 0 ||
            (r = batch_delete(&batch, "pending-facts", credential->name)) < 0 ||
            (r = batch_delete(&batch, "pending-intent", credential->name)) < 0 ||
            (r = write_start(write, &batch)) < 0)
                return write_failed(write, r);

        *ret = write;
        return 0;
}

void vault_drop_pending(struct vault *vault, struct credential *credential)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct vault_write *write;

        if (!credential->pending)
                return;

        vault_writes_detach(vault, credential->pending);
        credential->pending = credential_free(credential->pending);
        if (batch_delete_pending(&batch, credential->name) == 0 &&
            write_new(vault, WRITE_OTHER, NULL, NULL, NULL, &write) == 0)
                (void)write_start_or_free(write, &batch, NULL);
}

int vault_forget(struct vault *vault, struct credential *credential, vault_done_fn *on_done, void *userdata,
                 struct vault_write **ret)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct vault_write *write;
        int r;

        if ((r = batch_delete(&batch, "grant", credential->name)) < 0 ||
            (r = batch_delete(&batch, "facts", credential->name)) < 0 ||
            (r = batch_delete(&batch, "intent", credential->name)) < 0 ||
            (r = batch_delete_pending(&batch, credential->name)) < 0)
                return r;
        r = write_new(vault, WRITE_FORGETTING, credential, on_done, userdata, &write);

        return r < 0 ? r : write_start_or_free(write, &batch, ret);
}

int vault_set_client_secret(struct vault *vault, const char *client, const struct secret *secret,
                            vault_done_fn *on_done, void *userdata, struct vault_write **ret)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct vault_write *write;
        int r;

        r = batch_put(&batch, vault->seal, KIND_CLIENT_SECRET, client, secret_expose(secret),
                      secret_size(secret));
        if (r < 0)
                return r;
        r = write_new(vault, WRITE_CLIENT_SECRET, NULL, on_done, userdata, &write);
        if (r < 0)
                return r;

        write->client = strdup(client);
        r = write->client ? secret_copy(&write->client_secret, secret) : fault(-ENOMEM);
        if (r < 0) {
                write_free(write);
                return r;
        }
        return write_start_or_free(write, &batch, ret);
}

int vault_write_key_check(struct vault *vault)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct vault_write *write;
        int r;

        r = batch_put_key_check(&batch, vault);
        if (r < 0)
                return r;
        r = write_new(vault, WRITE_OTHER, NULL, NULL, NULL, &write);

        return r < 0 ? r : write_start_or_free(write, &batch, NULL);
}
