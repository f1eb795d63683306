/*
 * The bundle: the reply of GetToken and WatchToken, checked, as strings. Everything of it lies in one piece
 * of secret memory. A bundle that a program could not send safely (a header with a line end in it) is no
 * bundle.
 */
#include "client/libpurser_private.h"

#include "common/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct header {
        const char *name, *value;
};

struct purser_bundle {
        struct secret_buf memory; /* the reply, and the strings of it that the members below point to */
        const char *access_token, *token_type, *api_version, *api_url, *account_id, *account_name;
        int64_t expires_at, generation;
        struct slice headers_json, warnings_json, account_json;
        struct header *headers;
        const char **warnings;
        size_t n_headers, n_warnings;
};

static const struct field bundle_fields[] = {
        { "access_token", FIELD_TEXT, true, offsetof(struct purser_bundle, access_token) },
        { "token_type", FIELD_TEXT, true, offsetof(struct purser_bundle, token_type) },
        { "expires_at", FIELD_INT, false, offsetof(struct purser_bundle, expires_at) },
        { "api_version", FIELD_TEXT, false, offsetof(struct purser_bundle, api_version) },
        { "api_url", FIELD_TEXT, false, offsetof(struct purser_bundle, api_url) },
        { "headers", FIELD_VALUE, true, offsetof(struct purser_bundle, headers_json) },
        { "account", FIELD_VALUE, false, offsetof(struct purser_bundle, account_json) },
        { "generation", FIELD_INT, true, offsetof(struct purser_bundle, generation) },
        { "warnings", FIELD_VALUE, false, offsetof(struct purser_bundle, warnings_json) },
};

static const struct field account_fields[] = {
        { "id", FIELD_TEXT, false, offsetof(struct purser_bundle, account_id) },
        { "name", FIELD_TEXT, false, offsetof(struct purser_bundle, account_name) },
};

static const struct field header_fields[] = {
        { "name", FIELD_TEXT, true, offsetof(struct header, name) },
        { "value", FIELD_TEXT, true, offsetof(struct header, value) },
};

static bool is_visible(const char *text)
{
        for (const char *p = text; *p; p++)
                if (*p < 0x21 || *p > 0x7e)
                        return false;
        return *text != '\0';
}

/* RFC 9110 section 5.6.2. */
static bool is_token(const char *text)
{
        return is_visible(text) && !strpbrk(text, "\"(),/:;<=>?@[\\]{}");
}

/* RFC 9110 section 5.5, without what it calls obsolete. */
static bool is_field_value(const char *text)
{
        for (const char *p = text; *p; p++)
                if (*p != '\t' && (*p < 0x20 || *p > 0x7e))
                        return false;
        return true;
}

static int refuse(struct diag *diag, const char *words)
{
        diag_set(diag, "%s", words);
        return RECORD_E_MALFORMED;
}

static int read_headers(struct purser_bundle *bundle, struct diag *diag)
{
        const char *position = NULL;
        struct slice element;
        int r;

        if (!slice_is_array(bundle->headers_json))
                return refuse(diag, "member 'headers' is no array");
        bundle->headers = calloc(slice_count(bundle->headers_json) + 1, sizeof(*bundle->headers));
        if (!bundle->headers)
                return fault(-ENOMEM);

        while (slice_next(bundle->headers_json, &position, &element)) {
                struct header *header = &bundle->headers[bundle->n_headers++];

                r = record_read(element, header_fields, N_ELEMENTS(header_fields), header, &bundle->memory,
                                diag);
                if (r != 0)
                        return r;
                if (!is_token(header->name) || !is_field_value(header->value))
                        return refuse(diag, "a header has characters that no header may have");
        }
        return 0;
}

static int read_warnings(struct purser_bundle *bundle, struct diag *diag)
{
        const char *position = NULL;
        struct slice element;
        int r;

        if (!bundle->warnings_json.p)
                return 0;
        if (!slice_is_array(bundle->warnings_json))
                return refuse(diag, "member 'warnings' is no array");
        bundle->warnings = calloc(slice_count(bundle->warnings_json) + 1, sizeof(*bundle->warnings));
        if (!bundle->warnings)
                return fault(-ENOMEM);

        while (slice_next(bundle->warnings_json, &position, &element)) {
                size_t offset;

                r = slice_decode(element, &bundle->memory, &offset);
                if (r != 0)
                        return r < 0 ? r : refuse(diag, "a warning is no string");
                bundle->warnings[bundle->n_warnings++] = bundle->memory.data + offset;
        }
        return 0;
}

