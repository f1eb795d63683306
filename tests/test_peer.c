// links: daemon/base/
// libs: libsystemd
// ldflags: -Wl,--wrap=sd_pid_get_unit -Wl,--wrap=sd_pid_get_user_unit -Wl,--wrap=getsockopt -Wl,--wrap=open
#include "daemon/base/peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CANNOT_RUN = 77, MANY_GROUPS = 300 };

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* -- the system, as the test has it ----------------------------------------------------------------------------------- */

static int pidfd_error; /* 0: the kernel's own answer */
static pid_t asked_pid;
static unsigned n_asked, n_read;
static void (*while_asking)(void);
static const char *cgroup; /* what /proc says of the peer; NULL: what it does say */
static const char *cgroup_then; /* when it is read again; NULL: the same */

int __real_getsockopt(int fd, int level, int option, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
        if (option != SO_PEERPIDFD || pidfd_error == 0)
                return __real_getsockopt(fd, level, option, value, size);
        errno = pidfd_error;
        return -1;
}

static const char *unit;
static unsigned n_maps_read;

static int open_text(const char *text)
{
        int fd = memfd_create("cgroup", MFD_CLOEXEC);

        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        return fd;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
        int fd;

        if (strstr(path, "id_map"))
                n_maps_read++;
        if (!strstr(path, "/cgroup"))
                return __real_open(path, flags);
        n_read++;
        fd = cgroup ? open_text(cgroup) : __real_open(path, flags);
        if (cgroup_then)
                cgroup = cgroup_then;
        if (while_asking)
                while_asking();
        while_asking = NULL;
        return fd;
}

int __wrap_sd_pid_get_unit(pid_t pid, char **ret);
int __wrap_sd_pid_get_unit(pid_t pid, char **ret)
{
        asked_pid = pid;
        n_asked++;
        *ret = strdup(unit);
        return 0;
}

int __wrap_sd_pid_get_user_unit(pid_t pid, char **ret);
int __wrap_sd_pid_get_user_unit(pid_t pid, char **ret)
{
        return -ENODATA;
}

static int reset(void **state)
{
        pidfd_error = 0;
        asked_pid = 0;
        n_asked = n_read = 0;
        while_asking = NULL;
        unit = "jobber-sync.service";
        cgroup = "0::/system.slice/jobber-sync.service\n";
        cgroup_then = NULL;
        return 0;
}

static struct peer *peer_of(int fd)
{
        struct peer *peer = NULL;

        assert_int_equal(peer_from_socket(&peer, fd), 0);
        return peer;
}

/* -- a child that holds one end --------------------------------------------------------------------------------------- */

static pid_t child;

/* The kernel names the process that made the pair; a child makes one and passes an end over. */
static void send_fd(int over, int fd)
{
        char byte = 0;
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        struct msghdr message = {
                .msg_iov = &(struct iovec){ &byte, 1 },
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };

        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
        if (sendmsg(over, &message, 0) != 1)
                _exit(1);
}

static int receive_fd(int over)
{
        char byte;
        int fd;
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(sizeof(int))];
        } control;
        struct msghdr message = {
                .msg_iov = &(struct iovec){ &byte, 1 },
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };

        assert_int_equal(recvmsg(over, &message, MSG_CMSG_CLOEXEC), 1);
        memcpy(&fd, CMSG_DATA(&control.head), sizeof(int));
        return fd;
}

/* Returns our end of a connection whose peer is `child`, which lives until end_child(). */
static int connect_child(void (*become)(void))
{
        int over[2], pair[2];
        char byte;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, over), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                close(over[0]);
                if (become)
                        become();
                if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                        _exit(1);
                send_fd(over[1], pair[0]);
                close(pair[0]);
                _exit(read(pair[1], &byte, 1) != 1);
        }
        close(over[1]);
        int fd = receive_fd(over[0]);
        close(over[0]);
        return fd;
}

static void end_child(int fd)
{
        int status;

        assert_int_equal(write(fd, "", 1), 1);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        child = 0;
}

/* -- tests ------------------------------------------------------------------------------------------------------------ */

