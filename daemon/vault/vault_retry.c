/*
 * What to do when the disk refuses: keep the newest in memory, say so, and try again. A retry leaves out a credential that has a write of its
 * grant under way, so that what is older in memory never lands on top of what is newer.
 */
#include "daemon/vault/vault_internal.h"

#include "daemon/base/backoff.h"
#include "daemon/vault/context.h"
#include "daemon/base/events.h"
#include "daemon/base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct backoff retry_backoff = { .base_usec = 2 * USEC_PER_SEC, .max_usec = 60 * USEC_PER_SEC };

void vault_schedule_retry(struct vault *vault)
{
        uint64_t pause;

        if (timer_is_armed(&vault->retry_timer))
                return;

        pause = backoff_pause_usec(&retry_backoff, ++vault->retry_attempt, context_random(vault->context));
        (void)timer_set(vault->context->timers, &vault->retry_timer, context_now(vault->context) + pause);
}

/* What was on disk is not there any more: everything is as good as never saved. */
static void note_lost(struct vault *vault)
{
        if (vault->must_rewrite)
                return;

        /* What is open is the old file yet. */
        (void)vault_load_all(vault);
        vault->must_rewrite = true;
        for (struct entry *entry = TAILQ_FIRST(&vault->entries); entry; entry = TAILQ_NEXT(entry, link)) {
                struct credential *credential = entry->credential;

                facts_forget(credential);
                if (has_grant(credential))
                        vault_mark_unsaved(vault, credential, vault->store_problem);
                if (credential->pending)
                        facts_forget(credential->pending);
                if (credential->pending && has_grant(credential->pending))
                        vault_mark_unsaved(vault, credential->pending, vault->store_problem);
                context_changed(vault->context, credential, false);
        }
}

/*
 * A round of tries counts once, however many credentials wait for it; told are the first, the second, the fourth, the eighth, until
 * everything is saved. That the store took one write between two that failed ends no trouble.
 */
static bool is_worth_telling(struct vault *vault)
{
        if (vault->failed_rounds > 0 && timer_is_armed(&vault->retry_timer))
                return false;

        vault->failed_rounds++;
        return (vault->failed_rounds & (vault->failed_rounds - 1)) == 0;
}

void vault_note_failure(struct vault *vault, const struct credential *credential, int result,
                        const char *problem)
{
        free(vault->store_problem);
        vault->store_problem = strdup(problem && *problem ? problem : strerror(-result));
        if (store_is_lost(vault->store))
                note_lost(vault);
        if (is_worth_telling(vault))
                log_event(&(struct log_event){ .message_id = EVENT_SAVE_FAILED,
                                               .level = LOG_LEVEL_ERROR,
                                               .credential = credential ? credential->name : NULL,
                                               .reason = vault->store_problem },
                          "The store refuses to save (%s); the newest tokens are kept in memory and served, "
                          "and saving is retried. "
                          "Do not kill purserd before it can save.",
                          vault->store_problem ? vault->store_problem : "out of memory");
        context_store_changed(vault->context);
}

static bool is_behind(const struct credential *credential)
{
        return credential && (credential->unsaved || credential->facts_unsaved) && !credential->unreadable &&
               !credential->leaving && has_grant(credential);
}

static bool everything_is_saved(const struct vault *vault)
{
        if (vault->must_rewrite)
                return false;
        for (const struct entry *entry = TAILQ_FIRST(&vault->entries); entry; entry = TAILQ_NEXT(entry, link))
                if (is_behind(entry->credential) || is_behind(entry->credential->pending))
                        return false;
        return true;
}

void vault_note_success(struct vault *vault)
{
        vault->retry_attempt = 0;
        if (!vault->failed_rounds)
                return;

        free(take_ptr(vault->store_problem));
        if (!everything_is_saved(vault)) {
                vault_schedule_retry(vault);
                return;
        }
        vault->failed_rounds = 0;
        log_event(&(struct log_event){ .message_id = EVENT_SAVED_AGAIN, .level = LOG_LEVEL_NOTICE },
                  "The store takes writes again; everything is saved.");
        context_store_changed(vault->context);
}

