/* One write under way, and what its end means for the credential in memory. */
#include "daemon/vault/vault_internal.h"

#include "daemon/vault/context.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_of_grant(const struct vault_write *write)
{
        return write->kind == WRITE_GRANT || write->kind == WRITE_PROMOTION;
}

void write_free(struct vault_write *write)
{
        if (write->credential && is_of_grant(write))
                write->credential->saves_in_flight--;
        if (write->credential && write->kind == WRITE_PROMOTION)
                write->credential->promotions--;
        vault_free_pending(write->vault, write->pending);
        store_write_free(write->store_write);
        grant_done(&write->grant);
        free(write->client);
        secret_free(write->client_secret);
        free(write);
}

static void write_link(struct vault_write *write)
{
        struct vault *vault = write->vault;

        write->next = vault->writes;
        write->at = &vault->writes;
        if (write->next)
                write->next->at = &write->next;
        vault->writes = write;
}

static void write_unlink(struct vault_write *write)
{
        *write->at = write->next;
        if (write->next)
                write->next->at = write->at;
}

/* ---- what is saved ---- */

void vault_mark_unsaved(struct vault *vault, struct credential *credential, const char *problem)
{
        vault->has_unsaved = true;
        credential->unsaved = true;
        free(credential->save_problem);
        if (asprintf(&credential->save_problem, "The newest tokens could not be saved: %s",
                     problem ? problem : "unknown reason") < 0)
                credential->save_problem = NULL;
}

/* Only what is newest in memory counts: something newer may have failed before this was done. */
static void mark_saved(struct credential *credential, const struct save_mark *mark)
{
        if (mark->grant == credential->newest.grant) {
                credential->unsaved = false;
                free(credential->save_problem);
                credential->save_problem = NULL;
        }
        if (mark->facts == credential->newest.facts)
                credential->facts_unsaved = false;
}

void vault_note_rewritten(struct vault *vault)
{
        vault->must_rewrite = false;
        for (struct entry *entry = TAILQ_FIRST(&vault->entries); entry; entry = TAILQ_NEXT(entry, link)) {
                struct credential *credential = entry->credential;

                mark_saved(credential, &credential->rewriting);
                if (credential->pending)
                        mark_saved(credential->pending, &credential->pending->rewriting);
                context_changed(vault->context, credential, false);
        }
}

/* ---- promotion ---- */

/* The new grant's failures, tries and pauses; none of the old one's. */
static void forget_past(struct credential *credential)
{
        credential->failures = 0;
        credential->retry_at_usec = 0;
        credential->retry_is_ordered = false;
        credential->told_failure = NULL;
        credential->outcome_unknown = false;
        credential->replays = 0;
        credential->replays_spent = false;
        credential->client_refused = false;
        credential->rejected_generation = 0;
        credential->rejections = 0;
        credential->test_failures = 0;
        credential->test_retry_after_usec = 0;
        credential->unreadable = false;
}

/* What the pending one knew becomes what the credential knows. */
void vault_install_facts(struct credential *credential, struct credential *pending)
{
#define MOVE(member)                                                                                         \
        do {                                                                                                 \
                free(credential->member);                                                                    \
                credential->member = take_ptr(pending->member);                                              \
        } while (0)
        MOVE(account_id);
        MOVE(account_name);
        MOVE(refusal_reason);
        MOVE(notice);
        MOVE(last_failure);
#undef MOVE
#define SWAP(member)                                                                                         \
        do {                                                                                                 \
                char *old = credential->member;                                                              \
                credential->member = pending->member;                                                        \
                pending->member = old;                                                                       \
        } while (0)
        SWAP(description);
        SWAP(client_name);
#undef SWAP
        test_result_done(&credential->test);
        credential->test = pending->test;
        pending->test = (struct test_result){ 0 };
        credential->authorized_wall_usec = pending->authorized_wall_usec;
        credential->refusal = REFUSAL_NONE;
        credential->foreign_refresher = pending->foreign_refresher;
        credential->exported_wall_usec = 0;
        credential->moved = false;
        facts_forget(credential);
        forget_past(credential);
}

/* ---- the end of a write ---- */

/* A write that began earlier may end later than one that could not be begun at all; the newest grant stays. */
static void apply_grant(struct vault_write *write, int result, const char *problem)
{
        struct credential *credential = write->credential;

        if (write->mark.grant > credential->newest.grant) {
                credential->newest.grant = write->mark.grant;
                grant_move(&credential->grant, &write->grant);
                if (write->kind == WRITE_PROMOTION) {
                        vault_install_facts(credential, write->pending);
                        vault_rebind(write->vault, credential);
                }
                if (result < 0)
                        vault_mark_unsaved(write->vault, credential, problem);
        }
        if (result == 0)
                mark_saved(credential, &write->mark);
        context_changed(write->vault->context, credential, false);
}

