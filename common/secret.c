/*
 * Secret memory, and the two types that live in it. What an allocation is (size, free or not) is written down outside of the
 * secret pages, so that overrunning a secret cannot bend the allocator. Knows nothing of what the bytes mean.
 *
 * Chunk: one mapping between guard pages, cut into blocks. Slab: a run of blocks cut into slots of one class. Larger than half
 * a chunk: a mapping of its own.
 */
#include "common/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/syscall.h>

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

enum {
        BLOCK_SIZE = 4096,
        FIRST_CHUNK_BLOCKS = 16, /* 64 KiB: a program that asks for one token takes no more */
        CHUNK_BLOCKS = 64, /* one bit each */
        RUN_MAX = CHUNK_BLOCKS / 2,
};

/* Slots per slab are at most 64 (one bit each), and what is left over at a slab's end at most 3 %. */
static const struct class
{
        uint16_t slot_size;
        uint8_t n_blocks, n_slots;
} classes[] = {
        { 64, 1, 64 },   { 80, 1, 51 },   { 96, 1, 42 },   { 112, 1, 36 }, { 128, 1, 32 }, { 160, 1, 25 },
        { 192, 1, 21 },  { 224, 1, 18 },  { 256, 1, 16 },  { 288, 1, 14 }, { 336, 1, 12 }, { 400, 1, 10 },
        { 448, 1, 9 },   { 512, 1, 8 },   { 576, 1, 7 },   { 672, 1, 6 },  { 816, 1, 5 },  { 1024, 1, 4 },
        { 1168, 4, 14 }, { 1360, 4, 12 }, { 1632, 4, 10 }, { 2048, 4, 8 }, { 2720, 4, 6 }, { 4096, 1, 1 },
};

enum {
        N_CLASSES = sizeof(classes) / sizeof(classes[0]),
        CLASS_RUN = N_CLASSES, /* a run of blocks that is one slot */
};

enum backing {
        BACKING_SECRETMEM, /* memfd_secret(2): not even the kernel's own mappings show it */
        BACKING_LOCKED, /* mlock(2) */
        BACKING_PLAIN, /* left out of core dumps, no more */
        BACKING_INHERITED, /* zeroes, in a child of fork(), where the parent's secrets were */
};

struct slab {
        TAILQ_ENTRY(slab) link; /* while it has free slots */
        struct chunk *chunk;
        uint64_t free;
        uint8_t class, n_blocks;
        uint8_t first; /* the block its run begins with; only that one's other members count */
};

struct chunk {
        TAILQ_ENTRY(chunk) link; /* while it has free blocks */
        char *base;
        size_t size;
        enum backing backing;
        uint64_t free;
        unsigned n_blocks; /* 0: one allocation, of the chunk's size */
        struct slab slabs[];
};

TAILQ_HEAD(slab_list, slab);
TAILQ_HEAD(chunk_list, chunk);

static struct {
        pthread_mutex_t lock;
        struct chunk **chunks; /* in order of their addresses */
        size_t n_chunks, n_allocated;
        struct chunk_list open; /* chunks with free blocks, the better backing first */
        struct slab_list slabs[N_CLASSES]; /* slabs with free slots, likewise */
        struct chunk *spare; /* the one chunk kept though it is empty */
        bool secretmem_refused, filter_trusted;
        size_t n_bytes[BACKING_INHERITED + 1], bytes_in_use;
} arena = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- pages ---- */

static size_t page_size(void)
{
        return (size_t)sysconf(_SC_PAGESIZE);
}

struct self {
        size_t locked; /* bytes that count against RLIMIT_MEMLOCK */
        bool filtered; /* by seccomp, or perhaps */
};

/* Others in this process may lock memory too, so what the kernel counts is asked each time. */
static struct self self_read(void)
{
        struct self self = { .locked = arena.n_bytes[BACKING_SECRETMEM] + arena.n_bytes[BACKING_LOCKED],
                             .filtered = true };
        FILE *status = fopen("/proc/self/status", "re");
        char *line = NULL;
        size_t n = 0;

