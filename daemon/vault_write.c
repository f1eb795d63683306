/*
 * Everything that changes the store. Grants are written by refresh and login alone, one batch at a time for each credential; a retry leaves
 * out a credential that has such a batch under way, so that what is older in memory never lands on top of what is newer.
 */
#include "daemon/vault_internal.h"

#include "daemon/backoff.h"
#include "daemon/context.h"
#include "daemon/events.h"
#include "daemon/log.h"
#include "daemon/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum write_kind {
        WRITE_GRANT,
        WRITE_INTENT,
        WRITE_FACTS,
        WRITE_PROMOTION,
        WRITE_FORGETTING,
        WRITE_CLIENT_SECRET,
        WRITE_AGAIN, /* a retry of one credential */
        WRITE_ALL_AGAIN, /* everything, into a store that was made anew */
        WRITE_OTHER, /* nobody minds when it fails */
};

struct vault_write {
        struct vault *vault;
        enum write_kind kind;
        struct credential *credential; /* NULL: none, or it is gone */
        struct store_write *store_write;
        struct grant grant; /* of WRITE_GRANT and WRITE_PROMOTION: what is installed when it is done */
        char *client; /* of WRITE_CLIENT_SECRET */
        struct secret *client_secret;
        vault_done_fn *on_done; /* NULL: nobody waits */
        void *userdata;
        struct vault_write *next;
};

enum { RECORD_MAX = 256 * 1024 };

static const struct backoff retry_backoff = { .base_usec = 2 * USEC_PER_SEC, .max_usec = 60 * USEC_PER_SEC };

struct batch {
        struct store_op *ops;
        size_t n, allocated;
};

static void batch_done(struct batch *batch)
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

static int batch_delete(struct batch *batch, const char *kind, const char *name)
{
        return batch_add(batch, &(struct store_op){ .kind = kind, .name = name });
}

