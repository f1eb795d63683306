// links: daemon/config/
// libs: yaml-0.1 libsodium
/* Mistakes in a configuration: all of them are told, each with its line. */
#include "tests/beds/config_place.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- mistakes ---- */

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
                  "client_secret, client_key, client_key_id, token_endpoint_auth_signing_alg, grant_type, "
                  "redirect_uri, "
                  "api_version, scopes, allow\n" },
                { CLIENT "    clientSecret: hunter2\n",
                  "purser.yaml:6:5: clients.app.clientSecret: unknown key; did you mean 'client_secret'?\n"
                  "purser.yaml:4:5: clients.app.client_secret: is missing: it needs one of " THREE_WAYS
                  "\n" },
#define BY_KEY "providers: {p: {" ENDPOINTS ", token_endpoint_auth_method: private_key_jwt}}\n"
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
                /* keys */
                { BY_KEY "clients: {a: {provider: p, client_id: x}}\n",
                  "purser.yaml:2:14: clients.a.client_key: is missing, but the provider's "
                  "token_endpoint_auth_method "
                  "is private_key_jwt: it needs one of " THREE_WAYS "\n" },
                { BY_KEY "clients: {a: {provider: p, client_id: x, client_key: hunter2}}\n",
                  "purser.yaml:2:54: clients.a.client_key: a client key is not written inline; say where it "
                  "is kept: " THREE_WAYS "\n" },
                { BY_KEY "clients: {a: {provider: p, client_id: x, client_key: {hunter2: , hunter2: }}}\n",
                  "purser.yaml:2:66: clients.a.client_key: duplicate key; it is already in line 2\n"
                  "purser.yaml:2:55: clients.a.client_key: unknown key; known here: credential, file, "
                  "store\n" },
                { BY_KEY "clients: {a: {provider: p, client_id: x, client_key: {store: true}, client_secret: "
                         "{store: true}}}\n",
                  "purser.yaml:2:54: clients.a.client_key: is in the store, as client_secret is: only one of "
                  "the two can "
                  "be\n" },
                { BY_KEY "clients: {a: {provider: p, client_id: x, client_key: {store: true}, client_key_id: "
                         "\"\u00e9\"}}\n",
                  "purser.yaml:2:84: clients.a.client_key_id: must be visible ASCII, at most 255 "
                  "characters\n" },
                { BY_KEY "clients: {a: {provider: p, client_id: x, client_key: {store: true}, "
                         "token_endpoint_auth_signing_alg: HS256}}\n",
                  "purser.yaml:2:102: clients.a.token_endpoint_auth_signing_alg: must be one of: RS256, "
                  "PS256, ES256, "
                  "EdDSA\n" },
                { WHOLE "    client_key: {file: /k}\n", "purser.yaml:7:17: clients.app.client_key: is of no "
                                                        "use: the provider's token_endpoint_auth_method is "
                                                        "client_secret_basic, and not private_key_jwt\n" },
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

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_every_mistake_has_its_line),
                TEST(test_all_mistakes_of_all_files_are_one_report),
                TEST(test_a_file_that_is_no_yaml_does_not_make_references_into_it_mistakes),
                TEST(test_files_that_cannot_be_read_are_mistakes),
                TEST(test_a_name_without_a_directory_has_its_conf_d_beside_it),
                cmocka_unit_test(test_names_are_short_and_plain),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
