/* How a client proves by a key that it is the one (private_key_jwt). Owns what the assertion says; signs nothing itself. */
#include "daemon/protocol/oauth.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <string.h>

enum {
        ASSERTION_MAX = 16 * 1024,
        /* Long enough for a slow network, and of no use to who finds it later. */
        ASSERTION_LIVES_SEC = 60,
};

static int append_base64url(struct secret_buf *buf, const void *bytes, size_t n)
{
        size_t size = sodium_base64_encoded_len(n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        int r = secret_buf_reserve(buf, size);

        if (r < 0)
                return r;
        sodium_bin2base64(buf->data + buf->n, size, bytes, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        buf->n += size - 1;
        return 0;
}

static int append_bytes(const char *bytes, size_t n, void *userdata)
{
        return secret_buf_append(userdata, bytes, n) < 0 ? -1 : 0;
}

static int append_object(struct secret_buf *buf, json_t *object)
{
        _cleanup_(json_decrefp) json_t *owned = object;
        _cleanup_(secret_buf_done) struct secret_buf text = SECRET_BUF_INIT(ASSERTION_MAX);

        if (!owned || json_dump_callback(owned, append_bytes, &text, JSON_COMPACT) < 0)
                return fault(-ENOMEM);
        return append_base64url(buf, text.data, text.n);
}

/* RFC 7523 section 3, and OpenID Connect Core section 9, which wants a jti. */
static json_t *make_claims(const struct oauth_assertion *what)
{
        return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "iss", what->client_id, "sub", what->client_id,
                         "aud", what->audience, "jti", what->id, "iat", (json_int_t)what->now_sec, "exp",
                         (json_int_t)what->now_sec + ASSERTION_LIVES_SEC);
}

static json_t *make_header(const struct oauth_assertion *what, const struct jws_key *key)
{
        return json_pack("{s:s, s:s, s:s*}", "alg", jws_algorithm_name(jws_key_algorithm(key)), "typ", "JWT",
                         "kid", what->key_id);
}

int oauth_make_assertion(const struct oauth_assertion *what, const struct jws_key *key, struct secret **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf jwt = SECRET_BUF_INIT(ASSERTION_MAX);
        unsigned char signature[JWS_SIGNATURE_MAX];
        size_t n_signature;

        int r = append_object(&jwt, make_header(what, key));
        if (r == 0)
                r = secret_buf_append(&jwt, ".", 1);
        if (r == 0)
                r = append_object(&jwt, make_claims(what));
        if (r == 0)
                r = jws_sign(key, jwt.data, jwt.n, signature, &n_signature);
        if (r == 0)
                r = secret_buf_append(&jwt, ".", 1);
        if (r == 0)
                r = append_base64url(&jwt, signature, n_signature);
        return r < 0 ? r : secret_buf_take(&jwt, ret);
}
