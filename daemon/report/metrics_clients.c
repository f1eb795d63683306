/* Credentials counted by their client: what a hundred thousand of them come to in a few lines. */
#include "daemon/report/metrics_text.h"

#define HASH_NONFATAL_OOM 1
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

enum { N_STATES = CREDENTIAL_PENDING + 1, N_VERSION_STATES = VERSION_UNKNOWN + 1 };

struct row {
        char *client;
        unsigned states[N_STATES];
        unsigned versions[N_VERSION_STATES];
        unsigned n_failing, n_foreign, n_exported, n_moved;
        unsigned n_kept; /* credentials that are kept fresh: the next two are of these */
        int64_t soonest_expiry_sec;
        int64_t oldest_success_sec;
        UT_hash_handle hh; /* by client, in the order of the first credential of each */
};

struct metrics_clients {
        struct row *rows;
};

int metrics_clients_new(struct metrics_clients **ret)
{
        struct metrics_clients *clients = calloc(1, sizeof(*clients));

        if (!clients)
                return fault(-ENOMEM);
        *ret = clients;
        return 0;
}

static void row_free(struct row *row)
{
        free(row->client);
        free(row);
}

struct metrics_clients *metrics_clients_free(struct metrics_clients *clients)
{
        struct row *row, *next;

        if (!clients)
                return NULL;
        HASH_ITER (hh, clients->rows, row, next) {
                HASH_DEL(clients->rows, row);
                row_free(row);
        }
        free(clients);
        return NULL;
}

const char *metrics_client_of(const struct credential *credential)
{
        return credential->client ? credential->client->name : "";
}

int64_t metrics_expires_in(const struct credential *credential, uint64_t boot_now)
{
        const struct grant *grant = &credential->grant;

        return (grant->received_boot_usec + (int64_t)grant->lifetime_usec - (int64_t)boot_now) /
               (int64_t)USEC_PER_SEC;
}

static int find_row(struct metrics_clients *clients, const char *client, struct row **ret)
{
        struct row *row;

        HASH_FIND_STR(clients->rows, client, row);
        if (!row && HASH_COUNT(clients->rows) >= METRICS_MOST_CLIENTS) {
                client = "(others)"; /* no name of a client has a bracket */
                HASH_FIND_STR(clients->rows, client, row);
        }
        if (!row) {
                row = calloc(1, sizeof(*row));
                if (row)
                        row->client = strdup(client);
                if (row && row->client)
                        HASH_ADD_KEYPTR(hh, clients->rows, row->client, strlen(row->client), row);
                if (!row || !row->hh.tbl) {
                        if (row)
                                row_free(row);
                        return fault(-ENOMEM);
                }
        }
        *ret = row;
        return 0;
}

/* One whose grant has ended, or that nobody has logged in for, would be the soonest and the oldest for ever. */
static bool is_kept_fresh(const struct credential *credential, enum credential_state state)
{
        return credential->grant.access_token && state != CREDENTIAL_AUTHORIZATION_REQUIRED &&
               state != CREDENTIAL_PENDING;
}

static void count_times(struct row *row, const struct credential *credential, uint64_t boot_now)
{
        int64_t expiry = metrics_expires_in(credential, boot_now);
        int64_t success = credential->grant.received_wall_usec / (int64_t)USEC_PER_SEC;

        if (row->n_kept == 0 || expiry < row->soonest_expiry_sec)
                row->soonest_expiry_sec = expiry;
        if (row->n_kept == 0 || success < row->oldest_success_sec)
                row->oldest_success_sec = success;
        row->n_kept++;
}

int metrics_clients_count(struct metrics_clients *clients, const struct credential *credential,
                          uint64_t boot_now)
{
        enum credential_state state = credential_state(credential, boot_now);
        struct row *row;
        int r;

        r = find_row(clients, metrics_client_of(credential), &row);
        if (r < 0)
                return r;
        row->states[state]++;
        row->versions[credential->test.version_state]++;
        row->n_failing += credential->failures > 0;
        row->n_foreign += credential->foreign_refresher;
        row->n_exported += credential->exported_wall_usec != 0;
        row->n_moved += credential->moved;
        if (is_kept_fresh(credential, state))
                count_times(row, credential, boot_now);
        return 0;
}

