/*
 * spread CONFIG CLIENT CREDENTIALS LATENCY-MSEC: hours of refreshing in minutes: vault and refresher as purserd runs them, over a clock, a
 * network and a disk that are played. All tokens live for an hour. Three phases of an hour or more are counted: ordinary work; what follows a
 * restart; and what follows an outage of two hours, in which the provider answers 503. Prints, as JSON, how many requests each phase sent, the
 * mean of a second and the most of a second, and for each minute of the whole the mean and the most.
 */
#include "common/secret.h"
#include "daemon/vault/context.h"
#include "daemon/http/http.h"
#include "daemon/config/problems.h"
#include "daemon/refresh/refresh.h"
#include "daemon/base/seal.h"
#include "daemon/store/store.h"
#include "daemon/vault/vault.h"
#include "tests/beds/fake_clock.h"
#include "tests/beds/fake_http.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIFETIME_SEC = 3600, OUTAGE_SEC = 7200, DOWN_SEC = 30, SECONDS_MAX = 12 * 3600 };

static const char good_answer[] = "{\"access_token\":\"an-access-token-of-the-simulation\",\"token_type\":"
                                  "\"Bearer\",\"expires_in\":3600,"
                                  "\"refresh_token\":\"a-refresh-token-of-the-simulation\"}";

struct world {
        struct fake_clock clock;
        struct timers timers;
        struct context context;
        struct config *config;
        struct store *store; /* the vault's */
        struct refresher *refresher;
        uint64_t latency_usec, began_usec;
        uint64_t *sent_usec; /* a ring: when each request in flight was sent */
        size_t n_sent, n_answered, n_ring;
        size_t n_seen; /* of this http's requests */
        unsigned per_second[SECONDS_MAX]; /* since the beginning */
        bool is_down;
};

static void must(int r, const char *what)
{
        if (r == 0)
                return;
        fprintf(stderr, "spread: %s: %s\n", what, strerror(r < 0 ? -r : r));
        exit(1);
}

static unsigned second_of(const struct world *world)
{
        return (unsigned)((world->clock.boot_usec - world->began_usec) / USEC_PER_SEC);
}

static void open_vault(struct world *world)
{
        static const uint8_t key_bytes[SEAL_KEY_SIZE] = "the sealing key of a simulation";
        _cleanup_(secret_freep) struct secret *key = NULL;
        struct diag diag = DIAG_INIT;
        struct seal *seal;

        world->timers = (struct timers)TIMERS_INIT;
        must(secret_new(&key, key_bytes, sizeof(key_bytes)), "key");
        must(seal_new(&seal, key), "seal");
        must(store_new(&world->store, "", NULL, &diag), "store");
        must(http_new(&world->context.http, NULL, &world->clock.clock), "http");
        must(vault_new(&world->context.vault, &world->context, world->store, seal,
                       "11111111-2222-3333-4444-555555555555"),
             "vault");
        must(vault_load(world->context.vault, &diag), diag.text);
        must(refresher_new(&world->refresher, &world->context), "refresher");
        world->n_seen = 0;
}

/* As a kill does it: what is in flight has no outcome. */
static void crash(struct world *world)
{
        refresher_free(world->refresher);
        vault_free(world->context.vault);
        http_free(world->context.http);
        timers_done(&world->timers);
        world->n_answered = world->n_sent;
}

/* As if each had been logged in at some moment of the last three quarters of an hour, of which a refresh is due at the end. */
static void give_grant(struct world *world, unsigned i, const char *client)
{
        uint64_t age_usec = context_random(&world->context) % (LIFETIME_SEC * USEC_PER_SEC * 3 / 4);
        _cleanup_(grant_done) struct grant grant = {
                .token_type = strdup("Bearer"),
                .generation = 1,
                .lifetime_usec = LIFETIME_SEC * USEC_PER_SEC,
                .received_boot_usec = (int64_t)(world->clock.boot_usec - age_usec),
                .received_wall_usec = world->clock.wall_usec - (int64_t)age_usec,
        };
        struct vault *vault = world->context.vault;
        struct credential *credential;
        struct vault_write *write;
        char name[32];

        snprintf(name, sizeof(name), "c%u", i);
        must(vault_require(vault, name, &credential), name);
        must(secret_new_string(&grant.access_token, "the-first-access-token"), name);
        must(secret_new_string(&grant.refresh_token, "the-first-refresh-token"), name);
        free(credential->client_name);
        credential->client_name = strdup(client);
        credential->refusal = REFUSAL_NONE;
        vault_rebind(vault, credential);
        must(vault_save_grant(vault, credential, &grant, NULL, NULL, &write), name);
        store_flush(world->store);
        refresher_plan(world->refresher, credential);
}

/* What was sent since the last look is counted in this second. */
static void note_sent(struct world *world)
{
        size_t n = fake_http_n_started(world->context.http);

        for (; world->n_seen < n; world->n_seen++) {
                world->per_second[second_of(world)]++;
                world->sent_usec[world->n_sent++ % world->n_ring] = world->clock.boot_usec;
        }
}

