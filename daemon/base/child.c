/*
 * fork() rather than posix_spawn(): limits, the parent's death and the out-of-memory score are set in the child, between fork and exec,
 * by calls that are safe after a fork of a process with threads (the resolver's). Secret pages do not come along (MADV_DONTFORK,
 * MADV_WIPEONFORK), the copy cannot be traced or dumped any more than we can, and exec leaves nothing of it.
 */
#include "daemon/base/child.h"

#include "common/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>

enum {
        TAIL_MAX = 512, /* of what it wrote */
        READ_MAX = 4096, /* in one turn of the loop */
        MOST_FILES = 1024,
        MOST_FILE_SIZE = 64 * 1024 * 1024,
        MOST_MEMORY = 1024 * 1024 * 1024,
        CANNOT_RUN = 127,
        REAP_MSEC = 100,
};

struct child {
        struct timers *timers;
        struct timer deadline;
        sd_event_source *on_exit, *on_output;
        pid_t pid; /* of its process group, too */
        int pidfd; /* -1: it was waited for */
        int output;
        bool timed_out;
        char tail[TAIL_MAX + 1];
        size_t n_tail;
        void (*on_end)(const struct child_end *end, void *userdata);
        void *userdata;
};

/* ---- in the child: calls that are safe after fork, and nothing else ---- */

static void limit(int resource, rlim_t most)
{
        (void)setrlimit(resource, &(struct rlimit){ most, most });
}

static void set_limits(uint64_t timeout_usec)
{
        /* A program that computes all the time gets no more of it than it has time. */
        limit(RLIMIT_CPU, timeout_usec / USEC_PER_SEC + 1);
        limit(RLIMIT_CORE, 0);
        limit(RLIMIT_NOFILE, MOST_FILES);
        limit(RLIMIT_FSIZE, MOST_FILE_SIZE);
        limit(RLIMIT_AS, MOST_MEMORY);
}

/* Where memory runs out, the hook goes and the daemon stays. */
static void go_first_when_memory_is_short(void)
{
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

        if (fd >= 0 && write(fd, "1000", 4) < 0)
                return;
}

