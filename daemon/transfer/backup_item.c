#include "daemon/transfer/backup_item.h"

#include "daemon/base/record.h"

#include <stdlib.h>
#include <string.h>

enum backup_tag {
        TAG_KIND = 1,
        TAG_MADE_WALL_USEC = 2,
        TAG_MOVED = 3,
        TAG_NAME = 4,
        TAG_GRANT = 5,
        TAG_FACTS = 6,
        TAG_UNKNOWN_AFTER_REPLAYS = 7, /* the outcome of its last refresh is unknown, after so many tries */
        TAG_CLIENT_SECRET = 8,
        TAG_N_CREDENTIALS = 9,
        TAG_N_CLIENT_SECRETS = 10,
};

enum { RECORD_MAX = 256 * 1024, MOST_REPLAYS = 1000 };

void backup_item_done(struct backup_item *item)
{
        credential_free(item->credential);
        free(item->client);
        secret_free(item->secret);
        *item = (struct backup_item){ 0 };
}

static int begin(struct secret_buf *buf, enum backup_kind kind)
{
        int r = record_begin(buf);

        return r < 0 ? r : record_put_u64(buf, TAG_KIND, kind);
}

int backup_encode_about(int64_t made_wall_usec, bool moved, struct secret_buf *buf)
{
        int r;

        if ((r = begin(buf, BACKUP_ABOUT)) < 0 ||
            (r = record_put_i64(buf, TAG_MADE_WALL_USEC, made_wall_usec)) < 0)
                return r;
        return record_put_u64(buf, TAG_MOVED, moved);
}

/* What can be had again by a refresh does not lie about in backups. Another machine has another boot. */
static int put_grant(const struct grant *grant, struct secret_buf *buf)
{
        _cleanup_(secret_buf_done) struct secret_buf record = SECRET_BUF_INIT(RECORD_MAX);
        struct grant like = *grant; /* borrows what it shows */
        int r;

        if (like.refresh_token) {
                like.access_token = NULL;
                like.lifetime_usec = 0;
        }
        r = grant_encode(&like, NULL, &record);
        return r < 0 ? r : record_put_bytes(buf, TAG_GRANT, record.data, record.n);
}

int backup_encode_credential(const struct credential *credential, struct secret_buf *buf)
{
        _cleanup_(secret_buf_done) struct secret_buf facts = SECRET_BUF_INIT(RECORD_MAX);
        int r;

        if ((r = begin(buf, BACKUP_CREDENTIAL)) < 0 ||
            (r = record_put_string(buf, TAG_NAME, credential->name)) < 0 ||
            (r = put_grant(&credential->grant, buf)) < 0 ||
            (r = credential_encode_facts(credential, &facts)) < 0 ||
            (r = record_put_bytes(buf, TAG_FACTS, facts.data, facts.n)) < 0)
                return r;
        return credential->outcome_unknown
                       ? record_put_u64(buf, TAG_UNKNOWN_AFTER_REPLAYS, credential->replays)
                       : 0;
}

int backup_encode_client_secret(const char *client, const struct secret *secret, struct secret_buf *buf)
{
        int r;

        if ((r = begin(buf, BACKUP_CLIENT_SECRET)) < 0 || (r = record_put_string(buf, TAG_NAME, client)) < 0)
                return r;
        return record_put_secret(buf, TAG_CLIENT_SECRET, secret);
}

int backup_encode_end(uint64_t n_credentials, uint64_t n_client_secrets, struct secret_buf *buf)
{
        int r;

        if ((r = begin(buf, BACKUP_END)) < 0 ||
            (r = record_put_u64(buf, TAG_N_CREDENTIALS, n_credentials)) < 0)
                return r;
        return record_put_u64(buf, TAG_N_CLIENT_SECRETS, n_client_secrets);
}

/* ---- reading ---- */

struct reading {
        struct backup_item *item;
        const struct boot_moment *now;
        char *name;
        bool has_grant, has_facts;
};

static void reading_done(struct reading *reading)
{
        free(reading->name);
}

static int require_credential(struct reading *reading)
{
        return reading->item->credential ? 0 : credential_new(&reading->item->credential, "");
}

static int read_grant(struct reading *reading, const struct record_field *field)
{
        int r = require_credential(reading);

        if (r < 0)
                return r;
        grant_done(&reading->item->credential->grant);
        reading->has_grant = true;
        return grant_decode(field->bytes, field->n, reading->now, &reading->item->credential->grant);
}