        if (!status)
                return self;
        while (getline(&line, &n, status) >= 0) {
                size_t kib;
                int mode;

                if (sscanf(line, "VmLck: %zu kB", &kib) == 1 && kib * 1024 > self.locked)
                        self.locked = kib * 1024;
                else if (sscanf(line, "Seccomp: %d", &mode) == 1)
                        self.filtered = mode != 0;
        }
        free(line);
        fclose(status);
        return self;
}

/*
 * The limit holds for root too, whom the kernel would let pass: what an administrator set is meant. Large buffers come and go
 * with connections while tokens stay, so they get no more than half.
 */
static bool limit_allows(const struct self *self, size_t size, bool large)
{
        struct rlimit limit;
        size_t budget;

        if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
                return false;
        if (limit.rlim_cur == RLIM_INFINITY)
                return true;
        budget = large ? limit.rlim_cur / 2 : limit.rlim_cur;
        return size <= budget && self->locked <= budget - size;
}

/*
 * Has the kernel touch every page, by taking the answer to a call: where there is no page to give, the call fails, while a touch
 * from here would raise SIGBUS.
 */
static bool populate(char *base, size_t size)
{
        for (size_t i = 0; i < size; i += page_size()) {
                if (syscall(SYS_prlimit64, 0, RLIMIT_MEMLOCK, NULL, base + i) < 0)
                        return false;
                memset(base + i, 0, 2 * sizeof(uint64_t));
        }
        return true;
}

/* Maps size bytes with a forbidden page at either end; returns the mapping's start, forbidden pages included. */
static char *map_guarded(size_t size, int flags, int fd)
{
        size_t guard = page_size();
        char *map = mmap(NULL, size + 2 * guard, PROT_NONE, flags, fd, 0);

        if (map == MAP_FAILED)
                return NULL;
        if (mprotect(map + guard, size, PROT_READ | PROT_WRITE) < 0) {
                munmap(map, size + 2 * guard);
                return NULL;
        }
        (void)madvise(map, size + 2 * guard, MADV_DONTDUMP);
        return map;
}

static char *map_secretmem(size_t size)
{
        size_t total = size + 2 * page_size();
        char *map = NULL;
        int fd;

        fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
        if (fd < 0) {
                arena.secretmem_refused = errno != EMFILE && errno != ENFILE && errno != ENOMEM;
                return NULL;
        }
        if (ftruncate(fd, (off_t)total) == 0)
                map = map_guarded(size, MAP_SHARED, fd);
        close(fd);

        /* The pages are shared with children: none may have them, since a child that frees would wipe them here too. */
        if (map && (madvise(map, total, MADV_DONTFORK) < 0 || !populate(map + page_size(), size))) {
                munmap(map, total);
                return NULL;
        }
        return map;
}

static char *map_anonymous(size_t size)
{
        char *map = map_guarded(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);

        if (map)
                (void)madvise(map, size + 2 * page_size(), MADV_WIPEONFORK);
        return map;
}

static char *map_locked(size_t size)
{
        char *map = map_anonymous(size);

        if (map && mlock(map + page_size(), size) < 0) {
                munmap(map, size + 2 * page_size());
                return NULL;
        }
        return map;
}

/* The best pages that the limits allow; NULL when there are none, or plain is false and no better ones. */
static char *map_pages(size_t size, bool large, bool plain, enum backing *ret_backing)
{
        struct self self = self_read();
        char *map = NULL;

        if (!arena.secretmem_refused && (!self.filtered || arena.filter_trusted) &&
            limit_allows(&self, size + 2 * page_size(), large)) {
                *ret_backing = BACKING_SECRETMEM;
                map = map_secretmem(size);
        }
        if (!map && limit_allows(&self, size, large)) {
                *ret_backing = BACKING_LOCKED;
                map = map_locked(size);
        }
        if (!map && plain) {
                *ret_backing = BACKING_PLAIN;
                map = map_anonymous(size);
        }
        return map ? map + page_size() : NULL;
}

/* ---- chunks ---- */

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

