/*
 * What ties the core, which knows no event loop, to one: the timers, and jumps of the wall clock.
 */
#pragma once

#include "common/cleanup.h"
#include "common/clock.h"
#include "daemon/base/timers.h"

struct loop;

/* event (an sd_event *), timers and clock are borrowed. on_clock_jump: the wall clock was set. */
int loop_new(struct loop **ret, void *event, struct timers *timers, struct clock *clock,
             void (*on_clock_jump)(void *userdata), void *userdata);
struct loop *loop_free(struct loop *loop);
DEFINE_FREEP(struct loop *, loop_free)
