/*
 * refreshload URL CONCURRENCY SECONDS CA-FILE: the floor of refreshing: refresh requests through curl's multi interface and nothing else, each
 * with its answer's refresh token looked for and thrown away. Connections are kept. Prints one object of JSON; fails when a request did.
 */
#include "tests/bench/latency.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX = 16384, TIMEOUT_MSEC = 10000 };

struct slot {
        CURL *easy;
        uint64_t began_nsec;
        size_t n;
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

static void set_up(struct slot *slot, char **argv)
{
        static const char body[] =
                "grant_type=refresh_token&refresh_token=refresh-0-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                "&client_id=bench&client_secret=bench-secret";

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

static void run(CURLM *multi, uint64_t end)
{
        int running, left;
        CURLMsg *message;

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
        size_t n = argc == 5 ? strtoul(argv[2], NULL, 10) : 0;
        struct slot *slots = calloc(n + 1, sizeof(*slots));
        uint64_t began;
        CURLM *multi;
        double seconds;

        if (n == 0 || !slots) {
                fputs("usage: refreshload URL CONCURRENCY SECONDS CA-FILE\n", stderr);
                return 2;
        }
        curl_global_init(CURL_GLOBAL_ALL);
        multi = curl_multi_init();
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)n * 2);
        for (size_t i = 0; i < n; i++) {
                set_up(&slots[i], argv);
                start(multi, &slots[i]);
        }
        began = latency_now_nsec();
        run(multi, began + (uint64_t)(strtod(argv[3], NULL) * 1e9));
        seconds = (double)(latency_now_nsec() - began) / 1e9;
        printf("{\"refreshes\": %llu, \"rate\": %.1f, \"p50_usec\": %.1f, \"p99_usec\": %.1f, \"errors\": "
               "%lu}\n",
               (unsigned long long)latency.n, (double)latency.n / seconds,
               latency_percentile_usec(&latency, 50), latency_percentile_usec(&latency, 99), errors);
        return errors > 0;
}
