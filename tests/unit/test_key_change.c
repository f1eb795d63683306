// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
#include "daemon/base/seal.h"
#include "tests/beds/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

static const uint8_t old_bytes[SEAL_KEY_SIZE] = "an ordinary sealing key of tests";
static const uint8_t new_bytes[SEAL_KEY_SIZE] = "another sealing key of the tests";

static struct seal *seal_of(const uint8_t *bytes)
{
        _cleanup_(secret_freep) struct secret *key = NULL;
        struct seal *seal;

        assert_int_equal(secret_new(&key, bytes, SEAL_KEY_SIZE), 0);
        assert_int_equal(seal_new(&seal, key), 0);
        return seal;
}

/* How many records of the disk open with the old key, and how many with the new one. */
static void assert_opened(struct core *core, size_t with_old, size_t with_new)
{
        _cleanup_(seal_freep) struct seal *old = seal_of(old_bytes);
        _cleanup_(seal_freep) struct seal *new = seal_of(new_bytes);
        struct diag diag = DIAG_INIT;
        size_t n_opened[2];

        assert_int_equal(vault_count_opened(core->store, old, new, n_opened, &diag), 0);
        assert_int_equal(n_opened[0], with_old);
        assert_int_equal(n_opened[1], with_new);
}

static int change(struct core *core, size_t *n, struct diag *diag)
{
        _cleanup_(seal_freep) struct seal *new = seal_of(new_bytes);

        return vault_change_key(core->context.vault, &new, n, diag);
}

static void set_up(struct core *core)
{
        core_setup(core, NULL);
        core_give_grant(core, "acme", "refresh-1", "access-1", 3600);
        core_give_grant(core, "birch", "refresh-2", "access-2", 3600);
        core_save(core);
}

static void test_all_records_open_with_the_new_key_and_none_with_the_old(void **state)
{
        struct diag diag = DIAG_INIT;
        struct core core;
        size_t n = 0;

        set_up(&core);
        size_t all = fake_disk_n_records(core.disk);
        assert_opened(&core, all, 0);
        assert_int_equal(change(&core, &n, &diag), 0);
        assert_int_equal(n, all);
        assert_opened(&core, 0, all);
        core_teardown(&core);
}

static void test_grants_saved_after_the_change_are_sealed_with_the_new_key(void **state)
{
        struct diag diag = DIAG_INIT;
        struct core core;
        size_t n;

        set_up(&core);
        assert_int_equal(change(&core, &n, &diag), 0);
        core_give_grant(&core, "cedar", "refresh-3", "access-3", 3600);
        core_save(&core);
        assert_true(fake_disk_n_records(core.disk) > n);
        assert_opened(&core, 0, fake_disk_n_records(core.disk));
        core_teardown(&core);
}

static void test_disk_that_refuses_leaves_the_old_key_in_force(void **state)
{
        struct diag diag = DIAG_INIT;
        struct core core;
        size_t n;

        set_up(&core);
        size_t all = fake_disk_n_records(core.disk);
        fake_store_set_flush_result(core.store, -ENOSPC);
        assert_int_equal(change(&core, &n, &diag), VAULT_E_STORE);
        assert_non_null(strstr(diag.text, "refuses"));
        assert_opened(&core, all, 0);

        fake_store_set_flush_result(core.store, 0);
        core_crash(&core);
        core_start(&core);
        assert_string_equal(core_refresh_token(vault_find(core.context.vault, "acme")), "refresh-1");
        core_teardown(&core);
}

static void test_write_under_way_is_never_overtaken(void **state)
{
        struct diag diag = DIAG_INIT;
        struct credential *acme;
        struct core core;
        size_t n;

        set_up(&core);
        acme = vault_find(core.context.vault, "acme");
        acme->refusal = REFUSAL_CUT;
        vault_save_facts(core.context.vault, acme);
        assert_true(fake_store_n_queued(core.store) > 0);
        size_t n_written = fake_store_n_written(core.store);
        assert_int_equal(change(&core, &n, &diag), 0);
        assert_opened(&core, 0, fake_disk_n_records(core.disk));
        assert_int_equal(fake_store_n_queued(core.store), 0);
        assert_int_equal(fake_store_n_written(core.store), n_written + 1);
        core_teardown(&core);
}

