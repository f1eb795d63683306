#include "tests/beds/conn_pair.h"

#include "common/conn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int recv_errno, send_errno, n_interrupts;
size_t n_moved;

ssize_t __real_recv(int fd, void *bytes, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t n, int flags);
void __real_secret_buf_consume(struct secret_buf *buf, size_t n);
void __wrap_secret_buf_consume(struct secret_buf *buf, size_t n);

static bool fails(int error)
{
        errno = n_interrupts > 0 ? EINTR : error;
        if (n_interrupts > 0)
                n_interrupts--;
        return errno != 0;
}

ssize_t __wrap_recv(int fd, void *bytes, size_t n, int flags)
{
        return fails(recv_errno) ? -1 : __real_recv(fd, bytes, n, flags);
}

ssize_t __wrap_send(int fd, const void *bytes, size_t n, int flags)
{
        return fails(send_errno) ? -1 : __real_send(fd, bytes, n, flags);
}

void __wrap_secret_buf_consume(struct secret_buf *buf, size_t n)
{
        n_moved += buf->n - n;
        __real_secret_buf_consume(buf, n);
}

struct conn *conn;
int peer = -1;

int connect_pair(void **state)
{
        int fds[2];

        recv_errno = send_errno = n_interrupts = 0;
        n_moved = 0;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return -1;
        peer = fds[1];
        return conn_new(&conn, fds[0], MAX_IN, MAX_OUT);
}

int disconnect_pair(void **state)
{
        struct secret_stats stats;

        conn = conn_free(conn);
        closep(&peer);
        peer = -1;
        secret_get_stats(&stats);
        return stats.bytes_in_use == 0 ? 0 : -1;
}

size_t in_use(void)
{
        struct secret_stats stats;

        secret_get_stats(&stats);
        return stats.bytes_in_use;
}

void assert_next(const char *expected)
{
        const char *bytes;
        size_t n;

        assert_int_equal(conn_next(conn, &bytes, &n), 0);
        assert_int_equal(n, strlen(expected));
        assert_string_equal(bytes, expected);
}

void peer_closes(void)
{
        closep(&peer);
        peer = -1;
}
