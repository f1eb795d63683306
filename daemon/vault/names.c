/* Linear probing: the next slot is on the same line of the cache mostly. */
#include "daemon/vault/names.h"

#include "common/fault.h"
#include "daemon/vault/credential.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_LEAST = 16 };

void names_done(struct names *names)
{
        free(names->slots);
        names->slots = NULL;
        names->n_slots = names->n = 0;
}

static inline uint64_t fold(uint64_t a, uint64_t b)
{
        unsigned __int128 product = (unsigned __int128)a * b;

        return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Of up to eight bytes. */
static inline uint64_t read_short(const char *p, size_t n)
{
        uint64_t word = 0;

        for (size_t i = 0; i < n; i++)
                word = word << 8 | (unsigned char)p[i];
        return word;
}

static inline uint64_t read_word(const char *p)
{
        uint64_t word;

        memcpy(&word, p, sizeof(word));
        return word;
}

/* The last eight bytes may overlap those before; with the length, that tells all names apart. */
uint64_t names_hash(const struct names *names, const char *name, size_t n)
{
        uint64_t state = names->key[0] ^ n;

        if (n < 8)
                return fold(state ^ read_short(name, n), names->key[1] | 1);
        for (size_t i = 0; i + 8 < n; i += 8)
                state = fold(state ^ read_word(name + i), names->key[1] | 1);
        return fold(state ^ read_word(name + n - 8), names->key[1] | 1);
}

static bool is_named(const struct credential *credential, const char *name, size_t n)
{
        return strncmp(credential->name, name, n) == 0 && credential->name[n] == '\0';
}

struct credential *names_find(const struct names *names, uint64_t hash, const char *name, size_t n)
{
        size_t mask = names->n_slots - 1;

        if (names->n_slots == 0)
                return NULL;
        for (size_t i = hash & mask; names->slots[i].credential; i = (i + 1) & mask)
                if (names->slots[i].hash == hash && is_named(names->slots[i].credential, name, n))
                        return names->slots[i].credential;
        return NULL;
}

static void put(struct names_slot *slots, size_t mask, struct names_slot slot)
{
        size_t i = slot.hash & mask;

        while (slots[i].credential)
                i = (i + 1) & mask;
        slots[i] = slot;
}

/* Half of the slots at most are taken, so that few names are looked for in more than one. */
static int make_room(struct names *names)
{
        size_t n_slots = names->n_slots > 0 ? 2 * names->n_slots : SLOTS_LEAST;
        struct names_slot *slots;

        if (2 * (names->n + 1) <= names->n_slots)
                return 0;
        slots = calloc(n_slots, sizeof(*slots));
        if (!slots)
                return fault(-ENOMEM);
        for (size_t i = 0; i < names->n_slots; i++)
                if (names->slots[i].credential)
                        put(slots, n_slots - 1, names->slots[i]);
        free(names->slots);
        names->slots = slots;
        names->n_slots = n_slots;
        return 0;
}

int names_add(struct names *names, struct credential *credential)
{
        int r = make_room(names);

        if (r < 0)
                return r;
        put(names->slots, names->n_slots - 1,
            (struct names_slot){ names_hash(names, credential->name, strlen(credential->name)), credential });
        names->n++;
        return 0;
}

/* What lies behind it, up to a free slot, moves up where it may, so that nothing is missed behind the gap. */
void names_remove(struct names *names, const struct credential *credential)
{
        size_t mask = names->n_slots - 1, gap;

        assert(names->n > 0);

        gap = names_hash(names, credential->name, strlen(credential->name)) & mask;
        while (names->slots[gap].credential != credential) {
                assert(names->slots[gap].credential);
                gap = (gap + 1) & mask;
        }
        for (size_t i = (gap + 1) & mask; names->slots[i].credential; i = (i + 1) & mask)
                if (((i - names->slots[i].hash) & mask) >= ((i - gap) & mask)) {
                        names->slots[gap] = names->slots[i];
                        gap = i;
                }
        names->slots[gap].credential = NULL;
        names->n--;
}
