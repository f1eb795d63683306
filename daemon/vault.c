/* The table of credentials, bound to the configuration in force, and the client secrets beside it. */
#include "daemon/vault_internal.h"

#include "daemon/context.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *vault_kind_grant(const struct credential *credential)
{
        return credential->is_pending ? "pending-grant" : "grant";
}

const char *vault_kind_facts(const struct credential *credential)
{
        return credential->is_pending ? "pending-facts" : "facts";
}

const char *vault_kind_intent(const struct credential *credential)
{
        return credential->is_pending ? "pending-intent" : "intent";
}

int vault_new(struct vault **ret, struct context *context, struct store *store, struct seal *seal,
              const char *boot_id)
{
        struct vault *vault = calloc(1, sizeof(*vault));

        if (!vault)
                return fault(-ENOMEM);

        vault->context = context;
        vault->store = store;
        vault->seal = seal;
        snprintf(vault->boot_id, sizeof(vault->boot_id), "%s", boot_id);
        timer_init(&vault->retry_timer, vault_on_retry, vault);
        *ret = vault;
        return 0;
}

static void client_secret_free(struct client_secret *item)
{
        free(item->client);
        secret_free(item->secret);
        free(item);
}

struct vault *vault_free(struct vault *vault)
{
        struct client_secret *item, *next_item;
        struct entry *entry, *next;

        if (!vault)
                return NULL;

        timer_stop(vault->context->timers, &vault->retry_timer);
        vault_writes_free(vault);
        HASH_ITER (hh, vault->entries, entry, next) {
                HASH_DEL(vault->entries, entry);
                credential_free(entry->credential);
                free(entry);
        }
        HASH_ITER (hh, vault->client_secrets, item, next_item) {
                HASH_DEL(vault->client_secrets, item);
                client_secret_free(item);
        }
        store_free(vault->store);
        seal_free(vault->seal);
        free(vault->store_problem);
        free(vault);
        return NULL;
}

void vault_listen(struct vault *vault, struct vault_listener *listener)
{
        listener->next = vault->listeners;
        vault->listeners = listener;
}

void vault_unlisten(struct vault *vault, struct vault_listener *listener)
{
        struct vault_listener **at = &vault->listeners;

        while (*at && *at != listener)
                at = &(*at)->next;
        if (*at)
                *at = listener->next;
}

struct credential *vault_find_bytes(struct vault *vault, const char *name, size_t n)
{
        struct entry *entry;

        HASH_FIND(hh, vault->entries, name, n, entry);
        return entry ? entry->credential : NULL;
}

struct credential *vault_find(struct vault *vault, const char *name)
{
        return vault_find_bytes(vault, name, strlen(name));
}

size_t vault_count(const struct vault *vault)
{
        return HASH_COUNT(vault->entries);
}

static int compare_credentials(const void *a, const void *b)
{
        return strcmp((*(struct credential *const *)a)->name, (*(struct credential *const *)b)->name);
}

static int each_sorted(struct vault *vault,
                       int (*on_credential)(struct credential *credential, void *userdata), void *userdata)
{
        _cleanup_(freep) struct credential **all =
                calloc(vault_count(vault) + 1, sizeof(struct credential *));
        size_t n = 0;
        int r = 0;

        if (!all)
                return fault(-ENOMEM);

        for (struct entry *entry = vault->entries; entry; entry = entry->hh.next)
                all[n++] = entry->credential;
        qsort(all, n, sizeof(struct credential *), compare_credentials);
        for (size_t i = 0; i < n && r == 0; i++)
                r = on_credential(all[i], userdata);

        return r;
}

