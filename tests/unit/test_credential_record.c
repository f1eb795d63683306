// links: daemon/vault/
// libs: libsodium
#include "daemon/vault/credential.h"
#include "daemon/base/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOOT_ID "11111111-2222-3333-4444-555555555555"
#define OTHER_BOOT_ID "99999999-2222-3333-4444-555555555555"
#define WALL INT64_C(1767225600123456)

/* The moment at which the golden grant is read: 101.5 s after it was received, in the same boot. */
static const struct boot_moment now = { BOOT_ID, 100 * USEC_PER_SEC, WALL + 101500000 };

static struct secret_buf buf;

static int setup(void **state)
{
        buf = (struct secret_buf)SECRET_BUF_INIT(65536);
        return 0;
}

static int teardown(void **state)
{
        secret_buf_done(&buf);
        return 0;
}

static size_t read_golden(const char *name, char *bytes, size_t size)
{
        char path[64];
        FILE *file;
        size_t n;

        snprintf(path, sizeof(path), "tests/golden/%s", name);
        file = fopen(path, "rb");
        assert_non_null(file);
        n = fread(bytes, 1, size, file);
        assert_true(n > 0 && n < size);
        fclose(file);
        return n;
}

/* What the golden records hold. */
static struct grant golden_grant(void)
{
        struct grant grant = { .token_type = strdup("Bearer"),
                               .generation = 42,
                               .lifetime_usec = 3599 * USEC_PER_SEC,
                               .received_boot_usec = -1500000,
                               .received_wall_usec = WALL };

        assert_int_equal(secret_new_string(&grant.refresh_token, "0123456789abcdef0123456789abcdef"), 0);
        assert_int_equal(secret_new_string(&grant.access_token, "header.payload.signature"), 0);
        return grant;
}

static void set(char **text, const char *value)
{
        free(*text);
        *text = value ? strdup(value) : NULL;
}

static struct credential *golden_facts(void)
{
        struct credential *credential;

        assert_int_equal(credential_new(&credential, "acme"), 0);
        set(&credential->description, "Acme Landscaping, production account");
        set(&credential->client_name, "jobber-app");
        set(&credential->account_id, "Z2lkOi8vSm9iYmVyL0FjY291bnQvMTIz");
        set(&credential->account_name, "Acme Landscaping");
        credential->authorized_wall_usec = INT64_C(1767225600000000);
        credential->refusal = REFUSAL_REFUSED;
        set(&credential->refusal_reason, "The provided refresh token is not valid.");
        set(&credential->notice, "Refresh token rotation is off.");
        credential->foreign_refresher = credential->switch_account = true;
        credential->test = (struct test_result){ .tested_wall_usec = INT64_C(1767225601000000),
                                                 .verdict = API_OK,
                                                 .version_state = VERSION_TO_BE_REMOVED };
        set(&credential->test.api_version, "2023-08-18");
        set(&credential->test.served_version, "2023-08-18");
        set(&credential->test.version_warning, "Support for API version 2023-08-18 is scheduled to stop.");
        set(&credential->test.message, "The API answered.");
        return credential;
}

static void expect_same_text(const char *a, const char *b)
{
        if (a && b)
                assert_string_equal(a, b);
        else
                assert_ptr_equal(a, b);
}

static void expect_same_grant(const struct grant *a, const struct grant *b)
{
        assert_true(secret_equal(a->refresh_token, b->refresh_token));
        assert_true(secret_equal(a->access_token, b->access_token));
        expect_same_text(a->token_type, b->token_type);
        assert_int_equal(a->generation, b->generation);
        assert_int_equal(a->lifetime_usec, b->lifetime_usec);
        assert_int_equal(a->received_boot_usec, b->received_boot_usec);
        assert_int_equal(a->received_wall_usec, b->received_wall_usec);
}

static void expect_same_facts(const struct credential *a, const struct credential *b)
{
        expect_same_text(a->description, b->description);
        expect_same_text(a->client_name, b->client_name);
        expect_same_text(a->account_id, b->account_id);
        expect_same_text(a->account_name, b->account_name);
        assert_int_equal(a->authorized_wall_usec, b->authorized_wall_usec);
        assert_int_equal(a->refusal, b->refusal);
        expect_same_text(a->refusal_reason, b->refusal_reason);
        expect_same_text(a->notice, b->notice);
        assert_int_equal(a->foreign_refresher, b->foreign_refresher);
        assert_int_equal(a->switch_account, b->switch_account);
        assert_int_equal(a->test.tested_wall_usec, b->test.tested_wall_usec);
        assert_int_equal(a->test.verdict, b->test.verdict);
        assert_int_equal(a->test.version_state, b->test.version_state);
        expect_same_text(a->test.api_version, b->test.api_version);
        expect_same_text(a->test.served_version, b->test.served_version);
        expect_same_text(a->test.version_warning, b->test.version_warning);
        expect_same_text(a->test.message, b->test.message);
}