static void test_a_peer_is_who_the_kernel_says(void **state)
{
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        _cleanup_(peer_freep) struct peer *peer = peer_of(pair[0]);
        assert_int_equal(peer->pid, getpid());
        assert_int_equal(peer->uid, geteuid());
        assert_int_equal(peer->gid, getegid());
        assert_false(peer->unit_known);
        close(pair[0]);
        close(pair[1]);
}

static void become_another(void)
{
        static const gid_t groups[] = { 4242, 4343, 4444 };

        if (setgroups(3, groups) < 0 || setgid(12346) < 0 || setuid(12345) < 0)
                _exit(1);
}

static void test_uid_gid_and_supplementary_groups_are_those_of_connecting(void **state)
{
        if (geteuid() != 0)
                skip();
        int fd = connect_child(become_another);
        _cleanup_(peer_freep) struct peer *peer = peer_of(fd);
        assert_int_equal(peer->pid, child);
        assert_int_equal(peer->uid, 12345);
        assert_int_equal(peer->gid, 12346);
        peer_find_groups(peer);
        assert_int_equal(peer->n_groups, 3);
        assert_int_equal(peer->groups[0], 4242);
        assert_int_equal(peer->groups[1], 4343);
        assert_int_equal(peer->groups[2], 4444);
        end_child(fd);
        close(fd);
}

static void become_of_many_groups(void)
{
        gid_t groups[MANY_GROUPS];

        for (unsigned i = 0; i < MANY_GROUPS; i++)
                groups[i] = 5000 + i;
        if (setgroups(MANY_GROUPS, groups) < 0)
                _exit(1);
}

static void test_a_peer_may_be_in_many_groups(void **state)
{
        if (geteuid() != 0)
                skip();
        int fd = connect_child(become_of_many_groups);
        _cleanup_(peer_freep) struct peer *peer = peer_of(fd);
        assert_true(peer->groups_unread);
        peer_find_groups(peer);
        assert_false(peer->groups_unread);
        assert_int_equal(peer->n_groups, MANY_GROUPS);
        for (unsigned i = 0; i < MANY_GROUPS; i++)
                assert_int_equal(peer->groups[i], 5000 + i);
        end_child(fd);
        close(fd);
}

static void test_groups_are_those_of_connecting_however_late_they_are_read(void **state)
{
        if (geteuid() != 0)
                skip();
        int fd = connect_child(become_another);
        _cleanup_(peer_freep) struct peer *peer = peer_of(fd);
        end_child(fd);
        peer_find_groups(peer);
        assert_int_equal(peer->n_groups, 3);
        assert_int_equal(peer->groups[0], 4242);
        close(fd);
}

static void become_groupless(void)
{
        if (setgroups(0, NULL) < 0)
                _exit(1);
}

static void test_a_peer_may_have_no_groups(void **state)
{
        if (geteuid() != 0)
                skip();
        int fd = connect_child(become_groupless);
        _cleanup_(peer_freep) struct peer *peer = peer_of(fd);
        peer_find_groups(peer);
        assert_int_equal(peer->n_groups, 0);
        end_child(fd);
        close(fd);
}

static void write_text(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
                _exit(CANNOT_RUN);
        close(fd);
}

/* In a user namespace where root alone is mapped. */
static int look_from_another_namespace(int fd)
{
        struct peer *peer = NULL;

        if (unshare(CLONE_NEWUSER) < 0)
                return CANNOT_RUN;
        write_text("/proc/self/setgroups", "deny");
        write_text("/proc/self/uid_map", "0 0 1");
        write_text("/proc/self/gid_map", "0 0 1");
        if (peer_from_socket(&peer, fd) != 0)
                return 1;
        if (peer->uid != (uid_t)-1 || peer->gid != (gid_t)-1)
                return 2;
        peer_find_groups(peer);
        for (size_t i = 0; i < peer->n_groups; i++)
                if (peer->groups[i] != (gid_t)-1)
                        return 3;
        if (peer->n_groups != 3)
                return 4;
        peer_free(peer);

        /* What a namespace maps stays as it is, and callers are many. */
        n_maps_read = 0;
        if (peer_from_socket(&peer, fd) != 0 || peer->uid != (uid_t)-1)
                return 5;
        peer_free(peer);
        return n_maps_read == 0 ? 0 : 6;
}

