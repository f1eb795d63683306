/*
 * Webhooks: is one from the provider, and does it tell that an account has disconnected the app? The key is the client secret, so
 * nobody but the daemon can tell. Pure.
 */
#pragma once

#include "common/secret.h"
#include "daemon/config/provider.h"

#include <stdbool.h>
#include <stddef.h>

/* True when the provider file says how webhooks are signed. */
bool webhook_is_signed(const struct provider *provider);

enum webhook_verdict {
        WEBHOOK_FORGED, /* or signed with another key, or no encoded digest at all */
        WEBHOOK_STALE, /* the provider's, but too long ago, or ahead of the local clock: perhaps sent again by somebody else */
        WEBHOOK_GENUINE,
};

enum { WEBHOOK_TOLERANCE_SEC = 300 };

/*
 * The HMAC (RFC 2104) of the raw body, or of a timestamp and the body, keyed with the client secret, against the header's value; compared
 * in constant time. Blanks around a digest are ignored. Of a list, one digest that holds is enough, since a provider signs with two keys
 * while one replaces the other. wall_now_usec: for providers that sign a timestamp.
 */
enum webhook_verdict webhook_verify(const struct provider *provider, const struct secret *client_secret,
                                    const void *body, size_t n, const char *signature, int64_t wall_now_usec);

struct webhook_notice {
        bool disconnected; /* the account has ended its grants */
        int64_t occurred_sec; /* since 1970; -1 where the body does not tell */
        char *account_id; /* NULL where the body does not tell */
};

/* Of a body that was verified before. A body that is no JSON tells nothing. */
int webhook_read_notice(const struct provider *provider, const char *body, size_t n,
                        struct webhook_notice *ret);
void webhook_notice_done(struct webhook_notice *notice); /* safe on a zeroed one */
