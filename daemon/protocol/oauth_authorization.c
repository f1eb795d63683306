/*
 * Where a browser is sent to (RFC 6749 section 4.1.1), with all that is asked for in the address, or pushed to the provider before (RFC 9126).
 * Owns what is asked for, and reads the answer to what was pushed.
 */
#include "daemon/protocol/oauth.h"

#include "daemon/base/form.h"
#include "daemon/base/json_text.h"
#include "daemon/protocol/oauth_internal.h"

#include <errno.h>
#include <string.h>

enum {
        URL_MAX = 64 * 1024,
        PUSHED_MOST_SEC = 86400, /* section 2.2 speaks of 5 to 600 */
};

/* The endpoint with a '?' to append to; its own query is kept, a fragment is not (RFC 6749 section 3.1). */
static int append_endpoint(struct secret_buf *url, const char *endpoint)
{
        size_t n = strcspn(endpoint, "#");
        int r = secret_buf_append(url, endpoint, n);

        if (r == 0 && !memchr(endpoint, '?', n))
                r = secret_buf_append(url, "?", 1);
        return r;
}

/* No parameter may be there twice (RFC 6749 section 3.1), and none of these is the provider file's to choose. */
static bool is_ours(const char *name)
{
        static const char *const names[] = {
                "response_type", "client_id",      "redirect_uri",         "scope",
                "state",         "code_challenge", "code_challenge_method"
        };

        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
                if (strcmp(name, names[i]) == 0)
                        return true;
        return false;
}

static int append_provider_parameters(struct secret_buf *form, const struct provider *provider)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < provider->authorization_parameters.n; i++) {
                const struct parameter *parameter = &provider->authorization_parameters.items[i];
                if (!is_ours(parameter->name))
                        r = form_append(form, parameter->name, parameter->value);
        }
        return r;
}

static int append_challenge(struct secret_buf *form, const char *challenge)
{
        int r = form_append(form, "code_challenge", challenge);

        return r < 0 ? r : form_append(form, "code_challenge_method", "S256");
}

/* What the provider is asked for, whichever way it comes there. */
static int append_parameters(struct secret_buf *form, const struct oauth_client *client, bool with_client_id,
                             const struct oauth_authorization *authorization)
{
        int r = form_append(form, "response_type", "code");

        if (r == 0 && with_client_id)
                r = form_append(form, "client_id", client->client_id);
        if (r == 0 && authorization->redirect_uri)
                r = form_append(form, "redirect_uri", authorization->redirect_uri);
        if (r == 0 && client->provider->scope_in_url)
                r = oauth_append_scopes(form, authorization->scopes, authorization->n_scopes);
        if (r == 0)
                r = form_append(form, "state", authorization->state);
        if (r == 0 && authorization->challenge)
                r = append_challenge(form, authorization->challenge);
        return r < 0 ? r : append_provider_parameters(form, client->provider);
}

static int take_text(const struct secret_buf *buf, char **ret)
{
        char *text = strndup(buf->data, buf->n);

        if (!text)
                return fault(-ENOMEM);
        *ret = text;
        return 0;
}

int oauth_authorization_url(const struct oauth_client *client,
                            const struct oauth_authorization *authorization, char **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf url = SECRET_BUF_INIT(URL_MAX);

        if (!client->endpoints.authorization)
                return fault(-EINVAL);
        int r = append_endpoint(&url, client->endpoints.authorization);
        if (r == 0)
                r = append_parameters(&url, client, true, authorization);
        return r < 0 ? r : take_text(&url, ret);
}

/* ---- pushed before ---- */

int oauth_pushed_request(const struct oauth_client *client, const struct oauth_authorization *authorization,
                         struct http_request **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf body = SECRET_BUF_INIT(URL_MAX);
        /* client_id is a parameter of each of these requests, whoever authenticates how (section 2.1). */
        int r = append_parameters(&body, client, oauth_uses_basic(client), authorization);

        return r < 0 ? r : oauth_client_request(client, client->endpoints.pushed, &body, false, ret);
}

static bool is_visible(const char *text, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (text[i] < 0x21 || text[i] > 0x7e)
                        return false;
        return true;
}

/* A name with two values would be another one to the next who reads it. */
static bool take_request_uri(const json_t *root, const struct http_response *response,
                             struct oauth_pushed *ret)
{
        const json_t *value = json_object_get(root, "request_uri");
        const char *text = json_string_value(value);
        size_t n = json_string_length(value);

        if (n == 0 || n >= sizeof(ret->request_uri) || !is_visible(text, n) ||
            json_text_is_ambiguous(response->body.data, response->body.n, "request_uri"))
                return false;
        memcpy(ret->request_uri, text, n + 1);
        return true;
}

int oauth_read_pushed_answer(const struct http_response *response, struct oauth_pushed *ret)
{
        _cleanup_(json_text_freep) json_t *root = NULL;
        struct oauth_pushed pushed;
        int64_t seconds;
        int r;

        if (response->result != HTTP_ANSWERED || response->status < 200 || response->status > 299 ||
            response->body.n == 0)
                return OAUTH_E_NOT_PUSHED;
        r = json_text_parse(response->body.data, response->body.n, &root);
        if (r < 0)
                return r;
        seconds = json_text_number(json_object_get(root, "expires_in"));
        if (!take_request_uri(root, response, &pushed) || seconds <= 0)
                return OAUTH_E_NOT_PUSHED;
        pushed.expires_sec = seconds < PUSHED_MOST_SEC ? (unsigned)seconds : PUSHED_MOST_SEC;
        *ret = pushed;
        return 0;
}

int oauth_pushed_url(const struct oauth_client *client, const struct oauth_pushed *pushed, char **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf url = SECRET_BUF_INIT(URL_MAX);

        if (!client->endpoints.authorization)
                return fault(-EINVAL);
        int r = append_endpoint(&url, client->endpoints.authorization);
        if (r == 0)
                r = form_append(&url, "client_id", client->client_id);
        if (r == 0)
                r = form_append(&url, "request_uri", pushed->request_uri);
        return r < 0 ? r : take_text(&url, ret);
}
