/* The list of credentials: the reply of ListCredentials as an array of structs. */
#include "client/libpurser_private.h"

#include "common/wire.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        PAGE = 1000, /* credentials that are asked for at a time */
        LIST_MEMORY_MAX = 512 * 1024 * 1024,
};

struct purser_credentials {
        struct secret_buf memory; /* the reply, and the strings that the members point to */
        struct purser_credential *items;
        size_t n;
};

DEFINE_FREEP(struct purser_credentials *, purser_credentials_free)

#define MEMBER(name, kind, required)                                                                         \
        {                                                                                                    \
#name, kind, required, offsetof(struct purser_credential, name)                              \
        }

static const struct field credential_fields[] = {
        MEMBER(name, FIELD_TEXT, true),         MEMBER(description, FIELD_TEXT, true),
        MEMBER(client, FIELD_TEXT, true),       MEMBER(provider, FIELD_TEXT, true),
        MEMBER(state, FIELD_TEXT, true),        MEMBER(expires_at, FIELD_INT, false),
        MEMBER(api_version, FIELD_TEXT, false), MEMBER(generation, FIELD_INT, true),
        MEMBER(last_error, FIELD_TEXT, false),
};

static const struct field account_fields[] = {
        { "id", FIELD_TEXT, false, offsetof(struct purser_credential, account_id) },
        { "name", FIELD_TEXT, false, offsetof(struct purser_credential, account_name) },
};

/* Its struct has no place for the account as a whole. */
struct account_member {
        struct slice account;
};

static const struct field account_member[] = {
        { "account", FIELD_VALUE, false, offsetof(struct account_member, account) },
};

struct list_member {
        struct slice credentials;
};

static const struct field list_fields[] = {
        { "credentials", FIELD_VALUE, true, offsetof(struct list_member, credentials) },
};

static int read_credential(struct purser_credential *item, struct slice json, struct secret_buf *memory,
                           struct diag *diag)
{
        struct account_member member = { 0 };
        int r;

        item->expires_at = -1;
        r = record_read(json, credential_fields, N_ELEMENTS(credential_fields), item, memory, diag);
        if (r == 0)
                r = record_read(json, account_member, N_ELEMENTS(account_member), &member, memory, diag);
        if (r == 0 && member.account.p)
                r = record_read(member.account, account_fields, N_ELEMENTS(account_fields), item, memory,
                                diag);
        return r;
}

static int read_list(struct purser_credentials *credentials, struct slice json, struct diag *diag)
{
        struct list_member list = { 0 };
        const char *position = NULL;
        struct slice element;
        int r;

        r = record_read(json, list_fields, N_ELEMENTS(list_fields), &list, &credentials->memory, diag);
        if (r != 0)
                return r;
        if (!slice_is_array(list.credentials)) {
                diag_set(diag, "member 'credentials' is no array");
                return RECORD_E_MALFORMED;
        }

        credentials->items = calloc(slice_count(list.credentials) + 1, sizeof(*credentials->items));
        if (!credentials->items)
                return fault(-ENOMEM);
        while (slice_next(list.credentials, &position, &element)) {
                r = read_credential(&credentials->items[credentials->n], element, &credentials->memory, diag);
                if (r != 0)
                        return r;
                credentials->n++;
        }
        return 0;
}

static int credentials_new(struct purser_credentials **ret, struct slice parameters, struct diag *diag)
{
        _cleanup_(purser_credentials_freep) struct purser_credentials *credentials = NULL;
        struct slice json;
        int r;

        credentials = calloc(1, sizeof(*credentials));
        if (!credentials)
                return fault(-ENOMEM);
        credentials->memory = (struct secret_buf)SECRET_BUF_INIT(LIST_MEMORY_MAX);

        r = record_keep(parameters, &credentials->memory, &json);
        if (r == 0)
                r = read_list(credentials, json, diag);
        if (r != 0)
                return r;

        *ret = take_ptr(credentials);
        return 0;
}

