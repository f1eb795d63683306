/*
 * One credential's token and everything that goes with it, as one reply that is ready to be sent. It holds the token, so that it is secret
 * memory and never a tree of JSON values. Pure.
 */
#pragma once

#include "common/secret.h"
#include "daemon/vault/credential.h"

#include <stdbool.h>
#include <stdint.h>

struct bundle_frame;

/*
 * Embedded in its owner, and used for one reply after the other: making one costs little more than copying it. What all replies of a client
 * have in common is kept, in ordinary memory, since no secret is in it.
 */
struct bundle {
        struct secret_buf message; /* {"parameters":{...,"warnings":[...]}} */
        bool has_warnings;
        struct bundle_frame *frames;
};

#define BUNDLE_INIT                                                                                          \
        {                                                                                                    \
                .message = SECRET_BUF_INIT(256 * 1024)                                                       \
        }

/* The credential must have an access token. On failure there is no message. It is valid until the next one, or until it is wiped. */
int bundle_render(struct bundle *bundle, const struct credential *credential, uint64_t boot_now,
                  int64_t wall_now);
void bundle_wipe(struct bundle *bundle);
/* Call when the configuration was swapped. */
void bundle_forget_clients(struct bundle *bundle);
void bundle_done(struct bundle *bundle);

/* The same as it was rendered, with one warning more (NULL: none), and as one of several answers. ret is appended to. */
int bundle_render_variant(const struct bundle *bundle, const char *warning, bool continues,
                          struct secret_buf *ret);

/* The credential's headers as lines "Name: value", as `curl -H @FILE` reads them. It must have an access token. */
int bundle_write_headers(const struct credential *credential, struct secret_buf *ret);
/* What was rendered, as one line of JSON without the protocol's frame; short_lived: with a warning that it lives less long than wished. */
int bundle_write_json(const struct bundle *bundle, bool short_lived, struct secret_buf *ret);
