/*
 * One named grant: what is known of it, whether its token can be handed out, and what that means in words. No I/O and no clock: now
 * is an argument. Everything that changes a credential durably goes through vault.h.
 */
#pragma once

#include "common/clock.h"
#include "common/secret.h"
#include "daemon/protocol/api.h"
#include "daemon/config/config.h"
#include "daemon/base/timers.h"

#include <stdbool.h>
#include <stdint.h>

enum { CREDENTIAL_DEFAULT_MIN_VALID_SEC = 60, CREDENTIAL_MOST_MIN_VALID_SEC = 86400 };

/* What the provider gave. Written to disk as one record, whole. */
struct grant {
        struct secret
                *refresh_token; /* NULL: the provider gave none; the access token's end is the grant's */
        struct secret *access_token; /* NULL: none that could be used */
        char *token_type;
        bool is_bearer, token_is_plain; /* what was seen of type and access token; false: nobody has looked */
        uint64_t generation; /* counts the access tokens of this credential, from 1 */
        uint64_t lifetime_usec;
        int64_t received_boot_usec; /* on this boot's clock; negative: before this boot */
        int64_t received_wall_usec;
};

void grant_done(struct grant *grant); /* safe on a zeroed one */
void grant_move(struct grant *to, struct grant *from); /* frees what `to` held; `from` is zeroed */
/* grant_move() and grant_decode() do it: what is asked with each call is then known without a look at the strings. */
void grant_look(struct grant *grant);
/* The scheme's name is compared without regard to case (RFC 9110 section 11.1), but some servers do not: RFC 6750 writes it so. */
extern const char GRANT_BEARER[]; /* told by its address */
const char *grant_scheme(const struct grant *grant);

/* Why a grant is finally refused. The numbers are on disk. */
enum refusal {
        REFUSAL_NONE,
        REFUSAL_NEVER_AUTHORIZED, /* configured, and nobody has logged in yet */
        REFUSAL_REFUSED, /* by the token endpoint: the last access token is served to its end */
        REFUSAL_CUT, /* disconnected, rejected and refused, or revoked: nothing is served any more */
};

struct test_result {
        int64_t tested_wall_usec; /* 0: never */
        enum api_verdict verdict;
        enum version_state version_state;
        char *api_version; /* asked for; NULL: none */
        char *served_version; /* NULL: not told */
        char *version_warning; /* NULL: none */
        char *message;
};

void test_result_done(struct test_result *test);

/* Which grant, and which of the changes of its facts. */
struct save_mark {
        uint64_t grant, facts;
};

/* Which facts are on disk. */
struct facts_mark {
        bool is_known; /* else: some are being written or deleted, or were by an earlier process */
        uint8_t digest[16];
        uint64_t n_writes; /* that were begun */
};

struct entry;

struct credential {
        /*
         * What every answer depends on, side by side: where there are many credentials, each line of the cache that an answer touches is fetched
         * from afar. CREDENTIAL_LINES of them are these.
         */
        char *name;
        /* From the configuration in force; NULL when it no longer has them. */
        const struct client *client;
        const struct credential_config *config;
        struct grant grant;
        uint64_t rejected_generation; /* the API rejected this one; 0: none */
        enum refusal refusal; /* a fact; so are the next but the flags */
        bool is_pending; /* this is the `pending` of another one of the same name */
        bool outcome_unknown; /* a refresh left no answer: the provider may have rotated the grant */
        bool client_refused; /* the last refresh failed because of client_id or client_secret */
        bool unsaved; /* the newest grant is not on disk */
        bool foreign_refresher; /* a fact: the notice means that somebody else refreshes this grant */
        char *account_id; /* NULL until a test has shown it */
        char *notice; /* the provider's own warning in the last token answer; NULL: none */
        int64_t exported_wall_usec; /* when its grant left in a backup; 0: never */
        struct test_result test;

