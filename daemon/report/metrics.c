/* The figures written down: https://prometheus.io/docs/specs/om/open_metrics_spec/ */
#include "daemon/report/metrics_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void metrics_family(FILE *out, const char *name, const char *type, const char *unit, const char *help)
{
        if (type)
                fprintf(out, "# TYPE %s %s\n", name, type);
        if (unit)
                fprintf(out, "# UNIT %s %s\n", name, unit);
        fprintf(out, "# HELP %s %s\n", name, help);
}

void metrics_label_value(FILE *out, const char *value)
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

static void gauge(FILE *out, const char *name, const char *help, uint64_t value)
{
        metrics_family(out, name, "gauge", NULL, help);
        fprintf(out, "%s %" PRIu64 "\n", name, value);
}

static void counter(FILE *out, const char *name, const char *help, uint64_t value)
{
        metrics_family(out, name, NULL, NULL, help);
        fprintf(out, "%s %" PRIu64 "\n", name, value);
}

/* The buckets whose upper bounds are 2^first to 2^last microseconds. */
static void put_histogram(FILE *out, const char *name, const char *help, const struct histogram *histogram,
                          unsigned first, unsigned last)
{
        uint64_t cumulated = 0;

        metrics_family(out, name, "histogram", "seconds", help);
        for (unsigned i = 0; i <= last; i++) {
                uint64_t usec = UINT64_C(1) << i;

                cumulated += histogram->buckets[i];
                if (i >= first)
                        fprintf(out, "%s_bucket{le=\"%" PRIu64 ".%06" PRIu64 "\"} %" PRIu64 "\n", name,
                                usec / USEC_PER_SEC, usec % USEC_PER_SEC, cumulated);
        }
        fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, histogram->count);
        fprintf(out, "%s_count %" PRIu64 "\n", name, histogram->count);
        fprintf(out, "%s_sum %" PRIu64 ".%06" PRIu64 "\n", name, histogram->sum_usec / USEC_PER_SEC,
                histogram->sum_usec % USEC_PER_SEC);
}

static void put_refreshes(FILE *out, const struct refresh_stats *refresh)
{
        metrics_family(out, "purser_refreshes_total", NULL, NULL, "Refreshes by what came of them.");
        fprintf(out, "purser_refreshes_total{outcome=\"refreshed\"} %" PRIu64 "\n", refresh->refreshed);
        fprintf(out, "purser_refreshes_total{outcome=\"refused\"} %" PRIu64 "\n", refresh->refused);
        fprintf(out, "purser_refreshes_total{outcome=\"failed\"} %" PRIu64 "\n", refresh->failed);
        gauge(out, "purser_refreshes_in_flight", "Refreshes that are being made.", refresh->in_flight);
        gauge(out, "purser_refreshes_queued", "Refreshes that wait for a place.", refresh->queued);
        put_histogram(out, "purser_refresh_duration_seconds",
                      "How long a refresh took, saving included and waiting for a place not.",
                      &refresh->duration, 10, 27);
}

static void put_calls(FILE *out, const struct metrics *metrics, const struct server_stats *server)
{
        put_histogram(out, "purser_get_token_seconds", "From a whole GetToken call to its answer.",
                      &metrics->get_token, 0, 23);
        counter(out, "purser_calls_total", "Calls of all methods.", server->calls);
        counter(out, "purser_calls_denied_total", "Calls of somebody whom no rule allows.", metrics->denied);
        counter(out, "purser_calls_authorization_required_total",
                "Calls answered with AuthorizationRequired.", metrics->authorization_required);
        counter(out, "purser_calls_unavailable_total", "Calls answered with TokenUnavailable.",
                metrics->unavailable);
        gauge(out, "purser_calls_waiting", "Calls that wait, watches included.", server->waiting);
        gauge(out, "purser_connections", "Connections that are open.", server->connections);
        counter(out, "purser_connections_accepted_total", "Connections since the start.", server->accepted);
        counter(out, "purser_connections_evicted_total", "Idle connections closed for the sake of others.",
                server->evicted);
        counter(out, "purser_connections_refused_total", "Connections closed at once.", server->refused);
        counter(out, "purser_connections_stalled_total", "Connections closed because the peer did not read.",
                server->stalled);
        counter(out, "purser_messages_malformed_total", "Messages that were no calls.", server->malformed);
}

static void put_daemon(FILE *out, const struct metrics_input *input)
{
        metrics_family(out, "purser_build_info", "gauge", NULL, "What is running.");
        fputs("purser_build_info{version=\"", out);
        metrics_label_value(out, input->version);
        fputs("\"} 1\n", out);
        metrics_family(out, "purser_start_time_seconds", "gauge", "seconds",
                       "When the daemon started, since 1970.");
        fprintf(out, "purser_start_time_seconds %" PRId64 "\n", input->started_at);
        gauge(out, "purser_store_works", "0 while the store takes no writes.", input->store_works ? 1 : 0);
        gauge(out, "purser_unsaved_credentials", "Credentials whose newest tokens are in memory alone.",
              input->unsaved);
        metrics_family(out, "purser_secret_memory_bytes", "gauge", "bytes",
                       "Memory mapped for secrets, by whether it is protected.");
        fprintf(out, "purser_secret_memory_bytes{protected=\"yes\"} %zu\n",
                input->secrets->bytes_mapped - input->secrets->bytes_fallback);
        fprintf(out, "purser_secret_memory_bytes{protected=\"no\"} %zu\n", input->secrets->bytes_fallback);
}

static void put_end(FILE *out, const struct metrics_input *input)
{
        put_refreshes(out, input->refresh);
        put_calls(out, input->metrics, input->server);
        fputs("# EOF\n", out);
}

static bool put_part(FILE *out, const struct metrics_input *input, size_t part)
{
        if (part == 0) {
                put_daemon(out, input);
                metrics_put_clients(out, input->clients);
        }
        if (part > 0 && input->credentials && metrics_put_credentials(out, input->credentials, part - 1))
                return true;
        if (part == 0 && input->credentials)
                return true;
        put_end(out, input);
        return false;
}

int metrics_format_part(const struct metrics_input *input, size_t part, char **ret, size_t *ret_n,
                        bool *ret_more)
{
        char *text = NULL;
        size_t n;
        FILE *out = open_memstream(&text, &n);

        if (!out)
                return fault(-ENOMEM);
        *ret_more = put_part(out, input, part);

        bool failed = ferror(out);
        if (fclose(out) != 0 || failed) {
                free(text);
                return fault(-ENOMEM);
        }
        *ret = text;
        *ret_n = n;
        return 0;
}
