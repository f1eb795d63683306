/* io.purser.Tokens: ListProviders, what is peculiar to each provider. */
#include "daemon/method/method_internal.h"

#include <errno.h>

static json_t *grant_types(unsigned types)
{
        static const char *const names[] = { "authorization_code", "refresh_token", "client_credentials",
                                             "urn:ietf:params:oauth:grant-type:device_code" };
        _cleanup_(json_decrefp) json_t *array = json_array();

        for (size_t i = 0; array && i < sizeof(names) / sizeof(names[0]); i++)
                if (types & 1U << i && json_array_append_new(array, json_string(names[i])) < 0)
                        return NULL;
        return take_ptr(array);
}

/* What is not told is what RFC 8414 section 2 takes for granted, less the implicit grant, and with refresh tokens. */
static unsigned grant_types_of(const struct provider *provider)
{
        unsigned types = provider->grant_types ? provider->grant_types
                                               : GRANT_TYPE_AUTHORIZATION_CODE | GRANT_TYPE_REFRESH_TOKEN;

        return provider->device_authorization_endpoint ? types | GRANT_TYPE_DEVICE_CODE : types;
}

static const char *revocation_of(const struct provider *provider)
{
        bool discovered = provider->issuer, has_endpoint = provider->revocation_endpoint;

        if (provider->revocation == REVOCATION_RFC7009 && !has_endpoint && !discovered)
                return revocation_name(REVOCATION_NONE);
        return revocation_name(provider->revocation);
}

/* Tokens.Provider. */
static json_t *describe(const struct provider *provider)
{
        uint64_t lifetime = provider->default_token_lifetime_usec / USEC_PER_SEC;
        char variable[64];
        bool is_template = provider_find_missing_variable(provider, variable, sizeof(variable));

        return json_pack(
                "{s:s, s:s*, s:s*, s:s*, s:s*, s:s*, s:o, s:s*, s:I, s:I, s:s, s:s, s:s, s:b, s:s, s:b, s:b}",
                "name", provider->name, "api_url", provider->api.url, "version_header",
                provider->api.version_header, "default_version", provider->api.default_version,
                "token_header", provider->api.token_header, "variable", is_template ? variable : NULL,
                "grant_types", grant_types(grant_types_of(provider)), "refresh_token_rotation",
                rotation_name(provider->rotation), "default_token_lifetime_seconds",
                (json_int_t)(lifetime ? lifetime : 3600), "max_replays", (json_int_t)provider->max_replays,
                "token_endpoint_auth_method", auth_method_name(provider->auth_method), "token_request_format",
                provider->json_requests ? "json" : "form", "code_challenge_method",
                provider->pkce ? "S256" : "off", "scope_in_url", provider->scope_in_url, "revocation",
                revocation_of(provider), "webhooks_signed", provider->webhook.header != NULL, "tested",
                api_has_test(provider));
}

/* Facts that everybody may read in their files. */
int method_list_providers(struct service *service, struct call *call)
{
        _cleanup_(json_decrefp) json_t *array = json_array();
        const struct config *config;

        if (service->parts.settle)
                service->parts.settle(service->parts.settle_userdata);
        config = service->parts.context->config;
        for (size_t i = 0; array && i < config->n_providers; i++)
                if (json_array_append_new(array, describe(config->providers[i])) < 0)
                        return fault(-ENOMEM);
        return reply_values(call, json_pack("{s:O}", "providers", array));
}
