/* What hooks.c (what is to be told), hooks_words.c (as JSON) and hooks_run.c (the commands) share; nobody else includes it. */
#pragma once

#include "daemon/base/child.h"
#include "daemon/config/config.h"
#include "daemon/report/hooks.h"
#include "daemon/base/rate.h"
#include "daemon/report/status.h"

#include <jansson.h>
#include <sys/queue.h>

struct hook_job {
        char *text;
        STAILQ_ENTRY(hook_job) link;
};

/* One command, one event at a time, in their order. Holds nothing of the configuration, which may be swapped while it runs. */
struct hook {
        struct hooks *hooks;
        char **command;
        unsigned events;
        uint64_t timeout_usec;
        STAILQ_HEAD(hook_jobs, hook_job) jobs;
        unsigned n_jobs;
        struct child *child;
        unsigned failures; /* in a row */
        bool is_configured;
        LIST_ENTRY(hook) link;
};

struct hooks {
        struct context *context;
        void *event; /* sd_event */
        char host[65];
        LIST_HEAD(hook_list, hook) list;
        struct timer timer;
        struct rate rate;
        bool told_saving_fails;
};

/* ---- hooks_run.c ---- */

int hook_new(struct hook **ret, struct hooks *hooks, const struct hook_config *config);
void hook_free(struct hook *hook);
bool hook_is_of(const struct hook *hook, const struct hook_config *config);
/* To each command that wants it. after: what it recovered from; N_HOOK_EVENTS: it is no recovery. */
void hooks_tell(struct hooks *hooks, enum hook_event event, enum hook_event after, const char *text);
bool hooks_want(const struct hooks *hooks, enum hook_event event, enum hook_event after);

/* ---- hooks_words.c ---- */

enum { ALSO_MAX = 50 };

/* What happened to one credential, and to others of the same client alike. */
struct tidings {
        enum hook_event event, after; /* after: N_HOOK_EVENTS unless it is a recovery */
        char *client;
        json_t *object;
        json_t *also; /* names; object's */
        size_t n_also;
        struct diag message, next_step;
};

int tidings_make(struct tidings *ret, const struct hooks *hooks, const struct credential *credential,
                 enum hook_event event, enum hook_event after);
int tidings_make_of_store(struct tidings *ret, const struct hooks *hooks, bool recovered);
int tidings_add(struct tidings *tidings, const struct credential *credential);
/* JSON text on one line, with its line end; NULL: no memory. The caller frees it. */
char *tidings_finish(struct tidings *tidings, const struct hooks *hooks);
void tidings_done(struct tidings *tidings);
