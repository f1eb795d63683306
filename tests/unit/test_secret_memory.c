// links: common/
// ldflags: -Wl,--wrap=syscall -Wl,--wrap=mmap -Wl,--wrap=mlock -Wl,--wrap=open
/* What secret memory is made of. Each test runs in a child, whose arena is new. */
#include "tests/beds/secret_children.h"

#include <errno.h>
#include <string.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* ---- children ---- */

/* The line of /proc/self/smaps that lists the flags of the mapping with p: "VmFlags: rd wr sh ... dd". */
static bool mapping_has_flag(const void *p, const char *flag)
{
        FILE *smaps = fopen("/proc/self/smaps", "re");
        char line[512], word[8];
        bool inside = false, has = false;

        CHECK(smaps);
        snprintf(word, sizeof(word), " %s ", flag);
        while (fgets(line, sizeof(line), smaps)) {
                uintptr_t from, to;

                if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
                        inside = (uintptr_t)p >= from && (uintptr_t)p < to;
                else if (inside && strncmp(line, "VmFlags:", 8) == 0)
                        has = strstr(line, word) != NULL;
        }
        fclose(smaps);
        return has;
}

/* ---- what it costs ---- */

static void nothing_is_mapped_before_the_first_secret(void)
{
        struct secret_stats before = stats();

        CHECK(before.bytes_mapped == 0 && before.bytes_in_use == 0);
        CHECK(!before.locked && !before.memfd_secret);

        make(40, 's');
        CHECK(stats().bytes_mapped == 64 * KIB);
        CHECK(stats().locked);
}

static void test_nothing_is_mapped_before_the_first_secret_and_64_kib_then(void **state)
{
        in_child(nothing_is_mapped_before_the_first_secret);
}

static void a_hundred_thousand_short_secrets(void)
{
        for (int i = 0; i < 100000; i++)
                make(32, 's');
        CHECK(stats().bytes_in_use <= 100000 * 64);
        CHECK(stats().bytes_mapped < 100000 * 70);
}

static void test_a_token_of_32_bytes_costs_less_than_70(void **state)
{
        in_child(a_hundred_thousand_short_secrets);
}

static void ten_thousand_long_secrets(void)
{
        for (int i = 0; i < 10000; i++)
                make(1229, 's');
        CHECK(stats().bytes_mapped < 10000 * 1440);
}

static void test_a_token_of_1200_bytes_costs_less_than_1440(void **state)
{
        in_child(ten_thousand_long_secrets);
}

/* One step above each size the waste must stay below a third, from 64 bytes on. */
static void waste_is_bounded(void)
{
        for (size_t n = 64; n < 200000; n += n / 16) {
                size_t before = stats().bytes_in_use;
                struct secret *secret = make(n, 's');
                size_t cost = stats().bytes_in_use - before;

                CHECK(cost > n);
                CHECK(cost <= n + n / 2 + 32);
                secret_free(secret);
        }
}

static void test_no_size_wastes_half_of_itself(void **state)
{
        in_child(waste_is_bounded);
}

static void memory_goes_back(void)
{
        static struct secret *secrets[5000];

        for (int i = 0; i < 5000; i++)
                secrets[i] = make(500, 's');
        CHECK(stats().bytes_mapped > 2 * MIB);
        for (int i = 0; i < 5000; i++)
                secret_free(secrets[(i * 7) % 5000]);
        CHECK(stats().bytes_in_use == 0);
        CHECK(stats().bytes_mapped <= 256 * KIB);
}

static void test_freed_memory_goes_back_to_the_kernel(void **state)
{
        in_child(memory_goes_back);
}

static void one_at_a_time_maps_once(void)
{
        secret_free(make(40, 's'));
        kernel.no_mmap = true;
        for (int i = 0; i < 1000; i++)
                secret_free(make(40, 's'));
        CHECK(stats().bytes_mapped == 64 * KIB);
}

static void without_limit_one_at_a_time_maps_once(void)
{
        limit_locked_memory(0);
        secret_free(make(40, 's'));
        CHECK(stats().bytes_fallback > 0);
        kernel.no_mmap = true;
        for (int i = 0; i < 1000; i++)
                secret_free(make(40, 's'));
}

static void test_one_secret_at_a_time_maps_once(void **state)
{
        in_child(one_at_a_time_maps_once);
        in_child(without_limit_one_at_a_time_maps_once);
}

