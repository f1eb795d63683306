/* The schema of a provider, as tables, and what its keys demand of one another. Knows no provider by name. */
#include "daemon/config/provider.h"

#include "daemon/config/provider_make.h"
#include "daemon/config/provider_rules.h"
#include "daemon/config/yaml_read.h"

#include <string.h>

enum { VERSION_LENGTH_MAX = 63 };

/* ---- what a value must be ---- */

/* RFC 8414 section 2: an issuer has neither query nor fragment. */
static bool is_issuer(const char *text)
{
        return is_url_template(text) && !strchr(text, '?');
}

static bool is_absolute_path(const char *text)
{
        return text[0] == '/';
}

bool api_version_is_valid(const char *version)
{
        size_t n = strlen(version);

        if (n == 0 || n > VERSION_LENGTH_MAX || version[0] == ' ' || version[n - 1] == ' ')
                return false;
        for (size_t i = 0; i < n; i++)
                if (version[i] < 0x20 || version[i] > 0x7e)
                        return false;
        return true;
}

#define URL_MUST "must be an https URL without user or fragment (http only to a loopback address)"

static const struct yaml_text_rule url = { is_url_template, URL_MUST };
static const struct yaml_text_rule issuer_url = { is_issuer,
                                                  URL_MUST ", and without query (RFC 8414 section 2)" };
static const struct yaml_text_rule path = { is_absolute_path, "must be an absolute path" };
static const struct yaml_text_rule header = {
        is_http_token, "must be the name of an HTTP header (a token, RFC 9110 section 5.6.2)"
};
static const struct yaml_text_rule version_header = {
        is_free_header,
        "must be the name of an HTTP header (a token, RFC 9110 section 5.6.2) that nothing else uses"
};
static const struct yaml_text_rule version = { api_version_is_valid, API_VERSION_MUST };
static const struct yaml_text_rule pointer = { json_pointer_is_valid,
                                               "must be a JSON pointer, like /data/account/id (RFC 6901)" };
static const struct yaml_range replays = { 0, PROVIDER_MAX_REPLAYS, "must be a number from 0 to 5" };
static const struct yaml_range lifetimes = { 1, 10 * 365 * 86400,
                                             "must be a duration, like 60m; at least 1s" };

static const struct yaml_word auth_methods[] = {
        { "client_secret_post", AUTH_METHOD_POST },
        { "client_secret_basic", AUTH_METHOD_BASIC },
        { "private_key_jwt", AUTH_METHOD_PRIVATE_KEY_JWT },
        { "none", AUTH_METHOD_NONE },
        { NULL, 0 },
};
static const struct yaml_word audiences[] = { { "issuer", AUDIENCE_ISSUER },
                                              { "token_endpoint", AUDIENCE_TOKEN_ENDPOINT },
                                              { NULL, 0 } };
static const struct yaml_word challenge_methods[] = { { "S256", true }, { "off", false }, { NULL, 0 } };
static const struct yaml_word revocations[] = { { "none", REVOCATION_NONE },
                                                { "rfc7009", REVOCATION_RFC7009 },
                                                { "graphql", REVOCATION_GRAPHQL },
                                                { "request", REVOCATION_REQUEST },
                                                { NULL, 0 } };
static const struct yaml_range tolerances = { 1, 86400, "must be a duration, like 5m; 1s to 1d" };
static const struct yaml_word algorithms[] = { { "hmac-sha256", WEBHOOK_HMAC_SHA256 },
                                               { "hmac-sha512", WEBHOOK_HMAC_SHA512 },
                                               { NULL, 0 } };
static const struct yaml_word rotations[] = { { "always", ROTATION_ALWAYS },
                                              { "never", ROTATION_NEVER },
                                              { "optional", ROTATION_OPTIONAL },
                                              { NULL, 0 } };
static const struct yaml_word formats[] = { { "form", false }, { "json", true }, { NULL, 0 } };
static const struct yaml_word request_methods[] = {
        { "POST", REQUEST_POST }, { "GET", REQUEST_GET }, { "DELETE", REQUEST_DELETE }, { NULL, 0 }
};
static const struct yaml_word authentications[] = { { "client", REVOCATION_BY_CLIENT },
                                                    { "client_secret_basic", REVOCATION_BY_BASIC },
                                                    { "token", REVOCATION_BY_TOKEN },
                                                    { "none", REVOCATION_BY_NOTHING },
                                                    { NULL, 0 } };
static const struct yaml_word encodings[] = { { "base64", WEBHOOK_BASE64 },
                                              { "hex", WEBHOOK_HEX },
                                              { NULL, 0 } };

static const char *word_of(const struct yaml_word *words, int value)
{
        for (; words->name; words++)
                if (words->value == value)
                        return words->name;
        return NULL;
}

