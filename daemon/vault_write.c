/* One write under way, and what its end means for the credential in memory. */
#include "daemon/vault_internal.h"

#include "daemon/context.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void write_free(struct vault_write *write)
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

void mark_saved(struct credential *credential, bool saved, const char *problem)
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
                vault_note_failure(vault, write->credential, result, problem);
        if (write->credential)
                apply_to_credential(write, result, vault->store_problem);
        if (result == 0 && write->kind == WRITE_ALL_AGAIN)
                rewritten(vault);
        if (result == 0 && write->kind == WRITE_CLIENT_SECRET)
                result = vault_keep_client_secret(vault, write->client, take_ptr(write->client_secret));

        if (result == 0)
                vault_note_success(vault);
        else if (write->kind != WRITE_FORGETTING && write->kind != WRITE_CLIENT_SECRET)
                vault_schedule_retry(vault);

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
        if (kind == WRITE_GRANT || kind == WRITE_PROMOTION)
                credential->saves_in_flight++;
        *ret = write;
        return 0;
}

int write_start(struct vault_write *write, const struct batch *batch)
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

int write_failed(struct vault_write *write, int error)
{
        vault_note_failure(write->vault, write->credential, error, NULL);
        apply_to_credential(write, error, write->vault->store_problem);
        vault_schedule_retry(write->vault);
        write_free(write);
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
