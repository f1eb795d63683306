/*
 * killat [-t] -- PROGRAM ARGUMENTS...: runs a program and kills it (SIGKILL) at the entry of its Nth system call, counted over all of its
 * threads from the moment it is told to. Knows nothing of what the program is.
 *
 * Orders come on standard input, one a line, each answered by one line on standard output:
 *   arm N    count from here on, and kill at the Nth call (0: count only)    "armed"
 *   stop     count no more; the program runs on untraced by calls            "counted COUNT"
 *   kill     kill it now                                                     "killed COUNT now"
 * The end of the program is told as "killed COUNT CALL" or "ended COUNT STATUS", and ends killat, as the end of standard input does.
 *
 * With -t, each answer to "stop" comes after lines "window MICROSECONDS": from the end of the last receive from a TCP socket to the end of
 * the first fsync or fdatasync that follows it. A stop of the tracee costs time, so that what is told is an upper bound.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
        OPTIONS = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL,
        MAX_THREADS = 64,
        MAX_WINDOWS = 65536
};

struct thread {
        pid_t tid;
        bool running; /* else it is in a stop that was not resumed */
        bool in_call;
        uint64_t number, argument;
};

static struct {
        pid_t pid;
        bool armed, timed;
        unsigned long count, kill_at;
        long killed_in;
        struct thread threads[MAX_THREADS];
        size_t n_threads;
        uint64_t received_nsec; /* 0: nothing since the last sync */
        uint64_t windows[MAX_WINDOWS];
        size_t n_windows;
} tracer;

static void die(const char *what)
{
        fprintf(stderr, "killat: %s: %s\n", what, strerror(errno));
        exit(1);
}

static uint64_t now_nsec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static struct thread *find_thread(pid_t tid)
{
        for (size_t i = 0; i < tracer.n_threads; i++)
                if (tracer.threads[i].tid == tid)
                        return &tracer.threads[i];
        if (tracer.n_threads == MAX_THREADS) {
                errno = E2BIG;
                die("threads");
        }
        tracer.threads[tracer.n_threads] = (struct thread){ .tid = tid };
        return &tracer.threads[tracer.n_threads++];
}

static void forget_thread(pid_t tid)
{
        struct thread *thread = find_thread(tid);

        *thread = tracer.threads[--tracer.n_threads];
}

static bool is_tcp(uint64_t fd)
{
        char path[64], target[64];
        int domain = 0, own = -1;
        socklen_t size = sizeof(domain);

        /* A duplicate of the tracee's descriptor, which is asked what it is. */
        int pidfd = (int)syscall(SYS_pidfd_open, tracer.pid, 0);
        if (pidfd >= 0) {
                own = (int)syscall(SYS_pidfd_getfd, pidfd, (int)fd, 0);
                close(pidfd);
        }
        if (own >= 0) {
                if (getsockopt(own, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
                        domain = 0;
                close(own);
                return domain == AF_INET || domain == AF_INET6;
        }
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)tracer.pid, (int)fd);
        return readlink(path, target, sizeof(target)) > 0 && strncmp(target, "socket:", 7) == 0;
}

static void note_exit(const struct thread *thread, int64_t result)
{
        switch (thread->number) {
        case SYS_recvfrom:
        case SYS_recvmsg:
        case SYS_read:
                if (result > 0 && is_tcp(thread->argument))
                        tracer.received_nsec = now_nsec();
                break;
        case SYS_fsync:
        case SYS_fdatasync:
                if (result == 0 && tracer.received_nsec && tracer.n_windows < MAX_WINDOWS)
                        tracer.windows[tracer.n_windows++] = now_nsec() - tracer.received_nsec;
                tracer.received_nsec = 0;
                break;
        default:
                break;
        }
}

/* A stop at the entry or the exit of a call. True: it was killed. */
static bool on_call(struct thread *thread)
{
        struct __ptrace_syscall_info info;

        if (ptrace(PTRACE_GET_SYSCALL_INFO, thread->tid, sizeof(info), &info) < 0)
                return false;
        if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
                if (tracer.timed && thread->in_call)
                        note_exit(thread, info.exit.rval);
                thread->in_call = false;
                return false;
        }
        if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
                return false;
        thread->in_call = true;
        thread->number = info.entry.nr;
        thread->argument = info.entry.args[0];
        if (++tracer.count != tracer.kill_at)
                return false;
        tracer.killed_in = (long)info.entry.nr;
        kill(tracer.pid, SIGKILL);
        return true;
}

