/*
 * What each user makes the daemon hold: connections, calls that wait, bytes in buffers; and whose turn it is. Every connection is charged
 * to the uid that the kernel tells, so that one user cannot use up what others need, the daemon's time included: users take turns,
 * and the connections of each among themselves. Knows no socket.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/types.h>

struct account {
        uid_t uid;
        unsigned n_connections;
        unsigned n_waiting;
        size_t held_bytes;
        TAILQ_HEAD(, account_entry)
        idle; /* connections without a call under way, the one that rested longest first */
        TAILQ_HEAD(account_turns, account_entry)
        turns; /* connections with something to do, first come, first served */
        LIST_ENTRY(account) link;
        TAILQ_ENTRY(account) due_link; /* while it has turns */
};

/* Embedded in a connection. */
struct account_entry {
        struct account *account; /* NULL: not charged */
        size_t held_bytes;
        bool waiting, idle, due;
        TAILQ_ENTRY(account_entry) link;
        TAILQ_ENTRY(account_entry) turn_link;
};

enum { ACCOUNTS_BUCKETS = 256 };

/* Embedded in its owner. */
struct accounts {
        LIST_HEAD(, account) buckets[ACCOUNTS_BUCKETS];
        TAILQ_HEAD(, account) due; /* users with turns */
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
/* The next turn, which is its user's last until the others had theirs. NULL: nothing is to be done. */
struct account_entry *accounts_take_due(struct accounts *accounts);
bool accounts_any_due(const struct accounts *accounts);

struct account *accounts_find(struct accounts *accounts, uid_t uid); /* NULL: it holds nothing */
/* The user with most connections, one of them idle; NULL: there is none. */
struct account *accounts_greediest(struct accounts *accounts);
struct account_entry *account_idlest(struct account *account); /* NULL: none is idle */
