// links: daemon/config/
// libs: yaml-0.1 libsodium
#include "tests/beds/config_place.h"

#include "common/clock.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
        assert_int_equal(app->secret.source, SECRET_FROM_FILE);
        assert_string_equal(app->secret.name, "/etc/purser/secrets/app");
        assert_int_equal(app->secret.place.line, 7);
        assert_int_equal(app->secret.place.column, 7);
        assert_string_equal(app->secret.place.file, config->file);
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
        assert_int_equal(config_find_client(config, "z-app")->secret.source, SECRET_FROM_CREDENTIAL);
        assert_string_equal(config_find_client(config, "z-app")->secret.name, "z-app.secret");
        assert_string_equal(config_find_client(config, "z-app")->api_version, "2023-08-18");
        assert_false(config_find_client(config, "z-app")->allow.given);
        assert_int_equal(config_find_client(config, "kept")->secret.source, SECRET_FROM_STORE);
        assert_null(config_find_client(config, "kept")->secret.name);
        assert_true(config_find_client(config, "kept")->allow.given);
        assert_int_equal(config_find_client(config, "kept")->allow.n, 0);
        open = config_find_client(config, "open");
        assert_int_equal(open->secret.source, SECRET_NONE);
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
        assert_int_equal(app->secret.source, SECRET_FROM_STORE);
        assert_null(app->secret.name);
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
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