const char *rotation_name(enum rotation rotation)
{
        return word_of(rotations, (int)rotation);
}

const char *revocation_name(enum revocation revocation)
{
        return word_of(revocations, (int)revocation);
}

const char *auth_method_name(enum auth_method method)
{
        return word_of(auth_methods, (int)method);
}

/* ---- readers of this file's own ---- */

static int read_challenge_method(const struct yaml_place *at, const struct yaml_node *node,
                                 const struct yaml_key *key, void *field)
{
        bool *pkce = field;
        int value = *pkce, r;

        r = yaml_read_word(at, node, key, &value);
        *pkce = value;
        return r;
}

static const struct yaml_word grant_types[] = {
        { "authorization_code", GRANT_TYPE_AUTHORIZATION_CODE },
        { "refresh_token", GRANT_TYPE_REFRESH_TOKEN },
        { "client_credentials", GRANT_TYPE_CLIENT_CREDENTIALS },
        { "urn:ietf:params:oauth:grant-type:device_code", GRANT_TYPE_DEVICE_CODE },
        { NULL, 0 },
};

static int read_grant_types(const struct yaml_place *at, const struct yaml_node *node,
                            const struct yaml_key *key, void *field)
{
        static const struct yaml_key word = { "grant_type", NULL, 0, grant_types, false };
        unsigned *types = field;
        int r = 0;

        if (!yaml_check_kind(at, node, YAML_SEQUENCE, &r))
                return r;
        *types = 0;
        for (size_t i = 0; i < node->n_items && r == 0; i++) {
                struct yaml_place here = yaml_place_index(at, i);
                int type = 0;

                r = yaml_read_word(&here, node->items[i], &word, &type);
                *types |= (unsigned)type;
        }
        return r;
}

static int read_format(const struct yaml_place *at, const struct yaml_node *node, const struct yaml_key *key,
                       void *field)
{
        bool *json = field;
        int value = *json, r;

        r = yaml_read_word(at, node, key, &value);
        *json = value;
        return r;
}

/* ---- the schema ---- */

#define FIELD(name) offsetof(struct provider, name)

static const struct yaml_key test_answer_keys[] = {
        { "account_id", yaml_read_text, FIELD(api.account_id), &pointer, false },
        { "account_name", yaml_read_text, FIELD(api.account_name), &pointer, false },
        { "served_version", yaml_read_text, FIELD(api.served_version), &pointer, false },
        { "served_version_header", yaml_read_text, FIELD(api.served_version_header), &header, false },
        { "version_warning", yaml_read_text, FIELD(api.version_warning), &pointer, false },
        { 0 },
};

static const struct yaml_key api_keys[] = {
        { "url", yaml_read_text, FIELD(api.url), &url, false },
        { "token_header", yaml_read_text, FIELD(api.token_header), &version_header, false },
        { "version_header", yaml_read_text, FIELD(api.version_header), &version_header, false },
        { "default_version", yaml_read_text, FIELD(api.default_version), &version, false },
        { "test_query", yaml_read_long_text, FIELD(api.test_query), NULL, false },
        { "test_url", yaml_read_text, FIELD(api.test_url), &url, false },
        { "test_answer", yaml_read_section, 0, test_answer_keys, false },
        { "answers", provider_read_api_rules, 0, NULL, false },
        { 0 },
};

static const struct yaml_key revocation_keys[] = {
        { "method", yaml_read_word, FIELD(revocation), revocations, false },
        { "mutation", yaml_read_long_text, FIELD(revocation_mutation), NULL, false },
        { "url", yaml_read_text, FIELD(revocation_request.url), &url, false },
        { "request_method", yaml_read_word, FIELD(revocation_request.method), request_methods, false },
        { "authentication", yaml_read_word, FIELD(revocation_request.authentication), authentications,
          false },
        { "format", read_format, FIELD(revocation_request.json), formats, false },
        { "parameters", provider_read_parameters, FIELD(revocation_request.parameters),
          &provider_revocation_parameters, false },
        { "headers", provider_read_parameters, FIELD(revocation_request.headers),
          &provider_revocation_headers, false },
        { "error", yaml_read_text, FIELD(revocation_error), &pointer, false },
        { "ends_account", yaml_read_bool, FIELD(revocation_ends_account), NULL, false },
        { 0 },
};

