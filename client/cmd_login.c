/* purser login: another program, so that no other command ever loads a web server. */
#include "client/cmd.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define LOGIN_PROGRAM "purser-login"

/* Beside this very program, as in a build tree; false where it is not there. */
static bool find_beside_us(char *path, size_t size)
{
        ssize_t n = readlink("/proc/self/exe", path, size - 1);
        char *slash;

        if (n < 0)
                return false;
        path[n] = '\0';
        slash = strrchr(path, '/');
        if (!slash || (size_t)(slash + 1 - path) + sizeof(LOGIN_PROGRAM) > size)
                return false;
        strcpy(slash + 1, LOGIN_PROGRAM);
        return access(path, X_OK) == 0;
}

static int run_login(struct cli *cli, int argc, char **argv)
{
        char **passed = calloc((size_t)argc + 3, sizeof(*passed)), path[PATH_MAX];
        size_t n = 0;

        if (!passed)
                return cli_fault(cli, "starting", -ENOMEM);
        passed[n++] = (char *)LOGIN_PROGRAM;
        if (cli->socket) {
                passed[n++] = (char *)"--socket";
                passed[n++] = (char *)cli->socket;
        }
        for (int i = 1; i < argc; i++)
                passed[n++] = argv[i];

        if (find_beside_us(path, sizeof(path)))
                execv(path, passed);
        execv(PURSER_LIBEXECDIR "/" LOGIN_PROGRAM, passed);
        cli_say(cli, "%s cannot be run: %s; is purser installed as a whole?",
                PURSER_LIBEXECDIR "/" LOGIN_PROGRAM, strerrordesc_np(errno));
        free(passed);
        return EX_UNAVAILABLE;
}

const struct cmd cmd_login = {
        .name = "login",
        .synopsis = "NAME",
        .summary = "Have a person authorize a credential, in a browser",
        .run = run_login,
};
