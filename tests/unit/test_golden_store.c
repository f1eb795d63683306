// links: daemon/vault/
// libs: libsodium yaml-0.1 libsystemd sqlite3
/*
 * A whole store that an earlier version wrote, with its key: tests/golden/store-1, which is never written again. Whoever changes
 * what is written down makes a store-2 beside it (`build/tests/test_golden_store make DIRECTORY`) and keeps this one readable.
 * tests/golden/FORMAT.md says what lies where.
 */
#include "daemon/vault/context.h"
#include "daemon/vault/vault.h"
#include "tests/beds/fake_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#define GOLDEN "tests/golden/store-1"
#define BOOT "11111111-2222-3333-4444-555555555555"
#define ANOTHER_BOOT "66666666-2222-3333-4444-555555555555"
#define AUTHORIZED INT64_C(1767200000000000)

static const char configuration[] = "providers: {idp: {authorization_endpoint: 'https://idp.test/authorize', "
                                    "token_endpoint: 'https://idp.test/token'}}\n"
                                    "clients:\n"
                                    "  app: {provider: idp, client_id: a, client_secret: {store: true}}\n"
                                    "  other: {provider: idp, client_id: b, client_secret: {store: true}}\n";

struct place {
        struct fake_clock clock;
        struct timers timers;
        sd_event *event;
        struct context context;
        char directory[64];
};

/* ---- a vault on a directory ---- */

static struct config *load_configuration(const char *directory)
{
        _cleanup_(problems_done) struct problems problems = PROBLEMS_INIT;
        struct config *config = NULL;
        char path[128];
        FILE *file;

        snprintf(path, sizeof(path), "%s/purser.yaml", directory);
        file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(configuration, file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(config_load(&config, path, NULL, 0, &problems), 0);
        unlink(path);
        return config;
}

static void open_vault(struct place *place, const char *boot_id)
{
        _cleanup_(secret_freep) struct secret *key = NULL;
        struct diag diag = DIAG_INIT;
        enum seal_key_source source;
        struct store *store;
        struct seal *seal;
        bool made, exists;

        fake_clock_init(&place->clock);
        place->timers = (struct timers)TIMERS_INIT;
        assert_int_equal(sd_event_new(&place->event), 0);
        place->context = (struct context){
                .clock = &place->clock.clock,
                .timers = &place->timers,
                .config = load_configuration(place->directory),
                .own_uid = getuid(),
                .random_bytes = randombytes_buf,
        };
        assert_int_equal(store_exists(place->directory, &exists), 0);
        if (seal_key_load(&key, &source, &made, NULL, place->directory, exists, &diag) != 0)
                fail_msg("%s", diag.text);
        assert_int_equal(seal_new(&seal, key), 0);
        if (store_new(&store, place->directory, place->event, &diag) != 0)
                fail_msg("%s", diag.text);
        assert_int_equal(vault_new(&place->context.vault, &place->context, store, seal, boot_id), 0);
        if (vault_load(place->context.vault, &diag) != 0)
                fail_msg("%s", diag.text);
}

static void close_vault(struct place *place)
{
        vault_flush(place->context.vault);
        vault_free(place->context.vault);
        timers_done(&place->timers);
        sd_event_unref(place->event);
        config_free((struct config *)place->context.config);
}

/* ---- what the store holds ---- */

struct expected {
        const char *refresh_token, *access_token, *token_type;
        uint64_t generation, life_sec, age_sec;
};

static const struct expected acme = { "refresh-of-acme", "access-of-acme", "Bearer", 7, 3600, 100 };
static const struct expected acme_pending = { "refresh-of-a-later-login", NULL, "Bearer", 1, 60, 50 };
static const struct expected cedar = { "refresh-of-cedar", "access-of-cedar", "Bearer", 2, 3600, 0 };
static const struct expected birch = { "refresh of birch", "access-of-birch", "DPoP", 42, 86400, 90000 };

static void set(char **text, const char *value)
{
        free(*text);
        *text = strdup(value);
        assert_non_null(*text);
}

static void save(struct place *place, struct credential *credential, const struct expected *expected)
{
        struct vault_write *write;
        struct grant grant = {
                .token_type = strdup(expected->token_type),
                .generation = expected->generation,
                .lifetime_usec = expected->life_sec * USEC_PER_SEC,
                .received_boot_usec =
                        (int64_t)place->clock.boot_usec - (int64_t)(expected->age_sec * USEC_PER_SEC),
                .received_wall_usec = place->clock.wall_usec - (int64_t)(expected->age_sec * USEC_PER_SEC),
        };

        assert_int_equal(secret_new_string(&grant.refresh_token, expected->refresh_token), 0);
        if (expected->access_token)
                assert_int_equal(secret_new_string(&grant.access_token, expected->access_token), 0);
        assert_int_equal(vault_save_grant(place->context.vault, credential, &grant, NULL, NULL, &write), 0);
}

static void make_acme(struct place *place)
{
        struct credential *credential, *pending;

        assert_int_equal(vault_require(place->context.vault, "acme", &credential), 0);
        set(&credential->description, "Acme \xe2\x80\x94 production");
        set(&credential->client_name, "app");
        set(&credential->account_id, "MQ==");
        set(&credential->account_name, "Acme Inc");
        set(&credential->notice, "a newer token exists");
        credential->foreign_refresher = true;
        credential->authorized_wall_usec = AUTHORIZED;
        credential->refusal = REFUSAL_NONE;
        credential->test.tested_wall_usec = AUTHORIZED + 1;
        credential->test.verdict = API_OK;
        credential->test.version_state = VERSION_TO_BE_REMOVED;
        set(&credential->test.api_version, "2023-08-18");
        set(&credential->test.served_version, "2023-08-18");
        set(&credential->test.version_warning, "it will go");
        set(&credential->test.message, "The API answers.");
        save(place, credential, &acme);
        assert_int_equal(vault_require_pending(place->context.vault, credential, &pending), 0);
        set(&pending->client_name, "other");
        pending->switch_account = true;
        save(place, pending, &acme_pending);
}

static void make_birch(struct place *place)
{
        struct credential *credential;

        assert_int_equal(vault_require(place->context.vault, "birch", &credential), 0);
        set(&credential->client_name, "other");
        credential->refusal = REFUSAL_NONE;
        save(place, credential, &birch);
        vault_flush(place->context.vault);
        credential->replays = 3;
        vault_keep_intent(place->context.vault, credential);
}

static void make_cedar(struct place *place)
{
        struct credential *credential;

        assert_int_equal(vault_require(place->context.vault, "cedar", &credential), 0);
        set(&credential->client_name, "app");
        credential->refusal = REFUSAL_CUT;
        set(&credential->refusal_reason, "The account has disconnected the app.");
        save(place, credential, &cedar);
}

static int make(const char *directory)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;
        struct place place = { 0 };

