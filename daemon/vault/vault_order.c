/*
 * The credentials in memory by their names, so that a part of a list costs what is in it. An array rather than a tree: what is read from the
 * store comes in order, and one that is made or goes moves a few hundred kilobytes at worst.
 */
#include "daemon/vault/vault_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ORDER_LEAST = 64 };

int vault_order_reserve(struct vault *vault)
{
        struct vault_order *order = &vault->order;
        size_t allocated = order->allocated > 0 ? 2 * order->allocated : ORDER_LEAST;
        struct entry **entries;

        if (order->n < order->allocated)
                return 0;
        entries = reallocarray(order->entries, allocated, sizeof(struct entry *));
        if (!entries)
                return fault(-ENOMEM);
        order->entries = entries;
        order->allocated = allocated;
        return 0;
}

/* How many in [low, high) are not behind the name. */
static size_t search(const struct vault_order *order, size_t low, size_t high, const char *name, bool or_same)
{
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int compared = strcmp(order->entries[middle]->credential->name, name);

                if (compared < 0 || (or_same && compared == 0))
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

/* Most come last but for a few that were asked for before their turn: it is looked for in steps from the end that grow. */
static size_t place_of(const struct vault_order *order, const char *name)
{
        size_t high = order->n, step = 1;

        while (high >= step && strcmp(order->entries[high - step]->credential->name, name) > 0) {
                high -= step;
                step *= 2;
        }
        return search(order, high >= step ? high - step : 0, high, name, false);
}

void vault_order_insert(struct vault *vault, struct entry *entry)
{
        struct vault_order *order = &vault->order;
        size_t at = place_of(order, entry->credential->name);

        assert(order->n < order->allocated);
        memmove(order->entries + at + 1, order->entries + at, (order->n - at) * sizeof(struct entry *));
        order->entries[at] = entry;
        order->n++;
}

void vault_order_remove(struct vault *vault, const struct entry *entry)
{
        struct vault_order *order = &vault->order;
        size_t at = search(order, 0, order->n, entry->credential->name, false);

        assert(at < order->n && order->entries[at] == entry);
        order->n--;
        memmove(order->entries + at, order->entries + at + 1, (order->n - at) * sizeof(struct entry *));
}

void vault_order_done(struct vault *vault)
{
        free(vault->order.entries);
        vault->order = (struct vault_order){ 0 };
}

int vault_walk(struct vault *vault, struct vault_cursor *cursor, size_t most,
               int (*on_credential)(struct credential *credential, void *userdata), void *userdata)
{
        const struct vault_order *order = &vault->order;
        size_t i = search(order, 0, order->n, cursor->after, true);
        size_t end = order->n - i > most ? i + most : order->n;
        struct credential *credential = NULL;
        int r = 0;

        for (; i < end && r == 0; i++) {
                credential = order->entries[i]->credential;
                r = on_credential(credential, userdata);
        }
        cursor->at_end = i == order->n;
        if (credential)
                snprintf(cursor->after, sizeof(cursor->after), "%s", credential->name);
        return r;
}
