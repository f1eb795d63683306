/* What the process gives up before it touches a secret. Knows nothing of what the secrets are. */
#include "daemon/base/harden.h"

#include "common/fault.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif

/*
 * System calls that neither this program nor any of its libraries makes, and that somebody who got into it would: to look into other
 * processes, to change what programs or the system see, to reach rarely used parts of the kernel. A list of what is allowed
 * would break with the first call that a new C library makes; this one can only be too short. The unit's filter is stricter.
 */
static const char *const never_called[] = {
/* The sanitizer that looks for leaks traces the process that it is part of. */
#ifndef HAVE_ASAN
        "ptrace",
#endif
        "process_vm_readv",
        "process_vm_writev",
        "process_madvise",
        "pidfd_getfd",
        "kcmp",
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "fanotify_init",
        "open_by_handle_at",
        "add_key",
        "keyctl",
        "request_key",
        "mount",
        "mount_setattr",
        "umount2",
        "pivot_root",
        "chroot",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
        "move_mount",
        "open_tree",
        "setns",
        "unshare",
        "init_module",
        "finit_module",
        "delete_module",
        "kexec_load",
        "kexec_file_load",
        "reboot",
        "swapon",
        "swapoff",
        "acct",
        "quotactl",
        "quotactl_fd",
        "syslog",
        "personality",
        "modify_ldt",
        "iopl",
        "ioperm",
        "settimeofday",
        "clock_settime",
        "adjtimex",
        "clock_adjtime",
        "sethostname",
        "setdomainname",
        "mknod",
        "mknodat",
        "vhangup",
        "lookup_dcookie",
        "nfsservctl",
        "uselib",
        "move_pages",
        "migrate_pages",
        "remap_file_pages",
};

static int forbid_calls(scmp_filter_ctx filter)
{
        for (size_t i = 0; i < sizeof(never_called) / sizeof(never_called[0]); i++) {
                int number = seccomp_syscall_resolve_name(never_called[i]);

                /* Negative: not on this architecture, or younger than the library. */
                if (number < 0)
                        continue;
                int r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
                if (r < 0)
                        return fault(r);
        }
        int r = seccomp_load(filter);

        return r < 0 ? fault(r) : 0;
}

static int filter_calls(void)
{
        scmp_filter_ctx filter;

        /* One is in force: a unit's, or a container's, which allows less, and may kill whoever makes another. */
        if (prctl(PR_GET_SECCOMP) > 0)
                return 0;
        filter = seccomp_init(SCMP_ACT_ALLOW);
        if (!filter)
                return fault(-ENOMEM);
        int r = forbid_calls(filter);

        seccomp_release(filter);
        return r;
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
