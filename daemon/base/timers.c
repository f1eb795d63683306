#include "daemon/base/timers.h"

#include "common/clock.h"

void timer_init(struct timer *timer, void (*on_due)(void *userdata), void *userdata)
{
        *timer = (struct timer)TIMER_INIT(on_due, userdata);
}

int timer_set(struct timers *timers, struct timer *timer, uint64_t due_usec)
{
        if (due_usec == USEC_INFINITY) {
                timer_stop(timers, timer);
                return 0;
        }

        /* A callback that arms for now must not keep the run from ending. */
        if (timers->running_usec && due_usec <= timers->running_usec)
                due_usec = timers->running_usec + 1;

        return heap_set(&timers->heap, &timer->node, due_usec);
}

void timer_stop(struct timers *timers, struct timer *timer)
{
        heap_remove(&timers->heap, &timer->node);
}

bool timer_is_armed(const struct timer *timer)
{
        return timer->node.index != HEAP_NOT_IN;
}

void timers_run(struct timers *timers, uint64_t now_usec)
{
        struct heap_node *first;

        timers->running_usec = now_usec;
        while ((first = heap_first(&timers->heap)) && first->due_usec <= now_usec) {
                struct timer *timer = (struct timer *)((char *)first - offsetof(struct timer, node));

                heap_remove(&timers->heap, first);
                timer->on_due(timer->userdata);
        }
        timers->running_usec = 0;
}

uint64_t timers_next(const struct timers *timers)
{
        const struct heap_node *first = heap_first(&timers->heap);

        return first ? first->due_usec : USEC_INFINITY;
}

void timers_done(struct timers *timers)
{
        heap_done(&timers->heap);
}
