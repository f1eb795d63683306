// links: daemon/config.c daemon/config_files.c daemon/config_hooks.c daemon/config_providers.c daemon/config_clients.c
// links: daemon/config_entries.c daemon/config_allow.c daemon/config_secret.c daemon/provider.c
// links: daemon/provider_make.c daemon/provider_templates.c daemon/provider_rules.c daemon/provider_url.c daemon/yaml_read.c
// links: daemon/yaml_doc.c daemon/problems.c common/duration.c common/fault.c common/secret.c
// links: common/secret_arena.c common/secret_pages.c
// libs: yaml-0.1 libsodium
#include "daemon/config.h"

#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define ENDPOINTS "authorization_endpoint: https://a.example/a, token_endpoint: https://a.example/t"

/* A directory of one test: purser.yaml, conf.d, vendor and local providers. */
struct place {
        char directory[64];
        char path[256]; /* the last one asked for */
};

static const char *path_of(struct place *place, const char *name)
{
        snprintf(place->path, sizeof(place->path), "%s/%s", place->directory, name);
        return place->path;
}

static void write_bytes(struct place *place, const char *name, const void *bytes, size_t n, mode_t mode)
{
        FILE *file = fopen(path_of(place, name), "w");

        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, n, file), n);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(place->path, mode), 0);
}

static void write_file(struct place *place, const char *name, const char *text)
{
        write_bytes(place, name, text, strlen(text), 0644);
}

static int set_up(void **state)
{
        struct place *place = calloc(1, sizeof(*place));

        assert_non_null(place);
        strcpy(place->directory, "/tmp/test_config.XXXXXX");
        assert_non_null(mkdtemp(place->directory));
        assert_int_equal(mkdir(path_of(place, "conf.d"), 0755), 0);
        assert_int_equal(mkdir(path_of(place, "vendor"), 0755), 0);
        assert_int_equal(mkdir(path_of(place, "local"), 0755), 0);
        *state = place;
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
        return remove(path);
}

static int tear_down(void **state)
{
        struct place *place = *state;
        int r = nftw(place->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);

        free(place);
        return r;
}

static int load(struct place *place, struct config **ret, struct problems *problems)
{
        char vendor[128], local[128], missing[128];
        const char *const directories[] = { vendor, local, missing };

        snprintf(vendor, sizeof(vendor), "%s/vendor", place->directory);
        snprintf(local, sizeof(local), "%s/local", place->directory);
        snprintf(missing, sizeof(missing), "%s/missing", place->directory);
        return config_load(ret, path_of(place, "purser.yaml"), directories, N(directories), problems);
}

static struct config *load_well(struct place *place)
{
        struct problems problems = PROBLEMS_INIT;
        struct config *config = NULL;

        if (load(place, &config, &problems) != 0)
                fail_msg("%s", problems.n > 0 ? problems.lines[0] : "a fault");
        assert_int_equal(problems.n, 0);
        return config;
}

/* The lines as one text, without the directory in front of each. */
static void tell(struct place *place, struct problems *problems, char *text, size_t size)
{
        size_t n = 0, skip = strlen(place->directory) + 1;

        text[0] = '\0';
        for (size_t i = 0; i < problems->n; i++) {
                assert_memory_equal(problems->lines[i], place->directory, skip - 1);
                n += (size_t)snprintf(text + n, n < size ? size - n : 0, "%s\n", problems->lines[i] + skip);
        }
        assert_true(n < size);
        problems_done(problems);
}

static void expect_lines(struct place *place, const char *lines)
{
        struct problems problems = PROBLEMS_INIT;
        struct config *config = NULL;
        char text[8192];

        if (load(place, &config, &problems) != CONFIG_E_MISTAKES)
                fail_msg("no mistake: %s", lines);
        assert_null(config);
        tell(place, &problems, text, sizeof(text));
        assert_string_equal(text, lines);
}

/* ---- good ones ---- */

static void test_an_empty_configuration_has_every_default(void **state)
{
        static const char *const texts[] = { "", "# nothing\n", "{}",
                                             "clients:\ncredentials:\nrefresh:\nadmins:\nproviders:\n" };

        for (size_t i = 0; i < N(texts); i++) {
                _cleanup_(config_freep) struct config *config = NULL;

                write_file(*state, "purser.yaml", texts[i]);
                config = load_well(*state);
                assert_int_equal(config->n_providers + config->n_clients + config->n_credentials, 0);
                assert_true(config->refresh.before_is_share);
                assert_int_equal(config->refresh.before_share, 25);
                assert_int_equal(config->refresh.timeout_usec, 30 * USEC_PER_SEC);
                assert_int_equal(config->refresh.parallel, 8);
                assert_int_equal(config->refresh.rate, 0);
                assert_int_equal(config->refresh.test_every_usec, 86400 * USEC_PER_SEC);
                assert_false(config->admins.given);
                assert_null(config_find_client(config, "x"));
                assert_null(config_find_provider(config, "x"));
                assert_null(config_find_credential(config, "x"));
        }
}

