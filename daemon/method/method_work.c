/*
 * What is not done at once: calls that speak of all credentials, while the store is still being read, and answers that take long to make. Each
 * has its turn for a step, and between two steps the loop has its own, so that nobody else waits for them.
 */
#include "daemon/method/method_internal.h"

static void want_turn(const struct service *service)
{
        if (service->parts.want_turn && !TAILQ_EMPTY(&service->works))
                service->parts.want_turn(service->parts.want_turn_userdata);
}

/* The one behind those that its user has there already: of these, the last is in the latest. */
static uint64_t next_round(const struct works *works, const struct pending *pending)
{
        const struct pending *other = TAILQ_LAST(works, works);

        while (other && other->call->peer->uid != pending->call->peer->uid)
                other = TAILQ_PREV(other, works, work_link);
        return (other ? other->round : pending->service->works_round) + 1;
}

/*
 * Users in turn, so that nobody waits behind all that another one wants; nor is anybody first for ever who asks again at once, since what
 * comes is behind the round that is under way.
 */
static void put_in(struct works *works, struct pending *pending, work_fn *step)
{
        struct pending *before = TAILQ_LAST(works, works);

        pending->step = step;
        pending->works_in = works;
        pending->round = next_round(works, pending);
        while (before && before->round > pending->round)
                before = TAILQ_PREV(before, works, work_link);
        if (before)
                TAILQ_INSERT_AFTER(works, before, pending, work_link);
        else
                TAILQ_INSERT_HEAD(works, pending, work_link);
}

void work_queue(struct pending *pending, work_fn *step)
{
        put_in(&pending->service->works, pending, step);
        want_turn(pending->service);
}

/* Each is made to its end, so that no more than one of them holds what it has made so far. */
static void go_on_later(struct pending *pending)
{
        struct works *works = &pending->service->works;

        pending->works_in = works;
        TAILQ_INSERT_HEAD(works, pending, work_link);
}

int work_start(struct pending *pending, work_fn *step)
{
        int r = METHOD_E_MORE;

        if (TAILQ_EMPTY(&pending->service->works))
                r = step(pending);
        if (r == METHOD_E_MORE) {
                work_queue(pending, step);
                r = 0;
        }
        return pending_started(pending, r);
}

void work_begin_late(struct pending *pending, work_fn *step)
{
        struct service *service = pending->service;

        if (service->is_loading)
                put_in(&service->late_works, pending, step);
        else
                work_queue(pending, step);
}

void work_forget(struct pending *pending)
{
        if (pending->works_in)
                TAILQ_REMOVE(pending->works_in, pending, work_link);
        pending->works_in = NULL;
}

bool service_turn(struct service *service)
{
        struct pending *pending = TAILQ_FIRST(&service->works);
        int r;

        if (pending) {
                work_forget(pending);
                service->works_round = pending->round;
                r = pending->step(pending);
                if (r == METHOD_E_MORE) {
                        go_on_later(pending);
                } else if (r < 0) {
                        call_fail(pending->call, r);
                        pending_end(pending);
                }
        }
        return !TAILQ_EMPTY(&service->works);
}

/* ---- until all are there ---- */

/* Who may call what may have changed meanwhile. */
static int run_again(struct pending *pending)
{
        struct service *service = pending->service;
        struct call *call = pending->call;
        int r;

        call->pending = NULL;
        call->on_dropped = NULL;
        pending_end(pending);
        r = call_run(service, call);
        if (r < 0)
                call_fail(call, r);
        return 0;
}

int await_all(struct service *service, struct call *call)
{
        struct pending *pending;
        int r;

        if (!service->is_loading)
                return vault_load_all(service->parts.context->vault);
        r = pending_begin(service, call, PENDING_OTHER, NULL, NULL, &pending);
        if (r < 0)
                return r;
        work_begin_late(pending, run_again);
        (void)pending_started(pending, 0);
        return METHOD_E_WAITS;
}

void service_set_loading(struct service *service, bool is_loading)
{
        struct pending *pending;

        service->is_loading = is_loading;
        if (is_loading)
                return;
        TAILQ_FOREACH (pending, &service->late_works, work_link)
                pending->works_in = &service->works;
        TAILQ_CONCAT(&service->works, &service->late_works, work_link);
        want_turn(service);
}

bool service_awaits_all(const struct service *service)
{
        return !TAILQ_EMPTY(&service->late_works);
}

bool service_is_idle(const struct service *service)
{
        return TAILQ_EMPTY(&service->works) && TAILQ_EMPTY(&service->late_works);
}
