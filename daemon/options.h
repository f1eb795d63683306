/* What was said on the command line and in the environment. */
#pragma once

#include <stdbool.h>

struct options {
        const char *config; /* /etc/purser/purser.yaml */
        const char *state_dir; /* the first of $STATE_DIRECTORY, or /var/lib/purser */
        const char *listen; /* NULL: the sockets that were passed */
        const char *providers[2]; /* from the least to the most important */
        const char *credentials_directory; /* $CREDENTIALS_DIRECTORY; NULL: none */
        bool check;
};

enum {
        OPTIONS_E_DONE = 1, /* --help or --version was answered on standard output */
        OPTIONS_E_USAGE, /* told on standard error */
};

/* Strings are borrowed from argv and the environment; ret->state_dir may be cut out of the latter, in place. */
int options_read(struct options *ret, int argc, char **argv);
