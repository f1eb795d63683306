/*
 * Credentials for services, loaded by the service manager itself (LoadCredential= with a socket): whether the unit may have one, the wait
 * for a token, and the words where there is none. The wire has no way to refuse: all but success is an empty credential, so that each
 * of them is told to the journal with the unit's name.
 */
#include "daemon/base/events.h"
#include "daemon/base/log.h"
#include "daemon/method/method_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
        /* A service's start may take 90 s by default, and many say 30 s: the credential is one part of it. */
        PATIENCE_SEC = 20,
        /* A service has one token for all its run, so it gets one that is good for some time, where the provider gives such. */
        MIN_VALID_SEC = 15 * 60,
};

struct load_wait {
        struct service *service;
        struct load *load;
        struct waiter *waiter;
        struct timer patience;
        bool starting, answered;
};

static void wait_free(void *userdata)
{
        struct load_wait *wait = userdata;

        waiter_free(wait->waiter);
        timer_stop(wait->service->parts.context->timers, &wait->patience);
        free(wait);
}

/* ---- who asks ---- */

static const struct access_self *self_of(const struct service *service)
{
        return &service->parts.self;
}

/* Anybody who may connect can bind any name. The system's manager is root; that of a user is this very user. */
static bool is_manager(const struct service *service, const struct peer *peer)
{
        return peer->uid == (self_of(service)->in_user_manager ? self_of(service)->uid : 0);
}

/*
 * The unit as a caller. As which user its processes will run, the system's manager does not say: that root asks on its behalf makes it
 * neither root nor anybody, so that only rules that name the unit speak of it. All units of a user's manager run as that user.
 */
static struct peer as_caller(const struct service *service, struct load *load)
{
        struct peer caller = {
                .pid = load->peer->pid, .uid = (uid_t)-1, .gid = (gid_t)-1, .fd = -1, .unit_known = true
        };

        if (!self_of(service)->in_user_manager) {
                caller.unit = load->request.unit;
                return caller;
        }
        peer_find_groups(load->peer);
        caller.uid = load->peer->uid;
        caller.gid = load->peer->gid;
        caller.groups = load->peer->groups;
        caller.n_groups = load->peer->n_groups;
        caller.user_unit = load->request.unit;
        return caller;
}

static bool may_use(const struct service *service, struct load *load, const struct credential *credential)
{
        struct peer caller = as_caller(service, load);

        return access_check(access_list(credential->config, credential->client), &caller, self_of(service)) ==
               ACCESS_GRANTED;
}

/* For lines of the audit: the process that connected, and the unit that it spoke for. */
static struct peer as_told(const struct service *service, struct load *load)
{
        struct peer told = as_caller(service, load);

        told.uid = load->peer->uid;
        return told;
}

/* ---- the end of a load ---- */

static void end_empty(struct service *service, struct load *load, const char *why)
{
        struct log_event event = { .message_id = EVENT_LOAD_EMPTY,
                                   .level = LOG_LEVEL_ERROR,
                                   .credential =
                                           name_is_valid(load->request.name) ? load->request.name : NULL,
                                   .reason = why,
                                   .peer_pid = load->peer->pid,
                                   .peer_uid = (long)load->peer->uid,
                                   .peer_unit = load->request.unit };

        (void)service;
        log_event(&event, "Unit '%s' was given an empty credential '%s': %s", load->request.unit,
                  load->request.id, why);
        load_end(load);
}

static int render(struct service *service, struct load *load, struct credential *credential,
                  const struct token_answer *answer, struct secret_buf *ret)
{
        const struct bundle *bundle;
        int r;

        switch (load->request.form) {
        case LOAD_TOKEN:
                return secret_buf_append(ret, secret_expose(credential->grant.access_token),
                                         secret_size(credential->grant.access_token));
        case LOAD_HEADERS:
                return bundle_write_headers(credential, ret);
        case LOAD_JSON:
                r = serve_bundle(service, credential, service_now(service).boot_usec, &bundle);
                return r < 0 ? r : bundle_write_json(bundle, answer->short_lived, ret);
        }
        return fault(-EINVAL);
}

static void give(struct service *service, struct load *load, struct credential *credential,
                 const struct token_answer *answer)
{
        struct secret_buf text = SECRET_BUF_INIT(256 * 1024);
        struct peer told = as_told(service, load);
        int r;

        r = render(service, load, credential, answer, &text);
        if (r == 0) {
                audit_granted(service->parts.audit, &told, credential);
                load_give(load, text.data, text.n);
        } else {
                log_error("A credential could not be rendered: %s (%s).", strerror(-r), fault_origin());
                end_empty(service, load, "purserd ran out of memory.");
        }
        secret_buf_done(&text);
}

