/* The two records of a credential, and nothing else of it. Tags are never used again for something else. */
#include "daemon/vault/credential.h"
#include "daemon/base/record.h"

#include <stdlib.h>
#include <string.h>

enum grant_tag {
        GRANT_REFRESH_TOKEN = 1,
        GRANT_ACCESS_TOKEN = 2,
        GRANT_TOKEN_TYPE = 3,
        GRANT_GENERATION = 4,
        GRANT_LIFETIME_USEC = 5,
        GRANT_RECEIVED_BOOT_USEC = 6,
        GRANT_RECEIVED_WALL_USEC = 7,
        GRANT_BOOT_ID = 8,
};

enum facts_tag {
        FACTS_DESCRIPTION = 1,
        FACTS_CLIENT = 2,
        FACTS_ACCOUNT_ID = 3,
        FACTS_ACCOUNT_NAME = 4,
        FACTS_AUTHORIZED_WALL_USEC = 5,
        FACTS_REFUSAL = 6,
        FACTS_REFUSAL_REASON = 7,
        FACTS_NOTICE = 8,
        FACTS_FOREIGN_REFRESHER = 9,
        FACTS_SWITCH_ACCOUNT = 10,
        FACTS_EXPORTED_WALL_USEC = 11,
        FACTS_MOVED = 12,
        FACTS_TESTED_WALL_USEC = 16,
        FACTS_TEST_VERDICT = 17,
        FACTS_TEST_VERSION_STATE = 18,
        FACTS_TEST_API_VERSION = 19,
        FACTS_TEST_SERVED_VERSION = 20,
        FACTS_TEST_VERSION_WARNING = 21,
        FACTS_TEST_MESSAGE = 22,
};

int grant_encode(const struct grant *grant, const char *boot_id, struct secret_buf *buf)
{
        int r;

        if ((r = record_begin(buf)) < 0 ||
            (r = record_put_secret(buf, GRANT_REFRESH_TOKEN, grant->refresh_token)) < 0 ||
            (r = record_put_secret(buf, GRANT_ACCESS_TOKEN, grant->access_token)) < 0 ||
            (r = record_put_string(buf, GRANT_TOKEN_TYPE, grant->token_type)) < 0 ||
            (r = record_put_u64(buf, GRANT_GENERATION, grant->generation)) < 0 ||
            (r = record_put_u64(buf, GRANT_LIFETIME_USEC, grant->lifetime_usec)) < 0 ||
            (r = record_put_i64(buf, GRANT_RECEIVED_BOOT_USEC, grant->received_boot_usec)) < 0 ||
            (r = record_put_i64(buf, GRANT_RECEIVED_WALL_USEC, grant->received_wall_usec)) < 0)
                return r;

        return record_put_string(buf, GRANT_BOOT_ID, boot_id);
}

static int replace_string(const struct record_field *field, char **string)
{
        char *read;
        int r = record_get_string(field, &read);

        if (r)
                return r;

        free(*string);
        *string = read;
        return 0;
}

static int replace_secret(const struct record_field *field, struct secret **secret)
{
        struct secret *read;
        int r = record_get_secret(field, &read);

        if (r)
                return r;

        secret_free(*secret);
        *secret = read;
        return 0;
}

static int grant_field(const struct record_field *field, struct grant *grant, char **boot_id)
{
        switch (field->tag) {
        case GRANT_REFRESH_TOKEN:
                return replace_secret(field, &grant->refresh_token);
        case GRANT_ACCESS_TOKEN:
                return replace_secret(field, &grant->access_token);
        case GRANT_TOKEN_TYPE:
                return replace_string(field, &grant->token_type);
        case GRANT_GENERATION:
                return record_get_u64(field, &grant->generation);
        case GRANT_LIFETIME_USEC:
                return record_get_u64(field, &grant->lifetime_usec);
        case GRANT_RECEIVED_BOOT_USEC:
                return record_get_i64(field, &grant->received_boot_usec);
        case GRANT_RECEIVED_WALL_USEC:
                return record_get_i64(field, &grant->received_wall_usec);
        case GRANT_BOOT_ID:
                return replace_string(field, boot_id);
        default:
                return 0;
        }
}