        /* Further facts; all of them are written to disk as one record. */
        char *description; /* never NULL */
        char *client_name; /* never NULL; "" until one is known */
        char *account_name;
        int64_t authorized_wall_usec;
        char *refusal_reason; /* NULL unless refused */
        bool moved; /* and is not refreshed here any more */

        struct credential *pending; /* a later login's grant that waits for its test; owned */
        bool switch_account; /* of a pending one: it may replace another account's grant */

        /* Of this run. */
        unsigned failures; /* passing failures of refresh in a row */
        char *last_failure; /* in words; NULL: none since the last success */
        uint64_t retry_at_usec; /* boot time before which no refresh is tried; 0: at once */
        bool replays_spent; /* the old token was tried often enough: only a person's `refresh` tries again */
        bool retry_is_ordered; /* by Retry-After: `refresh` does not override it */
        unsigned replays; /* how often the old token was tried since */
        uint64_t
                rejected_at_usec; /* when it last rejected one, and how often in short order: fresh ones that are rejected, too, */
        unsigned rejections; /* must not cost a refresh for each call */
        const char *
                told_failure; /* the event that its failures were last told as; NULL: none since the last success */
        uint64_t next_refresh_usec; /* boot time; USEC_INFINITY: none is planned */
        bool held; /* no refresh is begun: its grant is being replaced, revoked or forgotten */

        /* vault.c's */
        struct entry *entry; /* NULL: of a pending one */
        struct facts_mark facts_mark;
        bool facts_unsaved; /* the newest facts are not on disk */
        bool unreadable; /* its record does not open: kept as it is, never overwritten by a refresh */
        bool has_intent; /* the store holds one, or is to */
        bool leaving; /* it is being forgotten: what is written now would bring it back */
        char *save_problem;
        unsigned saves_in_flight; /* of grants */
        unsigned promotions; /* of which a later login's, until a moment ago `pending` */
        uint64_t
                n_grants; /* how many the vault was given for it; writes may end in another order than they began */
        struct save_mark newest; /* what is in memory */
        struct save_mark rewriting; /* what goes into a store that is being made anew */

        struct timer refresh_timer;
        struct timer test_timer;
        unsigned test_failures;
        uint64_t test_retry_after_usec; /* as the API asked with the last test; 0: it did not */
        struct refresher *refresher; /* refresh.c's: who keeps it fresh */
        struct refresh_job *job; /* refresh.c's: the refresh in flight */
        struct waiter *waiters; /* refresh.c's */
        struct prober *prober; /* probe.c's: who tests it */
        struct probe *probe; /* probe.c's: the test in flight */
        struct logins *logins; /* login.c's, of a pending one */
        unsigned told_troubles; /* hooks.c's: bits, 1 << enum hook_event */
        void *serve; /* the serve layer's own; it sees to its release when it is told that the credential goes */
};

enum { CREDENTIAL_LINES = 3, TOKEN_LINES = 8, CACHE_LINE = 64 };

/* Two steps ahead of an answer: fetches what it depends on, and then where that points to. */
static inline void credential_prefetch(const struct credential *credential)
{
        for (size_t i = 0; i < CREDENTIAL_LINES; i++)
                __builtin_prefetch((const char *)credential + i * CACHE_LINE);
}

static inline void credential_prefetch_token(const struct credential *credential)
{
        __builtin_prefetch(credential->name);
        for (size_t i = 0; i < TOKEN_LINES; i++)
                __builtin_prefetch((const char *)credential->grant.access_token + i * CACHE_LINE);
}

int credential_new(struct credential **ret, const char *name);
struct credential *credential_free(
        struct credential *credential); /* job, waiters, probe and timers must be gone */
DEFINE_FREEP(struct credential *, credential_free)
/* Does a later login's grant wait for its test, or to be saved in place of this one? */
bool credential_has_pending(const struct credential *credential);
/* It becomes what credential_new() makes; but its name, its pending one and what the vault knows of its writes stay. */
void credential_reset(struct credential *credential);

