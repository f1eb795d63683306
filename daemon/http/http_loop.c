/* curl's multi interface on the event loop. Knows no request. */
#include "daemon/http/http_loop.h"

#include "common/clock.h"
#include "common/fault.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

enum { CONNECTIONS_KEPT = 64 };

struct http_loop {
        sd_event *event;
        CURLM *multi; /* NULL before the first handle, and with it before curl is there */
        int epoll; /* of curl's sockets, all together one source of the loop, which looks at one source in a turn */
        sd_event_source *ready;
        sd_event_source *timer;
        uint64_t wanted_usec,
                armed_usec; /* boot time; when curl wants to be woken, and when the timer wakes; or USEC_INFINITY */
        sd_event_source *again; /* what is to be done in the next turn */
        bool is_due; /* curl wanted to be woken at once; else more finished transfers wait in its queue */
        void (*on_finished)(CURL *easy, CURLcode code, void *userdata);
        void *userdata;
};

/* One for each turn of the loop, so that a burst of answers does not keep everybody else waiting. */
static void finish_one(struct http_loop *loop)
{
        int left;
        CURLMsg *message = curl_multi_info_read(loop->multi, &left);

        if (!message)
                return;
        if (left > 0)
                sd_event_source_set_enabled(loop->again, SD_EVENT_ONESHOT);
        /* The message is gone with the removal. */
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        curl_multi_remove_handle(loop->multi, easy);
        loop->on_finished(easy, code, loop->userdata);
}

static void act(struct http_loop *loop, int fd, uint32_t events)
{
        int action = 0, running;

        if (events & EPOLLIN)
                action |= CURL_CSELECT_IN;
        if (events & EPOLLOUT)
                action |= CURL_CSELECT_OUT;
        if (events & (EPOLLERR | EPOLLHUP))
                action |= CURL_CSELECT_ERR;
        curl_multi_socket_action(loop->multi, fd, action, &running);
        finish_one(loop);
}

/* One in a turn: however many answers come, callers have theirs in between. */
static int on_sockets_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct epoll_event event;
        struct http_loop *loop = userdata;

        if (epoll_wait(loop->epoll, &event, 1, 0) == 1)
                act(loop, event.data.fd, event.events);
        return 0;
}

static void wake(struct http_loop *loop)
{
        int running;

        curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        finish_one(loop);
}

/* Arming costs a system call, and curl changes its mind with each transfer: a timer that wakes too early is left as it is. */
static void arm(struct http_loop *loop)
{
        if (loop->armed_usec <= loop->wanted_usec)
                return;
        loop->armed_usec = loop->wanted_usec;
        sd_event_source_set_time(loop->timer, loop->armed_usec);
        sd_event_source_set_enabled(loop->timer, SD_EVENT_ONESHOT);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct http_loop *loop = userdata;
        uint64_t now;

        loop->armed_usec = USEC_INFINITY;
        if (sd_event_now(loop->event, CLOCK_BOOTTIME, &now) >= 0 && now < loop->wanted_usec) {
                arm(loop);
                return 0;
        }
        loop->wanted_usec = USEC_INFINITY;
        wake(loop);
        return 0;
}

static int on_again(sd_event_source *source, void *userdata)
{
        struct http_loop *loop = userdata;

        if (!loop->is_due) {
                finish_one(loop);
                return 0;
        }
        loop->is_due = false;
        wake(loop);
        return 0;
}

/*
 * These two tell curl about no failure: it would fail every transfer, now and later. A socket that is not watched ends in
 * its transfer's timeout.
 */
