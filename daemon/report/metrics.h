/*
 * Counters, and their text. Labels come from the configuration and from fixed lists alone, so that no caller can make the text grow; the names of
 * credentials are labels only where somebody asks for them, and for so many of them. Pure.
 *
 * The text is OpenMetrics and Prometheus' older text format at once, since scrapers read the one and node_exporter's textfile collector and
 * promtool the other. They disagree about counters - `# TYPE` names the family without `_total` in the one and with it in the other - so
 * that counters have help and no type.
 */
#pragma once

#include "common/secret.h"
#include "daemon/vault/credential.h"
#include "daemon/base/histogram.h"
#include "daemon/refresh/refresh.h"
#include "daemon/serve/server.h"

#include <stddef.h>
#include <stdint.h>

/* Embedded in its owner. */
struct metrics {
        struct histogram get_token;
        uint64_t denied, authorization_required, unavailable;
};

enum {
        METRICS_MOST_CLIENTS = 500, /* of further ones all credentials are one row */
        METRICS_MOST_CREDENTIALS =
                2000, /* with the longest names, too, their text fits into a message that clients read */
};

/* One row for each client and state that occurs; made by counting credentials, in order of their names. */
struct metrics_clients;
int metrics_clients_new(struct metrics_clients **ret);
struct metrics_clients *metrics_clients_free(struct metrics_clients *clients);
DEFINE_FREEP(struct metrics_clients *, metrics_clients_free)
int metrics_clients_count(struct metrics_clients *clients, const struct credential *credential,
                          uint64_t boot_now);

/*
 * The series of single credentials, `most` of them: those that need somebody's attention come first, so that what is left out is well. Of each is
 * told what it was when it was added.
 */
struct metrics_credentials;
int metrics_credentials_new(struct metrics_credentials **ret, size_t most, uint64_t boot_now);
struct metrics_credentials *metrics_credentials_free(struct metrics_credentials *credentials);
DEFINE_FREEP(struct metrics_credentials *, metrics_credentials_free)
int metrics_credentials_add(struct metrics_credentials *credentials, const struct credential *credential);

struct metrics_input {
        const char *version;
        int64_t started_at;
        const struct metrics *metrics;
        const struct metrics_clients *clients;
        const struct metrics_credentials *credentials; /* NULL: nobody asked for them */
        const struct server_stats *server;
        const struct refresh_stats *refresh;
        const struct secret_stats *secrets;
        size_t unsaved;
        bool store_works;
};

/* A part of the text, which is the caller's to free, beginning with part 0; a few hundred lines, where clients are not many. ret_more: others follow. */
int metrics_format_part(const struct metrics_input *input, size_t part, char **ret, size_t *ret_n,
                        bool *ret_more);