static void other_sizes_take_the_place(void)
{
        static struct secret *secrets[3000];
        size_t mapped;

        for (int i = 0; i < 3000; i++)
                secrets[i] = make(900, 's');
        mapped = stats().bytes_mapped;
        for (int i = 0; i < 3000; i++)
                secret_free(secrets[i]);
        for (int i = 0; i < 1000; i++)
                make(2000, 's');
        CHECK(stats().bytes_mapped <= mapped);
}

static void test_what_one_size_gave_back_serves_another(void **state)
{
        in_child(other_sizes_take_the_place);
}

/* ---- what kind it is ---- */

static void tokens_beyond_the_limit(void)
{
        static struct secret *secrets[1000];

        limit_locked_memory(400 * KIB);
        for (int i = 0; i < 1000; i++)
                secrets[i] = make(1200, (char)i);

        CHECK(stats().bytes_fallback > 0);
        CHECK(stats().bytes_mapped - stats().bytes_fallback <= 400 * KIB);
        CHECK(stats().bytes_mapped - stats().bytes_fallback >= 320 * KIB);
        CHECK(stats().locked);
        for (int i = 0; i < 1000; i++) {
                CHECK(holds(secret_expose(secrets[i]), 1200, (char)i));
                CHECK(mapping_has_flag(secrets[i], "dd") || i % 100 != 0);
        }

        for (int i = 0; i < 1000; i++)
                secret_free(secrets[i]);
        CHECK(stats().bytes_fallback == 0);
}

static void test_beyond_the_limit_memory_is_not_locked_but_still_not_dumped(void **state)
{
        in_child(tokens_beyond_the_limit);
}

static void no_limit_at_all(void)
{
        struct secret *secret;

        limit_locked_memory(0);
        secret = make(100, 's');
        CHECK(!stats().locked && !stats().memfd_secret);
        CHECK(stats().bytes_fallback == stats().bytes_mapped);
        CHECK(mapping_has_flag(secret, "dd"));
        CHECK(kernel.n_secretmem_calls == 0);
}

static void test_where_nothing_may_be_locked_secrets_work_all_the_same(void **state)
{
        in_child(no_limit_at_all);
}

static void the_host_locked_it_all(void)
{
        static char host[100 * KIB];

        limit_locked_memory(128 * KIB);
        CHECK(mlock(host, sizeof(host)) == 0);
        make(100, 's');
        CHECK(stats().bytes_fallback == stats().bytes_mapped);
}

static void test_what_the_program_locked_itself_counts(void **state)
{
        in_child(the_host_locked_it_all);
}

static void large_buffers_leave_room(void)
{
        limit_locked_memory(4 * MIB);
        for (int i = 0; i < 6; i++)
                make(MIB, 's');
        CHECK(stats().bytes_mapped - stats().bytes_fallback <= 2 * MIB);
        CHECK(stats().bytes_fallback >= 4 * MIB);
        for (int i = 0; i < 1000; i++)
                make(1000, 't');
        CHECK(stats().bytes_fallback < 6 * MIB);
}

static void test_large_buffers_take_no_more_than_half_of_the_limit(void **state)
{
        in_child(large_buffers_leave_room);
}

static void pages_are_as_promised(void)
{
        struct secret *small = make(100, 's'), *large = make(MIB, 'l');

        CHECK(stats().locked && stats().bytes_fallback == 0);
        CHECK(mapping_has_flag(small, "dd") && mapping_has_flag(large, "dd"));
        CHECK(mapping_has_flag(small, "lo") && mapping_has_flag(large, "lo"));
}

/* The kernel takes longer to hide a page than to read one: who sends a lot would hold everybody up. */
static void large_is_locked(void)
{
        unsigned before;

        make(100, 's');
        before = kernel.n_secretmem_calls;
        make(MIB, 'l');
        CHECK(before > 0 && kernel.n_secretmem_calls == before);
        CHECK(stats().locked && stats().bytes_fallback == 0);
}

static void without_secretmem(void)
{
        kernel.secretmem_errno = ENOSYS;
        secret_trust_syscall_filter();
        pages_are_as_promised();
        CHECK(!stats().memfd_secret);
        CHECK(kernel.n_secretmem_calls == 1);
}

static void without_secretmem_pages(void)
{
        kernel.no_pages = true;
        pages_are_as_promised();
        CHECK(!stats().memfd_secret);
}

static void secretmem_pages_run_out(void)
{
        struct secret *first = make(100, 'f'), *more[40];

        CHECK(stats().memfd_secret);
        kernel.no_pages = true;
        for (size_t i = 0; i < 40; i++)
                more[i] = make(100 * (i + 1), 'm');
        kernel.no_pages = false;
        CHECK(stats().locked && !stats().memfd_secret && stats().bytes_fallback == 0);
        for (size_t i = 0; i < 40; i++) {
                CHECK(holds(secret_expose(more[i]), 100 * (i + 1), 'm'));
                secret_free(more[i]);
        }
        CHECK(holds(secret_expose(first), 100, 'f'));
        secret_free(first);
        CHECK(stats().bytes_in_use == 0);
}

