/*
 * coldstart SOCKET REQUEST-FILE COMMAND [ARGUMENT...]: how long a caller waits for the first reply of a server that does not run yet. A child
 * plays the service manager: it waits for a connection at SOCKET and then becomes the command, LISTEN_FDS, a unit's filter of system calls
 * and all. Time goes from connect() to the reply's last byte. Prints it in microseconds.
 */
#include "tests/bench/latency.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PASSED_FD = 3, REPLY_MAX = 1 << 20, REQUEST_MAX = 4096, PATIENCE_MSEC = 60000 };

static void die(const char *what)
{
        perror(what);
        exit(1);
}

static int listen_at(struct sockaddr_un *address, const char *path)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
        if (fd < 0 || strlen(path) >= sizeof(address->sun_path))
                die("socket");
        strcpy(address->sun_path, path);
        unlink(path);
        if (bind(fd, (struct sockaddr *)address, sizeof(*address)) < 0 || listen(fd, 128) < 0)
                die(path);
        return fd;
}

/* As SystemCallFilter= has one in force before the program begins, which then need not make its own. */
static void filter_calls(void)
{
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

        if (!filter || seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(reboot), 0) < 0 ||
            seccomp_load(filter) < 0)
                _exit(125);
        seccomp_release(filter);
}

static void become(int listener, char **command)
{
        struct pollfd waiting = { .fd = listener, .events = POLLIN };
        char pid[16];

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        filter_calls();
        snprintf(pid, sizeof(pid), "%d", (int)getpid());
        setenv("LISTEN_FDS", "1", 1);
        setenv("LISTEN_PID", pid, 1);
        /* A descriptor that is in its place already would be closed all the same. */
        if ((listener == PASSED_FD ? fcntl(listener, F_SETFD, 0) : dup2(listener, PASSED_FD)) < 0 ||
            poll(&waiting, 1, PATIENCE_MSEC) != 1)
                _exit(126);
        execv(command[0], command);
        _exit(127);
}

static size_t read_request(const char *path, char *request)
{
        FILE *file = fopen(path, "re");
        size_t n = file ? fread(request, 1, REQUEST_MAX, file) : 0;

        if (n == 0 || request[n - 1] != 0)
                die(path);
        fclose(file);
        return n;
}

static void ask(const struct sockaddr_un *address, const char *request, size_t n, char *reply)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct timeval patience = { .tv_sec = PATIENCE_MSEC / 1000 };
        size_t got = 0;
        ssize_t more;

        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
            send(fd, request, n, MSG_NOSIGNAL) != (ssize_t)n)
                die("connect");
        while (got == 0 || reply[got - 1] != 0) {
                more = recv(fd, reply + got, REPLY_MAX - got, 0);
                if (more <= 0)
                        die("recv");
                got += (size_t)more;
        }
        close(fd);
}

int main(int argc, char **argv)
{
        char request[REQUEST_MAX], *reply = calloc(1, REPLY_MAX);
        struct sockaddr_un address;
        int listener, status;
        uint64_t began;
        size_t n;
        pid_t pid;

        if (argc < 4 || !reply) {
                fputs("usage: coldstart SOCKET REQUEST-FILE COMMAND [ARGUMENT...]\n", stderr);
                return 2;
        }
        n = read_request(argv[2], request);
        listener = listen_at(&address, argv[1]);
        pid = fork();
        if (pid < 0)
                die("fork");
        if (pid == 0)
                become(listener, argv + 3);

        began = latency_now_nsec();
        ask(&address, request, n, reply);
        printf("{\"usec\": %.1f, \"is_error\": %s}\n", (double)(latency_now_nsec() - began) / 1000,
               strstr(reply, "\"error\":\"io") ? "true" : "false");
        kill(pid, SIGTERM);
        return waitpid(pid, &status, 0) == pid ? 0 : 1;
}
