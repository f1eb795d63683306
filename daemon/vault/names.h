/*
 * Credentials by their names. Whoever asks for a token pays for each place that is looked at, far away in memory where there are many: a hash
 * and the credential lie side by side in one array, so that nearly always one place is looked at before the credential itself. The hash has a
 * secret key, since names may be made of what strangers chose.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct credential;

struct names_slot {
        uint64_t hash;
        struct credential *credential; /* NULL: free */
};

/* Embedded in its owner. All zero, but for the key, is empty. */
struct names {
        uint64_t key[2];
        struct names_slot *slots;
        size_t n_slots; /* a power of two, or 0 */
        size_t n;
};

void names_done(struct names *names); /* frees no credential */

uint64_t names_hash(const struct names *names, const char *name, size_t n);
struct credential *names_find(const struct names *names, uint64_t hash, const char *name, size_t n);
/* By credential->name, which must not be there; -ENOMEM. */
int names_add(struct names *names, struct credential *credential);
void names_remove(struct names *names, const struct credential *credential);

/* Two steps ahead of names_find(), for many names at once: fetches where the hash must be; and then, without waiting for what it points to,
 * says what it most likely is. */
static inline void names_prefetch(const struct names *names, uint64_t hash)
{
        if (names->n_slots > 0)
                __builtin_prefetch(&names->slots[hash & (names->n_slots - 1)]);
}

static inline const struct credential *names_guess(const struct names *names, uint64_t hash)
{
        const struct names_slot *slot;

        if (names->n_slots == 0)
                return NULL;
        slot = &names->slots[hash & (names->n_slots - 1)];
        return slot->hash == hash ? slot->credential : NULL;
}
