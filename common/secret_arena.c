/*
 * Chunk: one mapping, cut into blocks. Slab: a run of blocks, cut into slots of one class. What is larger than 32 KiB has a
 * mapping of its own.
 */
#include "common/secret_arena.h"

#include "common/secret.h"
#include "common/secret_classes.h"
#include "common/secret_pages.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif

/* Free slots are as forbidden to the sanitizer as freed heap memory is. */
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#define forbid(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define permit(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define forbid(p, n) ((void)(p), (void)(n))
#define permit(p, n) ((void)(p), (void)(n))
#endif

struct slab {
        TAILQ_ENTRY(slab) link; /* while it has free slots */
        struct chunk *chunk;
        uint64_t free;
        uint8_t class, n_blocks;
        uint8_t first; /* the block that its run begins with; the other members count there alone */
};

struct chunk {
        TAILQ_ENTRY(chunk) link; /* while it has free blocks */
        char *base;
        size_t size;
        enum pages_kind kind;
        bool inherited; /* by a child of fork(): zeroes where the parent's secrets are */
        uint64_t free, touched; /* touched: those that have a page of memory */
        unsigned n_blocks; /* 0: one allocation, as large as the chunk */
        struct slab slabs[];
};

TAILQ_HEAD(slab_list, slab);
TAILQ_HEAD(chunk_list, chunk);

static struct {
        pthread_mutex_t lock;
        struct chunk **chunks; /* in order of their addresses */
        size_t n_chunks, n_allocated;
        struct chunk_list open; /* chunks with free blocks, those that are not locked last */
        struct slab_list slabs[N_CLASSES]; /* slabs with free slots, likewise */
        struct chunk *spare; /* the one chunk that is kept though it is empty */
        size_t bytes_in_use;
} arena = { .lock = PTHREAD_MUTEX_INITIALIZER };

static uint64_t bits(unsigned first, unsigned n)
{
        return (n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1) << first;
}

