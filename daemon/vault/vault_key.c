/* All records under another key, in one transaction; and which of two keys a store is sealed with. Knows no file of a key. */
#include "daemon/vault/vault_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct opening {
        const struct seal *seals[2];
        size_t *n_opened;
};

static int try_to_open(const char *kind, const char *name, const uint8_t *blob, size_t n, void *userdata)
{
        struct opening *opening = userdata;

        for (size_t i = 0; i < 2; i++) {
                _cleanup_(secret_freep) struct secret *plain = NULL;
                int r = seal_open(opening->seals[i], kind, name, blob, n, &plain);

                if (r < 0)
                        return r;
                opening->n_opened[i] += r == 0;
        }
        return 0;
}

int vault_count_opened(struct store *store, const struct seal *one, const struct seal *other,
                       size_t n_opened[2], struct diag *diag)
{
        struct opening opening = { { one, other }, n_opened };

        n_opened[0] = n_opened[1] = 0;
        int r = store_load(store, try_to_open, &opening, diag);
        return r > 0 ? VAULT_E_STORE : r;
}

struct change {
        const struct vault *vault;
        const struct seal *seal;
        struct batch batch;
        char **words; /* kinds and names, which the batch borrows */
        size_t n_words;
        int result;
        struct diag *diag;
};

static void change_done(struct change *change)
{
        batch_done(&change->batch);
        for (size_t i = 0; i < change->n_words; i++)
                free(change->words[i]);
        free(change->words);
}

static int keep_word(struct change *change, const char *word, const char **ret)
{
        char **words = reallocarray(change->words, change->n_words + 1, sizeof(*words));

        if (!words)
                return fault(-ENOMEM);
        change->words = words;
        char *copy = strdup(word);
        if (!copy)
                return fault(-ENOMEM);
        change->words[change->n_words++] = copy;
        *ret = copy;
        return 0;
}

static int seal_anew(const char *kind, const char *name, const uint8_t *blob, size_t n, void *userdata)
{
        _cleanup_(secret_freep) struct secret *plain = NULL;
        struct change *change = userdata;

        int r = seal_open(change->vault->seal, kind, name, blob, n, &plain);
        /* What does not open stays what it is. */
        if (r != 0)
                return r < 0 ? r : 0;
        r = keep_word(change, kind, &kind);
        if (r == 0)
                r = keep_word(change, name, &name);
        return r < 0 ? r
                     : batch_put(&change->batch, change->seal, kind, name, secret_expose(plain),
                                 secret_size(plain));
}

static void on_written(int result, const char *problem, void *userdata)
{
        struct change *change = userdata;

        change->result = result;
        if (result < 0)
                diag_set(change->diag, "the store refuses: %s", problem ? problem : strerror(-result));
}

static int write_change(struct change *change)
{
        _cleanup_(store_write_freep) struct store_write *write = NULL;

        int r = store_write_start(change->vault->store, change->batch.ops, change->batch.n, on_written,
                                  change, &write);
        if (r < 0)
                return r;
        change->result = -EIO;
        store_flush(change->vault->store);
        return change->result < 0 ? VAULT_E_STORE : 0;
}

enum { ROUNDS = 8 };

/*
 * A write that is queued was sealed with the old key, and would come back over what is sealed anew. Beside constant refreshing there is always
 * one: they are made durable first. What comes of that may be another one, and, at the latest when a provider must answer, no more.
 */
static bool is_quiet(struct vault *vault, struct diag *diag)
{
        for (int i = 0; i < ROUNDS && vault->writes; i++)
                store_flush(vault->store);
        if (vault->store_problem || vault->must_rewrite || vault_unsaved(vault) > 0)
                diag_set(diag, "not everything is saved; see `purser status`");
        else if (vault->writes)
                diag_set(diag, "something is being saved at this moment; try again");
        else
                return true;
        return false;
}

int vault_change_key(struct vault *vault, struct seal **seal, size_t *ret_n_records, struct diag *diag)
{
        _cleanup_(change_done) struct change change = { .vault = vault, .seal = *seal, .diag = diag };

        if (!is_quiet(vault, diag))
                return VAULT_E_STORE;
        int r = vault_load_all(vault);
        if (r < 0)
                return r;
        r = store_load(vault->store, seal_anew, &change, diag);
        if (r > 0)
                return VAULT_E_STORE;
        if (r == 0)
                r = write_change(&change);
        if (r != 0)
                return r;
        seal_free(vault->seal);
        vault->seal = take_ptr(*seal);
        *ret_n_records = change.batch.n;
        return 0;
}

bool vault_is_sealed_with(const struct vault *vault, const struct seal *seal)
{
        return seal_same(vault->seal, seal);
}