static int write_again(struct vault *vault, struct credential *credential)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct vault_write *write;
        int r;

        if ((!credential->unsaved && !credential->facts_unsaved) || credential->saves_in_flight ||
            credential->unreadable || credential->leaving)
                return 0;
        r = batch_put_credential(&batch, vault, credential);
        if (r == 0 && !credential->is_pending && !credential->pending)
                r = batch_delete_pending(&batch, credential->name);
        if (r < 0)
                return r;
        r = write_new(vault, WRITE_AGAIN, credential, NULL, NULL, &write);

        return r < 0 ? r : write_start_or_free(write, &batch, NULL);
}

static int put_again(struct batch *batch, const struct vault *vault, struct credential *credential)
{
        credential->rewriting = credential->newest;
        /* Of one whose grant did not open, what is known is kept, so that it is not taken for one that never was. */
        if (!has_grant(credential) && credential->unreadable)
                return batch_put_facts(batch, vault, vault_kind_facts(credential), credential);

        return batch_put_credential(batch, vault, credential);
}

static int write_all_again(struct vault *vault)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct vault_write *write;
        int r;

        r = batch_delete_everything(&batch);
        if (r == 0)
                r = batch_put_key_check(&batch, vault);
        for (struct entry *entry = TAILQ_FIRST(&vault->entries); entry && r == 0;
             entry = TAILQ_NEXT(entry, link)) {
                r = put_again(&batch, vault, entry->credential);
                if (r == 0 && entry->credential->pending)
                        r = put_again(&batch, vault, entry->credential->pending);
        }
        for (struct client_secret *item = vault->client_secrets; item && r == 0; item = item->hh.next)
                if (item->secret)
                        r = batch_put(&batch, vault->seal, KIND_CLIENT_SECRET, item->client,
                                      secret_expose(item->secret), secret_size(item->secret));
        if (r < 0)
                return r;
        r = write_new(vault, WRITE_ALL_AGAIN, NULL, NULL, NULL, &write);

        return r < 0 ? r : write_start_or_free(write, &batch, NULL);
}

int vault_put_unsaved(struct vault *vault, struct batch *batch)
{
        int r = 0;

        for (struct entry *entry = TAILQ_FIRST(&vault->entries); entry && r == 0;
             entry = TAILQ_NEXT(entry, link)) {
                const struct credential *credential = entry->credential, *pending = credential->pending;

                if (is_behind(credential)) {
                        r = batch_put_credential(batch, vault, credential);
                        if (r == 0 && !pending)
                                r = batch_delete_pending(batch, credential->name);
                }
                if (r == 0 && is_behind(pending))
                        r = batch_put_credential(batch, vault, pending);
        }
        return r;
}

static int rewrite(struct vault *vault)
{
        struct diag diag = DIAG_INIT;
        int r;

        /* What is under way may be newer than what is in memory; it must not be deleted after it was written. */
        if (vault->writes)
                return -EAGAIN;
        /* What was never read would be lost. */
        if (vault_load_all(vault) < 0)
                return -EAGAIN;

        if (store_is_lost(vault->store)) {
                r = store_reopen(vault->store, &diag);
                if (r != 0) {
                        vault_note_failure(vault, NULL, r < 0 ? r : -EIO, diag.text);
                        return -EAGAIN;
                }
                log_warning("The store was lost while purserd ran, and is made anew from memory. %s",
                            diag.text);
        }
        return write_all_again(vault);
}

static int write_unsaved(struct vault *vault)
{
        int r = 0;

        for (struct entry *entry = TAILQ_FIRST(&vault->entries); entry && r == 0;
             entry = TAILQ_NEXT(entry, link)) {
                r = write_again(vault, entry->credential);
                if (r == 0 && entry->credential->pending)
                        r = write_again(vault, entry->credential->pending);
        }
        /* Nothing waits to be saved, and whether the disk has mended is known by trying. */
        if (r == 0 && vault->store_problem && !vault->writes)
                r = vault_write_key_check(vault);
        return r;
}

void vault_on_retry(void *userdata)
{
        struct vault *vault = userdata;
        int r = vault->must_rewrite ? rewrite(vault) : write_unsaved(vault);

        if (r < 0)
                vault_schedule_retry(vault);
}

size_t vault_flush(struct vault *vault)
{
        store_flush(vault->store);
        /* More than once: a lost store fails what is queued first, and is made anew then. */
        for (int i = 0; i < 3 && (vault_unsaved(vault) || vault->store_problem || vault->must_rewrite); i++) {
                vault_on_retry(vault);
                store_flush(vault->store);
        }
        return vault_unsaved(vault);
}
