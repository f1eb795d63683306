/* A backup made, piece by piece: the marks of so many credentials are made durable, and then their grants leave. */
#include "daemon/transfer/transfer.h"

#include "daemon/transfer/backup_item.h"
#include "daemon/base/events.h"
#include "daemon/base/log.h"
#include "daemon/vault/vault_transfer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
        MARKED_AT_ONCE = 64,
        PIECE_ENOUGH =
                512 *
                1024, /* bytes after which a piece is told; with the longest frame behind it, it fits into a reply */
        MOST_SYNCS = 100, /* a grant that is being saved is waited for; not for ever */
};

struct exporter {
        struct context *context;
        struct refresher *refresher;
        struct backup_writer *writer;
        bool move, began, ended;
        export_piece_fn *on_piece;
        void *userdata;

        char **names; /* of all credentials that there were at the beginning, sorted */
        size_t n_names;
        size_t put_end, marked_end; /* those before put_end have left; before marked_end, are marked */
        size_t batch_begin, batch_end;
        bool held[MARKED_AT_ONCE], marked[MARKED_AT_ONCE]; /* of the batch: by this export */
        int64_t exported_before[MARKED_AT_ONCE];
        unsigned n_syncs;
        struct waiter *waiter;
        struct vault_write *write;

        uint8_t *bytes; /* of the piece */
        size_t n, allocated;
        size_t n_credentials, n_client_secrets, n_left_out;
};

static struct credential *nth(const struct exporter *exporter, size_t i)
{
        struct credential *credential = vault_find(exporter->context->vault, exporter->names[i]);

        return credential && vault_may_export(credential) ? credential : NULL;
}

/* One of the batch that this export has marked; what was logged in for since has no mark, and stays. */
static struct credential *nth_marked(const struct exporter *exporter, size_t i)
{
        struct credential *credential = vault_find(exporter->context->vault, exporter->names[i]);

        return credential && exporter->marked[i - exporter->batch_begin] &&
                               credential->exported_wall_usec != 0
                       ? credential
                       : NULL;
}

/* ---- the piece ---- */

static int put_frame(struct exporter *exporter, const struct secret_buf *plain, bool last)
{
        size_t needed = exporter->n + plain->n + BACKUP_FRAME_OVERHEAD;
        int r;

        if (needed > exporter->allocated) {
                uint8_t *bytes = realloc(exporter->bytes, 2 * needed);

                if (!bytes)
                        return fault(-ENOMEM);
                exporter->bytes = bytes;
                exporter->allocated = 2 * needed;
        }
        r = backup_writer_put(exporter->writer, plain->data, plain->n, last, exporter->bytes + exporter->n);
        if (r == 0)
                exporter->n = needed;
        return r;
}

static int put_credential(struct exporter *exporter, const struct credential *credential)
{
        _cleanup_(secret_buf_done) struct secret_buf plain = SECRET_BUF_INIT(BACKUP_FRAME_MAX);
        int r;

        r = backup_encode_credential(credential, &plain);
        if (r == 0)
                r = put_frame(exporter, &plain, false);
        exporter->n_credentials += r == 0;
        return r;
}

static int put_secret(const char *client, const struct secret *secret, void *userdata)
{
        _cleanup_(secret_buf_done) struct secret_buf plain = SECRET_BUF_INIT(BACKUP_FRAME_MAX);
        struct exporter *exporter = userdata;
        int r;

        r = backup_encode_client_secret(client, secret, &plain);
        if (r == 0)
                r = put_frame(exporter, &plain, false);
        exporter->n_client_secrets += r == 0;
        return r;
}

static void tell(struct exporter *exporter, enum export_verdict verdict, const char *reason)
{
        struct export_piece piece = {
                .verdict = verdict,
                .bytes = exporter->bytes,
                .n = exporter->n,
                .n_credentials = exporter->n_credentials,
                .n_client_secrets = exporter->n_client_secrets,
                .n_left_out = exporter->n_left_out,
                .reason = reason,
        };

        exporter->ended = verdict != EXPORT_PIECE;
        exporter->n = 0;
        exporter->on_piece(&piece, exporter->userdata);
}

static int put_end(struct exporter *exporter)
{
        _cleanup_(secret_buf_done) struct secret_buf plain = SECRET_BUF_INIT(BACKUP_FRAME_MAX);
        int r;

        r = vault_each_client_secret(exporter->context->vault, put_secret, exporter);
        if (r == 0)
                r = backup_encode_end(exporter->n_credentials, exporter->n_client_secrets, &plain);
        if (r == 0)
                r = put_frame(exporter, &plain, true);
        if (r == 0)
                tell(exporter, EXPORT_END, NULL);
        return r;
}

