// links: client/cli_input.c client/cli.c client/cli_options.c client/cli_exit.c client/output.c
// links: client/libpurser.c client/libpurser_bundle.c client/libpurser_link.c client/libpurser_record.c
// links: client/libpurser_slice.c common/
/*
 * Secrets from standard input. A child reads one, from a pipe or from a terminal that the test holds the other end of; it ends
 * with the exit status, and writes what it read to a pipe of its own.
 */
#include "client/cli.h"

#include <errno.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <cmocka.h>

static const struct cmd command = { .name = "import", .synopsis = "NAME" };

static _Noreturn void read_in_child(int result_fd, enum cli_secret_kind kind)
{
        struct cli cli = { .cmd = &command };
        struct secret *secret;
        int r;

        r = cli_read_secret(&cli, "Type: ", "a refresh token", kind, &secret);
        if (r == EX_OK) {
                if (write(result_fd, secret_expose(secret), secret_size(secret)) < 0)
                        r = EX_IOERR;
                secret_free(secret);
        }
        _exit(r);
}

/* Reads until the stream ends. */
static void read_all(int fd, char *buffer, size_t size)
{
        size_t n = 0;
        ssize_t r;

        while (n < size - 1 && (r = read(fd, buffer + n, size - 1 - n)) > 0)
                n += (size_t)r;
        buffer[n] = '\0';
}

static int status_of(pid_t pid)
{
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The exit status; what was read goes to result, what was said on standard error to words. */
static int read_from_pipe(const char *input, size_t n, enum cli_secret_kind kind, char *result, char *words,
                          size_t size)
{
        int in[2], out[2], err[2], status;
        pid_t pid;

        assert_return_code(pipe(in), errno);
        assert_return_code(pipe(out), errno);
        assert_return_code(pipe(err), errno);
        pid = fork();
        if (pid == 0) {
                dup2(in[0], STDIN_FILENO);
                dup2(err[1], STDERR_FILENO);
                close(in[1]);
                read_in_child(out[1], kind);
        }
        close(in[0]);
        close(out[1]);
        close(err[1]);
        signal(SIGPIPE, SIG_IGN);
        for (size_t done = 0; done < n;) {
                ssize_t r = write(in[1], input + done, n - done);

                if (r < 0)
                        break;
                done += (size_t)r;
        }
        close(in[1]);
        read_all(out[0], result, size);
        read_all(err[0], words, size);
        status = status_of(pid);
        close(out[0]);
        close(err[0]);
        return status;
}

static void test_one_line_end_is_not_part_of_a_secret(void **state)
{
        static const struct {
                const char *input, *secret;
        } cases[] = { { "abc", "abc" }, { "abc\n", "abc" }, { "abc\r\n", "abc" }, { "~!\"\n", "~!\"" } };
        char result[256], words[256];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                assert_int_equal(read_from_pipe(cases[i].input, strlen(cases[i].input), CLI_SECRET_WORD,
                                                result, words, sizeof(result)),
                                 EX_OK);
                assert_string_equal(result, cases[i].secret);
                assert_string_equal(words, "");
        }
        assert_int_equal(read_from_pipe("a b\n", 4, CLI_SECRET_LINE, result, words, sizeof(result)), EX_OK);
        assert_string_equal(result, "a b");
}

static void test_a_key_has_several_lines_where_one_may_come(void **state)
{
        static const char key[] = "-----BEGIN PRIVATE KEY-----\nMC4C+/=\n-----END PRIVATE KEY-----\n";
        char result[256], words[256];

        assert_int_equal(
                read_from_pipe(key, sizeof(key) - 1, CLI_SECRET_OR_KEY, result, words, sizeof(result)),
                EX_OK);
        assert_int_equal(strlen(result), sizeof(key) - 2);
        assert_memory_equal(result, key, sizeof(key) - 2);
        assert_int_equal(read_from_pipe("a b\n", 4, CLI_SECRET_OR_KEY, result, words, sizeof(result)), EX_OK);
        assert_string_equal(result, "a b");
        assert_int_equal(read_from_pipe("planted\nb\n", 10, CLI_SECRET_OR_KEY, result, words, sizeof(result)),
                         EX_USAGE);
        assert_null(strstr(words, "planted"));
        assert_int_equal(read_from_pipe(key, sizeof(key) - 1, CLI_SECRET_LINE, result, words, sizeof(result)),
                         EX_USAGE);
        assert_null(strstr(words, "MC4C"));
}

static void test_what_is_no_secret_is_refused_and_not_repeated(void **state)
{
        static const struct {
                const char *input;
                size_t n;
        } cases[] = {
                { "", 0 },
                { "\n", 1 },
                { "\r\n", 2 },
                { "planted\n\n", 9 },
                { "planted\nmore\n", 13 },
                { "planted more", 12 },
                { "planted\tmore", 12 },
                { "planted\0more", 12 },
                { "planted\x1b", 8 },
                { "planted\xc3\xa4", 9 },
                { "planted\r", 8 },
        };
        char result[256], words[512];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                assert_int_equal(
                        read_from_pipe(cases[i].input, cases[i].n, false, result, words, sizeof(result)),
                        EX_USAGE);
                assert_string_equal(result, "");
                assert_null(strstr(words, "planted"));
                assert_non_null(strstr(words, "a refresh token"));
                assert_ptr_equal(strchr(words, '\n'), words + strlen(words) - 1);
        }
}

