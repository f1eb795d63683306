/* Authorization server metadata (RFC 8414, OpenID Connect Discovery). Owns where it lies and what of it is believed. */
#include "daemon/protocol/oauth.h"

#include "daemon/base/json_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char oauth_suffix[] = "/.well-known/oauth-authorization-server";
static const char openid_suffix[] = "/.well-known/openid-configuration";

/* RFC 8414 section 3 puts the suffix before the issuer's path, OpenID Connect Discovery section 4 behind it. */
int oauth_discovery_url(const char *issuer, unsigned place, char **ret)
{
        const char *host = strstr(issuer, "://");
        size_t n = strlen(issuer);

        if (!host || place >= OAUTH_DISCOVERY_PLACES)
                return fault(-EINVAL);
        while (n > 0 && issuer[n - 1] == '/')
                n--;
        size_t n_origin = (size_t)(host + 3 - issuer);
        n_origin += strcspn(host + 3, "/");
        if (n_origin > n)
                n_origin = n;
        const char *suffix = place == 0 ? oauth_suffix : openid_suffix;
        size_t n_before = place == 1 ? n : n_origin;

        char *url;
        if (asprintf(&url, "%.*s%s%.*s", (int)n_before, issuer, suffix, (int)(n - n_before),
                     issuer + n_before) < 0)
                return fault(-ENOMEM);
        *ret = url;
        return 0;
}

void oauth_metadata_done(struct oauth_metadata *metadata)
{
        free(metadata->authorization_endpoint);
        free(metadata->token_endpoint);
        free(metadata->revocation_endpoint);
        free(metadata->device_authorization_endpoint);
        free(metadata->pushed_authorization_request_endpoint);
        *metadata = (struct oauth_metadata){ 0 };
}

static int read_endpoint(const json_t *root, const char *name, bool required, char **ret, struct diag *diag)
{
        const json_t *value = json_object_get(root, name);

        if (!required && (!value || json_is_null(value)))
                return 0;
        if (!json_is_string(value)) {
                diag_set(diag, "the metadata of the issuer names no %s", name);
                return OAUTH_E_UNUSABLE;
        }
        const char *url = json_string_value(value);
        if (strlen(url) != json_string_length(value) || !url_is_acceptable(url)) {
                diag_set(diag, "the metadata's %s is neither an https URL nor one of this host", name);
                return OAUTH_E_UNUSABLE;
        }
        *ret = strdup(url);
        return *ret ? 0 : fault(-ENOMEM);
}

static int read_root(const json_t *root, const char *issuer, struct oauth_metadata *ret, struct diag *diag)
{
        const char *said = json_text_string_at(root, "/issuer");

        if (!said || strcmp(said, issuer) != 0) {
                diag_set(diag,
                         "the metadata is another issuer's: its `issuer` must be exactly the configured one");
                return OAUTH_E_UNUSABLE;
        }
        int r = read_endpoint(root, "authorization_endpoint", true, &ret->authorization_endpoint, diag);
        if (r == 0)
                r = read_endpoint(root, "token_endpoint", true, &ret->token_endpoint, diag);
        if (r == 0)
                r = read_endpoint(root, "revocation_endpoint", false, &ret->revocation_endpoint, diag);
        if (r == 0)
                r = read_endpoint(root, "device_authorization_endpoint", false,
                                  &ret->device_authorization_endpoint, diag);
        if (r == 0)
                r = read_endpoint(root, "pushed_authorization_request_endpoint", false,
                                  &ret->pushed_authorization_request_endpoint, diag);
        ret->must_push = json_is_true(json_object_get(root, "require_pushed_authorization_requests"));
        ret->sends_issuer =
                json_is_true(json_object_get(root, "authorization_response_iss_parameter_supported"));
        return r;
}

/* A member with two values: which one holds would depend on who reads it. */
static const char *find_ambiguity(const struct secret_buf *body)
{
        static const char *const names[] = { "issuer",
                                             "authorization_endpoint",
                                             "token_endpoint",
                                             "revocation_endpoint",
                                             "device_authorization_endpoint",
                                             "pushed_authorization_request_endpoint",
                                             "require_pushed_authorization_requests",
                                             "authorization_response_iss_parameter_supported" };

        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
                if (json_text_is_ambiguous(body->data, body->n, names[i]))
                        return names[i];
        return NULL;
}

int oauth_read_metadata(const char *issuer, const struct http_response *response, struct oauth_metadata *ret,
                        struct diag *diag)
{
        _cleanup_(oauth_metadata_done) struct oauth_metadata metadata = { 0 };
        _cleanup_(json_text_freep) json_t *root = NULL;

        if (response->result != HTTP_ANSWERED) {
                diag_set(diag, "the issuer's metadata could not be fetched: %s", response->problem);
                return OAUTH_E_UNUSABLE;
        }
        if (response->status != 200) {
                diag_set(diag, "the issuer's metadata could not be fetched: HTTP %ld", response->status);
                return OAUTH_E_UNUSABLE;
        }
        int r = response->body.n > 0 ? json_text_parse(response->body.data, response->body.n, &root) : 0;
        if (r < 0)
                return r;
        if (!json_is_object(root)) {
                diag_set(diag, "the issuer's metadata is no JSON object");
                return OAUTH_E_UNUSABLE;
        }
        const char *ambiguous = find_ambiguity(&response->body);
        if (ambiguous) {
                diag_set(diag, "the issuer's metadata has two values for %s", ambiguous);
                return OAUTH_E_UNUSABLE;
        }
        r = read_root(root, issuer, &metadata, diag);
        if (r != 0)
                return r;
        *ret = metadata;
        metadata = (struct oauth_metadata){ 0 };
        return 0;
}
