#include "daemon/discovery.h"

#include "daemon/http.h"
#include "daemon/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* One issuer: asked, or known. */
struct issuer {
        struct discovery *discovery;
        char *url;
        char *ca_file;
        struct oauth_metadata metadata;
        bool known;
        unsigned place; /* which of the places is asked */
        struct http_transfer *transfer;
        struct endpoints_request *requests;
        UT_hash_handle hh; /* by url */
};

struct endpoints_request {
        struct issuer *issuer;
        char *provider; /* by name: a reload may come before the answer */
        void (*on_found)(const struct oauth_endpoints *endpoints, const char *reason, void *userdata);
        void *userdata;
        struct endpoints_request *next;
};

struct discovery {
        struct context *context;
        struct issuer *issuers;
};

static int ask_next_place(struct issuer *issuer);

int discovery_new(struct discovery **ret, struct context *context)
{
        struct discovery *discovery = calloc(1, sizeof(*discovery));

        if (!discovery)
                return fault(-ENOMEM);

        discovery->context = context;
        *ret = discovery;
        return 0;
}

static void issuer_free(struct issuer *issuer)
{
        http_transfer_free(issuer->transfer);
        oauth_metadata_done(&issuer->metadata);
        free(issuer->url);
        free(issuer->ca_file);
        free(issuer);
}

struct discovery *discovery_free(struct discovery *discovery)
{
        struct issuer *issuer, *next;

        if (!discovery)
                return NULL;

        HASH_ITER (hh, discovery->issuers, issuer, next) {
                HASH_DEL(discovery->issuers, issuer);
                issuer_free(issuer);
        }
        free(discovery);
        return NULL;
}

void discovery_forget(struct discovery *discovery)
{
        struct issuer *issuer, *next;

        HASH_ITER (hh, discovery->issuers, issuer, next)
                issuer->known = false;
}

/* What the provider's file says wins over what was found. */
static struct oauth_endpoints combine(const struct provider *provider, const struct oauth_metadata *found)
{
        struct oauth_endpoints endpoints = {
                .authorization = provider->authorization_endpoint,
                .token = provider->token_endpoint,
                .revocation = provider->revocation_endpoint,
                .issuer = provider->issuer,
        };

        if (!found)
                return endpoints;
        if (!endpoints.authorization)
                endpoints.authorization = found->authorization_endpoint;
        if (!endpoints.token)
                endpoints.token = found->token_endpoint;
        if (!endpoints.revocation)
                endpoints.revocation = found->revocation_endpoint;
        return endpoints;
}

/* Each request is taken off before it is told, since what it does may begin another. */
static void tell_all(struct issuer *issuer, const char *reason)
{
        while (issuer->requests) {
                struct endpoints_request *request = issuer->requests;
                const struct provider *provider =
                        config_find_provider(issuer->discovery->context->config, request->provider);
                struct oauth_endpoints endpoints = { 0 };

                issuer->requests = request->next;
                request->issuer = NULL;
                if (provider)
                        endpoints = combine(provider, &issuer->metadata);
                request->on_found(issuer->known && provider ? &endpoints : NULL,
                                  provider ? reason : "The configuration no longer has this provider.",
                                  request->userdata);
        }
}

static void on_metadata(const struct http_response *response, void *userdata)
{
        struct issuer *issuer = userdata;
        struct diag diag = DIAG_INIT;
        struct oauth_metadata found;
        int r;

        issuer->transfer = http_transfer_free(issuer->transfer);
        r = oauth_read_metadata(issuer->url, response, &found, &diag);
        if (r == 0) {
                oauth_metadata_done(&issuer->metadata);
                issuer->metadata = found;
                issuer->known = true;
                log_info("Discovery found the endpoints of issuer %s.", issuer->url);
                tell_all(issuer, NULL);
                return;
        }

        issuer->place++;
        if (issuer->place < OAUTH_DISCOVERY_PLACES && response->result == HTTP_ANSWERED &&
            ask_next_place(issuer) == 0)
                return;

        if (response->result != HTTP_ANSWERED)
                diag_set(&diag, "Discovery of issuer %s failed: %s", issuer->url, response->problem);
        tell_all(issuer, *diag.text ? diag.text : "Discovery failed for want of memory.");
}

static int ask_next_place(struct issuer *issuer)
{
        struct context *context = issuer->discovery->context;
        struct http_request *request;
        _cleanup_(freep) char *url = NULL;
        int r;

        r = oauth_discovery_url(issuer->url, issuer->place, &url);
        if (r < 0)
                return r;
        r = http_request_new(&request, false, url);
        if (r < 0)
                return r;
        if (issuer->ca_file && !(request->ca_file = strdup(issuer->ca_file))) {
                http_request_free(request);
                return fault(-ENOMEM);
        }

        return http_start(context->http, request, NULL, context->config->refresh.timeout_usec, on_metadata,
                          issuer, &issuer->transfer);
}

static int require_issuer(struct discovery *discovery, const struct provider *provider, struct issuer **ret)
{
        struct issuer *issuer;

        HASH_FIND_STR(discovery->issuers, provider->issuer, issuer);
        if (!issuer) {
                issuer = calloc(1, sizeof(*issuer));
                if (!issuer)
                        return fault(-ENOMEM);
                issuer->discovery = discovery;
                issuer->url = strdup(provider->issuer);
                issuer->ca_file = provider->ca_file ? strdup(provider->ca_file) : NULL;
                if (!issuer->url || (provider->ca_file && !issuer->ca_file)) {
                        issuer_free(issuer);
                        return fault(-ENOMEM);
                }
                HASH_ADD_KEYPTR(hh, discovery->issuers, issuer->url, strlen(issuer->url), issuer);
        }

        *ret = issuer;
        return 0;
}

int discovery_find(struct discovery *discovery, const struct provider *provider,
                   void (*on_found)(const struct oauth_endpoints *endpoints, const char *reason,
                                    void *userdata),
                   void *userdata, struct oauth_endpoints *ret_endpoints,
                   struct endpoints_request **ret_request)
{
        struct endpoints_request *request;
        struct issuer *issuer;
        int r;

        if (provider_has_endpoints(provider)) {
                *ret_endpoints = combine(provider, NULL);
                return 0;
        }

        r = require_issuer(discovery, provider, &issuer);
        if (r < 0)
                return r;
        if (issuer->known) {
                *ret_endpoints = combine(provider, &issuer->metadata);
                return 0;
        }

        if (!issuer->transfer) {
                issuer->place = 0;
                r = ask_next_place(issuer);
                if (r < 0)
                        return r;
        }
        request = calloc(1, sizeof(*request));
        if (request)
                request->provider = strdup(provider->name);
        if (!request || !request->provider) {
                free(request);
                return fault(-ENOMEM);
        }

        request->issuer = issuer;
        request->on_found = on_found;
        request->userdata = userdata;
        request->next = issuer->requests;
        issuer->requests = request;
        *ret_request = request;
        return DISCOVERY_E_WAITING;
}

struct endpoints_request *endpoints_request_free(struct endpoints_request *request)
{
        if (!request)
                return NULL;

        for (struct endpoints_request **at = request->issuer ? &request->issuer->requests : NULL; at && *at;
             at = &(*at)->next) {
                if (*at == request) {
                        *at = request->next;
                        break;
                }
        }
        free(request->provider);
        free(request);
        return NULL;
}