/*
 * A time of this boot holds as it is. One of another boot only has the wall clock to go by; where that has gone back since, nobody knows
 * how much of the life is left, and the token counts as ended.
 */
static void translate_times(struct grant *grant, const char *boot_id, const struct boot_moment *now)
{
        bool same_boot = boot_id && strcmp(boot_id, now->boot_id) == 0 &&
                         grant->received_boot_usec <= (int64_t)now->boot_usec;
        int64_t elapsed, lifetime = (int64_t)grant->lifetime_usec;
        bool overflows =
                same_boot
                        ? __builtin_sub_overflow((int64_t)now->boot_usec, grant->received_boot_usec, &elapsed)
                        : __builtin_sub_overflow(now->wall_usec, grant->received_wall_usec, &elapsed);

        if (same_boot && !overflows && elapsed <= INT64_MAX / 2)
                return;

        /* What is beyond its end has ended: how long ago does not matter, and must not overflow. */
        if (overflows || elapsed < 0 || elapsed > lifetime)
                elapsed = lifetime;
        grant->received_boot_usec = (int64_t)now->boot_usec - elapsed;
}

int grant_decode(const char *bytes, size_t n, const struct boot_moment *now, struct grant *ret)
{
        _cleanup_(grant_done) struct grant grant = { 0 };
        _cleanup_(freep) char *boot_id = NULL;
        struct record_reader reader;
        struct record_field field;
        int r;

        r = record_open(&reader, bytes, n);
        while (r == 0 && (r = record_next(&reader, &field)) == 0)
                r = grant_field(&field, &grant, &boot_id);
        if (r < 0)
                return r;
        if (r != RECORD_E_END || grant.lifetime_usec > INT64_MAX / 2)
                return CREDENTIAL_E_MALFORMED;

        translate_times(&grant, boot_id, now);
        grant_look(&grant);
        *ret = grant;
        grant = (struct grant){ 0 };
        return 0;
}

static int encode_test(const struct test_result *test, struct secret_buf *buf)
{
        int r;

        if (!test->tested_wall_usec)
                return 0;
        if ((r = record_put_i64(buf, FACTS_TESTED_WALL_USEC, test->tested_wall_usec)) < 0 ||
            (r = record_put_u64(buf, FACTS_TEST_VERDICT, test->verdict)) < 0 ||
            (r = record_put_u64(buf, FACTS_TEST_VERSION_STATE, test->version_state)) < 0 ||
            (r = record_put_string(buf, FACTS_TEST_API_VERSION, test->api_version)) < 0 ||
            (r = record_put_string(buf, FACTS_TEST_SERVED_VERSION, test->served_version)) < 0 ||
            (r = record_put_string(buf, FACTS_TEST_VERSION_WARNING, test->version_warning)) < 0)
                return r;

        return record_put_string(buf, FACTS_TEST_MESSAGE, test->message);
}

int credential_encode_facts(const struct credential *credential, struct secret_buf *buf)
{
        int r;

        if ((r = record_begin(buf)) < 0 ||
            (r = record_put_string(buf, FACTS_DESCRIPTION, credential->description)) < 0 ||
            (r = record_put_string(buf, FACTS_CLIENT, credential->client_name)) < 0 ||
            (r = record_put_string(buf, FACTS_ACCOUNT_ID, credential->account_id)) < 0 ||
            (r = record_put_string(buf, FACTS_ACCOUNT_NAME, credential->account_name)) < 0 ||
            (r = record_put_i64(buf, FACTS_AUTHORIZED_WALL_USEC, credential->authorized_wall_usec)) < 0 ||
            (r = record_put_u64(buf, FACTS_REFUSAL, credential->refusal)) < 0 ||
            (r = record_put_string(buf, FACTS_REFUSAL_REASON, credential->refusal_reason)) < 0 ||
            (r = record_put_string(buf, FACTS_NOTICE, credential->notice)) < 0 ||
            (r = record_put_u64(buf, FACTS_FOREIGN_REFRESHER, credential->foreign_refresher)) < 0 ||
            (r = record_put_u64(buf, FACTS_SWITCH_ACCOUNT, credential->switch_account)) < 0)
                return r;
        if (credential->exported_wall_usec != 0 &&
            ((r = record_put_i64(buf, FACTS_EXPORTED_WALL_USEC, credential->exported_wall_usec)) < 0 ||
             (r = record_put_u64(buf, FACTS_MOVED, credential->moved)) < 0))
                return r;

        return encode_test(&credential->test, buf);
}

