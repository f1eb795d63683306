/*
 * Where a provider's endpoints are: as its file says, or found through its issuer (RFC 8414, OpenID Connect Discovery) and kept for as long as
 * the process lives or the configuration stays.
 */
#pragma once

#include "daemon/vault/context.h"
#include "daemon/protocol/oauth.h"

struct discovery;
struct endpoints_request;

int discovery_new(struct discovery **ret, struct context *context);
struct discovery *discovery_free(struct discovery *discovery); /* every request must have been freed */
DEFINE_FREEP(struct discovery *, discovery_free)

/* Forgets what was found: the configuration changed. */
void discovery_forget(struct discovery *discovery);

enum {
        DISCOVERY_E_WAITING = 1, /* on_found comes later */
};

/*
 * 0: *ret_endpoints holds them, borrowed from the provider or the cache until the next reload. DISCOVERY_E_WAITING: on_found is called once,
 * from the loop, with endpoints (borrowed for the call), or NULL and a reason; freeing *ret_request keeps it from running, and it may be freed
 * from within.
 */
int discovery_find(struct discovery *discovery, const struct provider *provider,
                   void (*on_found)(const struct oauth_endpoints *endpoints, const char *reason,
                                    void *userdata),
                   void *userdata, struct oauth_endpoints *ret_endpoints,
                   struct endpoints_request **ret_request);
struct endpoints_request *endpoints_request_free(struct endpoints_request *request);
DEFINE_FREEP(struct endpoints_request *, endpoints_request_free)
