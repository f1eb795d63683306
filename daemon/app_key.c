/* The sealing key and its change: which key holds, and in what order key and store become durable. */
#include "daemon/app.h"

#include "daemon/base/log.h"
#include "daemon/base/seal.h"
#include "daemon/vault/vault.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

static enum seal_key_source source_of(const struct app *app)
{
        return strcmp(app->sealing_key, "key-file") == 0 ? SEAL_KEY_FILE : SEAL_KEY_SYSTEMD_CREDENTIAL;
}

static int load_new(struct app *app, struct seal **ret, struct diag *diag)
{
        _cleanup_(secret_freep) struct secret *key = NULL;

        int r = seal_key_load_new(&key, source_of(app), app->options->credentials_directory, app->state_dir,
                                  diag);
        return r != 0 ? r : seal_new(ret, key);
}

/* In force already: a restart finds both, and chooses the right one. */
static void install(struct app *app)
{
        if (seal_key_install_new(app->state_dir) < 0)
                log_warning("The store is sealed with the key in %s/key.new, which cannot take the place of "
                            "%s/key: %m. Keep both.",
                            app->state_dir, app->state_dir);
}

static void take_new(struct app *app, struct seal **seal, struct seal **new)
{
        seal_free(*seal);
        *seal = take_ptr(*new);
        if (source_of(app) == SEAL_KEY_FILE)
                install(app);
        else
                log_warning(
                        "The store is sealed with the systemd credential purser.key.new: give it the name "
                        "purser.key.");
}

int app_choose_key(struct app *app, struct store *store, struct seal **seal)
{
        _cleanup_(seal_freep) struct seal *new = NULL;
        struct diag diag = DIAG_INIT;
        size_t n_opened[2];

        int r = load_new(app, &new, &diag);
        if (r == -ENOENT)
                return 0;
        if (r == 0)
                r = vault_count_opened(store, *seal, new, n_opened, &diag);
        if (r != 0)
                return diag.text[0] ? app_fail(EX_DATAERR, "%s", diag.text) : app_fault(r);
        if (n_opened[0] == 0 && n_opened[1] > 0)
                take_new(app, seal, &new);
        else if (n_opened[0] > 0 && n_opened[1] == 0 && source_of(app) == SEAL_KEY_FILE)
                (void)seal_key_drop_new(app->state_dir);
        return 0;
}

/* One that an attempt before this left behind may hold all the same, for all that is known: it is used again. */
static int require_new(struct app *app, struct seal **ret, struct diag *diag)
{
        _cleanup_(secret_freep) struct secret *key = NULL;
        int r = load_new(app, ret, diag);

        if (r == 0 && vault_is_sealed_with(app->context.vault, *ret)) {
                *ret = seal_free(*ret);
                if (source_of(app) == SEAL_KEY_FILE)
                        r = seal_key_install_new(app->state_dir);
                if (r == 0)
                        r = -ENOENT;
        }
        if (r != -ENOENT)
                return r;
        if (source_of(app) == SEAL_KEY_SYSTEMD_CREDENTIAL) {
                diag_set(diag, "the key comes from a systemd credential: give the service another key as the "
                               "credential purser.key.new, restart it, and repeat this");
                return SEAL_E_NO_KEY;
        }
        r = seal_key_make_new(&key, app->state_dir);
        return r != 0 ? r : seal_new(ret, key);
}

int app_change_key(struct key_change *ret, struct diag *diag, void *userdata)
{
        _cleanup_(seal_freep) struct seal *new = NULL;
        struct app *app = userdata;
        size_t n = 0;

        int r = require_new(app, &new, diag);
        if (r == 0)
                r = vault_change_key(app->context.vault, &new, &n, diag);
        if (r > 0)
                return SERVICE_E_NOT_SAVED;
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                diag_set(diag, "the new key cannot be kept: %s", strerror(-r));
                return SERVICE_E_NOT_SAVED;
        }
        if (source_of(app) == SEAL_KEY_FILE)
                install(app);
        log_notice("%zu records are sealed with another key from now on.", n);
        *ret = (struct key_change){ .n_records = n, .source = app->sealing_key };
        return 0;
}
