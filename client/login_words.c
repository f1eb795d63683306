/* The words of a login, and the line that counts down. */
#include "client/login_words.h"

#include "client/output.h"
#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void login_hint(const char *text)
{
        if (!isatty(STDERR_FILENO))
                return;
        fflush(stdout);
        output_text(stderr, STYLE_PLAIN, text);
        fputc('\n', stderr);
}

/* A terminal that cannot take a line back is spared the seconds. */
static bool can_rewrite(void)
{
        const char *term = getenv("TERM");

        return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

void login_progress(const char *text)
{
        if (!can_rewrite())
                return;
        fflush(stdout);
        fprintf(stderr, "\r\033[K%s", text);
        fflush(stderr);
}

const char *login_time_left(uint64_t usec, char *buffer, size_t size)
{
        uint64_t seconds = usec / USEC_PER_SEC + (usec % USEC_PER_SEC > 0);

        snprintf(buffer, size, "%" PRIu64 ":%02u", seconds / 60, (unsigned)(seconds % 60));
        return buffer;
}

/* What sshd says is taken for what it looks like, and shown only when it looks like an address. */
static bool take_server(const char *ssh_connection, char host[64], unsigned *ret_port)
{
        static const char address[] = "0123456789abcdefABCDEF.:";

        return ssh_connection && sscanf(ssh_connection, "%*s %*u %63s %u", host, ret_port) == 2 &&
               strspn(host, address) == strlen(host);
}

const char *login_forwarding(unsigned port, const char *user, const char *ssh_connection, char *buffer,
                             size_t size)
{
        char host[64], at[128] = "SERVER", other_port[24] = "";
        unsigned ssh_port;

        if (take_server(ssh_connection, host, &ssh_port)) {
                snprintf(at, sizeof(at), "%s%s%s", user ? user : "", user ? "@" : "", host);
                if (ssh_port != 22)
                        snprintf(other_port, sizeof(other_port), "-p %u ", ssh_port);
        }
        snprintf(buffer, size, "ssh %s-L %u:127.0.0.1:%u %s", other_port, port, port, at);
        return buffer;
}

static void hint_at_elsewhere(const struct invitation *invitation)
{
        char command[256], text[512];

        login_forwarding(invitation->port, getenv("USER"), getenv("SSH_CONNECTION"), command,
                         sizeof(command));
        snprintf(text, sizeof(text), "With a browser on another machine, run this there first:  %s", command);
        login_hint(text);
        snprintf(text, sizeof(text), "Or end this with Ctrl-C, and use `purser login %s --paste`.",
                 invitation->name);
        login_hint(text);
}

void login_invite(const struct invitation *invitation)
{
        if (invitation->opened && !invitation->program)
                printf("The browser opens a page of the provider. If it does not, open this one:\n");
        else
                login_hint(invitation->port ? "Open this page in a browser on this machine:"
                                            : "Open this page in a browser:");
        printf("%s\n", invitation->address);
        fflush(stdout);
        if (!invitation->opened && invitation->port)
                hint_at_elsewhere(invitation);
}