static void test_clients_and_credentials_are_read(void **state)
{
        _cleanup_(config_freep) struct config *config = NULL;
        const struct client *app, *open;
        const struct credential_config *acme, *bare;

        write_file(*state, "vendor/jobber.yaml",
                   "authorization_endpoint: https://a.example/a\ntoken_endpoint: https://a.example/t\n"
                   "api: {version_header: X-V, default_version: 2023-08-18}\n");
        write_file(*state, "purser.yaml",
                   "clients:\n"
                   "  z-app: {provider: jobber, client_id: 5c3c6a5e, client_secret: {credential: "
                   "z-app.secret}}\n"
                   "  app:\n"
                   "    provider: jobber\n"
                   "    client_id: 007\n"
                   "    client_secret:\n"
                   "      file: /etc/purser/secrets/app\n"
                   "    redirect_uri: http://127.0.0.1:8723/callback\n"
                   "    api_version: \"2025-04-16\"\n"
                   "    scopes: [read, write:all]\n"
                   "    allow:\n"
                   "      - group: root\n"
                   "      - user: nobody\n"
                   "      - user: 4294967294\n"
                   "      - unit: jobber-sync@1.service\n"
                   "  kept: {provider: jobber, client_id: k, client_secret: {store: true}, allow: []}\n"
                   "  open: {provider: public, client_id: o}\n"
                   "credentials:\n"
                   "  acme: {client: app, description: \"Acme, Z\xc3\xbcrich\", api_version: 2024-01-01, "
                   "allow: [{user: 0}]}\n"
                   "  bare: {client: open, description: ''}\n"
                   "refresh: {before: 5m, timeout: 10m, parallel: 256, rate: 10000, test: off}\n"
                   "admins: [{group: 0}]\n"
                   "providers:\n"
                   "  public: {" ENDPOINTS ", token_endpoint_auth_method: none}\n");
        config = load_well(*state);
        assert_int_equal(config->n_clients, 4);
        assert_string_equal(config->clients[0]->name, "app");
        assert_string_equal(config->clients[3]->name, "z-app");
        app = config_find_client(config, "app");
        assert_ptr_equal(app->provider, config_find_provider(config, "jobber"));
        assert_string_equal(app->client_id, "007");
        assert_int_equal(app->secret_source, SECRET_FROM_FILE);
        assert_string_equal(app->secret_name, "/etc/purser/secrets/app");
        assert_int_equal(app->secret_place.line, 7);
        assert_int_equal(app->secret_place.column, 7);
        assert_string_equal(app->secret_place.file, config->file);
        assert_string_equal(app->redirect_uri, "http://127.0.0.1:8723/callback");
        assert_string_equal(app->api_version, "2025-04-16");
        assert_int_equal(app->n_scopes, 2);
        assert_string_equal(app->scopes[1], "write:all");
        assert_true(app->allow.given);
        assert_int_equal(app->allow.n, 4);
        assert_int_equal(app->allow.rules[0].kind, ALLOW_GROUP);
        assert_int_equal(app->allow.rules[0].id, 0);
        assert_int_equal(app->allow.rules[1].kind, ALLOW_USER);
        assert_int_equal(app->allow.rules[1].id, getpwnam("nobody")->pw_uid);
        assert_string_equal(app->allow.rules[1].name, "nobody");
        assert_int_equal(app->allow.rules[2].id, 4294967294);
        assert_int_equal(app->allow.rules[3].kind, ALLOW_UNIT);
        assert_string_equal(app->allow.rules[3].name, "jobber-sync@1.service");
        assert_int_equal(config_find_client(config, "z-app")->secret_source, SECRET_FROM_CREDENTIAL);
        assert_string_equal(config_find_client(config, "z-app")->secret_name, "z-app.secret");
        assert_string_equal(config_find_client(config, "z-app")->api_version, "2023-08-18");
        assert_false(config_find_client(config, "z-app")->allow.given);
        assert_int_equal(config_find_client(config, "kept")->secret_source, SECRET_FROM_STORE);
        assert_null(config_find_client(config, "kept")->secret_name);
        assert_true(config_find_client(config, "kept")->allow.given);
        assert_int_equal(config_find_client(config, "kept")->allow.n, 0);
        open = config_find_client(config, "open");
        assert_int_equal(open->secret_source, SECRET_NONE);
        assert_null(open->api_version);
        assert_null(open->redirect_uri);
        acme = config_find_credential(config, "acme");
        assert_string_equal(acme->client, "app");
        assert_string_equal(acme->description, "Acme, Z\xc3\xbcrich");
        assert_string_equal(acme->api_version, "2024-01-01");
        assert_int_equal(acme->allow.n, 1);
        bare = config_find_credential(config, "bare");
        assert_null(bare->description);
        assert_null(bare->api_version);
        assert_false(bare->allow.given);
        assert_false(config->refresh.before_is_share);
        assert_int_equal(config->refresh.before_usec, 300 * USEC_PER_SEC);
        assert_int_equal(config->refresh.timeout_usec, 600 * USEC_PER_SEC);
        assert_int_equal(config->refresh.parallel, 256);
        assert_int_equal(config->refresh.rate, 10000);
        assert_int_equal(config->refresh.test_every_usec, 0);
        assert_true(config->admins.given);
}

static void test_commands_of_all_files_are_told_of_events(void **state)
{
        _cleanup_(config_freep) struct config *config = NULL;

        write_file(*state, "purser.yaml", "on_event:\n- {command: /bin/true}\n");
        write_file(*state, "conf.d/10-more.yaml",
                   "on_event:\n"
                   "- {command: [/bin/sh, -c, 'exit 0'], timeout: 5s, events: [recovered, saving-fails]}\n");
        config = load_well(*state);
        assert_int_equal(config->n_hooks, 2);
        assert_int_equal(config->hooks[0].events, (1u << N_HOOK_EVENTS) - 1);
        assert_int_equal(config->hooks[0].timeout_usec, 30 * USEC_PER_SEC);
        assert_int_equal(config->hooks[0].n_command, 1);
        assert_int_equal(config->hooks[1].events, 1u << HOOK_RECOVERED | 1u << HOOK_SAVING_FAILS);
        assert_int_equal(config->hooks[1].timeout_usec, 5 * USEC_PER_SEC);
        assert_string_equal(config->hooks[1].command[2], "exit 0");
        assert_null(config->hooks[1].command[3]);
        assert_string_equal(hook_event_name(HOOK_RECOVERED), "recovered");
}

/* mode: of the program; NULL words: it may be run. */
static void check_program(struct place *place, unsigned mode, const char *words)
{
        _cleanup_(problems_done) struct problems problems = PROBLEMS_INIT;
        _cleanup_(config_freep) struct config *config = NULL;
        char path[256], text[512];

        write_bytes(place, "program", "#!/bin/sh\n", 10, mode);
        snprintf(path, sizeof(path), "%s", place->path);
        snprintf(text, sizeof(text), "on_event: [{command: %s}]\n", path);
        write_file(place, "purser.yaml", text);
        config = load_well(place);
        assert_int_equal(config_check_hooks(config, geteuid(), &problems), words ? CONFIG_E_MISTAKES : 0);
        if (words) {
                assert_int_equal(problems.n, 1);
                assert_non_null(strstr(problems.lines[0], "purser.yaml:1:12: on_event: the program /"));
                assert_non_null(strstr(problems.lines[0], words));
        }
}

static void test_a_program_must_be_there_and_nobody_elses(void **state)
{
        struct hook_config gone = { .command = (char *[]){ (char *)"/nonexistent/program", NULL } },
                           directory = { .command = (char *[]){ (char *)"/tmp", NULL } },
                           of_root = { .command = (char *[]){ (char *)"/bin/sh", NULL } };
        struct diag diag = DIAG_INIT;

        check_program(*state, 0755, NULL);
        check_program(*state, 0644, "is no file that may be executed");
        check_program(*state, 0757, "may be changed by others");
        assert_int_equal(hook_check(&gone, geteuid(), &diag), HOOK_E_UNUSABLE);
        assert_non_null(strstr(diag.text, "No such file or directory"));
        assert_int_equal(hook_check(&directory, geteuid(), &diag), HOOK_E_UNUSABLE);
        assert_int_equal(hook_check(&of_root, 12345, &diag), 0);
}

static void test_a_file_of_conf_d_adds_to_what_came_before_it(void **state)
{
        _cleanup_(config_freep) struct config *config = NULL;
        const struct client *app;

        write_file(*state, "purser.yaml",
                   "providers: {p: {" ENDPOINTS "}}\n"
                   "clients: {app: {provider: p, client_id: first, scopes: [a], client_secret: {file: /a}, "
                   "allow: [{user: 0}]}}\n"
                   "refresh: {parallel: 2, before: 10%}\n"
                   "admins: [{user: 0}]\n");
        write_file(*state, "conf.d/20-second.yaml",
                   "clients: {app: {client_id: third}}\nrefresh: {parallel: 3}\n");
        write_file(*state, "conf.d/10-first.yaml",
                   "clients: {app: {client_id: second, scopes: [b, c], client_secret: {store: true}}}\n"
                   "credentials: {c: {client: app}}\nadmins: [{user: 1}, {user: 2}]\n");
        write_file(*state, "conf.d/.hidden.yaml", "wrong");
        write_file(*state, "conf.d/30.yaml~", "wrong");
        write_file(*state, "conf.d/30.yml", "wrong");
        config = load_well(*state);
        assert_int_equal(config->n_files, 3);
        assert_non_null(strstr(config->files[0], "/purser.yaml"));
        assert_non_null(strstr(config->files[1], "/conf.d/10-first.yaml"));
        assert_non_null(strstr(config->files[2], "/conf.d/20-second.yaml"));
        assert_int_equal(config->n_clients, 1);
        app = config->clients[0];
        assert_string_equal(app->client_id, "third");
        assert_int_equal(app->n_scopes, 2);
        assert_int_equal(app->secret_source, SECRET_FROM_STORE);
        assert_null(app->secret_name);
        assert_int_equal(app->allow.n, 1);
        assert_int_equal(config->refresh.parallel, 3);
        assert_int_equal(config->refresh.before_share, 10);
        assert_int_equal(config->admins.n, 2);
        assert_int_equal(config->n_credentials, 1);
}

