/*
 * The store: the queue of batches. Knows no database and nothing of what the blobs are.
 *
 * A commit waits for the disk, for milliseconds in which everybody who asks for a token would wait, too: while 10,000 credentials were
 * refreshed, the 99th percentile of GetToken was up to nine times that of a quiet purserd. So a thread of its own commits, and what comes
 * meanwhile shares the next commit. It touches what it was handed - batches, whose blobs were sealed before they came here - and
 * the watched file, which is its own from the beginning of a commit until the loop has taken its end; so it sees no secret, and calls
 * nobody. The loop that wants the file waits for the commit (own_file()).
 */
#include "daemon/store/store.h"

#include "daemon/store/store_watch.h"
#include "daemon/store/store_worker.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>

enum {
        WAITS_MAX = 8, /* turns; with more, disk and loop take turns instead of working side by side */
        TOLD_MAX = 2, /* batches in a turn; with more, callers notice */
};

struct batch {
        struct batch *next;
        struct store_write *write; /* NULL: nobody waits */
        int result;
        size_t n;
        struct store_op ops[]; /* what they point to lies behind them */
};

struct store_write {
        struct batch *batch; /* NULL once done */
        void (*on_done)(int result, const char *problem, void *userdata);
        void *userdata;
};

struct queue {
        struct batch *oldest, **end;
};

struct store {
        struct store_watch watch; /* the worker's while it is busy */
        bool lost; /* as of the last commit whose end was taken */
        struct store_worker *worker;
        struct batch *committing; /* the worker's, too */
        struct queue queued, done; /* done: what is left is to say so */
        size_t n_queued, n_seen; /* batches now, and when the loop last came round */
        unsigned n_waits; /* how often it found more since the last commit */
        int stirred; /* an eventfd: there is something to begin, to take or to tell */
        sd_event_source *on_stirred;
};

/* -- the queue -------------------------------------------------------------------------------------------------------- */

static void queue_init(struct queue *queue)
{
        queue->oldest = NULL;
        queue->end = &queue->oldest;
}

static void queue_add(struct queue *queue, struct batch *batch)
{
        *queue->end = batch;
        queue->end = &batch->next;
}

/* All of them, as a list. */
static struct batch *queue_take_all(struct queue *queue)
{
        struct batch *first = queue->oldest;

        queue_init(queue);
        return first;
}

static struct batch *queue_take(struct queue *queue)
{
        struct batch *first = queue->oldest;

        queue->oldest = first->next;
        if (!queue->oldest)
                queue_init(queue);
        first->next = NULL;
        return first;
}

/* -- the worker's ----------------------------------------------------------------------------------------------------- */

/* The batches from first to before end, in one transaction. */
static int commit(struct store_watch *watch, const struct batch *first, const struct batch *end)
{
        int r = store_watch_begin(watch);

        if (r < 0)
                return r;
        for (const struct batch *batch = first; batch != end; batch = batch->next)
                for (size_t i = 0; i < batch->n && r == 0; i++)
                        r = store_file_apply(watch->file, &batch->ops[i]);
        return store_watch_end(watch, r);
}

static void commit_all(void *userdata)
{
        struct store *store = userdata;
        struct batch *first = store->committing;
        int r = commit(&store->watch, first, NULL);

        for (struct batch *batch = first; batch; batch = batch->next)
                /* One that cannot be written must not fail the others. */
                batch->result = r < 0 && first->next ? commit(&store->watch, batch, batch->next) : r;
}

/* -- the loop's ------------------------------------------------------------------------------------------------------- */

static void begin_commit(struct store *store)
{
        if (store_worker_is_busy(store->worker) || !store->queued.oldest)
                return;
        store->committing = queue_take_all(&store->queued);
        store->n_queued = store->n_seen = store->n_waits = 0;
        store_worker_begin(store->worker);
}

/* The end of a commit was taken: batches and file are the loop's again. */
static void note_end(struct store *store)
{
        store->lost = store->watch.lost;
        while (store->committing) {
                struct batch *batch = store->committing;

                store->committing = batch->next;
                batch->next = NULL;
                queue_add(&store->done, batch);
        }
}

/* Until the loop turns again. */
static void own_file(struct store *store)
{
        if (store_worker_wait(store->worker))
                note_end(store);
}

