#include "tests/beds/core.h"

#include "common/secret.h"
#include "daemon/http/http.h"
#include "daemon/base/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char base_providers[] =
        "providers:\n"
        "  idp:\n"
        "    authorization_endpoint: https://idp.test/authorize\n"
        "    token_endpoint: %s\n"
        "    default_token_lifetime: 1h\n"
        "    api:\n"
        "      url: https://api.test/graphql\n"
        "      test_query: 'query { account { id name } }'\n"
        "      test_answer: {account_id: /data/account/id, account_name: /data/account/name}\n";

static const char base_clients[] = "clients:\n"
                                   "  app:\n"
                                   "    provider: idp\n"
                                   "    client_id: the-client\n"
                                   "    client_secret: {store: true}\n"
                                   "    redirect_uri: http://127.0.0.1:8723/callback\n";

/* context.random_bytes has no argument of its own. */
static struct core *the_core;

static void count_up(void *bytes, size_t n)
{
        uint8_t *at = bytes;

        for (size_t i = 0; i < n; i++)
                at[i] = (uint8_t)(the_core->random >> 8 * (i % 8));
        the_core->random = the_core->random * UINT64_C(6364136223846793005) + 1442695040888963407;
}

static void on_change(struct credential *credential, bool gone, void *userdata)
{
        struct core *core = userdata;

        (void)credential;
        (void)gone;
        core->changes++;
}

static struct config *load_configuration(struct core *core, const char *providers, const char *more)
{
        _cleanup_(problems_done) struct problems problems = PROBLEMS_INIT;
        struct config *config = NULL;
        char path[128];
        FILE *file;
        int r;

        snprintf(path, sizeof(path), "%s/purser.yaml", core->directory);
        file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fprintf(file, base_providers,
                            core->token_endpoint ? core->token_endpoint : "https://idp.test/token") > 0);
        assert_true(fprintf(file, "%s%s", providers ? providers : "", base_clients) > 0);
        if (more)
                assert_true(fputs(more, file) >= 0);
        assert_int_equal(fclose(file), 0);

        r = config_load(&config, path, NULL, 0, &problems);
        for (size_t i = 0; i < problems.n; i++)
                print_error("%s\n", problems.lines[i]);
        assert_int_equal(r, 0);
        unlink(path);
        return config;
}

void core_start(struct core *core)
{
        static const uint8_t key_bytes[SEAL_KEY_SIZE] = "an ordinary sealing key of tests";
        _cleanup_(secret_freep) struct secret *key = NULL;
        struct diag diag = DIAG_INIT;
        struct seal *seal;

        core->timers = (struct timers)TIMERS_INIT;
        assert_int_equal(secret_new(&key, key_bytes, sizeof(key_bytes)), 0);
        assert_int_equal(seal_new(&seal, key), 0);
        assert_int_equal(store_new(&core->store, "", NULL, &diag), 0);
        assert_int_equal(http_new(&core->context.http, NULL, &core->clock.clock), 0);
        assert_int_equal(vault_new(&core->context.vault, &core->context, core->store, seal, core->boot_id),
                         0);
        if (vault_load(core->context.vault, &diag) != 0)
                fail_msg("%s", diag.text);
        assert_int_equal(refresher_new(&core->refresher, &core->context), 0);
        assert_int_equal(prober_new(&core->prober, &core->context, core->refresher), 0);
        assert_int_equal(logins_new(&core->logins, &core->context, core->refresher, core->prober), 0);
        refresher_plan_all(core->refresher);
        prober_plan_all(core->prober);
        logins_resume(core->logins);
}

void core_setup(struct core *core, const char *more)
{
        core_setup_with_provider(core, NULL, more);
}

void core_setup_with_provider(struct core *core, const char *provider, const char *more)
{
        *core = (struct core){ .random = 42, .boot_id = "11111111-2222-3333-4444-555555555555" };
        the_core = core;
        strcpy(core->directory, "/tmp/purser-core-XXXXXX");
        assert_non_null(mkdtemp(core->directory));
        fake_clock_init(&core->clock);
        core->disk = fake_disk_new();
        assert_non_null(core->disk);
        core->config = load_configuration(core, provider, more);
        core->context = (struct context){
                .clock = &core->clock.clock,
                .timers = &core->timers,
                .config = core->config,
                .random_bytes = count_up,
                .own_uid = getuid(),
                .on_change = on_change,
                .on_change_userdata = core,
        };
        core_start(core);

        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;
        assert_int_equal(secret_new_string(&secret, "the-client-secret"), 0);
        assert_int_equal(vault_set_client_secret(core->context.vault, "app", secret, NULL, NULL, &write), 0);
        core_save(core);
}

