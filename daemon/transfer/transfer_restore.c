/* A backup taken in: read whole before anything is changed, written in one step, put in force, and refreshed at once. */
#include "daemon/transfer/transfer.h"

#include "daemon/transfer/backup_item.h"
#include "daemon/base/events.h"
#include "daemon/base/log.h"
#include "daemon/vault/vault_transfer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct restorer {
        struct context *context;
        struct refresher *refresher;
        struct prober *prober;
        bool replace;
        restore_done_fn *on_done;
        void *userdata;
        struct vault_arrivals arrivals;
        struct vault_write *write;
        struct restore_answer answer;
        char **names;
        size_t n_names;
};

struct restorer *restorer_free(struct restorer *restorer)
{
        if (!restorer)
                return NULL;
        vault_write_free(restorer->write);
        vault_arrivals_done(&restorer->arrivals);
        for (size_t i = 0; i < restorer->n_names; i++)
                free(restorer->names[i]);
        free(restorer->names);
        free(restorer);
        return NULL;
}

static void tell(struct restorer *restorer, enum restore_verdict verdict, const char *reason)
{
        restorer->answer.verdict = verdict;
        restorer->answer.reason = reason;
        restorer->answer.names = (const char *const *)restorer->names;
        restorer->answer.n_names = restorer->n_names;
        restorer->on_done(&restorer->answer, restorer->userdata);
}

static int add_name(struct restorer *restorer, const char *name)
{
        if (!restorer->names)
                restorer->names = calloc(restorer->arrivals.n + 1, sizeof(char *));
        if (!restorer->names || !(restorer->names[restorer->n_names] = strdup(name)))
                return fault(-ENOMEM);
        restorer->n_names++;
        return 0;
}

/* ---- reading ---- */

static const char *const unusable[] = {
        [BACKUP_E_NO_BACKUP] = "This is no backup of purserd.",
        [BACKUP_E_NEWER] = "This backup is of a later version of purserd: install that version.",
        [BACKUP_E_COST] = "The key of this backup takes more memory or time than purserd spends on one.",
        [BACKUP_E_DAMAGED] = "This backup is damaged: it was changed since it was made.",
        [BACKUP_E_TRUNCATED] = "This backup is cut short: its end is missing.",
};

/* A client secret that is here stays, unless everything is to be replaced: it may be newer. */
static int take_secret(struct restorer *restorer, struct backup_item *item)
{
        if (!restorer->replace && vault_find_client_secret(restorer->context->vault, item->client)) {
                restorer->answer.n_secrets_kept++;
                return 0;
        }
        restorer->answer.n_client_secrets++;
        return vault_arrivals_add_secret(&restorer->arrivals, &item->client, &item->secret);
}

struct counts {
        bool about, end;
        uint64_t n_credentials, n_client_secrets;
};

/* BACKUP_E_DAMAGED: it is in the wrong place, or not what the end says. */
static int take_item(struct restorer *restorer, struct backup_item *item, struct counts *counts)
{
        if (counts->end || counts->about == (item->kind == BACKUP_ABOUT))
                return BACKUP_E_DAMAGED;
        switch (item->kind) {
        case BACKUP_ABOUT:
                counts->about = true;
                restorer->answer.made_wall_usec = item->made_wall_usec;
                restorer->answer.moved = item->moved;
                return 0;
        case BACKUP_CREDENTIAL:
                counts->n_credentials++;
                return vault_arrivals_add(&restorer->arrivals, &item->credential);
        case BACKUP_CLIENT_SECRET:
                counts->n_client_secrets++;
                return take_secret(restorer, item);
        case BACKUP_END:
                counts->end = true;
                return item->n_credentials == counts->n_credentials &&
                                       item->n_client_secrets == counts->n_client_secrets
                               ? 0
                               : BACKUP_E_DAMAGED;
        case BACKUP_UNKNOWN:
                break;
        }
        return BACKUP_E_NEWER;
}

static int read_items(struct restorer *restorer, struct backup_reader *reader)
{
        struct context *context = restorer->context;
        /* No boot of this machine is the boot of that one. */
        struct boot_moment now = { .boot_usec = context_now(context),
                                   .wall_usec = clock_wall_usec(context->clock) };
        _cleanup_(secret_freep) struct secret *plain = NULL;
        struct counts counts = { 0 };
        int r;

        while ((r = backup_reader_next(reader, &plain)) == 0) {
                _cleanup_(backup_item_done) struct backup_item item = { 0 };

                r = backup_decode(secret_expose(plain), secret_size(plain), &now, &item);
                plain = secret_free(plain);
                if (r == CREDENTIAL_E_MALFORMED)
                        r = BACKUP_E_DAMAGED;
                if (r == 0)
                        r = take_item(restorer, &item, &counts);
                if (r != 0)
                        return r;
        }
        return r == BACKUP_E_END ? (counts.end ? 0 : BACKUP_E_DAMAGED) : r;
}

static int compare_names(const void *a, const void *b)
{
        return strcmp((*(struct credential *const *)a)->name, (*(struct credential *const *)b)->name);
}