static void test_the_marks_of_an_export_are_read_as_they_were_written(void **state)
{
        _cleanup_(credential_freep) struct credential *written = golden_facts(), *read = NULL;

        (void)state;
        credential_mark_exported(written, WALL, true);
        assert_false(written->moved); /* it is refused by the provider already */
        written->refusal = REFUSAL_NONE;
        credential_mark_exported(written, WALL, true);
        assert_int_equal(credential_encode_facts(written, &buf), 0);
        assert_int_equal(credential_new(&read, "acme"), 0);
        assert_int_equal(credential_decode_facts(buf.data, buf.n, read), 0);
        assert_true(read->exported_wall_usec == WALL && read->moved);
        assert_int_equal(read->refusal, REFUSAL_REFUSED);
        credential_unmark_exported(read);
        assert_true(read->exported_wall_usec == 0 && !read->moved);
        assert_int_equal(read->refusal, REFUSAL_NONE);
}

/* ---- the golden records ---- */

static void test_the_golden_grant_is_read_and_written_the_same(void **state)
{
        struct grant expected = golden_grant(), grant = { 0 };
        char golden[1024];
        size_t n = read_golden("grant-record-1", golden, sizeof(golden));

        assert_int_equal(grant_decode(golden, n, &now, &grant), 0);
        expect_same_grant(&grant, &expected);
        assert_int_equal(grant_encode(&grant, BOOT_ID, &buf), 0);
        assert_int_equal(buf.n, n);
        assert_memory_equal(buf.data, golden, n);
        grant_done(&grant);
        grant_done(&expected);
}

static void test_the_golden_facts_are_read_and_written_the_same(void **state)
{
        struct credential *expected = golden_facts(), *credential;
        char golden[1024];
        size_t n = read_golden("facts-record-1", golden, sizeof(golden));

        assert_int_equal(credential_new(&credential, "acme"), 0);
        assert_int_equal(credential_decode_facts(golden, n, credential), 0);
        expect_same_facts(credential, expected);
        assert_int_equal(credential_encode_facts(credential, &buf), 0);
        assert_int_equal(buf.n, n);
        assert_memory_equal(buf.data, golden, n);
        credential_free(credential);
        credential_free(expected);
}

/* ---- what is left out ---- */

static void test_a_grant_of_a_refresh_token_alone_survives(void **state)
{
        struct grant grant = { 0 }, read = { 0 };

        assert_int_equal(secret_new_string(&grant.refresh_token, "imported"), 0);
        assert_int_equal(grant_encode(&grant, BOOT_ID, &buf), 0);
        assert_int_equal(grant_decode(buf.data, buf.n, &now, &read), 0);
        expect_same_grant(&read, &grant);
        assert_null(read.access_token);
        assert_null(read.token_type);
        grant_done(&grant);
        grant_done(&read);
}

static void test_facts_that_are_absent_keep_their_initial_values(void **state)
{
        struct credential *credential, *initial;

        assert_int_equal(credential_new(&credential, "acme"), 0);
        assert_int_equal(credential_new(&initial, "acme"), 0);
        assert_int_equal(record_begin(&buf), 0);
        assert_int_equal(credential_decode_facts(buf.data, buf.n, credential), 0);
        expect_same_facts(credential, initial);
        assert_string_equal(credential->description, "");

        /* What was never tested is not written as tested. */
        secret_buf_clear(&buf);
        set(&credential->test.message, "of this run alone");
        assert_int_equal(credential_encode_facts(credential, &buf), 0);
        assert_int_equal(credential_decode_facts(buf.data, buf.n, initial), 0);
        assert_int_equal(initial->test.tested_wall_usec, 0);
        assert_null(initial->test.message);
        credential_free(credential);
        credential_free(initial);
}

static void test_unknown_tags_are_skipped(void **state)
{
        struct grant expected = golden_grant(), grant = { 0 };
        struct credential *credential;
        char golden[1024];
        size_t n = read_golden("grant-record-1", golden, sizeof(golden));

        assert_int_equal(record_begin(&buf), 0);
        assert_int_equal(record_put_string(&buf, 9999, "of a later version"), 0);
        assert_int_equal(record_put_bytes(&buf, 65535, NULL, 0), 0);
        assert_int_equal(secret_buf_append(&buf, golden + 4, n - 4), 0);
        assert_int_equal(record_put_u64(&buf, 1000, 1), 0);
        assert_int_equal(grant_decode(buf.data, buf.n, &now, &grant), 0);
        expect_same_grant(&grant, &expected);
        grant_done(&grant);
        grant_done(&expected);

        secret_buf_clear(&buf);
        assert_int_equal(credential_new(&credential, "acme"), 0);
        assert_int_equal(record_begin(&buf), 0);
        assert_int_equal(record_put_u64(&buf, 9999, 1), 0);
        assert_int_equal(record_put_string(&buf, 2, "app"), 0);
        assert_int_equal(credential_decode_facts(buf.data, buf.n, credential), 0);
        assert_string_equal(credential->client_name, "app");
        credential_free(credential);
}

