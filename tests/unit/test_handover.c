// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
#include "tests/beds/core.h"

#include "daemon/store/handover.h"
#include "daemon/vault/vault_batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROTATED "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"expires_in\":3600}"

static struct core core;

static int setup(void **state)
{
        (void)state;
        core_setup(&core, NULL);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        core_teardown(&core);
        return 0;
}

/* ---- packing ---- */

struct seen {
        char text[256];
        size_t n;
        int result;
};

static int on_op(const struct store_op *op, void *userdata)
{
        struct seen *seen = userdata;

        seen->n++;
        strcat(seen->text, op->kind);
        strcat(seen->text, "/");
        strcat(seen->text, op->name);
        strcat(seen->text, op->blob ? "=" : "-");
        if (op->blob)
                strncat(seen->text, (const char *)op->blob, op->n);
        strcat(seen->text, " ");
        return seen->result;
}

static const struct store_op ops[] = {
        { "grant", "acme", (const uint8_t *)"sealed", 6 },
        { "intent", "acme", NULL, 0 },
        { "facts", "birch", (const uint8_t *)"", 0 },
};

static void test_what_is_packed_comes_out_in_its_order(void **state)
{
        _cleanup_(closep) int fd = -1;
        struct seen seen = { 0 };

        (void)state;
        assert_int_equal(handover_pack(ops, 3, &fd), 0);
        assert_int_equal(handover_unpack(fd, on_op, &seen), 0);
        assert_string_equal(seen.text, "grant/acme=sealed intent/acme- facts/birch= ");
}

static void test_what_is_packed_cannot_be_changed(void **state)
{
        _cleanup_(closep) int fd = -1;

        (void)state;
        assert_int_equal(handover_pack(ops, 3, &fd), 0);
        assert_int_equal(pwrite(fd, "x", 1, 0), -1);
        assert_int_equal(errno, EPERM);
        assert_int_equal(ftruncate(fd, 0), -1);
}

static void test_a_callback_ends_the_walk(void **state)
{
        _cleanup_(closep) int fd = -1;
        struct seen seen = { .result = -EIO };

        (void)state;
        assert_int_equal(handover_pack(ops, 3, &fd), 0);
        assert_int_equal(handover_unpack(fd, on_op, &seen), -EIO);
        assert_int_equal(seen.n, 1);
}

static int sealed_file(const char *bytes, size_t n, int seals)
{
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, n), n);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
        return fd;
}

static void test_what_purserd_did_not_pack_is_malformed(void **state)
{
        static const char whole[] = "PRr1\1\0\1\0\0\0k\2\0\1\0\0\0n\3\0\1\0\0\0b";
        const size_t n = sizeof(whole) - 1;
        const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
        const struct {
                const char *bytes;
                size_t n;
                int seals, result;
        } cases[] = {
                { whole, n, seals, 0 },
                { whole, n, F_SEAL_SEAL | F_SEAL_SHRINK, HANDOVER_E_MALFORMED },
                { whole, n - 1, seals, HANDOVER_E_MALFORMED },
                { "nothing of the kind", 19, seals, HANDOVER_E_MALFORMED },
                { "PRr1\3\0\1\0\0\0b", 11, seals, HANDOVER_E_MALFORMED },
                { "", 0, seals, HANDOVER_E_MALFORMED },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                _cleanup_(closep) int fd = sealed_file(cases[i].bytes, cases[i].n, cases[i].seals);
                struct seen seen = { 0 };

                assert_int_equal(handover_unpack(fd, on_op, &seen), cases[i].result);
                assert_int_equal(seen.n, cases[i].result == 0);
        }
}

static void test_without_a_manager_nobody_keeps_it(void **state)
{
        _cleanup_(closep) int fd = -1;

        (void)state;
        unsetenv("NOTIFY_SOCKET");
        assert_int_equal(handover_pack(ops, 3, &fd), 0);
        assert_int_equal(handover_give(fd, HANDOVER_NAME), HANDOVER_E_REFUSED);
}

/* ---- from one vault to the next ---- */

static struct credential *find(void)
{
        return vault_find(core.context.vault, "acme");
}

/* The provider has rotated the grant, and the disk refuses what it gave. */
static void refresh_without_saving(void)
{
        struct asker asker;

        core_force(&core, find(), &asker);
        core_answer(&core, 200, ROTATED);
        fake_store_complete_all(core.store, -ENOSPC);
        assert_int_equal(vault_unsaved(core.context.vault), 1);
        asker_done(&asker);
}