static int chunk_insert(struct chunk *chunk)
{
        size_t i;

        if (arena.n_chunks == arena.n_allocated) {
                size_t n = arena.n_allocated > 0 ? 2 * arena.n_allocated : 8;
                struct chunk **chunks = reallocarray(arena.chunks, n, sizeof(*chunks));

                if (!chunks)
                        return fault(-ENOMEM);
                arena.chunks = chunks;
                arena.n_allocated = n;
        }

        i = chunk_index(chunk->base);
        memmove(arena.chunks + i + 1, arena.chunks + i, (arena.n_chunks - i) * sizeof(*arena.chunks));
        arena.chunks[i] = chunk;
        arena.n_chunks++;
        return 0;
}

/* n_blocks 0: for one allocation of `size` bytes. */
static int chunk_new(struct chunk **ret, unsigned n_blocks, size_t size, bool plain)
{
        struct chunk *chunk = calloc(1, sizeof(*chunk) + n_blocks * sizeof(struct slab));
        int r;

        if (!chunk)
                return fault(-ENOMEM);
        chunk->n_blocks = n_blocks;
        chunk->free = bits(0, n_blocks);
        chunk->size = size;
        chunk->base = map_pages(size, n_blocks == 0, plain, &chunk->backing);
        r = chunk->base ? chunk_insert(chunk) : fault(-ENOMEM);
        if (r < 0) {
                if (chunk->base)
                        munmap(chunk->base - page_size(), size + 2 * page_size());
                free(chunk);
                return r;
        }

        forbid(chunk->base, size);
        arena.n_bytes[chunk->backing] += size;
        *ret = chunk;
        return 0;
}

static void chunk_free(struct chunk *chunk)
{
        size_t i = chunk_index(chunk->base);

        memmove(arena.chunks + i, arena.chunks + i + 1, (--arena.n_chunks - i) * sizeof(*arena.chunks));
        arena.n_bytes[chunk->backing] -= chunk->size;
        permit(chunk->base, chunk->size);
        munmap(chunk->base - page_size(), chunk->size + 2 * page_size());
        free(chunk);
}

/* ---- blocks and slots ---- */

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

/* What is locked is used up before what is not. */
static void chunk_open(struct chunk *chunk)
{
        if (chunk->backing == BACKING_PLAIN)
                TAILQ_INSERT_TAIL(&arena.open, chunk, link);
        else
                TAILQ_INSERT_HEAD(&arena.open, chunk, link);
}

static void slab_open(struct slab *slab)
{
        if (slab->chunk->backing == BACKING_PLAIN)
                TAILQ_INSERT_TAIL(&arena.slabs[slab->class], slab, link);
        else
                TAILQ_INSERT_HEAD(&arena.slabs[slab->class], slab, link);
}

static int chunk_add(struct chunk **ret, unsigned n_blocks_wanted)
{
        bool small = n_blocks_wanted <= FIRST_CHUNK_BLOCKS;
        int r;

        if (arena.n_chunks == 0 && small)
                r = chunk_new(ret, FIRST_CHUNK_BLOCKS, FIRST_CHUNK_BLOCKS * BLOCK_SIZE, true);
        else {
                r = chunk_new(ret, CHUNK_BLOCKS, CHUNK_BLOCKS * BLOCK_SIZE, false);
                if (r < 0 && small)
                        r = chunk_new(ret, FIRST_CHUNK_BLOCKS, FIRST_CHUNK_BLOCKS * BLOCK_SIZE, false);
                if (r < 0)
                        r = chunk_new(ret, CHUNK_BLOCKS, CHUNK_BLOCKS * BLOCK_SIZE, true);
        }
        if (r < 0)
                return r;
        chunk_open(*ret);
        return 0;
}