static void test_what_two_files_define_is_a_mistake(void **state)
{
        struct place *place = *state;
        char lines[512];

        write_file(place, "purser.yaml",
                   "providers: {p: {" ENDPOINTS "}}\n"
                   "clients: {app: {provider: p, client_id: x, client_secret: {store: true}}}\n"
                   "credentials:\n  c: {client: app}\n");
        write_file(place, "conf.d/a.yaml",
                   "clients: {app: {provider: p, client_id: y}}\ncredentials: {c: {client: app}}\n");
        snprintf(lines, sizeof(lines),
                 "conf.d/a.yaml:1:27: clients.app.provider: 'app' is already defined in %s/purser.yaml:2; to "
                 "change it here, "
                 "leave out provider\n"
                 "conf.d/a.yaml:2:27: credentials.c.client: 'c' is already defined in %s/purser.yaml:4; to "
                 "change it here, "
                 "leave out client\n",
                 place->directory, place->directory);
        expect_lines(place, lines);
}

static void test_a_client_may_be_whole_only_with_all_its_parts(void **state)
{
        _cleanup_(config_freep) struct config *config = NULL;

        write_file(*state, "purser.yaml", "clients: {app: {client_id: x}}\n");
        write_file(*state, "conf.d/a.yaml",
                   "clients: {app: {provider: p, client_secret: {store: true}}}\nproviders: {p: {" ENDPOINTS
                   "}}\n");
        config = load_well(*state);
        assert_string_equal(config->clients[0]->client_id, "x");
        assert_string_equal(config->clients[0]->provider->name, "p");
}

static void test_providers_cover_those_before_them(void **state)
{
        _cleanup_(config_freep) struct config *config = NULL;

        write_file(*state, "vendor/a.yaml",
                   "authorization_endpoint: https://vendor.example/a\n"
                   "token_endpoint: https://vendor.example/t\nmax_replays: 1\n");
        write_file(*state, "vendor/b.yaml", "{" ENDPOINTS ", max_replays: 1}\n");
        write_file(*state, "vendor/c.yaml", "{" ENDPOINTS ", max_replays: 1}\n");
        write_file(*state, "local/b.yaml", "{" ENDPOINTS "}\n");
        write_file(*state, "local/c.yaml", "extends: c\ndefault_token_lifetime: 7s\n");
        write_file(*state, "purser.yaml",
                   "providers:\n"
                   "  a: {extends: a, token_endpoint: http://localhost/t}\n"
                   "  c: {extends: c, code_challenge_method: off}\n"
                   "  early: {extends: late}\n"
                   "  late: {extends: a, ca_file: /ca.pem}\n");
        config = load_well(*state);
        assert_int_equal(config->n_providers, 5);
        assert_string_equal(config->providers[0]->name, "a");
        assert_string_equal(config->providers[0]->authorization_endpoint, "https://vendor.example/a");
        assert_string_equal(config->providers[0]->token_endpoint, "http://localhost/t");
        assert_int_equal(config->providers[0]->max_replays, 1);
        assert_int_equal(config->providers[1]->max_replays, 5);
        assert_int_equal(config->providers[2]->max_replays, 1);
        assert_int_equal(config->providers[2]->default_token_lifetime_usec, 7 * USEC_PER_SEC);
        assert_false(config->providers[2]->pkce);
        assert_string_equal(config->providers[3]->name, "early");
        assert_string_equal(config->providers[3]->ca_file, "/ca.pem");
        assert_string_equal(config->providers[3]->token_endpoint, "http://localhost/t");
}

/* ---- what is shipped ---- */

static void test_the_shipped_configuration_loads_and_so_do_its_comments(void **state)
{
        static const char *const directories[] = { "etc/providers" };
        struct problems problems = PROBLEMS_INIT;
        _cleanup_(config_freep) struct config *config = NULL, *full = NULL;
        struct place *place = *state;
        FILE *shipped = fopen("etc/purser.yaml", "r"), *copy = fopen(path_of(place, "purser.yaml"), "w");
        char line[512];

        assert_int_equal(config_load(&config, "etc/purser.yaml", directories, 1, &problems), 0);
        assert_non_null(config_find_provider(config, "jobber"));
        assert_int_equal(config->n_clients, 0);
        assert_non_null(shipped);
        assert_non_null(copy);
        while (fgets(line, sizeof(line), shipped)) {
                char *user = strstr(line, "user: billing"), *group = strstr(line, "group: www-data");

                if (user)
                        strcpy(user, "user: root\n");
                if (group)
                        strcpy(group, "group: root\n");
                if ((group = strstr(line, "group: sudo")))
                        strcpy(group, "group: root\n");
                fputs(strncmp(line, "#    ", 5) == 0 ? line + 1 : line, copy);
        }
        fclose(shipped);
        fclose(copy);
        if (config_load(&full, path_of(place, "purser.yaml"), directories, 1, &problems) != 0)
                fail_msg("%s", problems.lines[0]);
        assert_int_equal(full->n_clients, 1);
        assert_int_equal(full->n_credentials, 1);
        assert_int_equal(full->clients[0]->allow.n, 3);
        assert_int_equal(full->admins.n, 2);
        assert_int_equal(full->n_hooks, 1);
        assert_string_equal(config_find_provider(full, "jobber")->api.default_version, "2025-04-16");
        assert_string_equal(config_find_provider(full, "my-idp")->issuer, "https://id.example.com");
}

static const struct answer_rule *find_rule(const struct answer_rule *rules, size_t n, const char *contains)
{
        for (size_t i = 0; i < n; i++)
                if (rules[i].contains && strstr(rules[i].contains, contains))
                        return &rules[i];
        fail_msg("no rule for \"%s\"", contains);
        return NULL;
}

