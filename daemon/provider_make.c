/* Owns the memory of a provider, its defaults, and what an extension inherits: everything but the name. */
#include "daemon/provider_make.h"

#include "daemon/provider_rules.h"

#include <errno.h>
#include <string.h>

#define FIELD(name) offsetof(struct provider, name)

struct parameter *provider_find_parameter(struct provider *provider, const char *name)
{
        for (size_t i = 0; i < provider->n_authorization_parameters; i++)
                if (strcmp(provider->authorization_parameters[i].name, name) == 0)
                        return &provider->authorization_parameters[i];
        return NULL;
}

int provider_add_parameter(struct provider *provider, const char *name, const char *value)
{
        size_t n = provider->n_authorization_parameters;
        _cleanup_(freep) char *name_copy = strdup(name), *value_copy = strdup(value);
        struct parameter *parameters;

        if (!name_copy || !value_copy)
                return fault(-ENOMEM);
        parameters = reallocarray(provider->authorization_parameters, n + 1, sizeof(*parameters));
        if (!parameters)
                return fault(-ENOMEM);
        provider->authorization_parameters = parameters;
        parameters[n].name = take_ptr(name_copy);
        parameters[n].value = take_ptr(value_copy);
        provider->n_authorization_parameters++;
        return 0;
}

void provider_drop_parameter(struct provider *provider, struct parameter *parameter)
{
        struct parameter *last = &provider->authorization_parameters[--provider->n_authorization_parameters];

        free(parameter->name);
        free(parameter->value);
        *parameter = *last;
}

/* Every text of a provider beside its name, for copying and freeing. */
static const size_t texts[] = {
        FIELD(issuer),
        FIELD(authorization_endpoint),
        FIELD(token_endpoint),
        FIELD(revocation_endpoint),
        FIELD(ca_file),
        FIELD(api.url),
        FIELD(api.version_header),
        FIELD(api.default_version),
        FIELD(api.test_query),
        FIELD(api.test_url),
        FIELD(api.account_id),
        FIELD(api.account_name),
        FIELD(api.served_version),
        FIELD(api.version_warning),
        FIELD(api.served_version_header),
        FIELD(revocation_mutation),
        FIELD(revocation_error),
        FIELD(webhook.header),
        FIELD(webhook.prefix),
        FIELD(webhook.signature_element),
        FIELD(webhook.timestamp_element),
        FIELD(webhook.timestamp_separator),
        FIELD(webhook.disconnect_pointer),
        FIELD(webhook.disconnect_value),
        FIELD(webhook.occurred_at),
        FIELD(webhook.account_id),
};

enum { N_TEXTS = sizeof(texts) / sizeof(texts[0]) };

static char **text_field(struct provider *provider, size_t i)
{
        return (void *)((char *)provider + texts[i]);
}

static const char *text_of(const struct provider *provider, size_t i)
{
        return *(char *const *)(const void *)((const char *)provider + texts[i]);
}

struct provider *provider_free(struct provider *provider)
{
        if (!provider)
                return NULL;
        for (size_t i = 0; i < N_TEXTS; i++)
                free(*text_field(provider, i));
        for (size_t i = 0; i < provider->n_authorization_parameters; i++) {
                free(provider->authorization_parameters[i].name);
                free(provider->authorization_parameters[i].value);
        }
        free(provider->authorization_parameters);
        answer_rules_free(provider->token_rules, provider->n_token_rules);
        answer_rules_free(provider->api_rules, provider->n_api_rules);
        free(provider->name);
        free(provider);
        return NULL;
}

/* token_endpoint_auth_method as in RFC 8414 section 2; PKCE as in RFC 9700 section 2.1.1. */
int provider_new(struct provider **ret, const char *name)
{
        _cleanup_(provider_freep) struct provider *provider = calloc(1, sizeof(*provider));

        if (!provider)
                return fault(-ENOMEM);
        provider->name = strdup(name);
        if (!provider->name)
                return fault(-ENOMEM);
        provider->auth_method = AUTH_METHOD_BASIC;
        provider->pkce = true;
        provider->scope_in_url = true;
        provider->max_replays = PROVIDER_MAX_REPLAYS;
        provider->revocation = REVOCATION_RFC7009;
        *ret = take_ptr(provider);
        return 0;
}

static int copy_texts(struct provider *provider, const struct provider *base)
{
        for (size_t i = 0; i < N_TEXTS; i++) {
                const char *text = text_of(base, i);

                if (!text)
                        continue;
                *text_field(provider, i) = strdup(text);
                if (!*text_field(provider, i))
                        return fault(-ENOMEM);
        }
        return 0;
}

static int copy_lists(struct provider *provider, const struct provider *base)
{
        int r = 0;

        for (size_t i = 0; i < base->n_authorization_parameters && r == 0; i++)
                r = provider_add_parameter(provider, base->authorization_parameters[i].name,
                                           base->authorization_parameters[i].value);
        if (r == 0)
                r = answer_rules_copy(&provider->token_rules, &provider->n_token_rules, base->token_rules,
                                      base->n_token_rules);
        if (r == 0)
                r = answer_rules_copy(&provider->api_rules, &provider->n_api_rules, base->api_rules,
                                      base->n_api_rules);
        return r;
}

int provider_inherit(struct provider *provider, const struct provider *base)
{
        int r;

        provider->auth_method = base->auth_method;
        provider->pkce = base->pkce;
        provider->scope_in_url = base->scope_in_url;
        provider->default_token_lifetime_usec = base->default_token_lifetime_usec;
        provider->max_replays = base->max_replays;
        provider->revocation = base->revocation;
        provider->revocation_ends_account = base->revocation_ends_account;
        provider->webhook.algorithm = base->webhook.algorithm;
        provider->webhook.encoding = base->webhook.encoding;
        provider->webhook.tolerance_usec = base->webhook.tolerance_usec;
        r = copy_texts(provider, base);
        return r < 0 ? r : copy_lists(provider, base);
}

static void forget(char **text)
{
        free(*text);
        *text = NULL;
}

void provider_forget_endpoints(struct provider *provider)
{
        forget(&provider->authorization_endpoint);
        forget(&provider->token_endpoint);
        forget(&provider->revocation_endpoint);
}
