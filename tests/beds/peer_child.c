#include "tests/beds/peer_child.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t child;

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

int connect_child(void (*become)(void))
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

void end_child(int fd)
{
        int status;

        assert_int_equal(write(fd, "", 1), 1);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        child = 0;
}

struct peer *peer_of(int fd)
{
        struct peer *peer = NULL;

        assert_int_equal(peer_from_socket(&peer, fd), 0);
        return peer;
}
