#include "daemon/vault/vault_transfer.h"

#include "daemon/vault/context.h"
#include "daemon/vault/vault_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int vault_sync(struct vault *vault, vault_done_fn *on_done, void *userdata, struct vault_write **ret)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct vault_write *write;
        int r;

        r = batch_put_key_check(&batch, vault);
        if (r < 0)
                return r;
        r = write_new(vault, WRITE_OTHER, NULL, on_done, userdata, &write);
        return r < 0 ? r : write_start_or_free(write, &batch, ret);
}

bool vault_may_export(const struct credential *credential)
{
        return has_grant(credential) && !credential->unreadable && !credential->leaving && !credential->moved;
}

bool vault_is_taken(const struct credential *credential)
{
        return has_grant(credential) || credential->pending || credential->unreadable ||
               credential->leaving || credential->saves_in_flight;
}

int vault_each_client_secret(struct vault *vault,
                             int (*on_secret)(const char *client, const struct secret *secret,
                                              void *userdata),
                             void *userdata)
{
        int r = 0;

        for (struct client_secret *item = vault->client_secrets; item && r == 0; item = item->hh.next)
                if (item->secret)
                        r = on_secret(item->client, item->secret, userdata);
        return r;
}

const struct secret *vault_find_client_secret(struct vault *vault, const char *client)
{
        struct client_secret *item;

        HASH_FIND_STR(vault->client_secrets, client, item);
        return item ? item->secret : NULL;
}

/* ---- arrivals ---- */

void vault_arrivals_done(struct vault_arrivals *arrivals)
{
        for (size_t i = 0; i < arrivals->n; i++)
                credential_free(arrivals->credentials[i]);
        for (size_t i = 0; i < arrivals->n_secrets; i++) {
                free(arrivals->clients[i]);
                secret_free(arrivals->secrets[i]);
        }
        free(arrivals->credentials);
        free(arrivals->marks);
        free(arrivals->clients);
        free(arrivals->secrets);
        *arrivals = (struct vault_arrivals){ 0 };
}

/* Room for one more behind n; doubled each time that n is a power of two. */
static int grow(void **array, size_t n, size_t size)
{
        void *grown;

        if (*array && (n & (n - 1)) != 0)
                return 0;
        grown = reallocarray(*array, n > 0 ? 2 * n : 1, size);
        if (!grown)
                return fault(-ENOMEM);
        *array = grown;
        return 0;
}

int vault_arrivals_add(struct vault_arrivals *arrivals, struct credential **credential)
{
        int r;

        if ((r = grow((void **)&arrivals->credentials, arrivals->n, sizeof(*arrivals->credentials))) < 0 ||
            (r = grow((void **)&arrivals->marks, arrivals->n, sizeof(*arrivals->marks))) < 0)
                return r;
        arrivals->marks[arrivals->n] = 0;
        arrivals->credentials[arrivals->n++] = take_ptr(*credential);
        return 0;
}

int vault_arrivals_add_secret(struct vault_arrivals *arrivals, char **client, struct secret **secret)
{
        int r;

        if ((r = grow((void **)&arrivals->clients, arrivals->n_secrets, sizeof(*arrivals->clients))) < 0 ||
            (r = grow((void **)&arrivals->secrets, arrivals->n_secrets, sizeof(*arrivals->secrets))) < 0)
                return r;
        arrivals->clients[arrivals->n_secrets] = take_ptr(*client);
        arrivals->secrets[arrivals->n_secrets++] = take_ptr(*secret);
        return 0;
}

static int put_arrivals(struct vault *vault, const struct vault_arrivals *arrivals, struct batch *batch)
{
        int r = 0;

        for (size_t i = 0; i < arrivals->n && r == 0; i++) {
                r = batch_put_credential(batch, vault, arrivals->credentials[i]);
                if (r == 0)
                        r = batch_delete_pending(batch, arrivals->credentials[i]->name);
        }
        for (size_t i = 0; i < arrivals->n_secrets && r == 0; i++)
                r = batch_put(batch, vault->seal, KIND_CLIENT_SECRET, arrivals->clients[i],
                              secret_expose(arrivals->secrets[i]), secret_size(arrivals->secrets[i]));
        return r;
}

int vault_save_arrivals(struct vault *vault, struct vault_arrivals *arrivals, vault_done_fn *on_done,
                        void *userdata, struct vault_write **ret)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        struct client_secret *unused;
        struct vault_write *write;
        int r;

        r = put_arrivals(vault, arrivals, &batch);
        /* Made now, so that it cannot fail once it is on disk. */
        for (size_t i = 0; i < arrivals->n_secrets && r == 0; i++)
                r = vault_require_client_secret(vault, arrivals->clients[i], &unused);
        if (r == 0)
                r = write_new(vault, WRITE_OTHER, NULL, on_done, userdata, &write);
        if (r == 0)
                r = write_start_or_free(write, &batch, ret);
        if (r < 0)
                return r;

        /* What is queued from here on is newer than these. */
        for (size_t i = 0; i < arrivals->n; i++) {
                struct credential *old = vault_find(vault, arrivals->credentials[i]->name);

                arrivals->marks[i] = old ? ++old->n_grants : 1;
        }
        return 0;
}

static void put_in_place(struct vault *vault, struct credential *credential, struct credential *from,
                         uint64_t mark)
{
        vault_free_pending(vault, take_ptr(credential->pending));
        if (credential->n_grants < mark)
                credential->n_grants = mark;
        credential->newest = (struct save_mark){ mark, credential->newest.facts + 1 };
        credential->unsaved = credential->facts_unsaved = credential->leaving = false;
        free(take_ptr(credential->save_problem));
        grant_move(&credential->grant, &from->grant);
        vault_install_facts(credential, from);
        credential->refusal = from->refusal;
        credential->has_intent = from->has_intent;
        credential->outcome_unknown = from->outcome_unknown;
        credential->replays = from->replays;
        vault_rebind(vault, credential);
        context_changed(vault->context, credential, false);
}

int vault_settle_arrivals(struct vault *vault, struct vault_arrivals *arrivals,
                          void (*on_placed)(struct credential *credential, void *userdata), void *userdata)
{
        for (size_t i = 0; i < arrivals->n_secrets; i++) {
                struct client_secret *item;

                HASH_FIND_STR(vault->client_secrets, arrivals->clients[i], item);
                if (item) {
                        secret_free(item->secret);
                        item->secret = take_ptr(arrivals->secrets[i]);
                }
        }
        for (size_t i = 0; i < arrivals->n; i++) {
                struct credential *credential;
                int r = vault_require(vault, arrivals->credentials[i]->name, &credential);

                if (r < 0)
                        return r;
                if (credential->n_grants > arrivals->marks[i])
                        continue;
                put_in_place(vault, credential, arrivals->credentials[i], arrivals->marks[i]);
                on_placed(credential, userdata);
        }
        return 0;
}
