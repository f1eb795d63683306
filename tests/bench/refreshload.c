/*
 * refreshload URL CONCURRENCY SECONDS CA-FILE [DIR]: the floor of refreshing: refresh requests through curl's multi interface and nothing else,
 * each with its answer's refresh token looked for and thrown away. Connections are kept. Prints one object of JSON; fails when a request did.
 *
 * With DIR, the floor of refreshing so that no grant is lost: a body that curl cannot send twice (a read callback, and so a handle for each
 * request), an intent on disk before the request, and the answer after it, CONCURRENCY of each to a commit, in a SQLite file as purserd's
 * store keeps it. Nothing is sealed, read or told, and nobody is served.
 */
#include "tests/bench/latency.h"

#include <curl/curl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_MAX = 16384, TIMEOUT_MSEC = 10000 };

struct slot {
        CURL *easy;
        uint64_t began_nsec;
        size_t n, n_sent;
        char answer[ANSWER_MAX];
};

static struct latency latency;
static unsigned long errors;

static size_t take(char *bytes, size_t size, size_t n, void *userdata)
{
        struct slot *slot = userdata;

        if (slot->n + size * n > sizeof(slot->answer))
                return 0;
        memcpy(slot->answer + slot->n, bytes, size * n);
        slot->n += size * n;
        return size * n;
}

static const char body[] =
        "grant_type=refresh_token&refresh_token=refresh-0-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "&client_id=bench&client_secret=bench-secret";

static void set_up(struct slot *slot, char **argv)
{
        slot->easy = curl_easy_init();
        curl_easy_setopt(slot->easy, CURLOPT_URL, argv[1]);
        curl_easy_setopt(slot->easy, CURLOPT_CAINFO, argv[4]);
        curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(slot->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(slot->easy, CURLOPT_WRITEFUNCTION, take);
        curl_easy_setopt(slot->easy, CURLOPT_WRITEDATA, slot);
        curl_easy_setopt(slot->easy, CURLOPT_PRIVATE, slot);
        curl_easy_setopt(slot->easy, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MSEC);
        curl_easy_setopt(slot->easy, CURLOPT_NOSIGNAL, 1L);
}

static void finish(const CURLMsg *message)
{
        struct slot *slot = NULL;
        long status = 0;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&slot);
        curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        if (message->data.result == CURLE_OK && status == 200 &&
            memmem(slot->answer, slot->n, "refresh_token", strlen("refresh_token")))
                latency_add(&latency, latency_now_nsec() - slot->began_nsec);
        else if (errors++ == 0)
                fprintf(stderr, "refreshload: %s, status %ld\n", curl_easy_strerror(message->data.result),
                        status);
}

static void start(CURLM *multi, struct slot *slot)
{
        slot->n = 0;
        slot->began_nsec = latency_now_nsec();
        curl_multi_add_handle(multi, slot->easy);
}

/* -- with a disk ------------------------------------------------------------------------------------------------------ */

static sqlite3 *db;
static sqlite3_stmt *put_intent, *put_grant, *delete_intent;
static size_t n_rounds;

static void must(int code)
{
        if (code == SQLITE_OK || code == SQLITE_DONE)
                return;
        fprintf(stderr, "refreshload: %s\n", sqlite3_errmsg(db));
        exit(1);
}

static void open_store(const char *dir)
{
        static const char put[] = "INSERT OR REPLACE INTO record VALUES (?1, ?2, ?3)";

        if (chdir(dir) < 0) {
                perror(dir);
                exit(1);
        }
        must(sqlite3_open("refreshload.db", &db));
        must(sqlite3_exec(
                db,
                "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                "CREATE TABLE record (kind TEXT, name TEXT, blob BLOB NOT NULL, PRIMARY KEY (kind, name)) "
                "STRICT, WITHOUT ROWID",
                NULL, NULL, NULL));
        must(sqlite3_prepare_v2(db, put, -1, &put_intent, NULL));
        must(sqlite3_prepare_v2(db, put, -1, &put_grant, NULL));
        must(sqlite3_prepare_v2(db, "DELETE FROM record WHERE kind = ?1 AND name = ?2", -1, &delete_intent,
                                NULL));
}

static void close_store(void)
{
        sqlite3_finalize(put_intent);
        sqlite3_finalize(put_grant);
        sqlite3_finalize(delete_intent);
        sqlite3_close(db);
        unlink("refreshload.db");
}

