/* What the process gives up before it touches a secret. Knows nothing of what the secrets are. */
#include "daemon/base/harden.h"

#include "common/fault.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif

/* What a call's number means depends on it: the kernel's name for what this is compiled for. */
#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define OWN_ARCH AUDIT_ARCH_I386
#elif defined(__aarch64__) && defined(__AARCH64EL__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#elif defined(__arm__) && defined(__ARMEL__)
#define OWN_ARCH AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define OWN_ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define OWN_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define OWN_ARCH AUDIT_ARCH_S390X
#elif defined(__mips64) && defined(__MIPSEL__)
#define OWN_ARCH AUDIT_ARCH_MIPSEL64
#elif defined(__mips__) && defined(__MIPSEL__)
#define OWN_ARCH AUDIT_ARCH_MIPSEL
#endif

/*
 * System calls that neither this program nor any of its libraries makes, and that somebody who got into it would: to look into other
 * processes, to change what programs or the system see, to reach rarely used parts of the kernel. A list of what is allowed
 * would break with the first call that a new C library makes; this one can only be too short. The unit's filter is stricter.
 */
static const unsigned never_called[] = {
/* The sanitizer that looks for leaks traces the process that it is part of. */
#ifndef HAVE_ASAN
        SYS_ptrace,
#endif
        SYS_process_vm_readv,
        SYS_process_vm_writev,
        SYS_process_madvise,
        SYS_pidfd_getfd,
        SYS_kcmp,
        SYS_bpf,
        SYS_perf_event_open,
        SYS_userfaultfd,
        SYS_io_uring_setup,
        SYS_io_uring_enter,
        SYS_io_uring_register,
        SYS_fanotify_init,
        SYS_open_by_handle_at,
        SYS_add_key,
        SYS_keyctl,
        SYS_request_key,
        SYS_mount,
        SYS_mount_setattr,
        SYS_umount2,
        SYS_pivot_root,
        SYS_chroot,
        SYS_fsopen,
        SYS_fsconfig,
        SYS_fsmount,
        SYS_fspick,
        SYS_move_mount,
        SYS_open_tree,
        SYS_setns,
        SYS_unshare,
        SYS_init_module,
        SYS_finit_module,
        SYS_delete_module,
        SYS_kexec_load,
        SYS_reboot,
        SYS_swapon,
        SYS_swapoff,
        SYS_acct,
        SYS_quotactl,
        SYS_quotactl_fd,
        SYS_syslog,
        SYS_personality,
        SYS_adjtimex,
        SYS_sethostname,
        SYS_setdomainname,
        SYS_mknodat,
        SYS_vhangup,
        SYS_move_pages,
        SYS_migrate_pages,
        SYS_remap_file_pages,
/* Not on each architecture. */
#ifdef SYS_kexec_file_load
        SYS_kexec_file_load,
#endif
#ifdef SYS_modify_ldt
        SYS_modify_ldt,
#endif
#ifdef SYS_iopl
        SYS_iopl,
#endif
#ifdef SYS_ioperm
        SYS_ioperm,
#endif
#ifdef SYS_settimeofday
        SYS_settimeofday,
#endif
#ifdef SYS_clock_settime
        SYS_clock_settime,
#endif
#ifdef SYS_clock_adjtime
        SYS_clock_adjtime,
#endif
#ifdef SYS_mknod
        SYS_mknod,
#endif
#ifdef SYS_lookup_dcookie
        SYS_lookup_dcookie,
#endif
#ifdef SYS_nfsservctl
        SYS_nfsservctl,
#endif
#ifdef SYS_uselib
        SYS_uselib,
#endif
#ifdef SYS_clock_settime64
        SYS_clock_settime64,
#endif
#ifdef SYS_clock_adjtime64
        SYS_clock_adjtime64,
#endif
};

enum {
        N_NEVER_CALLED = sizeof(never_called) / sizeof(never_called[0]),
        N_AROUND = 9,
        X32_CALLS = 0x40000000
};

#ifdef OWN_ARCH
/*
 * Written out, since libseccomp takes four times as long to make it as the kernel does to take it, at each start: is it a call of our
 * architecture (and on x86-64 none of x32, whose numbers are others), and is its number one of those.
 */
static int load_filter(void)
{
        struct sock_filter code[N_NEVER_CALLED + N_AROUND];
        struct sock_fprog program = { .filter = code };
        unsigned n = 0;

        _Static_assert(N_NEVER_CALLED < UINT8_MAX, "a jump leads over them");
        code[n++] =
                (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_CALLS, 0, 2);
        /* A call that a tracer keeps from being made has no number, and is for the tracer to answer. */
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, UINT32_MAX, 1, 0);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
#endif
        for (unsigned i = 0; i < N_NEVER_CALLED; i++)
                code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, never_called[i],
                                                         (uint8_t)(N_NEVER_CALLED - i), 0);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
        program.len = (unsigned short)n;
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? fault(-errno) : 0;
}
#else
static int load_filter(void)
{
        return fault(-EOPNOTSUPP);
}
#endif

static int filter_calls(void)
{
        /* One is in force: a unit's, or a container's, which allows less, and may kill whoever makes another. */
        if (prctl(PR_GET_SECCOMP) > 0)
                return 0;
        return load_filter();
}

int harden_process(void)
{
        int first = 0, r;

        /* The others are worth having even where one of them is refused. */
        umask(077);
        if (setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }) < 0)
                first = fault(-errno);
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 && !first)
                first = fault(-errno);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 && !first)
                first = fault(-errno);
        r = filter_calls();
        return first ? first : r;
}
