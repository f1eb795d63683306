/* Making the daemon, in order, and taking it apart. */
#include "daemon/app.h"

#include "daemon/report/hooks.h"
#include "daemon/http/http.h"
#include "daemon/base/log.h"
#include "daemon/vault/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <systemd/sd-event.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#ifndef PURSER_VERSION
#define PURSER_VERSION "unknown"
#endif

enum {
        JOIN_DELAY_USEC = 1000000,
        DESCRIPTOR_TABLE = 20000, /* more than the connections that there may be, and all else */
};

int app_fail(int status, const char *format, ...)
{
        struct diag words = DIAG_INIT;
        va_list ap;

        va_start(ap, format);
        diag_vset(&words, format, ap);
        va_end(ap);
        log_error("%s", words.text);
        return status;
}

int app_fault(int fault)
{
        return app_fail(fault == -ENOMEM ? EX_OSERR : EX_SOFTWARE, "%s (%s)", strerror(-fault),
                        fault_origin());
}

/* ---- configuration ---- */

/* A check is for a person or an editor, who wants the lines as they are. */
int app_tell_problems(const struct problems *problems, bool check)
{
        for (size_t i = 0; i < problems->n; i++)
                if (check)
                        fprintf(stderr, "%s\n", problems->lines[i]);
                else
                        log_error("%s", problems->lines[i]);
        if (problems->n_unlisted > 0)
                fprintf(stderr, "... and %zu more.\n", problems->n_unlisted);
        return EX_CONFIG;
}

/* A program that is gone must not keep the daemon from starting: that would be the worse trouble. */
static int check_hooks(const struct config *config, bool check, struct problems *problems)
{
        _cleanup_(problems_done) struct problems other = PROBLEMS_INIT;
        int r = config_check_hooks(config, geteuid(), check ? problems : &other);

        for (size_t i = 0; i < other.n; i++)
                log_error("%s", other.lines[i]);
        return r;
}

static int load_with_secrets(const struct options *options, bool whole, struct config **ret,
                             struct problems *problems)
{
        _cleanup_(config_freep) struct config *config = NULL;
        int r;

        r = whole ? config_load(&config, options->config, options->providers, 2, problems)
                  : config_load_used(&config, options->config, options->providers, 2, problems);
        if (r == 0)
                r = config_check_secrets(config, options->credentials_directory, geteuid(), problems);
        *ret = take_ptr(config);
        return r;
}

int app_load_config(const struct options *options, struct config **ret)
{
        _cleanup_(problems_done) struct problems problems = PROBLEMS_INIT;
        _cleanup_(config_freep) struct config *config = NULL;
        int r;

        r = load_with_secrets(options, options->check, &config, &problems);
        /* Secrets are looked for when the files have no mistake: also those where no client looks. */
        if (r >= 0 && problems_count(&problems) > 0 && config && config->is_partial) {
                config = config_free(config);
                problems_done(&problems);
                r = load_with_secrets(options, true, &config, &problems);
        }
        if (r >= 0 && config)
                r = check_hooks(config, options->check, &problems);
        if (r < 0)
                return app_fault(r);
        if (problems_count(&problems) > 0)
                return app_tell_problems(&problems, options->check);
        *ret = take_ptr(config);
        return 0;
}

/* ---- making ---- */

static void random_bytes(void *bytes, size_t n)
{
        randombytes_buf(bytes, n);
}

static struct access_self describe_self(void)
{
        struct access_self self = { .uid = geteuid() };
        char *unit = NULL;
        uid_t owner;

        /* systemd.exec(5): a user's manager says who it is, and without that its cgroup need not be looked up. */
        self.in_user_manager = getenv("MANAGERPID") && sd_pid_get_owner_uid(0, &owner) >= 0 &&
                               owner == self.uid && sd_pid_get_user_unit(0, &unit) >= 0;
        free(unit);
        return self;
}

/* As many as may be: each caller is one of them. */
static uint64_t raise_descriptors(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return 1024;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0 && getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return 1024;
        return limit.rlim_cur;
}

/*
 * The kernel's table of descriptors grows by doubling, and beside a second thread each time waits for all processors: half a second when
 * those are busy, in which nobody is served. So it grows to its size before there is one.
 */
static void grow_descriptor_table(uint64_t n_descriptors)
{
        int most = n_descriptors < DESCRIPTOR_TABLE ? (int)n_descriptors : DESCRIPTOR_TABLE, fd, last;

        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        last = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, most - 1);
        if (last >= 0)
                close(last);
        if (fd >= 0)
                close(fd);
}

static int make_core(struct app *app)
{
        int r;

        r = refresher_new(&app->refresher, &app->context);
        if (r == 0)
                r = prober_new(&app->prober, &app->context, app->refresher);
        if (r == 0)
                r = logins_new(&app->logins, &app->context, app->refresher, app->prober);
        if (r == 0)
                r = hooks_new(&app->hooks, &app->context, app->event);
        return r < 0 ? app_fault(r) : 0;
}

