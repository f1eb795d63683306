/* What is to be told, and when. */
#include "daemon/report/hooks_internal.h"

#include "daemon/base/log.h"
#include "daemon/vault/trouble.h"
#include "daemon/vault/vault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TIDINGS_MAX = 32 }; /* in one sweep */

struct sweep {
        struct hooks *hooks;
        uint64_t now_usec;
        struct tidings items[TIDINGS_MAX];
        size_t n;
        bool again; /* something was left untold */
};

/* Without memory for the timer, the next change arms it. */
static void arm(struct hooks *hooks, unsigned seconds)
{
        if (!timer_is_armed(&hooks->timer))
                (void)timer_set(hooks->context->timers, &hooks->timer,
                                usec_add(context_now(hooks->context), seconds * USEC_PER_SEC));
}

/* ---- collecting ---- */

static struct tidings *find(struct sweep *sweep, const char *client, enum hook_event event,
                            enum hook_event after)
{
        for (size_t i = 0; i < sweep->n; i++)
                if (sweep->items[i].event == event && sweep->items[i].after == after &&
                    strcmp(sweep->items[i].client, client) == 0)
                        return &sweep->items[i];
        return NULL;
}

static bool may_tell_more(struct sweep *sweep)
{
        return sweep->n < TIDINGS_MAX &&
               rate_take(&sweep->hooks->rate, sweep->now_usec, HOOKS_BURST, HOOKS_EVERY_SEC * USEC_PER_SEC);
}

/* True when it will be told, or when nobody wants to know. */
static bool take_up(struct sweep *sweep, const struct credential *credential, enum hook_event event,
                    enum hook_event after)
{
        struct tidings *same;

        if (!hooks_want(sweep->hooks, event, after))
                return true;
        same = find(sweep, credential->client_name, event, after);
        if (same)
                return tidings_add(same, credential) == 0;
        if (!may_tell_more(sweep) ||
            tidings_make(&sweep->items[sweep->n], sweep->hooks, credential, event, after) < 0)
                return false;
        sweep->n++;
        return true;
}

/* What could not be taken up stays as if it had not been seen. */
static int look_at(struct credential *credential, void *userdata)
{
        struct sweep *sweep = userdata;
        struct trouble_change change = trouble_look(credential, sweep->now_usec, credential->told_troubles);
        unsigned told = change.now & ~change.begun;

        for (enum hook_event event = 0; event < N_HOOK_EVENTS; event++) {
                unsigned bit = 1u << event;

                if ((change.begun & bit) && take_up(sweep, credential, event, N_HOOK_EVENTS))
                        told |= bit;
                if ((change.recovered & bit) && !take_up(sweep, credential, HOOK_RECOVERED, event))
                        told |= bit;
        }
        credential->told_troubles = told;
        sweep->again |= ((change.begun & ~told) | (change.recovered & told)) != 0;
        return 0;
}

static void look_at_store(struct sweep *sweep)
{
        struct hooks *hooks = sweep->hooks;
        bool fails = vault_is_in_trouble(hooks->context->vault);
        enum hook_event event = fails ? HOOK_SAVING_FAILS : HOOK_RECOVERED,
                        after = fails ? N_HOOK_EVENTS : HOOK_SAVING_FAILS;

        if (fails == hooks->told_saving_fails)
                return;
        if (hooks_want(hooks, event, after)) {
                if (!may_tell_more(sweep) ||
                    tidings_make_of_store(&sweep->items[sweep->n], hooks, !fails) < 0) {
                        sweep->again = true;
                        return;
                }
                sweep->n++;
        }
        hooks->told_saving_fails = fails;
}

static void on_due(void *userdata)
{
        struct hooks *hooks = userdata;
        struct sweep sweep = { .hooks = hooks, .now_usec = context_now(hooks->context) };

        look_at_store(&sweep);
        (void)vault_each_loaded(hooks->context->vault, look_at, &sweep);
        for (size_t i = 0; i < sweep.n; i++) {
                char *text = tidings_finish(&sweep.items[i], hooks);

                if (text)
                        hooks_tell(hooks, sweep.items[i].event, sweep.items[i].after, text);
                else
                        log_error("Out of memory: an event was not told to the commands of on_event.");
                free(text);
                tidings_done(&sweep.items[i]);
        }
        if (sweep.again)
                arm(hooks, HOOKS_AGAIN_SEC);
}