static void test_a_user_of_another_namespace_is_not_nobody(void **state)
{
        int status;

        if (geteuid() != 0)
                skip();
        int fd = connect_child(become_another);
        pid_t onlooker = fork();
        if (onlooker == 0)
                _exit(look_from_another_namespace(fd));
        assert_int_equal(waitpid(onlooker, &status, 0), onlooker);
        end_child(fd);
        close(fd);
        if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT_RUN)
                skip();
        assert_int_equal(status, 0);
}

static void test_a_living_peer_has_its_unit_looked_up_once(void **state)
{
        int fd = connect_child(NULL);
        _cleanup_(peer_freep) struct peer *peer = peer_of(fd);

        peer_find_unit(peer);
        assert_true(peer->unit_known);
        assert_string_equal(peer->unit, "jobber-sync.service");
        assert_null(peer->user_unit);
        assert_int_equal(asked_pid, child);
        peer_find_unit(peer);
        assert_int_equal(n_asked, 1);
        assert_int_equal(n_read, 2);
        end_child(fd);
        close(fd);
}

static const char *unit_of_another(const char *place)
{
        static char name[64];
        int fd = connect_child(NULL);
        _cleanup_(peer_freep) struct peer *peer = peer_of(fd);

        cgroup = place;
        peer_find_unit(peer);
        snprintf(name, sizeof(name), "%s", peer->unit ? peer->unit : "none");
        end_child(fd);
        close(fd);
        return name;
}

static void test_what_unit_a_place_belongs_to_is_asked_once(void **state)
{
        char text[32];

        unit = "a.service";
        assert_string_equal(unit_of_another("0::/a\n"), "a.service");
        unit = "b.service";
        assert_string_equal(unit_of_another("0::/a\n"), "a.service");
        assert_int_equal(n_asked, 1);
        assert_string_equal(unit_of_another("0::/b\n"), "b.service");
        assert_string_equal(unit_of_another("0::/a\n"), "a.service");
        assert_int_equal(n_asked, 2);

        /* Of those that were seen last. */
        unit = "other.service";
        for (int i = 0; i < 20; i++) {
                snprintf(text, sizeof(text), "0::/%d\n", i);
                assert_string_equal(unit_of_another(text), "other.service");
        }
        assert_string_equal(unit_of_another("0::/a\n"), "other.service");
}

static void test_a_process_that_is_moved_during_the_lookup_says_nothing_of_its_place(void **state)
{
        unit = "c.service";
        cgroup_then = "0::/elsewhere\n";
        assert_string_equal(unit_of_another("0::/c\n"), "c.service");
        cgroup_then = NULL;
        unit = "d.service";
        assert_string_equal(unit_of_another("0::/c\n"), "d.service");
}

static void test_a_place_that_is_too_long_to_remember_is_asked_for_each_time(void **state)
{
        static char text[3000];

        memset(text, 'x', sizeof(text) - 1);
        assert_string_equal(unit_of_another(text), "jobber-sync.service");
        unit = "a.service";
        assert_string_equal(unit_of_another(text), "a.service");
        assert_int_equal(n_asked, 2);
}

static int child_fd;

static void end_child_now(void)
{
        end_child(child_fd);
}

static void test_a_peer_that_ends_during_the_lookup_has_no_unit(void **state)
{
        child_fd = connect_child(NULL);
        _cleanup_(peer_freep) struct peer *peer = peer_of(child_fd);

        while_asking = end_child_now;
        peer_find_unit(peer);
        assert_true(peer->unit_known);
        assert_null(peer->unit);
        close(child_fd);
}

