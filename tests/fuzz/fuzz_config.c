// links: daemon/config/
// libs: yaml-0.1
/*
 * Any bytes as purser.yaml. A configuration that passes is whole: every reference leads somewhere, every
 * number is in its range.
 */
#include "daemon/config/config.h"

#include "common/clock.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>

static void check_allow(const struct allow_list *list)
{
        fuzz_check(list->given || list->n == 0);
        for (size_t i = 0; i < list->n; i++)
                fuzz_check(list->rules[i].name);
}

static void check_secret(const struct secret_config *secret)
{
        fuzz_check(!secret->name == (secret->source == SECRET_FROM_STORE || secret->source == SECRET_NONE));
}

static void check_client(const struct config *config, const struct client *client)
{
        fuzz_check(name_is_valid(client->name) && client->client_id);
        fuzz_check(config_find_client(config, client->name) == client);
        fuzz_check(client->provider == config_find_provider(config, client->provider->name));
        fuzz_check(!client->redirect_uri || url_is_redirect(client->redirect_uri));
        fuzz_check(!client->api_version || client->provider->api.version_header);
        fuzz_check(client->secret.source != SECRET_NONE ||
                   client->provider->auth_method == AUTH_METHOD_NONE ||
                   client->provider->auth_method == AUTH_METHOD_PRIVATE_KEY_JWT);
        fuzz_check((client->key.source != SECRET_NONE) ==
                   (client->provider->auth_method == AUTH_METHOD_PRIVATE_KEY_JWT));
        check_secret(&client->secret);
        check_secret(&client->key);
        for (size_t i = 0; i < client->n_scopes; i++)
                fuzz_check(*client->scopes[i]);
        check_allow(&client->allow);
}

static void check_config(const struct config *config)
{
        const struct refresh_config *refresh = &config->refresh;

        for (size_t i = 0; i < config->n_providers; i++)
                fuzz_check(name_is_valid(config->providers[i]->name) && !config->providers[i]->has_mistakes);
        for (size_t i = 0; i < config->n_clients; i++)
                check_client(config, config->clients[i]);
        for (size_t i = 0; i < config->n_credentials; i++) {
                const struct credential_config *credential = config->credentials[i];

                fuzz_check(config_find_credential(config, credential->name) == credential);
                fuzz_check(config_find_client(config, credential->client));
                check_allow(&credential->allow);
        }
        fuzz_check(refresh->before_is_share ? refresh->before_share >= 1 && refresh->before_share <= 99
                                            : refresh->before_usec >= USEC_PER_SEC);
        fuzz_check(refresh->timeout_usec >= USEC_PER_SEC && refresh->timeout_usec <= 600 * USEC_PER_SEC);
        fuzz_check(refresh->parallel >= 1 && refresh->parallel <= 256);
        check_allow(&config->admins);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
        struct problems problems = PROBLEMS_INIT;
        struct config *config = NULL;
        int fd = memfd_create("purser.yaml", MFD_CLOEXEC), r;
        char file[32];

        fuzz_check(fd >= 0 && write(fd, data, n) == (ssize_t)n);
        snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
        r = config_load(&config, file, NULL, 0, &problems);
        fuzz_check(r >= 0 && (r == 0) == (config != NULL) && (r == 0) == (problems.n == 0));
        if (config)
                check_config(config);
        for (size_t i = 0; i < problems.n; i++)
                fuzz_check_line(problems.lines[i], strlen(problems.lines[i]) + 1);
        config_free(config);
        problems_done(&problems);
        close(fd);
        return 0;
}
