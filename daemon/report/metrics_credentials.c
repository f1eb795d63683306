/* Series of single credentials, for those who ask: no more than they ask for, and those first that are not well. */
#include "daemon/report/metrics_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PART_LINES = 200 };

/* What is told of one, as it was when it was added. */
struct sample {
        char *name, *client;
        enum credential_state state;
        enum version_state version_state;
        bool has_token;
        int64_t expires_in_sec, success_sec;
        uint64_t generation;
};

struct metrics_credentials {
        uint64_t boot_now;
        size_t most;
        size_t n; /* that were added */
        struct sample *troubled, *well; /* `most` places each */
        size_t n_troubled, n_well;
};

int metrics_credentials_new(struct metrics_credentials **ret, size_t most, uint64_t boot_now)
{
        _cleanup_(metrics_credentials_freep) struct metrics_credentials *credentials =
                calloc(1, sizeof(*credentials));

        if (!credentials)
                return fault(-ENOMEM);
        credentials->most = most;
        credentials->boot_now = boot_now;
        credentials->troubled = calloc(most + 1, sizeof(struct sample));
        credentials->well = calloc(most + 1, sizeof(struct sample));
        if (!credentials->troubled || !credentials->well)
                return fault(-ENOMEM);
        *ret = take_ptr(credentials);
        return 0;
}

static void samples_free(struct sample *samples, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                free(samples[i].name);
                free(samples[i].client);
        }
        free(samples);
}

struct metrics_credentials *metrics_credentials_free(struct metrics_credentials *credentials)
{
        if (!credentials)
                return NULL;
        samples_free(credentials->troubled, credentials->n_troubled);
        samples_free(credentials->well, credentials->n_well);
        free(credentials);
        return NULL;
}

static bool is_well(const struct credential *credential, enum credential_state state)
{
        enum version_state version = credential->test.version_state;

        return state == CREDENTIAL_ACTIVE && !credential->unsaved && !credential->foreign_refresher &&
               (version == VERSION_NONE || version == VERSION_OK);
}

static int add_sample(struct sample *samples, size_t *n, const struct credential *credential,
                      enum credential_state state, uint64_t boot_now)
{
        struct sample *sample = &samples[*n];

        *sample = (struct sample){
                .name = strdup(credential->name),
                .client = strdup(metrics_client_of(credential)),
                .state = state,
                .version_state = credential->test.version_state,
                .has_token = credential->grant.access_token,
                .expires_in_sec = metrics_expires_in(credential, boot_now),
                .success_sec = credential->grant.received_wall_usec / (int64_t)USEC_PER_SEC,
                .generation = credential->grant.generation,
        };
        ++*n;
        return sample->name && sample->client ? 0 : fault(-ENOMEM);
}

int metrics_credentials_add(struct metrics_credentials *credentials, const struct credential *credential)
{
        enum credential_state state = credential_state(credential, credentials->boot_now);
        bool well = is_well(credential, state);
        size_t *n = well ? &credentials->n_well : &credentials->n_troubled;

        credentials->n++;
        if (*n == credentials->most)
                return 0;
        return add_sample(well ? credentials->well : credentials->troubled, n, credential, state,
                          credentials->boot_now);
}

/* ---- text ---- */

struct series {
        const char *name, *unit, *help;
        /* Puts what stands behind the labels that all have; nothing where the credential has no such figure. */
        void (*put)(FILE *out, const char *name, const struct sample *sample);
};

static void put_labels(FILE *out, const char *name, const struct sample *sample)
{
        fprintf(out, "%s{credential=\"", name);
        metrics_label_value(out, sample->name);
        fputs("\",client=\"", out);
        metrics_label_value(out, sample->client);
}

static void put_state(FILE *out, const char *name, const struct sample *sample)
{
        put_labels(out, name, sample);
        fprintf(out, "\",state=\"%s\"} 1\n", credential_state_name(sample->state));
}

static void put_version_state(FILE *out, const char *name, const struct sample *sample)
{
        put_labels(out, name, sample);
        fprintf(out, "\",version_state=\"%s\"} 1\n", version_state_name(sample->version_state));
}

static void put_expiry(FILE *out, const char *name, const struct sample *sample)
{
        if (!sample->has_token)
                return;
        put_labels(out, name, sample);
        fprintf(out, "\"} %" PRId64 "\n", sample->expires_in_sec);
}

static void put_success(FILE *out, const char *name, const struct sample *sample)
{
        if (sample->generation == 0)
                return;
        put_labels(out, name, sample);
        fprintf(out, "\"} %" PRId64 "\n", sample->success_sec);
}

static void put_generation(FILE *out, const char *name, const struct sample *sample)
{
        put_labels(out, name, sample);
        fprintf(out, "\"} %" PRIu64 "\n", sample->generation);
}

static const struct series all_series[] = {
        { "purser_credential_state", NULL, "1 for the state that the credential is in.", put_state },
        { "purser_credential_version_state", NULL,
          "1 for what the last test showed of the credential's pinned API version.", put_version_state },
        { "purser_credential_expiry_seconds", "seconds",
          "How long its access token still lives; negative: so long ago it has ended.", put_expiry },
        { "purser_credential_last_success_timestamp_seconds", "seconds",
          "When its access token came, since 1970.", put_success },
        { "purser_credential_generation", NULL, "How many access tokens it has had.", put_generation },
};
enum { N_SERIES = sizeof(all_series) / sizeof(all_series[0]) };

bool metrics_put_credentials(FILE *out, const struct metrics_credentials *credentials, size_t part)
{
        size_t room = credentials->most - credentials->n_troubled;
        size_t n = credentials->n_troubled + (credentials->n_well < room ? credentials->n_well : room);
        size_t parts = n / PART_LINES + 1, first = part % parts * PART_LINES;
        const struct series *series = &all_series[part / parts];

        if (first == 0)
                metrics_family(out, series->name, "gauge", series->unit, series->help);
        for (size_t i = first; i < n && i < first + PART_LINES; i++)
                series->put(out, series->name,
                            i < credentials->n_troubled ? &credentials->troubled[i]
                                                        : &credentials->well[i - credentials->n_troubled]);
        if (part + 1 < N_SERIES * parts)
                return true;
        metrics_family(out, "purser_credentials_left_out", "gauge", NULL,
                       "Credentials that have no series of their own, because fewer were asked for.");
        fprintf(out, "purser_credentials_left_out %zu\n", credentials->n - n);
        return false;
}
