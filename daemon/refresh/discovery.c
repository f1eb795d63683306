#include "daemon/refresh/discovery.h"

#include "daemon/http/http.h"
#include "daemon/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One issuer, as seen with one set of authorities to trust: asked, or known. */
struct issuer {
        struct discovery *discovery;
        char *url;
        char *ca_file; /* NULL: the system's */
        struct oauth_metadata metadata;
        bool known;
        unsigned place; /* which of the places is asked */
        struct diag problem; /* what was wrong with those asked before */
        bool was_absent; /* nothing was there at all: anything else says more */
        struct http_transfer *transfer;
        struct endpoints_request *requests;
        struct issuer *next;
};

struct endpoints_request {
        struct endpoints_request **list; /* the list that it is on; NULL: it has been told */
        char *provider; /* by name: a reload may come before the answer */
        void (*on_found)(const struct oauth_endpoints *endpoints, const char *reason, void *userdata);
        void *userdata;
        struct endpoints_request *next;
};

struct discovery {
        struct context *context;
        struct issuer *issuers; /* few: one or two for each provider */
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
        if (!discovery)
                return NULL;

        while (discovery->issuers) {
                struct issuer *issuer = discovery->issuers;

                discovery->issuers = issuer->next;
                issuer_free(issuer);
        }
        free(discovery);
        return NULL;
}

void discovery_forget(struct discovery *discovery)
{
        struct issuer **at = &discovery->issuers;

        while (*at) {
                struct issuer *issuer = *at;

                /* What is being asked is news; what nobody asks for any more goes. */
                if (issuer->transfer || issuer->requests) {
                        issuer->known = false;
                        at = &issuer->next;
                } else {
                        *at = issuer->next;
                        issuer_free(issuer);
                }
        }
}

/* What the provider's file says wins over what was found. */
static struct oauth_endpoints combine(const struct provider *provider, const struct oauth_metadata *found)
{
        struct oauth_endpoints endpoints = {
                .authorization = provider->authorization_endpoint,
                .token = provider->token_endpoint,
                .revocation = provider->revocation_endpoint,
                .device = provider->device_authorization_endpoint,
                .pushed = provider->pushed_authorization_request_endpoint,
                .must_push = provider->must_push,
                .issuer = provider->issuer,
        };

        if (!found)
                return endpoints;
        endpoints.sends_issuer = found->sends_issuer;
        if (!endpoints.authorization)
                endpoints.authorization = found->authorization_endpoint;
        if (!endpoints.token)
                endpoints.token = found->token_endpoint;
        if (!endpoints.revocation)
                endpoints.revocation = found->revocation_endpoint;
        if (!endpoints.device)
                endpoints.device = found->device_authorization_endpoint;
        /* That a provider offers it now changes no login that works without. */
        endpoints.must_push = endpoints.must_push || found->must_push;
        if (!endpoints.pushed && endpoints.must_push)
                endpoints.pushed = found->pushed_authorization_request_endpoint;
        return endpoints;
}

static bool is_same(const char *a, const char *b)
{
        return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_of(const struct issuer *issuer, const struct provider *provider)
{
        return is_same(issuer->url, provider->issuer) && is_same(issuer->ca_file, provider->ca_file);
}

static void tell(struct endpoints_request *request, const struct issuer *issuer, const char *reason)
{
        const struct provider *provider =
                config_find_provider(issuer->discovery->context->config, request->provider);
        struct oauth_endpoints endpoints;

        if (!provider) {
                request->on_found(NULL, "The configuration no longer has this provider.", request->userdata);
        } else if (!is_of(issuer, provider)) {
                request->on_found(NULL, "The configuration has changed the provider's issuer meanwhile.",
                                  request->userdata);
        } else if (issuer->known) {
                endpoints = combine(provider, &issuer->metadata);
                request->on_found(&endpoints, NULL, request->userdata);
        } else {
                request->on_found(NULL, reason, request->userdata);
        }
}

/* All that wait now are told, each taken off before: what it does may begin another, which waits for another answer. */
static void tell_all(struct issuer *issuer, const char *reason)
{
        struct endpoints_request *telling = take_ptr(issuer->requests);

        for (struct endpoints_request *request = telling; request; request = request->next)
                request->list = &telling;
        while (telling) {
                struct endpoints_request *request = telling;

                telling = request->next;
                request->list = NULL;
                tell(request, issuer, reason);
        }
}

static void note_problem(struct issuer *issuer, const struct http_response *response, const char *words)
{
        bool absent = response->result == HTTP_ANSWERED && response->status == 404;

        if (*issuer->problem.text && (absent || !issuer->was_absent))
                return;
        diag_set(&issuer->problem, "Discovery of issuer %s failed: %s.", issuer->url,
                 *words ? words : "out of memory");
        issuer->was_absent = absent;
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

        note_problem(issuer, response, diag.text);
        issuer->place++;
        if (issuer->place < OAUTH_DISCOVERY_PLACES && response->result == HTTP_ANSWERED &&
            ask_next_place(issuer) == 0)
                return;

        diag = issuer->problem;
        tell_all(issuer, diag.text);
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

static int issuer_new(struct discovery *discovery, const struct provider *provider, struct issuer **ret)
{
        struct issuer *issuer = calloc(1, sizeof(*issuer));

        if (!issuer)
                return fault(-ENOMEM);
        issuer->discovery = discovery;
        issuer->url = strdup(provider->issuer);
        issuer->ca_file = provider->ca_file ? strdup(provider->ca_file) : NULL;
        if (!issuer->url || (provider->ca_file && !issuer->ca_file)) {
                issuer_free(issuer);
                return fault(-ENOMEM);
        }

        issuer->next = discovery->issuers;
        discovery->issuers = issuer;
        *ret = issuer;
        return 0;
}

static int require_issuer(struct discovery *discovery, const struct provider *provider, struct issuer **ret)
{
        for (struct issuer *issuer = discovery->issuers; issuer; issuer = issuer->next) {
                if (is_of(issuer, provider)) {
                        *ret = issuer;
                        return 0;
                }
        }
        return issuer_new(discovery, provider, ret);
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
                issuer->problem = (struct diag)DIAG_INIT;
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

        request->on_found = on_found;
        request->userdata = userdata;
        request->list = &issuer->requests;
        request->next = issuer->requests;
        issuer->requests = request;
        *ret_request = request;
        return DISCOVERY_E_WAITING;
}

struct endpoints_request *endpoints_request_free(struct endpoints_request *request)
{
        struct endpoints_request **at;

        if (!request)
                return NULL;

        at = request->list;
        while (at && *at && *at != request)
                at = &(*at)->next;
        if (at && *at)
                *at = request->next;
        free(request->provider);
        free(request);
        return NULL;
}
