// links: daemon/vault/
// libs: libsodium
/* When a token ends, what callers may demand of it, and when it is refreshed. */
#include "tests/beds/credential_bed.h"

/* ---- times ---- */

static void test_what_remains_counts_from_the_receipt(void **state)
{
        assert_int_equal(credential_remaining_usec(acme, NOW), HOUR);
        assert_int_equal(credential_remaining_usec(acme, NOW + HOUR - 1), 1);
        assert_int_equal(credential_remaining_usec(acme, NOW + HOUR), 0);
        assert_int_equal(credential_remaining_usec(acme, NOW + 100 * HOUR), 0);
        acme->grant.received_boot_usec = -(int64_t)(HOUR / 2);
        assert_int_equal(credential_remaining_usec(acme, 0), HOUR / 2);
        acme->grant.access_token = secret_free(acme->grant.access_token);
        assert_int_equal(credential_remaining_usec(acme, 0), 0);
}

static void test_the_end_is_told_by_the_local_clock_and_rounded_down(void **state)
{
        int64_t wall = INT64_C(1767225600) * (int64_t)USEC_PER_SEC;

        assert_int_equal(credential_expires_at(acme, NOW, wall), 1767225600 + 3600);
        assert_int_equal(credential_expires_at(acme, NOW, wall + 999999), 1767225600 + 3600);
        assert_int_equal(credential_expires_at(acme, NOW + HOUR / 2, wall + (int64_t)(HOUR / 2)),
                         1767225600 + 3600);
        /* The clock was set: what is told moves along, and the token lives as long as before. */
        assert_int_equal(credential_expires_at(acme, NOW + HOUR / 2, wall), 1767225600 + 1800);
}

/* ---- demands ---- */

static uint64_t min_valid(int64_t seconds, bool *ret_unmeetable)
{
        struct token_demand demand = { .min_valid_given = true, .min_valid_sec = seconds };

        return credential_min_valid_usec(acme, &demand, ret_unmeetable);
}

static void test_the_default_demand_is_a_minute_or_half_the_life(void **state)
{
        static const struct {
                uint64_t lifetime_usec, expected_usec;
        } rows[] = {
                { HOUR, 60 * USEC_PER_SEC },      { 120 * USEC_PER_SEC, 60 * USEC_PER_SEC },
                { 119 * USEC_PER_SEC, 59500000 }, { 10 * USEC_PER_SEC, 5 * USEC_PER_SEC },
                { USEC_PER_SEC, 500000 },         { 0, 0 },
        };
        static const struct token_demand none;
        bool unmeetable = true;

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                acme->grant.lifetime_usec = rows[i].lifetime_usec;
                assert_int_equal(credential_min_valid_usec(acme, &none, &unmeetable), rows[i].expected_usec);
                assert_false(unmeetable);
        }
}

static void test_a_demand_that_a_fresh_token_can_meet_is_taken_as_it_is(void **state)
{
        bool unmeetable = true;

        assert_int_equal(min_valid(1, &unmeetable), USEC_PER_SEC);
        assert_false(unmeetable);
        assert_int_equal(min_valid(3240, &unmeetable), 3240 * USEC_PER_SEC);
        assert_false(unmeetable);
        /* None at all: any token that has not ended. */
        assert_int_equal(min_valid(0, &unmeetable), 1);
        assert_int_equal(min_valid(-5, &unmeetable), 1);
        assert_false(unmeetable);
}

static void test_a_demand_for_nearly_the_whole_life_falls_back_to_the_default(void **state)
{
        static const int64_t demands[] = { 3241, 3600, 7200, 86400, INT64_MAX / 1000000, INT64_MAX };
        bool unmeetable;

        for (size_t i = 0; i < sizeof(demands) / sizeof(demands[0]); i++) {
                unmeetable = false;
                assert_int_equal(min_valid(demands[i], &unmeetable), 60 * USEC_PER_SEC);
                assert_true(unmeetable);
        }
}

