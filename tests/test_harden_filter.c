// links: daemon/base/harden_filter.c
/* The program for the kernel, run here. */
#include "daemon/base/harden_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

enum { LAST_NUMBER = 8191 };

static uint32_t field(const struct seccomp_data *data, uint32_t offset)
{
        assert_true(offset == offsetof(struct seccomp_data, nr) ||
                    offset == offsetof(struct seccomp_data, arch));
        return offset == offsetof(struct seccomp_data, nr) ? (uint32_t)data->nr : data->arch;
}

/* As the kernel does it, and no further than the program's end. */
static uint32_t run(const struct sock_filter *code, size_t n, const struct seccomp_data *data)
{
        uint32_t value = 0;

        for (size_t at = 0; at < n; at++) {
                switch (code[at].code) {
                case BPF_LD | BPF_W | BPF_ABS:
                        value = field(data, code[at].k);
                        break;
                case BPF_JMP | BPF_JEQ | BPF_K:
                        at += value == code[at].k ? code[at].jt : code[at].jf;
                        break;
                case BPF_JMP | BPF_JGE | BPF_K:
                        at += value >= code[at].k ? code[at].jt : code[at].jf;
                        break;
                case BPF_RET | BPF_K:
                        return code[at].k;
                default:
                        fail_msg("instruction %zu is unknown", at);
                }
        }
        fail_msg("the program has no end");
        return 0;
}

static bool is_to_be_refused(unsigned number)
{
        size_t n;
        const unsigned *refused = harden_filter_refused(&n);

        for (size_t i = 0; i < n; i++)
                if (refused[i] == number)
                        return true;
        return false;
}

/* The architecture that the program wants to see is what it compares with first. */
static struct seccomp_data own_call(const struct sock_filter *code, unsigned number)
{
        return (struct seccomp_data){ .nr = (int)number, .arch = code[1].k };
}

static void test_each_call_of_the_list_is_refused_and_no_other(void **state)
{
        struct sock_filter code[HARDEN_FILTER_MAX];
        size_t n = harden_filter_make(code);

        assert_true(n > 0 && n <= HARDEN_FILTER_MAX);
        for (unsigned number = 0; number <= LAST_NUMBER; number++) {
                struct seccomp_data data = own_call(code, number);

                assert_int_equal(run(code, n, &data),
                                 is_to_be_refused(number) ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_ALLOW);
        }
        assert_true(is_to_be_refused(SYS_bpf) && is_to_be_refused(SYS_mount));
        assert_false(is_to_be_refused(SYS_read) || is_to_be_refused(SYS_execve));
}

static void test_calls_of_another_architecture_end_the_process(void **state)
{
        struct sock_filter code[HARDEN_FILTER_MAX];
        size_t n = harden_filter_make(code);
        struct seccomp_data data = own_call(code, SYS_read);

        data.arch ^= __AUDIT_ARCH_LE;
        assert_int_equal(run(code, n, &data), SECCOMP_RET_KILL_PROCESS);
}

#ifdef __x86_64__
static void test_calls_of_x32_end_the_process_and_those_that_a_tracer_answers_do_not(void **state)
{
        struct sock_filter code[HARDEN_FILTER_MAX];
        size_t n = harden_filter_make(code);
        struct seccomp_data x32 = own_call(code, 0x40000000 | SYS_read), traced = own_call(code, UINT32_MAX);

        assert_int_equal(run(code, n, &x32), SECCOMP_RET_KILL_PROCESS);
        assert_int_equal(run(code, n, &traced), SECCOMP_RET_ALLOW);
}
#endif

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_call_of_the_list_is_refused_and_no_other),
                cmocka_unit_test(test_calls_of_another_architecture_end_the_process),
#ifdef __x86_64__
                cmocka_unit_test(test_calls_of_x32_end_the_process_and_those_that_a_tracer_answers_do_not),
#endif
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