/* The index of the chunk that holds p, or else of the place where a chunk at p belongs. */
static size_t chunk_index(const char *p)
{
        size_t low = 0, high = arena.n_chunks;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (p >= arena.chunks[middle]->base + arena.chunks[middle]->size)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static bool index_reserve(void)
{
        size_t n = arena.n_allocated > 0 ? 2 * arena.n_allocated : 8;
        struct chunk **chunks;

        if (arena.n_chunks < arena.n_allocated)
                return true;
        chunks = reallocarray(arena.chunks, n, sizeof(*chunks));
        if (!chunks)
                return false;
        arena.chunks = chunks;
        arena.n_allocated = n;
        return true;
}

/* n_blocks 0: for one allocation. n_touched: what is used at once. unlocked_too: rather unlocked memory than none. */
static struct chunk *chunk_new(unsigned n_blocks, unsigned n_touched, size_t size, bool unlocked_too)
{
        struct chunk *chunk;
        size_t i;

        if (!index_reserve())
                return NULL;
        chunk = calloc(1, sizeof(*chunk) + n_blocks * sizeof(struct slab));
        if (!chunk)
                return NULL;
        chunk->n_blocks = n_blocks;
        chunk->free = bits(0, n_blocks);
        chunk->size = size;
        chunk->base =
                pages_map(size, (size_t)n_touched * BLOCK_SIZE, n_blocks == 0, unlocked_too, &chunk->kind);
        if (!chunk->base) {
                free(chunk);
                return NULL;
        }
        chunk->touched = bits(0, chunk->kind == PAGES_SECRETMEM ? n_touched : n_blocks);
        forbid(chunk->base, size);

        i = chunk_index(chunk->base);
        memmove(arena.chunks + i + 1, arena.chunks + i, (arena.n_chunks - i) * sizeof(chunk));
        arena.chunks[i] = chunk;
        arena.n_chunks++;
        return chunk;
}

static void chunk_free(struct chunk *chunk)
{
        size_t i = chunk_index(chunk->base);

        arena.n_chunks--;
        memmove(arena.chunks + i, arena.chunks + i + 1, (arena.n_chunks - i) * sizeof(chunk));
        permit(chunk->base, chunk->size);
        pages_unmap(chunk->base, chunk->size, chunk->kind);
        free(chunk);
}

/* What is locked is used up before what is not. */
static void chunk_open(struct chunk *chunk)
{
        if (chunk->kind == PAGES_PLAIN)
                TAILQ_INSERT_TAIL(&arena.open, chunk, link);
        else
                TAILQ_INSERT_HEAD(&arena.open, chunk, link);
}

static struct chunk *chunk_add(unsigned n_blocks_needed, unsigned n_touched)
{
        const size_t first_size = FIRST_CHUNK_BLOCKS * BLOCK_SIZE, size = CHUNK_BLOCKS * BLOCK_SIZE;
        bool small = n_blocks_needed <= FIRST_CHUNK_BLOCKS;
        struct chunk *chunk = NULL;

        if (arena.n_chunks > 0 || !small)
                chunk = chunk_new(CHUNK_BLOCKS, n_touched, size, false);
        if (!chunk && small)
                chunk = chunk_new(FIRST_CHUNK_BLOCKS, n_touched, first_size, arena.n_chunks == 0);
        if (!chunk)
                chunk = chunk_new(CHUNK_BLOCKS, n_touched, size, true);
        if (chunk)
                chunk_open(chunk);
        return chunk;
}

static unsigned n_blocks_of(size_t size)
{
        return (unsigned)((size + BLOCK_SIZE - 1) / BLOCK_SIZE);
}

/*
 * Pages are had from the kernel when they are first used, so that a start does not wait for those that it does not need. False: it has none
 * to give at the moment.
 */
static bool touch(struct chunk *chunk, const char *p, size_t size)
{
        size_t offset = (size_t)(p - chunk->base);
        unsigned first = (unsigned)(offset / BLOCK_SIZE), end = n_blocks_of(offset + size);

        for (unsigned i = first; i < end; i++)
                if (!(chunk->touched & bits(i, 1))) {
                        char *block = chunk->base + (size_t)i * BLOCK_SIZE;

                        permit(block, BLOCK_SIZE);
                        bool touched = pages_touch(block, BLOCK_SIZE);
                        forbid(block, BLOCK_SIZE);
                        if (!touched)
                                return false;
                        chunk->touched |= bits(i, 1);
                }
        return true;
}

/* The bits of `free` at which n set bits begin. */
static uint64_t runs_of(uint64_t free, unsigned n)
{
        for (unsigned have = 1; have < n;) {
                unsigned step = have < n - have ? have : n - have;

                free &= free >> step;
                have += step;
        }
        return free;
}

static struct slab *slab_new(unsigned class, unsigned n_blocks, unsigned n_slots, size_t slot_size)
{
        struct chunk *chunk;
        struct slab *slab;
        unsigned first;

        TAILQ_FOREACH (chunk, &arena.open, link)
                if (runs_of(chunk->free, n_blocks) != 0)
                        break;
        if (!chunk)
                chunk = chunk_add(n_blocks, n_blocks_of(slot_size));
        if (!chunk)
                return NULL;
        if (arena.spare == chunk)
                arena.spare = NULL;

        first = (unsigned)__builtin_ctzll(runs_of(chunk->free, n_blocks));
        chunk->free &= ~bits(first, n_blocks);
        if (chunk->free == 0)
                TAILQ_REMOVE(&arena.open, chunk, link);

        slab = &chunk->slabs[first];
        slab->chunk = chunk;
        slab->free = bits(0, n_slots);
        slab->class = (uint8_t) class;
        slab->n_blocks = (uint8_t)n_blocks;
        for (unsigned i = 0; i < n_blocks; i++)
                slab[i].first = (uint8_t)first;
        return slab;
}

/* Empty chunks go back to the kernel, save one: a program that asks for one token at a time maps once. */
static void chunk_retire(struct chunk *chunk)
{
        struct chunk *spare = arena.spare;

        if (!spare || (spare->kind == PAGES_PLAIN && chunk->kind != PAGES_PLAIN)) {
                arena.spare = chunk;
                chunk = spare;
        }
        if (chunk) {
                TAILQ_REMOVE(&arena.open, chunk, link);
                chunk_free(chunk);
        }
}

static void slab_free(struct slab *slab)
{
        struct chunk *chunk = slab->chunk;

        if (chunk->free == 0)
                chunk_open(chunk);
        chunk->free |= bits(slab->first, slab->n_blocks);
        if (chunk->free == bits(0, chunk->n_blocks))
                chunk_retire(chunk);
}

static void slab_open(struct slab *slab)
{
        if (slab->chunk->kind == PAGES_PLAIN)
                TAILQ_INSERT_TAIL(&arena.slabs[slab->class], slab, link);
        else
                TAILQ_INSERT_HEAD(&arena.slabs[slab->class], slab, link);
}

static char *slab_base(const struct slab *slab)
{
        return slab->chunk->base + (size_t)slab->first * BLOCK_SIZE;
}

static size_t slab_slot_size(const struct slab *slab)
{
        return slab->class == CLASS_RUN ? (size_t)slab->n_blocks * BLOCK_SIZE
                                        : classes[slab->class].slot_size;
}

static unsigned class_of(size_t size)
{
        unsigned class = 0;

        while (class < N_CLASSES && classes[class].slot_size < size)
                class ++;
        return class;
}

/* A slot whose pages cannot be had is not given out again: there are others, and in the end memory of another kind. */
static char *slot_take(unsigned class, size_t *ret_size)
{
        const size_t size = classes[class].slot_size;
        struct slab *slab;
        char *p;

        do {
                slab = TAILQ_FIRST(&arena.slabs[class]);
                if (!slab) {
                        slab = slab_new(class, classes[class].n_blocks, classes[class].n_slots, size);
                        if (!slab)
                                return NULL;
                        slab_open(slab);
                }
                p = slab_base(slab) + (unsigned)__builtin_ctzll(slab->free) * size;
                slab->free &= slab->free - 1;
                if (slab->free == 0)
                        TAILQ_REMOVE(&arena.slabs[class], slab, link);
        } while (!touch(slab->chunk, p, size));
        *ret_size = size;
        return p;
}

static char *run_take(size_t size, size_t *ret_size)
{
        unsigned n_blocks = n_blocks_of(size);
        struct slab *slab;

        *ret_size = (size_t)n_blocks * BLOCK_SIZE;
        do {
                slab = slab_new(CLASS_RUN, n_blocks, 1, *ret_size);
                if (!slab)
                        return NULL;
                slab->free = 0;
        } while (!touch(slab->chunk, slab_base(slab), *ret_size));
        return slab_base(slab);
}

static char *mapping_take(size_t size, size_t *ret_size)
{
        struct chunk *chunk;
        size_t page = pages_size();

        if (size > PTRDIFF_MAX - 3 * page)
                return NULL;
        size = (size + page - 1) / page * page;
        chunk = chunk_new(0, 0, size, true);
        if (!chunk)
                return NULL;
        *ret_size = size;
        return chunk->base;
}

/* Where p is no slot, or a free one, the program is broken, and what it would do next to its secrets unknown. */
static void slot_return(struct chunk *chunk, char *p)
{
        struct slab *slab = &chunk->slabs[chunk->slabs[(size_t)(p - chunk->base) / BLOCK_SIZE].first];
        size_t offset = (size_t)(p - slab_base(slab)), size = slab_slot_size(slab);
        uint64_t slot = bits((unsigned)(offset / size), 1);

        if (slab->chunk != chunk || offset % size != 0 || slab->free & slot)
                abort();

        permit(p, size);
        explicit_bzero(p, size);
        forbid(p, size);
        arena.bytes_in_use -= size;

        if (slab->free == 0 && slab->class != CLASS_RUN)
                slab_open(slab);
        slab->free |= slot;
        if (slab->class == CLASS_RUN) {
                slab_free(slab);
        } else if (slab->free == bits(0, classes[slab->class].n_slots)) {
                TAILQ_REMOVE(&arena.slabs[slab->class], slab, link);
                slab_free(slab);
        }
}

static void mapping_return(struct chunk *chunk, char *p)
{
        if (p != chunk->base)
                abort();
        permit(p, chunk->size);
        explicit_bzero(p, chunk->size);
        arena.bytes_in_use -= chunk->size;
        chunk_free(chunk);
}

static void lists_init(void)
{
        TAILQ_INIT(&arena.open);
        for (unsigned i = 0; i < N_CLASSES; i++)
                TAILQ_INIT(&arena.slabs[i]);
}

static void before_fork(void)
{
        pthread_mutex_lock(&arena.lock);
}

static void after_fork_in_parent(void)
{
        pthread_mutex_unlock(&arena.lock);
}

/* What the parent allocated may be returned here, to no effect; nothing new is put beside it. */
static void after_fork_in_child(void)
{
        for (size_t i = 0; i < arena.n_chunks; i++) {
                if (!arena.chunks[i]->inherited)
                        pages_inherit(arena.chunks[i]->base, arena.chunks[i]->size, arena.chunks[i]->kind);
                arena.chunks[i]->inherited = true;
        }
        lists_init();
        arena.spare = NULL;
        arena.bytes_in_use = 0;
        pthread_mutex_unlock(&arena.lock);
}

static void arena_init(void)
{
        lists_init();
        (void)pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static void arena_lock(void)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        pthread_once(&once, arena_init);
        pthread_mutex_lock(&arena.lock);
}

void *arena_take(size_t size, size_t *ret_size)
{
        unsigned class = class_of(size);
        size_t usable = 0;
        char *p;

        arena_lock();
        if (class < N_CLASSES)
                p = slot_take(class, &usable);
        else if (size <= RUN_MAX * BLOCK_SIZE)
                p = run_take(size, &usable);
        else
                p = mapping_take(size, &usable);
        arena.bytes_in_use += usable;
        pthread_mutex_unlock(&arena.lock);
        if (!p)
                return NULL;

        permit(p, ret_size ? usable : size);
        if (ret_size)
                *ret_size = usable;
        return p;
}

void arena_return(void *p)
{
        struct chunk *chunk;
        size_t i;

        arena_lock();
        i = chunk_index(p);
        if (i == arena.n_chunks || (char *)p < arena.chunks[i]->base)
                abort();
        chunk = arena.chunks[i];
        if (!chunk->inherited && chunk->n_blocks > 0)
                slot_return(chunk, p);
        else if (!chunk->inherited)
                mapping_return(chunk, p);
        pthread_mutex_unlock(&arena.lock);
}

void secret_trust_syscall_filter(void)
{
        arena_lock();
        pages_trust_filter();
        pthread_mutex_unlock(&arena.lock);
}

void secret_get_stats(struct secret_stats *ret)
{
        size_t secretmem, locked, passing, plain;

        arena_lock();
        secretmem = pages_mapped(PAGES_SECRETMEM);
        locked = pages_mapped(PAGES_LOCKED);
        passing = pages_mapped(PAGES_PASSING);
        plain = pages_mapped(PAGES_PLAIN);
        *ret = (struct secret_stats){
                .memfd_secret = secretmem > 0 && locked == 0,
                .locked = secretmem + locked + passing > 0,
                .bytes_in_use = arena.bytes_in_use,
                .bytes_mapped = secretmem + locked + passing + plain,
                .bytes_fallback = plain,
        };
        pthread_mutex_unlock(&arena.lock);
}
