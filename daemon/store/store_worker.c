/* One thread, one piece of work at a time. */
#include "daemon/store/store_worker.h"

#include "common/fault.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>

struct store_worker {
        void (*work)(void *userdata);
        void *userdata;
        int told;
        bool has_thread;
        bool is_busy; /* for who hands over: its end was not taken */
        pthread_t thread;
        pthread_mutex_t lock; /* of what follows */
        pthread_cond_t changed;
        bool is_wanted, ends;
};

static void work_and_tell(struct store_worker *worker)
{
        worker->work(worker->userdata);
        pthread_mutex_lock(&worker->lock);
        worker->is_wanted = false;
        pthread_cond_broadcast(&worker->changed);
        /* Neither is ever seen without the other. */
        (void)eventfd_write(worker->told, 1);
        pthread_mutex_unlock(&worker->lock);
}

/* False: it is over. */
static bool wait_for_work(struct store_worker *worker)
{
        bool is_wanted;

        pthread_mutex_lock(&worker->lock);
        while (!worker->is_wanted && !worker->ends)
                pthread_cond_wait(&worker->changed, &worker->lock);
        is_wanted = worker->is_wanted;
        pthread_mutex_unlock(&worker->lock);
        return is_wanted;
}

static void *run(void *userdata)
{
        struct store_worker *worker = userdata;

        (void)pthread_setname_np(pthread_self(), "purserd-store");
        while (wait_for_work(worker))
                work_and_tell(worker);
        return NULL;
}

/* Signals are the loop's. */
static void make_thread(struct store_worker *worker)
{
        sigset_t all, before;

        sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        worker->has_thread = pthread_create(&worker->thread, NULL, run, worker) == 0;
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void store_worker_begin(struct store_worker *worker)
{
        assert(!worker->is_busy);

        worker->is_busy = true;
        if (!worker->has_thread)
                make_thread(worker);
        pthread_mutex_lock(&worker->lock);
        worker->is_wanted = true;
        pthread_cond_broadcast(&worker->changed);
        pthread_mutex_unlock(&worker->lock);
        if (!worker->has_thread)
                work_and_tell(worker);
}

bool store_worker_is_busy(const struct store_worker *worker)
{
        return worker->is_busy;
}

static bool take(struct store_worker *worker, bool waits)
{
        if (!worker->is_busy)
                return false;
        pthread_mutex_lock(&worker->lock);
        while (waits && worker->is_wanted)
                pthread_cond_wait(&worker->changed, &worker->lock);
        worker->is_busy = worker->is_wanted;
        pthread_mutex_unlock(&worker->lock);
        return !worker->is_busy;
}

bool store_worker_take(struct store_worker *worker)
{
        return take(worker, false);
}

bool store_worker_wait(struct store_worker *worker)
{
        return take(worker, true);
}

int store_worker_new(struct store_worker **ret, int told, void (*work)(void *userdata), void *userdata)
{
        struct store_worker *worker = calloc(1, sizeof(*worker));

        if (!worker)
                return fault(-ENOMEM);
        worker->work = work;
        worker->userdata = userdata;
        worker->told = told;
        pthread_mutex_init(&worker->lock, NULL);
        pthread_cond_init(&worker->changed, NULL);
        *ret = worker;
        return 0;
}

struct store_worker *store_worker_free(struct store_worker *worker)
{
        if (!worker)
                return NULL;
        (void)store_worker_wait(worker);
        if (worker->has_thread) {
                pthread_mutex_lock(&worker->lock);
                worker->ends = true;
                pthread_cond_broadcast(&worker->changed);
                pthread_mutex_unlock(&worker->lock);
                (void)pthread_join(worker->thread, NULL);
        }
        pthread_cond_destroy(&worker->changed);
        pthread_mutex_destroy(&worker->lock);
        free(worker);
        return NULL;
}
