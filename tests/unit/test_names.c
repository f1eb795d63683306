// links: daemon/vault/
// libs: libsodium
#include "daemon/vault/names.h"

#include "daemon/vault/credential.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { MANY = 500, STEPS = 20000, NAME_SIZE = 65 };

static struct names names;
static struct credential credentials[MANY];
static char texts[MANY][NAME_SIZE];
static bool is_in[MANY];

static int setup(void **state)
{
        names = (struct names){ .key = { UINT64_C(0x243f6a8885a308d3), UINT64_C(0x13198a2e03707344) } };
        memset(is_in, 0, sizeof(is_in));
        return 0;
}

static int teardown(void **state)
{
        names_done(&names);
        assert_int_equal(names.n, 0);
        return 0;
}

static void name(size_t i, const char *text)
{
        snprintf(texts[i], NAME_SIZE, "%s", text);
        credentials[i] = (struct credential){ .name = texts[i] };
}

static struct credential *find(const char *text, size_t n)
{
        uint64_t hash = names_hash(&names, text, n);
        struct credential *found = names_find(&names, hash, text, n);
        const struct credential *guess = names_guess(&names, hash);

        names_prefetch(&names, hash);
        assert_true(!guess || guess == found || !found);
        return found;
}

static void add(size_t i)
{
        assert_int_equal(names_add(&names, &credentials[i]), 0);
        is_in[i] = true;
}

static void drop(size_t i)
{
        names_remove(&names, &credentials[i]);
        is_in[i] = false;
}

static void check_all(void)
{
        size_t n = 0;

        for (size_t i = 0; i < MANY; i++) {
                assert_ptr_equal(find(texts[i], strlen(texts[i])), is_in[i] ? &credentials[i] : NULL);
                n += is_in[i];
        }
        assert_int_equal(names.n, n);
}

static void test_nothing_is_found_where_nothing_is(void **state)
{
        assert_null(find("acme", 4));
        assert_null(find("", 0));
}

static void test_a_name_is_found_by_all_of_its_bytes_and_no_others(void **state)
{
        static const char longest[] = "0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ_";

        for (size_t n = 1; n <= 64; n++) {
                name(n, "");
                memcpy(texts[n], longest, n);
                texts[n][n] = '\0';
        }
        for (size_t n = 1; n <= 64; n += 2)
                add(n);
        for (size_t n = 1; n <= 64; n++)
                assert_ptr_equal(find(longest, n), n % 2 ? &credentials[n] : NULL);
        assert_null(find("0\0", 2));
        assert_null(find("1", 1));
}

/* Of a key of zeroes the hash of a short name is made of its bytes alone: these all fall into one slot. */
static void test_names_of_one_hash_s_slot_are_told_apart_and_leave_no_gap(void **state)
{
        char text[8];

        names.key[0] = names.key[1] = 0;
        for (size_t i = 0; i < MANY; i++) {
                snprintf(text, sizeof(text), "%c%c%c%c", (char)('a' + i / 100), (char)('a' + i / 10 % 10),
                         (char)('a' + i % 10), 'z');
                name(i, text);
        }
        for (size_t i = 0; i < 100; i++)
                add(i);
        check_all();
        for (size_t i = 0; i < 100; i += 3)
                drop(i);
        check_all();
}

/* Against what is simply remembered; a few slots, so that runs wrap around the end. */
static void test_any_order_of_adding_and_removing_finds_what_is_there(void **state)
{
        uint64_t random = 88172645463325252;
        char text[32];

        for (size_t i = 0; i < MANY; i++) {
                snprintf(text, sizeof(text), "tenant-%zu", i * i);
                name(i, text);
        }
        for (unsigned step = 0; step < STEPS; step++) {
                size_t i;

                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                i = random % (step < STEPS / 2 ? 12 : MANY);
                if (is_in[i])
                        drop(i);
                else
                        add(i);
                if (step % 100 == 0)
                        check_all();
        }
        check_all();
}

static void test_another_key_makes_other_hashes(void **state)
{
        uint64_t hash = names_hash(&names, "acme", 4), longer = names_hash(&names, "acme-of-iceland", 15);

        names.key[0]++;
        assert_true(names_hash(&names, "acme", 4) != hash);
        names.key[0]--;
        names.key[1] += 2;
        assert_true(names_hash(&names, "acme-of-iceland", 15) != longer);
}

#define NAMES_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                NAMES_TEST(test_nothing_is_found_where_nothing_is),
                NAMES_TEST(test_a_name_is_found_by_all_of_its_bytes_and_no_others),
                NAMES_TEST(test_names_of_one_hash_s_slot_are_told_apart_and_leave_no_gap),
                NAMES_TEST(test_any_order_of_adding_and_removing_finds_what_is_there),
                NAMES_TEST(test_another_key_makes_other_hashes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
