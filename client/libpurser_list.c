/* The list of credentials: the reply of ListCredentials as an array of structs. */
#include "client/libpurser_private.h"

#include <errno.h>
#include <stdlib.h>

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
        credentials->memory = (struct secret_buf)SECRET_BUF_INIT(RECORD_MEMORY_MAX);

        r = record_keep(parameters, &credentials->memory, &json);
        if (r == 0)
                r = read_list(credentials, json, diag);
        if (r != 0)
                return r;

        *ret = take_ptr(credentials);
        return 0;
}

int purser_list_credentials(struct purser *purser, struct purser_credentials **ret)
{
        struct diag diag = DIAG_INIT;
        struct reply reply;
        int r;

        r = handle_call(purser, TOKENS_INTERFACE "ListCredentials", NULL, true, &reply);
        if (r != PURSER_OK)
                return r;
        r = credentials_new(ret, reply.parameters, &diag);
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