static void test_jobber_is_written_down(void **state)
{
        static const char *const directories[] = { "etc/providers" };
        static const struct {
                const char *contains;
                enum meaning meaning;
                int status;
                const char *member;
        } token[] = {
                { "refresh token does not match the authenticated client", MEANING_AUTHORIZATION_REQUIRED, 401, NULL },
                { "refresh token is not valid", MEANING_AUTHORIZATION_REQUIRED, 401, NULL },
                { "disconnected this app", MEANING_DISCONNECTED, 0, NULL },
                { "account is not active", MEANING_DISCONNECTED, 0, NULL },
                { "temporarily unavailable", MEANING_TRY_AGAIN, 0, NULL },
                { "Unexpected Refresh Token Redemption", MEANING_FOREIGN_REFRESHER, 0, "/warning" },
                { "rotation is off", MEANING_NOTICE, 0, "/warning" },
        }, api[] = {
                { "Access token expired", MEANING_TOKEN_REJECTED, 0, "/message" },
                { "Token not recognized", MEANING_TOKEN_REJECTED, 0, "/message" },
                { "UNAUTHENTICATED", MEANING_TOKEN_REJECTED, 0, "/errors/0/extensions/code" },
                { "THROTTLED", MEANING_TRY_AGAIN, 0, "/errors/0/extensions/code" },
                { "disconnected this app", MEANING_AUTHORIZATION_REQUIRED, 0, "/message" },
                { "account is not active", MEANING_AUTHORIZATION_REQUIRED, 0, "/error/message" },
                { "temporarily unavailable", MEANING_TRY_AGAIN, 0, "/message" },
                { "does not exist", MEANING_VERSION_UNSUPPORTED, 404, "/message" },
                { "no longer supported", MEANING_VERSION_UNSUPPORTED, 0, "/extensions/versioning/warning" },
                { "scheduled", MEANING_VERSION_TO_BE_REMOVED, 0, "/extensions/versioning/warning" },
                { "will be removed", MEANING_VERSION_TO_BE_REMOVED, 0, "/extensions/versioning/warning" },
        };
        struct problems problems = PROBLEMS_INIT;
        _cleanup_(config_freep) struct config *config = NULL;
        const struct provider *p;

        assert_int_equal(config_load(&config, "etc/purser.yaml", directories, 1, &problems), 0);
        p = config_find_provider(config, "jobber");
        assert_string_equal(p->authorization_endpoint, "https://api.getjobber.com/api/oauth/authorize");
        assert_string_equal(p->token_endpoint, "https://api.getjobber.com/api/oauth/token");
        assert_null(p->issuer);
        assert_null(p->revocation_endpoint);
        assert_int_equal(p->auth_method, AUTH_METHOD_POST);
        assert_true(p->pkce);
        assert_false(p->scope_in_url);
        assert_int_equal(p->default_token_lifetime_usec, 3600 * USEC_PER_SEC);
        assert_int_equal(p->max_replays, 5);
        assert_string_equal(p->api.url, "https://api.getjobber.com/api/graphql");
        assert_string_equal(p->api.version_header, "X-JOBBER-GRAPHQL-VERSION");
        assert_string_equal(p->api.default_version, "2023-08-18");
        assert_string_equal(p->api.test_query, "query { account { id name } }");
        assert_string_equal(p->api.account_id, "/data/account/id");
        assert_string_equal(p->api.account_name, "/data/account/name");
        assert_string_equal(p->api.served_version, "/extensions/versioning/version");
        assert_string_equal(p->api.version_warning, "/extensions/versioning/warning");
        assert_int_equal(p->revocation, REVOCATION_GRAPHQL);
        assert_string_equal(p->revocation_mutation,
                            "mutation { appDisconnect { app { name author } userErrors { message } } }");
        assert_string_equal(p->revocation_error, "/data/appDisconnect/userErrors");
        assert_true(p->revocation_ends_account);
        assert_string_equal(p->webhook.header, "X-Jobber-Hmac-SHA256");
        assert_int_equal(p->webhook.encoding, WEBHOOK_BASE64);
        assert_null(p->webhook.prefix);
        assert_string_equal(p->webhook.disconnect_value, "APP_DISCONNECT");
        assert_string_equal(p->webhook.account_id, "/data/webHookEvent/accountId");
        for (size_t i = 0; i < N(token); i++) {
                const struct answer_rule *rule =
                        find_rule(p->token_rules, p->n_token_rules, token[i].contains);

                assert_int_equal(rule->meaning, token[i].meaning);
                assert_int_equal(rule->status, token[i].status);
                assert_non_null(rule->say);
                if (token[i].member)
                        assert_string_equal(rule->member, token[i].member);
        }
        for (size_t i = 0; i < N(api); i++) {
                const struct answer_rule *rule = find_rule(p->api_rules, p->n_api_rules, api[i].contains);

                assert_int_equal(rule->meaning, api[i].meaning);
                assert_int_equal(rule->status, api[i].status);
                assert_string_equal(rule->member, api[i].member);
                assert_non_null(rule->say);
        }
}

/* ---- mistakes ---- */

#define PROVIDER "providers: {p: {" ENDPOINTS "}}\n"
#define CLIENT PROVIDER "clients:\n  app:\n    provider: p\n    client_id: x\n"
#define THREE_WAYS                                                                                           \
        "credential: NAME (a systemd credential), file: PATH, or store: true (typed into `purser secret "    \
        "set`)"
#define NAME_LINE "is no valid name: " NAME_MUST

