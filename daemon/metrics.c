/* Counting, and writing the figures down: https://prometheus.io/docs/specs/om/open_metrics_spec/ */
#include "daemon/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void histogram_add(struct histogram *histogram, uint64_t usec)
{
        unsigned bucket = usec <= 1 ? 0 : 64U - (unsigned)__builtin_clzll(usec - 1);

        if (bucket < METRICS_BUCKETS)
                histogram->buckets[bucket]++;
        histogram->count++;
        histogram->sum_usec += usec;
}

/* ---- credentials by client ---- */

enum { N_STATES = CREDENTIAL_PENDING + 1, N_VERSION_STATES = VERSION_UNKNOWN + 1 };

struct row {
        char *client;
        unsigned states[N_STATES];
        unsigned versions[N_VERSION_STATES];
        unsigned n_failing;
};

struct metrics_clients {
        struct row *rows;
        size_t n;
};

int metrics_clients_new(struct metrics_clients **ret)
{
        struct metrics_clients *clients = calloc(1, sizeof(*clients));

        if (!clients)
                return fault(-ENOMEM);
        *ret = clients;
        return 0;
}

struct metrics_clients *metrics_clients_free(struct metrics_clients *clients)
{
        if (!clients)
                return NULL;
        for (size_t i = 0; i < clients->n; i++)
                free(clients->rows[i].client);
        free(clients->rows);
        free(clients);
        return NULL;
}

/* Clients that the configuration no longer has are one row: their names come from whoever once made a credential. */
static const char *client_of(const struct credential *credential)
{
        return credential->client ? credential->client->name : "";
}

static int find_row(struct metrics_clients *clients, const char *client, struct row **ret)
{
        struct row *rows;

        for (size_t i = 0; i < clients->n; i++)
                if (strcmp(clients->rows[i].client, client) == 0) {
                        *ret = &clients->rows[i];
                        return 0;
                }

        rows = reallocarray(clients->rows, clients->n + 1, sizeof(*rows));
        if (!rows)
                return fault(-ENOMEM);
        clients->rows = rows;
        rows[clients->n] = (struct row){ .client = strdup(client) };
        if (!rows[clients->n].client)
                return fault(-ENOMEM);
        *ret = &rows[clients->n++];
        return 0;
}

int metrics_clients_count(struct metrics_clients *clients, const struct credential *credential,
                          uint64_t boot_now)
{
        struct row *row;
        int r;

        r = find_row(clients, client_of(credential), &row);
        if (r < 0)
                return r;
        row->states[credential_state(credential, boot_now)]++;
        row->versions[credential->test.version_state]++;
        if (credential->failures > 0)
                row->n_failing++;
        return 0;
}

/* ---- text ---- */

static void family(FILE *out, const char *name, const char *type, const char *unit, const char *help)
{
        fprintf(out, "# TYPE %s %s\n", name, type);
        if (unit)
                fprintf(out, "# UNIT %s %s\n", name, unit);
        fprintf(out, "# HELP %s %s\n", name, help);
}

static void gauge(FILE *out, const char *name, const char *help, uint64_t value)
{
        family(out, name, "gauge", NULL, help);
        fprintf(out, "%s %" PRIu64 "\n", name, value);
}

static void counter(FILE *out, const char *name, const char *help, uint64_t value)
{
        family(out, name, "counter", NULL, help);
        fprintf(out, "%s_total %" PRIu64 "\n", name, value);
}

/* Backslash, quote and line feed are what the format escapes. */
static void label_value(FILE *out, const char *value)
{
        for (; *value; value++) {
                if (*value == '\\' || *value == '"')
                        fputc('\\', out);
                if (*value == '\n')
                        fputs("\\n", out);
                else
                        fputc(*value, out);
        }
}

static void labelled(FILE *out, const char *name, const char *client, const char *label, const char *value,
                     uint64_t n)
{
        fprintf(out, "%s{client=\"", name);
        label_value(out, client);
        fprintf(out, "\",%s=\"", label);
        label_value(out, value);
        fprintf(out, "\"} %" PRIu64 "\n", n);
}

/* Every state of every client, zeros too: a series that comes and goes raises no alarm. */
static void put_credentials(FILE *out, const struct metrics_clients *clients)
{
        family(out, "purser_credentials", "gauge", NULL, "Credentials by client and state.");
        for (size_t i = 0; i < clients->n; i++)
                for (unsigned state = 0; state < N_STATES; state++)
                        labelled(out, "purser_credentials", clients->rows[i].client, "state",
                                 credential_state_name((enum credential_state)state),
                                 clients->rows[i].states[state]);

        family(out, "purser_api_version_credentials", "gauge", NULL,
               "Credentials by client and what the last test showed of the pinned API version.");
        for (size_t i = 0; i < clients->n; i++)
                for (unsigned state = 0; state < N_VERSION_STATES; state++)
                        labelled(out, "purser_api_version_credentials", clients->rows[i].client,
                                 "version_state", version_state_name((enum version_state)state),
                                 clients->rows[i].versions[state]);

        family(out, "purser_failing_credentials", "gauge", NULL,
               "Credentials whose last refresh failed, by client.");
        for (size_t i = 0; i < clients->n; i++) {
                fputs("purser_failing_credentials{client=\"", out);
                label_value(out, clients->rows[i].client);
                fprintf(out, "\"} %u\n", clients->rows[i].n_failing);
        }
}

