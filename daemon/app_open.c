/* From a directory to a vault: the sealing key, the store, and what lies in it. */
#include "daemon/app.h"

#include "daemon/base/events.h"
#include "daemon/base/log.h"
#include "daemon/base/seal.h"
#include "daemon/store/store.h"
#include "daemon/vault/vault.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <systemd/sd-id128.h>

/* Its parent must be there: a path that was misspelled makes no tree of directories. */
static int require_state_dir(struct app *app)
{
        const char *path = app->options->state_dir;

        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return app_fail(
                        EX_CANTCREAT,
                        "cannot make the state directory '%s': %m; make it, or name one with --state-dir",
                        path);
        app->state_dir = realpath(path, NULL);
        if (!app->state_dir)
                return app_fail(EX_NOINPUT, "cannot use the state directory '%s': %m", path);
        return 0;
}

static int load_seal(struct app *app, struct seal **ret)
{
        _cleanup_(secret_freep) struct secret *key = NULL;
        enum seal_key_source source;
        struct diag diag = DIAG_INIT;
        bool made, exists;
        int r;

        /* Asked before anything is made: a new key beside an old store would open nothing. */
        r = store_exists(app->state_dir, &exists);
        if (r == 0)
                r = seal_key_load(&key, &source, &made, app->options->credentials_directory, app->state_dir,
                                  exists, &diag);
        if (r == SEAL_E_NO_KEY)
                return app_fail(EX_CONFIG, "%s", diag.text);
        if (r == 0)
                r = seal_new(ret, key);
        if (r < 0)
                return diag.text[0] ? app_fail(EX_IOERR, "%s", diag.text) : app_fault(r);

        app->sealing_key = source == SEAL_KEY_FILE ? "key-file" : "systemd-credential";
        if (!made && !exists && source == SEAL_KEY_FILE)
                log_error("There is a sealing key in %s, and no store beside it: whatever it held is gone. "
                          "Restore "
                          "purser.db from a backup, or log in again.",
                          app->state_dir);
        if (made)
                log_event(&(struct log_event){ .message_id = EVENT_KEY_MADE, .level = LOG_LEVEL_NOTICE },
                          "Made a sealing key: %s/key. Whoever has this file and the store has the grants; a "
                          "systemd credential "
                          "'purser.key' protects them better (purserd(8)).",
                          app->state_dir);
        return 0;
}

static int open_store(struct app *app, struct store **ret)
{
        struct diag diag = DIAG_INIT;

        int r = store_new(ret, app->state_dir, app->event, &diag);
        switch (r) {
        case 0:
                return 0;
        case STORE_E_IN_USE:
                return app_fail(EX_TEMPFAIL, "%s", diag.text);
        case STORE_E_NEWER:
                return app_fail(EX_CONFIG, "%s", diag.text);
        case STORE_E_CORRUPT:
                return app_fail(EX_DATAERR, "%s", diag.text);
        case -EPERM:
                return app_fail(EX_CONFIG, "%s", diag.text[0] ? diag.text : strerror(EPERM));
        default:
                return diag.text[0] ? app_fail(EX_IOERR, "%s", diag.text) : app_fault(r);
        }
}

static int load_vault(struct app *app)
{
        struct diag diag = DIAG_INIT;

        int r = vault_load(app->context.vault, &diag);
        switch (r) {
        case 0:
                return 0;
        case VAULT_E_WRONG_KEY:
                return app_fail(EX_CONFIG, "%s", diag.text);
        case VAULT_E_STORE:
                return app_fail(EX_DATAERR, "%s", diag.text);
        default:
                return diag.text[0] ? app_fail(EX_IOERR, "%s", diag.text) : app_fault(r);
        }
}

int app_open(struct app *app)
{
        _cleanup_(store_freep) struct store *store = NULL;
        _cleanup_(seal_freep) struct seal *seal = NULL;
        char boot_id[SD_ID128_UUID_STRING_MAX];
        sd_id128_t id;
        int r;

        r = require_state_dir(app);
        if (r == 0)
                r = load_seal(app, &seal);
        if (r == 0)
                r = open_store(app, &store);
        if (r == 0)
                r = app_choose_key(app, store, &seal);
        if (r != 0)
                return r;

        r = sd_id128_get_boot(&id);
        if (r < 0)
                return app_fault(r);
        r = vault_new(&app->context.vault, &app->context, store, seal, sd_id128_to_uuid_string(id, boot_id));
        if (r < 0)
                return app_fault(r);
        store = NULL;
        seal = NULL;
        r = load_vault(app);
        return r != 0 ? r : app_take_over(app);
}
