/* What the files of the method layer share; nobody else includes it. */
#pragma once

#include "daemon/serve/bundle.h"
#include "daemon/method/method.h"
#include "daemon/method/method_arguments.h"
#include "daemon/method/method_errors.h"
#include "daemon/protocol/webhook.h"
#include "daemon/base/rate.h"
#include "daemon/vault/vault.h"

#include <sys/queue.h>

enum { WEBHOOK_CALLERS = 16 };

/* How often a user brought webhooks that were not taken. */
struct webhook_caller {
        uid_t uid;
        struct rate answers, lines;
        uint64_t used_usec; /* 0: free */
};

/* A backup on its way in; one at a time, and not for long. */
struct upload {
        char id[33]; /* "": none */
        struct secret *passphrase;
        bool replace;
        uint8_t *bytes;
        size_t n, allocated;
        struct timer timer;
};

struct service {
        struct service_parts parts;
        struct server *server;
        struct metrics metrics;
        struct webhook_caller webhook_callers[WEBHOOK_CALLERS]; /* beyond them, the one that rested longest */
        uint64_t epoch; /* verdicts of an earlier one do not count */
        uint64_t units_epoch; /* of what the next says */
        bool turns_on_units; /* as access_turns_on_units() says */

        bool is_loading; /* not all credentials are there, and who needs them all waits */
        TAILQ_HEAD(works, pending) works; /* what has its turn for a step */
        struct works late_works; /* what begins when all are there */
        uint64_t works_round; /* of what had its turn last */

        LIST_HEAD(, pending) status_watches;
        struct timer status_timer;
        struct bundle bundle; /* the answer that was made last */
        const struct credential *bundle_of; /* NULL: of none that holds */
        uint64_t bundle_made_usec; /* boot time */
        uint64_t expected_usec; /* boot time when brief calls were last expected */
        bool wall_is_known;
        uint64_t wall_read_usec; /* boot time */
        int64_t wall_ahead_usec; /* of boot time */
        TAILQ_HEAD(, serve) changed; /* whose watches are to be told */
        struct timer changed_timer;

        struct upload upload;
        struct restorer *restorer; /* NULL: none is under way */
        struct pending *restoring; /* whose call waits for it; NULL: nobody */
};

/* credential->serve: what the serve layer keeps of each credential that was waited for. */
struct serve {
        struct service *service;
        struct credential *credential;
        bool is_changed; /* in service->changed */
        TAILQ_ENTRY(serve) changed_link;
        LIST_HEAD(, pending) pendings; /* that end when the credential goes */
};

typedef int method_fn(struct service *service, struct call *call);

/* One step. 0: done, and the pending ended unless it waits for something else now. METHOD_E_MORE: it is run again. A fault ends both. */
typedef int work_fn(struct pending *pending);

enum pending_kind { PENDING_TOKEN, PENDING_WATCH, PENDING_STATUS_WATCH, PENDING_OTHER };

/* What a call waits for. Freeing it cancels that; the call is answered, or gone. */
struct pending {
        struct service *service;
        struct call *call;
        enum pending_kind kind;
        struct credential *credential; /* NULL: it does not depend on one */
        bool starting; /* what it waits for is being begun, and may answer at once */
        bool answered;

        struct waiter *waiter;
        struct probe_wait *probe_wait;
        struct login_call *login_call;
        struct revoke_call *revoke_call;
        struct vault_write *write;
        struct exporter *exporter;

        work_fn *step; /* what is done next, while this is among the works */
        struct works *works_in; /* NULL: in none */
        uint64_t round; /* among the works: each of a user's is in a later one */
        TAILQ_ENTRY(pending) work_link;
        struct paging *paging; /* of a list that is being made */
        struct counting *counting; /* of Metrics */
        struct webhook_notice notice; /* of VerifyWebhook: genuine, and yet to be matched */

        char *name; /* of a credential or a client, where the answer needs it later */
        bool dirty; /* of a watch: something changed that the peer was not told yet */
        int64_t tested_before_usec; /* of Test: when the last result came that is not this one */
        uint64_t sent_generation; /* of PENDING_WATCH; 0: nothing was sent yet */
        char sent_version[64];
        bool sending; /* of Export: a piece that the peer has not read yet */
        LIST_ENTRY(pending) serve_link;
        LIST_ENTRY(pending) watch_link;
};

/*
 * One call that may wait: pending_begin(), then whatever is waited for is started with the pending as its userdata, then pending_started() with the
 * result. Callbacks answer the call and end with pending_end(), whether they come from within the start or later.
 */
int pending_begin(struct service *service, struct call *call, enum pending_kind kind,
                  struct credential *credential, const char *name, struct pending **ret);
int pending_started(struct pending *pending, int result);
void pending_end(struct pending *pending);

/* method.c: runs the method that is called, for whoever may call it now. */
int call_run(struct service *service, struct call *call);

/* method_work.c */
/* Begins at once unless others are at work. The same as pending_started() follows: the result is for whoever began the pending. */
int work_start(struct pending *pending, work_fn *step);
void work_queue(struct pending *pending, work_fn *step);
void work_begin_late(struct pending *pending, work_fn *step); /* once all credentials are there */
void work_forget(struct pending *pending);
/* 0: all credentials are there. METHOD_E_WAITS: not all of them are yet; when they are, the call is run anew, and nothing may be done until then. */
int await_all(struct service *service, struct call *call);

