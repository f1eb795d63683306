/*
 * Written out, since libseccomp takes four times as long to make such a program as the kernel does to take it, at each start. The kernel runs it
 * once for every call that there is, to remember those that are always allowed: so the numbers are looked up by halves, and not in a row.
 */
#include "daemon/base/harden_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
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
        N_BOUNDS_MAX = 2 * N_NEVER_CALLED,
        N_AROUND = 9,
        X32_CALLS = 0x40000000,
};

_Static_assert(N_BOUNDS_MAX + N_AROUND <= HARDEN_FILTER_MAX && N_BOUNDS_MAX + N_AROUND <= UINT8_MAX,
               "each instruction is reached by one jump");

const unsigned *harden_filter_refused(size_t *ret_n)
{
        *ret_n = N_NEVER_CALLED;
        return never_called;
}

#ifdef OWN_ARCH
static int compare(const void *a, const void *b)
{
        const unsigned *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

/* Where refusing begins and ends, in turn: the first of neighbours, and what follows the last one. */
static size_t find_bounds(unsigned bounds[static N_BOUNDS_MAX])
{
        unsigned sorted[N_NEVER_CALLED];
        size_t n = 0;

        memcpy(sorted, never_called, sizeof(sorted));
        qsort(sorted, N_NEVER_CALLED, sizeof(sorted[0]), compare);
        for (size_t i = 0; i < N_NEVER_CALLED; i++) {
                if (n > 0 && bounds[n - 1] == sorted[i])
                        n--;
                else
                        bounds[n++] = sorted[i];
                bounds[n++] = sorted[i] + 1;
        }
        return n;
}

struct tree {
        struct sock_filter *code;
        const unsigned *bounds;
        size_t n_code;
        size_t allow, refuse; /* where these two are */
};

/* Numbers below bounds[first] or not below bounds[end - 1] need no comparison any more; gives where they are told apart. */
static size_t put_tree(struct tree *tree, size_t first, size_t end)
{
        size_t middle = first + (end - first) / 2, at, below, above;

        if (first == end)
                return first % 2 == 0 ? tree->allow : tree->refuse;
        at = tree->n_code++;
        below = put_tree(tree, first, middle);
        above = put_tree(tree, middle + 1, end);
        tree->code[at] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, tree->bounds[middle],
                                                      (uint8_t)(above - at - 1), (uint8_t)(below - at - 1));
        return at;
}

/* Is it a call of our architecture (and on x86-64 none of x32, whose numbers are others), and is its number one of those. */
size_t harden_filter_make(struct sock_filter code[static HARDEN_FILTER_MAX])
{
        unsigned bounds[N_BOUNDS_MAX];
        size_t n_bounds = find_bounds(bounds), n = 0;

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
        struct tree tree = {
                .code = code, .bounds = bounds, .n_code = n, .allow = n + n_bounds, .refuse = n + n_bounds + 1
        };
        (void)put_tree(&tree, 0, n_bounds);
        code[tree.allow] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        code[tree.refuse] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
        return tree.refuse + 1;
}
#else
size_t harden_filter_make(struct sock_filter code[static HARDEN_FILTER_MAX])
{
        return 0;
}
#endif
