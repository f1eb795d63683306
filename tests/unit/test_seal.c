// links: daemon/base/
// libs: libsodium
#include "daemon/base/seal.h"

#include "daemon/base/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char text[] = "a refresh token nobody may see";

/* The bytes first, first + 1, ... */
static struct secret *key_from(uint8_t first)
{
        struct secret *key = NULL;
        uint8_t bytes[SEAL_KEY_SIZE];

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t)(first + i);
        assert_int_equal(secret_new(&key, bytes, sizeof(bytes)), 0);
        return key;
}

static struct seal *seal_from(uint8_t first)
{
        _cleanup_(secret_freep) struct secret *key = key_from(first);
        struct seal *seal = NULL;

        assert_int_equal(seal_new(&seal, key), 0);
        return seal;
}

static int open_at(const struct seal *seal, const char *kind, const char *name, const uint8_t *blob, size_t n)
{
        _cleanup_(secret_freep) struct secret *plain = NULL;
        int r = seal_open(seal, kind, name, blob, n, &plain);

        assert_true((r == 0) == (plain != NULL));
        return r;
}

static void test_what_was_sealed_opens_again(void **state)
{
        _cleanup_(seal_freep) struct seal *seal = seal_from(0);
        _cleanup_(secret_freep) struct secret *plain = NULL;
        _cleanup_(freep) uint8_t *blob = NULL;
        size_t n = 0;

        assert_int_equal(seal_close(seal, "credential", "acme", text, sizeof(text), &blob, &n), 0);
        assert_int_equal(n, sizeof(text) + SEAL_OVERHEAD);
        assert_int_equal(blob[0], 1);
        assert_null(memmem(blob, n, "refresh", 7));
        assert_int_equal(seal_open(seal, "credential", "acme", blob, n, &plain), 0);
        assert_true(secret_equal_bytes(plain, text, sizeof(text)));
}

static void test_nothing_at_all_can_be_sealed(void **state)
{
        _cleanup_(seal_freep) struct seal *seal = seal_from(0);
        _cleanup_(secret_freep) struct secret *plain = NULL;
        _cleanup_(freep) uint8_t *blob = NULL;
        size_t n = 0;

        assert_int_equal(seal_close(seal, "credential", "acme", NULL, 0, &blob, &n), 0);
        assert_int_equal(n, SEAL_OVERHEAD);
        assert_int_equal(seal_open(seal, "credential", "acme", blob, n, &plain), 0);
        assert_int_equal(secret_size(plain), 0);
}

static void test_each_sealing_has_a_nonce_of_its_own(void **state)
{
        _cleanup_(seal_freep) struct seal *seal = seal_from(0);
        _cleanup_(freep) uint8_t *one = NULL, *two = NULL;
        size_t n = 0;

        seal_close(seal, "credential", "acme", text, sizeof(text), &one, &n);
        seal_close(seal, "credential", "acme", text, sizeof(text), &two, &n);
        assert_memory_not_equal(one + 1, two + 1, 24);
        assert_memory_not_equal(one + 25, two + 25, n - 25);
}

static void test_a_record_in_another_place_is_refused(void **state)
{
        _cleanup_(seal_freep) struct seal *seal = seal_from(0);
        _cleanup_(freep) uint8_t *blob = NULL;
        size_t n = 0;

        seal_close(seal, "credential", "acme", text, sizeof(text), &blob, &n);
        assert_int_equal(open_at(seal, "credential", "acme", blob, n), 0);
        assert_int_equal(open_at(seal, "credential", "beta", blob, n), SEAL_E_REFUSED);
        assert_int_equal(open_at(seal, "client-secret", "acme", blob, n), SEAL_E_REFUSED);
        assert_int_equal(open_at(seal, "acme", "credential", blob, n), SEAL_E_REFUSED);
        /* Kind and name are not simply put together. */
        assert_int_equal(open_at(seal, "credentiala", "cme", blob, n), SEAL_E_REFUSED);
        assert_int_equal(open_at(seal, "credentia", "lacme", blob, n), SEAL_E_REFUSED);
        assert_int_equal(open_at(seal, "credential", "acme ", blob, n), SEAL_E_REFUSED);
}

static void test_another_key_is_refused(void **state)
{
        _cleanup_(seal_freep) struct seal *seal = seal_from(0), *other = seal_from(1);
        _cleanup_(freep) uint8_t *blob = NULL;
        size_t n = 0;

        seal_close(seal, "credential", "acme", text, sizeof(text), &blob, &n);
        assert_int_equal(open_at(other, "credential", "acme", blob, n), SEAL_E_REFUSED);
}

