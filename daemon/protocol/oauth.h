/*
 * OAuth 2.0 (RFC 6749, 6750, 7009, 7636, 8414, 9207) as a pure function of bytes: requests are built, answers and redirects are
 * read, and told apart by the provider's rules. No network, no clock, no store.
 */
#pragma once

#include "common/cleanup.h"
#include "common/secret.h"
#include "daemon/http/http_message.h"
#include "daemon/base/jws.h"
#include "daemon/config/provider.h"

#include <stdbool.h>
#include <stdint.h>

/* The endpoints in force: the provider's own, or what discovery found. Borrowed strings. */
struct oauth_endpoints {
        const char *authorization;
        const char *token;
        const char *revocation; /* NULL: none */
        const char *device; /* RFC 8628 section 3.1; NULL: none */
        const char *
                pushed; /* RFC 9126: authorization requests go there before; NULL: in the browser's address */
        bool must_push; /* the provider takes no others */
        const char *issuer; /* NULL: unknown; else a redirect's `iss` must equal it */
        bool sends_issuer; /* it says that every redirect has an `iss` (RFC 9207 section 3) */
};

/* Who asks. Borrowed. */
struct oauth_client {
        const struct provider *provider;
        struct oauth_endpoints endpoints;
        const char *client_id;
        const struct secret *secret; /* NULL: a public client, or one that has a key */
        const struct secret *assertion; /* of private_key_jwt, made for this one request; NULL: none */
};

/* What an assertion of a client says (RFC 7523 section 3). Borrowed. */
struct oauth_assertion {
        const char *client_id;
        const char *key_id; /* kid; NULL: none */
        const char *audience; /* the provider's issuer, or its token endpoint */
        const char *id; /* jti: of no other assertion */
        int64_t now_sec;
};

int oauth_make_assertion(const struct oauth_assertion *what, const struct jws_key *key, struct secret **ret);

struct oauth_authorization {
        const char *redirect_uri;
        const char *state;
        const char *challenge; /* NULL: no PKCE */
        const char *const *scopes;
        size_t n_scopes;
};

/* RFC 6749 section 4.1.1, RFC 7636 section 4.3. The endpoint's own query is kept (RFC 6749 section 3.1). */
int oauth_authorization_url(const struct oauth_client *client,
                            const struct oauth_authorization *authorization, char **ret);

/* The same parameters for the provider to keep (RFC 9126 section 2.1). */
int oauth_pushed_request(const struct oauth_client *client, const struct oauth_authorization *authorization,
                         struct http_request **ret);

/* What stands for them in the browser's address (section 2.2). */
struct oauth_pushed {
        char request_uri[1024];
        unsigned expires_sec; /* until when it must be opened */
};

enum {
        OAUTH_E_NOT_PUSHED = 1, /* it is none: read as a token answer, it says why */
};

int oauth_read_pushed_answer(const struct http_response *response, struct oauth_pushed *ret);
/* Section 4. */
int oauth_pushed_url(const struct oauth_client *client, const struct oauth_pushed *pushed, char **ret);

/* RFC 6749 section 4.1.3. verifier NULL: none was promised. */
int oauth_exchange_request(const struct oauth_client *client, const struct secret *code,
                           const char *redirect_uri, const struct secret *verifier,
                           struct http_request **ret);
/* RFC 6749 section 6. */
int oauth_refresh_request(const struct oauth_client *client, const struct secret *refresh_token,
                          struct http_request **ret);
/* RFC 6749 section 4.4.2. */
int oauth_client_credentials_request(const struct oauth_client *client, const char *const *scopes,
                                     size_t n_scopes, struct http_request **ret);
/* RFC 7009 section 2.1. type_hint: "refresh_token" or "access_token". */
int oauth_revoke_request(const struct oauth_client *client, const struct secret *token, const char *type_hint,
                         struct http_request **ret);

/* What a grant is revoked by where the provider has a way of its own. Borrowed; NULL: none. */
struct oauth_ending {
        const struct secret *access_token, *refresh_token;
        const char *token_type, *account_id;
};

enum {
        OAUTH_E_NO_VALUE = 1, /* the request needs something that this grant has not; *ret_missing names it */
};

/* REVOCATION_REQUEST. The answer is read as one of a revocation endpoint. */
int oauth_ending_request(const struct oauth_client *client, const struct oauth_ending *ending,
                         struct http_request **ret, const char **ret_missing);

/* RFC 8628 section 3.1. */
int oauth_device_request(const struct oauth_client *client, const char *const *scopes, size_t n_scopes,
                         struct http_request **ret);
/* RFC 8628 section 3.4. */
int oauth_device_token_request(const struct oauth_client *client, const struct secret *device_code,
                               struct http_request **ret);

/* RFC 8628 section 3.2. */
struct oauth_device {
        struct secret *device_code;
        char user_code[64];
        char verification_uri[256];
        char verification_uri_complete[512]; /* "" where there is none */
        unsigned expires_sec, interval_sec;
};

enum {
        OAUTH_E_NO_DEVICE = 1, /* it is none: read as a token answer, it says why */
};