struct chain {
        struct core *core;
        struct credential *credential;
        struct vault_write *write;
        unsigned left;
};

/* As a refresh does: what follows from one write is another. */
static void on_saved(int result, void *userdata)
{
        struct chain *chain = userdata;

        assert_int_equal(result, 0);
        if (chain->left-- > 0)
                assert_int_equal(vault_save_intent(chain->core->context.vault, chain->credential, on_saved,
                                                   chain, &chain->write),
                                 0);
}

static void test_change_waits_for_writes_that_follow_each_other_but_not_for_ever(void **state)
{
        struct diag diag = DIAG_INIT;
        struct core core;
        size_t n;

        set_up(&core);
        struct chain chain = { &core, vault_find(core.context.vault, "acme"), NULL, 4 };
        on_saved(0, &chain);
        assert_int_equal(change(&core, &n, &diag), 0);
        assert_opened(&core, 0, fake_disk_n_records(core.disk));
        core_teardown(&core);

        set_up(&core);
        chain = (struct chain){ &core, vault_find(core.context.vault, "acme"), NULL, 1000 };
        on_saved(0, &chain);
        assert_int_equal(change(&core, &n, &diag), VAULT_E_STORE);
        assert_non_null(strstr(diag.text, "try again"));
        assert_opened(&core, fake_disk_n_records(core.disk), 0);
        chain.left = 0;
        core_save(&core);
        core_teardown(&core);
}

static void test_change_after_a_write_that_the_disk_refused_is_refused(void **state)
{
        struct diag diag = DIAG_INIT;
        struct core core;
        size_t n;

        set_up(&core);
        size_t all = fake_disk_n_records(core.disk);
        vault_save_facts(core.context.vault, vault_find(core.context.vault, "acme"));
        fake_store_set_flush_result(core.store, -ENOSPC);
        assert_int_equal(change(&core, &n, &diag), VAULT_E_STORE);
        assert_non_null(strstr(diag.text, "not everything is saved"));
        assert_opened(&core, all, 0);
        fake_store_set_flush_result(core.store, 0);
        core_teardown(&core);
}

static void test_record_that_does_not_open_stays_as_it_is(void **state)
{
        struct diag diag = DIAG_INIT;
        uint8_t before[4096];
        struct core core;
        size_t n, n_blob;

        set_up(&core);
        size_t all = fake_disk_n_records(core.disk);
        fake_disk_damage(core.disk, "grant", "birch");
        const uint8_t *blob = fake_disk_find(core.disk, "grant", "birch", &n_blob);
        assert_true(n_blob <= sizeof(before));
        memcpy(before, blob, n_blob);
        assert_int_equal(change(&core, &n, &diag), 0);
        assert_int_equal(n, all - 1);
        blob = fake_disk_find(core.disk, "grant", "birch", &n_blob);
        assert_memory_equal(blob, before, n_blob);
        core_teardown(&core);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_records_open_with_the_new_key_and_none_with_the_old),
                cmocka_unit_test(test_grants_saved_after_the_change_are_sealed_with_the_new_key),
                cmocka_unit_test(test_disk_that_refuses_leaves_the_old_key_in_force),
                cmocka_unit_test(test_write_under_way_is_never_overtaken),
                cmocka_unit_test(test_change_waits_for_writes_that_follow_each_other_but_not_for_ever),
                cmocka_unit_test(test_change_after_a_write_that_the_disk_refused_is_refused),
                cmocka_unit_test(test_record_that_does_not_open_stays_as_it_is),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