/* A number of an enum of ours that ends at `last`. */
static int get_choice(const struct record_field *field, unsigned last, unsigned *ret)
{
        uint64_t value;
        int r = record_get_u64(field, &value);

        if (r)
                return r;
        if (value > last)
                return RECORD_E_MALFORMED;

        *ret = (unsigned)value;
        return 0;
}

static int get_flag(const struct record_field *field, bool *ret)
{
        unsigned value;
        int r = get_choice(field, 1, &value);

        if (r == 0)
                *ret = value;
        return r;
}

static int test_field(const struct record_field *field, struct test_result *test)
{
        unsigned choice;
        int r;

        switch (field->tag) {
        case FACTS_TESTED_WALL_USEC:
                return record_get_i64(field, &test->tested_wall_usec);
        case FACTS_TEST_VERDICT:
                if ((r = get_choice(field, API_VERSION_UNSUPPORTED, &choice)) == 0)
                        test->verdict = choice;
                return r;
        case FACTS_TEST_VERSION_STATE:
                if ((r = get_choice(field, VERSION_UNKNOWN, &choice)) == 0)
                        test->version_state = choice;
                return r;
        case FACTS_TEST_API_VERSION:
                return replace_string(field, &test->api_version);
        case FACTS_TEST_SERVED_VERSION:
                return replace_string(field, &test->served_version);
        case FACTS_TEST_VERSION_WARNING:
                return replace_string(field, &test->version_warning);
        case FACTS_TEST_MESSAGE:
                return replace_string(field, &test->message);
        default:
                return 0;
        }
}

static int facts_field(const struct record_field *field, struct credential *credential)
{
        unsigned choice;
        int r;

        switch (field->tag) {
        case FACTS_DESCRIPTION:
                return replace_string(field, &credential->description);
        case FACTS_CLIENT:
                return replace_string(field, &credential->client_name);
        case FACTS_ACCOUNT_ID:
                return replace_string(field, &credential->account_id);
        case FACTS_ACCOUNT_NAME:
                return replace_string(field, &credential->account_name);
        case FACTS_AUTHORIZED_WALL_USEC:
                return record_get_i64(field, &credential->authorized_wall_usec);
        case FACTS_REFUSAL:
                if ((r = get_choice(field, REFUSAL_CUT, &choice)) == 0)
                        credential->refusal = choice;
                return r;
        case FACTS_REFUSAL_REASON:
                return replace_string(field, &credential->refusal_reason);
        case FACTS_NOTICE:
                return replace_string(field, &credential->notice);
        case FACTS_FOREIGN_REFRESHER:
                return get_flag(field, &credential->foreign_refresher);
        case FACTS_SWITCH_ACCOUNT:
                return get_flag(field, &credential->switch_account);
        case FACTS_EXPORTED_WALL_USEC:
                return record_get_i64(field, &credential->exported_wall_usec);
        case FACTS_MOVED:
                return get_flag(field, &credential->moved);
        default:
                return test_field(field, &credential->test);
        }
}

int credential_decode_facts(const char *bytes, size_t n, struct credential *credential)
{
        struct record_reader reader;
        struct record_field field;
        int r;

        r = record_open(&reader, bytes, n);
        while (r == 0 && (r = record_next(&reader, &field)) == 0)
                r = facts_field(&field, credential);
        if (r < 0)
                return r;

        return r == RECORD_E_END ? 0 : CREDENTIAL_E_MALFORMED;
}
