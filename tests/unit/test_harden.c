// links: daemon/base/
// libs: libseccomp
#include "daemon/base/harden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Hardening cannot be taken back: each look at it happens in a child. */
static void in_hardened_child(int (*look)(void))
{
        int status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
                _exit(harden_process() != 0 ? 100 : look());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

static int look_at_core_limit(void)
{
        struct rlimit limit;

        return getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_cur != 0 || limit.rlim_max != 0;
}

static void test_no_core_is_dumped(void **state)
{
        in_hardened_child(look_at_core_limit);
}

static int look_at_dumpable(void)
{
        return prctl(PR_GET_DUMPABLE) != 0;
}

static void test_the_process_is_not_dumpable(void **state)
{
        in_hardened_child(look_at_dumpable);
}

static int look_at_new_privileges(void)
{
        return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

static void test_no_new_privileges_can_be_had(void **state)
{
        in_hardened_child(look_at_new_privileges);
}

static int look_at_umask(void)
{
        return umask(0) != 077;
}

static void test_new_files_are_the_owners_alone(void **state)
{
        in_hardened_child(look_at_umask);
}

/* Root may do all of it, and others some. */
static int look_at_refused_calls(void)
{
        char byte = 'a', copy = 0;
        struct iovec from = { &byte, 1 }, to = { &copy, 1 };

        if (unshare(CLONE_NEWUTS) == 0 || errno != EPERM)
                return 1;
        if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) >= 0 || errno != EPERM || copy != 0)
                return 2;
        if (syscall(SYS_keyctl, 0, 0, 0, 0, 0) >= 0 || errno != EPERM)
                return 3;
        return syscall(SYS_bpf, 0, NULL, 0) >= 0 || errno != EPERM;
}

static void test_calls_that_are_never_needed_are_refused(void **state)
{
        in_hardened_child(look_at_refused_calls);
}

#ifdef __x86_64__
/* The same call by its number in another ABI, which the list does not name. */
static void test_calls_of_another_abi_end_the_process(void **state)
{
        int status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
                _exit(harden_process() != 0 ? 1 : syscall(0x40000000 | SYS_getpid) > 0 ? 2 : 3);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
}
#endif

/* As a unit does whose filter names no error. */
static int install_a_filter_that_kills(void)
{
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        int r = !filter || seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(seccomp), 0) < 0 ||
                seccomp_load(filter) < 0;

        seccomp_release(filter);
        return r;
}

static void test_another_filter_is_left_to_itself(void **state)
{
        int status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
                _exit(install_a_filter_that_kills() ? 1 : harden_process() != 0 ? 2 : 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

static int run_a_program(void)
{
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                execl("/bin/true", "true", NULL);
                _exit(1);
        }
        return pid < 0 || waitpid(pid, &status, 0) != pid || status != 0;
}

static void test_programs_can_be_run_all_the_same(void **state)
{
        in_hardened_child(run_a_program);
}

/* As an ordinary user, since root may trace whomever it likes. */
static int become_nobody(void)
{
        return geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0);
}

static int hardened_nobody(int ready, int hold)
{
        char byte = 0;

        if (become_nobody() || harden_process() < 0 || write(ready, &byte, 1) != 1)
                return 1;
        return read(hold, &byte, 1) != 0;
}

static int try_to_trace(pid_t pid)
{
        char path[64];

        if (become_nobody())
                return 1;
        if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0)
                return 2;
        snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
        if (open(path, O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
                return 3;
        return 0;
}

static void test_the_same_user_cannot_look_into_the_process(void **state)
{
        int ready[2], hold[2], status;
        char byte;

        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
        pid_t watched = fork();
        if (watched == 0) {
                close(hold[1]);
                _exit(hardened_nobody(ready[1], hold[0]));
        }
        close(ready[1]);
        close(hold[0]);
        assert_int_equal(read(ready[0], &byte, 1), 1);

        pid_t watcher = fork();
        if (watcher == 0)
                _exit(try_to_trace(watched));
        assert_int_equal(waitpid(watcher, &status, 0), watcher);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        close(hold[1]);
        assert_int_equal(waitpid(watched, &status, 0), watched);
        assert_int_equal(status, 0);
        close(ready[0]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_core_is_dumped),
                cmocka_unit_test(test_the_process_is_not_dumpable),
                cmocka_unit_test(test_no_new_privileges_can_be_had),
                cmocka_unit_test(test_new_files_are_the_owners_alone),
                cmocka_unit_test(test_calls_that_are_never_needed_are_refused),
#ifdef __x86_64__
                cmocka_unit_test(test_calls_of_another_abi_end_the_process),
#endif
                cmocka_unit_test(test_another_filter_is_left_to_itself),
                cmocka_unit_test(test_programs_can_be_run_all_the_same),
                cmocka_unit_test(test_the_same_user_cannot_look_into_the_process),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
