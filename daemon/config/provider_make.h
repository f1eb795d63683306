/* Making a provider, before it is immutable. For provider.c alone. */
#pragma once

#include "daemon/config/provider.h"
#include "daemon/config/yaml_read.h"

enum { PROVIDER_MAX_REPLAYS = 5 }; /* the default, too */

/* With every default. */
int provider_new(struct provider **ret, const char *name);
/* Copies everything but the name to a new provider. */
int provider_inherit(struct provider *provider, const struct provider *base);

/* Those of another issuer, which discovery is to find anew. */
void provider_forget_endpoints(struct provider *provider);

struct parameter *parameters_find(struct parameter_list *parameters, const char *name); /* NULL: none */
int parameters_add(struct parameter_list *parameters, const char *name, const char *value);
void parameters_drop(struct parameter_list *parameters, struct parameter *parameter);

/* provider_templates.c: lists of parameters, what may stand in their names and values, and {names} in URLs. */

/* The `more` of a key that provider_read_parameters() reads. */
struct parameters_rule {
        const char *const
                *taken; /* names that the request has already, in any case; ends with NULL; NULL: none */
        bool (*name_holds)(const char *name); /* NULL: any */
        bool (*value_holds)(const char *value); /* NULL: any line */
        const char *must; /* what both must be */
        unsigned most;
};

extern const struct parameters_rule provider_authorization_parameters, provider_token_parameters,
        provider_headers, provider_revocation_parameters, provider_revocation_headers, provider_variables;

int provider_read_parameters(const struct yaml_place *at, const struct yaml_node *node,
                             const struct yaml_key *key, void *field);
bool is_http_token(const char *text); /* RFC 9110 section 5.6.2 */
/* A header's name that requests do not have already: a second one would change who asks, or whom. */
bool is_free_header(const char *text);
/* A URL as it may be configured, with {names} in it. */
bool is_url_template(const char *text);
/* Variables that make no URL are a mistake. */
int provider_check_variables(const struct provider *provider, const struct yaml_place *at,
                             const struct yaml_node *mapping);
