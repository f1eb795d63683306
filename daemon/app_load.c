/*
 * What takes long, a little at a time between the turns of the loop: the store beyond the first credentials is read, and long answers are
 * made. A descriptor that is always ready stands for that: the loop takes those that are ready in turn, while an event source that it defers
 * would come before every other one of its priority.
 */
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
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>
#include <unistd.h>

enum {
        PAUSE_USEC = 1000000,
        HURRY_USEC = 4000, /* how long others may wait for a turn, while somebody waits for the end */
};

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
        app->is_loading = true;
        app_want_turn(app);
}

static void tell_loaded(struct app *app)
{
        uint64_t msec = (context_now(&app->context) - app->load_began_usec) / USEC_PER_MSEC;

        log_notice("All %zu credentials are read from the store; it took %" PRIu64 ".%03" PRIu64 " s.",
                   vault_count_loaded(app->context.vault), msec / 1000, msec % 1000);
        service_set_loading(app->service, false);
        app_tell_status(app);
}

static int load_some(struct app *app)
{
        uint64_t began_usec = context_now(&app->context);
        int r;

        do
                r = vault_load_more(app->context.vault);
        while (r == 0 && vault_is_loading(app->context.vault) && service_awaits_all(app->service) &&
               context_now(&app->context) - began_usec < HURRY_USEC);
        return r;
}

static void go_on_loading(struct app *app)
{
        int r = load_some(app);

        app->is_loading = r == 0 && vault_is_loading(app->context.vault);
        if (app->is_loading)
                return;
        if (r == 0) {
                tell_loaded(app);
        } else if (r != -ENOMEM) {
                /* Or it failed before anybody could be told. */
                if (app->exit_status == 0)
                        on_failed(r, strerror(-r), app);
                app_stop(app);
        } else {
                log_error("Reading the store is held up: %s.", fault_origin());
                (void)timer_set(&app->timers, &app->load_timer,
                                usec_add(context_now(&app->context), PAUSE_USEC));
        }
}

/* ---- turns ---- */

void app_want_turn(void *userdata)
{
        struct app *app = userdata;

        (void)sd_event_source_set_enabled(app->turn_source, SD_EVENT_ON);
}

static int on_turn(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct app *app = userdata;

        if (app->is_loading)
                go_on_loading(app);
        if (!service_turn(app->service) && !app->is_loading)
                (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
}

static int add_turns(struct app *app)
{
        sd_event_source *source;
        int fd, r;

        fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd < 0)
                return fault(-errno);
        r = sd_event_add_io(app->event, &source, fd, EPOLLIN, on_turn, app);
        if (r < 0) {
                close(fd);
                return fault(r);
        }
        app->turn_source = source;
        r = sd_event_source_set_io_fd_own(source, true);
        if (r < 0) {
                close(fd);
                return fault(r);
        }
        r = sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return r < 0 ? fault(r) : 0;
}

static void on_pause_over(void *userdata)
{
        struct app *app = userdata;

        app->is_loading = true;
        app_want_turn(app);
}

int app_load_later(struct app *app)
{
        int r = add_turns(app);

        if (r < 0)
                return app_fault(r);
        if (!vault_is_loading(app->context.vault))
                return 0;
        app->load_began_usec = context_now(&app->context);
        timer_init(&app->load_timer, on_pause_over, app);
        app->loader = (struct vault_loader){ on_loaded, on_failed, app };
        vault_set_loader(app->context.vault, &app->loader);
        service_set_loading(app->service, true);
        app->is_loading = true;
        app_want_turn(app);
        return 0;
}

void app_load_end(struct app *app)
{
        if (!app->load_began_usec)
                return;
        timer_stop(&app->timers, &app->load_timer);
        app->is_loading = false;
        vault_set_loader(app->context.vault, NULL);
        service_set_loading(app->service, false);
}