static void answer_load(struct service *service, struct load *load, const struct token_answer *answer)
{
        struct credential *credential = vault_find(service->parts.context->vault, load->request.name);

        load->pending = NULL;
        load->on_dropped = NULL;
        if (answer->verdict == TOKEN_READY && credential && credential->grant.access_token) {
                give(service, load, credential, answer);
                return;
        }
        if (answer->verdict == TOKEN_AUTHORIZATION_REQUIRED)
                service->metrics.authorization_required++;
        else
                service->metrics.unavailable++;
        end_empty(service, load, answer->reason[0] ? answer->reason : "There is no token.");
}

/* ---- waiting ---- */

static void end_wait(struct load_wait *wait, const struct token_answer *answer)
{
        struct service *service = wait->service;
        struct load *load = wait->load;

        if (wait->starting)
                wait->answered = true;
        else
                wait_free(wait);
        answer_load(service, load, answer);
}

static void on_answer(const struct token_answer *answer, void *userdata)
{
        struct load_wait *wait = userdata;

        wait->waiter = waiter_free(wait->waiter);
        end_wait(wait, answer);
}

/* What lives is better than nothing, though a longer life was hoped for. */
static void on_patience_over(void *userdata)
{
        struct load_wait *wait = userdata;
        struct context *context = wait->service->parts.context;
        struct credential *credential = vault_find(context->vault, wait->load->request.name);
        struct token_answer answer = {
                .verdict = TOKEN_UNAVAILABLE,
                .reason = "The provider did not answer in time; a service's start cannot "
                          "wait longer."
        };

        if (credential && credential_may_serve(credential, context_now(context)))
                answer = (struct token_answer){ .verdict = TOKEN_READY, .short_lived = true };
        end_wait(wait, &answer);
}

static int begin_wait(struct service *service, struct load *load, struct credential *credential)
{
        static const struct token_demand demand = { .min_valid_given = true, .min_valid_sec = MIN_VALID_SEC };
        struct context *context = service->parts.context;
        struct load_wait *wait = calloc(1, sizeof(*wait));
        struct token_answer answer;
        int r;

        if (!wait)
                return fault(-ENOMEM);
        *wait = (struct load_wait){ .service = service, .load = load, .starting = true };
        timer_init(&wait->patience, on_patience_over, wait);
        r = timer_set(context->timers, &wait->patience,
                      usec_add(context_now(context), PATIENCE_SEC * USEC_PER_SEC));
        if (r == 0) {
                load->pending = wait;
                load->on_dropped = wait_free;
                r = refresher_ask(service->parts.refresher, credential, &demand, on_answer, wait, &answer,
                                  &wait->waiter);
        }
        if (r == 0)
                end_wait(wait, &answer);
        wait->starting = false;
        if (r < 0 || wait->answered)
                wait_free(wait);
        return r < 0 ? r : 0;
}

/* ---- the decision ---- */

static void refuse(struct service *service, struct load *load, const struct peer *told)
{
        struct peer copy = *told;

        service->metrics.denied++;
        audit_denied(service->parts.audit, &copy,
                     "LoadCredential=", load->is_named ? load->request.name : NULL);
}

static void on_load(struct load *load, void *userdata)
{
        struct service *service = userdata;
        struct credential *credential;
        struct peer told;
        int r;

        if (!load->is_named || !is_manager(service, load->peer)) {
                /* Who it is, says the kernel; the unit's name that it bound is its own invention. */
                peer_find_unit(load->peer);
                refuse(service, load, load->peer);
                load_end(load);
                return;
        }
        credential = vault_find(service->parts.context->vault, load->request.name);
        if (!credential) {
                end_empty(service, load, "There is no such credential; `purser list` shows what there is.");
                return;
        }
        if (!may_use(service, load, credential)) {
                told = as_told(service, load);
                refuse(service, load, &told);
                end_empty(service, load,
                          "No rule of `allow` names this unit; add `unit: NAME` there if it is to have it.");
                return;
        }
        r = begin_wait(service, load, credential);
        if (r < 0) {
                load->pending = NULL;
                load->on_dropped = NULL;
                end_empty(service, load, "purserd ran out of memory.");
        }
}

struct load_handler service_load_handler(struct service *service)
{
        return (struct load_handler){ .on_load = on_load, .userdata = service };
}
