/*
 * One thread that does one piece of work at a time, beside the event loop. Knows nothing of what the work is, nor of the loop, which is
 * told by a descriptor. It is begun with the first work, and takes no signals. Where no thread can be had, the work is done at once by
 * whoever hands it over.
 */
#pragma once

#include "common/cleanup.h"

#include <stdbool.h>

struct store_worker;

/* told: an eventfd, borrowed, which becomes readable whenever a piece of work has ended. */
int store_worker_new(struct store_worker **ret, int told, void (*work)(void *userdata), void *userdata);
struct store_worker *store_worker_free(struct store_worker *worker); /* what was handed over is done first */
DEFINE_FREEP(struct store_worker *, store_worker_free)

/* Hands over; the end of what was handed over before must have been taken. What work() touches is the worker's until its end is taken. */
void store_worker_begin(struct store_worker *worker);
/* Is something handed over whose end was not taken? */
bool store_worker_is_busy(const struct store_worker *worker);
/* Takes the end. False: nothing was handed over, or (take) it is not done yet. */
bool store_worker_take(struct store_worker *worker);
bool store_worker_wait(struct store_worker *worker);
