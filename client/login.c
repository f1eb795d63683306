/*
 * purser login: shows the person where to go, catches the redirect, and hands it to the daemon, which has
 * state, verifier and client secret. This program never sees a token.
 */
#include "client/browser.h"
#include "client/cli.h"
#include "client/login_device.h"
#include "client/login_line.h"
#include "client/login_words.h"
#include "client/loopback.h"
#include "client/output.h"
#include "client/page.h"
#include "common/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#define ADMIN "io.purser.Admin."

enum {
        CANCEL_TIMEOUT_MSEC = 2000, /* a courtesy must not keep anybody waiting */
        REDIRECT_MAX = 64 * 1024,
        STATUS_SIGNAL = 128, /* plus the signal's number, as shells have it */
        HTTP_OK = 200,
        HTTP_BAD_REQUEST = 400,
        HTTP_FORBIDDEN = 403,
        HTTP_BAD_GATEWAY = 502,
        HTTP_UNAVAILABLE = 503,
};

struct options {
        const char *client, *description;
        bool no_browser, paste, device, switch_account;
};

struct login {
        struct cli *cli;
        struct options options;
        json_t *begun;
        const char *id, *url, *redirect_uri; /* of what was begun */
        uint64_t deadline; /* boot time */
        sigset_t signals;
        int signal_fd;
};

/* ---- words ---- */

/* Standard output is the URL's alone where a program may read it. */
static FILE *report_stream(const struct login *login)
{
        return login->options.no_browser || login->options.paste ? stderr : stdout;
}

/* ---- the daemon's part ---- */

/* It goes to a terminal, and alone on a line to programs. */
static bool is_visible(const char *url)
{
        for (const char *p = url; *p; p++)
                if (*p < 0x21 || *p > 0x7e)
                        return false;
        return *url != '\0';
}

static int begin(struct login *login)
{
        _cleanup_(cli_parameters_done) struct cli_parameters parameters = CLI_PARAMETERS_INIT;
        struct cli *cli = login->cli;
        int64_t expires_in;
        int r;

        cli_add_text(&parameters, "credential", cli->subject);
        cli_add_text(&parameters, "client", login->options.client);
        cli_add_text(&parameters, "description", login->options.description);
        r = cli_call(cli, ADMIN "BeginAuthorization", &parameters, 0, &login->begun);
        if (r != EX_OK)
                return r;

        login->id = cli_text(login->begun, "login");
        login->url = cli_text(login->begun, "authorization_url");
        login->redirect_uri = cli_text(login->begun, "redirect_uri");
        expires_in = cli_number(login->begun, "expires_in", 0);
        login->deadline = usec_add(clock_boot_usec(&clock_system),
                                   (uint64_t)(expires_in > 0 ? expires_in : 0) * USEC_PER_SEC);
        if (!login->id || !login->url || !login->redirect_uri || !is_visible(login->url)) {
                cli_say(cli, "the answer of purserd makes no sense; is it of another version?");
                return EX_PROTOCOL;
        }
        return EX_OK;
}

static void cancel(struct login *login)
{
        _cleanup_(cli_parameters_done) struct cli_parameters parameters = CLI_PARAMETERS_INIT;

        cli_add_text(&parameters, "login", login->id);
        if (cli_parameters_end(login->cli, &parameters) != EX_OK)
                return;
        purser_set_timeout(login->cli->purser, CANCEL_TIMEOUT_MSEC);
        purser_set_patience(login->cli->purser, 0);
        (void)purser_call(login->cli->purser, ADMIN "CancelAuthorization", parameters.text.data,
                          PURSER_CALL_IDEMPOTENT, NULL);
}

/* What came of a redirect. */
struct outcome {
        bool goes_on; /* it was not this login's redirect */
        int status; /* exit status */
        char line[1024]; /* what is wrong, and what to do; "" when all is well */
        json_t *reply;
};

static void outcome_done(struct outcome *outcome)
{
        json_decref(outcome->reply);
}

