/*
 * Grants on their way from one machine to another: sealed into a backup, and taken out of one. Two machines that refresh one grant break each
 * other: what leaves is marked, durably, before it leaves, or stops being refreshed here; what comes is refreshed at once, so that a grant
 * that was rotated elsewhere since is told at once.
 */
#pragma once

#include "daemon/transfer/backup.h"
#include "daemon/vault/context.h"
#include "daemon/refresh/probe.h"
#include "daemon/refresh/refresh.h"

/* ---- leaving ---- */

enum export_verdict {
        EXPORT_PIECE, /* more follows */
        EXPORT_END, /* the last piece */
        EXPORT_NOT_SAVED, /* reason; it is over, and what was told is no whole backup */
};

struct export_piece {
        enum export_verdict verdict;
        const uint8_t *bytes; /* borrowed for the callback */
        size_t n;
        size_t n_credentials, n_client_secrets; /* so far */
        size_t n_left_out; /* moved before, unreadable, or a login that waits for its test */
        const char *reason;
};

typedef void export_piece_fn(const struct export_piece *piece, void *userdata);
struct exporter;

/* move: the grants are not refreshed here any more once they have left. Parts are borrowed; the passphrase for the call. */
int exporter_new(struct exporter **ret, struct context *context, struct refresher *refresher,
                 const struct secret *passphrase, const struct backup_cost *cost, bool move,
                 export_piece_fn *on_piece, void *userdata);
struct exporter *exporter_free(struct exporter *exporter); /* not from within on_piece */
DEFINE_FREEP(struct exporter *, exporter_free)
/* Makes the next piece: on_piece is told of it once, from within or later. Not after an end. */
int exporter_go_on(struct exporter *exporter);

/* The grant is this machine's after all: forgets that it was exported, and goes on refreshing one that was moved. */
void transfer_keep(struct context *context, struct refresher *refresher, struct credential *credential);

/* ---- coming ---- */

enum restore_verdict {
        RESTORE_DONE,
        RESTORE_UNUSABLE, /* reason */
        RESTORE_WRONG_PASSPHRASE,
        RESTORE_EXIST, /* names: of credentials that are here already */
        RESTORE_NOT_SAVED, /* reason; nothing was changed */
};

struct restore_answer {
        enum restore_verdict verdict;
        const char *reason;
        const char *const *names; /* EXIST; DONE: what was restored */
        size_t n_names;
        size_t n_client_secrets,
                n_secrets_kept; /* DONE: restored, and those that were here already and stay */
        int64_t made_wall_usec; /* DONE */
        bool moved; /* DONE: the machine that made it does not refresh these grants any more */
};

typedef void restore_done_fn(const struct restore_answer *answer, void *userdata);
struct restorer;

/*
 * Everything or nothing. Parts are borrowed, bytes and passphrase for the call. on_done is told once: from within (then *ret is NULL), or later.
 */
int restorer_start(struct restorer **ret, struct context *context, struct refresher *refresher,
                   struct prober *prober, const void *bytes, size_t n, const struct secret *passphrase,
                   bool replace, restore_done_fn *on_done, void *userdata);
/* What was written is found at the next start. */
struct restorer *restorer_free(struct restorer *restorer);
DEFINE_FREEP(struct restorer *, restorer_free)
