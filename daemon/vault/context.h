/* What everything above the credentials works with: borrowed, made by main (or a test), and outliving them all. */
#pragma once

#include "common/clock.h"
#include "daemon/config/config.h"
#include "daemon/base/timers.h"

#include <stddef.h>

struct http;
struct vault;
struct credential;

struct context {
        struct clock *clock;
        struct timers *timers;
        struct http *http;
        struct vault *vault;
        const struct config *config; /* swapped by a reload, when nothing points into the old one any more */
        void (*random_bytes)(void *bytes, size_t n);
        const char *credentials_directory; /* $CREDENTIALS_DIRECTORY; NULL: none */
        unsigned own_uid;

        /* Told after each change that a caller could see: token, state, warnings. The credential may be on its way out (`gone`), and then
         * this is the last word about it. May be NULL. */
        void (*on_change)(struct credential *credential, bool gone, void *userdata);
        /* Told when the store begins to refuse, and when everything is saved again. May be NULL. */
        void (*on_store_change)(void *userdata);
        void *on_change_userdata; /* of both */
};

static inline uint64_t context_random(const struct context *context)
{
        uint64_t random;
        context->random_bytes(&random, sizeof(random));
        return random;
}

static inline uint64_t context_now(const struct context *context)
{
        return clock_boot_usec(context->clock);
}

static inline void context_changed(const struct context *context, struct credential *credential, bool gone)
{
        if (context->on_change)
                context->on_change(credential, gone, context->on_change_userdata);
}

static inline void context_store_changed(const struct context *context)
{
        if (context->on_store_change)
                context->on_store_change(context->on_change_userdata);
}