/* An interrupt ends the program here: the code is out of our hands by now. */
static void complete(struct login *login, const struct secret *redirect, struct outcome *ret)
{
        static const char method[] = ADMIN "CompleteAuthorization";
        _cleanup_(cli_parameters_done) struct cli_parameters parameters = CLI_PARAMETERS_INIT;
        struct cli *cli = login->cli;
        const char *error;
        char *text = NULL;
        int r;

        cli_add_text(&parameters, "login", login->id);
        cli_add_secret(&parameters, "redirect", redirect);
        cli_add_true(&parameters, "switch_account", login->options.switch_account);
        ret->status = cli_parameters_end(cli, &parameters);
        if (ret->status != EX_OK)
                return;

        login_progress("The provider has answered: getting the grant, and testing it ... ");
        (void)sigprocmask(SIG_UNBLOCK, &login->signals, NULL);
        r = purser_call(cli->purser, method, parameters.text.data, 0, &text);
        (void)sigprocmask(SIG_BLOCK, &login->signals, NULL);
        login_progress("");
        if (r == PURSER_OK) {
                ret->status = cli_parse_reply(cli, text, &ret->reply);
                purser_text_free(text);
                return;
        }
        error = purser_error_name(cli->purser);
        ret->goes_on = error && strcmp(error, ADMIN "RedirectMismatch") == 0;
        ret->status = cli_explain(cli, method, r, ret->line, sizeof(ret->line));
}

/* Tells the person at the terminal. Gives the exit status. */
static int tell(const struct login *login, const struct outcome *outcome)
{
        if (outcome->reply)
                return cli_tell_grant(login->cli, report_stream(login), outcome->reply);
        if (*outcome->line)
                cli_say(login->cli, "%s", outcome->line);
        return outcome->status;
}

/* ---- a redirect that a browser brings ---- */

static unsigned http_status(const struct outcome *outcome)
{
        if (outcome->reply)
                return HTTP_OK;
        if (outcome->goes_on)
                return HTTP_BAD_REQUEST;
        if (outcome->status == EX_NOPERM)
                return HTTP_FORBIDDEN;
        return outcome->status == EX_TEMPFAIL ? HTTP_UNAVAILABLE : HTTP_BAD_GATEWAY;
}

static void make_page(const struct login *login, const struct outcome *outcome, struct page *page,
                      char *title, size_t size)
{
        const json_t *test = json_object_get(outcome->reply, "test");
        const char *state = cli_text(outcome->reply, "state");
        const char *account = cli_text(json_object_get(test, "account"), "name");

        *page = (struct page){ .kind = PAGE_REFUSED, .title = title, .text = outcome->line };
        if (outcome->goes_on) {
                snprintf(title, size, "This is not the login that is waiting");
                page->text = NULL;
                page->detail = "The login goes on waiting for its own answer.";
        } else if (!outcome->reply) {
                snprintf(title, size, "%s is not connected", login->cli->subject);
        } else if (state && strcmp(state, "pending") == 0) {
                page->kind = PAGE_WAITING;
                snprintf(title, size, "%s is saved, and not tested yet", login->cli->subject);
                page->text = cli_text(test, "message");
                page->detail = "The test is tried again by itself. You can close this page.";
        } else {
                page->kind = PAGE_DONE;
                /* The name is what a person knows; the id stands for one that has none. */
                if (!account || !*account)
                        account = cli_text(json_object_get(test, "account"), "id");
                snprintf(title, size, "%s is connected%s%s", login->cli->subject, account ? " to " : "",
                         account ? account : "");
                page->text = cli_text(test, "version_warning");
                page->detail = "You can close this page.";
        }
}

static void answer(const struct login *login, struct loopback *loopback, const struct outcome *outcome)
{
        struct page page;
        char title[768], *html;

        make_page(login, outcome, &page, title, sizeof(title));
        html = page_render(&page);
        loopback_answer(loopback, http_status(outcome), html ? html : "");
        free(html);
}

static int interrupted(const struct login *login)
{
        struct signalfd_siginfo info = { 0 };

        (void)!read(login->signal_fd, &info, sizeof(info));
        cli_say(login->cli, "interrupted; nothing was changed");
        return STATUS_SIGNAL + (int)info.ssi_signo;
}

static int too_late(const struct login *login)
{
        cli_say(login->cli, "nobody came back from the provider in time; begin again with `purser login %s`",
                login->cli->subject);
        return EX_TEMPFAIL;
}

/* Waits as loopback_wait() does, and counts down for the person who looks on. */
static int wait_visibly(const struct login *login, struct loopback *loopback, struct secret **ret)
{
        for (;;) {
                uint64_t now = clock_boot_usec(&clock_system), turn = usec_add(now, USEC_PER_SEC);
                char left[32], text[128];
                int r;

                login_time_left(login->deadline > now ? login->deadline - now : 0, left, sizeof(left));
                snprintf(text, sizeof(text),
                         "Waiting for the browser to come back: %s left (Ctrl-C ends this) ", left);
                login_progress(text);
                r = loopback_wait(loopback, login->signal_fd, turn < login->deadline ? turn : login->deadline,
                                  ret);
                if (r != LOOPBACK_E_TIMEOUT || turn >= login->deadline) {
                        login_progress("");
                        return r;
                }
        }
}