static int read_facts(struct reading *reading, const struct record_field *field)
{
        int r = require_credential(reading);

        if (r < 0)
                return r;
        reading->has_facts = true;
        return credential_decode_facts(field->bytes, field->n, reading->item->credential);
}

static int read_replays(struct reading *reading, const struct record_field *field)
{
        struct credential *credential;
        uint64_t replays;
        int r = require_credential(reading);

        if (r == 0)
                r = record_get_u64(field, &replays);
        if (r != 0)
                return r;
        credential = reading->item->credential;
        credential->outcome_unknown = credential->has_intent = true;
        credential->replays = replays > MOST_REPLAYS ? MOST_REPLAYS : (unsigned)replays;
        return 0;
}

static int read_name(struct reading *reading, const struct record_field *field)
{
        free(reading->name);
        reading->name = NULL;
        return record_get_string(field, &reading->name);
}

static int read_secret(struct reading *reading, const struct record_field *field)
{
        reading->item->secret = secret_free(reading->item->secret);
        return record_get_secret(field, &reading->item->secret);
}

static int read_field(struct reading *reading, const struct record_field *field)
{
        struct backup_item *item = reading->item;
        uint64_t number;
        int r;

        switch (field->tag) {
        case TAG_KIND:
                if ((r = record_get_u64(field, &number)) == 0)
                        item->kind = number < BACKUP_UNKNOWN ? (enum backup_kind)number : BACKUP_UNKNOWN;
                return r;
        case TAG_MADE_WALL_USEC:
                return record_get_i64(field, &item->made_wall_usec);
        case TAG_MOVED:
                if ((r = record_get_u64(field, &number)) == 0)
                        item->moved = number;
                return r;
        case TAG_NAME:
                return read_name(reading, field);
        case TAG_GRANT:
                return read_grant(reading, field);
        case TAG_FACTS:
                return read_facts(reading, field);
        case TAG_UNKNOWN_AFTER_REPLAYS:
                return read_replays(reading, field);
        case TAG_CLIENT_SECRET:
                return read_secret(reading, field);
        case TAG_N_CREDENTIALS:
                return record_get_u64(field, &item->n_credentials);
        case TAG_N_CLIENT_SECRETS:
                return record_get_u64(field, &item->n_client_secrets);
        default:
                return 0;
        }
}

static int finish_credential(struct reading *reading)
{
        struct credential *credential = reading->item->credential;

        if (!reading->has_grant || !reading->has_facts || !reading->name || !name_is_valid(reading->name) ||
            !*credential->client_name ||
            (!credential->grant.refresh_token && !credential->grant.access_token))
                return CREDENTIAL_E_MALFORMED;
        free(credential->name);
        credential->name = take_ptr(reading->name);
        if (credential->refusal == REFUSAL_NEVER_AUTHORIZED)
                credential->refusal = REFUSAL_NONE;
        /* Marks of the machine that it leaves. */
        credential_unmark_exported(credential);
        return 0;
}

static int finish(struct reading *reading)
{
        struct backup_item *item = reading->item;

        switch (item->kind) {
        case BACKUP_CREDENTIAL:
                return finish_credential(reading);
        case BACKUP_CLIENT_SECRET:
                if (!reading->name || !name_is_valid(reading->name) || !item->secret ||
                    secret_size(item->secret) == 0)
                        return CREDENTIAL_E_MALFORMED;
                item->client = take_ptr(reading->name);
                return 0;
        case BACKUP_ABOUT:
        case BACKUP_END:
        case BACKUP_UNKNOWN:
                return 0;
        }
        return CREDENTIAL_E_MALFORMED;
}

int backup_decode(const char *bytes, size_t n, const struct boot_moment *now, struct backup_item *ret)
{
        _cleanup_(backup_item_done) struct backup_item item = { 0 };
        _cleanup_(reading_done) struct reading reading = { .item = &item, .now = now };
        struct record_reader reader;
        struct record_field field;
        int r;

        r = record_open(&reader, bytes, n);
        while (r == 0 && (r = record_next(&reader, &field)) == 0)
                r = read_field(&reading, &field);
        if (r < 0)
                return r;
        if (r != RECORD_E_END)
                return CREDENTIAL_E_MALFORMED;
        r = finish(&reading);
        if (r != 0)
                return r;
        *ret = item;
        item = (struct backup_item){ 0 };
        return 0;
}
