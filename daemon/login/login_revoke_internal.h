/* What login_revoke.c (the order of it) and login_revoke_ask.c (how the provider is asked) share; nobody else includes it. */
#pragma once

#include "daemon/login/login_internal.h"

struct revoke_call {
        struct revoke_op *op;
        revoke_done_fn *on_done;
        void *userdata;
};

struct revoke_op {
        struct logins *logins;
        char *credential; /* by name: it may go meanwhile */
        bool force;
        bool of_pending; /* the pending grant is what is being revoked, else the one in force */
        bool pending_done, main_done; /* nothing is left of it to revoke */
        bool again; /* the API rejected the first token */
        uint64_t generation; /* whose token was sent */
        bool revoked;
        char note[512]; /* what there is to say, for the answer */
        char **also_ended;
        size_t n_also_ended;
        struct timer begin;
        struct endpoints_request *endpoints_request;
        struct waiter *waiter;
        struct http_transfer *transfer;
        struct vault_write *write;
        struct revoke_call *call;
        struct revoke_op *next;
};

/* Whose grant is being revoked; NULL: it has gone meanwhile. */
struct credential *revoke_target(const struct revoke_op *op);

/* Asks the provider in its own way, and goes on with one of the following. */
void revoke_ask(struct revoke_op *op, struct credential *target);

void revoke_succeeded(struct revoke_op *op);
/* The provider has ended it already. */
void revoke_was_ended(struct revoke_op *op);
/* Somebody else has forgotten it, or it is in force now. */
void revoke_has_vanished(struct revoke_op *op);
/* There is no way to ask. */
void revoke_has_no_way(struct revoke_op *op);
void revoke_failed(struct revoke_op *op, const char *reason, uint64_t retry_after_usec);