int oauth_read_device_answer(const struct http_response *response, struct oauth_device *ret);
void oauth_device_done(struct oauth_device *device); /* safe on a zeroed one */

/* RFC 8628 section 3.5: what a token answer says of a person who has not answered. */
enum oauth_device_state {
        OAUTH_DEVICE_ANSWERED, /* anything else: it is a token answer */
        OAUTH_DEVICE_PENDING,
        OAUTH_DEVICE_SLOW_DOWN,
        OAUTH_DEVICE_UNANSWERED, /* nothing came: less often (section 3.5) */
        OAUTH_DEVICE_DENIED,
        OAUTH_DEVICE_EXPIRED,
};

int oauth_read_device_state(const struct http_response *response, enum oauth_device_state *ret);

enum oauth_verdict {
        OAUTH_GRANTED, /* the answer holds an access token, or at least a new refresh token */
        OAUTH_GRANT_REFUSED, /* final: a person must log in */
        /* client_id, client_secret or the client's registration is wrong; the grant may be fine */
        OAUTH_CLIENT_REFUSED,
        OAUTH_TRY_AGAIN, /* passing */
};

struct oauth_answer {
        enum oauth_verdict verdict;
        bool outcome_unknown; /* with OAUTH_TRY_AGAIN: the provider may have rotated the grant all the same */
        bool disconnected; /* with OAUTH_GRANT_REFUSED: the access tokens are dead, too */
        bool foreign_refresher; /* somebody else refreshes this grant */
        struct secret *access_token; /* NULL in an OAUTH_GRANTED answer: unusable or absent, refresh again */
        struct secret *refresh_token; /* NULL: none in the answer; the old one stays */
        char token_type[32]; /* "Bearer" when absent; canonical spelling for bearer */
        uint64_t lifetime_usec; /* counted from when the answer came */
        uint64_t retry_after_usec; /* 0: not said; at most one hour */
        /* One clean line: what happened, and what to do where there is something; "" when all is well. Never a secret. */
        char reason[320];
        char notice[512]; /* the provider's own warning in a good answer, cleaned; "" when none */
};

/* wall_sec: the local clock when the answer came. 0 or a fault of memory; every answer has a verdict. */
int oauth_read_token_answer(const struct provider *provider, const struct http_response *response,
                            int64_t wall_sec, struct oauth_answer *ret);
/*
 * The same for a client that asked for itself (RFC 6749 section 4.4.3): there is no grant that could be refused, rotated or in doubt, so that a
 * refusal is the client's, and a refresh token is left alone.
 */
int oauth_read_client_credentials_answer(const struct provider *provider,
                                         const struct http_response *response, int64_t wall_sec,
                                         struct oauth_answer *ret);
void oauth_answer_done(struct oauth_answer *answer); /* safe on a zeroed one */

/* RFC 7009 section 2.2: OAUTH_GRANTED means revoked (or never valid). */
int oauth_read_revocation_answer(const struct provider *provider, const struct http_response *response,
                                 struct oauth_answer *ret);

enum redirect_verdict {
        REDIRECT_CODE,
        REDIRECT_DENIED, /* an error, or neither code nor error: Jobber sends no parameters at all to say no */
        REDIRECT_MISMATCH, /* wrong or missing state, another issuer: not the answer to this login */
        REDIRECT_MALFORMED, /* no URL or query */
};

struct redirect {
        enum redirect_verdict verdict;
        struct secret *code;
        char reason[320];
};

/*
 * redirect: the whole URL, or its query. state: what this login sent. issuer: NULL, or what a given `iss` must equal (RFC 9207), which
 * must be there where the issuer is one that sends it. A state is compared in constant time; a parameter given twice is a mismatch.
 */
int oauth_read_redirect(const char *redirect, const char *state, const char *issuer, bool sends_issuer,
                        struct redirect *ret);
void redirect_done(struct redirect *redirect);

/* RFC 8414 section 3 and OpenID Connect Discovery: where the metadata may lie; both forms, to be tried in this order. */
enum { OAUTH_DISCOVERY_PLACES = 3 };
int oauth_discovery_url(const char *issuer, unsigned place, char **ret);

struct oauth_metadata {
        char *authorization_endpoint, *token_endpoint, *revocation_endpoint, *device_authorization_endpoint;
        char *pushed_authorization_request_endpoint;
        bool must_push;
        bool sends_issuer;
};

enum {
        OAUTH_E_UNUSABLE = 1, /* diag says what is wrong with it */
};

/* The answer's issuer must equal ours (RFC 8414 section 3.3); endpoints must be acceptable URLs. */
int oauth_read_metadata(const char *issuer, const struct http_response *response, struct oauth_metadata *ret,
                        struct diag *diag);
void oauth_metadata_done(struct oauth_metadata *metadata);

enum { OAUTH_TOKEN_MAX = 16 * 1024 };

/* Visible ASCII, 0x21 to 0x7e, at least one byte and at most OAUTH_TOKEN_MAX. */
bool token_is_usable(const char *token, size_t n);