static int slab_new(struct slab **ret, unsigned class, unsigned n_blocks, unsigned n_slots)
{
        struct chunk *chunk;
        struct slab *slab;
        uint64_t fits = 0;
        unsigned first;
        int r;

        TAILQ_FOREACH(chunk, &arena.open, link)
        if ((fits = runs_of(chunk->free, n_blocks)) != 0)
                break;
        if (!chunk) {
                r = chunk_add(&chunk, n_blocks);
                if (r < 0)
                        return r;
                fits = runs_of(chunk->free, n_blocks);
        }
        if (arena.spare == chunk)
                arena.spare = NULL;

        first = (unsigned)__builtin_ctzll(fits);
        chunk->free &= ~bits(first, n_blocks);
        if (chunk->free == 0)
                TAILQ_REMOVE(&arena.open, chunk, link);

        slab = &chunk->slabs[first];
        *slab = (struct slab){
                .chunk = chunk,
                .free = bits(0, n_slots),
                .class = (uint8_t) class,
                .n_blocks = (uint8_t)n_blocks,
        };
        for (unsigned i = 0; i < n_blocks; i++)
                slab[i].first = (uint8_t)first;
        *ret = slab;
        return 0;
}

/* Blocks go back at once, whole chunks too, save one: a program that asks for one token at a time maps once. */
static void slab_free(struct slab *slab)
{
        struct chunk *chunk = slab->chunk;
        unsigned first = (unsigned)(slab - chunk->slabs);

        if (chunk->free == 0)
                chunk_open(chunk);
        chunk->free |= bits(first, slab->n_blocks);
        if (chunk->free != bits(0, chunk->n_blocks))
                return;

        if (!arena.spare && chunk->backing != BACKING_PLAIN) {
                arena.spare = chunk;
                return;
        }
        TAILQ_REMOVE(&arena.open, chunk, link);
        chunk_free(chunk);
}

static unsigned class_of(size_t size)
{
        unsigned class = 0;

        while (class < N_CLASSES && classes[class].slot_size < size)
                class ++;
        return class;
}

static int slot_take(unsigned class, char **ret, size_t *ret_size)
{
        struct slab *slab = TAILQ_FIRST(&arena.slabs[class]);
        unsigned slot;
        int r;

        if (!slab) {
                r = slab_new(&slab, class, classes[class].n_blocks, classes[class].n_slots);
                if (r < 0)
                        return r;
                slab_open(slab);
        }

        slot = (unsigned)__builtin_ctzll(slab->free);
        slab->free &= slab->free - 1;
        if (slab->free == 0)
                TAILQ_REMOVE(&arena.slabs[class], slab, link);

        *ret_size = classes[class].slot_size;
        *ret = slab->chunk->base + (size_t)(slab - slab->chunk->slabs) * BLOCK_SIZE + slot * *ret_size;
        return 0;
}

static int run_take(size_t size, char **ret, size_t *ret_size)
{
        unsigned n_blocks = (unsigned)((size + BLOCK_SIZE - 1) / BLOCK_SIZE);
        struct slab *slab;
        int r;

        r = slab_new(&slab, CLASS_RUN, n_blocks, 1);
        if (r < 0)
                return r;
        slab->free = 0;
        *ret_size = (size_t)n_blocks * BLOCK_SIZE;
        *ret = slab->chunk->base + (size_t)(slab - slab->chunk->slabs) * BLOCK_SIZE;
        return 0;
}

static int mapping_take(size_t size, char **ret, size_t *ret_size)
{
        struct chunk *chunk;
        int r;

        if (size > PTRDIFF_MAX - 3 * page_size())
                return fault(-ENOMEM);
        *ret_size = (size + page_size() - 1) / page_size() * page_size();
        r = chunk_new(&chunk, 0, *ret_size, true);
        if (r < 0)
                return r;
        *ret = chunk->base;
        return 0;
}

/* Returns whether p's slab is now empty, and 'free' is told of it. A slot that is free already is a broken program. */
static void slot_return(struct chunk *chunk, char *p)
{
        struct slab *slab = &chunk->slabs[chunk->slabs[(size_t)(p - chunk->base) / BLOCK_SIZE].first];
        size_t offset = (size_t)(p - chunk->base) - (size_t)(slab - chunk->slabs) * BLOCK_SIZE;
        size_t size = slab->class == CLASS_RUN ? (size_t)slab->n_blocks * BLOCK_SIZE
                                               : classes[slab->class].slot_size;
        uint64_t slot = UINT64_C(1) << (offset / size);

        if (offset % size != 0 || slab->free & slot)
                abort();

        permit(p, size);
        explicit_bzero(p, size);
        forbid(p, size);
        arena.bytes_in_use -= size;

        if (slab->class == CLASS_RUN) {
                slab->free = slot;
                slab_free(slab);
                return;
        }
        if (slab->free == 0)
                slab_open(slab);
        slab->free |= slot;
        if (slab->free == bits(0, classes[slab->class].n_slots)) {
                TAILQ_REMOVE(&arena.slabs[slab->class], slab, link);
                slab_free(slab);
        }
}

