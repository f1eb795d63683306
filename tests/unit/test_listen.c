// links: daemon/listen.c daemon/store/
// libs: libsystemd libsodium
#include "daemon/listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static char directory[] = "/tmp/purser-listen-XXXXXX";
static char path[64];
static struct listen_path bound;
static struct diag diag;
static bool for_credentials;
static int fd;

static int setup(void **state)
{
        (void)state;
        strcpy(directory + sizeof(directory) - 7, "XXXXXX");
        assert_non_null(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/sock", directory);
        bound = (struct listen_path){ 0 };
        diag = (struct diag)DIAG_INIT;
        fd = -1;
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        listen_path_done(&bound);
        closep(&fd);
        unlink(path);
        assert_int_equal(rmdir(directory), 0);
        return 0;
}

static int connect_to(const char *where)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(client >= 0);
        strncpy(address.sun_path, where, sizeof(address.sun_path) - 1);
        if (connect(client, (struct sockaddr *)&address, sizeof(address)) < 0) {
                close(client);
                return -1;
        }
        return client;
}

static void test_everybody_may_connect_to_what_was_bound(void **state)
{
        struct stat st;
        int client;

        (void)state;
        umask(077);
        assert_int_equal(listen_bind(path, &fd, &bound, &diag), 0);
        assert_int_equal(lstat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0666);
        client = connect_to(path);
        assert_true(client >= 0);
        close(client);
        assert_int_equal(umask(077), 077);
}

static void test_the_socket_goes_when_it_is_ours(void **state)
{
        (void)state;
        assert_int_equal(listen_bind(path, &fd, &bound, &diag), 0);
        listen_path_done(&bound);
        assert_int_equal(access(path, F_OK), -1);
        listen_path_done(&bound);
}

static void test_a_socket_that_took_our_place_stays(void **state)
{
        struct listen_path other = { 0 };
        int other_fd = -1;

        (void)state;
        assert_int_equal(listen_bind(path, &fd, &bound, &diag), 0);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(listen_bind(path, &other_fd, &other, &diag), 0);
        listen_path_done(&bound);
        assert_int_equal(access(path, F_OK), 0);
        listen_path_done(&other);
        close(other_fd);
}

static void test_a_socket_that_is_left_over_is_replaced(void **state)
{
        (void)state;
        assert_int_equal(listen_bind(path, &fd, &bound, &diag), 0);
        close(fd);
        free(bound.path);
        bound = (struct listen_path){ 0 };
        assert_int_equal(listen_bind(path, &fd, &bound, &diag), 0);
}

static void test_a_socket_that_somebody_answers_at_is_left_alone(void **state)
{
        struct listen_path other = { 0 };
        int other_fd = -1, client;

        (void)state;
        assert_int_equal(listen_bind(path, &fd, &bound, &diag), 0);
        assert_int_equal(listen_bind(path, &other_fd, &other, &diag), LISTEN_E_IN_USE);
        assert_non_null(strstr(diag.text, path));
        assert_null(other.path);
        client = connect_to(path);
        assert_true(client >= 0);
        close(client);
}

static void test_a_file_that_is_no_socket_is_never_removed(void **state)
{
        FILE *file = fopen(path, "we");

        (void)state;
        assert_non_null(file);
        fclose(file);
        assert_int_equal(listen_bind(path, &fd, &bound, &diag), LISTEN_E_UNUSABLE);
        assert_non_null(strstr(diag.text, "something else than a socket"));
        assert_int_equal(access(path, F_OK), 0);
}

static void test_a_missing_directory_and_a_long_path_are_told(void **state)
{
        char longer[200];

        (void)state;
        memset(longer, 'x', sizeof(longer));
        longer[0] = '/';
        longer[sizeof(longer) - 1] = '\0';
        assert_int_equal(listen_bind(longer, &fd, &bound, &diag), LISTEN_E_UNUSABLE);
        assert_non_null(strstr(diag.text, "107"));
        assert_int_equal(listen_bind("/nonexistent/purser/sock", &fd, &bound, &diag), LISTEN_E_UNUSABLE);
        assert_non_null(strstr(diag.text, "directory does not exist"));
}

/* As the service manager tells it. */
static void pass_one(const char *name)
{
        char pid[16];

        snprintf(pid, sizeof(pid), "%d", (int)getpid());
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "1", 1);
        setenv("LISTEN_FDNAMES", name, 1);
}

static void test_what_the_manager_kept_for_us_is_no_socket(void **state)
{
        int taken = fcntl(3, F_GETFD) < 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
        size_t n;

        (void)state;
        if (taken >= 0 && taken != 3)
                assert_int_equal(dup2(taken, 3), 3);
        pass_one("purser-unsaved");
        assert_int_equal(listen_passed(&n), 0);
        assert_int_equal(n, 0);
        pass_one("purser.socket");
        assert_int_equal(listen_passed(&n), 0);
        assert_int_equal(n, 1);
        if (taken >= 0) {
                close(3);
                if (taken != 3)
                        close(taken);
        }
}

static void test_only_listening_unix_stream_sockets_are_taken_over(void **state)
{
        int taken, pair[2], saved;

        (void)state;
        /* The first passed descriptor is number 3 (sd_listen_fds(3)). */
        pass_one("purser.socket");
        saved = fcntl(3, F_DUPFD_CLOEXEC, 10);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(dup2(pair[0], 3), 3);
        assert_int_equal(listen_take_passed(0, &taken, &for_credentials, &diag), LISTEN_E_UNUSABLE);
        assert_non_null(strstr(diag.text, "descriptor 3"));

        assert_int_equal(listen_bind(path, &fd, &bound, &diag), 0);
        assert_int_equal(dup2(fd, 3), 3);
        assert_int_equal(listen_take_passed(0, &taken, &for_credentials, &diag), 0);
        assert_int_equal(taken, 3);
        assert_false(for_credentials);
        pass_one("credentials");
        assert_int_equal(listen_take_passed(0, &taken, &for_credentials, &diag), 0);
        assert_true(for_credentials);

        if (saved >= 0) {
                assert_int_equal(dup2(saved, 3), 3);
                close(saved);
        } else {
                close(3);
        }
        if (pair[0] != 3)
                close(pair[0]);
        if (pair[1] != 3)
                close(pair[1]);
}

#define LISTEN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                LISTEN_TEST(test_everybody_may_connect_to_what_was_bound),
                LISTEN_TEST(test_the_socket_goes_when_it_is_ours),
                LISTEN_TEST(test_a_socket_that_took_our_place_stays),
                LISTEN_TEST(test_a_socket_that_is_left_over_is_replaced),
                LISTEN_TEST(test_a_socket_that_somebody_answers_at_is_left_alone),
                LISTEN_TEST(test_a_file_that_is_no_socket_is_never_removed),
                LISTEN_TEST(test_a_missing_directory_and_a_long_path_are_told),
                LISTEN_TEST(test_what_the_manager_kept_for_us_is_no_socket),
                LISTEN_TEST(test_only_listening_unix_stream_sockets_are_taken_over),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
