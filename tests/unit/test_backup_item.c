// links: daemon/transfer/
// libs: libsodium jansson yaml-0.1 libsystemd
#include "daemon/transfer/backup.h"
#include "daemon/transfer/backup_item.h"
#include "daemon/base/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALL INT64_C(1767225600123456)

/* An hour later, on another machine. */
static const struct boot_moment now = { "", 100 * USEC_PER_SEC, WALL + 3600 * INT64_C(1000000) };

static struct secret_buf buf;
static struct backup_item item;

static int setup(void **state)
{
        (void)state;
        buf = (struct secret_buf)SECRET_BUF_INIT(1 << 20);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        secret_buf_done(&buf);
        backup_item_done(&item);
        return 0;
}

static struct credential *make(const char *refresh_token)
{
        struct credential *credential;

        assert_int_equal(credential_new(&credential, "acme"), 0);
        free(credential->client_name);
        credential->client_name = strdup("jobber-app");
        credential->account_id = strdup("17");
        credential->refusal = REFUSAL_NONE;
        credential->authorized_wall_usec = WALL;
        credential->grant = (struct grant){ .generation = 42,
                                            .lifetime_usec = 7200 * USEC_PER_SEC,
                                            .received_boot_usec = 5,
                                            .received_wall_usec = WALL,
                                            .token_type = strdup("Bearer") };
        assert_int_equal(secret_new_string(&credential->grant.access_token, "the-access-token"), 0);
        if (refresh_token)
                assert_int_equal(secret_new_string(&credential->grant.refresh_token, refresh_token), 0);
        return credential;
}

static int decode(void)
{
        backup_item_done(&item);
        return backup_decode(buf.data, buf.n, &now, &item);
}

static void test_a_credential_comes_back_without_its_access_token(void **state)
{
        _cleanup_(credential_freep) struct credential *credential = make("the-refresh-token");

        (void)state;
        assert_int_equal(backup_encode_credential(credential, &buf), 0);
        assert_null(memmem(buf.data, buf.n, "the-access-token", 16));
        assert_int_equal(decode(), 0);
        assert_int_equal(item.kind, BACKUP_CREDENTIAL);
        assert_string_equal(item.credential->name, "acme");
        assert_string_equal(item.credential->client_name, "jobber-app");
        assert_string_equal(item.credential->account_id, "17");
        assert_int_equal(item.credential->grant.generation, 42);
        assert_string_equal(secret_expose(item.credential->grant.refresh_token), "the-refresh-token");
        assert_null(item.credential->grant.access_token);
        assert_int_equal(credential_remaining_usec(item.credential, now.boot_usec), 0);
        assert_false(item.credential->outcome_unknown);
        assert_int_equal(item.credential->refusal, REFUSAL_NONE);
}

/* Nothing else is left of such a grant. */
static void test_an_access_token_without_a_refresh_token_goes_along_with_its_time(void **state)
{
        _cleanup_(credential_freep) struct credential *credential = make(NULL);

        (void)state;
        assert_int_equal(backup_encode_credential(credential, &buf), 0);
        assert_int_equal(decode(), 0);
        assert_string_equal(secret_expose(item.credential->grant.access_token), "the-access-token");
        assert_int_equal(credential_remaining_usec(item.credential, now.boot_usec), 3600 * USEC_PER_SEC);
}

static void test_marks_of_the_machine_that_it_leaves_stay_behind(void **state)
{
        _cleanup_(credential_freep) struct credential *credential = make("the-refresh-token");

        (void)state;
        credential_mark_exported(credential, WALL, true);
        assert_int_equal(backup_encode_credential(credential, &buf), 0);
        assert_int_equal(decode(), 0);
        assert_int_equal(item.credential->exported_wall_usec, 0);
        assert_false(item.credential->moved);
        assert_int_equal(item.credential->refusal, REFUSAL_NONE);
}

