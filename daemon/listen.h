/* The sockets that the daemon answers at: passed by the service manager, or made here. Knows no connection. */
#pragma once

#include "common/cleanup.h"
#include "common/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
        LISTEN_E_IN_USE = 1, /* somebody answers there; diag */
        LISTEN_E_UNUSABLE, /* diag says why and what to do */
};

/* A socket in the file system that is ours to remove. */
struct listen_path {
        char *path; /* NULL: none */
        dev_t dev;
        ino_t ino;
};

/* Makes a listening socket that everybody may connect to. One that is left over, and that nobody answers at, is replaced. */
int listen_bind(const char *path, int *ret_fd, struct listen_path *ret, struct diag *diag);
/* Removes the socket, unless another one has taken its place; safe on a zeroed one. */
void listen_path_done(struct listen_path *path);

/* How many were passed (sd_listen_fds(3)). */
int listen_passed(size_t *ret_n);
/* FileDescriptorName= of the socket that service managers load credentials from; any other name is a socket for callers. */
#define LISTEN_CREDENTIALS_NAME "credentials"

/* The i-th of them, checked: a Unix stream socket that listens; and whether it has the name above. */
int listen_take_passed(size_t i, int *ret_fd, bool *ret_for_credentials, struct diag *diag);
