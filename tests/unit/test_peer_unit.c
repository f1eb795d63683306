// links: daemon/base/
// libs: libsystemd
// ldflags: -Wl,--wrap=sd_pid_get_unit -Wl,--wrap=sd_pid_get_user_unit -Wl,--wrap=getsockopt -Wl,--wrap=open
/* Which unit a peer belongs to, when it may be believed, and how often the system is asked. */
#include "tests/beds/peer_child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* -- tests ------------------------------------------------------------------------------------------------------------ */

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

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
        const struct CMUnitTest tests[] = {
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
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
