/* The daemon at work: signals, reloads, what the service manager is told, and an orderly stop. */
#include "daemon/app.h"

#include "daemon/base/events.h"
#include "daemon/report/hooks.h"
#include "daemon/http/http.h"
#include "daemon/base/log.h"
#include "daemon/report/status.h"
#include "daemon/vault/vault.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

enum {
        STATUS_DELAY_USEC = 100000,
        STATUS_DELAY_EACH_USEC = 20, /* for each credential, a few hundred times what counting it takes */
};

/* ---- the service manager's view ---- */

/* Told once: what was given ordinary memory may keep it until the end. */
void app_tell_secret_memory(struct app *app)
{
        struct diag words = DIAG_INIT;
        struct secret_stats stats;

        secret_get_stats(&stats);
        if (stats.bytes_fallback == 0 || app->told_secret_memory)
                return;
        app->told_secret_memory = true;
        log_warning("Of the memory for secrets, %s.", status_secret_memory(&stats, &words));
}

void app_tell_status(void *userdata)
{
        struct app *app = userdata;
        char status[sizeof(app->status)];

        app_tell_secret_memory(app);
        service_summary(app->service, status, sizeof(status));
        if (app->stopping || strcmp(status, app->status) == 0)
                return;
        memcpy(app->status, status, sizeof(status));
        sd_notifyf(0, "STATUS=%s", status);
}

/* A login that waits for its test is part of the credential whose place it is to take. */
static void tell_hooks(struct app *app, const struct credential *credential, bool gone)
{
        if (credential->is_pending)
                credential = vault_find(app->context.vault, credential->name);
        else if (gone)
                credential = NULL;
        if (credential)
                hooks_on_change(app->hooks, credential);
}

void app_on_store_change(void *userdata)
{
        const struct app *app = userdata;

        hooks_on_store_change(app->hooks);
}

void app_on_change(struct credential *credential, bool gone, void *userdata)
{
        struct app *app = userdata;

        tell_hooks(app, credential, gone);
        service_on_change(credential, gone, app->service);
        app_end_handover(app);
        /* Without memory for the timer, the next change tells it. */
        if (!timer_is_armed(&app->status_timer))
                (void)timer_set(&app->timers, &app->status_timer,
                                usec_add(context_now(&app->context),
                                         STATUS_DELAY_USEC + vault_count_loaded(app->context.vault) *
                                                                     STATUS_DELAY_EACH_USEC));
}

/* What was told by the wall clock is told anew; no token's life depends on it. */
void app_on_clock_jump(void *userdata)
{
        struct app *app = userdata;

        service_refresh_all(app->service);
        timers_run(&app->timers, context_now(&app->context));
}

/* ---- what requests to providers need ---- */

void app_join_http(void *userdata)
{
        struct diag diag = DIAG_INIT;
        int r = http_join(&diag);

        if (r < 0)
                log_error("libcurl cannot be used yet: %s (%s). Each request to a provider tries again.",
                          strerror(-r), fault_origin());
        else if (r > 0)
                log_error("No provider can be asked, so that no token is refreshed: %s. Each request to a "
                          "provider tries again.",
                          diag.text);
}

/* ---- reload ---- */

/* systemd.service(5), Type=notify-reload, wants the time at which the reload began. */
static void notify_reloading(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=Reading the configuration again.",
                   (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000);
}

static int load_again(struct app *app, struct config **ret, struct problems *problems)
{
        _cleanup_(config_freep) struct config *config = NULL;
        int r;

        r = config_load(&config, app->options->config, app->options->providers, 2, problems);
        if (r == 0)
                r = config_check_secrets(config, app->options->credentials_directory, geteuid(), problems);
        if (r >= 0 && config)
                r = config_check_hooks(config, geteuid(), problems);
        if (r < 0)
                return r;
        if (problems_count(problems) > 0)
                return SERVICE_E_PROBLEMS;
        *ret = take_ptr(config);
        return 0;
}

