/*
 * What could not be saved, from one purserd to the next.
 *
 * A stop with unsaved grants goes three ways at once. They are given to the service manager, whose file descriptor store outlives a
 * restart, though not a stop or a reboot - and which of these it is cannot be known. Meanwhile the disk is tried again, and again: a few
 * seconds where the manager keeps them, and much longer, loudly, where nobody does, because ending then is losing them. In the end it
 * does end: a machine that goes down cannot be held up for ever, and SIGKILL would come in place of a last try.
 */
#include "daemon/app.h"

#include "daemon/base/events.h"
#include "daemon/store/handover.h"
#include "daemon/base/log.h"
#include "daemon/vault/vault.h"
#include "daemon/vault/vault_batch.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <time.h>

enum { KEPT_PATIENCE_SEC = 5, ALONE_PATIENCE_SEC = 60, MAX_PASSED = 16 };

/* ---- at the start ---- */

static int on_op(const struct store_op *op, void *userdata)
{
        return vault_adopt(userdata, op);
}

static int adopt_one(struct app *app, const struct handover_passed *passed, struct vault_adoption *adoption)
{
        unsigned refused = adoption->n_refused;
        int r;

        r = handover_unpack(passed->fd, on_op, adoption);
        if (r < 0)
                return r;
        if (r > 0 || adoption->n_refused > refused) {
                log_error("What the purserd before this one handed over does not open; the service manager "
                          "keeps it.");
                app->unreadable_handover = true;
        }
        app->handed_over = passed->name;
        return 0;
}

int app_take_over(struct app *app)
{
        struct vault_adoption adoption = { .vault = app->context.vault };
        struct handover_passed passed[MAX_PASSED];
        size_t n;
        int r;

        r = handover_passed(passed, MAX_PASSED, &n);
        if (r == 0 && n > 0)
                r = vault_load_all(app->context.vault);
        for (size_t i = 0; i < n; i++) {
                if (r == 0)
                        r = adopt_one(app, &passed[i], &adoption);
                closep(&passed[i].fd);
        }
        if (r == 0 && n > 0)
                r = vault_adopt_end(&adoption);
        if (r < 0)
                return app_fault(r);

        if (adoption.n_adopted > 0)
                log_event(&(struct log_event){ .message_id = EVENT_SAVE_FAILED, .level = LOG_LEVEL_WARNING },
                          "%u grants that the purserd before this one could not save were handed over; they "
                          "are "
                          "served, and saved as soon as the disk takes them.",
                          adoption.n_adopted);
        app_end_handover(app);
        return 0;
}

void app_end_handover(struct app *app)
{
        if (!app->handed_over || app->unreadable_handover || vault_unsaved(app->context.vault) > 0)
                return;

        handover_drop(HANDOVER_NAME);
        handover_drop(HANDOVER_OTHER_NAME);
        app->handed_over = NULL;
}

/* ---- at the end ---- */

/* The new one is kept before the old one is let go. */
static bool give(struct app *app)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        _cleanup_(closep) int fd = -1;
        const char *old = app->handed_over;
        const char *name = old && strcmp(old, HANDOVER_NAME) == 0 ? HANDOVER_OTHER_NAME : HANDOVER_NAME;
        int r;

        r = vault_put_unsaved(app->context.vault, &batch);
        if (r == 0)
                r = handover_pack(batch.ops, batch.n, &fd);
        if (r == 0)
                r = handover_give(fd, name);
        if (r != 0)
                return false;

        if (old && !app->unreadable_handover)
                handover_drop(old);
        app->handed_over = name;
        return true;
}

static void tell_waiting(const struct app *app, size_t n, bool kept, unsigned seconds)
{
        const char *problem = vault_store_problem(app->context.vault);

        log_event(&(struct log_event){ .message_id = EVENT_SAVE_FAILED, .level = LOG_LEVEL_ERROR },
                  "%zu credentials are not on disk (%s)%s. purserd goes on trying to save them for %u s "
                  "before it ends.",
                  n, problem ? problem : "-",
                  kept ? "; the service manager keeps them over a restart, but not over a stop"
                       : ", and nobody keeps them: make room, or their grants are lost",
                  seconds);
        sd_notifyf(0,
                   "EXTEND_TIMEOUT_USEC=%" PRIu64
                   "\nSTATUS=%zu credentials are not on disk; trying to save them before the end.",
                   (uint64_t)(seconds + 10) * USEC_PER_SEC, n);
}

static int tell_end(struct app *app, size_t n, bool kept)
{
        const char *problem = vault_store_problem(app->context.vault);
        struct log_event event = { .message_id = EVENT_SAVE_FAILED, .level = LOG_LEVEL_ERROR };

        if (n == 0) {
                app_end_handover(app);
                return EX_OK;
        }
        if (kept) {
                log_event(&event,
                          "%zu credentials are not on disk; the service manager keeps their grants for the "
                          "next purserd.",
                          n);
                return EX_OK;
        }
        log_event(&event,
                  "%zu credentials could not be saved before the end: their newest grants are lost, and "
                  "`purser login` is needed "
                  "for those that rotate. The disk: %s",
                  n, problem ? problem : "-");
        return EX_IOERR;
}

int app_leave(struct app *app)
{
        size_t n = vault_flush(app->context.vault);
        unsigned patience;
        bool kept;

        if (n == 0)
                return tell_end(app, 0, false);

        kept = give(app);
        patience = kept ? KEPT_PATIENCE_SEC : ALONE_PATIENCE_SEC;
        tell_waiting(app, n, kept, patience);
        for (unsigned i = 0; i < 2 * patience && n > 0; i++) {
                nanosleep(&(struct timespec){ .tv_nsec = 500 * 1000 * 1000 }, NULL);
                sd_notify(0, "WATCHDOG=1");
                n = vault_flush(app->context.vault);
        }
        return tell_end(app, n, kept);
}