static void test_more_than_any_secret_is_refused(void **state)
{
        size_t n = 70000;
        char *input = malloc(n), result[256], words[256];

        memset(input, 'x', n);
        assert_int_equal(read_from_pipe(input, n, false, result, words, sizeof(result)), EX_USAGE);
        assert_non_null(strstr(words, "more than 65536 bytes"));
        assert_int_equal(read_from_pipe(input, 65536, CLI_SECRET_WORD, result, words, 16), EX_OK);
        assert_string_equal(result, "xxxxxxxxxxxxxxx");
        free(input);
}

/* ---- terminals ---- */

struct terminal {
        int fd, result_fd;
        pid_t pid;
        char shown[1024];
        size_t n;
};

static void open_terminal(struct terminal *terminal, enum cli_secret_kind kind)
{
        int out[2];

        *terminal = (struct terminal){ 0 };
        assert_return_code(pipe(out), errno);
        terminal->pid = forkpty(&terminal->fd, NULL, NULL, NULL);
        if (terminal->pid == 0)
                read_in_child(out[1], kind);
        close(out[1]);
        terminal->result_fd = out[0];
}

static void read_until(struct terminal *terminal, const char *wanted)
{
        while (!strstr(terminal->shown, wanted)) {
                ssize_t r = read(terminal->fd, terminal->shown + terminal->n,
                                 sizeof(terminal->shown) - 1 - terminal->n);

                if (r <= 0)
                        fail_msg("the terminal ended with: %s", terminal->shown);
                terminal->n += (size_t)r;
        }
}

static bool echoes(const struct terminal *terminal)
{
        struct termios termios;

        assert_return_code(tcgetattr(terminal->fd, &termios), errno);
        return termios.c_lflag & ECHO;
}

static void type(const struct terminal *terminal, const char *keys)
{
        assert_int_equal(write(terminal->fd, keys, strlen(keys)), (ssize_t)strlen(keys));
}

static void close_terminal(struct terminal *terminal)
{
        close(terminal->fd);
        close(terminal->result_fd);
}

static void test_what_is_typed_is_not_shown(void **state)
{
        struct terminal terminal;
        char result[64];

        open_terminal(&terminal, CLI_SECRET_WORD);
        read_until(&terminal, "Type: ");
        assert_false(echoes(&terminal));
        type(&terminal, "planted\n");
        read_all(terminal.result_fd, result, sizeof(result));
        assert_string_equal(result, "planted");
        assert_true(echoes(&terminal));
        read_until(&terminal, "\n");
        assert_string_equal(terminal.shown, "Type: \r\n");
        assert_int_equal(status_of(terminal.pid), EX_OK);
        close_terminal(&terminal);
}

/* Else the shell would get the rest, and show it. */
static void test_a_key_that_is_pasted_is_read_to_its_end(void **state)
{
        static const char key[] = "-----BEGIN PRIVATE KEY-----\nMC4C+/=\n-----END PRIVATE KEY-----";
        struct terminal terminal;
        char result[256];

        open_terminal(&terminal, CLI_SECRET_OR_KEY);
        read_until(&terminal, "Type: ");
        type(&terminal, key);
        type(&terminal, "\n");
        read_all(terminal.result_fd, result, sizeof(result));
        assert_string_equal(result, key);
        read_until(&terminal, "\n");
        assert_string_equal(terminal.shown, "Type: \r\n");
        assert_int_equal(status_of(terminal.pid), EX_OK);
        close_terminal(&terminal);
}

static void test_an_interrupt_leaves_the_terminal_as_it_was(void **state)
{
        struct terminal terminal;
        char result[64];

        open_terminal(&terminal, CLI_SECRET_WORD);
        read_until(&terminal, "Type: ");
        type(&terminal, "half\003");
        read_all(terminal.result_fd, result, sizeof(result));
        assert_string_equal(result, "");
        assert_true(echoes(&terminal));
        assert_int_equal(status_of(terminal.pid), -SIGINT);
        close_terminal(&terminal);
}

static void test_a_terminal_that_ends_gives_no_secret(void **state)
{
        struct terminal terminal;
        char result[64];

        open_terminal(&terminal, CLI_SECRET_WORD);
        read_until(&terminal, "Type: ");
        type(&terminal, "\004");
        read_all(terminal.result_fd, result, sizeof(result));
        assert_string_equal(result, "");
        assert_true(echoes(&terminal));
        read_until(&terminal, "is empty");
        assert_int_equal(status_of(terminal.pid), EX_USAGE);
        close_terminal(&terminal);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_line_end_is_not_part_of_a_secret),
                cmocka_unit_test(test_a_key_has_several_lines_where_one_may_come),
                cmocka_unit_test(test_a_key_that_is_pasted_is_read_to_its_end),
                cmocka_unit_test(test_what_is_no_secret_is_refused_and_not_repeated),
                cmocka_unit_test(test_more_than_any_secret_is_refused),
                cmocka_unit_test(test_what_is_typed_is_not_shown),
                cmocka_unit_test(test_an_interrupt_leaves_the_terminal_as_it_was),
                cmocka_unit_test(test_a_terminal_that_ends_gives_no_secret),
        };

        /* A shell that starts this in the background has it ignored, and what is ignored stays so in every child. */
        signal(SIGINT, SIG_DFL);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
