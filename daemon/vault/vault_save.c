/*
 * Every change of the store that somebody asks for. Grants are written by refresh and login alone; facts never without their grant, since
 * facts alone would be a credential whose grant was lost.
 */
#include "daemon/vault/vault_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int grant_batch(struct batch *batch, struct vault_write *write)
{
        const struct credential *credential = write->credential;
        const struct vault *vault = write->vault;
        int r;

        if ((r = batch_put_grant(batch, vault, vault_kind_grant(credential), credential->name,
                                 &write->grant)) < 0 ||
            (r = facts_put_if_changed(write, batch)) < 0)
                return r;

        return batch_delete(batch, vault_kind_intent(credential), credential->name);
}

static int promotion_batch(struct batch *batch, const struct vault_write *write)
{
        const char *name = write->credential->name;
        int r;

        if ((r = batch_put_grant(batch, write->vault, "grant", name, &write->grant)) < 0 ||
            (r = batch_put_facts(batch, write->vault, "facts", write->pending)) < 0 ||
            (r = batch_delete(batch, "intent", name)) < 0)
                return r;

        return batch_delete_pending(batch, name);
}

/* `like` says everything of the write but its handle; its grant and pending are taken. What cannot be written is in memory. */
static int start_grant(struct vault_write *like, struct vault_write **ret)
{
        struct credential *credential = like->credential;
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct vault_write *write;
        int r;

        like->mark = (struct save_mark){ ++credential->n_grants, credential->newest.facts };
        credential->has_intent = false;
        r = write_new(like->vault, like->kind, credential, like->on_done, like->userdata, &write);
        if (r < 0) {
                (void)write_failed(like, r);
                grant_done(&like->grant);
                vault_free_pending(like->vault, take_ptr(like->pending));
                return r;
        }

        write->mark = like->mark;
        write->pending = take_ptr(like->pending);
        grant_move(&write->grant, &like->grant);
        r = write->kind == WRITE_PROMOTION ? promotion_batch(&batch, write) : grant_batch(&batch, write);
        if (r == 0)
                r = write_start(write, &batch);
        if (r < 0) {
                (void)write_failed(write, r);
                write_free(write);
                return r;
        }

        *ret = write;
        return 0;
}

int vault_save_grant(struct vault *vault, struct credential *credential, struct grant *grant,
                     vault_done_fn *on_done, void *userdata, struct vault_write **ret)
{
        struct vault_write like = { .vault = vault,
                                    .kind = WRITE_GRANT,
                                    .credential = credential,
                                    .on_done = on_done,
                                    .userdata = userdata };

        grant_move(&like.grant, grant);
        return start_grant(&like, ret);
}

int vault_promote(struct vault *vault, struct credential *credential, vault_done_fn *on_done, void *userdata,
                  struct vault_write **ret)
{
        struct vault_write like = { .vault = vault,
                                    .kind = WRITE_PROMOTION,
                                    .credential = credential,
                                    .pending = take_ptr(credential->pending),
                                    .on_done = on_done,
                                    .userdata = userdata };

        like.pending->refusal = REFUSAL_NONE;
        like.pending->switch_account = false;
        grant_move(&like.grant, &like.pending->grant);
        /* A refresh of the old grant that is being saved counts a token, too. */
        like.grant.generation = credential->grant.generation + 1 + credential->saves_in_flight;
        return start_grant(&like, ret);
}

/* ---- intents ---- */

int vault_save_intent(struct vault *vault, struct credential *credential, vault_done_fn *on_done,
                      void *userdata, struct vault_write **ret)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct vault_write *write;
        int r;

        credential->has_intent = true;
        r = batch_put_intent(&batch, vault, credential);
        if (r < 0)
                return r;
        r = write_new(vault, WRITE_INTENT, credential, on_done, userdata, &write);

        return r < 0 ? r : write_start_or_free(write, &batch, ret);
}

/* Nobody waits for it. Where it cannot be begun or fails, the retry of the facts makes up for it. */
static void write_other(struct vault *vault, struct credential *credential, const struct batch *batch, int r)
{
        struct vault_write *write;

        if (r == 0)
                r = write_new(vault, WRITE_OTHER, credential, NULL, NULL, &write);
        if (r == 0)
                r = write_start_or_free(write, batch, NULL);
        if (r < 0) {
                credential->facts_unsaved = true;
                vault_schedule_retry(vault);
        }
}

void vault_clear_intent(struct vault *vault, struct credential *credential)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        int r;

        if (!credential->has_intent)
                return;

        credential->has_intent = false;
        r = batch_delete(&batch, vault_kind_intent(credential), credential->name);
        write_other(vault, credential, &batch, r);
}

void vault_keep_intent(struct vault *vault, struct credential *credential)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        int r;

        credential->has_intent = true;
        r = batch_put_intent(&batch, vault, credential);
        write_other(vault, credential, &batch, r);
}

/* ---- facts ---- */

static int start_facts(struct vault *vault, struct credential *credential)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct vault_write *write;
        int r = write_new(vault, WRITE_FACTS, credential, NULL, NULL, &write);

        if (r < 0)
                return r;
        r = facts_put(write, &batch);
        if (r < 0) {
                write_free(write);
                return r;
        }
        return write_start_or_free(write, &batch, NULL);
}

void vault_catch_up(struct vault *vault, struct credential *credential)
{
        /* A grant that is not on disk is written with its facts; one that is going must not come back. */
        if (credential->facts_unsaved && !credential->unsaved && !credential->saves_in_flight &&
            !credential->leaving && start_facts(vault, credential) < 0)
                vault_schedule_retry(vault);
}

void vault_save_facts(struct vault *vault, struct credential *credential)
{
        vault_note_account(vault, credential);
        /* What does not open is its owner's: it is not overwritten by what little is known of it. */
        if (credential->unreadable || (!has_grant(credential) && !credential->saves_in_flight))
                return;

        credential->newest.facts++;
        credential->facts_unsaved = true;
        vault_catch_up(vault, credential);
}

/* ---- forgetting ---- */

void vault_drop_pending(struct vault *vault, struct credential *credential)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        int r;

        if (!credential->pending)
                return;

        vault_free_pending(vault, take_ptr(credential->pending));
        r = batch_delete_pending(&batch, credential->name);
        write_other(vault, credential, &batch, r);
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
        if (r == 0)
                r = write_start_or_free(write, &batch, ret);
        if (r < 0)
                return r;

        credential->leaving = true;
        if (credential->pending)
                credential->pending->leaving = true;
        write->pending = take_ptr(credential->pending);
        return 0;
}

/* ---- client secrets ---- */

int vault_set_client_secret(struct vault *vault, const char *client, const struct secret *secret,
                            vault_done_fn *on_done, void *userdata, struct vault_write **ret)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct client_secret *item;
        struct vault_write *write;
        int r;

        /* Made now, so that it cannot fail once it is on disk. */
        if ((r = vault_require_client_secret(vault, client, &item)) < 0 ||
            (r = batch_put(&batch, vault->seal, KIND_CLIENT_SECRET, client, secret_expose(secret),
                           secret_size(secret))) < 0 ||
            (r = write_new(vault, WRITE_CLIENT_SECRET, NULL, on_done, userdata, &write)) < 0)
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
