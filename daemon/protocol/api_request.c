/* The requests to the API: the test, and a revocation that is a mutation. Owns what each must carry; reads no answer. */
#include "daemon/protocol/api.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

enum { AUTHORIZATION_MAX = 32 * 1024 };

bool api_has_test(const struct provider *provider)
{
        return (provider->api.test_query && provider->api.url) || provider->api.test_url;
}

int api_add_authorization(struct http_request *request, const struct provider *provider,
                          const char *token_type, const struct secret *access_token)
{
        if (provider->api.token_header)
                return http_request_add_header(request, provider->api.token_header,
                                               secret_expose(access_token), secret_size(access_token));

        _cleanup_(secret_buf_done) struct secret_buf value = SECRET_BUF_INIT(AUTHORIZATION_MAX);

        int r = secret_buf_append_string(&value, token_type && *token_type ? token_type : "Bearer");
        if (r == 0)
                r = secret_buf_append(&value, " ", 1);
        if (r == 0)
                r = secret_buf_append(&value, secret_expose(access_token), secret_size(access_token));
        return r < 0 ? r : http_request_add_header(request, "Authorization", value.data, value.n);
}

static int add_header(struct http_request *request, const char *name, const char *value)
{
        return http_request_add_header(request, name, value, strlen(value));
}

/* GraphQL over HTTP: {"query": ...} */
static int set_query(struct http_request *request, const char *query)
{
        _cleanup_(json_decrefp) json_t *root = json_pack("{s:s}", "query", query);
        _cleanup_(freep) char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;

        if (!text)
                return fault(-ENOMEM);
        int r = add_header(request, "Content-Type", "application/json");
        return r < 0 ? r : secret_new_string(&request->body, text);
}

/* query NULL: GET. */
static int api_request(const struct provider *provider, const char *url, const char *query,
                       const char *api_version, const char *token_type, const struct secret *access_token,
                       struct http_request **ret)
{
        _cleanup_(http_request_freep) struct http_request *request = NULL;

        if (!url)
                return fault(-EINVAL);
        int r = http_request_new(&request, query, url);
        if (r == 0)
                r = add_header(request, "Accept", "application/json");
        if (r == 0)
                r = api_add_authorization(request, provider, token_type, access_token);
        if (r == 0 && provider->api.version_header && api_version)
                r = add_header(request, provider->api.version_header, api_version);
        if (r == 0 && query)
                r = set_query(request, query);
        if (r < 0)
                return r;
        if (provider->ca_file) {
                request->ca_file = strdup(provider->ca_file);
                if (!request->ca_file)
                        return fault(-ENOMEM);
        }
        *ret = take_ptr(request);
        return 0;
}

int api_test_request(const struct provider *provider, const char *api_version, const char *token_type,
                     const struct secret *access_token, struct http_request **ret)
{
        bool graphql = provider->api.test_query;

        return api_request(provider, graphql ? provider->api.url : provider->api.test_url,
                           provider->api.test_query, api_version, token_type, access_token, ret);
}

int api_revocation_request(const struct provider *provider, const char *api_version, const char *token_type,
                           const struct secret *access_token, struct http_request **ret)
{
        if (!provider->revocation_mutation)
                return fault(-EINVAL);
        return api_request(provider, provider->api.url, provider->revocation_mutation, api_version,
                           token_type, access_token, ret);
}
