/* Samples. Their words and pointers are those of etc/providers; what they are for is to be read beside the tests. */
#include "tests/beds/provider_samples.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof(array)[0])

static struct answer_rule jobber_token_rules[] = {
        { .status = 401,
          .contains = TEXT("The provided refresh token is not valid"),
          .meaning = MEANING_AUTHORIZATION_REQUIRED,
          .say = TEXT("Jobber no longer accepts this refresh token: log in again.") },
        { .status = 401,
          .contains = TEXT("does not match the authenticated client"),
          .meaning = MEANING_AUTHORIZATION_REQUIRED },
        { .contains = TEXT("User has disconnected this app"),
          .meaning = MEANING_AUTHORIZATION_REQUIRED,
          .say = TEXT("The account has disconnected this app") },
        { .member = TEXT("/error/message"),
          .contains = TEXT("account is not active"),
          .meaning = MEANING_AUTHORIZATION_REQUIRED },
        { .contains = TEXT("Service temporarily unavailable"), .meaning = MEANING_TRY_AGAIN },
        { .status = 403,
          .error = TEXT("app_suspended"),
          .meaning = MEANING_CLIENT_REFUSED,
          .say = TEXT("The app is suspended") },
        { .member = TEXT("/warning"),
          .contains = TEXT("newer refresh token exists"),
          .meaning = MEANING_FOREIGN_REFRESHER,
          .say = TEXT("Somebody else refreshes this grant, or an answer was lost") },
        { .member = TEXT("/warning"), .contains = TEXT("rotation is off"), .meaning = MEANING_NOTICE },
};

static struct answer_rule jobber_api_rules[] = {
        { .contains = TEXT("User has disconnected this app"), .meaning = MEANING_AUTHORIZATION_REQUIRED },
        { .member = TEXT("/error/message"),
          .contains = TEXT("account is not active"),
          .meaning = MEANING_AUTHORIZATION_REQUIRED },
        { .status = 401, .contains = TEXT("Access token expired"), .meaning = MEANING_TOKEN_REJECTED },
        { .status = 401, .contains = TEXT("Token not recognized"), .meaning = MEANING_TOKEN_REJECTED },
        { .status = 404, .contains = TEXT("does not exist"), .meaning = MEANING_VERSION_UNSUPPORTED },
        { .contains = TEXT("Service temporarily unavailable"), .meaning = MEANING_TRY_AGAIN },
        { .member = TEXT("/extensions/versioning/warning"),
          .contains = TEXT("no longer supported"),
          .meaning = MEANING_VERSION_UNSUPPORTED },
        { .member = TEXT("/extensions/versioning/warning"),
          .contains = TEXT("scheduled to stop"),
          .meaning = MEANING_VERSION_TO_BE_REMOVED,
          .say = TEXT("Jobber is about to drop the pinned version: pin a newer one.") },
        { .member = TEXT("/errors/0/message"),
          .contains = TEXT("hidden due to permissions"),
          .meaning = MEANING_NOTICE,
          .say = TEXT("The app lacks a scope that the query needs.") },
};

