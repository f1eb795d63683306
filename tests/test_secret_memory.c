// links: common/secret.c common/fault.c
// ldflags: -Wl,--wrap=syscall -Wl,--wrap=mmap -Wl,--wrap=mlock -Wl,--wrap=fopen
/* What secret memory is made of. Each test runs in a child, whose arena is new. */
#include "common/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
        KIB = 1024,
        MIB = 1024 * KIB,
};

/* ---- a kernel that says no ---- */

static struct {
        int secretmem_errno; /* memfd_secret(2) is refused with it */
        bool no_pages; /* touching a page would raise SIGBUS */
        int mlock_errno;
        bool no_mmap;
        bool no_proc;
        unsigned n_secretmem_calls;
} kernel;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, long a, long b, long c, long d);
void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_mlock(const void *address, size_t size);
FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);

static int refuse(int error)
{
        errno = error;
        return -1;
}

long __wrap_syscall(long number, long a, long b, long c, long d)
{
        if (number == SYS_memfd_secret) {
                kernel.n_secretmem_calls++;
                if (kernel.secretmem_errno != 0)
                        return refuse(kernel.secretmem_errno);
        }
        if (number == SYS_prlimit64 && kernel.no_pages)
                return refuse(EFAULT);
        return __real_syscall(number, a, b, c, d);
}

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
        if (!kernel.no_mmap)
                return __real_mmap(address, size, protection, flags, fd, offset);
        errno = ENOMEM;
        return MAP_FAILED;
}

int __wrap_mlock(const void *address, size_t size)
{
        /* The sanitizer's mlock() does nothing. */
        return kernel.mlock_errno != 0 ? refuse(kernel.mlock_errno)
                                       : (int)__real_syscall(SYS_mlock, address, size);
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
        if (!kernel.no_proc)
                return __real_fopen(path, mode);
        errno = ENOENT;
        return NULL;
}

/* ---- children ---- */

#define CHECK(condition)                                                                                     \
        do {                                                                                                 \
                if (!(condition)) {                                                                          \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
                        _exit(1);                                                                            \
                }                                                                                            \
        } while (0)

static int status_of_child(void (*run)(void))
{
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
                (void)signal(SIGSEGV, SIG_DFL);
                (void)signal(SIGABRT, SIG_DFL);
                run();
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status;
}

static void in_child(void (*run)(void))
{
        assert_int_equal(status_of_child(run), 0);
}

static void dies_of(int signal_number, void (*run)(void))
{
        int status = status_of_child(run);

        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), signal_number);
}

static void limit_locked_memory(size_t bytes)
{
        struct rlimit limit = { .rlim_cur = bytes, .rlim_max = bytes };

        CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
}

static struct secret_stats stats(void)
{
        struct secret_stats stats;

        secret_get_stats(&stats);
        return stats;
}

static struct secret *make(size_t n, char fill)
{
        static char bytes[4 * MIB];
        struct secret *secret = NULL;

        memset(bytes, fill, n);
        CHECK(secret_new(&secret, bytes, n) == 0);
        return secret;
}

__attribute__((no_sanitize("address"))) static bool holds(const volatile char *p, size_t n, char fill)
{
        for (size_t i = 0; i < n; i++)
                if (p[i] != fill)
                        return false;
        return true;
}

