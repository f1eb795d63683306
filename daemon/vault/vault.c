/* The table of credentials, bound to the configuration in force, and the client secrets beside it. */
#include "daemon/vault/vault_internal.h"

#include "daemon/vault/context.h"

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
        context->random_bytes(vault->names.key, sizeof(vault->names.key));
        TAILQ_INIT(&vault->entries);
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
        struct entry *entry;

        if (!vault)
                return NULL;

        timer_stop(vault->context->timers, &vault->retry_timer);
        vault_writes_free(vault);
        while ((entry = TAILQ_FIRST(&vault->entries))) {
                TAILQ_REMOVE(&vault->entries, entry, link);
                vault_forget_account(vault, entry);
                credential_free(entry->credential);
                free(entry);
        }
        names_done(&vault->names);
        HASH_ITER (hh, vault->client_secrets, item, next_item) {
                HASH_DEL(vault->client_secrets, item);
                client_secret_free(item);
        }
        store_free(vault->store);
        seal_free(vault->seal);
        free(vault->store_problem);
        free(vault->late.after);
        vault_order_done(vault);
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

struct entry *vault_lookup(struct vault *vault, const char *name, size_t n)
{
        struct credential *credential =
                names_find(&vault->names, names_hash(&vault->names, name, n), name, n);

        return credential ? credential->entry : NULL;
}

/* *ret = NULL: there is none. */
static int look(struct vault *vault, const char *name, size_t n, struct credential **ret)
{
        struct entry *entry = vault_lookup(vault, name, n);
        int r = 0;

        if (!entry && vault->late.under_way) {
                r = vault_load_named(vault, name, n);
                entry = vault_lookup(vault, name, n);
        }
        *ret = entry ? entry->credential : NULL;
        return r;
}

uint64_t vault_expect(const struct vault *vault, const char *name, size_t n)
{
        uint64_t hash = names_hash(&vault->names, name, n);

        names_prefetch(&vault->names, hash);
        return hash;
}

const struct credential *vault_guess(const struct vault *vault, uint64_t hash)
{
        return names_guess(&vault->names, hash);
}

struct credential *vault_find_expected(struct vault *vault, uint64_t hash, const char *name, size_t n)
{
        struct credential *credential = names_find(&vault->names, hash, name, n);

        return credential || !vault->late.under_way ? credential : vault_find_bytes(vault, name, n);
}

struct credential *vault_find_bytes(struct vault *vault, const char *name, size_t n)
{
        struct credential *credential;

        (void)look(vault, name, n, &credential);
        return credential;
}

struct credential *vault_find(struct vault *vault, const char *name)
{
        return vault_find_bytes(vault, name, strlen(name));
}

size_t vault_count_loaded(const struct vault *vault)
{
        return vault->names.n;
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
        vault_note_account(vault, credential);
}

int vault_add(struct vault *vault, const char *name, struct entry **ret)
{
        _cleanup_(credential_freep) struct credential *credential = NULL;
        struct entry *entry;
        int r;

        r = credential_new(&credential, name);
        if (r == 0)
                r = vault_order_reserve(vault);
        if (r < 0)
                return r;
        entry = calloc(1, sizeof(*entry));
        if (!entry)
                return fault(-ENOMEM);

        r = names_add(&vault->names, credential);
        if (r < 0) {
                free(entry);
                return r;
        }
        TAILQ_INSERT_TAIL(&vault->entries, entry, link);
        credential->entry = entry;
        vault_rebind(vault, credential);
        entry->credential = take_ptr(credential);
        vault_order_insert(vault, entry);
        *ret = entry;
        return 0;
}

void vault_take_out(struct vault *vault, struct entry *entry)
{
        names_remove(&vault->names, entry->credential);
        TAILQ_REMOVE(&vault->entries, entry, link);
        vault_order_remove(vault, entry);
        vault_forget_account(vault, entry);
        credential_free(entry->credential);
        free(entry);
}

int vault_require(struct vault *vault, const char *name, struct credential **ret)
{
        struct credential *credential;
        struct entry *entry;
        int r;

        r = look(vault, name, strlen(name), &credential);
        if (r < 0)
                return r;
        if (!credential) {
                r = vault_add(vault, name, &entry);
                if (r < 0)
                        return r;
                credential = entry->credential;
        }
        *ret = credential;
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
        if (!credential->entry)
                return;

        vault_free_pending(vault, take_ptr(credential->pending));
        vault_tell_gone(vault, credential);
        vault_writes_detach(vault, credential);
        vault_take_out(vault, credential->entry);
}

bool vault_is_shell(const struct credential *credential)
{
        return !has_grant(credential) && !credential->pending && !credential->unreadable &&
               !credential->saves_in_flight && credential->refusal == REFUSAL_NEVER_AUTHORIZED;
}

void vault_drop_shell(struct vault *vault, struct credential *credential)
{
        if (vault_is_shell(credential) && !credential->config)
                vault_remove(vault, credential);
}

int vault_bind(struct vault *vault)
{
        const struct config *config = vault->context->config;
        struct entry *entry, *next;

        if (vault->late.failure)
                return vault->late.failure;
        /* What is read later is bound as it comes, and shells are made in the end. */
        for (size_t i = 0; i < config->n_credentials && !vault->late.under_way; i++) {
                struct credential *credential;
                int r = vault_require(vault, config->credentials[i]->name, &credential);
                if (r < 0)
                        return r;
        }

        for (entry = TAILQ_FIRST(&vault->entries); entry; entry = next) {
                next = TAILQ_NEXT(entry, link);
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

size_t vault_unsaved(struct vault *vault)
{
        const struct entry *entry;
        size_t n = 0;

        if (!vault->has_unsaved)
                return 0;

        for (entry = TAILQ_FIRST(&vault->entries); entry; entry = TAILQ_NEXT(entry, link))
                n += entry->credential->unsaved +
                     (entry->credential->pending && entry->credential->pending->unsaved);
        vault->has_unsaved = n > 0;
        return n;
}