static const struct yaml_key webhook_keys[] = {
        { "signature_header", yaml_read_text, FIELD(webhook.header), &header, false },
        { "algorithm", yaml_read_word, FIELD(webhook.algorithm), algorithms, false },
        { "encoding", yaml_read_word, FIELD(webhook.encoding), encodings, false },
        { "prefix", yaml_read_text, FIELD(webhook.prefix), NULL, false },
        { "signature_element", yaml_read_text, FIELD(webhook.signature_element), NULL, false },
        { "timestamp_element", yaml_read_text, FIELD(webhook.timestamp_element), NULL, false },
        { "timestamp_separator", yaml_read_text, FIELD(webhook.timestamp_separator), NULL, false },
        { "tolerance", yaml_read_duration, FIELD(webhook.tolerance_usec), &tolerances, false },
        { "disconnect_pointer", yaml_read_text, FIELD(webhook.disconnect_pointer), &pointer, false },
        { "disconnect_value", yaml_read_text, FIELD(webhook.disconnect_value), NULL, false },
        { "occurred_at", yaml_read_text, FIELD(webhook.occurred_at), &pointer, false },
        { "account_id", yaml_read_text, FIELD(webhook.account_id), &pointer, false },
        { 0 },
};

static const struct yaml_key provider_keys[] = {
        { "extends", yaml_read_nothing, 0, NULL, false },
        { "issuer", yaml_read_text, FIELD(issuer), &issuer_url, false },
        { "authorization_endpoint", yaml_read_text, FIELD(authorization_endpoint), &url, false },
        { "token_endpoint", yaml_read_text, FIELD(token_endpoint), &url, false },
        { "revocation_endpoint", yaml_read_text, FIELD(revocation_endpoint), &url, false },
        { "device_authorization_endpoint", yaml_read_text, FIELD(device_authorization_endpoint), &url,
          false },
        { "pushed_authorization_request_endpoint", yaml_read_text,
          FIELD(pushed_authorization_request_endpoint), &url, false },
        { "require_pushed_authorization_requests", yaml_read_bool, FIELD(must_push), NULL, false },
        { "token_endpoint_auth_method", yaml_read_word, FIELD(auth_method), auth_methods, false },
        { "client_assertion_audience", yaml_read_word, FIELD(assertion_audience), audiences, false },
        { "code_challenge_method", read_challenge_method, FIELD(pkce), challenge_methods, false },
        { "ca_file", yaml_read_text, FIELD(ca_file), &path, false },
        { "scope_in_url", yaml_read_bool, FIELD(scope_in_url), NULL, false },
        { "authorization_parameters", provider_read_parameters, FIELD(authorization_parameters),
          &provider_authorization_parameters, false },
        { "token_parameters", provider_read_parameters, FIELD(token_parameters), &provider_token_parameters,
          false },
        { "token_headers", provider_read_parameters, FIELD(token_headers), &provider_headers, false },
        { "token_request_format", read_format, FIELD(json_requests), formats, false },
        { "grant_types_supported", read_grant_types, FIELD(grant_types), NULL, false },
        { "refresh_token_rotation", yaml_read_word, FIELD(rotation), rotations, false },
        { "variables", provider_read_parameters, FIELD(variables), &provider_variables, false },
        { "default_token_lifetime", yaml_read_duration, FIELD(default_token_lifetime_usec), &lifetimes,
          false },
        { "max_replays", yaml_read_number, FIELD(max_replays), &replays, false },
        { "token_endpoint_answers", provider_read_token_rules, 0, NULL, false },
        { "api", yaml_read_section, 0, api_keys, false },
        { "revocation", yaml_read_section, 0, revocation_keys, false },
        { "webhooks", yaml_read_section, 0, webhook_keys, false },
        { 0 },
};

/* ---- what keys demand of one another ---- */

bool provider_has_endpoints(const struct provider *provider)
{
        return provider->authorization_endpoint && provider->token_endpoint &&
               (!provider->must_push || provider->pushed_authorization_request_endpoint);
}

/* With a value or with a mistake in its place, which has been told of already. */
static bool is_given(const struct yaml_node *mapping, const char *key)
{
        const struct yaml_node *node = yaml_node_get(mapping, key);

        return node && !yaml_is_null(node);
}

/* As it stands here, and not by default. */
static bool is_revocation_method(const struct yaml_node *mapping, const char *name)
{
        const struct yaml_node *method = yaml_node_get(yaml_node_get(mapping, "revocation"), "method");

        return method && method->kind == YAML_SCALAR && strcmp(method->scalar, name) == 0;
}

/* Tells that something is missing, at the innermost mapping that is there. */
static int demand(const struct yaml_place *at, const struct yaml_node *mapping, const char *section,
                  const char *key, const char *why)
{
        const struct yaml_node *inner = section ? yaml_node_get(mapping, section) : mapping;
        const struct yaml_node *null = yaml_node_get(inner, key);
        struct yaml_place in_section = section ? yaml_place_key(at, section) : *at;
        struct yaml_place here = yaml_place_key(&in_section, key);

        if (is_given(inner, key))
                return 0;
        return yaml_mistake(&here, null ? null : inner ? inner : mapping, "%s", why);
}

