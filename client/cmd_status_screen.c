/*
 * purser status --watch on a terminal: one screen, painted over itself each second and whenever the terminal changes its size. It is the
 * alternate screen, so that what was there before is there afterwards, however this ends: signals that end or stop the program put the
 * terminal right first.
 */
#include "client/cmd_status.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/*
 * The alternate screen, no cursor, lines that are cut rather than wrapped; and all of it back. It is left empty: where the terminal has
 * grown meanwhile, tmux would wrap what is on it to the old width, and leave some of that behind.
 */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[H\033[J\033[?7h\033[?25h\033[?1049l"

enum {
        PAUSE_MSEC = 1000,
        PAUSE_PER_CALL = 5, /* a call that takes long is made less often: so many times what it took */
};

/* ---- the terminal, from signal handlers, too ---- */

static void put(const char *sequence)
{
        int saved = errno;

        if (write(STDOUT_FILENO, sequence, strlen(sequence)) < 0)
                errno = saved;
}

static void handle(int number, void (*handler)(int number))
{
        struct sigaction action = { .sa_handler = handler };

        sigemptyset(&action.sa_mask);
        (void)sigaction(number, &action, NULL);
}

/* Does to us what the signal would have done, now that the terminal is right. */
static void give_way(int number)
{
        sigset_t one;

        put(LEAVE);
        handle(number, SIG_DFL);
        sigemptyset(&one);
        sigaddset(&one, number);
        (void)raise(number);
        (void)sigprocmask(SIG_UNBLOCK, &one, NULL);
}

static void on_end(int number)
{
        give_way(number);
}

static void on_stop(int number)
{
        int saved = errno;

        give_way(number);
        /* Back in the foreground. */
        handle(number, on_stop);
        put(ENTER);
        errno = saved;
}

/* It need do no more than end the pause. */
static void on_resize(int number)
{
}

static void enter(void)
{
        static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

        for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
                handle(ending[i], on_end);
        handle(SIGTSTP, on_stop);
        handle(SIGCONT, on_resize);
        handle(SIGWINCH, on_resize);
        put(ENTER);
}

static void leave(void)
{
        put(LEAVE);
        handle(SIGTSTP, SIG_DFL);
}

/* ---- painting ---- */

/* From the top, each line to its end, and nothing below; what does not fit is said in the last line. */
static void paint(const char *text)
{
        struct winsize size = { 0 };
        unsigned rows, shown = 0;

        rows = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1 ? size.ws_row - 1u : 23;
        fputs("\033[H", stdout);
        for (const char *end; *text && shown < rows; text = end + 1, shown++) {
                end = strchrnul(text, '\n');
                /* Erased first: behind a line of the whole width the cursor still stands on its last character. */
                printf("\033[K%.*s\n", (int)(end - text), text);
                if (!*end) {
                        text = end;
                        break;
                }
        }
        fputs(*text ? "\033[J... more than fits here" : "\033[J", stdout);
        fflush(stdout);
}

static bool render(const struct cli *cli, const json_t *status, const char *trouble)
{
        struct status_view view = {
                .status = status, .now = time(NULL), .columns = output_columns(stdout), .trouble_first = true
        };
        char *text = NULL, date[48];
        bool rendered = true;
        size_t n;
        FILE *out;

        out = open_memstream(&text, &n);
        if (!out)
                return false;
        fprintf(out, "%s  (Ctrl-C ends this)\n", output_time(view.now, date, sizeof(date)));
        if (trouble)
                output_wrapped(out, 0, view.columns, STYLE_BAD, trouble);
        if (status && cli->subject)
                status_print_story(out, &view);
        else if (status)
                rendered = status_print_table(out, &view);
        if (fclose(out) != 0 || !rendered) {
                free(text);
                return false;
        }
        paint(text);
        free(text);
        return true;
}

/* ---- watching ---- */

static int64_t now_msec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A daemon that is away, or busy, is waited for. */
static bool may_pass(int result)
{
        return result == PURSER_E_NO_DAEMON || result == PURSER_E_TIMEOUT || result == PURSER_E_AGAIN;
}

/* What was last known stays on the screen, under the trouble. */
static int look(struct cli *cli, const char *parameters, json_t **status, char *trouble, size_t size)
{
        json_t *fresh = NULL;
        char *text;
        int r;

        trouble[0] = '\0';
        r = purser_call(cli->purser, STATUS_METHOD, parameters, PURSER_CALL_IDEMPOTENT, &text);
        if (r == PURSER_OK) {
                r = cli_parse_reply(cli, text, &fresh);
                purser_text_free(text);
                if (r != EX_OK)
                        return r;
                json_decref(*status);
                *status = fresh;
                return EX_OK;
        }
        if (!may_pass(r))
                return cli_explain(cli, STATUS_METHOD, r, trouble, size);
        snprintf(trouble, size, "%s; waiting for it. What was last known:", purser_error(cli->purser));
        return EX_OK;
}

int status_watch_screen(struct cli *cli, const char *parameters)
{
        json_t *status = NULL;
        char trouble[1024];
        int r;

        output_colour_as(stdout);
        purser_set_patience(cli->purser, 0);
        enter();
        for (;;) {
                int64_t begun = now_msec(), pause;

                r = look(cli, parameters, &status, trouble, sizeof(trouble));
                if (r == EX_OK && !render(cli, status, trouble[0] ? trouble : NULL))
                        r = EX_OSERR;
                if (r != EX_OK)
                        break;
                pause = (now_msec() - begun) * PAUSE_PER_CALL;
                (void)poll(NULL, 0, (int)(pause > PAUSE_MSEC ? pause : PAUSE_MSEC));
        }
        leave();
        json_decref(status);
        if (trouble[0])
                cli_say(cli, "%s", trouble);
        return r;
}
