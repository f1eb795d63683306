/* A walk over the credentials: all of them, or those in memory. */
#include "daemon/vault/vault_internal.h"

int vault_each(struct vault *vault, int (*on_credential)(struct credential *credential, void *userdata),
               void *userdata)
{
        int r = vault_load_all(vault);

        for (size_t i = 0; i < vault->order.n && r == 0; i++)
                r = on_credential(vault->order.entries[i]->credential, userdata);

        return r;
}

int vault_each_loaded(struct vault *vault,
                      int (*on_credential)(struct credential *credential, void *userdata), void *userdata)
{
        int r = 0;

        for (struct entry *entry = TAILQ_FIRST(&vault->entries); entry && r == 0;
             entry = TAILQ_NEXT(entry, link))
                r = on_credential(entry->credential, userdata);

        return r;
}
