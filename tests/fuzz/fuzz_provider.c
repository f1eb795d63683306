// links: daemon/config/
// libs: yaml-0.1
/*
 * Any YAML as a provider file. One that passes is fit to be asked, and still passes when it extends itself.
 */
#include "daemon/config/provider.h"

#include "tests/fuzz/fuzz.h"

static void check_url(const char *url)
{
        fuzz_check(!url || url_is_acceptable(url));
}

static void check_provider(const struct provider *provider)
{
        fuzz_check(!provider->has_mistakes);
        fuzz_check(provider->issuer || provider_has_endpoints(provider));
        check_url(provider->issuer);
        check_url(provider->authorization_endpoint);
        check_url(provider->token_endpoint);
        check_url(provider->revocation_endpoint);
        check_url(provider->api.url);
        check_url(provider->api.test_url);
        fuzz_check(!provider->api.default_version || api_version_is_valid(provider->api.default_version));
        fuzz_check(!provider->api.default_version || provider->api.version_header);
        fuzz_check(provider->revocation != REVOCATION_GRAPHQL || provider->revocation_mutation);
        fuzz_check(provider->max_replays <= 5);
        for (size_t i = 0; i < provider->n_token_rules; i++)
                fuzz_check(provider->token_rules[i].meaning != MEANING_NONE);
        for (size_t i = 0; i < provider->n_api_rules; i++)
                fuzz_check(provider->api_rules[i].meaning != MEANING_NONE);
}

static void check_extension(const struct provider *base, const struct yaml_node *node,
                            struct problems *problems)
{
        struct provider *provider = NULL;

        fuzz_check(provider_read(&provider, "again", base, "f", "providers.again", node, problems) == 0);
        check_provider(provider);
        fuzz_check(provider->n_token_rules == base->n_token_rules);
        fuzz_check(provider->authorization_parameters.n == base->authorization_parameters.n);
        provider_free(provider);
}

static void fuzz_node(const struct yaml_node *node, struct problems *problems)
{
        struct provider *provider = NULL;
        int r = provider_read(&provider, "p", NULL, "f", "", node, problems);

        fuzz_check(r >= 0 && provider);
        fuzz_check((r == PROVIDER_E_MISTAKES) == (problems_count(problems) > 0));
        if (r == 0) {
                check_provider(provider);
                check_extension(provider, node, problems);
        }
        provider_free(provider);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
        struct problems problems = PROBLEMS_INIT;
        struct yaml_node *node = NULL;

        if (yaml_doc_parse(&node, "f", (const char *)data, n, &problems) == 0 && node)
                fuzz_node(node, &problems);
        for (size_t i = 0; i < problems.n; i++)
                fuzz_check_line(problems.lines[i], strlen(problems.lines[i]) + 1);
        yaml_node_free(node);
        problems_done(&problems);
        return 0;
}
