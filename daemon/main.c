/* purserd: arguments, what holds for the whole process, and the order of things. */
#include "common/wipe.h"
#include "daemon/app.h"
#include "daemon/base/harden.h"
#include "daemon/http/http.h"
#include "daemon/base/log.h"
#include "daemon/store/store.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

/* Before the first allocation of each library: whatever it frees, it frees wiped. */
static int prepare_process(void)
{
        int r;

        r = harden_process();
        if (r < 0)
                log_warning("The process could not be hardened wholly: %s.", fault_origin());
        secret_trust_syscall_filter();
        http_prepare();
        json_set_alloc_funcs(wipe_malloc, wipe_free);
        if (sodium_init() < 0)
                return app_fail(EX_OSERR, "libsodium cannot be used: is there no source of randomness?");
        r = store_global_init();
        return r < 0 ? app_fault(r) : 0;
}

static int check_sockets(const struct options *options)
{
        size_t n;

        if (options->listen || (listen_passed(&n) == 0 && n > 0))
                return 0;
        fputs("purserd: no socket to answer at: start it through its socket unit (systemctl start "
              "purser.socket), or give it "
              "--listen PATH.\n",
              stderr);
        return EX_USAGE;
}

static int report_check(const struct config *config)
{
        struct diag diag = DIAG_INIT;
        int r = http_join(&diag);

        if (r < 0)
                return app_fault(r);
        if (r > 0) {
                fprintf(stderr, "%s: no mistakes, but no provider can be asked: %s\n", config->file,
                        diag.text);
                return EX_OSERR;
        }
        printf("%s: no mistakes; clients: %zu, credentials: %zu, providers: %zu\n", config->file,
               config->n_clients, config->n_credentials, config->n_providers);
        return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int run(const struct options *options)
{
        _cleanup_(config_freep) struct config *config = NULL;
        struct app app = { 0 };
        int status;

        status = options->check ? 0 : check_sockets(options);
        if (status == 0)
                status = prepare_process();
        if (status == 0)
                status = app_load_config(options, &config);
        if (status != 0 || options->check)
                return status != 0 ? status : report_check(config);

        status = app_start(&app, options, take_ptr(config));
        if (status == 0)
                status = app_run(&app);
        app_done(&app);
        return status;
}

int main(int argc, char **argv)
{
        struct options options;
        int status;

        log_open(LOG_LEVEL_INFO);
        switch (options_read(&options, argc, argv)) {
        case 0:
                break;
        case OPTIONS_E_DONE:
                return EX_OK;
        default:
                return EX_USAGE;
        }
        status = run(&options);
        if (status != 0 && !options.check)
                sd_notifyf(0, "STATUS=Ended with exit status %d; the journal says why.", status);
        return status;
}
