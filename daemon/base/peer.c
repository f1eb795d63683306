/* Who is at the other end of a Unix socket. Knows no rule about who may do what. */
#include "daemon/base/peer.h"

#include "common/clock.h"
#include "common/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-login.h>
#include <time.h>
#include <unistd.h>

/* Linux 6.5, younger than the C library's headers. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/*
 * user_namespaces(7): an id that our user namespace does not map looks like this one, which is nobody's only where everything
 * is mapped.
 */
enum { OVERFLOW_ID = 65534 };

enum { GROUPS_MOSTLY = 64 }; /* who is in more costs a second call */

/* A namespace's map is written once, and this process stays in its own: what was read is so for good. */
struct id_map {
        const char *path;
        enum { MAP_UNREAD, MAP_OF_SOME, MAP_OF_ALL } state;
};

static struct id_map uid_map = { .path = "/proc/self/uid_map" };
static struct id_map gid_map = { .path = "/proc/self/gid_map" };

static bool all_ids_are_mapped(struct id_map *map)
{
        char text[128];
        unsigned long long inside, outside, n;

        if (map->state != MAP_UNREAD)
                return map->state == MAP_OF_ALL;
        _cleanup_(closep) int fd = open(map->path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        ssize_t size = read(fd, text, sizeof(text) - 1);
        if (size <= 0)
                return false;
        text[size] = '\0';
        if (sscanf(text, "%llu %llu %llu", &inside, &outside, &n) == 3 && inside == 0 && n == UINT32_MAX)
                map->state = MAP_OF_ALL;
        else
                map->state = MAP_OF_SOME;
        return map->state == MAP_OF_ALL;
}

/* A stranger from another user namespace must not pass for the user nobody. */
static unsigned honest_id(unsigned id, struct id_map *map)
{
        return id == OVERFLOW_ID && !all_ids_are_mapped(map) ? UINT32_MAX : id;
}

static int read_credentials(struct peer *peer, int fd)
{
        struct ucred credentials;
        socklen_t size = sizeof(credentials);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
                return fault(-errno);
        /* A socket without a peer has these, which must never pass for somebody. */
        if (credentials.uid == (uid_t)-1 || credentials.gid == (gid_t)-1)
                return fault(-ENOTCONN);
        peer->pid = credentials.pid;
        peer->uid = honest_id(credentials.uid, &uid_map);
        peer->gid = honest_id(credentials.gid, &gid_map);
        return 0;
}

void peer_find_groups(struct peer *peer)
{
        gid_t few[GROUPS_MOSTLY];
        socklen_t size = sizeof(few);
        _cleanup_(freep) gid_t *groups = NULL;

        if (!peer->groups_unread)
                return;
        peer->groups_unread = false;

        int r = getsockopt(peer->fd, SOL_SOCKET, SO_PEERGROUPS, few, &size);
        if (r < 0 && errno != ERANGE)
                return;
        groups = malloc(size > 0 ? size : 1);
        if (!groups)
                return;
        if (r == 0)
                memcpy(groups, few, size);
        else if (getsockopt(peer->fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
                return;

        peer->groups = take_ptr(groups);
        peer->n_groups = size / sizeof(gid_t);
        for (size_t i = 0; i < peer->n_groups; i++)
                peer->groups[i] = honest_id(peer->groups[i], &gid_map);
}

int peer_from_socket(struct peer **ret, int fd)
{
        _cleanup_(peer_freep) struct peer *peer = calloc(1, sizeof(*peer));
        if (!peer)
                return fault(-ENOMEM);
        peer->fd = fd;
        peer->groups_unread = true;
        peer->seen_usec = clock_boot_usec(&clock_system);
        int r = read_credentials(peer, fd);
        if (r < 0)
                return r;
        *ret = take_ptr(peer);
        return 0;
}

struct peer *peer_free(struct peer *peer)
{
        if (!peer)
                return NULL;
        free(peer->groups);
        free(peer->unit);
        free(peer->user_unit);
        free(peer);
        return NULL;
}

/*
 * libsystemd reads four files for a process's units, and they follow from its cgroups alone: those that were seen last are remembered by
 * what /proc says of them, which is read each time.
 */
enum { CGROUP_TEXT_MAX = 1024, UNIT_NAME_SIZE = 256, PLACES = 8 };

struct place {
        char cgroup[CGROUP_TEXT_MAX];
        char unit[UNIT_NAME_SIZE], user_unit[UNIT_NAME_SIZE]; /* "": none */
};

static struct place places[PLACES];
static unsigned n_places_seen;

/* False: it cannot be read, or is too long to be remembered. */
static bool read_cgroup(pid_t pid, char text[static CGROUP_TEXT_MAX])
{
        char path[64];

        snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        ssize_t n = read(fd, text, CGROUP_TEXT_MAX);
        if (n <= 0 || n >= CGROUP_TEXT_MAX)
                return false;
        text[n] = '\0';
        return true;
}

static const struct place *recall(const char *cgroup)
{
        for (size_t i = 0; i < PLACES; i++)
                if (strcmp(places[i].cgroup, cgroup) == 0)
                        return &places[i];
        return NULL;
}

static void remember(const char *cgroup, const char *unit, const char *user_unit)
{
        struct place *place;

        if ((unit && strlen(unit) >= UNIT_NAME_SIZE) || (user_unit && strlen(user_unit) >= UNIT_NAME_SIZE))
                return;
        place = &places[n_places_seen++ % PLACES];
        strcpy(place->cgroup, cgroup);
        strcpy(place->unit, unit ? unit : "");
        strcpy(place->user_unit, user_unit ? user_unit : "");
}

/* A user's units are within the one of the user's manager, user@1000.service, or of another such instance, or within a session's scope. */
static bool may_hold_user_units(const char *unit)
{
        const char *suffix = strrchr(unit, '.');

        return strchr(unit, '@') || !suffix || strcmp(suffix, ".service") != 0;
}

static void ask_for_units(pid_t pid, char **ret_unit, char **ret_user_unit)
{
        *ret_user_unit = NULL;
        if (sd_pid_get_unit(pid, ret_unit) < 0)
                *ret_unit = NULL;
        else if (may_hold_user_units(*ret_unit) && sd_pid_get_user_unit(pid, ret_user_unit) < 0)
                *ret_user_unit = NULL;
}

static void find_units(pid_t pid, char **ret_unit, char **ret_user_unit)
{
        char before[CGROUP_TEXT_MAX], after[CGROUP_TEXT_MAX];
        const struct place *place;

        if (!read_cgroup(pid, before)) {
                ask_for_units(pid, ret_unit, ret_user_unit);
                return;
        }
        place = recall(before);
        if (place) {
                *ret_unit = place->unit[0] ? strdup(place->unit) : NULL;
                *ret_user_unit = place->user_unit[0] ? strdup(place->user_unit) : NULL;
                return;
        }
        ask_for_units(pid, ret_unit, ret_user_unit);
        /* It may have been moved meanwhile. */
        if (read_cgroup(pid, after) && strcmp(before, after) == 0)
                remember(before, *ret_unit, *ret_user_unit);
}

/* proc(5): field 22 of stat, in clock ticks since boot. The second field may hold blanks and brackets. */
static bool read_start_ticks(pid_t pid, unsigned long long *ret)
{
        char path[64], text[1024];

        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        ssize_t n = read(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return false;
        text[n] = '\0';
        const char *at = strrchr(text, ')');
        for (int field = 2; at && field < 22; field++)
                at = strchr(at + 1, ' ');
        return at && sscanf(at, " %llu", ret) == 1;
}

/* Ticks are rounded down, so that a process of the very tick of connecting counts as the one that connected. */
static bool started_before(pid_t pid, uint64_t usec)
{
        unsigned long long ticks;
        long per_sec = sysconf(_SC_CLK_TCK);

        if (per_sec <= 0 || !read_start_ticks(pid, &ticks))
                return false;
        return (unsigned __int128)ticks * USEC_PER_SEC <= (unsigned __int128)usec * (unsigned long)per_sec;
}

/* pidfd_open(2): readable once the process has ended. */
static bool lives(int pidfd)
{
        struct pollfd ended = { .fd = pidfd, .events = POLLIN };

        return poll(&ended, 1, 0) == 0;
}

/*
 * The socket keeps hold of the process that connected, so that its descriptor is of no other one however late it is asked for.
 * False: the process is gone, and whoever has its pid now is somebody else. *ret_pidfd -1: this kernel has none.
 */
static bool open_pidfd(const struct peer *peer, int *ret_pidfd)
{
        socklen_t size = sizeof(*ret_pidfd);

        if (getsockopt(peer->fd, SOL_SOCKET, SO_PEERPIDFD, ret_pidfd, &size) == 0)
                return true;
        *ret_pidfd = -1;
        return errno == ENOPROTOOPT;
}

void peer_find_unit(struct peer *peer)
{
        _cleanup_(freep) char *unit = NULL;
        _cleanup_(freep) char *user_unit = NULL;
        _cleanup_(closep) int pidfd = -1;

        if (peer->unit_known)
                return;
        peer->unit_known = true;
        if (peer->pid <= 0 || !open_pidfd(peer, &pidfd))
                return;
        find_units(peer->pid, &unit, &user_unit);
        if (pidfd >= 0 ? !lives(pidfd) : !started_before(peer->pid, peer->seen_usec))
                return;
        peer->unit = take_ptr(unit);
        peer->user_unit = take_ptr(user_unit);
}
