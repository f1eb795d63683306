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

void peer_writes(const void *bytes, size_t n)
{
        assert_int_equal(write(peer, bytes, n), n);
}

int next(void)
{
        const char *bytes = "untouched";
        size_t n = 17;
        int r = conn_next(conn, &bytes, &n);

        assert_true(r == 0 || (n == 17 && strcmp(bytes, "untouched") == 0));
        return r;
}

void peer_writes_until_full(const char *bytes, size_t n)
{
        size_t done = 0;
        int r;

        while (done < n) {
                ssize_t written =
                        __real_send(peer, bytes + done, n - done < 30000 ? n - done : 30000, MSG_DONTWAIT);

                if (written > 0)
                        done += (size_t)written;
                else
                        assert_int_equal(errno, EAGAIN);
                r = conn_read(conn);
                assert_true(r == 0 || r == CONN_E_AGAIN);
        }
        while ((r = conn_read(conn)) == 0)
                ;
        assert_int_equal(r, CONN_E_AGAIN);
}