/* ---- text ---- */

static void put_of_client(FILE *out, const char *name, const struct row *row, const char *label,
                          const char *value, int64_t n)
{
        fprintf(out, "%s{client=\"", name);
        metrics_label_value(out, row->client);
        if (label)
                fprintf(out, "\",%s=\"%s", label, value);
        fprintf(out, "\"} %" PRId64 "\n", n);
}

#define FOR_EACH_ROW(row, clients)                                                                           \
        for (const struct row *row = (clients)->rows; row; row = (const struct row *)row->hh.next)

/* Every state of every client, zeros too: a series that comes and goes raises no alarm. */
static void put_states(FILE *out, const struct metrics_clients *clients)
{
        metrics_family(out, "purser_credentials", "gauge", NULL, "Credentials by client and state.");
        FOR_EACH_ROW(row, clients)
        for (unsigned state = 0; state < N_STATES; state++)
                put_of_client(out, "purser_credentials", row, "state",
                              credential_state_name((enum credential_state)state), row->states[state]);

        metrics_family(out, "purser_api_version_credentials", "gauge", NULL,
                       "Credentials by client and what the last test showed of the pinned API version.");
        FOR_EACH_ROW(row, clients)
        for (unsigned state = 0; state < N_VERSION_STATES; state++)
                put_of_client(out, "purser_api_version_credentials", row, "version_state",
                              version_state_name((enum version_state)state), row->versions[state]);
}

static void put_troubles(FILE *out, const struct metrics_clients *clients)
{
        metrics_family(out, "purser_failing_credentials", "gauge", NULL,
                       "Credentials whose last refresh failed, by client.");
        FOR_EACH_ROW(row, clients)
        put_of_client(out, "purser_failing_credentials", row, NULL, NULL, row->n_failing);
        metrics_family(out, "purser_foreign_refresher_credentials", "gauge", NULL,
                       "Credentials whose grant somebody else refreshes too, by client.");
        FOR_EACH_ROW(row, clients)
        put_of_client(out, "purser_foreign_refresher_credentials", row, NULL, NULL, row->n_foreign);
}

static void put_exports(FILE *out, const struct metrics_clients *clients)
{
        metrics_family(out, "purser_exported_credentials", "gauge", NULL,
                       "Credentials whose grant left in a backup, by client.");
        FOR_EACH_ROW(row, clients)
        put_of_client(out, "purser_exported_credentials", row, NULL, NULL, row->n_exported);
        metrics_family(out, "purser_moved_credentials", "gauge", NULL,
                       "Of these, credentials whose grant was moved to another machine, by client.");
        FOR_EACH_ROW(row, clients)
        put_of_client(out, "purser_moved_credentials", row, NULL, NULL, row->n_moved);
}

static void put_times(FILE *out, const struct metrics_clients *clients)
{
        metrics_family(out, "purser_soonest_expiry_seconds", "gauge", "seconds",
                       "How long the token lives that ends first of those that are kept fresh, by client.");
        FOR_EACH_ROW(row, clients)
        if (row->n_kept > 0)
                put_of_client(out, "purser_soonest_expiry_seconds", row, NULL, NULL, row->soonest_expiry_sec);
        metrics_family(out, "purser_oldest_success_timestamp_seconds", "gauge", "seconds",
                       "When the oldest token came of those that are kept fresh, since 1970, by client.");
        FOR_EACH_ROW(row, clients)
        if (row->n_kept > 0)
                put_of_client(out, "purser_oldest_success_timestamp_seconds", row, NULL, NULL,
                              row->oldest_success_sec);
}

void metrics_put_clients(FILE *out, const struct metrics_clients *clients)
{
        put_states(out, clients);
        put_troubles(out, clients);
        put_exports(out, clients);
        put_times(out, clients);
}
