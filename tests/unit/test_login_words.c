// links: client/login_words.c client/output.c common/
#include "client/login_words.h"

#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void test_time_left_is_rounded_up_so_that_nought_is_the_end(void **state)
{
        static const struct {
                uint64_t usec;
                const char *shown;
        } cases[] = {
                { 0, "0:00" },
                { 1, "0:01" },
                { USEC_PER_SEC, "0:01" },
                { USEC_PER_SEC + 1, "0:02" },
                { 59 * USEC_PER_SEC, "0:59" },
                { 60 * USEC_PER_SEC, "1:00" },
                { 599 * USEC_PER_SEC + 999999, "10:00" },
                { 3601 * USEC_PER_SEC, "60:01" },
        };
        char buffer[32];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_string_equal(login_time_left(cases[i].usec, buffer, sizeof(buffer)), cases[i].shown);
}

static void test_forwarding_names_the_machine_that_sshd_tells(void **state)
{
        static const struct {
                const char *user, *connection, *command;
        } cases[] = {
                { "alice", "198.51.100.4 50022 192.0.2.7 22", "ssh -L 8723:127.0.0.1:8723 alice@192.0.2.7" },
                { "alice", "198.51.100.4 50022 192.0.2.7 2222",
                  "ssh -p 2222 -L 8723:127.0.0.1:8723 alice@192.0.2.7" },
                { NULL, "2001:db8::4 50022 2001:db8::7 22", "ssh -L 8723:127.0.0.1:8723 2001:db8::7" },
                { "alice", NULL, "ssh -L 8723:127.0.0.1:8723 SERVER" },
                { "alice", "", "ssh -L 8723:127.0.0.1:8723 SERVER" },
                { "alice", "198.51.100.4 50022 192.0.2.7", "ssh -L 8723:127.0.0.1:8723 SERVER" },
                { "alice", "198.51.100.4 50022 $(reboot) 22", "ssh -L 8723:127.0.0.1:8723 SERVER" },
                { "alice", "198.51.100.4 50022 \033[2J 22", "ssh -L 8723:127.0.0.1:8723 SERVER" },
        };
        char buffer[256];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_string_equal(
                        login_forwarding(8723, cases[i].user, cases[i].connection, buffer, sizeof(buffer)),
                        cases[i].command);
}

/* What a function writes to a standard stream that is a pipe. */
static const char *written_to(int fd, void (*write_it)(void), char *buffer, size_t size)
{
        int fds[2], old = dup(fd);
        ssize_t n;

        assert_return_code(pipe(fds), 0);
        fflush(NULL);
        assert_return_code(dup2(fds[1], fd), 0);
        write_it();
        fflush(NULL);
        assert_return_code(dup2(old, fd), 0);
        close(old);
        close(fds[1]);
        n = read(fds[0], buffer, size - 1);
        close(fds[0]);
        buffer[n > 0 ? n : 0] = '\0';
        return buffer;
}

static void invite_a_program(void)
{
        login_invite(&(struct invitation){ .name = "acme",
                                           .address = "https://id.example/authorize?x=y",
                                           .program = true,
                                           .port = 8723 });
}

static void say_much(void)
{
        invite_a_program();
        login_hint("a hint");
        login_progress("9:59");
}

static void test_a_program_gets_the_address_alone_and_nothing_else(void **state)
{
        char buffer[512];

        assert_string_equal(written_to(STDOUT_FILENO, invite_a_program, buffer, sizeof(buffer)),
                            "https://id.example/authorize?x=y\n");
        assert_string_equal(written_to(STDERR_FILENO, say_much, buffer, sizeof(buffer)), "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_time_left_is_rounded_up_so_that_nought_is_the_end),
                cmocka_unit_test(test_forwarding_names_the_machine_that_sshd_tells),
                cmocka_unit_test(test_a_program_gets_the_address_alone_and_nothing_else),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