static void test_every_mistake_has_its_line(void **state)
{
        static const struct {
                const char *text, *lines;
        } cases[] = {
                { "[]", "purser.yaml:1:1: must be a mapping (key: value)\n" },
                { "clinets: {}\n", "purser.yaml:1:1: clinets: unknown key; did you mean 'clients'?\n" },
                { "clients: []\n", "purser.yaml:1:10: clients: must be a mapping (key: value)\n" },
                { "clients: ~\n", "purser.yaml:1:10: clients: must be a mapping (key: value)\n" },
                { "credentials: text\n", "purser.yaml:1:14: credentials: must be a mapping (key: value)\n" },
                { "clients: {-a: {}}\n", "purser.yaml:1:11: clients.-a: " NAME_LINE "\n" },
                { "clients: {'a b': {}}\n", "purser.yaml:1:11: clients.a b: " NAME_LINE "\n" },
                { "credentials: {../x: {}}\n", "purser.yaml:1:15: credentials.../x: " NAME_LINE "\n" },
                { "providers: {\"\": {}}\n", "purser.yaml:1:13: providers.'': " NAME_LINE "\n" },
                { "clients: {a: {}}\nclients: {}\n",
                  "purser.yaml:2:1: clients: duplicate key; it is already in line 1\n"
                  "purser.yaml:1:14: clients.a.provider: is missing\n"
                  "purser.yaml:1:14: clients.a.client_id: is missing\n" },
                { "clients: {a: text}\n", "purser.yaml:1:14: clients.a: must be a mapping (key: value)\n"
                                          "purser.yaml:1:14: clients.a.provider: is missing\n"
                                          "purser.yaml:1:14: clients.a.client_id: is missing\n" },
                /* references */
                { PROVIDER "clients: {a: {provider: q, client_id: x, client_secret: {store: true}}}\n",
                  "purser.yaml:2:25: clients.a.provider: there is no provider 'q'\n" },
                { "providers: {jobber: {" ENDPOINTS "}}\n"
                  "clients: {a: {provider: Jober, client_id: x, client_secret: {store: true}}}\n",
                  "purser.yaml:2:25: clients.a.provider: there is no provider 'Jober'; did you mean "
                  "'jobber'?\n" },
                { CLIENT "    client_secret: {store: true}\ncredentials: {c: {client: apq}}\n",
                  "purser.yaml:7:27: credentials.c.client: there is no client 'apq'; did you mean 'app'?\n" },
                { CLIENT "    client_secret: {store: true}\ncredentials: {c: {}}\n",
                  "purser.yaml:7:18: credentials.c.client: is missing\n" },
                { "providers: {p: {extends: q}}\n",
                  "purser.yaml:1:26: providers.p.extends: there is no provider 'q'\n" },
                { "providers: {p: {extends: [q]}}\n",
                  "purser.yaml:1:26: providers.p.extends: must be text\n" },
                { "providers: {p: {extends: p}}\n", "purser.yaml:1:26: providers.p.extends: extends itself: "
                                                    "there is no earlier provider of this name\n" },
                { "providers: {a: {extends: b}, b: {extends: c}, c: {extends: a}}\n",
                  "purser.yaml:1:60: providers.c.extends: extends itself, by way of 'a'\n" },
                { "providers: {p: {token_endpoint: http://a.example/, authorization_endpoint: "
                  "https://a.example/}, "
                  "q: {extends: p}}\n",
                  "purser.yaml:1:33: providers.p.token_endpoint: must be an https URL without user or "
                  "fragment (http only to a "
                  "loopback address)\n" },
                { "providers: {p: }\n", "purser.yaml:1:16: providers.p.authorization_endpoint: is missing, "
                                        "and there is no issuer to discover it from "
                                        "(a provider that changes another one says `extends`)\n"
                                        "purser.yaml:1:16: providers.p.token_endpoint: is missing, and there "
                                        "is no issuer to discover it from (a "
                                        "provider that changes another one says `extends`)\n" },
                /* secrets */
                { CLIENT "    client_secret: hunter2\n",
                  "purser.yaml:6:20: clients.app.client_secret: a client secret is not written inline; say "
                  "where it is kept: " THREE_WAYS "\n" },
                { CLIENT "    client_secret: [hunter2]\n",
                  "purser.yaml:6:20: clients.app.client_secret: a client secret is not written inline; say "
                  "where it is kept: " THREE_WAYS "\n" },
                { CLIENT "    client_secret: {hunter2: , hunter2: }\n",
                  "purser.yaml:6:32: clients.app.client_secret: duplicate key; it is already in line 6\n"
                  "purser.yaml:6:21: clients.app.client_secret: unknown key; known here: credential, file, "
                  "store\n" },
                { CLIENT "    client_secret: {flie: /hunter2}\n",
                  "purser.yaml:6:21: clients.app.client_secret: unknown key; did you mean 'file'?\n" },
                { CLIENT "    client_secret: {file: hunter2}\n",
                  "purser.yaml:6:27: clients.app.client_secret: must be an absolute path\n" },
                { CLIENT "    client_secret: {credential: a/hunter2}\n",
                  "purser.yaml:6:33: clients.app.client_secret: must be the name of a systemd credential\n" },
                { CLIENT "    client_secret: {store: hunter2}\n",
                  "purser.yaml:6:28: clients.app.client_secret: must be one of: true\n" },
                { CLIENT "    client_secret: {file: /a, store: true}\n",
                  "purser.yaml:6:20: clients.app.client_secret: needs exactly one of " THREE_WAYS "\n" },
                { CLIENT "    client_secret: {}\n",
                  "purser.yaml:6:20: clients.app.client_secret: needs exactly one of " THREE_WAYS "\n" },
                { CLIENT "    client_secret:\n",
                  "purser.yaml:6:19: clients.app.client_secret: needs exactly one of " THREE_WAYS "\n" },
                { CLIENT,
                  "purser.yaml:4:5: clients.app.client_secret: is missing: it needs one of " THREE_WAYS
                  "\n" },
                { CLIENT "    client_secret: {store: true}\n    secret: hunter2\n",
                  "purser.yaml:7:5: clients.app.secret: unknown key; known here: provider, client_id, "
                  "client_secret, grant_type, redirect_uri, "
                  "api_version, scopes, allow\n" },
                { CLIENT "    clientSecret: hunter2\n",
                  "purser.yaml:6:5: clients.app.clientSecret: unknown key; did you mean 'client_secret'?\n"
                  "purser.yaml:4:5: clients.app.client_secret: is missing: it needs one of " THREE_WAYS
                  "\n" },
#define WHOLE CLIENT "    client_secret: {store: true}\n"
                /* values */
                { WHOLE "    client_id: y\n",
                  "purser.yaml:7:5: clients.app.client_id: duplicate key; it is already in line 5\n" },
                { WHOLE "    redirect_uri: /callback\n",
                  "purser.yaml:7:19: clients.app.redirect_uri: must be an absolute URI without fragment (RFC "
                  "6749 section 3.1.2); "
                  "http only to a loopback address\n" },
                { WHOLE "    redirect_uri: https://a.example/#x\n",
                  "purser.yaml:7:19: clients.app.redirect_uri: must be an absolute URI without fragment (RFC "
                  "6749 section 3.1.2); "
                  "http only to a loopback address\n" },
                { WHOLE "    api_version: '2023-08-18'\n",
                  "purser.yaml:7:18: clients.app.api_version: the provider 'p' has no api.version_header to "
                  "send it in\n" },
                { WHOLE "credentials: {c: {client: app, api_version: 1}}\n",
                  "purser.yaml:7:45: credentials.c.api_version: the provider 'p' has no api.version_header "
                  "to send it in\n" },
                { WHOLE "    grant_type: password\n",
                  "purser.yaml:7:17: clients.app.grant_type: must be one of: authorization_code, "
                  "client_credentials\n" },
                { "providers: {p: {" ENDPOINTS ", token_endpoint_auth_method: none}}\n"
                  "clients: {a: {provider: p, client_id: x, grant_type: client_credentials}}\n",
                  "purser.yaml:2:54: clients.a.grant_type: is not for a public client: the provider's "
                  "token_endpoint_auth_method is none\n" },
                { WHOLE "    scopes: read\n",
                  "purser.yaml:7:13: clients.app.scopes: must be a list (- item)\n" },
                { WHOLE "    scopes: [a b]\n", "purser.yaml:7:14: clients.app.scopes[0]: must be one scope "
                                               "(RFC 6749 section 3.3); list several as items\n" },
                { WHOLE "    scopes: [a, null]\n",
                  "purser.yaml:7:17: clients.app.scopes[1]: has no value\n" },
                { WHOLE "credentials: {c: {client: app, description: \"a\\x1b[2Jb\"}}\n",
                  "purser.yaml:7:45: credentials.c.description: holds a control character\n" },
                { WHOLE "credentials: {c: {client: app, description: {a: b}}}\n",
                  "purser.yaml:7:45: credentials.c.description: must be text\n" },
                /* who */
                { "admins: {group: root}\n", "purser.yaml:1:9: admins: must be a list (- item)\n" },
                { "admins: [root]\n",
                  "purser.yaml:1:10: admins[0]: must name exactly one of user, group, unit\n" },
                { "admins: [{user: root, group: root}]\n",
                  "purser.yaml:1:10: admins[0]: must name exactly one of user, group, unit\n" },
                { "admins: [{}]\n",
                  "purser.yaml:1:10: admins[0]: must name exactly one of user, group, unit\n" },
                { "admins: [{usr: root}]\n",
                  "purser.yaml:1:11: admins[0].usr: unknown key; did you mean 'user'?\n" },
                { "admins: [{user: no-such-user}]\n",
                  "purser.yaml:1:17: admins[0].user: there is no user 'no-such-user' on this system\n" },
                { "admins: [{user: root}, {group: no-such-group}]\n",
                  "purser.yaml:1:32: admins[1].group: there is no group 'no-such-group' on this system\n" },
                { "admins: [{user: 4294967295}]\n",
                  "purser.yaml:1:17: admins[0].user: there is no user '4294967295' on this system\n" },
                { "admins: [{user: [root]}]\n", "purser.yaml:1:17: admins[0].user: must be text\n" },
                { "admins: [{unit: sync}]\n",
                  "purser.yaml:1:17: admins[0].unit: must be the name of a unit, like sync.service\n" },
                { "admins: [{unit: sync@.service}]\n",
                  "purser.yaml:1:17: admins[0].unit: must be the name of a unit, like sync.service\n" },
                { "admins: [{unit: a/b.service}]\n",
                  "purser.yaml:1:17: admins[0].unit: must be the name of a unit, like sync.service\n" },
                { "admins: [{unit: .service}]\n",
                  "purser.yaml:1:17: admins[0].unit: must be the name of a unit, like sync.service\n" },
                /* on_event */
                { "on_event: {command: /a}\n", "purser.yaml:1:11: on_event: must be a list (- item)\n" },
                { "on_event: [/a]\n", "purser.yaml:1:12: on_event[0]: must be a mapping (key: value)\n" },
                { "on_event:\n-\n", "purser.yaml:2:2: on_event[0]: must have a command\n" },
                { "on_event: [{}]\n", "purser.yaml:1:12: on_event[0].command: is missing\n" },
                { "on_event: [{comand: /a}]\n",
                  "purser.yaml:1:13: on_event[0].comand: unknown key; did you mean 'command'?\n"
                  "purser.yaml:1:12: on_event[0].command: is missing\n" },
                { "on_event: [{command: mail.sh}]\n",
                  "purser.yaml:1:22: on_event[0].command: must be an absolute path\n" },
                { "on_event: [{command: [mail, /a]}]\n",
                  "purser.yaml:1:23: on_event[0].command[0]: must be an absolute path\n" },
                { "on_event: [{command: []}]\n",
                  "purser.yaml:1:22: on_event[0].command: must be a program and at most 31 arguments\n" },
                { "on_event: [{command: [/a, {b: c}]}]\n",
                  "purser.yaml:1:27: on_event[0].command[1]: must be text\n" },
                { "on_event: [{command: /a, events: recovered}]\n",
                  "purser.yaml:1:34: on_event[0].events: must be a list (- item)\n" },
                { "on_event: [{command: /a, events: []}]\n",
                  "purser.yaml:1:34: on_event[0].events: names none; leave it out for all\n" },
                { "on_event: [{command: /a, events: [saving-fails, recoverd]}]\n",
                  "purser.yaml:1:49: on_event[0].events[1]: must be one of: authorization-required, "
                  "unavailable, "
                  "foreign-refresher, version-to-be-removed, version-gone, saving-fails, recovered\n" },
                { "on_event: [{command: /a, events: [recovered]}]\n",
                  "purser.yaml:1:34: on_event[0].events: must name what there is to recover from, too\n" },
                { "on_event: [{command: /a, timeout: 11m}]\n",
                  "purser.yaml:1:35: on_event[0].timeout: must be a duration from 1s to 10m\n" },
                /* refresh */
                { "refresh: {before: 0%}\n",
                  "purser.yaml:1:19: refresh.before: must be 1% to 99%, or a duration from 1s to 7d\n" },
                { "refresh: {before: 100%}\n",
                  "purser.yaml:1:19: refresh.before: must be 1% to 99%, or a duration from 1s to 7d\n" },
                { "refresh: {before: 4294967297%}\n",
                  "purser.yaml:1:19: refresh.before: must be 1% to 99%, or a duration from 1s to 7d\n" },
                { "refresh: {before: 2.5%}\n",
                  "purser.yaml:1:19: refresh.before: must be 1% to 99%, or a duration from 1s to 7d\n" },
                { "refresh: {before: 0}\n",
                  "purser.yaml:1:19: refresh.before: must be 1% to 99%, or a duration from 1s to 7d\n" },
                { "refresh: {before: 8d}\n",
                  "purser.yaml:1:19: refresh.before: must be 1% to 99%, or a duration from 1s to 7d\n" },
                { "refresh: {before: [1]}\n", "purser.yaml:1:19: refresh.before: must be text\n" },
                { "refresh: {timeout: 999ms}\n",
                  "purser.yaml:1:20: refresh.timeout: must be a duration from 1s to 10m\n" },
                { "refresh: {timeout: 601}\n",
                  "purser.yaml:1:20: refresh.timeout: must be a duration from 1s to 10m\n" },
                { "refresh: {timeout: 30 seconds}\n",
                  "purser.yaml:1:20: refresh.timeout: must be a duration from 1s to 10m\n" },
                { "refresh: {parallel: 0}\n",
                  "purser.yaml:1:21: refresh.parallel: must be a number from 1 to 256\n" },
                { "refresh: {rate: 0}\n", "purser.yaml:1:17: refresh.rate: must be a number from 1 to 10000, "
                                          "of refreshes in a second\n" },
                { "refresh: {rate: 10001}\n", "purser.yaml:1:17: refresh.rate: must be a number from 1 to "
                                              "10000, of refreshes in a second\n" },
                { "refresh: {parallel: 257}\n",
                  "purser.yaml:1:21: refresh.parallel: must be a number from 1 to 256\n" },
                { "refresh: {parallel: {}}\n",
                  "purser.yaml:1:21: refresh.parallel: must be a number from 1 to 256\n" },
                { "refresh: {test: never}\n",
                  "purser.yaml:1:17: refresh.test: must be off, or a duration from 1s to 365d\n" },
                { "refresh: {test: }\n", "purser.yaml:1:17: refresh.test: has no value\n" },
                { "refresh: [1]\n", "purser.yaml:1:10: refresh: must be a mapping (key: value)\n" },
        };

        for (size_t i = 0; i < N(cases); i++) {
                write_file(*state, "purser.yaml", cases[i].text);
                expect_lines(*state, cases[i].lines);
        }
}

