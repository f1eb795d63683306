/*
 * What login.c (logins that wait for a person), login_op.c, login_exchange.c, login_pending.c, login_grant.c (from a code or token to a tested
 * grant) and login_revoke*.c share.
 */
#pragma once

#include "daemon/discovery.h"
#include "daemon/http.h"
#include "daemon/login.h"
#include "daemon/pkce.h"
#include "daemon/vault.h"

/* A person is at the provider's page. */
struct pending_login {
        struct logins *logins;
        char id[PKCE_TEXT_SIZE + 1];
        char state[PKCE_TEXT_SIZE + 1];
        struct secret *verifier; /* NULL: the provider has no PKCE */
        char *credential, *client, *description, *redirect_uri;
        char *issuer; /* NULL: unknown */
        bool sends_issuer;
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

enum op_start { OP_BEGIN_LOGIN, OP_EXCHANGE, OP_IMPORT, OP_RESUME };

/* One login on its way: endpoints, exchange, pending grant, test, promotion. It goes on without its call. */
struct login_op {
        struct logins *logins;
        enum op_start start;
        char *credential, *client, *description, *redirect_uri;
        char *pending_client; /* the pending grant's: once there is a grant, nothing that it needs may be missing */
        bool switch_account;
        struct secret *code; /* OP_EXCHANGE; or the refresh token of OP_IMPORT */
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

/* Makes an op that begins at the next turn of the loop. call may be NULL: nobody waits. Strings are copied; NULL stays NULL. */
int login_op_new(struct logins *logins, enum op_start start, const char *credential, const char *client,
                 login_done_fn *on_done, void *userdata, struct login_call **ret_call, struct login_op **ret);
void login_op_free(struct login_op *op);
/* Ends it with this answer. */
void login_op_finish(struct login_op *op, const struct login_answer *answer);
void login_op_fail(struct login_op *op, enum login_verdict verdict, const char *name, const char *reason,
                   uint64_t retry_after_usec);
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

/* Tests the login of this credential that waits for its test. */
int logins_resume_one(struct logins *logins, const struct credential *credential);

void revocations_free(struct logins *logins);
