/*
 * One provider's facts and peculiarities, as data: endpoints (names of RFC 8414), the API behind them, and
 * how its answers are to be read. Immutable once read. No provider is known to the code by name.
 */
#pragma once

#include "common/cleanup.h"
#include "daemon/config/problems.h"
#include "daemon/config/yaml_doc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum auth_method {
        AUTH_METHOD_POST, /* client_secret_post: in the form, RFC 6749 section 2.3.1 */
        AUTH_METHOD_BASIC, /* client_secret_basic: both form-encoded first, RFC 6749 section 2.3.1 */
        AUTH_METHOD_NONE, /* a public client */
        AUTH_METHOD_PRIVATE_KEY_JWT, /* an assertion that the client signs, RFC 7523 section 2.2 */
};

/* Whom an assertion is for. */
enum assertion_audience {
        AUDIENCE_BY_ISSUER, /* the issuer where one is known, which no other server can pass for its own; else the token endpoint */
        AUDIENCE_ISSUER,
        AUDIENCE_TOKEN_ENDPOINT,
};

/* What an answer of the provider means for the grant. */
enum meaning {
        MEANING_NONE, /* no rule speaks of it */
        MEANING_AUTHORIZATION_REQUIRED, /* the grant is dead: final */
        MEANING_TRY_AGAIN, /* passing */
        MEANING_CLIENT_REFUSED, /* client_id or client_secret is wrong */
        MEANING_TOKEN_REJECTED, /* API only: this access token, not the grant; refresh */
        MEANING_FOREIGN_REFRESHER, /* a good answer that shows that somebody else refreshes this grant */
        MEANING_VERSION_UNSUPPORTED, /* API only: the pinned version does not exist or no longer does */
        MEANING_VERSION_TO_BE_REMOVED, /* API only: a version warning that announces the end */
        MEANING_NOTICE, /* a good answer whose words the owner ought to read; changes nothing */
        MEANING_DISCONNECTED, /* token endpoint only: the account ended the app's access, access tokens included */
};

/*
 * A rule matches when everything it names matches. The first matching rule wins. `contains` is looked for in
 * the raw body, without regard to case; `error` is the OAuth error code of a JSON body (RFC 6749 section
 * 5.2); `member` is a JSON pointer (RFC 6901) to a string of a JSON body, and then `contains` is looked for
 * in it alone; without `contains` it is enough that the string is there. status 0: any.
 */
struct answer_rule {
        int status;
        char *error;
        char *member;
        char *contains;
        enum meaning meaning;
        char *say; /* words for people: what it means and what to do; may be NULL */
};

enum revocation {
        REVOCATION_NONE,
        REVOCATION_RFC7009, /* at the revocation_endpoint, where there is one; the default */
        REVOCATION_GRAPHQL, /* a mutation sent to the API's URL */
        REVOCATION_REQUEST, /* a request of the provider's own kind */
};

/* What a revocation of the provider's own kind is authenticated by. */
enum revocation_authentication {
        REVOCATION_BY_CLIENT, /* as requests to the token endpoint are; the default */
        REVOCATION_BY_BASIC, /* the client, by client_secret_basic whatever the token endpoint wants */
        REVOCATION_BY_TOKEN, /* the access token, as requests to the API are */
        REVOCATION_BY_NOTHING, /* but what headers and parameters say */
};

enum request_method { REQUEST_POST, REQUEST_GET, REQUEST_DELETE };

/* Whether a refresh brings a new refresh token and ends the old one. For people: purserd takes what comes. */
enum rotation {
        ROTATION_UNKNOWN,
        ROTATION_ALWAYS,
        ROTATION_NEVER,
        ROTATION_OPTIONAL, /* a setting of the app, or as the provider likes */
};

/* Bits of provider.grant_types; the words are RFC 8414's. */
enum {
        GRANT_TYPE_AUTHORIZATION_CODE = 1 << 0,
        GRANT_TYPE_REFRESH_TOKEN = 1 << 1,
        GRANT_TYPE_CLIENT_CREDENTIALS = 1 << 2,
        GRANT_TYPE_DEVICE_CODE = 1 << 3,
};

enum webhook_encoding { WEBHOOK_BASE64, WEBHOOK_HEX };
enum webhook_algorithm { WEBHOOK_HMAC_SHA256, WEBHOOK_HMAC_SHA512 };

struct parameter {
        char *name;
        char *value;
};

struct parameter_list {
        struct parameter *items;
        size_t n;
};

struct provider {
        char *name;
        bool has_mistakes; /* it, or what it extends: never to be used */

        char *issuer; /* RFC 8414 section 2; NULL where there is no discovery */
        char *authorization_endpoint; /* NULL: discovery fills it in */
        char *token_endpoint; /* NULL: discovery fills it in */
        char *revocation_endpoint; /* RFC 7009; NULL: none, or discovery fills it in */
        char *device_authorization_endpoint; /* RFC 8628; NULL: none, or discovery fills it in */
        char *pushed_authorization_request_endpoint; /* RFC 9126; NULL: not used, but where discovery finds that it must be */
        bool must_push; /* require_pushed_authorization_requests */
        enum auth_method auth_method;
        enum assertion_audience assertion_audience;
        bool pkce; /* code_challenge_method: S256 | off */
        char *ca_file; /* private CA; NULL: the system's */
        bool scope_in_url; /* false where scopes are set on the app (Jobber) */
        struct parameter_list authorization_parameters; /* further ones of the authorization request */
        struct parameter_list token_parameters, token_headers; /* of each request to the token endpoint */
        bool json_requests; /* token_request_format: form | json */
        unsigned grant_types; /* GRANT_TYPE_*; 0: not told */
        enum rotation rotation;
        struct parameter_list variables; /* what stands for {name} in URLs */

