/*
 * Credentials by the account that they are for, so that a notice about one costs nothing for all others. The account of a credential is
 * written by whoever learns it, who then binds the credential anew or saves its facts: both bring it here. Without memory for it, all are looked at.
 */
#include "daemon/vault/vault_internal.h"

#include <stdlib.h>
#include <string.h>

void vault_forget_account(struct vault *vault, struct entry *entry)
{
        struct account *account = take_ptr(entry->account);

        if (!account)
                return;
        TAILQ_REMOVE(&account->entries, entry, account_link);
        if (!TAILQ_EMPTY(&account->entries))
                return;
        HASH_DEL(vault->accounts, account);
        free(account);
}

static struct account *require(struct vault *vault, const char *id)
{
        size_t n = strlen(id);
        struct account *account;

        HASH_FIND(hh, vault->accounts, id, n, account);
        if (account)
                return account;
        account = malloc(sizeof(*account) + n + 1);
        if (!account)
                return NULL;
        memcpy(account->id, id, n + 1);
        TAILQ_INIT(&account->entries);
        HASH_ADD(hh, vault->accounts, id[0], n, account);
        if (!account->hh.tbl) {
                free(account);
                return NULL;
        }
        return account;
}

/* In order of their names, in which most of them come. */
static void join(struct account *account, struct entry *entry)
{
        struct entry *before = TAILQ_LAST(&account->entries, account_entries);

        while (before && strcmp(before->credential->name, entry->credential->name) > 0)
                before = TAILQ_PREV(before, account_entries, account_link);
        if (before)
                TAILQ_INSERT_AFTER(&account->entries, before, entry, account_link);
        else
                TAILQ_INSERT_HEAD(&account->entries, entry, account_link);
        entry->account = account;
}

void vault_note_account(struct vault *vault, const struct credential *credential)
{
        struct entry *entry = vault_lookup(vault, credential->name, strlen(credential->name));
        const char *id = credential->account_id;
        struct account *account;

        /* It may be on its way into the table, or wait for its test. */
        if (!entry || entry->credential != credential ||
            (entry->account ? id && strcmp(entry->account->id, id) == 0 : !id))
                return;
        vault_forget_account(vault, entry);
        if (!id)
                return;
        account = require(vault, id);
        if (account)
                join(account, entry);
        else
                vault->accounts_incomplete = true;
}

static bool is_of(const struct credential *credential, const char *account_id)
{
        return credential->account_id && strcmp(credential->account_id, account_id) == 0;
}

static int each_of_all(struct vault *vault, const char *account_id,
                       int (*on_credential)(struct credential *credential, void *userdata), void *userdata)
{
        int r = 0;

        for (size_t i = 0; i < vault->order.n && r == 0; i++)
                if (is_of(vault->order.entries[i]->credential, account_id))
                        r = on_credential(vault->order.entries[i]->credential, userdata);
        return r;
}

int vault_each_of_account(struct vault *vault, const char *account_id,
                          int (*on_credential)(struct credential *credential, void *userdata), void *userdata)
{
        struct account *account;
        struct entry *entry;
        int r = vault_load_all(vault);

        if (r < 0)
                return r;
        if (vault->accounts_incomplete)
                return each_of_all(vault, account_id, on_credential, userdata);
        HASH_FIND_STR(vault->accounts, account_id, account);
        if (!account)
                return 0;
        TAILQ_FOREACH (entry, &account->entries, account_link) {
                r = is_of(entry->credential, account_id) ? on_credential(entry->credential, userdata) : 0;
                if (r != 0)
                        return r;
        }
        return 0;
}