static int batch_put(struct batch *batch, const struct seal *seal, const char *kind, const char *name,
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

static int batch_put_grant(struct batch *batch, const struct vault *vault, const char *kind, const char *name,
                           const struct grant *grant)
{
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(RECORD_MAX);
        int r = grant_encode(grant, vault->boot_id, &buf);

        return r < 0 ? r : batch_put(batch, vault->seal, kind, name, buf.data, buf.n);
}

static int batch_put_facts(struct batch *batch, const struct vault *vault, const char *kind,
                           const struct credential *facts)
{
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(RECORD_MAX);
        int r = credential_encode_facts(facts, &buf);

        return r < 0 ? r : batch_put(batch, vault->seal, kind, facts->name, buf.data, buf.n);
}

static int batch_put_intent(struct batch *batch, const struct vault *vault,
                            const struct credential *credential)
{
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(RECORD_MAX);
        int r;

        if ((r = record_begin(&buf)) < 0 ||
            (r = record_put_u64(&buf, VAULT_INTENT_GENERATION, credential->grant.generation)) < 0 ||
            (r = record_put_u64(&buf, VAULT_INTENT_REPLAYS, credential->replays)) < 0)
                return r;

        return batch_put(batch, vault->seal, vault_kind_intent(credential), credential->name, buf.data,
                         buf.n);
}

static void write_free(struct vault_write *write)
{
        if (write->credential && (write->kind == WRITE_GRANT || write->kind == WRITE_PROMOTION))
                write->credential->saves_in_flight--;
        store_write_free(write->store_write);
        grant_done(&write->grant);
        free(write->client);
        secret_free(write->client_secret);
        free(write);
}

static void write_unlink(struct vault_write *write)
{
        struct vault_write **at = &write->vault->writes;

        while (*at != write)
                at = &(*at)->next;
        *at = write->next;
}

static void schedule_retry(struct vault *vault)
{
        uint64_t pause;

        if (timer_is_armed(&vault->retry_timer))
                return;

        pause = backoff_pause_usec(&retry_backoff, ++vault->retry_attempt, context_random(vault->context));
        (void)timer_set(vault->context->timers, &vault->retry_timer, context_now(vault->context) + pause);
}

static void note_failure(struct vault *vault, const struct credential *credential, int result,
                         const char *problem)
{
        bool first = !vault->store_problem;

        free(vault->store_problem);
        vault->store_problem = strdup(problem && *problem ? problem : strerror(-result));
        if (first || vault->retry_attempt)
                log_event(&(struct log_event){ .message_id = EVENT_SAVE_FAILED,
                                               .level = LOG_LEVEL_ERROR,
                                               .credential = credential ? credential->name : NULL,
                                               .reason = vault->store_problem },
                          "The store refuses to save (%s); the newest tokens are kept in memory and served, "
                          "and saving is retried. "
                          "Do not kill purserd before it can save.",
                          vault->store_problem ? vault->store_problem : "out of memory");
}

static void note_success(struct vault *vault)
{
        if (!vault->store_problem)
                return;

        free(take_ptr(vault->store_problem));
        vault->retry_attempt = 0;
        if (vault_unsaved(vault))
                schedule_retry(vault);
        else
                log_event(&(struct log_event){ .message_id = EVENT_SAVED_AGAIN, .level = LOG_LEVEL_NOTICE },
                          "The store takes writes again; everything is saved.");
}

static void mark_saved(struct credential *credential, bool saved, const char *problem)
{
        credential->unsaved = !saved;
        free(credential->save_problem);
        credential->save_problem = NULL;
        if (saved)
                credential->facts_unsaved = false;
        else if (asprintf(&credential->save_problem, "The newest tokens could not be saved: %s",
                          problem ? problem : "unknown reason") < 0)
                credential->save_problem = NULL;
}

/* What the pending one knew becomes what the credential knows. */
static void install_promotion(struct credential *credential, struct grant *grant)
{
        struct credential *pending = take_ptr(credential->pending);

        grant_move(&credential->grant, grant);
        if (!pending)
                return;

#define MOVE(member)                                                                                         \
        do {                                                                                                 \
                free(credential->member);                                                                    \
                credential->member = take_ptr(pending->member);                                              \
        } while (0)
        MOVE(description);
        MOVE(client_name);
        MOVE(account_id);
        MOVE(account_name);
        MOVE(refusal_reason);
        MOVE(notice);
        MOVE(last_failure);
#undef MOVE
        test_result_done(&credential->test);
        credential->test = pending->test;
        pending->test = (struct test_result){ 0 };
        credential->authorized_wall_usec = pending->authorized_wall_usec;
        credential->refusal = REFUSAL_NONE;
        credential->foreign_refresher = pending->foreign_refresher;
        credential->failures = 0;
        credential->retry_at_usec = 0;
        credential->retry_is_ordered = false;
        credential->outcome_unknown = false;
        credential->replays = 0;
        credential->client_refused = false;
        credential->rejected_generation = 0;
        credential->unreadable = false;

        /* A name is left, so that it can be freed as any other. */
        pending->description = pending->client_name = NULL;
        credential_free(pending);
}

static void finish_forgetting(struct vault *vault, struct credential *credential)
{
        char *name = strdup(credential->name);

        vault_remove(vault, credential);
        if (name && config_find_credential(vault->context->config, name)) {
                struct credential *shell;
                (void)vault_require(vault, name, &shell);
        }
        free(name);
}

static void rewritten(struct vault *vault)
{
        for (struct entry *entry = vault->entries; entry; entry = entry->hh.next) {
                mark_saved(entry->credential, true, NULL);
                if (entry->credential->pending)
                        mark_saved(entry->credential->pending, true, NULL);
        }
}

/* The state after the write, whether it worked or not; the credential is there. */
static void apply_to_credential(struct vault_write *write, int result, const char *problem)
{
        struct credential *credential = write->credential;
        struct vault *vault = write->vault;

        switch (write->kind) {
        case WRITE_GRANT:
        case WRITE_PROMOTION:
                if (write->kind == WRITE_PROMOTION) {
                        if (credential->pending)
                                vault_writes_detach(vault, credential->pending);
                        install_promotion(credential, &write->grant);
                        vault_rebind(vault, credential);
                } else {
                        grant_move(&credential->grant, &write->grant);
                }
                mark_saved(credential, result == 0, problem);
                context_changed(vault->context, credential, false);
                break;
        case WRITE_AGAIN:
                if (result == 0 || credential->unsaved)
                        mark_saved(credential, result == 0, problem);
                context_changed(vault->context, credential, false);
                break;
        case WRITE_FACTS:
                credential->facts_unsaved = result < 0;
                break;
        case WRITE_FORGETTING:
                if (result == 0)
                        finish_forgetting(vault, credential);
                break;
        default:
                break;
        }
}

static void on_written(int result, const char *problem, void *userdata)
{
        struct vault_write *write = userdata;
        struct vault *vault = write->vault;

        write_unlink(write);
        if (result < 0)
                note_failure(vault, write->credential, result, problem);
        if (write->credential)
                apply_to_credential(write, result, vault->store_problem);
        if (result == 0 && write->kind == WRITE_ALL_AGAIN)
                rewritten(vault);
        if (result == 0 && write->kind == WRITE_CLIENT_SECRET)
                result = vault_keep_client_secret(vault, write->client, take_ptr(write->client_secret));

        if (result == 0)
                note_success(vault);
        else if (write->kind != WRITE_FORGETTING && write->kind != WRITE_CLIENT_SECRET)
                schedule_retry(vault);

        /* The credential may have gone with what was just applied. */
        if (write->kind == WRITE_FORGETTING)
                write->credential = NULL;
        if (write->credential && (write->kind == WRITE_GRANT || write->kind == WRITE_PROMOTION)) {
                write->credential->saves_in_flight--;
                write->credential = NULL;
        }
        if (write->on_done)
                write->on_done(result, write->userdata);
        write_free(write);
}

static int write_new(struct vault *vault, enum write_kind kind, struct credential *credential,
                     vault_done_fn *on_done, void *userdata, struct vault_write **ret)
{
        struct vault_write *write = calloc(1, sizeof(*write));

        if (!write)
                return fault(-ENOMEM);

        *write = (struct vault_write){ .vault = vault,
                                       .kind = kind,
                                       .credential = credential,
                                       .on_done = on_done,
                                       .userdata = userdata };
        if (kind == WRITE_GRANT || kind == WRITE_PROMOTION)
                credential->saves_in_flight++;
        *ret = write;
        return 0;
}

static int write_start(struct vault_write *write, const struct batch *batch)
{
        int r = store_write_start(write->vault->store, batch->ops, batch->n, on_written, write,
                                  &write->store_write);

        if (r < 0)
                return r;

        write->next = write->vault->writes;
        write->vault->writes = write;
        return 0;
}

struct vault_write *vault_write_free(struct vault_write *write)
{
        if (write)
                write->on_done = NULL;
        return NULL;
}

void vault_writes_detach(struct vault *vault, const struct credential *credential)
{
        for (struct vault_write *write = vault->writes; write; write = write->next)
                if (write->credential == credential)
                        write->credential = NULL;
}

void vault_writes_free(struct vault *vault)
{
        while (vault->writes) {
                struct vault_write *write = vault->writes;

                vault->writes = write->next;
                write_free(write);
        }
}

/* When not even a write can be begun, memory is all that is left: the same as a disk that refuses. */
static int save_grant_failed(struct vault_write *write, int error)
{
        note_failure(write->vault, write->credential, error, NULL);
        apply_to_credential(write, error, write->vault->store_problem);
        schedule_retry(write->vault);
        write_free(write);
        return error;
}

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
                schedule_retry(vault);
                return r;
        }

        grant_move(&write->grant, grant);
        if ((r = batch_put_grant(&batch, vault, vault_kind_grant(credential), credential->name,
                                 &write->grant)) < 0 ||
            (r = batch_put_facts(&batch, vault, vault_kind_facts(credential), credential)) < 0 ||
            (r = batch_delete(&batch, vault_kind_intent(credential), credential->name)) < 0 ||
            (r = write_start(write, &batch)) < 0)
                return save_grant_failed(write, r);

        *ret = write;
        return 0;
}