static const char *describe(const struct store *store, int result, char *text, size_t size)
{
        if (store->lost)
                snprintf(text, size,
                         "%s/" DB_FILE " was deleted, replaced or damaged while purserd had it open",
                         store->watch.dir->path);
        else
                snprintf(text, size, "cannot save to %s/" DB_FILE ": %s", store->watch.dir->path,
                         strerror(-result));
        return text;
}

static void finish(struct store *store, struct batch *batch)
{
        char text[512] = "";
        struct store_write *write = batch->write;
        int result = batch->result;

        free(batch);
        if (!write)
                return;
        write->batch = NULL;
        if (result < 0)
                describe(store, result, text, sizeof(text));
        /* The handle may be gone after this. */
        write->on_done(result, text, write->userdata);
}

void store_flush(struct store *store)
{
        own_file(store);
        begin_commit(store);
        own_file(store);
        /* What callbacks queue is for the next turn. */
        while (store->done.oldest)
                finish(store, queue_take(&store->done));
}

static void stir(struct store *store)
{
        (void)eventfd_write(store->stirred, 1);
}

/* Batches wait for a few turns of the loop, for as long as more come with each: it is the commit that costs. */
static bool more_may_come(struct store *store)
{
        if (store->n_queued == store->n_seen || store->n_waits == WAITS_MAX)
                return false;
        store->n_seen = store->n_queued;
        store->n_waits++;
        return true;
}

/*
 * As long as there is something to do, the eventfd stays as it is, and the next turn comes here again. The next commit is begun before what
 * came of the last one is told, so that the disk never waits for that.
 */
static int on_stirred(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct store *store = userdata;
        eventfd_t count;

        if (store_worker_take(store->worker))
                note_end(store);
        if (!store_worker_is_busy(store->worker) && !more_may_come(store))
                begin_commit(store);
        /* A few in a turn, since each callback may begin a request: callers have theirs in between. */
        for (int i = 0; i < TOLD_MAX && store->done.oldest; i++)
                finish(store, queue_take(&store->done));
        if (store->done.oldest || (!store_worker_is_busy(store->worker) && store->queued.oldest))
                return 0;
        (void)eventfd_read(store->stirred, &count);
        /* It may have ended just before that. */
        if (store_worker_take(store->worker)) {
                note_end(store);
                stir(store);
        }
        return 0;
}

static size_t size_of_op(const struct store_op *op)
{
        if (!op->kind)
                return 0;
        return strlen(op->kind) + 1 + strlen(op->name) + 1 + (op->blob ? op->n + 1 : 0);
}

/* Returns what follows the copy. */
static char *copy_op(struct store_op *to, const struct store_op *from, char *at)
{
        if (!from->kind)
                return at;
        to->kind = at;
        at = stpcpy(at, from->kind) + 1;
        to->name = at;
        at = stpcpy(at, from->name) + 1;
        if (!from->blob)
                return at;
        to->n = from->n;
        to->blob = (uint8_t *)at;
        if (to->n)
                memcpy(at, from->blob, to->n);
        return at + to->n + 1;
}

static int batch_new(struct batch **ret, const struct store_op *ops, size_t n_ops)
{
        size_t size = sizeof(struct batch) + n_ops * sizeof(*ops);

        for (size_t i = 0; i < n_ops; i++)
                size += size_of_op(&ops[i]);
        struct batch *batch = calloc(1, size);
        if (!batch)
                return fault(-ENOMEM);
        char *at = (char *)(batch->ops + n_ops);
        for (size_t i = 0; i < n_ops; i++)
                at = copy_op(&batch->ops[i], &ops[i], at);
        batch->n = n_ops;
        *ret = batch;
        return 0;
}

int store_write_start(struct store *store, const struct store_op *ops, size_t n_ops,
                      void (*on_done)(int result, const char *problem, void *userdata), void *userdata,
                      struct store_write **ret)
{
        _cleanup_(freep) struct batch *batch = NULL;
        _cleanup_(freep) struct store_write *write = calloc(1, sizeof(*write));