static void test_all_mistakes_of_all_files_are_one_report(void **state)
{
        write_file(*state, "vendor/v.yaml", "{" ENDPOINTS ", max_replays: 9}\n");
        write_file(*state, "local/Not A Name.yaml", "{" ENDPOINTS "}\n");
        write_file(*state, "local/l.yaml", "extends: gone\ncode_challenge_method: none\n");
        write_file(*state, "local/empty.yaml", "");
        write_file(*state, "purser.yaml",
                   "refresh: {parallel: 0}\nclients: {a: {provider: v, client_id: x, client_secret: x}}\n");
        write_file(*state, "conf.d/1.yaml",
                   "admins: [{user: no-such-user}]\ncredentials: {c: {client: b}}\n");
        expect_lines(*state,
                     "purser.yaml:1:21: refresh.parallel: must be a number from 1 to 256\n"
                     "conf.d/1.yaml:1:17: admins[0].user: there is no user 'no-such-user' on this system\n"
                     "local/Not A Name.yaml: the file's name is the provider's, and no valid one: " NAME_MUST
                     "\n"
                     "vendor/v.yaml:1:97: max_replays: must be a number from 0 to 5\n"
                     "local/empty.yaml:1:1: authorization_endpoint: is missing, and there is no issuer to "
                     "discover it from (a "
                     "provider that changes another one says `extends`)\n"
                     "local/empty.yaml:1:1: token_endpoint: is missing, and there is no issuer to discover "
                     "it from (a "
                     "provider that changes another one says `extends`)\n"
                     "local/l.yaml:1:10: extends: there is no provider 'gone'\n"
                     "local/l.yaml:2:24: code_challenge_method: must be one of: S256, off\n"
                     "purser.yaml:2:57: clients.a.client_secret: a client secret is not written inline; say "
                     "where it is kept: " THREE_WAYS "\n"
                     "conf.d/1.yaml:2:27: credentials.c.client: there is no client 'b'\n");
}