static void test_a_grant_that_was_refused_stays_refused(void **state)
{
        _cleanup_(credential_freep) struct credential *credential = make("the-refresh-token");

        (void)state;
        credential->refusal = REFUSAL_REFUSED;
        credential->refusal_reason = strdup("Revoked by the account's owner.");
        credential_mark_exported(credential, WALL, true);
        assert_false(credential->moved);
        assert_int_equal(backup_encode_credential(credential, &buf), 0);
        assert_int_equal(decode(), 0);
        assert_int_equal(item.credential->refusal, REFUSAL_REFUSED);
        assert_string_equal(item.credential->refusal_reason, "Revoked by the account's owner.");
}

static void test_an_unknown_outcome_goes_along_with_its_tries(void **state)
{
        _cleanup_(credential_freep) struct credential *credential = make("the-refresh-token");

        (void)state;
        credential->outcome_unknown = true;
        credential->replays = 3;
        assert_int_equal(backup_encode_credential(credential, &buf), 0);
        assert_int_equal(decode(), 0);
        assert_true(item.credential->outcome_unknown && item.credential->has_intent);
        assert_int_equal(item.credential->replays, 3);
}

static void test_the_other_kinds_come_back(void **state)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;

        (void)state;
        assert_int_equal(backup_encode_about(WALL, true, &buf), 0);
        assert_int_equal(decode(), 0);
        assert_int_equal(item.kind, BACKUP_ABOUT);
        assert_true(item.made_wall_usec == WALL && item.moved);

        secret_buf_clear(&buf);
        assert_int_equal(secret_new_string(&secret, "s3cret"), 0);
        assert_int_equal(backup_encode_client_secret("jobber-app", secret, &buf), 0);
        assert_int_equal(decode(), 0);
        assert_int_equal(item.kind, BACKUP_CLIENT_SECRET);
        assert_string_equal(item.client, "jobber-app");
        assert_true(secret_equal(item.secret, secret));

        secret_buf_clear(&buf);
        assert_int_equal(backup_encode_end(7, 2, &buf), 0);
        assert_int_equal(decode(), 0);
        assert_true(item.kind == BACKUP_END && item.n_credentials == 7 && item.n_client_secrets == 2);
}

/* A record of a backup with a kind and a name, to which a test adds. */
static void begin_record(uint64_t kind, const char *name)
{
        secret_buf_clear(&buf);
        assert_int_equal(record_begin(&buf), 0);
        if (kind)
                assert_int_equal(record_put_u64(&buf, 1, kind), 0);
        assert_int_equal(record_put_string(&buf, 4, name), 0);
}

static void test_what_lacks_something_is_malformed(void **state)
{
        (void)state;
        begin_record(0, "acme");
        assert_int_equal(decode(), CREDENTIAL_E_MALFORMED);
        begin_record(BACKUP_CREDENTIAL, "acme");
        assert_int_equal(decode(), CREDENTIAL_E_MALFORMED);
        begin_record(BACKUP_CLIENT_SECRET, "jobber-app");
        assert_int_equal(decode(), CREDENTIAL_E_MALFORMED);
        assert_int_equal(record_put_bytes(&buf, 8, "", 0), 0);
        assert_int_equal(decode(), CREDENTIAL_E_MALFORMED);
        begin_record(BACKUP_CLIENT_SECRET, "../jobber-app");
        assert_int_equal(record_put_bytes(&buf, 8, "s", 1), 0);
        assert_int_equal(decode(), CREDENTIAL_E_MALFORMED);
        begin_record(BACKUP_CREDENTIAL, "acme");
        assert_int_equal(record_put_bytes(&buf, 5, "PRr1", 4), 0);
        assert_int_equal(record_put_bytes(&buf, 6, "PRr1", 4), 0);
        assert_int_equal(decode(), CREDENTIAL_E_MALFORMED);
}

