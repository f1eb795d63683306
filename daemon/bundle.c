/* The bundle of GetToken and WatchToken. Members stand in the order of the interface definition. */
#include "daemon/bundle.h"

#include "common/wire.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BUNDLE_START "{\"parameters\":"
#define BUNDLE_END "]}}"

enum { REST_MOSTLY = 350 };

/* Appending ends with the first failure, so that a row of calls needs one check. */
struct writer {
        struct secret_buf *buf;
        int r;
};

static void put(struct writer *writer, const char *text)
{
        if (writer->r == 0)
                writer->r = secret_buf_append_string(writer->buf, text);
}

static void put_string(struct writer *writer, const char *bytes, size_t n)
{
        if (writer->r == 0)
                writer->r = wire_append_string(writer->buf, bytes, n);
}

static void put_number(struct writer *writer, const char *member, int64_t value)
{
        char text[64];

        snprintf(text, sizeof(text), "%s%" PRId64, member, value);
        put(writer, text);
}

/* member: with its quotes and colon. NULL leaves it out. */
static void put_member(struct writer *writer, const char *member, const char *value)
{
        if (!value)
                return;
        put(writer, member);
        put_string(writer, value, strlen(value));
}

/* The scheme's name is compared without regard to case (RFC 9110 section 11.1), but some servers do not: RFC 6750 writes it so. */
static const char *scheme(const char *token_type)
{
        return !token_type || strcasecmp(token_type, "bearer") == 0 ? "Bearer" : token_type;
}

/* header: what carries the bare token instead; NULL: Authorization. */
static void put_authorization(struct writer *writer, const struct grant *grant, const char *header)
{
        struct secret_buf value = SECRET_BUF_INIT(writer->buf->max);
        struct writer inner = { .buf = &value, .r = writer->r };

        if (!header) {
                put(&inner, scheme(grant->token_type));
                put(&inner, " ");
        }
        if (inner.r == 0)
                inner.r = secret_buf_append(&value, secret_expose(grant->access_token),
                                            secret_size(grant->access_token));
        writer->r = inner.r;

        put_member(writer, ",\"headers\":[{\"name\":", header ? header : "Authorization");
        put(writer, ",\"value\":");
        put_string(writer, value.data, value.n);
        put(writer, "}");
        secret_buf_done(&value);
}

static void put_headers(struct writer *writer, const struct credential *credential)
{
        const struct provider *provider = credential->client ? credential->client->provider : NULL;
        const char *version = credential_api_version(credential);

        put_authorization(writer, &credential->grant, provider ? provider->api.token_header : NULL);
        if (provider && provider->api.version_header && version) {
                put_member(writer, ",{\"name\":", provider->api.version_header);
                put_member(writer, ",\"value\":", version);
                put(writer, "}");
        }
        put(writer, "]");
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

int bundle_render(struct bundle *bundle, const struct credential *credential, uint64_t boot_now,
                  int64_t wall_now)
{
        const struct grant *grant = &credential->grant;
        struct writer writer = { .buf = &bundle->message };
        struct warnings warnings = { .writer = &writer };

        assert(grant->access_token);

        secret_buf_clear(&bundle->message);
        /* The token twice, and what usually goes with it: growing would copy it again and again. */
        writer.r = secret_buf_reserve(&bundle->message, 2 * secret_size(grant->access_token) + REST_MOSTLY);
        put(&writer, BUNDLE_START "{\"access_token\":");
        put_string(&writer, secret_expose(grant->access_token), secret_size(grant->access_token));
        put_member(&writer, ",\"token_type\":", scheme(grant->token_type));
        put_number(&writer, ",\"expires_at\":", credential_expires_at(credential, boot_now, wall_now));
        put_member(&writer, ",\"api_version\":", credential_api_version(credential));
        put_member(&writer,
                   ",\"api_url\":", credential->client ? credential->client->provider->api.url : NULL);
        put_headers(&writer, credential);
        put_account(&writer, credential);
        put_number(&writer, ",\"generation\":", (int64_t)grant->generation);
        put(&writer, ",\"warnings\":[");
        credential_warnings(credential, boot_now, on_warning, &warnings);
        put(&writer, BUNDLE_END);

        bundle->has_warnings = warnings.any;
        if (writer.r != 0)
                secret_buf_clear(&bundle->message);
        return writer.r;
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
        return writer.r;
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
        put(&writer, scheme(credential->grant.token_type));
        put(&writer, " ");
        put(&writer, secret_expose(credential->grant.access_token));
        put(&writer, "\n");
        if (provider && provider->api.version_header && version)
                put_header(&writer, provider->api.version_header, version);
        return writer.r;
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
        return writer.r;
}

void bundle_done(struct bundle *bundle)
{
        secret_buf_done(&bundle->message);
        bundle->has_warnings = false;
}
