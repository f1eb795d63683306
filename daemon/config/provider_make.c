/* Owns the memory of a provider, its defaults, and what an extension inherits: everything but the name. */
#include "daemon/config/provider_make.h"

#include "daemon/config/provider_rules.h"

#include <errno.h>
#include <string.h>

#define FIELD(name) offsetof(struct provider, name)

struct parameter *parameters_find(struct parameter_list *parameters, const char *name)
{
        for (size_t i = 0; i < parameters->n; i++)
                if (strcmp(parameters->items[i].name, name) == 0)
                        return &parameters->items[i];
        return NULL;
}

int parameters_add(struct parameter_list *parameters, const char *name, const char *value)
{
        _cleanup_(freep) char *name_copy = strdup(name), *value_copy = strdup(value);
        struct parameter *items;

        if (!name_copy || !value_copy)
                return fault(-ENOMEM);
        items = reallocarray(parameters->items, parameters->n + 1, sizeof(*items));
        if (!items)
                return fault(-ENOMEM);
        parameters->items = items;
        items[parameters->n].name = take_ptr(name_copy);
        items[parameters->n].value = take_ptr(value_copy);
        parameters->n++;
        return 0;
}

void parameters_drop(struct parameter_list *parameters, struct parameter *parameter)
{
        struct parameter *last = &parameters->items[--parameters->n];

        free(parameter->name);
        free(parameter->value);
        *parameter = *last;
}

static void parameters_done(struct parameter_list *parameters)
{
        while (parameters->n > 0)
                parameters_drop(parameters, &parameters->items[0]);
        free(parameters->items);
}

static int parameters_copy(struct parameter_list *parameters, const struct parameter_list *from)
{
        int r = 0;

        for (size_t i = 0; i < from->n && r == 0; i++)
                r = parameters_add(parameters, from->items[i].name, from->items[i].value);
        return r;
}

/* Every list of parameters. */
static const size_t lists[] = { FIELD(authorization_parameters),
                                FIELD(token_parameters),
                                FIELD(token_headers),
                                FIELD(variables),
                                FIELD(revocation_request.parameters),
                                FIELD(revocation_request.headers) };

enum { N_LISTS = sizeof(lists) / sizeof(lists[0]) };

static struct parameter_list *list_field(struct provider *provider, size_t i)
{
        return (void *)((char *)provider + lists[i]);
}

static const struct parameter_list *list_of(const struct provider *provider, size_t i)
{
        return (const void *)((const char *)provider + lists[i]);
}

/* Every text of a provider beside its name, for copying and freeing. */
static const size_t texts[] = {
        FIELD(issuer),
        FIELD(authorization_endpoint),
        FIELD(token_endpoint),
        FIELD(revocation_endpoint),
        FIELD(device_authorization_endpoint),
        FIELD(pushed_authorization_request_endpoint),
        FIELD(ca_file),
        FIELD(api.url),
        FIELD(api.token_header),
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
        FIELD(revocation_request.url),
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
        for (size_t i = 0; i < N_LISTS; i++)
                parameters_done(list_field(provider, i));
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

        for (size_t i = 0; i < N_LISTS && r == 0; i++)
                r = parameters_copy(list_field(provider, i), list_of(base, i));
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

        provider->must_push = base->must_push;
        provider->auth_method = base->auth_method;
        provider->assertion_audience = base->assertion_audience;
        provider->pkce = base->pkce;
        provider->scope_in_url = base->scope_in_url;
        provider->default_token_lifetime_usec = base->default_token_lifetime_usec;
        provider->max_replays = base->max_replays;
        provider->json_requests = base->json_requests;
        provider->grant_types = base->grant_types;
        provider->rotation = base->rotation;
        provider->revocation = base->revocation;
        provider->revocation_request.method = base->revocation_request.method;
        provider->revocation_request.authentication = base->revocation_request.authentication;
        provider->revocation_request.json = base->revocation_request.json;
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
        forget(&provider->device_authorization_endpoint);
        forget(&provider->pushed_authorization_request_endpoint);
        provider->must_push = false;
}
