/* The revocation of a provider that has a way of its own: a request as its file describes it, with {names} filled in. */
#include "daemon/protocol/api.h"
#include "daemon/base/form.h"
#include "daemon/protocol/oauth_internal.h"

#include <errno.h>
#include <string.h>

enum { TEXT_MAX = 64 * 1024 };

struct filling {
        const struct oauth_client *client;
        const struct oauth_ending *ending;
        const char **ret_missing;
};

struct value {
        const char *name;
        const char *bytes; /* NULL: there is none */
        size_t n;
};

static struct value of_text(const char *name, const char *text)
{
        return (struct value){ name, text, text ? strlen(text) : 0 };
}

static struct value of_secret(const char *name, const struct secret *secret)
{
        return (struct value){ name, secret ? secret_expose(secret) : NULL,
                               secret ? secret_size(secret) : 0 };
}

/* name begins behind a '{'. */
static int append_value(struct secret_buf *buf, const struct filling *filling, const char *name, size_t n,
                        bool encoded)
{
        const struct value values[] = {
                of_text("client_id", filling->client->client_id),
                of_secret("client_secret", filling->client->secret),
                of_secret("access_token", filling->ending->access_token),
                of_secret("refresh_token", filling->ending->refresh_token),
                of_text("account_id", filling->ending->account_id),
        };

        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
                if (strlen(values[i].name) != n || memcmp(values[i].name, name, n) != 0)
                        continue;
                if (!values[i].bytes) {
                        *filling->ret_missing = values[i].name;
                        return OAUTH_E_NO_VALUE;
                }
                return encoded ? form_append_encoded(buf, values[i].bytes, values[i].n)
                               : secret_buf_append(buf, values[i].bytes, values[i].n);
        }
        return fault(-EINVAL);
}

/* Appends the template; what is filled in is encoded as a form's value where it stands in a URL. */
static int fill_in(struct secret_buf *buf, const struct filling *filling, const char *template, bool encoded)
{
        int r = 0;

        while (*template && r == 0) {
                size_t plain = strcspn(template, "{"), n = 0;

                r = secret_buf_append(buf, template, plain);
                template += plain;
                if (*template) {
                        n = strcspn(++template, "}");
                        if (r == 0)
                                r = append_value(buf, filling, template, n, encoded);
                        template += n + (template[n] == '}');
                }
        }
        return r;
}

static int make_form(struct secret_buf *form, const struct filling *filling)
{
        const struct parameter_list *parameters = &filling->client->provider->revocation_request.parameters;
        int r = 0;

        for (size_t i = 0; r == 0 && i < parameters->n; i++) {
                _cleanup_(secret_buf_done) struct secret_buf value = SECRET_BUF_INIT(TEXT_MAX);

                r = form_append(form, parameters->items[i].name, "");
                if (r == 0)
                        r = fill_in(&value, filling, parameters->items[i].value, false);
                if (r == 0)
                        r = form_append_encoded(form, value.n ? value.data : "", value.n);
        }
        return r;
}

static int add_headers(struct http_request *request, const struct filling *filling)
{
        const struct parameter_list *headers = &filling->client->provider->revocation_request.headers;
        int r = 0;

        for (size_t i = 0; r == 0 && i < headers->n; i++) {
                _cleanup_(secret_buf_done) struct secret_buf value = SECRET_BUF_INIT(TEXT_MAX);

                r = fill_in(&value, filling, headers->items[i].value, false);
                if (r == 0)
                        r = http_request_add_header(request, headers->items[i].name,
                                                    value.n ? value.data : "", value.n);
        }
        return r;
}

/* Authenticated by the access token, or by nothing but what headers and parameters say. */
static int plain_request(const struct filling *filling, const char *url, struct secret_buf *form,
                         struct http_request **ret)
{
        static const char json[] = "application/json";
        const struct provider *provider = filling->client->provider;
        _cleanup_(http_request_freep) struct http_request *request = NULL;

        int r = http_request_new(&request, form->n > 0 || provider->revocation_request.method == REQUEST_POST,
                                 url);
        if (r == 0)
                r = http_request_add_header(request, "Accept", json, sizeof json - 1);
        if (r == 0 && provider->revocation_request.authentication == REVOCATION_BY_TOKEN)
                r = api_add_authorization(request, provider, filling->ending->token_type,
                                          filling->ending->access_token);
        if (r == 0 && form->n > 0)
                r = oauth_set_body(request, form, provider->revocation_request.json);
        else if (r == 0 && request->post)
                r = secret_new(&request->body, "", 0);
        if (r == 0 && provider->ca_file) {
                request->ca_file = strdup(provider->ca_file);
                r = request->ca_file ? 0 : fault(-ENOMEM);
        }
        if (r == 0)
                *ret = take_ptr(request);
        return r;
}

int oauth_ending_request(const struct oauth_client *client, const struct oauth_ending *ending,
                         struct http_request **ret, const char **ret_missing)
{
        static const char *const methods[] = { [REQUEST_GET] = "GET", [REQUEST_DELETE] = "DELETE" };
        const struct provider *provider = client->provider;
        struct filling filling = { client, ending, ret_missing };
        struct provider with_basic = *provider; /* borrows */
        struct oauth_client by_basic = *client;
        _cleanup_(secret_buf_done) struct secret_buf url = SECRET_BUF_INIT(TEXT_MAX),
                                                     form = SECRET_BUF_INIT(TEXT_MAX);
        _cleanup_(http_request_freep) struct http_request *request = NULL;

        if (provider->revocation_request.authentication == REVOCATION_BY_TOKEN && !ending->access_token) {
                *ret_missing = "access_token";
                return OAUTH_E_NO_VALUE;
        }
        with_basic.auth_method = AUTH_METHOD_BASIC;
        by_basic.provider = &with_basic;
        int r = fill_in(&url, &filling, provider->revocation_request.url, true);
        if (r == 0)
                r = secret_buf_append(&url, "", 1);
        if (r == 0)
                r = make_form(&form, &filling);
        if (r == 0 && provider->revocation_request.authentication == REVOCATION_BY_CLIENT)
                r = oauth_client_request(client, url.data, &form, provider->revocation_request.json,
                                         &request);
        else if (r == 0 && provider->revocation_request.authentication == REVOCATION_BY_BASIC)
                r = oauth_client_request(&by_basic, url.data, &form, provider->revocation_request.json,
                                         &request);
        else if (r == 0)
                r = plain_request(&filling, url.data, &form, &request);
        if (r == 0)
                r = add_headers(request, &filling);
        if (r != 0)
                return r;
        request->method = methods[provider->revocation_request.method];
        *ret = take_ptr(request);
        return 0;
}
