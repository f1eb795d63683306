/* The table of credentials, and how it comes from the store. */
#include "daemon/vault_internal.h"

#include "daemon/context.h"
#include "daemon/log.h"
#include "daemon/record.h"

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

struct credential *vault_find(struct vault *vault, const char *name)
{
        struct entry *entry;

        HASH_FIND_STR(vault->entries, name, entry);
        return entry ? entry->credential : NULL;
}

size_t vault_count(const struct vault *vault)
{
        return HASH_COUNT(vault->entries);
}

static int compare_credentials(const void *a, const void *b)
{
        return strcmp((*(struct credential *const *)a)->name, (*(struct credential *const *)b)->name);
}

int vault_each(struct vault *vault, bool sorted,
               int (*on_credential)(struct credential *credential, void *userdata), void *userdata)
{
        _cleanup_(freep) struct credential **all = NULL;
        struct entry *entry, *next;
        size_t n = 0;
        int r = 0;

        all = calloc(vault_count(vault) + 1, sizeof(*all));
        if (!all)
                return fault(-ENOMEM);

        HASH_ITER (hh, vault->entries, entry, next)
                all[n++] = entry->credential;
        if (sorted)
                qsort(all, n, sizeof(*all), compare_credentials);
        for (size_t i = 0; i < n && r == 0; i++)
                r = on_credential(all[i], userdata);

        return r;
}