/* method_tokens.c */
method_fn method_get_token, method_list_credentials;
/* GetToken, where the answer is there and nothing is to be said but the bundle; else false, and nothing was done. */
bool brief_get_token(struct service *service, struct call *call, const struct brief *brief,
                     const struct secret_buf **ret_answer);
/* Before that: whether it is such a call at all. */
bool brief_read(const struct service *service, struct brief *brief);
/* And, of all that are next: has what they need fetched from memory. */
void brief_expect(struct service *service, const struct brief *const *briefs, size_t n);
/* method_page.c: credentials in order of their names, as many as one answer may hold. METHOD_E_ANSWERED: with what is wrong with that. */
struct page {
        const char *after; /* NULL: from the first */
        struct optional_int most; /* not given: all, or a refusal */
};
#define PAGE_ARGUMENTS(type, member)                                                                         \
        { "after", ARGUMENT_STRING, false, offsetof(type, member.after) },                                   \
        {                                                                                                    \
                "most", ARGUMENT_INT, false, offsetof(type, member.most)                                     \
        }
typedef json_t *describe_fn(const struct credential *credential, const struct now *now);
struct paging;
/* daemon: what precedes them, for an administrator, who sees all; NULL: those that the caller may use. METHOD_E_ANSWERED. */
int paging_new(struct paging **ret, struct service *service, struct call *call, const struct page *page,
               const json_t *daemon, describe_fn *describe);
struct paging *paging_free(struct paging *paging);
DEFINE_FREEP(struct paging *, paging_free)
/* 0: the page is whole, and may be sent. METHOD_E_MORE, METHOD_E_ANSWERED or a fault. */
int paging_step(struct paging *paging);
int paging_send(struct paging *paging, bool continues);
/* method_providers.c */
method_fn method_list_providers;
/* method_watch.c */
method_fn method_watch_token, method_status;
void watch_on_token(const struct token_answer *answer, void *userdata);
void watch_tell_tokens(void *userdata); /* of service->changed_timer */
void watch_tell_status(void *userdata); /* of service->status_timer */
void watch_status_later(struct service *service); /* method_serve.c: arms it */
/* method_webhook.c */
method_fn method_verify_webhook;
/* method_admin.c */
method_fn method_refresh, method_test, method_revoke, method_set_client_secret, method_list_clients,
        method_reload, method_change_sealing_key;
/* method_metrics.c */
method_fn method_metrics;
struct counting *counting_free(struct counting *counting);
DEFINE_FREEP(struct counting *, counting_free)
/* method_transfer.c */
method_fn method_export, method_keep_grants, method_begin_restore, method_put_restore_data,
        method_complete_restore;
void transfer_init(struct service *service);
void transfer_done(struct service *service);
void transfer_forget(const struct pending *pending); /* its call is gone */
/* method_login.c */
method_fn method_begin_authorization, method_complete_authorization, method_cancel_authorization;
method_fn method_begin_device_authorization, method_complete_device_authorization;
method_fn method_adopt_authorization_code, method_import_grant;
void login_on_tested(const struct login_answer *answer, void *userdata);
/* method_service.c */
method_fn method_get_info, method_get_interface_description;
extern const char interface_service[];
bool interface_is_known(const char *name);

/* Each answers the call; 0, or a fault. */
int reply_error(struct call *call, enum outcome outcome, const struct error_facts *facts);
int reply_values(struct call *call, json_t *parameters); /* takes the reference; NULL is a want of memory */
/* To whom may know: there is none, or the store cannot tell. */
int reply_not_found(const struct service *service, struct call *call, const char *name);
int reply_denied(struct service *service, struct call *call, const char *name);
int reply_invalid(struct call *call, const char *parameter, const char *reason);

enum {
        METHOD_E_ANSWERED = 1, /* the call has its answer already */
        METHOD_E_WAITS, /* it will have one */
        METHOD_E_MORE, /* not done yet */
};

/* METHOD_E_ANSWERED: a parameter was missing or of a wrong type. */
int read_arguments(struct call *call, const struct argument *arguments, size_t n, void *ret);
#define READ_ARGUMENTS(call, arguments, ret)                                                                 \
        read_arguments(call, arguments, sizeof(arguments) / sizeof((arguments)[0]), ret)

bool call_is_allowed(struct service *service, struct call *call, const struct allow_list *allow);
bool call_is_admin(struct service *service, struct call *call);
bool call_may_use(struct service *service, struct call *call, const struct credential *credential);
/* The credential that the caller may use; else the call is answered with what the caller may know. */
int find_for_caller(struct service *service, struct call *call, const char *name, struct credential **ret);
/* The credential, for an administrator. */
int find_for_admin(struct service *service, struct call *call, const char *name, struct credential **ret);

struct now service_now(const struct service *service);
int serve_require(struct service *service, struct credential *credential, struct serve **ret);
void serve_free_all(struct service *service);
/* The bundle of a credential that has a token; there until the next one, or a change. */
int serve_bundle(struct service *service, const struct credential *credential, uint64_t boot_now,
                 const struct bundle **ret);
/* The first use by each connection is told. */
void tell_use(struct service *service, struct call *call, const struct credential *credential);
/* Answers with the bundle. */
int reply_bundle(struct service *service, struct call *call, struct credential *credential, uint64_t boot_now,
                 bool short_lived, bool continues);
/* Answers with what a token_answer that is not READY says. */
int reply_no_token(struct service *service, struct call *call, const char *name,
                   const struct token_answer *answer);
