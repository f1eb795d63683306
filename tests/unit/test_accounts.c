// links: daemon/serve/
#include "daemon/serve/accounts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { MANY = 20 };

static struct accounts accounts;
static struct account_entry entries[MANY];

static int setup(void **state)
{
        (void)state;
        accounts_init(&accounts);
        for (size_t i = 0; i < MANY; i++)
                entries[i] = (struct account_entry){ 0 };
        return 0;
}

static void test_what_a_user_holds_is_charged_and_given_back(void **state)
{
        struct account *account;

        (void)state;
        assert_null(accounts_find(&accounts, 7));
        assert_int_equal(account_enter(&accounts, &entries[0], 7), 0);
        assert_int_equal(account_enter(&accounts, &entries[1], 7), 0);
        account = accounts_find(&accounts, 7);
        assert_non_null(account);

        account_set_waiting(&entries[0], true);
        account_set_waiting(&entries[0], true);
        account_set_held(&accounts, &entries[0], 100);
        account_set_held(&accounts, &entries[1], 30);
        account_set_held(&accounts, &entries[0], 60);
        assert_int_equal(account->n_connections, 2);
        assert_int_equal(account->n_waiting, 1);
        assert_int_equal(account->held_bytes, 90);
        assert_int_equal(accounts.held_bytes, 90);

        account_leave(&accounts, &entries[0]);
        assert_int_equal(account->n_waiting, 0);
        assert_int_equal(account->held_bytes, 30);
        assert_int_equal(accounts.n_connections, 1);
        account_leave(&accounts, &entries[1]);
        assert_null(accounts_find(&accounts, 7));
        assert_int_equal(accounts.held_bytes, 0);
        account_leave(&accounts, &entries[1]);
}

static void test_users_of_the_same_bucket_have_books_of_their_own(void **state)
{
        (void)state;
        assert_int_equal(account_enter(&accounts, &entries[0], 3), 0);
        assert_int_equal(account_enter(&accounts, &entries[1], 3 + ACCOUNTS_BUCKETS), 0);
        assert_ptr_not_equal(accounts_find(&accounts, 3), accounts_find(&accounts, 3 + ACCOUNTS_BUCKETS));
        account_leave(&accounts, &entries[0]);
        assert_null(accounts_find(&accounts, 3));
        assert_non_null(accounts_find(&accounts, 3 + ACCOUNTS_BUCKETS));
        account_leave(&accounts, &entries[1]);
}

static void test_the_idlest_is_the_one_that_rested_longest(void **state)
{
        (void)state;
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(account_enter(&accounts, &entries[i], 9), 0);
                account_set_idle(&entries[i], true);
        }
        account_set_idle(&entries[0], true);
        assert_ptr_equal(account_idlest(accounts_find(&accounts, 9)), &entries[1]);
        account_set_idle(&entries[1], false);
        assert_ptr_equal(account_idlest(accounts_find(&accounts, 9)), &entries[2]);
        for (size_t i = 0; i < 3; i++)
                account_leave(&accounts, &entries[i]);
}

static void test_the_greediest_has_most_connections_and_one_that_rests(void **state)
{
        (void)state;
        assert_null(accounts_greediest(&accounts));
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(account_enter(&accounts, &entries[i], 1), 0);
        for (size_t i = 3; i < 5; i++)
                assert_int_equal(account_enter(&accounts, &entries[i], 2), 0);
        assert_int_equal(account_enter(&accounts, &entries[5], 3), 0);
        account_set_idle(&entries[5], true);
        assert_int_equal(accounts_greediest(&accounts)->uid, 3);
        account_set_idle(&entries[3], true);
        assert_int_equal(accounts_greediest(&accounts)->uid, 2);
        account_set_idle(&entries[0], true);
        assert_int_equal(accounts_greediest(&accounts)->uid, 1);
        for (size_t i = 0; i < 6; i++)
                account_leave(&accounts, &entries[i]);
}

