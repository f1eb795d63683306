/* The redirect that ends the browser's part of a login. Owns which redirect belongs to a login; learns nothing of the one behind it. */
#include "daemon/protocol/oauth.h"

#include "daemon/base/form.h"
#include "daemon/base/plain_words.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { REDIRECT_MAX = 64 * 1024 };

enum { PARAMETER_CODE, PARAMETER_STATE, PARAMETER_ISS, PARAMETER_ERROR, PARAMETER_DESCRIPTION, N_PARAMETERS };

static const char *const parameter_names[N_PARAMETERS] = { "code", "state", "iss", "error",
                                                           "error_description" };

struct parameters {
        struct secret_buf values[N_PARAMETERS]; /* data NULL: absent */
        bool repeated, malformed;
};

/* RFC 6749 section 4.1.2.1 */
static const struct {
        const char *error, *sentence;
} denials[] = {
        { "access_denied", "The person or the provider said no" },
        { "unauthorized_client",
          "The provider does not allow this client to log in this way: check the app's settings there" },
        { "invalid_scope", "The provider refuses the scopes: check the client's scopes" },
        { "invalid_request",
          "The provider does not understand the request: check client_id and redirect_uri" },
        { "unsupported_response_type", "The provider has no authorization code grant" },
        { "server_error", "The provider has trouble of its own: try again later" },
        { "temporarily_unavailable", "The provider cannot answer now: try again later" },
};

static void parameters_done(struct parameters *parameters)
{
        for (size_t i = 0; i < N_PARAMETERS; i++)
                secret_buf_done(&parameters->values[i]);
}

void redirect_done(struct redirect *redirect)
{
        redirect->code = secret_free(redirect->code);
}

static bool begins_with_scheme(const char *text)
{
        size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");

        return n > 0 && strncmp(text + n, "://", 3) == 0;
}

/*
 * The query of a URL, of a path, or a bare query, without its fragment. A '?' before any '=' ends what is not the query: people paste
 * addresses as their browser shows them, without the scheme. False when it is none of these.
 */
static bool find_query(const char *text, struct form_reader *ret)
{
        text += strspn(text, " \t\r\n");
        size_t n = strcspn(text, "#");
        while (n > 0 && strchr(" \t\r\n", text[n - 1]))
                n--;
        for (size_t i = 0; i < n; i++)
                if ((unsigned char)text[i] <= 0x20 || text[i] == 0x7f)
                        return false;

        const char *mark = memchr(text, '?', n), *equals = memchr(text, '=', n);
        const char *end = text + n;
        if (begins_with_scheme(text) || *text == '/' || (mark && (!equals || mark < equals)))
                text = mark ? mark + 1 : end;
        else if (n > 0 && !equals)
                return false;
        *ret = (struct form_reader){ .at = text, .end = end };
        return true;
}

static int keep_parameter(struct parameters *parameters, const struct form_pair *pair)
{
        for (size_t i = 0; i < N_PARAMETERS; i++) {
                struct secret_buf *value = &parameters->values[i];
                if (!form_pair_is(pair, parameter_names[i]))
                        continue;
                if (value->data)
                        parameters->repeated = true;
                int r = secret_buf_reserve(value, pair->n_value + 1);
                if (r == 0)
                        r = form_append_decoded(value, pair->value, pair->n_value);
                if (r > 0)
                        parameters->malformed = true;
                return r < 0 ? r : 0;
        }
        return 0;
}

static int read_parameters(struct form_reader reader, struct parameters *ret)
{
        struct form_pair pair;
        int r = 0;

        for (size_t i = 0; i < N_PARAMETERS; i++)
                ret->values[i].max = REDIRECT_MAX;
        while (r == 0 && form_next(&reader, &pair) == 0)
                r = keep_parameter(ret, &pair);
        return r;
}

static bool equals(const struct secret_buf *value, const char *expected)
{
        size_t n = strlen(expected);

        return value->data && value->n == n && sodium_memcmp(value->data, expected, n) == 0;
}