static void test_a_name_that_no_credential_may_have_is_malformed(void **state)
{
        static const char *const names[] = { "", ".hidden", "a b", "a/b", "a\nb" };

        (void)state;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                struct credential *credential = make("the-refresh-token");

                free(credential->name);
                credential->name = strdup(names[i]);
                secret_buf_clear(&buf);
                assert_int_equal(backup_encode_credential(credential, &buf), 0);
                assert_int_equal(decode(), CREDENTIAL_E_MALFORMED);
                credential_free(credential);
        }
}

static void test_a_kind_of_a_later_version_is_told_as_such(void **state)
{
        (void)state;
        begin_record(900, "acme");
        assert_int_equal(decode(), 0);
        assert_int_equal(item.kind, BACKUP_UNKNOWN);
}

static void test_a_record_that_is_cut_short_anywhere_is_malformed_or_lacks_something(void **state)
{
        _cleanup_(credential_freep) struct credential *credential = make("the-refresh-token");
        size_t n;

        (void)state;
        assert_int_equal(backup_encode_credential(credential, &buf), 0);
        n = buf.n;
        for (buf.n = 0; buf.n < n; buf.n++)
                assert_int_equal(decode(), CREDENTIAL_E_MALFORMED);
        assert_int_equal(decode(), 0);
}

/* ---- the golden file: a backup that the first version made opens for ever ---- */

static int next(struct backup_reader *reader)
{
        _cleanup_(secret_freep) struct secret *plain = NULL;
        int r = backup_reader_next(reader, &plain);

        backup_item_done(&item);
        return r != 0 ? r : backup_decode(secret_expose(plain), secret_size(plain), &now, &item);
}

static void test_the_golden_backup_opens(void **state)
{
        _cleanup_(backup_reader_freep) struct backup_reader *reader = NULL;
        _cleanup_(secret_freep) struct secret *passphrase = NULL;
        FILE *file = fopen("tests/golden/backup-1", "rb");
        char bytes[4096];
        size_t n;

        (void)state;
        assert_non_null(file);
        n = fread(bytes, 1, sizeof(bytes), file);
        fclose(file);
        assert_int_equal(secret_new_string(&passphrase, "correct horse battery staple"), 0);
        assert_int_equal(backup_reader_new(&reader, bytes, n, passphrase), 0);
        assert_int_equal(next(reader), 0);
        assert_true(item.kind == BACKUP_ABOUT && item.made_wall_usec == WALL && item.moved);
        assert_int_equal(next(reader), 0);
        assert_int_equal(item.kind, BACKUP_CREDENTIAL);
        assert_string_equal(item.credential->name, "acme");
        assert_string_equal(item.credential->account_id, "17");
        assert_string_equal(secret_expose(item.credential->grant.refresh_token), "golden-refresh-token");
        assert_true(item.credential->outcome_unknown && item.credential->replays == 2);
        assert_int_equal(next(reader), 0);
        assert_int_equal(item.kind, BACKUP_CLIENT_SECRET);
        assert_string_equal(secret_expose(item.secret), "golden-client-secret");
        assert_int_equal(next(reader), 0);
        assert_true(item.kind == BACKUP_END && item.n_credentials == 1 && item.n_client_secrets == 1);
        assert_int_equal(next(reader), BACKUP_E_END);
}

#define ITEM_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                ITEM_TEST(test_a_credential_comes_back_without_its_access_token),
                ITEM_TEST(test_an_access_token_without_a_refresh_token_goes_along_with_its_time),
                ITEM_TEST(test_marks_of_the_machine_that_it_leaves_stay_behind),
                ITEM_TEST(test_a_grant_that_was_refused_stays_refused),
                ITEM_TEST(test_an_unknown_outcome_goes_along_with_its_tries),
                ITEM_TEST(test_the_other_kinds_come_back),
                ITEM_TEST(test_what_lacks_something_is_malformed),
                ITEM_TEST(test_a_name_that_no_credential_may_have_is_malformed),
                ITEM_TEST(test_a_kind_of_a_later_version_is_told_as_such),
                ITEM_TEST(test_a_record_that_is_cut_short_anywhere_is_malformed_or_lacks_something),
                ITEM_TEST(test_the_golden_backup_opens),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