static void test_a_file_that_is_no_yaml_does_not_make_references_into_it_mistakes(void **state)
{
        write_file(*state, "vendor/v.yaml", "a: [\n");
        write_file(*state, "purser.yaml",
                   "clients: {a: {provider: v, client_id: x, client_secret: {store: true}}}\n");
        write_file(*state, "conf.d/1.yaml",
                   "credentials: {c: {client: b}}\nproviders: {x: {extends: y, max_replays: 6}}\n");
        expect_lines(*state, "vendor/v.yaml:2:1: not valid YAML: did not find expected node content while "
                             "parsing a flow node (line 2)\n"
                             "conf.d/1.yaml:2:42: providers.x.max_replays: must be a number from 0 to 5\n");
}

static void test_files_that_cannot_be_read_are_mistakes(void **state)
{
        struct place *place = *state;
        _cleanup_(freep) char *large = calloc(1, YAML_DOC_MAX + 2);

        expect_lines(place, "purser.yaml: cannot be read: No such file or directory\n");
        assert_int_equal(mkdir(path_of(place, "purser.yaml"), 0755), 0);
        assert_int_equal(mkfifo(path_of(place, "conf.d/fifo.yaml"), 0644), 0);
        assert_int_equal(symlink("/nonexistent", path_of(place, "vendor/gone.yaml")), 0);
        assert_int_equal(rmdir(path_of(place, "local")), 0);
        write_file(place, "local", "");
        assert_non_null(large);
        memset(large, ' ', YAML_DOC_MAX + 1);
        write_bytes(place, "conf.d/large.yaml", large, YAML_DOC_MAX + 1, 0644);
        expect_lines(place, "vendor/gone.yaml: cannot be read: No such file or directory\n"
                            "local: cannot be read: Not a directory\n"
                            "purser.yaml: cannot be read: it is no regular file\n"
                            "conf.d/fifo.yaml: cannot be read: it is no regular file\n"
                            "conf.d/large.yaml:1:1: too large: more than 1048576 bytes\n");
}

static void test_a_name_without_a_directory_has_its_conf_d_beside_it(void **state)
{
        struct problems problems = PROBLEMS_INIT;
        _cleanup_(config_freep) struct config *config = NULL;
        struct place *place = *state;
        _cleanup_(closep) int here = open(".", O_RDONLY | O_DIRECTORY);

        write_file(place, "purser.yaml", "");
        write_file(place, "conf.d/1.yaml", "refresh: {parallel: 3}\n");
        assert_int_equal(chdir(place->directory), 0);
        assert_int_equal(config_load(&config, "purser.yaml", NULL, 0, &problems), 0);
        assert_int_equal(fchdir(here), 0);
        assert_int_equal(config->refresh.parallel, 3);
        assert_string_equal(config->files[1], "conf.d/1.yaml");
}

static void test_names_are_short_and_plain(void **state)
{
        char name[66];

        memset(name, 'a', sizeof(name));
        name[64] = '\0';
        assert_true(name_is_valid(name));
        name[64] = 'a';
        name[65] = '\0';
        assert_false(name_is_valid(name));
        assert_true(name_is_valid("a"));
        assert_true(name_is_valid("0.A_b-9"));
        assert_false(name_is_valid(""));
        assert_false(name_is_valid(".a"));
        assert_false(name_is_valid("_a"));
        assert_false(name_is_valid("a/b"));
        assert_false(name_is_valid("a b"));
        assert_false(name_is_valid("a\n"));
        assert_false(name_is_valid("\xc3\xbc"));
}

/* ---- secrets ---- */

static void expect_secret(struct client *client, const char *directory, const char *expected)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct diag diag = DIAG_INIT;

        if (client_secret_read(&secret, client, directory, getuid(), &diag) != 0)
                fail_msg("%s", diag.text);
        assert_int_equal(secret_size(secret), strlen(expected));
        assert_string_equal(secret_expose(secret), expected);
}

static void expect_no_secret(struct client *client, const char *directory, unsigned own_uid, int outcome,
                             const char *words)
{
        struct secret *secret = NULL;
        struct diag diag = DIAG_INIT;

        assert_int_equal(client_secret_read(&secret, client, directory, own_uid, &diag), outcome);
        assert_null(secret);
        if (!strstr(diag.text, words))
                fail_msg("\"%s\" does not say \"%s\"", diag.text, words);
        assert_null(strstr(diag.text, "hunter2"));
}

static void test_a_secret_is_read_from_a_file_less_one_newline(void **state)
{
        struct place *place = *state;
        struct client client = { .secret_source = SECRET_FROM_FILE };
        char longest[4098];

        client.secret_name = (char *)path_of(place, "secret");
        write_bytes(place, "secret", "hunter2", 7, 0600);
        expect_secret(&client, NULL, "hunter2");
        write_bytes(place, "secret", "hunter2\n", 8, 0400);
        expect_secret(&client, NULL, "hunter2");
        write_bytes(place, "secret", " hunter 2 ", 10, 0600);
        expect_secret(&client, NULL, " hunter 2 ");
        memset(longest, 'x', sizeof(longest));
        longest[4096] = '\0';
        write_bytes(place, "secret", longest, 4096, 0600);
        expect_secret(&client, NULL, longest);
        write_bytes(place, "secret", "hunter2", 7, 0640);
        assert_int_equal(chown(client.secret_name, (uid_t)-1, getegid()), 0);
        expect_secret(&client, NULL, "hunter2");
}

static void test_a_link_leads_to_the_file_that_counts(void **state)
{
        struct place *place = *state;
        char link[128];
        struct client client = { .secret_source = SECRET_FROM_FILE, .secret_name = link };

        write_bytes(place, "secret", "hunter2", 7, 0600);
        snprintf(link, sizeof(link), "%s/link", place->directory);
        assert_int_equal(symlink("secret", link), 0);
        expect_secret(&client, NULL, "hunter2");
        assert_int_equal(chmod(path_of(place, "secret"), 0644), 0);
        expect_no_secret(&client, NULL, getuid(), CLIENT_SECRET_E_UNSAFE, link);
}

static void test_a_secret_that_others_can_reach_is_refused(void **state)
{
        static const mode_t modes[] = { 0644, 0604, 0602, 0601, 0620, 0610, 0660, 0666, 0777 };
        struct place *place = *state;
        struct client client = { .secret_source = SECRET_FROM_FILE };

        client.secret_name = (char *)path_of(place, "secret");
        for (size_t i = 0; i < N(modes); i++) {
                write_bytes(place, "secret", "hunter2", 7, modes[i]);
                expect_no_secret(&client, NULL, getuid(), CLIENT_SECRET_E_UNSAFE, client.secret_name);
        }
}

/* Only root can give files away. */
static void test_a_secret_of_another_user_or_group_is_refused(void **state)
{
        struct place *place = *state;
        struct client client = { .secret_source = SECRET_FROM_FILE };

        if (getuid() != 0)
                skip();
        client.secret_name = (char *)path_of(place, "secret");
        write_bytes(place, "secret", "hunter2", 7, 0600);
        assert_int_equal(chown(client.secret_name, 12345, 0), 0);
        expect_no_secret(&client, NULL, 0, CLIENT_SECRET_E_UNSAFE, "belongs to user 12345");
        expect_no_secret(&client, NULL, 12346, CLIENT_SECRET_E_UNSAFE, "belongs to user 12345");
        assert_int_equal(chown(client.secret_name, getuid(), 12345), 0);
        expect_secret(&client, NULL, "hunter2");
        assert_int_equal(chmod(client.secret_name, 0640), 0);
        expect_no_secret(&client, NULL, 0, CLIENT_SECRET_E_UNSAFE, "open to others (mode 0640)");
        assert_int_equal(chown(client.secret_name, 12345, 12345), 0);
        assert_int_equal(chmod(client.secret_name, 0600), 0);
        {
                _cleanup_(secret_freep) struct secret *secret = NULL;

                assert_int_equal(client_secret_read(&secret, &client, NULL, 12345, NULL), 0);
        }
}

