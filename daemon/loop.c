/* Timers on the event loop. CLOCK_BOOTTIME goes on during suspend and never jumps; only what is told to people follows the wall clock. */
#include "daemon/loop.h"

#include "common/fault.h"
#include "common/wipe.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <systemd/sd-event.h>
#include <time.h>

struct loop {
        struct timers *timers;
        struct clock *clock;
        void (*on_clock_jump)(void *userdata);
        void *userdata;
        sd_event_source *timer, *jump;
        uint64_t armed_usec; /* USEC_INFINITY: it is not */
        int jump_fd;
};

enum { TIMER_ACCURACY_USEC = 1000 };

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct loop *loop = userdata;

        loop->armed_usec = USEC_INFINITY;
        timers_run(loop->timers, clock_boot_usec(loop->clock));
        return 0;
}

/* Runs before the loop sleeps: whatever was armed or stopped meanwhile, one look says when to wake. */
static int on_prepare(sd_event_source *source, void *userdata)
{
        struct loop *loop = userdata;
        uint64_t next = timers_next(loop->timers);
        int r;

        wipe_registers();
        if (next == loop->armed_usec)
                return 0;
        loop->armed_usec = next;
        if (next == USEC_INFINITY)
                return sd_event_source_set_enabled(loop->timer, SD_EVENT_OFF);
        r = sd_event_source_set_time(loop->timer, next);
        return r < 0 ? r : sd_event_source_set_enabled(loop->timer, SD_EVENT_ONESHOT);
}

/* timerfd_create(2): a timer at the end of time, which is cancelled when the clock is set. */
static int arm_jump(int fd)
{
        struct itimerspec end = { .it_value.tv_sec = LONG_MAX };

        return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &end, NULL) < 0
                       ? fault(-errno)
                       : 0;
}

static int on_jump(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct loop *loop = userdata;
        uint64_t expirations;

        if (read(fd, &expirations, sizeof(expirations)) >= 0 || errno != ECANCELED)
                return 0;
        loop->on_clock_jump(loop->userdata);
        return arm_jump(fd);
}

int loop_new(struct loop **ret, void *event, struct timers *timers, struct clock *clock,
             void (*on_clock_jump)(void *userdata), void *userdata)
{
        _cleanup_(loop_freep) struct loop *loop = malloc(sizeof(*loop));
        int r;

        if (!loop)
                return fault(-ENOMEM);
        *loop = (struct loop){
                .timers = timers,
                .clock = clock,
                .on_clock_jump = on_clock_jump,
                .userdata = userdata,
                .armed_usec = USEC_INFINITY,
                .jump_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK),
        };
        if (loop->jump_fd < 0)
                return fault(-errno);
        r = arm_jump(loop->jump_fd);
        if (r < 0)
                return r;

        r = sd_event_add_io(event, &loop->jump, loop->jump_fd, EPOLLIN, on_jump, loop);
        if (r >= 0)
                r = sd_event_source_set_prepare(loop->jump, on_prepare);
        if (r >= 0)
                r = sd_event_add_time(event, &loop->timer, CLOCK_BOOTTIME, USEC_INFINITY, TIMER_ACCURACY_USEC,
                                      on_timer, loop);
        if (r >= 0)
                r = sd_event_source_set_enabled(loop->timer, SD_EVENT_OFF);
        /* What is due goes before what is asked, so that a flood of calls holds no refresh up. */
        if (r >= 0)
                r = sd_event_source_set_priority(loop->timer, SD_EVENT_PRIORITY_NORMAL - 10);
        if (r < 0)
                return fault(r);
        *ret = take_ptr(loop);
        return 0;
}

struct loop *loop_free(struct loop *loop)
{
        if (!loop)
                return NULL;
        sd_event_source_disable_unref(loop->timer);
        sd_event_source_disable_unref(loop->jump);
        if (loop->jump_fd >= 0)
                close(loop->jump_fd);
        free(loop);
        return NULL;
}