static void put_refreshes(FILE *out, const struct refresh_stats *refresh)
{
        family(out, "purser_refreshes", "counter", NULL, "Refreshes by what came of them.");
        fprintf(out, "purser_refreshes_total{outcome=\"refreshed\"} %" PRIu64 "\n", refresh->refreshed);
        fprintf(out, "purser_refreshes_total{outcome=\"refused\"} %" PRIu64 "\n", refresh->refused);
        fprintf(out, "purser_refreshes_total{outcome=\"failed\"} %" PRIu64 "\n", refresh->failed);
        gauge(out, "purser_refreshes_in_flight", "Refreshes that are being made.", refresh->in_flight);
        gauge(out, "purser_refreshes_queued", "Refreshes that wait for a place.", refresh->queued);
}

static void put_histogram(FILE *out, const char *name, const char *help, const struct histogram *histogram)
{
        uint64_t cumulated = 0;

        family(out, name, "histogram", "seconds", help);
        for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
                uint64_t usec = UINT64_C(1) << i;

                cumulated += histogram->buckets[i];
                fprintf(out, "%s_bucket{le=\"%" PRIu64 ".%06" PRIu64 "\"} %" PRIu64 "\n", name,
                        usec / USEC_PER_SEC, usec % USEC_PER_SEC, cumulated);
        }
        fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, histogram->count);
        fprintf(out, "%s_count %" PRIu64 "\n", name, histogram->count);
        fprintf(out, "%s_sum %" PRIu64 ".%06" PRIu64 "\n", name, histogram->sum_usec / USEC_PER_SEC,
                histogram->sum_usec % USEC_PER_SEC);
}

static void put_calls(FILE *out, const struct metrics *metrics, const struct server_stats *server)
{
        put_histogram(out, "purser_get_token_seconds", "From a whole GetToken call to its answer.",
                      &metrics->get_token);
        counter(out, "purser_calls", "Calls of all methods.", server->calls);
        counter(out, "purser_calls_denied", "Calls of somebody whom no rule allows.", metrics->denied);
        counter(out, "purser_calls_authorization_required", "Calls answered with AuthorizationRequired.",
                metrics->authorization_required);
        counter(out, "purser_calls_unavailable", "Calls answered with TokenUnavailable.",
                metrics->unavailable);
        gauge(out, "purser_calls_waiting", "Calls that wait, watches included.", server->waiting);
        gauge(out, "purser_connections", "Connections that are open.", server->connections);
        counter(out, "purser_connections_accepted", "Connections since the start.", server->accepted);
        counter(out, "purser_connections_evicted", "Idle connections closed for the sake of others.",
                server->evicted);
        counter(out, "purser_connections_refused", "Connections closed at once.", server->refused);
        counter(out, "purser_connections_stalled", "Connections closed because the peer did not read.",
                server->stalled);
        counter(out, "purser_messages_malformed", "Messages that were no calls.", server->malformed);
}

static void put_daemon(FILE *out, const struct metrics_input *input)
{
        family(out, "purser_build", "info", NULL, "What is running.");
        fputs("purser_build_info{version=\"", out);
        label_value(out, input->version);
        fputs("\"} 1\n", out);
        family(out, "purser_start_time_seconds", "gauge", "seconds", "When the daemon started, since 1970.");
        fprintf(out, "purser_start_time_seconds %" PRId64 "\n", input->started_at);
        gauge(out, "purser_store_works", "0 while the store takes no writes.", input->store_works ? 1 : 0);
        gauge(out, "purser_unsaved_credentials", "Credentials whose newest tokens are in memory alone.",
              input->unsaved);
        family(out, "purser_secret_memory_bytes", "gauge", "bytes",
               "Memory mapped for secrets, by whether it is protected.");
        fprintf(out, "purser_secret_memory_bytes{protected=\"yes\"} %zu\n",
                input->secrets->bytes_mapped - input->secrets->bytes_fallback);
        fprintf(out, "purser_secret_memory_bytes{protected=\"no\"} %zu\n", input->secrets->bytes_fallback);
}

int metrics_format(const struct metrics_input *input, char **ret)
{
        char *text = NULL;
        size_t n;
        FILE *out = open_memstream(&text, &n);

        if (!out)
                return fault(-ENOMEM);
        put_daemon(out, input);
        put_credentials(out, input->clients);
        put_refreshes(out, input->refresh);
        put_calls(out, input->metrics, input->server);
        fputs("# EOF\n", out);

        bool failed = ferror(out);
        if (fclose(out) != 0 || failed) {
                free(text);
                return fault(-ENOMEM);
        }
        *ret = text;
        return 0;
}