static int make_service(struct app *app)
{
        struct service_parts parts = {
                .context = &app->context,
                .refresher = app->refresher,
                .prober = app->prober,
                .logins = app->logins,
                .audit = &app->audit,
                .self = describe_self(),
                .facts = {
                        .version = PURSER_VERSION,
                        .pid = getpid(),
                        .started_at = app->started_at,
                        .state_directory = app->state_dir,
                        .sealing_key = app->sealing_key,
                },
                .reload = app_reload,
                .reload_userdata = app,
                .change_key = app_change_key,
                .change_key_userdata = app,
                .want_turn = app_want_turn,
                .want_turn_userdata = app,
                .settle = app_settle,
                .settle_userdata = app,
        };
        uint64_t n_descriptors = raise_descriptors();
        struct server_limits limits = server_limits_for(n_descriptors);
        struct server_handler handler;
        struct load_handler load_handler;
        int r;

        grow_descriptor_table(n_descriptors);
        r = service_new(&app->service, &parts);
        if (r < 0)
                return app_fault(r);
        handler = service_handler(app->service);
        r = server_new(&app->server, app->event, app->context.clock, &app->timers, &app->audit, &limits,
                       &handler);
        if (r < 0)
                return app_fault(r);
        service_set_server(app->service, app->server);
        load_handler = service_load_handler(app->service);
        r = loads_new(&app->loads, app->event, app->context.clock, &app->timers, &load_handler);
        if (r < 0)
                return app_fault(r);
        app->context.on_change = app_on_change;
        app->context.on_store_change = app_on_store_change;
        app->context.on_change_userdata = app;
        return 0;
}

static int listen_fail(int r, const struct diag *diag)
{
        if (r < 0)
                return app_fault(r);
        return app_fail(r == LISTEN_E_IN_USE ? EX_TEMPFAIL : EX_CONFIG, "%s", diag->text);
}

static int serve_sockets(struct app *app)
{
        struct diag diag = DIAG_INIT;
        bool for_credentials;
        size_t n;
        int fd, r;

        r = listen_passed(&n);
        if (r < 0)
                return app_fault(r);
        for (size_t i = 0; i < n; i++) {
                r = listen_take_passed(i, &fd, &for_credentials, &diag);
                if (r != 0)
                        return listen_fail(r, &diag);
                r = for_credentials ? loads_listen(app->loads, fd) : server_listen(app->server, fd);
                if (r < 0)
                        return app_fault(r);
        }
        if (!app->options->listen)
                return 0;

        r = listen_bind(app->options->listen, &fd, &app->listen_path, &diag);
        if (r != 0)
                return listen_fail(r, &diag);
        r = server_listen(app->server, fd);
        return r < 0 ? app_fault(r) : 0;
}

/* Credentials that were due while nobody ran are refreshed from here on. */
static int plan(struct app *app)
{
        refresher_plan_all(app->refresher);
        prober_plan_all(app->prober);
        logins_resume(app->logins);
        int r = app_load_later(app);
        if (r != 0)
                return r;
        /* Who waits for the first answers does not wait for what only refreshes need; a broken installation is told soon all the same. */
        r = timer_set(&app->timers, &app->join_timer, usec_add(context_now(&app->context), JOIN_DELAY_USEC));

        return r < 0 ? app_fault(r) : 0;
}

static int make_loop(struct app *app)
{
        sd_event *event;
        int r;

        r = sd_event_new(&event);
        if (r < 0)
                return app_fault(r);
        app->event = event;
        r = app_add_signals(app);
        if (r == 0)
                r = loop_new(&app->loop, event, &app->timers, app->context.clock, app_on_clock_jump, app);
        if (r == 0)
                r = http_new(&app->context.http, event, app->context.clock);
        if (r == 0)
                r = sd_event_set_watchdog(event, true);
        return r < 0 ? app_fault(r) : 0;
}

int app_start(struct app *app, const struct options *options, struct config *config)
{
        int r;

        *app = (struct app){
                .options = options,
                .timers = TIMERS_INIT,
                .config = config,
                .started_at = clock_wall_usec(&clock_system) / (int64_t)USEC_PER_SEC,
        };
        app->context = (struct context){
                .clock = &clock_system,
                .timers = &app->timers,
                .config = config,
                .random_bytes = random_bytes,
                .credentials_directory = options->credentials_directory,
                .own_uid = geteuid(),
        };
        audit_init(&app->audit, app->context.clock, &app->timers);
        timer_init(&app->status_timer, app_tell_status, app);
        timer_init(&app->join_timer, app_join_http, app);

        r = make_loop(app);
        if (r == 0)
                r = app_open(app);
        if (r == 0)
                r = make_core(app);
        if (r == 0)
                r = make_service(app);
        if (r != 0)
                return r;
        r = plan(app);
        if (r == 0)
                r = serve_sockets(app);
        return r == 0 ? app_settle_later(app) : r;
}

/* ---- taking apart ---- */

void app_done(struct app *app)
{
        /* Nobody is told of what ends now. */
        app_load_end(app);
        app->context.on_change = NULL;
        app->context.on_store_change = NULL;
        loads_free(app->loads);
        server_free(app->server);
        listen_path_done(&app->listen_path);
        service_free(app->service);
        hooks_free(app->hooks);
        logins_free(app->logins);
        prober_free(app->prober);
        refresher_free(app->refresher);
        vault_free(app->context.vault);
        http_free(app->context.http);
        audit_done(&app->audit);
        sd_event_source_disable_unref(app->turn_source);
        sd_event_source_disable_unref(app->settle_source);
        timer_stop(&app->timers, &app->status_timer);
        timer_stop(&app->timers, &app->join_timer);
        loop_free(app->loop);
        for (size_t i = 0; i < sizeof(app->signals) / sizeof(app->signals[0]); i++)
                sd_event_source_disable_unref(app->signals[i]);
        sd_event_unref(app->event);
        timers_done(&app->timers);
        config_free(app->config);
        free(app->state_dir);
}
