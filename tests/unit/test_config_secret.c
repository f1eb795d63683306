// links: daemon/config/
// libs: yaml-0.1 libsodium
/* Client secrets: where they are read from, and who else may reach them there. */
#include "tests/beds/config_place.h"
#include "tests/beds/signing_keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- secrets ---- */

static void expect_secret(struct client *client, const char *directory, const char *expected)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct diag diag = DIAG_INIT;

        if (client_secret_read(&secret, client, CLIENT_SECRET, directory, getuid(), &diag) != 0)
                fail_msg("%s", diag.text);
        assert_int_equal(secret_size(secret), strlen(expected));
        assert_string_equal(secret_expose(secret), expected);
}

static void expect_no_secret(struct client *client, const char *directory, unsigned own_uid, int outcome,
                             const char *words)
{
        struct secret *secret = NULL;
        struct diag diag = DIAG_INIT;

        assert_int_equal(client_secret_read(&secret, client, CLIENT_SECRET, directory, own_uid, &diag),
                         outcome);
        assert_null(secret);
        if (!strstr(diag.text, words))
                fail_msg("\"%s\" does not say \"%s\"", diag.text, words);
        assert_null(strstr(diag.text, "hunter2"));
}

static void test_a_secret_is_read_from_a_file_less_one_newline(void **state)
{
        struct place *place = *state;
        struct client client = { .secret.source = SECRET_FROM_FILE };
        char longest[4098];

        client.secret.name = (char *)path_of(place, "secret");
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
        assert_int_equal(chown(client.secret.name, (uid_t)-1, getegid()), 0);
        expect_secret(&client, NULL, "hunter2");
}

static void test_a_link_leads_to_the_file_that_counts(void **state)
{
        struct place *place = *state;
        char link[128];
        struct client client = { .secret.source = SECRET_FROM_FILE, .secret.name = link };

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
        struct client client = { .secret.source = SECRET_FROM_FILE };

        client.secret.name = (char *)path_of(place, "secret");
        for (size_t i = 0; i < N(modes); i++) {
                write_bytes(place, "secret", "hunter2", 7, modes[i]);
                expect_no_secret(&client, NULL, getuid(), CLIENT_SECRET_E_UNSAFE, client.secret.name);
        }
}

/* Only root can give files away. */
static void test_a_secret_of_another_user_or_group_is_refused(void **state)
{
        struct place *place = *state;
        struct client client = { .secret.source = SECRET_FROM_FILE };

        if (getuid() != 0)
                skip();
        client.secret.name = (char *)path_of(place, "secret");
        write_bytes(place, "secret", "hunter2", 7, 0600);
        assert_int_equal(chown(client.secret.name, 12345, 0), 0);
        expect_no_secret(&client, NULL, 0, CLIENT_SECRET_E_UNSAFE, "belongs to user 12345");
        expect_no_secret(&client, NULL, 12346, CLIENT_SECRET_E_UNSAFE, "belongs to user 12345");
        assert_int_equal(chown(client.secret.name, getuid(), 12345), 0);
        expect_secret(&client, NULL, "hunter2");
        assert_int_equal(chmod(client.secret.name, 0640), 0);
        expect_no_secret(&client, NULL, 0, CLIENT_SECRET_E_UNSAFE, "open to others (mode 0640)");
        assert_int_equal(chown(client.secret.name, 12345, 12345), 0);
        assert_int_equal(chmod(client.secret.name, 0600), 0);
        {
                _cleanup_(secret_freep) struct secret *secret = NULL;

                assert_int_equal(client_secret_read(&secret, &client, CLIENT_SECRET, NULL, 12345, NULL), 0);
        }
}

static void test_what_is_no_secret_is_refused_without_a_word_of_it(void **state)
{
        struct place *place = *state;
        struct client client = { .secret.source = SECRET_FROM_FILE };
        char too_long[4098];

        client.secret.name = strdup(path_of(place, "secret"));
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
        assert_int_equal(unlink(client.secret.name), 0);
        assert_int_equal(mkfifo(client.secret.name, 0600), 0);
        expect_no_secret(&client, NULL, getuid(), CLIENT_SECRET_E_MISSING, "no regular file");
        free(client.secret.name);
}