        snprintf(place.directory, sizeof(place.directory), "%s", directory);
        umask(077);
        if (mkdir(directory, 0700) < 0) {
                perror(directory);
                return 1;
        }
        open_vault(&place, BOOT);
        assert_int_equal(secret_new_string(&secret, "the secret of app"), 0);
        assert_int_equal(vault_set_client_secret(place.context.vault, "app", secret, NULL, NULL, &write), 0);
        make_acme(&place);
        make_birch(&place);
        make_cedar(&place);
        close_vault(&place);
        return 0;
}

/* ---- reading it ---- */

static void copy_file(const char *from, const char *to)
{
        char bytes[65536];
        int in = open(from, O_RDONLY | O_CLOEXEC),
            out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        ssize_t n;

        assert_true(in >= 0 && out >= 0);
        while ((n = read(in, bytes, sizeof(bytes))) > 0)
                assert_int_equal(write(out, bytes, (size_t)n), n);
        close(in);
        close(out);
}

static void each_file(const char *directory, void (*on_file)(const char *name, void *userdata),
                      void *userdata)
{
        DIR *dir = opendir(directory);
        struct dirent *entry;

        assert_non_null(dir);
        while ((entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        on_file(entry->d_name, userdata);
        closedir(dir);
}

static void copy_one(const char *name, void *userdata)
{
        struct place *place = userdata;
        char from[512], to[512];

        snprintf(from, sizeof(from), GOLDEN "/%s", name);
        snprintf(to, sizeof(to), "%s/%s", place->directory, name);
        copy_file(from, to);
}

static void remove_one(const char *name, void *userdata)
{
        struct place *place = userdata;
        char path[512];

        snprintf(path, sizeof(path), "%s/%s", place->directory, name);
        unlink(path);
}

static int setup(void **state)
{
        static struct place place;

        place = (struct place){ .directory = "/tmp/purser-golden-XXXXXX" };
        assert_non_null(mkdtemp(place.directory));
        each_file(GOLDEN, copy_one, &place);
        *state = &place;
        return 0;
}

static int teardown(void **state)
{
        struct place *place = *state;

        close_vault(place);
        each_file(place->directory, remove_one, place);
        return rmdir(place->directory);
}

static void assert_text(const char *text, const char *expected)
{
        if (!expected)
                assert_null(text);
        else if (!text)
                fail_msg("there is no '%s'", expected);
        else
                assert_string_equal(text, expected);
}

static void assert_grant(const struct place *place, const struct grant *grant,
                         const struct expected *expected, bool same_boot)
{
        uint64_t age = expected->age_sec;

        /* Of another boot, what has ended has just ended: how long ago does not matter. */
        if (!same_boot && age > expected->life_sec)
                age = expected->life_sec;
        assert_string_equal(secret_expose(grant->refresh_token), expected->refresh_token);
        assert_text(grant->access_token ? secret_expose(grant->access_token) : NULL, expected->access_token);
        assert_string_equal(grant->token_type, expected->token_type);
        assert_int_equal(grant->generation, expected->generation);
        assert_int_equal(grant->lifetime_usec, expected->life_sec * USEC_PER_SEC);
        assert_int_equal((int64_t)place->clock.boot_usec - grant->received_boot_usec, age * USEC_PER_SEC);
        assert_int_equal(place->clock.wall_usec - grant->received_wall_usec,
                         expected->age_sec * USEC_PER_SEC);
}

static struct credential *find(struct place *place, const char *name)
{
        struct credential *credential = vault_find(place->context.vault, name);

        assert_non_null(credential);
        assert_false(credential->unreadable);
        return credential;
}

static void test_all_grants_are_read(void **state)
{
        struct place *place = *state;

        open_vault(place, BOOT);
        assert_int_equal(vault_count_loaded(place->context.vault), 3);
        assert_grant(place, &find(place, "acme")->grant, &acme, true);
        assert_grant(place, &find(place, "birch")->grant, &birch, true);
        assert_grant(place, &find(place, "cedar")->grant, &cedar, true);
}

static void test_all_grants_are_read_after_a_reboot(void **state)
{
        struct place *place = *state;

        open_vault(place, ANOTHER_BOOT);
        assert_grant(place, &find(place, "acme")->grant, &acme, false);
        assert_grant(place, &find(place, "birch")->grant, &birch, false);
        assert_grant(place, &find(place, "acme")->pending->grant, &acme_pending, false);
}

static void test_all_facts_are_read(void **state)
{
        struct place *place = *state;
        const struct credential *credential;

        open_vault(place, BOOT);
        credential = find(place, "acme");
        assert_string_equal(credential->description, "Acme \xe2\x80\x94 production");
        assert_string_equal(credential->client_name, "app");
        assert_text(credential->account_id, "MQ==");
        assert_text(credential->account_name, "Acme Inc");
        assert_text(credential->notice, "a newer token exists");
        assert_true(credential->foreign_refresher && credential->authorized_wall_usec == AUTHORIZED);
        assert_int_equal(credential->refusal, REFUSAL_NONE);
        assert_int_equal(credential->test.tested_wall_usec, AUTHORIZED + 1);
        assert_int_equal(credential->test.verdict, API_OK);
        assert_int_equal(credential->test.version_state, VERSION_TO_BE_REMOVED);
        assert_text(credential->test.api_version, "2023-08-18");
        assert_text(credential->test.served_version, "2023-08-18");
        assert_text(credential->test.version_warning, "it will go");
        assert_text(credential->test.message, "The API answers.");
        credential = find(place, "cedar");
        assert_int_equal(credential->refusal, REFUSAL_CUT);
        assert_text(credential->refusal_reason, "The account has disconnected the app.");
}

static void test_a_login_that_waits_and_an_outcome_that_nobody_knows_are_read(void **state)
{
        struct place *place = *state;
        const struct credential *credential;

        open_vault(place, BOOT);
        credential = find(place, "acme");
        assert_false(credential->outcome_unknown);
        assert_non_null(credential->pending);
        assert_grant(place, &credential->pending->grant, &acme_pending, true);
        assert_string_equal(credential->pending->client_name, "other");
        assert_true(credential->pending->switch_account);
        credential = find(place, "birch");
        assert_true(credential->outcome_unknown);
        assert_int_equal(credential->replays, 3);
}

static void test_client_secrets_are_read(void **state)
{
        struct place *place = *state;
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct diag diag = DIAG_INIT;

        open_vault(place, BOOT);
        const struct client *client = config_find_client(place->context.config, "app");
        assert_int_equal(vault_client_secret(place->context.vault, client, &secret, &diag), 0);
        assert_string_equal(secret_expose(secret), "the secret of app");
        assert_string_equal(vault_client_secret_state(place->context.vault,
                                                      config_find_client(place->context.config, "other")),
                            "missing");
}

static void test_what_is_written_into_it_now_can_be_read_again(void **state)
{
        struct place *place = *state;

        open_vault(place, BOOT);
        save(place, find(place, "acme"), &birch);
        close_vault(place);
        open_vault(place, BOOT);
        assert_grant(place, &find(place, "acme")->grant, &birch, true);
        assert_grant(place, &find(place, "birch")->grant, &birch, true);
}

#define GOLDEN_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                GOLDEN_TEST(test_all_grants_are_read),
                GOLDEN_TEST(test_all_grants_are_read_after_a_reboot),
                GOLDEN_TEST(test_all_facts_are_read),
                GOLDEN_TEST(test_a_login_that_waits_and_an_outcome_that_nobody_knows_are_read),
                GOLDEN_TEST(test_client_secrets_are_read),
                GOLDEN_TEST(test_what_is_written_into_it_now_can_be_read_again),
        };

        if (store_global_init() != 0)
                return 1;
        if (argc == 3 && strcmp(argv[1], "make") == 0)
                return make(argv[2]);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