static int check_one_test(const struct yaml_place *at, const struct yaml_node *mapping,
                          const struct provider *provider)
{
        struct yaml_place in_api = yaml_place_key(at, "api"), here = yaml_place_key(&in_api, "test_url");
        const struct yaml_node *node = yaml_node_get(yaml_node_get(mapping, "api"), "test_url");

        if (!provider->api.test_query || !provider->api.test_url)
                return 0;
        return yaml_mistake(&here, node ? node : mapping,
                            "there is a test_query, too: one of the two must be null");
}

/* section NULL: the key stands at the top. */
struct demand {
        bool unmet;
        const char *section, *key, *why;
};

#define ENDPOINT_WHY                                                                                         \
        "is missing, and there is no issuer to discover it from (a provider that changes another one says "  \
        "`extends`)"

static int check_demands(const struct yaml_place *at, const struct yaml_node *mapping,
                         const struct provider *p)
{
        bool graphql = p->revocation == REVOCATION_GRAPHQL;
        bool has_header = p->api.version_header, discovers = p->issuer || is_given(mapping, "issuer");
        bool rfc7009 = is_revocation_method(mapping, "rfc7009");
        const struct demand demands[] = {
                { !p->authorization_endpoint && !discovers, NULL, "authorization_endpoint", ENDPOINT_WHY },
                { !p->token_endpoint && !discovers, NULL, "token_endpoint", ENDPOINT_WHY },
                { p->must_push && !p->pushed_authorization_request_endpoint && !discovers, NULL,
                  "pushed_authorization_request_endpoint",
                  "is missing, but require_pushed_authorization_requests is true" },
                { p->assertion_audience == AUDIENCE_ISSUER && !discovers, NULL, "issuer",
                  "is missing, but client_assertion_audience is issuer" },
                { rfc7009 && !p->revocation_endpoint && !discovers, NULL, "revocation_endpoint",
                  "is missing, but revocation.method is rfc7009" },
                { p->api.default_version && !has_header, "api", "version_header",
                  "is missing, but there is a default_version" },
                { p->api.test_query && !p->api.url, "api", "url",
                  "is missing, but there is a test_query to send" },
                { graphql && !p->api.url, "api", "url", "is missing, but revocation.method is graphql" },
                { graphql && !p->revocation_mutation, "revocation", "mutation",
                  "is missing, but method is graphql" },
                { p->revocation == REVOCATION_REQUEST && !p->revocation_request.url, "revocation", "url",
                  "is missing, but method is request" },
                { p->webhook.disconnect_pointer && !p->webhook.disconnect_value, "webhooks",
                  "disconnect_value", "is missing, but there is a disconnect_pointer" },
                { p->webhook.disconnect_value && !p->webhook.disconnect_pointer, "webhooks",
                  "disconnect_pointer", "is missing, but there is a disconnect_value" },
                { p->webhook.timestamp_element && !p->webhook.signature_element, "webhooks",
                  "signature_element", "is missing, but there is a timestamp_element" },
                { p->webhook.tolerance_usec > 0 && !p->webhook.timestamp_element, "webhooks",
                  "timestamp_element", "is missing, but there is a tolerance" },
        };
        int r = 0;

        for (size_t i = 0; i < sizeof(demands) / sizeof(demands[0]) && r == 0; i++)
                if (demands[i].unmet)
                        r = demand(at, mapping, demands[i].section, demands[i].key, demands[i].why);
        return r == 0 ? check_one_test(at, mapping, p) : r;
}

int provider_read(struct provider **ret, const char *name, const struct provider *base, const char *file,
                  const char *path_so_far, const struct yaml_node *mapping, struct problems *problems)
{
        struct yaml_place root = { .file = file, .problems = problems, .key = path_so_far };
        _cleanup_(provider_freep) struct provider *provider = NULL;
        size_t n_before = problems_count(problems);
        int r;

        r = provider_new(&provider, name);
        if (r == 0 && base)
                r = provider_inherit(provider, base);
        if (r == 0 && is_given(mapping, "issuer"))
                provider_forget_endpoints(provider);
        if (r == 0)
                r = yaml_read_mapping(&root, mapping, provider_keys, provider, NULL);
        if (r == 0)
                r = provider_check_variables(provider, &root, mapping);
        if (r == 0 && (mapping->kind == YAML_MAPPING || yaml_is_nothing(mapping)) &&
            !(base && base->has_mistakes))
                r = check_demands(&root, mapping, provider);
        if (r < 0)
                return r;
        provider->has_mistakes = (base && base->has_mistakes) || problems_count(problems) > n_before;
        r = problems_count(problems) > n_before ? PROVIDER_E_MISTAKES : 0;
        *ret = take_ptr(provider);
        return r;
}