static void write_one(sqlite3_stmt *statement, const char *kind, size_t i, const char *blob, size_t n)
{
        enum { CREDENTIALS = 10000 };
        char name[32];

        snprintf(name, sizeof(name), "c%zu", (n_rounds * 7919 + i) % CREDENTIALS);
        must(sqlite3_bind_text(statement, 1, kind, -1, SQLITE_STATIC));
        must(sqlite3_bind_text(statement, 2, name, -1, SQLITE_TRANSIENT));
        if (blob)
                must(sqlite3_bind_blob(statement, 3, blob, (int)n, SQLITE_STATIC));
        must(sqlite3_step(statement));
        sqlite3_reset(statement);
}

static void save_intents(size_t n)
{
        static const char intent[60];

        must(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
        for (size_t i = 0; i < n; i++)
                write_one(put_intent, "intent", i, intent, sizeof(intent));
        must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
}

static void save_answers(const struct slot *slots, size_t n)
{
        must(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
        for (size_t i = 0; i < n; i++) {
                write_one(put_grant, "grant", i, slots[i].answer, slots[i].n);
                write_one(delete_intent, "intent", i, NULL, 0);
        }
        must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
        n_rounds++;
}

static size_t give(char *to, size_t size, size_t n, void *userdata)
{
        struct slot *slot = userdata;
        size_t left = sizeof(body) - 1 - slot->n_sent, take_now = size * n < left ? size * n : left;

        memcpy(to, body + slot->n_sent, take_now);
        slot->n_sent += take_now;
        return take_now;
}

static void start_unrepeatable(CURLM *multi, struct slot *slot, char **argv)
{
        set_up(slot, argv);
        slot->n_sent = 0;
        curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, NULL);
        curl_easy_setopt(slot->easy, CURLOPT_POST, 1L);
        curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE, (long)sizeof(body) - 1);
        curl_easy_setopt(slot->easy, CURLOPT_READFUNCTION, give);
        curl_easy_setopt(slot->easy, CURLOPT_READDATA, slot);
        start(multi, slot);
}

static void run_saving(CURLM *multi, struct slot *slots, size_t n, char **argv, uint64_t end)
{
        int running, left;
        CURLMsg *message;

        while (latency_now_nsec() < end) {
                save_intents(n);
                for (size_t i = 0; i < n; i++)
                        start_unrepeatable(multi, &slots[i], argv);
                for (size_t n_done = 0; n_done < n;) {
                        curl_multi_perform(multi, &running);
                        while ((message = curl_multi_info_read(multi, &left))) {
                                CURL *easy = message->easy_handle;

                                finish(message);
                                curl_multi_remove_handle(multi, easy);
                                curl_easy_cleanup(easy);
                                n_done++;
                        }
                        if (n_done < n)
                                curl_multi_poll(multi, NULL, 0, 100, NULL);
                }
                save_answers(slots, n);
        }
}

/* -- without ---------------------------------------------------------------------------------------------------------- */

static void run(CURLM *multi, struct slot *slots, size_t n, char **argv, uint64_t end)
{
        int running, left;
        CURLMsg *message;

        for (size_t i = 0; i < n; i++) {
                set_up(&slots[i], argv);
                start(multi, &slots[i]);
        }
        while (latency_now_nsec() < end) {
                curl_multi_perform(multi, &running);
                while ((message = curl_multi_info_read(multi, &left))) {
                        CURL *easy = message->easy_handle;
                        struct slot *slot = NULL;

                        finish(message);
                        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&slot);
                        curl_multi_remove_handle(multi, easy);
                        start(multi, slot);
                }
                curl_multi_poll(multi, NULL, 0, 100, NULL);
        }
}

int main(int argc, char **argv)
{
        size_t n = argc == 5 || argc == 6 ? strtoul(argv[2], NULL, 10) : 0;
        struct slot *slots = calloc(n + 1, sizeof(*slots));
        uint64_t began;
        CURLM *multi;
        double seconds;

        if (n == 0 || !slots) {
                fputs("usage: refreshload URL CONCURRENCY SECONDS CA-FILE [DIR]\n", stderr);
                return 2;
        }
        curl_global_init(CURL_GLOBAL_ALL);
        multi = curl_multi_init();
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)n * 2);
        if (argc == 6)
                open_store(argv[5]);
        began = latency_now_nsec();
        (argc == 6 ? run_saving : run)(multi, slots, n, argv,
                                       began + (uint64_t)(strtod(argv[3], NULL) * 1e9));
        seconds = (double)(latency_now_nsec() - began) / 1e9;
        printf("{\"refreshes\": %llu, \"rate\": %.1f, \"p50_usec\": %.1f, \"p99_usec\": %.1f, \"errors\": "
               "%lu}\n",
               (unsigned long long)latency.n, (double)latency.n / seconds,
               latency_percentile_usec(&latency, 50), latency_percentile_usec(&latency, 99), errors);
        if (argc == 6)
                close_store();
        return errors > 0;
}
