/*
 * Keeping tokens fresh: one refresh at a time per credential, however many ask; intent before request, durable before shown; passing and
 * final errors told apart; and the answer to "a token, please". Needs no loop: callbacks of http, store and timers drive it.
 */
#pragma once

#include "daemon/vault/context.h"
#include "daemon/vault/credential.h"
#include "daemon/base/histogram.h"

struct discovery;
struct refresher;
struct token_answer;
struct waiter;

int refresher_new(struct refresher **ret, struct context *context);
struct refresher *refresher_free(struct refresher *refresher); /* cancels what is in flight */
DEFINE_FREEP(struct refresher *, refresher_free)

/* Plans the refreshes of all credentials: after vault_load(), and again after each vault_bind(). */
void refresher_plan_all(struct refresher *refresher);
/* The same for one; it is not held any more, and what its waiters wait for begins. */
void refresher_plan(struct refresher *refresher, struct credential *credential);
/* The credential goes, or waits in vain: holds it, and tells its waiters. A credential that is freed is released by itself. */
void refresher_release(struct refresher *refresher, struct credential *credential);

/*
 * The credential's grant is about to be replaced or forgotten: cancels its refresh, and none is begun until refresher_plan() or
 * refresher_replaced(), which its waiters go on waiting for. The outcome of a refresh on the wire is unknown then.
 */
void refresher_hold(struct refresher *refresher, struct credential *credential);
/*
 * The same, but a refresh on the wire is let come to its end: REFRESH_E_WAITING, and on_answer is told of that, whatever it is. 0: none is on the
 * wire.
 */
int refresher_quiesce(struct refresher *refresher, struct credential *credential,
                      void (*on_answer)(const struct token_answer *answer, void *userdata), void *userdata,
                      struct waiter **ret_waiter);
/* The grant was replaced: plans its refresh, and answers those that waited. */
void refresher_replaced(struct refresher *refresher, struct credential *credential);
/* A client's secret was changed: what it held up is tried at once. */
void refresher_client_changed(struct refresher *refresher, const char *client);

enum token_verdict {
        TOKEN_READY, /* credential->grant is good for it */
        TOKEN_UNAVAILABLE,
        TOKEN_AUTHORIZATION_REQUIRED,
};

struct token_answer {
        enum token_verdict verdict;
        bool short_lived; /* READY, though it does not live as long as was asked for: say so in a warning */
        uint64_t retry_after_usec; /* UNAVAILABLE: 0: not known */
        char reason[512]; /* unless READY */
};

enum {
        REFRESH_E_WAITING = 1, /* on_answer comes later */
};

/*
 * A token that satisfies the demand. 0: *ret_answer holds the answer now. REFRESH_E_WAITING: on_answer is called exactly once, from the
 * loop, after at most the configured patience; freeing *ret_waiter keeps it from running; it may be freed from within.
 */
int refresher_ask(struct refresher *refresher, struct credential *credential,
                  const struct token_demand *demand,
                  void (*on_answer)(const struct token_answer *answer, void *userdata), void *userdata,
                  struct token_answer *ret_answer, struct waiter **ret_waiter);
/* Refreshes now, whatever the age: overrides a back-off, obeys Retry-After. Answers as above; a passing failure is answered at once. */
int refresher_force(struct refresher *refresher, struct credential *credential,
                    void (*on_answer)(const struct token_answer *answer, void *userdata), void *userdata,
                    struct token_answer *ret_answer, struct waiter **ret_waiter);
/* The same for a refresh that no person ordered: it overrides nothing. */
int refresher_try(struct refresher *refresher, struct credential *credential,
                  void (*on_answer)(const struct token_answer *answer, void *userdata), void *userdata,
                  struct token_answer *ret_answer, struct waiter **ret_waiter);
struct waiter *waiter_free(struct waiter *waiter);
DEFINE_FREEP(struct waiter *, waiter_free)

/* The API says that the grant is dead (a test, a webhook, a revocation): final, and nothing is served any more. */
void refresher_cut(struct refresher *refresher, struct credential *credential, const char *reason);
/* The same without an alarm: a person has ended it. */
void refresher_end(struct refresher *refresher, struct credential *credential, const char *reason);
/* The API rejected the current access token: it is refreshed, once per generation. */
void refresher_reject(struct refresher *refresher, struct credential *credential);

/* Begins an orderly stop: nothing new is sent; refreshes on the wire, and their saving, are waited for. on_stopped: all is done. */
void refresher_stop(struct refresher *refresher, void (*on_stopped)(void *userdata), void *userdata);

struct refresh_stats {
        uint64_t refreshed, refused, failed; /* since the start */
        unsigned in_flight, queued;
        struct histogram
                duration; /* of those that were begun, saving included, waiting for a place among the requests not */
};
void refresher_get_stats(const struct refresher *refresher, struct refresh_stats *ret);

/* Shared with login: one cache of what discovery found. */
struct discovery *refresher_discovery(struct refresher *refresher);