/* Until a redirect belongs to this login. True when the login is used up: nothing is left to cancel. */
static bool catch_redirects(struct login *login, struct loopback *loopback, int *ret_status)
{
        for (;;) {
                _cleanup_(outcome_done) struct outcome outcome = { 0 };
                _cleanup_(secret_freep) struct secret *redirect = NULL;
                int r;

                r = wait_visibly(login, loopback, &redirect);
                if (r != 0) {
                        *ret_status = r == LOOPBACK_E_INTERRUPTED ? interrupted(login)
                                      : r == LOOPBACK_E_TIMEOUT
                                              ? too_late(login)
                                              : cli_fault(login->cli, "waiting for the redirect", r);
                        return false;
                }
                complete(login, redirect, &outcome);
                answer(login, loopback, &outcome);
                if (!outcome.goes_on) {
                        *ret_status = tell(login, &outcome);
                        return true;
                }
                login_hint("A redirect came that does not belong to this login: waiting for the right one.");
        }
}

/* What a program reads is the provider's own address; so is what nobody here could lead to. */
static bool is_for_program(const struct login *login)
{
        return login->options.no_browser || login->options.paste || !isatty(STDOUT_FILENO);
}

/* A browser's arguments are seen by all: what stands there leads to the provider once. */
static bool open_browser(struct loopback *loopback, const char *url)
{
        const char *address;

        return loopback_lead(loopback, url, true, &address) == 0 && browser_open(address);
}

/* A provider that was told beforehand what is asked for does not keep that for long. */
static void hint_at_end(const struct login *login)
{
        int64_t seconds = cli_number(login->begun, "authorization_url_expires_in", 0);
        char text[128];

        if (seconds <= 0)
                return;
        snprintf(text, sizeof(text),
                 "Within %" PRIi64 " seconds: the provider keeps what this address stands for no longer.",
                 seconds);
        login_hint(text);
}

static void invite(const struct login *login, struct loopback *loopback, unsigned port)
{
        struct invitation invitation = {
                .name = login->cli->subject,
                .address = login->url,
                .program = is_for_program(login),
                .port = port,
        };

        if (!login->options.no_browser && loopback)
                invitation.opened = open_browser(loopback, login->url);
        if (!invitation.program)
                (void)loopback_lead(loopback, login->url, false, &invitation.address);
        login_invite(&invitation);
        hint_at_end(login);
}

static bool by_browser(struct login *login, int *ret_status)
{
        _cleanup_(loopback_freep) struct loopback *loopback = NULL;
        struct cli *cli = login->cli;
        struct diag diag = DIAG_INIT;
        struct loopback_uri uri;
        int r;

        r = loopback_parse_uri(login->redirect_uri, &uri, &diag);
        if (r == LOOPBACK_E_ELSEWHERE) {
                *ret_status = cli_misuse(cli, "%s is not served here, since %s: use --paste",
                                         login->redirect_uri, diag.text);
                return false;
        }
        r = loopback_new(&loopback, &uri, &diag);
        if (r == LOOPBACK_E_PORT) {
                cli_say(cli, "%s; try again when it is free, or use --paste", diag.text);
                *ret_status = EX_TEMPFAIL;
                return false;
        }
        if (r < 0) {
                *ret_status = cli_fault(cli, "listening for the redirect", r);
                return false;
        }
        invite(login, loopback, uri.port);
        return catch_redirects(login, loopback, ret_status);
}

/* ---- a redirect that a person brings ---- */

enum {
        LINE_READ,
        LINE_NONE, /* *ret_status says why */
};

static int read_line(struct login *login, struct secret_buf *input, struct secret **ret, int *ret_status)
{
        struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
                                { .fd = login->signal_fd, .events = POLLIN } };
        bool at_end = false;

        while (!login_take_line(input, at_end, ret)) {
                uint64_t now = clock_boot_usec(&clock_system),
                         msec = (login->deadline - now) / USEC_PER_MSEC + 1;

                if (at_end)
                        *ret_status =
                                cli_misuse(login->cli, "standard input ended before the redirected URL came");
                else if (now >= login->deadline)
                        *ret_status = too_late(login);
                if (at_end || now >= login->deadline)
                        return LINE_NONE;

                if (poll(fds, 2, msec < INT_MAX ? (int)msec : INT_MAX) < 0)
                        continue;
                if (fds[1].revents) {
                        *ret_status = interrupted(login);
                        return LINE_NONE;
                }
                if (fds[0].revents)
                        at_end = !login_read_more(input);
        }
        return LINE_READ;
}

