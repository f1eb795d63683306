/*
 * rearm TIMERS TIMES: what the scheduler does for each refresh, so many times among so many timers: the next one is due, and is armed anew for
 * some time of the next hour. Prints one object of JSON; its instructions are what tests/bench/scaling.py counts.
 */
#include "daemon/base/timers.h"

#include <stdio.h>
#include <stdlib.h>

enum { HOUR_SEC = 3600 };

static struct timers timers = TIMERS_INIT;
static uint64_t now_usec, state = 88172645463325252;
static unsigned long n_due;

/* Marsaglia's xorshift: the same numbers in each run. */
static uint64_t next_number(void)
{
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
}

static uint64_t some_time_usec(void)
{
        return now_usec + 1 + next_number() % (HOUR_SEC * UINT64_C(1000000));
}

static void arm(struct timer *timer)
{
        if (timer_set(&timers, timer, some_time_usec()) == 0)
                return;
        perror("rearm");
        exit(1);
}

static void on_due(void *userdata)
{
        n_due++;
        arm(userdata);
}

int main(int argc, char **argv)
{
        size_t n = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
        unsigned long times = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
        struct timer *all = calloc(n + 1, sizeof(*all));

        if (n == 0 || !all) {
                fputs("usage: rearm TIMERS TIMES\n", stderr);
                return 2;
        }
        for (size_t i = 0; i < n; i++) {
                timer_init(&all[i], on_due, &all[i]);
                arm(&all[i]);
        }
        while (n_due < times) {
                now_usec = timers_next(&timers);
                timers_run(&timers, now_usec);
        }
        printf("{\"timers\": %zu, \"due\": %lu}\n", n, n_due);
        timers_done(&timers);
        free(all);
        return 0;
}