static int want_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *known)
{
        struct epoll_event event = { .data.fd = fd };
        struct http_loop *loop = userdata;

        if (what == CURL_POLL_REMOVE) {
                (void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
                curl_multi_assign(loop->multi, fd, NULL);
                return 0;
        }
        if (what & CURL_POLL_IN)
                event.events |= EPOLLIN;
        if (what & CURL_POLL_OUT)
                event.events |= EPOLLOUT;
        if (epoll_ctl(loop->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == 0)
                curl_multi_assign(loop->multi, fd, loop);
        return 0;
}

static int want_timer(CURLM *multi, long timeout_ms, void *userdata)
{
        struct http_loop *loop = userdata;
        uint64_t now;

        loop->is_due = timeout_ms == 0;
        loop->wanted_usec = USEC_INFINITY;
        if (timeout_ms == 0)
                sd_event_source_set_enabled(loop->again, SD_EVENT_ONESHOT);
        if (timeout_ms <= 0 || sd_event_now(loop->event, CLOCK_BOOTTIME, &now) < 0)
                return 0;
        /* Rounded up: woken a moment early, curl would find nothing to do and ask for the rest again and again. */
        loop->wanted_usec = now + (uint64_t)timeout_ms * USEC_PER_MSEC + USEC_PER_MSEC - 1;
        arm(loop);
        return 0;
}

static int make_sources(struct http_loop *loop)
{
        int r;

        loop->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (loop->epoll < 0)
                return fault(-errno);
        r = sd_event_add_io(loop->event, &loop->ready, loop->epoll, EPOLLIN, on_sockets_ready, loop);
        if (r >= 0)
                r = sd_event_add_time_relative(loop->event, &loop->timer, CLOCK_BOOTTIME, 0, USEC_PER_MSEC,
                                               on_timeout, loop);
        if (r >= 0)
                r = sd_event_source_set_enabled(loop->timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_defer(loop->event, &loop->again, on_again, loop);
        if (r >= 0)
                r = sd_event_source_set_enabled(loop->again, SD_EVENT_OFF);
        return r < 0 ? fault(r) : 0;
}

static int make_multi(struct http_loop *loop)
{
        CURLM *multi = curl_multi_init();

        if (!multi)
                return fault(-ENOMEM);
        if (curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, want_socket) != CURLM_OK ||
            curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, loop) != CURLM_OK ||
            curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, want_timer) != CURLM_OK ||
            curl_multi_setopt(multi, CURLMOPT_TIMERDATA, loop) != CURLM_OK ||
            curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT) != CURLM_OK) {
                curl_multi_cleanup(multi);
                return fault(-ENOMEM);
        }
        loop->multi = multi;
        return 0;
}

int http_loop_new(struct http_loop **ret, sd_event *event,
                  void (*on_finished)(CURL *easy, CURLcode code, void *userdata), void *userdata)
{
        _cleanup_(http_loop_freep) struct http_loop *loop = calloc(1, sizeof(*loop));
        if (!loop)
                return fault(-ENOMEM);
        loop->event = sd_event_ref(event);
        loop->epoll = -1;
        loop->wanted_usec = loop->armed_usec = USEC_INFINITY;
        loop->on_finished = on_finished;
        loop->userdata = userdata;
        int r = make_sources(loop);
        if (r < 0)
                return r;
        *ret = take_ptr(loop);
        return 0;
}

struct http_loop *http_loop_free(struct http_loop *loop)
{
        if (!loop)
                return NULL;
        if (loop->multi)
                curl_multi_cleanup(loop->multi);
        sd_event_source_disable_unref(loop->ready);
        closep(&loop->epoll);
        sd_event_source_disable_unref(loop->timer);
        sd_event_source_disable_unref(loop->again);
        sd_event_unref(loop->event);
        free(loop);
        return NULL;
}

int http_loop_add(struct http_loop *loop, CURL *easy)
{
        int r = loop->multi ? 0 : make_multi(loop);

        if (r < 0)
                return r;
        return curl_multi_add_handle(loop->multi, easy) == CURLM_OK ? 0 : fault(-ENOMEM);
}

void http_loop_remove(struct http_loop *loop, CURL *easy)
{
        if (loop->multi)
                curl_multi_remove_handle(loop->multi, easy);
}