static void resume(struct thread *thread, int signal)
{
        thread->running = true;
        if (ptrace(tracer.armed ? PTRACE_SYSCALL : PTRACE_CONT, thread->tid, 0, (void *)(long)signal) < 0 &&
            errno != ESRCH)
                die("resume");
}

static void tell_end(int status)
{
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
                printf("killed %lu %ld\n", tracer.count, tracer.killed_in);
        else
                printf("ended %lu %d\n", tracer.count,
                       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        fflush(stdout);
        exit(0);
}

/* One change of one thread. */
static void on_status(pid_t tid, int status)
{
        struct thread *thread;
        int signal;

        if (WIFEXITED(status) || WIFSIGNALED(status)) {
                if (tid == tracer.pid)
                        tell_end(status);
                forget_thread(tid);
                return;
        }
        thread = find_thread(tid);
        thread->running = false;
        signal = WSTOPSIG(status);
        if (signal == (SIGTRAP | 0x80)) {
                if (tracer.armed && on_call(thread))
                        return;
                signal = 0;
        } else if (status >> 16) {
                signal = 0;
        }
        resume(thread, signal);
}

static void collect(void)
{
        int status;
        pid_t tid;

        while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0)
                on_status(tid, status);
        if (tid < 0 && errno != ECHILD)
                die("waitpid");
}

/* Each thread is stopped once, so that it goes on in the way that now holds. */
static void switch_tracing(bool armed)
{
        sigset_t none;

        tracer.armed = armed;
        sigemptyset(&none);
        for (size_t i = 0; i < tracer.n_threads; i++)
                if (ptrace(PTRACE_INTERRUPT, tracer.threads[i].tid, 0, 0) == 0)
                        tracer.threads[i].running = true;
        for (size_t i = 0; armed && i < tracer.n_threads; i++) {
                int status;
                pid_t tid = waitpid(tracer.threads[i].tid, &status, __WALL);
                if (tid > 0)
                        on_status(tid, status);
        }
}

static void tell_windows(void)
{
        for (size_t i = 0; i < tracer.n_windows; i++)
                printf("window %.1f\n", (double)tracer.windows[i] / 1000);
        tracer.n_windows = 0;
}

static void on_order(const char *line)
{
        if (strncmp(line, "arm ", 4) == 0) {
                tracer.kill_at = strtoul(line + 4, NULL, 10);
                tracer.count = 0;
                tracer.received_nsec = 0;
                switch_tracing(true);
                puts("armed");
        } else if (strcmp(line, "stop\n") == 0) {
                switch_tracing(false);
                tell_windows();
                printf("counted %lu\n", tracer.count);
        } else if (strcmp(line, "kill\n") == 0) {
                if (tracer.killed_in == 0)
                        tracer.killed_in = -1;
                kill(tracer.pid, SIGKILL);
        }
        fflush(stdout);
}

static void start(char **arguments, const sigset_t *before)
{
        int gate[2];
        char byte;

        if (pipe(gate) < 0)
                die("pipe");
        tracer.pid = fork();
        if (tracer.pid < 0)
                die("fork");
        if (tracer.pid == 0) {
                close(gate[1]);
                sigprocmask(SIG_SETMASK, before, NULL);
                if (read(gate[0], &byte, 1) != 1)
                        _exit(127);
                close(gate[0]);
                close(STDIN_FILENO);
                dup2(STDERR_FILENO, STDOUT_FILENO);
                execv(arguments[0], arguments);
                die(arguments[0]);
        }
        if (ptrace(PTRACE_SEIZE, tracer.pid, 0, OPTIONS) < 0)
                die("seize");
        find_thread(tracer.pid)->running = true;
        if (write(gate[1], "x", 1) != 1)
                die("gate");
        close(gate[0]);
        close(gate[1]);
}

static void ignore(int number)
{
        (void)number;
}

int main(int argc, char **argv)
{
        struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
        sigset_t child, before;
        int first = 1;
        char line[64];

        if (first < argc && strcmp(argv[first], "-t") == 0) {
                tracer.timed = true;
                first++;
        }
        if (first + 1 >= argc || strcmp(argv[first], "--") != 0) {
                fputs("usage: killat [-t] -- PROGRAM ARGUMENTS...\n", stderr);
                return 64;
        }
        setvbuf(stdin, NULL, _IONBF, 0);
        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        sigprocmask(SIG_BLOCK, &child, &before);
        sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = ignore }, NULL);
        start(argv + first + 1, &before);
        for (;;) {
                collect();
                if (ppoll(&input, 1, NULL, &before) < 0) {
                        if (errno != EINTR)
                                die("poll");
                        continue;
                }
                if (!fgets(line, sizeof(line), stdin))
                        return 0;
                on_order(line);
        }
}
