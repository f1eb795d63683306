/* A shell script, run to its end. */
#include "tests/beds/shell.h"

#include <sys/wait.h>
#include <unistd.h>

int run_script(const char *script)
{
        int status;
        pid_t pid = fork();

        if (pid < 0)
                return -1;
        if (pid == 0) {
                execl("/bin/sh", "sh", "-c", script, NULL);
                _exit(127);
        }
        return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
