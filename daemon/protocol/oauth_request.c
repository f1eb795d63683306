/* The requests of OAuth. Owns how a client authenticates and what each form holds; reads no answer. */
#include "daemon/protocol/oauth.h"

#include "daemon/base/form.h"
#include "daemon/protocol/oauth_internal.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <string.h>

enum { FORM_MAX = 256 * 1024, SCOPE_MAX = 64 * 1024 };

bool oauth_uses_basic(const struct oauth_client *client)
{
        return client->provider->auth_method == AUTH_METHOD_BASIC && client->secret;
}

/* RFC 7521 section 4.2, RFC 7523 section 2.2. */
static int append_assertion(struct secret_buf *body, const struct oauth_client *client)
{
        int r = form_append(body, "client_assertion_type",
                            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");

        return r < 0 ? r : form_append_secret(body, "client_assertion", client->assertion);
}

/* RFC 6749 section 2.3.1. client_id is in the form whenever no header tells it (section 3.2.1). */
static int append_client(struct secret_buf *body, const struct oauth_client *client)
{
        if (oauth_uses_basic(client))
                return 0;
        int r = form_append(body, "client_id", client->client_id);
        if (r == 0 && client->secret && client->provider->auth_method == AUTH_METHOD_POST)
                r = form_append_secret(body, "client_secret", client->secret);
        if (r == 0 && client->assertion && client->provider->auth_method == AUTH_METHOD_PRIVATE_KEY_JWT)
                r = append_assertion(body, client);
        return r;
}

static int append_base64(struct secret_buf *buf, const struct secret_buf *bytes)
{
        size_t size = sodium_base64_encoded_len(bytes->n, sodium_base64_VARIANT_ORIGINAL);
        int r = secret_buf_reserve(buf, size);

        if (r < 0)
                return r;
        sodium_bin2base64(buf->data + buf->n, size, (const unsigned char *)bytes->data, bytes->n,
                          sodium_base64_VARIANT_ORIGINAL);
        buf->n += size - 1;
        return 0;
}

/* Both parts are form-encoded before they are joined, so that a colon in client_id does no harm (RFC 6749 section 2.3.1). */
static int add_basic_header(struct http_request *request, const struct oauth_client *client)
{
        _cleanup_(secret_buf_done) struct secret_buf pair = SECRET_BUF_INIT(FORM_MAX);
        _cleanup_(secret_buf_done) struct secret_buf value = SECRET_BUF_INIT(2 * FORM_MAX);

        int r = form_append_encoded(&pair, client->client_id, strlen(client->client_id));
        if (r == 0)
                r = secret_buf_append(&pair, ":", 1);
        if (r == 0)
                r = form_append_encoded(&pair, secret_expose(client->secret), secret_size(client->secret));
        if (r == 0)
                r = secret_buf_append_string(&value, "Basic ");
        if (r == 0)
                r = append_base64(&value, &pair);
        return r < 0 ? r : http_request_add_header(request, "Authorization", value.data, value.n);
}

static int add_headers(struct http_request *request, const struct oauth_client *client)
{
        static const char type[] = "application/json";
        int r = http_request_add_header(request, "Accept", type, sizeof type - 1);

        if (r == 0 && oauth_uses_basic(client))
                r = add_basic_header(request, client);
        return r;
}

static int append_bytes(const char *bytes, size_t n, void *userdata)
{
        return secret_buf_append(userdata, bytes, n) < 0 ? -1 : 0;
}

static int add_member(json_t *root, const struct form_pair *pair)
{
        _cleanup_(secret_buf_done) struct secret_buf name = SECRET_BUF_INIT(FORM_MAX),
                                                     value = SECRET_BUF_INIT(FORM_MAX);
        int r = form_append_decoded(&name, pair->name, pair->n_name);

        if (r == 0)
                r = form_append_decoded(&value, pair->value, pair->n_value);
        if (r == 0)
                r = secret_buf_append(&name, "", 1);
        if (r != 0)
                return r < 0 ? r : fault(-EINVAL);
        return json_object_set_new(root, name.data, json_stringn(value.n ? value.data : "", value.n)) < 0
                       ? fault(-ENOMEM)
                       : 0;
}

/* The pairs of a form as an object of strings. Its tree lies in memory that jansson wipes. */
static int form_to_json(const struct secret_buf *form, struct secret_buf *ret)
{
        _cleanup_(json_decrefp) json_t *root = json_object();
        struct form_reader reader = { .at = form->data, .end = form->data + form->n };
        struct form_pair pair;
        int r = root ? 0 : fault(-ENOMEM);

        while (r == 0 && form->n > 0 && form_next(&reader, &pair) == 0)
                r = add_member(root, &pair);
        if (r == 0 && json_dump_callback(root, append_bytes, ret, JSON_COMPACT) < 0)
                r = fault(-ENOMEM);
        return r;
}

int oauth_set_body(struct http_request *request, struct secret_buf *form, bool as_json)
{
        _cleanup_(secret_buf_done) struct secret_buf json = SECRET_BUF_INIT(FORM_MAX);
        const char *type = as_json ? "application/json" : "application/x-www-form-urlencoded";

        int r = http_request_add_header(request, "Content-Type", type, strlen(type));
        if (r == 0 && as_json)
                r = form_to_json(form, &json);
        return r < 0 ? r : secret_buf_take(as_json ? &json : form, &request->body);
}

int oauth_client_request(const struct oauth_client *client, const char *url, struct secret_buf *form,
                         bool as_json, struct http_request **ret)
{
        _cleanup_(http_request_freep) struct http_request *request = NULL;

        if (!url)
                return fault(-EINVAL);
        int r = http_request_new(&request, true, url);
        if (r == 0)
                r = add_headers(request, client);
        if (r == 0)
                r = append_client(form, client);
        if (r == 0)
                r = oauth_set_body(request, form, as_json);
        if (r < 0)
                return r;
        if (client->provider->ca_file) {
                request->ca_file = strdup(client->provider->ca_file);
                if (!request->ca_file)
                        return fault(-ENOMEM);
        }
        *ret = take_ptr(request);
        return 0;
}

/* With what the provider wants in each request to its token endpoint. */
static int token_request(const struct oauth_client *client, struct secret_buf *form,
                         struct http_request **ret)
{
        const struct provider *provider = client->provider;
        _cleanup_(http_request_freep) struct http_request *request = NULL;
        int r = 0;

        for (size_t i = 0; r == 0 && i < provider->token_parameters.n; i++)
                r = form_append(form, provider->token_parameters.items[i].name,
                                provider->token_parameters.items[i].value);
        if (r == 0)
                r = oauth_client_request(client, client->endpoints.token, form, provider->json_requests,
                                         &request);
        for (size_t i = 0; r == 0 && i < provider->token_headers.n; i++) {
                const struct parameter *header = &provider->token_headers.items[i];
                r = http_request_add_header(request, header->name, header->value, strlen(header->value));
        }
        if (r < 0)
                return r;
        *ret = take_ptr(request);
        return 0;
}

int oauth_exchange_request(const struct oauth_client *client, const struct secret *code,
                           const char *redirect_uri, const struct secret *verifier, struct http_request **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf body = SECRET_BUF_INIT(FORM_MAX);

        int r = form_append(&body, "grant_type", "authorization_code");
        if (r == 0)
                r = form_append_secret(&body, "code", code);
        if (r == 0 && redirect_uri)
                r = form_append(&body, "redirect_uri", redirect_uri);
        if (r == 0 && verifier)
                r = form_append_secret(&body, "code_verifier", verifier);
        return r < 0 ? r : token_request(client, &body, ret);
}

int oauth_refresh_request(const struct oauth_client *client, const struct secret *refresh_token,
                          struct http_request **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf body = SECRET_BUF_INIT(FORM_MAX);

        int r = form_append(&body, "grant_type", "refresh_token");
        if (r == 0)
                r = form_append_secret(&body, "refresh_token", refresh_token);
        return r < 0 ? r : token_request(client, &body, ret);
}

int oauth_append_scopes(struct secret_buf *form, const char *const *scopes, size_t n_scopes)
{
        _cleanup_(secret_buf_done) struct secret_buf joined = SECRET_BUF_INIT(SCOPE_MAX);
        int r = 0;

        if (n_scopes == 0)
                return 0;
        for (size_t i = 0; r == 0 && i < n_scopes; i++) {
                if (i > 0)
                        r = secret_buf_append(&joined, " ", 1);
                if (r == 0)
                        r = secret_buf_append_string(&joined, scopes[i]);
        }
        return r < 0 ? r : form_append(form, "scope", joined.data ? joined.data : "");
}

int oauth_client_credentials_request(const struct oauth_client *client, const char *const *scopes,
                                     size_t n_scopes, struct http_request **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf body = SECRET_BUF_INIT(FORM_MAX);

        int r = form_append(&body, "grant_type", "client_credentials");
        if (r == 0 && client->provider->scope_in_url)
                r = oauth_append_scopes(&body, scopes, n_scopes);
        return r < 0 ? r : token_request(client, &body, ret);
}

int oauth_device_request(const struct oauth_client *client, const char *const *scopes, size_t n_scopes,
                         struct http_request **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf body = SECRET_BUF_INIT(FORM_MAX);
        /* client_id is sent whoever authenticates how (RFC 8628 section 3.1). */
        int r = oauth_uses_basic(client) ? form_append(&body, "client_id", client->client_id) : 0;

        if (r == 0 && client->provider->scope_in_url)
                r = oauth_append_scopes(&body, scopes, n_scopes);
        return r < 0 ? r : oauth_client_request(client, client->endpoints.device, &body, false, ret);
}

int oauth_device_token_request(const struct oauth_client *client, const struct secret *device_code,
                               struct http_request **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf body = SECRET_BUF_INIT(FORM_MAX);

        int r = form_append(&body, "grant_type", "urn:ietf:params:oauth:grant-type:device_code");
        if (r == 0)
                r = form_append_secret(&body, "device_code", device_code);
        if (r == 0 && oauth_uses_basic(client))
                r = form_append(&body, "client_id", client->client_id);
        return r < 0 ? r : token_request(client, &body, ret);
}

int oauth_revoke_request(const struct oauth_client *client, const struct secret *token, const char *type_hint,
                         struct http_request **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf body = SECRET_BUF_INIT(FORM_MAX);

        int r = form_append_secret(&body, "token", token);
        if (r == 0)
                r = form_append(&body, "token_type_hint", type_hint);
        return r < 0 ? r : oauth_client_request(client, client->endpoints.revocation, &body, false, ret);
}
