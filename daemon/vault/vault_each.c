/* A walk over the credentials: all of them, some in order, or those in memory. */
#include "daemon/vault/vault_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_credentials(const void *a, const void *b)
{
        return strcmp((*(struct credential *const *)a)->name, (*(struct credential *const *)b)->name);
}

static int each_sorted(struct vault *vault,
                       int (*on_credential)(struct credential *credential, void *userdata), void *userdata)
{
        _cleanup_(freep) struct credential **all =
                calloc(vault_count_loaded(vault) + 1, sizeof(struct credential *));
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
        r = vault_load_all(vault);
        if (r < 0)
                return r;
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
        int r = vault_load_all(vault);

        if (r < 0)
                return r;
        if (sorted)
                return each_sorted(vault, on_credential, userdata);
        return vault_each_loaded(vault, on_credential, userdata);
}

int vault_each_loaded(struct vault *vault,
                      int (*on_credential)(struct credential *credential, void *userdata), void *userdata)
{
        int r = 0;

        for (struct entry *entry = vault->entries; entry && r == 0; entry = entry->hh.next)
                r = on_credential(entry->credential, userdata);

        return r;
}