/* A grant that is moved does not change any more; of one that is not, the newest is what leaves. */
static int put_marked(struct exporter *exporter)
{
        int r = 0;

        while (exporter->put_end < exporter->marked_end && exporter->n < PIECE_ENOUGH && r == 0) {
                const struct credential *credential = nth_marked(exporter, exporter->put_end++);

                if (credential)
                        r = put_credential(exporter, credential);
        }
        if (r == 0)
                tell(exporter, EXPORT_PIECE, NULL);
        return r;
}

/* ---- marks ---- */

static void note_exported(const struct exporter *exporter, const struct credential *credential)
{
        log_event(&(struct log_event){ .message_id = EVENT_EXPORTED,
                                       .level = LOG_LEVEL_NOTICE,
                                       .credential = credential->name,
                                       .client = credential->client_name,
                                       .generation = credential->grant.generation },
                  exporter->move
                          ? "The grant of '%s' leaves in a backup, and is not refreshed here any more."
                          : "The grant of '%s' leaves in a backup: whoever restores that and refreshes "
                            "it breaks it here.",
                  credential->name);
}

static void release(struct exporter *exporter, size_t i, struct credential *credential)
{
        if (!exporter->held[i - exporter->batch_begin])
                return;
        exporter->held[i - exporter->batch_begin] = false;
        refresher_plan(exporter->refresher, credential);
}

static void mark(struct exporter *exporter, size_t i, struct credential *credential)
{
        exporter->exported_before[i - exporter->batch_begin] = credential->exported_wall_usec;
        exporter->marked[i - exporter->batch_begin] = true;
        credential_mark_exported(credential, clock_wall_usec(exporter->context->clock), exporter->move);
        vault_save_facts(exporter->context->vault, credential);
}

static void unmark(struct exporter *exporter, size_t i, struct credential *credential)
{
        credential_unmark_exported(credential);
        credential->exported_wall_usec = exporter->exported_before[i - exporter->batch_begin];
        vault_save_facts(exporter->context->vault, credential);
}

/* The batch stays what it was. */
static void give_up(struct exporter *exporter)
{
        const char *problem = vault_store_problem(exporter->context->vault);

        for (size_t i = exporter->marked_end; i < exporter->batch_end; i++) {
                struct credential *credential = vault_find(exporter->context->vault, exporter->names[i]);

                if (!credential)
                        continue;
                if (nth_marked(exporter, i))
                        unmark(exporter, i, credential);
                release(exporter, i, credential);
        }
        tell(exporter, EXPORT_NOT_SAVED,
             problem ? problem : "that the grants leave could not be saved; try again");
}

static bool is_batch_durable(const struct exporter *exporter)
{
        for (size_t i = exporter->marked_end; i < exporter->batch_end; i++) {
                const struct credential *credential = nth_marked(exporter, i);

                if (credential && credential->facts_unsaved)
                        return false;
        }
        return true;
}

static void finish_batch(struct exporter *exporter)
{
        for (size_t i = exporter->marked_end; i < exporter->batch_end; i++) {
                struct credential *credential = vault_find(exporter->context->vault, exporter->names[i]);

                if (!credential)
                        continue;
                if (nth_marked(exporter, i))
                        note_exported(exporter, credential);
                release(exporter, i, credential);
                context_changed(exporter->context, credential, false);
        }
        exporter->marked_end = exporter->batch_end;
}

static void end_in_fault(struct exporter *exporter)
{
        tell(exporter, EXPORT_NOT_SAVED, "purserd has no memory for it");
}

static void on_synced(int result, void *userdata)
{
        struct exporter *exporter = userdata;

        exporter->write = NULL;
        if (result < 0 || vault_store_problem(exporter->context->vault)) {
                give_up(exporter);
                return;
        }
        if (!is_batch_durable(exporter)) {
                /* A new grant of one of them is being saved, and its facts come behind it. */
                if (++exporter->n_syncs > MOST_SYNCS ||
                    vault_sync(exporter->context->vault, on_synced, exporter, &exporter->write) < 0)
                        give_up(exporter);
                return;
        }
        finish_batch(exporter);
        if (put_marked(exporter) < 0)
                end_in_fault(exporter);
}

static int mark_batch(struct exporter *exporter);

static void on_quiesced(const struct token_answer *answer, void *userdata)
{
        struct exporter *exporter = userdata;

        (void)answer; /* whatever came of that refresh: it is over */
        exporter->waiter = waiter_free(exporter->waiter);
        if (mark_batch(exporter) < 0)
                give_up(exporter);
}

/* 0: none of the batch is being refreshed, and none will be; REFRESH_E_WAITING: one that is on the wire is waited for. */
static int quiesce_batch(struct exporter *exporter)
{
        for (size_t i = exporter->marked_end; i < exporter->batch_end; i++) {
                struct credential *credential = nth(exporter, i);
                bool *held = &exporter->held[i - exporter->batch_begin];
                int r;

                if (!credential)
                        continue;
                *held |= !credential->held;
                r = refresher_quiesce(exporter->refresher, credential, on_quiesced, exporter,
                                      &exporter->waiter);
                if (r != 0)
                        return r;
        }
        return 0;
}