static void apply_again(struct vault_write *write, int result, const char *problem)
{
        if (result == 0)
                mark_saved(write->credential, &write->mark);
        else if (write->credential->unsaved)
                vault_mark_unsaved(write->vault, write->credential, problem);
        context_changed(write->vault->context, write->credential, false);
}

/* What began since - another login, its grant - stays. */
static void finish_forgetting(struct vault_write *write)
{
        struct credential *credential = take_ptr(write->credential);
        struct vault *vault = write->vault;

        vault_free_pending(vault, take_ptr(write->pending));
        if (!credential->pending && !credential->saves_in_flight && !credential->config) {
                vault_remove(vault, credential);
                return;
        }
        vault_tell_gone(vault, credential);
        credential_reset(credential);
        vault_rebind(vault, credential);
        context_changed(vault->context, credential, false);
}

static void apply_forgetting(struct vault_write *write, int result)
{
        struct credential *credential = write->credential;

        if (result == 0) {
                finish_forgetting(write);
                return;
        }
        credential->leaving = false;
        if (write->pending)
                write->pending->leaving = false;
        if (!credential->pending)
                credential->pending = take_ptr(write->pending);
}

/* The state after the write, whether it worked or not; the credential is there. */
static void apply_to_credential(struct vault_write *write, int result, const char *problem)
{
        switch (write->kind) {
        case WRITE_GRANT:
        case WRITE_PROMOTION:
                apply_grant(write, result, problem);
                break;
        case WRITE_AGAIN:
                apply_again(write, result, problem);
                break;
        case WRITE_FACTS:
                if (result == 0 && write->mark.facts == write->credential->newest.facts)
                        write->credential->facts_unsaved = false;
                break;
        case WRITE_FORGETTING:
                apply_forgetting(write, result);
                break;
        case WRITE_OTHER:
                /* The retry that writes the facts again puts intent and pending grant right, too. */
                if (result < 0)
                        write->credential->facts_unsaved = true;
                break;
        case WRITE_INTENT:
        case WRITE_CLIENT_SECRET:
        case WRITE_ALL_AGAIN:
                break;
        }
}

static int keep_client_secret(struct vault_write *write)
{
        struct client_secret *item;
        int r;

        r = vault_require_client_secret(write->vault, write->client, &item);
        if (r < 0)
                return r;
        secret_free(item->secret);
        item->secret = take_ptr(write->client_secret);
        return 0;
}

/* What came while a grant was being saved has waited for it: facts, and a newer grant whose own write could not be begun. */
static void end_save(struct vault_write *write, int result)
{
        struct credential *credential = take_ptr(write->credential);

        if (is_of_grant(write))
                credential->saves_in_flight--;
        if (result < 0 || !(is_of_grant(write) || write->kind == WRITE_AGAIN))
                return;
        if (credential->unsaved)
                vault_schedule_retry(write->vault);
        else
                vault_catch_up(write->vault, credential);
}

static void on_written(int result, const char *problem, void *userdata)
{
        struct vault_write *write = userdata;
        struct vault *vault = write->vault;

        write_unlink(write);
        if (result < 0)
                vault_note_failure(vault, write->credential, result, problem);
        if (write->credential && write->kind == WRITE_PROMOTION)
                write->credential->promotions--;
        if (write->credential && result == 0)
                facts_written(write);
        if (write->credential)
                apply_to_credential(write, result, vault->store_problem);
        if (result == 0 && write->kind == WRITE_ALL_AGAIN)
                vault_note_rewritten(vault);
        if (result < 0)
                vault_schedule_retry(vault);
        else if (write->puts)
                vault_note_success(vault);

        if (result == 0 && write->kind == WRITE_CLIENT_SECRET)
                result = keep_client_secret(write);
        if (write->credential)
                end_save(write, result);
        if (write->on_done)
                write->on_done(result, write->userdata);
        write_free(write);
}

int write_new(struct vault *vault, enum write_kind kind, struct credential *credential,
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
        if (credential)
                write->mark = credential->newest;
        if (is_of_grant(write)) {
                assert(credential);
                credential->saves_in_flight++;
                if (kind == WRITE_PROMOTION)
                        credential->promotions++;
        }
        *ret = write;
        return 0;
}

int write_start(struct vault_write *write, const struct batch *batch)
{
        int r = store_write_start(write->vault->store, batch->ops, batch->n, on_written, write,
                                  &write->store_write);

        if (r < 0)
                return r;

        for (size_t i = 0; i < batch->n; i++)
                write->puts |= batch->ops[i].blob != NULL;
        facts_write_begun(write, batch);
        write_link(write);
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

                write_unlink(write);
                write_free(write);
        }
}

int write_failed(struct vault_write *write, int error)
{
        vault_note_failure(write->vault, write->credential, error, NULL);
        apply_to_credential(write, error, write->vault->store_problem);
        vault_schedule_retry(write->vault);
        return error;
}

int write_start_or_free(struct vault_write *write, const struct batch *batch, struct vault_write **ret)
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
