/*
 * Shows where the person goes and which code they enter, and waits with a count-down while the daemon asks the provider. An interrupt ends this
 * program and its connection, and with that the login.
 */
#include "client/login_device.h"

#include "client/output.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

#define ADMIN "io.purser.Admin."

enum {
        ANSWER_SEC = 60, /* beyond the life of the code: for the last answer and the test */
        CODE_LIFE_MAX_SEC = 24 * 3600,
};

/* ---- the count-down ---- */

/* Only as signals allow: no stdio here. */
static volatile sig_atomic_t seconds_left;

static void put_two_digits(char *at, unsigned number)
{
        at[0] = (char)('0' + number / 10 % 10);
        at[1] = (char)('0' + number % 10);
}

static void on_second(int signal_number)
{
        char line[] = "\rwaiting for the answer: 000:00 left ";
        char *digits = strchr(line, '0');
        unsigned left = seconds_left > 0 ? (unsigned)seconds_left : 0;
        int saved = errno;

        (void)signal_number;
        digits[0] = (char)('0' + left / 6000 % 10);
        put_two_digits(digits + 1, left / 60);
        put_two_digits(digits + 4, left % 60);
        if (seconds_left > 0)
                seconds_left--;
        (void)!write(STDERR_FILENO, line, sizeof(line) - 1);
        errno = saved;
}

static void count_down(int64_t seconds)
{
        const struct sigaction action = { .sa_handler = on_second, .sa_flags = SA_RESTART };
        const struct itimerval every_second = { .it_interval.tv_sec = 1, .it_value.tv_sec = 1 };

        if (!isatty(STDERR_FILENO))
                return;
        seconds_left = (sig_atomic_t)seconds;
        on_second(SIGALRM);
        (void)sigaction(SIGALRM, &action, NULL);
        (void)setitimer(ITIMER_REAL, &every_second, NULL);
}

static void stop_counting(void)
{
        const struct itimerval never = { 0 };

        if (!isatty(STDERR_FILENO))
                return;
        (void)setitimer(ITIMER_REAL, &never, NULL);
        fputs("\r\033[K", stderr);
}

/* ---- the dialogue ---- */

static int begin(struct cli *cli, const struct device_options *options, json_t **ret)
{
        _cleanup_(cli_parameters_done) struct cli_parameters parameters = CLI_PARAMETERS_INIT;
        int r;

        cli_add_text(&parameters, "credential", cli->subject);
        cli_add_text(&parameters, "client", options->client);
        cli_add_text(&parameters, "description", options->description);
        r = cli_call(cli, ADMIN "BeginDeviceAuthorization", &parameters, 0, ret);
        if (r != EX_OK)
                return r;
        if (cli_text(*ret, "login") && cli_text(*ret, "user_code") && cli_text(*ret, "verification_uri"))
                return EX_OK;
        cli_say(cli, "the answer of purserd makes no sense; is it of another version?");
        return EX_PROTOCOL;
}

static void print_field(const char *name, enum output_style style, const char *text)
{
        printf("%-20s ", name);
        output_text(stdout, style, text);
        putchar('\n');
}

static void show(const json_t *begun)
{
        const char *complete = cli_text(begun, "verification_uri_complete");

        print_field("On any device, open", STYLE_STRONG, cli_text(begun, "verification_uri"));
        print_field("and enter the code", STYLE_STRONG, cli_text(begun, "user_code"));
        if (complete)
                print_field("or, with it, open", STYLE_PLAIN, complete);
        fflush(stdout);
}

static int complete(struct cli *cli, const struct device_options *options, const json_t *begun)
{
        _cleanup_(cli_parameters_done) struct cli_parameters parameters = CLI_PARAMETERS_INIT;
        _cleanup_(json_decrefp) json_t *reply = NULL;
        int64_t left = cli_number(begun, "expires_in", 0);
        int r;

        if (left < 0 || left > CODE_LIFE_MAX_SEC)
                left = CODE_LIFE_MAX_SEC;
        cli_add_text(&parameters, "login", cli_text(begun, "login"));
        cli_add_true(&parameters, "switch_account", options->switch_account);
        purser_set_timeout(cli->purser, (int)(left + ANSWER_SEC) * 1000);
        count_down(left);
        r = cli_call(cli, ADMIN "CompleteDeviceAuthorization", &parameters, 0, &reply);
        stop_counting();
        return r == EX_OK ? cli_tell_grant(cli, stdout, reply) : r;
}

int login_by_device(struct cli *cli, const struct device_options *options)
{
        _cleanup_(json_decrefp) json_t *begun = NULL;
        int r = begin(cli, options, &begun);

        if (r != EX_OK)
                return r;
        show(begun);
        return complete(cli, options, begun);
}
