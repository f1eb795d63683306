/*
 * echo SOCKET REPLY-BYTES [REPLIES]: the floor that purserd's answers are measured against. One thread, an epoll set, and a reply of fixed
 * bytes to every request that ends with NUL: what a Unix socket costs when nothing is done for it. REPLIES: so many lie in memory, each in
 * its own, and are sent in turn, in no order of their addresses. Started with LISTEN_FDS it takes that socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
        REPLY_MAX = 65536,
        REPLIES_MAX = 1000000,
        STEP = 7919,
        REQUEST_MAX = 4096,
        EVENTS = 128,
        PASSED_FD = 3
};

static char *replies;
static size_t reply_bytes, n_replies = 1, next_reply;

static int listen_at(const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd;

        if (getenv("LISTEN_FDS"))
                return fcntl(PASSED_FD, F_SETFL, O_NONBLOCK) < 0 ? -1 : PASSED_FD;
        if (strlen(path) >= sizeof(address.sun_path))
                return -1;
        strcpy(address.sun_path, path);
        unlink(path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4096) < 0)
                return -1;
        return fd;
}

static const char *take_reply(void)
{
        const char *reply = replies + next_reply * reply_bytes;

        next_reply = (next_reply + STEP) % n_replies;
        return reply;
}

/* False: the peer is gone, or reads so slowly that it is no part of a measurement. */
static int serve(int fd)
{
        char request[REQUEST_MAX];
        ssize_t n = recv(fd, request, sizeof(request), MSG_DONTWAIT);

        if (n < 0)
                return errno == EAGAIN || errno == EINTR;
        if (n == 0)
                return 0;
        for (char *at = request, *end = request + n; (at = memchr(at, 0, (size_t)(end - at))); at++)
                if (send(fd, take_reply(), reply_bytes, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)reply_bytes)
                        return 0;
        return 1;
}

static void accept_all(int epoll, int listener)
{
        int fd;

        while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

                /* The request is usually there already. */
                if (!serve(fd) || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
                        close(fd);
        }
}

static void run(int epoll, int listener)
{
        struct epoll_event events[EVENTS];

        for (;;) {
                int n = epoll_wait(epoll, events, EVENTS, -1);

                for (int i = 0; i < n; i++)
                        if (events[i].data.fd == listener)
                                accept_all(epoll, listener);
                        else if (!serve(events[i].data.fd))
                                close(events[i].data.fd);
        }
}

int main(int argc, char **argv)
{
        struct epoll_event event = { .events = EPOLLIN };
        int listener, epoll;

        if (argc > 3)
                n_replies = strtoul(argv[3], NULL, 10);
        if (argc < 3 || argc > 4 || (reply_bytes = strtoul(argv[2], NULL, 10)) < 1 ||
            reply_bytes > REPLY_MAX || n_replies < 1 || n_replies > REPLIES_MAX) {
                fputs("usage: echo SOCKET REPLY-BYTES [REPLIES]\n", stderr);
                return 2;
        }
        replies = malloc(n_replies * reply_bytes);
        if (!replies) {
                perror("echo");
                return 1;
        }
        memset(replies, 'x', n_replies * reply_bytes);
        for (size_t i = 1; i <= n_replies; i++)
                replies[i * reply_bytes - 1] = '\0';
        listener = listen_at(argv[1]);
        epoll = epoll_create1(EPOLL_CLOEXEC);
        event.data.fd = listener;
        if (listener < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0) {
                perror("echo");
                return 1;
        }
        run(epoll, listener);
}
