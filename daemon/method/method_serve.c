/* What is kept between calls: what they wait for, and who is to be told of a change; and the answer that was made last. */
#include "daemon/base/log.h"
#include "daemon/method/method_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
        BUNDLE_FRESH_SEC = 1, /* warnings speak of times to come */
        WALL_FRESH_SEC = 1, /* nothing else is slow to follow the wall clock: jumps are told */
        STATUS_DELAY_USEC = 20000,
        STATUS_DELAY_EACH_USEC = 100, /* for each credential, about ten times what describing it takes */
};

/* ---- what waits ---- */

static void pending_free(struct pending *pending)
{
        waiter_free(pending->waiter);
        probe_wait_free(pending->probe_wait);
        login_call_free(pending->login_call);
        revoke_call_free(pending->revoke_call);
        vault_write_free(pending->write);
        exporter_free(pending->exporter);
        transfer_forget(pending);
        work_forget(pending);
        webhook_notice_done(&pending->notice);
        paging_free(pending->paging);
        counting_free(pending->counting);
        if (pending->credential)
                LIST_REMOVE(pending, serve_link);
        if (pending->kind == PENDING_STATUS_WATCH)
                LIST_REMOVE(pending, watch_link);
        free(pending->name);
        free(pending);
}

static void on_dropped(void *userdata)
{
        pending_free(userdata);
}

int pending_begin(struct service *service, struct call *call, enum pending_kind kind,
                  struct credential *credential, const char *name, struct pending **ret)
{
        struct pending *pending;
        struct serve *serve;
        int r;

        pending = calloc(1, sizeof(*pending));
        if (!pending)
                return fault(-ENOMEM);
        *pending =
                (struct pending){ .service = service, .call = call, .kind = PENDING_OTHER, .starting = true };
        if (name && !(pending->name = strdup(name))) {
                pending_free(pending);
                return fault(-ENOMEM);
        }
        if (credential) {
                r = serve_require(service, credential, &serve);
                if (r < 0) {
                        pending_free(pending);
                        return r;
                }
                pending->credential = credential;
                LIST_INSERT_HEAD(&serve->pendings, pending, serve_link);
        }
        pending->kind = kind;
        if (kind == PENDING_STATUS_WATCH)
                LIST_INSERT_HEAD(&service->status_watches, pending, watch_link);

        call->pending = pending;
        call->on_dropped = on_dropped;
        *ret = pending;
        return 0;
}

int pending_started(struct pending *pending, int result)
{
        pending->starting = false;
        if (result < 0 && !pending->answered) {
                pending->call->pending = NULL;
                pending->call->on_dropped = NULL;
        }
        if (result < 0 || pending->answered)
                pending_free(pending);
        return result < 0 ? result : 0;
}

void pending_end(struct pending *pending)
{
        if (pending->starting)
                pending->answered = true;
        else
                pending_free(pending);
}

/* ---- what is kept of a credential ---- */

struct now service_now(const struct service *service)
{
        struct clock *clock = service->parts.context->clock;

        return (struct now){ clock_boot_usec(clock), clock_wall_usec(clock) };
}

int serve_require(struct service *service, struct credential *credential, struct serve **ret)
{
        struct serve *serve = credential->serve;

        if (!serve) {
                serve = calloc(1, sizeof(*serve));
                if (!serve)
                        return fault(-ENOMEM);
                *serve = (struct serve){ .service = service, .credential = credential };
                LIST_INIT(&serve->pendings);
                credential->serve = serve;
        }
        *ret = serve;
        return 0;
}

static void serve_free(struct serve *serve)
{
        assert(LIST_EMPTY(&serve->pendings));

        if (serve->is_changed)
                TAILQ_REMOVE(&serve->service->changed, serve, changed_link);
        serve->credential->serve = NULL;
        free(serve);
}

/* Steady, so that two answers in short order do not differ by what passed between two looks at two clocks. */
static int64_t wall_at(struct service *service, uint64_t boot_now)
{
        if (!service->wall_is_known || boot_now - service->wall_read_usec > WALL_FRESH_SEC * USEC_PER_SEC) {
                service->wall_ahead_usec = clock_wall_usec(service->parts.context->clock) - (int64_t)boot_now;
                service->wall_read_usec = boot_now;
                service->wall_is_known = true;
        }
        return (int64_t)boot_now + service->wall_ahead_usec;
}

/* Many ask for one and the same, and what was made for the last of them still says so: every change is told. */
static bool is_made(const struct service *service, const struct credential *credential, uint64_t boot_now)
{
        return service->bundle_of == credential &&
               boot_now - service->bundle_made_usec < BUNDLE_FRESH_SEC * USEC_PER_SEC;
}

static void forget_bundle(struct service *service)
{
        bundle_wipe(&service->bundle);
        service->bundle_of = NULL;
}

int serve_bundle(struct service *service, const struct credential *credential, uint64_t boot_now,
                 const struct bundle **ret)
{
        int r;

        if (!is_made(service, credential, boot_now)) {
                service->bundle_of = NULL;
                r = bundle_render(&service->bundle, credential, boot_now, wall_at(service, boot_now));
                if (r < 0)
                        return r;
                service->bundle_of = credential;
                service->bundle_made_usec = boot_now;
        }
        *ret = &service->bundle;
        return 0;
}

