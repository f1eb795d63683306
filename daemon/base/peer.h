/*
 * Who is at the other end of a Unix socket, by the kernel's word alone: SO_PEERCRED, SO_PEERGROUPS, SO_PEERPIDFD where there
 * is one, and from the process its systemd unit. Nothing that the caller says counts.
 */
#pragma once

#include "common/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct peer {
        pid_t pid; /* 0: in a pid namespace that we cannot see */
        uid_t uid; /* -1: of a user namespace that ours does not map, and so nobody's here; gid and groups likewise */
        gid_t gid;
        int fd; /* the socket, borrowed: what few rules ask for is read from it when one does */
        bool groups_unread; /* peer_find_groups() was not called yet */
        gid_t *groups; /* supplementary, when the peer connected */
        size_t n_groups;
        uint64_t seen_usec; /* boot time when the connection was taken */
        bool unit_known;
        char *unit; /* system unit, "jobber-sync.service"; NULL: none, or it cannot be told */
        char *user_unit; /* unit of the user's manager; NULL likewise */
};

/* fd must stay open while the peer is asked for groups or units. */
int peer_from_socket(struct peer **ret, int fd);
struct peer *peer_free(struct peer *peer);
DEFINE_FREEP(struct peer *, peer_free)

/* Reads the groups once; one that cannot be read of is in none. They are those of the moment of connecting, whenever they are read. */
void peer_find_groups(struct peer *peer);

/*
 * Looks the units up once and remembers them. With a pidfd the process is seen to be alive after its cgroup was read, so
 * that a pid used again cannot fool it; without one, the process's start time is compared with the moment of connecting.
 */
void peer_find_unit(struct peer *peer);