void vault_rebind(struct vault *vault, struct credential *credential)
{
        const struct config *config = vault->context->config;
        const char *client = credential->client_name;

        credential->config = config_find_credential(config, credential->name);
        if (!*client && credential->config)
                client = credential->config->client;
        credential->client = config_find_client(config, client);
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

        vault_rebind(vault, credential);
        entry->credential = take_ptr(credential);
        HASH_ADD_KEYPTR(hh, vault->entries, entry->credential->name, strlen(entry->credential->name), entry);
        *ret = entry->credential;
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

void vault_remove(struct vault *vault, struct credential *credential)
{
        struct entry *entry;

        HASH_FIND_STR(vault->entries, credential->name, entry);
        if (!entry)
                return;

        context_changed(vault->context, credential, true);
        if (credential->pending)
                vault_writes_detach(vault, credential->pending);
        vault_writes_detach(vault, credential);
        HASH_DEL(vault->entries, entry);
        credential_free(credential);
        free(entry);
}

static bool is_shell(const struct credential *credential)
{
        return !credential->grant.generation && !credential->grant.refresh_token && !credential->pending &&
               !credential->unreadable && !credential->saves_in_flight &&
               credential->refusal == REFUSAL_NEVER_AUTHORIZED;
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

struct loading {
        struct vault *vault;
        struct boot_moment now;
        unsigned opened, refused, newer;
};

/* The credential that a record speaks of, or its pending one. */
static int require_for(struct vault *vault, const char *kind, const char *name, struct credential **ret)
{
        int r = vault_require(vault, name, ret);

        if (r == 0 && strncmp(kind, "pending-", 8) == 0)
                r = vault_require_pending(vault, *ret, ret);
        return r;
}

static int decode_intent(const char *bytes, size_t n, struct credential *credential)
{
        uint64_t generation = UINT64_MAX, replays = 0;
        struct record_reader reader;
        struct record_field field;
        int r;

        r = record_open(&reader, bytes, n);
        while (r == 0 && (r = record_next(&reader, &field)) == 0) {
                if (field.tag == VAULT_INTENT_GENERATION)
                        r = record_get_u64(&field, &generation);
                else if (field.tag == VAULT_INTENT_REPLAYS)
                        r = record_get_u64(&field, &replays);
        }
        if (r != RECORD_E_END)
                return r < 0 ? r : CREDENTIAL_E_MALFORMED;

        /* Kinds come in order, so the grant has been read. An intent of an older generation was followed by its answer. */
        if (generation == credential->grant.generation) {
                credential->outcome_unknown = true;
                credential->replays = replays > 1000 ? 1000 : (unsigned)replays + 1;
        }
        return 0;
}

static int load_client_secret(struct vault *vault, const char *name, const struct secret *plain)
{
        struct secret *copy;
        int r;

        r = secret_copy(&copy, plain);
        if (r < 0)
                return r;

        return vault_keep_client_secret(vault, name, copy);
}

static int load_plain(struct loading *loading, const char *kind, const char *name, const struct secret *plain)
{
        const char *bytes = secret_expose(plain), *what = strncmp(kind, "pending-", 8) == 0 ? kind + 8 : kind;
        struct credential *credential;
        size_t n = secret_size(plain);
        int r;

        if (strcmp(kind, KIND_META) == 0)
                return 0;
        if (strcmp(kind, KIND_CLIENT_SECRET) == 0)
                return load_client_secret(loading->vault, name, plain);

        r = require_for(loading->vault, kind, name, &credential);
        if (r < 0)
                return r;
        if (strcmp(what, "facts") == 0)
                r = credential_decode_facts(bytes, n, credential);
        else if (strcmp(what, "grant") == 0)
                r = grant_decode(bytes, n, &loading->now, &credential->grant);
        else if (strcmp(what, "intent") == 0)
                r = decode_intent(bytes, n, credential);
        else
                log_warning("The store holds a record of an unknown kind '%s' for '%s'; it is left alone.",
                            kind, name);
        if (r > 0) {
                log_error("The record '%s' of credential '%s' is malformed; it is kept as it is.", kind,
                          name);
                credential->unreadable = true;
                r = 0;
        }
        return r;
}

/* A record that does not open is kept: what is lost of it is for its owner to decide. */
static int keep_unreadable(struct loading *loading, const char *kind, const char *name)
{
        struct credential *credential;
        int r;

        log_error("The record '%s' of '%s' does not open: it was changed, or sealed with another key; it is "
                  "kept as it is.",
                  kind, name);
        if (strcmp(kind, KIND_CLIENT_SECRET) == 0 || strcmp(kind, KIND_META) == 0)
                return 0;

        r = require_for(loading->vault, kind, name, &credential);
        if (r == 0)
                credential->unreadable = true;
        return r;
}

static int on_record(const char *kind, const char *name, const uint8_t *blob, size_t n, void *userdata)
{
        _cleanup_(secret_freep) struct secret *plain = NULL;
        struct loading *loading = userdata;
        int r;

        r = seal_open(loading->vault->seal, kind, name, blob, n, &plain);
        if (r < 0)
                return r;
        if (r > 0) {
                loading->refused += r == SEAL_E_REFUSED;
                loading->newer += r == SEAL_E_NEWER;
                return keep_unreadable(loading, kind, name);
        }

        loading->opened++;
        return load_plain(loading, kind, name, plain);
}

/* What the records of a credential say together. */
static void settle(struct credential *credential)
{
        if (credential->refusal == REFUSAL_NEVER_AUTHORIZED &&
            (credential->grant.generation || credential->grant.refresh_token))
                credential->refusal = REFUSAL_NONE;
        if (credential->refusal == REFUSAL_NONE && !credential->grant.generation &&
            !credential->grant.refresh_token)
                credential->unreadable = true;
        if (credential->pending)
                settle(credential->pending);
}

int vault_load(struct vault *vault, struct diag *diag)
{
        struct context *context = vault->context;
        struct loading loading = {
                .vault = vault,
                .now = { .boot_usec = context_now(context), .wall_usec = clock_wall_usec(context->clock) },
        };
        struct entry *entry, *next;
        int r;

        memcpy(loading.now.boot_id, vault->boot_id, sizeof(loading.now.boot_id));
        r = store_load(vault->store, on_record, &loading, diag);
        if (r < 0)
                return r;
        if (r > 0)
                return VAULT_E_STORE;
        if (loading.refused && !loading.opened) {
                diag_set(diag, "the store was sealed with another key; nothing was touched: put back the key "
                               "it was made with "
                               "(the systemd credential purser.key, or the file `key` beside the store)");
                return VAULT_E_WRONG_KEY;
        }
        if (loading.newer) {
                diag_set(diag, "the store holds records of a later version of purserd; nothing was touched: "
                               "install that version");
                return VAULT_E_STORE;
        }

        HASH_ITER (hh, vault->entries, entry, next)
                settle(entry->credential);
        if (!loading.opened) {
                r = vault_write_key_check(vault);
                if (r < 0)
                        return r;
        }
        return vault_bind(vault);
}

int vault_keep_client_secret(struct vault *vault, const char *client, struct secret *secret)
{
        struct client_secret *item;

        HASH_FIND_STR(vault->client_secrets, client, item);
        if (!item) {
                item = calloc(1, sizeof(*item));
                if (item)
                        item->client = strdup(client);
                if (!item || !item->client) {
                        free(item);
                        secret_free(secret);
                        return fault(-ENOMEM);
                }
                HASH_ADD_KEYPTR(hh, vault->client_secrets, item->client, strlen(item->client), item);
        }

        secret_free(item->secret);
        item->secret = secret;
        return 0;
}

int vault_client_secret(struct vault *vault, const struct client *client, struct secret **ret,
                        struct diag *diag)
{
        struct client_secret *item;
        int r;

        switch (client->secret_source) {
        case SECRET_NONE:
                *ret = NULL;
                return 0;
        case SECRET_FROM_STORE:
                HASH_FIND_STR(vault->client_secrets, client->name, item);
                if (item)
                        return secret_copy(ret, item->secret);
                diag_set(diag, "client '%s' has no client secret yet; type it in: purser secret set %s",
                         client->name, client->name);
                return VAULT_E_NO_SECRET;
        default:
                r = client_secret_read(ret, client, vault->context->credentials_directory,
                                       vault->context->own_uid, diag);
                return r > 0 ? VAULT_E_NO_SECRET : r;
        }
}

const char *vault_client_secret_state(struct vault *vault, const struct client *client)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        static const char *const names[] = {
                [SECRET_FROM_CREDENTIAL] = "credential",
                [SECRET_FROM_FILE] = "file",
                [SECRET_FROM_STORE] = "store",
                [SECRET_NONE] = "none",
        };
        struct diag unused = DIAG_INIT;

        if (vault_client_secret(vault, client, &secret, &unused) != 0)
                return "missing";

        return names[client->secret_source];
}

const char *vault_store_problem(const struct vault *vault)
{
        return vault->store_problem;
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