static void without_either(void)
{
        struct secret *secret;

        kernel.secretmem_errno = EPERM;
        kernel.mlock_errno = EPERM;
        secret = make(100, 's');
        CHECK(mapping_has_flag(secret, "dd"));
        CHECK(stats().bytes_fallback == 64 * KIB && !stats().locked);
}

static void without_proc(void)
{
        kernel.no_proc = true;
        pages_are_as_promised();
        CHECK(!stats().memfd_secret);
        CHECK(kernel.n_secretmem_calls == 0);
}

static void test_pages_are_locked_and_not_dumped(void **state)
{
        in_child(pages_are_as_promised);
}

static void test_what_is_large_is_locked_and_not_hidden(void **state)
{
        in_child(large_is_locked);
}

static void test_a_kernel_without_memfd_secret_is_asked_once_and_then_locks(void **state)
{
        in_child(without_secretmem);
}

static void test_a_page_that_would_raise_sigbus_is_not_touched(void **state)
{
        in_child(without_secretmem_pages);
}

static void test_when_hidden_pages_run_out_later_secrets_are_in_locked_ones(void **state)
{
        in_child(secretmem_pages_run_out);
}

static void test_where_locking_is_forbidden_pages_are_still_not_dumped(void **state)
{
        in_child(without_either);
}

static void test_without_proc_nobody_knows_of_a_filter_and_pages_are_locked(void **state)
{
        in_child(without_proc);
}

/* Kills whoever asks for memfd_secret, as SystemCallFilter=@system-service does. */
static void filter_memfd_secret(void)
{
        struct sock_filter rules[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_secret, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { sizeof(rules) / sizeof(rules[0]), rules };

        CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
        CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void filtered(void)
{
        filter_memfd_secret();
        make(100, 's');
        CHECK(stats().locked && !stats().memfd_secret);
        CHECK(kernel.n_secretmem_calls == 0);
}

static void filtered_and_trusted(void)
{
        filter_memfd_secret();
        kernel.secretmem_errno = EPERM;
        secret_trust_syscall_filter();
        make(100, 's');
        CHECK(stats().locked && !stats().memfd_secret);
        CHECK(kernel.n_secretmem_calls == 1);
}

static void test_a_filter_that_may_kill_is_not_tried(void **state)
{
        in_child(filtered);
}

static void test_a_filter_that_is_trusted_is_tried(void **state)
{
        in_child(filtered_and_trusted);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_is_mapped_before_the_first_secret_and_64_kib_then),
                cmocka_unit_test(test_a_token_of_32_bytes_costs_less_than_70),
                cmocka_unit_test(test_a_token_of_1200_bytes_costs_less_than_1440),
                cmocka_unit_test(test_no_size_wastes_half_of_itself),
                cmocka_unit_test(test_freed_memory_goes_back_to_the_kernel),
                cmocka_unit_test(test_one_secret_at_a_time_maps_once),
                cmocka_unit_test(test_what_one_size_gave_back_serves_another),
                cmocka_unit_test(test_beyond_the_limit_memory_is_not_locked_but_still_not_dumped),
                cmocka_unit_test(test_where_nothing_may_be_locked_secrets_work_all_the_same),
                cmocka_unit_test(test_what_the_program_locked_itself_counts),
                cmocka_unit_test(test_large_buffers_take_no_more_than_half_of_the_limit),
                cmocka_unit_test(test_pages_are_locked_and_not_dumped),
                cmocka_unit_test(test_what_is_large_is_locked_and_not_hidden),
                cmocka_unit_test(test_a_kernel_without_memfd_secret_is_asked_once_and_then_locks),
                cmocka_unit_test(test_a_page_that_would_raise_sigbus_is_not_touched),
                cmocka_unit_test(test_when_hidden_pages_run_out_later_secrets_are_in_locked_ones),
                cmocka_unit_test(test_where_locking_is_forbidden_pages_are_still_not_dumped),
                cmocka_unit_test(test_without_proc_nobody_knows_of_a_filter_and_pages_are_locked),
                cmocka_unit_test(test_a_filter_that_may_kill_is_not_tried),
                cmocka_unit_test(test_a_filter_that_is_trusted_is_tried),
        };

        return cmocka_run_group_tests(tests, need_locked_memory, NULL);
}