static void test_a_demand_on_a_credential_without_a_token_waits_for_the_first(void **state)
{
        bool unmeetable = true;

        acme->grant.access_token = secret_free(acme->grant.access_token);
        acme->grant.lifetime_usec = 0;
        assert_int_equal(min_valid(7200, &unmeetable), 7200 * USEC_PER_SEC);
        assert_false(unmeetable);
}

/* ---- when to refresh ---- */

static const uint64_t lifetimes_sec[] = { 1,   2,   5,   10,  30,  59,   60,    61,      90,
                                          119, 120, 121, 300, 600, 3600, 86400, 31536000 };

static void expect_no_default_caller_waits(const struct refresh_config *refresh)
{
        for (size_t i = 0; i < sizeof(lifetimes_sec) / sizeof(lifetimes_sec[0]); i++) {
                uint64_t lifetime = lifetimes_sec[i] * USEC_PER_SEC, step = UINT64_MAX / 1000;
                uint64_t least = UINT64_MAX, most = 0, demand;
                static const struct token_demand none;
                bool unmeetable;

                acme->grant.lifetime_usec = lifetime;
                demand = credential_min_valid_usec(acme, &none, &unmeetable);
                for (uint64_t n = 0; n <= 1000; n++) {
                        uint64_t after = credential_refresh_after_usec(lifetime, refresh, n * step);

                        least = after < least ? after : least;
                        most = after > most ? after : most;
                }
                /* Not for ever anew, and in time for a caller with the default demand, with room for the request. */
                assert_true(least >= lifetime / 10);
                assert_true(most < lifetime);
                assert_true(most + demand <= lifetime);
                assert_true(lifetime - demand - most >=
                            (lifetime < 100 * USEC_PER_SEC ? lifetime / 20 : 5 * USEC_PER_SEC));
                assert_true(most > least || most == lifetime / 10);
        }
}

static void test_a_refresh_is_due_before_a_default_caller_would_wait(void **state)
{
        expect_no_default_caller_waits(
                &(struct refresh_config){ .before_is_share = true, .before_share = 25 });
        expect_no_default_caller_waits(
                &(struct refresh_config){ .before_is_share = true, .before_share = 1 });
        expect_no_default_caller_waits(
                &(struct refresh_config){ .before_is_share = true, .before_share = 90 });
        expect_no_default_caller_waits(&(struct refresh_config){ .before_usec = USEC_PER_SEC });
        expect_no_default_caller_waits(&(struct refresh_config){ .before_usec = 5 * 60 * USEC_PER_SEC });
        expect_no_default_caller_waits(&(struct refresh_config){ .before_usec = 3650 * 24 * HOUR });
}

static void test_refreshes_are_spread_over_a_tenth_of_the_life_before_their_time(void **state)
{
        static const struct refresh_config refresh = { .before_is_share = true, .before_share = 25 };

        assert_int_equal(credential_refresh_after_usec(HOUR, &refresh, 0), HOUR / 4 * 3);
        assert_in_range(credential_refresh_after_usec(HOUR, &refresh, UINT64_MAX), HOUR / 100 * 65,
                        HOUR / 100 * 65 + USEC_PER_SEC);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_what_remains_counts_from_the_receipt),
                TEST(test_the_end_is_told_by_the_local_clock_and_rounded_down),
                TEST(test_the_default_demand_is_a_minute_or_half_the_life),
                TEST(test_a_demand_that_a_fresh_token_can_meet_is_taken_as_it_is),
                TEST(test_a_demand_for_nearly_the_whole_life_falls_back_to_the_default),
                TEST(test_a_demand_on_a_credential_without_a_token_waits_for_the_first),
                TEST(test_a_refresh_is_due_before_a_default_caller_would_wait),
                TEST(test_refreshes_are_spread_over_a_tenth_of_the_life_before_their_time),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
