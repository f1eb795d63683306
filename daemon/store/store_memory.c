/* The memory that SQLite works in, wiped when freed, and what else a process needs once. Knows no file. */
#include "daemon/store/store.h"

#include "common/wipe.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>

/* SQLite asks for the size of what it was given: it lies in front. */
enum { SIZE_HEAD = 16, FIRST_PAGES = 8 };

static void *memory_new(int n)
{
        char *p = wipe_malloc((size_t)n + SIZE_HEAD);

        if (!p)
                return NULL;
        memcpy(p, &n, sizeof(n));
        return p + SIZE_HEAD;
}

static void memory_free(void *p)
{
        if (p)
                wipe_free((char *)p - SIZE_HEAD);
}

static void *memory_resize(void *old, int n)
{
        char *p = wipe_realloc((char *)old - SIZE_HEAD, (size_t)n + SIZE_HEAD);

        if (!p)
                return NULL;
        memcpy(p, &n, sizeof(n));
        return p + SIZE_HEAD;
}

static int memory_size(void *p)
{
        int n = 0;

        if (p)
                memcpy(&n, (char *)p - SIZE_HEAD, sizeof(n));
        return n;
}

static int memory_round_up(int n)
{
        return (n + 7) & ~7;
}

static int memory_init(void *unused)
{
        return SQLITE_OK;
}

static void memory_shutdown(void *unused)
{
}

int store_global_init(void)
{
        static const sqlite3_mem_methods methods = {
                .xMalloc = memory_new,
                .xFree = memory_free,
                .xRealloc = memory_resize,
                .xSize = memory_size,
                .xRoundup = memory_round_up,
                .xInit = memory_init,
                .xShutdown = memory_shutdown,
        };

        if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
                return fault(-errno);
        if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK)
                return fault(-EBUSY);
        /* It gets the first pages of its cache at once, and touches each: a start has use for a few of the 20 that it would take. */
        return sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, FIRST_PAGES) == SQLITE_OK ? 0 : fault(-EBUSY);
}
