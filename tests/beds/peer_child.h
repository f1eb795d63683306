/* A process at the other end of a connection, as the kernel tells of it. */
#pragma once

#include "daemon/base/peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/types.h>

extern pid_t child;

/* Returns our end of a connection whose peer is `child`, which lives until end_child(). `become` runs in it first; may be NULL. */
int connect_child(void (*become)(void));
void end_child(int fd);
struct peer *peer_of(int fd);
