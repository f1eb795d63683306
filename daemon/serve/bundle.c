/* The bundle of GetToken and WatchToken. Members stand in the order of the interface definition. */
#include "daemon/serve/bundle.h"

#include "common/wire.h"
#include "daemon/serve/bundle_frame.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BUNDLE_START "{\"parameters\":"
#define BUNDLE_END "]}}"

enum {
        REST_MOSTLY = 512, /* bytes of what goes with the token */
        KEPT = 16 * 1024, /* of memory from one message to the next */
        DIGITS_MAX = 20,
};

/* Appending ends with the first failure, so that a row of calls needs one check. */
struct writer {
        struct secret_buf *buf;
        int r;
};

/* There mostly is. */
static inline bool make_room(struct writer *writer, size_t n)
{
        const struct secret_buf *buf = writer->buf;

        if (writer->r == 0 && buf->allocated - buf->n <= n)
                writer->r = secret_buf_reserve(writer->buf, n);
        return writer->r == 0;
}

/* Nobody reads before the end is there. */
static inline void put_bytes(struct writer *writer, const char *bytes, size_t n)
{
        struct secret_buf *buf = writer->buf;

        if (!make_room(writer, n))
                return;
        memcpy(buf->data + buf->n, bytes, n);
        buf->n += n;
}

/* The text is whole, or what was wrong with it is returned. */
static int finish(struct writer *writer)
{
        if (make_room(writer, 1))
                writer->buf->data[writer->buf->n] = '\0';
        return writer->r;
}

static inline void put(struct writer *writer, const char *text)
{
        put_bytes(writer, text, strlen(text));
}

static void put_string(struct writer *writer, const char *text)
{
        if (writer->r == 0)
                writer->r = wire_append_string(writer->buf, text, strlen(text));
}

static void put_number(struct writer *writer, int64_t value)
{
        char digits[DIGITS_MAX + 1], *end = digits + sizeof(digits), *first = end;
        uint32_t left = (uint32_t)value;

        /* Times are, until 2106; and dividing less is done sooner. */
        if (value == (int64_t)left) {
                do
                        *--first = (char)('0' + left % 10);
                while ((left /= 10) > 0);
        } else {
                first = digits;
                end = digits + snprintf(digits, sizeof(digits), "%" PRId64, value);
        }
        put_bytes(writer, first, (size_t)(end - first));
}

/* member: with its quotes and colon. NULL leaves it out. */
static void put_member(struct writer *writer, const char *member, const char *value)
{
        if (!value)
                return;
        put(writer, member);
        put_string(writer, value);
}

static void put_token(struct writer *writer, const struct grant *grant)
{
        const char *token = secret_expose(grant->access_token);
        size_t n = secret_size(grant->access_token);

        if (grant->token_is_plain)
                put_bytes(writer, token, n);
        else if (writer->r == 0)
                writer->r = wire_append_text(writer->buf, token, n);
}

static void put_account(struct writer *writer, const struct credential *credential)
{
        if (!credential->account_id)
                return;
        put_member(writer, ",\"account\":{\"id\":", credential->account_id);
        put_member(writer, ",\"name\":", credential->account_name);
        put(writer, "}");
}

struct warnings {
        struct writer *writer;
        bool any;
};

static void on_warning(const char *sentence, void *userdata)
{
        struct warnings *warnings = userdata;

        put_member(warnings->writer, warnings->any ? "," : "", sentence);
        warnings->any = true;
}

static void put_warnings(struct writer *writer, const struct credential *credential, uint64_t boot_now,
                         bool *ret_any)
{
        struct warnings warnings = { .writer = writer };

        put(writer, ",\"warnings\":[");
        credential_warnings(credential, boot_now, on_warning, &warnings);
        *ret_any = warnings.any;
}

