/* Lists of parameters and headers, and the {names} that stand for something in URLs and in what a revocation sends. */
#include "daemon/config/provider_make.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { URL_LENGTH_MAX = 2048, NAME_LENGTH_MAX = 32 };

/* What stands for something of the grant or the client when it is revoked. */
static const char *const values[] = { "client_id",     "client_secret", "access_token",
                                      "refresh_token", "account_id",    NULL };

static bool is_one_of(const char *const *names, const char *name, size_t n)
{
        for (size_t i = 0; names && names[i]; i++)
                if (strlen(names[i]) == n && strncasecmp(names[i], name, n) == 0)
                        return true;
        return false;
}

/* ---- {names} ---- */

/* The next {name} at or behind text; its length without the braces goes to *ret_n. NULL: none, and no stray brace either. */
static const char *next_name(const char *text, size_t *ret_n)
{
        const char *brace = strchr(text, '{');
        size_t n = 0;

        if (!brace)
                return NULL;
        while (islower((unsigned char)brace[1 + n]) || brace[1 + n] == '_')
                n++;
        *ret_n = n > 0 && n <= NAME_LENGTH_MAX && brace[1 + n] == '}' ? n : 0;
        return brace;
}

/* Every name is one of these; NULL: any. A brace that begins no name does not hold. */
static bool names_are(const char *text, const char *const *names)
{
        size_t n = 0;

        for (const char *at = next_name(text, &n); at; at = next_name(at + n + 2, &n))
                if (n == 0 || (names && !is_one_of(names, at + 1, n)))
                        return false;
        return true;
}

/* The URL with a letter for each name; what is left over then is judged as any URL is. */
bool is_url_template(const char *text)
{
        char url[URL_LENGTH_MAX];
        size_t length = 0, n = 0;

        if (strlen(text) >= sizeof(url) || !names_are(text, NULL))
                return false;
        for (const char *at = text; *at;) {
                const char *brace = next_name(at, &n);
                size_t plain = brace ? (size_t)(brace - at) : strlen(at);

                memcpy(url + length, at, plain);
                length += plain;
                if (brace)
                        url[length++] = 'x';
                at += plain + (brace ? n + 2 : 0);
        }
        url[length] = '\0';
        return url_is_acceptable(url);
}

/* ---- variables ---- */

static const size_t urls[] = {
        offsetof(struct provider, authorization_endpoint),
        offsetof(struct provider, token_endpoint),
        offsetof(struct provider, revocation_endpoint),
        offsetof(struct provider, issuer),
        offsetof(struct provider, api.url),
        offsetof(struct provider, api.test_url),
        offsetof(struct provider, revocation_request.url),
        offsetof(struct provider, device_authorization_endpoint),
        offsetof(struct provider, pushed_authorization_request_endpoint),
};

enum { N_URLS = sizeof(urls) / sizeof(urls[0]) };

static int fill_in(char **url, const struct parameter *variable)
{
        char name[NAME_LENGTH_MAX + 3];
        char *brace, *filled;

        snprintf(name, sizeof(name), "{%s}", variable->name);
        while (*url && (brace = strstr(*url, name))) {
                if (asprintf(&filled, "%.*s%s%s", (int)(brace - *url), *url, variable->value,
                             brace + strlen(name)) < 0)
                        return fault(-ENOMEM);
                free(*url);
                *url = filled;
        }
        return 0;
}

static char **url_field(struct provider *provider, size_t i)
{
        return (void *)((char *)provider + urls[i]);
}

static const char *url_of(const struct provider *provider, size_t i)
{
        return *(char *const *)(const void *)((const char *)provider + urls[i]);
}

int provider_fill_in_variables(struct provider *provider)
{
        int r = 0;

        for (size_t i = 0; i < N_URLS; i++)
                for (size_t v = 0; v < provider->variables.n && r == 0; v++)
                        r = fill_in(url_field(provider, i), &provider->variables.items[v]);
        return r;
}

int provider_check_variables(const struct provider *provider, const struct yaml_place *at,
                             const struct yaml_node *mapping)
{
        struct yaml_place here = yaml_place_key(at, "variables");
        const struct yaml_node *node = yaml_node_get(mapping, "variables");
        int r = 0;

        for (size_t i = 0; i < N_URLS && provider->variables.n > 0 && r == 0; i++) {
                _cleanup_(freep) char *url = NULL;

                if (!url_of(provider, i))
                        continue;
                url = strdup(url_of(provider, i));
                r = url ? 0 : fault(-ENOMEM);
                for (size_t v = 0; v < provider->variables.n && r == 0; v++)
                        r = fill_in(&url, &provider->variables.items[v]);
                if (r == 0 && !is_url_template(url))
                        r = yaml_mistake(&here, node ? node : mapping, "make no URL: %s", url);
        }
        return r;
}

bool provider_find_missing_variable(const struct provider *provider, char *buffer, size_t size)
{
        for (size_t i = 0; i < N_URLS; i++) {
                const char *url = url_of(provider, i);
                size_t n = 0;

                for (const char *at = url ? next_name(url, &n) : NULL; at; at = next_name(at + n + 2, &n)) {
                        if (urls[i] == offsetof(struct provider, revocation_request.url) &&
                            is_one_of(values, at + 1, n))
                                continue;
                        snprintf(buffer, size, "%.*s", (int)n, at + 1);
                        return true;
                }
        }
        return false;
}