/* ---- what is wrong ---- */

static int decode_field(uint16_t tag, const void *bytes, size_t n)
{
        struct credential *credential;
        int r;

        secret_buf_clear(&buf);
        assert_int_equal(record_begin(&buf), 0);
        assert_int_equal(record_put_bytes(&buf, tag, bytes, n), 0);
        assert_int_equal(credential_new(&credential, "acme"), 0);
        r = credential_decode_facts(buf.data, buf.n, credential);
        credential_free(credential);
        return r;
}

static void test_values_that_none_of_ours_is_are_malformed(void **state)
{
        static const uint64_t beyond[] = { 4, UINT64_MAX, UINT64_C(1) << 32 };

        assert_int_equal(decode_field(2, "a\0b", 3), CREDENTIAL_E_MALFORMED);
        assert_int_equal(decode_field(5, "1234567", 7), CREDENTIAL_E_MALFORMED);
        for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++)
                assert_int_equal(decode_field(6, &beyond[i], 8), CREDENTIAL_E_MALFORMED);
        assert_int_equal(decode_field(9, &(uint64_t){ 2 }, 8), CREDENTIAL_E_MALFORMED);
        assert_int_equal(decode_field(17, &(uint64_t){ 5 }, 8), CREDENTIAL_E_MALFORMED);
        assert_int_equal(decode_field(18, &(uint64_t){ 6 }, 8), CREDENTIAL_E_MALFORMED);
        assert_int_equal(decode_field(6, &(uint64_t){ 3 }, 8), 0);
        assert_int_equal(decode_field(18, &(uint64_t){ 5 }, 8), 0);
}

static void test_a_life_beyond_all_measure_is_malformed(void **state)
{
        struct grant grant = { .lifetime_usec = UINT64_MAX }, read = { 0 };

        assert_int_equal(grant_encode(&grant, BOOT_ID, &buf), 0);
        assert_int_equal(grant_decode(buf.data, buf.n, &now, &read), CREDENTIAL_E_MALFORMED);
}

/* Cut anywhere, changed anywhere: read or refused, and what was there before is left alone when it is refused. */
static void read_broken(const char *bytes, size_t n)
{
        char *copy = malloc(n + 1); /* as a secret is exposed: ended by a NUL that does not count */
        struct grant grant = { .generation = 7 };
        struct credential *credential;
        int r;

        memcpy(copy, bytes, n);
        copy[n] = '\0';
        r = grant_decode(copy, n, &now, &grant);
        assert_true(r == 0 || (r == CREDENTIAL_E_MALFORMED && grant.generation == 7 && !grant.access_token));
        grant_done(&grant);
        assert_int_equal(credential_new(&credential, "acme"), 0);
        r = credential_decode_facts(copy, n, credential);
        assert_true(r == 0 || r == CREDENTIAL_E_MALFORMED);
        assert_non_null(credential->description);
        assert_non_null(credential->client_name);
        credential_free(credential);
        free(copy);
}

static void test_broken_records_are_refused_and_never_crash(void **state)
{
        static const char *const names[] = { "grant-record-1", "facts-record-1" };

        for (size_t i = 0; i < 2; i++) {
                char golden[1024], changed[1024];
                size_t n = read_golden(names[i], golden, sizeof(golden));

                for (size_t cut = 0; cut < n; cut++)
                        read_broken(golden, cut);
                for (size_t at = 0; at < n; at++) {
                        static const char xors[] = { 1, (char)0x80, (char)0xff };

                        for (size_t x = 0; x < sizeof(xors); x++) {
                                memcpy(changed, golden, n);
                                changed[at] ^= xors[x];
                                read_broken(changed, n);
                        }
                }
        }
}

/* ---- times over a reboot ---- */

static uint64_t remaining_after(const struct boot_moment *moment)
{
        struct credential *credential;
        uint64_t remaining;
        char golden[1024];
        size_t n = read_golden("grant-record-1", golden, sizeof(golden));

        assert_int_equal(credential_new(&credential, "acme"), 0);
        assert_int_equal(grant_decode(golden, n, moment, &credential->grant), 0);
        remaining = credential_remaining_usec(credential, moment->boot_usec);
        credential_free(credential);
        return remaining / USEC_PER_SEC;
}