static void reset_signals(void)
{
        struct sigaction standard = { .sa_handler = SIG_DFL };
        sigset_t none;

        for (int i = 1; i < NSIG; i++)
                (void)sigaction(i, &standard, NULL);
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void say_why(int error)
{
        const char *words = strerrordesc_np(error);

        if (write(STDERR_FILENO, "it cannot be run: ", 18) < 0 || !words ||
            write(STDERR_FILENO, words, strlen(words)) < 0)
                return;
}

static _Noreturn void become(const struct child_order *order, int input, int output, pid_t parent)
{
        static char *const environment[] = {
                (char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                (char *)"LC_ALL=C.UTF-8", (char *)"HOME=/", NULL
        };

        reset_signals();
        if (setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(CANNOT_RUN);
        go_first_when_memory_is_short();
        if (dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
            dup2(output, STDERR_FILENO) < 0 || chdir("/") < 0)
                _exit(CANNOT_RUN);
        closefrom(STDERR_FILENO + 1);
        set_limits(order->timeout_usec);
        execve(order->argv[0], order->argv, environment);
        say_why(errno);
        _exit(CANNOT_RUN);
}

/* ---- what it reads and writes ---- */

/* Above the three that the child's own become, whichever of those are open here. */
static int above_standard(int *fd)
{
        int higher;

        if (*fd > STDERR_FILENO)
                return 0;
        higher = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (higher < 0)
                return fault(-errno);
        close(*fd);
        *fd = higher;
        return 0;
}

/* A file in memory, so that nothing waits for a program that does not read. */
static int make_input(const struct child_order *order, int *ret)
{
        _cleanup_(closep) int fd = memfd_create("purser-event", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r;

        if (fd < 0)
                return fault(-errno);
        for (size_t done = 0; done < order->n_input;) {
                ssize_t n = write(fd, order->input + done, order->n_input - done);

                if (n < 0 && errno != EINTR)
                        return fault(-errno);
                done += n > 0 ? (size_t)n : 0;
        }
        if (lseek(fd, 0, SEEK_SET) < 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                return fault(-errno);
        r = above_standard(&fd);
        if (r == 0)
                *ret = take_fd(&fd);
        return r;
}

static void keep_tail(struct child *child, const char *bytes, size_t n)
{
        size_t room = TAIL_MAX - child->n_tail, shift;

        if (n > TAIL_MAX) {
                bytes += n - TAIL_MAX;
                n = TAIL_MAX;
        }
        shift = n > room ? n - room : 0;
        memmove(child->tail, child->tail + shift, child->n_tail - shift);
        child->n_tail -= shift;
        memcpy(child->tail + child->n_tail, bytes, n);
        child->n_tail += n;
}

static ssize_t read_output(struct child *child)
{
        char bytes[READ_MAX];
        ssize_t n = read(child->output, bytes, sizeof(bytes));

        if (n > 0)
                keep_tail(child, bytes, (size_t)n);
        return n;
}

/* Whoever writes without end is read without end, a piece each time that the loop has nothing better to do. */
static int on_output(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        ssize_t n = read_output(userdata);

        if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
                return 0;
        return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

static const char *last_line(struct child *child)
{
        char *at;

        while (child->n_tail > 0 && strchr("\n\r ", child->tail[child->n_tail - 1]))
                child->n_tail--;
        child->tail[child->n_tail] = '\0';
        at = memrchr(child->tail, '\n', child->n_tail);
        return at ? at + 1 : child->tail;
}

/* ---- its end ---- */

/* The group goes with its leader. It has not been waited for, so that its number is nobody else's. */
static void kill_all(const struct child *child)
{
        (void)pidfd_send_signal(child->pidfd, SIGKILL, NULL, 0);
        (void)kill(-child->pid, SIGKILL);
}

static void on_deadline(void *userdata)
{
        struct child *child = userdata;

        child->timed_out = true;
        kill_all(child);
}

static bool reap(struct child *child, siginfo_t *ret)
{
        *ret = (siginfo_t){ 0 };
        if (waitid(P_PIDFD, (id_t)child->pidfd, ret, WEXITED | WNOHANG) < 0 || ret->si_pid == 0)
                return false;
        close(child->pidfd);
        child->pidfd = -1;
        return true;
}

static int on_end_of_process(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct child *child = userdata;
        struct child_end end;
        siginfo_t info;

        /* Those that it left behind, first. */
        kill_all(child);
        child->on_exit = sd_event_source_disable_unref(child->on_exit);
        if (!reap(child, &info))
                info.si_code = CLD_KILLED;
        timer_stop(child->timers, &child->deadline);
        for (unsigned i = 0; i < 16 && read_output(child) > 0; i++)
                continue;

        end = (struct child_end){
                .outcome = child->timed_out             ? CHILD_TIMED_OUT
                           : info.si_code == CLD_EXITED ? CHILD_EXITED
                                                        : CHILD_SIGNALLED,
                .number = info.si_status,
                .words = last_line(child),
        };
        child->on_end(&end, child->userdata);
        return 0;
}

/* ---- its beginning ---- */

static int start(struct child *child, const struct child_order *order)
{
        _cleanup_(closep) int input = -1, output = -1;
        pid_t parent = getpid();
        int pipe_[2], r;

        r = make_input(order, &input);
        if (r < 0)
                return r;
        if (pipe2(pipe_, O_CLOEXEC) < 0)
                return fault(-errno);
        child->output = pipe_[0];
        output = pipe_[1];
        r = above_standard(&output);
        if (r < 0)
                return r;
        if (fcntl(child->output, F_SETFL, O_NONBLOCK) < 0)
                return fault(-errno);

        child->pid = fork();
        if (child->pid < 0)
                return fault(-errno);
        if (child->pid == 0)
                become(order, input, output, parent);
        /* Nobody else waits for children, so that the number is still its own. */
        child->pidfd = pidfd_open(child->pid, 0);
        if (child->pidfd < 0) {
                r = fault(-errno);
                (void)kill(child->pid, SIGKILL);
                (void)waitpid(child->pid, NULL, 0);
        }
        return r;
}

static int watch_it(struct child *child, sd_event *event)
{
        int r = sd_event_add_io(event, &child->on_exit, child->pidfd, EPOLLIN, on_end_of_process, child);

        if (r >= 0)
                r = sd_event_add_io(event, &child->on_output, child->output, EPOLLIN, on_output, child);
        if (r >= 0)
                r = sd_event_source_set_priority(child->on_output, SD_EVENT_PRIORITY_IDLE);
        return r < 0 ? fault(r) : 0;
}

int child_start(struct child **ret, void *event, struct clock *clock, struct timers *timers,
                const struct child_order *order)
{
        _cleanup_(child_freep) struct child *child = calloc(1, sizeof(*child));
        int r;

        if (!child)
                return fault(-ENOMEM);
        child->timers = timers;
        child->pidfd = child->output = -1;
        child->on_end = order->on_end;
        child->userdata = order->userdata;
        timer_init(&child->deadline, on_deadline, child);

        r = start(child, order);
        if (r == 0)
                r = watch_it(child, event);
        if (r == 0)
                r = timer_set(timers, &child->deadline,
                              usec_add(clock_boot_usec(clock), order->timeout_usec));
        if (r < 0)
                return r;
        *ret = take_ptr(child);
        return 0;
}

struct child *child_free(struct child *child)
{
        siginfo_t info;

        if (!child)
                return NULL;
        sd_event_source_disable_unref(child->on_exit);
        sd_event_source_disable_unref(child->on_output);
        timer_stop(child->timers, &child->deadline);
        if (child->pidfd >= 0) {
                kill_all(child);
                /* One that hangs in the kernel is not waited for: it is somebody's zombie later on. */
                (void)poll(&(struct pollfd){ .fd = child->pidfd, .events = POLLIN }, 1, REAP_MSEC);
                (void)reap(child, &info);
        }
        if (child->pidfd >= 0)
                close(child->pidfd);
        if (child->output >= 0)
                close(child->output);
        free(child);
        return NULL;
}
