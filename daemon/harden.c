/* What the process gives up before it touches a secret. Knows nothing of what the secrets are. */
#include "daemon/harden.h"

#include "common/fault.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

int harden_process(void)
{
        int first = 0;

        /* The others are worth having even where one of them is refused. */
        umask(077);
        if (setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }) < 0)
                first = fault(-errno);
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 && !first)
                first = fault(-errno);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 && !first)
                first = fault(-errno);
        return first;
}
