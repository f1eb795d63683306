/*
 * Which credentials are there already, and the reading of the others.
 *
 * Of a big store, a first part is read at the start; the others follow between the turns of the loop, and what is asked for before its turn is
 * read at once. So everything that looks for a credential by its name finds it, and everything that speaks of all of them waits until
 * they are there: vault_find() and vault_each() see to that themselves. vault_each_loaded() is for what concerns only those in memory.
 *
 * What cannot be read is never taken for something that is not there (vault_is_unsure()). Want of memory passes; any other failure ends the
 * reading, and, with the daemon, everything that was built on it: nothing of what is left in the store may be written over.
 */
#include "daemon/vault/vault_internal.h"

#include "daemon/vault/context.h"
#include "daemon/base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Those of a credential, in the order in which one record explains the next. */
static const char *const kinds[] = { "facts",         "grant",         "intent",
                                     "pending-facts", "pending-grant", "pending-intent" };

enum {
        N_KINDS = sizeof(kinds) / sizeof(kinds[0]),
        PART = 64, /* records of a kind: some two milliseconds, and few enough to make nobody wait */
};

static const char newer_words[] =
        "the store holds records of a later version of purserd: install that version";

/* ---- one part ---- */

/* Nobody has seen them. */
static void drop_fresh(struct vault *vault)
{
        while (vault->late.fresh) {
                struct entry *entry = vault->late.fresh;

                vault->late.fresh = entry->next_fresh;
                vault_take_out(vault, entry);
        }
}

static void present(struct vault *vault, struct credential *credential)
{
        const struct vault_late *late = &vault->late;

        if (late->loader && late->loader->on_loaded)
                late->loader->on_loaded(credential, late->loader->userdata);
}

/* All of them are whole before the first is told of. */
static void settle_fresh(struct vault *vault)
{
        struct entry *first = take_ptr(vault->late.fresh);

        for (struct entry **at = &first; *at;) {
                struct entry *entry = *at;

                entry->is_fresh = false;
                vault_settle(entry->credential);
                vault_rebind(vault, entry->credential);
                if (entry->credential->config || !vault_is_shell(entry->credential)) {
                        at = &entry->next_fresh;
                        continue;
                }
                *at = entry->next_fresh;
                vault_take_out(vault, entry);
        }
        for (struct entry *entry = first, *next; entry; entry = next) {
                next = entry->next_fresh;
                present(vault, entry->credential);
        }
}

/* Of what was read, the last word. */
static int end_part(struct vault *vault, const struct loading *loading, int r, struct diag *diag)
{
        if (r == 0 && loading->newer) {
                diag_set(diag, "%s", newer_words);
                r = VAULT_E_STORE;
        }
        if (r != 0)
                drop_fresh(vault);
        else
                settle_fresh(vault);
        return r > 0 ? VAULT_E_STORE : r;
}

static int require_configured(struct vault *vault, const char *name)
{
        struct entry *entry;

        if (vault_lookup(vault, name, strlen(name)) || !config_find_credential(vault->context->config, name))
                return 0;
        int r = vault_add(vault, name, &entry);
        if (r == 0)
                present(vault, entry->credential);
        return r;
}

/* Everything is there but what only the configuration names. */
static int end_reading(struct vault *vault)
{
        const struct config *config = vault->context->config;

        for (size_t i = 0; i < config->n_credentials; i++) {
                int r = require_configured(vault, config->credentials[i]->name);
                if (r < 0)
                        return r;
        }
        vault->late.under_way = vault->late.unsure = false;
        return 0;
}

static int load_part(struct vault *vault, struct loading *loading, struct diag *diag)
{
        _cleanup_(freep) char *last = NULL;
        int r;

        if (!vault->late.has_read) {
                r = store_load_part(vault->store, kinds, N_KINDS, vault->late.after, PART, &last,
                                    vault_load_record, loading, diag);
                r = end_part(vault, loading, r, diag);
                if (r != 0)
                        return r;
                free(vault->late.after);
                vault->late.has_read = !last;
                vault->late.after = take_ptr(last);
        }
        return vault->late.has_read ? end_reading(vault) : 0;
}

/* ---- the start ---- */

static int tell_wrong_key(struct diag *diag)
{
        diag_set(diag, "the store was sealed with another key; nothing was touched: put back the key it was "
                       "made with "
                       "(the systemd credential purser.key, or the file `key` beside the store)");
        return VAULT_E_WRONG_KEY;
}

int vault_load(struct vault *vault, struct diag *diag)
{
        struct loading loading = vault_loading(vault);
        int r;

        r = store_load_others(vault->store, kinds, N_KINDS, vault_load_record, &loading, diag);
        if (r != 0)
                return r < 0 ? r : VAULT_E_STORE;
        vault->late.under_way = true;
        /* Whether the key is the right one must be known now; the record for that is the first thing that a key seals. */
        do
                r = load_part(vault, &loading, diag);
        while (r == 0 && !loading.opened && vault->late.under_way);
        if (r != 0)
                return r;
        if (loading.opened)
                return 0;
        return loading.refused ? tell_wrong_key(diag) : vault_write_key_check(vault);
}

/* ---- later ---- */

void vault_set_loader(struct vault *vault, const struct vault_loader *loader)
{
        vault->late.loader = loader;
}

bool vault_is_loading(const struct vault *vault)
{
        return vault->late.under_way;
}

bool vault_is_unsure(const struct vault *vault)
{
        return vault->late.unsure;
}

static int note_failure(struct vault *vault, int r, const struct diag *diag)
{
        const struct vault_late *late = &vault->late;

        vault->late.unsure = true;
        if (r == -ENOMEM)
                return r;
        vault->late.failure = r < 0 ? r : fault(-EUCLEAN);
        if (late->loader && late->loader->on_failed)
                late->loader->on_failed(r, diag->text[0] ? diag->text : strerror(-r), late->loader->userdata);
        return vault->late.failure;
}

int vault_load_more(struct vault *vault)
{
        struct loading loading = vault_loading(vault);
        struct diag diag = DIAG_INIT;
        int r;

        if (!vault->late.under_way || vault->late.failure)
                return vault->late.failure;
        r = load_part(vault, &loading, &diag);
        return r == 0 ? 0 : note_failure(vault, r, &diag);
}

int vault_load_all(struct vault *vault)
{
        int r = 0;

        while (r == 0 && vault->late.under_way)
                r = vault_load_more(vault);
        return r;
}

int vault_load_named(struct vault *vault, const char *bytes, size_t n)
{
        struct loading loading = vault_loading(vault);
        char name[VAULT_NAME_SIZE];
        struct diag diag = DIAG_INIT;
        int r;

        if (!vault->late.under_way || vault->late.failure)
                return vault->late.failure;
        if (n >= sizeof(name) || memchr(bytes, '\0', n))
                return 0;
        memcpy(name, bytes, n);
        name[n] = '\0';
        if (!name_is_valid(name))
                return 0;
        r = store_load_named(vault->store, kinds, N_KINDS, name, vault_load_record, &loading, &diag);
        r = end_part(vault, &loading, r, &diag);
        if (r == 0)
                r = require_configured(vault, name);
        return r == 0 ? 0 : note_failure(vault, r, &diag);
}