/* The line of /proc/self/smaps that lists the flags of the mapping with p: "VmFlags: rd wr sh ... dd". */
static bool mapping_has_flag(const void *p, const char *flag)
{
        FILE *smaps = __real_fopen("/proc/self/smaps", "re");
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

/* ---- what may go wrong ---- */

static void no_memory(void)
{
        struct secret_buf buf = SECRET_BUF_INIT(MIB);
        struct secret *secret = NULL;

        kernel.no_mmap = true;
        CHECK(secret_new(&secret, "x", 1) == -ENOMEM && !secret);
        CHECK(secret_buf_append(&buf, "x", 1) == -ENOMEM && !buf.data && buf.n == 0);
        kernel.no_mmap = false;
        CHECK(secret_buf_append(&buf, "kept", 4) == 0);
        kernel.no_mmap = true;
        CHECK(secret_buf_reserve(&buf, 200 * KIB) == -ENOMEM);
        CHECK(strcmp(buf.data, "kept") == 0);
        secret_buf_done(&buf);
        CHECK(stats().bytes_in_use == 0);
}

static void test_without_memory_nothing_is_lost(void **state)
{
        in_child(no_memory);
}

__attribute__((no_sanitize("address"))) static void touch(volatile char *p)
{
        *p = 1;
}

static void write_behind_a_mapping(void)
{
        struct secret_buf buf = SECRET_BUF_INIT(4 * MIB);

        CHECK(secret_buf_reserve(&buf, MIB) == 0);
        touch(buf.data + buf.allocated - 1);
        touch(buf.data + buf.allocated);
}

static void write_before_a_mapping(void)
{
        struct secret_buf buf = SECRET_BUF_INIT(4 * MIB);

        CHECK(secret_buf_reserve(&buf, MIB) == 0);
        touch(buf.data);
        touch(buf.data - 1);
}

static void write_behind_a_chunk(void)
{
        uintptr_t first = (uintptr_t)make(40, 's');

        touch((char *)first + 64 * KIB - 1);
        touch((char *)first + 64 * KIB);
}

static void test_forbidden_pages_surround_secrets(void **state)
{
        dies_of(SIGSEGV, write_behind_a_mapping);
        dies_of(SIGSEGV, write_before_a_mapping);
        dies_of(SIGSEGV, write_behind_a_chunk);
}

static void free_twice(void)
{
        struct secret *secret = make(40, 's');

        make(40, 's');
        secret_free(secret);
        secret_free(secret);
}

static void free_large_twice(void)
{
        struct secret *secret = make(MIB, 's');

        secret_free(secret);
        secret_free(secret);
}

static void free_the_middle(void)
{
        secret_free((struct secret *)(void *)((char *)make(40, 's') + 16));
}

static void free_the_middle_of_a_run(void)
{
        secret_free((struct secret *)(void *)((char *)make(20000, 's') + 4096));
}

static void free_something_else(void)
{
        char other[100] = "";

        make(40, 's');
        secret_free((struct secret *)(void *)other);
}

static void test_a_program_that_frees_wrongly_ends(void **state)
{
        dies_of(SIGABRT, free_twice);
        dies_of(SIGABRT, free_large_twice);
        dies_of(SIGABRT, free_the_middle);
        dies_of(SIGABRT, free_the_middle_of_a_run);
        dies_of(SIGABRT, free_something_else);
}

/* ---- children ---- */

static struct secret *of_parent, *large_of_parent;

static void child_reads_and_frees(void)
{
        struct secret *own;

        CHECK(secret_size(of_parent) == 0);
        CHECK(strcmp(secret_expose(of_parent), "") == 0);
        CHECK(holds(secret_expose(large_of_parent), MIB, 0));
        CHECK(stats().bytes_in_use == 0 && stats().bytes_mapped == 0);

        own = make(100, 'c');
        secret_free(of_parent);
        secret_free(large_of_parent);
        CHECK(stats().bytes_in_use > 0 && stats().locked);
        CHECK(holds(secret_expose(own), 100, 'c'));
        secret_free(own);
        CHECK(stats().bytes_in_use == 0);
}

static void parent_and_child(void)
{
        of_parent = make(100, 'p');
        large_of_parent = make(MIB, 'p');
        in_child(child_reads_and_frees);
        CHECK(secret_size(of_parent) == 100);
        CHECK(holds(secret_expose(of_parent), 100, 'p'));
        CHECK(holds(secret_expose(large_of_parent), MIB, 'p'));
}

static void parent_and_child_with_locked_pages(void)
{
        kernel.secretmem_errno = ENOSYS;
        parent_and_child();
}

static void grandchild(void)
{
        of_parent = make(100, 'p');
        large_of_parent = make(MIB, 'p');
        in_child(parent_and_child);
        in_child(child_reads_and_frees);
}

/* clone(2) runs no handlers: the kernel alone keeps the secrets from the child, with zeroes or with nothing in their place. */
static void parent_and_clone(void)
{
        const char *exposed = secret_expose(make(100, 'p'));
        int status;
        pid_t pid = (pid_t)__real_syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);

        CHECK(pid >= 0);
        if (pid == 0)
                _exit(holds(exposed, 100, 'p') ? 1 : 0);
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSEGV : WEXITSTATUS(status) == 0);
        CHECK(holds(exposed, 100, 'p'));
}

static void parent_and_clone_with_locked_pages(void)
{
        kernel.secretmem_errno = ENOSYS;
        parent_and_clone();
}

