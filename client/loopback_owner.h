/*
 * Whose connection it is that came to a listener on a loopback address: every user of the machine can make one. The kernel's
 * table of connections tells.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>

enum {
        OWNER_E_NONE = 1, /* no living connection like that: whoever made it does not wait for an answer */
        OWNER_E_UNKNOWN, /* the table cannot be read */
};

/* from, to: the connection's two ends as its maker has them, AF_INET or AF_INET6. table: /proc/net/tcp or tcp6. */
int owner_find(FILE *table, const struct sockaddr *from, const struct sockaddr *to, uid_t *ret);

/* Neither ours, nor root's, nor of whoever became us by sudo or su. False where it cannot be known. */
bool owner_is_stranger(const struct sockaddr *from, const struct sockaddr *to);
