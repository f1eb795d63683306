/* Series of single credentials, for those who ask: no more than they ask for, and those first that are not well. */
#include "daemon/report/metrics_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct metrics_credentials {
        uint64_t boot_now;
        size_t most;
        size_t n; /* that were added */
        const struct credential **troubled, **well; /* `most` places each */
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
        credentials->troubled = calloc(most + 1, sizeof(const struct credential *));
        credentials->well = calloc(most + 1, sizeof(const struct credential *));
        if (!credentials->troubled || !credentials->well)
                return fault(-ENOMEM);
        *ret = take_ptr(credentials);
        return 0;
}

struct metrics_credentials *metrics_credentials_free(struct metrics_credentials *credentials)
{
        if (!credentials)
                return NULL;
        free(credentials->troubled);
        free(credentials->well);
        free(credentials);
        return NULL;
}

static bool is_well(const struct credential *credential, uint64_t boot_now)
{
        enum version_state version = credential->test.version_state;

        return credential_state(credential, boot_now) == CREDENTIAL_ACTIVE && !credential->unsaved &&
               !credential->foreign_refresher && (version == VERSION_NONE || version == VERSION_OK);
}

int metrics_credentials_add(struct metrics_credentials *credentials, const struct credential *credential)
{
        credentials->n++;
        if (is_well(credential, credentials->boot_now)) {
                if (credentials->n_well < credentials->most)
                        credentials->well[credentials->n_well++] = credential;
        } else if (credentials->n_troubled < credentials->most) {
                credentials->troubled[credentials->n_troubled++] = credential;
        }
        return 0;
}

/* ---- text ---- */

struct series {
        const char *name, *unit, *help;
        /* Puts what stands behind the labels that all have; nothing where the credential has no such figure. */
        void (*put)(FILE *out, const char *name, const struct credential *credential, uint64_t boot_now);
};

static void put_labels(FILE *out, const char *name, const struct credential *credential)
{
        fprintf(out, "%s{credential=\"", name);
        metrics_label_value(out, credential->name);
        fputs("\",client=\"", out);
        metrics_label_value(out, metrics_client_of(credential));
}

static void put_state(FILE *out, const char *name, const struct credential *credential, uint64_t boot_now)
{
        put_labels(out, name, credential);
        fprintf(out, "\",state=\"%s\"} 1\n", credential_state_name(credential_state(credential, boot_now)));
}

static void put_version_state(FILE *out, const char *name, const struct credential *credential,
                              uint64_t boot_now)
{
        (void)boot_now;
        put_labels(out, name, credential);
        fprintf(out, "\",version_state=\"%s\"} 1\n", version_state_name(credential->test.version_state));
}

static void put_expiry(FILE *out, const char *name, const struct credential *credential, uint64_t boot_now)
{
        if (!credential->grant.access_token)
                return;
        put_labels(out, name, credential);
        fprintf(out, "\"} %" PRId64 "\n", metrics_expires_in(credential, boot_now));
}

static void put_success(FILE *out, const char *name, const struct credential *credential, uint64_t boot_now)
{
        (void)boot_now;
        if (credential->grant.generation == 0)
                return;
        put_labels(out, name, credential);
        fprintf(out, "\"} %" PRId64 "\n", credential->grant.received_wall_usec / (int64_t)USEC_PER_SEC);
}

static void put_generation(FILE *out, const char *name, const struct credential *credential,
                           uint64_t boot_now)
{
        (void)boot_now;
        put_labels(out, name, credential);
        fprintf(out, "\"} %" PRIu64 "\n", credential->grant.generation);
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

void metrics_put_credentials(FILE *out, const struct metrics_credentials *credentials)
{
        size_t room = credentials->most - credentials->n_troubled;
        size_t n_well = credentials->n_well < room ? credentials->n_well : room;

        for (size_t i = 0; i < sizeof(all_series) / sizeof(all_series[0]); i++) {
                const struct series *series = &all_series[i];

                metrics_family(out, series->name, "gauge", series->unit, series->help);
                for (size_t j = 0; j < credentials->n_troubled; j++)
                        series->put(out, series->name, credentials->troubled[j], credentials->boot_now);
                for (size_t j = 0; j < n_well; j++)
                        series->put(out, series->name, credentials->well[j], credentials->boot_now);
        }
        metrics_family(out, "purser_credentials_left_out", "gauge", NULL,
                       "Credentials that have no series of their own, because fewer were asked for.");
        fprintf(out, "purser_credentials_left_out %zu\n", credentials->n - credentials->n_troubled - n_well);
}
