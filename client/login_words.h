/*
 * What a person who logs in sees at the terminal; programs see none of it but the address. Knows no daemon.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct invitation {
        const char *name; /* of the credential */
        const char *address; /* to open */
        bool program; /* standard output is the address alone */
        bool opened; /* a browser was asked to open it */
        unsigned port; /* where the browser comes back to on this machine; 0: nowhere */
};

/* Where to go. Hints go to standard error, where that is a terminal. */
void login_invite(const struct invitation *invitation);

/* One line that helps a person and nobody else: on standard error, where that is a terminal. */
void login_hint(const char *text);

/* A line that takes the place of the last one, until something else is said; "" takes it away. */
void login_progress(const char *text);

/* "9:41", rounded up. Returns buffer. */
const char *login_time_left(uint64_t usec, char *buffer, size_t size);

/*
 * The command that brings a port of this machine to where the person sits. ssh_connection: as sshd sets it,
 * "CLIENT PORT SERVER PORT"; NULL, as user may be, where that is not known. Returns buffer.
 */
const char *login_forwarding(unsigned port, const char *user, const char *ssh_connection, char *buffer,
                             size_t size);
