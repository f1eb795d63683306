/*
 * on_event: tells the commands of the configuration what happened to credentials and store. Not each change is an event, but each trouble
 * that begins or ends and was not told yet: what cannot be told now - too much at once, no memory - is looked for again, and one that is
 * over by then is never told. Decides nothing else; whatever a command does or leaves undone, purserd goes on.
 */
#pragma once

#include "common/cleanup.h"
#include "daemon/vault/context.h"

enum {
        HOOKS_DELAY_SEC = 1, /* what happens within is told together */
        HOOKS_AGAIN_SEC = 10,
        HOOKS_BURST = 10, /* events at once; */
        HOOKS_EVERY_SEC = 30, /* then one each */
        HOOKS_QUEUE_MAX = 32, /* events that wait for one command */
};

struct hooks;

/* event: an sd_event, borrowed as context is. What is the matter by now is no news. */
int hooks_new(struct hooks **ret, struct context *context, void *event);
/* Kills what runs. */
struct hooks *hooks_free(struct hooks *hooks);
DEFINE_FREEP(struct hooks *, hooks_free)

/* After the configuration was swapped. Commands that are still in it finish what they do; others are killed. -ENOMEM: those that fit. */
int hooks_reload(struct hooks *hooks);

/* A credential changed; never one that waits in another's `pending`. */
void hooks_on_change(struct hooks *hooks, const struct credential *credential);
/* It was read from the store: what is the matter with it by now is no news. */
void hooks_on_loaded(struct hooks *hooks, struct credential *credential);
void hooks_on_store_change(struct hooks *hooks);