/* The first use of each token by each connection is told, as far as it is remembered. */
void tell_use(struct service *service, struct call *call, const struct credential *credential)
{
        uint64_t generation = credential->grant.generation;
        unsigned i;

        for (i = 0; i < CALL_VERDICTS; i++)
                if (call->told[i].credential == credential && call->told[i].generation == generation &&
                    call->told[i].epoch == service->epoch)
                        return;
        i = call->n_told++ % CALL_VERDICTS;
        call->told[i].credential = credential;
        call->told[i].generation = generation;
        call->told[i].epoch = service->epoch;
        audit_granted(service->parts.audit, call->peer, credential);
}

int reply_bundle(struct service *service, struct call *call, struct credential *credential, uint64_t boot_now,
                 bool short_lived, bool continues)
{
        static const char warning[] =
                "No access token lives as long as this call asked for; this is the newest one.";
        struct secret_buf message = SECRET_BUF_INIT(WIRE_MESSAGE_MAX);
        const struct bundle *bundle;
        int r;

        r = serve_bundle(service, credential, boot_now, &bundle);
        if (r < 0)
                return r;
        tell_use(service, call, credential);
        if (!short_lived && !continues) {
                call_send(call, bundle->message.data, bundle->message.n, false);
                return 0;
        }

        r = bundle_render_variant(bundle, short_lived ? warning : NULL, continues, &message);
        if (r == 0)
                call_send(call, message.data, message.n, continues);
        secret_buf_done(&message);
        return r;
}

static int free_serve(struct credential *credential, void *userdata)
{
        if (credential->serve)
                serve_free(credential->serve);
        return 0;
}

void serve_free_all(struct service *service)
{
        (void)vault_each_loaded(service->parts.context->vault, free_serve, NULL);
}

/* ---- changes ---- */

static void arm(struct service *service, struct timer *timer, uint64_t delay_usec)
{
        const struct context *context = service->parts.context;

        if (!timer_is_armed(timer) &&
            timer_set(context->timers, timer, usec_add(context_now(context), delay_usec)) < 0)
                log_error("Out of memory: watchers are told with the next change.");
}

/* Many changes in short order are one answer, and one that is long comes less often. */
void watch_status_later(struct service *service)
{
        arm(service, &service->status_timer,
            STATUS_DELAY_USEC + vault_count_loaded(service->parts.context->vault) * STATUS_DELAY_EACH_USEC);
}

/* A change may come from the middle of anything, so that what follows from it waits for the loop. */
static void note_status_change(struct service *service)
{
        struct pending *watch;

        LIST_FOREACH (watch, &service->status_watches, watch_link)
                watch->dirty = true;
        if (!LIST_EMPTY(&service->status_watches))
                watch_status_later(service);
}

static void note_change(struct service *service, struct credential *credential)
{
        struct serve *serve = credential->serve;

        if (!serve || LIST_EMPTY(&serve->pendings) || serve->is_changed)
                return;
        serve->is_changed = true;
        TAILQ_INSERT_TAIL(&service->changed, serve, changed_link);
        arm(service, &service->changed_timer, 0);
}

static void end_removed(struct pending *pending)
{
        struct token_answer answer = { .verdict = TOKEN_AUTHORIZATION_REQUIRED,
                                       .reason = "The credential was removed while this call waited." };
        int r;

        r = reply_no_token(pending->service, pending->call, pending->credential->name, &answer);
        if (r < 0)
                call_fail(pending->call, r);
        pending_end(pending);
}

static void forget(struct credential *credential)
{
        struct serve *serve = credential->serve;
        struct pending *pending, *next;

        if (!serve)
                return;
        for (pending = LIST_FIRST(&serve->pendings); pending; pending = next) {
                next = LIST_NEXT(pending, serve_link);
                if (pending->starting) {
                        /* Its starter sees to it. */
                        LIST_REMOVE(pending, serve_link);
                        pending->credential = NULL;
                } else {
                        end_removed(pending);
                }
        }
        serve_free(serve);
}

void service_on_change(struct credential *credential, bool gone, void *userdata)
{
        struct service *service = userdata;

        /* It may hold what is stale now: a secret that nobody needs any more. */
        forget_bundle(service);
        if (gone) {
                /* What connections remember of it does not hold for another at its address. */
                service->epoch++;
                forget(credential);
        }
        /* What is seen of a later login's grant is part of the credential that it waits for. */
        if (credential->is_pending)
                credential = vault_find(service->parts.context->vault, credential->name);
        else if (gone)
                credential = NULL;
        if (credential)
                note_change(service, credential);
        note_status_change(service);
}

static int note_one(struct credential *credential, void *userdata)
{
        note_change(userdata, credential);
        return 0;
}

void service_refresh_all(struct service *service)
{
        service->epoch++;
        service->wall_is_known = false;
        forget_bundle(service);
        bundle_forget_clients(&service->bundle);
        (void)vault_each_loaded(service->parts.context->vault, note_one, service);
        note_status_change(service);
}