/* ---- the arena ---- */

static void before_fork(void)
{
        pthread_mutex_lock(&arena.lock);
}

static void after_fork(void)
{
        pthread_mutex_unlock(&arena.lock);
}

static void lists_init(void)
{
        TAILQ_INIT(&arena.open);
        for (unsigned i = 0; i < N_CLASSES; i++)
                TAILQ_INIT(&arena.slabs[i]);
}

/*
 * A child has no use for its parent's secrets: where they were it reads zeroes, which it may free like the secrets, to no effect.
 * Its own secrets go into pages of its own.
 */
static void in_child(void)
{
        for (size_t i = 0; i < arena.n_chunks; i++) {
                struct chunk *chunk = arena.chunks[i];

                (void)mmap(chunk->base, chunk->size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
                chunk->backing = BACKING_INHERITED;
        }
        lists_init();
        arena.spare = NULL;
        arena.bytes_in_use = 0;
        memset(arena.n_bytes, 0, sizeof(arena.n_bytes));
        pthread_mutex_unlock(&arena.lock);
}

static void arena_init(void)
{
        lists_init();
        (void)pthread_atfork(before_fork, after_fork, in_child);
}

static void arena_lock(void)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        pthread_once(&once, arena_init);
        pthread_mutex_lock(&arena.lock);
}

/* Zeroed memory of at least `size` bytes. ret_size, where asked for: how many may be used. */
static int arena_take(size_t size, void *ret, size_t *ret_size)
{
        unsigned class = class_of(size);
        size_t slot_size = 0;
        char *p = NULL;
        int r;

        arena_lock();
        if (class < N_CLASSES)
                r = slot_take(class, &p, &slot_size);
        else if (size <= RUN_MAX * BLOCK_SIZE)
                r = run_take(size, &p, &slot_size);
        else
                r = mapping_take(size, &p, &slot_size);
        if (r == 0)
                arena.bytes_in_use += slot_size;
        pthread_mutex_unlock(&arena.lock);
        if (r < 0)
                return r;

        permit(p, ret_size ? slot_size : size);
        if (ret_size)
                *ret_size = slot_size;
        *(char **)ret = p;
        return 0;
}

static void arena_return(void *memory)
{
        char *p = memory;
        struct chunk *chunk;
        size_t i;

        arena_lock();
        i = chunk_index(p);
        if (i == arena.n_chunks || p < arena.chunks[i]->base)
                abort();
        chunk = arena.chunks[i];

        if (chunk->backing == BACKING_INHERITED)
                ;
        else if (chunk->n_blocks > 0)
                slot_return(chunk, p);
        else {
                permit(chunk->base, chunk->size);
                explicit_bzero(chunk->base, chunk->size);
                arena.bytes_in_use -= chunk->size;
                chunk_free(chunk);
        }
        pthread_mutex_unlock(&arena.lock);
}

void secret_trust_syscall_filter(void)
{
        arena_lock();
        arena.filter_trusted = true;
        pthread_mutex_unlock(&arena.lock);
}

void secret_get_stats(struct secret_stats *ret)
{
        size_t secretmem, locked, plain;

        arena_lock();
        secretmem = arena.n_bytes[BACKING_SECRETMEM];
        locked = arena.n_bytes[BACKING_LOCKED];
        plain = arena.n_bytes[BACKING_PLAIN];
        *ret = (struct secret_stats){
                .memfd_secret = secretmem > 0 && locked == 0,
                .locked = secretmem + locked > 0,
                .bytes_in_use = arena.bytes_in_use,
                .bytes_mapped = secretmem + locked + plain,
                .bytes_fallback = plain,
        };
        pthread_mutex_unlock(&arena.lock);
}