static void test_a_secret_is_read_from_a_systemd_credential(void **state)
{
        struct place *place = *state;
        struct client client = { .secret.source = SECRET_FROM_CREDENTIAL,
                                 .secret.name = (char[]){ "app.secret" } };

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
        struct client client = { .secret.source = SECRET_FROM_STORE };
        struct secret *secret = NULL;

        assert_int_equal(client_secret_read(&secret, &client, CLIENT_SECRET, NULL, getuid(), NULL), -EINVAL);
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

/* ---- keys ---- */

static void test_a_key_that_others_can_reach_or_that_cannot_sign_is_a_mistake(void **state)
{
        struct place *place = *state;
        struct problems problems = PROBLEMS_INIT;
        _cleanup_(config_freep) struct config *config = NULL;
        char text[1024], lines[2048], expected[2048];

        snprintf(text, sizeof(text),
                 "providers: {p: {" ENDPOINTS ", token_endpoint_auth_method: private_key_jwt}}\n"
                 "clients:\n"
                 "  a: {provider: p, client_id: x, client_key: {file: %s/a}}\n"
                 "  b: {provider: p, client_id: x, client_key: {file: %s/b}}\n"
                 "  c: {provider: p, client_id: x, client_key: {file: %s/b}, "
                 "token_endpoint_auth_signing_alg: RS256}\n"
                 "  d: {provider: p, client_id: x, client_key: {file: %s/d}}\n",
                 place->directory, place->directory, place->directory, place->directory);
        write_file(place, "purser.yaml", text);
        write_bytes(place, "a", key_p256, strlen(key_p256), 0644);
        write_bytes(place, "b", key_p256, strlen(key_p256), 0600);
        write_bytes(place, "d", key_rsa_1024, strlen(key_rsa_1024), 0600);
        config = load_well(place);
        assert_int_equal(config_check_secrets(config, NULL, getuid(), &problems), CONFIG_E_MISTAKES);
        tell(place, &problems, lines, sizeof(lines));
        snprintf(expected, sizeof(expected),
                 "purser.yaml:3:46: clients.a.client_key: the client key's file %s/a is open to others (mode "
                 "0644): chmod "
                 "600 it, and replace the key at the provider if others were here\n"
                 "purser.yaml:5:46: clients.c.client_key: the key is an EC key of P-256, which makes no "
                 "signatures of "
                 "RS256\n"
                 "purser.yaml:6:46: clients.d.client_key: the key is an RSA key of 1024 bits: make one of "
                 "2048 to 8192\n",
                 place->directory);
        assert_string_equal(lines, expected);
}

static void test_a_key_is_read_as_it_stands(void **state)
{
        struct place *place = *state;
        struct client client = { .key.source = SECRET_FROM_FILE };
        _cleanup_(secret_freep) struct secret *secret = NULL, *none = NULL;
        struct diag diag = DIAG_INIT;
        char longest[16386];

        client.key.name = (char *)path_of(place, "key");
        write_bytes(place, "key", key_ed25519, strlen(key_ed25519), 0600);
        assert_int_equal(client_secret_read(&secret, &client, CLIENT_KEY, NULL, getuid(), &diag), 0);
        assert_string_equal(secret_expose(secret), key_ed25519);
        memset(longest, 'x', sizeof(longest));
        write_bytes(place, "key", longest, 16385, 0600);
        assert_int_equal(client_secret_read(&none, &client, CLIENT_KEY, NULL, getuid(), &diag),
                         CLIENT_SECRET_E_UNUSABLE);
        assert_non_null(strstr(diag.text, "must hold the key alone: a private key in PEM"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_secret_is_read_from_a_file_less_one_newline),
                TEST(test_a_link_leads_to_the_file_that_counts),
                TEST(test_a_secret_that_others_can_reach_is_refused),
                TEST(test_a_secret_of_another_user_or_group_is_refused),
                TEST(test_what_is_no_secret_is_refused_without_a_word_of_it),
                TEST(test_a_secret_is_read_from_a_systemd_credential),
                TEST(test_the_store_is_not_asked_here),
                TEST(test_secrets_are_checked_at_their_place_in_the_file),
                TEST(test_a_key_that_others_can_reach_or_that_cannot_sign_is_a_mistake),
                TEST(test_a_key_is_read_as_it_stands),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