/* Begins a write that may simply fail. */
static int start_or_free(struct vault_write *write, const struct batch *batch, struct vault_write **ret)
{
        int r = write_start(write, batch);

        if (r < 0) {
                write_free(write);
                return r;
        }

        if (ret)
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

        return r < 0 ? r : start_or_free(write, &batch, ret);
}

void vault_clear_intent(struct vault *vault, struct credential *credential)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct vault_write *write;

        /* One that stays by mistake costs a needless 'outcome unknown' after a crash, and nothing else. */
        if (batch_delete(&batch, vault_kind_intent(credential), credential->name) == 0 &&
            write_new(vault, WRITE_OTHER, credential, NULL, NULL, &write) == 0)
                (void)start_or_free(write, &batch, NULL);
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
            start_or_free(write, &batch, NULL) < 0)
                schedule_retry(vault);
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
                return save_grant_failed(write, r);

        *ret = write;
        return 0;
}

static int batch_delete_pending(struct batch *batch, const char *name)
{
        int r;

        if ((r = batch_delete(batch, "pending-grant", name)) < 0 ||
            (r = batch_delete(batch, "pending-facts", name)) < 0)
                return r;

        return batch_delete(batch, "pending-intent", name);
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
                (void)start_or_free(write, &batch, NULL);
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

        return r < 0 ? r : start_or_free(write, &batch, ret);
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
        return start_or_free(write, &batch, ret);
}

