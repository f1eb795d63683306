/*
 * Counters, and the OpenMetrics text. Labels come from the configuration and from fixed lists alone, so that no caller can make the text
 * grow. Pure.
 */
#pragma once

#include "common/secret.h"
#include "daemon/credential.h"
#include "daemon/refresh.h"
#include "daemon/server.h"

#include <stddef.h>
#include <stdint.h>

enum { METRICS_BUCKETS = 24 }; /* of 1 µs, 2 µs, 4 µs, ... 8 s */

struct histogram {
        uint64_t buckets[METRICS_BUCKETS]; /* not cumulated; what is longer is in `count` alone */
        uint64_t count, sum_usec;
};

void histogram_add(struct histogram *histogram, uint64_t usec);

/* Embedded in its owner. */
struct metrics {
        struct histogram get_token;
        uint64_t denied, authorization_required, unavailable;
};

/* One row for each client and state that occurs; made by counting credentials. */
struct metrics_clients;
int metrics_clients_new(struct metrics_clients **ret);
struct metrics_clients *metrics_clients_free(struct metrics_clients *clients);
DEFINE_FREEP(struct metrics_clients *, metrics_clients_free)
int metrics_clients_count(struct metrics_clients *clients, const struct credential *credential,
                          uint64_t boot_now);

struct metrics_input {
        const char *version;
        int64_t started_at;
        const struct metrics *metrics;
        const struct metrics_clients *clients;
        const struct server_stats *server;
        const struct refresh_stats *refresh;
        const struct secret_stats *secrets;
        size_t unsaved;
        bool store_works;
};

/* A NUL-ended text, the caller's to free. */
int metrics_format(const struct metrics_input *input, char **ret);