static void test_a_peer_that_was_gone_before_it_was_looked_at_has_no_unit(void **state)
{
        int fd = connect_child(NULL);

        end_child(fd);
        pidfd_error = ESRCH;
        _cleanup_(peer_freep) struct peer *peer = peer_of(fd);
        peer_find_unit(peer);
        assert_null(peer->unit);
        assert_int_equal(n_asked, 0);
        close(fd);
}

static void test_a_peer_that_ended_after_it_was_looked_at_has_no_unit(void **state)
{
        int fd = connect_child(NULL);
        _cleanup_(peer_freep) struct peer *peer = peer_of(fd);

        end_child(fd);
        peer_find_unit(peer);
        assert_true(peer->unit_known);
        assert_null(peer->unit);
        close(fd);
}

static void test_without_pidfds_a_process_older_than_the_connection_is_believed(void **state)
{
        int fd = connect_child(NULL);

        pidfd_error = ENOPROTOOPT;
        _cleanup_(peer_freep) struct peer *peer = peer_of(fd);
        peer_find_unit(peer);
        assert_string_equal(peer->unit, "jobber-sync.service");
        end_child(fd);
        close(fd);
}

static void test_without_pidfds_a_pid_used_again_fools_nobody(void **state)
{
        int fd = connect_child(NULL);

        pidfd_error = ENOPROTOOPT;
        _cleanup_(peer_freep) struct peer *peer = peer_of(fd);
        /* As if the connection were older than the process that has the pid now. */
        peer->seen_usec = 0;
        peer_find_unit(peer);
        assert_true(peer->unit_known);
        assert_null(peer->unit);
        end_child(fd);
        close(fd);
}

static void test_without_pidfds_a_dead_process_has_no_unit(void **state)
{
        int fd = connect_child(NULL);

        pidfd_error = ENOPROTOOPT;
        _cleanup_(peer_freep) struct peer *peer = peer_of(fd);
        end_child(fd);
        peer_find_unit(peer);
        assert_null(peer->unit);
        close(fd);
}

static void test_a_peer_whose_pid_cannot_be_seen_has_no_unit(void **state)
{
        struct peer peer = { .pid = 0 };

        peer_find_unit(&peer);
        assert_true(peer.unit_known);
        assert_null(peer.unit);
        assert_int_equal(n_asked, 0);
}

static void test_what_is_no_connected_unix_socket_is_a_fault(void **state)
{
        struct peer *peer = NULL;
        int lone = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ends[2];

        assert_true(lone >= 0);
        assert_int_equal(peer_from_socket(&peer, lone), -ENOTCONN);
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(peer_from_socket(&peer, ends[0]), -ENOTSOCK);
        assert_int_equal(peer_from_socket(&peer, -1), -EBADF);
        assert_null(peer);
        close(lone);
        close(ends[0]);
        close(ends[1]);
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_peer_is_who_the_kernel_says),
                TEST(test_uid_gid_and_supplementary_groups_are_those_of_connecting),
                TEST(test_a_peer_may_be_in_many_groups),
                TEST(test_groups_are_those_of_connecting_however_late_they_are_read),
                TEST(test_a_peer_may_have_no_groups),
                TEST(test_a_user_of_another_namespace_is_not_nobody),
                TEST(test_a_living_peer_has_its_unit_looked_up_once),
                TEST(test_what_unit_a_place_belongs_to_is_asked_once),
                TEST(test_a_process_that_is_moved_during_the_lookup_says_nothing_of_its_place),
                TEST(test_a_place_that_is_too_long_to_remember_is_asked_for_each_time),
                TEST(test_a_peer_that_ends_during_the_lookup_has_no_unit),
                TEST(test_a_peer_that_was_gone_before_it_was_looked_at_has_no_unit),
                TEST(test_a_peer_that_ended_after_it_was_looked_at_has_no_unit),
                TEST(test_without_pidfds_a_process_older_than_the_connection_is_believed),
                TEST(test_without_pidfds_a_pid_used_again_fools_nobody),
                TEST(test_without_pidfds_a_dead_process_has_no_unit),
                TEST(test_a_peer_whose_pid_cannot_be_seen_has_no_unit),
                TEST(test_what_is_no_connected_unix_socket_is_a_fault),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