const struct provider sample_jobber = {
        .name = TEXT("jobber"),
        .authorization_endpoint = TEXT("https://api.getjobber.com/api/oauth/authorize"),
        .token_endpoint = TEXT("https://api.getjobber.com/api/oauth/token"),
        .auth_method = AUTH_METHOD_POST,
        .pkce = true,
        .api = {
                .url = TEXT("https://api.getjobber.com/api/graphql"),
                .version_header = TEXT("X-JOBBER-GRAPHQL-VERSION"),
                .default_version = TEXT("2023-08-18"),
                .test_query = TEXT("query { account { id name } }"),
                .account_id = TEXT("/data/account/id"),
                .account_name = TEXT("/data/account/name"),
                .served_version = TEXT("/extensions/versioning/version"),
                .version_warning = TEXT("/extensions/versioning/warning"),
        },
        .default_token_lifetime_usec = UINT64_C(3600) * 1000000,
        .max_replays = 5,
        .token_rules = jobber_token_rules,
        .n_token_rules = N(jobber_token_rules),
        .api_rules = jobber_api_rules,
        .n_api_rules = N(jobber_api_rules),
        .revocation = REVOCATION_GRAPHQL,
        .revocation_mutation = TEXT("mutation { appDisconnect { app { name author } userErrors { message } } }"),
        .revocation_error = TEXT("/data/appDisconnect/userErrors"),
        .revocation_ends_account = true,
        .webhook = {
                .header = TEXT("X-Jobber-Hmac-SHA256"),
                .encoding = WEBHOOK_BASE64,
                .disconnect_pointer = TEXT("/data/webHookEvent/topic"),
                .disconnect_value = TEXT("APP_DISCONNECT"),
                .account_id = TEXT("/data/webHookEvent/accountId"),
        },
};

const struct provider sample_plain = {
        .name = TEXT("plain"),
        .issuer = TEXT("https://id.example.com"),
        .authorization_endpoint = TEXT("https://id.example.com/authorize"),
        .token_endpoint = TEXT("https://id.example.com/token"),
        .revocation_endpoint = TEXT("https://id.example.com/revoke"),
        .auth_method = AUTH_METHOD_BASIC,
        .pkce = true,
        .ca_file = TEXT("/etc/ssl/private-ca.pem"),
        .scope_in_url = true,
        .revocation = REVOCATION_RFC7009,
};

static struct answer_rule rest_api_rules[] = {
        { .status = 410,
          .member = TEXT("/code"),
          .contains = TEXT("version_gone"),
          .meaning = MEANING_VERSION_UNSUPPORTED },
        { .member = TEXT("/deprecation"), .contains = TEXT("harmless"), .meaning = MEANING_NOTICE },
};

const struct provider sample_rest = {
        .name = TEXT("rest"),
        .auth_method = AUTH_METHOD_NONE,
        .api = {
                .url = TEXT("https://api.example.com/v1"),
                .version_header = TEXT("Api-Version"),
                .test_url = TEXT("https://api.example.com/v1/me"),
                .account_id = TEXT("/company/id"),
                .account_name = TEXT("/company/name"),
                .version_warning = TEXT("/deprecation"),
                .served_version_header = TEXT("Api-Version"),
        },
        .api_rules = rest_api_rules,
        .n_api_rules = N(rest_api_rules),
        .webhook = {
                .header = TEXT("X-Signature-256"),
                .encoding = WEBHOOK_HEX,
                .prefix = TEXT("sha256="),
                .account_id = TEXT("/account"),
        },
};

struct http_response sample_answer(long status, const char *content_type, const char *body)
{
        struct http_response response = {
                .result = HTTP_ANSWERED,
                .status = status,
                .body = SECRET_BUF_INIT(HTTP_BODY_MAX),
                .date_sec = -1,
                .retry_after_sec = -1,
        };

        snprintf(response.content_type, sizeof response.content_type, "%s",
                 content_type ? content_type : "application/json");
        int r = secret_buf_append_string(&response.body, body);
        assert(r == 0);
        return response;
}

struct http_response sample_failure(enum http_result result, const char *problem)
{
        struct http_response response = { .result = result, .date_sec = -1, .retry_after_sec = -1 };

        snprintf(response.problem, sizeof response.problem, "%s", problem);
        return response;
}

const char *sample_expose_header(const struct http_request *request, const char *name)
{
        for (size_t i = 0; i < request->n_headers; i++)
                if (strcmp(request->headers[i].name, name) == 0)
                        return secret_expose(request->headers[i].value);
        return NULL;
}

bool sample_is_clean(const char *text, const char *secret)
{
        for (const char *c = text; *c; c++)
                if ((unsigned char)*c < 0x20 || *c == 0x7f)
                        return false;
        return !secret || !strstr(text, secret);
}