static void test_every_single_changed_bit_is_noticed(void **state)
{
        _cleanup_(seal_freep) struct seal *seal = seal_from(0);
        _cleanup_(freep) uint8_t *blob = NULL;
        size_t n = 0;

        seal_close(seal, "credential", "acme", text, sizeof(text), &blob, &n);
        for (size_t bit = 0; bit < 8 * n; bit++) {
                blob[bit / 8] ^= (uint8_t)(1 << bit % 8);
                int r = open_at(seal, "credential", "acme", blob, n);
                /* The first byte is the format: a greater one is a later version's. */
                assert_int_equal(r, blob[0] > 1 ? SEAL_E_NEWER : SEAL_E_REFUSED);
                blob[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        assert_int_equal(open_at(seal, "credential", "acme", blob, n), 0);
}

static void test_a_blob_cut_anywhere_is_refused(void **state)
{
        _cleanup_(seal_freep) struct seal *seal = seal_from(0);
        _cleanup_(freep) uint8_t *blob = NULL;
        size_t n = 0;

        seal_close(seal, "credential", "acme", text, sizeof(text), &blob, &n);
        for (size_t cut = 0; cut < n; cut++) {
                /* A copy of its own, so that a read beyond it is seen. */
                uint8_t *shorter = malloc(cut + 1);
                assert_non_null(shorter);
                memcpy(shorter, blob, cut);
                assert_int_equal(open_at(seal, "credential", "acme", shorter, cut), SEAL_E_REFUSED);
                free(shorter);
        }
}

static void test_a_later_format_is_told_apart(void **state)
{
        _cleanup_(seal_freep) struct seal *seal = seal_from(0);
        uint8_t later[SEAL_OVERHEAD] = { 2 };

        assert_int_equal(open_at(seal, "credential", "acme", later, sizeof(later)), SEAL_E_NEWER);
        assert_int_equal(open_at(seal, "credential", "acme", later, 1), SEAL_E_NEWER);
}

static void test_a_key_of_another_size_is_a_fault(void **state)
{
        _cleanup_(secret_freep) struct secret *key = NULL;
        struct seal *seal = NULL;

        assert_int_equal(secret_new_string(&key, "too short"), 0);
        assert_int_equal(seal_new(&seal, key), -EINVAL);
        assert_null(seal);
}

/* Sealed by the first version, with the key 00 01 02 ... 1f: whatever becomes of the code, it must open. */
static void test_the_golden_record_stays_readable(void **state)
{
        _cleanup_(seal_freep) struct seal *seal = seal_from(0);
        _cleanup_(secret_freep) struct secret *plain = NULL;
        _cleanup_(freep) char *name = NULL;
        uint8_t blob[1024];
        struct record_reader reader;
        struct record_field field;
        uint64_t number = 0;
        FILE *file = fopen("tests/golden/sealed-record-1", "rbe");

        assert_non_null(file);
        size_t n = fread(blob, 1, sizeof(blob), file);
        fclose(file);
        assert_int_equal(seal_open(seal, "credential", "acme", blob, n, &plain), 0);
        assert_int_equal(record_open(&reader, secret_expose(plain), secret_size(plain)), 0);
        assert_int_equal(record_next(&reader, &field), 0);
        assert_int_equal(field.tag, 1);
        assert_int_equal(record_get_string(&field, &name), 0);
        assert_string_equal(name, "Acme Landscaping");
        assert_int_equal(record_next(&reader, &field), 0);
        assert_int_equal(field.tag, 2);
        assert_int_equal(field.n, 32);
        assert_memory_equal(field.bytes, "0123456789abcdef0123456789abcdef", 32);
        assert_int_equal(record_next(&reader, &field), 0);
        assert_int_equal(field.tag, 0xfffe);
        assert_int_equal(record_get_u64(&field, &number), 0);
        assert_int_equal(number, UINT64_C(1767225600000000));
        assert_int_equal(record_next(&reader, &field), RECORD_E_END);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_was_sealed_opens_again),
                cmocka_unit_test(test_nothing_at_all_can_be_sealed),
                cmocka_unit_test(test_each_sealing_has_a_nonce_of_its_own),
                cmocka_unit_test(test_a_record_in_another_place_is_refused),
                cmocka_unit_test(test_another_key_is_refused),
                cmocka_unit_test(test_every_single_changed_bit_is_noticed),
                cmocka_unit_test(test_a_blob_cut_anywhere_is_refused),
                cmocka_unit_test(test_a_later_format_is_told_apart),
                cmocka_unit_test(test_a_key_of_another_size_is_a_fault),
                cmocka_unit_test(test_the_golden_record_stays_readable),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