bool provider_revokes_by_access_token(const struct provider *provider)
{
        const struct parameter_list *lists[] = { &provider->revocation_request.parameters,
                                                 &provider->revocation_request.headers };

        if (provider->revocation_request.authentication == REVOCATION_BY_TOKEN ||
            (provider->revocation_request.url && strstr(provider->revocation_request.url, "{access_token}")))
                return true;
        for (size_t i = 0; i < 2; i++)
                for (size_t j = 0; j < lists[i]->n; j++)
                        if (strstr(lists[i]->items[j].value, "{access_token}"))
                                return true;
        return false;
}

/* ---- lists ---- */

bool is_http_token(const char *text)
{
        for (const char *p = text; *p; p++)
                if (!((unsigned char)*p < 0x80 && isalnum((unsigned char)*p)) &&
                    !strchr("!#$%&'*+-.^_`|~", *p))
                        return false;
        return *text;
}

bool is_free_header(const char *text)
{
        static const char *const taken[] = { "Authorization",
                                             "Connection",
                                             "Content-Length",
                                             "Content-Type",
                                             "Cookie",
                                             "Host",
                                             "Accept",
                                             "Transfer-Encoding",
                                             NULL };

        return !is_one_of(taken, text, strlen(text)) && is_http_token(text);
}

static bool is_revocation_header(const char *text)
{
        return strcasecmp(text, "Authorization") == 0 || is_free_header(text);
}

static bool is_visible(const char *text)
{
        for (const char *p = text; *p; p++)
                if (*p < 0x20 || *p > 0x7e)
                        return false;
        return true;
}

static bool is_value_template(const char *text)
{
        return is_visible(text) && names_are(text, values);
}

static bool is_variable_name(const char *text)
{
        size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz_");

        return text[n] == '\0' && n > 0 && n <= NAME_LENGTH_MAX && !is_one_of(values, text, n);
}

/* Part of a host name or of a path: nothing that would begin another part of the URL. */
static bool is_variable_value(const char *text)
{
        return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")] ==
               '\0';
}

/*
 * What the requests are made of already (RFC 6749 sections 4.1.1 and 4.1.3, RFC 7523 section 2.2, RFC 7636 sections 4.3 and 4.5), and what they must
 * never hold.
 */
static const char *const own_of_authorization[] = { "client_id",
                                                    "client_secret",
                                                    "code_challenge",
                                                    "code_challenge_method",
                                                    "redirect_uri",
                                                    "response_type",
                                                    "scope",
                                                    "state",
                                                    "request_uri",
                                                    "request",
                                                    NULL };
static const char *const own_of_token[] = { "client_id",
                                            "client_secret",
                                            "code",
                                            "code_verifier",
                                            "redirect_uri",
                                            "grant_type",
                                            "refresh_token",
                                            "scope",
                                            "device_code",
                                            "client_assertion",
                                            "client_assertion_type",
                                            NULL };

enum { PARAMETERS_MOST = 32, HEADERS_MOST = 4 };

const struct parameters_rule provider_authorization_parameters = { .taken = own_of_authorization,
                                                                   .most = PARAMETERS_MOST };
const struct parameters_rule provider_token_parameters = { .taken = own_of_token, .most = PARAMETERS_MOST };
const struct parameters_rule provider_headers = {
        .name_holds = is_free_header,
        .value_holds = is_visible,
        .must = "must be the name of an HTTP header that nothing else uses, and a value of visible ASCII",
        .most = HEADERS_MOST
};
const struct parameters_rule provider_revocation_parameters = {
        .value_holds = is_value_template,
        .must = "must be visible ASCII, with no other {names} than client_id, client_secret, access_token, "
                "refresh_token and account_id",
        .most = PARAMETERS_MOST
};
const struct parameters_rule provider_revocation_headers = {
        .name_holds = is_revocation_header,
        .value_holds = is_value_template,
        .must = "must be the name of an HTTP header and visible ASCII, with no other {names} than client_id, "
                "client_secret, access_token, refresh_token and account_id",
        .most = HEADERS_MOST
};
const struct parameters_rule provider_variables = {
        .name_holds = is_variable_name,
        .value_holds = is_variable_value,
        .must = "must be a name of lower case letters and underscores, and a value of letters, digits, dots, "
                "hyphens and underscores",
        .most = PARAMETERS_MOST
};

static int read_parameter(const struct yaml_place *at, const char *name, const struct yaml_node *node,
                          const struct parameters_rule *rule, struct parameter_list *parameters)
{
        struct parameter *old = parameters_find(parameters, name);
        int r;

        if (is_one_of(rule->taken, name, strlen(name)))
                return yaml_mistake(at, node, "is not for a provider to set");
        if (!yaml_is_null(node) && !yaml_check_text(at, node, false, &r))
                return r;
        if ((rule->name_holds && !rule->name_holds(name)) ||
            (!yaml_is_null(node) && rule->value_holds && !rule->value_holds(node->scalar)))
                return yaml_mistake(at, node, "%s", rule->must);
        if (old)
                parameters_drop(parameters, old);
        if (yaml_is_null(node))
                return 0;
        if (parameters->n >= rule->most)
                return yaml_mistake(at, node, "is one parameter too many: at most %u", rule->most);
        return parameters_add(parameters, name, node->scalar);
}

int provider_read_parameters(const struct yaml_place *at, const struct yaml_node *node,
                             const struct yaml_key *key, void *field)
{
        int r = 0;

        if (!yaml_check_kind(at, node, YAML_MAPPING, &r))
                return r;
        for (size_t i = 0; i < node->n_items && r == 0; i++) {
                struct yaml_place here = yaml_place_key(at, node->keys[i]->scalar);

                if (!yaml_check_text(&here, node->keys[i], false, &r))
                        continue;
                r = read_parameter(&here, node->keys[i]->scalar, node->items[i], key->more, field);
        }
        return r;
}
