/* What the store holds beyond the first credentials, read between the turns of the loop. */
#include "daemon/app.h"

#include "daemon/report/hooks.h"
#include "daemon/base/log.h"
#include "daemon/login/login.h"
#include "daemon/refresh/probe.h"
#include "daemon/refresh/refresh.h"
#include "daemon/vault/vault.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <systemd/sd-event.h>

enum { PAUSE_USEC = 1000000 };

/* As plan() does it with those that were there at the start. */
static void on_loaded(struct credential *credential, void *userdata)
{
        struct app *app = userdata;

        hooks_on_loaded(app->hooks, credential);
        refresher_plan(app->refresher, credential);
        prober_plan(app->prober, credential);
        if (credential->pending && logins_resume_one(app->logins, credential) < 0)
                log_error("Out of memory: the pending login of '%s' could not be resumed.", credential->name);
}

/* From the midst of anything: the end is begun by the loop. */
static void on_failed(int result, const char *problem, void *userdata)
{
        struct app *app = userdata;

        log_error("The store cannot be read to its end, so that purserd ends, too; what it holds is left as "
                  "it is: %s.",
                  problem);
        app->exit_status = result < 0 ? EX_IOERR : EX_DATAERR;
        timer_stop(&app->timers, &app->load_timer);
        (void)sd_event_source_set_enabled(app->load_source, SD_EVENT_ON);
}

static void tell_loaded(struct app *app)
{
        uint64_t msec = (context_now(&app->context) - app->load_began_usec) / USEC_PER_MSEC;

        log_notice("All %zu credentials are read from the store; it took %" PRIu64 ".%03" PRIu64 " s.",
                   vault_count_loaded(app->context.vault), msec / 1000, msec % 1000);
        app_tell_status(app);
}

static int on_turn(sd_event_source *source, void *userdata)
{
        struct app *app = userdata;
        int r = vault_load_more(app->context.vault);

        if (r == 0 && vault_is_loading(app->context.vault))
                return 0;
        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
        if (r == 0) {
                tell_loaded(app);
        } else if (r != -ENOMEM) {
                /* Or it failed before anybody could be told. */
                if (app->exit_status == 0)
                        on_failed(r, strerror(-r), app);
                (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
                app_stop(app);
        } else {
                log_error("Reading the store is held up: %s.", fault_origin());
                (void)timer_set(&app->timers, &app->load_timer,
                                usec_add(context_now(&app->context), PAUSE_USEC));
        }
        return 0;
}

static void on_pause_over(void *userdata)
{
        struct app *app = userdata;

        (void)sd_event_source_set_enabled(app->load_source, SD_EVENT_ON);
}

int app_load_later(struct app *app)
{
        sd_event_source *source;
        int r;

        if (!vault_is_loading(app->context.vault))
                return 0;
        r = sd_event_add_defer(app->event, &source, on_turn, app);
        if (r < 0)
                return app_fault(r);
        app->load_source = source;
        r = sd_event_source_set_enabled(source, SD_EVENT_ON);
        if (r < 0)
                return app_fault(r);
        app->load_began_usec = context_now(&app->context);
        timer_init(&app->load_timer, on_pause_over, app);
        app->loader = (struct vault_loader){ on_loaded, on_failed, app };
        vault_set_loader(app->context.vault, &app->loader);
        return 0;
}

void app_load_end(struct app *app)
{
        if (!app->load_source)
                return;
        timer_stop(&app->timers, &app->load_timer);
        app->load_source = sd_event_source_disable_unref(app->load_source);
        vault_set_loader(app->context.vault, NULL);
}
