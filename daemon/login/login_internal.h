/*
 * What login.c (logins that wait for a person), login_op.c, login_send.c, login_pushed.c, login_exchange.c, login_pending.c, login_grant.c (from a code or token to a tested
 * grant) and login_revoke*.c share.
 */
#pragma once

#include "daemon/refresh/discovery.h"
#include "daemon/http/http.h"
#include "daemon/login/login.h"
#include "daemon/protocol/pkce.h"
#include "daemon/vault/vault.h"

/* A person is at the provider's page. */
struct pending_login {
        struct logins *logins;
        char id[PKCE_TEXT_SIZE + 1];
        char state[PKCE_TEXT_SIZE + 1];
        struct secret *verifier; /* NULL: the provider has no PKCE */
        char *credential, *client, *description, *redirect_uri;
        char *issuer; /* NULL: unknown */
        bool sends_issuer;
        struct secret
                *device_code; /* of the device flow: the person is elsewhere, and nothing is redirected */
        uint64_t interval_usec, ends_usec; /* how often it may be asked about; boot time */
        struct timer expiry;
        struct pending_login *next;
};

struct logins {
        struct context *context;
        struct refresher *refresher;
        struct prober *prober;
        struct pending_login *waiting;
        unsigned n_waiting;
        struct login_op *ops;
        struct revoke_op *revocations;
};

struct login_call {
        struct login_op *op; /* NULL: it has been answered */
        login_done_fn *on_done;
        void *userdata;
};

enum op_start { OP_BEGIN_LOGIN, OP_BEGIN_DEVICE, OP_EXCHANGE, OP_POLL_DEVICE, OP_IMPORT, OP_RESUME };

/* One login on its way: endpoints, exchange, pending grant, test, promotion. It goes on without its call. */
struct login_op {
        struct logins *logins;
        enum op_start start;
        char *credential, *client, *description, *redirect_uri;
        char *pending_client; /* the pending grant's: once there is a grant, nothing that it needs may be missing */
        bool switch_account;
        struct secret *
                code; /* OP_EXCHANGE; or the refresh token of OP_IMPORT, or the device code of OP_POLL_DEVICE */
        uint64_t interval_usec, ends_usec; /* of OP_POLL_DEVICE */
        char login
                [PKCE_TEXT_SIZE +
                 1]; /* of OP_BEGIN_LOGIN: nobody has been told of it yet, and it goes with the op; "": none */
        char *authorization_endpoint; /* of OP_BEGIN_LOGIN: while the rest is pushed */
        struct secret *verifier;
        bool holds_pending; /* it has made the credential's pending grant */
        char *refused; /* of a promotion: the grant was refused, and stays to say so */
        struct timer begin; /* so that nothing is answered from within */
        struct endpoints_request *endpoints_request;
        struct http_transfer *transfer;
        struct vault_write *write;
        struct waiter *waiter;
        struct probe_wait *probe_wait;
        struct login_call *call; /* NULL: nobody waits */
        struct login_op *next;
};

struct oauth_answer;
struct oauth_authorization;

/* Makes an op that begins at the next turn of the loop. call may be NULL: nobody waits. Strings are copied; NULL stays NULL. */
int login_op_new(struct logins *logins, enum op_start start, const char *credential, const char *client,
                 login_done_fn *on_done, void *userdata, struct login_call **ret_call, struct login_op **ret);
void login_op_free(struct login_op *op);
/* Ends it with this answer. */
void login_op_finish(struct login_op *op, const struct login_answer *answer);
void login_op_fail(struct login_op *op, enum login_verdict verdict, const char *name, const char *reason,
                   uint64_t retry_after_usec);
/* The client for a login of this credential; NULL: on_done was told why there is none. */
const struct client *login_choose_client(struct logins *logins, const char *name, const char *client_name,
                                         login_done_fn *on_done, void *userdata);
void login_refuse(login_done_fn *on_done, void *userdata, enum login_verdict verdict, const char *name,
                  const char *reason);
struct pending_login *login_find(struct logins *logins, const char *id); /* NULL: no such login */
/* A login with an id and a state that waits for a person, for so long; takes what the op knows of it. */
int pending_login_new(struct login_op *op, const struct client *client, const char *issuer, bool pkce,
                      uint64_t expires_usec, struct pending_login **ret);
void pending_login_free(struct pending_login *login);

/* The request of this op to one of the endpoints, by the client as it is registered. */
typedef int login_make_request(struct login_op *op, const struct oauth_client *client,
                               const struct client *registration, struct http_request **ret);
/* False: the op has ended, and whoever waits was told why. */
bool login_op_send(struct login_op *op, const struct oauth_endpoints *endpoints, login_make_request *make,
                   void (*on_answer)(const struct http_response *response, void *userdata));
/* What the answer says as a token answer; false: the op has ended. */
bool login_op_read_answer(struct login_op *op, const struct http_response *response,
                          struct oauth_answer *ret);

/* An answer about this request, and not about load (408, 429) or the server (5xx). */
bool login_is_refusal(const struct http_response *response);

/* Of OP_BEGIN_DEVICE and OP_POLL_DEVICE: the endpoints are known. */
void login_op_begin_device(struct login_op *op, const struct oauth_endpoints *endpoints);
void login_op_poll_device(struct login_op *op, const struct oauth_endpoints *endpoints);
/* A token answer that is no longer waited for: a grant to be saved and tested, or the end. */
void login_op_take_answer(struct login_op *op, struct oauth_answer *answer);

/* What a login asks the provider for. challenge has room for one; both borrow. */
void pending_login_describe(const struct pending_login *login, const struct client *client,
                            char challenge[PKCE_TEXT_SIZE + 1], struct oauth_authorization *ret);
/* Tells whoever waits where to send the person, and leaves the login to wait. expires_sec: how long the URL lasts; 0: as the login. */
void login_op_tell_url(struct login_op *op, const struct pending_login *login, const char *url,
                       unsigned expires_sec);
/* What it asks for is pushed to the provider (RFC 9126) before anybody is told. */
void login_op_push(struct login_op *op, const struct oauth_endpoints *endpoints);

/* Of OP_BEGIN_LOGIN: the endpoints are known. */
void login_op_begin_login(struct login_op *op, const struct oauth_endpoints *endpoints);

/* The first step; the begin timer's. */
void login_op_on_begin(void *userdata);
/* Towards a login's URL, or an exchange. */
void login_op_find_endpoints(struct login_op *op);
/* Of the pending grant: a token where it has none, then the test, then its place. */
void login_op_ensure_token(struct login_op *op, struct credential *pending);
/* Without memory it stays as it was. */
void login_replace_text(char **text, const char *value);
/* Saves a grant (taken) beside the one in force, before anything else is done with it; then tests it. */
void login_op_save_pending(struct login_op *op, struct grant *grant);

void revocations_free(struct logins *logins);