static int mark_batch(struct exporter *exporter)
{
        int r = exporter->move ? quiesce_batch(exporter) : 0;

        if (r != 0)
                return r < 0 ? r : 0;
        for (size_t i = exporter->marked_end; i < exporter->batch_end; i++) {
                struct credential *credential = nth(exporter, i);

                if (credential)
                        mark(exporter, i, credential);
        }
        exporter->n_syncs = 0;
        return vault_sync(exporter->context->vault, on_synced, exporter, &exporter->write);
}

/* ---- from the beginning to the end ---- */

static int put_about(struct exporter *exporter)
{
        _cleanup_(secret_buf_done) struct secret_buf plain = SECRET_BUF_INIT(BACKUP_FRAME_MAX);
        int r;

        exporter->began = true;
        r = backup_encode_about(clock_wall_usec(exporter->context->clock), exporter->move, &plain);
        return r < 0 ? r : put_frame(exporter, &plain, false);
}

int exporter_go_on(struct exporter *exporter)
{
        int r = 0;

        assert(!exporter->ended && !exporter->waiter && !exporter->write);
        if (!exporter->began)
                r = put_about(exporter);
        if (r < 0)
                return r;
        if (exporter->put_end < exporter->marked_end)
                return put_marked(exporter);
        if (exporter->marked_end == exporter->n_names)
                return put_end(exporter);
        exporter->batch_end = exporter->marked_end + MARKED_AT_ONCE;
        if (exporter->batch_end > exporter->n_names)
                exporter->batch_end = exporter->n_names;
        exporter->batch_begin = exporter->marked_end;
        memset(exporter->held, 0, sizeof(exporter->held));
        memset(exporter->marked, 0, sizeof(exporter->marked));
        return mark_batch(exporter);
}

static int keep_name(struct credential *credential, void *userdata)
{
        struct exporter *exporter = userdata;

        if (!vault_may_export(credential)) {
                exporter->n_left_out += credential->moved || credential->unreadable || credential->pending;
                return 0;
        }
        exporter->names[exporter->n_names] = strdup(credential->name);
        if (!exporter->names[exporter->n_names])
                return fault(-ENOMEM);
        exporter->n_names++;
        return 0;
}

int exporter_new(struct exporter **ret, struct context *context, struct refresher *refresher,
                 const struct secret *passphrase, const struct backup_cost *cost, bool move,
                 export_piece_fn *on_piece, void *userdata)
{
        _cleanup_(exporter_freep) struct exporter *exporter = calloc(1, sizeof(*exporter));
        int r;

        if (!exporter)
                return fault(-ENOMEM);
        *exporter = (struct exporter){ .context = context,
                                       .refresher = refresher,
                                       .move = move,
                                       .ended = true,
                                       .on_piece = on_piece,
                                       .userdata = userdata };
        r = vault_load_all(context->vault);
        if (r < 0)
                return r;
        exporter->names = calloc(vault_count_loaded(context->vault) + 1, sizeof(char *));
        exporter->bytes = malloc(BACKUP_HEADER_SIZE);
        if (!exporter->names || !exporter->bytes)
                return fault(-ENOMEM);
        exporter->n = exporter->allocated = BACKUP_HEADER_SIZE;
        r = vault_each(context->vault, keep_name, exporter);
        if (r == 0)
                r = backup_writer_new(&exporter->writer, passphrase, cost, exporter->bytes);
        if (r < 0)
                return r;
        exporter->ended = false;
        *ret = take_ptr(exporter);
        return 0;
}

struct exporter *exporter_free(struct exporter *exporter)
{
        if (!exporter)
                return NULL;
        waiter_free(exporter->waiter);
        vault_write_free(exporter->write);
        for (size_t i = exporter->marked_end; i < exporter->batch_end; i++) {
                struct credential *credential = vault_find(exporter->context->vault, exporter->names[i]);

                if (credential)
                        release(exporter, i, credential);
        }
        if (!exporter->ended)
                log_warning("An export was cut off, and what came of it is no backup.%s",
                            exporter->move ? " The grants that had left stay here with: purser keep" : "");
        for (size_t i = 0; i < exporter->n_names; i++)
                free(exporter->names[i]);
        free(exporter->names);
        free(exporter->bytes);
        backup_writer_free(exporter->writer);
        free(exporter);
        return NULL;
}

void transfer_keep(struct context *context, struct refresher *refresher, struct credential *credential)
{
        bool moved = credential->moved;

        if (credential->exported_wall_usec == 0)
                return;
        credential_unmark_exported(credential);
        vault_save_facts(context->vault, credential);
        context_changed(context, credential, false);
        if (moved)
                refresher_plan(refresher, credential);
}
