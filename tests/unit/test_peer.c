// links: daemon/base/
// libs: libsystemd
// ldflags: -Wl,--wrap=open
#include "tests/beds/peer_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CANNOT_RUN = 77, MANY_GROUPS = 300 };

static unsigned n_maps_read;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
        if (strstr(path, "id_map"))
                n_maps_read++;
        return __real_open(path, flags);
}

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

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_peer_is_who_the_kernel_says),
                cmocka_unit_test(test_uid_gid_and_supplementary_groups_are_those_of_connecting),
                cmocka_unit_test(test_a_peer_may_be_in_many_groups),
                cmocka_unit_test(test_groups_are_those_of_connecting_however_late_they_are_read),
                cmocka_unit_test(test_a_peer_may_have_no_groups),
                cmocka_unit_test(test_a_user_of_another_namespace_is_not_nobody),
                cmocka_unit_test(test_what_is_no_connected_unix_socket_is_a_fault),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
