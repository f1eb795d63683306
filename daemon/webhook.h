/*
 * Webhooks: is one from the provider, and does it tell that an account has disconnected the app? The key is the client secret, so
 * nobody but the daemon can tell. Pure.
 */
#pragma once

#include "common/secret.h"
#include "daemon/provider.h"

#include <stdbool.h>
#include <stddef.h>

/* True when the provider file says how webhooks are signed. */
bool webhook_is_signed(const struct provider *provider);

/*
 * HMAC-SHA256 (RFC 2104) of the raw body, keyed with the client secret, against the header's value; compared in constant time. False for
 * any value that is no encoded digest. Blanks around it are ignored.
 */
bool webhook_verify(const struct provider *provider, const struct secret *client_secret, const void *body,
                    size_t n, const char *signature);

struct webhook_notice {
        bool disconnected; /* the account has ended its grants */
        char *account_id; /* NULL where the body does not tell */
};

/* Of a body that was verified before. A body that is no JSON tells nothing. */
int webhook_read_notice(const struct provider *provider, const char *body, size_t n,
                        struct webhook_notice *ret);
void webhook_notice_done(struct webhook_notice *notice); /* safe on a zeroed one */
