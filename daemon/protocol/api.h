/* The API behind the tokens, as far as it must be asked: the test query, and a revocation that is a GraphQL mutation. Pure. */
#pragma once

#include "common/secret.h"
#include "daemon/http/http_message.h"
#include "daemon/config/provider.h"

#include <stdbool.h>

enum api_verdict {
        API_OK,
        API_TOKEN_REJECTED, /* this access token: a refresh may help */
        API_AUTHORIZATION_REQUIRED, /* the grant is dead: final */
        API_TRY_AGAIN, /* passing, or no usable answer */
        API_VERSION_UNSUPPORTED, /* the pinned version does not exist */
};

enum version_state {
        VERSION_NONE,
        VERSION_OK,
        VERSION_TO_BE_REMOVED,
        VERSION_UNSUPPORTED,
        VERSION_SERVED_AS_ANOTHER,
        VERSION_UNKNOWN
};

struct api_answer {
        enum api_verdict verdict;
        /* Of API_OK. NULL where the provider file says nowhere to look, or the query does not ask. */
        char *account_id, *account_name;
        enum version_state
                version_state; /* VERSION_UNKNOWN where a pinned version was not asked, or not told */
        char served_version[64]; /* "" where not told */
        char version_warning[512]; /* the provider's own words, cleaned */
        char message[320]; /* one clean sentence */
        uint64_t retry_after_usec; /* 0: not said */
};

/* True when the provider has a test to run. */
bool api_has_test(const struct provider *provider);
/* The access token, in the header where the provider wants it. */
int api_add_authorization(struct http_request *request, const struct provider *provider,
                          const char *token_type, const struct secret *access_token);
/* api_version NULL: none is pinned. */
int api_test_request(const struct provider *provider, const char *api_version, const char *token_type,
                     const struct secret *access_token, struct http_request **ret);
int api_read_test_answer(const struct provider *provider, const char *api_version,
                         const struct http_response *response, struct api_answer *ret);
void api_answer_done(struct api_answer *answer); /* safe on a zeroed one */

/* REVOCATION_GRAPHQL. Of the answer verdict and message count: API_OK means revoked. */
int api_revocation_request(const struct provider *provider, const char *api_version, const char *token_type,
                           const struct secret *access_token, struct http_request **ret);
int api_read_revocation_answer(const struct provider *provider, const struct http_response *response,
                               struct api_answer *ret);

const char *version_state_name(enum version_state state); /* as in io.purser.Admin: "to-be-removed" */