/* After this nothing points into the old configuration any more, or, for want of memory, into the new one. */
static int swap(struct app *app, struct config *config)
{
        int r;

        app->context.config = config;
        r = vault_bind(app->context.vault);
        if (r < 0) {
                app->context.config = app->config;
                if (vault_bind(app->context.vault) == -ENOMEM)
                        log_error("Out of memory: credentials that only the configuration names may be "
                                  "missing.");
                config_free(config);
        } else {
                config_free(app->config);
                app->config = config;
        }
        if (hooks_reload(app->hooks) < 0)
                log_error("Out of memory: some commands of on_event are not in force.");
        service_refresh_all(app->service);
        refresher_plan_all(app->refresher);
        prober_plan_all(app->prober);
        return r;
}

static void tell_reload(int r, const struct problems *problems)
{
        struct log_event event = { .message_id = EVENT_CONFIGURATION, .level = LOG_LEVEL_NOTICE };

        if (r == 0) {
                log_event(&event, "The configuration was read again and is in force.");
                return;
        }
        for (size_t i = 0; i < problems->n; i++)
                log_error("%s", problems->lines[i]);
        event.level = LOG_LEVEL_ERROR;
        if (r < 0)
                log_event(&event,
                          "The configuration could not be read again; the one that runs stays: %s (%s)",
                          strerror(-r), fault_origin());
        else
                log_event(&event, "The configuration is wrong (%zu mistakes); the one that runs stays.",
                          problems_count(problems));
}

int app_reload(struct problems *problems, void *userdata)
{
        struct app *app = userdata;
        struct config *config;
        int r;

        if (app->stopping) {
                (void)problems_add(problems, "", 0, 0, "", "purserd is stopping");
                return SERVICE_E_PROBLEMS;
        }
        notify_reloading();
        r = load_again(app, &config, problems);
        if (r == 0)
                r = swap(app, config);
        tell_reload(r, problems);
        service_summary(app->service, app->status, sizeof(app->status));
        sd_notifyf(0, "READY=1\nSTATUS=%s", app->status);
        return r;
}

/* ---- signals ---- */

/* Callers are answered before the end: what a refresh brought, and what they asked while it was awaited. */
static void exit_when_all_is_done(void *userdata)
{
        struct app *app = userdata;

        if (app->refreshes_ended && server_is_drained(app->server) && loads_is_idle(app->loads) &&
            service_is_idle(app->service))
                sd_event_exit(app->event, EX_OK);
}

static void on_stopped(void *userdata)
{
        struct app *app = userdata;

        app->refreshes_ended = true;
        exit_when_all_is_done(app);
}

void app_stop(struct app *app)
{
        struct refresh_stats stats;

        refresher_get_stats(app->refresher, &stats);
        if (app->stopping) {
                log_notice("Still waiting for %u refreshes: ending now could lose their grants.",
                           stats.in_flight);
                return;
        }
        app->stopping = true;
        sd_notify(0, "STOPPING=1\nSTATUS=Waiting for refreshes in flight.");
        app_load_end(app);
        log_notice("Stopping; %u refreshes are in flight.", stats.in_flight);
        loads_drain(app->loads, exit_when_all_is_done, app);
        server_drain(app->server, exit_when_all_is_done, app);
        refresher_stop(app->refresher, on_stopped, app);
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        app_stop(userdata);
        return 0;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        _cleanup_(problems_done) struct problems problems = PROBLEMS_INIT;

        (void)app_reload(&problems, userdata);
        return 0;
}

int app_add_signals(struct app *app)
{
        static const struct {
                int number;
                sd_event_signal_handler_t handler;
        } signals[] = { { SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGHUP, on_reload } };
        sigset_t mask;

        signal(SIGPIPE, SIG_IGN);
        sigemptyset(&mask);
        for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
                sigaddset(&mask, signals[i].number);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return fault(-errno);

        for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
                sd_event_source *source;
                int r = sd_event_add_signal(app->event, &source, signals[i].number, signals[i].handler, app);

                if (r < 0)
                        return fault(r);
                app->signals[i] = source;
        }
        return 0;
}

/* ---- running ---- */

int app_run(struct app *app)
{
        int r = server_loop(app->server);
        if (r < 0)
                return app_fault(r);

        r = app_leave(app);
        return app->exit_status != 0 ? app->exit_status : r;
}
