/*
 * persist DIR BATCH SECONDS: the floor of saving: records of 1600 bytes put into a SQLite file as purserd's store keeps it (journal ahead of
 * writing, synced at each commit), BATCH of them to a commit, with nothing sealed. Prints one object of JSON.
 */
#include "tests/bench/latency.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORD_BYTES = 1600, RECORDS = 100 };

static sqlite3 *db;

static void must(int code)
{
        if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW)
                return;
        fprintf(stderr, "persist: %s\n", sqlite3_errmsg(db));
        exit(1);
}

static sqlite3_stmt *set_up(const char *dir)
{
        sqlite3_stmt *put;

        if (chdir(dir) < 0) {
                perror(dir);
                exit(1);
        }
        must(sqlite3_open("persist.db", &db));
        must(sqlite3_exec(
                db,
                "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                "CREATE TABLE record (name TEXT PRIMARY KEY, blob BLOB NOT NULL) STRICT, WITHOUT ROWID",
                NULL, NULL, NULL));
        must(sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO record VALUES (?1, ?2)", -1, &put, NULL));
        return put;
}

static void put_one(sqlite3_stmt *put, unsigned long i)
{
        char blob[RECORD_BYTES], name[32];

        memset(blob, (int)(i & 0x7f), sizeof(blob));
        snprintf(name, sizeof(name), "c%lu", i % RECORDS);
        must(sqlite3_bind_text(put, 1, name, -1, SQLITE_TRANSIENT));
        must(sqlite3_bind_blob(put, 2, blob, sizeof(blob), SQLITE_STATIC));
        must(sqlite3_step(put));
        sqlite3_reset(put);
}

int main(int argc, char **argv)
{
        static struct latency latency;
        unsigned long batch = argc == 4 ? strtoul(argv[2], NULL, 10) : 0, n = 0;
        uint64_t began, end, commit;
        sqlite3_stmt *put;

        if (batch == 0) {
                fputs("usage: persist DIR BATCH SECONDS\n", stderr);
                return 2;
        }
        put = set_up(argv[1]);
        began = latency_now_nsec();
        end = began + (uint64_t)(strtod(argv[3], NULL) * 1e9);
        while ((commit = latency_now_nsec()) < end) {
                must(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
                for (unsigned long i = 0; i < batch; i++)
                        put_one(put, n++);
                must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
                latency_add(&latency, latency_now_nsec() - commit);
        }
        printf("{\"rate\": %.1f, \"commit_p50_usec\": %.1f, \"commit_p99_usec\": %.1f}\n",
               (double)n / ((double)(latency_now_nsec() - began) / 1e9),
               latency_percentile_usec(&latency, 50), latency_percentile_usec(&latency, 99));
        sqlite3_finalize(put);
        sqlite3_close(db);
        unlink("persist.db");
        return 0;
}
