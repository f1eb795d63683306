// links: common/
// ldflags: -Wl,--wrap=syscall -Wl,--wrap=mmap -Wl,--wrap=mlock -Wl,--wrap=open
/*
 * What may go wrong with secret memory: no memory, writes beyond it, wrong frees, forks and threads. Each test runs in a child, whose arena
 * is new.
 */
#include "tests/beds/secret_children.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- children ---- */

static void dies_of(int signal_number, void (*run)(void))
{
        int status = status_of_child(run);

        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), signal_number);
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

int main(void)
{
        const struct CMUnitTest tests[] = {
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
