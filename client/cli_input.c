/*
 * Reading secrets and bodies from standard input; a terminal
 * shows nothing of a secret, and is left as it was.
 */
#include "client/cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

enum {
        SECRET_MAX = 64 * 1024,
        READ_STEP = 4096,
};

int cli_read_all(const struct cli *cli, size_t most, struct secret_buf *ret)
{
        *ret = (struct secret_buf)SECRET_BUF_INIT(most + 2 * READ_STEP);
        for (;;) {
                ssize_t n;
                int r;

                r = secret_buf_reserve(ret, READ_STEP);
                if (r < 0)
                        return cli_fault(cli, "reading standard input", r);
                n = read(STDIN_FILENO, ret->data + ret->n, READ_STEP);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return cli_fault(cli, "reading standard input", errno);
                if (n == 0)
                        return EX_OK;
                ret->n += (size_t)n;
                ret->data[ret->n] = '\0';
                if (ret->n > most)
                        return cli_misuse(cli, "standard input holds more than %zu bytes", most);
        }
}

/* ---- a terminal ---- */

/* The prompt comes when nothing of what is typed can be seen any more. */
static int hide_typing(const char *prompt, struct termios *ret_before)
{
        struct termios hidden;

        if (tcgetattr(STDIN_FILENO, ret_before) < 0)
                return -errno;
        hidden = *ret_before;
        hidden.c_lflag &= (tcflag_t)~ECHO;
        if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) < 0)
                return -errno;
        fputs(prompt, stderr);
        fflush(stderr);
        return 0;
}

static void restore_terminal(const struct termios *before)
{
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, before);
        fputc('\n', stderr);
}

/*
 * The signal does what it would have done, on a terminal
 * that is as it was; after a stop, typing goes on hidden.
 */
static int pass_signal_on(int signal_fd, const sigset_t *signals, const char *prompt, struct termios *before)
{
        struct signalfd_siginfo info;

        if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
                return 0;
        restore_terminal(before);
        (void)raise((int)info.ssi_signo);
        (void)sigprocmask(SIG_UNBLOCK, signals, NULL);
        (void)sigprocmask(SIG_BLOCK, signals, NULL);
        return hide_typing(prompt, before);
}

static bool is_key(const struct secret_buf *buf)
{
        static const char begin[] = "-----BEGIN ";

        return buf->n >= sizeof(begin) - 1 && memcmp(buf->data, begin, sizeof(begin) - 1) == 0;
}

/* What comes behind the first line of a key would be read, and shown, by the shell. */
static bool is_whole(const struct secret_buf *buf, enum cli_secret_kind kind)
{
        if (buf->n == 0 || buf->data[buf->n - 1] != '\n')
                return false;
        return kind != CLI_SECRET_OR_KEY || !is_key(buf) || strstr(buf->data, "\n-----END ");
}

/* Until it is whole. */
static int read_line(int signal_fd, const sigset_t *signals, const char *prompt, enum cli_secret_kind kind,
                     struct termios *before, struct secret_buf *ret)
{
        struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
                                { .fd = signal_fd, .events = POLLIN } };

        while (!is_whole(ret, kind)) {
                ssize_t n;
                int r;

                if (poll(fds, 2, -1) < 0 && errno != EINTR)
                        return -errno;
                if (fds[1].revents) {
                        r = pass_signal_on(signal_fd, signals, prompt, before);
                        if (r < 0)
                                return r;
                        continue;
                }
                r = secret_buf_reserve(ret, READ_STEP);
                if (r < 0)
                        return r;
                n = read(STDIN_FILENO, ret->data + ret->n, READ_STEP);
                if (n < 0 && errno != EINTR && errno != EAGAIN)
                        return -errno;
                if (n == 0)
                        break;
                if (n > 0) {
                        ret->n += (size_t)n;
                        ret->data[ret->n] = '\0';
                }
        }
        return 0;
}

static int read_hidden_line(const struct cli *cli, const char *prompt, enum cli_secret_kind kind,
                            struct secret_buf *ret)
{
        struct termios before;
        sigset_t signals, old;
        int signal_fd, r;

        sigemptyset(&signals);
        for (size_t i = 0; i < 5; i++)
                sigaddset(&signals, (const int[]){ SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP }[i]);
        signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
        if (signal_fd < 0)
                return cli_fault(cli, "reading from the terminal", errno);
        (void)sigprocmask(SIG_BLOCK, &signals, &old);

        r = hide_typing(prompt, &before);
        if (r == 0) {
                r = read_line(signal_fd, &signals, prompt, kind, &before, ret);
                restore_terminal(&before);
        }
        (void)sigprocmask(SIG_SETMASK, &old, NULL);
        close(signal_fd);
        return r == 0 ? EX_OK : cli_fault(cli, "reading from the terminal", r);
}

/* ---- secrets ---- */

/* One line end is not part of it: `echo` writes one, and so does every editor. */
static void trim_line_end(struct secret_buf *buf)
{
        size_t n = buf->n;

        if (n > 0 && buf->data[n - 1] == '\n')
                n--;
        if (n < buf->n && n > 0 && buf->data[n - 1] == '\r')
                n--;
        if (n < buf->n) {
                buf->n = n;
                buf->data[n] = '\0';
        }
}

static bool is_allowed(char c, enum cli_secret_kind kind, bool key)
{
        if (c > 0x20 && c <= 0x7e)
                return true;
        return (c == ' ' && kind != CLI_SECRET_WORD) || ((c == '\r' || c == '\n') && key);
}

static int check_secret(const struct cli *cli, const struct secret_buf *buf, const char *what,
                        enum cli_secret_kind kind)
{
        bool key = kind == CLI_SECRET_OR_KEY && is_key(buf);

        if (buf->n == 0)
                return cli_misuse(cli, "standard input is empty, where %s should be", what);
        for (size_t i = 0; i < buf->n; i++) {
                if (!is_allowed(buf->data[i], kind, key))
                        return cli_misuse(
                                cli,
                                "what standard input holds is not %s: one line of visible ASCII characters",
                                what);
        }
        return EX_OK;
}

int cli_read_secret(const struct cli *cli, const char *prompt, const char *what, enum cli_secret_kind kind,
                    struct secret **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(SECRET_MAX);
        int r;

        r = isatty(STDIN_FILENO) ? read_hidden_line(cli, prompt, kind, &buf)
                                 : cli_read_all(cli, SECRET_MAX, &buf);
        if (r != EX_OK)
                return r;
        trim_line_end(&buf);
        r = check_secret(cli, &buf, what, kind);
        if (r != EX_OK)
                return r;
        r = secret_buf_take(&buf, ret);
        return r == 0 ? EX_OK : cli_fault(cli, "keeping a secret", r);
}
