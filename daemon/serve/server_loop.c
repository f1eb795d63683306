/*
 * The event loop turned inside out. sd-event looks at everything that it knows before and after each wait, and asks the kernel for one source
 * at a time: for an answer that takes a microsecond that costs more than the answer. So the connections' epoll set, with the loop's
 * own descriptor in it, is what the daemon waits on, and the loop has its turn when that descriptor is ready, or when something
 * has happened that may have given it work.
 */
#include "daemon/serve/server.h"

#include "common/wipe.h"
#include "daemon/serve/server_internal.h"

#include <errno.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

/* Until then, the epoll set is a source of the loop: one within the other, and never both ways. */
static int turn_out(struct server *server)
{
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = &server->loop };
        int r;

        r = sd_event_source_set_enabled(server->io, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_enabled(server->later, SD_EVENT_OFF);
        if (r < 0)
                return fault(r);
        server->loop = (struct source){ .kind = SOURCE_LOOP, .fd = sd_event_get_fd(server->event) };
        if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, server->loop.fd, &event) < 0)
                return fault(-errno);
        server->looping = true;
        return 0;
}

/* The timer that the loop has armed would come too late for what was armed since. */
static bool timers_are_earlier(const struct server *server, uint64_t planned_usec)
{
        return timers_next(server->timers) < planned_usec;
}

static void wait_for_the_loop(struct server *server)
{
        uint64_t planned_usec = timers_next(server->timers);
        bool ready = false;

        while (!ready && !server->stirred && !timers_are_earlier(server, planned_usec)) {
                wipe_registers();
                ready = server_round(server, server_is_busy(server) ? 0 : -1);
        }
}

/* As sd_event_run() does it: what is prepared is waited for, and one source that is ready is dispatched. */
static int turn(struct server *server)
{
        int r;

        server->stirred = false;
        r = sd_event_prepare(server->event);
        if (r == 0) {
                wait_for_the_loop(server);
                r = sd_event_wait(server->event, 0);
        } else if (r > 0) {
                (void)server_round(server, 0);
        }
        return r > 0 ? sd_event_dispatch(server->event) : r;
}

int server_loop(struct server *server)
{
        int r, code;

        r = turn_out(server);
        if (r < 0)
                return r;
        while (r >= 0 && sd_event_get_state(server->event) != SD_EVENT_FINISHED)
                r = turn(server);
        server->looping = false;
        if (r >= 0)
                r = sd_event_get_exit_code(server->event, &code);
        return r < 0 ? fault(r) : code;
}
