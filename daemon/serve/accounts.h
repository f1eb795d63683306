/*
 * What each user makes the daemon hold: connections, calls that wait, bytes in buffers; and whose turn it is. Every connection is charged
 * to the uid that the kernel tells, so that one user cannot use up what others need, the daemon's time included: users take turns,
 * and the connections of each among themselves. Knows no socket.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

struct account {
        uid_t uid;
        unsigned n_connections;
        unsigned n_waiting;
        size_t held_bytes;
        uint64_t used; /* work that was done for it, and what it could have had while it had nothing to do */
        TAILQ_HEAD(, account_entry)
        idle; /* connections without a call under way, the one that rested longest first */
        TAILQ_HEAD(account_new, account_entry) unserved; /* connections that had no turn yet */
        TAILQ_HEAD(account_turns, account_entry)
        turns; /* connections with something to do, first come, first served */
        LIST_ENTRY(account) link;
        TAILQ_ENTRY(account) due_link; /* while it has turns */
};

/* Embedded in a connection. */
struct account_entry {
        struct account *account; /* NULL: not charged */
        size_t held_bytes;
        bool waiting, idle, due, unserved, had_turn;
        TAILQ_ENTRY(account_entry) link; /* of those that are idle, or unserved */
        TAILQ_ENTRY(account_entry) turn_link;
};

enum {
        ACCOUNTS_BUCKETS = 256,
        ACCOUNTS_COMPARED = 8, /* users of whom the next turn is that one's who has used least */
        ACCOUNTS_CREDIT = 64, /* work that a user who rested may be behind the others */
};

/* Embedded in its owner. */
struct accounts {
        LIST_HEAD(, account) buckets[ACCOUNTS_BUCKETS];
        TAILQ_HEAD(, account) due; /* users with turns */
        struct account *serving; /* whose turn it is or was last; NULL: holds nothing any more */
        uint64_t served; /* what those have used who had turns */
        unsigned n_connections;
        size_t held_bytes;
};

void accounts_init(struct accounts *accounts);

/* Charges a connection to its user. -ENOMEM. */
int account_enter(struct accounts *accounts, struct account_entry *entry, uid_t uid);
/* Takes back all that it was charged with. Nothing on an entry that was not charged. */
void account_leave(struct accounts *accounts, struct account_entry *entry);

void account_set_waiting(struct account_entry *entry, bool waiting);
/* Idle ones may be closed for the sake of others; setting it again makes the entry the last that is. */
void account_set_idle(struct account_entry *entry, bool idle);
void account_set_held(struct accounts *accounts, struct account_entry *entry, size_t bytes);

/* It has something to do, behind what others of its user have, and so is not idle; nothing where it is due already. */
void account_set_due(struct accounts *accounts, struct account_entry *entry);
/*
 * The next turn. Of the users that wait longest it is the one's who has used least, so that a user who asks for little is served before those
 * who keep the daemon busy, and nobody waits for ever. NULL: nothing is to be done.
 */
struct account_entry *accounts_take_due(struct accounts *accounts);
/* The turn that was taken last is over, or interrupted, and was so much work. */
void accounts_charge_turn(struct accounts *accounts, uint64_t work);
/* A turn that was interrupted goes on. */
void accounts_resume_turn(struct accounts *accounts, const struct account_entry *entry);
/* Work for an entry beside its turns. */
void account_charge(struct account_entry *entry, uint64_t work);
bool accounts_any_due(const struct accounts *accounts);

struct account *accounts_find(struct accounts *accounts, uid_t uid); /* NULL: it holds nothing */
/* The user with most connections, one of them idle or without a turn yet; NULL: there is none. */
struct account *accounts_greediest(struct accounts *accounts);
struct account_entry *account_idlest(struct account *account); /* NULL: none is idle */
struct account_entry *account_newest(struct account *account); /* without a turn yet; NULL: there is none */