static int read_members(struct purser_bundle *bundle, struct slice json, struct diag *diag)
{
        int r;

        r = record_read(json, bundle_fields, N_ELEMENTS(bundle_fields), bundle, &bundle->memory, diag);
        if (r != 0)
                return r;
        if (!is_visible(bundle->access_token) || !is_token(bundle->token_type))
                return refuse(diag, "the access token has characters that no token may have");
        if (bundle->account_json.p)
                r = record_read(bundle->account_json, account_fields, N_ELEMENTS(account_fields), bundle,
                                &bundle->memory, diag);
        if (r == 0)
                r = read_headers(bundle, diag);
        return r == 0 ? read_warnings(bundle, diag) : r;
}

int bundle_new(struct purser_bundle **ret, struct slice parameters, struct diag *diag)
{
        _cleanup_(purser_bundle_freep) struct purser_bundle *bundle = NULL;
        struct slice json;
        int r;

        bundle = calloc(1, sizeof(*bundle));
        if (!bundle)
                return fault(-ENOMEM);
        bundle->memory = (struct secret_buf)SECRET_BUF_INIT(RECORD_MEMORY_MAX);
        bundle->expires_at = -1;

        r = record_keep(parameters, &bundle->memory, &json);
        if (r == 0)
                r = read_members(bundle, json, diag);
        if (r != 0)
                return r;

        *ret = take_ptr(bundle);
        return 0;
}

/* A negative demand is none: a token that lives at all. */
static int append_options(struct secret_buf *parameters, const struct purser_token_options *options)
{
        char number[64];
        int r = 0;

        if (options->min_valid_seconds != 0) {
                snprintf(number, sizeof(number), ",\"min_valid_seconds\":%" PRId64,
                         options->min_valid_seconds < 0 ? 0 : options->min_valid_seconds);
                r = secret_buf_append_string(parameters, number);
        }
        if (r == 0 && options->rejected) {
                r = secret_buf_append_string(parameters, ",\"rejected\":");
                if (r == 0)
                        r = wire_append_string(parameters, options->rejected, strlen(options->rejected));
        }
        return r;
}

int purser_get_token(struct purser *purser, const char *credential,
                     const struct purser_token_options *options, struct purser_bundle **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf parameters = SECRET_BUF_INIT(WIRE_MESSAGE_MAX);
        struct diag diag = DIAG_INIT;
        struct reply reply;
        int r;

        r = handle_name_credential(purser, &parameters, credential);
        if (r != PURSER_OK)
                return r;
        if (options && options->rejected && !is_visible(options->rejected))
                return handle_fail(purser, PURSER_E_USAGE, "the rejected token is no token");
        r = options ? append_options(&parameters, options) : 0;
        if (r == 0)
                r = secret_buf_append_string(&parameters, "}");
        if (r != 0)
                return handle_fault(purser, r, "building a call");

        r = handle_call(purser, TOKENS_INTERFACE "GetToken", parameters.data, true, &reply);
        if (r != PURSER_OK)
                return r;
        r = bundle_new(ret, reply.parameters, &diag);
        return r == 0 ? PURSER_OK : record_result(purser, r, &diag);
}

void purser_bundle_free(struct purser_bundle *bundle)
{
        if (!bundle)
                return;
        secret_buf_done(&bundle->memory);
        free(bundle->headers);
        free(bundle->warnings);
        free(bundle);
}

const char *purser_bundle_access_token(const struct purser_bundle *bundle)
{
        return bundle->access_token;
}

const char *purser_bundle_token_type(const struct purser_bundle *bundle)
{
        return bundle->token_type;
}

int64_t purser_bundle_expires_at(const struct purser_bundle *bundle)
{
        return bundle->expires_at;
}

const char *purser_bundle_api_version(const struct purser_bundle *bundle)
{
        return bundle->api_version;
}

const char *purser_bundle_api_url(const struct purser_bundle *bundle)
{
        return bundle->api_url;
}

size_t purser_bundle_n_headers(const struct purser_bundle *bundle)
{
        return bundle->n_headers;
}

const char *purser_bundle_header_name(const struct purser_bundle *bundle, size_t index)
{
        return index < bundle->n_headers ? bundle->headers[index].name : NULL;
}

const char *purser_bundle_header_value(const struct purser_bundle *bundle, size_t index)
{
        return index < bundle->n_headers ? bundle->headers[index].value : NULL;
}

const char *purser_bundle_account_id(const struct purser_bundle *bundle)
{
        return bundle->account_id;
}

const char *purser_bundle_account_name(const struct purser_bundle *bundle)
{
        return bundle->account_name;
}

int64_t purser_bundle_generation(const struct purser_bundle *bundle)
{
        return bundle->generation;
}

size_t purser_bundle_n_warnings(const struct purser_bundle *bundle)
{
        return bundle->n_warnings;
}

const char *purser_bundle_warning(const struct purser_bundle *bundle, size_t index)
{
        return index < bundle->n_warnings ? bundle->warnings[index] : NULL;
}

const char *purser_bundle_json(const struct purser_bundle *bundle)
{
        return bundle->memory.data;
}