static int pack_unsaved(void)
{
        _cleanup_(batch_done) struct batch batch = { 0 };
        int fd;

        assert_int_equal(vault_put_unsaved(core.context.vault, &batch), 0);
        assert_int_equal(handover_pack(batch.ops, batch.n, &fd), 0);
        return fd;
}

static int adopt_op(const struct store_op *op, void *userdata)
{
        return vault_adopt(userdata, op);
}

static struct vault_adoption adopt(int fd)
{
        struct vault_adoption adoption = { .vault = core.context.vault };

        assert_int_equal(handover_unpack(fd, adopt_op, &adoption), 0);
        assert_int_equal(vault_adopt_end(&adoption), 0);
        return adoption;
}

static void restart(void)
{
        core_crash(&core);
        core_start(&core);
}

static void test_unsaved_tokens_reach_the_next_one_and_then_the_disk(void **state)
{
        (void)state;
        core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        refresh_without_saving();
        _cleanup_(closep) int fd = pack_unsaved();
        restart();
        assert_string_equal(core_refresh_token(find()), "refresh-1");

        assert_int_equal(adopt(fd).n_adopted, 1);
        assert_string_equal(core_refresh_token(find()), "refresh-2");
        assert_string_equal(core_access_token(find()), "access-2");
        assert_false(find()->outcome_unknown);
        assert_int_equal(vault_unsaved(core.context.vault), 1);
        core_save(&core);
        assert_int_equal(vault_unsaved(core.context.vault), 0);

        restart();
        assert_string_equal(core_refresh_token(find()), "refresh-2");
        assert_false(find()->outcome_unknown);
}

static void test_what_the_store_has_newer_stays(void **state)
{
        struct asker asker;

        (void)state;
        core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        refresh_without_saving();
        _cleanup_(closep) int fd = pack_unsaved();
        restart();
        (void)adopt(fd);
        core_save(&core);
        core_force(&core, find(), &asker);
        core_answer(&core, 200,
                    "{\"access_token\":\"access-3\",\"refresh_token\":\"refresh-3\",\"expires_in\":3600}");
        core_save(&core);
        asker_done(&asker);
        restart();

        assert_int_equal(adopt(fd).n_adopted, 0);
        assert_string_equal(core_refresh_token(find()), "refresh-3");
        assert_int_equal(vault_unsaved(core.context.vault), 0);
}

static void test_what_does_not_open_is_counted_and_changes_nothing(void **state)
{
        static const struct store_op broken[] = { { "grant", "acme",
                                                    (const uint8_t *)"not sealed by this key at all", 29 },
                                                  { "facts", "acme", (const uint8_t *)"nor this", 8 } };
        _cleanup_(closep) int fd = -1;
        struct vault_adoption adoption;

        (void)state;
        core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        assert_int_equal(handover_pack(broken, 2, &fd), 0);
        adoption = adopt(fd);
        assert_int_equal(adoption.n_adopted, 0);
        assert_int_equal(adoption.n_refused, 1);
        assert_string_equal(core_refresh_token(find()), "refresh-1");
        assert_int_equal(vault_unsaved(core.context.vault), 0);
}

static void test_a_deletion_alone_changes_nothing(void **state)
{
        static const struct store_op deletions[] = { { "grant", "acme", NULL, 0 },
                                                     { "pending-grant", "acme", NULL, 0 } };
        _cleanup_(closep) int fd = -1;

        (void)state;
        core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        assert_int_equal(handover_pack(deletions, 2, &fd), 0);
        assert_int_equal(adopt(fd).n_adopted, 0);
        assert_string_equal(core_refresh_token(find()), "refresh-1");
}

static void test_what_is_saved_is_not_handed_over(void **state)
{
        _cleanup_(batch_done) struct batch batch = { 0 };

        (void)state;
        core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        assert_int_equal(vault_put_unsaved(core.context.vault, &batch), 0);
        assert_int_equal(batch.n, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_packed_comes_out_in_its_order),
                cmocka_unit_test(test_what_is_packed_cannot_be_changed),
                cmocka_unit_test(test_a_callback_ends_the_walk),
                cmocka_unit_test(test_what_purserd_did_not_pack_is_malformed),
                cmocka_unit_test(test_without_a_manager_nobody_keeps_it),
                TEST(test_unsaved_tokens_reach_the_next_one_and_then_the_disk),
                TEST(test_what_the_store_has_newer_stays),
                TEST(test_what_does_not_open_is_counted_and_changes_nothing),
                TEST(test_a_deletion_alone_changes_nothing),
                TEST(test_what_is_saved_is_not_handed_over),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
