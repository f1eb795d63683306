/*
 * The whole core - vault, refresher, prober, logins - over a fake clock, a fake network and a fake disk, with a real configuration. A test
 * says what the provider answers and what becomes of each write; nothing sleeps.
 */
#pragma once

#include "daemon/vault/context.h"
#include "daemon/login/login.h"
#include "daemon/refresh/probe.h"
#include "daemon/refresh/refresh.h"
#include "daemon/vault/vault.h"
#include "tests/beds/fake_clock.h"
#include "tests/beds/fake_http.h"
#include "tests/beds/fake_store.h"

struct core {
        struct fake_clock clock;
        struct timers timers;
        struct fake_disk *disk;
        struct store *store; /* the vault's */
        struct context context;
        struct config *config;
        struct refresher *refresher;
        struct prober *prober;
        struct logins *logins;
        const char *token_endpoint; /* of 'idp', from the next reload on; NULL: its ordinary one */
        char directory[64];
        char boot_id[37];
        uint64_t random; /* what context.random_bytes counts up from */
        unsigned changes;
};

/* One provider 'idp' (tokens live 3600 s) and one client 'app'; `more` is YAML that is put behind them, or NULL. */
void core_setup(struct core *core, const char *more);
/* The same with YAML of one more provider. */
void core_setup_with_provider(struct core *core, const char *provider, const char *more);
void core_teardown(struct core *core);

/* The process dies: what is not durable is lost. core_start() reads the disk again. */
void core_crash(struct core *core);
void core_start(struct core *core);
/* Puts another configuration in force, as a reload does. */
void core_reload(struct core *core, const char *more);
void core_reload_with_provider(struct core *core, const char *provider, const char *more);

/* A credential with this grant, durable, as if it had been given at this very moment. Its test is taken as done. */
struct credential *core_give_grant(struct core *core, const char *name, const char *refresh_token,
                                   const char *access_token, uint64_t lifetime_sec);

/* Moves both clocks and runs what is due then. */
void core_advance(struct core *core, uint64_t seconds);
/* Runs what is due now. */
void core_run(struct core *core);
/* All writes queued become durable. */
void core_save(struct core *core);
/* Writes become durable, and the oldest request in flight is answered with this JSON. */
void core_answer(struct core *core, long status, const char *body);

/* What was told to somebody who asked. */
struct asker {
        bool answered;
        struct token_answer answer;
        struct waiter *waiter; /* NULL: answered */
};

void core_ask(struct core *core, struct credential *credential, const struct token_demand *demand,
              struct asker *ret);
void core_force(struct core *core, struct credential *credential, struct asker *ret);
void asker_on_answer(const struct token_answer *answer, void *userdata);
void asker_done(struct asker *asker);

const char *core_access_token(const struct credential *credential); /* "" when there is none */
const char *core_refresh_token(const struct credential *credential);