        if (!write)
                return fault(-ENOMEM);
        int r = batch_new(&batch, ops, n_ops);
        if (r < 0)
                return r;
        *write = (struct store_write){ .batch = batch, .on_done = on_done, .userdata = userdata };
        batch->write = write;
        if (!store->queued.oldest)
                stir(store);
        queue_add(&store->queued, batch);
        store->n_queued++;
        take_ptr(batch);
        *ret = take_ptr(write);
        return 0;
}

struct store_write *store_write_free(struct store_write *write)
{
        if (!write)
                return NULL;
        if (write->batch)
                write->batch->write = NULL;
        free(write);
        return NULL;
}

/* -- the store -------------------------------------------------------------------------------------------------------- */

int store_exists(const char *state_dir, bool *ret)
{
        static const char *const names[] = { DB_FILE, WAL_FILE };
        char path[PATH_MAX];
        struct stat st;

        *ret = false;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                if (snprintf(path, sizeof(path), "%s/%s", state_dir, names[i]) >= (int)sizeof(path))
                        return fault(-ENAMETOOLONG);
                if (lstat(path, &st) == 0)
                        *ret = true;
                else if (errno != ENOENT)
                        return fault(-errno);
        }
        return 0;
}

static int make_worker(struct store *store, sd_event *event)
{
        store->stirred = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (store->stirred < 0)
                return fault(-errno);
        int r = sd_event_add_io(event, &store->on_stirred, store->stirred, EPOLLIN, on_stirred, store);
        return r < 0 ? fault(r) : store_worker_new(&store->worker, store->stirred, commit_all, store);
}

int store_new(struct store **ret, const char *state_dir, void *event, struct diag *diag)
{
        _cleanup_(store_freep) struct store *store = calloc(1, sizeof(*store));
        if (!store)
                return fault(-ENOMEM);
        queue_init(&store->queued);
        queue_init(&store->done);
        store->stirred = -1;
        int r = store_watch_open(&store->watch, state_dir, diag);
        if (r == 0)
                r = make_worker(store, event);
        if (r != 0)
                return r;
        *ret = take_ptr(store);
        return 0;
}

struct store *store_free(struct store *store)
{
        if (!store)
                return NULL;
        if (store->worker)
                store_flush(store);
        assert(!store->queued.oldest);
        store_worker_free(store->worker);
        sd_event_source_disable_unref(store->on_stirred);
        closep(&store->stirred);
        store_watch_done(&store->watch);
        free(store);
        return NULL;
}

static int own_open_file(struct store *store)
{
        own_file(store);
        return store->watch.file ? 0 : fault(-ESTALE);
}

int store_load(struct store *store, store_record_fn *on_record, void *userdata, struct diag *diag)
{
        int r = own_open_file(store);

        return r < 0 ? r : store_file_load(store->watch.file, on_record, userdata, diag);
}

int store_load_part(struct store *store, const char *const kinds[], size_t n_kinds, const char *after,
                    size_t most, char **ret_last, store_record_fn *on_record, void *userdata,
                    struct diag *diag)
{
        int r = own_open_file(store);

        return r < 0 ? r
                     : store_file_load_part(store->watch.file, kinds, n_kinds, after, most, ret_last,
                                            on_record, userdata, diag);
}

int store_load_named(struct store *store, const char *const kinds[], size_t n_kinds, const char *name,
                     store_record_fn *on_record, void *userdata, struct diag *diag)
{
        int r = own_open_file(store);

        return r < 0 ? r
                     : store_file_load_named(store->watch.file, kinds, n_kinds, name, on_record, userdata,
                                             diag);
}

int store_load_others(struct store *store, const char *const kinds[], size_t n_kinds,
                      store_record_fn *on_record, void *userdata, struct diag *diag)
{
        int r = own_open_file(store);

        return r < 0 ? r
                     : store_file_load_others(store->watch.file, kinds, n_kinds, on_record, userdata, diag);
}

bool store_wait(struct store *store)
{
        bool was_busy = store_worker_is_busy(store->worker);

        own_file(store);
        return was_busy;
}

bool store_is_lost(const struct store *store)
{
        return store->lost;
}

int store_reopen(struct store *store, struct diag *diag)
{
        own_file(store);
        int r = store_watch_reopen(&store->watch, diag);
        store->lost = store->watch.lost;
        return r;
}