/* before: the page before; NULL: none. */
static int ask_page(struct purser *purser, const struct purser_credentials *before, struct reply *ret)
{
        _cleanup_(secret_buf_done) struct secret_buf parameters = SECRET_BUF_INIT(WIRE_MESSAGE_MAX);
        char most[32];
        int r;

        snprintf(most, sizeof(most), "{\"most\":%d", PAGE);
        r = secret_buf_append_string(&parameters, most);
        if (r == 0 && before) {
                const char *last = before->items[before->n - 1].name;

                r = secret_buf_append_string(&parameters, ",\"after\":");
                if (r == 0)
                        r = wire_append_string(&parameters, last, strlen(last));
        }
        if (r == 0)
                r = secret_buf_append_string(&parameters, "}");
        if (r < 0)
                return handle_fault(purser, r, "building a call");
        return handle_call(purser, TOKENS_INTERFACE "ListCredentials", parameters.data, true, ret);
}

static int read_page(struct purser *purser, const struct purser_credentials *before,
                     struct purser_credentials **ret)
{
        struct diag diag = DIAG_INIT;
        struct reply reply;
        int r;

        r = ask_page(purser, before, &reply);
        if (r != PURSER_OK)
                return r;
        r = credentials_new(ret, reply.parameters, &diag);
        return r == 0 ? PURSER_OK : record_result(purser, r, &diag);
}

/* The elements of its array, behind those that are there. */
static int append_page(struct secret_buf *whole, struct purser_credentials *page)
{
        struct slice json = { page->memory.data, strlen(page->memory.data) };
        struct list_member list = { 0 };
        struct diag diag = DIAG_INIT;
        int r;

        r = record_read(json, list_fields, N_ELEMENTS(list_fields), &list, &page->memory, &diag);
        if (r == 0 && page->n > 0)
                r = secret_buf_append_string(whole, whole->n > 0 ? "," : "{\"credentials\":[");
        if (r == 0 && page->n > 0)
                r = secret_buf_append(whole, list.credentials.p + 1, list.credentials.n - 2);
        return r;
}

/* A daemon that knows no pages gives the same one again. */
static bool is_after(const struct purser_credentials *page, const struct purser_credentials *before)
{
        assert(page);
        return page->n == 0 || strcmp(page->items[0].name, before->items[before->n - 1].name) > 0;
}

static int read_pages(struct purser *purser, struct purser_credentials **page, struct secret_buf *whole)
{
        int r;

        r = append_page(whole, *page);
        while (r == 0 && (*page)->n == PAGE) {
                _cleanup_(purser_credentials_freep) struct purser_credentials *before = take_ptr(*page);

                r = read_page(purser, before, page);
                if (r != PURSER_OK)
                        return r;
                if (!is_after(*page, before))
                        return handle_fail(purser, PURSER_E_PROTOCOL, "purserd gives the same page again");
                r = append_page(whole, *page);
        }
        if (r == 0)
                r = secret_buf_append_string(whole, "]}");
        return r == 0 ? PURSER_OK : handle_fault(purser, r, "reading a list");
}

int purser_list_credentials(struct purser *purser, struct purser_credentials **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf whole = SECRET_BUF_INIT(LIST_MEMORY_MAX);
        _cleanup_(purser_credentials_freep) struct purser_credentials *page = NULL;
        struct diag diag = DIAG_INIT;
        int r;

        r = read_page(purser, NULL, &page);
        if (r != PURSER_OK)
                return r;
        assert(page);
        if (page->n != PAGE) {
                *ret = take_ptr(page);
                return PURSER_OK;
        }
        r = read_pages(purser, &page, &whole);
        if (r != PURSER_OK)
                return r;
        r = credentials_new(ret, (struct slice){ whole.data, whole.n }, &diag);
        return r == 0 ? PURSER_OK : record_result(purser, r, &diag);
}

void purser_credentials_free(struct purser_credentials *credentials)
{
        if (!credentials)
                return;
        secret_buf_done(&credentials->memory);
        free(credentials->items);
        free(credentials);
}

size_t purser_credentials_count(const struct purser_credentials *credentials)
{
        return credentials->n;
}

const struct purser_credential *purser_credentials_get(const struct purser_credentials *credentials,
                                                       size_t index)
{
        return index < credentials->n ? &credentials->items[index] : NULL;
}

const char *purser_credentials_json(const struct purser_credentials *credentials)
{
        return credentials->memory.data;
}
