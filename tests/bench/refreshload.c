/*
 * refreshload URL CONCURRENCY SECONDS CA-FILE [DIR]: the floor of refreshing: refresh requests through curl's multi interface and nothing else,
 * each with its answer's refresh token looked for and thrown away. Connections are kept. Prints one object of JSON; fails when a request did.
 *
 * With DIR, the floor of refreshing so that no grant is lost: a request that curl may begin once, an intent on disk before it, and the answer
 * after it, in a SQLite file as purserd's store keeps it. A thread commits whatever there is to save, again and again; as many intents as
 * CONCURRENCY are saved ahead. Nothing is sealed, read or told, and nobody is served.
 */
#include "tests/bench/latency.h"

#include <curl/curl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
        ANSWER_MAX = 16384,
        TIMEOUT_MSEC = 10000,
        SLOTS_EACH = 3, /* for each in flight, with a disk: more gain nothing */
};

struct slot {
        CURL *easy;
        uint64_t began_nsec;
        size_t n;
        char answer[ANSWER_MAX];
        /* with a disk */
        size_t credential;
        bool has_answer; /* which is to be saved; else its intent */
        bool is_begun;
        struct slot *next;
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

static struct slot *finish(const CURLMsg *message)
{
        struct slot *slot = NULL;
        long status = 0;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&slot);
        curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        if ((message->data.result != CURLE_OK || status != 200 ||
             !memmem(slot->answer, slot->n, "refresh_token", strlen("refresh_token"))) &&
            errors++ == 0)
                fprintf(stderr, "refreshload: %s, status %ld\n", curl_easy_strerror(message->data.result),
                        status);
        return slot;
}

static void count(const struct slot *slot)
{
        latency_add(&latency, latency_now_nsec() - slot->began_nsec);
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

static void write_one(sqlite3_stmt *statement, const char *kind, size_t credential, const char *blob,
                      size_t n)
{
        char name[32];

        snprintf(name, sizeof(name), "c%zu", credential);
        must(sqlite3_bind_text(statement, 1, kind, -1, SQLITE_STATIC));
        must(sqlite3_bind_text(statement, 2, name, -1, SQLITE_TRANSIENT));
        if (blob)
                must(sqlite3_bind_blob(statement, 3, blob, (int)n, SQLITE_STATIC));
        must(sqlite3_step(statement));
        sqlite3_reset(statement);
}

static void save_all(const struct slot *first)
{
        static const char intent[60];

        must(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
        for (const struct slot *slot = first; slot; slot = slot->next) {
                if (!slot->has_answer) {
                        write_one(put_intent, "intent", slot->credential, intent, sizeof(intent));
                        continue;
                }
                write_one(put_grant, "grant", slot->credential, slot->answer, slot->n);
                write_one(delete_intent, "intent", slot->credential, NULL, 0);
        }
        must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
}

/* What is to be saved, and what is: between the thread that commits and the one that sends. */
static struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        struct slot *wanted, *saved;
        bool ends;
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static struct slot *take_wanted(void)
{
        struct slot *slots;

        pthread_mutex_lock(&disk.lock);
        while (!disk.wanted && !disk.ends)
                pthread_cond_wait(&disk.changed, &disk.lock);
        slots = disk.wanted;
        disk.wanted = NULL;
        pthread_mutex_unlock(&disk.lock);
        return slots;
}

static void *commit_again_and_again(void *multi)
{
        struct slot *slots, **end;

        while ((slots = take_wanted())) {
                save_all(slots);
                for (end = &slots->next; *end;)
                        end = &(*end)->next;
                pthread_mutex_lock(&disk.lock);
                *end = disk.saved;
                disk.saved = slots;
                pthread_mutex_unlock(&disk.lock);
                curl_multi_wakeup(multi);
        }
        return NULL;
}

static void want(struct slot *slot)
{
        pthread_mutex_lock(&disk.lock);
        slot->next = disk.wanted;
        disk.wanted = slot;
        pthread_cond_signal(&disk.changed);
        pthread_mutex_unlock(&disk.lock);
}

static void want_next(struct slot *slot)
{
        enum { CREDENTIALS = 10000 };
        static size_t n;

        /* One after the other, as those of a store that all are due: they share pages. */
        slot->credential = n++ % CREDENTIALS;
        slot->has_answer = false;
        want(slot);
}

static int begin_once(void *userdata, char *peer, char *local, int peer_port, int local_port)
{
        struct slot *slot = userdata;

        (void)peer, (void)local, (void)peer_port, (void)local_port;
        if (slot->is_begun)
                return CURL_PREREQFUNC_ABORT;
        slot->is_begun = true;
        return CURL_PREREQFUNC_OK;
}

/* Those whose intents are saved are sent as soon as fewer than n are; those whose answers are, begin anew. */
static void take_saved(struct slot **ready)
{
        struct slot *slot, *next;

        pthread_mutex_lock(&disk.lock);
        slot = disk.saved;
        disk.saved = NULL;
        pthread_mutex_unlock(&disk.lock);
        for (; slot; slot = next) {
                next = slot->next;
                if (slot->has_answer) {
                        count(slot);
                        want_next(slot);
                        continue;
                }
                slot->next = *ready;
                *ready = slot;
        }
}

static void send_and_save(CURLM *multi, size_t n, uint64_t end)
{
        struct slot *ready = NULL;
        size_t n_sent = 0;
        int running, left;
        CURLMsg *message;

        while (latency_now_nsec() < end) {
                take_saved(&ready);
                for (; ready && n_sent < n; n_sent++) {
                        struct slot *slot = ready;

                        ready = slot->next;
                        slot->is_begun = false;
                        start(multi, slot);
                }
                curl_multi_perform(multi, &running);
                while ((message = curl_multi_info_read(multi, &left))) {
                        CURL *easy = message->easy_handle;
                        struct slot *slot = finish(message);

                        curl_multi_remove_handle(multi, easy);
                        n_sent--;
                        slot->has_answer = true;
                        want(slot);
                }
                curl_multi_poll(multi, NULL, 0, 100, NULL);
        }
}

static void run_saving(CURLM *multi, struct slot *slots, size_t n, char **argv, uint64_t end)
{
        pthread_t thread;

        if (pthread_create(&thread, NULL, commit_again_and_again, multi) != 0) {
                fputs("refreshload: there is no thread to be had\n", stderr);
                exit(1);
        }
        for (size_t i = 0; i < SLOTS_EACH * n; i++) {
                set_up(&slots[i], argv);
                curl_easy_setopt(slots[i].easy, CURLOPT_PREREQFUNCTION, begin_once);
                curl_easy_setopt(slots[i].easy, CURLOPT_PREREQDATA, &slots[i]);
                want_next(&slots[i]);
        }
        send_and_save(multi, n, end);
        pthread_mutex_lock(&disk.lock);
        disk.ends = true;
        pthread_cond_signal(&disk.changed);
        pthread_mutex_unlock(&disk.lock);
        pthread_join(thread, NULL);
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
                        struct slot *slot = finish(message);

                        count(slot);
                        curl_multi_remove_handle(multi, easy);
                        start(multi, slot);
                }
                curl_multi_poll(multi, NULL, 0, 100, NULL);
        }
}

int main(int argc, char **argv)
{
        size_t n = argc == 5 || argc == 6 ? strtoul(argv[2], NULL, 10) : 0;
        struct slot *slots = calloc(SLOTS_EACH * n + 1, sizeof(*slots));
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
