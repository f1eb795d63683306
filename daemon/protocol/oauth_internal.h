/* What the files that build requests of OAuth share; nobody else includes it. */
#pragma once

#include "daemon/protocol/oauth.h"

/* Authenticated as token_endpoint_auth_method says. The form's bytes are taken. */
int oauth_client_request(const struct oauth_client *client, const char *url, struct secret_buf *form,
                         bool as_json, struct http_request **ret);
bool oauth_uses_basic(const struct oauth_client *client); /* its id is in no form then */
int oauth_append_scopes(struct secret_buf *form, const char *const *scopes, size_t n_scopes);
/* The same form as the body of another request, with its Content-Type. */
int oauth_set_body(struct http_request *request, struct secret_buf *form, bool as_json);
