/* xdg-open, started without a shell. */
#include "client/browser.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Without a desktop xdg-open starts a text browser in this terminal; root's browser would be a hole. */
static bool has_desktop(void)
{
        return geteuid() != 0 && (getenv("DISPLAY") || getenv("WAYLAND_DISPLAY"));
}

static bool is_web_url(const char *url)
{
        return strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0;
}

/* A session of its own: an interrupt typed here is not for the browser, which may live on for days. */
static bool spawn(const char *url)
{
        char *const argv[] = { (char *)"xdg-open", (char *)url, NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, broken_pipe;
        pid_t pid;
        int r;

        sigemptyset(&none);
        sigemptyset(&broken_pipe);
        sigaddset(&broken_pipe, SIGPIPE);
        if (posix_spawn_file_actions_init(&actions) != 0)
                return false;
        if (posix_spawnattr_init(&attributes) != 0) {
                posix_spawn_file_actions_destroy(&actions);
                return false;
        }

        r = posix_spawnattr_setflags(&attributes,
                                     POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        if (r == 0)
                r = posix_spawnattr_setsigmask(&attributes, &none);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(&attributes, &broken_pipe);
        for (int fd = STDIN_FILENO; r == 0 && fd <= STDERR_FILENO; fd++)
                r = posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
        if (r == 0)
                r = posix_spawnp(&pid, argv[0], &actions, &attributes, argv, environ);

        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        return r == 0;
}

bool browser_open(const char *url)
{
        return is_web_url(url) && has_desktop() && spawn(url);
}
