/*
 * Who used what, and who was turned away, for the journal. A caller can make it write as often as it likes, so each user has a bucket
 * of lines; what was left out is counted and told later.
 */
#pragma once

#include "common/cleanup.h"
#include "common/clock.h"
#include "daemon/base/peer.h"
#include "daemon/base/rate.h"
#include "daemon/base/timers.h"

struct credential;

enum {
        AUDIT_USERS = 64, /* buckets; beyond them, the one that rested longest is used again */
        AUDIT_BURST = 20,
        AUDIT_EVERY_SEC = 5, /* one more line */
        AUDIT_SUMMARY_SEC = 60, /* what was left out is told so often */
};

struct audit_user {
        uid_t uid;
        struct rate rate;
        uint64_t used_usec; /* 0: free */
};

/* Embedded in its owner. */
struct audit {
        struct clock *clock;
        struct timers *timers;
        struct timer summary;
        struct audit_user users[AUDIT_USERS];
};

void audit_init(struct audit *audit, struct clock *clock, struct timers *timers);
void audit_done(struct audit *audit); /* tells what was left out */

/* Both look the peer's unit up, when they write. name: what was asked for, as the caller wrote it; NULL: nothing in particular. */
void audit_granted(struct audit *audit, struct peer *peer, const struct credential *credential);
void audit_denied(struct audit *audit, struct peer *peer, const char *method, const char *name);
/*
 * It brought a webhook that is not taken, and n_untold before it that no line was written about. Not under the bucket, which is for what
 * the peer itself does: webhooks come from anywhere, and their number is the caller's to bound.
 */
void audit_webhook(struct peer *peer, const char *client, const char *why, uint64_t n_untold);
/* A line about a peer's bad manners, under the same bucket. `what` completes "user 1000: ...". */
void audit_complain(struct audit *audit, const struct peer *peer, const char *what);