static void test_users_take_turns_and_so_do_the_connections_of_each(void **state)
{
        static const size_t order[] = { 0, 3, 1, 2, 0 };

        (void)state;
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(account_enter(&accounts, &entries[i], i < 3 ? 7 : 8), 0);
        assert_null(accounts_take_due(&accounts));
        for (size_t i = 0; i < 4; i++)
                account_set_due(&accounts, &entries[i]);
        account_set_due(&accounts, &entries[0]);
        for (size_t i = 0; i < 5; i++) {
                assert_true(accounts_any_due(&accounts));
                assert_ptr_equal(accounts_take_due(&accounts), &entries[order[i]]);
                /* There is more to do for the first, once. */
                if (i == 0)
                        account_set_due(&accounts, &entries[0]);
        }
        assert_false(accounts_any_due(&accounts));
        assert_null(accounts_take_due(&accounts));
        for (size_t i = 0; i < 4; i++)
                account_leave(&accounts, &entries[i]);
}

static void test_who_leaves_has_no_turn_any_more_and_who_has_one_is_not_idle(void **state)
{
        (void)state;
        for (size_t i = 0; i < 2; i++) {
                assert_int_equal(account_enter(&accounts, &entries[i], 7), 0);
                account_set_idle(&entries[i], true);
                account_set_due(&accounts, &entries[i]);
        }
        assert_null(account_idlest(accounts_find(&accounts, 7)));
        assert_ptr_equal(account_newest(accounts_greediest(&accounts)), &entries[1]);
        account_leave(&accounts, &entries[0]);
        assert_ptr_equal(accounts_take_due(&accounts), &entries[1]);
        assert_false(accounts_any_due(&accounts));
        account_set_due(&accounts, &entries[1]);
        account_leave(&accounts, &entries[1]);
        assert_false(accounts_any_due(&accounts));
}

/* Whose turn it was, which was so much work, and there is more to do for it. */
static size_t serve(uint64_t work)
{
        struct account_entry *entry = accounts_take_due(&accounts);

        assert_non_null(entry);
        accounts_charge_turn(&accounts, work);
        account_set_due(&accounts, entry);
        return (size_t)(entry - entries);
}

static void enter_each_as_another_user(size_t n)
{
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(account_enter(&accounts, &entries[i], (uid_t)i), 0);
                account_set_due(&accounts, &entries[i]);
        }
}

static void leave_all(size_t n)
{
        for (size_t i = 0; i < n; i++)
                account_leave(&accounts, &entries[i]);
}

static void test_the_next_turn_is_whose_user_has_used_least(void **state)
{
        (void)state;
        enter_each_as_another_user(2);
        assert_int_equal(serve(100), 0);
        for (size_t i = 0; i < 10; i++)
                assert_int_equal(serve(10), 1);
        /* Even now, and who waits longer is first. */
        assert_int_equal(serve(100), 0);
        assert_int_equal(serve(10), 1);
        account_charge(&entries[1], 1000);
        assert_int_equal(serve(1), 0);
        assert_int_equal(serve(1), 0);
        leave_all(2);
}

static void test_who_rested_is_served_first_and_saves_nothing_up(void **state)
{
        size_t n_in_a_row = 0;

        (void)state;
        enter_each_as_another_user(2);
        assert_ptr_equal(accounts_take_due(&accounts), &entries[0]);
        for (size_t i = 0; i < 1000; i++)
                assert_int_equal(serve(10), 1);
        account_set_due(&accounts, &entries[0]);
        while (serve(8) == 0)
                n_in_a_row++;
        /* And what the other's last turn was. */
        assert_in_range(n_in_a_row, ACCOUNTS_CREDIT / 8, (ACCOUNTS_CREDIT + 10) / 8 + 1);
        leave_all(2);
}

static void test_a_new_user_is_not_behind_those_who_were_served(void **state)
{
        (void)state;
        enter_each_as_another_user(1);
        for (size_t i = 0; i < 10; i++)
                assert_int_equal(serve(100), 0);
        assert_int_equal(account_enter(&accounts, &entries[1], 1), 0);
        account_set_due(&accounts, &entries[1]);
        assert_int_equal(serve(1), 1);
        leave_all(2);
}