static void settle(struct world *world)
{
        size_t n;

        do {
                n = fake_http_n_started(world->context.http);
                store_flush(world->store);
                note_sent(world);
        } while (n != fake_http_n_started(world->context.http));
        store_flush(world->store);
        note_sent(world);
}

static uint64_t next_answer_usec(const struct world *world)
{
        return world->n_sent == world->n_answered
                       ? USEC_INFINITY
                       : world->sent_usec[world->n_answered % world->n_ring] + world->latency_usec;
}

static void run(struct world *world, uint64_t seconds)
{
        uint64_t end = world->clock.boot_usec + seconds * USEC_PER_SEC;

        for (;;) {
                uint64_t due = timers_next(&world->timers), answer = next_answer_usec(world);
                uint64_t next = due < answer ? due : answer;

                if (next > end)
                        break;
                if (next > world->clock.boot_usec)
                        fake_clock_advance(&world->clock, next - world->clock.boot_usec);
                /* What a callback arms for now runs at the next turn, a moment later. */
                else
                        fake_clock_advance(&world->clock, 1);
                timers_run(&world->timers, world->clock.boot_usec);
                settle(world);
                while (next_answer_usec(world) <= world->clock.boot_usec) {
                        world->n_answered++;
                        fake_http_answer(world->context.http, 0, world->is_down ? 503 : 200, NULL,
                                         world->is_down ? "{}" : good_answer);
                        settle(world);
                }
        }
        if (end > world->clock.boot_usec)
                fake_clock_advance(&world->clock, end - world->clock.boot_usec);
}

static void print_phase(const struct world *world, const char *name, unsigned from, unsigned to,
                        const char *end)
{
        unsigned most = 0, sum = 0;

        for (unsigned i = from; i < to; i++) {
                sum += world->per_second[i];
                if (world->per_second[i] > most)
                        most = world->per_second[i];
        }
        printf("{\"name\": \"%s\", \"from\": %u, \"to\": %u, \"requests\": %u, \"mean\": %.2f, \"most\": "
               "%u}%s\n",
               name, from, to, sum, (double)sum / (to - from), most, end);
}

static void print_minutes(const struct world *world, unsigned seconds)
{
        for (unsigned from = 0; from + 60 <= seconds; from += 60) {
                unsigned most = 0, sum = 0;

                for (unsigned i = from; i < from + 60; i++) {
                        sum += world->per_second[i];
                        if (world->per_second[i] > most)
                                most = world->per_second[i];
                }
                printf("%s[%.2f, %u]", from ? ", " : "", (double)sum / 60, most);
        }
}

int main(int argc, char **argv)
{
        _cleanup_(problems_done) struct problems problems = PROBLEMS_INIT;
        static struct world world;
        unsigned n, restarted, went, came, end;

        if (argc != 5 || (n = (unsigned)strtoul(argv[3], NULL, 10)) == 0) {
                fputs("usage: spread CONFIG CLIENT CREDENTIALS LATENCY-MSEC\n", stderr);
                return 2;
        }
        must(sodium_init() < 0, "libsodium");
        must(config_load(&world.config, argv[1], NULL, 0, &problems), argv[1]);
        fake_clock_init(&world.clock);
        fake_clock_advance(&world.clock, LIFETIME_SEC * USEC_PER_SEC);
        world.began_usec = world.clock.boot_usec;
        world.latency_usec = strtoul(argv[4], NULL, 10) * USEC_PER_MSEC;
        world.n_ring = world.config->refresh.parallel;
        world.sent_usec = calloc(world.n_ring, sizeof(*world.sent_usec));
        world.context = (struct context){ .clock = &world.clock.clock,
                                          .timers = &world.timers,
                                          .config = world.config,
                                          .random_bytes = randombytes_buf };
        open_vault(&world);
        for (unsigned i = 0; i < n; i++)
                give_grant(&world, i, argv[2]);

        run(&world, LIFETIME_SEC);
        crash(&world);
        fake_clock_advance(&world.clock, DOWN_SEC * USEC_PER_SEC);
        restarted = second_of(&world);
        open_vault(&world);
        refresher_plan_all(world.refresher);
        run(&world, LIFETIME_SEC);
        went = second_of(&world);
        world.is_down = true;
        run(&world, OUTAGE_SEC);
        world.is_down = false;
        came = second_of(&world);
        run(&world, LIFETIME_SEC * 2);
        end = second_of(&world);

        puts("{\"phases\": [");
        print_phase(&world, "ordinary", 0, restarted - DOWN_SEC, ",");
        print_phase(&world, "after a restart", restarted, went, ",");
        print_phase(&world, "after an outage of 2 h", came, end, "");
        printf("], \"outage\": [%u, %u], \"minutes\": [", went, came);
        print_minutes(&world, end);
        puts("]}");
        crash(&world);
        config_free(world.config);
        free(world.sent_usec);
        return 0;
}
