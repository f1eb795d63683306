/* Making a provider, before it is immutable. For provider.c alone. */
#pragma once

#include "daemon/provider.h"

enum { PROVIDER_MAX_REPLAYS = 5 }; /* the default, too */

/* With every default. */
int provider_new(struct provider **ret, const char *name);
/* Copies everything but the name to a new provider. */
int provider_inherit(struct provider *provider, const struct provider *base);

/* Those of another issuer, which discovery is to find anew. */
void provider_forget_endpoints(struct provider *provider);

struct parameter *provider_find_parameter(struct provider *provider, const char *name); /* NULL: none */
int provider_add_parameter(struct provider *provider, const char *name, const char *value);
void provider_drop_parameter(struct provider *provider, struct parameter *parameter);