void hooks_on_change(struct hooks *hooks, const struct credential *credential)
{
        struct trouble_change change;

        if (LIST_EMPTY(&hooks->list))
                return;
        change = trouble_look(credential, context_now(hooks->context), credential->told_troubles);
        if (change.begun || change.recovered || change.now != credential->told_troubles)
                arm(hooks, HOOKS_DELAY_SEC);
}

void hooks_on_store_change(struct hooks *hooks)
{
        if (!LIST_EMPTY(&hooks->list) &&
            vault_is_in_trouble(hooks->context->vault) != hooks->told_saving_fails)
                arm(hooks, HOOKS_DELAY_SEC);
}

/* ---- configuration ---- */

static int take_as_told(struct credential *credential, void *userdata)
{
        const struct hooks *hooks = userdata;

        credential->told_troubles = trouble_look(credential, context_now(hooks->context), 0).now;
        return 0;
}

void hooks_on_loaded(struct hooks *hooks, struct credential *credential)
{
        if (!LIST_EMPTY(&hooks->list))
                (void)take_as_told(credential, hooks);
}

static struct hook *find_hook(struct hooks *hooks, const struct hook_config *config)
{
        struct hook *hook;

        LIST_FOREACH (hook, &hooks->list, link)
                if (!hook->is_configured && hook_is_of(hook, config))
                        return hook;
        return NULL;
}

static int require_hook(struct hooks *hooks, const struct hook_config *config)
{
        struct hook *hook = find_hook(hooks, config);
        int r = 0;

        if (!hook) {
                r = hook_new(&hook, hooks, config);
                if (r < 0)
                        return r;
                LIST_INSERT_HEAD(&hooks->list, hook, link);
        }
        hook->is_configured = true;
        hook->events = config->events;
        hook->timeout_usec = config->timeout_usec;
        return 0;
}

static void drop_hooks(struct hooks *hooks, bool all)
{
        struct hook *hook, *next;

        for (hook = LIST_FIRST(&hooks->list); hook; hook = next) {
                next = LIST_NEXT(hook, link);
                if (!all && hook->is_configured)
                        continue;
                LIST_REMOVE(hook, link);
                hook_free(hook);
        }
}

int hooks_reload(struct hooks *hooks)
{
        const struct config *config = hooks->context->config;
        bool had_none = LIST_EMPTY(&hooks->list);
        struct hook *hook;
        int r = 0;

        LIST_FOREACH (hook, &hooks->list, link)
                hook->is_configured = false;
        for (size_t i = 0; i < config->n_hooks && r == 0; i++)
                r = require_hook(hooks, &config->hooks[i]);
        drop_hooks(hooks, false);
        if (had_none) {
                hooks->told_saving_fails = vault_is_in_trouble(hooks->context->vault);
                (void)vault_each_loaded(hooks->context->vault, take_as_told, hooks);
        } else if (!LIST_EMPTY(&hooks->list)) {
                arm(hooks, HOOKS_DELAY_SEC);
        }
        return r;
}

int hooks_new(struct hooks **ret, struct context *context, void *event)
{
        _cleanup_(hooks_freep) struct hooks *hooks = calloc(1, sizeof(*hooks));
        int r;

        if (!hooks)
                return fault(-ENOMEM);
        hooks->context = context;
        hooks->event = event;
        LIST_INIT(&hooks->list);
        timer_init(&hooks->timer, on_due, hooks);
        if (gethostname(hooks->host, sizeof(hooks->host) - 1) < 0)
                hooks->host[0] = '\0';
        r = hooks_reload(hooks);
        if (r < 0)
                return r;
        *ret = take_ptr(hooks);
        return 0;
}

struct hooks *hooks_free(struct hooks *hooks)
{
        if (!hooks)
                return NULL;
        drop_hooks(hooks, true);
        timer_stop(hooks->context->timers, &hooks->timer);
        free(hooks);
        return NULL;
}
