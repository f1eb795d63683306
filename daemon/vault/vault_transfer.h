/* Grants that leave for another machine, and grants that come from one. */
#pragma once

#include "daemon/vault/vault.h"

/* Tells on_done when everything that was queued before is done with: saved, or refused. */
int vault_sync(struct vault *vault, vault_done_fn *on_done, void *userdata, struct vault_write **ret);

/* Whether there is a grant of it that could be given away: readable, not being forgotten, and not moved already. */
bool vault_may_export(const struct credential *credential);
/* Whether a grant that comes would take something's place: a grant, a login that waits, or a record that does not open. */
bool vault_is_taken(const struct credential *credential);

/* Client secrets that the store holds; non-zero ends and is returned. */
int vault_each_client_secret(struct vault *vault,
                             int (*on_secret)(const char *client, const struct secret *secret,
                                              void *userdata),
                             void *userdata);
/* NULL: there is none. Valid until it changes. */
const struct secret *vault_find_client_secret(struct vault *vault, const char *client);

struct vault_arrivals {
        struct credential **credentials; /* owned; NULL once it was put in place */
        uint64_t *marks; /* as many */
        size_t n;
        char **clients; /* owned */
        struct secret **secrets; /* as many; owned */
        size_t n_secrets;
};

void vault_arrivals_done(struct vault_arrivals *arrivals); /* safe on a zeroed one */
int vault_arrivals_add(struct vault_arrivals *arrivals, struct credential **credential); /* taken */
int vault_arrivals_add_secret(struct vault_arrivals *arrivals, char **client, struct secret **secret);

/*
 * Writes all of them in one step: on_done of a failure means that nothing was changed. arrivals stays until then. What is there of the same
 * names is replaced, on disk first; vault_settle_arrivals() puts it in force in memory.
 */
int vault_save_arrivals(struct vault *vault, struct vault_arrivals *arrivals, vault_done_fn *on_done,
                        void *userdata, struct vault_write **ret);
/* on_placed: of each that is in force now; what was logged in for meanwhile is newer and stays. */
int vault_settle_arrivals(struct vault *vault, struct vault_arrivals *arrivals,
                          void (*on_placed)(struct credential *credential, void *userdata), void *userdata);