/* The n first ones so far, in order; of names in no order, few come before the last of many. */
static size_t insert_sorted(struct credential **first, size_t n, size_t most, struct credential *credential)
{
        size_t low = 0, high = n;

        if (n == most && strcmp(first[n - 1]->name, credential->name) < 0)
                return n;
        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (strcmp(first[middle]->name, credential->name) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        n -= n == most;
        memmove(first + low + 1, first + low, (n - low) * sizeof(*first));
        first[low] = credential;
        return n + 1;
}

int vault_each_after(struct vault *vault, const char *after, size_t most,
                     bool (*is_wanted)(const struct credential *credential, void *userdata),
                     int (*on_credential)(struct credential *credential, void *userdata), void *userdata)
{
        _cleanup_(freep) struct credential **first = NULL;
        size_t n = 0;
        int r = 0;

        if (most == 0)
                return 0;
        first = calloc(most, sizeof(*first));
        if (!first)
                return fault(-ENOMEM);
        for (struct entry *entry = vault->entries; entry; entry = entry->hh.next) {
                struct credential *credential = entry->credential;

                if ((!after || strcmp(credential->name, after) > 0) && is_wanted(credential, userdata))
                        n = insert_sorted(first, n, most, credential);
        }
        for (size_t i = 0; i < n && r == 0; i++)
                r = on_credential(first[i], userdata);
        return r;
}

int vault_each(struct vault *vault, bool sorted,
               int (*on_credential)(struct credential *credential, void *userdata), void *userdata)
{
        int r = 0;

        if (sorted)
                return each_sorted(vault, on_credential, userdata);
        for (struct entry *entry = vault->entries; entry && r == 0; entry = entry->hh.next)
                r = on_credential(entry->credential, userdata);

        return r;
}

static bool asks_for_itself(const struct config *config, const char *client_name)
{
        const struct client *client = config_find_client(config, client_name);

        return client && client->grant_type == GRANT_CLIENT_CREDENTIALS;
}

/*
 * A client that asks for itself takes over from another one by that the configuration says so, unless a refresh token would be lost. The token of
 * the other one, or one that is just being saved, is not served any more.
 */
static void take_over(const struct config *config, struct credential *credential)
{
        if (!credential_is_elsewhere(credential) || credential->is_pending ||
            credential->grant.refresh_token || !asks_for_itself(config, credential->config->client))
                return;

        credential->client_name[0] = '\0';
        credential->grant.access_token = secret_free(credential->grant.access_token);
        free(take_ptr(credential->account_id));
        free(take_ptr(credential->account_name));
        test_result_done(&credential->test);
        credential->newest.grant = credential->n_grants;
}

/* Whether a person must have logged in depends on the client, and that on the configuration. */
static void settle_refusal(struct credential *credential)
{
        if (credential->is_pending)
                return;
        if (credential_is_of_client(credential) && !credential_is_elsewhere(credential))
                credential->refusal = REFUSAL_NONE;
        else if (!*credential->client_name && !has_grant(credential))
                credential->refusal = REFUSAL_NEVER_AUTHORIZED;
}

void vault_rebind(struct vault *vault, struct credential *credential)
{
        const struct config *config = vault->context->config;
        const char *client = credential->client_name;

        credential->config = config_find_credential(config, credential->name);
        take_over(config, credential);
        if (!*client && credential->config)
                client = credential->config->client;
        credential->client = config_find_client(config, client);
        settle_refusal(credential);
        if (credential->client && credential->outcome_unknown)
                credential->replays_spent = credential->replays > credential->client->provider->max_replays;

        if (credential->config && credential->config->description &&
            strcmp(credential->config->description, credential->description) != 0) {
                char *description = strdup(credential->config->description);
                if (description) {
                        free(credential->description);
                        credential->description = description;
                }
        }
        if (credential->pending)
                vault_rebind(vault, credential->pending);
}

int vault_require(struct vault *vault, const char *name, struct credential **ret)
{
        _cleanup_(credential_freep) struct credential *credential = NULL;
        struct credential *found = vault_find(vault, name);
        struct entry *entry;
        int r;

        if (found) {
                *ret = found;
                return 0;
        }

        r = credential_new(&credential, name);
        if (r < 0)
                return r;
        entry = calloc(1, sizeof(*entry));
        if (!entry)
                return fault(-ENOMEM);

        HASH_ADD_KEYPTR(hh, vault->entries, credential->name, strlen(credential->name), entry);
        if (!entry->hh.tbl) {
                free(entry);
                return fault(-ENOMEM);
        }
        vault_rebind(vault, credential);
        *ret = entry->credential = take_ptr(credential);
        return 0;
}

int vault_require_pending(struct vault *vault, struct credential *credential, struct credential **ret)
{
        if (!credential->pending) {
                int r = credential_new(&credential->pending, credential->name);
                if (r < 0)
                        return r;
                credential->pending->is_pending = true;
                vault_rebind(vault, credential);
        }

        *ret = credential->pending;
        return 0;
}

void vault_tell_gone(struct vault *vault, struct credential *credential)
{
        /* Those who serve it answer their callers in words of their own, before what these wait for is cancelled. */
        if (!credential->is_pending)
                context_changed(vault->context, credential, true);
        for (struct vault_listener *listener = vault->listeners; listener; listener = listener->next)
                listener->on_gone(credential, listener->userdata);
}

void vault_free_pending(struct vault *vault, struct credential *pending)
{
        if (!pending)
                return;

        vault_tell_gone(vault, pending);
        vault_writes_detach(vault, pending);
        credential_free(pending);
}

void vault_remove(struct vault *vault, struct credential *credential)
{
        struct entry *entry;

        HASH_FIND_STR(vault->entries, credential->name, entry);
        if (!entry)
                return;

        vault_free_pending(vault, take_ptr(credential->pending));
        vault_tell_gone(vault, credential);
        vault_writes_detach(vault, credential);
        HASH_DEL(vault->entries, entry);
        credential_free(credential);
        free(entry);
}

static bool is_shell(const struct credential *credential)
{
        return !has_grant(credential) && !credential->pending && !credential->unreadable &&
               !credential->saves_in_flight && credential->refusal == REFUSAL_NEVER_AUTHORIZED;
}

void vault_drop_shell(struct vault *vault, struct credential *credential)
{
        if (is_shell(credential) && !credential->config)
                vault_remove(vault, credential);
}

int vault_bind(struct vault *vault)
{
        const struct config *config = vault->context->config;
        struct entry *entry, *next;

        for (size_t i = 0; i < config->n_credentials; i++) {
                struct credential *credential;
                int r = vault_require(vault, config->credentials[i]->name, &credential);
                if (r < 0)
                        return r;
        }

        HASH_ITER (hh, vault->entries, entry, next) {
                vault_rebind(vault, entry->credential);
                vault_drop_shell(vault, entry->credential);
        }
        return 0;
}

int vault_require_client_secret(struct vault *vault, const char *client, struct client_secret **ret)
{
        struct client_secret *item;

        HASH_FIND_STR(vault->client_secrets, client, item);
        if (!item) {
                item = calloc(1, sizeof(*item));
                if (item)
                        item->client = strdup(client);
                if (item && item->client)
                        HASH_ADD_KEYPTR(hh, vault->client_secrets, item->client, strlen(item->client), item);
                if (!item || !item->hh.tbl) {
                        if (item)
                                client_secret_free(item);
                        return fault(-ENOMEM);
                }
        }

        *ret = item;
        return 0;
}

const char *vault_store_problem(const struct vault *vault)
{
        return vault->store_problem;
}

bool vault_is_in_trouble(const struct vault *vault)
{
        return vault->failed_rounds > 0;
}

size_t vault_unsaved(const struct vault *vault)
{
        const struct entry *entry;
        size_t n = 0;

        for (entry = vault->entries; entry; entry = entry->hh.next)
                n += entry->credential->unsaved +
                     (entry->credential->pending && entry->credential->pending->unsaved);
        return n;
}