/* Whether its client asks for itself, so that nobody logs in (RFC 6749 section 4.4). */
bool credential_is_of_client(const struct credential *credential);
/* Whether a new access token can be had without a person. */
bool credential_is_renewable(const struct credential *credential);
/* Whether the configuration has moved it to another client than the one that its grant was given to. */
bool credential_is_elsewhere(const struct credential *credential);
/* Whether the API has rejected its access token. */
bool credential_is_rejected(const struct credential *credential);

/* Its grant leaves in a backup. move: it is refused here from now on, as by the provider; one that is refused already just leaves. */
void credential_mark_exported(struct credential *credential, int64_t wall_usec, bool move);
/* It is this machine's, as if it had never left. */
void credential_unmark_exported(struct credential *credential);

enum credential_state {
        CREDENTIAL_ACTIVE,
        CREDENTIAL_RETRYING,
        CREDENTIAL_OUTCOME_UNKNOWN,
        CREDENTIAL_AUTHORIZATION_REQUIRED,
        CREDENTIAL_UNAVAILABLE,
        CREDENTIAL_PENDING,
};

enum credential_state credential_state(const struct credential *credential, uint64_t boot_now);
const char *credential_state_name(enum credential_state state); /* "authorization-required" */

/* One sentence on what the state means, and the next command to type (empty: nothing to do). For people; no secrets. */
void credential_explain(const struct credential *credential, uint64_t boot_now, struct diag *ret_message,
                        struct diag *ret_next_step);

/* The trouble in words; NULL while all is well. Valid until the credential changes. */
const char *credential_last_error(const struct credential *credential);

/* How long the access token still lives; 0: it has ended, or there is none. */
uint64_t credential_remaining_usec(const struct credential *credential, uint64_t boot_now);
/* Its end by the local clock, seconds since 1970, rounded down. */
int64_t credential_expires_at(const struct credential *credential, uint64_t boot_now, int64_t wall_now);

/* The version it is pinned to: its own, its client's, or the provider's default; NULL: none. */
const char *credential_api_version(const struct credential *credential);

/* True while its token may be handed out at all: not refused, or refused and served to the end; and not ended. */
bool credential_may_serve(const struct credential *credential, uint64_t boot_now);

struct token_demand {
        bool min_valid_given;
        int64_t min_valid_sec;
        const char *rejected; /* NULL: none. Borrowed */
};

/* How long a token must live to satisfy the demand; *ret_unmeetable: not even a fresh token can, and the default is taken instead. */
uint64_t credential_min_valid_usec(const struct credential *credential, const struct token_demand *demand,
                                   bool *ret_unmeetable);

/* Whether the token that is there satisfies a demand that reports none as rejected, without a word to be said about it. */
bool credential_satisfies(const struct credential *credential, const struct token_demand *demand,
                          uint64_t boot_now);

/*
 * How long after it was received a token is refreshed: early enough for the configured `before`, and for a caller with the default
 * demand never to wait, which matters for short lives; spread by the random number.
 */
uint64_t credential_refresh_after_usec(uint64_t lifetime_usec, const struct refresh_config *config,
                                       uint64_t random);

/* Sentences for the bundle's `warnings`; each is given to on_warning, borrowed for the call. */
void credential_warnings(const struct credential *credential, uint64_t boot_now,
                         void (*on_warning)(const char *sentence, void *userdata), void *userdata);

/* Records: see record.h. What a decoder does not find keeps its initial value. */
enum { CREDENTIAL_E_MALFORMED = 1 };

struct boot_moment {
        char boot_id[37]; /* /proc/sys/kernel/random/boot_id */
        uint64_t boot_usec;
        int64_t wall_usec;
};

/* boot_id NULL: of no boot that there will be again. */
int grant_encode(const struct grant *grant, const char *boot_id, struct secret_buf *buf);
/* Times of another boot are translated by the wall clock; where that is before the time of receipt, the token counts as ended. */
int grant_decode(const char *bytes, size_t n, const struct boot_moment *now, struct grant *ret);
int credential_encode_facts(const struct credential *credential, struct secret_buf *buf);
int credential_decode_facts(const char *bytes, size_t n, struct credential *credential);