static void put_all(struct writer *writer, struct bundle *bundle, const struct credential *credential,
                    uint64_t boot_now, int64_t wall_now)
{
        const struct grant *grant = &credential->grant;
        const struct bundle_frame *frame;
        const char *text;

        writer->r = bundle_frame_find(&bundle->frames, credential, &frame);
        if (writer->r < 0)
                return;
        text = frame->text;

        put(writer, BUNDLE_START "{\"access_token\":\"");
        put_token(writer, grant);
        put_bytes(writer, text, frame->n_before_end);
        put_number(writer, credential_expires_at(credential, boot_now, wall_now));
        put_bytes(writer, text + frame->n_before_end, frame->n_before_header);
        put_token(writer, grant);
        put_bytes(writer, text + frame->n_before_end + frame->n_before_header, frame->n_behind);
        put_account(writer, credential);
        put(writer, ",\"generation\":");
        put_number(writer, (int64_t)grant->generation);
        put_warnings(writer, credential, boot_now, &bundle->has_warnings);
        put(writer, BUNDLE_END);
}

int bundle_render(struct bundle *bundle, const struct credential *credential, uint64_t boot_now,
                  int64_t wall_now)
{
        struct secret_buf *message = &bundle->message;
        struct writer writer = { .buf = message };
        size_t before = message->n;

        assert(credential->grant.access_token);

        if (message->allocated > KEPT) {
                secret_buf_done(message);
                before = 0;
        }
        message->n = 0;
        /* The token twice, and what usually goes with it: growing would copy it again and again. */
        if (make_room(&writer, 2 * secret_size(credential->grant.access_token) + REST_MOSTLY))
                put_all(&writer, bundle, credential, boot_now, wall_now);
        if (finish(&writer) != 0) {
                secret_buf_done(message);
                return writer.r;
        }

        /* What was written over is gone; what the last message was longer by is not. */
        if (before > message->n)
                explicit_bzero(message->data + message->n, before - message->n);
        return 0;
}

int bundle_render_variant(const struct bundle *bundle, const char *warning, bool continues,
                          struct secret_buf *ret)
{
        struct writer writer = { .buf = ret };

        assert(bundle->message.n > strlen(BUNDLE_END));

        writer.r = secret_buf_append(ret, bundle->message.data, bundle->message.n - strlen(BUNDLE_END));
        put_member(&writer, bundle->has_warnings ? "," : "", warning);
        put(&writer, "]}");
        put(&writer, continues ? ",\"continues\":true}" : "}");
        return finish(&writer);
}

static void put_header(struct writer *writer, const char *name, const char *value)
{
        put(writer, name);
        put(writer, ": ");
        put(writer, value);
        put(writer, "\n");
}

int bundle_write_headers(const struct credential *credential, struct secret_buf *ret)
{
        const struct provider *provider = credential->client ? credential->client->provider : NULL;
        const char *version = credential_api_version(credential);
        struct writer writer = { .buf = ret };

        put(&writer, "Authorization: ");
        put(&writer, grant_scheme(&credential->grant));
        put(&writer, " ");
        put(&writer, secret_expose(credential->grant.access_token));
        put(&writer, "\n");
        if (provider && provider->api.version_header && version)
                put_header(&writer, provider->api.version_header, version);
        return finish(&writer);
}

int bundle_write_json(const struct bundle *bundle, bool short_lived, struct secret_buf *ret)
{
        static const char warning[] = "This token ends sooner than was wished for; it is the newest one.";
        struct writer writer = { .buf = ret };

        assert(bundle->message.n > strlen(BUNDLE_START) + strlen(BUNDLE_END));

        writer.r = secret_buf_append(ret, bundle->message.data + strlen(BUNDLE_START),
                                     bundle->message.n - strlen(BUNDLE_START) - strlen(BUNDLE_END));
        put_member(&writer, bundle->has_warnings ? "," : "", short_lived ? warning : NULL);
        put(&writer, "]}\n");
        return finish(&writer);
}

void bundle_wipe(struct bundle *bundle)
{
        secret_buf_clear(&bundle->message);
}

void bundle_forget_clients(struct bundle *bundle)
{
        bundle_frames_free(&bundle->frames);
}

void bundle_done(struct bundle *bundle)
{
        secret_buf_done(&bundle->message);
        bundle_frames_free(&bundle->frames);
        bundle->has_warnings = false;
}