/* ---- secrets ---- */

struct secret {
        size_t n;
        char bytes[];
};

int secret_new(struct secret **ret, const void *bytes, size_t n)
{
        struct secret *secret;
        int r;

        if (n > PTRDIFF_MAX)
                return fault(-ENOMEM);
        r = arena_take(sizeof(*secret) + n + 1, &secret, NULL);
        if (r < 0)
                return r;
        secret->n = n;
        if (n > 0)
                memcpy(secret->bytes, bytes, n);
        *ret = secret;
        return 0;
}

int secret_new_string(struct secret **ret, const char *string)
{
        return secret_new(ret, string, strlen(string));
}

int secret_copy(struct secret **ret, const struct secret *secret)
{
        return secret_new(ret, secret->bytes, secret->n);
}

struct secret *secret_free(struct secret *secret)
{
        if (secret)
                arena_return(secret);
        return NULL;
}

const char *secret_expose(const struct secret *secret)
{
        return secret->bytes;
}

size_t secret_size(const struct secret *secret)
{
        return secret->n;
}

/* volatile: the compiler must not leave the loop at the first difference. */
static bool bytes_equal(const volatile unsigned char *a, const volatile unsigned char *b, size_t n)
{
        unsigned char difference = 0;

        for (size_t i = 0; i < n; i++)
                difference |= a[i] ^ b[i];
        return difference == 0;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
        if (!a || !b)
                return a == b;
        return secret_equal_bytes(a, b->bytes, b->n);
}

bool secret_equal_bytes(const struct secret *a, const void *bytes, size_t n)
{
        if (!a || !bytes)
                return !a && !bytes;
        return a->n == n && bytes_equal((const unsigned char *)a->bytes, bytes, n);
}

/* ---- buffers ---- */

/* Doubling, for few copies; the old bytes are wiped where they were. */
static int buf_grow(struct secret_buf *buf, size_t needed)
{
        size_t size = buf->allocated <= buf->max / 2 ? 2 * buf->allocated : buf->max;
        char *data;
        int r;

        r = arena_take(size > needed ? size : needed, &data, &size);
        if (r < 0)
                return r;
        if (buf->data) {
                memcpy(data, buf->data, buf->n);
                arena_return(buf->data);
        }
        buf->data = data;
        buf->allocated = size;
        return 0;
}

int secret_buf_reserve(struct secret_buf *buf, size_t more)
{
        if (buf->n > buf->max || more > buf->max - buf->n)
                return fault(-EMSGSIZE);
        if (buf->data && more < buf->allocated - buf->n)
                return 0;
        if (buf->n + more == SIZE_MAX)
                return fault(-ENOMEM);
        return buf_grow(buf, buf->n + more + 1);
}

int secret_buf_append(struct secret_buf *buf, const void *bytes, size_t n)
{
        int r;

        r = secret_buf_reserve(buf, n);
        if (r < 0)
                return r;
        if (n > 0)
                memcpy(buf->data + buf->n, bytes, n);
        buf->n += n;
        buf->data[buf->n] = '\0';
        return 0;
}

int secret_buf_append_string(struct secret_buf *buf, const char *string)
{
        return secret_buf_append(buf, string, strlen(string));
}

void secret_buf_consume(struct secret_buf *buf, size_t n)
{
        if (n > buf->n)
                abort();
        if (n == 0)
                return;
        memmove(buf->data, buf->data + n, buf->n - n);
        buf->n -= n;
        explicit_bzero(buf->data + buf->n, n);
}

void secret_buf_clear(struct secret_buf *buf)
{
        if (buf->data)
                explicit_bzero(buf->data, buf->allocated);
        buf->n = 0;
}

void secret_buf_done(struct secret_buf *buf)
{
        if (buf->data)
                arena_return(buf->data);
        buf->data = NULL;
        buf->n = buf->allocated = 0;
}

int secret_buf_take(struct secret_buf *buf, struct secret **ret)
{
        int r;

        r = secret_new(ret, buf->data, buf->n);
        if (r < 0)
                return r;
        secret_buf_done(buf);
        return 0;
}
