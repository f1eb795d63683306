/*
 * populate CONFIG STATE-DIR CLIENT PREFIX COUNT TOKEN-BYTES LIFETIME-SECONDS: puts credentials PREFIX0, PREFIX1, ... of a client into a store,
 * through the vault that purserd uses, with access tokens of that size that were given just now and live that long (0: they have ended).
 */
#include "daemon/config/config.h"
#include "daemon/vault/context.h"
#include "daemon/config/problems.h"
#include "daemon/base/seal.h"
#include "daemon/store/store.h"
#include "daemon/vault/vault.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <systemd/sd-id128.h>

enum { COMMIT_EVERY = 1000, TOKEN_MAX = 65536 };

struct place {
        struct clock *clock;
        struct timers timers;
        struct context context;
        struct config *config;
        sd_event *event;
        struct store *store; /* the vault's */
};

static int fail(const char *what, const char *why)
{
        fprintf(stderr, "populate: %s: %s\n", what, why);
        return 1;
}

static int read_config(struct place *place, const char *path)
{
        _cleanup_(problems_done) struct problems problems = PROBLEMS_INIT;
        int r = config_load(&place->config, path, NULL, 0, &problems);

        for (size_t i = 0; i < problems.n; i++)
                fprintf(stderr, "%s\n", problems.lines[i]);
        return r == 0 && problems.n == 0 ? 0 : fail(path, "is no configuration");
}

static int open_vault(struct place *place, const char *state_dir)
{
        _cleanup_(secret_freep) struct secret *key = NULL;
        char boot_id[SD_ID128_UUID_STRING_MAX];
        enum seal_key_source source;
        struct diag diag = DIAG_INIT;
        struct seal *seal = NULL;
        bool made, exists;
        sd_id128_t id;

        if (store_exists(state_dir, &exists) != 0 ||
            seal_key_load(&key, &source, &made, NULL, state_dir, exists, &diag) != 0 ||
            seal_new(&seal, key) != 0 || store_new(&place->store, state_dir, place->event, &diag) != 0)
                return fail(state_dir, diag.text);

        place->context = (struct context){ .clock = place->clock,
                                           .timers = &place->timers,
                                           .config = place->config,
                                           .random_bytes = randombytes_buf };
        if (sd_id128_get_boot(&id) < 0 || vault_new(&place->context.vault, &place->context, place->store,
                                                    seal, sd_id128_to_uuid_string(id, boot_id)) != 0)
                return fail(state_dir, "cannot be opened");
        return vault_load(place->context.vault, &diag) == 0 ? 0 : fail(state_dir, diag.text);
}

static int make_token(struct secret **ret, const char *prefix, unsigned long i, size_t n)
{
        char token[TOKEN_MAX + 1];

        memset(token, 'a', n);
        token[n] = 0;
        snprintf(token, n, "%s%lu-", prefix, i);
        token[strlen(token)] = 'a';
        return secret_new(ret, token, n);
}

static int add(struct place *place, const char *client, const char *prefix, unsigned long i,
               size_t token_bytes, uint64_t lifetime_sec)
{
        _cleanup_(grant_done) struct grant grant = { .generation = 1 };
        struct vault *vault = place->context.vault;
        struct credential *credential;
        struct vault_write *write;
        char name[64];

        snprintf(name, sizeof(name), "%s%lu", prefix, i);
        grant.lifetime_usec = (lifetime_sec ? lifetime_sec : 1) * USEC_PER_SEC;
        grant.received_wall_usec = clock_wall_usec(place->clock);
        grant.received_boot_usec = (int64_t)clock_boot_usec(place->clock);
        if (!lifetime_sec) {
                grant.received_wall_usec -= 2 * (int64_t)USEC_PER_SEC;
                grant.received_boot_usec -= 2 * (int64_t)USEC_PER_SEC;
        }
        grant.token_type = strdup("Bearer");
        if (!grant.token_type || make_token(&grant.access_token, "access-", i, token_bytes) != 0 ||
            make_token(&grant.refresh_token, "refresh-", i, 48) != 0 ||
            vault_require(vault, name, &credential) != 0)
                return -1;

        free(credential->client_name);
        credential->client_name = strdup(client);
        credential->refusal = REFUSAL_NONE;
        if (!credential->client_name)
                return -1;
        return vault_save_grant(vault, credential, &grant, NULL, NULL, &write);
}

int main(int argc, char **argv)
{
        struct place place = { .timers = TIMERS_INIT };
        unsigned long count;
        size_t token_bytes;

        if (argc != 8 || (token_bytes = strtoul(argv[6], NULL, 10)) < 48 || token_bytes > TOKEN_MAX) {
                fputs("usage: populate CONFIG STATE-DIR CLIENT PREFIX COUNT TOKEN-BYTES LIFETIME-SECONDS\n",
                      stderr);
                return 2;
        }
        place.clock = &clock_system;
        if (sodium_init() < 0 || store_global_init() < 0 || sd_event_default(&place.event) < 0)
                return fail("libraries", "cannot be used");
        if (read_config(&place, argv[1]) != 0 || open_vault(&place, argv[2]) != 0)
                return 1;

        count = strtoul(argv[5], NULL, 10);
        for (unsigned long i = 0; i < count; i++) {
                if (add(&place, argv[3], argv[4], i, token_bytes, strtoul(argv[7], NULL, 10)) != 0)
                        return fail(argv[4], "cannot be saved");
                if (i % COMMIT_EVERY == 0)
                        store_flush(place.store);
        }
        store_flush(place.store);
        if (vault_unsaved(place.context.vault) > 0)
                return fail(argv[2], "takes no writes");
        vault_free(place.context.vault);
        config_free(place.config);
        sd_event_unref(place.event);
        return 0;
}