static int batch_put_key_check(struct batch *batch, const struct vault *vault)
{
        return batch_put(batch, vault->seal, KIND_META, NAME_KEY_CHECK, "purser", strlen("purser"));
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

        return r < 0 ? r : start_or_free(write, &batch, NULL);
}

/* Grant, facts and, where it holds, intent, as they are in memory. */
static int batch_put_credential(struct batch *batch, const struct vault *vault,
                                const struct credential *credential)
{
        int r;

        if (!credential->grant.generation && !credential->grant.refresh_token)
                return 0;
        if ((r = batch_put_grant(batch, vault, vault_kind_grant(credential), credential->name,
                                 &credential->grant)) < 0 ||
            (r = batch_put_facts(batch, vault, vault_kind_facts(credential), credential)) < 0)
                return r;
        if (credential->outcome_unknown || credential->job)
                return batch_put_intent(batch, vault, credential);

        return 0;
}

static int write_again(struct vault *vault, struct credential *credential)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct vault_write *write;
        int r;

        if ((!credential->unsaved && !credential->facts_unsaved) || credential->saves_in_flight)
                return 0;
        r = batch_put_credential(&batch, vault, credential);
        if (r == 0 && !credential->is_pending && !credential->pending)
                r = batch_delete_pending(&batch, credential->name);
        if (r < 0)
                return r;
        r = write_new(vault, WRITE_AGAIN, credential, NULL, NULL, &write);

        return r < 0 ? r : start_or_free(write, &batch, NULL);
}

static int write_all_again(struct vault *vault)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct vault_write *write;
        int r;

        r = batch_put_key_check(&batch, vault);
        for (struct entry *entry = vault->entries; entry && r == 0; entry = entry->hh.next) {
                r = batch_put_credential(&batch, vault, entry->credential);
                if (r == 0 && entry->credential->pending)
                        r = batch_put_credential(&batch, vault, entry->credential->pending);
        }
        for (struct client_secret *item = vault->client_secrets; item && r == 0; item = item->hh.next)
                r = batch_put(&batch, vault->seal, KIND_CLIENT_SECRET, item->client,
                              secret_expose(item->secret), secret_size(item->secret));
        if (r < 0)
                return r;
        r = write_new(vault, WRITE_ALL_AGAIN, NULL, NULL, NULL, &write);

        return r < 0 ? r : start_or_free(write, &batch, NULL);
}

static int retry_lost_store(struct vault *vault)
{
        struct diag diag = DIAG_INIT;
        int r;

        /* What was queued for the lost file comes back as failed first. */
        if (vault->writes)
                return -EAGAIN;

        r = store_reopen(vault->store, &diag);
        if (r != 0) {
                note_failure(vault, NULL, r < 0 ? r : -EIO, diag.text);
                return -EAGAIN;
        }
        log_warning("The store was lost while purserd ran, and is made anew from memory. %s", diag.text);
        return write_all_again(vault);
}

void vault_on_retry(void *userdata)
{
        struct vault *vault = userdata;
        int r = 0;

        if (store_is_lost(vault->store)) {
                r = retry_lost_store(vault);
        } else {
                for (struct entry *entry = vault->entries; entry && r == 0; entry = entry->hh.next) {
                        r = write_again(vault, entry->credential);
                        if (r == 0 && entry->credential->pending)
                                r = write_again(vault, entry->credential->pending);
                }
        }
        if (r < 0)
                schedule_retry(vault);
}

size_t vault_flush(struct vault *vault)
{
        store_flush(vault->store);
        if (vault_unsaved(vault) || vault->store_problem) {
                vault_on_retry(vault);
                store_flush(vault->store);
        }
        return vault_unsaved(vault);
}
