/* Members stand in the order of the interface definition. */
#include "daemon/serve/bundle_frame.h"

#include "common/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FRAME_MAX = 256 * 1024 };

/* Of two addresses, few of either: cheaper than what is made for any bytes. */
static unsigned hash_of(const struct bundle_frame_key *key)
{
        uint64_t mixed = (uint64_t)(uintptr_t)key->client * 31 + (uint64_t)(uintptr_t)key->api_version;

        return (unsigned)(mixed * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

struct parts {
        struct secret_buf text; /* none is secret; it is what strings are appended to */
        size_t n_before_end, n_before_header, n_behind;
        int r;
};

static void put(struct parts *parts, const char *text)
{
        if (parts->r == 0)
                parts->r = secret_buf_append_string(&parts->text, text);
}

/* member: with its quotes and colon. NULL leaves it out. */
static void put_member(struct parts *parts, const char *member, const char *value)
{
        if (!value)
                return;
        put(parts, member);
        if (parts->r == 0)
                parts->r = wire_append_string(&parts->text, value, strlen(value));
}

static void make_parts(struct parts *parts, const struct bundle_frame_key *key, const char *scheme)
{
        const struct provider *provider = key->client ? key->client->provider : NULL;
        const char *header = provider ? provider->api.token_header : NULL;

        put_member(parts, "\",\"token_type\":", scheme);
        put(parts, ",\"expires_at\":");
        parts->n_before_end = parts->text.n;

        put_member(parts, ",\"api_version\":", key->api_version);
        put_member(parts, ",\"api_url\":", provider ? provider->api.url : NULL);
        put_member(parts, ",\"headers\":[{\"name\":", header ? header : "Authorization");
        put(parts, ",\"value\":\"");
        if (!header && parts->r == 0)
                parts->r = wire_append_text(&parts->text, scheme, strlen(scheme));
        if (!header)
                put(parts, " ");
        parts->n_before_header = parts->text.n - parts->n_before_end;

        put(parts, "\"}");
        if (provider && provider->api.version_header && key->api_version) {
                put_member(parts, ",{\"name\":", provider->api.version_header);
                put_member(parts, ",\"value\":", key->api_version);
                put(parts, "}");
        }
        put(parts, "]");
        parts->n_behind = parts->text.n - parts->n_before_end - parts->n_before_header;
}

static struct bundle_frame *frame_new(const struct parts *parts, const struct bundle_frame_key *key,
                                      const char *scheme)
{
        bool is_usual = scheme == GRANT_BEARER;
        size_t n_scheme = is_usual ? 0 : strlen(scheme) + 1;
        struct bundle_frame *frame = calloc(1, sizeof(*frame) + parts->text.n + n_scheme);

        if (!frame)
                return NULL;
        frame->key = *key;
        frame->n_before_end = parts->n_before_end;
        frame->n_before_header = parts->n_before_header;
        frame->n_behind = parts->n_behind;
        memcpy(frame->text, parts->text.data, parts->text.n);
        frame->scheme = is_usual ? scheme : memcpy(frame->text + parts->text.n, scheme, n_scheme);
        return frame;
}

static int frame_make(struct bundle_frame **frames, const struct bundle_frame_key *key, const char *scheme,
                      struct bundle_frame **ret)
{
        struct parts parts = { .text = SECRET_BUF_INIT(FRAME_MAX) };
        struct bundle_frame *frame = NULL;

        make_parts(&parts, key, scheme);
        if (parts.r == 0)
                frame = frame_new(&parts, key, scheme);
        secret_buf_done(&parts.text);
        if (!frame)
                return parts.r < 0 ? parts.r : fault(-ENOMEM);

        HASH_ADD_BYHASHVALUE(hh, *frames, key, sizeof(frame->key), hash_of(&frame->key), frame);
        if (!frame->hh.tbl) {
                free(frame);
                return fault(-ENOMEM);
        }
        *ret = frame;
        return 0;
}

int bundle_frame_find(struct bundle_frame **frames, const struct credential *credential,
                      const struct bundle_frame **ret)
{
        struct bundle_frame_key key = { credential->client, credential_api_version(credential) };
        const char *scheme = grant_scheme(&credential->grant);
        struct bundle_frame *frame;
        int r;

        HASH_FIND_BYHASHVALUE(hh, *frames, &key, sizeof(key), hash_of(&key), frame);
        /* A client's tokens are all of one type, so that more than one frame is not kept. */
        if (frame && frame->scheme != scheme && strcmp(frame->scheme, scheme) != 0) {
                HASH_DEL(*frames, frame);
                free(frame);
                frame = NULL;
        }
        if (!frame) {
                r = frame_make(frames, &key, scheme, &frame);
                if (r < 0)
                        return r;
        }
        *ret = frame;
        return 0;
}

void bundle_frames_free(struct bundle_frame **frames)
{
        struct bundle_frame *frame, *next;

        HASH_ITER (hh, *frames, frame, next) {
                HASH_DEL(*frames, frame);
                free(frame);
        }
}