static void test_a_time_of_this_boot_holds_whatever_the_wall_clock_says(void **state)
{
        struct boot_moment moment = now;

        assert_int_equal(remaining_after(&moment), 3497);
        moment.wall_usec += INT64_C(1000000000000);
        assert_int_equal(remaining_after(&moment), 3497);
        moment.wall_usec = 0;
        assert_int_equal(remaining_after(&moment), 3497);
}

static void test_a_time_of_another_boot_goes_by_the_wall_clock(void **state)
{
        struct boot_moment moment = { OTHER_BOOT_ID, 5 * USEC_PER_SEC, WALL + 600 * (int64_t)USEC_PER_SEC };

        assert_int_equal(remaining_after(&moment), 2999);
        moment.wall_usec = WALL + 3599 * (int64_t)USEC_PER_SEC;
        assert_int_equal(remaining_after(&moment), 0);
        moment.wall_usec = WALL + INT64_C(1000000000000000);
        assert_int_equal(remaining_after(&moment), 0);
}

static void test_a_token_of_another_boot_has_ended_when_the_wall_clock_went_back(void **state)
{
        struct boot_moment moment = { OTHER_BOOT_ID, 5 * USEC_PER_SEC, WALL - 1 };

        assert_int_equal(remaining_after(&moment), 0);
        moment.wall_usec = WALL;
        assert_int_equal(remaining_after(&moment), 3599);
}

static void test_a_receipt_in_the_future_of_this_boot_goes_by_the_wall_clock(void **state)
{
        struct boot_moment moment = { BOOT_ID, 100 * USEC_PER_SEC, WALL + 99 * (int64_t)USEC_PER_SEC };
        struct credential *credential;

        assert_int_equal(credential_new(&credential, "acme"), 0);
        credential->grant = golden_grant();
        credential->grant.received_boot_usec = (int64_t)(200 * USEC_PER_SEC);
        assert_int_equal(grant_encode(&credential->grant, BOOT_ID, &buf), 0);
        grant_done(&credential->grant);
        assert_int_equal(grant_decode(buf.data, buf.n, &moment, &credential->grant), 0);
        assert_int_equal(credential_remaining_usec(credential, moment.boot_usec) / USEC_PER_SEC, 3500);
        credential_free(credential);
}

static void test_times_at_the_ends_of_their_range_do_not_overflow(void **state)
{
        static const int64_t times[] = { INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX };
        static const char *const boot_ids[] = { BOOT_ID, OTHER_BOOT_ID, "" };
        enum { N = sizeof(times) / sizeof(times[0]) };

        for (size_t i = 0; i < N * N * 3; i++) {
                struct credential *credential;

                assert_int_equal(credential_new(&credential, "acme"), 0);
                credential->grant = golden_grant();
                credential->grant.received_boot_usec = times[i % N];
                credential->grant.received_wall_usec = times[i / N % N];
                credential->grant.lifetime_usec = i % 2 ? INT64_MAX / 2 : 3600 * USEC_PER_SEC;
                secret_buf_clear(&buf);
                assert_int_equal(grant_encode(&credential->grant, boot_ids[i / N / N], &buf), 0);
                grant_done(&credential->grant);
                assert_int_equal(grant_decode(buf.data, buf.n, &now, &credential->grant), 0);
                assert_true(credential_remaining_usec(credential, now.boot_usec) <=
                            credential->grant.lifetime_usec);
                /* A century later it is still a number, and none that is beyond the end. */
                assert_true(
                        credential_remaining_usec(credential, now.boot_usec + 3200000000 * USEC_PER_SEC) <=
                        credential->grant.lifetime_usec);
                (void)credential_expires_at(credential, now.boot_usec, now.wall_usec);
                credential_free(credential);
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_the_marks_of_an_export_are_read_as_they_were_written),
                TEST(test_the_golden_grant_is_read_and_written_the_same),
                TEST(test_the_golden_facts_are_read_and_written_the_same),
                TEST(test_a_grant_of_a_refresh_token_alone_survives),
                TEST(test_facts_that_are_absent_keep_their_initial_values),
                TEST(test_unknown_tags_are_skipped),
                TEST(test_values_that_none_of_ours_is_are_malformed),
                TEST(test_a_life_beyond_all_measure_is_malformed),
                TEST(test_broken_records_are_refused_and_never_crash),
                TEST(test_a_time_of_this_boot_holds_whatever_the_wall_clock_says),
                TEST(test_a_time_of_another_boot_goes_by_the_wall_clock),
                TEST(test_a_token_of_another_boot_has_ended_when_the_wall_clock_went_back),
                TEST(test_a_receipt_in_the_future_of_this_boot_goes_by_the_wall_clock),
                TEST(test_times_at_the_ends_of_their_range_do_not_overflow),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