static void test_a_child_that_passes_by_the_c_library_has_no_secrets_either(void **state)
{
        in_child(parent_and_clone);
        in_child(parent_and_clone_with_locked_pages);
}

static void test_a_child_finds_zeroes_and_cannot_hurt_its_parent(void **state)
{
        in_child(parent_and_child);
        in_child(parent_and_child_with_locked_pages);
        in_child(grandchild);
}

/* ---- all at once ---- */

static uint32_t next_random(uint32_t *seed)
{
        *seed = *seed * 1664525 + 1013904223;
        return *seed >> 8;
}

enum {
        N_HELD = 400,
        N_STEPS = 20000,
};

/* Mostly tokens, now and then a buffer. */
static size_t random_size(uint32_t *seed)
{
        switch (next_random(seed) % 64) {
        case 0:
                return next_random(seed) % 300000;
        case 1 ... 8:
                return next_random(seed) % 40000;
        default:
                return next_random(seed) % 3000;
        }
}

static void *allocate_and_free(void *start)
{
        struct secret *held[N_HELD] = { 0 };
        uint32_t seed = *(uint32_t *)start;

        for (unsigned step = 0; step < N_STEPS; step++) {
                unsigned i = next_random(&seed) % N_HELD;
                char fill = (char)(1 + i % 100);

                if (held[i]) {
                        CHECK(holds(secret_expose(held[i]), secret_size(held[i]), fill));
                        held[i] = secret_free(held[i]);
                } else {
                        char bytes[256];
                        struct secret_buf buf = SECRET_BUF_INIT(MIB);
                        size_t n = random_size(&seed);

                        memset(bytes, fill, sizeof(bytes));
                        CHECK(secret_buf_reserve(&buf, n) == 0);
                        CHECK(holds(buf.data, buf.allocated, 0));
                        while (buf.n < n)
                                CHECK(secret_buf_append(&buf, bytes, n - buf.n < 256 ? n - buf.n : 256) == 0);
                        CHECK(secret_buf_take(&buf, &held[i]) == 0);
                }
        }
        for (unsigned i = 0; i < N_HELD; i++)
                secret_free(held[i]);
        return NULL;
}

static void one_thread(void)
{
        uint32_t seed = 1;

        allocate_and_free(&seed);
        CHECK(stats().bytes_in_use == 0);
        CHECK(stats().bytes_mapped <= 256 * KIB);
}

static void four_threads(void)
{
        uint32_t seeds[4] = { 1, 2, 3, 4 };
        pthread_t threads[4];

        for (int i = 0; i < 4; i++)
                CHECK(pthread_create(&threads[i], NULL, allocate_and_free, &seeds[i]) == 0);
        for (int i = 0; i < 4; i++)
                CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(stats().bytes_in_use == 0);
}

static void one_thread_beyond_the_limit(void)
{
        limit_locked_memory(300 * KIB);
        one_thread();
}

static void test_secrets_never_overlap_and_new_ones_are_zero(void **state)
{
        in_child(one_thread);
        in_child(one_thread_beyond_the_limit);
}

static void test_threads_may_hold_different_secrets(void **state)
{
        in_child(four_threads);
}

static int need_locked_memory(void **state)
{
        struct rlimit limit;

        assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
        if (limit.rlim_cur >= 8 * MIB)
                return 0;
        print_message("skipped: RLIMIT_MEMLOCK is below 8 MiB here\n");
        exit(77);
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
                cmocka_unit_test(test_where_locking_is_forbidden_pages_are_still_not_dumped),
                cmocka_unit_test(test_without_proc_nobody_knows_of_a_filter_and_pages_are_locked),
                cmocka_unit_test(test_a_filter_that_may_kill_is_not_tried),
                cmocka_unit_test(test_a_filter_that_is_trusted_is_tried),
                cmocka_unit_test(test_without_memory_nothing_is_lost),
                cmocka_unit_test(test_forbidden_pages_surround_secrets),
                cmocka_unit_test(test_a_program_that_frees_wrongly_ends),
                cmocka_unit_test(test_a_child_finds_zeroes_and_cannot_hurt_its_parent),
                cmocka_unit_test(test_a_child_that_passes_by_the_c_library_has_no_secrets_either),
                cmocka_unit_test(test_secrets_never_overlap_and_new_ones_are_zero),
                cmocka_unit_test(test_threads_may_hold_different_secrets),
        };

        return cmocka_run_group_tests(tests, need_locked_memory, NULL);
}