static bool by_paste(struct login *login, int *ret_status)
{
        _cleanup_(secret_buf_done) struct secret_buf input = SECRET_BUF_INIT(REDIRECT_MAX);

        invite(login, NULL, 0);
        for (;;) {
                _cleanup_(outcome_done) struct outcome outcome = { 0 };
                _cleanup_(secret_freep) struct secret *redirect = NULL;

                login_hint("Then paste the address that the browser ends at, whatever page it shows:");
                if (read_line(login, &input, &redirect, ret_status) != LINE_READ)
                        return false;
                if (secret_size(redirect) == 0)
                        continue;
                complete(login, redirect, &outcome);
                if (!outcome.goes_on) {
                        *ret_status = tell(login, &outcome);
                        return true;
                }
                /* A person may paste another one; a program has had its turn. */
                if (!isatty(STDIN_FILENO)) {
                        *ret_status = tell(login, &outcome);
                        return false;
                }
                login_hint("This address does not belong to the login.");
        }
}

/* ---- the command ---- */

static int watch_signals(struct login *login)
{
        sigemptyset(&login->signals);
        sigaddset(&login->signals, SIGINT);
        sigaddset(&login->signals, SIGTERM);
        sigaddset(&login->signals, SIGHUP);
        (void)sigprocmask(SIG_BLOCK, &login->signals, NULL);
        login->signal_fd = signalfd(-1, &login->signals, SFD_CLOEXEC | SFD_NONBLOCK);
        return login->signal_fd < 0 ? cli_fault(login->cli, "watching for signals", errno) : EX_OK;
}

static int run_login(struct cli *cli, int argc, char **argv)
{
        struct login login = { .cli = cli, .signal_fd = -1 };
        const struct cli_option options[] = {
                { "client", "CLIENT", "the client to use, where there is more than one", CLI_TEXT,
                  &login.options.client },
                { "description", "TEXT", "what the credential is for", CLI_TEXT, &login.options.description },
                { "no-browser", NULL, "print the URL alone, and open nothing", CLI_FLAG,
                  &login.options.no_browser },
                { "paste", NULL, "read the redirected URL from standard input", CLI_FLAG,
                  &login.options.paste },
                { "device", NULL, "show a code to enter at any other device", CLI_FLAG,
                  &login.options.device },
                { "switch-account", NULL, "let a grant of another account replace the old one", CLI_FLAG,
                  &login.options.switch_account },
        };
        bool is_over = false;
        int status;

        status = cli_parse(cli, options, sizeof(options) / sizeof(options[0]), 1, 1, argc, argv);
        if (status != CLI_GO_ON)
                return status;

        if (login.options.device && (login.options.paste || login.options.no_browser))
                return cli_misuse(cli, "--device goes without --paste and --no-browser");
        if (login.options.device)
                return login_by_device(cli, &(struct device_options){ login.options.client,
                                                                      login.options.description,
                                                                      login.options.switch_account });

        /* purserd may have to ask the provider first; whoever does not wait for that ends all of it. */
        status = begin(&login);
        if (status == EX_OK)
                is_over = (status = watch_signals(&login)) == EX_OK &&
                          (login.options.paste ? by_paste(&login, &status) : by_browser(&login, &status));
        if (login.id && !is_over)
                cancel(&login);

        json_decref(login.begun);
        if (login.signal_fd >= 0)
                close(login.signal_fd);
        return status;
}

static const struct cmd cmd_login = {
        .name = "login",
        .synopsis = "NAME",
        .summary = "Have a person authorize a credential, in a browser",
        .details = "The credential NAME is made where there is none. Without --paste, the redirect of the "
                   "browser is caught on this "
                   "machine, so that the client's redirect_uri must be one of http://127.0.0.1, http://[::1] "
                   "or http://localhost.",
        .run = run_login,
};

int main(int argc, char **argv)
{
        struct cli cli = { .cmd = &cmd_login };
        int status;

        cli_init();
        (void)signal(SIGPIPE, SIG_IGN);
        status = cmd_login.run(&cli, argc, argv);
        purser_close(cli.purser);
        return cli_finish(status);
}