static void test_what_is_no_secret_is_refused_without_a_word_of_it(void **state)
{
        struct place *place = *state;
        struct client client = { .secret_source = SECRET_FROM_FILE };
        char too_long[4098];

        client.secret_name = strdup(path_of(place, "secret"));
        expect_no_secret(&client, NULL, getuid(), CLIENT_SECRET_E_MISSING, "No such file or directory");
        write_bytes(place, "secret", "", 0, 0600);
        expect_no_secret(&client, NULL, getuid(), CLIENT_SECRET_E_MISSING, "is empty");
        write_bytes(place, "secret", "\n", 1, 0600);
        expect_no_secret(&client, NULL, getuid(), CLIENT_SECRET_E_MISSING, "is empty");
        write_bytes(place, "secret", "hunter2\n\n", 9, 0600);
        expect_no_secret(&client, NULL, getuid(), CLIENT_SECRET_E_UNUSABLE, "one line of visible ASCII");
        write_bytes(place, "secret", "hunter2\r\n", 9, 0600);
        expect_no_secret(&client, NULL, getuid(), CLIENT_SECRET_E_UNUSABLE, "one line of visible ASCII");
        write_bytes(place, "secret", "hunter2\0", 8, 0600);
        expect_no_secret(&client, NULL, getuid(), CLIENT_SECRET_E_UNUSABLE, "one line of visible ASCII");
        write_bytes(place, "secret", "hunter2\xc3\xbc", 9, 0600);
        expect_no_secret(&client, NULL, getuid(), CLIENT_SECRET_E_UNUSABLE, "one line of visible ASCII");
        memset(too_long, 'x', sizeof(too_long));
        write_bytes(place, "secret", too_long, 4097, 0600);
        expect_no_secret(&client, NULL, getuid(), CLIENT_SECRET_E_UNUSABLE, "one line of visible ASCII");
        assert_int_equal(unlink(client.secret_name), 0);
        assert_int_equal(mkfifo(client.secret_name, 0600), 0);
        expect_no_secret(&client, NULL, getuid(), CLIENT_SECRET_E_MISSING, "no regular file");
        free(client.secret_name);
}

static void test_a_secret_is_read_from_a_systemd_credential(void **state)
{
        struct place *place = *state;
        struct client client = { .secret_source = SECRET_FROM_CREDENTIAL,
                                 .secret_name = (char[]){ "app.secret" } };

        expect_no_secret(&client, NULL, getuid(), CLIENT_SECRET_E_MISSING,
                         "$CREDENTIALS_DIRECTORY is not set");
        expect_no_secret(&client, place->directory, getuid(), CLIENT_SECRET_E_MISSING,
                         "no systemd credential 'app.secret'; give it to the unit with "
                         "LoadCredentialEncrypted=app.secret");
        /* With an access control list, as systemd sets it, the group's bits show. */
        write_bytes(place, "app.secret", "hunter2\n", 8, 0440);
        expect_secret(&client, place->directory, "hunter2");
}

static void test_the_store_is_not_asked_here(void **state)
{
        struct client client = { .secret_source = SECRET_FROM_STORE };
        struct secret *secret = NULL;

        assert_int_equal(client_secret_read(&secret, &client, NULL, getuid(), NULL), -EINVAL);
        assert_null(secret);
}

static void test_secrets_are_checked_at_their_place_in_the_file(void **state)
{
        struct place *place = *state;
        struct problems problems = PROBLEMS_INIT;
        _cleanup_(config_freep) struct config *config = NULL;
        char text[1024], lines[1024], expected[1024];

        snprintf(text, sizeof(text),
                 PROVIDER "clients:\n"
                          "  a: {provider: p, client_id: x, client_secret: {file: %s/a}}\n"
                          "  b: {provider: p, client_id: x, client_secret: {file: %s/b}}\n"
                          "  c: {provider: p, client_id: x, client_secret: {credential: c}}\n"
                          "  d: {provider: p, client_id: x, client_secret: {store: true}}\n",
                 place->directory, place->directory);
        write_file(place, "purser.yaml", text);
        write_bytes(place, "a", "hunter2", 7, 0644);
        write_bytes(place, "b", "hunter2", 7, 0600);
        config = load_well(place);
        assert_int_equal(config_check_secrets(config, NULL, getuid(), &problems), CONFIG_E_MISTAKES);
        tell(place, &problems, lines, sizeof(lines));
        snprintf(expected, sizeof(expected),
                 "purser.yaml:3:49: clients.a.client_secret: the client secret's file %s/a is open to others "
                 "(mode 0644): "
                 "chmod 600 it, and replace the secret at the provider if others were here\n",
                 place->directory);
        assert_string_equal(lines, expected);
        assert_int_equal(chmod(path_of(place, "a"), 0600), 0);
        assert_int_equal(config_check_secrets(config, NULL, getuid(), &problems), 0);
        assert_int_equal(config_check_secrets(config, place->directory, getuid(), &problems),
                         CONFIG_E_MISTAKES);
        tell(place, &problems, lines, sizeof(lines));
        assert_string_equal(lines, "purser.yaml:5:49: clients.c.client_secret: there is no systemd "
                                   "credential 'c'; give it to the "
                                   "unit with LoadCredentialEncrypted=c\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_an_empty_configuration_has_every_default),
                TEST(test_clients_and_credentials_are_read),
                TEST(test_commands_of_all_files_are_told_of_events),
                TEST(test_a_program_must_be_there_and_nobody_elses),
                TEST(test_a_file_of_conf_d_adds_to_what_came_before_it),
                TEST(test_what_two_files_define_is_a_mistake),
                TEST(test_a_client_may_be_whole_only_with_all_its_parts),
                TEST(test_providers_cover_those_before_them),
                TEST(test_the_shipped_configuration_loads_and_so_do_its_comments),
                TEST(test_jobber_is_written_down),
                TEST(test_every_mistake_has_its_line),
                TEST(test_all_mistakes_of_all_files_are_one_report),
                TEST(test_a_file_that_is_no_yaml_does_not_make_references_into_it_mistakes),
                TEST(test_files_that_cannot_be_read_are_mistakes),
                TEST(test_a_name_without_a_directory_has_its_conf_d_beside_it),
                cmocka_unit_test(test_names_are_short_and_plain),
                TEST(test_a_secret_is_read_from_a_file_less_one_newline),
                TEST(test_a_link_leads_to_the_file_that_counts),
                TEST(test_a_secret_that_others_can_reach_is_refused),
                TEST(test_a_secret_of_another_user_or_group_is_refused),
                TEST(test_what_is_no_secret_is_refused_without_a_word_of_it),
                TEST(test_a_secret_is_read_from_a_systemd_credential),
                TEST(test_the_store_is_not_asked_here),
                TEST(test_secrets_are_checked_at_their_place_in_the_file),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
