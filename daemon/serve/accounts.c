/* The books. What follows from a number is the server's to decide. */
#include "daemon/serve/accounts.h"

#include "common/fault.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void accounts_init(struct accounts *accounts)
{
        *accounts = (struct accounts){ 0 };
        for (size_t i = 0; i < ACCOUNTS_BUCKETS; i++)
                LIST_INIT(&accounts->buckets[i]);
        TAILQ_INIT(&accounts->due);
}

struct account *accounts_find(struct accounts *accounts, uid_t uid)
{
        struct account *account;

        LIST_FOREACH (account, &accounts->buckets[uid % ACCOUNTS_BUCKETS], link)
                if (account->uid == uid)
                        return account;
        return NULL;
}

int account_enter(struct accounts *accounts, struct account_entry *entry, uid_t uid)
{
        struct account *account = accounts_find(accounts, uid);

        assert(!entry->account);

        if (!account) {
                account = calloc(1, sizeof(*account));
                if (!account)
                        return fault(-ENOMEM);
                account->uid = uid;
                account->used = accounts->served;
                TAILQ_INIT(&account->idle);
                TAILQ_INIT(&account->unserved);
                TAILQ_INIT(&account->turns);
                LIST_INSERT_HEAD(&accounts->buckets[uid % ACCOUNTS_BUCKETS], account, link);
        }

        *entry = (struct account_entry){ .account = account };
        account->n_connections++;
        accounts->n_connections++;
        return 0;
}

static void set_unserved(struct account_entry *entry, bool unserved)
{
        if (unserved == entry->unserved)
                return;
        entry->unserved = unserved;
        if (unserved)
                TAILQ_INSERT_TAIL(&entry->account->unserved, entry, link);
        else
                TAILQ_REMOVE(&entry->account->unserved, entry, link);
}

static void take_turn(struct accounts *accounts, struct account_entry *entry)
{
        struct account *account = entry->account;

        entry->due = false;
        entry->had_turn = true;
        set_unserved(entry, false);
        TAILQ_REMOVE(&account->turns, entry, turn_link);
        TAILQ_REMOVE(&accounts->due, account, due_link);
        if (!TAILQ_EMPTY(&account->turns))
                TAILQ_INSERT_TAIL(&accounts->due, account, due_link);
}

void account_set_due(struct accounts *accounts, struct account_entry *entry)
{
        struct account *account = entry->account;

        if (entry->due)
                return;
        entry->due = true;
        account_set_idle(entry, false);
        set_unserved(entry, !entry->had_turn);
        if (TAILQ_EMPTY(&account->turns)) {
                TAILQ_INSERT_TAIL(&accounts->due, account, due_link);
                if (account->used + ACCOUNTS_CREDIT < accounts->served)
                        account->used = accounts->served - ACCOUNTS_CREDIT;
        }
        TAILQ_INSERT_TAIL(&account->turns, entry, turn_link);
}

static struct account *next_account(struct accounts *accounts)
{
        struct account *account, *next = NULL;
        unsigned n = 0;

        TAILQ_FOREACH (account, &accounts->due, due_link) {
                if (!next || account->used < next->used)
                        next = account;
                if (++n == ACCOUNTS_COMPARED)
                        break;
        }
        return next;
}

struct account_entry *accounts_take_due(struct accounts *accounts)
{
        struct account *account = next_account(accounts);
        struct account_entry *entry = account ? TAILQ_FIRST(&account->turns) : NULL;

        if (!entry)
                return NULL;
        take_turn(accounts, entry);
        accounts->serving = account;
        if (accounts->served < account->used)
                accounts->served = account->used;
        return entry;
}

void accounts_charge_turn(struct accounts *accounts, uint64_t work)
{
        if (accounts->serving)
                accounts->serving->used += work;
}

void accounts_resume_turn(struct accounts *accounts, const struct account_entry *entry)
{
        accounts->serving = entry->account;
}

void account_charge(struct account_entry *entry, uint64_t work)
{
        entry->account->used += work;
}

bool accounts_any_due(const struct accounts *accounts)
{
        return !TAILQ_EMPTY(&accounts->due);
}

void account_leave(struct accounts *accounts, struct account_entry *entry)
{
        struct account *account = entry->account;

        if (!account)
                return;

        account_set_held(accounts, entry, 0);
        account_set_waiting(entry, false);
        account_set_idle(entry, false);
        if (entry->due)
                take_turn(accounts, entry);
        entry->account = NULL;
        accounts->n_connections--;
        if (--account->n_connections == 0) {
                if (accounts->serving == account)
                        accounts->serving = NULL;
                LIST_REMOVE(account, link);
                free(account);
        }
}

void account_set_waiting(struct account_entry *entry, bool waiting)
{
        if (waiting == entry->waiting)
                return;
        entry->waiting = waiting;
        entry->account->n_waiting += waiting ? 1 : -1U;
}

void account_set_idle(struct account_entry *entry, bool idle)
{
        if (entry->idle)
                TAILQ_REMOVE(&entry->account->idle, entry, link);
        entry->idle = idle;
        if (idle)
                TAILQ_INSERT_TAIL(&entry->account->idle, entry, link);
}

void account_set_held(struct accounts *accounts, struct account_entry *entry, size_t bytes)
{
        accounts->held_bytes = accounts->held_bytes - entry->held_bytes + bytes;
        entry->account->held_bytes = entry->account->held_bytes - entry->held_bytes + bytes;
        entry->held_bytes = bytes;
}

struct account *accounts_greediest(struct accounts *accounts)
{
        struct account *account, *greediest = NULL;

        for (size_t i = 0; i < ACCOUNTS_BUCKETS; i++)
                LIST_FOREACH (account, &accounts->buckets[i], link)
                        if ((!TAILQ_EMPTY(&account->idle) || !TAILQ_EMPTY(&account->unserved)) &&
                            (!greediest || account->n_connections > greediest->n_connections))
                                greediest = account;
        return greediest;
}

struct account_entry *account_idlest(struct account *account)
{
        return TAILQ_FIRST(&account->idle);
}

struct account_entry *account_newest(struct account *account)
{
        return TAILQ_LAST(&account->unserved, account_new);
}
