#include "tests/beds/serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-event.h>

static struct sockaddr_un address_of(const struct serve_bed *bed)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        strcpy(address.sun_path, bed->path);
        return address;
}

static void start_server(struct serve_bed *bed)
{
        struct server_limits limits = server_limits_for(1024);
        struct server_handler handler = service_handler(bed->service);
        struct sockaddr_un address;
        int fd;

        if (bed->waiting_per_user > 0)
                limits.waiting_per_user = bed->waiting_per_user;
        assert_int_equal(server_new(&bed->server, bed->event, bed->core.context.clock, &bed->core.timers,
                                    &bed->audit, &limits, &handler),
                         0);
        service_set_server(bed->service, bed->server);

        snprintf(bed->path, sizeof(bed->path), "%.40s/sock", bed->core.directory);
        address = address_of(bed);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 16), 0);
        assert_int_equal(server_listen(bed->server, fd), 0);
}

static struct sockaddr_un loads_address_of(const struct serve_bed *bed)
{
        struct sockaddr_un address = address_of(bed);

        strcat(address.sun_path, "-credentials");
        return address;
}

static void start_loads(struct serve_bed *bed)
{
        struct load_handler handler = service_load_handler(bed->service);
        struct sockaddr_un address = loads_address_of(bed);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 1024), 0);
        assert_int_equal(
                loads_new(&bed->loads, bed->event, bed->core.context.clock, &bed->core.timers, &handler), 0);
        assert_int_equal(loads_listen(bed->loads, fd), 0);
}

static void start_service(struct serve_bed *bed)
{
        struct service_parts parts = {
                .context = &bed->core.context,
                .refresher = bed->core.refresher,
                .prober = bed->core.prober,
                .logins = bed->core.logins,
                .audit = &bed->audit,
                .self = { .uid = getuid() + bed->other_uid, .in_user_manager = bed->in_user_manager },
                .facts = { "9.9", 4711, 1767225600, "/state", "key-file" },
                .reload = bed->reload,
                .reload_userdata = bed,
        };

        assert_int_equal(service_new(&bed->service, &parts), 0);
        bed->core.context.on_change = service_on_change;
        bed->core.context.on_change_userdata = bed->service;
}

void serve_setup_with_provider(struct serve_bed *bed, const char *provider, const char *more)
{
        sd_event *event;

        core_setup_with_provider(&bed->core, provider, more);
        audit_init(&bed->audit, bed->core.context.clock, &bed->core.timers);
        assert_int_equal(sd_event_new(&event), 0);
        bed->event = event;
        bed->n_clients = 0;
        start_service(bed);
        start_server(bed);
        start_loads(bed);
}

void serve_setup(struct serve_bed *bed, const char *more)
{
        serve_setup_with_provider(bed, NULL, more);
}

void serve_teardown(struct serve_bed *bed)
{
        bed->core.context.on_change = NULL;
        for (size_t i = 0; i < bed->n_clients; i++)
                if (bed->clients[i] >= 0)
                        close(bed->clients[i]);
        bed->loads = loads_free(bed->loads);
        bed->server = server_free(bed->server);
        bed->service = service_free(bed->service);
        audit_done(&bed->audit);
        bed->event = sd_event_unref(bed->event);
        unlink(bed->path);
        unlink(loads_address_of(bed).sun_path);
        core_teardown(&bed->core);
}

void serve_reload(struct serve_bed *bed, const char *more)
{
        core_reload(&bed->core, more);
        service_refresh_all(bed->service);
}

int serve_connect(struct serve_bed *bed)
{
        struct sockaddr_un address = address_of(bed);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_true(fd >= 0 && bed->n_clients < sizeof(bed->clients) / sizeof(bed->clients[0]));
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        bed->clients[bed->n_clients++] = fd;
        return fd;
}

int serve_load(struct serve_bed *bed, const char *unit, const char *id)
{
        static unsigned n;
        struct sockaddr_un own = { .sun_family = AF_UNIX }, address = loads_address_of(bed);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int length;

        assert_true(fd >= 0 && bed->n_clients < sizeof(bed->clients) / sizeof(bed->clients[0]));
        if (unit) {
                length = snprintf(own.sun_path + 1, sizeof(own.sun_path) - 1, "%x%x/unit/%s/%s",
                                  (unsigned)getpid(), ++n, unit, id);
                assert_int_equal(
                        bind(fd, (struct sockaddr *)&own,
                             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)),
                        0);
        }
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        bed->clients[bed->n_clients++] = fd;
        return fd;
}

void serve_hang_up(struct serve_bed *bed, int fd)
{
        for (size_t i = 0; i < bed->n_clients; i++)
                if (bed->clients[i] == fd)
                        bed->clients[i] = -1;
        close(fd);
        serve_pump(bed);
}

void serve_say(struct serve_bed *bed, int fd, const char *message)
{
        (void)bed;
        assert_int_equal(send(fd, message, strlen(message) + 1, MSG_NOSIGNAL), strlen(message) + 1);
}

/* The loop sleeps never: what is due is run by the clock of the test. */
void serve_pump(struct serve_bed *bed)
{
        for (int i = 0; i < 1000; i++) {
                int r;

                core_run(&bed->core);
                while (!bed->holds_turns && service_turn(bed->service))
                        ;
                r = sd_event_run(bed->event, 0);
                assert_true(r >= 0);
                if (r == 0 && timers_next(&bed->core.timers) > bed->core.clock.boot_usec)
                        return;
        }
        fail_msg("the loop spins");
}

void serve_advance(struct serve_bed *bed, uint64_t seconds)
{
        core_advance(&bed->core, seconds);
        serve_pump(bed);
}

const char *serve_hear(struct serve_bed *bed, int fd)
{
        static char heard[256 * 1024];
        size_t n = 0;
        ssize_t r;

        serve_pump(bed);
        while ((r = recv(fd, heard + n, sizeof(heard) - n - 8, 0)) > 0) {
                n += (size_t)r;
                assert_true(n < sizeof(heard) - 8);
                serve_pump(bed);
        }
        for (size_t i = 0; i < n; i++)
                if (heard[i] == '\0')
                        heard[i] = '\n';
        strcpy(heard + n, r == 0 || errno == ECONNRESET ? "EOF" : "");
        return heard;
}

const char *serve_ask(struct serve_bed *bed, int fd, const char *message)
{
        serve_say(bed, fd, message);
        return serve_hear(bed, fd);
}