static void test_nobody_waits_for_ever_be_there_ever_so_many_who_use_less(void **state)
{
        size_t n[MANY] = { 0 };

        (void)state;
        enter_each_as_another_user(MANY);
        account_charge(&entries[0], 500);
        for (size_t i = 0; i < MANY * 100; i++)
                n[serve(10)]++;
        for (size_t i = 0; i < MANY; i++)
                assert_in_range(n[i], i == 0 ? 40 : 90, 110);
        leave_all(MANY);
}

static void test_the_turn_of_somebody_who_left_is_charged_to_nobody(void **state)
{
        (void)state;
        enter_each_as_another_user(2);
        assert_ptr_equal(accounts_take_due(&accounts), &entries[0]);
        account_leave(&accounts, &entries[0]);
        accounts_charge_turn(&accounts, 100);
        assert_int_equal(serve(1), 1);
        assert_int_equal(accounts_find(&accounts, 1)->used, 1);
        account_leave(&accounts, &entries[1]);
}

static void test_a_turn_that_goes_on_after_another_is_charged_to_its_own_user(void **state)
{
        (void)state;
        enter_each_as_another_user(2);
        assert_ptr_equal(accounts_take_due(&accounts), &entries[0]);
        accounts_charge_turn(&accounts, 1);
        assert_ptr_equal(accounts_take_due(&accounts), &entries[1]);
        accounts_charge_turn(&accounts, 2);
        accounts_resume_turn(&accounts, &entries[0]);
        accounts_charge_turn(&accounts, 10);
        assert_int_equal(accounts_find(&accounts, 0)->used, 11);
        assert_int_equal(accounts_find(&accounts, 1)->used, 2);

        /* Whoever left meanwhile has no account. */
        account_leave(&accounts, &entries[0]);
        accounts_resume_turn(&accounts, &entries[0]);
        accounts_charge_turn(&accounts, 10);
        assert_int_equal(accounts_find(&accounts, 1)->used, 2);
        account_leave(&accounts, &entries[1]);
}

static void test_the_newest_is_the_last_that_had_no_turn_yet(void **state)
{
        struct account *account;

        (void)state;
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(account_enter(&accounts, &entries[i], 7), 0);
                account_set_idle(&entries[i], true);
        }
        account = accounts_find(&accounts, 7);
        assert_null(account_newest(account));
        for (size_t i = 0; i < 3; i++)
                account_set_due(&accounts, &entries[i]);
        assert_ptr_equal(account_newest(account), &entries[2]);
        assert_ptr_equal(accounts_greediest(&accounts), account);
        account_leave(&accounts, &entries[2]);
        assert_ptr_equal(account_newest(account), &entries[1]);
        /* One that had a turn never is new again. */
        assert_int_equal(serve(1), 0);
        assert_int_equal(serve(1), 1);
        assert_null(account_newest(account));
        assert_null(accounts_greediest(&accounts));
        leave_all(2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_what_a_user_holds_is_charged_and_given_back, setup),
                cmocka_unit_test_setup(test_users_of_the_same_bucket_have_books_of_their_own, setup),
                cmocka_unit_test_setup(test_users_take_turns_and_so_do_the_connections_of_each, setup),
                cmocka_unit_test_setup(test_who_leaves_has_no_turn_any_more_and_who_has_one_is_not_idle,
                                       setup),
                cmocka_unit_test_setup(test_the_next_turn_is_whose_user_has_used_least, setup),
                cmocka_unit_test_setup(test_who_rested_is_served_first_and_saves_nothing_up, setup),
                cmocka_unit_test_setup(test_a_new_user_is_not_behind_those_who_were_served, setup),
                cmocka_unit_test_setup(test_nobody_waits_for_ever_be_there_ever_so_many_who_use_less, setup),
                cmocka_unit_test_setup(test_the_turn_of_somebody_who_left_is_charged_to_nobody, setup),
                cmocka_unit_test_setup(test_a_turn_that_goes_on_after_another_is_charged_to_its_own_user,
                                       setup),
                cmocka_unit_test_setup(test_the_newest_is_the_last_that_had_no_turn_yet, setup),
                cmocka_unit_test_setup(test_the_idlest_is_the_one_that_rested_longest, setup),
                cmocka_unit_test_setup(test_the_greediest_has_most_connections_and_one_that_rests, setup),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