        struct {
                char *url;
                char *token_header; /* carries the bare access token instead of Authorization; NULL: as RFC 6750 */
                char *version_header; /* NULL: the API has no pinned versions */
                char *default_version;
                char *test_query; /* GraphQL text, POSTed as {"query": ...}; NULL: GET test_url instead */
                char *test_url; /* REST: GET this; NULL and no test_query: no test */
                char *account_id; /* JSON pointers into the test's answer; NULL: it does not tell */
                char *account_name;
                char *served_version;
                char *version_warning;
                char *served_version_header; /* a response header instead of a pointer */
        } api;

        uint64_t default_token_lifetime_usec; /* for tokens that tell no end; 0: unknown, taken as one hour */
        unsigned max_replays; /* tries with the old token after an unknown outcome; default and most: 5 */

        struct answer_rule *token_rules; /* answers of the token endpoint */
        size_t n_token_rules;
        struct answer_rule *api_rules; /* answers of the API */
        size_t n_api_rules;

        enum revocation revocation;
        char *revocation_mutation; /* REVOCATION_GRAPHQL */
        char *revocation_error; /* JSON pointer to an array or string that is not empty when it failed */
        struct {
                char *url; /* a template, as are the values of parameters and headers: see provider_templates[] */
                enum request_method method;
                enum revocation_authentication authentication;
                bool json; /* format: form | json */
                struct parameter_list parameters, headers;
        } revocation_request; /* REVOCATION_REQUEST */
        bool revocation_ends_account; /* it ends every grant of the same account at this client */

        struct {
                char *header; /* NULL: webhooks are not signed, or nobody wrote down how */
                enum webhook_algorithm algorithm;
                enum webhook_encoding encoding;
                char *prefix; /* before the encoded digest: "sha256=" */
                char *signature_element; /* the header is a list "t=1492774577,v1=..."; NULL: one digest */
                char *timestamp_element; /* of that list: when it was sent, seconds since 1970; NULL: not told */
                char *timestamp_separator; /* what is signed is the timestamp, this, and the body; NULL: "." */
                uint64_t tolerance_usec; /* how far the timestamp may be from the local clock; 0: 5 minutes */
                char *disconnect_pointer; /* JSON pointer to what tells a disconnection */
                char *disconnect_value; /* and what it says then */
                char *occurred_at; /* JSON pointer to when it happened; NULL: it does not tell */
                char *account_id; /* JSON pointer to the account's id */
        } webhook;
};

enum {
        PROVIDER_E_MISTAKES = 1, /* added to problems */
};

/*
 * Reads one provider from a mapping. base: what it extends, copied first; NULL: nothing. `extends` itself was
 * resolved by the caller and is skipped here. Mappings merge key by key, lists replace, null takes a text
 * back, and an issuer the endpoints of the former one. Checks: unknown keys with the nearest known one,
 * types, https (or loopback http) for every URL, version_header an HTTP token (RFC 9110 section 5.6.2), no
 * control characters, and that endpoints are given or can be discovered. With PROVIDER_E_MISTAKES *ret is
 * what could be read all the same: good for nothing but to check what extends it.
 */
int provider_read(struct provider **ret, const char *name, const struct provider *base, const char *file,
                  const char *path, const struct yaml_node *mapping, struct problems *problems);
struct provider *provider_free(struct provider *provider);
DEFINE_FREEP(struct provider *, provider_free)

/*
 * https, or http to a loopback host (RFC 8252 section 7.3); with a host, without user, password or fragment.
 */
bool url_is_acceptable(const char *url);
/* The host is localhost, [::1] or of 127.0.0.0/8. */
bool url_is_loopback(const char *url);
/*
 * As an endpoint to be redirected to: absolute, no fragment (RFC 6749 section 3.1.2), no http but to
 * loopback; or an application's own scheme (RFC 8252 section 7.1).
 */
bool url_is_redirect(const char *url);

/* What can stand behind a version header: visible ASCII and inner blanks, at most 63. */
bool api_version_is_valid(const char *version);
#define API_VERSION_MUST "must be 1 to 63 visible ASCII characters"

/* Puts the variables that there are into the URLs: when nothing will extend it any more. */
int provider_fill_in_variables(struct provider *provider);
/* The name of a variable that a URL asks for and nothing gives; false: there is none. */
bool provider_find_missing_variable(const struct provider *provider, char *buffer, size_t size);
/* Whether a revocation of the provider's own kind needs an access token that lives. */
bool provider_revokes_by_access_token(const struct provider *provider);
/* A word of the provider's peculiarities, as in provider files: "always"; NULL: unknown. */
const char *rotation_name(enum rotation rotation);
const char *revocation_name(enum revocation revocation);
const char *auth_method_name(enum auth_method method);

/* True when everything the provider needs to be asked is known without discovery. */
bool provider_has_endpoints(const struct provider *provider);

const char *meaning_name(enum meaning meaning); /* as in provider files: "authorization_required" */