static void stop(struct core *core)
{
        core->context.on_change = NULL;
        core->logins = logins_free(core->logins);
        core->prober = prober_free(core->prober);
        core->refresher = refresher_free(core->refresher);
        core->context.vault = vault_free(core->context.vault);
        core->context.http = http_free(core->context.http);
        core->context.on_change = on_change;
        timers_done(&core->timers);
        core->store = NULL;
}

void core_crash(struct core *core)
{
        fake_store_crash(core->store);
        stop(core);
}

void core_teardown(struct core *core)
{
        if (core->store)
                core_crash(core);
        core->disk = fake_disk_free(core->disk);
        core->config = config_free(core->config);
        rmdir(core->directory);
}

void core_reload(struct core *core, const char *more)
{
        core_reload_with_provider(core, NULL, more);
}

void core_reload_with_provider(struct core *core, const char *provider, const char *more)
{
        struct config *old = core->config;

        core->config = load_configuration(core, provider, more);
        core->context.config = core->config;
        assert_int_equal(vault_bind(core->context.vault), 0);
        refresher_plan_all(core->refresher);
        prober_plan_all(core->prober);
        config_free(old);
}

struct credential *core_give_grant(struct core *core, const char *name, const char *refresh_token,
                                   const char *access_token, uint64_t lifetime_sec)
{
        struct credential *credential;
        struct vault_write *write;
        struct grant grant = {
                .token_type = strdup("Bearer"),
                .generation = 1,
                .lifetime_usec = lifetime_sec * USEC_PER_SEC,
                .received_boot_usec = (int64_t)core->clock.boot_usec,
                .received_wall_usec = core->clock.wall_usec,
        };

        assert_int_equal(vault_require(core->context.vault, name, &credential), 0);
        assert_int_equal(secret_new_string(&grant.access_token, access_token), 0);
        if (refresh_token)
                assert_int_equal(secret_new_string(&grant.refresh_token, refresh_token), 0);
        free(credential->client_name);
        credential->client_name = strdup("app");
        credential->refusal = REFUSAL_NONE;
        credential->test.tested_wall_usec = core->clock.wall_usec;
        vault_rebind(core->context.vault, credential);
        assert_int_equal(vault_save_grant(core->context.vault, credential, &grant, NULL, NULL, &write), 0);
        core_save(core);
        refresher_plan(core->refresher, credential);
        prober_plan(core->prober, credential);
        return credential;
}

void core_run(struct core *core)
{
        /* What a callback arms for now runs at the next turn, a moment later. */
        for (int turn = 0; turn < 10 && timers_next(&core->timers) <= core->clock.boot_usec; turn++) {
                timers_run(&core->timers, core->clock.boot_usec);
                fake_clock_advance(&core->clock, 1);
        }
}

void core_advance(struct core *core, uint64_t seconds)
{
        fake_clock_advance(&core->clock, seconds * USEC_PER_SEC);
        core_run(core);
}

void core_save(struct core *core)
{
        fake_store_complete_all(core->store, 0);
        core_run(core);
}

void core_answer(struct core *core, long status, const char *body)
{
        core_save(core);
        assert_true(fake_http_n_in_flight(core->context.http) > 0);
        fake_http_answer(core->context.http, 0, status, NULL, body);
        core_run(core);
}

void asker_on_answer(const struct token_answer *answer, void *userdata)
{
        struct asker *asker = userdata;

        assert_false(asker->answered);
        asker->answered = true;
        asker->answer = *answer;
        asker->waiter = waiter_free(asker->waiter);
}

static void settle(struct asker *asker, int result)
{
        if (result == 0)
                asker->answered = true;
        else
                assert_int_equal(result, REFRESH_E_WAITING);
}

void core_ask(struct core *core, struct credential *credential, const struct token_demand *demand,
              struct asker *ret)
{
        static const struct token_demand none;

        *ret = (struct asker){ 0 };
        settle(ret, refresher_ask(core->refresher, credential, demand ? demand : &none, asker_on_answer, ret,
                                  &ret->answer, &ret->waiter));
}

void core_force(struct core *core, struct credential *credential, struct asker *ret)
{
        *ret = (struct asker){ 0 };
        settle(ret, refresher_force(core->refresher, credential, asker_on_answer, ret, &ret->answer,
                                    &ret->waiter));
}

void asker_done(struct asker *asker)
{
        asker->waiter = waiter_free(asker->waiter);
}

const char *core_access_token(const struct credential *credential)
{
        return credential->grant.access_token ? secret_expose(credential->grant.access_token) : "";
}

const char *core_refresh_token(const struct credential *credential)
{
        return credential->grant.refresh_token ? secret_expose(credential->grant.refresh_token) : "";
}
