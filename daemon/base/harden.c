/* What the process gives up before it touches a secret. Knows nothing of what the secrets are. */
#include "daemon/base/harden.h"

#include "common/fault.h"
#include "daemon/base/harden_filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static int load_filter(void)
{
        struct sock_filter code[HARDEN_FILTER_MAX];
        struct sock_fprog program = { .len = (unsigned short)harden_filter_make(code), .filter = code };

        if (program.len == 0)
                return fault(-EOPNOTSUPP);
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? fault(-errno) : 0;
}

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