static int check_names_differ(struct vault_arrivals *arrivals)
{
        if (arrivals->n > 0)
                qsort(arrivals->credentials, arrivals->n, sizeof(struct credential *), compare_names);
        for (size_t i = 1; i < arrivals->n; i++)
                if (strcmp(arrivals->credentials[i - 1]->name, arrivals->credentials[i]->name) == 0)
                        return BACKUP_E_DAMAGED;
        return 0;
}

static int read_backup(struct restorer *restorer, const void *bytes, size_t n,
                       const struct secret *passphrase)
{
        _cleanup_(backup_reader_freep) struct backup_reader *reader = NULL;
        int r;

        r = backup_reader_new(&reader, bytes, n, passphrase);
        if (r == 0)
                r = read_items(restorer, reader);
        return r == 0 ? check_names_differ(&restorer->arrivals) : r;
}

/* ---- taking in ---- */

static int find_taken(struct restorer *restorer)
{
        for (size_t i = 0; i < restorer->arrivals.n; i++) {
                const char *name = restorer->arrivals.credentials[i]->name;
                const struct credential *old = vault_find(restorer->context->vault, name);
                int r = old && vault_is_taken(old) ? add_name(restorer, name) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

static void hold_replaced(struct restorer *restorer, bool hold)
{
        for (size_t i = 0; i < restorer->arrivals.n; i++) {
                const struct credential *from = restorer->arrivals.credentials[i];
                struct credential *old = from ? vault_find(restorer->context->vault, from->name) : NULL;

                if (old && hold) {
                        if (old->pending)
                                prober_release(restorer->prober, old->pending);
                        prober_release(restorer->prober, old);
                        refresher_hold(restorer->refresher, old);
                } else if (old) {
                        refresher_plan(restorer->refresher, old);
                        prober_plan(restorer->prober, old);
                }
        }
}

static void on_placed(struct credential *credential, void *userdata)
{
        struct restorer *restorer = userdata;

        log_event(&(struct log_event){ .message_id = EVENT_RESTORED,
                                       .level = LOG_LEVEL_NOTICE,
                                       .credential = credential->name,
                                       .client = credential->client_name,
                                       .generation = credential->grant.generation },
                  "Credential '%s' was restored from a backup, and is refreshed now.", credential->name);
        refresher_replaced(restorer->refresher, credential);
        prober_replaced(restorer->prober, credential);
}

static void on_saved(int result, void *userdata)
{
        struct restorer *restorer = userdata;
        struct vault *vault = restorer->context->vault;
        const char *problem = vault_store_problem(vault);

        restorer->write = NULL;
        if (result < 0) {
                hold_replaced(restorer, false);
                tell(restorer, RESTORE_NOT_SAVED, problem ? problem : strerror(-result));
                return;
        }
        for (size_t i = 0; i < restorer->arrivals.n; i++)
                if (add_name(restorer, restorer->arrivals.credentials[i]->name) < 0)
                        break;
        if (vault_settle_arrivals(vault, &restorer->arrivals, on_placed, restorer) < 0) {
                log_error("Out of memory: what was restored is on disk, and in force after a restart.");
                tell(restorer, RESTORE_NOT_SAVED, "purserd has no memory for all of it; restart it");
                return;
        }
        tell(restorer, RESTORE_DONE, NULL);
}

static int take_in(struct restorer *restorer, struct restorer **ret)
{
        const char *problem = vault_store_problem(restorer->context->vault);
        int r;

        if (problem) {
                tell(restorer, RESTORE_NOT_SAVED, problem);
                return 0;
        }
        r = restorer->replace ? 0 : find_taken(restorer);
        if (r < 0)
                return r;
        if (restorer->n_names > 0) {
                tell(restorer, RESTORE_EXIST, NULL);
                return 0;
        }
        hold_replaced(restorer, true);
        r = vault_save_arrivals(restorer->context->vault, &restorer->arrivals, on_saved, restorer,
                                &restorer->write);
        if (r < 0) {
                hold_replaced(restorer, false);
                return r;
        }
        *ret = restorer;
        return 0;
}

int restorer_start(struct restorer **ret, struct context *context, struct refresher *refresher,
                   struct prober *prober, const void *bytes, size_t n, const struct secret *passphrase,
                   bool replace, restore_done_fn *on_done, void *userdata)
{
        _cleanup_(restorer_freep) struct restorer *restorer = calloc(1, sizeof(*restorer));
        int r;

        if (!restorer)
                return fault(-ENOMEM);
        *restorer = (struct restorer){ .context = context,
                                       .refresher = refresher,
                                       .prober = prober,
                                       .replace = replace,
                                       .on_done = on_done,
                                       .userdata = userdata };
        *ret = NULL;
        r = vault_load_all(context->vault);
        if (r == 0)
                r = read_backup(restorer, bytes, n, passphrase);
        if (r < 0)
                return r;
        if (r == BACKUP_E_PASSPHRASE)
                tell(restorer, RESTORE_WRONG_PASSPHRASE, NULL);
        else if (r > 0)
                tell(restorer, RESTORE_UNUSABLE, unusable[r]);
        else
                r = take_in(restorer, ret);
        if (*ret)
                take_ptr(restorer);
        return r < 0 ? r : 0;
}