/* RFC 6749 appendix A.11: visible ASCII and blanks. */
static bool code_is_usable(const struct secret_buf *code)
{
        for (size_t i = 0; i < code->n; i++)
                if (code->data[i] < 0x20 || code->data[i] > 0x7e)
                        return false;
        return code->n <= OAUTH_TOKEN_MAX;
}

static void conclude(struct redirect *redirect, enum redirect_verdict verdict, const char *sentence,
                     const char *detail)
{
        redirect->verdict = verdict;
        words_sentence(redirect->reason, sizeof redirect->reason, sentence, detail);
}

static void deny(const struct parameters *parameters, struct redirect *ret)
{
        const struct secret_buf *error = &parameters->values[PARAMETER_ERROR];
        const struct secret_buf *description = &parameters->values[PARAMETER_DESCRIPTION];
        const struct secret_buf *code = &parameters->values[PARAMETER_CODE];
        const char *sentence = "The provider refuses the login";
        struct hidden_values hidden = { .n = 0 };
        char detail[320], name[64], words[224];

        if (code->n > 0) {
                hidden.items[0].bytes = code->data;
                hidden.items[hidden.n++].n = code->n;
        }
        for (size_t i = 0; i < sizeof denials / sizeof denials[0]; i++)
                if (equals(error, denials[i].error))
                        sentence = denials[i].sentence;
        words_scrub(name, sizeof name, error->data, error->n, &hidden);
        size_t n = words_scrub(words, sizeof words, description->data ? description->data : "",
                               description->n, &hidden);
        snprintf(detail, sizeof detail, "%s%s%s%s", name, n > 0 ? ", \"" : "", words, n > 0 ? "\"" : "");
        conclude(ret, REDIRECT_DENIED, sentence, detail);
}

static int judge(struct parameters *parameters, const char *state, const char *issuer, bool sends_issuer,
                 struct redirect *ret)
{
        struct secret_buf *values = parameters->values;
        bool has_code = values[PARAMETER_CODE].n > 0, has_error = values[PARAMETER_ERROR].n > 0;

        if (parameters->repeated)
                conclude(ret, REDIRECT_MISMATCH, "The redirect has a parameter twice", "");
        else if (parameters->malformed || !code_is_usable(&values[PARAMETER_CODE]))
                conclude(ret, REDIRECT_MALFORMED, "The redirect is damaged: copy the whole address", "");
        else if (values[PARAMETER_STATE].data ? !equals(&values[PARAMETER_STATE], state)
                                              : has_code && !has_error)
                conclude(ret, REDIRECT_MISMATCH,
                         values[PARAMETER_STATE].data
                                 ? "The redirect belongs to another login: its state is not ours"
                                 : "The redirect carries a code without the state of this login",
                         "");
        else if (issuer && values[PARAMETER_ISS].data && !equals(&values[PARAMETER_ISS], issuer))
                conclude(ret, REDIRECT_MISMATCH, "The redirect comes from another authorization server", "");
        else if (issuer && sends_issuer && !values[PARAMETER_ISS].data)
                conclude(ret, REDIRECT_MISMATCH,
                         "The redirect does not say which authorization server it comes from, as this one "
                         "promises to",
                         "");
        else if (has_error)
                deny(parameters, ret);
        else if (!has_code)
                conclude(ret, REDIRECT_DENIED, "The provider sent no code: the person said no", "");
        else
                return secret_buf_take(&values[PARAMETER_CODE], &ret->code);
        return 0;
}

int oauth_read_redirect(const char *redirect, const char *state, const char *issuer, bool sends_issuer,
                        struct redirect *ret)
{
        _cleanup_(parameters_done) struct parameters parameters = { 0 };
        struct redirect result = { .verdict = REDIRECT_CODE };
        struct form_reader reader;
        int r = 0;

        if (strlen(redirect) > REDIRECT_MAX || !find_query(redirect, &reader))
                conclude(&result, REDIRECT_MALFORMED,
                         "This is no address that a provider sent the browser to", "");
        else {
                r = read_parameters(reader, &parameters);
                if (r == 0)
                        r = judge(&parameters, state, issuer, sends_issuer, &result);
        }
        if (r < 0)
                return r;
        *ret = result;
        return 0;
}
