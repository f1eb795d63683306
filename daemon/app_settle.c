/* What a start leaves for after its first answers: who waits for them needs none of it. */
#include "daemon/app.h"

#include "daemon/base/events.h"
#include "daemon/base/log.h"

#include <string.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#ifndef PURSER_VERSION
#define PURSER_VERSION "unknown"
#endif

/* A mistake in a file that nobody uses ends the start all the same: else it would wait for whoever uses it first. */
static int read_rest(struct app *app)
{
        _cleanup_(problems_done) struct problems problems = PROBLEMS_INIT;
        _cleanup_(config_freep) struct config *whole = NULL;
        int r;

        if (!app->config->is_partial)
                return 0;
        r = config_load(&whole, app->options->config, app->options->providers, 2, &problems);
        if (r > 0)
                return app_tell_problems(&problems, false);
        if (r == 0)
                r = config_add_rest(app->config, whole);
        return r < 0 ? app_fault(r) : 0;
}

static void tell_started(struct app *app)
{
        struct diag words;

        app->status[0] = '\0';
        diag_set(&words, "purserd %s serves; credentials: %zu%s, clients: %zu, sealed with a key from %s.",
                 PURSER_VERSION, vault_count_loaded(app->context.vault),
                 vault_is_loading(app->context.vault) ? " so far" : "", app->config->n_clients,
                 strcmp(app->sealing_key, "key-file") == 0 ? "a key file" : "a systemd credential");
        log_event(&(struct log_event){ .message_id = EVENT_STARTED, .level = LOG_LEVEL_NOTICE }, "%s",
                  words.text);
        app_tell_secret_memory(app);
        service_summary(app->service, app->status, sizeof(app->status));
        sd_notifyf(0, "READY=1\nSTATUS=%s", app->status);
}

void app_settle(void *userdata)
{
        struct app *app = userdata;
        int status;

        if (app->settled || app->stopping)
                return;
        app->settled = true;
        status = read_rest(app);
        if (status == 0)
                tell_started(app);
        else if (app->exit_status == 0)
                app->exit_status = status;
}

/* A call may have settled it, but in its midst there is no end. */
static int on_settle(sd_event_source *source, void *userdata)
{
        struct app *app = userdata;

        app_settle(app);
        if (app->exit_status != 0 && !app->stopping)
                app_stop(app);
        return 0;
}

/* The loop serves whoever has asked already, and then turns to this. */
int app_settle_later(struct app *app)
{
        sd_event_source *source;
        int r;

        r = sd_event_add_defer(app->event, &source, on_settle, app);
        if (r < 0)
                return app_fault(r);
        app->settle_source = source;
        return 0;
}
